"""Statistics with their uncertainty: intervals, bootstrap, paired tests, agreement, calibration, conformal, sequential.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.stats.agreement": ("cohen_kappa", "krippendorff_alpha"),
        "edgewise.stats.resampling": ("BootstrapResult", "bootstrap"),
        "edgewise.stats.betting": ("betting_evidence", "mean_bounds"),
        "edgewise.stats.calibration": (
            "Reliability", "aurc", "aurc_estimate", "brier_score", "ece_estimate", "excess_aurc",
            "expected_calibration_error", "reliability_curve", "risk_coverage_curve",
        ),
        "edgewise.stats.conformal": ("conformal_intervals", "conformal_quantile", "conformal_sets"),
        "edgewise.stats.correlation": ("kendall", "spearman"),
        "edgewise.stats.dominance": ("hypervolume", "non_dominated"),
        "edgewise.stats.intervals": (
            "clopper_pearson", "clustered_mean", "mean_estimate", "proportion", "unseen_share", "wilson",
        ),
        "edgewise.stats.multiple": ("benjamini_hochberg", "holm"),
        "edgewise.stats.paired": ("mcnemar_exact", "paired_difference", "permutation_test"),
        "edgewise.stats.sequential": ("confidence_sequence", "probability_ratio_test"),
    }
)  # fmt: skip
