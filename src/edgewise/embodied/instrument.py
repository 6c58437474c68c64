"""The embodied instrument: can a model that sees plan at a table, and what does object memory add?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import Field, field_validator

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.estimate import Estimate
from edgewise.core.instrument import Capability, Control, Cost, Instrument, InstrumentConfig
from edgewise.core.profile import Panel, Turn, Verdict, above, at_least
from edgewise.core.run import Run
from edgewise.core.section import Section
from edgewise.embodied.panel import MEMORIES, Played, build_section, evidence, measure, silent, write_table

if TYPE_CHECKING:
    from edgewise.embodied.beliefs import Beliefs
    from edgewise.embodied.planners.language import LanguagePlanner, Reply
    from edgewise.embodied.play import Arm, Setting
    from edgewise.embodied.types import EpisodeResult
    from edgewise.models.door import Model
    from edgewise.models.types import Message, Prompt, Response, Settings

_PROMPT = 1000  # tokens of a prompt at most, beside the facts and the picture
_PICTURE = 1100  # tokens of a picture, for the estimate of cost
_CAVEAT = (
    "The model names primitives and object ids; code turns them into motions in a simulator, and the simulator's masks "
    "stand in for a segmenter. Both arms see such pictures and may be told the same number of tokens; what differs is "
    "what is remembered. How well the model would see by itself is not measured here."
)


class EmbodiedInstrumentConfig(InstrumentConfig):
    """Which tasks, and how often. The defaults are the quick setting.

    Attributes:
        tasks: Names of tasks, each played with the full memory and with none.
        seeds: Episodes of each task and memory.
        actions: Most primitives of an episode.
        budget: Tokens of facts that the model is told, whatever its memory.
        max_tokens: Of an answer.
        limit: Share of directives that must be valid, and of claims that must hold.
        jobs: Episodes at a time.
    """

    tasks: tuple[str, ...] = ("slid_cover", "swap_same_colour", "hide_restore_easy", "cup_shuffle")
    seeds: int = Field(default=1, ge=1)
    actions: int = Field(default=12, ge=1)
    budget: int = Field(default=1500, ge=100)
    max_tokens: int = Field(default=500, ge=50)
    limit: float = Field(default=0.8, ge=0, le=1)
    jobs: int = Field(default=4, ge=1)

    @field_validator("tasks")
    @classmethod
    def _tasks_known(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        from edgewise.embodied.tasks.suites import find_task

        try:
            return tuple(dict.fromkeys(find_task(name).name for name in tasks))
        except BadInput as error:
            raise ValueError(f"{error.message} ({error.fix})") from None

    @classmethod
    def full(cls) -> Self:
        """Whole suites, enough episodes for a verdict, and room to think."""
        from edgewise.embodied.tasks.suites import suite

        chosen = [task.name for name in ("adversarial", "hide-and-restore") for task in suite(name)]
        return cls(tasks=tuple(chosen), seeds=3, actions=25, max_tokens=1500)


class Embodied(Instrument["Model", EmbodiedInstrumentConfig]):
    """Lets the model plan tasks at a table, once with the full object memory and once with none, at equal budget.

    Reports how often tasks are done in both arms, what memory adds, how many directives can be carried out, and how
    many of the predicates that the model claims to have checked hold. ``docs/embodied.md`` describes the tasks.
    """

    name: ClassVar[str] = "embodied"
    title: ClassVar[str] = "Embodied planning"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.VISION})
    Config = EmbodiedInstrumentConfig

    async def run(self, model: Model, config: EmbodiedInstrumentConfig, run: Run) -> Panel:
        """Examine ``model``. Writes the table ``embodied_episodes``."""
        from edgewise.models.gather import gather_calls, within_budget
        from edgewise.scene.worlds.render import gl_problem

        if self.missing(model):
            return self.not_measured(config, "the model takes no pictures")
        if problem := await asyncio.to_thread(gl_problem):
            return self.not_measured(config, problem)
        seeds = run.rng("embodied").integers(2**31, size=config.seeds).tolist()
        bridge = Bridge(model, asyncio.get_running_loop())
        jobs = [
            partial(asyncio.to_thread, _episode, task, seed, arm, config, bridge)
            for task in config.tasks
            for seed in seeds
            for arm in MEMORIES
        ]
        try:
            found = await gather_calls(
                jobs, limit=config.jobs, progress=lambda done, total: run.progress(self.name, done, total)
            )
        finally:
            bridge.over = bridge.over or Halted()  # threads cannot be stopped, but they ask no more
        played = [one for one in within_budget(found) if isinstance(one, Played)]
        write_table(run, played)
        dimensions = measure(played, run)
        return Panel(
            instrument=self.name,
            dimensions=dimensions,
            evidence=evidence(played),
            verdicts={
                "memory_helps": above(dimensions["memory_uplift"], 0.0),
                "directives_valid": at_least(dimensions["valid_directives"], config.limit),
                "claims_hold": at_least(dimensions["grounded_predicates"], config.limit),
            },
            caveats=(_CAVEAT, *silent(played)),
        )

    def dimension_names(self, config: EmbodiedInstrumentConfig) -> tuple[str, ...]:
        """Success in both arms, what memory adds, valid directives, claims that hold."""
        return (*(f"success/{arm}" for arm in MEMORIES), "memory_uplift", "valid_directives", "grounded_predicates")

    def cost(self, config: EmbodiedInstrumentConfig) -> Cost:
        """Upper estimate: every directive is asked for twice, as after a contradiction."""
        calls = 2 * (config.actions + 3) * len(config.tasks) * config.seeds * len(MEMORIES)
        return Cost.of(calls, config.budget + _PROMPT + _PICTURE + config.max_tokens, config.max_tokens)

    def controls(self) -> Sequence[Control[Model]]:
        """One who reads what the memory tells and one who looks at what is seen now alone."""
        from edgewise.embodied.reader import reading_model

        return (
            Control(
                "planner that reads its memory", "positive", lambda seed: reading_model(f"reader {seed}"), _uplifted
            ),
            Control(
                "planner that does not",
                "negative",
                lambda seed: reading_model(f"forgetful reader {seed}", remembers=False),
                _not_uplifted,
            ),
        )

    def section(self, panel: Panel, run: Run) -> Section:
        """Episodes of both arms side by side."""
        return build_section(panel, run)


class Halted(Exception):
    """The examination is over; an episode that still goes on asks nothing more."""


class Bridge:
    """The model for episodes, which go on in threads: calls are made by the loop of the run, as all calls are.

    Attributes:
        over: What ended the examination; whoever asks afterwards is told the same.
    """

    def __init__(self, model: Model, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self.capabilities = model.name, model.capabilities
        self.over: BaseException | None = None
        self._model, self._loop = model, loop

    async def generate(self, prompt: Prompt, settings: Settings | None = None) -> Response:
        """Ask the model."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._ask(prompt, settings), self._loop))

    async def _ask(self, prompt: Prompt, settings: Settings | None) -> Response:
        if self.over is not None:
            raise self.over
        try:
            return await self._model.generate(prompt, settings)
        except ModelFault:
            raise
        except BaseException as error:
            self.over = error
            raise


