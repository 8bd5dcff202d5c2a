"""The functions of `sklearn.metrics`, on predictions of a model that was trained here."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import role_of, strand_of

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


def observe(call: Call) -> Generator[None, Any, None]:
    given = [*call.args, *call.kwargs.values()]
    prediction = next((found for found in map(tracked_prediction, given) if found is not None), None)
    strand = strand_of(prediction)
    truth = next((call.get(name) for name in ("y_true", "labels_true") if call.get(name) is not None), None)
    if strand is None or is_prediction(truth):
        return
    split = role_of(prediction) or strand.role_of(labels=truth)
    result = yield
    report(strand, split, metric_name(call), result)


def is_prediction(truth: Any) -> bool:
    """Whether what is compared with is no truth but what a model said: that is no score of the other model."""
    return truth is not None and strand_of(tracked_prediction(truth)) is not None


def tracked_prediction(data: Any) -> Any:
    """The array that a tracked model returned: this very one, or one that it is a view of; None for neither."""
    for _ in range(8):
        if data is None or strand_of(data) is not None:
            return data
        data = getattr(data, "base", None)
    return None


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
    else:
        strand.summaries({name: result})
