"""What a data set holds in memory, and which files it names.

It is looked at and never asked: attributes are read from its `__dict__`, no row is fetched, no length is taken, no
property or method of the program's is called.  What a data set makes of what it holds is not known; so that counts for
its identity only where nothing else is there that the rows could come from: an open file of a kind that is not known,
an object of the program's own that is no function, data on a device.
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from autotrack.plugin_api import attributes

ATTRIBUTES = 100
"""Attributes that are looked at."""
FILES = 200_000
"""Files that a data set may name."""
LARGE = 64 << 20
"""Bytes of a tensor that is not always digested at once."""
ENTRIES = 20_000
"""Arrays in a list that are looked at."""
LONG = 200_000
"""Numbers or texts in a list."""
SETTINGS = (".yaml", ".yml", ".toml", ".cfg", ".ini", ".py", ".log", ".md")
"""Files that are no data, where one is named by itself."""
DEEP = 4
"""Data sets within each other."""
MEMBERS = 16
"""Data sets that one is put together from."""
COLUMNS = 20
"""Columns of a table in which paths are looked for."""
SHORT = 20
"""Entries of a list that is a setting, where there is data beside it."""
TEXT = 4096
"""Characters of a path; what is longer is content."""

_PLAIN = (bool, int, float, complex, type(None), range, slice)
_ATOMS = frozenset((bool, int, float, complex, type(None), str, bytes))
_NO_DATA = frozenset(("torch", "numpy", "random", "logging", "threading", "_thread"))
_CALLED = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)
_OPEN = {"io": "name", "_io": "name", "zipfile": "filename", "tarfile": "name", "h5py": "filename"}
"""By the module of a class of open files, where its path stands."""


class Found:
    """What was found in a data set."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.held: dict[str, Any] = {}
        """Name to array, table or list."""
        self.settings: dict[str, Any] = {}
        """Short lists: data only where there is nothing else."""
        self.unknown: list[str] = []
        """What else there is, and may be where rows come from."""
        self.over = 0
        """Number of files, where there are too many."""
        self.kinds: dict[str, str] = {}
        """What the program has where an array is held."""
        self._taken: list[Any] = []
        self._lists: list[list[Any]] = []

    @property
    def longest(self) -> int:
        """Rows of what is held."""
        return max((_length(data) for data in self.held.values()), default=0)

    def is_new(self, value: Any) -> bool:
        """Whether a container was not met before, under another name."""
        if any(value is other for other in self._taken):
            return False
        self._taken.append(value)
        return True

    def hold(self, name: str, data: Any) -> None:
        self.held[name] = data

    def hold_list(self, name: str, data: list[Any], short: int) -> None:
        """Numbers and texts, once where two attributes have the same; fewer than `short` are a setting."""
        if not any(type(other) is list and len(other) == len(data) and other == data for other in self._lists):
            self._lists.append(data)
            (self.held if len(data) >= short else self.settings)[name] = data

    def name_files(self, paths: Sequence[str], count: int) -> None:
        if len(self.paths) + count > FILES:
            self.over = len(self.paths) + count
        else:
            here = os.getcwd()
            self.paths += [path if path[:1] == os.sep else os.path.join(here, path) for path in paths]


def _length(data: Any) -> int:
    shape = getattr(data, "shape", None)
    return int(shape[0]) if shape else len(data)


def look(dataset: Any) -> Found:
    """What a data set holds and names."""
    found = Found()
    _look(dataset, "", found, DEEP)
    if not found.held and not found.paths:
        found.held = found.settings
    return found


def _look(dataset: Any, prefix: str, found: Found, depth: int) -> None:
    data = sys.modules["torch"].utils.data
    kind = type(dataset)
    if kind in (list, tuple, dict) or as_array(dataset) is not None or is_table(dataset):
        _sort("rows", dataset, [""], found, depth)
        return
    if not found.is_new(dataset):
        return
    space = attributes(dataset)
    if space is None or depth == 0:
        found.unknown.append(prefix.rstrip(".") or kind.__name__)
        return
    if kind is data.Subset and _part_of_folder(space, prefix, found):
        return
    if len(space) > ATTRIBUTES:
        found.unknown.append(f"{len(space)} attributes")
    entries = list(space.items())[:ATTRIBUTES]
    folders = ["", *(path for _, value in entries if (path := _path(value)) and os.path.isdir(path))]
    for name, value in entries:
        _sort(f"{prefix}{name}", value, folders, found, depth)


def length(dataset: Any) -> int | None:
    """The number of rows, where it is plain to see from how `__len__` is written: `len(self.rows)`, or a number."""
    kind = type(dataset)
    asked = next((vars(base)["__len__"] for base in kind.__mro__ if "__len__" in vars(base)), None)
    if type(asked) is not FunctionType or asked.__closure__ or (space := attributes(dataset)) is None:
        return None
    code = asked.__code__
    steps = [step for step in dis.get_instructions(code) if step.opname not in _NOTHING]
    if code.co_names[:1] == ("len",) and len(code.co_names) == 2 and len(steps) == 5:
        held: Any = space.get(code.co_names[1])
        plain = type(held) in (list, tuple, dict, range) or as_array(held) is not None or is_table(held)
        return _length(held) if plain else None
    counts = [value for value in code.co_consts if type(value) is int]
    return counts[0] if not code.co_names and len(counts) == 1 and len(steps) <= 2 else None


