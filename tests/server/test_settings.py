"""The configuration: everything that is wrong at once, with its place; no secret written down."""

from __future__ import annotations

import pytest

from engine.errors import Diagnosed, Usage
from engine.server.settings import read_settings

GOOD = """listen: "[::1]:9000"
public_url: https://runbook.example/
environment: staging
pagerduty:
  secrets: ["${env:PD}", "${env:PD2}"]
  token: "${env:PD_TOKEN}"
  from: a@b.c
  reconcile: 2m
alertmanager: {tokens: ["${env:AM}"], basic: {user: u, password: "${env:AM}"}}
webhooks: {deploys: {secrets: ["${env:PD}"]}, backups: {kind: token, secrets: ["${env:AM}"]}}
sign_on:
  issuer: https://login.example
  client_id: c
  client_secret: "${env:AM}"
  groups: {sre: [operator, "approver:p"]}
deliveries: {keep: 30d}
drive_max: 7
grace: 5s
"""
ENVIRON = {"PD": "secret-one", "PD2": "secret-two", "PD_TOKEN": "token-one", "AM": "token-two"}


def made(tmp_path, text, environ=ENVIRON):
    path = tmp_path / "serve.yaml"
    path.write_text(text)
    return read_settings(path, environ)


def test_a_whole_configuration_is_read(tmp_path):
    found = made(tmp_path, GOOD)
    assert (found.host, found.port, found.environment) == ("::1", 9000, "staging")
    assert found.pagerduty.secrets == ("secret-one", "secret-two")
    assert found.pagerduty.reconcile_s == 120
    assert found.webhooks["deploys"].kind == "signed"
    assert found.sign_on.groups == {"sre": {"*": ("operator",), "p": ("approver",)}}
    assert (found.keep_s, found.drive_max, found.grace_s) == (30 * 86_400, 7, 5)
    assert found.public_url == "https://runbook.example"


def test_no_secret_is_in_what_python_shows_of_it(tmp_path):
    shown = repr(made(tmp_path, GOOD))
    for value in ENVIRON.values():
        assert value not in shown


def test_everything_that_is_wrong_is_told_at_once_with_its_place(tmp_path):
    text = """listen: nowhere
pagerdutty: {}
pagerduty: {secrets: [plain-secret], token: "${env:NOT_SET}"}
alertmanager: {}
webhooks: {Deploys: {kind: signd}}
sign_on: {issuer: x, groups: {a: [oprator]}}
drive_max: 0
grace: soon
"""
    with pytest.raises(Diagnosed) as told:
        made(tmp_path, text)
    found = [(d.place.line, d.what) for d in told.value.diagnostics]
    lines = [line for line, _ in found]
    assert sorted(set(lines)) == [1, 2, 3, 4, 5, 6, 7, 8]
    words = " ".join(what for _, what in found)
    for part in ("pagerdutty", "written down", "NOT_SET", "no credential", "oprator", "client_id"):
        assert part in words
    assert "plain-secret" not in words


@pytest.mark.parametrize("name", ["none.yaml"])
def test_a_file_that_is_not_there_is_said_so(tmp_path, name):
    with pytest.raises(Usage, match="is not there"):
        read_settings(tmp_path / name, {})


def test_without_a_file_there_is_an_api_and_no_door(tmp_path):
    found = read_settings(None, {})
    assert (found.host, found.port) == ("127.0.0.1", 8600)
    assert found.pagerduty is None


@pytest.mark.parametrize("url", ["runbook.example.com", "//runbook.example", "https://", "ftp://x"])
def test_an_address_that_no_link_of_a_message_could_have_is_told(tmp_path, url):
    """Else every link that takes something leads nowhere, and it is noticed at night."""
    with pytest.raises(Diagnosed) as told:
        made(tmp_path, f"public_url: {url}\n")
    (found,) = told.value.diagnostics
    assert found.what.startswith("'public_url' takes an address like https://runbook.example.com")
    assert (found.place.line, found.place.column) == (1, 13)
