"""The event log: durable, checked line by line, and nothing good is lost when a line is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.core.errors import CorruptRecord, RunError
from edgewise.core.events import Event, EventLog, decode_event, encode_event, read_events, repair_events


def write(path: Path, count: int) -> bytes:
    log = EventLog(path)
    log.extend([("unit", f"k{i}", {"i": i}) for i in range(count)])
    log.close()
    return path.read_bytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5), lambda x: st.lists(x, max_size=3)
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.text(max_size=5))
def test_a_line_says_what_was_written(data: dict[str, object], key: str) -> None:
    event = Event(7, "2026-01-01T00:00:00.000Z", "unit", key, data)
    line = encode_event(event)
    assert decode_event(line) == event
    assert line.count(b"\n") == 1 and line.endswith(b"\n")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    line = bytearray(encode_event(Event(3, "2026-01-01T00:00:00.000Z", "call", "abc", {"text": "hello"})))
    place = data.draw(st.integers(0, len(line) - 2))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    assert decode_event(bytes(line)) is None


def test_append_read_and_look_up(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl")
    log.append("unit", {"v": 1}, key="a")
    log.append("unit", {"v": 2}, key="a", durable=False)
    log.append("other", {"v": 3})
    assert log.get("unit", "a") == {"v": 2} and log.get("unit", "b") is None
    assert [e.data["v"] for e in log.read()] == [1, 2, 3] and [e.seq for e in log.read()] == [0, 1, 2]
    log.close()
    again = EventLog(tmp_path / "e.jsonl")
    assert again.get("unit", "a") == {"v": 2}
    again.append("unit", {"v": 4})
    assert [e.seq for e in again.read()] == [0, 1, 2, 3]
    again.close()
    with pytest.raises(RunError, match="closed"):
        again.append("unit", {})


@pytest.mark.parametrize("keep", range(1, 60, 7))
def test_a_torn_last_line_is_set_aside(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "e.jsonl"
    whole = write(path, 5)
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[:keep])
    assert [e.seq for e in read_events(path)] == [0, 1, 2, 3]
    log = EventLog(path)
    log.append("unit", {"i": 99}, key="new")
    log.close()
    assert [e.data["i"] for e in read_events(path)] == [0, 1, 2, 3, 99]
    assert path.with_suffix(".jsonl.torn").read_bytes() == last[:keep] + b"\n"


def test_a_flipped_byte_names_file_and_line_and_repair_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = write(path, 5).splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"i":2', b'"i":3')
    path.write_bytes(b"".join(lines))
    for reader in (lambda: list(read_events(path)), lambda: EventLog(path)):
        with pytest.raises(CorruptRecord) as caught:
            reader()
        assert caught.value.where == f"{path}, line 3" and "repair" in str(caught.value)
    assert repair_events(path) == 1
    assert [e.data["i"] for e in read_events(path)] == [0, 1, 3, 4]
    assert path.with_suffix(".jsonl.bad").read_bytes() == lines[2]
    assert repair_events(path) == 0


def test_a_line_pasted_twice_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = write(path, 3).splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(CorruptRecord, match="sequence"):
        list(read_events(path))


def test_many_writers_share_the_disk(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl")

    async def go() -> None:
        await asyncio.gather(*(log.put("unit", {"i": i}, f"k{i}") for i in range(2000)))

    asyncio.run(go())
    assert sorted(e.data["i"] for e in log.read()) == list(range(2000))
    assert all(log.get("unit", f"k{i}") == {"i": i} for i in range(0, 2000, 97))
    log.close()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that stops half-way leaves no half line, and the log goes on once there is room."""
    log = EventLog(tmp_path / "e.jsonl")
    log.append("unit", {"i": 0}, key="a")
    real = log._file.write

    def full(block: memoryview) -> int:
        real(block[: len(block) // 2])
        raise OSError(28, "No space left on device")

    class File:
        write = staticmethod(full)

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

    file, log._file = log._file, File()  # type: ignore[assignment]
    with pytest.raises(RunError, match="disk is full"):
        log.append("unit", {"i": 1}, key="b")
    with pytest.raises(RunError, match="disk is full"):
        asyncio.run(log.put("unit", {"i": 2}, "c"))
    log._file = file
    log.append("unit", {"i": 3}, key="d")
    assert [e.data["i"] for e in log.read()] == [0, 3]
    assert log.get("unit", "b") is None and log.get("unit", "d") == {"i": 3}
    log.close()
