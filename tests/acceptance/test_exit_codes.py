"""What a script that calls `runbook` can rely on: each exit code, from the real command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.program import Program
from tests.acceptance.service import Reply, Request, Service

RUNBOOKS = {
    "p/good.yaml": """\
        title: Holds
        steps:
          - {id: one, check: run.compare, with: {left: 1, op: <, right: 2}}
        """,
    "p/bad.yaml": """\
        title: Does not hold
        steps:
          - {id: one, check: run.compare, with: {left: 1, op: ">", right: 2}}
        """,
    "p/given-up.yaml": """\
        title: Nothing could be done
        steps:
          - {end: unresolved, because: nobody knows}
        """,
    "p/mistaken.yaml": """\
        title: Has a mistake
        stepps: []
        """,
    "p/ask.yaml": """\
        title: Asks
        steps:
          - {id: look, check: human.confirm, with: {question: Is it red?}}
        """,
    "p/on-call.yaml": """\
        title: Not for everybody
        who: [on-call]
        steps:
          - {id: one, check: run.value, with: {value: 1}}
        """,
    "p/nobody-there.yaml": """\
        title: Cannot be asked
        steps:
          - {id: up, check: http.request, target: gone}
        """,
    "p/lost.yaml": """\
        title: The reply is lost
        steps:
          - id: order
            action: http.request
            target: api
            idempotent: true
            with: {method: POST, path: /order}
        """,
    "p/secret.yaml": """\
        title: Needs a secret
        steps:
          - {id: up, check: http.request, target: guarded}
        """,
    "p/misplaced.yaml": """\
        title: Has an address that is none
        steps:
          - {id: up, check: http.request, target: misplaced}
        """,
    "p/brew.yaml": """\
        title: Needs a package that is broken
        steps:
          - {id: tank, check: coffee.level}
        """,
}


@pytest.fixture
def books(program: Program) -> Iterator[Program]:
    for name, text in RUNBOOKS.items():
        program.write(name, text)
    with Service(drops_everything) as service:
        program.write(
            "p/environments/test.yaml",
            f"""\
            connections:
              gone: {{adapter: http, base_url: "http://127.0.0.1:9"}}
              api: {{adapter: http, base_url: "{service.url}"}}
              guarded:
                adapter: http
                base_url: "{service.url}"
                headers: {{Authorization: "Bearer ${{env:NOT_THERE}}"}}
              misplaced: {{adapter: http, base_url: "${{env:HOME}}"}}
            """,
        )
        yield program


async def drops_everything(_: Request) -> Reply:
    return Reply(0)


def run(program: Program, name: str):
    return program("run", f"p/{name}", "--env", "test")


def test_0_what_was_asked_for_is_so(books: Program):
    assert run(books, "good").code == 0
    assert books("lint", "p/good").code == 0
    assert books("audit", "verify").code == 0


def test_1_it_could_be_asked_and_the_answer_is_no(books: Program):
    assert run(books, "bad").code == 1
    assert run(books, "given-up").code == 1
    damage(books.journal)
    assert books("audit", "verify").code == 1


def damage(journal: Path) -> None:
    """Alters a recorded byte, as somebody with an editor would."""
    octets = journal.read_bytes()
    assert b"nobody knows" in octets
    journal.write_bytes(octets.replace(b"nobody knows", b"nobody cares"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "p/mistaken", "--env", "test"), "runbooks/p/mistaken.yaml:2:1: RB101"),
        (("run", "p/not-there", "--env", "test"), "no runbook is named 'p/not-there'"),
        (("run", "p/good", "--env", "elsewhere"), "no environment 'elsewhere'"),
        (("run", "p/good", "--env", "test", "-i", "n=1"), "p/good has no input `n`"),
        (("run", "p/good", "--evn", "test"), "No such option"),
        (("lint", "p"), "p/mistaken.yaml:2:1: RB101"),
        (("watch", "20260101-000000-nothere1"), "there is no run"),
        (("brew",), "there is no command 'brew'"),
    ],
)
def test_2_the_runbook_or_the_call_is_wrong(books: Program, words: tuple[str, ...], said: str):
    done = books(*words)
    assert (done.code, done.out.count(said) + done.err.count(said)) == (2, 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("secret", "the environment variable NOT_THERE is not set (connection guarded)"),
        ("misplaced", "connection misplaced: the base_url is not of the form http://host"),
    ],
)
def test_2_it_cannot_begin_where_the_surroundings_are_wrong(books: Program, name: str, said: str):
    done = run(books, name)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "no runs yet" in books("runs").err


def test_3_a_person_must_look_when_it_could_not_be_asked_or_is_in_doubt(books: Program):
    refused = run(books, "nobody-there")
    assert (refused.code, "127.0.0.1:9 refuses connections" in refused.out) == (3, True)
    lost = run(books, "lost")
    assert (lost.code, "in doubt" in lost.out) == (3, True)
    assert books("resume", lost.run).code == 3
    assert books("doctor", "p", "--env", "test").code == 3


def test_4_the_journal_cannot_be_written(books: Program):
    done = books("--store", "sqlite:///dev/null/journal.db", "run", "p/good", "--env", "test")
    assert (done.code, done.out) == (4, "")
    assert "the journal /dev/null/journal.db cannot be" in done.err


def test_5_what_is_installed_is_broken_and_runs_that_do_not_need_it_run(books: Program):
    site = books.folder / "site" / "brewer-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: brewer\nVersion: 1.0\n")
    (site / "entry_points.txt").write_text("[runbook.checks]\ncoffee = brewer.checks\n")
    broken = {"environ": {"PYTHONPATH": str(site.parent)}}
    told = books("lint", "p/brew", **broken)
    assert (told.code, "RB303" in told.out) == (2, True)
    done = books("schema", **broken)
    assert (done.code, done.out) == (5, "")
    assert "brewer.checks cannot be imported: ModuleNotFoundError" in done.err
    assert "mend that package, or uninstall it" in done.err
    assert "Traceback" not in done.err
    assert run_with(books, broken).code == 0


def run_with(program: Program, how: dict[str, Any]):
    return program("run", "p/good", "--env", "test", **how)


def test_6_it_is_refused(books: Program):
    done = run(books, "on-call")
    assert (done.code, done.out) == (6, "")
    assert "it takes one of the roles on-call" in done.err


def test_7_it_waits_for_a_person(books: Program):
    done = run(books, "ask")
    assert done.code == 7
    assert f"runbook answer {done.run} look yes" in done.err
