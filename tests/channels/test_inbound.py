"""A forged, replayed, expired or foreign button or link does nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from engine.channels.inbound import Claim, Press, check, read_press, sign, verify_slack
from engine.errors import Refused

NOW = 1_800_000_000
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
KEY = b"0123456789abcdef0123456789abcdef"
CLAIM = Claim("r1:call:1.1.1:ana:mail", "r1", "on_failure/call", "ana", NOW + 60)


def signed(body: bytes, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    text = b"v0:%d:" % at + body
    signature = "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": signature}


def test_the_example_of_slacks_document_is_verified():
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&"
        b"channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&"
        b"command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015."
        b"47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"X-Slack-Request-Timestamp": "1531420618", "X-Slack-Signature": signature}
    verify_slack([SECRET], headers, body, 1531420618.0)


def test_of_two_secrets_either_counts_while_one_is_changed():
    verify_slack(["other", SECRET], signed(b"x"), b"x", NOW)


@pytest.mark.parametrize(
    ("headers", "body", "secrets", "why"),
    [
        (signed(b"x"), b"y", [SECRET], "wrong"),
        (signed(b"x", "other"), b"x", [SECRET], "wrong"),
        (signed(b"x", ""), b"x", [""], "wrong"),
        (signed(b"x"), b"x", [], "wrong"),
        (signed(b"x", at=NOW - 301), b"x", [SECRET], "older"),
        (signed(b"x", at=NOW + 301), b"x", [SECRET], "older"),
        ({}, b"x", [SECRET], "not signed"),
        ({**signed(b"x"), "X-Slack-Signature": ""}, b"x", [SECRET], "not signed"),
        ({**signed(b"x"), "X-Slack-Request-Timestamp": ""}, b"x", [SECRET], "not signed"),
        ({**signed(b"x"), "X-Slack-Request-Timestamp": "\u00b2"}, b"x", [SECRET], "not signed"),
        ({**signed(b"x"), "X-Slack-Request-Timestamp": "9" * 5000}, b"x", [SECRET], "not signed"),
        ({"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0="}, b"x", [SECRET], "not"),
        ({**signed(b"x"), "X-Slack-Signature": "v0=\u00e9"}, b"x", [SECRET], "wrong"),
        ({**signed(b"x"), "X-Slack-Signature": "v0=\udcff"}, b"x", [SECRET], "wrong"),
    ],
)
def test_what_slack_did_not_sign_just_now_is_refused(headers, body, secrets, why):
    with pytest.raises(Refused, match=why):
        verify_slack(secrets, headers, body, NOW)


def test_a_request_of_slacks_counts_to_the_end_of_its_window_and_by_a_secret_that_is_no_utf_8():
    for at in (NOW - 300, NOW + 300):
        verify_slack([SECRET], signed(b"x", at=at), b"x", NOW)
    raw = b"secret-\xff"
    signature = "v0=" + hmac.new(raw, b"v0:%d:x" % NOW, hashlib.sha256).hexdigest()
    headers = {**signed(b"x"), "X-Slack-Signature": signature}
    verify_slack([raw.decode("utf-8", "surrogateescape")], headers, b"x", NOW)


def test_a_press_says_who_pressed_what():
    payload = {"type": "block_actions", "user": {"id": "U1"}, "actions": [{"value": "abc"}]}
    payload |= {"channel": {"id": "C1"}, "message": {"ts": "1.2"}, "response_url": "https://x"}
    body = urlencode({"payload": json.dumps(payload)}).encode()
    assert read_press(body) == Press("U1", "abc", "C1", "1.2", "https://x")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"payload=", b"payload=[]", b"payload={}", b"\xff", b"payload=" + b"[" * 5000),
        b'payload={"type":"view","user":{"id":"U"},"actions":[{"value":"x"}]}',
        b'payload={"type":"block_actions","user":{"id":"U"},"actions":[]}',
        b"a=1&" * 50
        + b'payload={"type":"block_actions","user":{"id":"U"},"actions":[{"value":""}]}',
    ],
)
def test_what_is_no_press_is_refused(body):
    with pytest.raises(Refused, match="no press"):
        read_press(body)


def test_a_press_has_no_place_and_no_address_where_slack_names_none_that_is_a_text():
    for place in (
        {},
        {"channel": None, "message": None},
        {"channel": {"id": 5}, "response_url": 5},
    ):
        payload = {
            "type": "block_actions",
            "user": {"id": "U1"},
            "actions": [{"value": "a"}],
            **place,
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        assert read_press(body) == Press("U1", "a", None, None, None)


def test_a_link_made_before_an_upgrade_counts_after_it():
    """What is signed, and how, is in mails that were sent: it does not change."""
    text = (
        "WyJyMTpjYWxsOjEuMS4xOmFuYTptYWlsIiwicjEiLCJvbl9mYWlsdXJlL2NhbGwiLCJhbmEiLDE4MDAwMDAwNjAs"
        "ImFja25vd2xlZGdlZCIsIiJd.CJdm8O_IqC5aRqkowy54ZS_GKXoHaTkXjRhBr4f0Vo0"
    )
    assert sign(CLAIM, KEY) == text
    assert check(text, [KEY], NOW) == CLAIM


@pytest.mark.parametrize("packed", ["W10", "NQ", "eHg", "-", "WzEsMl0", "_w"])
def test_what_is_signed_with_our_key_and_is_no_claim_is_no_link(packed):
    """Of an engine that packs other things, or that keeps less in a claim."""
    mac = hmac.new(KEY, b"runbook-link:" + packed.encode(), hashlib.sha256).digest()
    with pytest.raises(Refused, match="no link of ours"):
        check(f"{packed}.{urlsafe_b64encode(mac).decode().rstrip('=')}", [KEY], NOW)


@pytest.mark.parametrize("name", ["ana", "anas", "an\u00e4", "a", "an", "\U0001f600"])
def test_whatever_a_link_says_comes_back_whole(name):
    claim = replace(CLAIM, who=name, answer="", plan_hash=name * 20)
    assert check(sign(claim, KEY), [KEY], NOW) == claim


def test_a_link_says_what_it_was_made_for():
    text = sign(replace(CLAIM, plan_hash="ab" * 32), KEY)
    assert check(text, [b"another key, kept a while", KEY], NOW).plan_hash == "ab" * 32
    assert text.isascii()
    assert "/" not in text


def test_an_altered_foreign_or_expired_link_is_refused():
    text = sign(CLAIM, KEY)
    for position in range(len(text)):
        other = "A" if text[position] != "A" else "B"
        with pytest.raises(Refused):
            check(text[:position] + other + text[position + 1 :], [KEY], NOW)
    with pytest.raises(Refused, match="not made here"):
        check(text, [b"x" * 32], NOW)
    with pytest.raises(Refused, match="too old"):
        check(text, [KEY], NOW + 61)
    with pytest.raises(Refused, match="not made here"):
        check(text, [], NOW)
    with pytest.raises(Refused, match="no link"):
        check("x" * 5000, [KEY], NOW)


def test_a_link_is_not_signed_with_a_key_that_can_be_guessed():
    with pytest.raises(Refused, match="fewer than"):
        sign(CLAIM, b"x" * 15)
    assert check(sign(CLAIM, b"x" * 16), [b"x" * 16], NOW + 60) == CLAIM


def pressed(**more: object) -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "actions": [{"value": "opaque", "type": "button"}],
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def field(value: object) -> dict[str, object]:
    return {"runbook:reason": {"type": "plain_text_input", "value": value}}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, ""),
        (None, ""),
        ({"values": {}}, ""),
        ({"values": {"b": field(None)}}, ""),
        ({"values": {"b": field("seen it")}}, "seen it"),
        ({"values": {"other": {"x": {"value": "no"}}, "b": field("seen it")}}, "seen it"),
        ({"values": {"b": field("x" * 5000)}}, "x" * 1000),
        ({"values": {"b": field(17)}}, "17"),
    ],
)
def test_the_text_of_the_field_comes_with_the_press(state, reason):
    assert read_press(pressed(state=state)).reason == reason


@pytest.mark.parametrize("state", [{"values": [1]}, "x", {"values": {"b": 1}}, [1]])
def test_a_press_whose_fields_are_none_of_slacks_is_refused(state):
    with pytest.raises(Refused, match="no press"):
        read_press(pressed(state=state))
