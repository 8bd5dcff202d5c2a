"""Secrets are taken out before anything is written."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrack.capture.secrets import HIDDEN, is_secret_name, redact, redact_arguments
from autotrack.events import ArtifactSeen
from autotrack.testing import Recording, run_program

NAMES = ["password", "db-password", "API_KEY", "token", "hf_token", "secret", "aws_secret_access_key", "auth", "pwd"]
SECRETS = st.text(string.ascii_letters + string.digits + "!$%^*+.,;_@:", min_size=8).filter(lambda s: s[0] != "-")
names = st.sampled_from(NAMES)
dashes = st.sampled_from(["--", "-", ""])


@given(names, SECRETS)
def test_options_with_a_value_after_them(name: str, secret: str) -> None:
    assert redact_arguments(["train.py", f"--{name}", secret, "--lr", "0.1"])[2:] == (HIDDEN, "--lr", "0.1")


@given(dashes, names, SECRETS)
def test_options_with_their_value(dash: str, name: str, secret: str) -> None:
    assert redact_arguments([f"{dash}{name}={secret}", "5"]) == (f"{dash}{name}={HIDDEN}", "5")


@given(SECRETS)
def test_passwords_in_urls(secret: str) -> None:
    hidden = redact(f"see postgresql://kim:{secret}@host:5432/db?x=1 now")
    assert hidden == f"see postgresql://kim:{HIDDEN}@host:5432/db?x=1 now"


@given(st.text(string.ascii_letters + string.digits, min_size=16))
def test_tokens_in_urls(secret: str) -> None:
    assert redact(f"https://{secret}@github.com/a/b") == f"https://{HIDDEN}@github.com/a/b"
    assert redact(f"https://h/p?a=1&access_token={secret}&b=2") == f"https://h/p?a=1&access_token={HIDDEN}&b=2"


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a" * 30,
        "glpat-" + "x" * 20,
        "hf_" + "a" * 34,
        "sk-" + "a1" * 20,
        "xoxb-123456789012-abc",
        "AIza" + "a" * 35,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1",
    ],
)
def test_what_looks_like_a_key(secret: str) -> None:
    assert redact(f"before {secret} after") == f"before {HIDDEN} after"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("DB_PASSWORD=hunter22", "hunter22"),
        ("export GITHUB_TOKEN=hunter22", "hunter22"),
        ("passphrase: hunter22", "hunter22"),
        ("https://host/x.csv?jwt=hunter22", "hunter22"),
        ("aws_secret_access_key = k3yval-1", "k3yval-1"),
        ('SECRET_KEY: "yaml-12"', "yaml-12"),
        ("Authorization: token a1b2c3d4e5", "a1b2c3d4e5"),
        ("train.py --password opt12345 -x", "opt12345"),
        ("train.py --hf-token=opt12345 -x", "opt12345"),
        ('{"token": "js0n-t0ken"}', "js0n-t0ken"),
        ("https://hooks.slack.com/services/T00000000/B00000000/a1b2c3d4e5f6g7h8i9j0k1l2", "a1b2c3d4e5f6g7h8i9j0k1l2"),
    ],
)
def test_secrets_within_texts(text: str, secret: str) -> None:
    assert redact(text) == text.replace(secret, HIDDEN).replace("T00000000/B00000000/[", "[")


def test_the_value_of_an_option_is_known_wherever_it_comes_up(tmp_path: Path) -> None:
    """Parsers file it under names of their own."""
    source = """
