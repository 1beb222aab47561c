"""References are resolved late, by whoever opens a connection, and never printed."""

# ruff: noqa: RUF001 - what the redactor writes

from __future__ import annotations

import json
import pickle

import pytest

from engine.errors import RunbookError
from engine.secret import SecretText, Vault, reveal


def test_a_text_with_a_reference_prints_and_stores_as_the_reference():
    text = Vault({"TOKEN": "hidden"}).bind("Bearer ${env:TOKEN}", "connection api")
    assert isinstance(text, SecretText)
    assert (str(text), repr(text), f"{text}", json.dumps([text])) == (
        "Bearer ${env:TOKEN}",
        "'Bearer ${env:TOKEN}'",
        "Bearer ${env:TOKEN}",
        '["Bearer ${env:TOKEN}"]',
    )
    assert text.references == ("env:TOKEN",)
    assert reveal(text) == "Bearer hidden"


def test_settings_are_bound_all_the_way_down_and_plain_ones_stay():
    bound = Vault({"A": "hidden"}).bind(
        {"url": "http://h", "headers": {"X": "${env:A}"}, "list": ["${env:A}", 1], "n": 5}, "c"
    )
    assert type(bound["url"]) is str
    assert isinstance(bound["headers"]["X"], SecretText)
    assert isinstance(bound["list"][0], SecretText)
    assert (bound["list"][1], bound["n"]) == (1, 5)


def test_a_plain_setting_is_its_own_value():
    assert reveal("plain") == "plain"


def test_nothing_is_looked_up_before_it_is_revealed():
    text = Vault({}).bind("${env:MISSING}", "connection cache")
    with pytest.raises(RunbookError, match=r"MISSING is not set \(connection cache\)"):
        reveal(text)


def test_of_many_services_only_the_names_are_told():
    services = {f"{name}.{field}": "x" for name in ("api", "cache") for field in "abcde"}
    with pytest.raises(RunbookError, match=r"no service tells jobs\.home") as caught:
        reveal(Vault({}, services).bind("${service:jobs.home}", "connection jobs"))
    assert caught.value.help == "up are api, cache"


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("${env:NO}", "the environment variable NO is not set", "export NO=..."),
        ("${file:/no/such}", "the secret file /no/such cannot be read: No such file or", None),
        ("${file:relative}", "the secret file relative needs an absolute path", None),
        ("${service:cache.url}", "no service tells cache.url", "told are: db.port"),
        ("${vault:x}", "${vault:x} is no reference", "one is ${env:NAME} or ${file:/path}"),
        ("${NAME}", "${NAME} is no reference", "one is ${env:NAME} or ${file:/path}"),
        ("${env:}", "${env:} is no reference", "one is ${env:NAME} or ${file:/path}"),
        ("${env:SHORT}", "the secret env:SHORT has 3 characters", None),
        ("${env:EMPTY}", "the secret env:EMPTY has 0 characters", None),
        ("${env:HUGE}", "the environment variable HUGE is over 16 KiB", None),
    ],
)
def test_what_cannot_be_resolved_is_told_with_the_connection(reference, message, hint):
    vault = Vault({"SHORT": "abc", "EMPTY": "", "HUGE": "x" * 20_000}, {"db.port": "1"})
    with pytest.raises(RunbookError) as caught:
        vault.resolve(reference, "connection cache")
    assert caught.value.message.startswith(message)
    assert caught.value.message.endswith(" (connection cache)")
    assert hint is None or caught.value.help == hint


def test_a_short_secret_is_refused_with_the_reason_and_without_its_value():
    with pytest.raises(RunbookError) as caught:
        Vault({"PIN": "q7z"}).resolve("${env:PIN}")
    assert caught.value.help == "one of under 4 characters cannot be kept out of records"
    assert "q7z" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"two\nlines\n\n", "two\nlines\n"),
    ],
)
def test_a_file_gives_its_text_without_one_newline_at_its_end(tmp_path, content, value):
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert Vault({}).resolve(f"${{file:{file}}}") == value


@pytest.mark.parametrize(
    ("content", "words"), [(b"x" * 20_000, "over 16 KiB"), (b"\xff\xfe\xff", "not UTF-8 text")]
)
def test_a_file_that_holds_no_secret_is_told(tmp_path, content, words):
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(RunbookError, match=words):
        Vault({}).resolve(f"${{file:{file}}}")


def test_what_a_service_says_of_itself_is_no_secret():
    vault = Vault({}, {"cache.port": "6379"})
    assert vault.resolve("redis://127.0.0.1:${service:cache.port}/0") == "redis://127.0.0.1:6379/0"
    assert vault.redactor().text("port 6379") == "port 6379"


def test_a_secret_text_of_no_vault_cannot_be_revealed():
    copied = pickle.loads(pickle.dumps(Vault({"A": "hidden"}).bind("${env:A}", "c")))
    assert copied == "${env:A}"
    with pytest.raises(RunbookError, match="belongs to no vault"):
        copied.reveal()


def test_a_password_written_into_a_url_is_kept_out_of_records_all_the_same():
    vault = Vault({})
    vault.bind({"url": "redis://:written-down@h:6379"}, "connection cache")
    assert vault.redactor().text("AUTH written-down") == "AUTH ‹secret connection cache›"


def test_secrets_that_can_be_had_are_learned_and_others_are_no_error():
    vault = Vault({"A": "hidden"})
    vault.learn("${env:NO} ${env:A} ${file:/no/such} ${vault:x}")
    assert vault.redactor().text("it is hidden") == "it is ‹secret A›"
