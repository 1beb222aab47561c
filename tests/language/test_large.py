"""The largest and nastiest files there can be: read or refused within a second and 200 MB."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import pytest

from engine.language import source

sys.path.insert(0, str(Path(__file__).parent))

from hostile import LARGEST_KIB, tell


@pytest.fixture(autouse=True)
def only_its_own_garbage():
    """What the tests before left behind is not what these files cost."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


STEPS = "title: T\nsteps:\n"
BOMB = "\n".join(
    f"{name}: &{name} [{', '.join(['*' + inner] * 9)}]"
    for inner, name in zip("abcdefg", "bcdefgh", strict=True)
)
LARGE = {
    "brackets": "[" * 1_000_000,
    "braces": "{a: " * 250_000,
    "dashes": "- " * 500_000,
    "questions": "? " * 500_000,
    "quotes": '"a' * 500_000,
    "lines": "\n" * 1_000_000,
    "one long key": "a" * 1_000_000 + ": 1",
    "one long text": "title: " + "x" * 1_000_000,
    "comments": "#" * 1_000_000,
    "a tab at the end": " " * 1_000_000 + "\t",
    "anchors": "a: [" + "&a b, " * 150_000,
    "an alias bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n" + BOMB,
    "an alias bomb of steps": STEPS
    + "  - &a {group: x, steps: [wait: 1m, wait: 1m, wait: 1m, wait: 1m, wait: 1m, wait: 1m]}\n"
    + "".join(
        f"  - &{name} {{group: x, steps: [{', '.join(['*' + inner] * 7)}]}}\n"
        for inner, name in zip("abc", "bcd", strict=True)
    ),
    "keys": "".join(f"key{number}: 1\n" for number in range(24_000)),
    "the same key": "a: 1\n" * 24_000,
    "steps": STEPS
    + "".join(
        f"  - id: s{n}\n    when: s{n - 1} is passed\n    wait: 1m\n" for n in range(1, 1900)
    ),
    "steps without names": STEPS
    + "".join(f"  - when: x{n}.y\n    wait: 1m\n" for n in range(1900)),
    "steps of unknown types": STEPS
    + "".join(f"  - check: redis.in{n}\n    target: c\n" for n in range(1900)),
    "steps with undo": STEPS
    + "".join(
        f"  - id: s{n}\n    action: redis.delete\n    target: c\n"
        "    with: {match: a}\n    undo: [wait: 1m]\n"
        for n in range(990)
    ),
    "groups in groups": STEPS
    + "".join(f"{'  ' * (2 * n + 1)}- group:\n{'  ' * (2 * n + 2)}steps:\n" for n in range(23))
    + "  " * 47
    + "- wait: 1m\n",
    "long expressions": STEPS
    + "".join(
        "  - when: " + " or ".join(f"a{n}_{m}.b" for m in range(2000)) + "\n    wait: 1m\n"
        for n in range(20)
    ),
    "parentheses": STEPS + "  - when: " + "(" * 30_000 + "1" + ")" * 30_000 + "\n    wait: 1m\n",
    "a sum": STEPS + "  - when: " + "1+" * 30_000 + "1\n    wait: 1m\n",
    "dots": STEPS + "  - when: x" + ".a" * 30_000 + "\n    wait: 1m\n",
    "filters": STEPS + "  - when: x" + "|round" * 10_000 + "\n    wait: 1m\n",
    "templates": STEPS + "  - end: resolved\n    because: '" + "{{ x }}" * 9000 + "'\n",
    "open templates": STEPS + "  - end: resolved\n    because: '" + "{{" * 30_000 + "'\n",
    "blocks of templates": STEPS
    + "  - end: resolved\n    because: '"
    + "{% if x %}" * 6000
    + "'\n",
    "choices": "title: T\ninputs:\n  a:\n    one_of: ["
    + ", ".join(f"v{n}" for n in range(40_000))
    + "]\n",
    "patterns that explode": "title: T\ninputs:\n"
    + "".join(
        f"  i{n}: {{pattern: '(a|b|ab)*(bc|c){{1,{n}}}$', default: {'ab' * 200}}}\n"
        for n in range(99)
    )
    + "steps: [wait: 1m]\n",
    "patterns that are huge": STEPS
    + "  - check: run.value\n    with: {value: 1}\n    expect:\n"
    + "".join(
        f"      a{n}: {{matches: '((((a{{100}}){{100}}){{100}}){{100}}){{{n}}}'}}\n"
        for n in range(50)
    ),
    "patterns that are many": STEPS
    + "  - check: run.value\n    with: {value: 1}\n    expect:\n"
    + "".join(f"      a{n}: {{matches: '{'(x|y)+[a-z]' * 75}'}}\n" for n in range(1000)),
    "numbers": "".join(f"k{number}: {'9' * 4000}\n" for number in range(250)),
    "a wide list": STEPS + "  - check: run.value\n    with: {value: [" + "1, " * 45_000 + "1]}\n",
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_files_are_read_or_refused_within_a_second(name):
    data = LARGE[name].encode()[: source.MAX_FILE_BYTES]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tell(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST_KIB
