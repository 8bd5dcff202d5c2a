"""What the store has kept, as files to save: by digest alone, and never as a page."""

from __future__ import annotations

import hashlib
import http.client
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from blake3 import blake3

from autotrack.testing import run_program
from autotrack.web.objects import disposition
from tests.web.serving import Server, in_browser, serving

PROGRAM = """
import autotrack
autotrack.enable()
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
X, y = make_classification(200, random_state=0)
LogisticRegression().fit(X, y)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    done = run_program(PROGRAM, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def store(trained: Path) -> Iterator[Server]:
    with serving(trained) as there:
        yield there


def got(server: Server, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.place.port or 80, timeout=30)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def model(server: Server) -> str:
    run = server.json("/api/runs?limit=1")["runs"][0]["id"]
    return str(server.json(f"/api/runs/{run}")["model"]["kept"])


def blob(folder: Path, digest: str) -> Path:
    return folder / ".autotrack" / "blobs" / digest[:2] / digest[2:]


def test_a_kept_model_is_an_attachment(store: Server, trained: Path) -> None:
    digest = model(store)
    whole = blob(trained, digest).read_bytes()
    for asked in (digest, f"blake3:{digest}"):
        status, headers, body = got(store, f"/api/objects/{asked}", {"accept-encoding": "gzip"})
        assert (status, body) == (200, whole)
        assert blake3(body).hexdigest() == digest
        assert headers["content-disposition"].startswith(f'attachment; filename="{digest[:12]}"')
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_part_of_it(store: Server, trained: Path) -> None:
    digest = model(store)
    whole = blob(trained, digest).read_bytes()
    status, headers, body = got(store, f"/api/objects/{digest}", {"range": "bytes=10-29", "accept-encoding": "gzip"})
    assert (status, body) == (206, whole[10:30])
    assert headers["content-range"] == f"bytes 10-29/{len(whole)}"
    assert got(store, f"/api/objects/{digest}", {"range": f"bytes={len(whole)}-"})[0] == 416


def test_what_of_a_run_can_be_had(store: Server, trained: Path) -> None:
    run = store.json("/api/runs?limit=1")["runs"][0]["id"]
    had = store.json(f"/api/runs/{run}/objects")
    assert had["kept"] == [model(store)]
    (code,) = [file for file in had["code"] if file["path"].endswith(".py")]
    status, headers, body = got(store, f"/api/objects/{code['digest']}")
    assert (status, body.decode()) == (200, next(trained.glob("*.py")).read_text())
    assert hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest() == code["digest"]
    assert headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "digest",
    [
        "..", "../store.db", "..%2f..%2fstore.db", "%2e%2e/%2e%2e/store.db", "/etc/passwd", "%2fetc%2fpasswd",
        "store.db",
        "0" * 64, "0" * 40, "0" * 63, "A" * 64, "blake3:", "blake3:../../store.db", "xxh3:2:" + "0" * 64,
        "blake3:blake3:" + "0" * 64, "..%00", "%00" * 64, "é" * 64, "\u0660" * 64, ".." + "0" * 62, "00/" + "0" * 62,
        "0" * 100_0,
    ],
)  # fmt: skip
def test_nothing_but_a_digest_is_served(store: Server, digest: str) -> None:
    status, headers, body = got(store, f"/api/objects/{quote(digest, safe='/%:')}")
    assert status == 404
    assert headers["content-type"] == "application/json"
    assert b"root:" not in body
    assert b"SQLite" not in body


def test_links_lead_nowhere(store: Server, trained: Path, tmp_path: Path) -> None:
    """Neither one in place of a file, nor of the folder that it is in."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    digits = blake3(b"secret").hexdigest()
    (place := blob(trained, digits)).parent.mkdir(exist_ok=True)
    place.symlink_to(secret)
    assert got(store, f"/api/objects/{digits}")[0] == 404
    place.unlink()
    place.symlink_to(blob(trained, model(store)))  # in the store, but another name for it
    assert got(store, f"/api/objects/{digits}")[0] == 404
    place.unlink()
    os.mkfifo(place)  # which would be waited for
    assert got(store, f"/api/objects/{digits}")[0] == 404
    place.unlink()
    place.mkdir()
    assert got(store, f"/api/objects/{digits}")[0] == 404
    place.rmdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / ("f" * 62)).write_text("secret")
    (trained / ".autotrack" / "blobs" / "ee").symlink_to(elsewhere)
    assert got(store, f"/api/objects/{'ee' + 'f' * 62}")[0] == 404
    content = b"blob 6\0secret"
    name = hashlib.sha1(content).hexdigest()
    (tmp_path / "object").write_bytes(zlib.compress(content))
    (there := trained / ".autotrack" / "objects" / name[:2] / name[2:]).parent.mkdir(exist_ok=True)
    there.symlink_to(tmp_path / "object")
    assert got(store, f"/api/objects/{name}")[0] == 404
    there.unlink()
    (tmp_path / "object").rename(there)
    assert got(store, f"/api/objects/{name}")[2] == b"secret"
    there.write_bytes(zlib.compress(b"blob 5\0other"))
    status, _, body = got(store, f"/api/objects/{name}")
    assert (status, b"damaged" in body, str(trained).encode() in body) == (404, True, False)


def test_folders_of_code_are_no_files(store: Server) -> None:
    run = store.json("/api/runs?limit=1")["runs"][0]["id"]
    tree = store.json(f"/api/runs/{run}")["job"]["code"]["tree"]
    assert got(store, f"/api/objects/{tree}")[0] == 404


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("model.pt", "attachment; filename=\"model.pt\"; filename*=UTF-8''model.pt"),
        ('a"b\r\nx-y: 1', "attachment; filename=\"a_b__x-y_ 1\"; filename*=UTF-8''a_b__x-y_%201"),
        ("größe.bin", "attachment; filename=\"gr__e.bin\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin"),
        ("../../.bashrc", "attachment; filename=\"_.._.bashrc\"; filename*=UTF-8''_.._.bashrc"),
        ("..", "attachment; filename=\"file\"; filename*=UTF-8''file"),
        ("\udc80.bin", "attachment; filename=\"_.bin\"; filename*=UTF-8''_.bin"),
        ("\u202egpj.exe", "attachment; filename=\"_gpj.exe\"; filename*=UTF-8''_gpj.exe"),
    ],
)  # fmt: skip
def test_names_of_files_are_only_names(name: str, shown: str) -> None:
    assert disposition(name) == shown


@in_browser
def test_the_page_leads_to_what_is_kept(page: Any, store: Server) -> None:
    run = store.json("/api/runs?limit=1")["runs"][0]["id"]
    digest = model(store)
    page.goto(f"{store.link}runs/{run}")
    with page.expect_download() as saved:
        page.get_by_role("region", name="Model").get_by_role("link", name="download").click()
    assert blake3(Path(saved.value.path()).read_bytes()).hexdigest() == digest
    assert saved.value.suggested_filename == digest[:12]
    page.get_by_text("file of code").click()
    with page.expect_download() as saved:
        page.get_by_role("region", name="Code").get_by_role("link", name="download").click()
    assert "LogisticRegression" in Path(saved.value.path()).read_text()
