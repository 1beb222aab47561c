"""What a machine can see in the code: style, types, layers, sizes. Part of the tests, so that one
command says whether a change may land.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.wiring import VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "checks", "actions")
TOP_LEVEL = {"pyproject.toml", "engine", "runbooks", "checks", "actions", "tests", "README.md"}
MODULE_MAX_LINES = 400
FUNCTION_MAX_LINES = 50


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    bin_ = Path(sys.executable).parent
    return subprocess.run(
        [str(bin_ / command[0]), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def sources() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in PACKAGES]


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=["lint", "format", "types", "layers"],
)
def test_the_code_passes(command: tuple[str, ...]):
    done = ran(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_over_its_size():
    over = {
        str(p.relative_to(ROOT)): n
        for p in sources()
        if (n := p.read_text().count("\n")) > MODULE_MAX_LINES
    }
    assert over == {}


def documented(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a docstring: of a check or action they document each parameter for the schema."""
    first = node.body[0]
    is_text = ast.get_docstring(node) is not None
    return (first.end_lineno or 0) - first.lineno + 1 if is_text else 0


def test_no_function_is_over_its_size():
    over = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno - documented(node) > FUNCTION_MAX_LINES
    ]
    assert over == []


def test_the_top_level_is_the_fixed_one():
    found = {p.relative_to(ROOT).parts[0] for p in tracked()}
    assert {name for name in found if not name.startswith(".")} == TOP_LEVEL


def test_nothing_is_left_to_do_or_skipped_or_mocked():
    words = (
        "TO" + "DO",
        "x" + "fail",
        "mark." + "skip",
        "unittest" + ".mock",
        "raise NotImplemented" + "Error",
    )
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        if path.suffix == ".py"
        for word in words
        if word in path.read_text()
    ]
    assert found == []


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"\ndependencies = \[\n(.*?)\n\]", text, re.DOTALL)
    assert listed is not None
    assert [line for line in listed[1].splitlines() if "#" not in line] == []
