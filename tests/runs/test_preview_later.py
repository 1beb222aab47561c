"""What stands in a preview where only the run will know what is said."""

from __future__ import annotations

import pytest

from engine.wiring.preview_later import later


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("failure.why", "<failure.why>"),
        ("failure.why | default('?')", "<failure.why>"),
        ("breakers.told or 'A breaker'", "<breakers.told>"),
        ("(100 * rate.value) | round(1)", "<rate.value>"),
        ("rows | map(attribute='a') | join(', ')", "<rows>"),
        ("failed.json | length", "<number of failed.json>"),
        ("target.commit[:7]", "<target.commit>"),
        ("(snapshots.usable | last).id", "<snapshots.usable.id>"),
        ("route.split('/')[0]", "<route>"),
        ('"well" if openai is passed else "not well"', "<well or not well>"),
        ('"" if dkim is passed else " no DKIM;"', " <no DKIM; or nothing>"),
        ('x.y if x is passed else "unknown"', "<x.y or unknown>"),
        ('(a.b ~ " %") if a is passed else "?"', "<a.b % or ?>"),
        (
            '[a is not passed and "A (run it)", b is failed and "B"] | select | join(", ")',
            "<some of: A (run it), B>",
        ),
        ('["A" if a is failed else "", "B"] | select | join', "<some of: A, B>"),
        ('["sed", "-i", "s/" ~ inputs.name ~ "/x/"] + files', "sed -i s/<inputs.name>/x/ <files>"),
        ("a is passed", "<a is passed>"),
        ("a b", "<a b>"),
    ],
)
def test_what_only_the_run_knows_is_shown_without_the_expression(expression: str, said: str):
    assert later(expression) == said
