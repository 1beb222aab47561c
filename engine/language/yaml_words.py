"""What YAML's parser complains about, in the words of the person who wrote the file.

libyaml and the pure parser say the same things in different words; both are matched here, so that a
message does not depend on which of them is installed.
"""

from __future__ import annotations

import re

_MESSAGES: tuple[tuple[str, str, str], ...] = (
    (
        r"mapping values are not allowed",
        "a ':' stands where no value can begin",
        "put the text into quotes if the ':' belongs to it, or look at the indentation",
    ),
    (
        r"could not find expected ':'|did not find expected key|expected <block end>.*(scalar|key)",
        "this line does not fit the lines before it",
        "a mapping needs `key: value` on every line, all with the same indentation",
    ),
    (
        r"did not find expected '-' indicator|expected <block end>",
        "this line does not fit the lines before it",
        "entries of a list begin with '- ', all with the same indentation",
    ),
    (
        r"sequence entries are not allowed",
        "a '-' stands where no list can begin",
        "begin the list on a line of its own, or put the text into quotes",
    ),
    (
        r"mapping keys are not allowed",
        "a '?' stands where no key can begin",
        "put the text into quotes",
    ),
    (
        r"',' or '\]'",
        "a list in [ ] is not closed, or misses a ','",
        "close it with ']' and separate its values with ','",
    ),
    (
        r"',' or '\}'",
        "a mapping in {{ }} is not closed, or misses a ','",
        "close it with '}' and separate its keys with ','; text with { or , in it needs quotes",
    ),
    (
        r"unknown escape character|hexadecimal numbers|hexdecimal number|invalid Unicode character",
        "an unknown escape in double quotes",
        "write a backslash as \\\\, or use single quotes, in which nothing is escaped",
    ),
    (
        r"unexpected end of stream|unexpected document separator",
        "a quote is opened and never closed",
        "close it, or double it ('') if it is part of a text in single quotes",
    ),
    (
        r"alphabetic or numeric character",
        "'&' and '*' name anchors and aliases, and here no name follows",
        "put the text into quotes",
    ),
    (
        r"chomping or indentation|comment or (a )?line break|indentation indicator",
        "nothing but an indicator may stand after '|' or '>'",
        "begin the text on the next line, indented",
    ),
    (
        r"found undefined tag handle|tag|URI",
        "a '!' begins a tag, and runbooks have none",
        "put the text into quotes",
    ),
    (
        r"<document start>|document start",
        "something follows the end of the document",
        "one file holds one runbook: look at the line before this one",
    ),
    (
        r"cannot start any token",
        "no value can begin with '{at}'",
        "put the text into quotes",
    ),
    (
        r"node content",
        "a value is missing here",
        "write one, or put the text into quotes",
    ),
    (
        r"unexpected ':'",
        "a ':' stands where no value can begin",
        "put the text into quotes",
    ),
)


def in_our_words(problem: str, context: str | None, at: str) -> tuple[str, str | None]:
    """What is wrong and how to mend it, for a parser's `problem` (`context` where it is silent).

    `at` is the character at which it stopped.
    """
    for text in (problem, context or ""):
        for pattern, what, hint in _MESSAGES:
            if re.search(pattern, text):
                return what.format(at=at), hint
    return f"this is not YAML: {problem}", None
