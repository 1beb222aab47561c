"""Templates that try to get out, or never to end. Each must be refused with a sentence."""

# ruff: noqa: E501 - in a table of cases a row is a line

from __future__ import annotations

import copy
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Place
from engine.language.model import Expression, Template
from engine.language.template import StepView, TemplateProblem, analyse, evaluate, render
from tests.spending import at_most_s

DEEP = 200

ESCAPES = {
    "class of a text": "{{ ''.__class__ }}",
    "class of a number": "{{ (1).__class__.__mro__ }}",
    "class of a list": "{{ [].__class__.__base__.__subclasses__() }}",
    "class by item": "{{ ''['__class__'] }}",
    "class by joined name": "{{ ''['__cla' ~ 'ss__'] }}",
    "class of a mapping": "{{ data.__class__ }}",
    "class of a mapping by item": "{{ data['__class__'] }}",
    "private attribute": "{{ step._fields }}",
    "slots of a step": "{{ step.__slots__ }}",
    "fields of a step object": "{{ step.why }}",
    "class of a step": "{{ step.__class__ }}",
    "dict of a step": "{{ step.__dict__ }}",
    "class of a time": "{{ now.__class__ }}",
    "attribute of a time": "{{ now.year }}",
    "method of a time": "{{ now.timestamp() }}",
    "time zone of a time": "{{ now.tzinfo }}",
    "replace of a time": "{{ now.replace(1) }}",
    "globals of a function": "{{ range.__globals__ }}",
    "init of a function": "{{ dict.__init__ }}",
    "function as a value": "{{ range }}",
    "builtins through lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "builtins through cycler": "{{ cycler.__init__.__globals__.os.environ }}",
    "builtins through joiner": "{{ joiner.__init__.__globals__ }}",
    "builtins through namespace": "{{ namespace.__init__.__globals__ }}",
    "cycler": "{{ cycler('a', 'b').next() }}",
    "joiner": "{{ joiner(',')() }}",
    "namespace": "{% set n = namespace(x=1) %}",
    "namespace field": "{% set n.x = 1 %}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "self": "{{ self }}",
    "self blocks": "{{ self._TemplateReference__context }}",
    "context": "{{ context }}",
    "environment object": "{{ environment }}",
    "caller": "{{ caller() }}",
    "attr filter": "{{ data | attr('__class__') }}",
    "map with attr": "{{ ['a'] | map('attr', '__class__') | list }}",
    "map attribute": "{{ ['a'] | map(attribute='__class__') | list }}",
    "map attribute path": "{{ [data] | map(attribute='rows.0.__class__') | list }}",
    "selectattr": "{{ ['a'] | selectattr('__class__') | list }}",
    "sort attribute": "{{ ['a'] | sort(attribute='__class__') }}",
    "groupby attribute": "{{ ['a'] | groupby('__class__') }}",
    "sum attribute": "{{ ['a'] | sum(attribute='__class__') }}",
    "join attribute": "{{ ['a'] | join(',', attribute='__class__') }}",
    "unique attribute": "{{ ['a'] | unique(attribute='__class__') }}",
    "format method": "{{ '{0.__class__}'.format(data) }}",
    "format method with globals": "{{ '{0.__init__.__globals__}'.format(step) }}",
    "format_map method": "{{ '{a.__class__}'.format_map(data) }}",
    "format filter by name": "{{ '%(x)s' | format(x=1) }}",
    "format filter of a star": "{{ '%*d' | format(1000000000, 1) }}",
    "percent": "{{ '%s' % data }}",
    "percent by name": "{{ '%(rows)s' % data }}",
    "encode": "{{ 'a'.encode('rot13') }}",
    "translate": "{{ 'a'.translate(data) }}",
    "mro by a bound method": "{{ 'a'.upper.__self__ }}",
    "method as a value": "{{ 'a'.upper }}",
    "method of a mapping as a value": "{{ data.update }}",
    "call of a value": "{{ data.rows() }}",
    "call of an item": "{{ data['rows']() }}",
    "call of a result": "{{ range(2)() }}",
    "call with a star": "{{ range(*[1, 2]) }}",
    "call with two stars": "{{ dict(**data) }}",
    "open": "{{ open('/etc/passwd').read() }}",
    "import by name": "{{ __import__('os').environ }}",
    "eval": "{{ eval('1') }}",
    "environment variable": "{{ env.HOME }}",
    "environment function": "{{ env('HOME') }}",
    "secret": "{{ secret('token') }}",
    "reference to a secret by a name": "{{ vault.token }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}",
    "from import": "{% from 'os' import environ %}",
    "extends": "{% extends 'base' %}",
    "block": "{% block a %}{% endblock %}",
    "do": "{% do data.rows.append(1) %}",
    "with": "{% with a = 1 %}{{ a }}{% endwith %}",
    "filter block": "{% filter upper %}a{% endfilter %}",
    "set block": "{% set a %}b{% endset %}",
    "autoescape": "{% autoescape true %}{% endautoescape %}",
    "debug": "{% debug %}",
    "trans": "{% trans %}{% endtrans %}",
    "changing a list": "{{ data.rows.append(1) }}",
    "sorting in place": "{{ data.rows.sort() }}",
    "clearing": "{{ data.rows.clear() }}",
    "changing a mapping": "{{ data.update({'a': 1}) }}",
    "popping": "{{ data.pop('rows') }}",
    "setdefault": "{{ data.setdefault('x', 1) }}",
    "safe": "{{ 'a' | safe }}",
    "xmlattr": "{{ data | xmlattr }}",
    "pprint": "{{ data | pprint }}",
    "random": "{{ [1, 2] | random }}",
    "unknown filter by map": "{{ ['a'] | map('system') | list }}",
    "map of map": "{{ [['a']] | map('map', 'upper') | list }}",
    "test by select": "{{ ['a'] | select('callable') | list }}",
    "callable": "{{ range is callable }}",
    "recursive loop": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "loop as a function": "{% for a in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "half a character": "{{ '\\ud800' }}",
    "strftime by a width": "{{ now | date('%1000000000d') }}",
    "strftime of the locale": "{{ now | date('%c') }}",
    "strftime at its end": "{{ now | date('%') }}",
    "a complex number": "{{ (-8) ** 0.5 }}",
    "step as a condition": "{% if step %}{% endif %}",
    "an object": "{{ thing }}",
    "a field of an object": "{{ thing.value }}",
    "an object in a list": "{{ [thing] }}",
    "an object as text": "a {{ thing }}",
    "an object compared": "{{ thing < 1 }}",
    "an object called": "{{ thing() }}",
    "a method of an object": "{{ thing.upper() }}",
}

