"""Episodes on disk, what a page and a film show of them, and episodes that were not kept."""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.core.errors import BadInput, MissingExtra, RunError
from edgewise.core.run import Run
from edgewise.embodied.watching.recording import Episode, episode_folder, read_episode
from edgewise.embodied.watching.replay import kept_episode
from edgewise.embodied.watching.timeline import ending, pictures, states, timeline
from edgewise.embodied.watching.video import write_video
from edgewise.report.html import render_episode
from edgewise.scene import Memory
from edgewise.scene.types import Visibility
from support.hostile import HOSTILE

Browser = Callable[..., str]
FRAMED = """<iframe src=inner.html width=360 height=700 style='border:0'></iframe><script>
setInterval(()=>{try{document.title=document.querySelector('iframe').contentDocument.title}catch(e){}},200)</script>"""


def never() -> None:
    raise AssertionError("nothing needs to be played")


@pytest.fixture
def kept(ladder: Path) -> Path:
    return episode_folder(ladder, "symbolic+full", "slid_cover", 0)


def test_an_episode_is_there_whole(kept: Path) -> None:
    episode = read_episode(kept)
    assert (episode.task, episode.seed, episode.about["memory"]) == ("slid_cover", 0, "full")
    assert episode.success and episode.reached == 2 and len(episode.times) == 2 and not episode.unmet
    assert len(list((kept / "frames").glob("*.jpg"))) == len(episode.frames) > 30
    wanted = [d.directive.action for d in episode.decisions if d.directive.action is not None]
    assert [a.name for a in wanted] == [a.name for a, _, _ in episode.actions]
    assert Memory.load(kept / "scene.jsonl").events == episode.events
    assert Episode.from_json(episode.to_json(), where="x") == episode


def test_states_end_as_the_memory_did(kept: Path) -> None:
    episode, memory = read_episode(kept), Memory.load(kept / "scene.jsonl")
    *_, (objects, relations) = states(kept, episode)
    assert set(objects) == set(memory.graph.nodes) and relations == memory.graph.relations
    assert all(objects[i].position == node.position for i, node in memory.graph.nodes.items())


def test_what_is_hidden_is_marked_where_it_is_believed_to_be(kept: Path) -> None:
    data, episode = timeline(kept), read_episode(kept)
    (red,) = [i for i, label in _labels(kept).items() if label == "red cube"]
    hidden = [m for moment in data["moments"] for m in moment["marks"] if m[0] == red and not m[1]]
    assert len(hidden) > 5
    for _, _, x0, y0, x1, y1 in hidden:
        assert 0 <= x0 < x1 <= data["size"][0] and 0 <= y0 < y1 <= data["size"][1]
    told = [objects[red].visibility for objects, _ in states(kept, episode)]
    assert Visibility.CONTAINED in told and told[0] == Visibility.VISIBLE
    assert [step["reached"] for step in data["steps"]] == list(episode.times)
    assert all(action["start"] <= action["end"] for action in data["actions"])


def _labels(folder: Path) -> dict[int, str]:
    return {i: node.label for i, node in Memory.load(folder / "scene.jsonl").graph.nodes.items()}


def test_an_episode_that_was_not_kept_is_played_again(ladder: Path) -> None:
    one = kept_episode(ladder, None, None, None, ready=lambda: None)  # the one that failed comes first
    assert (one.arm, one.folder.name) == ("symbolic+none", "slid_cover-0")
    episode = read_episode(one.folder)
    (played,) = [e for e in Run.open(ladder).read_events("episode") if e.key.startswith("symbolic+none")]
    assert (episode.success, episode.reason) == (False, played.data["reason"])
    assert len(episode.frames) == played.data["frames"]
    assert not (one.folder / "scene.jsonl").exists() and timeline(one.folder)["events"] == []
    assert kept_episode(ladder, "none", "slid-cover", 0, ready=never) == one