def _episode(task: str, seed: int, arm: str, config: EmbodiedInstrumentConfig, bridge: Bridge) -> Played:
    """Play one episode, in a thread of its own."""
    from edgewise.embodied.agent import Limits
    from edgewise.embodied.play import Arm, Setting

    planner = _listener(bridge, config.max_tokens)
    # The simulator's own masks, and no comparison with the truth: it is the model that is examined.
    limits = Limits(actions=config.actions)
    setting = Setting(perception="masks", noise=0, budget=config.budget, limits=limits, scored=False)
    result = play_and_close(planner, task, seed, Arm("language", MEMORIES[arm]), setting)
    return Played(
        task=task,
        seed=seed,
        memory=arm,
        success=result.success,
        reached=result.reached,
        steps=result.steps,
        reason=result.reason,
        directives=tuple(f"{action}: {outcome} {reason}".strip() for action, outcome, reason in result.actions),
        turns=planner.turns,
        **planner.counts,
    )


def play_and_close(planner: LanguagePlanner, task: str, seed: int, arm: Arm, setting: Setting) -> EpisodeResult:
    """One episode; the planner's loop, which belongs to this thread, is closed after it."""
    from edgewise.embodied.play import play

    try:
        return play(task, seed, arm, setting, planner=planner)
    finally:
        planner.close()


def _listener(bridge: Bridge, max_tokens: int) -> Any:
    """The language planner; what it is told and says is counted."""
    from edgewise.embodied.planners.language import LanguagePlanner, Reply, contradictions

    class Listener(LanguagePlanner):
        def __init__(self) -> None:
            super().__init__(cast("Model", bridge), max_tokens)
            self.counts: dict[str, Any] = {"asked": 0, "valid": 0, "claims": 0, "grounded": 0, "fault": ""}
            self.turns: tuple[Turn, ...] = ()

        async def _answer(self, messages: list[Message], beliefs: Beliefs) -> tuple[Reply | None, list[str]]:
            try:
                reply, problems = await super()._answer(messages, beliefs)
            except ModelFault as fault:
                self.counts["fault"] = fault.kind
                raise
            if len(messages) == 2:  # a first answer, and not one after a contradiction
                self._count(reply, beliefs)
            told = messages[-1].text if len(messages) > 2 else messages[1].text
            self.turns = (Turn(role="user", text=told), Turn(role="assistant", text=_shown(reply, problems)))
            return reply, problems

        def _count(self, reply: Reply | None, beliefs: Beliefs) -> None:
            self.counts["asked"] += 1
            if reply is None:
                return
            self.counts["valid"] += not contradictions(reply.model_copy(update={"claims": ()}), beliefs)
            for claim in reply.claims:
                self.counts["claims"] += 1
                self.counts["grounded"] += not contradictions(Reply(claims=(claim,), done=True), beliefs)

    return Listener()


def _shown(reply: Any, problems: Sequence[str]) -> str:
    said = "(nothing that can be read)" if reply is None else reply.model_dump_json(exclude_defaults=True)
    return "\n".join([said, *(f"contradicted: {problem}" for problem in problems)])


def _uplifted(panel: Panel) -> bool:
    uplift = panel.dimensions["memory_uplift"]
    return isinstance(uplift, Estimate) and panel.verdicts["memory_helps"] == Verdict.PASS


def _not_uplifted(panel: Panel) -> bool:
    uplift = panel.dimensions["memory_uplift"]
    return isinstance(uplift, Estimate) and uplift.value <= 0 and panel.verdicts["memory_helps"] != Verdict.PASS
