"""Which lines are due, on random and on chosen histories: real scores and a real log, nothing sent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.alerts.acks import acknowledge
from tests.serving.alerts.homes import MONDAY, RED, Line, Mornings


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ([0.5, 0.59, 0.59, 0.59], {}),
        ([0.5, 0.5, 0.61, 0.61], {3: "risk"}),
        ([0.61, 0.61, 0.61, 0.61], {3: "risk"}),
        ([0.7, 0.45, 0.45, 0.45], {}),
        ([0.1, 0.5, 0.5, 0.5], {3: "new"}),
        ([0.1, 0.1, 0.5, 0.5], {3: "new"}),
        ([0.1, 0.5, 0.1, 0.1], {}),
        ([None, None, 0.5, 0.5], {3: "new"}),
        ([Line(0.5, "frequency")] * 4, {3: "reason"}),
        ([Line(0.5, None)] * 4, {3: "reason"}),
    ],
)
def test_a_line_is_told_again_only_after_a_change_and_not_within_the_days_of_silence(tmp_path, later, told):
    """Told on Monday at 45 %, two days of silence, a step of 15 points; None: not scored, as when it is banned."""
    mornings = Mornings(tmp_path, silence_days=2, rise=0.15)
    seen = {}
    for offset, given_ in enumerate([0.45, *later]):
        line = given_ if isinstance(given_, Line) or given_ is None else Line(given_)
        lines = {"other": Line(0.1), **({"A": line} if line else {})}
        day = MONDAY + timedelta(days=offset)
        mornings.score(day, lines)
        for alert in mornings.tell(day, lines):
            seen[offset] = alert.why
    assert seen == {0: "new", **told}


def test_a_rise_is_measured_from_the_risk_that_was_told_last(tmp_path):
    mornings = Mornings(tmp_path, silence_days=0, rise=0.15)
    before = []
    for offset, risk in enumerate((0.4, 0.56, 0.45, 0.6, 0.75)):
        day = MONDAY + timedelta(days=offset)
        mornings.score(day, {"A": Line(risk)})
        before.append([alert.before for alert in mornings.tell(day, {"A": Line(risk)})])
    assert before == [[None], [0.4], [], [], [0.56]]


LINES = st.dictionaries(
    st.sampled_from("ABC"), st.builds(Line, st.sampled_from([0.1, 0.35, 0.6]), st.sampled_from(["complaints", "frequency"]))
)


@settings(max_examples=40, deadline=None)
@given(
    days=st.lists(st.tuples(LINES, st.booleans(), st.sampled_from([None, "A", "B"])), min_size=2, max_size=9),
    silence=st.integers(0, 2),
)
def test_on_any_history_no_line_is_told_twice_without_a_change_and_every_new_red_is_told_unless_silenced(days, silence):
    """Each day: the scores, whether alerts ran at all, and a line that somebody acknowledges then."""
    with TemporaryDirectory() as folder:
        mornings = Mornings(Path(folder), silence_days=silence, rise=0.15)
        past: list[dict[str, Line]] = []
        told: dict[str, int] = {}
        acked: dict[str, int] = {}
        began: int | None = None
        for now, (lines, ran, ack) in enumerate(days):
            day = MONDAY + timedelta(days=now)
            mornings.score(day, lines)
            past.append(lines)
            if ran:
                began = now if began is None else began
                due = {alert.red.line_id for alert in mornings.tell(day, lines)}
                for line, scored in lines.items():
                    begun = _spell(past, line)
                    first = line not in told or told[line] < begun
                    change = first or _changed(past[told[line]][line], scored)
                    quiet = line in told and now <= told[line] + silence
                    quiet = quiet or begun <= acked.get(line, -1)
                    news = not first or line in told or began == 0 or begun > began - 1
                    assert (line in due) == (scored.risk >= RED and change and news and not quiet)
                told |= dict.fromkeys(due, now)
            if ack in lines and lines[ack].risk >= RED:
                acknowledge(mornings.home, [ack])
                acked[ack] = now


def _spell(past: list[dict[str, Line]], line: str) -> int:
    """Since which day a line has been red, by looking at each day; the day after the last one when it is not."""
    begun = len(past)
    while begun and line in past[begun - 1] and past[begun - 1][line].risk >= RED:
        begun -= 1
    return begun


def _changed(then: Line, now: Line) -> bool:
    return now.risk >= then.risk + 0.15 or now.family != then.family
