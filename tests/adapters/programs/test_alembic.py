"""alembic itself, on SQLite, as the page of programs says."""

from __future__ import annotations

import sqlite3

import pytest

INI = "[alembic]\nscript_location = migrations\n"
ENV = """\
import os
from alembic import context
from sqlalchemy import create_engine

url = os.environ["DATABASE_URL"]
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url).connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
"""
MIGRATION = """\
from alembic import op
revision = "{name}"
down_revision = {before!r}
def upgrade(): op.execute("{up}")
def downgrade(): op.execute("{down}")
"""


class Project:
    """A folder of migrations, and the database that they change."""

    def __init__(self, folder):
        self.folder = folder
        self.versions = folder / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        (folder / "alembic.ini").write_text(INI)
        (folder / "migrations" / "env.py").write_text(ENV)
        self.last = None

    def add(self, name, up, down="SELECT 1"):
        text = MIGRATION.format(name=name, before=self.last, up=up, down=down)
        (self.versions / f"{name}.py").write_text(text)
        self.last = name

    @property
    def tables(self):
        with sqlite3.connect(self.folder / "shop.db") as database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in found} - {"alembic_version"}


@pytest.fixture
def project(tmp_path, stage):
    project = Project(tmp_path / "api")
    project.add("first", "CREATE TABLE orders (id int)", "DROP TABLE orders")
    project.add("second", "CREATE TABLE people (id int)", "DROP TABLE people")
    stage.connections(
        migrations={
            "allowed": ["alembic"],
            "cwd": str(project.folder),
            "env": {"DATABASE_URL": f"sqlite:///{project.folder}/shop.db"},
        }
    )
    return project


async def test_the_worked_steps_bring_a_database_to_its_head(stage, project):
    result = await stage.page("alembic")
    assert (result.status, project.tables) == ("resolved", {"orders", "people"})
    assert stage.result("verify")["matches"] == ["second"]


async def test_their_rehearsal_shows_the_sql_and_runs_none(stage, project):
    await stage.page("alembic", rehearse=True)
    assert "CREATE TABLE people (id int)" in stage.preview("migrate")["diff"]
    assert project.tables == set()


async def test_a_migration_that_breaks_errors_and_those_before_it_stay(stage, project):
    project.add("third", "CREATE TABLE people (id int)")
    result = await stage.page("alembic")
    status, why = stage.ends()["migrate"]
    assert (result.status, status) == ("failed", "errored")
    assert "already exists" in why[0]
    assert project.tables == {"orders", "people"}


async def test_check_heads_tells_a_database_that_is_behind(stage, project):
    await stage.run("""
steps:
  - {id: up, action: command.run, target: migrations, idempotent: true,
     with: {argv: [alembic, upgrade, first]}}
  - {id: heads, check: command.run, target: migrations,
     with: {argv: [alembic, current, --check-heads]}}
""")
    assert stage.statuses() == {"up": "passed", "heads": "failed"}


async def test_a_downgrade_at_the_base_was_not_done(stage, project):
    await stage.run("""
steps:
  - {id: down, action: command.run, target: migrations, idempotent: true,
     with: {argv: [alembic, downgrade, "-1"]}}
""")
    status, why = stage.ends()["down"]
    assert (status, "exit code 255" in why[0]) == ("errored", True)
