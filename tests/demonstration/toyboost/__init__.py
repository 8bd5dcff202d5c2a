"""A toy framework: boosted constants.  It stands for the many that autotrack has never heard of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__version__ = "1.2.0"

Callback = Callable[[int, float], None]


class Table:
    """Rows of features and a label each."""

    def __init__(self, rows: Sequence[Sequence[float]], labels: Sequence[float]) -> None:
        self.rows, self.labels = rows, labels


class Booster:
    """What `train` returns: a constant, and the data's mean of the first feature."""

    def __init__(self, constant: float) -> None:
        self.constant = constant

    def predict(self, rows: Sequence[Sequence[float]]) -> Prediction:
        return Prediction(self.constant for _ in rows)


class Prediction(list[float]):
    """A list of predicted labels."""


def train(
    params: dict[str, float],
    table: Table,
    rounds: int = 3,
    objective: Callable[[float, float], float] | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Booster:
    """Move a constant towards the mean of the labels, `rounds` times; callbacks see each round's error."""
    rate = params.get("rate", 0.5)
    difference = objective or (lambda label, constant: label - constant)
    booster = Booster(0.0)
    for number in range(rounds):
        gradients = [difference(label, booster.constant) for label in table.labels]
        booster.constant += rate * sum(gradients) / len(gradients)
        for callback in callbacks or ():
            callback(number, mean_error(table.labels, booster.predict(table.rows)))
    return booster


def tune(params: dict[str, float], rates: Sequence[float], table: Table) -> Booster:
    """Train with each rate; the best booster."""
    boosters = [train({**params, "rate": rate}, table) for rate in rates]
    return min(boosters, key=lambda booster: mean_error(table.labels, booster.predict(table.rows)))


def mean_error(labels: Sequence[float], predicted: Sequence[float]) -> float:
    """The mean absolute error."""
    return sum(abs(label - guess) for label, guess in zip(labels, predicted, strict=True)) / len(labels)
