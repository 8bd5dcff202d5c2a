"""What makes the key of a piece of work another, and what does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.testing import Recording, run_program

FIT = """
import numpy as np
from sklearn.linear_model import Ridge

np.random.seed(0)
Ridge(**{"alpha": 1.0, "tol": 0.01}).fit(np.arange(20.0).reshape(10, 2), np.arange(10.0))
"""


def key(folder: Path, source: str = FIT, **env: str) -> Any:
    """What the program says of its work; None where nothing could equal it."""
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder / ".autotrack", ignore_errors=True)
    done = run_program(source, folder, env={"AUTOTRACK_DIR": str(folder / ".autotrack"), **env})
    assert done.returncode == 0, done.stderr
    found = [e for e in Recording(folder / ".autotrack").events() if isinstance(e, events.JobFacts)]
    return next((event.value["key"] for event in found if event.section == "key"), None)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = key(tmp_path_factory.mktemp("first"))
    assert isinstance(found, str)
    return found


def test_the_same_work_elsewhere_has_the_same_key(first: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("words")
    (tmp_path / "other.py").write_text("nobody = 'imports it'")
    assert key(tmp_path, PYTHONHASHSEED="3", LANG="C", HOSTNAME="other", VIRTUAL_ENV="/somewhere", OUTPUT="7") == first


@pytest.mark.parametrize(
    "source",
    [
        FIT + "# words\n",
        FIT.replace("seed(0)", "seed(1)"),
        FIT.replace("arange(10.0)", "arange(10.0) + 1e-15"),
        FIT.replace("1.0,", "1.5,"),
    ],
    ids=["code", "seed", "data", "parameter"],
)
def test_other_work_has_another_key(first: str, tmp_path: Path, source: str) -> None:
    assert key(tmp_path, source) not in (first, None)


def test_the_environment_is_part_of_it(first: str, tmp_path: Path) -> None:
    (tmp_path / "lib" / "thing-1.0.dist-info").mkdir(parents=True)
    lib = str(tmp_path / "lib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), lib))))
        one = key(tmp_path)
        (tmp_path / "lib" / "thing-1.0.dist-info").rename(tmp_path / "lib" / "thing-1.1.dist-info")
        assert len({first, one, key(tmp_path), None}) == 4
    assert key(tmp_path, OMP_NUM_THREADS="7") not in (first, None)


def test_what_parameters_and_inputs_are_decides_whatever_is_read(tmp_path: Path) -> None:
    """Given by a file, with the code the same; their order does not count."""
    source = FIT.replace('**{"alpha": 1.0, "tol": 0.01}', "**settings").replace(
        "import numpy", "import json\nsettings = json.load(open('settings.json'))\nimport numpy"
    )

    def with_settings(text: str) -> Any:
        (tmp_path / "settings.json").write_text(text)
        return key(tmp_path, source)

    one = with_settings('{"alpha": 1.0, "tol": 0.1}')
    assert one is not None
    assert with_settings('{"tol": 0.1, "alpha": 1.0}') == one
    assert with_settings('{"tol": 0.1, "alpha": 2.0}') not in (one, None)


@pytest.mark.parametrize(
    "access",
    [
        "os.environ['EPOCHS']",
        "os.environ.get( 'EPOCHS' )",
        "os.getenv('EPOCHS')",
        "dict(os.environ)['EPOC' + 'HS']",
        "env['EPOCHS']",
        "'EPOCHS' in os.environ",
    ],
)
def test_variables_count_that_the_program_reads(tmp_path: Path, access: str) -> None:
    source = f"import os\nfrom os import environ as env\nprint({access})\n{FIT}"
    if not access.startswith("env"):
        source = source.replace("from os import environ as env\n", "")
    one = key(tmp_path, source, EPOCHS="2", OTHER="1", SHLVL="1")
    assert one is not None
    assert key(tmp_path, source, EPOCHS="2", OTHER="1", SHLVL="2") == one
    assert key(tmp_path, source, EPOCHS="3", OTHER="1", SHLVL="1") not in (one, None)
    named = not access.startswith(("dict", "env"))
    assert (key(tmp_path, source, EPOCHS="2", OTHER="2", SHLVL="1") == one) is named


def test_a_module_that_comes_late_and_reads_variables(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("import os\nos.environ.get('SCALE')\n")
    assert key(tmp_path, FIT + "import late\n") is None


@pytest.mark.parametrize(
    "source",
    [
        FIT.replace("np.random.seed(0)", "").replace("Ridge", "SGDRegressor"),
        FIT.replace("np.random.seed(0)", "np.random.default_rng()"),
        FIT.replace("np.random.seed(0)", "np.random.seed()"),
        FIT + "np.random.RandomState()\n",
        FIT + "import random\nrandom.Random( )\n",
        FIT + "import sys\nsys.stdin\n",
    ],
    ids=[
        "drawn in the training",
        "a generator of one's own",
        "a seed of the system's choice",
        "an old generator",
        "a generator of Python's",
        "what is typed",
    ],
)
def test_what_nobody_has_seeded_has_no_key(tmp_path: Path, source: str) -> None:
    assert key(tmp_path, source.replace('"alpha": 1.0', '"alpha": 0.1')) is None


def test_a_generator_from_which_nothing_is_drawn_may_stand_anywhere(tmp_path: Path) -> None:
    source = "import random\nrandom.random()\n" + FIT.replace("np.random.seed(0)", "np.random.rand()")
    one = key(tmp_path, source)
    assert one is not None
    assert key(tmp_path, source) == one


def test_settings_that_the_program_finds_out(tmp_path: Path) -> None:
    """They are in no file that it opens."""
    source = "import os\n\ncount = len(os.listdir('data'))\nname = f'run-{os.getpid():08}'\n" + FIT
    (tmp_path / "data").mkdir()
    one = key(tmp_path, source)
    assert one is not None
    assert key(tmp_path, source) == one
    (tmp_path / "data" / "more").touch()
    assert key(tmp_path, source) not in (one, None)
