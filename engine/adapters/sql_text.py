"""What can be told from the text of a statement, without a server: tokens, `:name` parameters, its
kind.

The scanner knows what PostgreSQL and SQLite quote and comment (`'..'`, `E'..'`, `"..."`,
`$tag$..$tag$`, nested comments), so that a colon, a semicolon or a word inside those is never
taken for one outside. It is no parser: that a text is one statement is settled by the server, over
its extended protocol.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from engine.errors import AdapterError

Dialect = Literal["postgresql", "sqlite"]
Kind = Literal["word", "quoted", "string", "number", "name", "native", "operator"]

SQL_MAX_CHARS = 1_000_000
"""Of one statement: far beyond anything a person writes, and scanned in well under a second."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement. `text` is as written; `depth` counts the parentheses around it.

    `name` is a `:name` parameter, `native` a `$1` (or in SQLite `?`) one.
    """

    kind: Kind
    text: str
    start: int
    depth: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


_WORD = r"[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*"
_COMMON = rf"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<estring>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
  | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$.*?\$(?P=tag)\$)
  | (?P<native>\$\d+)
  | (?P<number>\d(?:[\w.]|(?<=[eE])[+-](?=\d))*)
  | (?P<word>{_WORD})
  | (?P<unended>['"]|\$(?:[A-Za-z_]\w*)?\$)
  | (?P<colons>::|:=)
  | (?P<name>(?<![\w\])"]):{_WORD})
"""
_QUOTED_SQLITE = r"(?P<brackets>`[^`]*`|\[[^\]]*\])|(?P<question>\?\d*|[@$][A-Za-z_]\w*)|"


@cache
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    """Made when it is first needed: that takes ten milliseconds, which most runs do not need to
    wait.
    """
    pattern = _COMMON + r"|(?P<operator>.)"
    if dialect == "sqlite":  # it has no E'..' strings, so a backslash is one
        pattern = _QUOTED_SQLITE + pattern.replace("(?P<estring>[eE]'", "(?P<estring>(?!)'")
    return re.compile(pattern, re.VERBOSE | re.DOTALL)


_KINDS: Mapping[str, Kind] = {
    "estring": "string",
    "string": "string",
    "dollar": "string",
    "tag": "string",
    "quoted": "quoted",
    "brackets": "quoted",
    "native": "native",
    "question": "native",
    "number": "number",
    "word": "word",
    "name": "name",
    "colons": "operator",
    "operator": "operator",
}


def scan(sql: str, dialect: Dialect = "postgresql") -> list[Token]:
    """The tokens of a statement, without space and comments. Raises AdapterError where a quote
    never ends.
    """
    if len(sql) > SQL_MAX_CHARS:
        raise refused(f"the statement has {len(sql)} characters, more than {SQL_MAX_CHARS}")
    if "\0" in sql:  # to the server the statement would end there, and lose its WHERE
        raise refused(f"there is a NUL character at {where(sql, sql.index(chr(0)))}")
    pattern = _pattern(dialect)
    tokens: list[Token] = []
    at = depth = 0
    while at < len(sql):
        match = next(pattern.finditer(sql, at))  # the last alternative takes any character
        group = str(match.lastgroup)
        if group == "comment":
            at = _comment_end(sql, at, nests=dialect == "postgresql")
            continue
        if group == "unended":
            raise refused(f"the quote that opens at {where(sql, at)} is never closed")
        at = match.end()
        if group == "space":
            continue
        text = match.group()
        depth -= group == "operator" and text == ")"
        tokens.append(Token(_KINDS[group], text, match.start(), depth))
        depth += group == "operator" and text == "("
    return tokens


def _comment_end(sql: str, start: int, *, nests: bool) -> int:
    level, at = 1, start + 2
    while level:
        opens, closes = sql.find("/*", at), sql.find("*/", at)
        if closes < 0:
            raise refused(f"the comment that opens at {where(sql, start)} is never closed")
        if nests and 0 <= opens < closes:
            level, at = level + 1, opens + 2
        else:
            level, at = level - 1, closes + 2
    return at


def where(sql: str, offset: int) -> str:
    """`line 2, column 8`, both from 1."""
    line = sql.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - (sql.rfind(chr(10), 0, offset) + 1) + 1}"


