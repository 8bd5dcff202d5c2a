"""Which files are libraries' and not the user's own."""

from __future__ import annotations

import functools
import os

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def holds(path: str) -> bool:
    """Whether a file is the standard library's or installed, also where that is for one user or of another
    environment."""
    return path.startswith(folders()) or any(part in path for part in _INSTALLED)


@functools.cache
def folders() -> tuple[str, ...]:
    """The folders of the standard library and of what is installed."""
    import sysconfig

    paths = sysconfig.get_paths()
    return tuple(
        os.path.join(folder(path), "")
        for path in {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        for folder in (os.path.abspath, os.path.realpath)
    )
