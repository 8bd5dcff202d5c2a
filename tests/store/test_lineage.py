"""Lineage from journals: what is joined with what, and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from autotrack import events
from autotrack.identity.files import digest_file, manifest
from autotrack.journal.folder import Folder
from autotrack.store import Store
from autotrack.store.database import Ambiguous, NotFound
from autotrack.store.lineage import KINDS, Lineage, nodes
from autotrack.store.lineage.nodes import FANOUT
from tests.store.journals import BEGUN, Journal

Open: TypeAlias = Callable[[], Store]
HOUR = 3600.0


def digest(name: str) -> str:
    return f"blake3:{name.encode().hex():0<64}"


def model(name: str) -> str:
    return f"xxh3:2:{name.encode().hex():0<32}"


def later(folder: Folder, hours: float, program: str) -> Journal:
    return Journal(folder, started=BEGUN + hours * HOUR, program=program)


def named(found: Lineage, id: str) -> str:
    """A node by what people call it."""
    node: dict[str, Any] = found.nodes[id]
    if node["kind"] == "file":
        return os.path.basename(node["paths"][-1]) if node["paths"] else str(node["digest"])
    return str(node.get("name") or node.get("identity"))


def edges(found: Lineage, *kinds: str) -> set[tuple[str, ...]]:
    """(kind, from, to), and whether it is inferred."""
    for edge in found.edges:
        assert edge["kind"] in KINDS
        assert {edge["from"], edge["to"]} <= set(found.nodes)
    return {
        (
            edge["kind"],
            named(found, edge["from"]),
            named(found, edge["to"]),
            *(["inferred"] if "inferred" in edge else []),
        )
        for edge in found.edges
        if edge["kind"] in (kinds or ("used", "generated", "derived", "resumed"))
    }


def names(found: Lineage, kind: str) -> list[str]:
    return [named(found, id) for id, node in found.nodes.items() if node["kind"] == kind]


def pipeline(folder: Folder, split: str | None = None, weights: str | None = None) -> None:
    """prepare.py reads raw.csv and writes train.parquet; train.py reads that and writes model.bin; evaluate.py reads
    model.bin, and scores it."""
    prepare = later(folder, 0, "prepare.py")
    prepare.file("read", "/data/raw.csv", digest("raw"))
    prepare.file("written", "/data/train.parquet", split or digest("split"))
    prepare.end()
    train = later(folder, 1, "train.py")
    train.file("read", "/data/train.parquet", split or digest("split"))
    strand = train.strand("Ridge", status=None)
    train.data(strand, "train", X="xxh3:2:aaaaaa0", y="xxh3:2:bbbbbb0")
    train.model(strand, model("m"))
    train.file("written", "/models/model.bin", weights or digest("weights"), strand=strand, model=model("m"), step=3)
    train.end()
    evaluate = later(folder, 2, "evaluate.py")
    evaluate.file("read", "/elsewhere/model.bin", weights or digest("weights"), model=model("m"))
    strand = evaluate.strand("Ridge-test", kind="evaluation", metrics={"accuracy": 0.9})
    evaluate.model(strand, model("m"))
    evaluate.end()


UPWARD = {
    ("generated", "model.bin", "Ridge"),
    ("used", "Ridge", "train.parquet"),
    ("used", "Ridge", "xxh3:2:aaaaaa0+xxh3:2:bbbbbb0"),
    ("generated", "train.parquet", "prepare.py"),
    ("used", "prepare.py", "raw.csv"),
}


def test_a_renamed_file_is_followed_to_the_beginning(folder: Folder, opened: Open, tmp_path: Path) -> None:
    here = tmp_path / "copy of a model"
    here.write_bytes(b"weights")
    pipeline(folder, weights=digest_file(str(here))[0])
    store = opened()
    found = store.trace(str(here))
    (target,) = found.target
    assert found.nodes[target]["paths"] == [str(here), "/elsewhere/model.bin", "/models/model.bin"]
    assert found.nodes[target]["bytes"] == 7
    assert edges(found) >= UPWARD
    # Who has used it comes with it.
    assert ("used", "Ridge-test", "model.bin") in edges(found)
    (generated,) = found.origins(target, "generated")
    assert (generated["path"], generated["step"]) == ("/models/model.bin", 3)
    # So it is of any other name that the same thing has.
    run = generated["to"].removeprefix("run:")
    for name in (digest_file(str(here))[0], digest_file(str(here))[0][7:17], "/models/model.bin"):
        assert edges(store.trace(name)) >= UPWARD, name
    for name in (run, "@last", model("m"), model("m")[7:17], "xxh3:2:aaaaaa0+xxh3:2:bbbbbb0"):
        assert {edge for edge in UPWARD if edge[1] != "model.bin"} <= edges(store.trace(name)), name


def test_what_came_of_data(folder: Folder, opened: Open) -> None:
    pipeline(folder)
    store = opened()
    expected = UPWARD | {("used", "Ridge-test", "model.bin")}
    assert expected - {("used", "Ridge", "xxh3:2:aaaaaa0+xxh3:2:bbbbbb0")} <= edges(
        store.trace("/data/raw.csv", down=True)
    )
    # From data in memory, which is a part of a dataset: the run, what it wrote, who used that.
    found = store.trace("xxh3:2:bbbbbb0", down=True)
    assert ("used", "Ridge", "y") in edges(found)
    assert ("generated", "model.bin", "Ridge") in edges(found)
    assert ("used", "Ridge-test", "model.bin") in edges(found)
    assert "raw.csv" not in names(found, "file")


def test_the_last_writer_before_the_read_is_chosen(folder: Folder, opened: Open) -> None:
    for hour, program in enumerate(("first.py", "second.py", "train.py", "third.py")):
        job = later(folder, hour, program)
        job.file("read" if program == "train.py" else "written", "/data/x.csv", digest("x"))
        if program == "train.py":
            job.file("written", "/models/m.bin", digest("m"))
        job.end()
    store = opened()
    assert edges(store.trace("/models/m.bin")) == {
        ("generated", "m.bin", "train.py"), ("used", "train.py", "x.csv"), ("generated", "x.csv", "second.py"),
    }  # fmt: skip
    # Asked for by itself, it is the last of all.
    assert ("generated", "x.csv", "third.py") in edges(store.trace("/data/x.csv"))


def test_what_was_read_later_is_no_origin(folder: Folder, opened: Open) -> None:
    job = later(folder, 0, "train.py")
    job.file("read", "/data/before.csv", digest("before"))
    strand = job.strand("Ridge")
    job.file("written", "/models/m.bin", digest("m"), strand=strand)
    job.time += 60
    job.file("read", "/data/after.csv", digest("after"))
    other = job.strand("Lasso")
    job.file("written", "/models/n.bin", digest("n"), strand=other)
    job.end()
    store = opened()
    found = edges(store.trace("/models/m.bin"))
    assert found == {("generated", "m.bin", "Ridge"), ("used", "Ridge", "before.csv")}
    assert ("used", "Lasso", "after.csv") in edges(store.trace("/models/n.bin"))
    # The other way: only the later one came of it, though the job was the same.
    found = edges(store.trace("/data/after.csv", down=True))
    assert ("generated", "n.bin", "Lasso") in found
    assert "m.bin" not in {edge[1] for edge in found}


def test_the_same_model_in_a_file_that_was_saved_again(folder: Folder, opened: Open) -> None:
    pipeline(folder)
    job = later(folder, 5, "serve.py")
    job.file("read", "/serve/again.bin", digest("again"), model=model("m"))
    job.end()
    store = opened()
    found = store.trace("/serve/again.bin")
    assert UPWARD | {("derived", "again.bin", "model.bin")} <= edges(found)
    assert ("used", "serve.py", "again.bin") in edges(found)
    assert ("used", "serve.py", "again.bin") in edges(store.trace("/data/raw.csv", down=True))


def test_a_model_that_nobody_saved(folder: Folder, opened: Open) -> None:
    """Its file was written by something that is not recorded: the run that made a model of this identity."""
    train = later(folder, 0, "train.py")
    strand = train.strand("Ridge", status=None)
    train.model(strand, model("m"))
    train.end()
    job = later(folder, 1, "serve.py")
    job.file("read", "/serve/m.bin", digest("m"), model=model("m"))
    job.end()
    found = opened().trace("/serve/m.bin")
    assert {("generated", model("m"), "Ridge"), ("used", "serve.py", "m.bin")} == edges(found)
    assert {("holds", "m.bin", model("m"))} == edges(found, "holds")


def test_a_file_whose_content_is_not_known_is_joined_by_its_path(folder: Folder, opened: Open) -> None:
    path = "/data/" + "deep/" * 500 + "x.csv"  # longer than what the index of paths holds
    for hour, program in enumerate(("old.py", "prepare.py", "train.py", "late.py")):
        job = later(folder, hour, program)
        if program == "train.py":
            job.file("read", path)
            job.file("written", "/models/m.bin", digest("m"))
        else:
            job.file("written", path, digest(program))
        job.file("written", path + "2", digest(program + "2"))  # begins the same
        job.end()
    found = opened().trace("/models/m.bin")
    assert edges(found) == {
        ("generated", "m.bin", "train.py"), ("used", "train.py", "x.csv"), ("derived", "x.csv", "x.csv", "inferred"),
        ("generated", "x.csv", "prepare.py"),
    }  # fmt: skip


def test_paths_of_another_folder_are_not_joined(folder: Folder, opened: Open, tmp_path: Path, url: str | None) -> None:
    from autotrack.store import open_store

    other = Folder(str(tmp_path / "other" / ".autotrack"))
    job = later(other, 0, "theirs.py")
    job.file("written", "/data/x.csv", digest("theirs"))
    job.end()
    with open_store(other, url) as store:
        store.refresh()
    job = later(folder, 1, "ours.py")
    job.file("read", "/data/x.csv")
    job.file("written", "/data/y.csv", digest("y"))
    job.end()
    found = opened().trace("/data/y.csv")
    assert edges(found) == {("generated", "y.csv", "ours.py"), ("used", "ours.py", "x.csv")}


@pytest.mark.parametrize("told", [True, False])
def test_a_training_that_went_on_from_a_model(folder: Folder, opened: Open, told: bool) -> None:
    """Its parameters say so; or else it read the model of a run of the same name, which is inferred."""
    first = later(folder, 0, "train.py")
    strand = first.strand("Booster", kind="training", status=None)
    first.model(strand, model("first"))
    first.file("written", "/models/first.ubj", digest("first"), strand=strand, model=model("first"))
    first.end()
    second = later(folder, 1, "more.py")
    second.file("read", "/models/first.ubj", digest("first"), model=model("first"))
    params = {"xgb_model": model("first")} if told else {}
    id = second.strand("Booster", kind="training", params=params, status=None)
    second.model(id, model("second"))
    second.file("written", "/models/second.ubj", digest("second"), strand=id, model=model("second"))
    second.end()
    store = opened()
    found = store.trace("/models/second.ubj")
    (resumed,) = [edge for edge in found.edges if edge["kind"] == "resumed"]
    assert (resumed["from"], resumed["to"]) == (f"run:{id}", f"run:{strand}")
    assert ("inferred" not in resumed) is told
    down = store.trace(strand, down=True)
    assert ("generated", "second.ubj", "Booster") in edges(down)


def test_a_trial_has_the_data_of_its_search(folder: Folder, opened: Open) -> None:
    job = later(folder, 0, "search.py")
    job.file("read", "/data/x.csv", digest("x"))
    strand = job.strand("GridSearchCV", kind="search", status=None)
    job.data(strand, "train", X="xxh3:2:cccccc0")
    job.add(events.StrandTrial, strand=strand, index=0, params=(), metrics={"score": 0.5})
    job.end()
    store = opened()
    (trial,) = [run["id"] for run in store.runs(nested=True) if run["parent"] == strand]
    found = store.trace(trial)
    assert ("part_of", f"run:{trial}", f"run:{strand}") in {(e["kind"], e["from"], e["to"]) for e in found.edges}
    assert ("used", "GridSearchCV", "xxh3:2:cccccc0") in edges(found)
    assert ("used", "GridSearchCV", "x.csv") in edges(found)


def test_a_job_that_reads_what_it_wrote(folder: Folder, opened: Open) -> None:
    for hour in range(3):
        job = later(folder, hour, "loop.py")
        job.file("read", "/state.bin", digest("state"))
        job.file("written", "/state.bin", digest("state"))
        job.file("read", "/state.bin", digest("state"))
        job.end()
    store = opened()
    for down in (False, True):
        found = store.trace("/state.bin", down=down)
        assert ("used", "loop.py", "state.bin") in edges(found)
        assert len(names(found, "job")) == 3


def test_there_may_be_very_many_of_them(folder: Folder, opened: Open) -> None:
    count = FANOUT + 5
    for number in range(count):
        job = later(folder, number, f"train-{number}.py")
        job.file("read", "/data/x.csv", digest("x"))
        job.file("written", f"/models/{number}.bin", digest(f"m{number}"))
        job.end()
    store = opened()
    found = store.trace("/data/x.csv", down=True)
    assert (len(names(found, "job")), found.left_out) == (FANOUT, 5)
    assert found.as_dict()["left_out"] == 5
    found = store.trace("/data/x.csv", down=True, everything=True)
    assert (len(names(found, "job")), found.left_out) == (count, 0)
    assert len(names(found, "file")) == count + 1


def test_the_others_are_counted_and_not_read(folder: Folder, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file, of data in memory and of a model."""
    monkeypatch.setattr(nodes, "FANOUT", 3)
    count = 19
    for number in range(count):
        job = later(folder, number, f"train-{number}.py")
        job.file("read", "/data/x.csv", digest("x"))
        job.file("read", "/models/base.bin", digest("base"), model=model("base"))
        job.data(job.strand(f"Ridge {number}"), "train", X="xxh3:2:aaaaaa0")
        job.end()
    store = opened()
    for name in ("/data/x.csv", "xxh3:2:aaaaaa0", model("base")):
        found = store.trace(name, down=True)
        assert names(found, "job") == [f"train-{number}.py" for number in range(3)] or name.startswith("xxh3:2:a")
        assert (len(names(found, "run")), found.left_out) == (3, count - 3), name
        assert (len(names(store.trace(name, down=True, everything=True), "run"))) == count


