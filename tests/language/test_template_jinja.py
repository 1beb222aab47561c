"""Where our evaluation and Jinja's own agree, on the same text and the same data."""

from __future__ import annotations

import pytest
from jinja2 import Environment, StrictUndefined

from engine.errors import Place
from engine.language.model import Expression, Template
from engine.language.template import evaluate, render

SCOPE = {
    "a": 7,
    "b": 2.5,
    "s": "Hello wide World",
    "items": [{"n": 3, "t": "x"}, {"n": 1, "t": "Y"}, {"n": 2, "t": "x"}],
    "m": {"k": 1, "z": {"deep": [1, 2, 3]}},
    "words": ["b", "a", "C", "a"],
}
PLACE = Place("x", 1, 1)
JINJA = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)

EXPRESSIONS = """
a + b * 2 - 1
-a ** 2
a // 2 % 3
2 ** 3 ** 2
not a == 7 or b > 2
a > 5 and b < 3 and 'x'
1 < a < 10
1 < a > 10
a in [1, 7] and 'k' in m and 'lo' in s
a not in [1, 7]
a if b else s
'' or none or 'x'
s[0] ~ s[-1] ~ s[2:5]
s[::-1]
m.z.deep[1:]
m['z']['deep'][0]
items[1].t
s | upper
s | lower | title
s | capitalize
s | replace('wide', 'small')
s | replace('l', 'L', 2)
s | length
s | wordcount
s | truncate(10)
s | truncate(10, true)
s | truncate(10, true, '')
s | trim
'  x ' | trim
s | center(30)
'a\\nb' | indent
'a\\nb' | indent(2, true)
s.split()
s.split('o')
s.startswith('He')
s.upper().lower()
'x'.join(words)
m.get('q', 4)
words | sort
words | sort(case_sensitive=true)
words | sort(reverse=true)
words | unique | list
words | unique(case_sensitive=true) | list
words | join('-')
words | first
words | last
words | reverse | list
words | min
words | max
words | length
words | map('upper') | list
words | select('equalto', 'a') | list
words | reject('in', ['a', 'b']) | list
items | map(attribute='n') | list
items | map(attribute='n') | sum
items | sum(attribute='n')
items | sum('n', 10)
items | selectattr('n', 'gt', 1) | map(attribute='t') | list
items | selectattr('t', 'eq', 'x') | list
items | rejectattr('n', 'ge', 2) | list
items | sort(attribute='n') | list
items | sort(attribute='t,n') | list
items | min(attribute='n')
items | max(attribute='n')
items | join(',', attribute='t')
items | groupby('t') | map('first') | list
items | groupby('t') | map('last') | map('length') | list
m | dictsort | list
m | items | list
words | batch(3) | list
words | batch(3, 'fill') | list
words | slice(3) | list
words | slice(3, 'fill') | list
range(5) | list
range(1, 10, 3) | list
'5' | int + 1
'5.9' | int
'1e3' | float
a | abs
b | round(1)
b | round(0, 'ceil') == 3
'%d and %5.2f' | format(a, b)
q | default('x')
'' | default('x')
'' | default('x', true)
a is odd
a is even
a is divisibleby(7)
a is number and s is string and m is mapping and words is sequence
none is none
q is defined
a is defined
a is eq 7
a is in([7])
s is lower
true is boolean
'a b&c' | urlencode
{'a': 'b c'} | urlencode
""".strip().splitlines()

TEMPLATES = [
    "{{ s }} and {{ a }}",
    "{% for i in items %}{{ loop.index }}:{{ i.t }}{{ ',' if not loop.last else '' }}{% endfor %}",
    "{% for i in items if i.n > 1 %}{{ loop.length }}{{ loop.revindex0 }}{% endfor %}",
    "{% for i in [] %}{% else %}nothing{% endfor %}",
    "{% set x = 1 %}{% for i in words %}{% set x = 2 %}{% endfor %}{{ x }}",
    "{% if a > 100 %}big{% elif a > 5 %}mid{% else %}small{% endif %}",
    "  {%- if true -%}  x  {%- endif -%}  y",
    "{% for k, v in m | dictsort %}{{ k }} {% endfor %}",
    "{% for i in words %}{{ loop.previtem if not loop.first else '' }}{{ i }}{% endfor %}",
    "line\n{% if true %}\nx\n{% endif %}\nend\n",
    "{# nothing #}a{% raw %}{{ b }}{% endraw %}",
    "{% set a, b = words[:2] %}{{ a }}{{ b }}",
]


def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_gives_what_jinja_gives(text):
    text = text.replace("\\n", "\n")
    theirs = JINJA.compile_expression(text, undefined_to_none=False)(**SCOPE)
    assert evaluate(Expression(text, PLACE), SCOPE) == plain(theirs)


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_template_gives_what_jinja_gives(text):
    assert render(Template(text, PLACE), SCOPE) == JINJA.from_string(text).render(**SCOPE)
