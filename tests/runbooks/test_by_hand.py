"""Ten procedures of the documents, drawn at random, followed by hand and by our runbook.

Each is followed twice in the same world: by somebody who types what the document says (where its
own command is wrong, first that, then what its author meant), and by the runbook that covers it.
What is left is compared whole - every row, key, object, file and request - and what was seen on the
way. It is the same, or the difference is written out where it is compared:

| procedure | what differs, and why |
|---|---|
| ace-playbook/H1 | nothing |
| ace-playbook/DB3 | nothing, of each of its three ways; one after the other they drop all |
| adinsights/PF | nothing |
| adinsights/CV | nothing |
| stratum/I2 | the document goes on where ending sessions was enough; it starts the API anew twice |
| stratum/EC1 | the image's name; what does not come up is taken back by ours only |
| terminal-strategist/I1 | ours tries an execution, and switches on again what was off |
| terminal-strategist/W4 | the document's command deletes all; ours ends what forgot to expire |
| trading-ops/P3 | ours stops trading first, and says so |
| trading-ops/P14 | nothing |
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

from engine.coverage.inventory import read_inventory
from tests.runbooks.every import BOOKS

DRAW = 20261121
"""The day it was drawn: not tried with another number."""

OF_EACH = 2
RESERVE = 2
"""Drawn with them, for what only people can do. None of the ten was that, and so none was taken."""

FOLLOWED = {
    "ace-playbook/H1": "ace-playbook/health-check",
    "ace-playbook/DB3": "ace-playbook/migration-rollback",
    "adinsights/PF": "adinsights/performance-review",
    "adinsights/CV": "adinsights/cache-verification",
    "stratum/I2": "stratum/database-connection-exhaustion",
    "stratum/EC1": "stratum/ecs-deploy",
    "terminal-strategist/I1": "terminal-strategist/terminal-api-unavailable",
    "terminal-strategist/W4": "terminal-strategist/cooldown-cleanup",
    "trading-ops/P3": "trading-ops/kill-switch",
    "trading-ops/P14": "trading-ops/post-reset-verification",
}
"""And by which runbook; in `test_by_hand_*.py`."""


def drawn():
    """Two of each document, among those of which a machine can carry out something."""
    executable = defaultdict(list)
    for one in read_inventory(Path(__file__).with_name("inventory.csv")):
        if one.executable:
            executable[one.system].append(one.id)
    draw = random.Random(DRAW)
    return [
        f"{system}/{id_}"
        for system in sorted(executable)
        for id_ in draw.sample(sorted(executable[system]), OF_EACH + RESERVE)[:OF_EACH]
    ]


def test_the_ten_are_those_that_were_drawn():
    assert drawn() == list(FOLLOWED)


def test_each_of_the_ten_is_covered_by_the_runbook_that_it_is_compared_with(registry):
    covers = {name: BOOKS.load(name, registry).covers for name in FOLLOWED.values()}
    assert [p for p, name in FOLLOWED.items() if p not in covers[name]] == []


def test_each_of_the_ten_is_followed():
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_by_hand_*.py")]
    assert [name for name in FOLLOWED.values() if sum(f'"{name}"' in t for t in texts) != 1] == []
