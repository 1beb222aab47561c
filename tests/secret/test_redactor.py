"""A canary, in every form that it may take on its way into a record, is not found there."""

# ruff: noqa: RUF001 - what the redactor writes

from __future__ import annotations

import base64
import html
import json
import math
import shlex
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.secret import Redactor, Vault
from tests.spending import at_most_s

CANARIES = [
    "c4n4ry-Secret",
    "p@ss/w%rd +\u00e9",
    "quo\"te'd\\back",
    "two\nlines\tand tab",
    "!@#$%^&*()",
    "a+b%20c%2Fd",
    "<b>&amp;</b>",
    "\u5bc6\u7801\u5bc6\u7801",
    "1234567890",
    "====",
    "it''s",
]

FORMS = {
    "itself": str,
    "quoted": quote,
    "quoted in full": lambda s: quote(s, safe=""),
    "quoted in lower case": lambda s: _lower_escapes(quote(s, safe="")),
    "quoted as a form": quote_plus,
    "quoted twice": lambda s: quote(quote(s, safe=""), safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 without padding": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 in a URL": lambda s: quote(base64.b64encode(s.encode()).decode(), safe=""),
    "hex": lambda s: s.encode().hex(),
    "hex in capitals": lambda s: s.encode().hex().upper(),
    "JSON": lambda s: json.dumps(s)[1:-1],
    "JSON with its own letters": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda s: json.dumps(json.dumps(s))[3:-3],
    "Python": lambda s: repr(s)[1:-1],
    "Python bytes": lambda s: repr(s.encode())[2:-1],
    "HTML": html.escape,
    "SQL": lambda s: s.replace("'", "''"),
    "shell": lambda s: shlex.quote(s)[1:-1] if shlex.quote(s) != s else s,
}


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join("%" + p[:2].lower() + p[2:] for p in parts[1:])


def redactor(*secrets: str) -> Redactor:
    made = Redactor()
    for number, secret in enumerate(secrets):
        made.add(f"env:S{number}", secret)
    return made


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_replaced_in_this_form(form, canary):
    text = FORMS[form](canary)
    assert redactor(canary).text(f"before {text} after") == "before ‹secret S0› after"


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("quote_again", [repr, json.dumps, lambda s: repr(s.encode())[1:]])
def test_a_secret_in_an_error_that_quotes_an_error_that_quotes_is_replaced(canary, quote_again):
    text = canary
    for _ in range(4):
        text = quote_again(text)
        redacted = redactor(canary).text(text)
        assert redacted.count("‹secret S0›") == 1
        assert set(redacted.replace("‹secret S0›", "")) <= set("'\"\\")


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("before", ["", "u", "us", "user:", "admin:"])
@pytest.mark.parametrize("after", ["", "x", "xy", ":more"])
def test_base64_of_text_around_a_secret_keeps_nothing_of_it(canary, before, after):
    encoded = base64.b64encode(f"{before}{canary}{after}".encode()).decode()
    left = redactor(canary).text(f"Basic {encoded}").replace("‹secret S0›", "\n")
    head, _, tail = left.removeprefix("Basic ").partition("\n")
    begins, ends = len(before) * 8, len(f"{before}{canary}".encode()) * 8
    whole = ends + len(after) * 8
    assert len(head) <= begins // 6
    assert len(tail.rstrip("=")) <= math.ceil(whole / 6) - math.ceil(ends / 6)


URL = "postgresql://ana:p%40ss-word@db.example:5432/stratum?sslmode=require&api_key=k3y-value"


@pytest.mark.parametrize(
    "text",
    [
        URL,
        "p%40ss-word",
        "p@ss-word",
        "ana:p%40ss-word",
        "ana:p@ss-word",
        "k3y-value",
        quote(URL, safe=""),
        base64.b64encode(b"ana:p@ss-word").decode(),
    ],
)
def test_the_password_in_a_url_is_a_secret_by_itself_as_written_and_decoded(text):
    assert redactor(URL).text(f"<{text}>") == "<‹secret S0›>"


def test_where_a_secret_url_points_is_no_secret():
    text = "connected to db.example:5432/stratum as ana with sslmode=require"
    assert redactor(URL).text(text) == text


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("host=h password=dsn-pass user=u", "dsn-pass"),
        ("host=h password='dsn pass' user=u", "dsn pass"),
        ("https://t0ken-only@git.example/x", "t0ken-only"),
        ("https://hooks.example/services/T00/B00/xyzzy", "/services/T00/B00/xyzzy"),
        (
            "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n",
            "9w0BAQEFAASCBKcwggSj",
        ),
        ("redis://:a/b?c#d@h:6379", "a/b?c#d"),
    ],
)
def test_the_telling_part_of_a_secret_is_one_by_itself(secret, text):
    assert redactor(secret).text(f"<{text}>") == "<‹secret S0›>"


def test_the_longer_secret_wins_where_one_holds_another():
    made = redactor("abcd", "abcdefgh")
    assert made.text("abcdefgh abcdxyz") == "‹secret S1› ‹secret S0›xyz"


def test_all_secrets_of_a_text_are_replaced_each_by_its_name():
    made = redactor("first-one", "second-one")
    assert made.text("first-one second-one first-one") == ("‹secret S0› ‹secret S1› ‹secret S0›")


def test_json_is_replaced_in_keys_values_and_numbers():
    made = redactor("c4n4ry", "12345678", "123.5")
    assert made.json({"c4n4ry": [1, 12345678, {"a": "x c4n4ry"}, None, True, 123.5, 12.5]}) == {
        "‹secret S0›": [1, "‹secret S1›", {"a": "x ‹secret S0›"}, None, True, "‹secret S2›", 12.5]
    }


def test_json_without_a_secret_is_the_same_object():
    value = {"a": [1, "text"]}
    assert redactor("c4n4ry").json(value) is value
    assert Redactor().json(value) is value


def test_the_view_of_a_vault_is_alive():
    vault = Vault({"A": "first-value", "B": "second-value"})
    view = vault.redactor()
    assert view.text("first-value second-value") == "first-value second-value"
    vault.resolve("${env:A}")
    assert view.text("first-value second-value") == "‹secret A› second-value"
    vault.resolve("${env:B}")
    assert view.text("first-value second-value") == "‹secret A› ‹secret B›"


def test_a_secret_file_is_named_by_its_path(tmp_path):
    file = tmp_path / "token"
    file.write_text("file-secret\n")
    vault = Vault({})
    vault.resolve(f"${{file:{file}}}")
    assert vault.redactor().text("file-secret") == f"‹secret file:{file}›"


@settings(max_examples=300, deadline=None)
@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=4, max_size=40),
    form=st.sampled_from(sorted(FORMS)),
    around=st.text(string.ascii_uppercase, max_size=5),
)
def test_no_secret_survives_in_any_form(secret, form, around):
    text = FORMS[form](secret)
    redacted = redactor(secret).text(f"{around} {text} {around}")
    assert text not in redacted.replace("‹secret S0›", "")


@settings(max_examples=200)
@given(
    secret=st.text("\\%'\"& +a", min_size=4, max_size=60),
    text=st.text("\\%25'\"& +a", max_size=400),
)
def test_no_secret_made_of_escapes_makes_it_slow(secret, text):
    with at_most_s(1, repr((secret, text))):
        redactor(secret).text(text)
