"""XGBoost.

Observes `train`, `cv`, `fit` of the scikit-learn API, the rounds of each of them, `DMatrix` and its kin as they are
made, `Booster.predict` and `inplace_predict`, `eval` and `eval_set`, model files.

Records one run for each training: the parameters given, and what callbacks change of them; every metric of every round
under `split/metric`, or under the evaluation set's own name where two are of one split; the data as it was given to
`DMatrix`, labels and weights too; where early stopping found the best round; importances; the model, by what it has
learned.  A pipeline that ends with a model of XGBoost's has its rounds; folds and candidates of a search have none.  A
training on a cluster of Dask's is one run, of the program that asks for it, with the rounds that it gets at the end;
its data is not computed, and has no identity.  The data that a `DataIter` hands over is known by the rows of its first
pass.

Leaves alone: boosters of one fit that are several; predictions on a cluster.
"""

from __future__ import annotations

from autotrack_xgboost.distributed import autotrack_dataset
from autotrack_xgboost.models import autotrack_state
from autotrack_xgboost.observing import autotrack_patches

__all__ = ["autotrack_dataset", "autotrack_patches", "autotrack_state"]
