"""Secrets: references in connections, their values when an adapter needs them, and their absence
anywhere else.

A setting holds a text with references; it becomes a `SecretText`, which prints and stores as its
references:

| reference | value |
|---|---|
| `${env:NAME}` | the environment variable NAME |
| `${file:/run/secrets/x}` | the file's text, without one newline at its end |
| `${service:NAME.field}` | what the sandbox started says of itself; not a secret |

A `Vault` resolves them late (an adapter calls `reveal` when it opens) and remembers every value it
gave out. Its `Redactor` replaces those values, and what is derived from them, by `‹secret NAME›`
in everything that is written, logged, shown or sent.
"""

# ruff: noqa: RUF001, RUF002, RUF003 - ‹ and › mark what is gone: few targets write them

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RunbookError, Usage
from engine.secret.forms import Form, parts, pieces

SECRET_MIN_CHARS = 4
"""Of a secret. A shorter one would be found in half of all texts, so it cannot be kept out of them.
"""

SECRET_MAX_BYTES = 16 * 1024
"""Of a secret, and of a file that holds one: a private key has 3 KiB, a service account's JSON the
same.
"""

TOLD_MAX = 8
"""Fields of services that are named to whoever asks for one that there is not; of more, services
alone."""

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
"""A reference in a setting; group 1 is `source:name`."""

STANDS_FOR = re.compile("‹secret ([^›]*)›")
"""What stands where a secret was; group 1 is its name."""

SOURCES = ("env", "file", "service")
"""What may stand before the colon of a reference."""


class SecretText(str):
    """A text with references to secrets. As a string it is the text with the references, never a
    value.

    So it may be printed, compared, put into JSON and into a plan; only `reveal` makes the value of
    it.
    """

    __slots__ = ("_vault", "_where")
    _vault: Vault | None
    _where: str

    def __new__(cls, text: str, vault: Vault | None = None, where: str = "") -> SecretText:
        made = super().__new__(cls, text)
        made._vault = vault
        made._where = where
        return made

    @property
    def references(self) -> tuple[str, ...]:
        """`env:NAME` and so on, in the order of the text."""
        return tuple(REFERENCE.findall(self))

    def reveal(self) -> str:
        """The text with the values in it. Raises Usage when one is missing."""
        if self._vault is None:
            raise RunbookError(f"{str(self)!r} belongs to no vault, so its value is not known")
        return self._vault.resolve(self, self._where)

    def __reduce__(self) -> tuple[Any, ...]:
        return SecretText, (str(self),)


def reveal(setting: str) -> str:
    """The value of a setting, when an adapter needs it: of a `SecretText` its value, of a plain
    text itself.
    """
    return setting.reveal() if isinstance(setting, SecretText) else setting


def has_reference(text: str) -> bool:
    return "${" in text and REFERENCE.search(text) is not None


def is_told(value: object) -> bool:
    """Whether it is what a service of a sandbox tells, and nothing else."""
    found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and found[1].startswith("service:")


class Vault:
    """Where the values of references come from, and what has been given out.

    environ: the environment variables
    services: `NAME.field` of what a sandbox started, and its value; these are no secrets
    """

    def __init__(
        self, environ: Mapping[str, str], services: Mapping[str, str] | None = None
    ) -> None:
        self._environ = environ
        self._services = services or {}
        self._revealed: dict[str, str] = {}
        self._redactor = Redactor()

    def bind(self, settings: Any, where: str) -> Any:
        """The settings (any JSON) with each string that holds a reference as a `SecretText` of this
        vault.

        `where` names the connection in errors: `connection cache`.
        """
        if isinstance(settings, str):
            if has_reference(settings):
                return SecretText(settings, self, where)
            for written_down in pieces(settings):  # a literal password: warned of when it was read
                self._redactor.add(where, written_down)
            return settings
        if isinstance(settings, Mapping):
            return {k: self.bind(v, where) for k, v in settings.items()}
        if isinstance(settings, list | tuple):
            return [self.bind(v, where) for v in settings]
        return settings

    def resolve(self, text: str, where: str = "") -> str:
        """The text with every reference replaced by its value, which is a secret from now on.

        Raises Usage naming the reference and `where` it is used.
        """
        return REFERENCE.sub(lambda hit: self._value(hit[1], where), text)

    def learn(self, text: str) -> None:
        """Every secret a text refers to is known from now on, as far as it can be had."""
        for reference in REFERENCE.findall(text):
            with suppress(Usage):
                self._value(reference, "")

    def redactor(self) -> Redactor:
        """Replaces what this vault gave out and will give out: always the same, living object."""
        return self._redactor

    def _value(self, reference: str, where: str) -> str:
        used = f" ({where})" if where else ""
        source, _, name = reference.partition(":")
        if source not in SOURCES or not name:
            raise Usage(
                f"${{{reference}}} is no reference{used}",
                help="one is ${env:NAME} or ${file:/path}",
            )
        if source == "service":
            if name not in self._services:
                raise Usage(f"no service tells {name}{used}", help=self._known_services())
            return self._services[name]
        if reference in self._revealed:
            return self._revealed[reference]
        value = self._read(source, name, used)
        if len(value) < SECRET_MIN_CHARS:
            raise Usage(
                f"the secret {reference} has {len(value)} characters{used}",
                help=f"one of under {SECRET_MIN_CHARS} characters cannot be kept out of records",
            )
        self._revealed[reference] = value
        self._redactor.add(reference, value)
        return value

    def _read(self, source: str, name: str, used: str) -> str:
        if source == "file":
            return _file(name, used)
        value = self._environ.get(name)
        if value is None:
            raise Usage(
                f"the environment variable {name} is not set{used}", help=f"export {name}=..."
            )
        if len(value) > SECRET_MAX_BYTES:
            raise Usage(f"the environment variable {name} is over 16 KiB{used}")
        return value

    def _known_services(self) -> str:
        known = sorted(self._services)
        if len(known) <= TOLD_MAX:
            return "told are: " + (", ".join(known) or "none")
        return f"up are {', '.join(sorted({name.partition('.')[0] for name in known}))}"


