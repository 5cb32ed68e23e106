"""Regular expressions that clients send.

A short one can take longer than the universe lasts, ``(a+)+b`` for example, and
while Python matches nothing else happens in the process. So those that might are
matched in a process of their own, which has a limited time.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "LONGEST_PATTERN",
    "PatternProcess",
    "compile_pattern",
    "is_quick",
    "matching_names",
    "plain_start",
]

LONGEST_PATTERN: Final = 200
"""More than anybody needs to describe a name."""

# About as many steps as take a hundredth of a second.
_MOST_STEPS: Final = 500_000
# With these, or a reference to a group, the number of steps cannot be told.
_COSTLY: Final = re.compile(r"[(|{]|\\[0-9]")
_REPEATS: Final = re.compile(r"[*+?]")
# Characters that stand for themselves and are not repeated, before which ^ may stand.
_PLAIN_START: Final = re.compile(
    r"\^?((?:(?:[^.^$*+?{}\[\]\\|()]|\\[\W_])(?![*+?{]))*)"
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

_TIME_LIMIT_SECONDS: Final = 2.0
# Each keeps a processor busy in the worst case, and the others are for the rest.
_MOST_PROCESSES: Final = 2
_PROGRAM: Final = (
    "import json, re, sys\n"
    "regex, names = json.load(sys.stdin)\n"
    "match = re.compile(regex).match\n"
    "found = [number for number, name in enumerate(names) if match(name)]\n"
    "json.dump(found, sys.stdout)"
)
_COMMAND: Final = (sys.executable, "-I", "-S", "-c", _PROGRAM)


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return a client's regular expression, ready for use.

    Raises:
        TypeError: it is not text.
        NamingError: it is not valid, or too long.
    """
    if not isinstance(text, str):
        raise TypeError(f"a regex must be text, not {type(text).__name__}")
    if len(text) > LONGEST_PATTERN:
        raise NamingError(
            f"invalid regex: it has {len(text)} characters, at most {LONGEST_PATTERN} "
            "are allowed"
        )
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise NamingError(f"invalid regex: {error}") from error


def plain_start(pattern: re.Pattern[str]) -> str:
    """Return a text that all names begin with whose beginning matches.

    So only some of them have to be looked at.
    """
    text = pattern.pattern
    start = _PLAIN_START.match(text)
    if start is None or "|" in text:
        return ""
    return _ESCAPED.sub(r"\1", start[1])


def is_quick(pattern: re.Pattern[str], names: Collection[str]) -> bool:
    """Whether matching certainly takes no noticeable time."""
    text = pattern.pattern
    if _COSTLY.search(text):
        return False
    # Without groups, each repetition can try every length that a name allows.
    repeats = len(_REPEATS.findall(text))
    steps = 0
    for name in names:
        steps += (len(name) + 1) ** repeats
        if steps > _MOST_STEPS:
            return False
    return True


def matching_names(
    pattern: re.Pattern[str],
    names: Collection[str],
    time_limit: float = _TIME_LIMIT_SECONDS,
) -> list[str]:
    """Return the names whose beginning matches; other threads go on meanwhile.

    Args:
        pattern: the regular expression.
        names: the names.
        time_limit: how many seconds it may take.

    Raises:
        NamingError: it takes too long.
    """
    if is_quick(pattern, names):
        match = pattern.match
        return [name for name in names if match(name)]
    ordered = list(names)
    return _Matching(pattern, ordered, time_limit).run()


class PatternProcess:
    """Matches regular expressions in short-lived processes, for an event loop.

    Args:
        time_limit: how many seconds one may take.
    """

    def __init__(self, time_limit: float = _TIME_LIMIT_SECONDS) -> None:
        self._time_limit = time_limit
        self._threads = ThreadPoolExecutor(_MOST_PROCESSES, "pyro name server patterns")

    async def matching(
        self, pattern: re.Pattern[str], names: Collection[str]
    ) -> list[str]:
        """Return the names whose beginning matches.

        Raises:
            NamingError: it takes too long.
        """
        matching = _Matching(pattern, list(names), self._time_limit)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, matching.run)
        finally:
            # Whoever asked may have gone.
            matching.give_up()


class _Matching:
    """The work of one process, which another thread may end early.

    Args:
        pattern: the regular expression.
        names: the names.
        time_limit: how many seconds it may take.
    """

    def __init__(
        self, pattern: re.Pattern[str], names: list[str], time_limit: float
    ) -> None:
        self._pattern = pattern
        self._names = names
        self._time_limit = time_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False

    def run(self) -> list[str]:
        """Return the names whose beginning matches.

        Raises:
            NamingError: it takes too long, or fails.
        """
        question = json.dumps([self._pattern.pattern, self._names]).encode("ascii")
        with subprocess.Popen(  # noqa: S603 - this very interpreter
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            self._process = process
            if self._given_up:
                process.kill()
            try:
                answer, _ = process.communicate(question, self._time_limit)
            except subprocess.TimeoutExpired as error:
                raise NamingError(
                    f"invalid regex: matching {self._pattern.pattern!r} takes more "
                    f"than {self._time_limit:g} seconds; write it without nested "
                    "repetitions"
                ) from error
            finally:
                process.kill()
        try:
            return [self._names[number] for number in json.loads(answer)]
        except ValueError as error:
            raise NamingError(
                f"matching {self._pattern.pattern!r} failed; see the name server"
            ) from error

    def give_up(self) -> None:
        """End the process, or the one that is yet to start."""
        self._given_up = True
        if self._process is not None:
            self._process.kill()
