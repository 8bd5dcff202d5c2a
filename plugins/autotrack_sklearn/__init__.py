"""scikit-learn.

Observes `fit`, `fit_transform`, `fit_predict` and `partial_fit` of every class below `BaseEstimator`, the
cross-validation functions, `predict` and its kin, `score`, the functions of `sklearn.metrics`, and
`joblib` and `pickle` files of estimators.

Records one run for the outermost call that the user made: a pipeline once, a search with its trials folded
under it, a transformer alone as a step of the job.  Parameters as `get_params()` gives them, training data,
scores under the model that made the predictions, the fitted model, and what that holds itself: curves of its
iterations, out-of-bag scores, importances, few coefficients (`learned`, `importances`).

Leaves alone: what happens inside a fit; predictions that no longer share memory with what a model returned.
"""

from __future__ import annotations

from autotrack_sklearn.estimators import autotrack_model, autotrack_params
from autotrack_sklearn.observing import autotrack_patches

__all__ = ["autotrack_model", "autotrack_params", "autotrack_patches"]
