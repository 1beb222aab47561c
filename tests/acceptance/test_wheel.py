"""What is shipped: the wheel, in an environment of its own, away from the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.program import Program

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "checks", "actions")
PIP = ("--quiet", "--disable-pip-version-check", "--no-input")

DEMONSTRATION = "adinsights/health-checks"
"""Needs nothing but the small HTTP service that the wheel brings: no Redis, no PostgreSQL."""


def ran(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shipped() -> set[str]:
    """The files of the packages as git has them or will have them."""
    listed = ran(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES, cwd=ROOT
    )
    return {line for line in listed.splitlines() if (ROOT / line).is_file()}


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_and_runs_by_itself(program: Program):
    wheel = built(program.folder)
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
        metadata = {n.rpartition("/")[2] for n in content.namelist() if ".dist-info/" in n}
    assert {name.partition("/")[0] for name in names} == set(PACKAGES)
    assert names == shipped()
    assert {"METADATA", "RECORD", "WHEEL", "entry_points.txt"} <= metadata

    installed(wheel, program)
    assert program("--version").out == "runbook 0.1.0\n"
    program.folder.joinpath("elsewhere").mkdir()
    shutil.copytree(ROOT / "runbooks", program.folder / "runbooks")
    program.environ["RUNBOOK_BOOKS"] = str(program.folder / "runbooks")
    program.folder = program.folder / "elsewhere"
    runs_by_itself(program)


def built(folder: Path) -> Path:
    ran(
        sys.executable, "-m", "pip", "wheel", *PIP, "--no-deps", "--wheel-dir", folder, ROOT,
        cwd=folder,
    )  # fmt: skip
    (wheel,) = folder.glob("runbook-*.whl")
    return wheel


def installed(wheel: Path, program: Program) -> None:
    """Into a fresh environment, with what it depends on from the index that pip is set up for."""
    place = program.folder / "venv"
    venv.EnvBuilder(symlinks=True).create(place)
    ran(
        sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", *PIP, wheel,
        cwd=program.folder,
    )  # fmt: skip
    program.program = [str(place / "bin" / "runbook")]
    program.environ["PATH"] = f"{place / 'bin'}:/usr/bin:/bin"


def runs_by_itself(program: Program) -> None:
    listed = program("list")
    assert (listed.code, DEMONSTRATION in listed.out) == (0, True)
    linted = program("lint")
    assert (linted.code, linted.out) == (0, "")
    assert linted.err.endswith("files read: 0 errors, 0 warnings\n")
    demo = program("demo", DEMONSTRATION)
    assert demo.code == 1, demo.all
    assert "unresolved after" in demo.out
    assert program("audit", "verify").code == 0
    code = "import engine, checks, actions; print(engine.__file__, checks.__file__)"
    found = ran(Path(program.program[0]).with_name("python"), "-c", code, cwd=program.folder)
    assert str(ROOT) not in found
