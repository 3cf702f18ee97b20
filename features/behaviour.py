"""异常行为: number scanning, message bursts, doubtful registration.

Scanners call number after number of a block, each once; spammers send messages by the hundred in an hour; real customers are
called again. A line whose registrant was never verified has nobody to answer for it.
"""

from __future__ import annotations

from features.feature import LONGEST, Measure, Presence, declare, growth, ratio
from features.measures import CALLEES, CALLS

F = "behaviour"
NEW_CALLEES = Presence("new_callees", "calls", "callee_id", fresh=True)
MOST_TO_ONE = Measure("most_to_one", "calls")
DAY_CALLEES = Measure("day_callees", "calls")
BLOCK_CALLEES = Measure("block_callees", "calls")
MESSAGES = Measure("messages", "messages", lambda e: e.day.notnull(), optional=True)
MESSAGE_HOUR = Measure("message_hour", "messages", optional=True)
RECIPIENTS = Presence("recipients", "messages", "recipient_id", optional=True)
SMS = ("messages",)

FEATURES = [
    *declare(F, "callees", "different numbers called", "numbers", lambda w: w.count(CALLEES), windows=(1, 3, 7, 14, 28)),
    *declare(
        F,
        "new_callees",
        "numbers called for the first time in 28 days",
        "numbers",
        lambda w: w.count(NEW_CALLEES),
        windows=(1, 7, 28),
    ),
    *declare(
        F,
        "new_callee_share",
        "share of called numbers that are new",
        "share",
        lambda w: ratio(w.count(NEW_CALLEES), w.count(CALLEES)),
        windows=(1, 7),
    ),
    *declare(
        F,
        "repeat_share",
        "share of calls that repeat a number",
        "share",
        lambda w: ratio(w.total(CALLS) - w.count(CALLEES), w.total(CALLS)),
        windows=(1, 7, 28),
    ),
    *declare(F, "most_to_one", "most calls to one number on a day", "calls", lambda w: w.peak(MOST_TO_ONE), windows=(1, 7, 28)),
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
        lambda w: ratio(w.total(BLOCK_CALLEES), w.total(DAY_CALLEES)),
        windows=(1, 7, 28),
        direction=1,
    ),
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
        windows=(3,),
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
