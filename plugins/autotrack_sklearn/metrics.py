"""The functions of `sklearn.metrics`, on predictions of a model that was trained here."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import note_of, remember, role_of, strand_of
from autotrack_sklearn.splits import is_prediction, split_of_prediction, strand_of_prediction, tie

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
DATA_ARGUMENTS = frozenset(
    "y_true y_pred y_score y_proba y_prob pred_decision labels_true labels_pred X labels sample_weight".split()
)


TRUTHS = ("y_true", "labels_true")


def observe(call: Call) -> Generator[None, Any, None]:
    truth = next((call.get(name) for name in TRUTHS if call.get(name) is not None), None)
    others = [value for value in (*call.args, *call.kwargs.values()) if value is not truth]
    if is_prediction(truth):  # given in the wrong order, unless two models are compared
        if tie(others) is not None:
            return
        others, truth = [truth], None
    found = place(call, others, truth, *TRUTHS)
    if found is None:
        return
    result = yield
    report(*found, metric_name(call), result)


def place(call: Call, candidates: list[Any], truth: Any, *arguments: str) -> tuple[Strand, str | None] | None:
    """The strand that a score belongs to, and the split; None where it is of no prediction that is known."""
    tied = tie([value for value in candidates if not isinstance(value, (str, int, float, bool, type(None)))])
    strand = strand_of_prediction(tied.prediction) if tied is not None else None
    if tied is None or strand is None:
        return None
    split = split_of_prediction(call, tied.prediction, strand, truth, *arguments)
    if tied.prediction.features is not None:
        strand.evaluated(split, tied.prediction.features, truth)
    if tied.models > 1:
        why = f"inferred: predictions of {tied.models} models fit, the latest is taken"
        strand.gap(f"which model {call.name.partition(':')[2]} is of", why)
    return strand, split


def observe_curve(call: Call) -> Generator[None, Any, None]:
    """`roc_curve` and `precision_recall_curve`: the area that `auc` computes of their points is a score."""
    found = place(call, [call.get("y_score"), call.get("probas_pred")], call.get("y_true"), "y_true")
    if found is None:
        return
    result = yield
    name = "roc_auc" if call.name.endswith("roc_curve") else "pr_auc"
    for points in result[:2]:
        remember(points, found[0], found[1], Curve(name))


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


def metric_name(call: Call) -> str:
    """`f1_score(..., average="macro")` is `f1_macro`, as scikit-learn's scorers are called; other settings are
    part of the name too, so that two of them are two series: `fbeta(beta=2)`."""
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
    return f"{name}({','.join(settings)})" if settings else name


def report(strand: Strand, split: str | None, metric: str, result: Any) -> None:
    """A number as the next point of its series, anything else as a value of the run; without a split where that
    is not known."""
    name = f"{split}/{metric}" if split else metric
    if getattr(result, "shape", ()) == () and not isinstance(result, (str, dict, list, tuple)):
        series = strand.series(name, origin="metric")
        series.record(series.next_step, float(result))
        series.next_step += 1
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
