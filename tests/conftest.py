"""Fixtures for every test: real servers, started once by each worker when the first test asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can `import servers`

import servers
from exploring import pytest_generate_tests, pytest_report_header
from workers import pytest_xdist_auto_num_workers

__all__ = [  # hooks, which pytest finds by name
    "pytest_generate_tests",
    "pytest_report_header",
    "pytest_xdist_auto_num_workers",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """What tests that noted something for it saw, as a table.

    No table after a failure: what failed, and why, is to be the last thing on the screen.
    """
    from tests.tables import told  # noqa: PLC0415 - only at the end

    if exitstatus != pytest.ExitCode.OK:
        return
    for title, lines in told(terminalreporter):
        terminalreporter.section(title)
        terminalreporter.line("\n".join(lines))


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """A PostgreSQL server of this worker."""
    with servers.postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_process() -> Iterator[servers.Redis]:
    """A Redis server of this worker, with what earlier tests left in it."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def redis(redis_process: servers.Redis) -> servers.Redis:
    """A Redis server that is empty and as it was configured."""
    redis_process.command("FLUSHALL")
    return redis_process


@pytest.fixture(scope="session")
def tests_database(postgres: servers.Postgres) -> str:
    """A database of this worker, besides `postgres`."""
    import psycopg  # noqa: PLC0415 - 180 ms that most tests need not wait for

    with psycopg.connect(postgres.url(), autocommit=True) as conn:
        conn.execute("CREATE DATABASE tests TEMPLATE template0")
    return "tests"


@pytest.fixture
def database(postgres: servers.Postgres, tests_database: str) -> str:
    """The name of a database that is empty, with nobody connected to it.

    Emptied, not made anew: that takes a tenth of the time.
    """
    import psycopg  # noqa: PLC0415

    with psycopg.connect(postgres.url(tests_database), autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        left = conn.execute(
            "SELECT nspname FROM pg_namespace "
            "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        for (name,) in left:
            conn.execute(
                psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(name))
            )
        conn.execute("CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public")
    return tests_database


@pytest.fixture(scope="session")
def aws_forks() -> Iterator[tuple[str, ...]]:
    """Words that start the AWS of a sandbox in a third of the time: see `aws_forks`."""
    from tests.aws_forks import forked_aws  # noqa: PLC0415 - where one is asked for

    with forked_aws() as words:
        yield words
