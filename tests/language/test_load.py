"""What a runbook is once it is read."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from engine.errors import Diagnosed, Place
from engine.language.fields import Table
from engine.language.keys import (
    APPROVE,
    ENTRIES,
    ESCALATION,
    GUARDS,
    INPUT,
    RETRY,
    RUNBOOK,
    TRIGGERS,
    WAY,
)
from engine.language.load import check_runbook, load_runbook
from engine.language.model import (
    Approve,
    Choose,
    Each,
    End,
    Escalate,
    Expression,
    Group,
    Input,
    Parallel,
    Retry,
    RunbookCall,
    Template,
    Wait,
    walk,
    walk_runbook,
)
from engine.language.nodes import Mapping
from engine.language.source import parse

sys.path.insert(0, str(Path(__file__).parent))

from catalog import SmallCatalog
from hostile import HERE

CATALOG = SmallCatalog()
EVERY_KEY = (HERE / "valid" / "every-key.yaml").read_text()


def find(name):
    path = HERE / "golden" / "called" / f"{name.rpartition('/')[2]}.yaml"
    return (f"called/{path.name}", path.read_text()) if path.exists() else None


def load(text, **others):
    """A runbook from the text, which may call those given as `others`."""
    called = {f"pack/{name}": (f"{name}.yaml", text) for name, text in others.items()}
    return load_runbook("pack/name", text, "name.yaml", CATALOG, called.get)


def at(written):
    """Where a part of the example with every key stands."""
    before = EVERY_KEY[: EVERY_KEY.index(written)].split("\n")
    return Place("every-key.yaml", len(before), len(before[-1]) + 1)


def codes(text, **others):
    called = {f"pack/{name}": (f"{name}.yaml", text) for name, text in others.items()}
    _, found = check_runbook("pack/name", text, "name.yaml", CATALOG, called.get)
    return [each.code for each in found]


def steps(text):
    return f"title: T\nsteps:\n{text}"


@pytest.fixture(scope="module")
def every():
    return load_runbook("pack/every-key", EVERY_KEY, "every-key.yaml", CATALOG, find)


def used_keys(node) -> set[str]:
    if isinstance(node, Mapping):
        inner = (used_keys(value) for _, value in node.pairs)
        return set(node.names()).union(*inner)
    return set().union(*map(used_keys, getattr(node, "items", ())))


def test_the_example_with_every_key_has_every_key_and_no_fault(every, collector):
    tables: list[Table] = [*ENTRIES.values(), APPROVE, ESCALATION, GUARDS, INPUT, RETRY, RUNBOOK]
    tables += [WAY, *TRIGGERS.values()]
    node = parse(EVERY_KEY, "every-key.yaml", collector)
    assert {name for keys in tables for name in keys} - used_keys(node) == set()
    assert check_runbook("a/b", EVERY_KEY, "every-key.yaml", CATALOG, find)[1] == ()
    assert every.title == "Every key"


@pytest.fixture
def collector():
    from engine.errors import Collector  # noqa: PLC0415 - one test needs one

    return Collector()


def test_a_runbook_keeps_its_text_and_the_digest_of_it(every):
    assert every.text == EVERY_KEY
    assert every.digest == hashlib.sha256(EVERY_KEY.encode()).hexdigest()
    assert every.name == "pack/every-key"
    assert every.place == Place("every-key.yaml", 1, 1)


def test_the_keys_of_a_runbook_are_read(every):
    assert every.covers == ("stratum/I3", "stratum/I4")
    assert every.who == ("on-call",)
    assert (every.respond_within_s, every.rehearse_every_s) == (900.0, 604800.0)
    assert [trigger.source for trigger in every.triggers] == [
        "alertmanager",
        "alertmanager",
        "pagerduty",
        "webhook",
        "schedule",
        "schedule",
    ]
    assert every.triggers[4].rule == {
        "cron": "0 3 * * sun",
        "timezone": "Europe/Berlin",
        "missed": "run",
        "inputs": {"retries": 3},
    }
    assert every.triggers[0].places["autonomy"] == at("autonomy: propose")
    assert every.guards.rules == {
        "lock": {
            "key": Template("redis/{{ inputs.namespace }}", at("redis/{{ inputs.namespace }}")),
            "when_taken": "queue",
        },
        "cooldown": 600.0,
        "max_runs": {"count": 3, "per": 21600.0},
        "breaker": {"after": 3, "reset": 3600.0},
    }
    assert (every.escalation.policy, every.escalation.unresolved_after_s) == ("default", 1800.0)
    assert set(every.outputs) == {"share", "deleted"}


def test_the_two_words_for_one_thing_of_a_trigger_are_kept_as_one(every):
    assert every.triggers[1].rule == {
        "match": {"alertname": "/^Redis/"},
        "status": "resolved",
        "priority": -2,
        "inputs": {"retries": 3},
    }
    assert every.triggers[5].rule == {
        "cron": "0 3 * * mon",
        "timezone": "Asia/Tokyo",
        "missed": "run",
        "inputs": {"retries": 3},
    }


def test_inputs_are_read_with_their_defaults(every):
    assert every.inputs["namespace"] == Input(
        "namespace",
        "string",
        at("type: string"),
        required=False,
        default="cache:*",
        description="keys that may be dropped",
        pattern="cache:.+",
    )
    assert every.inputs["patience"].default == 300.0
    assert every.inputs["mode"].required is False
    assert every.inputs["mode"].one_of == ("fast", "slow")
    assert every.inputs["retries"].required is True
    assert every.inputs["hosts"].default == ["a", "b"]


def test_a_check_is_read(every):
    memory = every.steps[0]
    assert (memory.verb, memory.type, memory.target) == ("check", "redis.info", "cache")
    assert memory.params == {"section": "memory"}
    assert memory.when == Expression("inputs.limit > 0", at("inputs.limit > 0"))
    assert memory.retry == Retry(5, 0.5, 2, 10.0, "none")
    assert (memory.within_s, memory.hold_s, memory.every_s) == (120.0, None, 10.0)
    assert memory.warn == {"used_memory": {"lt": 100}}
    assert list(memory.extract) == ["share"]
    assert memory.on_failure == "continue"
    assert memory.places["section"] == at("memory}\n    when")


def test_a_check_that_asks_again_asks_every_five_seconds_unless_it_says_otherwise(every):
    assert (every.steps[1].hold_s, every.steps[1].every_s) == (60.0, 5.0)
    assert every.steps[1].retry == Retry(attempts=3)


def test_an_action_is_read(every):
    clear = every.steps[2]
    assert clear.approve == Approve(("on-call",), 2, 900.0, 20)
    assert (clear.idempotent, clear.max_affected) == (True, 100000)
    assert clear.probe.type == "redis.length"
    assert clear.undo[0].type == "human.do"
    escalate = clear.on_failure[0]
    assert isinstance(escalate, Escalate)
    assert (escalate.policy, escalate.wait, escalate.retry) == (
        "default",
        "acknowledged",
        Retry(attempts=2),
    )


def test_entries_with_entries_in_them_are_read(every):
    choose, each, parallel, call = every.steps[3:]
    assert isinstance(choose, Choose)
    assert [way.name for way in choose.ways] == ["it helped", "otherwise"]
    assert choose.ways[1].when is None
    assert isinstance(choose.ways[0].steps[0], End)
    wait = choose.ways[1].steps[0]
    assert isinstance(wait, Wait)
    assert (wait.for_s, wait.duration.text) == (None, "{{ inputs.patience }}")
    assert isinstance(each, Each)
    assert (each.items.text, each.name, each.limit) == ("inputs.hosts", "host", 2)
    assert isinstance(parallel, Parallel)
    left, right = parallel.branches
    assert isinstance(left, Group)
    assert (left.title, right.title) == ("Left", None)
    assert [name for name, _ in left.blocks()] == ["steps", "undo", "always"]
    assert isinstance(call, RunbookCall)
    assert call.inputs == {
        "namespace": Template("{{ inputs.namespace }}", at('{{ inputs.namespace }}", limit: 3')),
        "limit": 3,
    }
    assert set(every.calls) == {"golden/clean-up"}


def test_entries_without_an_id_get_one_that_no_expression_can_name(every):
    assert [entry.id for entry in every.steps] == [
        "memory",
        "http-request",
        "clear",
        "choose-1",
        "hosts",
        "parallel-1",
        "cleaned",
    ]
    ids = [entry.id for entry in walk_runbook(every) if not entry.named]
    assert ids[-2:] == ["escalate-2", "run-value"]
    assert all("-" in each for each in ids)
    assert len(ids) == len(set(ids))


def test_every_entry_knows_where_its_keys_stand(every):
    assert every.steps[2].key_places["approve"] == at("approve:")


def test_texts_that_yaml_1_1_took_for_something_else_stay_texts():
    runbook = load(
        steps(
            "  - check: run.value\n"
            "    with: {value: [on, off, yes, no, 22:22, 0777, 1_000, 0o17, 0x1F]}\n"
        )
    )
    assert runbook.steps[0].params["value"] == [
        *("on", "off", "yes", "no", "22:22", "0777", "1_000"),
        15,
        31,
    ]


def test_a_condition_may_be_true_or_false():
    runbook = load(steps("  - wait: 1s\n    when: true\n"))
    assert runbook.steps[0].when.text == "true"


def test_load_raises_with_every_error_and_the_texts_they_point_into():
    text = steps("  - chek: redis.info\n  - runbook: pack/other\n")
    with pytest.raises(Diagnosed) as caught:
        load(text, other="titel: Other\nsteps: [wait: 1s]\n")
    assert [each.code for each in caught.value.diagnostics] == ["RB110", "RB101"]
    assert set(caught.value.sources) == {"name.yaml", "other.yaml"}


def test_a_runbook_with_warnings_alone_is_handed_out():
    text = steps("  - end: resolved\n  - wait: 1s\n")
    runbook, found = check_runbook("a/b", text, "f", CATALOG, find)
    assert runbook is not None
    assert [(each.code, each.severity) for each in found] == [("RB109", "warning")]
    assert load(text).title == "T"


def test_warnings_never_leave_an_error_without_room():
    ended = "  - group: x\n    steps:\n      - end: resolved\n      - wait: 1s\n"
    runbook, found = check_runbook(
        "a/b", steps(ended * 300 + "  - wait: soon\n"), "f", CATALOG, find
    )
    assert runbook is None
    assert found[-1].code == "RB105"


def test_a_runbook_holds_those_it_calls_all_the_way_down():
    middle = steps("  - runbook: pack/bottom\n")
    runbook = load(
        steps("  - runbook: pack/middle\n"), middle=middle, bottom=steps("  - wait: 1s\n")
    )
    assert set(runbook.calls) == {"pack/middle", "pack/bottom"}
    assert set(runbook.calls["pack/middle"].calls) == {"pack/bottom"}


def test_a_runbook_called_twice_is_read_once_and_told_about_once():
    text = steps("  - runbook: pack/other\n  - runbook: pack/other\n")
    assert codes(text, other="title: Other\n") == ["RB102"]


def test_runbooks_may_call_each_other_eight_deep_and_no_deeper():
    def chain(length):
        others = {f"n{n}": steps(f"  - runbook: pack/n{n + 1}\n") for n in range(1, length)}
        others[f"n{length}"] = steps("  - wait: 1s\n")
        return codes(steps("  - runbook: pack/n1\n"), **others)

    assert chain(7) == []
    assert chain(8) == ["RB222"]


def test_a_runbook_that_calls_itself_is_told():
    assert codes(steps("  - runbook: pack/name\n")) == ["RB221"]


def test_more_than_two_thousand_steps_are_too_many():
    assert codes(steps("  - wait: 1s\n" * 2000)) == []
    assert codes(steps("  - wait: 1s\n" * 2001)) == ["RB108"]


def test_too_many_templates_are_told_once():
    many = "".join(f"  - wait: 1s\n    when: {n} > {'1 + ' * 40}1\n" for n in range(1500))
    assert codes(steps(many)) == ["RB405"]


def test_too_many_patterns_are_told_once():
    many = "".join(f"      a{n}: {{matches: '{'abcdefgh' * 100}{n}'}}\n" for n in range(100))
    text = steps("  - check: run.value\n    with: {value: 1}\n    expect:\n" + many)
    assert codes(text) == ["RB126"]


def test_a_text_of_more_than_64_kib_is_told():
    assert codes(f"title: {'x' * 65537}\nsteps: [wait: 1s]\n") == ["RB017"]


class Unloadable(SmallCatalog):
    """A catalog of which one family does not import."""

    def get(self, type, kind=None):
        from engine.errors import RunbookError  # noqa: PLC0415 - of this class only

        if type.startswith("broken."):
            raise RunbookError("broken cannot be imported", help="install it")
        return super().get(type, kind)


def test_a_family_that_cannot_be_loaded_is_told_where_it_is_used():
    text = steps("  - check: broken.thing\n    target: x\n")
    _, found = check_runbook("a/b", text, "f.yaml", Unloadable(), find)
    assert [(each.code, each.place.line, each.help) for each in found] == [
        ("RB303", 3, "install it")
    ]


def test_a_matcher_that_is_none_is_told_at_its_place():
    text = steps(
        "  - check: run.value\n    with: {value: 1}\n    expect: {value: {between: [3]}}\n"
    )
    _, found = check_runbook("a/b", text, "f.yaml", CATALOG, find)
    assert [(each.code, each.place) for each in found] == [("RB117", Place("f.yaml", 5, 22))]


def test_walking_meets_the_entries_of_every_block(every):
    kinds = {type(entry) for entry in walk(every.steps)}
    assert {Choose, Each, End, Escalate, Group, Parallel, RunbookCall, Wait} <= kinds
