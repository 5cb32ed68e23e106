"""Answering the calls of a server: callbacks."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.dispatch import ClientConnection, Dispatcher
from pyro_protocol.dispatch.streams import StreamTable
from pyro_protocol.errors import RemoteProtocolError
from pyro_protocol.logs import log_exception
from pyro_protocol.session import Service
from pyro_protocol.session.call_handler import CallHandler
from pyro_protocol.session.settings import SessionSettings
from pyro_protocol.wire import FLAG_ONEWAY, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

    from pyro_protocol.config import Configuration
    from pyro_protocol.session import ClientSession

    from ..offered import OfferedObjects

__all__ = ["ONEWAY_QUEUES", "CallbackHandler", "CallbackServer"]

ONEWAY_QUEUES: Final = 100
"""How many times MAX_ONEWAY_QUEUE oneway callbacks may wait. A server that has many
clients, or a fast one, sends bursts, and cannot be held back here."""

_logger = logging.getLogger("pyro.client")


class CallbackHandler(CallHandler):
    """Carries out what the server of one connection calls here.

    Args:
        session: the conversation.
        offered: the objects that may be called.
        peer: the server, as it is shown in logs.
        lock: guards the session.
        config: the settings.
    """

    __slots__ = ()

    def __init__(
        self,
        session: ClientSession,
        offered: OfferedObjects,
        peer: Any,
        lock: AbstractContextManager[Any],
        config: Configuration,
    ) -> None:
        dispatcher = Dispatcher(
            offered.registry,
            StreamTable(time.monotonic, str),
            streaming=False,
            detailed_traceback=config.DETAILED_TRACEBACK,
            tracebacks=config.REMOTE_TRACEBACKS,
            most_batch_calls=config.MAX_BATCH_CALLS,
        )
        service = Service(
            offered.registry,
            dispatcher,
            SessionSettings.from_config(config),
            clock=time.monotonic,
        )
        super().__init__(service, ClientConnection(peer), session, lock)
        self.begin()

    def _handle_other(self, event: Any) -> None:
        """Nothing but calls comes here."""

    def _refuse_other(self, event: Any) -> None:
        """Nothing but calls comes here."""


class CallbackServer:
    """Runs the callbacks of one connection in threads of their own.

    Those whose callers do not wait are run one after the other, in the order in
    which they came.

    Args:
        handler: carries them out.
        most: how many may wait whose callers do not.
        submit: has something done by another thread.
        answered: called when there is an answer to be sent.
    """

    def __init__(
        self,
        handler: CallbackHandler,
        most: int,
        submit: Callable[[Callable[[], object]], object],
        answered: Callable[[], object],
    ) -> None:
        self.handler: CallbackHandler = handler
        self._most = most
        self._submit = submit
        self._answered = answered
        self._lock = threading.Lock()
        self._oneway: deque[Frame] = deque()
        self._oneway_runs = False

    def arrived(self, frame: Frame) -> None:
        """Have a callback carried out; the lock of the channel is held.

        Raises:
            RemoteProtocolError: too many wait already.
        """
        self.handler.arrived((frame,))
        if not frame.flags & FLAG_ONEWAY:
            self._submit(lambda: self._run(frame))
            return
        with self._lock:
            if len(self._oneway) >= self._most:
                # Nobody could read on until there is room: the callback that all wait
                # for may wait for an answer itself.
                self._oneway.clear()
                raise RemoteProtocolError(
                    f"the server has sent more than {self._most} oneway callbacks that "
                    f"could not be run yet ({ONEWAY_QUEUES} times MAX_ONEWAY_QUEUE)"
                )
            self._oneway.append(frame)
            if self._oneway_runs:
                return
            self._oneway_runs = True
        self._submit(self._run_oneway)

    def _run_oneway(self) -> None:
        while True:
            with self._lock:
                if not self._oneway:
                    self._oneway_runs = False
                    return
                frame = self._oneway.popleft()
            self._run(frame)

    def _run(self, frame: Frame) -> None:
        try:
            coroutine = self.handler.handle(frame)
            if coroutine is not None:
                self._run_coroutine(frame, coroutine)
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "a callback could not be answered")
        self._answered()

    def _run_coroutine(
        self, frame: Frame, coroutine: Coroutine[Any, Any, None]
    ) -> None:
        """Bring a callback to its end that is a coroutine."""
        import asyncio  # noqa: PLC0415 - most programs have no such callbacks

        calls = self.handler.calls

        async def run() -> None:
            call = None if calls is None else calls.find(frame)
            if calls is not None and call is not None:
                loop = asyncio.get_running_loop()
                task = asyncio.current_task()
                assert task is not None  # noqa: S101 - it is run as one

                def stop() -> None:
                    # It may have come to its end just now.
                    with contextlib.suppress(RuntimeError):
                        loop.call_soon_threadsafe(task.cancel)

                calls.attach(call, stop)
                if call.deadline is not None:
                    loop.call_later(call.deadline.remaining(), calls.expiry(call))
            await coroutine

        try:
            asyncio.run(run())
        except asyncio.CancelledError:
            _logger.debug("a callback was cancelled")
