"""An environment is read whole, or everything that is wrong in it is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.adapters.http import HttpAdapter
from engine.config import Books, Connection
from engine.errors import Diagnosed, Place, Usage
from engine.registry import Registry


class CacheAdapter(HttpAdapter):
    """A second kind of connection."""

    family = "cache"

    def __init__(self, url: str, *, db: int = 0) -> None:
        """
        url: where it is
        db: which database
        """
        super().__init__(url)


CATALOG = Registry.of([], [HttpAdapter, CacheAdapter])

GOOD = Path(__file__).with_name("good_environment.yaml").read_text()


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "stratum" / "environments"
    folder.mkdir(parents=True)
    return folder


def read(pack, text, name="staging", **more):
    (pack / f"{name}.yaml").write_text(text)
    return Books([pack.parents[1]]).environment("stratum", name, CATALOG, **more)


def told(pack, text):
    """`line:column code what | help` of each diagnostic."""
    with pytest.raises(Diagnosed) as caught:
        read(pack, text)
    (source,) = caught.value.sources.values()
    assert source == text
    return [
        f"{d.place.line}:{d.place.column} {d.code} {d.what}" + (f" | {d.help}" if d.help else "")
        for d in caught.value.diagnostics
    ]


def test_an_environment_is_read_whole(pack):
    found = read(pack, GOOD)
    file = str(pack / "staging.yaml")
    assert (found.pack, found.name, found.file) == ("stratum", "staging", file)
    assert (found.description, found.autonomy) == ("Where releases wait", "auto")
    assert found.connections == {
        "api": Connection(
            "api",
            "http",
            {"base_url": "https://api.example", "headers": {"Authorization": "Bearer ${env:T}"}},
            Place(file, 5, 3),
        ),
        "cache": Connection(
            "cache",
            "cache",
            {"url": "redis://:${file:/run/secrets/redis}@cache:6379/0", "db": 3},
            Place(file, 6, 3),
        ),
    }
    assert found.services == {"redis": {"kind": "redis"}}
    assert found.faults == {"stratum/x": {"redis": {"fill": 0.9}}}
    assert found.freeze == ({"from": "2026-12-24", "until": "2026-12-27", "why": "holidays"},)
    assert found.severities == {"critical": "sev1"}
    assert found.warnings == ()


def test_the_place_of_anything_in_it_is_known(pack):
    found = read(pack, GOOD)
    assert found.place_of("faults", "stratum/x", "redis") == Place(found.file, 14, 12)
    assert found.place_of("freeze", 0, "why") == Place(found.file, 16, 48)
    assert found.place_of("no", "such") == Place(found.file, 1, 1)


@pytest.mark.parametrize(
    ("allow_as", "deploy", "ana"),
    [
        ("", False, False),
        ("allow_as: true", True, True),
        ("allow_as: false", False, False),
        ("allow_as: [deploy]", True, False),
    ],
)
def test_who_may_speak_as_somebody_else_is_nobody_unless_named(pack, allow_as, deploy, ana):
    found = read(pack, f"description: x\n{allow_as}\n")
    assert (found.may_speak_as("deploy"), found.may_speak_as("ana")) == (deploy, ana)


@pytest.mark.parametrize(
    ("text", "diagnostics"),
    [
        ("conections: {}", ["1:1 RB802 unknown key 'conections' | did you mean 'connections'?"]),
        (
            "autonomy: autmo",
            [
                (
                    "1:11 RB801 'autonomy' takes auto, guide or propose, not \"autmo\""
                    " | did you mean 'auto'?"
                )
            ],
        ),
        (
            "allow_as: ana",
            [
                (
                    "1:11 RB801 'allow_as' takes true, false or a list of operating-system users,"
                    ' not "ana"'
                )
            ],
        ),
        ("- a", ["1:1 RB801 'staging' takes a mapping, not a list"]),
        ("connections: [a]", ["1:14 RB801 'connections' takes a mapping, not a list"]),
        (
            "connections:\n  a: {adapter: htpt, x: 1}",
            ["2:16 RB810 unknown adapter 'htpt' | did you mean 'http'?"],
        ),
        (
            "connections:\n  a: {adapter: oracle}",
            ["2:16 RB810 unknown adapter 'oracle' | known are cache and http"],
        ),
        (
            "connections:\n  a: {url: x}",
            ["2:3 RB803 the connection 'a' has no 'adapter' | known adapters are cache and http"],
        ),
        ("connections:\n  a: text", ["2:6 RB801 'connections.a' takes a mapping, not \"text\""]),
        (
            "connections:\n  a: {adapter: cache, urls: x}",
            [
                "2:3 RB813 the connection 'a' needs 'url' | where it is",
                "2:23 RB811 unknown setting 'urls' | did you mean 'url'?",
            ],
        ),
        (
            "connections:\n  a: {adapter: cache, url: x, db: first}",
            ["2:35 RB812 'db' takes a whole number, not \"first\" | which database"],
        ),
        (
            "connections:\n  a: {adapter: http, base_url: x, headers: {A: 1}}",
            ["2:48 RB812 'headers.A' takes a text, not 1 | sent with every request"],
        ),
        (
            'connections:\n  a: {adapter: cache, url: "${REDIS_URL}"}',
            [
                (
                    "2:28 RB814 '${REDIS_URL}' is no secret reference"
                    " | one is ${env:NAME} or ${file:/path}"
                )
            ],
        ),
        (
            'connections:\n  a: {adapter: cache, url: "${envv:REDIS_URL}"}',
            ["2:28 RB814 '${envv:REDIS_URL}' is no secret reference | did you mean 'env'?"],
        ),
        (
            'description: "${env:TOKEN}"',
            [
                (
                    "1:14 RB815 a secret reference in 'description'"
                    " | references are read in the settings of connections only"
                )
            ],
        ),
        (
            "connections:\n  My API: {adapter: cache, url: x}",
            [
                (
                    "2:3 RB817 'My API' cannot be the name of a connection | one begins with a"
                    " small letter and goes on with small letters, digits, - and _"
                )
            ],
        ),
        ("freeze: {}", ["1:9 RB801 'freeze' takes a list of windows, not an empty mapping"]),
        ("freeze: [now]", ["1:10 RB801 'freeze' takes windows that are mappings, not \"now\""]),
        (
            "a: 1\na: 2",
            ["2:1 RB011 the key 'a' is given twice | the first one is at line 1, column 1"],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_cure(pack, text, diagnostics):
    found = told(pack, text)
    assert [d for d in found if d in diagnostics] == diagnostics


def test_everything_that_is_wrong_is_told_at_once(pack):
    text = "autonomi: auto\nconnections:\n  a: {adapter: htp}\n  b: {adapter: cache}\nfreeze: 1\n"
    assert [line.split()[1] for line in told(pack, text)] == ["RB802", "RB810", "RB813", "RB801"]


def test_a_password_in_the_file_is_warned_of(pack):
    found = read(
        pack,
        """\
