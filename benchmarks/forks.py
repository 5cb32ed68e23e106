"""Client processes that prepare themselves, and then work at the same time."""

from __future__ import annotations

import os
import struct
import time
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["Forks"]

_DEADLINE: Final = struct.Struct("!d")
_OUTCOME: Final = struct.Struct("!qd")
_READY: Final = b"!"


class Forks:
    """Forks of this process; a context manager.

    Args:
        count: how many.
        prepare: run in each of them; returns the work, which is given the moment
            (of `time.perf_counter`) to end at and returns how much it has done.

    Raises:
        ChildProcessError: one of them failed; its traceback is on standard error.
    """

    def __init__(
        self, count: int, prepare: Callable[[], Callable[[float], int]]
    ) -> None:
        self._processes: list[int] = []
        self._to_children: list[int] = []
        self._from_children: list[int] = []
        try:
            for _ in range(count):
                self._fork(prepare)
            for pipe in self._from_children:
                _receive(pipe, len(_READY))
        except BaseException:
            self._close()
            raise

    def _fork(self, prepare: Callable[[], Callable[[float], int]]) -> None:
        for_child, to_child = os.pipe()
        from_child, for_parent = os.pipe()
        process = os.fork()
        if process == 0:
            # A fork that kept its sisters' pipes would not notice this side's end.
            for pipe in (to_child, from_child, *self._to_children):
                os.close(pipe)
            _work(prepare, for_child, for_parent)
        os.close(for_child)
        os.close(for_parent)
        self._processes.append(process)
        self._to_children.append(to_child)
        self._from_children.append(from_child)

    def run_until(self, deadline: float) -> list[tuple[int, float]]:
        """Have all of them work, once.

        Args:
            deadline: the moment to end at, of `time.perf_counter`.

        Returns:
            Of each, how much it has done, and the seconds of processor time it used.

        Raises:
            ChildProcessError: one of them failed.
        """
        for pipe in self._to_children:
            os.write(pipe, _DEADLINE.pack(deadline))
        return [
            _OUTCOME.unpack(_receive(pipe, _OUTCOME.size))
            for pipe in self._from_children
        ]

    def _close(self) -> None:
        for pipe in (*self._to_children, *self._from_children):
            os.close(pipe)
        for process in self._processes:
            os.waitpid(process, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()


def _work(
    prepare: Callable[[], Callable[[float], int]], commands: int, answers: int
) -> NoReturn:
    """Be a fork, from its beginning to its end."""
    status = 1
    try:
        work = prepare()
        os.write(answers, _READY)
        if command := os.read(commands, _DEADLINE.size):
            before = time.process_time()
            count = work(*_DEADLINE.unpack(command))
            used = time.process_time() - before
            os.write(answers, _OUTCOME.pack(count, used))
        status = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent may run here
        traceback.print_exc()
    finally:
        os._exit(status)


def _receive(pipe: int, size: int) -> bytes:
    data = os.read(pipe, size)
    if len(data) < size:
        raise ChildProcessError("a client process has failed; see its output")
    return data
