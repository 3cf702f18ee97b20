"""What a forecast has to beat: the rule an ops team uses today, and a logistic regression.

The rule: how far calls a day, calls an hour and complaints are over their limits, the worst of them. Limits are the carrier's
published ones where it has any, the settings' where not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from data_schemas.settings import RuleSettings

PUBLISHED = ("calls_peak_day_over_limit_1d", "calls_busiest_hour_over_limit_1d")
"""Features that are already counts over the carrier's own limit."""


def rule_limits(rule: RuleSettings) -> dict[str, float]:
    """The limit of each feature that the rule reads."""
    return {
        "calls_1d": rule.daily_calls,
        "calls_busiest_hour_1d": rule.hourly_calls,
        "complaints_7d": rule.weekly_complaints,
        **{name: 1.0 for name in PUBLISHED},
    }


def rule_scores(table: pd.DataFrame, rule: RuleSettings) -> np.ndarray:
    """The rule's score of each row: its largest count over its limit (1: at a limit); 0 where nothing is known."""
    limits = {name: limit for name, limit in rule_limits(rule).items() if name in table}
    if not limits:
        return np.zeros(len(table))
    over = np.column_stack([table[name].to_numpy(dtype="float64") / limit for name, limit in limits.items()])
    return np.nan_to_num(over, nan=0.0).max(axis=1)


def _signed_log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def logistic() -> Pipeline:
    """Logistic regression as a careful user would set it up: medians for what is missing, logs for long tails, one scale."""
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        FunctionTransformer(_signed_log),
        StandardScaler(),
        LogisticRegression(C=0.01, max_iter=300),
    )


def logistic_model(values: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Pipeline | None:
    """The logistic regression fitted on values (n, F), labels 0 or 1 and weights (n,); None when the labels are of one class."""
    if len(np.unique(label)) < 2:
        return None
    return logistic().fit(values, label, logisticregression__sample_weight=weight)


def logistic_scores(
    values: np.ndarray, label: np.ndarray, weight: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Probabilities for `others` (m,) of a logistic regression fitted on values (n, F) with known labels (n,).

    Also the coefficients (F,), on standard scale. None when the labels are of one class.
    """
    model = logistic_model(values, label, weight)
    return None if model is None else (model.predict_proba(others)[:, 1], model[-1].coef_[0])
