"""历史: the line's own record.

Young lines are watched most closely, a line that was banned before is banned again sooner, and a won appeal clears it.
"""

from __future__ import annotations

from features.feature import declare

F = "history"

FEATURES = [
    *declare(F, "age_days", "days since activation", "days", lambda w: w.at("age_days"), sources=("lines",)),
    *declare(F, "bans_before", "earlier bans of the line", "bans", lambda w: w.at("bans_before"), sources=("bans",)),
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
