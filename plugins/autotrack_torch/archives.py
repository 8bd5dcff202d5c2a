"""The models in files of `torch.save` and of safetensors, read without the framework: what is in a file is looked at by
the recorder, in its own time, and nothing that the file names is imported or called.

The formats: https://docs.pytorch.org/docs/stable/notes/serialization.html and
https://huggingface.co/docs/safetensors/index#format; before version 1.6 `torch.save` wrote several pickles one after
the other, and the storages after them.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from autotrack.plugin_api import Streamed, attributes, streams_digest

DEPTH = 4
"""Levels of a checkpoint in which a model is looked for."""
CHUNK = 1 << 22
EXTENT = 1 << 28
"""Bytes over which the elements of a tensor may be spread that does not lie in one piece."""
PICKLED = 8 << 20
"""Bytes of a pickle that are read: a model has some hundred of them for each tensor."""
TENSORS = 20_000
"""Tensors of a model that are read."""
ENTRIES = 100_000
"""Entries of a mapping in which models are looked for."""
_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))
_NO_MODELS = ("optim", "sched", "scaler", "rng")
_LEGACY = 0x1950A86A20F9469CFC6C
"""What a file begins with, pickled, that was written before version 1.6."""


class Unreadable(Exception):
    """A file that is not what it seemed."""


_DAMAGED = (
    Unreadable, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, struct.error, ValueError, TypeError,
    AttributeError, LookupError, OverflowError, MemoryError, RecursionError, NotImplementedError,
)  # fmt: skip
"""What is raised over a file with anything in it."""


class Place(NamedTuple):
    """Where in a file the bytes of a storage are."""

    at: int
    size: int


class Stored:
    """A tensor that lies in a file, or one, with `key` None, that can't be read."""

    __slots__ = ("dtype", "key", "offset", "shape", "strides")

    def __init__(self, key: Any, dtype: str, offset: int, shape: Any, strides: Any) -> None:
        self.key, self.dtype, self.offset = key, dtype, offset
        self.shape, self.strides = tuple(shape), tuple(strides)

    def numel(self) -> int:
        return math.prod(self.shape)


def model_in(path: str, names: Collection[str] | None = None) -> str | None:
    """The identity of the model in a file whose tensors have these names, or of the largest one, that of its tensors by
    name: see `checkpoints.identity_of`.  None where there is none that can be read."""
    try:
        with open(path, "rb") as file:
            return _identity(file, names)
    except _DAMAGED:
        return None


def _identity(file: BinaryIO, names: Collection[str] | None) -> str | None:
    head = file.read(8)
    file.seek(0)
    if head[:4] == b"PK\x03\x04":
        content, places = _zipped(file)
    elif head[:1] == b"\x80":
        content, places = _legacy(file)
    else:
        content, places = _safetensors(file, head)
    state = largest(content, lambda value: type(value) is Stored, lambda state: names is None or state.keys() == names)
    if len(state) > TENSORS:
        return None
    found = {name: _entry(file, tensor, places) for name, tensor in state.items()}
    return streams_digest("torch", found) if found and all(found.values()) else None


