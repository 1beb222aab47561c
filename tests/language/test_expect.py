"""Expectations: what holds, and the lines that say why something does not."""

# ruff: noqa: E501 - in a table of cases a row is a line

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Place
from engine.language.expect import Judgement, check_expectation, judge
from engine.language.matcher_words import MATCHER_NAMES
from engine.language.model import Expression, Template
from engine.language.result_path import find, parse_path, written
from engine.language.template import StepView, TemplateProblem
from tests.spending import at_most_s

PLACE = Place("runbook.yaml", 9, 13)
RESULT = {
    "status": 200,
    "elapsed_ms": 812,
    "json": {"status": "degraded", "version": 3, "data": [], "on": True, "off": None},
    "rows": [{"state": "idle", "n": 1}, {"state": "active", "n": 2}],
    "headers": {"x.y": "z", "content-type": "text/html"},
    "nan": math.nan,
    "ratio": 0.9312345,
    "text": "line one\nline two",
    "names": ["a", "b"],
    "nothing": {},
}
SCOPE = {
    "result": RESULT,
    "inputs": {"limit": 0.8, "want": "healthy", "low": 1},
    "memory": StepView("memory", "failed", {"used": 1}),
    "left_out": StepView("left_out", "skipped", None),
}


def lines(expectation) -> tuple[str, ...]:
    judgement = judge(expectation, SCOPE)
    assert judgement.holds is (judgement.lines == ())
    return judgement.lines


HOLDING = [
    {"status": 200},
    {"status": 200.0},
    {"status": {"eq": 200}},
    {"json.status": "degraded", "json.version": 3},
    {"json.off": None},
    {"json.on": True},
    {"rows[0].state": "idle"},
    {"rows.1.n": 2},
    {"rows[-1].n": {"eq": 2}},
    {'headers."x.y"': "z"},
    {"headers.content-type": {"starts_with": "text/"}},
    {"names": ["a", "b"]},
    {"rows": [{"n": 1, "state": "idle"}, {"n": 2, "state": "active"}]},
    {"nothing": {}},
    {"status": {"ne": 500, "ge": 200, "lt": 300}},
    {"elapsed_ms": {"between": [812, 812]}},
    {"json.status": {"gt": "a"}},
    {"json.status": {"in": ["ok", "degraded"]}},
    {"json.status": {"not_in": ["ok"]}},
    {"text": {"matches": "^line two$|(?m)^line two$"}},
    {"text": {"contains": "one"}},
    {"names": {"contains": "b"}},
    {"rows": {"contains": {"n": 2}}},
    {"json": {"contains": "version"}},
    {"json": {"contains": {"version": 3}}},
    {"rows": {"length": 2}},
    {"json.data": {"length": {"lt": 1}}},
    {"text": {"length": {"gt": 5}}},
    {"rows": {"every": {"n": {"gt": 0}, "state": {"type": "string"}}}},
    {"rows": {"some": {"state": "active"}}},
    {"names": {"every": {"in": ["a", "b"]}}},
    {"names": {"some": "a"}},
    {"json.data": {"every": 1}},
    {"json.status": {"exists": True}},
    {"json.statuses": {"exists": False}},
    {"rows[7].n": {"exists": False}},
    {"json.statuses": {"any": [{"exists": False}, "ok"]}},
    {"json.statuses": {"not": {"exists": True}}},
    {"status": {"type": "integer"}},
    {"ratio": {"type": "number"}},
    {"json.on": {"type": "boolean"}},
    {"json": {"type": "mapping"}},
    {"names": {"type": "list"}},
    {"json.off": {"type": "null"}},
    {"status": {"all": [{"gt": 100}, {"lt": 300}]}},
    {"status": {"any": [500, 200]}},
    {"status": {"not": 500}},
    {"status": {"not": {"in": [500, 501]}}},
    {"json.status": Template("{{ 'degraded' }}", PLACE)},
    {"status": {"ge": Template("{{ inputs.low }}", PLACE)}},
    {"status": {"in": [1, Template("{{ 100 * 2 }}", PLACE)]}},
    Expression("result.status == 200", PLACE),
    Expression("result.ratio > inputs.limit and memory is failed", PLACE),
    Expression("left_out is skipped", PLACE),
]


