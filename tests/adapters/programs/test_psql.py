"""psql and pg_dump themselves, as the page of programs says."""

from __future__ import annotations

import subprocess

import pytest
import servers

BROKEN = "INSERT INTO orders VALUES (2);\nINSERT INTO nowhere VALUES (1);\n"
MENDED = "INSERT INTO orders VALUES (2);\n"


class Shop:
    def __init__(self, postgres, folder):
        self.env = {"PGHOST": str(postgres.socket_dir), "PGPORT": str(postgres.port)}
        self.env |= {"PGUSER": "postgres"}
        self.binaries = servers._postgres_binaries(folder, None)
        self.script = folder / "repair.sql"
        self.psql("postgres", "-c", "DROP DATABASE IF EXISTS shop WITH (FORCE)")
        self.psql("postgres", "-c", "CREATE DATABASE shop")
        self.psql("shop", "-c", "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)")

    def psql(self, database, *words):
        command = [self.binaries / "psql", "-XAtq", database, *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True)

    @property
    def orders(self):
        return self.psql("shop", "-c", "SELECT id FROM orders ORDER BY id").stdout.split()


@pytest.fixture
def shop(postgres, tmp_path, stage):
    shop = Shop(postgres, tmp_path)
    stage.connections(
        database={
            "allowed": ["psql", "pg_dump", "pg_restore"],
            "path": str(shop.binaries),
            "env": shop.env,
        }
    )
    return shop


def page_of(shop):
    return {"/srv/stratum/repair.sql": shop.script}


async def test_the_worked_step_runs_a_script(stage, shop):
    shop.script.write_text(MENDED)
    result = await stage.page("psql", **page_of(shop))
    assert (result.status, shop.orders) == ("resolved", ["1", "2"])


async def test_a_script_with_an_error_was_not_done_and_leaves_nothing(stage, shop):
    shop.script.write_text(BROKEN)
    await stage.page("psql", **page_of(shop))
    status, why = stage.ends()["script"]
    assert (status, 'relation "nowhere" does not exist' in why[0]) == ("errored", True)
    assert shop.orders == ["1"]


def test_without_on_error_stop_psql_says_that_a_broken_script_went_well(shop):
    shop.script.write_text(BROKEN)
    done = shop.psql("shop", "-f", str(shop.script))
    assert (done.returncode, "does not exist" in done.stderr) == (0, True)
    assert shop.orders == ["1", "2"]


async def test_psql_without_on_error_stop_is_refused_in_words(stage, shop):
    await stage.run("""
steps:
  - {id: script, action: command.run, target: database, idempotent: true,
     with: {argv: [psql, -X, -c, select 1, shop]}}
""")
    status, why = stage.ends()["script"]
    assert (status, why) == (
        "errored", ["`psql` goes on after an error, and ends as if all were well"],
    )  # fmt: skip


async def test_a_connection_that_psql_lost_or_never_had_is_in_doubt(stage, shop, tmp_path):
    shop.script.write_text(MENDED)
    stage.connections(
        database={
            "allowed": ["psql"],
            "path": str(shop.binaries),
            "env": shop.env | {"PGHOST": "127.0.0.1", "PGPORT": str(servers.free_port())},
        }
    )
    await stage.page("psql", **page_of(shop))
    status, why = stage.ends()["script"]
    assert (status, "exit code 2" in why[0]) == ("unknown", True)


async def test_the_worked_dump_can_be_listed(stage, shop, tmp_path):
    dump = tmp_path / "shop.dump"
    result = await stage.page("pg_dump", **{"/backup/shop.dump": dump})
    assert result.status == "resolved"
    await stage.run(f"""
steps:
  - {{id: listed, check: command.run, target: database,
     with: {{argv: [pg_restore, --list, {dump}], parse: lines}},
     expect: "'TABLE DATA public orders' in result.stdout"}}
""")
    assert stage.statuses() == {"listed": "passed"}
