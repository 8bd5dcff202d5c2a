"""scikit-learn.

Observes `fit`, `fit_transform`, `fit_predict` and `partial_fit` of every class below `BaseEstimator`, the
cross-validation functions, `predict` and its kin, `staged_predict` and its kin, `score`, `aic`, `bic`, scorers,
displays, the functions of `sklearn.metrics`, and `joblib` and `pickle` files of estimators.

Records one run for the outermost call that the user made: a pipeline once, a search with its trials folded under it,
a transformer alone as a step of the job.  Parameters as `get_params()` gives them, training data and data that scores
are of, scores under the model that made the predictions, what a fitted estimator holds (`learned`), the fitted model.
Scores of a model that comes from a file make a run of kind `evaluation`.

Leaves alone: what happens inside a fit; what is computed from predictions other than by renaming classes, taking a
column or a part, a threshold or one of a few functions (a blend of models, groups by a mask); metrics that are not
scikit-learn's.
"""

from __future__ import annotations

from autotrack_sklearn.estimators import autotrack_model, autotrack_params
from autotrack_sklearn.observing import autotrack_patches
from autotrack_sklearn.search import autotrack_state

__all__ = ["autotrack_model", "autotrack_params", "autotrack_patches", "autotrack_state"]
