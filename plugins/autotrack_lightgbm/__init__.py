"""LightGBM.

Observes `train`, `cv`, `fit` of the scikit-learn API, what is evaluated in each of them, `Dataset.construct`,
`Booster.predict`, model files.

Records one run for each training: the parameters given, and what callbacks change of them; every metric of every round
under `split/metric`, or under the evaluation set's own name where two are of one split; the data of a `Dataset`, labels
and weights too; the best round of early stopping; importances; the model, by what it has learned.  A pipeline that ends
with a model of LightGBM's has its rounds; folds and candidates of a search have none.  A training on a cluster of
Dask's is one run, of the program that asks for it, with what LightGBM gives it at the end.
What a `Sequence` reads is known by the rows that are put into the `Dataset`.

Leaves alone: boosters of one fit that are several.
"""

from __future__ import annotations

from autotrack_lightgbm.models import autotrack_state
from autotrack_lightgbm.observing import autotrack_dataset, autotrack_patches

__all__ = ["autotrack_dataset", "autotrack_patches", "autotrack_state"]
