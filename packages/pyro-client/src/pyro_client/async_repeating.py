"""Trying calls again, as a retry policy says, in an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyro_protocol.context import current_context
from pyro_protocol.errors import CommunicationError

from .facts import ObjectFacts, facts_in
from .repeating import READ_ATTRIBUTE, limited, time_for_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .async_binding import AsyncBinding
    from .retries import RetryPlan, RetryPolicy

__all__ = ["facts_about", "repeat", "repeat_method"]

T = TypeVar("T")

_DAEMON_NAME: Final = "Pyro.Daemon"


async def repeat_method(
    binding: AsyncBinding,
    policy: RetryPolicy,
    method: str,
    attempt: Callable[[], Awaitable[T]],
) -> T:
    """Make a call of a method, or of what reads an attribute, as a policy says.

    Args:
        binding: what the call is made with.
        policy: the policy.
        method: the name of the method.
        attempt: makes the call.

    Raises:
        Exception: the last failure.
    """

    async def idempotent() -> bool:
        return (
            method == READ_ATTRIBUTE
            or method in policy.idempotent
            or method in (await facts_about(binding)).idempotent
        )

    return await repeat(binding, policy, attempt, idempotent)


async def _never() -> bool:
    return False


async def repeat(
    binding: AsyncBinding,
    policy: RetryPolicy,
    attempt: Callable[[], Awaitable[T]],
    idempotent: Callable[[], Awaitable[bool]] = _never,
) -> T:
    """Do something until it succeeds, or the policy says to give up.

    Args:
        binding: the connection is made with it before each try.
        policy: the policy.
        attempt: what to do.
        idempotent: tells whether doing it twice does no harm; it may call the server.

    Raises:
        Exception: the last failure.
    """
    plan = policy.start()
    with limited(time_for_all(binding)):
        while True:
            connecting = binding.current_channel is None
            try:
                with limited(policy.try_timeout):
                    if connecting:
                        await binding.connect()
                        connecting = False
                    return await attempt()
            except policy.errors as error:
                harmless = connecting or await _is_harmless(plan, error, idempotent)
                delay = plan.failed(error, harmless, current_context.remaining)
                if delay is None:
                    raise
            await asyncio.sleep(delay)


async def _is_harmless(
    plan: RetryPlan, error: Exception, idempotent: Callable[[], Awaitable[bool]]
) -> bool:
    """Ask whether doing it twice does no harm, if that matters; as often as needed."""
    while plan.depends(error):
        try:
            with limited(plan.policy.try_timeout):
                return await idempotent()
        except CommunicationError as failure:
            remaining = current_context.remaining
            delay = plan.failed(failure, idempotent=True, remaining=remaining)
            if delay is None:
                return False
        await asyncio.sleep(delay)
    return False


async def facts_about(binding: AsyncBinding) -> ObjectFacts:
    """Return what is known about the object of a binding; ask the server if needed.

    Raises:
        CommunicationError: the server could not be asked.
    """
    if binding.facts is None:
        await binding.connect()
        arguments: Any = (binding.object_id,)
        try:
            description = await binding.invoke(
                "get_description", arguments, {}, 0, _DAEMON_NAME
            )
        except CommunicationError:
            raise
        except Exception:  # noqa: BLE001 - the server may answer with any exception
            description = None
        binding.facts = facts_in(description)
    return binding.facts