BOMBS = {
    "text times": "{{ 'x' * 10**9 }}",
    "times text": "{{ 10**9 * 'x' }}",
    "list times": "{{ [1] * 10**9 }}",
    "power of powers": "{{ 10 ** (10 ** 10) }}",
    "power": "{{ 2 ** 100000000 }}",
    "power of a power, again": "{{ ((((10**100)**10)**10)**10)**10 }}",
    "product": "{% set a = 10**1000 %}{% set b = a*a*a*a %}{{ b*b*b*b*b*b }}",
    "float power": "{{ 10.0 ** 1000 }}",
    "a long number": "{{ " + "9" * 5000 + " }}",
    "a longish number": "{{ " + "9" * 1000 + " }}",
    "center": "{{ 'x' | center(10**9) }}",
    "center method": "{{ 'x'.center(10**9) }}",
    "ljust": "{{ 'x'.ljust(10**9) }}",
    "zfill": "{{ '1'.zfill(10**9) }}",
    "indent": "{{ 'a\\nb' | indent(10**9) }}",
    "indent with text": "{{ ('a\\n' * 10000) | indent('x' * 10000) }}",
    "format width": "{{ '%1000000000d' | format(1) }}",
    "format precision": "{{ '%.1000000000f' | format(1) }}",
    "many formats": "{{ ('%999d' * 5000) | format(1) }}",
    "percent width": "{{ '%1000000000d' % 1 }}",
    "truncate": "{{ 'x' | truncate(10**12) }}",
    "wordwrap": "{{ ('x ' * 500000) | wordwrap(1) | wordwrap(1) | wordwrap(2) }}",
    "replace": "{{ ('x' * 10000) | replace('', 'y' * 10000) }}",
    "replace method": "{{ ('x' * 10000).replace('x', 'y' * 10000) }}",
    "join": "{{ range(9999) | join('x' * 100000) }}",
    "join method": "{{ ('x' * 100000).join(range(9999)) }}",
    "range": "{{ range(10**9) | list }}",
    "range beyond len": "{{ range(10**30) }}",
    "negative range": "{{ range(0, 0 - 10**12, -1) | sum }}",
    "range of nothing": "{{ range(1, 5, 0) }}",
    "batch": "{{ [1] | batch(10**9, 0) }}",
    "slice": "{{ [1] | slice(10**9) }}",
    "round": "{{ 1 | round(-10**9) }}",
    "round up": "{{ 1.5 | round(10**9, 'ceil') }}",
    "int of a long text": "{{ ('9' * 100000) | int }}",
    "sum of texts": "{{ ['x', 'y'] | sum(start='') }}",
    "loop": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "silent loop": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "loop with a filter": "{% for a in range(9999) if a is odd %}{% for b in range(9999) if a > b %}"
    "{% endfor %}{% endfor %}",
    "loop with a large body": "{% for a in range(9999) %}"
    + "{% set b = a + 1 %}" * 500
    + "{% endfor %}",
    "loop that joins": "{% for a in range(9999) %}{{ 'x' * 10000 }}{% endfor %}",
    "text that doubles": "{% set a = 'x' * 1000 %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "text added": "{% set a = 'x' * 1000 %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "list that doubles": "{% set a = [1] %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "list in lists": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "mapping in mappings": "{% set a = [1] %}" + "{% set a = {'x': a, 'y': a} %}" * 40 + "{{ a }}",
    "lists by loops": "{% for a in [[1] * 100] %}{% for b in [[a] * 100] %}{% for c in [[b] * 100] %}"
    "{% for d in [[c] * 100] %}{{ d }}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
    "lists compared": "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40
    + "{{ a == b }}",
    "lists in a list": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a in [a] }}",
    "batches": "{% set a = [1] %}" + "{% set a = a | batch(90000, a) | list %}" * 5 + "{{ a }}",
    "comparing in a loop": "{% for a in range(9999) %}{% if big == big2 %}{% endif %}{% endfor %}",
    "searching in a loop": "{% for a in range(9999) %}{% if 'y' in text %}{% endif %}{% endfor %}",
    "sorting in a loop": "{% for a in range(9999) %}{% set b = big | sort %}{% endfor %}",
    "writing in a loop": "{% for a in range(9999) %}{% set b = big | tojson %}{% endfor %}",
    "large text": "{% for a in range(9999) %}{{ text }}{% endfor %}",
    "json of depth": "{{ deep | tojson(indent=8) }}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "call": "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}",
    "brackets": "{{ " + "(" * DEEP + "1" + ")" * DEEP + " }}",
    "lists nested": "{{ " + "[" * DEEP + "]" * DEEP + " }}",
    "nots": "{{ " + "not " * DEEP + "1 }}",
    "minuses": "{{ " + "-" * DEEP + "1 }}",
    "minuses apart": "{{ " + "- " * 5000 + "1 }}",
    "choices": "{{ " + "1 if 0 else " * DEEP + "1 }}",
    "sums": "{{ " + "1 + " * 5000 + "1 }}",
    "fields": "{{ data" + ".a" * 5000 + " }}",
    "filters": "{{ 1" + " | abs" * 5000 + " }}",
    "ands": "{{ " + "1 and " * 5000 + "1 }}",
    "ifs": "{% if 1 %}" * DEEP + "{% endif %}" * DEEP,
    "elifs": "{% if 0 %}" + "{% elif missing %}" * 5000 + "{% endif %}",
    "a long template": "{{ 1 }}" * 20_000,
    "jmespath that doubles": "{{ data | jmespath('" + "rows | " + "[@, @][] | " * 60 + "@') }}",
    "jmespath that nests": "{{ [data] | jmespath('" + "[@, @] | " * 60 + "@') }}",
    "jmespath compared": "{{ data | jmespath('" + "[@, @] | " * 40 + "@ == @') }}",
    "jmespath that joins": "{{ many | jmespath('join(`\"" + "x" * 500 + "\"`, @)') }}",
    "jmespath of depth": "{{ data | jmespath('" + "!" * 990 + "@') }}",
    "jmespath of length": "{{ data | jmespath('" + "a." * 1000 + "a') }}",
    "jmespath that is none": "{{ data | jmespath('((') }}",
    "jmespath function": "{{ data | jmespath('system(`1`)') }}",
}

