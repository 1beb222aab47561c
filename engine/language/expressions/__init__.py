"""Expressions and templates: Jinja's language, parsed by Jinja, evaluated by us.

Jinja turns a template into Python source and runs it; its sandbox then forbids what it knows to be
dangerous. Here nothing is generated. `parse` has Jinja build its syntax tree, `check` admits the
kinds of nodes, filters and tests that are listed, and `compile` turns each node into a small
closure that knows only JSON values. What is not listed does not exist: there is no Python attribute
to reach, and every step of the work is paid for out of a `Budget`, so that nothing runs or grows
without end.

    problem    what is told when a text cannot be evaluated
    budget     what one evaluation may use
    step       what a step id means in a scope
    values     fields, text and JSON of a value
    operators  arithmetic and comparison
    parse      text -> Jinja's tree, with the offset of every node
    check      what is allowed; the names a text uses
    compile    tree -> closures
    filters, lists, texts, times, paths, tests, methods    what can be called
    statements if, for, set: what writes text
    analysis   what lint learns of a text without a scope
    reasons    why an expression does not hold
"""
