"""Readers and writers that go past `open`, and remote files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from test_files import ENV, digest, digests, files

from autotrack import events
from autotrack.capture import databases
from autotrack.testing import Recording, run_program

ARROW = "import pyarrow as pa, pyarrow.dataset as ds\n"
POLARS = "import polars as pl\n"
READ = {
    "a dataset": ("in.parquet", ARROW + "ds.dataset('in.parquet')"),
    "a memory map": ("in.arrow", ARROW + "pa.ipc.open_file(pa.memory_map('in.arrow'))"),
    "Arrow's own format": ("in.arrow", ARROW + "pa.ipc.open_file('in.arrow')"),
    "a file of Arrow's": ("in.arrow", ARROW + "pa.ipc.open_file(pa.OSFile('in.arrow'))"),
    "a file system": (
        "in.parquet",
        ARROW + "import pyarrow.fs as fs, pyarrow.parquet as pq\npq.ParquetDataset('in.parquet', fs.LocalFileSystem())",
    ),
    "JSON of Arrow": ("in.json", "import pyarrow.json\npyarrow.json.read_json('in.json')"),
    "a pattern": ("in.parquet", POLARS + "pl.scan_parquet('*.parquet')"),
    "a schema": ("in.parquet", POLARS + "pl.read_parquet_schema('in.parquet')"),
    "SQLite": ("in.db", "import sqlite3\nsqlite3.connect('in.db').execute('select * from t')"),
    "SQLite, as SQLAlchemy has it": (
        "in.db",
        "from sqlite3 import dbapi2\ndbapi2.connect('in.db').execute('select * from t')",
    ),
    "SQLite, by URI": ("in.db", "import sqlite3\nsqlite3.connect('file:in.db?mode=ro', uri=True)"),
}


@pytest.mark.parametrize("name", READ)
def test_a_file_that_is_read(name: str, tmp_path: Path) -> None:
    import polars

    frame = polars.DataFrame({"a": [1]})
    frame.write_parquet(tmp_path / "in.parquet")
    frame.write_ipc(tmp_path / "in.arrow")
    frame.write_ndjson(tmp_path / "in.json")
    connection = sqlite3.connect(tmp_path / "in.db")
    connection.execute("create table t(a)")
    connection.commit()
    connection.close()
    path, source = READ[name]
    done = run_program(source, tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path) == {(path, "read"): digest((tmp_path / path).read_bytes())}


WRITTEN = {
    "Arrow's own format": ARROW + "pa.ipc.new_file('out', pa.schema([('a', pa.int64())])).close()",
    "a file of Arrow's": ARROW
    + "with pa.OSFile('out', 'wb') as f: pa.ipc.new_file(f, pa.schema([('a', pa.int64())])).close()",
    "a stream of Arrow": ARROW + "pa.output_stream('out').close()",
    "a stream of polars": POLARS + "pl.DataFrame({'a': [1]}).write_ipc_stream('out')",
    "SQLite": "import sqlite3\nsqlite3.connect('out').execute('create table t(a)')",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_written(name: str, tmp_path: Path) -> None:
    done = run_program(WRITTEN[name], tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path) == {("out", "written"): digest((tmp_path / "out").read_bytes())}


DATA = {
    "CSV": POLARS + "print(len(pl.read_csv(DATA)))",
    "CSV like a pattern": POLARS + "print(len(pl.read_csv(DATA.replace(b'kim', b'*[?') * 1000)) // 1003)",
    "a query of a text": "import duckdb\ntry: duckdb.read_csv(DATA.decode() * 1000)\nexcept Exception: print(3)",
    "a stream of Arrow": ARROW
    + "s, t = pa.BufferOutputStream(), pa.table({'a': [DATA] * 3})\n"
    + "with pa.ipc.new_stream(s, t.schema) as w: w.write(t)\n"
    + "print(pa.ipc.open_stream(s.getvalue().to_pybytes()).read_all().num_rows)",
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_is_given_itself_is_no_path(name: str, tmp_path: Path) -> None:
    source = "DATA = b'name,url\\nkim,https://example.org/a?b\\nkim,https://example.org/c\\nkim,x\\n'\n" + DATA[name]
    done = run_program("import autotrack\nautotrack.log({'a': 1.0})\n" + source, tmp_path, env=ENV)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert files(tmp_path) == {}
    text = b"".join(path.read_bytes() for path in (tmp_path / ".autotrack" / "journal").rglob("*") if path.is_file())
    assert b"kim,https" not in text.replace((tmp_path / "program.py").read_bytes(), b"")


def test_a_folder_of_parts(tmp_path: Path) -> None:
    write = ARROW + "ds.write_dataset(pa.table({'a': [1, 2]}), 'out', format='parquet', partitioning=['a'])"
    run_program(write, tmp_path, env=ENV)
    written = files(tmp_path)["out", "written"]
    assert written is not None
    assert written.why == "2 files"
    run_program(ARROW + "ds.dataset('out')", tmp_path, env=ENV)
    assert digests(tmp_path)["out", "read"] == written.digest


def test_a_folder_of_parts_is_traced_to_what_wrote_it(tmp_path: Path) -> None:
    write = "pq.write_to_dataset(pa.table({'a': [1, 2]}), 'out', partition_cols=['a'])"
    run_program(f"import pyarrow as pa, pyarrow.parquet as pq\n{write}", tmp_path, env=ENV)
    command = [sys.executable, "-m", "autotrack", "trace", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "written by\tjob" in done.stdout, done.stderr


def test_a_folder_of_parts_that_is_read_and_then_written_to(tmp_path: Path) -> None:
    write = "pq.write_to_dataset(pa.table({'a': [1, 2]}), 'out', partition_cols=['a'])"
    source = "import pyarrow as pa, pyarrow.parquet as pq\n"
    run_program(source + write, tmp_path, env=ENV)
    run_program(f"{source}pq.read_table('out')\n{write}", tmp_path, env=ENV)
    read = files(tmp_path)["out", "read"]
    assert read is not None
    assert (read.digest, read.why) == (None, "it was written to after it was read")


@pytest.mark.parametrize("mode", ["r", "a"])
def test_hdf5(mode: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    run_program("import h5py\nwith h5py.File('x', 'w') as file: file['a'] = 1", tmp_path, env=ENV)
    assert digests(tmp_path) == {("x", "written"): digest((tmp_path / "x").read_bytes())}
    run_program(f"import h5py\nwith h5py.File('x', {mode!r}) as file: file['a'][()]", tmp_path, env=ENV)
    read = files(tmp_path)["x", "read"]
    assert read is not None
    expected = (
        (digest((tmp_path / "x").read_bytes()), "") if mode == "r" else (None, "it was written to after it was read")
    )
    assert (read.digest, read.why) == expected


DUCKDB = {
    "a query": "duckdb.sql(\"from 'in.csv'\")",
    "a parameter": "duckdb.execute('select * from read_csv(?)', ['in.csv']).fetchall()",
    "of a connection": "duckdb.connect().execute(\"select * from read_csv(['in.csv'])\")",
    "a reader": "duckdb.read_csv('in.csv')",
}


@pytest.mark.parametrize("name", DUCKDB)
def test_duckdb(name: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "in.csv").write_text("a\n1\n")
    source = f"import duckdb\n{DUCKDB[name]}\nimport pandas\ndef f():\n    x = pandas.DataFrame({{'a': [1]}})\n"
    source += "    return duckdb.sql('select * from x').fetchall()\nprint(f())"
    done = run_program(source, tmp_path, env=ENV)
    assert done.stdout == "[(1,)]\n", done.stderr
    assert digests(tmp_path)["in.csv", "read"] == digest(b"a\n1\n")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("select * from 'a' join \"b.csv\" using (x)", [("a", "read"), ("b.csv", "read")]),
        ("select * from read_csv(['a', 'b'], delim = ',') where x = 'c'", [("a", "read"), ("b", "read")]),
        ("copy (select * from 'a') to 'b' (format parquet)", [("a", "read"), ("b", "written")]),
        ("attach if not exists 'a' as x; set y to 'b'", [("a", "database")]),
        ("export database 'a'; import database 'b'", [("a", "written"), ("b", "read")]),
        ("from 'a' " + "/* " * 30_000, [("a", "read")]),
        (f"from f({'[(' * 1000}'a', 'b'{')]' * 1000}), 'c', 'd.csv'", [("c", "read"), ("d.csv", "read")]),
        ("select 'x', 'y' from 'a' as t, 'b' where z in ('u', 'v') and w = 't', 's'", [("a", "read"), ("b", "read")]),
        ("summarize 'a'; describe 'b'; pivot 'c' on x", [("a", "read"), ("b", "read"), ("c", "read")]),
        (
            f"from read_csv({'[' * 1000}'a', 'b'{']' * 1000}, 'c') join 'd'",
            [("a", "read"), ("b", "read"), ("d", "read")],
        ),
        ("-- from 'a'\nselect 'from' /* from 'b' */ as x, '''c''' as y", []),
    ],
)
def test_files_that_queries_name(query: str, found: list[tuple[str, str]]) -> None:
    assert list(databases.paths(query)) == found


def remote(folder: Path) -> dict[str, events.ArtifactDigested]:
    """By URL, what is known of remote files."""
    paths: dict[int, str] = {}
    found: dict[str, events.ArtifactDigested] = {}
    for segment in Recording(folder / ".autotrack").segments():
        for _, event in segment.events(segment.start_cursor()):
            if isinstance(event, events.ArtifactSeen):
                paths[event.artifact] = event.path
            elif isinstance(event, events.ArtifactDigested) and "://" in paths[event.artifact]:
                found[paths[event.artifact]] = event
    return found


def seen(folder: Path) -> list[tuple[str, str]]:
    """Remote files and what was done with them."""
    return [
        (event.path, event.mode)
        for segment in Recording(folder / ".autotrack").segments()
        for _, event in segment.events(segment.start_cursor())
        if isinstance(event, events.ArtifactSeen) and "://" in event.path
    ]


class Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.command)
        body = b"a\n1\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if "plain" not in self.path:
            self.send_header("ETag", '"one"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("reader", ["pandas", "fsspec"])
@pytest.mark.parametrize("name", ["etag", "plain"])
def test_a_remote_file(reader: str, name: str, tmp_path: Path) -> None:
    if reader == "fsspec":
        pytest.importorskip("aiohttp")
    handler = type("Handler", (Handler,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}?token=abcdefghij"
    try:
        sources = {"pandas": f"import pandas\npandas.read_csv({url!r})"}
        sources["fsspec"] = f"import fsspec\nwith fsspec.open({url!r}) as file: file.read()"
        run_program(sources[reader], tmp_path, tracked=False)
        asked = list(handler.requests)
        done = run_program(sources[reader], tmp_path, env=ENV)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert handler.requests == 2 * asked
    ((path, told),) = remote(tmp_path).items()
    assert path == url.replace("abcdefghij", "[redacted]")
    if name == "etag":
        assert (told.digest or "").startswith("declared:")
        assert told.why == "declared, not computed: ETag one, as the server told it"
    else:
        assert (told.digest, told.why) == (None, "remote: neither version nor ETag was told")


@pytest.mark.parametrize(
    "reading",
    [
        "fsspec.open('memory://x').open().read()",
        "fsspec.open('memory://x', 'r').open().read()",
        "fsspec.open('simplecache::memory://x').open().read()",
        "import pandas; pandas.read_csv('memory://x')",
        "import pyarrow.parquet as pq; pq.read_table('y', filesystem=fsspec.filesystem('memory'))",
    ],
)
def test_a_file_in_memory_of_fsspec(reading: str, tmp_path: Path) -> None:
    write = "import fsspec\nwith fsspec.open('memory://x', 'w') as file: file.write('a\\n1\\n')\nimport pandas\n"
    write += "pandas.DataFrame({'a': [1]}).to_parquet('memory://y')\n"
    done = run_program(write + reading, tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    name = "memory://y" if "'y'" in reading else "memory://x"
    assert sorted(seen(tmp_path)) == sorted([("memory://x", "written"), ("memory://y", "written"), (name, "read")])
    assert {event.digest for event in remote(tmp_path).values()} == {None}


FUNCTIONS = """
import inspect, pickle, sqlite3, cloudpickle, pandas, polars, pyarrow, pyarrow.csv, pyarrow.dataset, pyarrow.parquet
functions = [polars.read_parquet, pandas.read_parquet, pyarrow.memory_map, pyarrow.csv.read_csv]
functions.append(pyarrow.dataset.dataset)
for function in [*functions, pandas.DataFrame.to_parquet, pyarrow.parquet.ParquetFile.__init__]:
    print(function.__module__, function.__qualname__, inspect.signature(function), type(function.__doc__))