@pytest.mark.parametrize("expectation", HOLDING, ids=str)
def test_what_holds_needs_no_words(expectation):
    assert judge(expectation, SCOPE) == Judgement(True, ())


FAILING = [
    ({"json.status": "healthy"}, 'json.status: expected "healthy", was "degraded"'),
    ({"status": 404}, "status: expected 404, was 200"),
    ({"status": "200"}, 'status: expected "200", was 200, which is a number and not a text'),
    ({"json.on": 1}, "json.on: expected 1, was true"),
    ({"status": True}, "status: expected true, was 200"),
    ({"json.off": False}, "json.off: expected false, was null"),
    ({"status": {"ne": 200}}, "status: expected anything but 200, was 200"),
    ({"elapsed_ms": {"lt": 500}}, "elapsed_ms: expected less than 500, was 812"),
    ({"elapsed_ms": {"le": 811}}, "elapsed_ms: expected at most 811, was 812"),
    ({"elapsed_ms": {"gt": 812}}, "elapsed_ms: expected more than 812, was 812"),
    ({"elapsed_ms": {"ge": 813}}, "elapsed_ms: expected at least 813, was 812"),
    ({"elapsed_ms": {"between": [1, 2]}}, "elapsed_ms: expected between 1 and 2, was 812"),
    (
        {"json.status": {"lt": 5}},
        'json.status: expected less than 5, was "degraded", a text and not a number',
    ),
    (
        {"status": {"lt": "a"}},
        'status: expected less than "a", was 200, and a number does not compare with a text',
    ),
    (
        {"json.on": {"lt": 2}},
        "json.on: expected less than 2, was true, true or false and not a number",
    ),
    ({"json.off": {"lt": 2}}, "json.off: expected less than 2, was null, null and not a number"),
    (
        {"nan": {"lt": 2}},
        "nan: expected less than 2, was nan, not a number, which compares false with everything",
    ),
    (
        {"nan": {"not": {"lt": 2}}},
        "nan: expected less than 2, was nan, not a number, which compares false with everything",
    ),
    (
        {"nan": {"ne": 2}},
        "nan: expected anything but 2, was nan, not a number, which compares false with everything",
    ),
    ({"status": {"in": [1, 2]}}, "status: expected one of [1, 2], was 200"),
    ({"status": {"not_in": [200]}}, "status: expected none of [200], was 200"),
    (
        {"text": {"matches": "three"}},
        'text: expected a text that matches "three", was "line one\\nline two"',
    ),
    (
        {"status": {"matches": "2"}},
        'status: expected a text that matches "2", was 200, a number and not a text',
    ),
    (
        {"text": {"contains": "three"}},
        'text: expected to contain "three", was "line one\\nline two"',
    ),
    (
        {"text": {"contains": 3}},
        'text: expected to contain 3, was "line one\\nline two", a text, which cannot contain a number',
    ),
    (
        {"status": {"contains": 2}},
        "status: expected to contain 2, was 200, a number, which contains nothing",
    ),
    ({"names": {"contains": "c"}}, 'names: expected to contain "c", was ["a", "b"]'),
    (
        {"text": {"starts_with": "x"}},
        'text: expected a text that starts with "x", was "line one\\nline two"',
    ),
    ({"json.data": {"length": {"gt": 0}}}, "length of json.data: expected more than 0, was 0"),
    ({"rows": {"length": 3}}, "length of rows: expected 3, was 2"),
    (
        {"status": {"length": 3}},
        "status: expected a length 3, was 200, a number, which has no length",
    ),
    ({"rows": {"every": {"state": "idle"}}}, 'rows[1].state: expected "idle", was "active"'),
    (
        {"rows": {"every": {"x": 1}}},
        (
            'rows[0].x: there is no "x" in the result; it has: state, n',
            'rows[1].x: there is no "x" in the result; it has: state, n',
        ),
    ),
    ({"names": {"every": "a"}}, 'names[1]: expected "a", was "b"'),
    (
        {"status": {"every": 1}},
        "status: expected a list of which every item is 1, was 200, not a list",
    ),
    (
        {"names": {"some": {"starts_with": "c"}}},
        'names: expected a list of which some item is a text that starts with "c", was ["a", "b"]',
    ),
    ({"json.data": {"some": 1}}, "json.data: expected a list of which some item is 1, was empty"),
    ({"json.status": {"exists": False}}, 'json.status: expected not to be there, was "degraded"'),
    (
        {"json.statuss": {"exists": True}},
        "json.statuss: there is no \"statuss\" in json; it has: status, version, data, on, off; did you mean 'status'?",
    ),
    ({"status": {"type": "string"}}, "status: expected a text, was a number: 200"),
    ({"ratio": {"type": "integer"}}, "ratio: expected a whole number, was a number: 0.931234"),
    (
        {"status": {"all": [{"gt": 300}, {"lt": 100}]}},
        ("status: expected more than 300, was 200", "status: expected less than 100, was 200"),
    ),
    ({"status": {"any": [201, {"gt": 300}]}}, "status: expected 201 or more than 300, was 200"),
    ({"status": {"not": 200}}, "status: expected not 200, was 200"),
    ({"status": {"not": {"ge": 200}}}, "status: expected not at least 200, was 200"),
    (
        {"json.missing": 1},
        'json.missing: there is no "missing" in json; it has: status, version, data, on, off',
    ),
    (
        {"json.missing": {"not": 1}},
        'json.missing: there is no "missing" in json; it has: status, version, data, on, off',
    ),
    (
        {"json.missing": {"ne": 1}},
        'json.missing: there is no "missing" in json; it has: status, version, data, on, off',
    ),
    ({"rows[9]": 1}, "rows[9]: there is no item 9 in rows; it has 2"),
    (
        {"rows.state": 1},
        'rows.state: rows is a list, so it has no "state"; its items are rows[0] and so on',
    ),
    ({"status.code": 1}, 'status.code: status is a number, so it has no "code"'),
    ({"json.off.x": 1}, 'json.off.x: json.off is null, so it has no "x"'),
    ({"nothing.x": 1}, 'nothing.x: there is no "x" in nothing; it is empty'),
    (
        {"gone": 1},
        'gone: there is no "gone" in the result; it has: status, elapsed_ms, json, rows, headers, nan, ratio, text, names, nothing',
    ),
    (
        {"json": {"status": "degraded"}},
        'json: expected {"status": "degraded"}, was {"status": "degraded", "version": 3, "data": [], "on": true, "off": null}',
    ),
    (
        {"json.status": Template("{{ inputs.want }}", PLACE)},
        'json.status: expected "healthy", was "degraded"',
    ),
    (
        {"status": 404, "elapsed_ms": {"lt": 1}},
        ("status: expected 404, was 200", "elapsed_ms: expected less than 1, was 812"),
    ),
]