_NOTHING = frozenset(("RESUME", "PRECALL", "CACHE", "PUSH_NULL", "NOT_TAKEN"))


def _part_of_folder(space: dict[str, Any], prefix: str, found: Found) -> bool:
    """Of a part of a data set that lists its samples as (path, class): these samples."""
    inner, indices = attributes(space.get("dataset")), space.get("indices")
    samples = inner.get("samples") if inner is not None else None
    if type(samples) is not list or not isinstance(indices, (list, tuple, range)):
        return False
    if not all(type(at) is int and -len(samples) <= at < len(samples) for at in indices):
        return False
    return _samples(f"{prefix}samples", [samples[at] for at in indices], [""], found)


def _sort(name: str, value: Any, folders: list[str], found: Found, depth: int) -> None:
    """Tell what a value is, and take it where it is data."""
    torch, kind = sys.modules["torch"], type(value)
    path = _path(value)
    if path is not None:
        if os.path.isfile(path):
            if not path.endswith(SETTINGS):
                found.name_files([path], 1)
        elif kind in (str, bytes) and len(value) > TEXT:
            found.hold(name, [value])
    elif kind in _PLAIN or issubclass(kind, _CALLED):
        return
    elif issubclass(kind, torch.utils.data.Dataset):
        _look(value, f"{name}.", found, depth - 1)
    elif kind in (list, tuple):
        if found.is_new(value):
            _list(name, value, folders, found, depth)
    elif kind is dict:
        _dict(name, value, folders, found)
    elif _is(value, "pandas", "DataFrame", "Series", "Index"):
        found.hold(name, value)
        _table(value, folders, found)
    else:
        array = as_array(value)
        if array is not None:
            if array is not value:
                found.kinds[name] = TENSOR
            _array(name, array, folders, found)
        elif (opened := _file_of(value)) is not None:
            found.name_files([opened], 1)
        elif not _is_no_data(value):
            found.unknown.append(name)


