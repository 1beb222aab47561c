"""df, find and pytest themselves, as the page of programs says."""

from __future__ import annotations

import os
import time

import pytest

DAY_S = 86_400


@pytest.fixture
def logs(tmp_path, stage):
    """Old and new files of a folder, and what does not match."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, days in {"a.log.1": 40, "b.log.2": 1, "c.log": 40}.items():
        (folder / name).touch()
        then = time.time() - days * DAY_S
        os.utime(folder / name, (then, then))
    stage.connections(workers={"allowed": ["df", "find"]})
    return folder


def left(logs):
    return sorted(path.name for path in logs.iterdir())


async def test_the_worked_steps_remove_old_files_only(stage, logs):
    result = await stage.page("find", **{"/var/log/stratum": logs})
    assert (result.status, left(logs)) == ("resolved", ["b.log.2", "c.log"])
    assert stage.result("remove")["lines"] == [str(logs / "a.log.1")]


async def test_their_rehearsal_lists_what_would_go_and_removes_nothing(stage, logs):
    await stage.page("find", rehearse=True, **{"/var/log/stratum": logs})
    assert stage.preview("remove")["diff"] == f"{logs / 'a.log.1'}\n"
    assert left(logs) == ["a.log.1", "b.log.2", "c.log"]


async def test_with_nothing_old_nothing_is_done(stage, logs):
    (logs / "a.log.1").unlink()
    await stage.page("find", **{"/var/log/stratum": logs})
    assert left(logs) == ["b.log.2", "c.log"]
    assert stage.statuses() == {"old_logs": "passed"}


async def test_a_folder_that_is_not_there_does_not_pass(stage, logs):
    await stage.page("find", **{"/var/log/stratum": logs / "none"})
    status, why = stage.ends()["old_logs"]
    assert (status, "exit code 1: find: " in why[0]) == ("failed", True)


async def test_the_worked_df_tells_how_full_the_disk_is(stage, logs):
    result = await stage.page("df")
    assert result.status == "resolved"
    (end,) = [event for event in stage.seen if event.type == "StepFinished"]
    assert 0 <= end.body["extracted"]["used_percent"] <= 100


@pytest.mark.parametrize(
    ("text", "outcome", "status"),
    [
        ("assert True", "resolved", "passed"),
        ("assert False", "failed", "failed"),
        ("return = 1", "failed", "errored"),
    ],
    ids=["hold", "fail", "cannot be read"],
)
async def test_the_worked_pytest_tells_failed_from_not_judged(
    stage, tmp_path, text, outcome, status
):
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = smoke\n")
    (folder / "test_it.py").write_text(
        f"import pytest\n@pytest.mark.smoke\ndef test_it():\n    {text}\n"
    )
    stage.connections(repository={"allowed": ["pytest"], "cwd": str(folder)})
    result = await stage.page("pytest")
    assert (result.status, stage.statuses()["smoke"]) == (outcome, status)
