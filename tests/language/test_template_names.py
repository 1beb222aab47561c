"""What lint learns of a text without a scope."""

from __future__ import annotations

import pytest

from engine.language.template import analyse

NAMES = [
    (
        "memory.used / memory.max < inputs.limit",
        [("memory", "used"), ("memory", "max"), ("inputs", "limit")],
    ),
    ("memory is passed", [("memory",)]),
    ("memory.rows[0].name", [("memory", "rows", "0", "name")]),
    ("memory['used']", [("memory", "used")]),
    ("memory[inputs.key].x", [("inputs", "key"), ("memory",)]),
    ("inputs.name.upper()", [("inputs", "name")]),
    ("(a + b).c", [("a",), ("b",)]),
    ("a | default(b)", [("a",), ("b",)]),
    ("range(n) | list", [("n",)]),
    ("{'k': v, k2: 1}", [("v",), ("k2",)]),
    ("x if y else z", [("y",), ("x",), ("z",)]),
    ("[1, 'text', true, none]", []),
]


@pytest.mark.parametrize(("text", "names"), NAMES, ids=[text for text, _ in NAMES])
def test_the_names_of_an_expression_are_its_roots_with_their_fields(text, names):
    assert sorted(analyse(text, bare=True).names) == sorted(names)


TEMPLATE_NAMES = [
    (
        "{% for r in memory.rows %}{{ r.n }}{{ loop.index }}{{ other.x }}{% endfor %}",
        [("memory", "rows"), ("other", "x")],
    ),
    ("{% for r in r.rows %}{{ r }}{% endfor %}{{ r.after }}", [("r", "rows"), ("r", "after")]),
    ("{% for k, v in d.items() if v > low %}{{ k }}{% endfor %}", [("d",), ("low",)]),
    ("{% for a in b %}{% else %}{{ a }}{% endfor %}", [("b",), ("a",)]),
    ("{{ x }}{% set x = y %}{{ x }}", [("x",), ("y",)]),
    ("{% if a %}{% set b = 1 %}{% endif %}{{ b }}", [("a",)]),
    ("{{ loop.index }}", [("loop", "index")]),
    ("{# {{ hidden }} #}{% raw %}{{ raw }}{% endraw %}", []),
]


@pytest.mark.parametrize(("text", "names"), TEMPLATE_NAMES, ids=[t for t, _ in TEMPLATE_NAMES])
def test_the_names_of_loops_and_sets_are_no_names_of_the_scope(text, names):
    assert sorted(analyse(text, bare=False).names) == sorted(names)


def test_every_name_knows_where_it_first_stands():
    text = "used: {{ memory.used }} of {{ memory.max }},\n{{ memory.used }} {{ x[y.z] }}"
    found = analyse(text, bare=False)
    assert {name: text[at : at + len(name[0])] for name, at in found.offsets.items()} == {
        ("memory", "used"): "memory",
        ("memory", "max"): "memory",
        ("x",): "x",
        ("y", "z"): "y",
    }
    assert found.offsets[("memory", "used")] == text.index("memory.used")


WRONG = [
    ("{{ a | lenght }}", "lenght"),
    ("{{ a is pased }}", "pased"),
    ("text {{ b }} and {{ a | b | c(1) }}", "b | c"),
    ("{{ nope(1) }}", "nope"),
    ("{{ a }} {% include 'x' %}", "include"),
    ("{{ a & b }}", "& b"),
    ("first\nsecond {{ a b }}", "b }}"),
    ("{%- if a -%}  {{ x | y }}{% endif %}", "y }}"),
    ("{# comment #} {{ x | y }}", "y }}"),
    ("{% raw %} {{ {% endraw %} {{ x | y }}", "y }}"),
]


@pytest.mark.parametrize(("text", "where"), WRONG, ids=[text for text, _ in WRONG])
def test_a_problem_knows_its_offset(text, where):
    problem = analyse(text, bare=False).problems[0]
    assert text[problem.offset :].startswith(where)


def test_all_problems_of_a_text_are_found_at_once():
    problems = analyse(
        "{{ a | lenght }} {{ b is pased }} {{ len(c) }} {% include 'x' %}", bare=False
    ).problems
    assert [problem.message for problem in problems] == [
        "there is no filter 'lenght'",
        "there is no test 'pased'",
        "there is no function 'len'",
        "'include' is not available",
    ]
    assert [problem.width for problem in problems] == [6, 5, 3, 1]


@pytest.mark.parametrize(
    ("text", "single"),
    [
        ("{{ a }}", True),
        ("{{ a }}\n", True),
        ("{{ a }} ", False),
        ("{{ a }}{{ b }}", False),
        ("x {{ a }}", False),
        ("x", False),
        ("{% if a %}{{ b }}{% endif %}", False),
    ],
)
def test_a_text_that_is_one_expression_is_told_apart(text, single):
    assert analyse(text, bare=False).single is single


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("ls {{ a | quote }}", True),
        ("ls {{ a }}", False),
        ("ls {{ a | quote }} {{ b }}", False),
        ("ls {{ a | quote | upper }}", False),
        ("ls {{ a | upper | quote }}", True),
        ("ls {{ a | quote ~ b }}", False),
        ("ls {{ a | quote if b else c | quote }}", True),
        ("ls {{ a | quote if b else c }}", False),
        ("{% if a %}{{ b | quote }}{% else %}{{ c }}{% endif %}", False),
        ("{% for a in b %}{{ a | quote }} {% endfor %}", True),
        ("ls", True),
        ("ls {{ a | quot", False),
    ],
)
def test_whether_everything_written_out_is_quoted_last(text, quoted):
    assert analyse(text, bare=False).all_end_with("quote") is quoted


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("echo {{ a | quote }}", False),
        ('echo "{{ a | quote }}"', True),
        ("echo '{{ a | quote }}'", True),
        ("echo 'x' {{ a | quote }}", False),
        ("echo \\' {{ a | quote }}", False),
        ("echo '\\' {{ a | quote }}", False),
        ('echo "\\"" {{ a | quote }}', False),
        ('echo "it\'s" {{ a | quote }}', False),
    ],
)
def test_an_expression_between_quotes_is_noticed(text, inside):
    assert analyse(text, bare=False).inside_quotes is inside
