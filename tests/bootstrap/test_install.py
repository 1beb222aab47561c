"""What the two commands say, and when they do nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.bootstrap import install

ROOT = Path(__file__).resolve().parents[2]


def call(*words, code="from engine.bootstrap import main; sys.exit(main())"):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_an_old_python_is_told_which_one_is_needed():
    old = "sys.version_info = (3, 9, 2, 'final', 0); "
    done = call("demo", code=old + "from engine.bootstrap import main; sys.exit(main())")
    assert done.returncode == 2
    assert "this is Python 3.9" in done.stderr
    assert "3.11 or newer is needed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["install"], ["--demo"]])
def test_without_one_of_its_two_commands_it_shows_them(words):
    done = call(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == install.USAGE


def test_help_is_what_was_asked_for():
    done = call("--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, install.USAGE, "")


def test_it_needs_nothing_that_is_not_in_the_standard_library():
    code = """
import sys
sys.path = [p for p in sys.path if "site-packages" not in p]
import engine.bootstrap.install
print([m for m in sys.modules if m.split(".")[0] in ("click", "jinja2", "yaml", "pip", "httpx")])
print([m for m in sys.modules if m.startswith("engine.") and not m.startswith("engine.bootstrap")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n[]\n"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone whose `.venv` was installed by an earlier call."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", venv)
    monkeypatch.setattr(install, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(install, "STAMP", venv / "runbook-bootstrap.json")
    stamp = {"extras": ["sandbox"], "pyproject": install.digest(), "python": install.VERSION}
    install.STAMP.write_text(json.dumps(stamp))
    return tmp_path


def test_a_second_call_does_nothing(clone, capsys):
    install.install("sandbox")
    assert capsys.readouterr().err == ""


def test_what_was_installed_for_another_pyproject_counts_no_more(clone):
    assert install.installed() == {"sandbox"}
    (clone / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert install.installed() == set()


@pytest.mark.parametrize("stamp", ["", "{", "{}", '{"python": "3.6"}'])
def test_a_note_that_says_something_else_counts_for_nothing(clone, stamp):
    install.STAMP.write_text(stamp)
    assert install.installed() == set()


def test_outside_a_clone_it_says_so(clone):
    (clone / "pyproject.toml").unlink()
    with pytest.raises(install.Stopped, match=r"has no pyproject\.toml"):
        install.install("sandbox")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Collecting click>=8.1\n", "collecting click>=8.1"),
        ("  Downloading https://x/files/click-8.1-py3-none-any.whl (98 kB)\n", "downloading "),
        ("Installing collected packages: a, b, c\n", "installing 3 packages"),
        ("  Installing build dependencies: started\n", "installing build dependencies"),
        ("  WARNING: Retrying (Retry(total=1)) after ...\n", "the package index does not answer"),
        ("Requirement already satisfied: pip\n", None),
        ("\n", None),
    ],
)
def test_a_line_of_pips_is_told_in_a_few_words(line, told):
    found = install.news(line)
    assert found == told if told is None else found.startswith(told)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["NewConnectionError(...)", "ERROR: none"], "the package index cannot be reached"),
        (["OSError: [Errno 28] No space left on device"], "the disk that holds "),
        (["ERROR: No matching distribution found for x"], "pip ended with 1"),
    ],
)
def test_an_installation_that_ends_early_is_explained(lines, why):
    told = install.why_pip_stopped(lines, 1)
    assert told.startswith(why)
    assert lines[-1] in told
