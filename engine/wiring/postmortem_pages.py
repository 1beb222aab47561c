"""The post-mortem as Markdown and as a page: the form of the template, filled in.

Both are made of the same blocks, so that neither says what the other does not. What a target said
stands in it as text: nothing of it becomes a heading, a link or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from engine.channels.fitting import one_line
from engine.clock import to_datetime
from engine.core.brief import show
from engine.language.duration import format_duration
from engine.wiring.postmortem import Moment, PostMortem
from engine.wiring.postmortem_origin import line_of

YOURS = "[yours to write]"
"""Marks what only people can say."""

LINES_MAX = 100
"""Of one list: what is longer is not read in a report, and stands in the trail."""

QUIET_MIN = 4
"""So many checks in a row that found nothing wrong, and they stand on one line."""

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_NAMED = re.compile(r"&(?=#?\w{1,31};)")
"""What a page would show as another sign."""

_MARKS = re.compile(r"([\[\]`\\*~]|(?<![^\W_])_|_(?![^\W_]))")
"""What begins a link, code or emphasis; within a word `_` does not."""

_LEADS = re.compile(r"^(\d{0,9})((?:#{1,6}|-+|[+.)])(?=\s|$)|>)")
"""What begins a heading, a list or a quotation, where a text begins with it."""


@dataclass(frozen=True, slots=True)
class Block:
    """`kind`: title, head, facts (name: value), text, list, times (time - text) or tasks."""

    kind: str
    lines: tuple[tuple[str, str], ...]


def blocks(made: PostMortem) -> Iterator[Block]:
    """The report, in the order of the template."""
    yield _block("title", [f"Post-Mortem: {made.title}"])
    yield Block("facts", tuple(_facts(made)))
    yield from _part("Summary", [_summary(made), YOURS], kind="text")
    yield Block("head", (("", "Timeline"),))
    yield Block("times", tuple(_times(made)))
    yield from _part("Root Cause", [YOURS], kind="text")
    yield Block("head", (("", "Impact"),))
    impact = (
        ("Users affected", YOURS),
        ("Downtime", f"{YOURS} (the run {_open(made)})"),
        ("Data loss", YOURS),
    )
    yield Block("named", impact)
    yield from _part("Resolution", _cut(_resolution(made)))
    if made.found:
        yield from _part("What was found", _cut(made.found))
    left = [f"may have kept running: {path}" for path in made.may_run_on]
    if doubts := [*made.under_way, *made.doubts, *left]:
        yield from _part("In doubt", _cut(doubts))
    yield Block("head", (("", "Lessons Learned"),))
    lessons = ("What went well", "What went poorly", "Where we got lucky")
    yield Block("named", tuple((name, YOURS) for name in lessons))
    yield Block("head", (("", "Action Items"),))
    items = ("Fix root cause", "Add monitoring", "Update runbook")
    yield Block("tasks", tuple(("", f"{one} (Owner: {YOURS}, Due: {YOURS})") for one in items))
    yield from _part("Evidence", _evidence(made))


def _block(kind: str, lines: Iterable[str]) -> Block:
    return Block(kind, tuple(("", line) for line in lines))


def _part(head: str, lines: Iterable[str], *, kind: str = "list") -> Iterator[Block]:
    yield _block("head", [head])
    yield _block(kind, lines)


def _facts(made: PostMortem) -> Iterator[tuple[str, str]]:
    yield "Date", f"{to_datetime(made.started_us):%Y-%m-%d} (times are UTC)"
    yield "Duration", f"{made.duration} (the run {_open(made)})"
    yield "Severity", made.severity or YOURS
    yield "Responders", ", ".join(made.responders) or YOURS
    words = {
        "alerted": "started {} after it began",
        "told": "somebody told after {}",
        "taken": "taken after {}",
        "resolved": "resolved after {}",
    }
    times = [words[word].format(span) for word, span in made.times.items() if span is not None]
    if times:
        yield "Times", ", ".join(times)
    yield "Run", f"{made.run} of {made.runbook} in {made.environment}, {made.mode}"
    if made.inputs:
        inputs = ", ".join(f"{name}: {show(value)}" for name, value in made.inputs.items())
        yield "Inputs", line_of(inputs)


def _resolution(made: PostMortem) -> list[str]:
    """What was changed; that nothing was only where that is known."""
    found = [*made.done, *(f"Not done: {one}" for one in made.not_done)]
    if found or not made.under_way:
        return found or ["The runbook changed nothing"]
    return ["Nothing is known to be changed so far: see what is in doubt"]


def _summary(made: PostMortem) -> str:
    because = f": {made.because}" if made.because else ""
    word = "is" if made.ended_us is None else "ended"
    said = f"{made.runbook} was started by {made.trigger} and {word} {made.outcome}{because}."
    if made.mode == "rehearsal":
        said += " It was a rehearsal: nothing was changed, and nobody was told."
    return said


def _open(made: PostMortem) -> str:
    if made.ended_us is None:
        return "is open still"
    return "was open for " + format_duration(round((made.ended_us - made.started_us) / 1e6))


def _evidence(made: PostMortem) -> Iterator[str]:
    yield f"{made.events} events, the last with the hash {made.head}"
    yield f"The runbook as it was: digest {made.digest}"
    yield f"All of it: runbook audit show {made.run}"
    yield "That nothing of it was altered: runbook audit verify"


def _cut(lines: Sequence[str]) -> list[str]:
    """The first and the last of many."""
    if len(lines) <= LINES_MAX:
        return list(lines)
    half = LINES_MAX // 2
    return [*lines[:half], f"({len(lines) - 2 * half} more in the trail)", *lines[-half:]]


def _times(made: PostMortem) -> Iterator[tuple[str, str]]:
    """The time-line; many checks in a row that found nothing wrong are one line."""
    rows = list(_gathered(made.timeline))
    half = LINES_MAX
    if len(rows) > 2 * half:
        gone = Moment(rows[half].at_us, f"({len(rows) - 2 * half} more in the trail)")
        rows = [*rows[:half], gone, *rows[-half:]]
    day = to_datetime(made.started_us).date()
    for moment in rows:
        at = to_datetime(moment.at_us)
        yield (f"{at:%H:%M:%S}" if at.date() == day else f"{at:%Y-%m-%d %H:%M:%S}"), moment.what
    yield YOURS, "Root cause identified"


def _gathered(moments: Sequence[Moment]) -> Iterator[Moment]:
    quiet: list[Moment] = []
    for moment in [*moments, None]:
        if moment is not None and moment.minor:
            quiet.append(moment)
            continue
        if len(quiet) >= QUIET_MIN:
            first, last = quiet[0].what, quiet[-1].what
            what = (
                f'{len(quiet)} checks found nothing wrong, from "{_name(first)}" to "{_name(last)}"'
            )
            yield Moment(quiet[0].at_us, what)
        else:
            yield from quiet
        quiet = []
        if moment is not None:
            yield moment


def _name(what: str) -> str:
    return what.removeprefix("Found: ").partition(" ok")[0]


# -- Markdown --------------------------------------------------------------------------------------


def markdown(made: PostMortem) -> str:
    """The report in the form of the post-mortem template."""
    lines: list[str] = []
    for block in blocks(made):
        if block.kind != "title" and not (lines and lines[-1].startswith("#")):
            lines.append("")
        lines += [_md(block.kind, name, text) for name, text in block.lines]
    return "\n".join(lines) + "\n"


def _md(kind: str, name: str, text: str) -> str:
    text = _md_text(text) if kind in ("facts", "named", "times") else _md_lead(_md_text(text))
    match kind:
        case "title":
            return f"# {text}"
        case "head":
            return f"## {text}"
        case "facts":
            return f"**{name}**: {text}  "  # two blanks: a line of its own
        case "named":
            return f"- {name}: {text}"
        case "times":
            return f"- {name} - {text}"
        case "tasks":
            return f"- [ ] {text}"
        case "list":
            return f"- {text}"
        case _:
            return text


def _md_text(text: str) -> str:
    """Text that stays text: no tag, link, code or emphasis comes of it. Our own mark is none."""
    parts = (_NAMED.sub("&amp;", part) for part in one_line(text).split(YOURS))
    return YOURS.join(_TAG.sub("&lt;", _MARKS.sub(r"\\\1", part)) for part in parts)


def _md_lead(text: str) -> str:
    """A text that begins a line, or a point of a list, and nothing else."""
    return _LEADS.sub(r"\1\\\2", text)


# -- a page ----------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --paper: #fff; --soft: #57606a;
  --line: #d0d7de; --mark: #fff3bf; --mark-ink: #5c3d00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #16181c; --soft: #a0a8b1;
  --line: #3a4048; --mark: #4a3c0a; --mark-ink: #ffe69a } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.7rem; line-height: 1.2 }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-bottom: .2rem;
  border-bottom: 1px solid var(--line) }
dl, .times { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 }
dt, time, .when { color: var(--soft); font-variant-numeric: tabular-nums }
dd { margin: 0 }
.times { list-style: none; padding: 0 }
.times li { display: contents }
ul { padding-left: 1.2rem; margin: .3rem 0 }
ul.tasks { list-style: none; padding: 0 }
p { margin: .4rem 0 }
mark { background: var(--mark); color: var(--mark-ink); padding: 0 .3em; border-radius: .2em;
  justify-self: start }
@media (max-width: 34rem) { dl, .times { grid-template-columns: 1fr; gap: 0 }
  dd, .times span { margin-bottom: .5rem } }
@media print { body { margin: 0; max-width: none; font-size: 11pt }
  h2 { break-after: avoid } li, dd { break-inside: avoid } mark { border: 1px solid #999 } }
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(made: PostMortem) -> str:
    """The same as a page without scripts, to be kept, printed or mailed."""
    body = "\n".join(_element(block) for block in blocks(made))
    title = escape(f"Post-Mortem: {made.title}")
    made_of = f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n{made_of}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _element(block: Block) -> str:
    rows = [(escape(name), _html_text(text)) for name, text in block.lines]
    match block.kind:
        case "title":
            return f"<h1>{rows[0][1]}</h1>"
        case "head":
            return f"<h2>{rows[0][1]}</h2>"
        case "facts" | "named":
            return f"<dl>{''.join(f'<dt>{n}</dt><dd>{t}</dd>' for n, t in rows)}</dl>"
        case "times":
            items = (f"<li>{_when(n)}<span>{t}</span></li>" for n, t in rows)
            return f'<ol class="times">{"".join(items)}</ol>'
        case "tasks":
            boxes = (f"<li>&#9744; {t}</li>" for _, t in rows)
            return f'<ul class="tasks">{"".join(boxes)}</ul>'
        case "list":
            return f"<ul>{''.join(f'<li>{t}</li>' for _, t in rows)}</ul>"
        case _:
            return "".join(f"<p>{t}</p>" for _, t in rows)


def _when(name: str) -> str:
    return f"<time>{name}</time>" if name != escape(YOURS) else f"<mark>{name}</mark>"


def _html_text(text: str) -> str:
    return escape(one_line(text)).replace(escape(YOURS), f"<mark>{escape(YOURS)}</mark>")
