"""The same tests against SQLite and against a real PostgreSQL server that is started for them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autotrack.journal.folder import Folder
from autotrack.store import Store, open_store
from tests.store import journals

_SERVERS = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server that is this session's own."""
    path = os.pathsep.join([os.environ["PATH"], *_SERVERS])
    initdb, postgres = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or postgres is None:
        missing = "there is no PostgreSQL server here: initdb and postgres are not on PATH (apt install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tempfile.mkdtemp(prefix="autotrack-pg-", dir="/tmp")  # a short path: that of a socket has 107 bytes
    data = os.path.join(folder, "data")
    # The server refuses to run as root.
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    where: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C"}, **user}
    words = [initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
    # Where it can, in a language whose order of texts is not that of their code points.
    icu = subprocess.run([*words, "--locale-provider=icu", "--icu-locale=en-US"], capture_output=True, **where)
    if icu.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        subprocess.run(words, capture_output=True, check=True, **where)
    options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen([postgres, "-D", data, "-k", folder, *options], stdout=log, stderr=log, **where)
    try:
        _wait_for(folder, process)
        yield folder
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


_SETTINGS = {"listen_addresses": "", "fsync": "off", "max_connections": "50", "shared_buffers": "64MB"}


def _wait_for(folder: str, process: subprocess.Popen[Any]) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"postgresql://tester@/postgres?host={folder}").close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server did not start: {error}\n{Path(folder, 'log').read_text()}")
            time.sleep(0.05)


@pytest.fixture(autouse=True)
def closed_journals() -> Iterator[None]:
    """The segments that a test opened hold files open."""
    yield
    while journals.opened:
        journals.opened.pop().close()


@pytest.fixture
def postgresql(server: str) -> str:
    """The URL of an empty database."""
    import psycopg

    url = f"postgresql://tester@/postgres?host={server}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS autotrack, public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """The URL of a store: None for the embedded one."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder to record into."""
    return Folder(str(tmp_path / ".autotrack"))


@pytest.fixture
def opened(folder: Folder, url: str | None) -> Iterator[Callable[[], Store]]:
    """Opens the store again and again; each has everything taken in."""
    with ExitStack() as stack:

        def open_again() -> Store:
            store = stack.enter_context(open_store(folder, url))
            assert store.refresh(wait=10.0)
            return store

        yield open_again