def refused(message: str, help: str | None = None) -> AdapterError:
    """The statement cannot be sent as it stands, and was not."""
    return AdapterError(message, help=help, maybe_done=False, retryable=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, ready to be sent: `text` with the server's own placeholders, `values` in
    their order.
    """

    source: str
    text: str
    values: tuple[Any, ...]
    tokens: tuple[Token, ...]
    shifts: tuple[tuple[int, int], ...] = ()
    """(offset in `text`, offset in `source`) behind each placeholder, to find a position back."""

    def source_offset(self, offset: int) -> int:
        """Where in what the user wrote an offset of `text` lies."""
        base = (0, 0)
        for shift in self.shifts:
            if shift[0] > offset:
                break
            base = shift
        return base[1] + offset - base[0]

    @property
    def verb(self) -> str:
        """The first word, in capitals: `SELECT`, `WITH`, `DELETE`. Empty when there is none."""
        first = next((t for t in self.tokens if t.text != "("), None)
        return first.text.upper() if first is not None and first.kind == "word" else ""


def prepare(
    sql: str,
    params: Mapping[str, Any] | None = None,
    dialect: Dialect = "postgresql",
    *,
    all_used: bool = True,
) -> Statement:
    """Binds `:name` parameters. Every name must have a value, and (unless `all_used` is off) a use.

    A percent sign is just that, `::` a cast. A slice between names needs spaces: `a[lo : hi]`.
    """
    tokens = scan(sql, dialect)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise refused("the statement is empty")
    given = dict(params or {})
    _check_names(sql, tokens, given, all_used=all_used)
    body = sql[: tokens[-1].end]
    order: dict[str, int] = {}
    parts: list[str] = []
    shifts: list[tuple[int, int]] = []
    at = length = 0
    for token in tokens:
        if token.kind != "name":
            continue
        number = order.setdefault(token.text[1:], len(order) + 1)
        placeholder = f"?{number}" if dialect == "sqlite" else f"${number}"
        parts += [body[at : token.start], placeholder]
        length += token.start - at + len(placeholder)
        at = token.end
        shifts.append((length, at))
    parts.append(body[at:])
    values = tuple(given[name] for name in order)
    return Statement(sql, "".join(parts), values, tuple(tokens), tuple(shifts))


def _check_names(
    sql: str, tokens: Sequence[Token], given: Mapping[str, Any], *, all_used: bool
) -> None:
    used = {t.text[1:] for t in tokens if t.kind == "name"}
    for token in tokens:
        if token.kind == "native":
            raise refused(
                f"{token.text!r} at {where(sql, token.start)} is a parameter by position",
                help="name it, as in `:id`, and give its value under `params`",
            )
        if token.kind == "name" and token.text[1:] not in given:
            name = token.text[1:]
            close = difflib.get_close_matches(name, list(given), 1)
            raise refused(
                f"':{name}' at {where(sql, token.start)} has no value",
                help=f"did you mean ':{close[0]}'?" if close else "give its value under `params`",
            )
    spare = sorted(set(given) - used)
    if spare and all_used:
        named = ", ".join(repr(name) for name in spare)
        raise refused(
            f"the statement does not use the parameter {named}", help=f"write `:{spare[0]}` in it"
        )


READING_VERBS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"})
"""How a statement of a check may begin; anything else is a command, and READ ONLY does not stop
each of them.
"""

TRANSACTION_VERBS = frozenset(
    {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "DISCARD"}
)
"""Would end, or nest in, the transaction that the engine holds around a statement."""

NO_TRANSACTION_VERBS = frozenset({"VACUUM", "REINDEX", "CLUSTER"})
"""Cannot run in a transaction (REINDEX: not CONCURRENTLY); `sql.maintenance` runs them."""

UNCOUNTED_VERBS = frozenset(
    {"TRUNCATE", "DROP", "ALTER", "CREATE", "CALL", "DO", "COPY", "GRANT", "REVOKE", "REFRESH"}
)
"""No server counts the rows that these change, so `max_affected` could not be kept."""

_ACTING = """
    pg_(terminate|cancel)_backend pg_reload_conf pg_rotate_logfile\\w* pg_promote
    pg_switch_(wal|xlog) pg_create_restore_point pg_(backup|start|stop)_(start|stop|backup)
    pg_wal_replay_(pause|resume) pg_xlog_replay_(pause|resume) pg_(try_)?advisory_\\w+
    pg_stat_reset\\w* pg_stat_statements_reset pg_stat_force_next_flush
    pg_(restore|clear|set)_(relation|attribute)_stats
    pg_(create|copy)_(physical|logical)_replication_slot pg_drop_replication_slot
    pg_replication_slot_advance pg_logical_slot_get_\\w+ pg_sync_replication_slots
    pg_logical_emit_message pg_replication_origin_\\w+ pg_log_backend_memory_contexts
    pg_log_standby_snapshot pg_file_(write|rename|unlink|sync) lo_export
    brin_(summarize_new_values|summarize_range|desummarize_range) gin_clean_pending_list
    pg_truncate_visibility_map heap_force_(kill|freeze) pg_buffercache_evict\\w* pg_prewarm
    autoprewarm_\\w+ dblink\\w* postgres_fdw_disconnect\\w* http(_(get|post|put|patch|delete|head))?
    query_to_xml\\w* cursor_to_xml\\w* ts_stat ts_rewrite crosstab\\w* connectby
    load_extension writefile edit
"""
"""Functions that act at once, whatever becomes of the transaction; or that run a text as SQL, which
may call one that does. PostgreSQL 18 and its contrib, and the shell of SQLite.
"""

_SETTING = " set_config pg_notify lo_\\w+ lowrite pg_import_system_collations fts3_tokenizer"
"""Functions that a check has no business to call, though a rollback takes back what they do."""


@cache
def _listed(names: str) -> re.Pattern[str]:
    return re.compile("|".join(names.split()), re.IGNORECASE)


def acting_functions(tokens: Sequence[Token]) -> list[str]:
    """Calls, in a statement, of functions that no rollback takes back."""
    return [name for name in _called(tokens) if _listed(_ACTING).fullmatch(name)]


def writing_functions(tokens: Sequence[Token]) -> list[str]:
    """Calls of functions that a check must not make, by their names.

    READ ONLY stops neither `pg_terminate_backend`, nor advisory locks, nor `dblink`, nor a reload
    of the configuration. This list is against mistakes: it does not see a function that is called
    by a view or by another function. What a check must not do whatever its text says, the role of
    its connection must not be allowed to do.
    """
    listed = _listed(_ACTING + _SETTING)
    return [n for n in _called(tokens) if listed.fullmatch(n) or n[:2].upper() == "U&"]


def _called(tokens: Sequence[Token]) -> list[str]:
    """Names in front of a parenthesis. `U&"..."` may spell any name, and stays as it is."""
    return [
        token.text if token.text[:2].upper() == "U&" else token.text.strip('"`[]')
        for token, following in itertools.pairwise(tokens)
        if token.kind in ("word", "quoted") and following.text == "("
    ]


def check_reads(statement: Statement) -> None:
    """Raises AdapterError unless the statement is one that asks."""
    verb = statement.verb
    if verb not in READING_VERBS:
        raise refused(
            f"{verb or statement.tokens[0].text!r} does not ask anything: a check takes "
            "SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN",
            help="a change is an action: sql.execute",
        )
    called = writing_functions(statement.tokens)
    if called:
        raise refused(
            f"a check may not call {called[0]}(): it acts even in a read-only transaction",
            help="make it an action: sql.execute, or sql.terminate for sessions",
        )


def check_writes(statement: Statement, *, counted: bool) -> None:
    """Raises AdapterError when the statement cannot be run in a transaction of ours, or not be
    counted.
    """
    verb = statement.verb
    words = [t.text.upper() for t in statement.tokens[:8] if t.kind == "word"]
    if verb in TRANSACTION_VERBS or words[:2] == ["PREPARE", "TRANSACTION"]:
        raise refused(
            f"{verb} is not yours to send: the engine begins and ends the transaction",
            help="several statements that belong together are sql.transaction",
        )
    concurrently = "CONCURRENTLY" in words and verb in ("CREATE", "DROP", "ALTER")
    if verb in NO_TRANSACTION_VERBS or concurrently:
        name = f"{verb} CONCURRENTLY" if "CONCURRENTLY" in words else verb
        raise refused(
            f"{name} cannot run in a transaction",
            help="VACUUM, ANALYZE and REINDEX are sql.maintenance",
        )
    if counted and verb in UNCOUNTED_VERBS:
        raise refused(
            f"max_affected cannot be kept for {verb}: the server does not count its rows",
            help="leave max_affected out, or write a DELETE or UPDATE",
        )
