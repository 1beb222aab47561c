"""Rotas, quiet hours, channels, severities and policies of a `contacts.yaml`."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from engine.config import Books
from engine.errors import Diagnosed

BERLIN = ZoneInfo("Europe/Berlin")

GOOD = """\
people:
  ana: {roles: [on-call], channels: {email: ana@example.com, sms: "+4915100000001"}}
  bo: {channels: {email: bo@example.com}, quiet: {from: "20:00", until: "09:00"}}
rotas:
  primary:
    order: [ana, bo]
    since: 2026-01-05
    handover: "MON 09:00"
    timezone: Europe/Berlin
    overrides: [{who: bo, from: 2026-01-08 12:00, until: 2026-01-08 18:00}]
  platform: {pagerduty: PXYZ123, channel: page}
channels:
  email: {connection: mail}
  sms: {connection: twilio}
  page: {connection: pagerduty}
  room: {connection: slack, to: "#incidents"}
quiet: {from: "22:00", until: "07:00", timezone: Europe/Berlin}
severities:
  SEV1: {respond_within: 5m, policy: urgent, critical: true, status: {every: 15m, by: [room]}}
  SEV4: {respond_within: 1d, page: info}
policies:
  default:
    - {who: [primary], by: [sms, email], unless: acknowledged}
    - {who: [bo, room], by: [room, email], after: 15m, repeat: {every: 10m, times: 3}}
  urgent:
    reopen_after: 1h
    levels:
      - {who: [platform], by: [page], repeat: 5m}
"""


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "stratum"
    folder.mkdir()
    return folder


def read(pack, text):
    (pack / "contacts.yaml").write_text(text)
    return Books([pack.parent]).contacts("stratum")


def at(*face):
    return round(datetime(*face, tzinfo=BERLIN).timestamp() * 1e6)


def told(pack, text):
    with pytest.raises(Diagnosed) as caught:
        read(pack, text)
    return [(d.code, d.place.line, d.place.column, d.what) for d in caught.value.diagnostics]


def test_a_rota_hands_over_once_a_week_at_its_hour_on_the_clocks_of_its_zone(pack):
    rota = read(pack, GOOD).rotas["primary"]
    assert rota.on_call(at(2026, 1, 5, 9, 0)) == "ana"
    assert rota.on_call(at(2026, 1, 12, 8, 59)) == "ana"
    assert rota.on_call(at(2026, 1, 12, 9, 0)) == "bo"
    assert rota.on_call(at(2026, 1, 5, 8, 59)) == "bo"
    # the clocks change on 29 March: the hand-over stays at nine
    assert rota.on_call(at(2026, 3, 30, 8, 59)) == "bo"
    assert rota.on_call(at(2026, 3, 30, 9, 0)) == "ana"


def test_somebody_stands_in_from_when_until_when_the_override_says(pack):
    rota = read(pack, GOOD).rotas["primary"]
    assert rota.on_call(at(2026, 1, 8, 11, 59)) == "ana"
    assert rota.on_call(at(2026, 1, 8, 12, 0)) == "bo"
    assert rota.on_call(at(2026, 1, 8, 18, 0)) == "ana"


def test_who_is_on_call_in_a_schedule_of_pagerduty_is_not_known_here(pack):
    rota = read(pack, GOOD).rotas["platform"]
    assert (rota.schedule, rota.channel, rota.on_call(0)) == ("PXYZ123", "page", None)


def test_quiet_hours_end_in_the_morning_after(pack):
    quiet = read(pack, GOOD).quiet
    assert quiet.until_us(at(2026, 1, 5, 21, 59)) is None
    assert quiet.until_us(at(2026, 1, 5, 22, 0)) == at(2026, 1, 6, 7, 0)
    assert quiet.until_us(at(2026, 1, 6, 6, 59)) == at(2026, 1, 6, 7, 0)
    assert quiet.until_us(at(2026, 1, 6, 7, 0)) is None


def test_quiet_hours_over_a_change_of_clocks_end_when_the_clock_says_so(pack):
    quiet = read(pack, GOOD).quiet
    until_us = quiet.until_us(at(2026, 3, 28, 23, 0))
    assert until_us == at(2026, 3, 29, 7, 0)
    assert (until_us - at(2026, 3, 28, 23, 0)) / 3.6e9 == 7


def test_severities_policies_and_levels_say_what_they_ask_for(pack):
    found = read(pack, GOOD)
    assert found.severities["SEV1"].respond_within_s == 300
    assert found.severities["SEV1"].status_every_s == 900
    assert found.severities["SEV1"].status_by == ("room",)
    assert found.severities["SEV4"].page == "info"
    second = found.policies["default"][1]
    assert (second.after_s, second.every_s, second.times, second.unless) == (
        900.0,
        600.0,
        3,
        "acknowledged",
    )
    assert found.policies["urgent"][0].every_s == 300.0
    assert found.reopen_after_s == {"urgent": 3600.0}


def test_everything_that_is_wrong_is_told_at_once_each_with_its_place(pack):
    text = """\
