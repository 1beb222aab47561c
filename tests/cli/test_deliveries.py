"""What became of what arrived, as a list shows it."""

from __future__ import annotations

import pytest

from engine.cli.deliveries import _cells
from engine.journal.ledger import Delivery, Verdict

RUN = "20261121-021500-aaaaaaaa"
WHY = "somebody took it in another way too"


def shown(word: str, run: str | None) -> str:
    verdict = Verdict(word, WHY, None, run)  # type: ignore[arg-type]
    row = Delivery(
        "D", "pagerduty", "incident.unacknowledged", "x", 0, None, 1, 0, None, word, (verdict,), 0
    )
    return _cells(row, 0)[-1]


@pytest.mark.parametrize("word", ["ignored", "refused"])
def test_what_came_to_nothing_for_a_run_says_why(word: str) -> None:
    assert shown(word, RUN) == f"{RUN}: {WHY}"
    assert shown(word, None) == WHY


@pytest.mark.parametrize("word", ["started", "joined"])
def test_what_reached_a_run_names_it(word: str) -> None:
    assert shown(word, RUN) == RUN
