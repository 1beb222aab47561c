"""Completion in a shell: names from files, fast, and never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNBOOK = Path(sys.executable).with_name("runbook")

MEMORY = """\
title: Redis memory pressure
# inputs: not these
inputs:
  # the limit
  limit: {type: number, default: 0.8}
  namespace:
    type: string
    default: "cache:*"

steps:
  - check: run.value
    with: {value: 1}
"""


@pytest.fixture
def books(tmp_path):
    for name, text in {
        "stratum/memory.yaml": MEMORY,
        "stratum/memory.test.yaml": "",
        "stratum/connections.yaml": "title: x\n",
        "stratum/contacts.yaml": "",
        "stratum/environments/staging.yaml": "",
        "stratum/environments/production.yaml": "",
        "shop/disk.yaml": "",
        "shop/environments/sandbox.yaml": "",
    }.items():
        file = tmp_path / "runbooks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def completed(folder: Path, *words: str, shell: str = "zsh") -> list[str]:
    """What the shell is offered for the last word."""
    line = " ".join(("runbook", *words))
    done = subprocess.run(
        [RUNBOOK],
        env={**os.environ, "_RUNBOOK_COMPLETE": f"{shell}_complete", "COMP_WORDS": line,
             "COMP_CWORD": str(len(words)), "XDG_STATE_HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if shell == "bash":
        return [line.partition(",")[2] for line in lines if line]
    return lines[1::3]


def test_commands_are_completed(books):
    assert completed(books, "re") == ["replay", "rehearse", "resume", "report"]
    assert completed(books, "run") == ["run", "runs"]


def test_runbooks_are_completed_without_tests_and_contacts(books):
    assert completed(books, "run", "") == ["shop/disk", "stratum/connections", "stratum/memory"]
    assert completed(books, "show", "stratum/m") == ["stratum/memory"]


def test_environments_are_those_of_the_pack_on_the_line(books):
    assert completed(books, "run", "stratum/memory", "--env", "") == ["production", "staging"]
    assert completed(books, "doctor", "shop", "-e", "s") == ["sandbox"]


def test_inputs_are_those_of_the_runbook_on_the_line(books):
    assert completed(books, "run", "stratum/memory", "-i", "") == ["limit=", "namespace="]
    assert completed(books, "run", "stratum/memory", "--input", "l") == ["limit="]


def test_the_value_of_an_input_is_left_to_the_person(books):
    assert completed(books, "run", "stratum/memory", "-i", "limit", "=", shell="bash") == []


def test_books_named_on_the_line_are_used(books):
    (books / "elsewhere" / "ops").mkdir(parents=True)
    (books / "elsewhere" / "ops" / "drain.yaml").write_text("")
    assert completed(books, "--books", "elsewhere", "run", "") == ["ops/drain"]


def test_runs_are_completed_also_where_there_is_no_journal_yet(books):
    assert completed(books, "audit", "show", "") == ["last"]


def test_a_runbook_that_cannot_be_read_completes_nothing(books):
    (books / "runbooks/stratum/memory.yaml").write_bytes(b"inputs:\n  \xff\xfe: \x00\n")
    assert completed(books, "run", "stratum/memory", "-i", "") == []
    assert completed(books, "run", "stratum/none", "-i", "") == []


def test_completion_imports_nothing_heavy(books):
    code = (
        "import sys; from engine.cli.main import main; main(); "
        "heavy = {'asyncio', 'jinja2', 'httpx', 'yaml', 'psycopg', 'redis'} & set(sys.modules); "
        "print(*heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_RUNBOOK_COMPLETE": "zsh_complete", "COMP_WORDS": "runbook run ",
             "COMP_CWORD": "2"},
        cwd=books, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "stratum/memory" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_that_switches_completion_on_makes_a_script(shell, books):
    done = subprocess.run(
        [RUNBOOK, "completion", shell], cwd=books, capture_output=True, text=True, check=True
    )
    assert f"_RUNBOOK_COMPLETE={shell}_source runbook" in done.stdout
    script = subprocess.run(
        [RUNBOOK],
        env={**os.environ, "_RUNBOOK_COMPLETE": f"{shell}_source"},
        cwd=books, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "runbook" in script.stdout


def test_bash_itself_completes_an_input_without_a_space_behind_it(books):
    probe = """
        source <(_RUNBOOK_COMPLETE=bash_source runbook)
        COMP_WORDS=(runbook run stratum/memory -i l); COMP_CWORD=4
        compopt() { echo "compopt $1 $2"; }
        _runbook_completion runbook
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", probe],
        env={**os.environ, "PATH": f"{RUNBOOK.parent}:{os.environ['PATH']}"},
        cwd=books, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["compopt -o nospace", "limit="]
