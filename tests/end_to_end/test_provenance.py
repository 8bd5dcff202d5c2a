"""`autotrack trace --prov` and `--crate`: the libraries of the formats read what was written."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
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


def issues(crate: Path, cache: Path) -> list[str]:
    """What the validator of the profile finds, without the network: the one page that it wants is the context of terms,
    which rocrate ships."""
    import io

    import requests
    import requests_cache
    import rocrate
    import urllib3
    from rocrate_validator import models, services

    context = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
    address = json.loads((crate / "ro-crate-metadata.json").read_text())["@context"]

    class Shipped(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            body, kind = io.BytesIO(context.read_bytes()), {"Content-Type": "application/ld+json"}
            return self.build_response(request, urllib3.HTTPResponse(body, kind, 200, preload_content=False))

    with requests_cache.CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount(address, Shipped())
        session.get(address, headers={"Accept": "application/ld+json, application/json"})
    asked = services.ValidationSettings(
        rocrate_uri=str(crate), profile_identifier="process-run-crate", offline=True, cache_path=cache,
        requirement_severity=models.Severity.REQUIRED,
    )  # fmt: skip
    return [issue.message for issue in services.validate(asked).get_issues()]


def test_a_crate_is_valid(trained: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("rocrate_validator", reason="it wants an older rich, and is in the other environment")
    crate = trained.folder / "valid"
    trained("trace", "model.joblib", "--crate", str(crate), "--with-files")
    assert issues(crate, tmp_path / "cache") == []
    told = json.loads((crate / "ro-crate-metadata.json").read_text())
    for entity in told["@graph"]:
        entity.pop("instrument", None)
    (crate / "ro-crate-metadata.json").write_text(json.dumps(told))
    assert any("instrument" in issue for issue in issues(crate, tmp_path / "cache"))


def test_what_is_refused(trained: CommandLine) -> None:
    (trained.folder / "there").mkdir()
    assert "is there already" in trained("trace", "model.joblib", "--crate", "there", code=1).stderr
    assert "goes with --crate" in trained("trace", "model.joblib", "--with-files", code=2).stderr
    assert "leave --json" in trained("trace", "model.joblib", "--prov", "-", "--json", code=2).stderr
