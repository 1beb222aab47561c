"""The post-mortem: everything the trail knows of, nothing that a target said as markup, and short
enough to be read.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from engine.core.brief import brief
from engine.core.events import Event
from engine.wiring.postmortem import post_mortem
from engine.wiring.postmortem_pages import YOURS, html, markdown
from tests.core.world import book

START_US = 1_795_226_400_000_000
"""2026-11-21T02:00:00Z."""
ENGINE = {"name": "engine", "means": "engine"}
BO = {"name": "bo", "means": "link", "via": "m1"}
HOOK = {"name": "alertmanager", "means": "webhook"}
EVIL = "<script>alert(1)</script> [x](javascript:alert(1)) `rm` ![i](http://e.vil/p.png)"
ALERT = {
    "source": "alertmanager",
    "labels": {"alertname": "DiskFull", "instance": "db-1"},
    "alert": {"starts_at": "2026-11-21T01:59:30Z"},
}


class Trail:
    """Makes events; `at` is seconds since the start."""

    def __init__(self, **more: Any) -> None:
        self.events: list[Event] = []
        body = {"name": "p/disk", "digest": "d" * 64, "texts": {}, "inputs": {"host": "db-1"}}
        body |= {"event": ALERT, "environment": "production", "mode": "real", "engine": "0"}
        self.add(0, "RunStarted", HOOK, **{**body, "connections": {}, **more})

    def add(self, at: float, type_: str, actor: Any = ENGINE, **body: Any) -> Trail:
        seq = len(self.events) + 1
        at_us = START_US + round(at * 1e6)
        self.events.append(Event("RUN", seq, at_us, type_, 1, actor, body, f"{seq:064x}"))
        return self

    def step(self, at: float, path: str, status: str = "passed", **more: Any) -> Trail:
        kind = more.pop("kind", "check")
        title, plan = more.pop("title", path), more.pop("plan", {})
        self.add(
            at, "StepStarted", path=path, id=path, kind=kind, attempt=1, plan=plan, title=title
        )
        known = {"why": [], "warnings": [], "outcome": None, "extracted": {}, "attempt": 1}
        return self.add(at, "StepFinished", path=path, status=status, **{**known, **more})

    def told(self, at: float, name: str, channel: str) -> Trail:
        key = f"RUN:call:{name}:{channel}"
        known = {"escalation": "call", "summons": name, "key": key, "attempt": 1}
        self.add(at, "TellStarted", **known, kind="page", who=name, name=name, channel=channel)
        return self.add(at + 1, "Told", **known, receipt={}, elapsed_ms=1)

    def doubted(self, at: float, name: str, channel: str) -> Trail:
        key = f"RUN:call:{name}:{channel}"
        known = {"escalation": "call", "summons": name, "key": key, "attempt": 1}
        self.add(at, "TellStarted", **known, kind="page", who=name, name=name, channel=channel)
        failed = {"why": "it broke off", "doubt": True, "dropped": False, "next_us": None}
        return self.add(at + 1, "TellFailed", **known, **failed)

    def made(self) -> Any:
        return post_mortem(
            self.events, book("severity: SEV1\nsteps:\n  - {wait: 1s, id: rest}\n"), brief
        )


def night() -> Trail:
    found = {"outcome": {"result": {"value": 97, "unit": "%"}}}
    trail = Trail().step(1, "space", "failed", title="How full is it", why=["97 < 90"], **found)
    trail.doubted(2, "Ana Lim", "sms").told(120, "Bo Ek", "mail")
    bo = {"escalations": ["call"], "note": "on my way", "via": "mail"}
    trail.add(300, "Acknowledged", BO, **bo)
    plan = {"target": "host"}
    trail.step(600, "clean", "unknown", kind="action", title="Drop old logs", plan=plan)
    trail.add(660, "DoubtSettled", BO, path="clean", happened=True, reason="I looked")
    end = {"outcome": "resolved", "because": "there is room", "outputs": {}, "running": []}
    return trail.add(2400, "RunFinished", **end, worst="passed")


@pytest.mark.parametrize(("place", "where"), [("console", "the console"), ("#ops", "#ops")])
def test_what_was_asked_at_a_place_names_it(place, where):
    trail = Trail()
    known = {"escalation": "ask:sure#1", "summons": "1.1.1", "key": "k", "attempt": 1}
    trail.add(
        1, "EscalationStarted", escalation="ask:sure#1", question={"path": "sure"}, message="Sure?"
    )
    trail.add(1, "TellStarted", **known, kind="question", who=place, name=place, channel=place)
    trail.add(2, "Told", **known, receipt={}, elapsed_ms=1)
    assert f"Asked at {where}: Sure?" in [moment.what for moment in trail.made().timeline]


def test_who_responded_are_people_and_not_pagerduty_that_says_an_acknowledgement_ran_out():
    ana = {"name": "ana", "means": "webhook", "via": "d1", "called": "Ana Lim"}
    trail = Trail().told(1, "Ana Lim", "page")
    taken = {"escalations": ["call"], "incident": "RUN:call:1.1", "via": "PagerDuty"}
    trail.add(20, "Acknowledged", ana, **taken, note="")
    nobody = {"name": "PagerDuty", "means": "webhook", "via": "d2"}
    trail.add(50, "Unacknowledged", nobody, **taken, occurred_us=None, how="ran-out")
    assert trail.made().responders == ["Ana Lim"]


def test_every_field_of_the_template_is_filled_or_marked():
    text = markdown(night().made())
    assert text.startswith("# Post-Mortem: main\n**Date**: 2026-11-21 (times are UTC)")
    for line in (
        "**Duration**: 00:40 (the run was open for 40m)",
        "**Severity**: SEV1",
        "**Responders**: bo",
        "**Times**: started 30s after it began, somebody told after 2m1s, taken after 5m, resol",
        "**Inputs**: host: db-1",
        "- 01:59:30 - The alert DiskFull (instance=db-1) began",
        "- 02:00:00 - Incident detected: main started by the alert DiskFull (instance=db-1)",
        "- 02:00:01 - Found: How full is it FAILED (value 97, unit %): 97 < 90",
        "- 02:02:01 - Team notified: Bo Ek was told by mail",
        "- 02:05:00 - bo took it by mail: on my way",
        f"- {YOURS} - Root cause identified",
        "- 02:10:00 - Not certain: Drop old logs IN DOUBT",
        "- 02:40:00 - Incident resolved: there is room",
        "- Drop old logs IN DOUBT (on host); bo settled it: it happened",
        "- whether Ana Lim was told by sms: it broke off",
        "- bo settled it: Drop old logs: I looked",
        f"- Downtime: {YOURS} (the run was open for 40m)",
        f"- [ ] Fix root cause (Owner: {YOURS}, Due: {YOURS})",
    ):
        assert line in text, line


def test_the_same_stands_in_the_json():
    found = night().made().to_json()
    assert json.loads(json.dumps(found)) == found
    assert found["times"] == {"alerted": "30s", "told": "2m1s", "taken": "5m", "resolved": "40m"}
    assert found["responders"] == ["bo"]
    assert found["evidence"]["events"] == len(night().events)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def evil() -> Trail:
    trail = Trail(inputs={"host": EVIL}).step(1, "a", "failed", title=EVIL, why=[f"x\n# {EVIL}"])
    trail.add(2, "Acknowledged", {**BO, "name": EVIL}, escalations=["call"], note=EVIL, via="mail")
    return trail.add(3, "RunFinished", outcome="failed", because=EVIL, outputs={}, running=[EVIL])


def test_what_a_target_said_is_text_in_the_page():
    tags = Tags(html(evil().made()))
    assert tags.open == []
    assert not {"script", "a", "img"} & set(tags.seen)
    assert "Content-Security-Policy" in html(evil().made())


def test_what_a_target_said_is_text_in_markdown():
    text = markdown(evil().made())
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\[(?!yours to write\]| \] )", text)
    assert not re.search(r"(?<!\\)`", text)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert len(heads) == len(
        [line for line in markdown(night().made()).splitlines() if line[:1] == "#"]
    )


def test_a_page_can_be_read_without_seeing_colours_or_a_mouse():
    page = html(night().made())
    tags = Tags(page)
    assert '<html lang="en">' in page
    assert 'name="viewport"' in page
    assert tags.seen.count("h1") == 1
    assert {"main", "h2", "dl", "ol", "time"} <= set(tags.seen)


def test_a_run_of_a_thousand_steps_stays_short_and_keeps_what_was_wrong():
    trail = Trail()
    for number in range(1000):
        trail.step(number, f"each/item-{number}/look", title="Look", plan={})
    trail.step(1001, "bad", "failed", title="The last one", why=["no"])
    text = markdown(trail.made())
    assert len(text.splitlines()) < 160
    assert "1000 checks found nothing wrong" in text
    assert "Found: The last one FAILED: no" in text
    assert "Look (each/item-999/look) ok" in text


def test_a_long_line_of_trouble_is_cut_in_the_middle():
    trail = Trail()
    for number in range(1000):
        trail.step(number, f"look-{number}", "failed", why=["no"])
    text = markdown(trail.made())
    assert len(text.splitlines()) < 360
    assert "look-999 FAILED: no" in text
    assert "more in the trail" in text


def test_a_change_that_was_denied_is_not_told_as_one_and_who_may_not_decide_is_named():
    trail = Trail().add(1, "ApprovalRequested", path="grow", id="grow", title="Grow", kind="action")
    refused = {"path": "grow", "wanted": "approve", "why": "whoever asked for it may not decide it"}
    trail.add(2, "ApprovalRefused", BO, **refused)
    trail.add(3, "Denied", {**BO, "name": "ana"}, path="grow", reason="not today")
    trail.step(4, "grow", "failed", kind="action", title="Grow", why=["ana denied it: not today"])
    made = trail.add(5, "RunFinished", outcome="failed", because="Grow: denied", outputs={}).made()
    text = markdown(made)
    for line in (
        "main was started by the alert DiskFull \\(instance=db-1\\) and ended failed: Grow: denied",
        "bo would approve Grow, which does not count: whoever asked for it may not decide it",
        "ana denied Grow: not today",
        "Not done: Grow FAILED: ana denied it: not today",
        "- The runbook changed nothing",
    ):
        assert line.replace("\\", "") in text.replace("p/disk", "main"), text
    assert "Changed:" not in text


def test_who_is_reminded_is_asked_again_and_a_probe_is_called_by_its_action():
    trail = Trail().step(1, "free", "unknown", kind="action", title="Free them")
    probe = "free/probe-1/http-request"
    trail.add(2, "StepStarted", path=probe, id="http-request", title="http-request", kind="check")
    known = {"why": ["refused"], "warnings": [], "outcome": None, "extracted": {}, "attempt": 1}
    trail.add(3, "StepFinished", path=probe, status="errored", **known)
    asks = {"escalation": "ask:free#1", "question": {"path": "free"}, "message": "Did it happen?"}
    trail.add(4, "EscalationStarted", **asks)
    for at, key in ((5, "one"), (9, "two")):
        told = {"escalation": "ask:free#1", "key": key, "kind": "question", "name": "Bea"}
        trail.add(at, "TellStarted", **told, channel="mail", summons="1.1.1:bea", who="bea")
        trail.add(at + 1, "Told", receipt={}, elapsed_ms=1, **told)
    trail.add(20, "EscalationExhausted", escalation="run", why="nobody took it within 5m")
    text = markdown(trail.made())
    for line in (
        "02:00:03 - Found: The probe of Free them ERROR: refused",
        "02:00:06 - Bea was asked by mail: Did it happen?",
        "02:00:10 - Bea was asked again by mail: Did it happen?",
        "02:00:20 - Nobody is left to be called: nobody took it within 5m",
    ):
        assert line in text, text


def test_what_was_given_is_told_in_words_and_not_as_a_program_writes_it():
    made = night().made()
    made.inputs = {"routes": [{"to": [1]}, {"to": [2]}], "wait": 1.0, "dry": False, "who": None}
    assert "**Inputs**: routes: 2 items, wait: 1, dry: no, who: none" in markdown(made)


def begun(trail: Trail, at: float) -> Trail:
    known = {"id": "drop", "kind": "action", "attempt": 1, "title": "Drop the cache"}
    return trail.add(at, "StepStarted", path="drop", plan={"target": "cache"}, **known)


def test_an_action_under_way_is_in_doubt_and_nobody_reads_that_nothing_was_changed():
    """Also after the death of its driver: the trail cannot tell the two apart."""
    made = begun(Trail().step(1, "look"), 5).made()
    text = markdown(made)
    assert "The runbook changed nothing" not in text
    assert "## Resolution\n- Nothing is known to be changed so far: see what is in doubt" in text
    line = "Drop the cache (on cache): begun at 02:00:05 UTC, and not known to have ended"
    assert f"## In doubt\n- {line}\n" in text
    assert made.to_json()["in_doubt"] == [line]


def test_an_action_that_ended_is_not_under_way_nor_one_of_a_rehearsal_or_one_that_people_do():
    ended = begun(Trail(), 1).step(2, "drop", kind="action", title="Drop the cache")
    rehearsed = begun(Trail(mode="rehearsal"), 1)
    over = begun(Trail(), 1).add(2, "RunFinished", outcome="failed", because="", running=["drop"])
    asked = Trail().add(
        1, "StepStarted", path="a", id="a", kind="action", attempt=1, plan={"asks": "do"}
    )
    for trail in (ended, rehearsed, over, asked):
        assert "not known to have ended" not in markdown(trail.made())


def test_an_action_that_went_wrong_stands_beside_what_was_changed():
    failed = {"error": {"message": "it ended with exit code 1"}}
    trail = Trail().step(1, "move", "errored", kind="action", title="Move", outcome=failed)
    text = markdown(trail.made())
    assert "## Resolution\n- Not done: Move ERROR\n" in text
    assert "The runbook changed nothing" not in text


def test_a_change_that_was_undone_is_not_told_as_one_that_stands():
    trail = Trail().step(1, "grow", kind="action", title="Grow")
    trail.step(2, "more", kind="action", title="Grow more")
    trail.add(3, "RunFinished", outcome="failed", because="", outputs={})
    trail.step(9, "grow/undo/back", kind="action", title="Shrink again")
    text = markdown(trail.add(10, "UndoFinished", undone=["grow"], failed=None, why=None).made())
    assert "## Resolution\n- Grow ok; undone since\n- Grow more ok\n- Shrink again ok\n" in text
    assert "02:00:10 - Undone: 1 step\n" in text


def test_an_input_of_many_lines_is_one_line_of_the_report():
    text = markdown(Trail(inputs={"note": "x\n# Resolved\n\n| a |\n" + "y" * 5000}).made())
    assert "# Resolved\n" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("**Inputs**")]
    assert len(line) < 400


def test_what_would_be_a_heading_a_list_or_emphasis_stands_there_as_it_was_said():
    said = ("# head", "## Resolution", "- more", "+ more", "> said", "1. first", "2) second")
    trail = Trail()
    for number, title in enumerate(said):
        trail.step(number, title, "failed", title=title)
    trail.step(20, "globs", title="cache:*:a cache:*:b __init__ exit_code ~~gone~~ &lt;")
    text = markdown(trail.made())
    for line in (
        *(
            "- \\# head FAILED",
            "- \\## Resolution FAILED",
            "- \\- more FAILED",
            "- \\+ more FAILED",
        ),
        *("- \\> said FAILED", "- 1\\. first FAILED", "- 2\\) second FAILED"),
        "- cache:\\*:a cache:\\*:b \\_\\_init\\_\\_ exit_code \\~\\~gone\\~\\~ &amp;lt; ok",
    ):
        assert f"{line}\n" in text, text


def test_nothing_in_a_report_turns_the_direction_in_which_it_is_read():
    made = Trail().step(1, "look", "failed", title="a\u202eb\u2066c").made()
    for text in (markdown(made), html(made)):
        assert "a\ufffdb\ufffdc FAILED" in text
        assert not set("\u202e\u2066") & set(text)