import argparse, autotrack
parser = argparse.ArgumentParser()
parser.add_argument("--token", dest="tk")
print(parser.parse_args().tk)
autotrack.log({"loss": 1.0})
"""
    (tmp_path / "inner.py").write_text(source)
    run = "import subprocess, sys\nsubprocess.run([sys.executable, 'inner.py', '--token', 'plan' + 'ted-0123'])"
    done = run_program(run, tmp_path)
    assert done.stdout == "planted-0123\n", done.stderr
    for path in (tmp_path / ".autotrack").rglob("*"):
        assert path.is_dir() or b"planted-0123" not in path.read_bytes(), path


@pytest.mark.parametrize(
    "text",
    [
        "--num-tokens 1000000",
        "--max-token 1000000",
        '{"bos_token": "<|begin|>"}',
        "the secret: a story",
        "num_tokens=12345",
        "PAD_TOKEN=abcdefgh",
        "password: null",
    ],
)
def test_texts_of_vocabularies_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["sk_logistic_regression_baseline", "sk-resnet50-cifar10-augmented", "rk_runge_kutta_fourth_order_solver"]
)
def test_names_of_models_stay(name: str) -> None:
    assert redact(f"models/{name}.joblib") == f"models/{name}.joblib"


@pytest.mark.parametrize(
    "key", ["sk-proj-aB3dE_-fG5hI7jK9lM1nO", "sk_live_" + "4eC39Hq" * 4, "sk-ant-api03-" + "a1B2-c3D4e5F6g7"]
)
def test_keys_of_services(key: str) -> None:
    assert redact(f"use {key} here") == f"use {HIDDEN} here"


@pytest.mark.parametrize("name", ["pw", "db_pw", "OPENAI_KEY", "password1", "jwt", "cookie", "passkey"])
def test_other_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["plan.embed_tokens", "max_tokens", "embedding_token"])
def test_names_of_vocabularies(name: str) -> None:
    assert not is_secret_name(name)


@given(st.text())
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redact(text), str)
    assert len(redact_arguments([text, text])) == 2


@pytest.mark.parametrize(
    "word",
    ["--lr=0.1", "author", "--password-file", "--first_pass", "patch_token", "https://host/path", "keyboard", "a:b@c"],
)
def test_what_is_no_secret_stays(word: str) -> None:
    assert redact_arguments([word, "x"]) == (word, "x")
    assert not is_secret_name(word)


def test_secrets_in_the_names_of_files(tmp_path: Path) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    source = """
import os, autotrack
name = os.environ["NAME"]
os.makedirs(f"{name}-folder")
for number in range(60):
    open(f"{name}-folder/{number}.txt", "w").write("x")
open(f"{name}-a.txt", "w").write("a")
open(f"{name}-a.txt").read()
os.rename(f"{name}-a.txt", f"{name}-b.txt")
open(f"{name}-b.txt", "a").write("b")
autotrack.log({"loss": 1.0})
"""
    done = run_program(source, tmp_path, env={"NAME": key})
    assert done.returncode == 0
    seen = [event.path for event in Recording(tmp_path / ".autotrack").events() if isinstance(event, ArtifactSeen)]
    assert f"{tmp_path}/{HIDDEN}-b.txt" in seen
    assert f"{tmp_path}/{HIDDEN}-folder" in seen
    for path in (tmp_path / ".autotrack").rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    secret = "s3cr3t-Value"
    source = f"""
import sys, subprocess
subprocess.run([sys.executable, "child.py", "--token", {secret!r}, "--password={secret}"], check=False)
"""
    (tmp_path / "child.py").write_text(f"""
import autotrack, pathlib
pathlib.Path(".git").mkdir()
pathlib.Path(".git/HEAD").write_text("ref: refs/heads/main")
pathlib.Path(".git/config").write_text('[remote "origin"]\\n\\turl = https://kim:{secret}@host/repo\\n')
autotrack.log({{"loss": 1.0}})
class Odd:
    def __repr__(self): raise ValueError("https://kim:{secret}@host")
autotrack.log({{"odd": Odd()}})
raise RuntimeError("can't reach https://kim:{secret}@host/x")
""")
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "0"})  # what `repr` raises is contained
    files = [path for path in (tmp_path / ".autotrack").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert secret.encode() not in content, path
    assert any(b"can't reach https://kim:" + HIDDEN.encode() in path.read_bytes() for path in files)
