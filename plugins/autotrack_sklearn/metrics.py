"""The functions of `sklearn.metrics`, on predictions of a model that was trained here."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, NamedTuple

from autotrack import Call, Strand
from autotrack.plugin_api import Tie, like, note_of, prediction_of, remember, role_of, strand_of
from autotrack_sklearn.numbers import number_of
from autotrack_sklearn.splits import is_prediction, split_of_prediction, strand_of_prediction

FUNCTIONS = tuple(
    """
    accuracy_score balanced_accuracy_score average_precision_score brier_score_loss classification_report
    cohen_kappa_score confusion_matrix d2_absolute_error_score d2_brier_score d2_log_loss_score
    d2_pinball_score d2_tweedie_score dcg_score det_curve explained_variance_score f1_score fbeta_score
    hamming_loss hinge_loss jaccard_score label_ranking_average_precision_score label_ranking_loss log_loss
    matthews_corrcoef max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance
    mean_pinball_loss mean_poisson_deviance mean_squared_error mean_squared_log_error mean_tweedie_deviance
    median_absolute_error multilabel_confusion_matrix ndcg_score precision_score r2_score recall_score
    roc_auc_score root_mean_squared_error root_mean_squared_log_error top_k_accuracy_score zero_one_loss
    coverage_error class_likelihood_ratios precision_recall_fscore_support adjusted_mutual_info_score
    adjusted_rand_score calinski_harabasz_score completeness_score davies_bouldin_score fowlkes_mallows_score
    homogeneity_completeness_v_measure homogeneity_score mutual_info_score normalized_mutual_info_score
    rand_score silhouette_score v_measure_score
    """.split()
)
"""Public functions that compare predictions with something; those that a version lacks are left out."""

LABELS_NAMED = 4
"""Labels that a metric is restricted to are part of its name, when there are no more."""
TRUTHS = ("y_true", "labels_true", "y1")
PREDICTIONS = ("y_pred", "y_score", "y_proba", "y_prob", "pred_decision", "labels_pred", "probas_pred", "y2")
"""Arguments for what is true and for what was predicted, of all functions."""
DATA_ARGUMENTS = frozenset((*TRUTHS, *PREDICTIONS, "X", "labels", "sample_weight"))
OF_LABELS = frozenset(("silhouette_score", "calinski_harabasz_score", "davies_bouldin_score"))
"""Functions of features and what a clustering said of them."""
RANKING = frozenset(
    """
    roc_auc_score average_precision_score roc_curve precision_recall_curve det_curve dcg_score ndcg_score
    label_ranking_average_precision_score label_ranking_loss coverage_error
    """.split()
)
NUMERIC = frozenset(name for name in FUNCTIONS if "_error" in name or "deviance" in name or name.startswith("d2_")) | {
    "r2_score", "explained_variance_score", "mean_pinball_loss", "log_loss", "brier_score_loss", "hinge_loss",
}  # fmt: skip


def observe(call: Call) -> Generator[None, Any, None]:
    truth = next((call.get(name) for name in TRUTHS if call.get(name) is not None), None)
    others = [call.get(name) for name in PREDICTIONS]
    if call.name.partition(":")[2] in OF_LABELS:
        others = [call.get("labels")]
    if is_prediction(truth):  # given in the wrong order, unless two models are compared, or a model with something else
        (other,) = [value for value in others if value is not None][:1] or [None]
        if _tied(call, [other]) is not None or not _are_labels(call, truth, other):
            return
        others, truth = [truth], other
    found = place(call, others, truth, *TRUTHS)
    if found is None:
        return
    result = yield
    report(found.strand, found.split, metric_name(call, found.how), result, origin=found.origin)


class Place(NamedTuple):
    """Where a score belongs: the strand, the split, what was done to the prediction, and who says so."""

    strand: Strand
    split: str | None
    how: str = ""
    origin: str = "metric"


def _tied(call: Call, candidates: list[Any]) -> Tie | None:
    """The prediction among the arguments of a call: as it was returned, or by its values."""
    arrays = [value for value in candidates if not isinstance(value, (str, int, float, bool, type(None)))]
    found = next((tied for tied in map(prediction_of, arrays) if tied is not None), None)
    if found is not None:
        return found
    function = call.name.rpartition(":")[2].rpartition(".")[2]
    ties = (like(value, ranking=function in RANKING, numeric=function in NUMERIC) for value in arrays)
    return next((tied for tied in ties if tied is not None), None)


def _are_labels(call: Call, predicted: Any, other: Any) -> bool:
    """Whether what stands where a prediction should is what is true: known as such, or called so."""
    tied = prediction_of(predicted)
    strand = tied.prediction.strand if tied is not None else None
    if strand is not None and strand.role_of(labels=other) is not None:
        return True
    words = re.split("[^a-z]+", (call.expression("y_pred") or call.expression("y2") or "").lower())
    return any(word in ("y", "true", "truth", "target", "targets", "label", "labels", "test", "val") for word in words)


def place(call: Call, candidates: list[Any], truth: Any, *arguments: str) -> Place | None:
    """Where a score belongs; None where it is of no prediction that is known."""
    tied = _tied(call, candidates)
    strand = strand_of_prediction(tied.prediction) if tied is not None else None
    if tied is None or strand is None:
        return None
    exact = any(is_prediction(candidate) for candidate in candidates)
    if not exact and any(strand.role_of(labels=candidate) is not None for candidate in candidates):
        return None  # what is true, where a model is always right
    split = split_of_prediction(call, tied.prediction, strand, truth, *arguments)
    if tied.prediction.features is not None:
        strand.evaluated(split, tied.prediction.features, truth)
    if tied.models > 1:
        why = f"inferred: predictions of {tied.models} models fit, the latest is taken"
        strand.gap(f"which model {call.name.partition(':')[2]} is of", why)
    how = ",".join(filter(None, (tied.prediction.what.partition("/")[2], tied.how)))
    return Place(strand, split, how, "metric" if exact else "inferred")


def observe_curve(call: Call) -> Generator[None, Any, None]:
    """`roc_curve` and `precision_recall_curve`: the area that `auc` computes of their points is a score."""
    found = place(call, [call.get("y_score"), call.get("probas_pred")], call.get("y_true"), "y_true")
    if found is None:
        return
    result = yield
    name = "roc_auc" if call.name.endswith("roc_curve") else "pr_auc"
    for points in result[:2]:
        remember(points, found.strand, found.split, Curve(_suffixed(name, found.how)))


class Curve:
    """What is noted of the points of a curve: what the area below it is called."""

    __slots__ = ("area",)

    def __init__(self, area: str) -> None:
        self.area = area


def observe_auc(call: Call) -> Generator[None, Any, None]:
    points = call.get("x")
    curve, strand, split = note_of(points), strand_of(points), role_of(points)
    if not isinstance(curve, Curve) or strand is None:
        return
    result = yield
    report(strand, split, curve.area, result)


def _suffixed(name: str, how: str) -> str:
    return f"{name}({how})" if how else name


def metric_name(call: Call, how: str = "") -> str:
    """`f1_score(..., average="macro")` is `f1_macro`, as scikit-learn's scorers are called; other settings, and what
    was done to the prediction, are part of the name too, so that two of them are two series: `fbeta(beta=2)`."""
    name = call.name.partition(":")[2].removesuffix("_score")
    average = call.get("average")
    if isinstance(average, str) and average != "binary":
        name = f"{name}_{average}"
    settings = [
        f"{key}={value}"
        for key, value in call.kwargs.items()
        if key not in DATA_ARGUMENTS
        and key not in ("average", "zero_division", "output_dict", "digits")
        and isinstance(value, (str, int, float, bool))
    ]
    chosen = call.kwargs.get("labels")
    if isinstance(chosen, (list, tuple)) and len(chosen) <= LABELS_NAMED:
        settings.append(f"labels={list(chosen)}")
    elif chosen is not None:
        settings.append("labels")
    if call.get("sample_weight") is not None:
        settings.append("weighted")
    if how:
        settings.append(how)
    return f"{name}({','.join(settings)})" if settings else name


def report(strand: Strand, split: str | None, metric: str, result: Any, origin: str = "metric") -> None:
    """A number as the next point of its series, anything else as a value of the run; without a split where that
    is not known."""
    name = f"{split}/{metric}" if split else metric
    number = number_of(result)
    if number is not None:
        strand.score(name, number, origin=origin)
    elif metric.startswith("classification_report") and isinstance(result, str):
        strand.summaries({name: report_values(result) or result})
    else:
        strand.summaries({name: result})


def report_values(text: str) -> dict[str, dict[str, float]] | None:
    """The values of a classification report as it is printed: `{label: {precision, recall, f1-score, support}}`, of
    `accuracy` only those that there are; None for a text that is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    columns = lines[0].split() if lines else []
    if columns != ["precision", "recall", "f1-score", "support"]:
        return None
    found = {}
    for line in lines[1:]:
        words = line.split()
        count = 2 if words[0] == "accuracy" and len(words) == 3 else len(columns)
        try:
            values = [float(word) for word in words[-count:]]
        except ValueError:
            return None
        label = _label(line, words[-count:])
        found[label] = dict(zip(columns[-count:], values, strict=True))
    return found


def _label(line: str, values: list[str]) -> str:
    """What stands before the values."""
    for value in reversed(values):
        line = line.rstrip().removesuffix(value)
    return line.strip()