PLACE = Place("attack.yaml", 7, 3)
LONGEST_S = 1.0
LARGEST_BYTES = 100 * 1024 * 1024


class Thing:
    """A Python object, which no scope of ours holds."""

    value = "reached"


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value, 1]
    return value


SCOPE = {
    "data": {"rows": [{"a": 1}]},
    "step": StepView("step", "passed", {"a": 1}),
    "now": datetime(2026, 11, 21, 2, tzinfo=UTC),
    "thing": Thing(),
    "big": [str(number) for number in range(50_000)],
    "big2": [str(number) for number in range(50_000)],
    "text": "x" * 500_000,
    "deep": nested(300),
    "many": ["a"] * 99_999,
}
JSON_SCOPE = {name: value for name, value in SCOPE.items() if name != "thing"}


def refusal(text: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        render(Template(text, PLACE), SCOPE)
    return caught.value


@pytest.mark.parametrize("name", ESCAPES)
def test_what_tries_to_get_out_is_refused_with_a_sentence_and_a_place(name):
    problem = refusal(ESCAPES[name])
    assert problem.place == PLACE
    assert problem.message
    assert "reached" not in problem.message
    assert "object at 0x" not in problem.message
    assert "Traceback" not in problem.message


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_never_end_is_refused_in_time_and_in_little_memory(name):
    with at_most_s(LONGEST_S):
        problem = refusal(BOMBS[name])
    assert problem.message
    assert len(problem.message) < 1000


@pytest.mark.parametrize("name", ["list in lists", "replace"])
def test_the_memory_of_a_bomb_stays_small(name):
    render(Template("{{ 1 }}", PLACE), SCOPE)
    tracemalloc.start()
    try:
        refusal(BOMBS[name])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < LARGEST_BYTES


def test_analysing_an_attack_takes_no_longer_than_refusing_it():
    for text in (*ESCAPES.values(), *BOMBS.values()):
        with at_most_s(LONGEST_S, text[:80]):
            analyse(text, bare=False)
            analyse(text, bare=True)


def test_no_attack_changes_the_scope():
    before = copy.deepcopy(JSON_SCOPE)
    for text in ESCAPES.values():
        with pytest.raises(TemplateProblem):
            render(Template(text, PLACE), JSON_SCOPE)
    assert before == JSON_SCOPE


def test_what_is_returned_is_no_part_of_the_scope():
    scope = {"data": {"rows": [1]}}
    returned = evaluate(Expression("data", PLACE), scope)
    returned["rows"].append(2)
    assert scope == {"data": {"rows": [1]}}


def test_a_value_that_looks_like_a_template_stays_a_text():
    scope = {"inputs": {"name": "{{ 7 * 7 }}{% include '/etc/passwd' %}"}}
    assert render(Template("{{ inputs.name }}", PLACE), scope) == scope["inputs"]["name"]
    assert render(Template("a {{ inputs.name }}", PLACE), scope) == f"a {scope['inputs']['name']}"


def place_of_problem(evaluate_it) -> Place | None:
    """Where what is raised stands; our own place when nothing is raised."""
    try:
        evaluate_it()
    except TemplateProblem as problem:
        return problem.place
    return PLACE


PIECES = st.lists(
    st.sampled_from(
        [
            *("{{", "}}", "{%", "%}", "{#", "#}", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|"),
            *(" ", "~", "+", "-", "*", "**", "/", "%", "==", "<", "=", "'", '"', "\\", "\n"),
            *(
                "if",
                "else",
                "endif",
                "for",
                "in",
                "endfor",
                "set",
                "not",
                "and",
                "is",
                "raw",
                "endraw",
            ),
            *(
                "data",
                "step",
                "rows",
                "now",
                "loop",
                "x",
                "1",
                "0",
                "99",
                "1.5",
                "'a'",
                "none",
                "true",
            ),
            *(
                "range",
                "tojson",
                "map",
                "join",
                "default",
                "defined",
                "round",
                "quote",
                "items",
                "sort",
            ),
        ]
    ),
    max_size=25,
).map("".join)


@given(PIECES)
@settings(max_examples=400, deadline=None)
def test_a_template_of_random_pieces_gives_a_value_or_a_problem(text):
    analyse(text, bare=False)
    assert place_of_problem(lambda: render(Template(text, PLACE), JSON_SCOPE)) == PLACE


@given(PIECES)
@settings(max_examples=400, deadline=None)
def test_an_expression_of_random_pieces_gives_a_value_or_a_problem(text):
    found = analyse(text, bare=True)
    for problem in found.problems:
        assert problem.offset is None or 0 <= problem.offset <= len(text)
    assert place_of_problem(lambda: evaluate(Expression(text, PLACE), JSON_SCOPE)) == PLACE


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_at_all_gives_a_value_or_a_problem(text):
    for marked in (text, "{{" + text, "{{ " + text + " }}", "{% " + text + " %}"):
        template = Template(marked, PLACE)
        assert place_of_problem(lambda template=template: render(template, JSON_SCOPE)) == PLACE