def test_one_job_that_reads_a_file_very_often(folder: Folder, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the place of no other, and neither do those who had read it before what is asked for was there."""
    monkeypatch.setattr(nodes, "FANOUT", 3)
    monkeypatch.setattr(nodes, "SEEN", 2)
    for number in range(9):
        early = later(folder, number, f"early-{number}.py")
        early.file("read", "/models/base.bin", digest("base"), model=model("base"))
        early.end()
    job = later(folder, 20, "train.py")
    job.file("read", "/data/new.csv", digest("new"))
    job.model(job.strand("Ridge", status=None), model("base"))
    job.file("written", "/models/base.bin", digest("base"), model=model("base"))
    job.end()
    often = later(folder, 40, "often.py")
    for _ in range(30):
        often.file("read", "/models/base.bin", digest("base"), model=model("base"))
    often.end()
    last = later(folder, 60, "predict.py")
    last.file("read", "/models/other.bin", digest("other"), model=model("base"))
    last.file("written", "/predicted.csv", digest("predicted"))
    last.end()
    found = opened().trace("/data/new.csv", down=True)
    assert {"often.py", "predict.py"} <= set(names(found, "job"))
    assert not any(name.startswith("early") for name in names(found, "job"))
    assert found.left_out == 0


def test_a_model_that_only_one_of_many_readers_has_told(
    folder: Folder, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "SEEN", 2)
    train = later(folder, 0, "train.py")
    train.model(train.strand("Ridge", status=None), model("m"))
    train.end()
    load = later(folder, 10, "load.py")
    load.file("read", "/models/m.bin", digest("m"), model=model("m"))
    load.end()
    for number in range(5):
        copy = later(folder, 20 + number, f"copy-{number}.py")
        copy.file("read", "/models/m.bin", digest("m"))
        copy.end()
    assert "Ridge" in names(opened().trace("/models/m.bin"), "run")


def test_many_files_of_one_job(folder: Folder, opened: Open) -> None:
    count = FANOUT + 7
    job = later(folder, 0, "train.py")
    for number in range(count):
        job.file("read", f"/images/{number}.png", digest(f"image {number}"))
    job.file("written", "/m.bin", digest("m"))
    job.end()
    store = opened()
    found = store.trace("/m.bin")
    assert (len(names(found, "file")), found.left_out) == (FANOUT + 1, 7)
    assert len(names(store.trace("/m.bin", everything=True), "file")) == count + 1


def test_names_that_are_no_text(folder: Folder, opened: Open) -> None:
    job = later(folder, 0, "caf\udce9.py".encode("utf-8", "replace").decode())
    job.file("read", "/data/caf\udce9.csv", digest("x"))
    job.file("written", "/data/caf\udce9.bin", digest("m"))
    job.end()
    store = opened()
    for name in ("/data/caf\udce9.bin", "/data/caf\udce9.csv"):
        found = store.trace(name)
        (target,) = found.target
        assert found.nodes[target]["paths"] == [name.replace("\udce9", "\\udce9")]
    with pytest.raises(NotFound):
        store.trace("caf\udce9")
    with pytest.raises(NotFound):
        store.trace("nul\0")


def test_what_is_not_known(folder: Folder, opened: Open, tmp_path: Path) -> None:
    pipeline(folder)
    store = opened()
    for name in ("nothing", "abcdef", "xxh3:2:abcdef", "blake3:abcdef", "/data/never.csv", "", "@nothing"):
        with pytest.raises(NotFound) as raised:
            store.trace(name)
        assert str(raised.value)
    unknown = tmp_path / "unknown.bin"
    unknown.write_bytes(b"?")
    with pytest.raises(NotFound, match=r"unknown\.bin"):
        store.trace(str(unknown))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="empty"):
        store.trace(str(tmp_path / "empty"))


def test_a_beginning_that_many_share(folder: Folder, opened: Open) -> None:
    job = later(folder, 0, "prepare.py")
    job.file("read", "/one.csv", "blake3:abcdef1" + "0" * 57)
    job.file("read", "/two.csv", "blake3:abcdef2" + "0" * 57)
    job.end()
    store = opened()
    with pytest.raises(Ambiguous, match="abcdef"):
        store.trace("abcdef")
    assert edges(store.trace("abcdef1")) == edges(store.trace("blake3:abcdef1")) == {("used", "prepare.py", "one.csv")}


def test_a_folder_that_was_written_as_one(folder: Folder, opened: Open, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    for number in range(3):
        (saved / f"{number}.npy").write_bytes(bytes([number]))
    whole = manifest(str(saved), ["0.npy", "1.npy", "2.npy"]).digest
    job = later(folder, 0, "train.py")
    job.file("written", "/models/saved", whole, kind="folder")
    job.file("written", "/models/saved/1.npy", digest_file(str(saved / "1.npy"))[0])
    job.end()
    store = opened()
    found = store.trace(str(saved))
    assert sorted(named(found, id) for id in found.target) == ["1.npy", "saved"]
    assert edges(found) == {("generated", "saved", "train.py"), ("generated", "1.npy", "train.py")}
    assert edges(store.trace(str(saved / "1.npy"))) == {("generated", "1.npy", "train.py")}
