"""Is the forecast as good, and as fair, for every group of lines? By carrier, pool, team, pool size and age of the line.

A group is called over-flagged when its lines that were not banned are flagged more often than everybody else's: the negative
side of equalised odds (Hardt et al., 2016). Rows of one line are alike from week to week, so lines are what is drawn anew when
chance is judged, and distinct bans are what is counted; verdicts are corrected for the number of groups (Holm, 1979).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, fisher_exact, poisson
from sklearn.metrics import average_precision_score

from models.evaluation import Judged

KINDS = ("carrier", "number_pool", "team", "pool_size", "line_age")
POOL_BANDS = {"pool_lines": (1, 10, 50, 200, 1000)}
AGE_BANDS = {"age_days": (0, 30, 90, 180, 365)}
"""Feature -> where each band begins; the last is open."""
RATIO = 1.5
"""How many times the rest's false positive rate a group's must be, to be called over-flagged."""
LEVEL = 0.05
"""Chance of calling any group at all where none differs; also of an interval that misses."""
FEW_LINES = 20
"""Groups of fewer lines are put together as "others"."""
FEW_FLAGGED = 5
"""Lines flagged without a ban that a group must have before its flags are judged."""
FEW_BANS = 5.0
"""Bans seen or expected that a group must have before its level is judged."""
MOST = 20
"""Groups of one kind that are named; the rest, with the fewest lines, is put together as "others"."""
DRAWS = 4000


def groupings(table: pd.DataFrame) -> pd.DataFrame:
    """The groups of each row of a training table: a column for each of KINDS that it can tell; missing where not known.

    Bands read "10-49", the last "1000+".
    """
    found = {kind: table[kind].to_numpy(dtype=object) for kind in ("carrier", "number_pool", "team") if kind in table}
    for kind, bands in (("pool_size", POOL_BANDS), ("line_age", AGE_BANDS)):
        for feature, starts in bands.items():
            if feature in table:
                found[kind] = _band(table[feature].to_numpy(dtype="float64"), starts)
    frame = pd.DataFrame(found, index=table.index, dtype=object)
    # A team that nobody has ever named is no grouping.
    return frame.dropna(axis=1, how="all")


def _band(values: np.ndarray, starts: tuple[int, ...]) -> np.ndarray:
    names = [f"{low}-{high - 1}" for low, high in pairwise(starts)] + [f"{starts[-1]}+"]
    known = np.isfinite(values)
    place = np.searchsorted(starts, np.where(known, np.floor(values), 0), side="right") - 1
    return np.array([*names, None], dtype=object)[np.where(known, np.clip(place, 0, None), len(names))]


def flagged_rows(judged: Judged, score: np.ndarray, flags: int) -> np.ndarray:
    """True for the `flags` riskiest rows of each snapshot, over all lines together (n,); a thinned row takes up its weight."""
    order = np.argsort(-score, kind="stable")
    place = pd.Series(judged.weight[order]).groupby(judged.group[order]).cumsum().to_numpy()
    first = ~pd.Series(judged.group[order]).duplicated().to_numpy()
    found = np.empty(len(score), dtype=bool)
    found[order] = (place <= flags + 1e-9) | first
    return found


def by_group(groups: pd.DataFrame, judged: Judged, score: np.ndarray, flags: int, seed: int = 0) -> pd.DataFrame:
    """One row a group of each kind, and first one with kind "all" for the whole. Sums and means are weighted.

    groups: as groupings gives it, aligned with `judged` and the probabilities `score`. Columns:
    kind; entry (named, others, unknown, all) and group (its name, "" unless named); lines; rows; weight; bans (distinct);
    banned_rows; expected, observed (rows banned), expected_over_observed with low and high: 95 %, exact Poisson on distinct bans;
    average_precision; flagged (rows); precision, true_positive_rate (recall), false_positive_rate of the flags of each snapshot;
    rest_false_positive_rate; false_positive_ratio; p_flags (two-sided, by lines) and p_level (two-sided, exact Poisson)
    after Holm, missing where there is too little to judge; over_flagged, over_expected, under_expected: the verdicts.
    """
    flagged = flagged_rows(judged, score, flags)
    whole = np.zeros(len(score), dtype=int)
    rows: list[dict[str, Any]] = [{"kind": "all", "entry": "all", "group": "", **_measure(whole == 0, judged, score, flagged)}]
    rng = np.random.default_rng(seed)
    for kind in (kind for kind in KINDS if kind in groups):
        codes, entries = _entries(groups[kind].to_numpy(dtype=object), judged.lines)
        chances = _flag_chances(codes, len(entries), judged, flagged, rng)
        for code, (entry, name) in enumerate(entries):
            own = codes == code
            rest = _rate(flagged, judged, ~own & (judged.label == 0))
            row: dict[str, Any] = {"kind": kind, "entry": entry, "group": name, **_measure(own, judged, score, flagged)}
            row |= {"rest_false_positive_rate": rest, "false_positive_ratio": _over(row["false_positive_rate"], rest)}
            unbanned = len(np.unique(judged.lines[own & flagged & (judged.label == 0)]))
            row["p_flags"] = chances[code] if unbanned >= FEW_FLAGGED and np.isfinite(rest) else np.nan
            rows.append(row)
    found = pd.DataFrame(rows)
    for name in ("rest_false_positive_rate", "false_positive_ratio", "p_flags"):
        if name not in found:
            found[name] = np.nan
    # Where a kind has one group alone, it is the whole and stands in no comparison.
    found["p_level"] = np.where(found["rest_false_positive_rate"].isna(), np.nan, _level_chances(found))
    # The whole is not one of the groups that are compared.
    part = (found["kind"] != "all").to_numpy()
    for name in ("p_flags", "p_level"):
        found.loc[part, name] = holm(found.loc[part, name].to_numpy())
    found["over_flagged"] = (found["false_positive_ratio"] > RATIO) & (found["p_flags"] < LEVEL)
    wrong = found["p_level"] < LEVEL
    found["over_expected"] = wrong & (found["expected_over_observed_low"] > 1)
    found["under_expected"] = wrong & (found["expected_over_observed_high"] < 1)
    return found


def holm(chances: np.ndarray) -> np.ndarray:
    """P values (n,) corrected for how many there are, Holm's way; missing ones stay missing and do not count."""
    known = np.flatnonzero(~np.isnan(chances))
    order = known[np.argsort(chances[known], kind="stable")]
    found = np.full(len(chances), np.nan)
    found[order] = np.minimum(1.0, np.maximum.accumulate(chances[order] * np.arange(len(order), 0, -1)))
    return found


