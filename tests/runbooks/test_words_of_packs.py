"""Whatever our runbooks tell somebody at night is a text for people: what is wrong, what is asked,
and nothing of how it is made. All that the previews of production show, and all that the scenarios
lead to, is read here as a linter reads it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest

from engine.core.state import State
from engine.core.summons import STATUS
from engine.core.words import words
from engine.registry import Registry
from engine.runner.wording import text_of, title_of
from engine.scenario.calls import PRODUCTION
from engine.scenario.play import play
from engine.scenario.read import read_scenarios
from engine.wiring.preview import preview
from engine.wiring.scenarios import ContactsOf
from tests.runbooks.test_packs import BOOKS, NAMES

REGISTRY = Registry()
CALLERS = ContactsOf(BOOKS, REGISTRY)

FAULTS = {
    "a value that is none": r"\bNone\b|\bundefined\b",
    "a template": r"\{\{|\}\}|\{%|%\}",
    "an expression where only the run knows": r"<[^>\n]*(?: \| |==|default\(| else )[^>\n]*>",
    "three line ends": r"\n\s*\n\s*\n",
    "an end of a quotation as an item": r"(?m)^- ['\"]?$",
    "punctuation twice": r"(?<!\.)\.\.(?![./\w])|,,|;;|[,;] ?[.;,](?![.\w])|: ?:(?!\w)",
    "a word twice": r"(?i)(?<![-\w/.])(the|a|an|is|of|to|in|it|not|by|and|or) \1(?![-\w/.=])",
    "a number as a machine writes it": r"\d(?:\.\d+)?e[+-]\d\d|\d\.\d{6,}|\b\d{13,}\b",
    "one of several": r"\b1 (?:items|rows|lines|matches|fields|minutes|hours|attempts|updates)\b",
    "a space before a mark": r"\w [,;](?: |$)",
}
TITLE_FAULTS = {
    "two spaces": r"  ",
    "a mark of a list": r"(?:: |\. )[-*] |^[-*] ",
    "a line end": r"\n",
}

PARAMETER = re.compile(r"(?m)^- [a-z_]+: .*(?:\n  .*)*$")
"""What a change is given exactly stands as it is: it may be JSON, or end in `..`."""

HOW = {
    "questions": r"runbook (?:approve|answer|settle) \S+ ",
    "page": r"runbook ack \S+|ask if you are needed",
}
"""How whoever reads it acts, by what it is; where it only informs, it asks for nothing."""


def faults(title: str, text: str) -> Iterator[str]:
    both = PARAMETER.sub("- parameter", f"{title}\n{text}")
    for name, pattern in FAULTS.items():
        found = re.search(pattern, both)
        if found is not None:
            line = both[both.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
            yield f"{name}: {found[0]!r} in {line!r}"
    for name, pattern in TITLE_FAULTS.items():
        if re.search(pattern, title):
            yield f"{name} in the title {title!r}"


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_runbook_could_tell_is_a_text_for_people(name):
    runbook, informs = BOOKS.load(name, REGISTRY), BOOKS.contacts(name.partition("/")[0]).informs
    for told in preview(BOOKS, REGISTRY, runbook, PRODUCTION):
        assert not list(faults(told.title, told.text))
        if told.policy in informs:
            assert "runbook ack" not in told.text
        elif told.who != "whoever was told" and told.escalation != STATUS:
            assert re.search(HOW.get(told.policy, HOW["page"]), told.text)


def told_in(name: str) -> Iterator[tuple[str, str, str, bool]]:
    """The scenario, the title and the text of all that people are told in the scenarios, and
    whether it informs them only.
    """
    runbook, file = BOOKS.load(name, REGISTRY), BOOKS.scenarios(name)
    assert file is not None
    for scenario in read_scenarios(file, runbook, BOOKS):
        called = dataclasses.replace(scenario, calls_in=scenario.calls_in or PRODUCTION)
        state = State(scenario.began.id, runbook)
        for event in play(runbook, called, REGISTRY, CALLERS).events:
            state.apply(event)
            if event.type == "LevelDue" and event.body["escalation"] != STATUS:
                key = event.body["escalation"]
                said = words(state, key, event.body["level"])
                one = state.escalations[key]
                kind = "question" if one.question else "page"
                yield scenario.name, title_of(said, kind), text_of(said, kind), one.informs


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_scenario_tells_is_a_text_for_people(name):
    for scenario, title, text, informs in told_in(name):
        assert not list(faults(title, text)), scenario
        asks = re.search(f"{HOW['questions']}|{HOW['page']}", text)
        assert (asks is None) == informs, scenario


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Redis is None % full", "a value that is none"),
        ("Redis is {{ full }} % full", "a template"),
        ("It is <a if b is passed else c>", "an expression where only the run knows"),
        ("It is down\n\n\nTake it", "three line ends"),
        ("- argv: python -c 'a\n- '\n", "an end of a quotation as an item"),
        ("It is down.. Take it", "punctuation twice"),
        ("It is the the end", "a word twice"),
        ("1.8e+09 <= 3600.0 does not hold", "a number as a machine writes it"),
        ("1 items", "one of several"),
        ("It is down , take it", "a space before a mark"),
    ],
)
def test_the_linter_of_texts_finds_what_it_is_for(text: str, fault: str):
    assert [found.partition(":")[0] for found in faults("Redis", text)] == [fault]
    assert not list(faults("Redis", "It is full: 41 <= 30 does not hold; see <a.b>. Take it..."))
    assert list(faults("Checklist: - is it there?", ""))