def _file(name: str, used: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        raise Usage(f"the secret file {name} needs an absolute path{used}")
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_MAX_BYTES + 1)
    except OSError as e:
        raise Usage(f"the secret file {name} cannot be read: {e.strerror}{used}") from e
    if len(content) > SECRET_MAX_BYTES:
        raise Usage(f"the secret file {name} is over 16 KiB{used}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as e:
        raise Usage(f"the secret file {name} is not UTF-8 text{used}") from e
    return text.removesuffix("\n").removesuffix("\r")


class Redactor:
    """Replaces secrets and what is derived from them by `‹secret NAME›`.

    Found are a secret itself; its password or user information when it is a URL or a `password=`
    text; each line of a long one; and of all of these the URL-encoded (whatever is left bare, once
    or twice), base64 (standard or URL-safe, padded or not, also inside other text such as
    `user:password`), hex, JSON- and repr-escaped (however often one inside another), HTML-, SQL-
    and shell-escaped forms. Of base64 the characters that hold only some bits of the secret go too.

    Redact before cutting: the first half of a secret, left by a cut in its middle, is not
    recognised.
    """

    def __init__(self) -> None:
        self._forms: list[Form] = []
        self._anchors: tuple[str, ...] = ()
        self._patterns: dict[tuple[int, ...], re.Pattern[str]] = {}

    def add(self, name: str, value: str) -> None:
        """From now on `value` and what is derived from it is replaced by its name."""
        shown = name.removeprefix("env:")
        known = {form.part for form in self._forms}
        found = dict.fromkeys(p for p in parts(value) if len(p) >= SECRET_MIN_CHARS)
        new = [Form(part, shown) for part in found if part not in known]
        forms = sorted((*self._forms, *new), key=lambda form: -len(form.part))
        self._patterns = {}
        self._forms = forms
        self._anchors = tuple(dict.fromkeys(a for form in forms for a in form.anchors))

    def text(self, text: str) -> str:
        """The text without secrets; the same object when there are none in it."""
        if not self._may_hold(text):
            return text
        hits = tuple(n for n, form in enumerate(self._forms) if form.may_be_in(text))
        pattern = self._patterns.get(hits) or self._compiled(hits)
        return pattern.sub(lambda hit: f"‹secret {self._shown(hits, hit)}›", text)

    def json(self, value: Any) -> Any:
        """Any JSON without secrets, in keys and numbers too; the same object if there are none."""
        if not self._anchors or not self._may_hold(json.dumps(value, default=str)):
            return value
        return self._walk(value)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._walk(k): self._walk(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._walk(v) for v in value]
        if isinstance(value, bool | None):
            return value
        shown = self.text(str(value))
        return value if shown == str(value) else shown

    def _may_hold(self, text: str) -> bool:
        """Whether a form can be in it: plain searches, a hundredth of the pattern's time."""
        for anchor in self._anchors:  # noqa: SIM110 - a generator takes twice as long
            if anchor in text:
                return True
        return False

    def _compiled(self, hits: tuple[int, ...]) -> re.Pattern[str]:
        """One pattern of some forms, the longest secret first, a group each."""
        groups = (f"({'|'.join(self._forms[n].patterns)})" for n in hits)
        pattern = re.compile("|".join(groups))
        if len(self._patterns) < PATTERNS_MAX:
            self._patterns[hits] = pattern
        return pattern

    def _shown(self, hits: tuple[int, ...], hit: re.Match[str]) -> str:
        return self._forms[hits[(hit.lastindex or 1) - 1]].shown


PATTERNS_MAX = 64
"""Compiled patterns kept, one for each set of secrets that texts were seen to hold together."""