def _path(value: Any) -> str | None:
    """The text of what may be a path, or is a text."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= TEXT and "\0" not in value else ""
    if kind.__module__.partition(".")[0] == "pathlib":
        return str(value)
    return "" if kind is bytes else None


def _is_no_data(value: Any) -> bool:
    """Whether it only does something, as a transform does, or says how: a module, a generator of random numbers, a type
    of data, an object that holds settings."""
    kind = type(value)
    if _defines(kind, "__getitem__"):
        return False
    if _defines(kind, "__call__") or kind.__module__.partition(".")[0] in _NO_DATA:
        return True
    space = attributes(value) or {"": ...}
    return all(type(entry) in _ATOMS for entry in list(space.values())[:ATTRIBUTES])


def _defines(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__[:-1])


def is_table(value: Any) -> bool:
    """Whether it is a table or a column of pandas."""
    return _is(value, "pandas", "DataFrame", "Series")


def _is(value: Any, module: str, *names: str) -> bool:
    kinds = tuple(getattr(sys.modules.get(module), name, ()) for name in names)
    return isinstance(value, kinds)


def _file_of(value: Any) -> str | None:
    """The path of an open file."""
    kind = type(value)
    name = _OPEN.get(kind.__module__.partition(".")[0])
    path = getattr(value, name, None) if name is not None else None
    return path if type(path) is str and os.path.isfile(path) else None


def _array(name: str, array: Any, folders: list[str], found: Found) -> None:
    path = mapped(array)
    if path is not None:
        found.name_files([path], 1)
    elif array.dtype.kind in "OU" and array.ndim == 1 and len(array):
        _list(name, array.tolist(), folders, found, 0)
    elif array.ndim and array.size:
        found.hold(name, array)


def mapped(array: Any) -> str | None:
    """The path of the file in which the elements of an array are."""
    memmap = getattr(sys.modules.get("numpy"), "memmap", ())
    for _ in range(DEEP):
        if issubclass(type(array), memmap):
            path = array.filename
            return os.fspath(path) if path is not None else None
        if not issubclass(type(array), getattr(sys.modules.get("numpy"), "ndarray", ())):
            return None
        array = array.base
    return None


TENSOR = "torch.Tensor"


def as_array(value: Any) -> Any:
    """The array of the elements of a tensor or array in memory; None for anything else."""
    torch, numpy = sys.modules["torch"], sys.modules.get("numpy")
    kind = type(value)
    if numpy is not None and kind in (numpy.ndarray, numpy.memmap):
        return value
    if numpy is None or kind not in (torch.Tensor, torch.nn.Parameter):
        return None
    if not value.is_cpu or value.layout is not torch.strided or value.is_quantized or value.is_conj() or value.is_neg():
        return None
    with torch._C._DisableTorchDispatch():  # no mode of the program's sees it
        value = value.detach()
        return _shared(value.view(torch.int16) if value.dtype is torch.bfloat16 else value)


def _shared(tensor: Any) -> Any:
    """An array of the memory of a tensor.  Not by `numpy()`, after which a tensor can't be resized any more; but for a
    large one, which may be read beside the program, and whose memory must stay where it is then."""
    numpy = sys.modules["numpy"]
    try:
        return tensor.numpy() if tensor.nbytes > LARGE else numpy.from_dlpack(tensor)
    except (BufferError, RuntimeError, TypeError):  # a type that only one of them has
        return None


def _list(name: str, value: Any, folders: list[str], found: Found, depth: int) -> None:
    if not value:
        return
    if len(value) > LONG:
        if not (type(value[0]) in (tuple, list) and _samples(name, value, folders, found)):
            found.unknown.append(name)
        return
    first, kinds = value[0], set(map(type, value))
    paths = _files(value, folders)
    if paths is not None:
        found.name_files(paths, len(value))
    elif kinds <= _ATOMS:
        found.hold_list(name, list(value), SHORT)
    elif issubclass(type(first), sys.modules["torch"].utils.data.Dataset):
        for at, member in enumerate(value[:MEMBERS]):
            _look(member, f"{name}.{at}.", found, depth - 1)
        if len(value) > MEMBERS:
            found.unknown.append(f"{name}, of {len(value)} data sets")
    elif not (kinds <= {tuple, list} and _samples(name, value, folders, found)):
        plain = _plainly(value, [ENTRIES])
        if plain is None:
            found.unknown.append(name)
        else:
            found.hold(name, plain)


def _samples(name: str, value: Any, folders: list[str], found: Found) -> bool:
    """Rows of a path and what belongs to it; whether that is what they are."""
    if len(value) > FILES and any(os.path.isfile(_path(entry) or "") for entry in value[0][:4]):
        found.over = len(value)
        return True
    if len(value) > LONG or not any(_path(entry) for entry in value[0][:4]) or len({*map(len, value)}) > 1:
        return False
    columns = list(zip(*value, strict=True))
    named = [(at, _files(column, folders)) for at, column in enumerate(columns[:4])]
    at, paths = next(((at, paths) for at, paths in named if paths is not None), (0, None))
    if paths is None:
        return False
    found.name_files(paths, len(value))
    del columns[at]
    for number, column in enumerate(columns):
        what = f"{name} labels" if len(columns) == 1 else f"{name}.{number + (number >= at)}"
        if set(map(type, column)) <= _ATOMS:
            found.hold_list(what, list(column), 0)
        elif (plain := _plainly(column, [ENTRIES])) is not None:
            found.hold(what, plain)
        else:
            found.unknown.append(what)
    return True


def _files(value: Any, folders: list[str]) -> list[str] | None:
    """The paths in a list, by the folder in which the first is; None where the first is no file."""
    first = _path(value[0])
    folder = next((folder for folder in folders if first and os.path.isfile(os.path.join(folder, first))), None)
    if folder is None:
        return None
    if len(value) > FILES:
        return []
    if set(map(type, value)) == {str}:
        return [os.path.join(folder, path) for path in value] if folder else list(value)
    return [os.path.join(folder, _path(entry) or "") for entry in value]


def _dict(name: str, value: dict[Any, Any], folders: list[str], found: Found) -> None:
    if len(value) > LONG:
        found.unknown.append(name)
        return
    pairs = list(value.items())
    if not pairs or _samples(name, pairs, folders, found):
        return
    plain = _plainly(pairs, [FILES])
    if plain is None:
        found.unknown.append(name)
    elif not all(type(entry) in _ATOMS for pair in pairs for entry in pair) or len(pairs) > ATTRIBUTES:
        found.hold(name, plain)  # else settings, names of classes


def _table(table: Any, folders: list[str], found: Found) -> None:
    """The files that a column of a table names."""
    series = [table.iloc[:, at] for at in range(min(table.shape[1], COLUMNS))] if table.ndim == 2 else [table]
    for column in series:
        if len(column) and str(column.dtype) in ("object", "str", "string"):
            values = column.tolist()
            paths = _files(values, folders)
            if paths is not None:
                found.name_files(paths, len(values))


def _plainly(value: Any, left: list[int]) -> Any:
    """A list of arrays, numbers and texts, or of lists of them, with arrays for its tensors; None where something else
    is in it, or too much."""
    left[0] -= len(value)
    if left[0] < 0:
        return None
    kept = []
    for entry in value:
        kind = type(entry)
        if kind in (list, tuple):
            plain = _plainly(entry, left)
        else:
            plain = entry if kind in _ATOMS else as_array(entry)
            if plain is None and entry is not None:
                return None
        if plain is None and entry is not None:
            return None
        kept.append(plain)
    return kept
