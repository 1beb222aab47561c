"""A rehearsal never says *would resolve* of a run that does not, and changes nothing anywhere."""

from __future__ import annotations

import pytest

from engine.registry import Registry
from tests.rehearsal.page import PAGE, table_in
from tests.rehearsal.situations import Situation, Told, play, situations, table

SITUATIONS_MIN = 40
REGISTRY = Registry()
ALL = situations(REGISTRY)
TOLD: dict[Situation, Told] = {}


@pytest.mark.parametrize("situation", ALL, ids=lambda one: f"{one.name}: {one.what}")
async def test_what_the_rehearsal_says_is_so_and_nothing_is_written(situation, tmp_path):
    told = TOLD[situation] = await play(situation, REGISTRY, tmp_path)
    assert told.changed == ()
    assert told.kept != "BROKEN", told
    line = table([told]).splitlines()[2]
    known = table_in(PAGE.read_text()).splitlines()
    assert line in known, "python -m tests.rehearsal writes the page anew"


def test_there_are_enough_situations_and_the_page_has_no_other():
    assert len(ALL) >= SITUATIONS_MIN
    lines = table_in(PAGE.read_text()).splitlines()
    assert lines.index("") - 2 == len(ALL)
