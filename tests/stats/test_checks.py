"""What all functions refuse, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.stats import mcnemar_exact, mean_estimate


def test_bad_numbers_name_field_and_row() -> None:
    for bad, words in [
        ([0.5, float("nan")], "row 2, field 'values': is not a finite number"),
        ([[0.5, 0.5]], "field 'values': must be one-dimensional"),
        (["a", "b"], "field 'values': must be numbers"),
        ([None], "row 1, field 'values': is not a finite number"),
        ([[1], [1, 2]], "field 'values': must be numbers"),
    ]:
        with pytest.raises(BadInput, match=words):
            mean_estimate(bad)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="lengths differ: first has 1, second has 2"):
        mcnemar_exact([1], [1, 0])


def test_bad_labels_are_refused_not_grouped() -> None:
    for labels, words in [
        ([1.0, np.nan, np.nan], "row 2, field 'clusters': the label is missing"),
        (["a", None, "b"], "row 2, field 'clusters': the label is missing"),
        (np.array(["a", 1, 2], dtype=object), "cannot be compared"),
        ([[1], [2], [3]], "one label for each of 3"),
    ]:
        with pytest.raises(BadInput, match=words):
            mean_estimate([0.1, 0.2, 0.3], labels)


def test_labels_may_be_of_any_kind() -> None:
    for labels in (["b", "a", "b"], [2, 1, 2], [True, False, True]):
        measure = mean_estimate([0.1, 0.2, 0.3], labels)
        assert isinstance(measure, Estimate) and measure.n == 2


def test_importing_the_package_loads_no_numerics() -> None:
    """Names are loaded when first used; scipy when first needed."""
    program = (
        "import sys, edgewise.stats as s; assert not {'numpy', 'scipy'} & set(sys.modules); "
        "s.bootstrap, s.krippendorff_alpha, s.kendall, s.aurc, s.confidence_sequence; "
        "assert 'numpy' in sys.modules and 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_can_be_had() -> None:
    import edgewise.stats as room

    assert all(callable(getattr(room, name)) for name in room.__all__)
