"""What templates and expressions give, and what is said when they give nothing."""

# ruff: noqa: E501 - in a table of cases a row is a line

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from engine.errors import Place
from engine.language.model import Expression, Template
from engine.language.template import StepView, TemplateProblem, evaluate, holds, render

PLACE = Place("runbook.yaml", 12, 5)
SCOPE = {
    "memory": StepView(
        "memory",
        "passed",
        {
            "used": 93,
            "max": 100,
            "human": "93M",
            "rows": [{"name": "b", "n": 2}, {"name": "a", "n": 1}],
            "nested": {"a b": [10, 20]},
            "nothing": None,
            "items": "a field named like a method",
        },
    ),
    "broken": StepView("broken", "errored", None),
    "failed": StepView("failed", "failed", {"status": 500}),
    "left_out": StepView("left_out", "skipped", None),
    "doubt": StepView("doubt", "unknown", None, "may have happened"),
    "inputs": MappingProxyType(
        {"limit": 0.8, "name": "two words", "keys": ["x", "y z"], "empty": ""}
    ),
    "now": datetime(2026, 11, 21, 2, 0, tzinfo=UTC),
}


def value(text: str):
    return evaluate(Expression(text, PLACE), SCOPE)


def rendered(text: str):
    return render(Template(text, PLACE), SCOPE)


def problem(text: str, scope=SCOPE) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        evaluate(Expression(text, PLACE), scope)
    assert caught.value.place == PLACE
    return caught.value


