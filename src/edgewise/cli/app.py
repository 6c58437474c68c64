"""Puts the commands together, and turns errors into messages and exit codes.

Exit codes: 0 done; 1 an error of edgewise itself; 2 a wrong input, folder or option; 3 the run is incomplete (a budget
ended or calls went unanswered); 4 something is not installed or not possible on this machine; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer

from edgewise.cli import (
    align,
    character,
    checkup,
    embodied,
    front,
    loopholes,
    machine,
    probe,
    rank,
    runs,
    society,
    steer,
)
from edgewise.cli.output import report_as_json, report_error

_HELP = """A check-up for language models and agents, and the treatment.

Start with `edgewise checkup`: it examines the embedded model and writes a report."""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Typer's formatted help would load half of Rich, and double the time this takes
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 2 wrong input, 3 incomplete, 4 not possible here, 130 interrupted.",
)
for module in (checkup, probe, rank, society, character, align, front, steer, loopholes, embodied, runs, machine):
    module.register(app)


def main() -> None:
    """Entry point of the command ``edgewise``."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(standalone_mode=False) or 0  # Typer returns the code of `typer.Exit`, and 130 when interrupted
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        # The reader of our output has gone (`edgewise runs | head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = report_error(error)
    if code == 130:
        report_as_json("interrupted", None, "`edgewise resume` goes on")
        sys.stderr.write("\nInterrupted. What was done is kept; `edgewise runs` shows it, `edgewise resume` goes on.\n")
        _leave(code)
    raise SystemExit(code)


def _stop(signal_number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)  # which asyncio knows how to take


def _leave(code: int) -> None:
    """End at once: a request still in flight in a thread must not hold up who pressed Ctrl-C."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
