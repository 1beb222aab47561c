"""git itself, as the page of programs says."""

from __future__ import annotations

import subprocess

import pytest

IDENTITY = {
    "GIT_AUTHOR_NAME": "ana", "GIT_AUTHOR_EMAIL": "ana@example.org",
    "GIT_COMMITTER_NAME": "ana", "GIT_COMMITTER_EMAIL": "ana@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


class Repository:
    """A repository with a file that each commit writes anew."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *words):
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=IDENTITY, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, text):
        (self.folder / "release").write_text(f"{text}\n")
        self.git("add", "release")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")

    @property
    def text(self):
        return (self.folder / "release").read_text().strip()


@pytest.fixture
def repository(tmp_path, stage):
    repository = Repository(tmp_path / "shop")
    repository.commit("one")
    repository.commit("two")
    stage.connections(
        repository={"allowed": ["git"], "cwd": str(repository.folder), "env": IDENTITY}
    )
    return repository


async def test_the_worked_steps_take_the_last_release_back(stage, repository):
    released = repository.git("rev-parse", "HEAD")
    result = await stage.page("git")
    assert (result.status, repository.text) == ("resolved", "one")
    assert stage.result("released")["matches"] == [{"commit": released, "subject": "two"}]
    assert repository.git("log", "-1", "--format=%s") == 'Revert "two"'


async def test_their_rehearsal_shows_what_would_be_taken_back_and_leaves_it(stage, repository):
    before = repository.git("rev-parse", "HEAD")
    await stage.page("git", rehearse=True)
    assert stage.statuses()["take_back"] == "previewed"
    assert "release | 2 +-" in stage.preview("take_back")["diff"]
    assert (repository.git("rev-parse", "HEAD"), repository.text) == (before, "two")


async def test_a_file_that_somebody_changed_by_hand_stops_them(stage, repository):
    (repository.folder / "release").write_text("by hand\n")
    result = await stage.page("git")
    assert stage.statuses() == {"released": "passed", "clean": "failed"}
    assert result.status == "failed"
    assert repository.text == "by hand"


async def test_a_folder_that_is_no_repository_does_not_pass(stage, tmp_path):
    stage.connections(repository={"allowed": ["git"], "cwd": str(tmp_path), "env": IDENTITY})
    await stage.page("git")
    status, why = stage.ends()["released"]
    assert (status, "not a git repository" in why[0]) == ("failed", True)


async def test_a_push_without_a_remote_was_certainly_not_done(stage, repository):
    await stage.run(
        """
steps:
  - {id: push, action: command.run, target: repository, idempotent: true,
     with: {argv: [git, push, origin, main]}}
"""
    )
    status, why = stage.ends()["push"]
    assert (status, "exit code 128" in why[0]) == ("errored", True)


async def test_a_revert_in_conflict_was_not_done_and_says_so(stage, repository):
    first = repository.git("rev-parse", "HEAD~1")
    await stage.run(f"""
steps:
  - {{id: back, action: command.run, target: repository, idempotent: true,
     with: {{argv: [git, revert, --no-edit, {first}]}}}}
on_failure:
  - {{id: abort, action: command.run, target: repository, idempotent: true,
     with: {{argv: [git, revert, --abort]}}}}
""")
    assert stage.statuses() == {"back": "errored", "on_failure/abort": "passed"}
    assert repository.git("status", "--porcelain") == ""
