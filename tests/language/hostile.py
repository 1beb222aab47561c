"""What hostile files are made of, and the judge of how they are read."""

from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path

from engine.errors import Collector
from engine.language import source
from engine.language.keys import ENTRIES, GUARDS, INPUT, RETRY, RUNBOOK, TRIGGERS
from engine.language.load import check_runbook
from engine.language.report import render

sys.path.insert(0, str(Path(__file__).parent))

from catalog import SIGNATURES, SmallCatalog

HERE = Path(__file__).parent

LONGEST_S = 1.0
"""Of processor time, so that a busy machine does not count."""

LARGEST_KIB = 200 * 1024

CATALOG = SmallCatalog()
PACKS = HERE.parent.parent / "runbooks"
RUNBOOKS = [
    *sorted((HERE / "valid").glob("*.yaml")),
    *sorted((HERE / "golden").glob("*.yaml")),
    *sorted(PACKS.glob("*/*.yaml")),
]


def tell(data: bytes) -> None:
    """Reads a file as lint does. Fails where nothing is told, or where it takes too long."""
    before = time.process_time()
    collector = Collector()
    text = source.decode(data, "hostile.yaml", collector)
    if text is None:
        assert collector.found
        return
    runbook, found = check_runbook("a/hostile", text, "hostile.yaml", CATALOG, lambda _: None)
    assert (runbook is None) == any(each.severity == "error" for each in found)
    assert render(found, {"hostile.yaml": text}) or runbook is not None
    took = time.process_time() - before
    assert took < LONGEST_S, f"{took:.2f} s for {data[:200]!r}"


# fmt: off
YAML_BITS = (
    "\n", "\n  ", "\n    ", "\n- ", "- ", ": ", ": ", "? ", "#", "&a ", "*a", "!!str ", "| \n",
    ">-\n", "{", "}", "[", "]", ",", '"', "'", "%", "@", "`", "\t", "---", "...", "<<: ",
    "{{ ", " }}", "{% ", "title", "steps", "check", "redis.info", "when", "expect", "choose",
    "wait", "1m", "~", ".inf", "0777", "1e999", "\\", "\x00", "\ufeff", "\u2028", "é", "\r\n",
    "\U0001d6fc", "\ud800",
)
VALUES = [
    None, True, False, 0, -1, 3, 10**15, 0.5, "", "a", "x y", "1m", "-5m", "stop", "continue",
    "resolved", "acknowledged", "string", "number", "duration", "{{ a }}", "{{", "{% for i in x %}",
    "{{ inputs.a | quote }}", "a.b > 1", "result.x ==", "inputs", "item", "(", "(a+)+$", "a: b",
    "*a", "\x00", "☃", "[a-z]{3}", *(signature.type for signature in SIGNATURES),
]
MORE_NAMES = ("schedule", "stepz", "x", "", "{{", "lock", "match", "eq", "matches", "length")
# fmt: on

TABLES = (*ENTRIES.values(), RUNBOOK, INPUT, GUARDS, RETRY, *TRIGGERS.values())
NAMES = sorted({name for keys in TABLES for name in keys} | set(MORE_NAMES))


def _byte(data, dice, at):
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def _cut(data, dice, at):
    return data[:at] + data[at + dice.randint(0, 12) :]


def _repeat(data, dice, at):
    to = at + dice.randint(0, 12)
    return data[:at] + data[at:to] * dice.randint(2, 40) + data[to:]


def _insert(data, dice, at):
    return data[:at] + dice.choice(YAML_BITS).encode("utf-8", "surrogatepass") + data[at:]


def _indent(data, dice, _):
    lines = data.split(b"\n")
    line = dice.randrange(len(lines))
    lines[line] = dice.choice((b"", b" ", b"  ", b"\t")) + lines[line].lstrip(b" -")
    return b"\n".join(lines)


def _copy_line(data, dice, _):
    lines = data.split(b"\n")
    lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return b"\n".join(lines)


MUTATORS = (_byte, _cut, _repeat, _insert, _indent, _copy_line)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few bytes or lines of a file changed, as an editor, a bad disk or an attacker would."""
    for _ in range(dice.randint(1, 3)):
        data = dice.choice(MUTATORS)(data, dice, dice.randrange(len(data) + 1))
    return data


def reworded(data: bytes, dice: random.Random) -> bytes:
    """Words in the places of others: mostly still YAML, and rarely a runbook."""
    for _ in range(dice.randint(1, 3)):
        words = re.findall(rb"[\w.]+", data)
        if words:
            new = dice.choice(words) if dice.random() < 0.6 else str(dice.choice(VALUES)).encode()
            old = rb"\b%s\b" % re.escape(dice.choice(words))
            data = re.sub(old, lambda _, new=new: new, data, count=1)
    return data
