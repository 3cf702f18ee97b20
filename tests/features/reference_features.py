"""Every feature of the catalogue written out a second time, over one line (`reference.Line`) and a window of `w` days.

A feature is missing from `REFERENCE`, or one too many: `test_reference` fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan, sqrt

import pandas as pd

from tests.features.reference import PEER_GROUPS, Line, View, div
from tests.features.reference_counts import (
    Value,
    channel,
    disposition,
    distinct,
    kept,
    n_active_days,
    n_active_hours,
    n_answered,
    n_away,
    n_callees,
    n_calls,
    n_complaints,
    n_day_callees,
    n_fast,
    n_holiday,
    n_homed,
    n_long,
    n_marks,
    n_messages,
    n_new_callees,
    n_night,
    n_night_messages,
    n_noon,
    n_off,
    n_pestered,
    n_placed,
    n_rang,
    n_refused,
    n_sequential,
    n_severe,
    n_short,
    n_short_ring,
    n_switches,
    n_weekend,
    peak_day,
    peak_hour,
    peak_message_hour,
    ring_ms,
    sum_of_busiest_hours,
    talk_ms,
    to_complainers,
)

# Ways of comparing.


def share(part: Value, whole: Value, times: float = 1) -> Value:
    return lambda x, w: div(part(x, w) * times, whole(x, w))


def change(part: Value, whole: Value) -> Value:
    return lambda x, w: div(part(x, w), whole(x, w)) - div(part(x, 28), whole(x, 28))


def growth(count: Value, weight: float) -> Value:
    """Events a day in the window over those in the rest of the 28 days."""
    return lambda x, w: (count(x, w) / w + weight) / ((count(x, 28) - count(x, w)) / (28 - w) + weight)


def of_group(count: Value, by: str) -> Value:
    return lambda x, w: x.over_peers(by, lambda line: count(line, w))


def mean_of_group(count: Value, by: str) -> Value:
    return lambda x, w: div(x.over_peers(by, lambda line: count(line, w)), len(x.peers(by)))


def vs_mean(count: Value, by: str) -> Value:
    return lambda x, w: div(count(x, w), mean_of_group(count, by)(x, w))


def beside(part: Value, whole: Value, by: str, weight: float) -> Value:
    def compared(x: Line, w: int) -> float:
        usual = div(of_group(part, by)(x, w), of_group(whole, by)(x, w))
        return div((part(x, w) + weight * usual) / (whole(x, w) + weight), usual)

    return compared


def drawn(part: Value, whole: Value, weight: float) -> Value:
    """A rate drawn to the carrier's."""

    def rate(x: Line, w: int) -> float:
        usual = div(of_group(part, "carrier")(x, w), of_group(whole, "carrier")(x, w))
        return (part(x, w) + weight * usual) / (whole(x, w) + weight)

    return rate


def rank(value: Value) -> Value:
    return lambda x, w: x.place(lambda line: value(line, w))


def since(days: Callable[[Line], list[int]]) -> Value:
    return lambda x, w: min((x.t - day for day in days(x)), default=nan)


def severe_days(x: Line) -> list[int]:
    return [c["day"] for c in x.complaints(28) if c.get("channel") in ("carrier", "regulator")]


def recent(count: Value) -> Value:
    return lambda x, w: sum(count(x, days) / days for days in (1, 3, 7, 14, 28))


def unsteadiness(x: Line, w: int) -> float:
    daily = [sum(c["day"] == day for c in x.calls(w)) for day in range(x.t - w, x.t)]
    mean = sum(daily) / w
    return div(sqrt(sum((n - mean) ** 2 for n in daily) / w), mean)


def week_change(x: Line, w: int) -> float:
    return (n_calls(x, 7) / 7 + 1) / ((n_calls(x, 14) - n_calls(x, 7)) / 7 + 1)


# Neighbours, rules and the line's own record.


def bans_of_others(by: str) -> Value:
    return lambda x, w: x.bans_of_others(by, w)


def ban_rate(by: str) -> Value:
    return lambda x, w: x.ban_rate_of_others(by, w)


def bans_vs_carrier(by: str) -> Value:
    return lambda x, w: div(x.ban_rate_of_others(by, w), x.usual_ban_rate(w))