def largest(
    content: Any, is_tensor: Callable[[Any], bool], preferred: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """The tensors by name of the largest model in an object, of those that are `preferred` where there are such."""
    states = list(_states(content, is_tensor, DEPTH))
    chosen = [state for state in states if preferred(state)] if len(states) > 1 else states
    return max(chosen or states, key=lambda state: sum(t.numel() for t in state.values()), default={})


def _states(obj: Any, is_tensor: Callable[[Any], bool], depth: int) -> Iterator[Mapping[str, Any]]:
    held = attributes(obj)
    if type(held) is dict and all(isinstance(held.get(part), dict) for part in ("_parameters", "_buffers", "_modules")):
        yield dict(_of_module(held, is_tensor, "", set()))
    elif issubclass(type(obj), dict):  # no other mapping, which may do anything when it is read
        entries = {name: entry for name, entry in dict.items(obj) if type(entry) not in _PLAIN}
        if "state" in entries and "param_groups" in entries:  # of an optimizer
            return
        tensors = {name: t for name, t in entries.items() if type(name) is str and is_tensor(t)}
        if tensors:
            yield tensors
        for name, entry in entries.items() if depth and len(entries) <= ENTRIES else ():
            told = name.lower() if type(name) is str else ""
            if not (type(name) is str and name in tensors) and not any(word in told for word in _NO_MODELS):
                yield from _states(entry, is_tensor, depth - 1)
    elif type(obj) in (list, tuple) and depth and len(obj) <= 100:
        for entry in obj:
            yield from _states(entry, is_tensor, depth - 1)


def _of_module(held: Any, is_tensor: Callable[[Any], bool], prefix: str, within: set[int]) -> Iterator[tuple[str, Any]]:
    """What the `state_dict` of a module holds, without calling it: methods of the user's may be behind that."""
    passing = held.get("_non_persistent_buffers_set") or ()
    own = {**held["_parameters"], **{n: t for n, t in held["_buffers"].items() if n not in passing}}
    for name, tensor in own.items():
        if is_tensor(tensor):
            yield f"{prefix}{name}", tensor
    for name, module in held["_modules"].items():
        inner = attributes(module)
        if type(inner) is dict and "_parameters" in inner and id(module) not in within:
            yield from _of_module(inner, is_tensor, f"{prefix}{name}.", within | {id(module)})


def _entry(file: BinaryIO, tensor: Stored, places: Mapping[Any, Place]) -> list[Any] | None:
    """Type, shape and content of a tensor, as they are part of the identity."""
    place = places.get(tensor.key)
    size = _SIZES.get(tensor.dtype)
    numpy = sys.modules.get("numpy")
    if tensor.key is None or place is None or size is None or numpy is None or sys.byteorder != "little":
        return None
    last = sum(stride * (length - 1) for stride, length in zip(tensor.strides, tensor.shape, strict=True))
    extent = (last + 1) * size if tensor.numel() else 0
    begin = tensor.offset * size
    if min((tensor.offset, *tensor.strides, *tensor.shape), default=0) < 0 or begin + extent > place.size:
        raise Unreadable("a tensor beyond its storage")
    plain = _NUMPY.get(tensor.dtype)
    whole = extent == tensor.numel() * size and _is_contiguous(tensor)
    if not whole and (extent > EXTENT or tensor.numel() * size > 4 * EXTENT):
        return None

    def pieces() -> Iterator[Any]:
        read = _pieces(file, place.at + begin, extent)
        if whole:
            yield from read
            return
        flat = numpy.frombuffer(b"".join(read), dtype=f"V{size}")
        strides = [stride * size for stride in tensor.strides]
        spread = numpy.lib.stride_tricks.as_strided(flat, tensor.shape, strides)
        rows = max(CHUNK * len(spread) // (tensor.numel() * size), 1) if spread.ndim else 0
        for row in range(0, len(spread) if rows else 1, rows or 1):
            yield numpy.ascontiguousarray(spread[row : row + rows] if rows else spread).tobytes()

    shape = tensor.shape if plain is not None else (tensor.numel() * size,)
    streamed = Streamed(numpy.dtype(plain or "uint8"), shape, pieces)
    return [tensor.dtype, list(tensor.shape), streamed]


def _is_contiguous(tensor: Stored) -> bool:
    expected = 1
    for length, stride in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if length != 1 and stride != expected:
            return tensor.numel() == 0
        expected *= length
    return True


def _pieces(file: BinaryIO, at: int, size: int) -> Iterator[bytes]:
    """Read, not mapped into memory: were the file cut short meanwhile, the program would be killed."""
    while size > 0:
        data = os.pread(file.fileno(), min(size, CHUNK), at)
        if not data:
            raise Unreadable("the file ends early")
        yield data
        at, size = at + len(data), size - len(data)


# -- torch.save -------------------------------------------------------------------------------------------------------


def _zipped(file: BinaryIO) -> tuple[Any, dict[Any, Place]]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        first = next((entry for entry in entries if entry.filename.endswith("/data.pkl")), None)
        if first is None:
            raise Unreadable("a zip file of something else")
        folder = first.filename.removesuffix("data.pkl")
        if f"{folder}constants.pkl" in archive.NameToInfo or first.file_size > PICKLED:
            raise Unreadable("TorchScript, or too large")
        if f"{folder}byteorder" in archive.NameToInfo and archive.read(f"{folder}byteorder") != b"little":
            raise Unreadable("of another order of bytes")
        content = _Reader(io.BytesIO(archive.read(first))).load()  # its checksum is right
    places = {}
    for entry in entries:
        if entry.filename.startswith(f"{folder}data/") and entry.compress_type == zipfile.ZIP_STORED:
            head = os.pread(file.fileno(), 30, entry.header_offset)
            name, extra = struct.unpack("<HH", head[26:30])
            at = entry.header_offset + 30 + name + extra
            places[entry.filename.removeprefix(f"{folder}data/")] = Place(at, entry.file_size)
    return content, places


def _legacy(file: BinaryIO) -> tuple[Any, dict[Any, Place]]:
    """There are no checksums: the pickles are read in Python, which takes no memory because a damaged one says so."""
    if _Careful(file).load() != _LEGACY:
        raise Unreadable("a pickle of something else")
    _Careful(file).load()  # the version of the format
    if _Careful(file).load().get("little_endian") is not True:
        raise Unreadable("of another order of bytes")
    reader = _Careful(file)
    content = reader.load()
    places, end = {}, os.fstat(file.fileno()).st_size
    for key in _Careful(file).load():
        (length,) = struct.unpack("<q", file.read(8))
        size = length * reader.sizes[key]
        at = file.tell()
        if not 0 <= size <= end - at:
            raise Unreadable("a storage beyond the file")
        places[key] = Place(at, size)
        file.seek(at + size)
    return content, places


class _Storage(NamedTuple):
    key: Any
    dtype: str


class _Anything(dict[Any, Any]):
    """Stands for an object of any class."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __new__(cls, *args: Any, **kwargs: Any) -> _Anything:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __call__(self, *args: Any, **kwargs: Any) -> _Anything:
        return _Anything()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({name: value for name, value in state.items() if isinstance(name, str)})

    def append(self, entry: Any) -> None:
        """Of what is pickled as a list."""

    def extend(self, entries: Any) -> None:
        """Of what is pickled as a list."""

    def add(self, entry: Any) -> None:
        """Of what is pickled as a set."""


class _Meaning:
    """Makes of a pickle what stands in it, with tensors that are not read and nothing of any other class."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")  # type: ignore[call-arg]
        self.sizes: dict[Any, int] = {}
        """By the key of a storage, the bytes of one of its elements."""
        self._classes: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        key = module, name
        if key not in self._classes:
            self._classes[key] = _MEANT.get(key) or (
                _unread if module.startswith("torch") and name.startswith("_rebuild") else _class(module, name)
            )
        return self._classes[key]

    def persistent_load(self, told: Any) -> Any:
        if told[0] == "module":  # of the old format: a class, and its source
            return told[1]
        kind, key = told[1], told[2]
        dtype = _STORAGES.get(getattr(kind, "called", ""), "")
        self.sizes[key] = _SIZES.get(dtype, 1)
        part_of_another = len(told) > 5 and told[5] is not None
        return _Storage(None if part_of_another else key, dtype)


class _Reader(_Meaning, pickle.Unpickler):
    """Quickly."""


class _Careful(_Meaning, pickle._Unpickler):
    """Slowly."""


def _class(module: str, name: str) -> Any:
    return type(name.rpartition(".")[2] or "_", (_Anything,), {"called": name, "module": module})


def _tensor(storage: _Storage, offset: int, size: Any, stride: Any, *more: Any) -> Stored:
    told = len(more) > 2 and bool(more[2])  # that it is to be conjugated, or taken negative
    return Stored(None if told else storage.key, storage.dtype, offset, size, stride)


def _typed_tensor(storage: _Storage, offset: int, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any,
                  *more: Any) -> Stored:  # fmt: skip
    told = bool(more and more[0])
    return Stored(None if told else storage.key, f"torch.{dtype.called}", offset, size, stride)


def _parameter(data: Any, *more: Any) -> Any:
    return data


def _of_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    return function(*args)


def _unread(*args: Any) -> Stored:
    """Sparse, quantized, nested and whatever else tensors may be."""
    return Stored(None, "", 0, (), ())


_MEANT: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    ("torch", "Size"): tuple,
}
for _module in ("builtins", "__builtin__"):
    _MEANT |= {(_module, kind.__name__): kind for kind in (set, frozenset, complex)}

