"""Command lines and requirements of Pyro4 and Pyro5 in files that are no Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .checks import variable_hints
from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["is_of_interest", "scan"]

_SUFFIXES: Final = frozenset(
    {
        *(".sh", ".bash", ".zsh", ".fish", ".bat", ".cmd", ".ps1"),
        *(".service", ".conf", ".cfg", ".ini", ".toml", ".yml", ".yaml", ".env"),
        *(".mk", ".plist", ".dockerfile"),
    }
)
_NAMES: Final = frozenset({"makefile", "dockerfile", "procfile", "justfile", "pipfile"})

_NS: Final = "write pyro-ns -s memory, or pyro-ns, which keeps names in a file"
_NO_FLAME: Final = (
    "there is no such server, as whoever reaches it can do anything: expose the "
    "functions that are needed as methods of an object"
)
_COMMANDS: Final = {
    r"pyro[45]-ns(?!c)": _NS,
    r"-m\s*Pyro4\.naming": _NS,
    r"-m\s*Pyro5\.nameserver": _NS,
    r"pyro[45]-nsc": "write pyro-nsc",
    r"-m\s*Pyro[45]\.nsc": "write pyro-nsc",
    r"pyro4-test-echoserver": "write pyro-echoserver",
    r"pyro5-echoserver": "write pyro-echoserver",
    r"-m\s*Pyro4\.test\.echoserver": "write pyro-echoserver",
    r"-m\s*Pyro5\.utils\.echoserver": "write pyro-echoserver",
    r"pyro[45]-httpgateway": "write pyro-httpgw",
    r"-m\s*Pyro[45]\.utils\.httpgateway": "write pyro-httpgw",
    r"pyro[45]-check-config": "write pyro-check-config",
    r"-m\s*Pyro4\.configuration": "write pyro-check-config",
    r"-m\s*Pyro5\.configure": "write pyro-check-config",
    r"pyro4-flameserver": _NO_FLAME,
    r"-m\s*Pyro4\.utils\.flameserver": _NO_FLAME,
}
_COMMAND: Final = re.compile(
    "|".join(rf"(?<![\w-]){pattern}(?![\w-])" for pattern in _COMMANDS)
)
_KEY: Final = re.compile(r"(?<![\w-])(-k|--key)(?![\w-])")
_VARIABLE: Final = re.compile(r"\bPYRO_([A-Z0-9_]+)")
_REQUIREMENT: Final = re.compile(
    r"""(?:^|["'\s])(Pyro[45])\s*(?=$|["'\s;,=<>~!\[])""", re.IGNORECASE
)
_REQUIRING: Final = re.compile(
    r"requirements.*\.(txt|in)|pyproject\.toml|setup\.cfg|tox\.ini|pipfile",
    re.IGNORECASE,
)


def is_of_interest(path: Path) -> bool:
    """Return whether a file is one that often has command lines."""
    name = path.name.lower()
    return (
        path.suffix.lower() in _SUFFIXES
        or name.partition(".")[0] in _NAMES
        or _REQUIRING.fullmatch(name) is not None
    )


def scan(text: str, name: str = "") -> Iterator[Finding]:
    """Look through a text line by line.

    Args:
        text: the text of a script or of a file of settings.
        name: the name of the file, which tells whether it says what is required.
    """
    requiring = _REQUIRING.fullmatch(name) is not None
    for number, line in enumerate(text.splitlines(), 1):
        for match in _COMMAND.finditer(line):
            found = match.group()
            yield Finding(
                number,
                match.start() + 1,
                "hint",
                "command",
                f"{found} is a command of Pyro's",
                _advice_for(found),
            )
            if _KEY.search(line, match.end()):
                what, do = "keys for HMAC are not provided", "use TLS, or NS_TOKEN"
                yield Finding(number, match.start() + 1, "hint", "hmac", what, do)
        for match in _VARIABLE.finditer(line):
            for what, do in variable_hints(match[1]):
                place = match.start() + 1
                yield Finding(number, place, "hint", "variable", what, do)
        if requiring and (match_ := _REQUIREMENT.search(line)):
            yield Finding(
                number,
                match_.start(1) + 1,
                "hint",
                "requirement",
                f"{match_[1]} is required",
                "require pyro-suite",
            )


def _advice_for(command: str) -> str:
    return next(
        do for pattern, do in _COMMANDS.items() if re.fullmatch(pattern, command)
    )