@pytest.mark.parametrize(
    ("arm", "task", "seed", "told"),
    [(None, "stack_three_colors", None, "no such episode"), (None, None, 7, "no such"), ("stf", None, None, "no such"),
     (None, "chess", None, "no task 'chess'")],
)  # fmt: skip
def test_what_is_not_there_is_named(
    ladder: Path, arm: str | None, task: str | None, seed: int | None, told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        kept_episode(ladder, arm, task, seed, ready=never)


def test_a_run_of_another_kind_and_a_folder_without_an_episode(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", "probe", {}, seed=0).close()
    with pytest.raises(BadInput, match="a run of kind probe"):
        kept_episode(tmp_path / "run", None, None, None, ready=never)
    with pytest.raises(RunError, match="no episode"):
        read_episode(tmp_path)


def test_why_it_ended(kept: Path) -> None:
    episode = read_episode(kept)
    assert ending(episode) == ["Every step was reached, and the end held after the gripper had let go."]
    early = episode.model_copy(update={"success": False, "reached": 1, "reason": "done"})
    told = ending(early)
    assert told[0].startswith("Step 2 of 2 was never reached: Put the red cube on")
    assert told[-1] == "The agent held the task for done."
    undone = episode.model_copy(update={"success": False, "unmet": ("on(red, pad)",)})
    assert ending(undone)[0] == "Every step was reached, but the end did not hold: on(red, pad)."


# The page


def page(folder: Path, where: Path, data: dict | None = None) -> Path:
    where.write_text(render_episode(data or timeline(folder), pictures(folder)))
    return where


def text_of(dom: str, identity: str) -> list[str]:
    """Texts of the items of a list."""
    inner = re.search(rf'id="{identity}"[^>]*>.*?<ol[^>]*>(.*?)</ol>', dom, re.DOTALL)
    assert inner
    return [
        html.unescape(re.sub(r"<[^>]+>", "", item)) for item in re.findall(r"<li[^>]*>(.*?)</li>", inner[1], re.DOTALL)
    ]


def test_the_page_shows_the_chain_that_the_memory_tells(kept: Path, browser: Browser, tmp_path: Path) -> None:
    memory = Memory.load(kept / "scene.jsonl")
    (red,) = [i for i, label in _labels(kept).items() if label == "red cube"]
    end = read_episode(kept).frames[-1][0]
    dom = browser("--dump-dom", page(kept, tmp_path / "page.html").as_uri() + f"#at={end}&object={red}")
    assert f'data-moment="{len(read_episode(kept).frames) - 1}"' in dom
    assert text_of(dom, "chain") == [line.partition(" ")[2] for line in memory.why(red)]
    assert "slid cover" in dom and "✓ done" in dom and dom.count('class="reached"') == 2


def test_nothing_hostile_runs_on_it(kept: Path, browser: Browser, tmp_path: Path) -> None:
    data = timeline(kept)
    data["goal"] = data["task"] = HOSTILE
    data["ended"] = [HOSTILE]
    for action in data["actions"]:
        action |= {"what": HOSTILE, "thought": HOSTILE, "why": HOSTILE, "reason": HOSTILE, "feedback": HOSTILE}
    for event in data["events"]:
        event["text"] = HOSTILE
    for moment in data["moments"]:
        for fact in moment.get("objects", {}).values():
            fact["label"] = HOSTILE
    for step in data["steps"]:
        step["text"] = HOSTILE
    dom = browser("--dump-dom", page(kept, tmp_path / "page.html", data).as_uri() + "#at=3&object=1")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title and not title[1].startswith("HACKED") and 'data-moment="' in dom
    assert "<img src=x" not in dom and dom.count("<script") == 3


def test_it_fits_a_phone(kept: Path, browser: Browser, tmp_path: Path) -> None:
    told = page(kept, tmp_path / "page.html").read_text()
    wide = "document.title='width '+document.documentElement.scrollWidth"
    tell = f"<script>onload=()=>setTimeout(()=>{{{wide}}},2000)</script>"
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", told)
    (tmp_path / "inner.html").write_text(free.replace("</body>", tell + "</body>"))
    (tmp_path / "outer.html").write_text(FRAMED)
    dom = browser("--allow-file-access-from-files", "--dump-dom", (tmp_path / "outer.html").as_uri())
    found = re.search(r"<title>width (\d+)</title>", dom)
    assert found and int(found[1]) <= 360, dom[:300]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_is_a_picture_on_it(kept: Path, browser: Browser, tmp_path: Path, scheme: str) -> None:
    from PIL import Image

    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    shot = tmp_path / "shot.png"
    uri = page(kept, tmp_path / "page.html").as_uri() + "#at=5"
    browser(*dark, "--window-size=1200,1400", f"--screenshot={shot}", uri)
    image = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert (image[5, 5].mean() > 225) if scheme == "light" else (image[5, 5].mean() < 60)
    table = (np.abs(image[250:750, 80:640] - image[5, 5]).sum(axis=2) > 40).mean()
    assert table > 0.7  # the frame fills its place


# The film


def test_a_film_has_every_picture(kept: Path, tmp_path: Path) -> None:
    imageio = pytest.importorskip("imageio_ffmpeg")
    file = tmp_path / "films" / "film.mp4"
    assert write_video(kept, file) == len(read_episode(kept).frames)
    reader = imageio.read_frames(str(file))
    size = next(reader)["size"]
    frames = [np.frombuffer(frame, np.uint8) for frame in reader]
    assert size == (640, 576) and abs(len(frames) - len(read_episode(kept).frames)) <= 1
    assert np.abs(frames[0].astype(int) - frames[len(frames) // 2]).max() > 60


def test_without_an_encoder(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtra, match="imageio"):
        write_video(kept, tmp_path / "film.mp4")


def test_a_film_that_cannot_be_written(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"an \.mp4 file"):
        write_video(kept, tmp_path / "film.gif")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        write_video(kept, tmp_path / "file" / "film.mp4")


def test_a_film_without_pictures(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "e", ignore=shutil.ignore_patterns("*.jpg"))
    with pytest.raises(RunError, match="no pictures"):
        write_video(tmp_path / "e", tmp_path / "film.mp4")