@pytest.mark.parametrize(("expectation", "said"), FAILING, ids=[str(f[0]) for f in FAILING])
def test_a_mapping_that_does_not_hold_says_which_path_expected_what_and_what_it_was(
    expectation, said
):
    assert lines(expectation) == (said if isinstance(said, tuple) else (said,))


EXPRESSIONS = [
    ("result.ratio < inputs.limit", "result.ratio < inputs.limit: 0.931234 < 0.8 does not hold"),
    ("result.status == 404", "result.status == 404: 200 == 404 does not hold"),
    ("0 < result.status < 100", "0 < result.status < 100: 0 < 200 < 100 does not hold"),
    (
        "result.json.status in ['ok']",
        'result.json.status in [\'ok\']: "degraded" in ["ok"] does not hold',
    ),
    (
        "result.status == 200 and result.elapsed_ms < 500",
        "result.elapsed_ms < 500: 812 < 500 does not hold",
    ),
    ("result.status == 1 and result.missing", "result.status == 1: 200 == 1 does not hold"),
    (
        "result.status == 1 or (result.elapsed_ms < 5)",
        (
            "result.status == 1: 200 == 1 does not hold",
            "(result.elapsed_ms < 5): 812 < 5 does not hold",
        ),
    ),
    ("not result.json.on", "not result.json.on: result.json.on is true"),
    ("not result.status == 200", "not result.status == 200: 200 == 200 holds"),
    ("memory is passed", "memory is passed: memory is failed"),
    ("memory is not failed", "memory is not failed: memory is failed"),
    ("result.status is string", "result.status is string: result.status is 200"),
    ("result.gone is defined", "result.gone is defined: result.gone is not there"),
    ("result.status is not defined", "result.status is not defined: result.status is there"),
    ("result.status is undefined", "result.status is undefined: result.status is there"),
    ("result.nan > 1", "result.nan > 1: nan > 1 does not hold; NaN (not a number) compares false"),
    ("result.ratio < 0.9312344", "result.ratio < 0.9312344: 0.9312345 < 0.9312344 does not hold"),
    (
        "result.status",
        "result.status is 200 (a number), neither true nor false; compare it with something, such as `... > 0` or `... is none`",
    ),
    (
        "result.names\n  | select('eq', 'x')\n | list",
        "result.names | select('eq', 'x') | list is [] (a list), neither true nor false; compare it with something, such as `... > 0` or `... is none`",
    ),
    (
        "0 > result.status > result.gone",
        '0 > result.status > result.gone does not hold (there is no "gone" in result; it has: status, elapsed_ms, json, rows, headers, nan, ratio, text, names, nothing)',
    ),
]