connections:
  a: {adapter: cache, url: "redis://:hunter2@h:6379"}
  b: {adapter: http, base_url: "http://h", headers: {Authorization: Bearer abc, Accept: x}}
  c: {adapter: http, base_url: "http://h", password: "${env:PW}", username: ana}
  d: {adapter: http, base_url: "http://ana:${env:PW}@h"}
""",
    )
    assert [(d.code, d.place.line, d.what) for d in found.warnings] == [
        ("RB816", 2, "'url' seems to hold a password"),
        ("RB816", 3, "'Authorization' seems to hold a password"),
    ]


def test_only_the_connections_that_a_run_uses_are_checked(pack):
    text = "connections:\n  a: {adapter: cache, url: x}\n  b: {adapter: cache, ulr: x}\n"
    found = read(pack, text, only={"a"})
    assert found.connections["b"].settings == {"ulr": "x"}
    assert told(pack, text)


def test_a_number_may_be_what_a_service_tells_and_no_secret(pack):
    read(pack, 'connections: {a: {adapter: cache, url: x, db: "${service:told.number}"}}')
    with pytest.raises(Diagnosed) as caught:
        read(pack, 'connections: {a: {adapter: cache, url: x, db: "${env:NUMBER}"}}')
    assert [d.code for d in caught.value.diagnostics] == ["RB812"]


def test_an_environment_that_is_not_there_is_told_with_the_nearest(pack):
    read(pack, "description: x")
    books = Books([pack.parents[1]])
    with pytest.raises(Usage, match="the pack 'stratum' has no environment 'stagin'") as caught:
        books.environment("stratum", "stagin", CATALOG)
    assert caught.value.help == "did you mean 'staging'?"
    with pytest.raises(Usage, match="no environment 'x'") as caught:
        books.environment("stratum", "x", CATALOG)
    assert caught.value.help == "it has staging"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "a.b"])
def test_the_name_of_an_environment_leads_nowhere_else(pack, name):
    (pack.parents[1] / "a.yaml").write_text("description: x")
    with pytest.raises(Usage, match="has no environment"):
        Books([pack.parents[1]]).environment("stratum", name, CATALOG)


def test_an_adapter_that_cannot_be_loaded_is_told_with_its_place_and_all_else(pack):
    named = {"runbook.checks": {}, "runbook.actions": {}}
    catalog = Registry({**named, "runbook.adapters": {"coffee": ("brewer.adapter:Coffee",)}})
    (pack / "staging.yaml").write_text(
        "connections:\n  a: {adapter: coffee}\n  b: {adapter: tea}\n"
    )
    with pytest.raises(Diagnosed) as caught:
        Books([pack.parents[1]]).environment("stratum", "staging", catalog)
    assert [(d.code, d.place.line, d.place.column) for d in caught.value.diagnostics] == [
        ("RB818", 2, 3),
        ("RB810", 3, 16),
    ]
    assert (
        "the adapter 'coffee' cannot be loaded: brewer.adapter" in caught.value.diagnostics[0].what
    )
