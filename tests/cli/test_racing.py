"""Two people type in the same moment: whoever is second reads the truth, and the exit code says so.

Between what the second command has read and what it appends, the whole of the first one is run.
"""

from __future__ import annotations

import asyncio
import pwd
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.cli.main import main
from engine.journal.sqlite import SqliteStore

APPROVES = """\
title: Small
steps:
  - {id: note, action: run.note, with: {text: x}, approve: {by: [lead]COUNT}}
"""
ASKS = "title: Asks\nsteps:\n  - {id: sure, check: human.confirm, with: {question: Is it red?}}\n"
CALLS = "title: Calls\nsteps:\n  - {id: call, escalate: default, wait: acknowledged}\n"
CONTACTS = """\
people:
  bob: {name: Bob Ray, os_user: bob, roles: [lead]}
  carol: {name: Carol Fox, os_user: carol, roles: [lead]}
"""
AT = r"at \d\d:\d\d:\d\d UTC"

Types = Callable[..., Any]


@pytest.fixture
def types(shop, monkeypatch, capsys) -> Types:
    """Somebody types a command; `behind`: what somebody else types in the same moment, first."""
    now = ["ana"]
    named = lambda _uid: SimpleNamespace(pw_name=now[0])  # noqa: E731
    monkeypatch.setattr(pwd, "getpwuid", named)
    append = SqliteStore.append_outside

    def put(who: str, *words: str, behind: tuple[str, ...] = ()) -> Any:
        async def late(store: Any, run: str, draft: Any) -> Any:
            SqliteStore.append_outside = append  # type: ignore[method-assign]
            now[0] = behind[0]
            assert await asyncio.to_thread(main, list(behind[1:])) == 0
            capsys.readouterr()
            return await append(store, run, draft)

        now[0] = who
        monkeypatch.setattr(SqliteStore, "append_outside", late if behind else append)
        code = main(list(words))
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    def begins(text: str) -> None:
        (shop / "runbooks/shop/it.yaml").write_text(text.replace("COUNT", ""))
        (shop / "runbooks/shop/contacts.yaml").write_text(CONTACTS)
        assert put("ana", "run", "shop/it", "--env", "staging").code == 7

    put.begins = begins  # type: ignore[attr-defined]
    return put


@pytest.mark.parametrize(
    ("text", "first", "second", "why"),
    [
        (
            APPROVES,
            ("approve", "last", "--reason", "fine"),
            ("approve", "last", "--reason", "fine"),
            f"it was decided already: Bob Ray approved it {AT}",
        ),
        (
            APPROVES,
            ("approve", "last", "--reason", "fine"),
            ("deny", "last", "--reason", "not now"),
            f"it was decided already: Bob Ray approved it {AT}",
        ),
        (
            APPROVES,
            ("deny", "last", "--reason", "not now"),
            ("approve", "last", "--reason", "fine"),
            f"it was decided already: Bob Ray denied it {AT}",
        ),
        (
            ASKS,
            ("answer", "last", "no"),
            ("answer", "last", "yes"),
            f"Bob Ray answered no {AT}",
        ),
        (CALLS, ("ack", "last"), ("ack", "last"), f"Bob Ray took it {AT}"),
        (
            APPROVES,
            ("cancel", "last", "--reason", "no"),
            ("approve", "last", "--reason", "fine"),
            f"Bob Ray asked it to stop {AT}",
        ),
    ],
)
def test_whoever_types_behind_somebody_else_reads_who_was_first(types, text, first, second, why):
    types.begins(text)
    done = types("carol", *second, behind=("bob", *first))
    assert done.code == 6
    assert re.search(f"error: yours is recorded, and changes nothing: {why}\n", done.err)
    assert done.out == ""


def test_two_of_two_read_how_many_had_approved_with_them(types):
    types.begins(APPROVES.replace("COUNT", ", count: 2"))
    say = ("approve", "last", "--reason", "fine")
    assert "approved (2 of 2): note of run" in types("carol", *say, behind=("bob", *say)).out


def test_whoever_asks_a_run_to_stop_reads_who_did_so_before(types):
    types.begins(APPROVES)
    say = ("cancel", "last", "--reason", "no")
    done = types("carol", *say, behind=("bob", *say))
    assert done.code == 0
    assert re.search(f"Bob Ray asked it to stop {AT}", done.err)


def test_the_trail_says_of_whoever_took_it_second_that_it_was_taken(types):
    types.begins(CALLS)
    types("carol", "ack", "last", behind=("bob", "ack", "last"))
    trail = types("ana", "audit", "show", "last").out
    assert "Bob Ray has taken call\n" in trail
    assert "Carol Fox has taken call, which was taken already\n" in trail


def test_the_trail_says_of_whoever_approved_second_that_it_does_not_count(types):
    types.begins(APPROVES)
    say = ("approve", "last", "--reason", "fine")
    types("carol", *say, behind=("bob", *say))
    trail = types("ana", "audit", "show", "last").out
    assert "note: a word that does not count (approve)" in trail
    assert "it was decided already: Bob Ray approved it at" in trail
