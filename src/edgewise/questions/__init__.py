"""Questions whose answers can be checked: generators, their difficulties, finding an answer in a text, grading it.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.questions.draw": ("human_eval", "open_sequence", "sound_items"),
        "edgewise.questions.extraction": ("extract_answer", "normalise"),
        "edgewise.questions.families": ("FAMILIES", "Family", "find_family"),
        "edgewise.questions.graders": ("grade_answer", "grade_program"),
        "edgewise.questions.types": ("Item",),
    }
)