for function in [*functions, sqlite3.connect]:
    print(pickle.loads(pickle.dumps(function)) is function, cloudpickle.loads(cloudpickle.dumps(function)) is function)
    print(pickle.dumps(function))
"""


@pytest.mark.parametrize("extension", ["0", "1"])
def test_functions_are_as_they_were(extension: str, tmp_path: Path) -> None:
    env = {**ENV, "AUTOTRACK_EXTENSION": extension}
    outputs = [run_program(FUNCTIONS, tmp_path, tracked=tracked, env=env) for tracked in (False, True)]
    assert outputs[0].returncode == 0, outputs[0].stderr
    assert (outputs[1].stdout, outputs[1].stderr) == (outputs[0].stdout, outputs[0].stderr)


def test_functions_are_put_back(tmp_path: Path) -> None:
    source = """
import contextlib, gc, importlib, sys
import polars, pyarrow.lib
import autotrack
from autotrack.capture.files import Files
from autotrack.capture.readers import FUNCTIONS
for module in FUNCTIONS:
    with contextlib.suppress(ImportError): importlib.import_module(module)
def found():
    places = [(pyarrow.lib, "memory_map")]
    for module, rows in FUNCTIONS.items():
        for row in rows if module in sys.modules else ():
            owner = sys.modules[module]
            for part in row.owner.split(".") if row.owner else ():
                owner = getattr(owner, part, None)
            places += [(owner, name) for name in row.names.split() if name in getattr(owner, "__dict__", ())]
    return {(owner, name): vars(owner)[name] for owner, name in places}
