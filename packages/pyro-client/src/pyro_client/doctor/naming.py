"""From a name or tags to URIs, with a reason for each failure."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import URI
from pyro_protocol.errors import NamingError, PyroError
from pyro_protocol.naming import operations
from pyro_protocol.naming.attempts import (
    Attempt,
    Broadcast,
    Connect,
    attempts,
    not_found,
    without_token,
)
from pyro_protocol.naming.client import serializer_for
from pyro_protocol.naming.locate import candidates
from pyro_protocol.naming.standing import handshake_for
from pyro_protocol.naming.waiting import place_of

from .reaching import Reacher, alike
from .report import Finding, Note, Recorder, Report
from .resolving import in_time, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyro_protocol import Configuration
    from pyro_protocol.naming.operations import Operation

    from .conversation import Conversation

__all__ = ["NAME_SERVER", "look_up", "registration_cause"]

NAME_SERVER: Final = "name server"
"""The part of a report that is about the name server."""

_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with
# Somebody who does not answer like that is no name server that was looked for.
_ABSENT: Final = frozenset(
    {"refused", "refused-localhost", "timed-out", "no-route", "unknown-host"}
)


def look_up(
    uri: URI, config: Configuration, timeout: float, recorder: Recorder
) -> dict[str, URI]:
    """Return what a ``PYRONAME`` or ``PYROMETA`` URI stands for, by names.

    Raises:
        Finding: there is no name server, or it does not know that.
    """
    recorder.part = NAME_SERVER
    settings = config.copy()
    settings.SERIALIZER = serializer_for(config)
    with _name_server(uri, settings, timeout, recorder) as (conversation, place):
        recorder.report.summary["name_server"] = str(place)
        with recorder.step("look-up") as note:
            return _registered(uri, conversation, place, note)


@contextmanager
def _name_server(
    uri: URI, config: Configuration, timeout: float, recorder: Recorder
) -> Iterator[tuple[Conversation, URI]]:
    reacher = Reacher(config, timeout)
    host, port = place_of(uri)
    places = attempts(host, port, config, broadcast=True)
    if host:
        (only,) = places
        if isinstance(only, Connect) and not only.others:
            greeting = handshake_for(config)
            with reacher.reach(only.uri, recorder, handshake=greeting) as (
                conversation,
                _accepted,
            ):
                yield conversation, only.uri
            return
    with ExitStack() as stack:
        yield _search(reacher, places, config, recorder, stack)


def _search(
    reacher: Reacher,
    places: list[Attempt],
    config: Configuration,
    recorder: Recorder,
    stack: ExitStack,
) -> tuple[Conversation, URI]:
    """Return the first name server that answers where clients look for one."""
    telling: Finding | None = None
    for place in places:
        began, found = time.perf_counter(), False
        how = _way(place)
        told = isinstance(place, Connect)
        greeting = handshake_for(config if told else without_token(config))
        for uri in _candidates(place, config, reacher.timeout):
            quiet = Recorder(Report(""))
            quiet.part = NAME_SERVER
            try:
                conversation, _ = stack.enter_context(
                    reacher.reach(uri, quiet, handshake=greeting)
                )
            except Finding as finding:
                found = True
                recorder.add("search", "tried", f"{uri.location}: {finding}", began)
                if telling is None and finding.cause not in _ABSENT:
                    telling = Finding(finding.cause, f"{uri.location}: {finding}")
                continue
            recorder.add("search", "ok", f"found {how} at {uri.location}", began)
            return conversation, uri
        if isinstance(place, Broadcast) and not found:
            detail = f"nobody answers a broadcast to UDP port {place.port}"
            recorder.add("search", "tried", detail, began)
    with recorder.step("search"):
        raise telling or Finding("no-name-server", str(not_found(places)))
    raise AssertionError("the step has failed")


def _way(place: Attempt) -> str:
    if isinstance(place, Broadcast):
        return "by broadcast"
    return "as configured" if isinstance(place, Connect) else "by discovery"


def _candidates(place: Attempt, config: Configuration, timeout: float) -> Iterable[URI]:
    found = (uri for uris in candidates(place, config) for uri in uris)
    if not isinstance(place, Connect) or not place.if_named:
        return found
    try:
        return in_time(lambda: list(found), timeout, "no answer about this machine")
    except Finding:
        return ()


def _registered(
    uri: URI, conversation: Conversation, place: URI, note: Note
) -> dict[str, URI]:
    found: dict[str, URI]
    if isinstance(uri.object, str):
        found = {uri.object: _named(uri.object, conversation)}
    else:
        search = operations.search(uri.object, None)
        found = {name: _uri(text) for name, text in _ask(conversation, search).items()}
        if not found:
            raise Finding("unknown-name", f"nothing is registered with {uri.object_id}")
    note.detail = ", ".join(f"{name} is {found[name]}" for name in sorted(found))
    causes = [registration_cause(found[name], place) for name in sorted(found)]
    note.cause = next((one for one in causes if one), None)
    return found


def _named(name: str, conversation: Conversation) -> URI:
    try:
        found: URI = _ask(conversation, operations.find(name))
    except NamingError as error:
        known: dict[str, str] = {}
        with suppress(Finding, NamingError):
            known = _ask(conversation, operations.list_names(None, None))
        raise Finding("unknown-name", f"{error}{alike(name, list(known))}") from error
    return found


def _ask(conversation: Conversation, operation: Operation[Any]) -> Any:
    try:
        return operation.result(
            conversation.call(
                operations.NAMESERVER_NAME, operation.method, operation.args
            )
        )
    except (Finding, NamingError):
        raise
    except Exception as error:
        raise Finding(
            "name-server-refuses",
            f"{operation.method}: {type(error).__name__}: {error}",
        ) from error


def _uri(text: str) -> URI:
    try:
        return URI(text)
    except PyroError as error:
        raise Finding("bad-registration", str(error)) from error


def registration_cause(uri: URI, name_server: URI) -> str | None:
    """Return the word for why others cannot use what is registered; None if they can.

    Args:
        uri: what is registered.
        name_server: where it is registered.
    """
    if uri.host in _UNSPECIFIED:
        return "unspecified-registered"
    host = name_server.host
    if host is None or host in _UNSPECIFIED or is_loopback(host):
        return None
    if uri.sockname is not None or is_loopback(uri.host or ""):
        return "localhost-registered"
    return None