_STORAGES = {
    "DoubleStorage": "torch.float64", "FloatStorage": "torch.float32", "HalfStorage": "torch.float16",
    "BFloat16Storage": "torch.bfloat16", "LongStorage": "torch.int64", "IntStorage": "torch.int32",
    "ShortStorage": "torch.int16", "CharStorage": "torch.int8", "ByteStorage": "torch.uint8",
    "BoolStorage": "torch.bool", "ComplexDoubleStorage": "torch.complex128",
    "ComplexFloatStorage": "torch.complex64", "UntypedStorage": "torch.uint8",
}  # fmt: skip
_NUMPY = {
    "torch.float64": "<f8", "torch.float32": "<f4", "torch.float16": "<f2", "torch.int64": "<i8", "torch.int32": "<i4",
    "torch.int16": "<i2", "torch.int8": "i1", "torch.uint8": "u1", "torch.bool": "?", "torch.complex64": "<c8",
    "torch.complex128": "<c16",
}  # fmt: skip
"""The types of tensors that arrays have as well; others are taken by their bytes."""
_SIZES = {
    **{name: int(kind[-1]) for name, kind in _NUMPY.items() if kind[-1].isdigit()},
    "torch.bool": 1, "torch.complex128": 16, "torch.bfloat16": 2, "torch.uint16": 2, "torch.uint32": 4,
    "torch.uint64": 8, "torch.float8_e4m3fn": 1, "torch.float8_e5m2": 1, "torch.float8_e4m3fnuz": 1,
    "torch.float8_e5m2fnuz": 1, "torch.float8_e8m0fnu": 1,
}  # fmt: skip