def others_in_hand(x: Line, by: str) -> list[dict]:
    return [row for row in x.others(by) if x.view.in_hand(row)]


def banned_share(by: str) -> Value:
    return lambda x, w: div(sum(x.view.under_ban(o["line_id"]) for o in others_in_hand(x, by)), len(others_in_hand(x, by)))


def since_ban_of_others(by: str) -> Value:
    return since(lambda x: [ban["day"] for other in x.others(by) for ban in x.view.bans_of(other["line_id"])])


def pool_age(x: Line, w: int) -> float:
    return max(x.t - row["day"] for row in [x.row, *others_in_hand(x, "number_pool")])


def pool_short_vs_carrier(x: Line, w: int) -> float:
    short, answered = (of_group(count, "number_pool")(x, w) for count in (n_short, n_answered))
    usual = div(of_group(n_short, "carrier")(x, w), of_group(n_answered, "carrier")(x, w))
    return div((short + 200 * usual) / (answered + 200), usual)


def carrier_ban_trend(x: Line, w: int) -> float:
    return (x.usual_ban_rate(w) / w + 0.0005) / (x.usual_ban_rate(28) / 28 + 0.0005)


def carrier_answer(x: Line, w: int) -> float:
    return div(of_group(n_answered, "carrier")(x, w), of_group(n_calls, "carrier")(x, w))


def limit(name: str) -> Value:
    def value(x: Line, w: int) -> float:
        found = (x.view.policy(x.row["carrier"]) or {}).get(name)
        return nan if found is None else found

    return value


def policy_age(x: Line, w: int) -> float:
    policy = x.view.policy(x.row["carrier"])
    return nan if policy is None else x.t - policy["day"]


def own_bans(x: Line, w: int) -> float:
    return len(x.view.bans_of(x.id, w))


def lifts(x: Line) -> list[int]:
    return [x.view.lifted_day(ban) for ban in x.view.bans_of(x.id)]


def appeals_won(x: Line, w: int) -> float:
    lifted = [ban for ban in x.view.bans if x.view.lifted_day(ban) is not None]
    if not any(ban.get("appeal_won") is not None for ban in lifted):
        return nan
    return sum(ban["line_id"] == x.id and bool(ban.get("appeal_won")) for ban in lifted)


def verified(x: Line, w: int) -> float:
    return nan if x.row["registrant_verified"] is None else float(x.row["registrant_verified"])


NAMES = dict(zip(PEER_GROUPS, ("pool", "carrier", "segment", "team", "region"), strict=True))
PEERS = ("carrier", "number_pool", "team")

