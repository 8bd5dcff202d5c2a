"""Small coefficients, and importances of features, of a fitted estimator.

Observes `coef_`, `intercept_` and `feature_importances_` where they are attributes of the instance, and the trees of
scikit-learn's tree ensembles: their `feature_importances_` is a property, which starts threads in forests; the same
numbers are had from the trees, within a budget.

Leaves alone: every property, such as `coef_` of a support vector machine, which multiplies the user's data.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from autotrack import Strand
from autotrack_sklearn.numbers import few, is_array, is_row, numbers_of

COEFFICIENTS = 256
"""Coefficients and intercepts together that are written out."""
ENTRIES = 200
"""What a value of a run holds at most in one list or dict (`ITEM_LIMIT` of `autotrack.values`)."""
FEATURES = 1_000
"""Features of which importances are recorded; where they are more than `ENTRIES`, the largest."""
SECONDS_A_NODE = 2e-8

Held = dict[str, Any]


class OverBudget(Exception):
    """The trees are too many, or too large."""


def coefficients(held: Held) -> dict[str, Any]:
    """`coef` and `intercept` where they are few; the coefficients of a row by feature where features have names."""
    coef, intercept = _dense(held.get("coef_")), few(held.get("intercept_"), COEFFICIENTS)
    if coef is None or coef.ndim not in (1, 2) or not coef.size or max(coef.shape) > ENTRIES:
        return {}
    if coef.size + (len(intercept) if type(intercept) is list else intercept is not None) > COEFFICIENTS:
        return {}
    names = _feature_names(held, coef.shape[-1])
    rows = coef.astype(float).reshape(-1, coef.shape[-1]).tolist()
    listed = [dict(zip(names, row, strict=True)) for row in rows] if names else rows
    found = {"coef": listed[0] if len(listed) == 1 else listed}
    return found if intercept is None else {**found, "intercept": intercept}


def _dense(coef: Any) -> Any:
    """Coefficients as an array, those of a sparse matrix where they are few; None for anything else."""
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and str(type(coef).__module__).startswith("scipy.sparse.") and sparse.issparse(coef):
        coef = coef.toarray() if math.prod(coef.shape) <= COEFFICIENTS else None
    return coef if is_array(coef) and coef.dtype.kind in "biuf" else None


def _feature_names(held: Held, length: int) -> list[str] | None:
    names: Any = held.get("feature_names_in_")
    if not is_array(names) or names.shape != (length,):
        return None
    listed: list[Any] = names.tolist()
    return listed if all(type(name) is str for name in listed) and len(set(listed)) == length else None


def importances(strand: Strand, model: Any, budget: float) -> dict[str, Any]:
    """`feature_importances`: a list, or by feature, the largest first, where they have names or are many."""
    held = vars(model)
    features = held.get("n_features_in_")
    if type(features) is int and features > FEATURES:
        if "feature_importances_" in held or _property_of(model):
            strand.gap("feature_importances", f"{features:,} features, more than {FEATURES:,}")
        return {}
    try:
        found = _importances(model, time.perf_counter() + budget)
    except OverBudget:
        strand.gap("feature_importances", f"to gather them would take more than {budget * 1000:.3g} ms")
        return {}
    if found is None or not 0 < len(found) <= FEATURES:
        return {}
    names, listed = _feature_names(held, len(found)), found.tolist()
    if names is None and len(listed) <= ENTRIES:
        return {"feature_importances": listed}
    ranked = sorted(zip(names or map(str, range(len(listed))), listed, strict=True), key=lambda pair: -pair[1])
    return {"feature_importances": dict(ranked)}


def _property_of(model: Any) -> str | None:
    """The class of scikit-learn's whose property `feature_importances_` of an estimator is."""
    owner = next((cls for cls in type(model).__mro__ if "feature_importances_" in cls.__dict__), object)
    ours = str(owner.__dict__.get("__module__")).startswith(("sklearn.tree.", "sklearn.ensemble."))
    return owner.__name__ if ours else None


def _importances(model: Any, deadline: float) -> Any:
    """The numbers of `feature_importances_`, None where there are none.  Raises OverBudget.

    As scikit-learn 1.5 to 1.9 computes them in `tree/_classes.py`, `ensemble/_forest.py`, `ensemble/_gb.py` and
    `ensemble/_weight_boosting.py`.
    """
    held = getattr(model, "__dict__", {})
    if "feature_importances_" in held:
        return numbers_of(held["feature_importances_"])
    kind = _property_of(model)
    members: Any = held.get("estimators_")
    if kind == "BaseDecisionTree":
        return _of_tree(held.get("tree_"), deadline)
    if kind is None or not (type(members) is list or is_array(members)):
        return None
    if kind == "BaseWeightBoosting":
        return _weighted(members, numbers_of(held.get("estimator_weights_")), deadline)
    import numpy as np

    flat = members if is_row(members) else members.ravel()
    trees: list[Any] = [getattr(tree, "__dict__", {}).get("tree_") for tree in flat]
    features = held.get("n_features_in_")
    if not all(map(_is_tree, trees)) or type(features) is not int:
        return None
    parts = [_of_tree(tree, deadline, normalize=kind == "BaseForest") for tree in trees if tree.node_count > 1]
    if not parts:
        return np.zeros(features)
    mean = np.mean(parts, axis=0, dtype=np.float64)
    total = np.sum(mean)
    return mean / total if total else None


def _weighted(members: Any, weights: Any, deadline: float) -> Any:
    """AdaBoost's: those of its estimators, which may be of any class, by their weights."""
    total = weights.sum() if weights is not None else 0.0
    if type(members) is not list or not members or not total:
        return None
    parts = []
    for member in members:
        part = _importances(member, deadline)
        if part is None:
            return None
        parts.append(part)
    return sum(weight * part for weight, part in zip(weights, parts, strict=False)) / total


def _is_tree(tree: Any) -> bool:
    return type(tree).__module__ == "sklearn.tree._tree"


def _of_tree(tree: Any, deadline: float, *, normalize: bool = True) -> Any:
    if not _is_tree(tree):
        return None
    if time.perf_counter() + tree.node_count * SECONDS_A_NODE > deadline:
        raise OverBudget
    return tree.compute_feature_importances(normalize=normalize)
