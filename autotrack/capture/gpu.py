"""NVIDIA devices: what there are, and how busy.  Asked through NVML, which starts no CUDA; without it, what the
driver says in /proc.

NVML comes with the driver; its Python side is `nvidia-ml-py` (the extra `gpu`), which `prepare` imports on the
user's thread where there is a driver.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from autotrack.values import storable

DRIVER = "/proc/driver/nvidia"
_DEVICES = ("/dev/nvidiactl", "/dev/dxg", DRIVER)

Device = tuple[int, Any]
"""Its number on this machine, and its handle."""


def prepare() -> None:
    """Import what asks, where there may be something to ask."""
    if any(map(os.path.exists, _DEVICES)):
        try:
            import pynvml  # noqa: F401
        except ImportError:
            return


def facts() -> dict[str, Any]:
    """`accelerators: [{index, name, id, bytes}]` of the machine or container, `driver`, and `cuda`, the greatest
    version that the driver takes; nothing where there is no driver."""
    nvml = sys.modules.get("pynvml")
    if nvml is None:
        return _of_driver()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return _of_driver()
    try:
        cuda = nvml.nvmlSystemGetCudaDriverVersion()
        return {
            "accelerators": [
                {
                    "index": index,
                    "name": _text(nvml.nvmlDeviceGetName(device)),
                    "id": _text(nvml.nvmlDeviceGetUUID(device)),
                    "bytes": int(nvml.nvmlDeviceGetMemoryInfo(device).total),
                }
                for index, device in _devices(nvml)
            ],
            "driver": _text(nvml.nvmlSystemGetDriverVersion()),
            "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}",
        }
    except nvml.NVMLError as error:
        return {**_of_driver(), "why": storable(str(error))}
    finally:
        nvml.nvmlShutdown()


def _devices(nvml: Any) -> list[Device]:
    return [(index, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())]


def _of_driver(root: str = DRIVER) -> dict[str, Any]:
    """What the driver says of itself in /proc: no sizes."""
    words = _read(os.path.join(root, "version")).partition("\n")[0].split()
    version = next((word for word in words if word[:1].isdigit() and "." in word), None)
    if version is None:
        return {}
    found = []
    gpus = os.path.join(root, "gpus")
    for index, name in enumerate(sorted(os.listdir(gpus)) if os.path.isdir(gpus) else ()):
        lines = (line.partition(":") for line in _read(os.path.join(gpus, name, "information")).splitlines())
        about = {key.strip(): value.strip() for key, _, value in lines}
        device = {"index": index, "name": about.get("Model"), "id": about.get("GPU UUID"), "bytes": None}
        found.append({key: storable(value) if isinstance(value, str) else value for key, value in device.items()})
    return {"accelerators": found, "driver": version, "cuda": None}


class Meter:
    """Asks the devices that the program may use, again and again."""

    def __init__(self, visible: str | None) -> None:
        self._nvml: Any = sys.modules.get("pynvml")
        self._devices: list[Device] = []
        self._open = False
        if self._nvml is not None:
            try:
                self._nvml.nvmlInit()
                self._open = True
                self._devices = self._visible(visible)
            except self._nvml.NVMLError:
                self.close()

    def _visible(self, visible: str | None) -> list[Device]:
        """Those that `CUDA_VISIBLE_DEVICES` lets through.  Its numbers are CUDA's, which puts the fastest first: they
        are NVML's where all devices are alike, or where CUDA was told so; else none is left out."""
        devices = _devices(self._nvml)
        if visible is None:
            return devices
        chosen = [word.strip() for word in visible.split(",") if word.strip()]
        names = {_text(self._nvml.nvmlDeviceGetName(device)) for _, device in devices}
        if all(word.isdecimal() for word in chosen):
            alike = len(names) == 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
            return [entry for entry in devices if str(entry[0]) in chosen] if alike else devices
        ids = {index: _text(self._nvml.nvmlDeviceGetUUID(device)) for index, device in devices}
        return [entry for entry in devices if ids[entry[0]].startswith(tuple(chosen))]

    def read(self) -> dict[str, float]:
        """Of each device: `gpu<n>/use` in percent of the time, `gpu<n>/memory` in bytes, `gpu<n>/power` in watts, as
        far as it tells; those of all programs that use it."""
        found: dict[str, float] = {}
        for index, device in self._devices:
            asked: dict[str, Callable[[Any], float]] = {
                "use": lambda device: self._nvml.nvmlDeviceGetUtilizationRates(device).gpu,
                "memory": lambda device: self._nvml.nvmlDeviceGetMemoryInfo(device).used,
                "power": lambda device: self._nvml.nvmlDeviceGetPowerUsage(device) / 1e3,
            }
            for name, ask in asked.items():
                try:
                    found[f"gpu{index}/{name}"] = float(ask(device))
                except self._nvml.NVMLError:  # not of this model, or gone
                    continue
        return found

    def close(self) -> None:
        if self._open:
            self._open, self._devices = False, []
            self._nvml.nvmlShutdown()


def _text(value: Any) -> str:
    return storable(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