REFERENCE: dict[str, Value] = {
    # frequency
    "calls": n_calls,
    "calls_peak_day": peak_day,
    "calls_busiest_hour": peak_hour,
    "calls_busiest_minute": lambda x, w: max(x.per_minute(x.calls(w)).values(), default=0),
    "burst_minutes": lambda x, w: sum(n >= 3 for n in x.per_minute(x.calls(w)).values()),
    "calls_growth": growth(n_calls, 1.0),
    "calls_trend": lambda x, w: (n_calls(x, w) / w + 1) / (n_calls(x, 7) / 7 + 1),
    "calls_week_change": week_change,
    "calls_unsteadiness": unsteadiness,
    "busiest_hour_share": share(sum_of_busiest_hours, n_calls),
    "busiest_hour_vs_past": lambda x, w: div(peak_hour(x, w), peak_hour(x, 28)),
    "calls_per_active_hour": share(n_calls, n_active_hours),
    "calls_per_active_minute": share(n_calls, lambda x, w: len(x.per_minute(x.calls(w)))),
    "calls_per_active_day": share(n_calls, n_active_days),
    "active_hours_per_day": share(n_active_hours, n_active_days),
    "active_days": n_active_days,
    **{f"calls_vs_{NAMES[by]}": vs_mean(n_calls, by) for by in PEERS},
    "calls_rank": rank(n_calls),
    "busiest_hour_rank": rank(peak_hour),
    "days_since_call": since(lambda x: [c["day"] for c in x.calls(28)]),
    # complaints
    "complaints": n_complaints,
    "complaints_recent": recent(n_complaints),
    **{f"complaints_{name}": channel(name) for name in ("carrier", "regulator", "app_mark", "internal")},
    "severe_complaints": n_severe,
    "complaints_per_1k_calls": share(n_complaints, n_calls, 1000),
    "complaint_rate": lambda x, w: drawn(n_complaints, n_calls, 300)(x, w) * 1000,
    **{f"complaint_rate_vs_{NAMES[by]}": beside(n_complaints, n_calls, by, 300) for by in PEERS},
    "complaint_rank": rank(n_complaints),
    "complaints_growth": growth(n_complaints, 0.1),
    "marks_growth": growth(n_marks, 0.1),
    "days_since_complaint": since(lambda x: [c["day"] for c in x.complaints(28)]),
    "days_since_severe_complaint": since(severe_days),
    "calls_to_complainers": to_complainers,
    "calls_to_complainers_per_1k": share(to_complainers, n_calls, 1000),
    # roaming
    "away_share": share(n_away, n_homed),
    "away_change": change(n_away, n_homed),
    "regions": distinct("region"),
    "new_regions": kept("calls", "region", lambda x, w: len(x.new_values("region", w))),
    "region_switches": n_switches,
    "region_switches_per_1k": share(n_switches, n_placed, 1000),
    "fast_switches": n_fast,
    "devices": distinct("device_id"),
    "new_devices": kept("calls", "device_id", lambda x, w: len(x.new_values("device_id", w))),
    # behaviour
    "callees": n_callees,
    "new_callees": n_new_callees,
    "new_callee_share": share(n_new_callees, n_callees),
    "new_callee_change": change(n_new_callees, n_callees),
    "new_callee_rank": rank(share(n_new_callees, n_callees)),
    "repeat_share": share(lambda x, w: n_calls(x, w) - n_callees(x, w), n_calls),
    "redial_share": share(lambda x, w: n_calls(x, w) - n_day_callees(x, w), n_calls),
    "most_to_one": lambda x, w: max(x.per_callee(x.calls(w)).values(), default=0),
    "pestered_callees": n_pestered,
    "pestered_share": share(n_pestered, n_day_callees),
    "sequential_callees": n_sequential,
    "sequential_share": share(n_sequential, n_day_callees),
    "largest_block": lambda x, w: max(map(len, x.per_block(x.calls(w)).values()), default=min(n_callees(x, w), 1)),
    "agents": distinct("agent_id"),
    "messages": n_messages,
    "messages_busiest_hour": peak_message_hour,
    "messages_growth": growth(n_messages, 1.0),
    "messages_per_call": lambda x, w: n_messages(x, w) / (n_calls(x, w) + 1),
    "messages_vs_carrier": vs_mean(n_messages, "carrier"),
    "night_messages": n_night_messages,
    "recipients": distinct("recipient_id", "messages"),
    "registrant_verified": verified,
    # quality
    "answer_rate": share(n_answered, n_calls),
    "answer_change": change(n_answered, n_calls),
    **{f"answer_vs_{NAMES[by]}": beside(n_answered, n_calls, by, 50) for by in PEERS},
    "answer_rank": rank(share(n_answered, n_calls)),
    "talk_per_answered": lambda x, w: div(talk_ms(x, w), n_answered(x, w)) / 1000,
    "talk_change": lambda x, w: div(share(talk_ms, n_answered)(x, w), share(talk_ms, n_answered)(x, 28)),
    "talk_vs_carrier": beside(talk_ms, n_answered, "carrier", 20),
    "talk_total": lambda x, w: talk_ms(x, w) / 1000,
    "short_calls": n_short,
    "short_share": share(n_short, n_answered),
    "short_rate": drawn(n_short, n_answered, 20),
    "short_change": change(n_short, n_answered),
    **{f"short_vs_{NAMES[by]}": beside(n_short, n_answered, by, 20) for by in PEERS},
    "short_rank": rank(share(n_short, n_answered)),
    "long_share": share(n_long, n_answered),
    "refused_share": share(n_refused, n_calls),
    "refused_change": change(n_refused, n_calls),
    "refused_vs_carrier": beside(n_refused, n_calls, "carrier", 50),
    "busy_share": share(disposition("busy"), n_calls),
    "ring_time": lambda x, w: div(ring_ms(x, w), n_rang(x, w)) / 1000,
    "short_ring_share": share(n_short_ring, n_rang),
    # hours
    "off_hours_calls": n_off,
    "off_hours_share": share(n_off, n_calls),
    "off_hours_change": change(n_off, n_calls),
    "off_hours_vs_carrier": lambda x, w: (
        div(n_off(x, w), n_calls(x, w)) - div(of_group(n_off, "carrier")(x, w), of_group(n_calls, "carrier")(x, w))
    ),
    "off_hours_rank": rank(share(n_off, n_calls)),
    "night_calls": n_night,
    "night_share": share(n_night, n_calls),
    "noon_share": share(n_noon, n_calls),
    "weekend_share": share(n_weekend, n_calls),
    "holiday_share": share(n_holiday, n_calls),
    # number pool
    "pool_bans": bans_of_others("number_pool"),
    "pool_bans_recent": recent(bans_of_others("number_pool")),
    **{f"{NAMES[by]}_ban_rate": ban_rate(by) for by in PEER_GROUPS},
    **{f"{NAMES[by]}_bans_vs_carrier": bans_vs_carrier(by) for by in ("number_pool", "number_segment", "team")},
    "pool_ban_growth": growth(bans_of_others("number_pool"), 0.05),
    **{f"{NAMES[by]}_banned_share": banned_share(by) for by in PEER_GROUPS if by != "home_region"},
    **{f"days_since_{NAMES[by]}_ban": since_ban_of_others(by) for by in PEER_GROUPS if by != "home_region"},
    "pool_lines": lambda x, w: len(others_in_hand(x, "number_pool")) + 1,
    "pool_age": pool_age,
    "pool_mean_age": lambda x, w: mean_of_group(lambda line, _: x.t - line.row["day"], "number_pool")(x, w),
    **{
        f"{NAMES[by]}_complaints_per_1k_calls": share(of_group(n_complaints, by), of_group(n_calls, by), 1000)
        for by in ("number_pool", "number_segment", "team")
    },
    "pool_complaints_growth": growth(of_group(n_complaints, "number_pool"), 0.5),
    "pool_calls_vs_carrier": lambda x, w: div(
        mean_of_group(n_calls, "number_pool")(x, w), mean_of_group(n_calls, "carrier")(x, w)
    ),
    "pool_short_vs_carrier": pool_short_vs_carrier,
    # policy
    "carrier_ban_trend": carrier_ban_trend,
    "calls_peak_day_over_limit": share(peak_day, limit("daily_call_limit")),
    "calls_busiest_hour_over_limit": share(peak_hour, limit("hourly_call_limit")),
    "days_since_policy_change": policy_age,
    "carrier_answer_change": lambda x, w: carrier_answer(x, w) - carrier_answer(x, 28),
    "carrier_complaints_growth": growth(of_group(n_complaints, "carrier"), 1.0),
    # history
    "age_days": lambda x, w: x.t - x.row["day"],
    "bans_before": lambda x, w: len(x.view.bans_of(x.id)),
    "own_bans": own_bans,
    "bans_per_month_of_age": lambda x, w: len(x.view.bans_of(x.id)) * 30 / (x.t - x.row["day"] + 30),
    "days_banned": lambda x, w: sum(x.view.lifted_day(ban) - ban["day"] for ban in x.view.bans_of(x.id)),
    "days_since_ban": since(lambda x: [ban["day"] for ban in x.view.bans_of(x.id)]),
    "days_since_lift": since(lifts),
    "appeals_won": appeals_won,
}


def reference_table(
    tables: dict[str, list[dict]], settings, days: Sequence[int], features: Sequence[tuple[str, str, int | None]]
) -> pd.DataFrame:
    """The feature table by the slow way: as_of day, line_id and a float64 column a feature.

    features: (column name, its key in REFERENCE, window in days or None).
    """
    rows = []
    for t in sorted(days):
        for line in View(tables, settings, t).eligible:
            values = {name: float(REFERENCE[base](line, window or 28)) for name, base, window in features}
            rows.append({"day": t, "line_id": line.id} | values)
    return pd.DataFrame(rows, columns=["day", "line_id", *[name for name, _, _ in features]])