@pytest.mark.parametrize(("text", "said"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_an_expression_that_does_not_hold_shows_the_values_that_decided(text, said):
    assert lines(Expression(text, PLACE)) == (said if isinstance(said, tuple) else (said,))


@pytest.mark.parametrize(
    "expectation",
    [
        Expression("memroy.used > 1", PLACE),
        Expression("left_out.used > 1", PLACE),
        Expression("result.json.status < 1", PLACE),
        {"status": Template("{{ gone }}", PLACE)},
        {"status": {"lt": Template("{{ gone }}", PLACE)}},
        {"text": {"matches": "(("}},
        {"text": {"matches": "a" * 1001}},
        {"text": {"matches": "(?R)"}},
        {"text": {"matches": "(a(?1)?b)"}},
        {"text": {"matches": "(?P<n>a(?&n)?b)"}},
        {"text": {"matches": 5}},
        {"status": {"in": 5}},
        {"status": {"between": [1]}},
        {"status": {"exists": "yes"}},
        {"status": {"type": "strng"}},
        {"status": {"any": 5}},
        {"a..b": 1},
        {"": 1},
        {},
        [],
        None,
        "result.status == 200",
    ],
    ids=str,
)
def test_what_cannot_be_judged_by_is_a_problem_and_no_judgement(expectation):
    with pytest.raises(TemplateProblem) as caught:
        judge(expectation, SCOPE)
    assert caught.value.message


def test_data_that_looks_like_a_matcher_is_compared_as_it_stands():
    scope = {"result": {"a": 5}, "inputs": {"sneaky": {"gt": 0}}}
    judgement = judge({"a": Template("{{ inputs.sneaky }}", PLACE)}, scope)
    assert judgement.lines == ('a: expected {"gt": 0}, was 5',)


def test_a_catastrophic_pattern_is_stopped_and_said():
    with at_most_s(1):
        judgement = judge({"t": {"matches": "(a|aa)+$"}}, {"result": {"t": "a" * 60 + "b"}})
    assert judgement.lines[0].endswith(
        "and to find that takes over 0.25 s: make the expression simpler"
    )
    assert not judge(
        {"t": {"not": {"matches": "(a|aa)+$"}}}, {"result": {"t": "a" * 60 + "b"}}
    ).holds


def test_long_values_and_many_lines_are_cut():
    long = judge({"t": "y" * 5000}, {"result": {"t": "x" * 5000}}).lines[0]
    assert len(long) <= 600
    assert "(5,000 characters)" in long
    many = judge({f"k{n}": 1 for n in range(100)}, {"result": {f"k{n}": 2 for n in range(100)}})
    assert len(many.lines) == 21
    assert many.lines[-1] == "and 80 more"
    items = judge({"rows": {"every": 0}}, {"result": {"rows": list(range(1, 10))}})
    assert items.lines[-1] == "rows: 9 of 9 items do not fit"
    assert len(items.lines) == 6


PATHS = [
    ("a", ("a",)),
    ("a.b", ("a", "b")),
    ("a[0].b", ("a", 0, "b")),
    ("a[-1]", ("a", -1)),
    ("a.0", ("a", "0")),
    ('"a.b".c', ("a.b", "c")),
    ('a."b c".d', ("a", "b c", "d")),
    ('a["x.y"][2]', ("a", "x.y", 2)),
    ('a."say \\"hi\\""', ("a", 'say "hi"')),
    ("content-type", ("content-type",)),
]


@pytest.mark.parametrize(("path", "segments"), PATHS)
def test_a_path_is_keys_and_indexes(path, segments):
    assert parse_path(path) == segments
    assert parse_path(written(segments)) == segments


@pytest.mark.parametrize(
    "path", ["", " ", ".a", "a.", "a..b", "a[", "a[x]", "a]", 'a."b', "a" * 501]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        parse_path(path)


def test_a_path_finds_what_is_there():
    assert find(RESULT, "rows[1].state") == "active"


FINDINGS = [
    (5, [((), "takes an expression or a mapping from paths to matchers, not 5", None)]),
    ({}, [((), "an empty mapping expects nothing", "leave it out, or name a path of the result")]),
    (
        {"a..b": 1},
        [
            (
                ("a..b",),
                "'a..b' is not a path from its character 2 on; paths are written like json.status, data[0].name or headers.\"x.y\"",
                None,
            )
        ],
    ),
    (
        {"lt": 5},
        [
            (
                ("lt",),
                "'lt' is a matcher, and a path of the result is wanted here",
                "write `path: {lt: ...}`",
            )
        ],
    ),
    ({"a": {"gte": 5}}, [(("a", "gte"), "there is no matcher 'gte'", "did you mean 'ge'?")]),
    (
        {"a": {"regex": "x"}},
        [(("a", "regex"), "there is no matcher 'regex'", "did you mean 'matches'?")],
    ),
    (
        {"a": {"gt": 1, "foo": 2}},
        [
            (
                ("a", "foo"),
                "there is no matcher 'foo' (beside 'gt')",
                "to compare with the mapping itself, write `eq: {...}`",
            )
        ],
    ),
    (
        {"a": {"gt": 1, "lenght": 2}},
        [(("a", "lenght"), "there is no matcher 'lenght' (beside 'gt')", "did you mean 'length'?")],
    ),
    ({"a": {"gt": [1]}}, [(("a", "gt"), "`gt` takes a number or a text, not [1]", None)]),
    ({"a": {"gt": True}}, [(("a", "gt"), "`gt` takes a number or a text, not true", None)]),
    ({"a": {"in": 3}}, [(("a", "in"), "`in` takes a list, not 3", None)]),
    (
        {"a": {"between": [3, 1]}},
        [(("a", "between"), "nothing lies between 3 and 1", "write [1, 3]")],
    ),
    (
        {"a": {"between": 3}},
        [(("a", "between"), "`between` takes a list of two, not 3", "write [low, high]")],
    ),
    (
        {"a": {"matches": "(("}},
        [(("a", "matches"), '"((" is not a regular expression: missing ) at position 2', None)],
    ),
    (
        {"a": {"type": "strng"}},
        [
            (
                ("a", "type"),
                '`type` takes one of string, number, integer, boolean, null, list, mapping, not "strng"',
                "did you mean 'string'?",
            )
        ],
    ),
    (
        {"a": {"type": "cluster"}},
        [
            (
                ("a", "type"),
                '`type` takes one of string, number, integer, boolean, null, list, mapping, not "cluster"',
                "to compare with a field named type, write its path or `eq: {type: ...}`",
            )
        ],
    ),
    (
        {"a": {"length": "x"}},
        [(("a", "length"), '`length` takes a whole number or a matcher, not "x"', None)],
    ),
    (
        {"a": {"exists": "yes"}},
        [(("a", "exists"), '`exists` takes true or false, not "yes"', None)],
    ),
    (
        {"a": {"any": []}},
        [(("a", "any"), "`any` takes a list of matchers, not an empty list", None)],
    ),
    (
        {"a": {"all": {"gt": 1}}},
        [(("a", "all"), "`all` takes a list of matchers, not a mapping", None)],
    ),
    (
        {"a": {"any": [{"gte": 1}]}},
        [(("a", "any", 0, "gte"), "there is no matcher 'gte'", "did you mean 'ge'?")],
    ),
    (
        {"a": {"every": {"b..c": 1}}},
        [
            (
                ("a", "every", "b..c"),
                "'b..c' is not a path from its character 2 on; paths are written like json.status, data[0].name or headers.\"x.y\"",
                None,
            )
        ],
    ),
    (
        {"a": {"b": {"gt": 3}}},
        [
            (
                ("a", "b"),
                "'gt' in a mapping is compared as it stands, not as a matcher",
                "write the path: `a.b: ...`, or `eq:` to compare with the mapping",
            )
        ],
    ),
    ({"a": {"not": {"in": 1}}}, [(("a", "not", "in"), "`in` takes a list, not 1", None)]),
]


@pytest.mark.parametrize(("expectation", "findings"), FINDINGS, ids=[str(f[0]) for f in FINDINGS])
def test_what_is_wrong_with_an_expectation_is_found_before_anything_runs(expectation, findings):
    assert check_expectation(expectation) == findings


@pytest.mark.parametrize("expectation", HOLDING, ids=str)
def test_nothing_is_found_in_what_is_right(expectation):
    assert check_expectation(expectation) == []


def test_matchers_without_end_are_found():
    wanted: object = 1
    for _ in range(500):
        wanted = {"not": wanted}
    assert "nested too deeply" in check_expectation({"a": wanted})[0][1]
    with pytest.raises(TemplateProblem, match="nested too deeply"):
        judge({"a": wanted}, {"result": {"a": 1}})


NAMES = st.sampled_from(
    [
        "status",
        "json.status",
        "rows[0].n",
        "rows",
        "a.b",
        "nan",
        "x",
        "rows.1",
        '"x.y"',
        "names[0]",
        "text",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
MATCHERS = st.sampled_from([*sorted(MATCHER_NAMES), "foo", "state"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(MATCHERS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(NAMES | st.text(max_size=6), JSON, max_size=3), JSON)
@settings(max_examples=600, deadline=None)
def test_judging_anything_gives_a_judgement_or_a_problem(expectation, result):
    check_expectation(expectation)
    for judged in (RESULT, {"status": result, "x": result, "rows": [result]}, result):
        judgement = judged_or_none(expectation, judged)
        assert judgement is None or judgement.holds is (judgement.lines == ())


def judged_or_none(expectation, result) -> Judgement | None:
    try:
        return judge(expectation, {"result": result})
    except TemplateProblem:
        return None


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=3))
@settings(max_examples=600, deadline=None)
def test_an_expectation_in_which_nothing_is_found_can_be_judged(expectation):
    if not check_expectation(expectation):
        judge(expectation, {"result": RESULT})


def holds_nan(value) -> bool:
    if isinstance(value, dict):
        return any(holds_nan(one) for one in value.values())
    if isinstance(value, list):
        return any(holds_nan(one) for one in value)
    return value != value  # noqa: PLR0124 - NaN is not itself


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_a_value_fits_itself_unless_it_holds_nan(value):
    holds = judge({"x": {"eq": value}}, {"result": {"x": value}}).holds
    assert holds is not holds_nan(value)


def test_a_pattern_that_would_take_all_memory_is_refused_when_it_is_rendered():
    bomb = Template("{{ inputs.p }}", Place("f", 1, 1))
    scope = {"result": {"a": "x"}, "inputs": {"p": "((((a{100}){100}){100}){100}){100}"}}
    with pytest.raises(TemplateProblem):
        judge({"a": {"matches": bomb}}, scope)
