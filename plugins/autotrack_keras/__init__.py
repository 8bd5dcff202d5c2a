"""Keras 3, on whichever backend.

Observes `fit`, `evaluate`, `predict` and `train_on_batch` of every model, the epochs and batches of `fit` where Keras
calls its callbacks, and the files of models and weights.

Records one run for each `fit`: what `compile` and `fit` were given, callbacks with their settings, the layers; each
epoch as `History` has it (`train/loss`, `valid/accuracy`, `learning_rate`), each batch as the progress bar would show
it (`train/loss.batch`); the data, by content where it is arrays, a `tf.data` pipeline by what it begins with, a
`PyDataset`, a generator or a `DataLoader` by the rows that pass in the first epoch; files with the identity of the
weights inside and the step they were taken at.  Scores of `evaluate`, and of scikit-learn's
functions on what `predict` returned, are those of the run that trained the model.

Leaves alone: loops with `GradientTape`; what Grain and the functions of a `tf.data` pipeline make.
"""

from __future__ import annotations

from autotrack_keras.models import autotrack_model, autotrack_state
from autotrack_keras.observing import autotrack_patches

__all__ = ["autotrack_model", "autotrack_patches", "autotrack_state"]
