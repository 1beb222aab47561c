"""The page about telling people says what the channels and the limits are."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

from engine.cli.main import main
from engine.config.contacts_read import LEVELS_MAX, REPEATS_MAX
from engine.config.rotas_read import OVERRIDES_MAX
from engine.config.times import SHORTEST_S
from engine.core.escalate import DELAY_FACTOR, DELAY_MAX_S, DELAY_S, TRIES, TRIES_LAST
from engine.registry import Registry
from engine.runner.on_call import ASK_S, FAILED_S, KNOWN_S
from tests.docs.pages import FOLDER

PAGE = (FOLDER / "escalation.md").read_text()
HEAD = "| adapter | settings | knows a message by its key | told what became of it |\n"
LINES = PAGE.partition(HEAD)[2].partition("\n\n")[0].splitlines()[1:]
CELLS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES]
ROWS = {name.strip("`"): rest for name, *rest in CELLS}
REGISTRY = Registry()

CONNECTIONS = """\
connections:
  mail: {adapter: mail, host: mail.example.com, sender: runbook@example.com}
  twilio: {adapter: twilio, account: AC0, token: "${env:T}", sender: "+4930123456"}
  slack: {adapter: slack, token: "${env:S}"}
  pagerduty: {adapter: pagerduty, routing_key: "${env:K}"}
  schedules: {adapter: pagerduty_schedules, token: "${env:P}"}
"""

LIMITS = {
    "after two tries": TRIES == 2,
    "within three seconds": ASK_S == 3.0,
    "An answer serves all runs of a process for a minute": KNOWN_S == 60.0,
    "taken for granted for a quarter of a minute": FAILED_S == 15.0,
    "A policy has 20 levels at most": LEVELS_MAX == 20,
    "a level is told again 100 times at most": REPEATS_MAX == 100,
    "a minute or more apart": SHORTEST_S == 60.0,
    "a rota has 500 overrides at most": OVERRIDES_MAX == 500,
}


def test_every_channel_has_a_row():
    assert set(ROWS) == {one.name for one in entry_points(group="runbook.channels")}


@pytest.mark.parametrize("family", ROWS)
def test_a_row_says_what_its_channel_is(family: str):
    settings, knows, told = ROWS[family]
    made = REGISTRY.adapter(family)
    assert set(re.findall(r"`(\w+)`", settings)) <= set(REGISTRY.connection(family))
    assert made.again is (knows not in ("no", "if `idempotent`"))
    assert getattr(made, "follows", True) is told.startswith(("yes", "acknowledge"))


@pytest.mark.parametrize("words", LIMITS)
def test_a_limit_is_what_the_page_says(words: str):
    assert words in " ".join(PAGE.split())
    assert LIMITS[words]


def test_the_last_channel_is_tried_for_about_a_quarter_of_an_hour():
    assert "is tried for a quarter of an hour" in " ".join(PAGE.split())
    waits = [min(DELAY_MAX_S, DELAY_S * DELAY_FACTOR**n) for n in range(TRIES_LAST - 1)]
    assert 13 * 60 < sum(waits) < 1.5 * sum(waits) < 22 * 60


def test_the_contacts_of_the_page_are_read_without_a_word(tmp_path, capsys):
    """Whoever copies them begins without a warning."""
    contacts = PAGE.partition("## contacts.yaml\n\n```yaml\n")[2].partition("```")[0]
    pack = tmp_path / "runbooks/shop"
    (pack / "environments").mkdir(parents=True)
    (pack / "contacts.yaml").write_text(contacts)
    (pack / "environments/production.yaml").write_text(CONNECTIONS)
    (pack / "redis.yaml").write_text(
        "title: Redis\nsteps:\n  - {escalate: default, wait: acknowledged}\n"
    )
    code = main(["--books", str(tmp_path / "runbooks"), "lint"])
    assert (code, capsys.readouterr().out) == (0, "")
