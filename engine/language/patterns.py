"""Regular expressions that a runbook holds: small enough to compile, quick enough to match.

A counted repeat writes out what it repeats, so a pattern of twenty characters can take gigabytes to
compile, and one of five can take for ever to match. Whoever reads a file must not pay for either.
"""

from __future__ import annotations

import re
from typing import Final

MAX_PARTS: Final = 20_000
"""Of one pattern, its counted repeats written out: 6 MB compiled, far beyond what is readable."""

MAX_CHARS: Final = 1000
"""Of one pattern. Longer ones are programs."""

MAX_CHARS_TOGETHER: Final = 64 * 1024
"""Of all patterns of a runbook: compiling them takes 0.2 s."""

MATCH_S: Final = 0.01
"""For matching a value of the runbook itself while it is read. What is meant takes microseconds."""

MAX_MATCHES: Final = 50
"""Values of a runbook that are matched while it is read; any more are matched by the run alone."""

_COUNTED: Final = re.compile(r"(.?)\{\s*(\d+)", re.DOTALL)


def check_size(pattern: str) -> None:
    """Raises ValueError for a pattern that is too large to compile.

    What a group repeat multiplies is at most everything; so this may refuse what would just fit,
    and never lets pass what does not.
    """
    if len(pattern) > MAX_CHARS:
        raise ValueError(f"has more than {MAX_CHARS:,} characters")
    parts, factor = len(pattern), 1
    for before, digits in _COUNTED.findall(pattern):
        count = int(digits) if len(digits) < 7 else 10**7
        if before == ")" or before.isspace() or not before:
            factor *= max(count, 1)
        else:
            parts += count
    if parts * factor > MAX_PARTS:
        raise ValueError("repeats so much that it is too large to compile")


def compile_problem(pattern: str) -> str | None:
    """Why a text is no usable pattern, as the end of a sentence, or None."""
    import regex  # noqa: PLC0415 - only runbooks with a pattern pay for it

    try:
        check_size(pattern)
        regex.compile(pattern)
    except regex.error as error:
        return f"is no regular expression: {error}"
    except (ValueError, OverflowError, RecursionError, LookupError) as error:
        return str(error) or "is no regular expression"
    return None


def matches_soon(pattern: str, text: str) -> bool:
    """Whether it is known soon if the text matches."""
    import regex  # noqa: PLC0415 - as above

    try:
        regex.fullmatch(pattern, text, timeout=MATCH_S)
    except TimeoutError:
        return False
    return True