people:
  ana: {channels: {email: ana@example.com, smss: "+49"}}
rotas:
  one: {order: [ana, anna], since: 2026-01-05, timezone: Europe/Berln}
  two: {order: [ana]}
  three: {pagerduty: P1}
  ana: {order: [ana], since: 2026-13-05}
channels:
  email: {connectoin: mail}
  sms: {connection: twilio}
quiet: {from: "25:00", until: "07:00"}
severities:
  SEV1: {policy: urgnt, critical: perhaps, status: {every: 15m}}
policies:
  urgent:
    - {who: [ana], by: [pager], repeat: {every: 10s, times: 1000}}
    - {who: [ana], until: resolved}
  empty: {reopen_after: 1h}
"""
    assert told(pack, text) == [
        ("RB823", 2, 44, "no channel is named 'smss'"),
        ("RB822", 4, 22, "nobody is named 'anna'"),
        ("RB840", 4, 58, "there is no time zone 'Europe/Berln'"),
        ("RB824", 5, 3, "the rota 'two' has no 'since'"),
        ("RB824", 6, 3, "the rota 'three' has neither 'connection' nor 'channel'"),
        ("RB801", 7, 30, "'since' takes a day like 2026-01-05, not \"2026-13-05\""),
        ("RB823", 9, 3, "the channel 'email' has no 'connection'"),
        ("RB802", 9, 11, "unknown key 'connectoin'"),
        ("RB801", 11, 15, '\'from\' takes a time of day like "22:00", not "25:00"'),
        ("RB827", 13, 18, "no policy is named 'urgnt'"),
        ("RB801", 13, 35, "'critical' takes true or false, not \"perhaps\""),
        ("RB803", 13, 52, "'status' has no 'by'"),
        ("RB823", 16, 25, "no channel is named 'pager'"),
        ("RB826", 16, 49, "'every' takes 1m or more, not 10s"),
        ("RB801", 16, 61, "'times' takes a number from 1 to 100, not the number 1000"),
        ("RB802", 17, 20, "unknown key 'until'"),
        ("RB803", 18, 3, "the policy 'empty' has no 'levels'"),
    ]


def test_a_rota_has_so_many_overrides_and_no_more(pack):
    one = "      - {who: ana, from: 2026-02-03 09:00, until: 2026-02-05 09:00}\n"
    head = "people: {ana: {}}\nrotas:\n  r:\n    order: [ana]\n    since: 2026-01-05\n"
    head += "    timezone: UTC\n"
    found = read(pack, f"{head}    overrides:\n{one * 500}")
    assert len(found.rotas["r"].overrides) == 500
    assert told(pack, f"{head}    overrides:\n{one * 501}") == [
        ("RB826", 508, 9, "a rota has at most 500 overrides")
    ]


def test_a_number_without_quotes_is_an_address_as_it_was_written(pack):
    found = read(pack, GOOD.replace('"+4915100000001"', "+4915100000001"))
    assert found.people["ana"].channels["sms"] == "+4915100000001"


def test_a_file_without_channels_names_them_as_it_likes(pack):
    found = read(
        pack, "people: {ana: {}}\npolicies: {default: [{who: ana, by: [carrier-pigeon]}]}\n"
    )
    assert found.policies["default"][0].by == ("carrier-pigeon",)
