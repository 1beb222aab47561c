"""`runbook serve --check`: what would be missed at night only is told by day."""

from __future__ import annotations

TRIGGERED = (
    "title: T\ntriggers: [{alertmanager: {match: {alertname: X}}}]\nsteps: [{end: resolved}]\n"
)
LINKS = "links: {keys: ['${env:LINK_KEY}']}\n"


def checked(runbook, shop, config: str):
    (shop / "serve.yaml").write_text(config)
    return runbook("serve", "--config", "serve.yaml", "--check")


def test_a_server_that_misses_nothing_is_good(runbook, shop):
    (shop / "runbooks/shop/alarm.yaml").write_text(TRIGGERED)
    done = checked(runbook, shop, "environment: staging\n")
    assert (done.code, done.out) == (0, "serve.yaml: good\n")


def test_contacts_that_cannot_be_read_are_told_before_somebody_is_to_be_called(runbook, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text("peeple: {}\n")
    done = checked(runbook, shop, "environment: staging\n")
    assert done.code == 1
    assert "did you mean 'people'?" in done.err
    assert done.out == "serve.yaml: good; but 1 contacts.yaml cannot be read\n"


def test_an_environment_that_no_triggered_run_could_use_is_told(runbook, shop):
    (shop / "runbooks/shop/alarm.yaml").write_text(TRIGGERED)
    done = checked(runbook, shop, "environment: stagin\n")
    assert done.code == 1
    assert "shop without the environment stagin of triggered runs" in done.out


def test_an_environment_is_not_missed_where_every_trigger_names_its_own(runbook, shop):
    text = TRIGGERED.replace("{match:", "{environment: staging, match:")
    (shop / "runbooks/shop/alarm.yaml").write_text(text)
    assert checked(runbook, shop, "environment: stagin\n").code == 0


def test_links_that_no_mail_would_have_are_told(runbook, shop, monkeypatch):
    monkeypatch.setenv("LINK_KEY", "0123456789abcdef0123456789abcdef")
    done = checked(runbook, shop, "environment: staging\n" + LINKS)
    assert (done.code, "`links` without `public_url`" in done.out) == (1, True)
    url = "public_url: https://runbook.example\n"
    assert checked(runbook, shop, "environment: staging\n" + LINKS + url).code == 0


def test_buttons_that_no_message_would_have_are_told(runbook, shop, monkeypatch):
    monkeypatch.setenv("SLACK", "0123456789abcdef0123456789abcdef")
    done = checked(runbook, shop, "environment: staging\nslack: {secrets: ['${env:SLACK}']}\n")
    assert (done.code, "`slack` without `links` makes no button" in done.out) == (1, True)


def test_a_key_of_links_that_can_be_guessed_is_told_before_somebody_is_to_be_called(
    runbook, shop, monkeypatch
):
    monkeypatch.setenv("LINK_KEY", "fifteen-letters")
    done = checked(runbook, shop, LINKS)
    assert done.code == 2
    assert "serve.yaml:1:16: RB851 a key of `links` takes 16 bytes or more, and has 15" in done.err
    assert "openssl rand -base64 32" in done.err
    assert "fifteen-letters" not in done.out + done.err
