"""An examination: all steps from the text of a URI to an answer of its object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pyro_protocol import URI
from pyro_protocol.config import config as program_config
from pyro_protocol.errors import PyroError
from pyro_protocol.naming.operations import NAMESERVER_NAME
from pyro_protocol.naming.waiting import LONGEST_CHAIN, endless_chain
from pyro_protocol.session import SessionSettings
from pyro_protocol.transport.tls import client_tls_context

from ..__about__ import __version__
from .conversation import handshake_serializer
from .naming import NAME_SERVER, look_up
from .reaching import Reacher
from .report import Finding, Note, Recorder, Report, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import Configuration

__all__ = ["DEFAULT_TIMEOUT", "examine"]

DEFAULT_TIMEOUT: Final = 5.0
"""How many seconds a step may take: a connection over a satellite takes one, and a
person who waits for a diagnosis does not wait for ten of these."""

_OBJECT: Final = "object"
# More replicas than these tell no more about the cause.
_MOST_REPLICAS: Final = 10
# What an examination reads here and there; faults in others do no harm to clients.
_CLIENT_ITEMS: Final = (
    *("BROADCAST_ADDRS", "NS_BCPORT", "NS_HOST", "NS_PORT", "PREFER_IP_VERSION"),
    *("SERIALIZER", "SSL", "SSL_CACERTS", "SSL_CLIENTCERT", "SSL_CLIENTKEY"),
    "SSL_CLIENTKEYPASSWD",
)
_LOCATION: Final = re.compile(r"(?:[\w.-]+|\[[\w.:%-]+\]):\d+|\./u:.+", re.ASCII)


def examine(
    uri: str | URI = "",
    *,
    config: Configuration = program_config,
    timeout: float = DEFAULT_TIMEOUT,
    handshake: object = "hello",
    notify: Callable[[Step], object] | None = None,
) -> Report:
    """Find out where the way to an object ends, and why.

    No method of the object is called, and nothing changes at the server.

    Args:
        uri: the object; or the location of a name server; empty for the name server
            that programs find.
        config: the settings.
        timeout: how many seconds each step may take.
        handshake: the handshake value for the object's daemon.
        notify: called with each step when it is over.
    """
    report = Report(str(uri))
    report.summary["client"] = f"pyro-client {__version__}"
    recorder = Recorder(report, notify)
    planned = _planned(None, config)
    try:
        target = _read(str(uri), config, recorder)
        planned = _planned(target, config)
        _check_configuration(config, recorder)
        _examine(target, config, timeout, handshake, recorder)
    except Finding:
        _skip(planned, recorder)
    return report


def _read(text: str, config: Configuration, recorder: Recorder) -> URI:
    with recorder.step("uri") as note:
        # Whether the port can be used is checked with the other settings.
        port = 0 if "NS_PORT" in config.faults else config.NS_PORT
        if not text or _LOCATION.fullmatch(text):
            text = f"PYRONAME:{NAMESERVER_NAME}{'@' * bool(text)}{text}"
        try:
            uri = URI(text, default_port=port)
        except PyroError as error:
            raise Finding("malformed-uri", str(error)) from error
        note.detail = str(uri)
        return uri


def _check_configuration(config: Configuration, recorder: Recorder) -> None:
    """Check what clients take from the configuration."""
    with recorder.step("configuration") as note:
        for item in _CLIENT_ITEMS:
            if item in config.faults:
                raise Finding("bad-setting", config.faults[item])
        try:
            handshake_serializer(config.SERIALIZER)
            SessionSettings.from_config(config)
            note.detail = _settings(config, note)
        except PyroError as error:
            raise Finding("serializer-missing", str(error)) from error
        except ValueError as error:
            raise Finding("bad-setting", str(error)) from error
        try:
            client_tls_context(config)
        except (OSError, ValueError) as error:
            raise Finding("tls-files", str(error)) from error


def _settings(config: Configuration, note: Note) -> str:
    tls = "TLS" if config.SSL else "no TLS"
    detail = f"serializer {config.SERIALIZER}, {tls}"
    version = config.PREFER_IP_VERSION
    if version:
        detail += f", IPv{version} only"
    for fault in config.faults.values():
        note.cause = "bad-setting"
        detail += f"; {fault}"
    return detail


def _examine(
    target: URI,
    config: Configuration,
    timeout: float,
    handshake: object,
    recorder: Recorder,
) -> None:
    """Take the steps after those that need no network.

    Raises:
        Finding: one of them failed.
    """
    found = {"": target}
    asked = target
    for _ in range(LONGEST_CHAIN):
        if target.protocol == "PYRO":
            break
        if target.location is not None:
            asked = target
        elif asked.location is not None:
            # A name that stands for another is looked up at the same name server.
            target = URI(f"{target}@{asked.location}")
        found = look_up(target, config, timeout, recorder)
        target = found[min(found)]
    else:
        with recorder.step("look-up"):
            raise Finding("bad-registration", str(endless_chain(asked)))
    reacher = Reacher(config, timeout, handshake)
    failure: Finding | None = None
    for name in sorted(found)[:_MOST_REPLICAS]:
        recorder.part = _OBJECT if len(found) == 1 else f"{_OBJECT} {name}"
        try:
            reacher.examine(found[name], recorder)
        except Finding as finding:
            failure = failure or finding
    if failure is not None:
        raise failure


def _planned(uri: URI | None, config: Configuration) -> list[tuple[str, str]]:
    """Return the steps of an examination, each with its part."""
    steps = [("", "uri"), ("", "configuration")]
    if uri is None:
        return steps
    talking = ["protocol", "handshake", "object"]
    if "SSL" not in config.faults and config.SSL:
        talking.insert(0, "tls")
    connecting = ["unix socket"] if uri.sockname else ["dns", "tcp"]
    if uri.protocol != "PYRO":
        first = ["search"] if uri.location is None else connecting + talking
        steps += [(NAME_SERVER, one) for one in (*first, "look-up")]
        connecting = ["dns", "tcp"]
    return steps + [(_OBJECT, one) for one in (*connecting, *talking, "ping", "daemon")]


def _skip(planned: list[tuple[str, str]], recorder: Recorder) -> None:
    """Take down the steps that a failure has kept from being taken."""
    taken = [(one.part, one.name) for one in recorder.report.steps]
    if any(part.startswith(f"{_OBJECT} ") for part, _ in taken):
        return
    last = max((planned.index(one) for one in taken if one in planned), default=-1)
    for part, name in planned[last + 1 :]:
        recorder.part = part
        recorder.add(name, "skipped")
