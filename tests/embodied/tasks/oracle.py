"""A script that does tasks by the simulator's truth: shows that each can be done, not how an agent should."""

from __future__ import annotations

import numpy as np

from edgewise.embodied.tasks.predicates import DIRECTIONS, final_conditions
from edgewise.embodied.tasks.referee import Referee
from edgewise.embodied.types import Goal, Predicate
from edgewise.scene.worlds.spec import KNOB
from edgewise.scene.worlds.world import World

HIGH = 0.3


class Oracle:
    """Does a goal's conditions one after the other."""

    def __init__(self, world: World, referee: Referee, goal: Goal) -> None:
        self.world, self.referee, self.goal = world, referee, goal
        self.start = world.truth(pictures=False)

    def run(self) -> bool:
        for k, part in enumerate(self.goal.steps):
            for condition in part.conditions:
                for _ in range(3):
                    if self.referee.progress.reached > k:
                        break
                    self.bring(condition)
                    self.wait(0.4)
        for _ in range(3):
            self.settle()
            for condition in final_conditions(self.goal):
                if not self.referee.progress.holds([condition], self.world.truth(pictures=False)):
                    self.bring(condition)
        for _ in self.referee.end():
            pass
        return self.referee.success

    def bring(self, condition: Predicate) -> None:
        self.settle()
        a, *others = condition.arguments
        truth = self.world.truth(pictures=False)
        match condition.name:
            case "on" | "inside":
                if a in truth.covered:
                    self.uncover(a)
                self.put(a, *self.above(a, others[0], condition.name))
            case "covered":
                x, y, _ = self.world.position(a)
                self.put(others[0], x, y, 0.0)
            case "uncovered":
                if a in truth.covered:
                    self.uncover(a)
            case "standing":
                self.put(a, *self.free(a), 0.0)
            case "moved":
                x, y, _ = self.world.position(a)
                way = np.array(DIRECTIONS[condition.direction])
                spots = [
                    np.array([x, y]) + way * d + np.array([e, 0])
                    for d in (0.13, 0.15, 0.17)
                    for e in np.arange(-0.2, 0.21, 0.04)
                ]
                self.put(a, *next(s for s in spots if self.is_free(a, s)), 0.0)
            case "bridged":
                ends = np.array([self.world.position(name) for name in others])
                middle, along = ends.mean(axis=0), ends[0] - ends[1]
                self.put(a, middle[0], middle[1], ends[0][2] + 0.02, float(np.arctan2(along[1], along[0])))
            case "returned":
                k = self.start.names.index(a)
                x, y, z = self.start.positions[k]
                self.put(a, x, y, z - self.world.spec[a].size[2])

    def uncover(self, a: str) -> None:
        cover = self.world.truth(pictures=False).covered[a]
        self.put(cover, *self.free(cover), 0.0)

    def above(self, a: str, b: str, how: str) -> tuple[float, float, float]:
        x, y, z = self.world.position(b)
        support = self.world.spec[b]
        if how == "on":
            return x, y, z + support.size[2] if not support.fixed else 0.0
        inside = [n for n, c in self.world.truth(pictures=False).inside.items() if c == b]
        shift = 0.0 if support.size[1] < 0.08 else (-0.045 if inside else 0.045)
        turn = self.yaw(b)
        return x - shift * np.sin(turn), y + shift * np.cos(turn), 0.004

    def free(self, a: str) -> tuple[float, float]:
        grid = [(x, y) for x in np.arange(0.33, 0.63, 0.03) for y in np.arange(-0.27, 0.28, 0.03)]
        x0, y0, _ = self.world.position(a)
        grid.sort(key=lambda s: (s[0] - x0) ** 2 + (s[1] - y0) ** 2)
        return next(s for s in grid if self.is_free(a, np.array(s)))

    def is_free(self, a: str, spot: np.ndarray) -> bool:
        truth = self.world.truth(pictures=False)
        half = np.array([0.05, 0.06]) if self.world.spec[a].size[0] < 0.03 else np.array([0.06, 0.065])
        if not (0.3 < spot[0] < 0.66 and abs(spot[1]) < 0.3):
            return False
        for k, name in enumerate(truth.names):
            if name == a or truth.covered.get(a) == name:
                continue
            if ((spot + half > truth.low[k, :2]) & (spot - half < truth.high[k, :2])).all():
                return False
        return True

    def put(self, a: str, x: float, y: float, bottom: float, yaw: float | None = None) -> None:
        thing = self.world.spec[a]
        here = self.world.position(a)
        lift = thing.size[2] + KNOB[2] if thing.can.covers else 0.0
        turn = (self.yaw(a) + np.pi / 4) % (np.pi / 2) - np.pi / 4 if thing.size[0] < 0.05 else self.yaw(a)
        self.go([((here[0], here[1], HIGH), turn), ((here[0], here[1], here[2] + lift), turn)], True)
        self.go([((here[0], here[1], HIGH), turn)])
        end = turn if yaw is None else turn + yaw
        height = bottom + thing.size[2] + lift + 0.002
        self.go([((x, y, HIGH), end), ((x, y, height), end)], False)
        self.go([((x, y, HIGH), end)])

    def yaw(self, a: str) -> float:
        truth = self.world.truth(pictures=False)
        w, x, y, z = truth.quaternions[truth.index(a)]
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))

    def go(self, waypoints: list, closed: bool | None = None) -> None:
        for _ in self.world.follow(waypoints, closed, opening=0.06 if closed is False else 0.08):
            pass

    def settle(self) -> None:
        """Wait until nobody else is at work."""
        self.wait(0.3)
        while self.world.hand.busy:
            self.wait(0.2)

    def wait(self, seconds: float) -> None:
        for _ in self.world.wait(seconds):
            pass
