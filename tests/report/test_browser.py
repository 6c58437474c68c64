"""The page in a real browser: figures are drawn, nothing hostile runs, it fits a phone, it can be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.core.run import Run
from edgewise.report.html import write_report
from support.hostile import HOSTILE

Make, Browser = Callable[..., Run], Callable[..., str]


@pytest.mark.parametrize("text", ["It is 5.", HOSTILE])
def test_figures_are_drawn_and_nothing_hostile_runs(make_run: Make, browser: Browser, text: str) -> None:
    dom = browser("--dump-dom", write_report(make_run(text)).as_uri())
    assert re.search(r"<title>[^<]*edgewise check-up</title>", dom) and "<title>HACKED" not in dom
    assert 'data-drawn="2"' in dom and dom.count("main-svg") >= 2


def test_it_fits_a_phone(make_run: Make, browser: Browser, tmp_path: Path) -> None:
    """In a frame of 360 pixels nothing is wider than the frame, and the page says so by its title."""
    report = write_report(make_run()).read_text()
    tell = "document.title='width '+document.documentElement.scrollWidth"
    probe = f"<script>onload=()=>setTimeout(()=>{{{tell}}},3000)</script>"
    framed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report).replace(
        "</body>", probe + "</body>"
    )
    (tmp_path / "inner.html").write_text(framed)
    script = (
        "setInterval(()=>{try{document.title=document.querySelector('iframe').contentDocument.title}catch(e){}},200)"
    )
    outer = f"<iframe src=inner.html width=360 height=700 style='border:0'></iframe><script>{script}</script>"
    (tmp_path / "outer.html").write_text(outer)
    dom = browser("--allow-file-access-from-files", "--dump-dom", (tmp_path / "outer.html").as_uri())
    found = re.search(r"<title>width (\d+)</title>", dom)
    assert found and int(found[1]) <= 360, dom[:300]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_has_the_page_on_it(make_run: Make, browser: Browser, tmp_path: Path, scheme: str) -> None:
    """The background is the scheme's, and there is ink on it: text, intervals in the accent colour, figures."""
    np = pytest.importorskip("numpy")
    pytest.importorskip("PIL.Image")
    from PIL import Image

    picture = tmp_path / f"{scheme}.png"
    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browser(*dark, "--window-size=1100,2600", f"--screenshot={picture}", write_report(make_run()).as_uri())
    image = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert image.shape[:2] == (2600, 1100)
    brightness = image.mean()
    assert brightness > 225 if scheme == "light" else brightness < 60
    accent = np.array([0x1F, 0x5F, 0xA8] if scheme == "light" else [0x7F, 0xB4, 0xEE])
    assert (np.abs(image - accent).sum(axis=2) < 30).sum() > 2_000
    rows = (np.abs(image - image[5, 5]).sum(axis=2) > 60).any(axis=1)
    assert rows.mean() > 0.4
