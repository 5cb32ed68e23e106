"""Regular expressions that clients send.

A short one can take longer than the universe lasts, ``(a+)+b`` for example, and
while Python matches nothing else happens in the process. So those that might are
matched in a process of their own, which has a limited time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["LONGEST_PATTERN", "PatternProcess", "compile_pattern", "is_quick"]

LONGEST_PATTERN: Final = 200
"""More than anybody needs to describe a name."""

# About as many steps as take a hundredth of a second.
_MOST_STEPS: Final = 500_000
# With these, or a reference to a group, the number of steps cannot be told.
_COSTLY: Final = re.compile(r"[(|{]|\\[0-9]")
_REPEATS: Final = re.compile(r"[*+?]")

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


class PatternProcess:
    """Matches regular expressions in short-lived processes, for an event loop.

    Args:
        time_limit: how many seconds one may take.
    """

    def __init__(self, time_limit: float = _TIME_LIMIT_SECONDS) -> None:
        self._time_limit = time_limit
        self._room = asyncio.Semaphore(_MOST_PROCESSES)

    async def matching(
        self, pattern: re.Pattern[str], names: Collection[str]
    ) -> list[str]:
        """Return the names whose beginning matches.

        Raises:
            NamingError: it takes too long.
        """
        ordered = list(names)
        question = json.dumps([pattern.pattern, ordered]).encode("ascii")
        async with self._room:
            answer = await self._run(pattern.pattern, question)
        return [ordered[number] for number in answer]

    async def _run(self, regex: str, question: bytes) -> list[Any]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._time_limit):
                output, _ = await process.communicate(question)
            result: list[Any] = json.loads(output)
        except TimeoutError as error:
            raise NamingError(
                f"invalid regex: matching {regex!r} takes more than "
                f"{self._time_limit:g} seconds; write it without nested repetitions"
            ) from error
        except ValueError as error:
            raise NamingError(
                f"matching {regex!r} failed; see the name server"
            ) from error
        else:
            return result
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
