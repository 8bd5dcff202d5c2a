"""The plugin of XGBoost: trainings on a cluster of Dask's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.testing import Recording, Strand, run_program

pytest.importorskip("distributed")

BEGIN = """
import asyncio, hashlib, json, sys
import dask.array as da, numpy
from dask.distributed import Client, LocalCluster
import xgboost
from xgboost import dask as dxgb

numbers = numpy.random.default_rng(0)
features = numbers.normal(size=(400, 4))
labels = (features[:, 0] + features[:, 1] ** 2 > 1).astype(int)
X, Y = da.from_array(features, chunks=(100, 4)), da.from_array(labels, chunks=100)
HERE = dict(n_workers=2, threads_per_worker=1, dashboard_address=None)
SETTINGS = {"objective": "binary:logistic", "max_depth": 3, "tree_method": "hist", "eval_metric": ["logloss", "error"]}

def identity(booster):
    return hashlib.sha256(booster.save_raw("ubj")).hexdigest()
"""

TRAIN = """
def main(client):
    train, valid = dxgb.DaskDMatrix(client, X, Y), dxgb.DaskDMatrix(client, X[:200], Y[:200])
    output = dxgb.train(
        client, SETTINGS, train, num_boost_round=12, evals=[(train, "train"), (valid, "valid")],
        early_stopping_rounds=3, verbose_eval=False,
    )
    print(output["booster"].best_iteration, dxgb.predict(client, output, X).compute().shape)
    with open("history.json", "w") as file:
        json.dump(output["history"], file)

if __name__ == "__main__":
    with LocalCluster(**HERE, processes=PROCESSES) as cluster, Client(cluster) as client:
        main(client)
"""


def run(source: str, folder: Path) -> tuple[str, list[Strand], Recording]:
    """The output of a program, the strands that it recorded, and the recording."""
    done = run_program(source, folder)
    assert done.returncode == 0, done.stderr
    recording = Recording(folder / ".autotrack")
    return done.stdout, recording.strands(), recording


def values(strand: Strand, series: str) -> list[float]:
    assert [step for step, _ in strand.points[series]] == list(range(len(strand.points[series])))
    return [value for _, value in strand.points[series]]


@pytest.mark.parametrize("processes", [True, False])
def test_one_run_with_the_rounds_that_the_program_gets(processes: bool, tmp_path: Path) -> None:
    source = BEGIN + TRAIN.replace("PROCESSES", str(processes))
    output, (strand,), recording = run(source, tmp_path)
    assert len(recording.segments()) == 1  # the workers write nothing
    assert (strand.name, strand.status) == ("Booster(binary:logistic)", "finished")
    history: dict[str, dict[str, list[float]]] = json.loads((tmp_path / "history.json").read_text())
    assert set(strand.points) == {"train/logloss", "train/error", "valid/logloss", "valid/error"}
    for data, metrics in history.items():
        for metric, given in metrics.items():
            assert values(strand, f"{data}/{metric}") == given
    found: dict[str, Any] = {
        name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()
    }
    assert found["rounds"] == len(history["valid"]["error"])
    assert found["best_iteration"] == int(output.split()[0])
    assert found["best_score"] == min(history["valid"]["error"])
    told = strand.params
    assert (told["max_depth"], told["num_boost_round"], told["early_stopping_rounds"]) == (3, 12, 3)
    assert (told["dask.workers"], told["dask.threads"], told["dask.partitions"]) == (2, 1, 4)
    (train, valid) = strand.datasets.values()
    assert (train.role, valid.role) == ("train", "valid")
    dataset = train.dataset
    assert (dataset.id, dataset.method, dataset.kind, dataset.rows) == (None, "declared", "dask.Array", 400)
    assert [part.name for part in dataset.parts] == ["features", "labels"]
    (model,) = strand.of(events.StrandModel)
    assert model.id is not None
    assert set(strand.gaps) == {"identity of the data", "time of each round"}


def test_the_program_does_the_same(tmp_path: Path) -> None:
    """With one worker, where the order of its sums is one."""
    source = BEGIN + TRAIN.replace("PROCESSES", "True").replace("HERE, ", "{**HERE, 'n_workers': 1}, ")
    source = source.replace("    print(", "    print(identity(output['booster']), output['history'])\n    print(")
    tracked, plain = (run_program(source, tmp_path, tracked=tracked) for tracked in (True, False))
    assert plain.returncode == 0, plain.stderr
    assert (tracked.returncode, tracked.stdout) == (0, plain.stdout)


SCIKIT = """
import autotrack, pandas
import dask.dataframe as dd

