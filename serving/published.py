"""The published model: reads a bundle and gives the scores. One file, so that MLflow can carry it with the model.

It imports nothing of bancast. Our own scoring imports it as `serving.published` and reads bundles as data. MLflow loads
this same file as a "model from code" under a name of its own; only then does the last statement hand it a PythonModel.
A bundle is LightGBM text and JSON, listed with SHA-256 in its manifest.json: anything else in the folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

FORMAT, FORMAT_VERSION = "bancast-model", 2
KINDS = ("time", "table", "rule")
REASONS = 3
"""Reasons given at most for a line, and actions too."""
_CHUNK = 32_768
"""Rows explained at a time: bounds the memory of contributions (rows x features x 8 bytes) to tens of MB."""
_WINDOW = re.compile(r"_\d+d$")
_YEAR = 365.0
_STRAIGHT = ("fill", "mean", "scale", "weight", "intercept", "reach")


class OutdatedBundle(ValueError):
    """A bundle of another format, which an earlier or later bancast wrote."""


class Forecast:
    """A bundle, verified and ready to score.

    meta: its model.json. version: the first 12 hex digits of the SHA-256 of manifest.json. names: feature columns, in order.
    horizons: days, ascending. headline: the position among them of the horizon that ranks lines.
    threads: LightGBM's; 0 takes all cores. explain: exact tree SHAP of a booster, to be replaced by a quicker one.
    """

    def __init__(self, meta: dict[str, Any], boosters: list[lightgbm.Booster], version: str, threads: int = 0) -> None:
        self.meta = meta
        self.version = version
        self.threads = threads
        self.names: list[str] = [feature["name"] for feature in meta["features"]]
        self.horizons: list[int] = sorted(meta["horizons"])
        self.headline = self.horizons.index(meta["headline"])
        self.explain: Callable[[lightgbm.Booster, np.ndarray, int], np.ndarray] = _walked
        self._boosters = boosters
        self._offsets = np.array(meta.get("offsets", []), dtype=float)
        # What counts as one reason: a family, whose features share out what they have in common; where there is none, a feature.
        families = [feature["family"] if meta["kind"] == "time" else base(feature["name"]) for feature in meta["features"]]
        self._families = pd.factorize(pd.Series(families, dtype=object))[0]
        # A rule knows only "too much", whatever a feature's direction for a learned model.
        directions = [1 if meta["kind"] == "rule" else feature.get("direction", 0) for feature in meta["features"]]
        self._directions = np.array(directions, dtype=int)

    @classmethod
    def read(cls, folder: Path | str, part: str = "", threads: int = 0) -> Forecast:
        """Verify every file of a bundle and read it; part="evaluation" reads the twin that the gate compares.

        Raises ValueError with one line that names the file and what is wrong with it.
        """
        files, version = verify(Path(folder))
        prefix = f"{part}/" if part else ""

        def text(name: str) -> str:
            if prefix + name not in files:
                raise ValueError(f"{folder}: `{prefix}{name}` is not in the bundle")
            return files[prefix + name].decode("utf-8")

        try:
            meta = json.loads(text("model.json"))
            _check(meta)
            boosters = [lightgbm.Booster(model_str=text(name)) for name in meta.get("boosters", [])]
            for booster in boosters:  # the last column is the interval
                if booster.num_feature() != len(meta["features"]) + 1:
                    raise ValueError(
                        f"a booster has {booster.num_feature()} columns, model.json {len(meta['features'])} and one more"
                    )
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError, lightgbm.basic.LightGBMError) as error:
            raise ValueError(f"{folder}: the bundle is malformed ({type(error).__name__}: {error})") from None
        except ValueError as error:
            raise ValueError(error if str(folder) in str(error) else f"{folder}: {error}") from None
        return cls(meta, boosters, version, threads)

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """The feature columns of a frame as float64 (n, F), NaN where missing; ValueError names an absent or textual one."""
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            raise ValueError(f"feature columns missing: {', '.join(absent[:5])}{more}; give each, NaN where unknown")
        values = np.empty((len(frame), len(self.names)))
        for position, name in enumerate(self.names):
            try:
                values[:, position] = pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise ValueError(f"feature column `{name}` is not numeric ({error}); give numbers, NaN where unknown") from None
        return values

    def margins(self, frame: pd.DataFrame) -> np.ndarray:
        """Log-odds (n, H), before calibration, of the hazard of each interval between horizons, ascending.

        The mean raw score of the boosters and the straight part's, by its share; for a rule, the worst value over its limit.
        """
        return self._margins(self.matrix(frame), len(self.horizons))

    def risks(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities (n, H) in [0, 1], horizons ascending, never falling as the horizon grows."""
        return self._risks(self.margins(frame))

    def contributions(self, frame: pd.DataFrame, horizon: int | None = None) -> np.ndarray:
        """What each feature adds to the margin (n, F) until a horizon (headline by default), without the bias.

        Exact SHAP in log-odds, of the trees (mean over boosters) and the straight part, as the mean of the days until the
        horizon: intervals count by their length. For a rule, value over limit.
        """
        return self._contributions(self.matrix(frame), self.meta["headline"] if horizon is None else horizon)

    def score(
        self,
        frame: pd.DataFrame,
        *,
        levels: dict[str, Any] | None = None,
        actions: list[dict[str, Any]] | None = None,
        most: int = REASONS,
        model_version: str | None = None,
    ) -> pd.DataFrame:
        """The published output, one row a row of `frame`, in its order and with its index.

        frame: the id column, the features, and optionally as_of and the group column. Ranks are within each as_of.
        levels, actions: override model.json's. most: actions of a line at most. model_version: that column, `version` by default.
        reasons and actions are lists of plain dicts, with None for what is not known.
        """
        key = self.meta["id"]
        if key not in frame.columns:
            raise ValueError(f"column `{key}` is missing; give one id a row")
        days = pd.to_datetime(frame["as_of"]).dt.normalize() if "as_of" in frame.columns else pd.Series(pd.NaT, frame.index)
        days = days.astype("datetime64[s]")
        if frame[key].isna().any():
            raise ValueError(f"column `{key}` has rows without an id; give each row one")
        twice = pd.DataFrame({"id": frame[key], "as_of": days}).duplicated().to_numpy()
        if twice.any():
            raise ValueError(f"column `{key}`: `{frame[key][twice].iloc[0]}` is there twice for one as_of; give each id once")
        values = self.matrix(frame)
        margins = self._margins(values, len(self.horizons))
        risks = self._risks(margins)
        ranks = self._ranks(frame[key], days, risks[:, self.headline], margins[:, : self.headline + 1].mean(axis=1))
        chosen = self.levels(levels or {})
        colours = _levels(chosen, risks[:, self.headline], ranks, self.promised(frame))
        usual = self._usual(frame)
        playbook = self.meta.get("actions", []) if actions is None else actions
        reasons, advice = self._advice(values, usual, risks[:, self.headline], colours, playbook, most)
        out = pd.DataFrame({key: frame[key]}, index=frame.index)
        if self.meta["kind"] == "table":
            out["risk"] = risks[:, self.headline]
        else:
            out.insert(0, "as_of", days)
            for position, horizon in enumerate(self.horizons):
                out[f"risk_{horizon}d"] = risks[:, position]
            out["days_to_red"] = days_until(risks, self.horizons, chosen["red"])
        out["rank"] = ranks.astype("int32")
        out["level"] = pd.Series(colours, index=frame.index, dtype="str")
        out["reasons"] = pd.Series(reasons, index=frame.index, dtype=object)
        if self.meta["kind"] != "table":
            out["actions"] = pd.Series(advice, index=frame.index, dtype=object)
            out["model_version"] = pd.Series(model_version or self.version, index=frame.index, dtype="str")
            out["data_fingerprint"] = pd.Series(self.meta.get("data_fingerprint", ""), index=frame.index, dtype="str")
        return out

    def levels(self, over: dict[str, Any]) -> dict[str, Any]:
        """What lines are coloured by: model.json's levels, those of `over` in their place, and the risks that costs come to."""
        chosen = {**self.meta["levels"], **over}
        return chosen | levels_by_cost(chosen["costs"], self.meta["headline"]) if chosen["mode"] == "cost" else chosen

    def example(self) -> pd.DataFrame:
        """Two rows as `score` takes them, for MLflow's signature and input example: one usual, one with nothing known."""
        usual = self.meta.get("usual", {}).get("", {})
        rows = {name: [float(usual.get(name, 0.0)), np.nan] for name in self.names}
        ids: dict[str, list[Any]] = {self.meta["id"]: ["line-1", "line-2"]}
        if self.meta["kind"] != "table":
            ids = {"as_of": [pd.Timestamp("2026-01-05")] * 2, **ids, self.meta.get("group") or "carrier": ["A", "B"]}
        return pd.DataFrame({**ids, **rows})

    def _margins(self, values: np.ndarray, count: int) -> np.ndarray:
        """Margins of the first `count` intervals."""
        if len(values) == 0:
            return np.empty((0, count))
        if self.meta["kind"] == "rule":
            return np.repeat(self._over_limit(values).max(axis=1, keepdims=True), count, axis=1)
        straight, share = self._straight(values)
        line = share * (straight.sum(axis=1) + self.meta["linear"]["intercept"]) if share else np.zeros(len(values))
        columns = []
        for interval in range(count):
            scores = [
                booster.predict(_in(values, interval), raw_score=True, num_iteration=-1, num_threads=self.threads)
                for booster in self._boosters
            ]
            trees = (1 - share) * np.mean(scores, axis=0) if scores else 0.0
            columns.append(self._offsets[interval] + trees + line)
        return np.column_stack(columns)

    def _straight(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """What each feature adds to the straight part's margin (n, F), and the share of that part; none: zeros and 0."""
        line = self.meta.get("linear")
        if not line or not line["share"]:
            return np.zeros(values.shape), 0.0
        logs = np.sign(values) * np.log1p(np.abs(values))
        scaled = (np.where(np.isnan(logs), line["fill"], logs) - line["mean"]) / line["scale"]
        return np.clip(scaled, -line["reach"], line["reach"]) * line["weight"], line["share"]

    def _risks(self, margins: np.ndarray) -> np.ndarray:
        """Risks (n, H') by the end of each of the first H' intervals: what their hazards leave of a line, from 1."""
        if self.meta["kind"] == "rule":
            # A hazard in proportion to the score: 0 -> 0, at the limits -> base_rate, far over them -> 1.
            rates = [self.meta["rule"]["base_rate"][str(horizon)] for horizon in self.horizons[: margins.shape[1]]]
            risks = -np.expm1(margins * np.log1p(-np.array(rates)))
            return np.clip(np.maximum.accumulate(risks, axis=1), 0.0, 1.0)
        curves = [self.meta["calibration"][str(horizon)] for horizon in self.horizons[: margins.shape[1]]]
        hazards = [np.interp(margins[:, place], knots["x"], knots["y"]) for place, knots in enumerate(curves)]
        return np.clip(1.0 - np.cumprod(1.0 - np.column_stack(hazards), axis=1), 0.0, 1.0)

    def _contributions(self, values: np.ndarray, horizon: int) -> np.ndarray:
        if self.meta["kind"] == "rule":
            return self._over_limit(values)
        if len(values) == 0:
            return np.zeros(values.shape)
        count = self.horizons.index(horizon) + 1
        ends = np.array([0, *self.horizons[:count]], dtype=float)
        share_of = np.diff(ends) / ends[-1] if ends[-1] else np.ones(1)  # a horizon of 0 days is one interval
        straight, share = self._straight(values)
        found = share * straight
        for interval, part in enumerate(share_of):
            for booster in self._boosters:
                shap = self.explain(booster, _in(values, interval), self.threads)[:, :-1]
                found = found + (1 - share) * part / len(self._boosters) * shap
        return found

    def _over_limit(self, values: np.ndarray) -> np.ndarray:
        """Value over limit (n, F), at most 1e9; 0 where there is no limit or no value."""
        limits: np.ndarray = np.array([self.meta["rule"]["limits"].get(name, np.nan) for name in self.names])
        return np.nan_to_num(np.clip(values / limits, 0.0, 1e9), nan=0.0)

    def _ranks(self, ids: pd.Series, days: pd.Series, risk: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """1 = highest risk within its as_of; ties by margin, then by id."""
        try:
            codes = pd.factorize(ids, sort=True)[0]
        except TypeError:  # ids of mixed types
            codes = pd.factorize(ids.astype(str), sort=True)[0]
        groups = pd.factorize(days, use_na_sentinel=False)[0]
        order = np.lexsort((codes, -margin, -risk, groups))
        ranks = np.empty(len(ids), dtype=np.int64)
        ranks[order] = pd.Series(groups[order]).groupby(groups[order]).cumcount().to_numpy() + 1
        return ranks

    def promised(self, frame: pd.DataFrame) -> np.ndarray:
        """The risk (n,) from which the model promises its precision: the group's own, else that of all; infinity: of none."""
        known = self.meta.get("promise", {}).get("from", {})
        group = self.meta.get("group")
        names = frame[group] if group in frame.columns else pd.Series("", index=frame.index)
        return np.array([known.get(str(name), known.get("", np.inf)) for name in names], dtype=float)

    def _usual(self, frame: pd.DataFrame) -> np.ndarray:
        """What is usual (n, F) for each row's group, for all lines where the group is not known; NaN: not known."""
        known = self.meta.get("usual", {})
        group = self.meta.get("group")
        codes, found = pd.factorize(frame[group] if group in frame.columns else np.full(len(frame), ""), use_na_sentinel=False)
        table = [
            [chosen.get(name, np.nan) for name in self.names]
            for chosen in (known[name] if isinstance(name, str) and name in known else known.get("", {}) for name in found)
        ]
        return np.array(table, dtype=float).reshape(len(found), len(self.names))[codes]

    def _advice(
        self,
        values: np.ndarray,
        usual: np.ndarray,
        risk: np.ndarray,
        colours: np.ndarray,
        playbook: list[dict[str, Any]],
        most: int,
    ) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
        """The reasons and the actions of each row, a chunk at a time."""
        reasons: list[list[dict[str, Any]]] = []
        actions: list[list[dict[str, Any]]] = [[] for _ in values]
        for start in range(0, len(values), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            given = self._contributions(values[chunk], self.meta["headline"]).round(6)  # past the last digits of any method
            reasons += self._reasons(given, values[chunk], usual[chunk])
            rows = start + np.flatnonzero(colours[chunk] != "green")
            for row, action in self._actions(rows, values, usual, given[rows - start], risk, reasons, playbook):
                actions[row].append(action)
        for several in actions:
            several.sort(key=lambda action: action["risk_after"])  # stable: then as in the playbook
            del several[most:]
        return reasons, actions

    def _reasons(self, given: np.ndarray, values: np.ndarray, usual: np.ndarray) -> list[list[dict[str, Any]]]:
        """The families that raise the risk of each row most, all their features together, each told by its strongest feature."""
        rows, count = np.arange(len(given)), int(self._families.max(initial=-1)) + 1
        left = (given @ (self._families[:, None] == np.arange(count))).round(6)
        found: list[list[dict[str, Any]]] = [[] for _ in rows]
        for _ in range(min(REASONS, count)):
            chosen = left.argmax(axis=1)  # ties: the earlier family, the earlier feature
            best = np.where(self._families == chosen[:, None], given, -np.inf).argmax(axis=1)
            for row in np.flatnonzero(left[rows, chosen] > 0):
                feature = self.meta["features"][best[row]]
                found[row].append(
                    {
                        "family": feature["family"],
                        "feature": feature["name"],
                        "value": _known(values[row, best[row]]),
                        "usual": _known(usual[row, best[row]]),
                        "contribution": float(left[row, chosen[row]]),
                    }
                )
            left[rows, chosen] = 0.0
        return found

    def _actions(
        self,
        rows: np.ndarray,
        values: np.ndarray,
        usual: np.ndarray,
        given: np.ndarray,
        risk: np.ndarray,
        reasons: list[list[dict[str, Any]]],
        playbook: list[dict[str, Any]],
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each action that a row's reasons call for, with the headline risk once its features are as usual."""
        given_for = [{reason[key] for reason in reasons[row] for key in ("family", "feature")} for row in rows]
        for action in playbook:
            causes = [*action["families"], *action.get("reasons", [])]
            called = np.array([not own.isdisjoint(causes) for own in given_for], dtype=bool)
            if not called.any():
                continue
            chosen, now = rows[called], values[rows[called]]
            eased = np.array([name in action["features"] or base(name) in action["features"] for name in self.names], dtype=bool)
            norm, by_reason = usual[chosen], given[called] > 0
            worse = np.where(self._directions > 0, now > norm, np.where(self._directions < 0, now < norm, by_reason))
            moved = eased & worse & ~np.isnan(norm) & ~np.isnan(now)
            after = risk[chosen].copy()
            touched = moved.any(axis=1)
            if touched.any():
                then = np.where(moved, norm, now)[touched]
                after[touched] = self._risks(self._margins(then, self.headline + 1))[:, -1]
            for row, then_risk in zip(chosen, after, strict=True):
                if then_risk <= risk[row]:  # what the model expects to make things worse is no advice
                    yield int(row), {"action": action["name"], "risk_after": float(then_risk)}


def _walked(booster: lightgbm.Booster, values: np.ndarray, threads: int) -> np.ndarray:
    return np.asarray(booster.predict(values, pred_contrib=True, num_iteration=-1, num_threads=threads))[:, :-1]


def _in(values: np.ndarray, interval: int) -> np.ndarray:
    """Values with the interval as their last column."""
    return np.column_stack([values, np.full(len(values), float(interval))])


def days_until(risks: np.ndarray, horizons: Sequence[int], level: float) -> np.ndarray:
    """Days (n,) after which a line's risk passes a level, were it to go on like this; NaN past a year, 0 for a level of 0.

    risks: (n, H) at ascending horizons. Within an interval the hazard is constant, after the last one it stays what it was there.
    """
    if level >= 1 or not len(risks):
        return np.full(len(risks), np.nan)
    ends = np.array([0.0, *horizons])
    gathered = -np.log1p(-np.minimum(np.column_stack([np.zeros(len(risks)), risks]), 1 - 1e-12))
    rates = np.maximum(np.diff(gathered, axis=1) / np.diff(ends), 0.0)
    wanted = -np.log1p(-level)
    place = np.minimum((gathered[:, 1:] < wanted).sum(axis=1), len(horizons) - 1)
    rows = np.arange(len(risks))
    with np.errstate(divide="ignore", invalid="ignore"):
        days = ends[place] + np.maximum(wanted - gathered[rows, place], 0.0) / rates[rows, place]
    return np.where(days <= _YEAR, days, np.nan) if level > 0 else np.zeros(len(risks))


def base(name: str) -> str:
    """A feature's name without its window: calls_7d -> calls."""
    return _WINDOW.sub("", name)


def verify(folder: Path) -> tuple[dict[str, bytes], str]:
    """The files of a bundle as they were hashed (path -> bytes), and its version; ValueError where the manifest disagrees."""
    path = folder / "manifest.json"
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path}: not there; this is no model bundle")
    raw = path.read_bytes()
    try:
        manifest = json.loads(raw)
        listed: dict[str, str] = manifest["files"]
        if (manifest["format"], manifest["version"]) != (FORMAT, FORMAT_VERSION):
            raise OutdatedBundle(
                f"{path}: format {manifest['format']} {manifest['version']}, this reads {FORMAT} {FORMAT_VERSION}; train again"
            )
        names = {str(name): str(digest) for name, digest in listed.items()}
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a manifest ({type(error).__name__}: {error})") from None
    for name in names:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name or str(parts) != name:
            raise ValueError(f"{path}: lists `{name}`, which is no plain path inside the bundle")
        if parts.suffix not in (".txt", ".json"):
            raise ValueError(f"{path}: lists `{name}`; a bundle holds only .txt and .json")
    for found in sorted(folder.rglob("*")):
        name = found.relative_to(folder).as_posix()
        if found.is_symlink() or not (found.is_dir() or found.is_file()):
            raise ValueError(f"{found}: a link or device; a bundle holds plain files only")
        if found.is_file() and name != "manifest.json" and name not in names:
            raise ValueError(f"{found}: not listed in the manifest; the bundle was changed after publishing")
    files: dict[str, bytes] = {}
    for name, digest in names.items():
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: listed in the manifest, but missing")
        files[name] = (folder / name).read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise ValueError(f"{folder / name}: SHA-256 differs from the manifest; the bundle was changed after publishing")
    return files, hashlib.sha256(raw).hexdigest()[:12]


def _check(meta: dict[str, Any]) -> None:
    """ValueError where model.json cannot give probabilities."""
    if meta["kind"] not in KINDS:
        raise ValueError(f"model.json: kind `{meta['kind']}` is none of {', '.join(KINDS)}")
    if meta["headline"] not in meta["horizons"]:
        raise ValueError(f"model.json: headline {meta['headline']} is not among the horizons")
    for horizon in (str(horizon) for horizon in meta["horizons"]):
        if meta["kind"] == "rule":
            if not 0 <= meta["rule"]["base_rate"][horizon] < 1:
                raise ValueError(f"model.json: base_rate of horizon {horizon} is not in [0, 1)")
            continue
        x, y = (np.asarray(meta["calibration"][horizon][axis], dtype=float) for axis in "xy")
        good = len(x) == len(y) > 0 and np.isfinite(x).all() and (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
        if not (good and y[0] >= 0 and y[-1] <= 1):
            raise ValueError(f"model.json: calibration of horizon {horizon} does not rise within [0, 1]")
    if meta["kind"] != "rule":
        if len(meta["offsets"]) != len(meta["horizons"]) or not np.isfinite(np.asarray(meta["offsets"], dtype=float)).all():
            raise ValueError("model.json: offsets must be one finite number a horizon")
        line = meta["linear"]
        widths = {len(line[part]) for part in ("fill", "mean", "scale", "weight")} if line["share"] else {len(meta["features"])}
        if not 0 <= line["share"] <= 1 or widths != {len(meta["features"])}:
            raise ValueError("model.json: the straight part does not fit the features")
        if line["share"]:
            numbers = np.concatenate([np.atleast_1d(np.asarray(line[part], dtype=float)) for part in _STRAIGHT])
            if not np.isfinite(numbers).all() or min(*line["scale"], line["reach"]) <= 0:
                raise ValueError("model.json: the straight part must be finite numbers, scale and reach above 0")
        if not meta["boosters"] and line["share"] < 1:
            raise ValueError("model.json: there is no booster")
    if meta["kind"] == "rule":
        strange = set(meta["rule"]["limits"]) - {feature["name"] for feature in meta["features"]}
        if strange or not all(limit > 0 for limit in meta["rule"]["limits"].values()):
            raise ValueError("model.json: each limit of the rule must be above 0 and of a listed feature")


def levels_by_cost(costs: dict[str, float], headline: int) -> dict[str, float]:
    """Risks of red, orange and yellow: red where acting costs what the bans that it prevents do, the others from shares of it.

    costs: ban, action (one line for a week), effect (share of bans that acting prevents), orange, yellow (shares of red). May
    be above 1: acting never pays. headline: days ahead; a finished table's 0 takes the cost of acting for that of its horizon.
    """
    red = costs["action"] * (headline / 7 or 1.0) / (costs["ban"] * costs["effect"])
    return {"red": red, "orange": red * costs["orange"], "yellow": red * costs["yellow"]}


def _levels(levels: dict[str, Any], risk: np.ndarray, ranks: np.ndarray, promised: np.ndarray) -> np.ndarray:
    """red, orange, yellow or green for each row: by headline risk (in cost mode too), or by rank in capacity mode.

    In promise mode red begins where the model promises its precision (n,), so that there may be no red line at all.
    """
    if levels["mode"] == "capacity":
        bounds = np.cumsum([levels[f"{colour}_lines"] for colour in ("red", "orange", "yellow")])
        conditions = [ranks <= bound for bound in bounds]
    else:
        conditions = [risk >= levels[colour] for colour in ("red", "orange", "yellow")]
        if levels["mode"] == "promise":
            conditions[0] = risk >= promised
    return np.select(conditions, ["red", "orange", "yellow"], "green").astype(object)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def python_model() -> Any:
    """The MLflow PythonModel that serves a bundle given as artifact "bundle"."""
    from mlflow.pyfunc import PythonModel

    class Published(PythonModel):
        """Takes the frame that Forecast.score takes and gives its scores, so that JSON can carry them: as_of as text, no NaN."""

        def load_context(self, context):  # type: ignore[no-untyped-def]
            self.forecast = Forecast.read(context.artifacts["bundle"])

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            scores = self.forecast.score(model_input)
            if "as_of" in scores.columns:
                scores["as_of"] = scores["as_of"].dt.strftime("%Y-%m-%d").astype(object).where(scores["as_of"].notna(), None)
                scores["days_to_red"] = scores["days_to_red"].astype(object).where(scores["days_to_red"].notna(), None)
            return scores

    return Published()


if __name__ != "serving.published":  # loaded by MLflow from the model's own copy, not imported by bancast
    import mlflow

    mlflow.models.set_model(python_model())
