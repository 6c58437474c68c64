"""Society: PettingZoo's and Concordia's engines and ours on equal games.

    python benchmarks/bench_society_peers.py            # its section of benchmarks/results/society.md
    python benchmarks/bench_society_peers.py --quick    # a trial with few repeats; writes nothing

Peers live in environments of their own, which are named by EDGEWISE_PEER_PETTINGZOO and EDGEWISE_PEER_CONCORDIA, or are
in the folder for temporary files: pettingzoo-venv (`pip install pettingzoo pygame-ce`), concordia-venv (`pip install
gdm-concordia`). What runs there is ``society_games.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _table import interval, ratio, table, write_section
from society_games import scored

QUICK = "--quick" in sys.argv
PEERS = {
    "edgewise": sys.executable,
    **{
        name: os.environ.get(f"EDGEWISE_PEER_{name.upper()}", f"{tempfile.gettempdir()}/{name}-venv") + "/bin/python"
        for name in ("pettingzoo", "concordia")
    },
}


class Peer:
    """A process that plays in a peer's environment."""

    def __init__(self, name: str, peer: str | None = None) -> None:
        self.name = name
        environment = {**os.environ, "PYGAME_HIDE_SUPPORT_PROMPT": "1", "SDL_VIDEODRIVER": "dummy"}
        command = [PEERS[name], str(Path(__file__).with_name("society_games.py")), peer or name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def time(self, form: str, rounds: int, episodes: int) -> float:
        """Microseconds per agent action."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps([form, rounds, episodes]) + "\n")
        stdin.flush()
        for line in stdout:
            if line.startswith('{"'):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                assert answer["won"] == scored(rounds), f"{self.name}, {form}: another game was played"
                return 1e6 * answer["seconds"] / (2 * rounds * episodes)
        raise RuntimeError("its process ended")

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(60)


def version(name: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    try:
        return subprocess.run([PEERS[name], "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not installed"


# Peer, its form, the form of ours that is the same game, rounds, episodes.
MATCHES = (
    ("pettingzoo", "parallel", "together", 1000, 5),
    ("pettingzoo", "parallel", "together", 15, 300),
    ("pettingzoo", "AEC", "in turn", 1000, 5),
    ("pettingzoo", "AEC", "in turn", 15, 300),
    ("pettingzoo", "AEC, bare", "in turn", 1000, 5),
    ("pettingzoo", "view, parallel", "together", 1000, 5),
    ("pettingzoo", "view, AEC", "together", 1000, 5),
    ("concordia", "simultaneous, bare", "together", 1000, 1),
    ("concordia", "sequential, bare", "in turn", 1000, 1),
    ("concordia", "simultaneous, agents", "together", 1000, 1),
    ("concordia", "sequential, agents", "in turn", 1000, 1),
)


def match(peer: str, form: str, ours: str, rounds: int, episodes: int) -> tuple[list[float], list[float]] | str:
    """Microseconds per action of the peer and of ours, in turns; or why there are none."""
    # Our own views of our own scenarios are PettingZoo environments too: they run in this environment.
    both = [Peer("edgewise", "pettingzoo") if form.startswith("view") else Peer(peer), Peer("edgewise")]
    jobs = [(both[0], form), (both[1], ours)]
    try:
        for each, what in jobs:
            each.time(what, rounds, 1)  # imports, caches
        costs: tuple[list[float], list[float]] = [], []
        for _ in range(2 if QUICK else 10):
            for (each, what), into in zip(jobs, costs, strict=True):
                into.append(each.time(what, rounds, episodes))
        return costs
    except (RuntimeError, OSError) as error:
        return str(error)
    finally:
        for each in both:
            each.close()


def peers() -> str:
    installed = {"pettingzoo": version("pettingzoo", "pettingzoo"), "concordia": version("concordia", "gdm-concordia")}
    names = {"pettingzoo": "PettingZoo", "concordia": "Concordia"}
    rows = []
    for peer, form, ours, rounds, episodes in MATCHES:
        print(peer, form, file=sys.stderr, flush=True)
        own = form.startswith("view")
        label = f"our PettingZoo {form}" if own else f"{names[peer]}, {form}"
        found = installed[peer] if installed[peer] == "not installed" else match(peer, form, ours, rounds, episodes)
        if isinstance(found, str):
            rows.append((label, f"{rounds:,}", 0, found, "", "", ""))
            continue
        theirs, mine = found
        aim = "" if own else "10" if peer == "concordia" else "over 1"
        cells = interval(theirs), interval(mine), ratio(theirs, mine)
        rows.append((label, f"{rounds:,}", len(theirs), *cells, aim))
    return "\n\n".join((
        "Rock, paper, scissors for two, moves drawn beforehand and the same everywhere; that the winnings are the same "
        f"is checked in every run. PettingZoo {installed['pettingzoo']}, its own `classic.rps_v2`; `bare` is without "
        f"its wrappers, so without checks. Concordia {installed['concordia']}, its simultaneous and sequential engine "
        "with a `NoLanguageModel` that plays the drawn moves, a game master that answers from a table, no memory, no "
        "embedder, no log; `bare` players are the least class that its engine takes, `agents` are its `EntityAgent` "
        "with nothing but `ConcatActComponent`. Ours is the same game as a `Scenario`, together or one seat at a time "
        "as the peer's is, with checks and full record. Start of the episode included; processes of their own, in "
        "turns; microseconds per agent action. Our views (`edgewise.society.petting`) are beside our engine, for what "
        "the view costs.",
        table(("peer", "rounds", "n", "peer, µs", "edgewise, µs", "edgewise is ahead by", "aim"), rows),
    ))  # fmt: skip


if __name__ == "__main__":
    body = peers()
    print(body)
    if not QUICK:
        write_section("society", "Society", "Speed: peers on equal games", body, "bench_society_peers.py")
