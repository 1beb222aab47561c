"""`notify who`, and what `doctor`, `notify preview`, `lint` and the trail say of who is on call."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from engine.runner import on_call
from engine.sandbox.http import http_service
from tests.channels.oncalls import TOKEN, OnCalls, user

CALL = """\
title: Calls people
severity: SEV1
steps:
  - {escalate: default, id: call, wait: acknowledged, message: The shop is closed}
"""
CONTACTS = """\
people:
  ana: {name: Ana Lim, pagerduty: PANA, channels: {mail: ana@example.com}}
  bo: {name: Bo Ek, quiet: {from: "00:00", until: "23:59"}, channels: {mail: bo@example.com}}
channels:
  mail: {connection: post}
  page: {connection: pager}
rotas:
  primary: {order: [bo], since: 2026-01-05}
  platform: {pagerduty: PS1, connection: schedules, channel: page}
  empty: {pagerduty: PS2, connection: schedules, order: [bo]}
  paged: {pagerduty: PS3, channel: page}
severities:
  SEV1: {critical: true}
policies:
  default:
    - {who: [primary], by: [page, mail]}
    - {who: [platform, empty], by: [mail], after: 15m}
    - {who: [paged], by: [mail], after: 15m}
"""
ANA = ("PS1", user("PANA", "A. Lim"), "2020-01-01T00:00:00Z", "2090-01-02T08:00:00Z")


class Served:
    """The stand-in, in a thread: a command runs in this one."""

    def __init__(self) -> None:
        self.vendor = OnCalls(shifts=[ANA])
        self.url = ""
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    async def _serve(self) -> None:
        async with http_service(self.vendor, lambda: datetime.now(UTC)) as fields:
            self.url = str(fields["url"])
            self._ready.set()
            await asyncio.to_thread(self._over.wait)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def vendor(shop, monkeypatch):
    served = Served()
    monkeypatch.setenv("PD_TOKEN", TOKEN)
    monkeypatch.setattr(on_call, "ASK_S", 60.0)  # it answers: on a busy machine later than usual
    pack = shop / "runbooks/shop"
    (pack / "contacts.yaml").write_text(CONTACTS)
    (pack / "call.yaml").write_text(CALL)
    (pack / "environments/staging.yaml").write_text(
        "connections:\n"
        "  post: {adapter: mail, host: 127.0.0.1, port: 9, sender: a@example.com, tls: none}\n"
        f"  schedules: {{adapter: pagerduty_schedules, token: '${{env:PD_TOKEN}}',"
        f" base_url: '{served.url}'}}\n"
    )
    yield served.vendor
    served.close()


def test_who_would_be_called_now_is_told_for_each_level_with_ways_and_hand_overs(runbook, vendor):
    done = runbook("notify", "who", "shop", "--env", "staging")
    assert done.code == 0
    assert done.out.splitlines() == [
        "default",
        "  at once    primary   Bo Ek by mail",
        "                       on call: Bo Ek",
        "                       ! not by page: no address or no connection there",
        "  + 15m      platform  Ana Lim by mail",
        "                       on call: Ana Lim until Mon 2090-01-02 08:00 UTC",
        "  + 15m      empty     Bo Ek by mail",
        "                       ! nobody is on call in PagerDuty's schedule PS2, or there is none",
        "  + 30m      paged     paged by console",
        f"{' ' * 23}on call: known to PagerDuty's schedule PS3, and it is paged by page",
    ]
    assert vendor.problems == []
    found = runbook("--json", "notify", "who", "shop", "--env", "staging").objects
    assert [(one["level"], one["name"], one["by"]) for one in found] == [
        (1, "Bo Ek", ["mail"]),
        (2, "Ana Lim", ["mail"]),
        (2, "Bo Ek", ["mail"]),
        (3, "paged", ["console"]),
    ]
    assert found[1]["rota"]["until"] == "2090-01-02T08:00:00.000000Z"


def test_quiet_hours_are_those_of_runs_of_a_severity(runbook, vendor, shop):
    mild = CONTACTS.replace("{critical: true}", "{}")
    (shop / "runbooks/shop/contacts.yaml").write_text(mild)
    quiet = runbook("notify", "who", "shop", "--env", "staging", "--severity", "SEV1")
    assert "! quiet hours: not before " in quiet.out
    wrong = runbook("notify", "who", "shop", "--env", "staging", "--severity", "SEV9")
    assert wrong.code == 2
    assert "the contacts have no severity 'SEV9'" in wrong.err


def test_in_a_sandbox_nobody_is_called(runbook, vendor):
    done = runbook("notify", "who", "shop", "--env", "sandbox")
    assert done.code == 2
    assert "in a sandbox nobody real is called" in done.err


def test_a_pack_without_policies_calls_nobody(runbook):
    done = runbook("notify", "who", "shop", "--env", "staging")
    assert (done.code, done.out) == (0, "")
    assert "has no policies" in done.err


def test_doctor_says_who_is_on_call_and_which_channels_do_not_answer(runbook, vendor):
    done = runbook("doctor", "shop", "--env", "staging")
    assert done.code == 3
    lines = done.out.splitlines()
    assert "          by mail nobody is told as long as it does not answer" in lines
    assert lines[-4:] == [
        "✓ ok      rota primary   Bo Ek",
        "✓ ok      rota platform  Ana Lim until Mon 2090-01-02 08:00 UTC",
        "✗ not ok  rota empty     nobody is on call in PagerDuty's schedule PS2, or there is none",
        "✓ ok      rota paged     known to PagerDuty's schedule PS3, and it is paged by page",
    ]
    assert done.err == (
        "shop in staging: 2 connections, 1 without an answer;"
        " 4 rotas, it is not known who is on call in 1 of them\n"
        "no connection here for page: by these nobody is told\n"
    )
    found = runbook("--json", "doctor", "shop", "--env", "staging").objects
    assert [one.get("rota") for one in found] == [
        None,
        None,
        "primary",
        "platform",
        "empty",
        "paged",
    ]
    assert found[0]["channels"] == ["mail"]


def test_doctor_tells_what_answers_though_the_contacts_cannot_be_read(runbook, vendor, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text("poeple: {}\n")
    done = runbook("doctor", "shop", "--env", "staging")
    assert done.code == 2
    assert "✓ ok      schedules" in done.out
    assert "RB802 unknown key 'poeple'" in done.out + done.err


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (401, "PagerDuty could not be asked: it answers 401: Invalid Credentials"),
        ("garbage", "PagerDuty could not be asked: its answer is no JSON"),
        (429, "PagerDuty could not be asked: it answers 429: Rate Limit Exceeded (for 7 s)"),
    ],
)
def test_that_nobody_could_be_asked_is_told_and_not_that_nobody_is_on_call(
    runbook, vendor, mood, why
):
    vendor.mood = [mood] * 10
    done = runbook("notify", "who", "shop", "--env", "staging")
    assert "platform  platform by console" in done.out  # `page` has no connection here
    assert why in done.out
    assert TOKEN not in done.out + done.err


def test_after_too_many_questions_nothing_is_asked_until_the_time_that_was_said(runbook, vendor):
    vendor.mood, vendor.retry_after = [429, 429], "3000"
    runbook("notify", "who", "shop", "--env", "staging")
    vendor.requests.clear()
    done = runbook("notify", "who", "shop", "--env", "staging")
    assert "PagerDuty could not be asked: it takes no more questions for " in done.out
    assert vendor.requests == []


def test_the_messages_of_a_runbook_are_shown_with_who_is_on_call(runbook, vendor):
    done = runbook("notify", "preview", "shop/call", "--env", "staging")
    called = done.out.partition("once somebody took it")[0].splitlines()
    heads = [line for line in called if line.startswith("at ") or line.endswith("  by mail")]
    assert heads == [
        "at `call`  Bo Ek  by mail",
        "at `call` + 15m",
        "  Ana Lim  by mail",
        "  Bo Ek  by mail",
        "at `call` + 30m  paged  by console",
    ]


def test_the_trail_says_what_was_answered(runbook, vendor, shop):
    one = "policies:\n  default: [{who: [platform, empty], by: [console]}]\n"
    (shop / "runbooks/shop/contacts.yaml").write_text(CONTACTS.partition("policies:")[0] + one)
    assert runbook("run", "shop/call", "--env", "staging").code == 7
    trail = runbook("audit", "show", "last").out
    assert "platform: on call in PS1 of PagerDuty: A. Lim (PANA)" in trail
    assert "empty: nobody is on call in PagerDuty's schedule PS2, or there is none" in trail
    report = runbook("report", "last").out
    assert "Who is on call in empty is not known: nobody is on call in PagerDuty's" in report


def test_lint_names_connections_that_cannot_be_asked(runbook, vendor, shop):
    other = CONTACTS.replace("PS2, connection: schedules", "PS2, connection: other")
    (shop / "runbooks/shop/contacts.yaml").write_text(other)
    staging = shop / "runbooks/shop/environments/staging.yaml"
    staging.write_text(
        staging.read_text() + "  other: {adapter: pagerduty, routing_key: '${env:RK}'}\n"
    )
    done = runbook("lint", "shop")
    told = done.out + done.err
    assert "RB874 warning: 'other' of staging is of kind pagerduty" in told
    assert "a connection of kind pagerduty_schedules says who is on call" in told
    assert "RB873 warning: the environment open has no connection 'schedules'" in told
    assert "who is on call is not known there, and page is told instead" in told


def test_what_is_odd_in_contacts_is_told_though_they_can_be_read(runbook, vendor, shop):
    odd = CONTACTS.replace(
        "PS1, connection: schedules, channel: page", "PS1, connection: schedules"
    )
    (shop / "runbooks/shop/contacts.yaml").write_text(odd)
    done = runbook("lint", "shop")
    told = done.out + done.err
    assert done.code == 0
    assert "RB871 warning: when PagerDuty cannot be asked, only the console is told" in told
