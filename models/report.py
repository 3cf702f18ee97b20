"""What a training run has to say, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TrainReport:
    """A finished training.

    version: "name/number" in the registry. promoted: it is the champion now; why: the gate's word. metrics: of the headline
    horizon on the test period, by who is judged (model, rule, logistic, champion). horizons: the model's at each horizon.
    rows, bans: what it learnt from. missing: source -> features it would have given. experiment: the MLflow experiment's id.
    tuning: as models.tuning.Tuned.plain() gives it, where settings were looked for.
    """

    run_id: str
    version: str
    promoted: bool
    why: str
    metrics: dict[str, dict[str, float]]
    horizons: dict[str, dict[str, float]]
    rows: int
    bans: int
    trained_until: str | None
    experiment: str
    missing: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tuning: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