before = found()
autotrack.enable()
during = found()
print(len(before) > 100, sum(during[place] is raw for place, raw in before.items()))
autotrack.disable()
print([place for place, raw in found().items() if raw is not before[place]])
gc.collect()
print([type(value) for value in gc.get_objects() if type(value) is Files])
polars.DataFrame({"a": [1]}).write_parquet("x.parquet")
print(during[polars, "read_parquet"]("x.parquet").shape)
"""
    env = {**ENV, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = run_program(source, tmp_path, tracked=False, env=env)
    assert done.stdout == "True 0\n[]\n[]\n(1, 1)\n", done.stderr


def test_functions_of_tensorflow_within_its_graphs(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    source = """
import tensorflow as tf
@tf.function
def read(path):
    return tf.strings.length(tf.io.read_file(path))
print(read("in.csv").numpy(), read(tf.constant("in.csv")).numpy())
for one in tf.data.Dataset.list_files("in.c*").map(tf.io.read_file): print(one.numpy())
for one in tf.data.Dataset.list_files("in.c*").interleave(tf.data.TextLineDataset): print(one.numpy())
with tf.io.TFRecordWriter("out") as writer: writer.write(b"x")
print(list(tf.data.TFRecordDataset(["out"]).as_numpy_iterator()))
"""
    env = {**ENV, "TF_CPP_MIN_LOG_LEVEL": "3"}
    outputs = [run_program(source, tmp_path, tracked=tracked, env=env).stdout for tracked in (False, True)]
    assert outputs[1] == outputs[0]
    assert outputs[0].endswith("[b'x']\n")
    found = digests(tmp_path)
    assert found["in.csv", "read"] == digest(b"a\n1\n")
    assert found["out", "written"] == found["out", "read"] == digest((tmp_path / "out").read_bytes())


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    source = (
        ARROW
        + """
import os, pyarrow.parquet as pq
pq.write_to_dataset(pa.table({'a': [1, 2]}), 'out', partition_cols=['a'])
os.symlink('nowhere', 'out/gone')
pq.read_table('out/a=1')
ds.dataset('out', format='parquet', exclude_invalid_files=False)
"""
    )
    done = run_program(source, tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert {key: event and event.why for key, event in files(tmp_path).items()} == {
        ("out", "written"): "2 files",
        ("out/a=1", "read"): "1 files",
        ("out", "read"): "2 files",
    }


def test_a_builtin_that_a_class_binds_is_no_method_of_it(tmp_path: Path) -> None:
    source = "import sqlite3\nclass A:\n    connect = sqlite3.connect\nprint(type(A().connect(':memory:')).__name__)\n"
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout) == (0, "Connection\n"), done.stderr
