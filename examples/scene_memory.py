"""Object memory for RGB-D frames: what is where, what happened, and why, also of what is not seen any more.

``python examples/scene_memory.py FOLDER`` reads a recording (``edgewise.scene.perception.frames`` says how it is laid
out). Without a folder it first makes one in the simulator: somebody puts a cup over a cube and slides both away.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edgewise.scene import Memory
from edgewise.scene.perception.frames import RecordedFrames, write_frames


def watch(folder: Path) -> Memory:
    """Show a recording with masks to a memory."""
    frames = RecordedFrames(folder)
    memory = Memory()
    for position, observation in enumerate(frames):
        segmentation = frames.segmentation(position)
        assert segmentation is not None, (
            "this recording has no masks; a segmenter of edgewise.scene.perception finds some"
        )
        for event in memory.update(observation, segmentation):
            print(f"{event.time:5.1f} s  {event.kind:<10}  {event.text}")
    return memory


def record(folder: Path) -> None:
    """A recording of a cup that is put over a cube and slid away with it."""
    from edgewise.scene.worlds.hand import Carry
    from edgewise.scene.worlds.spec import WorldSpec, cube, cup
    from edgewise.scene.worlds.world import World

    things = (cube("red", 0.4, -0.1), cube("blue", 0.4, 0.2), cup("grey", 0.55, 0.1, name="cup"))
    with World(WorldSpec(things)) as world:
        seen = [(world.observe(), world.segmentation())]
        world.hand.perform([Carry("cup", "red"), Carry("cup", (0.5, -0.25, 0.0), slide=True)])
        for _ in world.wait(9.0):
            seen.append((world.observe(), world.segmentation()))
    write_frames(folder, (one for one, _ in seen), (other for _, other in seen))


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        if len(sys.argv) == 1:
            record(given)
        memory = watch(given)
    print("\n" + memory.text())
    for fact in memory.hidden():
        where = "?" if fact.position is None else ", ".join(f"{value:.2f}" for value in fact.position)
        print(f"\nWhere is {fact.label} {fact.id}, which nobody sees? At {where}. Why?")
        print("\n".join(memory.why(fact.id)))
