"""A chat: the server calls all who listen."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

from support.programs import clean_environment
from support.walkthrough import EXAMPLES, Walk, steps_of, walk

if TYPE_CHECKING:
    from support.walkthrough import Step

FOLDER = EXAMPLES / "chat"


class Person:
    """A client, at whose keyboard the test sits."""

    def __init__(self, steps: Walk, step: Step) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *map(steps.here, step.command[1:])],
            cwd=FOLDER,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def types(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def sees(self) -> str:
        """Return the next line on the screen."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def leaves(self) -> int:
        """Press Ctrl-D."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait()

    def disappears(self) -> None:
        """Be lost, as if the machine had been switched off."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        with self._process:
            self._process.kill()


def test_people_in_a_room_hear_each_other() -> None:
    server, ann_joins, bob_joins = steps_of(FOLDER / "README.md")
    with walk("chat") as steps:
        steps.take(server)
        with Person(steps, ann_joins) as ann:
            assert ann.sees() == "In the kitchen: ann"
            ann.types("is anybody here?")
            assert ann.sees() == "(nobody has heard that)"
            with Person(steps, bob_joins) as bob:
                assert bob.sees() == "In the kitchen: ann, bob"
                assert ann.sees() == "bob has joined"
                bob.types("the soup is ready")
                assert ann.sees() == "bob: the soup is ready"
                ann.types("coming")
                assert bob.sees() == "ann: coming"
                assert bob.leaves() == 0
            assert ann.sees() == "bob has left"
            with Person(steps, bob_joins) as bob:
                assert ann.sees() == "bob has joined"
                bob.disappears()
                assert ann.sees() == "bob has left"
