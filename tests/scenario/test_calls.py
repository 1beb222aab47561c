"""Scenarios in which people are called: levels, channels and acknowledgements of a file."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.cli.main import main
from engine.config import Books
from engine.errors import Diagnosed
from engine.registry import Registry
from engine.scenario.batch import Job, try_job
from engine.scenario.calls import Unheard
from engine.scenario.judging import judged
from engine.scenario.play import Played, play
from engine.scenario.read import Scenario, parse_scenarios, read_scenarios
from engine.scenario.schema import scenario_schema
from engine.wiring.scenarios import ContactsOf
from tests.scenario.shop_pack import RUNBOOK, shop

GOLDEN = Path(__file__).parent / "golden"
REGISTRY = Registry()
UP = 'finds: {ask: {answer: "yes"}}'
SEV1 = RUNBOOK.replace("\nsteps:", "\nseverity: SEV1\nsteps:")
TELLS = """
title: The shop is down
{head}
steps:
  - {{escalate: {policy}, id: call, message: The shop is down}}
  - {{wait: {wait}}}
"""


def tells(policy: str = "default", wait: str = "2h", head: str = "") -> str:
    return TELLS.format(policy=policy, wait=wait, head=head)


def heard(folder: Path, text: str, runbook: str = RUNBOOK, **more: str) -> tuple[Played, Scenario]:
    """What comes of the one scenario of a file."""
    indented = text.strip().replace("\n", "\n    ")
    expect = "" if "expect:" in text else "\n    expect: {outcome: {exists: true}}"
    lines = f"scenarios:\n  - name: it\n    {indented}{expect}\n"
    file = shop(folder, runbook, lines, **more) / "down.test.yaml"
    books = Books([folder / "runbooks"])
    made = books.load("shop/down", REGISTRY)
    scenario = read_scenarios(file, made, books)[0]
    return play(made, scenario, REGISTRY, ContactsOf(books, REGISTRY)), scenario


def told(played: Played, name: str = "pages") -> list[tuple[Any, ...]]:
    return [(one["at"], one["who"], one["by"]) for one in played.to_json()[name]]


# -- levels ----------------------------------------------------------------------------------------


def test_levels_are_called_at_their_times_by_the_first_channel_until_none_is_left(tmp_path: Path):
    found, _ = heard(tmp_path, f"{UP}\ncalls: production")
    assert told(found) == [("0s", "ada", "slack"), ("15m", "bob", "sms")]
    assert found.outcome == "waiting"
    assert found.heard.escalations["call"] == {
        "levels": 2,
        "taken_by": None,
        "taken_at": None,
        "reopened": 0,
        "exhausted": True,
        "closed": None,
        "nobody": [],
        "why": None,
    }


def test_a_scenario_that_says_nothing_of_calls_is_played_as_ever(tmp_path: Path):
    found, scenario = heard(tmp_path, UP)
    assert scenario.calls is None
    assert (found.outcome, found.waits_for, found.took_s) == ("waiting", ("call",), 0.01)
    assert found.to_json()["told"] == []


@pytest.mark.parametrize(
    "text",
    ["calls: production", "acknowledges: {at: 1m}", "channels: {sms: ok}", "expect: {told: []}"],
)
def test_each_of_the_keys_and_expecting_calls_plays_the_levels(tmp_path: Path, text: str):
    _, scenario = heard(tmp_path, f"{UP}\n{text}")
    assert scenario.calls is not None
    assert scenario.calls.environment == "production"


def test_who_takes_it_ends_the_calls_and_the_step(tmp_path: Path):
    found, _ = heard(tmp_path, f"{UP}\nacknowledges: {{at: 10m, by: ada, note: on it}}")
    assert told(found) == [("0s", "ada", "slack")]
    assert found.outcome == "resolved"
    assert found.heard.escalations["call"]["taken_by"] == "ada"
    assert found.heard.escalations["call"]["taken_at"] == "10m"
    assert found.heard.escalations["call"]["closed"] == "ada took it"
    follow = [one for one in found.heard.told if one["kind"] == "acknowledged"]
    assert [(one["who"], one["by"]) for one in follow] == [("ada", "slack")]


def test_sms_hears_nothing_of_what_becomes_of_it(tmp_path: Path):
    text = f"{UP}\nchannels: {{slack: down}}\nacknowledges: {{at: 10m}}"
    found, _ = heard(tmp_path, text)
    assert [one["kind"] for one in found.heard.told] == ["page"]


@pytest.mark.parametrize(("at", "count"), [("15m", 1), ("900.9s", 2)])
def test_an_acknowledgement_in_the_second_of_a_level_counts_if_it_is_first(
    tmp_path: Path, at: str, count: int
):
    found, _ = heard(tmp_path, f"{UP}\nacknowledges: {{at: {at}, by: ada}}")
    assert len(told(found)) == count
    assert found.outcome == "resolved"


def test_two_take_two_escalations_and_each_by_its_step(tmp_path: Path):
    head = "escalation: {policy: default, unresolved_after: 30m}"
    takes = "[{at: 5m, by: ada, step: call}, {at: 40m, by: bob, step: run}]"
    found, _ = heard(tmp_path, f"acknowledges: {takes}", tells(head=head))
    assert told(found) == [("0s", "ada", "slack"), ("30m", "ada", "slack")]
    took = {name: one["taken_by"] for name, one in found.heard.escalations.items()}
    assert took == {"call": "ada", "run": "bob"}


@pytest.mark.parametrize(
    ("takes", "said"),
    [
        ("[{at: 1m, by: ada}, {at: 2m, by: bob}]", "nobody is called then"),
        ("[{at: 3h, by: ada}, {at: 4h, by: ada}]", "nobody is called then"),
        ("[{at: 1m, by: ada, step: run}]", "nobody is called at `run` then"),
    ],
)
def test_who_takes_what_nobody_is_called_for_is_told(tmp_path: Path, takes: str, said: str):
    with pytest.raises(Unheard, match=said):
        heard(tmp_path, f"acknowledges: {takes}", tells())


def test_who_was_called_last_takes_it_although_the_run_is_over(tmp_path: Path):
    text = "title: t\nescalation: default\nsteps: [{end: unresolved, because: no luck}]\n"
    found, _ = heard(tmp_path, "acknowledges: {at: 20m, by: bob}", text)
    one = found.heard.escalations["run"]
    assert (one["taken_by"], one["exhausted"], one["closed"]) == ("bob", False, "bob took it")
    found, _ = heard(tmp_path, "acknowledges: {at: 40m, by: bob}", text)
    one = found.heard.escalations["run"]
    assert (one["taken_by"], one["taken_at"], one["exhausted"]) == ("bob", "40m", True)


def test_who_takes_it_behind_the_end_of_the_play_is_told(tmp_path: Path):
    with pytest.raises(Unheard, match="played until before that"):
        heard(tmp_path, "acknowledges: {at: 30m}\nuntil: 20m", tells())


# -- channels --------------------------------------------------------------------------------------


def test_where_a_channel_is_down_the_next_one_is_taken(tmp_path: Path):
    found, _ = heard(tmp_path, f"{UP}\nchannels: {{slack: down}}")
    assert told(found) == [("3s", "ada", "sms"), ("15m", "bob", "sms")]
    assert [one["why"] for one in found.heard.not_told] == ["it is down"] * 2


def test_a_channel_goes_on_from_message_to_message(tmp_path: Path):
    script = "[{errored: why, retryable: false}, ok]"
    found, _ = heard(tmp_path, f"{UP}\nchannels: {{slack: down, sms: {script}}}")
    # the one behind the channel that refused is told at once: nobody of the level could be
    assert told(found) == [("3s", "bob", "sms")]


def test_one_persons_channel_can_fail_alone(tmp_path: Path):
    found, _ = heard(tmp_path, f"{UP}\nchannels: {{bob/sms: {{errored: no number}}, sms: ok}}")
    assert told(found)[-1] == ("15m3s", "bob", "mail")


def test_a_message_whose_fate_is_unknown_is_in_doubt_where_the_channel_knows_no_key(tmp_path: Path):
    down = "slack: down, sms: down, mail: {unknown: reply lost}"
    found, _ = heard(tmp_path, f"{UP}\nchannels: {{{down}}}")
    assert told(found) == []
    doubts = [one for one in found.heard.not_told if one["doubt"]]
    assert [(one["who"], one["by"], one["why"]) for one in doubts] == [
        ("bob", "mail", "reply lost")
    ]


def test_what_a_channel_takes_and_when_it_takes_again_pass_in_virtual_time(tmp_path: Path):
    script = "[{errored: too many, retry_after: 10s}, {takes: 20s}]"
    found, _ = heard(tmp_path, f"{UP}\nchannels: {{slack: {script}}}")
    assert told(found)[0] == ("30s", "ada", "slack")


# -- clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "at"), [("severity: SEV3", "8h"), ("severity: SEV1", "15m"), ("", "15m")]
)
def test_quiet_hours_are_kept_by_what_is_not_critical(tmp_path: Path, head: str, at: str):
    text = 'run: {started_at: "2027-01-15T23:00:00Z"}\nuntil: 9h\ncalls: production'
    found, _ = heard(tmp_path, text, tells(wait="10h", head=head))
    assert told(found)[1] == (at, "bob", "sms")


@pytest.mark.parametrize(("day", "who"), [("2027-01-11", "cem"), ("2027-01-18", "ada")])
def test_a_rota_says_who_carries_the_pager(tmp_path: Path, day: str, who: str):
    text = f'run: {{started_at: "{day}T09:00:00Z"}}\ncalls: production'
    found, _ = heard(tmp_path, text, tells("weekly"))
    assert told(found) == [("0s", who, "sms"), ("5m", who, "sms"), ("10m", who, "sms")]


def test_what_is_taken_and_not_resolved_begins_anew(tmp_path: Path):
    found, _ = heard(tmp_path, "acknowledges: {at: 1m, by: ada}", tells("weekly", "90m"))
    assert told(found)[:2] == [("0s", "cem", "sms"), ("1h1m", "cem", "sms")]
    assert found.heard.escalations["call"]["reopened"] == 1


def test_whom_nobody_knows_is_said(tmp_path: Path):
    found, _ = heard(tmp_path, "calls: production", tells("missing", "1m"))
    assert found.heard.nobody == ["dba"]
    assert found.statuses["call"] == "errored"


# -- runs and their ends ---------------------------------------------------------------------------


def test_a_run_that_is_over_goes_on_until_nobody_is_called_any_more(tmp_path: Path):
    head = "escalation: {policy: default}"
    text = f"title: t\n{head}\nsteps: [{{end: unresolved, because: no luck}}]\n"
    found, _ = heard(tmp_path, "calls: production", text)
    assert told(found) == [("0s", "ada", "slack"), ("15m", "bob", "sms")]
    assert found.outcome == "unresolved"
    assert found.heard.escalations["run"]["why"] == "it ended unresolved: no luck"
    assert found.heard.escalations["run"]["closed"] == "no level is left"


def test_status_updates_are_told_as_long_as_the_run_gets_on(tmp_path: Path):
    text = SEV1.replace("{id: again, check: run.value, with: {value: 1}}", "{wait: 20m}")
    found, _ = heard(tmp_path, f"{UP}\nacknowledges: {{at: 20m}}", text)
    assert told(found, "updates") == [("15m", "room", "room"), ("30m", "room", "room")]
    closing = [one for one in found.heard.told if one["kind"] == "resolved"]
    assert ("room", "room") in [(one["who"], one["by"]) for one in closing]


def test_a_run_that_waits_for_ever_is_played_until_only_updates_are_left(tmp_path: Path):
    found, _ = heard(tmp_path, f"{UP}\ncalls: production", SEV1)
    assert found.outcome == "waiting"
    assert told(found, "updates") == [("15m", "room", "room")]
    further, _ = heard(tmp_path, f"{UP}\ncalls: production\nuntil: 46m", SEV1)
    assert [at for at, _, _ in told(further, "updates")] == ["15m", "30m", "45m"]


def test_until_cuts_a_run_short_that_is_still_running(tmp_path: Path):
    found, _ = heard(tmp_path, "until: 10m", tells())
    assert found.outcome == "running"
    assert found.took_s < 600


# -- what is expected ------------------------------------------------------------------------------

HOLDS = [
    "pages: [{at: 0s, who: ada}, {at: 900s, who: bob, by: sms, level: 2, of: call, kind: page}]",
    "pages: [{}, {at_s: {between: [890, 910]}}]",
    "told: {length: 2}",
    "escalations: {call: {exhausted: true, closed: null}}",
    "escalations.call.levels: 2",
    "nobody: []",
]
FAILS = [
    "pages: [{at: 0s, who: ada}]",
    "pages: [{at: 1s, who: ada}, {at: 15m}]",
    "told: {length: 3}",
    "escalations: {call: {taken_by: ada}}",
    "escalations: {other: {exhausted: true}}",
    "nobody: [dba]",
]


@pytest.mark.parametrize(
    ("expect", "holds"), [*((one, True) for one in HOLDS), *((one, False) for one in FAILS)]
)
def test_expectations_speak_of_people(tmp_path: Path, expect: str, holds: bool):
    found, scenario = heard(tmp_path, f"{UP}\nexpect:\n  {expect}")
    lines = judged(scenario, found)
    assert (lines == ()) is holds
    assert holds or "what happened:" in lines


LONG = """
scenarios:
  - name: bob takes it
    finds: {ask: {answer: "yes"}}
    acknowledges: {at: 16m, by: bob}
    channels: {slack: down, bob/sms: {errored: no such number, retryable: false}}
    expect:
      outcome: resolved
      pages:
        - {at: 0s, who: ada, by: slack}
        - {at: 15m, who: bob, by: sms}
      escalations: {call: {taken_by: ada, closed: bob took it}}
  - name: the same, and ada takes it too
    like: bob takes it
    acknowledges: [{at: 16m, by: bob}, {at: 20m, by: ada}]
    expect: {outcome: resolved}
