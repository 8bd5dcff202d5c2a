"""`autotrack trace --prov` and `--crate`: the libraries of the formats read what was written."""

from __future__ import annotations

import json
import zipfile

from prov.model import ProvActivity, ProvDocument, ProvEntity
from rocrate.rocrate import ROCrate

from tests.end_to_end.conftest import CommandLine


def test_prov_is_read_back_as_it_was(trained: CommandLine) -> None:
    printed = trained("trace", "model.joblib", "--prov", "-").stdout
    read = ProvDocument.deserialize(content=printed, format="json")
    assert ProvDocument.deserialize(content=read.serialize(format="json"), format="json") == read
    labels = {str(label) for record in read.get_records(ProvActivity) for label in record.get_attribute("prov:label")}
    assert {"LogisticRegression", "train.py"} <= labels
    assert read.get_records(ProvEntity)
    assert {"used", "wasGeneratedBy", "wasInformedBy", "wasAssociatedWith", "wasAttributedTo"} <= set(
        json.loads(printed)
    )


def test_a_crate_of_what_made_a_model(trained: CommandLine) -> None:
    trained("trace", "model.joblib", "--crate", "crate", "--with-files")
    crate = ROCrate(str(trained.folder / "crate"))
    actions = {entity["name"]: entity for entity in crate.get_by_type("CreateAction")}
    assert actions["LogisticRegression"]["instrument"]["name"] == "train.py"
    (model,) = (file for file in crate.get_by_type("File") if file["name"] == "model.joblib")
    kept = trained.folder / "crate" / model.id
    assert kept.read_bytes() == (trained.folder / "model.joblib").read_bytes()
    trained("trace", "model.joblib", "--crate", "crate.zip")
    assert zipfile.ZipFile(trained.folder / "crate.zip").namelist() == ["ro-crate-metadata.json"]


def test_what_is_refused(trained: CommandLine) -> None:
    (trained.folder / "there").mkdir()
    assert "is there already" in trained("trace", "model.joblib", "--crate", "there", code=1).stderr
    assert "goes with --crate" in trained("trace", "model.joblib", "--with-files", code=2).stderr
    assert "leave --json" in trained("trace", "model.joblib", "--prov", "-", "--json", code=2).stderr
