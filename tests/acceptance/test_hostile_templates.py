"""A runbook from somebody you should not trust: its templates reach nothing and cost little."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.program import Program

CPU_MAX_S = 1.0
"""Of refusing a template, besides what starting the program and reading a harmless file costs."""

REACHING = {
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attributes by name": "{{ '' | attr('__class__') }}",
    "attributes by subscript": "{{ run['__class__'] }}",
    "a function's globals": "{{ cycler.__init__.__globals__.os.environ }}",
    "modules": "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "another template": "{% import 'os' as os %}{{ os.environ }}",
    "a file": "{% include '/etc/passwd' %}",
    "the environment": "{{ env.SECRET }}{{ environ.SECRET }}",
    "secrets": "{{ ''.format(run).connections.api.token }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(run) }}",
    "a macro": "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "a block of a template": "{% block a %}{{ super.__globals__ }}{% endblock %}",
}
"""Each is refused before anything runs."""

RUNNING = {
    "the loop itself": "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "a loop in loops": "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}"
    "{% endfor %}",
    "a power": "{{ 9 ** (9 ** (9 ** 9)) }}",
    "a long text": "{{ 'x' * 9999999999 }}",
    "a long list": "{{ range(9999999999) | list }}",
    "doubling": "{% set x = namespace(v='x') %}{% for i in range(99) %}"
    "{% set x.v = x.v + x.v %}{% endfor %}{{ x.v }}",
    "a pattern": "{{ ('a' * 40 + '!') is match('(a+)+$') }}",
    "padding": "{{ 'x'.ljust(9999999999) }}{{ 'x' | center(9999999999) }}",
    "calling itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "many digits": "{{ '%09999999999d' | format(1) }}",
}
"""Each is refused, before anything runs or as the outcome of its step."""


def book(template: str) -> str:
    folded = template.replace("'", "''")
    return (
        "title: Hostile\nsteps:\n  - id: it\n    check: run.value\n"
        f"    with: {{value: '{folded}'}}\n"
    )


@pytest.fixture
def books(program: Program) -> Program:
    program.environ["SECRET"] = "c4n4ry-of-the-environment"
    program.write("p/environments/test.yaml", "connections: {}\n")
    program.write("p/harmless.yaml", book("{{ 1 + 1 }}"))
    return program


@pytest.mark.parametrize("name", REACHING)
def test_what_reaches_out_is_refused_with_its_place(books: Program, name: str):
    books.write("p/hostile.yaml", book(REACHING[name]))
    harmless_s = books.costing("lint", "p/harmless").cpu_s
    done = books.costing("lint", "p/hostile")
    assert done.code == 2
    assert re.search(r"^runbooks/p/hostile\.yaml:5:\d+: RB\d+ ", done.out, re.MULTILINE)
    assert done.cpu_s - harmless_s < CPU_MAX_S
    ran = books("run", "p/hostile", "--env", "test")
    assert (ran.code, ran.out) == (2, "")
    assert "no runs yet" in books("runs").err
    assert "c4n4ry" not in done.all + ran.all
    assert "root:" not in done.all + ran.all


@pytest.mark.parametrize("name", RUNNING)
def test_what_only_shows_when_it_runs_is_refused_within_a_second(books: Program, name: str):
    books.write("p/hostile.yaml", book(RUNNING[name]))
    harmless = books.costing("run", "p/harmless", "--env", "test")
    assert harmless.code == 0
    ran = books.costing("run", "p/hostile", "--env", "test")
    assert ran.code in (2, 3)
    where = r"p/hostile(\.yaml| \(as recorded\)):5:\d+|^.*errored +it "
    assert re.search(where, ran.all, re.MULTILINE), ran.all
    assert ran.cpu_s - harmless.cpu_s < CPU_MAX_S
    assert "Traceback" not in ran.all
    assert len(ran.all) < 4000
