"""Exact tree SHAP of LightGBM boosters for many rows at once, in numpy.

LightGBM's own `pred_contrib` walks each tree for each row. Here the work is done once for each leaf and pattern of decisions:
a row adds to a leaf's features an amount that depends only on which of the leaf's d features let the row pass, one of 2^d.
With o_j = 1 where feature j lets the row pass and z_j the share of training rows that it let pass, the Shapley value of i is
value * (o_i - z_i) * integral over t in [0, 1] of the product over j != i of z_j + t (o_j - z_j), a polynomial that
Gauss-Legendre quadrature integrates exactly. Same numbers as `pred_contrib` (Lundberg et al. 2020, path dependent).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

FEW = 64
"""Rows up to which LightGBM's own walk is quicker."""
_MOST = 4
"""Threads past which memory costs more than time is won."""
_ZERO = 1e-35
"""LightGBM's kZeroThreshold."""


@dataclass(frozen=True)
class _Leaf:
    """features: the distinct ones on the path. passes: for each, the (node, goes left) it asks for. share: z_j of each."""

    value: float
    features: list[int]
    passes: list[list[tuple[int, bool]]]
    share: np.ndarray


@dataclass
class _Tree:
    feature: list[int]
    threshold: list[float]
    default_left: list[bool]
    missing: list[str]
    leaves: list[_Leaf]


class TreeShap:
    """Explains boosters; keeps the trees it has parsed. For numeric splits alone, which is all that a bundle holds."""

    def __init__(self) -> None:
        self._parsed: dict[int, tuple[lightgbm.Booster, list[_Tree]]] = {}

    def __call__(self, booster: lightgbm.Booster, values: np.ndarray, threads: int = 0) -> np.ndarray:
        """What each feature adds to the raw score (n, F), without the bias.

        values: float64 (n, F), NaN where missing. threads: 0 takes all cores; each needs memory for another result.
        """
        if len(values) <= FEW:
            found = booster.predict(values, pred_contrib=True, num_iteration=-1, num_threads=threads)
            return np.asarray(found)[:, :-1]
        if id(booster) not in self._parsed:
            self._parsed[id(booster)] = booster, [_tree(info["tree_structure"]) for info in booster.dump_model()["tree_info"]]
        trees, columns = self._parsed[id(booster)][1], np.ascontiguousarray(values.T)
        workers = min(threads or os.cpu_count() or 1, _MOST, len(trees) or 1)
        with ThreadPoolExecutor(workers) as pool:  # numpy lets go of the interpreter's lock in each step
            parts = list(pool.map(lambda first: _sum(trees[first::workers], columns), range(workers)))
        result: np.ndarray = sum(parts[1:], parts[0]).T
        return result


def _sum(trees: list[_Tree], columns: np.ndarray) -> np.ndarray:
    total = np.zeros_like(columns)
    for tree in trees:
        _add(tree, columns, total)
    return total


def _tree(root: dict[str, Any]) -> _Tree:
    tree = _Tree([], [], [], [], [])

    def visit(node: dict[str, Any], path: list[tuple[int, bool, float]]) -> None:
        if "split_index" not in node:
            if path:
                tree.leaves.append(_leaf(tree, node["leaf_value"], path))
            return
        if node["decision_type"] != "<=":
            raise ValueError(f"a split of kind `{node['decision_type']}`; only numeric splits can be explained")
        index, count = len(tree.feature), node["internal_count"]
        tree.feature.append(node["split_feature"])
        tree.threshold.append(float(node["threshold"]))
        tree.default_left.append(node["default_left"])
        tree.missing.append(node["missing_type"])
        for side, left in (("left_child", True), ("right_child", False)):
            child = node[side]
            visit(child, [*path, (index, left, child.get("internal_count", child.get("leaf_count")) / count)])

    visit(root, [])
    return tree


def _leaf(tree: _Tree, value: float, path: list[tuple[int, bool, float]]) -> _Leaf:
    passes: dict[int, list[tuple[int, bool]]] = {}
    shares: dict[int, float] = {}
    for node, left, share in path:
        feature = tree.feature[node]
        passes.setdefault(feature, []).append((node, left))
        shares[feature] = shares.get(feature, 1.0) * share
    return _Leaf(value, list(passes), list(passes.values()), np.array(list(shares.values())))


def _add(tree: _Tree, columns: np.ndarray, total: np.ndarray) -> None:
    """Add a tree's contributions to `total` (F, n)."""
    went = {}
    for node, feature in enumerate(tree.feature):
        left = _goes_left(columns[feature], tree.threshold[node], tree.default_left[node], tree.missing[node])
        went[node, True], went[node, False] = left, ~left
    for leaf in tree.leaves:
        width = len(leaf.features)
        pattern: np.ndarray = np.zeros(columns.shape[1], dtype=np.uint16 if width <= 16 else np.uint64)
        for bit, asked in enumerate(leaf.passes):
            passed = went[asked[0]]
            for other in asked[1:]:
                passed = passed & went[other]
            pattern |= passed * pattern.dtype.type(1 << bit)
        if 4 << width <= len(pattern):
            patterns, where = np.arange(1 << width, dtype=np.uint64), pattern.astype(np.intp)
        else:
            found, where = np.unique(pattern, return_inverse=True)
            patterns = found.astype(np.uint64)
        table = _shapley(leaf, patterns)
        for bit, feature in enumerate(leaf.features):
            total[feature] += table[bit].take(where)


def _goes_left(column: np.ndarray, threshold: float, default_left: bool, missing: str) -> np.ndarray:
    """As LightGBM's Tree::NumericalDecision."""
    if missing == "NaN":
        left = column <= threshold  # False for NaN
        return left | np.isnan(column) if default_left else left
    filled = np.where(np.isnan(column), 0.0, column)
    left = filled <= threshold
    if missing == "Zero":
        zero = np.abs(filled) <= _ZERO
        return left | zero if default_left else left & ~zero
    return left


def _shapley(leaf: _Leaf, patterns: np.ndarray) -> np.ndarray:
    """Contributions (d, patterns): bit j of a pattern says whether feature j lets the row pass."""
    width = len(leaf.features)
    points, weights = _quadrature((width + 1) // 2)
    passes = (patterns[None, :] >> np.arange(width, dtype=np.uint64)[:, None] & np.uint64(1)).astype(float)
    lean = passes - leaf.share[:, None]
    factors = leaf.share[None, :, None] + points[:, None, None] * lean[None]
    integral = np.einsum("q,qp,qjp->jp", weights, factors.prod(axis=1), 1.0 / factors)
    result: np.ndarray = leaf.value * lean * integral
    return result


def _quadrature(count: int) -> tuple[np.ndarray, np.ndarray]:
    if count not in _RULES:
        points, weights = np.polynomial.legendre.leggauss(count)
        _RULES[count] = (points + 1) / 2, weights / 2
    return _RULES[count]


_RULES: dict[int, tuple[np.ndarray, np.ndarray]] = {}
"""Gauss-Legendre points and weights on [0, 1], by how many."""
