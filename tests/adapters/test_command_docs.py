"""The page about programs: every runbook and every connection in it is right as it stands there."""

from __future__ import annotations

import pytest

from actions import command as actions
from checks import command as checks
from engine.adapters.command import CommandAdapter
from engine.adapters.command_programs import trap
from engine.adapters.ssh import SshAdapter
from engine.config import Books
from engine.language.load import load_runbook
from engine.language.model import Call, walk_runbook
from engine.registry import Registry
from engine.wiring.admission import check_targets
from tests.adapters.command_docs import ENVIRONMENT, SECTIONS

PROGRAMS = [
    "git",
    "alembic",
    "celery",
    "aws",
    "docker",
    "make",
    "psql",
    "pg_dump",
    "redis-cli",
    "pytest",
    "npm",
    "dbt",
    "df",
    "find",
    "openssl",
]


@pytest.fixture(scope="module")
def registry():
    return Registry.of([checks, actions], [CommandAdapter, SshAdapter])


@pytest.fixture(scope="module")
def environment(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    (folder / "p" / "environments").mkdir(parents=True)
    (folder / "p" / "environments" / "test.yaml").write_text(ENVIRONMENT)
    return Books([folder]).environment("p", "test", registry)


def loaded(name, registry):
    return load_runbook(f"p/{name}", f"title: {name}\n{SECTIONS[name]}", name, registry, no_book)


def no_book(_name):
    return None


def test_every_program_that_is_called_for_has_a_section():
    assert set(SECTIONS) == {*PROGRAMS, "docker compose"}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_worked_step_is_right_as_it_stands_there(name, registry, environment):
    check_targets(loaded(name, registry), environment)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_worked_step_starts_a_program_that_its_connection_allows_and_is_no_trap(
    name, registry, environment
):
    for call in walk_runbook(loaded(name, registry)):
        if isinstance(call, Call):
            settings = environment.connections[call.target].settings
            for key in ("argv", "dry_run_argv"):
                words = [str(word) for word in call.params.get(key) or ()]
                if words:
                    assert words[0] in settings["allowed"]
                    assert words[0] == name.split()[0]
                    assert trap(words, has_stdin="stdin_of" in call.params) is None


def test_the_environment_holds_no_secret_and_gives_no_warning(environment):
    assert environment.warnings == ()
