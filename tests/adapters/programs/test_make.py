"""make itself, as the page of programs says."""

from __future__ import annotations

import pytest

MAKEFILE = "build:\n\t@echo one > one\n\t@test -e wanted\n\t@echo two > two\n"


@pytest.fixture
def folder(tmp_path, stage):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    stage.connections(repository={"allowed": ["make"], "cwd": str(folder)})
    return folder


async def test_the_worked_step_builds(stage, folder):
    (folder / "wanted").touch()
    result = await stage.page("make")
    assert (result.status, (folder / "two").read_text()) == ("resolved", "two\n")


async def test_its_rehearsal_prints_the_commands_and_runs_none(stage, folder):
    await stage.page("make", rehearse=True)
    assert stage.preview("build")["diff"].splitlines()[0] == "echo one > one"
    assert not (folder / "one").exists()


async def test_a_recipe_that_breaks_errors_and_what_was_before_it_is_done(stage, folder):
    await stage.page("make")
    status, why = stage.ends()["build"]
    assert (status, "exit code 2" in why[0]) == ("errored", True)
    assert (folder / "one").exists()
