"""历史: the line's own record.

Young lines are watched most closely, a line that was banned before is banned again sooner, and a won appeal clears it.
"""

from __future__ import annotations

from features.context import QUARTER
from features.feature import LONGEST, declare

F = "history"

FEATURES = [
    *declare(F, "age_days", "days since activation", "days", lambda w: w.at("age_days"), sources=("lines",)),
    *declare(F, "bans_before", "earlier bans of the line", "bans", lambda w: w.at("bans_before"), sources=("bans",)),
    *declare(
        F,
        "own_bans",
        "bans of the line that began",
        "bans",
        lambda w: w.at(f"own_bans_{w.days}"),
        windows=(LONGEST, QUARTER),
        sources=("bans",),
    ),
    *declare(
        F,
        "bans_per_month_of_age",
        "earlier bans of the line per 30 days since activation",
        "bans per 30 days",
        # The first month counts whole, or a ban in the first week would look like a habit.
        lambda w: w.at("bans_before").cast("float64") * 30.0 / (w.at("age_days") + 30),
        sources=("bans",),
    ),
    *declare(F, "days_banned", "days the line spent under bans", "days", lambda w: w.at("days_banned"), sources=("bans",)),
    *declare(
        F, "days_since_ban", "days since the line's last ban began", "days", lambda w: w.at("days_since_ban"), sources=("bans",)
    ),
    *declare(
        F,
        "days_since_lift",
        "days since the line's last ban was lifted",
        "days",
        lambda w: w.at("days_since_lift"),
        sources=("bans",),
    ),
    *declare(F, "appeals_won", "appeals won by the line", "appeals", lambda w: w.at("appeals_won"), sources=("bans.appeal_won",)),
]