VALUES = [
    ("1 + 2 * 3", 7),
    ("7 // 2", 3),
    ("7 % 4", 3),
    ("7 / 2", 3.5),
    ("2 ** 10", 1024),
    ("-memory.used", -93),
    ("memory.used / memory.max < inputs.limit", False),
    ("0 < memory.used <= 93", True),
    ("memory.used > 90 and not memory.nothing", True),
    ("memory.nothing or 'instead'", "instead"),
    ("'a' if memory.used > 100 else 'b'", "b"),
    ("memory.rows[0].name", "b"),
    ("memory.rows[-1]['name']", "a"),
    ("memory.rows.1.name", "a"),
    ("memory.nested['a b'][1]", 20),
    ("memory.nested['a b'][:1]", [10]),
    ("memory.items", "a field named like a method"),
    ("memory.rows | length", 2),
    ("memory.rows | map(attribute='n') | sum", 3),
    ("memory.rows | map(attribute='n') | map('string') | list", ["2", "1"]),
    ("memory.rows | map(attribute='x', default=0) | list", [0, 0]),
    ("memory.rows | sort(attribute='name') | map(attribute='n') | list", [1, 2]),
    ("memory.rows | selectattr('n', 'gt', 1) | map(attribute='name') | first", "b"),
    ("memory.rows | rejectattr('n', 'gt', 1) | list | length", 1),
    ("memory.rows | selectattr('x', 'defined') | list", []),
    ("memory.rows | rejectattr('x', 'defined') | list | length", 2),
    ("memory.rows | max(attribute='n')", {"name": "b", "n": 2}),
    ("memory.rows | groupby('n') | map(attribute='grouper') | list", [1, 2]),
    ("[3, 1, 2] | sort(reverse=true)", [3, 2, 1]),
    ("['b', 'A', 'a'] | unique | list", ["b", "A"]),
    ("['b', 'A'] | sort", ["A", "b"]),
    ("[1, 2, 3] | select('odd') | list", [1, 3]),
    ("[1, 2, 3] | reject('odd') | list", [2]),
    ("[0, 1, none] | select | list", [1]),
    ("[1, 2, 3, 4, 5] | batch(2) | list", [[1, 2], [3, 4], [5]]),
    ("[1, 2, 3] | slice(2) | list", [[1, 2], [3]]),
    ("{'b': 1, 'a': 2} | dictsort", [["a", 2], ["b", 1]]),
    ("{'b': 1} | items | list", [["b", 1]]),
    ("{'a': 1}.items() | list", [["a", 1]]),
    ("inputs.keys | join(', ')", "x, y z"),
    ("inputs.keys[0]", "x"),
    ("inputs.get('limit')", 0.8),
    ("inputs.get('x', 3)", 3),
    ("'a,b'.split(',')", ["a", "b"]),
    ("' a '.strip().upper()", "A"),
    ("'a-b'.replace('-', '+')", "a+b"),
    ("'abc' | replace('b', '') | upper", "AC"),
    ("'-'.join(['a', 1])", "a-1"),
    ("'abc'.startswith('ab')", True),
    ("'b' in 'abc' and 2 in [1, 2] and 'a' in {'a': 1}", True),
    ("'used' in memory", True),
    ("3 not in [1, 2]", True),
    ("range(3) | list", [0, 1, 2]),
    ("dict(a=1)", {"a": 1}),
    ("(1, 'a')", [1, "a"]),
    ("memory.x | default(5)", 5),
    ("memory.x.y.z | default('none of it')", "none of it"),
    ("inputs.empty | default('filled', true)", "filled"),
    ("left_out.anything | default(0)", 0),
    ("unheard_of | default(1)", 1),
    ("memory.x is defined", False),
    ("memory.used is defined", True),
    ("memory.x is undefined", True),
    ("memory.nothing is none", True),
    ("memory.used is number and memory.human is string", True),
    ("true is number", False),
    ("memory is mapping", True),
    ("4 is divisibleby 2 and 4 is even and 3 is odd", True),
    ("memory is passed", True),
    ("memory is failed", False),
    ("broken is errored and failed is failed and left_out is skipped and doubt is unknown", True),
    ("left_out is not skipped", False),
    ("93.4 | round", 93),
    ("93.456 | round(1)", 93.5),
    ("1.2 | round(0, 'ceil')", 2),
    ("'42' | int", 42),
    ("'42.9' | int", 42),
    ("'x' | int(7)", 7),
    ("'ff' | int(0, 16)", 255),
    ("'1.5' | float", 1.5),
    ("-3 | abs", 3),
    ("5400 | duration", "1h30m"),
    ("'90m' | duration", "1h30m"),
    ("0.25 | duration", "250ms"),
    ("'2026-11-21T01:00:00Z' | age", 3600.0),
    ("'2026-11-21T03:00:00+01:00' | age", 0.0),
    ("'2026-11-20' | age | duration", "1d2h"),
    ("1795226400 | age", 0.0),
    ("(now - 90) | age", 90.0),
    ("now - (now - 60)", 60.0),
    ("now | date", "2026-11-21T02:00:00Z"),
    ("'2026-11-21T03:30:00+01:00' | date('%d.%m.%Y %H:%M')", "21.11.2026 02:30"),
    ("now", "2026-11-21T02:00:00Z"),
    ("inputs.name | quote", "'two words'"),
    ("'$(reboot)' | quote", "'$(reboot)'"),
    ('"it\'s" | quote', "'it'\"'\"'s'"),
    ("inputs.keys | quote", "x 'y z'"),
    ("3 | quote", "3"),
    ("memory | jmespath('rows[?n > `1`].name')", ["b"]),
    ("memory | jmespath('not_there')", None),
    ("memory.rows | jmespath('sort_by(@, &n)[].name | join(`\"-\"`, @)')", "a-b"),
    ("{'a': [1, true, none]} | tojson", '{"a": [1, true, null]}'),
    ("'<a>' | tojson", '"<a>"'),
    ("{'a': 1} | tojson(indent=2)", '{\n  "a": 1\n}'),
    ("'%.1f %s' | format(2.345, 'x')", "2.3 x"),
    ("'a b/c' | urlencode", "a%20b/c"),
    ("{'a': 'b c', 'd': 1} | urlencode", "a=b+c&d=1"),
    ("'hello world' | title", "Hello World"),
    ("'a\nb' | indent(2)", "a\n  b"),
    ("'one two three' | truncate(9)", "one..."),
    ("'one two' | wordcount", 2),
    ("'one two' | wordwrap(3)", "one\ntwo"),
    ("1536 | filesizeformat", "1.5KiB"),
    ("'a' ~ 1 ~ true ~ none ~ [1]", "a1truenull[1]"),
    ("'abc' | reverse", "cba"),
    ("'abc' | first", "a"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_an_expression_gives_its_value_with_its_type(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


RENDERED = [
    ("plain", "plain"),
    ("{{ memory.used }}", 93),
    ("{{ memory.rows }}", [{"name": "b", "n": 2}, {"name": "a", "n": 1}]),
    ("{{ memory.used }}\n", 93),
    (" {{ memory.used }}", " 93"),
    ("{{ memory.used }}{{ memory.max }}", "93100"),
    ("{# why #}{{ memory.used }}", 93),
    ("{{ 100 * memory.used / memory.max }} %", "93.0 %"),
    ("{{ (100 * memory.used / memory.max) | round }} %", "93 %"),
    ("{{ memory.rows }}!", '[{"name": "b", "n": 2}, {"name": "a", "n": 1}]!'),
    ("is {{ true }}, {{ none }}", "is true, null"),
    ("at {{ now }}", "at 2026-11-21T02:00:00Z"),
    ("{% if memory is passed %}yes{% else %}no{% endif %}", "yes"),
    ("{% if false %}a{% elif memory.used > 1 %}b{% endif %}", "b"),
    ("{% if false %}a{% endif %}", ""),
    (
        "{% for r in memory.rows %}{{ loop.index }}/{{ loop.length }}={{ r.n }} {% endfor %}",
        "1/2=2 2/2=1 ",
    ),
    ("{% for r in memory.rows %}{{ r.n }}{% if not loop.last %}, {% endif %}{% endfor %}", "2, 1"),
    ("{% for r in memory.rows if r.n > 1 %}{{ r.name }}{% endfor %}", "b"),
    ("{% for r in [] %}x{% else %}none{% endfor %}", "none"),
    ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
    (
        "{% for g in memory.rows | groupby('n') %}{{ g.grouper }}:{{ g.list | length }} {% endfor %}",
        "1:1 2:1 ",
    ),
    ("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231"),
    ("{% set a, b = [1, 2] %}{{ a }}{{ b }}", "12"),
    ("a {%- if true %} b {%- endif %} c", "a b c"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED, ids=[text for text, _ in RENDERED])
def test_a_template_gives_its_text_and_a_single_expression_its_type(text, expected):
    found = rendered(text)
    assert found == expected
    assert type(found) is type(expected)


def test_templates_are_rendered_however_deep_they_are():
    template = Template("{{ memory.used }}", PLACE)
    assert render({"a": [{"b": template}, 1, None], "c": "{{ text }}"}, SCOPE) == {
        "a": [{"b": 93}, 1, None],
        "c": "{{ text }}",
    }


def test_a_step_taken_whole_is_what_it_found():
    assert value("failed") == {"status": 500}
    assert value("failed | tojson") == '{"status": 500}'
    assert rendered("{{ failed }}") == {"status": 500}


PROBLEMS = [
    ("memroy.used", 'there is no "memroy" here; there is: ', "did you mean 'memory'?"),
    (
        "memory.usd",
        'there is no "usd" in memory; it has: used, max, human, rows, nested, ',
        "did you mean 'used'?",
    ),
    (
        "memory.rows[0].nam",
        'there is no "nam" in memory.rows[0]; it has: name, n',
        "did you mean 'name'?",
    ),
    ("memory.rows[5]", "there is no item 5 in memory.rows; it has 2", None),
    ("memory.nothing.x", "memory.nothing is null, so it has no x", None),
    ("memory.used.x", "memory.used is a number, so it has no x", None),
    (
        "memory.rows.length",
        "memory.rows is a list, so it has no length",
        "for how many there are, write `| length`",
    ),
    ("left_out.used", "left_out was skipped, so it has no used", None),
    ("broken.used", "broken errored, so it has no used", None),
    ("doubt.used", "doubt may have happened, so it has no used", None),
    ("left_out", "left_out was skipped, so it has no result", None),
    ("'5' + 1", 'cannot add a number to a text: "5" + 1', "texts are joined with `~`"),
    ("1 < 'a'", 'cannot compare a number with a text: 1 < "a"', "a text becomes a number with"),
    ("1 / 0", "divides by zero: 1 / 0", None),
    ("5 % 0", "divides by zero: 5 % 0", None),
    ("0 ** -1", "divides by zero", None),
    ("not memory", "memory is a step, neither true nor false", "ask `memory is passed`"),
    ("inputs.limit is passed", "`is passed` asks how a step ended, and this is not a step", None),
    ("'x' | int", '`int` cannot read "x" as a number', "to go on without one, give a default"),
    ("[1, 'a'] | sort", "`sort` cannot do this: '<' not supported", None),
    ("[] | first", "there is no first item: the list is empty", None),
    ("'abc' | sum", "`sum` takes a list, not a text", None),
    ("'tomorrow' | age", "`age` takes a time such as 2026-11-21T02:00:00Z", None),
    (
        "1795226400000 | age",
        "`age` takes seconds since 1970; 1795226400000 is after",
        "milliseconds become",
    ),
    ("'soon' | duration", "`duration`: 'soon' is not a duration", None),
    ("1 if false", "the condition does not hold, and there is no `else`", None),
    ("x | lenght", "there is no filter 'lenght'", "did you mean 'length'?"),
    ("x is pased", "there is no test 'pased'", "did you mean 'passed'?"),
    ("len(x)", "there is no function 'len'", "use the filter `| length`"),
    ("'a' | replace('b')", "`replace`: missing a required argument: 'new'", None),
    ("'a'.foo()", "there is no method 'foo' here", None),
    ("memory.used.upper()", "memory.used is a number, which has no method 'upper'", None),
    ("a b", "there is something after the end of the expression: 'b'", None),
    ("a &&", "unexpected char '&'", "and is written `and`"),
    ("a = 1", "there is something after the end of the expression: '='", "equal is written `==`"),
    ("{{ a }}", "expected token ':', got '}'", "write the expression alone, without {{ }}"),
    ("", "the expression is empty", None),
    ("(1", "unexpected end of template, expected ')'", None),
]


@pytest.mark.parametrize(("text", "message", "help"), PROBLEMS, ids=[p[0] for p in PROBLEMS])
def test_a_problem_names_what_is_wrong_and_how_to_mend_it(text, message, help):
    found = problem(text)
    assert found.message.startswith(message)
    assert help is None or (found.help or "").startswith(help)


def test_a_problem_has_the_exit_code_of_a_wrong_runbook():
    assert problem("x").exit_code == 2


def test_age_without_a_now_says_that_there_is_none():
    assert problem("1 | age", {}).message == "`age` counts until `now`, and there is no `now` here"


def test_a_condition_must_be_true_or_false():
    assert holds(Expression("memory.used == 93", PLACE), SCOPE) is True
    assert holds(Expression("memory.used == 94", PLACE), SCOPE) is False
    with pytest.raises(TemplateProblem) as caught:
        holds(Expression("memory.used", PLACE), SCOPE)
    assert caught.value.message == "memory.used is 93 (a number), neither true nor false"
    assert caught.value.place == PLACE


def test_numbers_that_are_nan_compare_false_in_expressions():
    assert value("('nan' | float) > 1") is False
    assert value("('nan' | float) == ('nan' | float)") is False


def test_the_result_of_one_evaluation_does_not_depend_on_another():
    text = "{% for i in [1, 2] %}{{ i }}{% endfor %}"
    assert [rendered(text) for _ in range(3)] == ["12", "12", "12"]
