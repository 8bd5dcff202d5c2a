"""Which files are libraries' and not the user's own."""

from __future__ import annotations

import functools
import os


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
