"""``pyro-call``: call a remote object from the command line."""

from __future__ import annotations

import argparse
import ast
import base64
import json
import os
import pprint
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from pyro_protocol.config import config
from pyro_protocol.errors import (
    CommunicationError,
    PyroError,
    format_remote_traceback,
    hide_remote_traceback,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.uri import URI

from .__about__ import __version__
from .proxy import Proxy

__all__ = ["main"]

_DONE: Final = 0
_FAILED: Final = 1
_UNREACHABLE: Final = 3
_INTERRUPTED: Final = 130

_KEYWORD: Final = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<text>.*)", re.DOTALL)
_EPILOG: Final = """\
An argument is read as a Python literal (42, "text", [1, 2], {"a": None}), else as
JSON (true, null), else it is text as it stands; name=value passes a keyword. After
"--" everything is an argument, also what begins with "-". The items of a stream
are printed as they arrive.

exit status: 0 done, 1 the call failed, 2 wrong usage, 3 server not reached

examples:
  pyro-call PYRONAME:house.thermostat
  pyro-call PYRONAME:house.thermostat heat kitchen degrees=22.5
  pyro-call --json PYRO:thermostat@localhost:9000 temperature
"""


def main(args: Sequence[str] | None = None) -> int:
    """Make one call, or show what an object offers.

    Args:
        args: the command line; None means ``sys.argv``.

    Returns:
        The exit status; ``--help`` lists them.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(args)
    try:
        uri = URI(options.uri)
    except PyroError as error:
        parser.error(str(error))
    if options.list and options.method:
        parser.error("--list takes no method")
    if options.attribute and not options.method:
        parser.error("--attribute needs the name of an attribute")
    positional, keywords = _parse_arguments(options.arguments, parser)
    with Proxy(uri) as proxy:
        proxy._pyroSerializer = options.serializer
        if options.timeout is not None:
            proxy._pyroTimeout = options.timeout
        try:
            proxy._pyroBind()
        except (PyroError, OSError) as error:
            return _report_unreachable(error)
        except KeyboardInterrupt:
            return _INTERRUPTED
        try:
            if options.method:
                _print_result(_use(proxy, options, positional, keywords), options.json)
            else:
                _print_members(proxy, as_json=options.json)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return _INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the remote object may raise anything
            return _report(error)
    return _DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-call",
        description="Call a method of a remote object, read an attribute, or show "
        "what the object offers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", help="PYRO:id@host:port, PYRONAME:name or PYROMETA:tags")
    parser.add_argument(
        "method", nargs="?", help="name of a method or attribute; without it: --list"
    )
    parser.add_argument("arguments", nargs="*", help="arguments of the method")
    parser.add_argument(
        "-l", "--list", action="store_true", help="show methods and attributes"
    )
    parser.add_argument(
        "-a", "--attribute", action="store_true", help="METHOD names an attribute"
    )
    parser.add_argument(
        "-j",
        "--json",
        action="store_true",
        help="print JSON, a line for each stream item",
    )
    parser.add_argument(
        "-t",
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"most time for connecting and for each answer; 0: no bound "
        f"(default: {config.COMMTIMEOUT or 'no bound'})",
    )
    parser.add_argument(
        "-s",
        "--serializer",
        choices=["auto", *serializers],
        help=f"how values are written (default: {config.SERIALIZER})",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    return parser


def _parse_arguments(
    texts: Sequence[str], parser: argparse.ArgumentParser
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for text in texts:
        keyword = _KEYWORD.fullmatch(text)
        if keyword is None:
            if keywords:
                parser.error(f"argument {text!r} follows a name=value argument")
            positional.append(_value(text))
        elif keyword["name"] in keywords:
            parser.error(f"argument {keyword['name']!r} is given twice")
        else:
            keywords[keyword["name"]] = _value(keyword["text"])
    return positional, keywords


def _value(text: str) -> Any:
    """Return what the text of an argument stands for."""
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _use(
    proxy: Proxy,
    options: argparse.Namespace,
    positional: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:
    """Read the attribute or call the method."""
    name = options.method
    if options.attribute and name not in proxy._pyroAttrs:
        raise AttributeError(f"{proxy._pyroUri} has no exposed attribute {name!r}")
    if name in proxy._pyroAttrs and (positional or keywords):
        raise TypeError(f"{name!r} is an attribute and takes no arguments")
    # Not getattr(): that would also find what the proxy has of its own.
    member = proxy.__getattr__(name)
    if name in proxy._pyroAttrs:
        return member
    return member(*positional, **keywords)


def _print_members(proxy: Proxy, *, as_json: bool) -> None:
    methods, attributes = sorted(proxy._pyroMethods), sorted(proxy._pyroAttrs)
    oneway = sorted(proxy._pyroOneway)
    if as_json:
        members = {"methods": methods, "attributes": attributes, "oneway": oneway}
        print(json.dumps(members, ensure_ascii=False))
        return
    print(proxy._pyroUri)
    if methods:
        print("methods:")
    for name in methods:
        print(f"  {name}{' (oneway)' if name in oneway else ''}")
    if attributes:
        print("attributes:")
    for name in attributes:
        print(f"  {name}")


def _print_result(result: Any, as_json: bool) -> None:
    if isinstance(result, Iterator):
        for item in result:
            print(_shown(item, as_json), flush=True)
    elif as_json or result is not None:
        print(_shown(result, as_json))


def _shown(value: Any, as_json: bool) -> str:
    if as_json:
        return json.dumps(_plain(value), ensure_ascii=False)
    return value if isinstance(value, str) else pprint.pformat(value, sort_dicts=False)


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def _report_unreachable(error: Exception) -> int:
    print(f"pyro-call: {error}", file=sys.stderr)
    return _UNREACHABLE


def _report(error: Exception) -> int:
    """Tell on standard error what went wrong, and return the exit status."""
    remote = format_remote_traceback(error)
    if not remote and isinstance(error, CommunicationError):
        return _report_unreachable(error)
    if not remote and isinstance(error, BrokenPipeError):
        # The reader of our output has had enough. Python would complain again
        # when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _DONE
    hide_remote_traceback(error)
    sys.stderr.write("".join(remote))
    kind, text = type(error).__name__, str(error)
    print(
        f"pyro-call: {kind}: {text}" if text else f"pyro-call: {kind}", file=sys.stderr
    )
    for note in getattr(error, "__notes__", ()):
        print(note, file=sys.stderr)
    return _FAILED