# -- safetensors ------------------------------------------------------------------------------------------------------


def _safetensors(file: BinaryIO, head: bytes) -> tuple[Any, dict[Any, Place]]:
    (length,) = struct.unpack("<Q", head)
    if length > PICKLED:
        raise Unreadable("no header of safetensors")
    file.seek(8)
    content, places = {}, {}
    for name, told in json.loads(file.read(length)).items():
        if name != "__metadata__":
            begin, end = told["data_offsets"]
            dtype, shape = _SAFE.get(told["dtype"], ""), told["shape"]
            strides = [math.prod(shape[at + 1 :]) for at in range(len(shape))]
            content[name] = Stored(name, dtype, 0, shape, strides)
            places[name] = Place(8 + length + begin, end - begin)
    return content, places


_SAFE = {
    "F64": "torch.float64", "F32": "torch.float32", "F16": "torch.float16", "BF16": "torch.bfloat16",
    "I64": "torch.int64", "I32": "torch.int32", "I16": "torch.int16", "I8": "torch.int8", "U8": "torch.uint8",
    "U16": "torch.uint16", "U32": "torch.uint32", "U64": "torch.uint64", "BOOL": "torch.bool",
    "F8_E4M3": "torch.float8_e4m3fn", "F8_E5M2": "torch.float8_e5m2", "F8_E8M0": "torch.float8_e8m0fnu",
    "C64": "torch.complex64",
}  # fmt: skip
