"""Which code is the program's own: the main program, and what lies outside the libraries."""

from __future__ import annotations

import os
import sys

from autotrack import libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType, FrameType


def owns(module: str) -> bool:
    """Whether the module of this name, which has been imported, is the program's own."""
    if module == "__main__" or module.partition(".")[0] == _started_as():
        return True
    path = libraries.file_of(sys.modules.get(module))
    return path is not None and not path.startswith(libraries.folders())


def _started_as() -> str:
    """The package that the program was started from with `python -m`."""
    name = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", "")
    return str(name).partition(".")[0]


def calls(frame: FrameType | None, through: Collection[str]) -> bool:
    """Whether the program's own code has called what this frame is in the midst of: `through` the modules of a parser,
    but not through those of another library, which parses for itself."""
    innermost = ""
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and not (name in through or name.partition(".")[0] in through):
            if owns(name):
                return not innermost or innermost == _entered(frame)
            innermost = innermost or name.partition(".")[0]
        frame = frame.f_back
    return False


def _entered(frame: FrameType) -> str:
    """The package whose function the script of a command calls that pip has written; else nothing."""
    path = frame.f_globals.get("__file__")
    if frame.f_globals.get("__name__") != "__main__" or not isinstance(path, str):
        return ""
    if os.path.join(os.path.dirname(os.path.abspath(path)), "") != libraries.scripts():
        return ""
    imported = [name for name in frame.f_code.co_names if name in sys.modules]
    return imported[-1].partition(".")[0] if imported else ""


def main_code() -> CodeType | None:
    """The code of the main program while it runs in the main thread; None where there is none of it (a notebook)."""
    import threading

    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    variables = vars(sys.modules["__main__"])
    while frame is not None:
        if frame.f_globals is variables and frame.f_code.co_name == "<module>":
            return frame.f_code
        frame = frame.f_back
    return None
