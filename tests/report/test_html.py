"""The page: everything is shown, nothing is run, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgewise.core.errors import RunError
from edgewise.core.run import Run
from edgewise.models.types import storable
from edgewise.report.commands import reproduce
from edgewise.report.html import render_comparison, render_report, write_report
from edgewise.report.text import shown, visible
from edgewise.report.view import build_view
from support.hostile import HOSTILE

Make = Callable[..., Run]


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_everything_is_shown(make_run: Make) -> None:
    page = Page(render_report(build_view(make_run())))
    for words in (
        "model It is 5.", "chain sum", "a family with a rather long name", "less is better", "0.400", "[0.250, 0.580]",
        "n=30", "not measured: no sandbox", "above guessing", "does not hold", "inconclusive", "Each family rests",
        "Three bars.", "A talk", "98", "12,345", "$0.0123", "No answer: timeout", "edgewise checkup embedded --seed 7",
        "4 dimensions were measured, 1 were not", "130",
    ):  # fmt: skip
        assert words in page.text, words
    assert {attributes.get("lang") for tag, attributes in page.tags if tag == "html"} == {"en"}


def test_nothing_is_fetched_and_only_our_scripts_may_run(make_run: Make) -> None:
    page = Page(render_report(build_view(make_run())))
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "action", "background"} & set(attributes), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "http" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]


@pytest.mark.parametrize(
    "text", [HOSTILE, "<!--", "]]>", "{{ 7*7 }}", "&lt;b&gt;", "javascript:alert(1)", "\ud800", "[red]x[/red]"]
)
def test_a_models_words_are_only_words(make_run: Make, text: str) -> None:
    plain, hostile = (
        Page(render_report(build_view(make_run()))),
        Page(render_report(build_view(make_run(text, name="h")))),
    )
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert visible(storable(text)) in hostile.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", hostile.text)


def test_endless_text_is_cut(make_run: Make) -> None:
    html = render_report(build_view(make_run("\x00<b>" * 2_500_000)))
    assert len(html) < 3_000_000 and "characters left out" in html


def test_the_same_run_gives_the_same_bytes(make_run: Make) -> None:
    run = make_run(HOSTILE)
    first = write_report(run).read_bytes()
    assert write_report(Run.open(run.path)).read_bytes() == first


def test_an_unfinished_run_says_so_first(make_run: Make) -> None:
    text = Page(render_report(build_view(make_run(status="incomplete")))).text
    assert text.index("This run is incomplete.") < text.index("At a glance") and "2 × timeout" in text


def test_a_room_that_fails_costs_only_its_details(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()

    def broken(name: str) -> object:
        raise ZeroDivisionError("<b>oops</b>")

    monkeypatch.setattr("edgewise.report.view.load_instrument", broken)
    html = render_report(build_view(run))
    assert "Details cannot be shown" in html and "&lt;b&gt;oops" in html and "0.400" in html


def test_a_page_without_figures_is_small(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    monkeypatch.setattr("edgewise.report.view.load_instrument", lambda name: (_ for _ in ()).throw(RunError("gone")))
    assert len(render_report(build_view(run))) < 40_000


def test_no_profile_is_an_error(tmp_path: Path) -> None:
    with Run.create(tmp_path / "r", "checkup", {}, seed=0) as run, pytest.raises(RunError, match="no profile"):
        write_report(run)


def test_comparison(make_run: Make) -> None:
    a, b = make_run().read_profile(), make_run(HOSTILE, name="b").read_profile()
    page = Page(render_comparison(a.compare(b), a, b))
    assert "There is no total" in page.text and "unclear" in page.text and visible(HOSTILE)[:60] in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 1


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a\x00\x1b[1m\x7f\x85\u202e\u200b\r\nb\tc") == "a␀␛[1m␡⟦U+0085⟧⟦U+202E⟧⟦U+200B⟧\nb\tc"
    assert shown("x" * 20, head=5, tail=5).startswith("xxxxx\n… [10 characters left out")


def test_the_command_can_be_pasted(make_run: Make) -> None:
    manifest = make_run().manifest
    config = {
        "model": "scripted:my file.py:f", "depth": "full", "instruments": ["competence"],
        "limits": {"calls": 5, "cost": None},
        "options": {"competence": {"code_items": 2}}, "prices": {"input": 1.0, "output": 2.5}, "can": ["text"],
        "model_args": {"base_url": "u"},
    }  # fmt: skip
    assert reproduce(manifest.model_copy(update={"config": config})) == (
        "edgewise checkup 'scripted:my file.py:f' --seed 7 --full --only competence --set competence.code_items=2 "
        "--budget calls=5 --price 1,2.5 --can text -M base_url=u"
    )
