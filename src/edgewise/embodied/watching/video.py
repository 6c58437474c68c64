"""An episode as a film: its pictures with ids and boxes, what is done, and what just happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import BadInput, MissingExtra, RunError, Unsupported
from edgewise.core.files import explain_os_errors
from edgewise.embodied.watching.timeline import timeline

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SCALE = 2  # of pictures
_BELOW = 96  # pixels of text below the picture
_TEXT = 15  # points
_SPEED = 2.0  # times as fast as it was
_RECENT = 1.5  # seconds that an event stays


def write_video(episode: Path, file: Path) -> int:
    """Write an MP4 (H.264); returns the number of pictures.

    Raises:
        MissingExtra: imageio-ffmpeg or Pillow is not installed.
        Unsupported: There is no encoder, or it fails.
        BadInput: The file is not to be an MP4.
        RunError: The episode has no pictures, or the file cannot be written.
    """
    try:
        import imageio_ffmpeg
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "sim") from None
    if file.suffix.lower() != ".mp4":
        raise BadInput("a film is an .mp4 file", file=file, field="video")
    data, frames = timeline(episode), sorted((episode / "frames").glob("*.jpg"))
    if not frames:
        raise RunError("the episode has no pictures", where=str(episode))
    times = [moment["time"] for moment in data["moments"]]
    rate = _SPEED * (len(times) - 1) / max(times[-1] - times[0], 1e-6) if len(times) > 1 else 1.0
    with Image.open(frames[0]) as first:
        size = (first.width * _SCALE // 2 * 2, (first.height * _SCALE + _BELOW) // 2 * 2)
    with explain_os_errors(file, "the film cannot be written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    try:
        writer = imageio_ffmpeg.write_frames(
            str(file), size, fps=rate, codec="libx264", quality=7, macro_block_size=2, ffmpeg_log_level="fatal"
        )
        writer.send(None)
        for moment, path in zip(data["moments"], frames, strict=True):
            with Image.open(path) as picture:
                writer.send(_drawn(picture, moment, data, size).tobytes())
        writer.close()
    except (RuntimeError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise Unsupported(
            f"no film could be made: {why}", fix="pip install imageio-ffmpeg, which carries the encoder"
        ) from error
    return len(frames)


def _drawn(picture: Image, moment: dict[str, Any], data: dict[str, Any], size: tuple[int, int]) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("RGB", size, (20, 23, 26))
    canvas.paste(picture.resize((size[0], size[1] - _BELOW), Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_TEXT)
    for identity, seen, *box in moment["marks"]:
        x0, y0, x1, y1 = (value * _SCALE for value in box)
        if not seen:
            _dashed(draw, (x0, y0, x1, y1))
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill="white" if seen else "#ffe08a", outline="black")
        draw.text((x, y), str(identity), fill="black", font=font, anchor="mm")
    for line, (text, colour) in enumerate(_lines(moment["time"], data)):
        draw.text(
            (10, size[1] - _BELOW + 8 + line * 21), _fitted(draw, text, size[0] - 20, font), fill=colour, font=font
        )
    return canvas


def _lines(time: float, data: dict[str, Any]) -> list[tuple[str, str]]:
    """Step, action and the latest events."""
    done = sum(step["reached"] is not None and step["reached"] <= time + 0.05 for step in data["steps"])
    goal = data["steps"][done]["text"] if done < len(data["steps"]) else "every step was reached"
    found = [(f"{time:5.1f} s   {done} of {len(data['steps'])} steps; next: {goal}", "#6fcf97")]
    action = next((a for a in reversed(data["actions"]) if a["start"] <= time + 1e-3), None)
    if action is not None:
        over = action["end"] <= time + 0.25 and action["outcome"]
        outcome = f": {action['outcome']} {action['reason']}" if over else ""
        failed = action["outcome"] in ("failed", "refused") and over
        found.append((f"{action['what']}{outcome}", "#ff8a80" if failed else "#7fb4ee"))
    recent = [e for e in data["events"] if time - _RECENT <= e["time"] <= time + 1e-3 and e["kind"] != "initialise"]
    return found + [(event["text"], "#e7e5df") for event in recent[-2:]]


def _dashed(draw: ImageDraw, box: tuple[float, float, float, float], dash: int = 7) -> None:
    x0, y0, x1, y1 = box
    for start, end in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0))):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        for k in range(0, int(length), 2 * dash):
            a, b = k / length, min(1.0, (k + dash) / length)
            draw.line(
                [tuple(s + (e - s) * part for s, e in zip(start, end, strict=True)) for part in (a, b)],
                fill="white",
                width=2,
            )


def _fitted(draw: ImageDraw, text: str, width: float, font: Any) -> str:
    """The text cut to a width; what the font cannot show is shown as a question mark."""
    text = text.encode("latin-1", "replace").decode("latin-1").replace("\n", " ")
    while text and draw.textlength(text, font=font) > width:
        text = text[: -2 - len(text) // 20] + "…"
    return text
