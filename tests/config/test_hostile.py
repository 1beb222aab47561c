"""Whatever is in a file: it is read, or told, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.contacts_read import ContactsReader
from engine.config.environment import EnvironmentReader
from engine.config.fields import Fields
from engine.errors import Collector
from engine.language.source import parse
from engine.registry import Registry
from tests.spending import at_most_s

CATALOG = Registry()
GOOD = [file.read_text() for file in sorted(Path(__file__).parent.glob("good_*.yaml"))]

WORDS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "\n",
    "  ",
    "*a",
    "&a ",
    "null",
    "1e9",
    "'",
    '"',
    "${",
    "}",
    "${env:X}",
]
KEYS = [
    "connections",
    "adapter",
    "people",
    "roles",
    "policies",
    "who",
    "freeze",
    "allow_as",
    "after",
    "rotas",
    "pagerduty",
    "order",
    "since",
    "overrides",
    "quiet",
]


@at_most_s(1, "one file")
def read_both(text: str) -> None:
    for make in (
        lambda fields, root: EnvironmentReader(fields, CATALOG).read(root, "p", "e"),
        lambda fields, root: ContactsReader(fields).read(root),
    ):
        collector = Collector()
        root = parse(text, "file.yaml", collector)
        if root is not None:
            make(Fields("file.yaml", collector), root)
        for found in collector.found:
            assert found.place.line >= 1
            assert found.what


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_file_is_read_or_told(data):
    text = data.draw(st.sampled_from(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from([*WORDS, *KEYS, ""])) + text[at + cut :]
    read_both(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(JSON)
def test_any_json_is_read_or_told(value):
    with contextlib.suppress(UnicodeEncodeError):
        read_both(json.dumps(value, ensure_ascii=False))
