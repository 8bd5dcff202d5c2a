"""Which run a score belongs to, and which split of the data it is of."""

from __future__ import annotations

import re
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import Loaded, Prediction, prediction_of, role_of, strand_for, strand_for_loaded
from autotrack_sklearn.estimators import MEMBER, PART, estimator_name

_SPLITS = {
    **dict.fromkeys(("val", "valid", "validation", "dev", "xval", "yval", "xvalid", "yvalid"), "valid"),
    **dict.fromkeys(("test", "testing", "xtest", "ytest", "holdout"), "test"),
    **dict.fromkeys(("train", "training", "xtrain", "ytrain"), "train"),
}
"""What people call their variables."""


def split_of(model: Any, strand: Strand, features: Any, labels: Any) -> str | None:
    """What data is to a training: `train`, `test`, or None where that can't be told.  A part of the model, a step of
    a pipeline, was trained on other features than the whole: there the labels tell."""
    if role_of(model) in (PART, MEMBER):
        return strand.role_of(labels=labels)
    return strand.role_of(features)


def named_split(call: Call, split: str | None, *arguments: str) -> str | None:
    """The split that the user's variables are called after, where identity tells no more than that the data is not
    that of the training."""
    if split not in (None, "test"):
        return split
    for argument in arguments:
        words = re.split("[^a-z]+", (call.expression(argument) or "").lower())
        said = next((_SPLITS[word] for word in words if word in _SPLITS), None)
        if said is not None and (said != "train" or split is None):
            return said
    return split


def strand_of_prediction(prediction: Prediction) -> Strand | None:
    """The strand of the model that made it."""
    model = prediction.model
    if prediction.strand is None and model is not None:
        prediction.strand = strand_for(model, "sklearn", estimator_name(model))
    elif prediction.strand is None and isinstance(prediction.note, Loaded):
        prediction.strand = strand_for_loaded(prediction.note, "sklearn")
    return prediction.strand


def split_of_prediction(call: Call, prediction: Prediction, strand: Strand, labels: Any, *arguments: str) -> str | None:
    """The split that a prediction was made for."""
    split = prediction.role or strand.role_of(labels=labels)
    return named_split(call, split, *arguments)


def is_prediction(data: Any) -> bool:
    """Whether this is what a model said."""
    return data is not None and prediction_of(data) is not None
