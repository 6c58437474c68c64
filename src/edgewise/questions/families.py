"""The families of reasoning items, and what easy, medium and hard mean in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from edgewise.core.errors import BadInput
from edgewise.questions import soundness

Difficulty = Literal["easy", "medium", "hard", "unrated"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")
CODE = "code"
Sound = Callable[[str, str], bool]
_CHARACTERS_PER_TOKEN = 2  # low on purpose: digits and grids take more tokens than prose
_TEMPLATE = 60  # tokens of our own words around a question


@dataclass(frozen=True)
class Family:
    """One generator of reasoning-gym with three settings of its own parameters.

    A family is here only if its reference answers score 1 and are right, its scorer never evaluates the answer as code
    and needs nothing but the item, and the same seed gives the same items in every process.

    Attributes:
        name: Name of the generator in reasoning-gym.
        area: Field of reasoning.
        settings: Parameters of the easy, the medium and the hard items.
        longest: Upper limit of a question's length, in characters; a longer one is not drawn.
        transferable: Whether the answer to one item could be the answer to another. Where it could not (each item has
            its own words), other items' answers make no credible options or suggestions.
        sound: Whether a question's reference answer is right; an item is drawn only if it is.
    """

    name: str
    area: str
    settings: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
    longest: int
    transferable: bool = True
    sound: Sound | None = None

    def parameters(self, difficulty: Difficulty) -> dict[str, Any]:
        """The generator's parameters at this difficulty."""
        return self.settings[DIFFICULTIES.index(difficulty)]


def _span(name: str, *ends: tuple[int, int]) -> list[dict[str, Any]]:
    """One ``min_<name>``/``max_<name>`` pair per difficulty."""
    return [{f"min_{name}": low, f"max_{name}": high} for low, high in ends]


def _family(
    name: str,
    area: str,
    longest: int,
    *columns: list[dict[str, Any]],
    transferable: bool = True,
    sound: Sound | None = None,
) -> Family:
    """A family whose settings at each difficulty are the union of the columns' entries."""
    easy, medium, hard = ({k: v for column in columns for k, v in column[level].items()} for level in range(3))
    return Family(name, area, (easy, medium, hard), longest, transferable, sound)


_ALL = (
    _family("chain_sum", "arithmetic", 130, _span("terms", (2, 2), (3, 3), (5, 6)), _span("digits", (1, 2), (2, 3), (4, 4))),
    _family("products", "arithmetic", 120, _span("digits", (1, 2), (2, 3), (4, 5))),
    _family("gcd", "arithmetic", 140, _span("numbers", (2, 2), (2, 2), (3, 3)), _span("value", (2, 20), (20, 300), (100, 3000))),
    _family("leg_counting", "arithmetic", 300, _span("animals", (1, 2), (3, 4), (6, 8)), _span("instances", (1, 4), (1, 9), (5, 15))),
    _family("simple_equations", "algebra", 90, _span("terms", (2, 2), (2, 3), (4, 4)), _span("value", (1, 10), (1, 50), (10, 100)), sound=soundness.equation_sound),
    _family("spell_backward", "algorithmic", 70, _span("word_len", (3, 4), (5, 7), (8, 10)), transferable=False),
    _family("letter_counting", "algorithmic", 300, _span("words", (3, 5), (7, 10), (15, 20)), sound=soundness.count_sound),
    _family("base_conversion", "algorithmic", 220, _span("base", (2, 4), (2, 10), (2, 16)), _span("value", (1, 40), (20, 300), (500, 5000))),
    _family("word_sorting", "algorithmic", 450, _span("words", (3, 3), (5, 5), (8, 8)), _span("word_length", (3, 6), (3, 8), (3, 12)), transferable=False),
    _family(
        "syllogism", "logic", 240,
        # After unsound items are left out, about half of the answers are "Yes".
        [{"invalid_ratio": r, "inversion_probability": p, "allow_some_not": o} for r, p, o in ((0.43, 1.0, True), (0.34, 0.0, False), (0.34, 0.0, True))],
        sound=soundness.syllogism_sound,
    ),
    _family("knights_knaves", "logic", 1100, [{"n_people": n, "depth_constraint": d, "width_constraint": d} for n, d in ((2, 2), (3, 2), (4, 3))], transferable=False),
    _family("aiw", "logic", 700, [{"task_type_weights": w, "max_entities": n} for w, n in (([1.0, 0.0, 0.0], 4), ([0.5, 0.5, 0.0], 8), ([0.0, 1.0, 0.0], 16))], sound=soundness.circle_sound),
    _family("number_sequence", "cognition", 80, _span("terms", (5, 6), (5, 7), (6, 8)), _span("value", (0, 30), (-100, 100), (-500, 500)), [{"max_complexity": c} for c in (1, 2, 4)]),
    _family("color_cube_rotation", "cognition", 750, _span("rotations", (1, 1), (2, 3), (5, 6)), sound=soundness.turn_sound),
    _family("needle_haystack", "cognition", 1600, _span("num_statements", (3, 5), (10, 14), (28, 36)), transferable=False),
    _family("family_relationships", "graphs", 400, _span("family_size", (3, 4), (5, 6), (8, 9)), sound=soundness.relation_sound),
    _family(
        "course_schedule", "graphs", 600,
        _span("num_courses", (4, 4), (6, 7), (10, 12)), _span("num_prerequisites", (1, 1), (1, 2), (1, 2)), _span("cycle_length", (3, 3), (3, 4), (3, 5)),
    ),
    _family("maze", "games", 420, _span("dist", (2, 4), (5, 7), (9, 12)), _span("grid_size", (5, 5), (6, 7), (9, 10))),
    _family("simple_geometry", "geometry", 330, _span("sides", (3, 3), (4, 5), (7, 8)), _span("angle", (10, 170), (60, 140), (100, 170)), sound=soundness.angle_sound),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
_LONG = {"knights_knaves", "needle_haystack", "color_cube_rotation", "course_schedule"}
QUICK_FAMILIES = tuple(name for name in FAMILIES if name not in _LONG)  # those with short questions


def find_family(name: str) -> Family:
    """The family of this name.

    Raises:
        BadInput: There is none.
    """
    if name not in FAMILIES:
        raise BadInput(f"no family is called {name!r}", field="families", fix=f"known: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for name in names:
            find_family(name)
    except BadInput as error:
        raise ValueError(f"{error.message} (known: {', '.join(FAMILIES)})") from None
    if not names or len(set(names)) != len(names):
        raise ValueError("name at least one family, and none twice")
    return names


FamilyNames = Annotated[tuple[str, ...], AfterValidator(_known)]  # in a configuration


def most_tokens(characters: int) -> int:
    """Upper estimate of the tokens of a question of so many characters, with the words around it."""
    return characters // _CHARACTERS_PER_TOKEN + _TEMPLATE