def findings(groups: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """What by_group found, for sentences: over_flagged, over_expected, under_expected, and too_few (flags were not judged)."""
    part = groups[groups["kind"] != "all"]
    masks = {name: part[name] for name in ("over_flagged", "over_expected", "under_expected")} | {
        "too_few": part["p_flags"].isna() & part["rest_false_positive_rate"].notna()
    }
    return {
        name: [{str(key): value for key, value in row.items()} for row in part[mask].to_dict("records")]
        for name, mask in masks.items()
    }


def _entries(names: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """A code a row (n,), and (entry, name) of each code: named ones by name, then others and unknown where there are any."""
    known = ~pd.isna(names)
    text = np.where(known, names, "").astype(str).astype(object)
    sizes = pd.DataFrame({"name": text[known], "line": lines[known]}).groupby("name")["line"].nunique()
    large = sizes[sizes >= FEW_LINES].sort_values(ascending=False, kind="stable").index[:MOST]
    named = sorted(large, key=_in_order)
    place = {name: code for code, name in enumerate(named)}
    others, unknown = len(named), len(named) + 1
    codes = np.array([place.get(name, others) for name in text], dtype=int)
    codes[~known] = unknown
    entries = [*(("named", name) for name in named), ("others", ""), ("unknown", "")]
    used = [code for code in range(len(entries)) if code < others or (codes == code).any()]
    return np.searchsorted(used, codes), [entries[code] for code in used]


def _in_order(name: str) -> tuple[float, str]:
    """Bands by where they begin, names by name."""
    start = name.rstrip("+").split("-")[0]
    return (float(start) if start.isdecimal() else -1.0), name


def _measure(own: np.ndarray, judged: Judged, score: np.ndarray, flagged: np.ndarray) -> dict[str, float]:
    """Everything that is said of one group by itself."""
    label, weight = judged.label[own], judged.weight[own]
    struck = own & (judged.label == 1)
    days = np.where(np.isfinite(judged.days_to_ban), judged.days_to_ban, 0.0)
    bans = len(set(zip(judged.lines[struck], (judged.group + days)[struck], strict=True)))
    expected, observed = float((weight * score[own]).sum()), float((weight * label).sum())
    # A ban is seen from several snapshots: rows a ban, so that a level can be held against a count of independent events.
    each = observed / bans if bans else 1.0
    low, high = poisson_interval(bans)
    both = 0 < struck.sum() < own.sum()
    return {
        "lines": len(np.unique(judged.lines[own])),
        "rows": int(own.sum()),
        "weight": float(weight.sum()),
        "bans": bans,
        "banned_rows": int(struck.sum()),
        "expected": expected,
        "observed": observed,
        "expected_over_observed": _over(expected, observed),
        "expected_over_observed_low": _over(expected, each * high),
        "expected_over_observed_high": _over(expected, each * low),
        "average_precision": float(average_precision_score(label, score[own], sample_weight=weight)) if both else np.nan,
        "flagged": float(weight[flagged[own]].sum()),
        "precision": _rate(judged.label == 1, judged, own & flagged),
        "true_positive_rate": _rate(flagged, judged, struck),
        "false_positive_rate": _rate(flagged, judged, own & (judged.label == 0)),
    }


def _rate(what: np.ndarray, judged: Judged, among: np.ndarray) -> float:
    """The weighted share of rows `among` that are `what`; missing where there are none."""
    total = float(judged.weight[among].sum())
    return float(judged.weight[among & what].sum()) / total if total else np.nan


def _over(part: float, whole: float) -> float:
    if whole:
        return part / whole
    return np.inf if part else np.nan


def poisson_interval(count: float) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson mean after `count` events (Garwood, 1936)."""
    low = float(chi2.ppf(LEVEL / 2, 2 * count) / 2) if count else 0.0
    return low, float(chi2.ppf(1 - LEVEL / 2, 2 * count + 2) / 2)


def _level_chances(found: pd.DataFrame) -> np.ndarray:
    """How likely a count of bans as far from what was expected is, either way; missing where bans are few."""
    bans, observed, expected = (found[name].to_numpy(dtype="float64") for name in ("bans", "observed", "expected"))
    usual = observed[0] / bans[0] if bans[0] else 1.0
    mean = expected / np.where(bans > 0, observed / np.maximum(bans, 1), usual)
    either = 2 * np.minimum(poisson.cdf(bans, mean), poisson.sf(bans - 1, mean))
    return np.where(np.maximum(mean, bans) >= FEW_BANS, np.minimum(1.0, either), np.nan)


def _flag_chances(codes: np.ndarray, size: int, judged: Judged, flagged: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How likely chance alone sets a group's false positive rate as far from the rest's (size,), two-sided.

    The larger of two: lines drawn anew, and Fisher's exact test on lines flagged at all without a ban, since drawing anew from no
    flags gives none for ever.
    """
    clear = judged.label == 0
    lines = np.unique(judged.lines, return_inverse=True)[1]
    count = int(lines.max()) + 1 if len(lines) else 0
    sums = np.zeros((count, 2 * size))
    np.add.at(sums, (lines[clear], codes[clear]), judged.weight[clear])
    hit = clear & flagged
    np.add.at(sums, (lines[hit], size + codes[hit]), judged.weight[hit])
    # Most lines are alike (never flagged, in all snapshots): so many at once are drawn as one number.
    kinds, times = np.unique(sums, axis=0, return_counts=True)
    below, above = np.zeros(size), np.zeros(size)
    for start in range(0, DRAWS, 200):
        drawn = rng.poisson(times, (min(200, DRAWS - start), len(times))) @ kinds
        rows, hits = drawn[:, :size], drawn[:, size:]
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = hits / rows - (hits.sum(axis=1, keepdims=True) - hits) / (rows.sum(axis=1, keepdims=True) - rows)
        below += (~(gap > 0)).sum(axis=0)  # a draw without the group says nothing for it
        above += (~(gap < 0)).sum(axis=0)
    drawn_anew = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (DRAWS + 1))
    seen, struck = sums[:, :size] > 0, sums[:, size:] > 0
    exact = np.ones(size)
    for code in range(size):
        hits, clean = struck[:, code].sum(), (seen[:, code] & ~struck[:, code]).sum()
        away = np.delete(struck, code, axis=1).any(axis=1)
        spared = np.delete(seen, code, axis=1).any(axis=1) & ~away
        exact[code] = fisher_exact([[hits, clean], [away.sum(), spared.sum()]])[1]
    return np.maximum(drawn_anew, exact)
