"""Which files are libraries' and not the user's own."""

from __future__ import annotations

import os
import sysconfig

LIBRARY_FOLDERS = tuple(
    os.path.join(folder(path), "")
    for path in {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    for folder in (os.path.abspath, os.path.realpath)
)