"""

WRONG = """
scenarios:
  - name: words
    calls: producton
    acknowledges: [{by: ada}, {at: soon}, {at: 1m, step: cal, who: ada}]
    channels: {slak: down, bab/sms: off, sms: [], mail: {error: why}}
    until: later
    expect: {page: [], told: [{when: 0s}, now]}
  - name: what tells people is not found
    calls: production
    finds: {call: {errored: no}}
    expect: {pages: [{at: noon}], escalations: {call: {taken: ada}}}
"""


@pytest.mark.parametrize(("name", "text"), [("calls", LONG), ("calls_wrong", WRONG)])
def test_what_is_printed(name: str, text: str, tmp_path: Path, capfd, monkeypatch):
    shop(tmp_path, RUNBOOK, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    assert main(["test"]) == (2 if "wrong" in name else 1)
    said = capfd.readouterr()
    text = said.out + said.err.partition("0 scenarios")[0] if "wrong" in name else said.out
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN_UPDATE"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_lint_tells_the_same_of_the_file(tmp_path: Path, capsys, monkeypatch):
    shop(tmp_path, RUNBOOK, WRONG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    assert main(["lint", "shop/down"]) == 2
    said = "".join(capsys.readouterr())
    assert "RB836 the contacts have no channel 'slak'" in said
    assert "RB838 the pack 'shop' has no environment 'producton'" in said


def test_what_is_like_another_takes_its_calls_too(tmp_path: Path):
    text = """
