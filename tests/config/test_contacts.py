"""Contacts: people, roles, policies; empty where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Books, Contacts, Level, Person
from engine.errors import Diagnosed, Place

GOOD = Path(__file__).with_name("good_contacts.yaml").read_text()


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "stratum"
    folder.mkdir()
    return folder


def read(pack, text):
    (pack / "contacts.yaml").write_text(text)
    return Books([pack.parent]).contacts("stratum")


def test_contacts_are_read_whole(pack):
    found = read(pack, GOOD)
    file = str(pack / "contacts.yaml")
    ana = Person(
        "ana",
        "Ana Lim",
        Place(file, 2, 3),
        "alim",
        ("on-call", "lead"),
        {"email": "ana@example.com"},
    )
    bo = Person("bo", "bo", Place(file, 3, 3), None, ("on-call",))
    levels = (
        Level(("on-call",), Place(file, 9, 7)),
        Level(("ana", "lead"), Place(file, 10, 7), ("console", "email"), 900.0, "resolved"),
    )
    assert found == Contacts(
        {"ana": ana, "bo": bo},
        {"on-call": "Whoever carries the pager", "lead": ""},
        {"default": levels},
        file,
    )


def test_roles_are_those_of_the_operating_system_user_and_of_no_name_that_looks_like_one(pack):
    found = read(pack, GOOD)
    assert found.roles_of("alim") == {"on-call", "lead"}
    assert found.roles_of("ana") == frozenset()
    assert found.roles_of("bo") == frozenset()
    assert [p.id for p in found.in_role("on-call")] == ["ana", "bo"]


def test_a_person_is_found_by_id_for_those_who_are_named(pack):
    found = read(pack, GOOD)
    assert found.roles_of_person("ana") == {"on-call", "lead"}
    assert found.roles_of_person("alim") == {"on-call", "lead"}
    assert found.roles_of_person("nobody") == frozenset()


def test_a_pack_without_contacts_has_nobody(pack):
    found = Books([pack.parent]).contacts("stratum")
    assert found == Contacts()
    assert found.roles_of("root") == frozenset()


@pytest.mark.parametrize(
    ("text", "diagnostics"),
    [
        ("poeple: {}", [("RB802", 1, "unknown key 'poeple'", "did you mean 'people'?")]),
        (
            "people: {ana: {role: x}}",
            [("RB802", 1, "unknown key 'role'", "did you mean 'roles'?")],
        ),
        (
            "roles: {on-call: x}\npeople:\n  ana: {roles: [oncall]}",
            [("RB820", 3, "unknown role 'oncall'", "did you mean 'on-call'?")],
        ),
        (
            "people:\n  a: {os_user: x}\n  b: {os_user: x}",
            [("RB821", 3, "'b' and 'a' have the same os_user 'x'", None)],
        ),
        (
            "people: {ana: {}}\npolicies:\n  p:\n    - who: [anna]",
            [("RB822", 4, "nobody is named 'anna'", "did you mean 'ana'?")],
        ),
        (
            "policies:\n  p: [{by: [console]}]",
            [("RB803", 2, "a level has no 'who'", "name people or roles")],
        ),
        (
            "policies:\n  p: {}",
            [
                (
                    "RB801",
                    2,
                    "'p' takes a list of levels, not an empty mapping",
                    "each is {who: [...], by: [...]}",
                )
            ],
        ),
        (
            "people: {a: {}}\npolicies:\n  p: [{who: a, after: soon, unless: never}]",
            [
                ("RB801", 3, "'after' takes a duration like 10m or 1h30m, not \"soon\"", None),
                ("RB801", 3, "'unless' takes acknowledged or resolved, not \"never\"", None),
            ],
        ),
    ],
)
def test_what_is_wrong_is_told(pack, text, diagnostics):
    with pytest.raises(Diagnosed) as caught:
        read(pack, text)
    assert [(d.code, d.place.line, d.what, d.help) for d in caught.value.diagnostics] == diagnostics
