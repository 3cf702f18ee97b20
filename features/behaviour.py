"""异常行为: number scanning, message bursts, doubtful registration.

Scanners call number after number of a block, each once; spammers send messages by the hundred in an hour; real customers are
called again, but not five times a day. A line whose registrant was never verified has nobody to answer for it.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Measure, Presence, Window, declare, growth, ratio
from features.localtime import NIGHT_FROM, NIGHT_TO
from features.measures import CALLEES, CALLS, share

F = "behaviour"
NEW_CALLEES = CALLEES.fresh_ones("new_callees")
AGENTS = Presence("agents", "calls", "agent_id", few=True, optional=True)
MOST_TO_ONE = Measure("most_to_one", "calls")
DAY_CALLEES = Measure("day_callees", "calls")
PESTERED = Measure("pestered_callees", "calls")
BLOCK_CALLEES = Measure("block_callees", "calls")
LARGEST_BLOCK = Measure("largest_block", "calls")
MESSAGES = Measure("messages", "messages", lambda e: e.day.notnull(), optional=True)
NIGHT_MESSAGES = Measure(
    "night_messages", "messages", lambda e: (e.local_second >= NIGHT_FROM) | (e.local_second < NIGHT_TO), optional=True
)
MESSAGE_HOUR = Measure("message_hour", "messages", optional=True)
RECIPIENTS = Presence("recipients", "messages", "recipient_id", optional=True)
SMS = ("messages",)
AGENT = ("calls.agent_id",)


def _new_share(w: Window) -> ir.NumericValue:
    return ratio(w.count(NEW_CALLEES), w.count(CALLEES))


FEATURES = [
    *declare(F, "callees", "different numbers called", "numbers", lambda w: w.count(CALLEES), windows=(1, 3, 7, 28)),
    *declare(
        F,
        "new_callees",
        "numbers called for the first time in 28 days",
        "numbers",
        lambda w: w.count(NEW_CALLEES),
        windows=(1, 7),
    ),
    *declare(F, "new_callee_share", "share of called numbers that are new", "share", _new_share, windows=(1, 7, 28)),
    *declare(
        F,
        "new_callee_change",
        "share of called numbers that are new, against the last 28 days",
        "share",
        lambda w: _new_share(w) - _new_share(w.over(LONGEST)),
        windows=(7,),
    ),
    *declare(
        F,
        "new_callee_rank",
        "place among the carrier's lines by the share of called numbers that are new",
        "share",
        lambda w: w.group_rank(_new_share(w), "carrier"),
        windows=(7,),
    ),
    *declare(
        F,
        "repeat_share",
        "share of calls that repeat a number",
        "share",
        lambda w: ratio(w.total(CALLS) - w.count(CALLEES), w.total(CALLS)),
        windows=(1, 7, 28),
    ),
    *declare(
        F,
        "redial_share",
        "share of calls that repeat a number on the same day",
        "share",
        lambda w: ratio(w.total(CALLS) - w.total(DAY_CALLEES), w.total(CALLS)),
        windows=(7, 28),
    ),
    *declare(F, "most_to_one", "most calls to one number on a day", "calls", lambda w: w.peak(MOST_TO_ONE), windows=(1, 7, 28)),
    *declare(
        F,
        "pestered_callees",
        "numbers called three times or more on a day",
        "numbers",
        lambda w: w.total(PESTERED),
        windows=(1, 7),
    ),
    *declare(
        F,
        "pestered_share",
        "share of a day's called numbers that were called three times or more",
        "share",
        share(PESTERED, DAY_CALLEES),
        windows=(7,),
    ),
    *declare(
        F,
        "sequential_callees",
        "numbers called beside another of the same block of 100 on that day",
        "numbers",
        lambda w: w.total(BLOCK_CALLEES),
        windows=(1, 7),
    ),
    *declare(
        F,
        "sequential_share",
        "share of a day's called numbers beside another of the same block of 100",
        "share",
        share(BLOCK_CALLEES, DAY_CALLEES),
        windows=(1, 7, 28),
        direction=1,
    ),
    *declare(
        F,
        "largest_block",
        "most numbers of one block of 100 called on a day",
        "numbers",
        lambda w: w.peak(LARGEST_BLOCK),
        windows=(1, 7),
    ),
    *declare(F, "agents", "agents who called from the line", "agents", lambda w: w.count(AGENTS), windows=(1, 7), sources=AGENT),
    *declare(F, "messages", "messages sent", "messages", lambda w: w.total(MESSAGES), windows=(1, 3, 7, 28), sources=SMS),
    *declare(
        F,
        "messages_busiest_hour",
        "most messages in one clock hour",
        "messages",
        lambda w: w.peak(MESSAGE_HOUR),
        windows=(1, 7, 28),
        direction=1,
        sources=SMS,
    ),
    *declare(
        F,
        "messages_growth",
        "messages a day against the days before, within 28 days",
        "times",
        lambda w: growth(w.total(MESSAGES), w.days, w.over(LONGEST).total(MESSAGES), LONGEST, weight=1.0),
        windows=(3, 7),
        sources=SMS,
    ),
    *declare(
        F,
        "messages_per_call",
        "messages sent for each call",
        "times",
        lambda w: w.total(MESSAGES).cast("float64") / (w.total(CALLS) + 1),
        windows=(7,),
        sources=SMS,
    ),
    *declare(
        F,
        "messages_vs_carrier",
        "messages against the mean of the carrier's lines",
        "times",
        lambda w: ratio(w.total(MESSAGES), w.group_mean(w.total(MESSAGES), "carrier")),
        windows=(7,),
        sources=SMS,
    ),
    *declare(
        F,
        "night_messages",
        "messages between 21:00 and 08:00",
        "messages",
        lambda w: w.total(NIGHT_MESSAGES),
        windows=(7,),
        direction=1,
        sources=SMS,
    ),
    *declare(
        F,
        "recipients",
        "different numbers sent messages to",
        "numbers",
        lambda w: w.count(RECIPIENTS),
        windows=(1, 7),
        sources=("messages.recipient_id",),
    ),
    *declare(
        F,
        "registrant_verified",
        "registrant verified (1 yes, 0 no)",
        "yes/no",
        lambda w: w.at("verified"),
        direction=-1,
        sources=("lines.registrant_verified",),
    ),
]