def alone(depth):
    data = xgboost.DMatrix(features, label=labels)
    return xgboost.train({"max_depth": depth, "nthread": 1}, data, 2).num_boosted_rounds()

def main(client):
    table = dd.from_pandas(pandas.DataFrame(features, columns=list("abcd")), npartitions=3)
    model = dxgb.DaskXGBRegressor(n_estimators=3, tree_method="hist")
    model.fit(table[["a", "b"]], table["c"])
    print(client.gather(client.map(alone, [2, 3])))
    try:
        dxgb.train(client, {"objective": "no:such"}, dxgb.DaskDMatrix(client, X, Y), 2)
    except xgboost.core.XGBoostError as error:
        print("refused")

async def later():
    async with LocalCluster(**HERE, processes=False, asynchronous=True) as cluster:
        async with Client(cluster, asynchronous=True) as client:
            model = dxgb.DaskXGBClassifier(n_estimators=9, early_stopping_rounds=2, eval_metric="logloss")
            model.client = client
            await model.fit(X, Y, eval_set=[(X, Y), (X[:200], Y[:200])], verbose=False)
            train = await dxgb.DaskDMatrix(client, X, Y)
            output = await dxgb.train(client, SETTINGS, train, 3, evals=[(train, "train")], verbose_eval=False)
            dxgb.train(client, SETTINGS, train, 3).close()
            unheeded = dxgb.train(client, SETTINGS, train, 3)
            del unheeded
            with open("history.json", "w") as file:
                json.dump([model.evals_result(), output["history"]], file)

if __name__ == "__main__":
    autotrack.enable()
    with LocalCluster(**HERE, processes=False) as cluster, Client(cluster) as client:
        main(client)
    asyncio.run(later())
"""


def test_models_of_the_scikit_learn_api_tasks_and_asynchronous_clients(tmp_path: Path) -> None:
    done = run_program(BEGIN + SCIKIT, tmp_path, tracked=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("coroutine '_train_async' was never awaited") == 1
    strands = Recording(tmp_path / ".autotrack").strands()
    regressor, *own, refused, classifier, last, closed, unheeded = strands
    assert (closed.status, closed.points, unheeded.points) == ("interrupted", {}, {})
    assert regressor.name == "DaskXGBRegressor"
    (dataset,) = [event.dataset for event in regressor.datasets.values()]
    assert (dataset.kind, dataset.rows, dataset.columns) == ("dask.DataFrame", None, 2)
    assert regressor.of(events.StrandSummary)[0].values["rounds"] == 3
    assert sorted(strand.params["max_depth"] for strand in own) == [2, 3]  # what a task trains is a run of its own
    assert (refused.status, refused.points) == ("failed", {})
    fitted, trained = json.loads((tmp_path / "history.json").read_text())
    assert (classifier.name, classifier.status) == ("DaskXGBClassifier", "finished")
    assert values(classifier, "train/logloss") == fitted["validation_0"]["logloss"]
    assert values(classifier, "valid/logloss") == fitted["validation_1"]["logloss"]
    assert (last.status, values(last, "train/error")) == ("finished", trained["train"]["error"])
    assert all(strand.of(events.StrandModel)[0].id for strand in (regressor, classifier, last))
