"""20,000 malformed or hostile files: each is told about, none is a traceback, none costs much."""

from __future__ import annotations

import json
import random
import resource
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.language.keys import ENTRIES, RUNBOOK

sys.path.insert(0, str(Path(__file__).parent))

from hostile import LARGEST_KIB, NAMES, RUNBOOKS, VALUES, YAML_BITS, mutated, reworded, tell

TEXTS = 2_000
TREES = 1_500
GROWN = 4_500
MUTATIONS = 6_000
WORDS = 6_000


def many(count: int):
    """So many; that they are large and take long is meant so."""
    return settings(max_examples=count, suppress_health_check=list(HealthCheck))


@many(TEXTS)
@given(st.lists(st.sampled_from(YAML_BITS) | st.text(max_size=3), max_size=40))
def test_random_text_is_told_about(bits):
    tell("".join(bits).encode("utf-8", "surrogatepass"))


LEAVES = st.sampled_from(VALUES) | st.text(max_size=8)
KEYS = st.sampled_from(NAMES)
TREE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)
STEP = st.dictionaries(st.sampled_from(sorted(ENTRIES)), TREE, min_size=1, max_size=2)
TREES_OF_KEYS = st.fixed_dictionaries(
    {"title": LEAVES, "steps": st.lists(STEP, max_size=4)},
    optional=dict.fromkeys(("inputs", "guards", "triggers", "outputs", "always"), TREE),
)


def written(tree) -> bytes:
    """A tree as YAML: JSON is YAML."""
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")


@many(TREES)
@given(TREES_OF_KEYS)
def test_trees_of_our_keys_with_anything_in_them_are_told_about(tree):
    tell(written(tree))


BLOCKS = {"steps", "otherwise", "undo", "always", "on_failure", "parallel", "choose"}


def grown(dice: random.Random, depth: int):
    if depth == 0 or dice.random() < 0.3:
        return dice.choice(VALUES)
    if dice.random() < 0.4:
        return [grown(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {dice.choice(NAMES): grown(dice, depth - 1) for _ in range(dice.randrange(5))}


def grown_step(dice: random.Random, depth: int):
    """A step that is often nearly right: it has keys of its kind, and steps where steps belong."""
    kind = dice.choice(sorted(ENTRIES))
    step = {kind: grown(dice, 1)}
    for name in dice.sample(sorted(ENTRIES[kind]), dice.randrange(1, 4)):
        if name in BLOCKS and depth:
            step[name] = [grown_step(dice, depth - 1) for _ in range(dice.randrange(1, 3))]
        else:
            step[name] = grown(dice, 2)
    return step


def test_runbooks_grown_at_random_are_told_about():
    for number in range(GROWN):
        dice = random.Random(number)
        tree = {"title": "T", "steps": [grown_step(dice, 2) for _ in range(dice.randrange(1, 5))]}
        tree |= {name: grown(dice, 3) for name in dice.sample(sorted(RUNBOOK), dice.randrange(3))}
        tell(written(tree))


def tell_all(count: int, change) -> None:
    originals = [path.read_bytes() for path in RUNBOOKS]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        tell(change(originals[number % len(originals)], random.Random(number)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST_KIB


def test_mutations_of_runbooks_are_told_about():
    tell_all(MUTATIONS, mutated)


def test_runbooks_with_words_exchanged_are_told_about():
    tell_all(WORDS, reworded)


def test_there_are_twenty_thousand_of_them():
    assert TEXTS + TREES + GROWN + MUTATIONS + WORDS >= 20_000
