"""``pyro-call``: call a remote object from the command line."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import CommunicationError, PyroError, format_remote_traceback
from pyro_protocol.uri import URI

from .call_listing import listed, listed_as_data
from .call_options import call_parser
from .call_output import print_error, print_result
from .command_line import (
    discard_output,
    tolerate_any_text,
    value_of,
    value_or_file,
)
from .proxy import Proxy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["main"]

_DONE: Final = 0
_FAILED: Final = 1
_UNREACHABLE: Final = 3
_INTERRUPTED: Final = 130

_KEYWORD: Final = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<text>.*)", re.DOTALL)


def main(args: Sequence[str] | None = None, prog: str = "pyro-call") -> int:
    """Make one call, or show what an object offers.

    Args:
        args: the command line; None means ``sys.argv``.
        prog: what the command is called in its messages.

    Returns:
        The exit status; ``--help`` lists them.
    """
    parser = call_parser(prog)
    options = parser.parse_intermixed_args(args)
    uri = _checked(options, parser)
    try:
        positional, keywords = _parse_arguments(options, parser)
        tolerate_any_text()
        return _run(uri, options, positional, keywords, prog)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _checked(options: argparse.Namespace, parser: argparse.ArgumentParser) -> URI:
    """Return the URI, if the options fit together."""
    try:
        uri = URI(options.uri)
    except (PyroError, ValueError) as error:
        parser.error(str(error))
    if options.list and options.arguments:
        parser.error("--list takes no arguments")
    if not options.method and (options.attribute or options.set):
        parser.error("--attr and --set need the name of an attribute")
    if options.attribute and options.arguments:
        parser.error("--attr takes no arguments; --set writes an attribute")
    if options.set and len(options.arguments) != 1:
        parser.error("--set needs one value")
    if options.oneway and (options.attribute or options.set or not options.method):
        parser.error("--oneway is for methods")
    return uri


def _run(
    uri: URI,
    options: argparse.Namespace,
    positional: Sequence[Any],
    keywords: Mapping[str, Any],
    prog: str,
) -> int:
    hint = f"; pyro-doctor {uri} tells more"
    try:
        with Proxy(uri) as proxy:
            proxy._pyroSerializer = options.serializer
            proxy._pyroHandshake = options.handshake
            if options.timeout is not None:
                proxy._pyroTimeout = options.timeout
            proxy._pyroBind()
            hint = ""
            if options.list or not options.method:
                _print_members(proxy, options)
            else:
                result = _use(proxy, options, positional, keywords)
                print_result(
                    result,
                    as_json=options.json,
                    stream=options.stream,
                    limit=options.limit,
                )
    except Exception as error:  # noqa: BLE001 - the remote object may raise anything
        remote = bool(format_remote_traceback(error))
        if not remote and isinstance(error, BrokenPipeError):
            # The reader of our output has had enough.
            discard_output()
            return _DONE
        print_error(
            error,
            as_json=options.json,
            traceback=options.traceback,
            hint=hint,
            prog=prog,
        )
        lost = isinstance(error, CommunicationError) and not remote
        return _UNREACHABLE if hint or lost else _FAILED
    return _DONE


def _parse_arguments(
    options: argparse.Namespace, parser: argparse.ArgumentParser
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments."""
    read = value_or_file if options.files else value_of
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for text in options.arguments:
        keyword = None if options.set else _KEYWORD.fullmatch(text)
        try:
            if keyword is None:
                if keywords:
                    parser.error(f"argument {text!r} follows a name=value argument")
                positional.append(read(text))
            elif keyword["name"] in keywords:
                parser.error(f"argument {keyword['name']!r} is given twice")
            else:
                keywords[keyword["name"]] = read(keyword["text"])
        except (OSError, ValueError) as error:
            parser.error(f"argument {text!r}: {error}")
    return positional, keywords


def _use(
    proxy: Proxy,
    options: argparse.Namespace,
    positional: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:
    """Read or write the attribute, or call the method."""
    name = options.method
    # Not getattr(): that would also find what the proxy has of its own.
    if options.attribute or options.set:
        _require(name, proxy._pyroAttrs, f"{proxy._pyroUri} has no exposed attribute")
    if options.set:
        return proxy._pyroInvoke("__setattr__", (name, *positional), None)
    if name in proxy._pyroAttrs:
        if options.oneway or positional or keywords:
            raise TypeError(f"{name!r} is an attribute and takes no arguments")
        return proxy._pyroInvoke("__getattr__", (name,), None)
    members = proxy._pyroMethods | proxy._pyroAttrs
    _require(name, members, f"{proxy._pyroUri} has no exposed attribute or method")
    if options.oneway:
        proxy._pyroOneway = proxy._pyroOneway | {name}
    return proxy._pyroInvoke(name, positional, dict(keywords))


def _require(name: str, known: Collection[str], complaint: str) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"{complaint} {name!r}{hint}")


def _print_members(proxy: Proxy, options: argparse.Namespace) -> None:
    name = options.method
    if name is not None:
        members = proxy._pyroMethods | proxy._pyroAttrs
        _require(name, members, f"{proxy._pyroUri} has no exposed attribute or method")
    if options.json:
        text = json.dumps(listed_as_data(proxy, name), ensure_ascii=False)
    else:
        text = "\n".join(listed(proxy, name))
    print(text, flush=True)