scenarios:
  - name: one
    calls: production
    acknowledges: {at: 1m}
    channels: {slack: down}
    until: 1h
    expect: {outcome: resolved}
  - name: two
    like: one
    acknowledges: []
    channels: {sms: down}
    expect: {outcome: resolved}
"""
    shop(tmp_path, RUNBOOK, text)
    books = Books([tmp_path / "runbooks"])
    one, two = parse_scenarios(text, "down.test.yaml", books.load("shop/down", REGISTRY), books)
    assert (one.until_s, two.until_s) == (3600, 3600)
    assert (len(one.takings), len(two.takings)) == (1, 0)
    assert list(two.channels) == ["slack", "sms"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("calls: production\nuntil: 1h", True),
        ("acknowledges: {at: 1m, by: ada}", True),
        ("acknowledges: [{at: 60, step: run}]", True),
        ("channels: {sms: [ok, {errored: why, retryable: false}], ada/sms: {takes: 20s}}", True),
        ("acknowledges: {by: ada}", False),
        ("channels: {sms: off}", False),
        ("channels: {sms: []}", False),
        ("channels: {sms: {error: why}}", False),
        ("until: later", False),
        ("calls: []", False),
    ],
)
def test_the_schema_and_the_reader_agree(tmp_path: Path, text: str, right: bool):
    one = {"name": "it", "expect": {"outcome": "resolved"}, **yaml.safe_load(text)}
    assert (
        jsonschema.Draft202012Validator(scenario_schema()).is_valid({"scenarios": [one]}) == right
    )
    shop(tmp_path, RUNBOOK, yaml.safe_dump({"scenarios": [one]}))
    books = Books([tmp_path / "runbooks"])
    tried = try_job(Job(books, "shop/down", books.scenarios("shop/down")), REGISTRY, (), False)
    assert (tried.problem is None) == right


def test_damaged_files_give_diagnostics_and_never_a_traceback(tmp_path: Path):
    shop(tmp_path)
    books, chance = Books([tmp_path / "runbooks"]), random.Random(11)
    runbook = books.load("shop/down", REGISTRY)
    refused = 0
    for _ in range(1500):
        text = list(LONG)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 9)] = chance.choice("{}[]:,-\n \"'&*!|>%@`0a\0")
        try:
            parse_scenarios("".join(text), "down.test.yaml", runbook, books)
        except Diagnosed as error:
            refused += bool(error.diagnostics)
    assert refused > 1000


def test_a_pack_without_a_production_is_asked_whose_contacts_are_meant(tmp_path: Path):
    pack = shop(tmp_path)
    (pack / "environments/production.yaml").rename(pack / "environments/local.yaml")
    text = "scenarios: [{name: it, expect: {pages: []}}]"
    books = Books([tmp_path / "runbooks"])
    with pytest.raises(Diagnosed) as caught:
        parse_scenarios(text, "down.test.yaml", books.load("shop/down", REGISTRY), books)
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == (
        "RB838",
        "`calls` says whose contacts are called; it has local",
    )
