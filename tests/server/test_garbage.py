"""How often a server's memory is searched."""

from __future__ import annotations

import gc

from engine.server.garbage import collect_seldom


def test_what_a_server_has_when_it_begins_is_not_searched_again_and_the_rest_seldom():
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
