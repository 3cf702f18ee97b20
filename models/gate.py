"""Whether the challenger becomes champion: at least as good on the same recent rows, and better than both baselines."""

from __future__ import annotations

from dataclasses import dataclass

METRIC = "average_precision"


@dataclass(frozen=True)
class Verdict:
    """promoted: the champion moves. why: one line for the run and the log."""

    promoted: bool
    why: str


def decide(
    challenger: dict[str, float],
    baselines: dict[str, dict[str, float]],
    champion: dict[str, float] | None,
    lost: str | None = None,
) -> Verdict:
    """Compare metrics that were all measured on the same rows, which none of the models has learnt from.

    champion: metrics of the champion's evaluation twin; None when there is none yet. lost: why there is a champion, but no
    metrics of it; then it stays, for nobody knows that the challenger is as good.
    """
    own = challenger.get(METRIC)
    so = "there is no champion yet" if champion is None and lost is None else "champion stays"
    if own is None:
        return Verdict(False, f"the test period has no ban (or nothing but bans), so nothing can be compared; {so}")
    for name, metrics in baselines.items():
        other = metrics.get(METRIC, 0.0)
        if own <= other:
            return Verdict(False, f"average precision {own:.3f} is not above the {name} baseline's {other:.3f}; {so}")
    best = max((metrics.get(METRIC, 0.0), name) for name, metrics in baselines.items()) if baselines else (0.0, "none")
    against = f"average precision {own:.3f} is above the best baseline's ({best[1]}: {best[0]:.3f})"
    if lost is not None:
        return Verdict(False, f"{lost}; champion stays, point the alias at another version to replace it")
    if champion is None:
        return Verdict(True, f"{against}; there was no champion yet")
    other = champion.get(METRIC, 0.0)
    if own < other:
        return Verdict(False, f"average precision {own:.3f} is below the champion's {other:.3f} on the same rows; champion stays")
    return Verdict(True, f"{against} and not below the champion's ({other:.3f}) on the same rows")
