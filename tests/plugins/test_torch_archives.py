"""Files of models as they are read without PyTorch: the identities are those of the models at hand."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import pickle
import random
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from autotrack_torch.archives import model_in  # noqa: E402 - of the plugin of a framework that may be missing
from autotrack_torch.checkpoints import identity_of, state_in  # noqa: E402

nn = torch.nn


class Part(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
        self.tied = self.body[0]
        self.register_buffer("kept", torch.arange(5))
        self.register_buffer("passing", torch.arange(7), persistent=False)
        self.nothing = None

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return super().state_dict(*args, **kwargs)


class Phase(enum.Enum):
    TRAIN = "train"


@dataclasses.dataclass
class Settings:
    width: int = 3


class Weights(OrderedDict[str, Any]):
    """A class of the user's own."""


def many_types() -> dict[str, Any]:
    base = torch.arange(24, dtype=torch.float32)
    types = (
        torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
        torch.bool, torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16,
        torch.uint32,
    )  # fmt: skip
    return {
        **{str(dtype): base.reshape(4, 6).to(dtype) for dtype in types},
        "transposed": base.reshape(4, 6).T,
        "every second": base[1::2],
        "spread": torch.tensor(3.0).expand(2, 3),
        "one": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "view": base[5:9],
        "again": base,
        "parameter": nn.Parameter(base.reshape(2, 12)[:, 3:5]),
        "bfloat16 view": base.to(torch.bfloat16).reshape(4, 6).T,
    }


def checkpoint() -> dict[str, Any]:
    model = Part()
    optimizer = torch.optim.Adam(model.parameters())
    model.body(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {
        "state": {"net": model.state_dict()},
        "optimizer": optimizer.state_dict(),
        Phase.TRAIN: Settings(),
        "args": argparse.Namespace(lr=0.1, phases=[Phase.TRAIN, {Phase.TRAIN}]),
        "history": defaultdict(list, {"loss": [np.float64(0.5)]}),
        "array": np.arange(3),
        "bytes": b"\xff\x00",
        "type": Part,
        "function": torch.relu,
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "generator": torch.get_rng_state(),
    }


CONTENTS: dict[str, Callable[[], Any]] = {
    "state": lambda: Part().state_dict(),
    "module": Part,
    "types": many_types,
    "checkpoint": checkpoint,
    "list": lambda: [{"epoch": 3}, (nn.Linear(2, 2).state_dict(),)],
    "weights": lambda: Weights(a=torch.ones(3), b=nn.Parameter(torch.zeros(2, 2))),
    "parallel": lambda: nn.DataParallel(Part()),
    "shared": lambda: nn.ModuleDict({"a": (part := Part()), "b": part}),
}


@pytest.mark.parametrize("way", ["zip", "protocol 4", "legacy", "handle"])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_identity_is_that_of_the_model_at_hand(name: str, way: str, tmp_path: Path) -> None:
    content = CONTENTS[name]()
    path = tmp_path / "model.pt"
    if way == "legacy" and name == "types":
        content = {key: t for key, t in content.items() if t.dtype not in (torch.uint16, torch.uint32)}
        content = {key: t for key, t in content.items() if "float8" not in str(t.dtype)}
    if way == "handle":
        with path.open("wb") as file:
            torch.save(content, file)
    else:
        torch.save(
            content, path, _use_new_zipfile_serialization=way != "legacy", pickle_protocol=4 if way != "zip" else 2
        )
    expected = identity_of(state_in(content))
    assert model_in(str(path)) == expected is not None
    if name != "list":
        state = state_in(content)
        assert expected == identity_of({key: tensor.clone() for key, tensor in state.items()})


def test_a_module_is_its_state() -> None:
    part = Part()
    state = {name: t for name, t in part.state_dict().items() if isinstance(t, torch.Tensor)}
    assert identity_of(state_in(part)) == identity_of(state_in(state)) == identity_of(state)


def test_one_changed_weight_is_another_model(tmp_path: Path) -> None:
    part, paths = Part(), [tmp_path / f"{number}.pt" for number in range(2)]
    torch.save(part, paths[0])
    with torch.no_grad():
        part.body[2].bias[1] += 1e-6
    torch.save(part, paths[1])
    first, second = (model_in(str(path)) for path in paths)
    assert None is not first != second is not None


def test_a_small_file_of_a_large_view_takes_no_memory(tmp_path: Path) -> None:
    torch.save({"mask": torch.ones(1).expand(1 << 16, 1 << 16)}, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").stat().st_size < 10_000
    assert model_in(str(tmp_path / "model.pt")) is None
    torch.save({"mask": torch.arange(3.0).expand(1000, 3)}, tmp_path / "model.pt")
    assert model_in(str(tmp_path / "model.pt")) == identity_of({"mask": torch.arange(3.0).repeat(1000, 1)})


def test_the_model_of_these_names_is_meant(tmp_path: Path) -> None:
    state = nn.Linear(2, 2).state_dict()
    torch.save({"model": state, "features": torch.zeros(5000)}, tmp_path / "model.pt")
    assert model_in(str(tmp_path / "model.pt"), frozenset(state)) == identity_of(state)
    assert model_in(str(tmp_path / "model.pt")) == identity_of({"features": torch.zeros(5000)})


def test_safetensors(tmp_path: Path) -> None:
    stored = pytest.importorskip("safetensors.torch")
    types = {name: t.contiguous().clone() for name, t in many_types().items() if "complex128" not in name}
    stored.save_file(types, tmp_path / "types.safetensors", metadata={"format": "pt"})
    assert model_in(str(tmp_path / "types.safetensors")) == identity_of(types) is not None


@pytest.mark.parametrize(
    "odd",
    [
        torch.eye(3).to_sparse(),
        torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        torch.empty(3, device="meta"),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        torch.tensor([1 + 2j]).conj(),
    ],
    ids=["sparse", "quantized", "meta", "nested", "conjugated"],
)
def test_what_can_not_be_read_makes_no_false_identity(odd: Any, tmp_path: Path) -> None:
    torch.save({"plain": torch.ones(30), "odd": odd}, tmp_path / "model.pt")
    assert model_in(str(tmp_path / "model.pt")) is None


def test_files_of_other_things(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    assert model_in(str(path)) is None
    for content in (b"", b"\x80", b"PK\x03\x04", b"\xff" * 100, pickle.dumps({"a": 1}), b"\x02\0\0\0\0\0\0\0{}"):
        path.write_bytes(content)
        assert model_in(str(path)) is None
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), path)
    assert model_in(str(path)) is None
    assert model_in(str(tmp_path / "missing")) is None
    assert model_in(str(tmp_path)) is None


class Bomb:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder / "went off",)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_that_a_file_names_is_called(zipped: bool, tmp_path: Path) -> None:
    state = Part().state_dict()
    path = tmp_path / "model.pt"
    torch.save({"model": state, "bomb": Bomb(tmp_path)}, path, _use_new_zipfile_serialization=zipped)
    assert model_in(str(path)) == identity_of(state)
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_files_are_no_error(zipped: bool, tmp_path: Path) -> None:
    path, chance = tmp_path / "model.pt", random.Random(0)
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=zipped)
    whole, expected = path.read_bytes(), model_in(str(path))
    assert expected is not None
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged) if chance.random() < 0.5 else 3000)] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randrange(len(damaged))] if chance.random() < 0.3 else damaged)
        assert isinstance(model_in(str(path)), (str, type(None)))
