"""Proxies with the type of what they stand for, for editors and type checkers.

At runtime these are the usual proxies. The class only says what is there; it is made by
hand, by `pyro-stubs`, or shared with the server.
"""

from __future__ import annotations

import difflib
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_origin

from pyro_protocol.config import Configuration, config
from pyro_protocol.contract.interfaces import declared_members

from .declared_results import Result, result_of
from .proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from collections.abc import Set as AbstractSet

    from pyro_protocol.contract import Attribute, Members, Method
    from pyro_protocol.uri import URI

__all__ = ["connect", "connect_async", "connected", "connected_async"]

T = TypeVar("T")

# What proxies send if they are not told otherwise.
_GREETING: Final = "hello"

# What a proxy has for every object.
_OWN: Final = frozenset({"__contains__", "__iter__"})


# A callable, because type checkers refuse protocols and abstract classes as `type[T]`.
def connect(
    cls: Callable[..., T],
    uri: str | URI,
    *,
    config: Configuration = config,
    handshake: object = _GREETING,
    check: bool = True,
) -> T:
    """Connect to a remote object, and return a proxy that has the type of a class.

    The connection ends when the proxy is dropped; `connected` ends it at a certain
    point.

    Args:
        cls: a class or Protocol that says what the remote object offers. Nothing of it
            is run.
        uri: where the object is.
        config: the settings.
        handshake: the value sent to the server's handshake hook, such as a token.
        check: whether to make sure that the object has the public methods and
            attributes of the class.

    Raises:
        TypeError: the remote object lacks something that the class has, or the class
            has methods written ``async def``, whose results this proxy gives at once.
        CommunicationError: the server could not be reached, or refused.
        NamingError: the name could not be resolved.
    """
    clazz = _class_of(cls)
    members = None
    proxy: Any
    if issubclass(clazz, Proxy):
        proxy = clazz(uri, config=config)
    else:
        proxy = Proxy(uri, config=config)
        if check:
            members = _members_of(clazz, Result.AWAITED, "connect_async")
    if handshake is not _GREETING:
        proxy._pyroHandshake = handshake
    proxy._pyroBind()
    if members is not None:
        try:
            _check(proxy, clazz, members)
        except BaseException:
            proxy._pyroRelease()
            raise
    return proxy  # type: ignore[no-any-return] # it does what the class says


async def connect_async(
    cls: Callable[..., T],
    uri: str | URI,
    *,
    config: Configuration = config,
    handshake: object = _GREETING,
    check: bool = True,
) -> T:
    """Connect to a remote object for asyncio; otherwise like `connect`.

    Args:
        cls: a class or Protocol that says what the remote object offers. Its methods
            are written ``async def``, or return asynchronous iterators; its attributes
            are awaitable. `pyro-stubs` writes such a class.
        uri: where the object is.
        config: the settings.
        handshake: the value sent to the server's handshake hook, such as a token.
        check: whether to make sure that the object has the public methods and
            attributes of the class.

    Raises:
        TypeError: the remote object lacks something that the class has, or the class
            has methods with results that need not be awaited.
        CommunicationError: the server could not be reached, or refused.
        NamingError: the name could not be resolved.
    """
    # It brings asyncio along, which other programs do not need.
    from .async_proxy import AsyncProxy  # noqa: PLC0415

    clazz = _class_of(cls)
    members = None
    proxy: Any
    if issubclass(clazz, AsyncProxy):
        proxy = clazz(uri, config=config)
    else:
        proxy = AsyncProxy(uri, config=config)
        if check:
            members = _members_of(clazz, Result.DIRECT, "connect")
    if handshake is not _GREETING:
        proxy._pyroHandshake = handshake
    await proxy._pyroBind()
    if members is not None:
        try:
            _check(proxy, clazz, members)
        except BaseException:
            await proxy._pyroRelease()
            raise
    return proxy  # type: ignore[no-any-return] # it does what the class says


@contextmanager
def connected(
    cls: Callable[..., T],
    uri: str | URI,
    *,
    config: Configuration = config,
    handshake: object = _GREETING,
    check: bool = True,
) -> Generator[T, None, None]:
    """Connect like `connect` for the length of a ``with`` block."""
    proxy = connect(cls, uri, config=config, handshake=handshake, check=check)
    try:
        yield proxy
    finally:
        proxy._pyroRelease()  # type: ignore[attr-defined] # it is a proxy


@asynccontextmanager
async def connected_async(
    cls: Callable[..., T],
    uri: str | URI,
    *,
    config: Configuration = config,
    handshake: object = _GREETING,
    check: bool = True,
) -> AsyncGenerator[T, None]:
    """Connect like `connect_async` for the length of an ``async with`` block."""
    proxy = await connect_async(
        cls, uri, config=config, handshake=handshake, check=check
    )
    try:
        yield proxy
    finally:
        await proxy._pyroRelease()  # type: ignore[attr-defined] # it is a proxy


def _class_of(cls: Any) -> type:
    clazz = get_origin(cls) or cls
    if not isinstance(clazz, type):
        raise TypeError(f"connect needs a class or Protocol, not {cls!r}")
    return clazz


def _members_of(clazz: type, wrong: Result, other: str) -> Members:
    """Return what a class declares, if its results are of the right kind."""
    members = declared_members(clazz)
    declared: list[Method | Attribute] = [*members.methods.values()]
    declared.extend(members.attributes.values())
    for member in declared:
        if result_of(member) is wrong:
            what, gets = "has a result", "has to await it"
            if wrong is Result.AWAITED:
                what, gets = "has to be awaited", "gets the result at once"
            raise TypeError(
                f"{clazz.__qualname__}.{member.name} {what}, but who uses this proxy "
                f"{gets}; use {other}, or a class that pyro-stubs has written"
            )
    return members


def _check(proxy: Any, clazz: type, members: Members) -> None:
    """Make sure that a remote object has what a class declares."""
    methods, attributes = proxy._pyroMethods, proxy._pyroAttrs
    wrong = [
        *_differences(members.methods.keys() - _OWN, "method", methods, attributes),
        *_differences(members.attributes.keys(), "attribute", attributes, methods),
    ]
    if wrong:
        raise TypeError(
            f"remote object {proxy._pyroUri} is no {clazz.__qualname__}: it has "
            f"{', '.join(wrong)}; connect with check=False to use it all the same"
        )


def _differences(
    names: AbstractSet[str],
    kind: str,
    offered: AbstractSet[str],
    others: AbstractSet[str],
) -> list[str]:
    wrong = []
    for name in sorted(names - offered):
        if name in others:
            wrong.append(f"{name!r}, but not as {kind}")
            continue
        near = difflib.get_close_matches(name, sorted(offered - names), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        wrong.append(f"no {kind} {name!r}{hint}")
    return wrong
