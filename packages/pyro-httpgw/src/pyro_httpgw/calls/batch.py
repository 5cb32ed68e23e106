"""Several calls of one object in one request: ``$batch``.

They travel together, in one message of Pyro, and are run in order up to the first that
fails; with the option ``continue`` those behind it are sent again, and run as well.
"""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import RemoteProtocolError
from pyro_protocol.serializers import ExceptionWrapper, serializers
from pyro_protocol.wire import FLAG_BATCH, FLAG_EXCEPTION, FLAG_ONEWAY

from ..answers.problems import problem_of
from ..answers.rendering import render_value
from ..answers.replies import answer_of
from ..answers.statuses import remote_status
from ..arguments.mismatches import MOST_PROBLEMS, Misspelled, Problem, refuse, shown
from ..arguments.plans import plan_of
from ..arguments.reading import (
    JSON_TYPE,
    Arguments,
    body_json,
    media_type_of,
    unsupported,
)
from ..arguments.request_options import forced_oneway, goes_on, seconds_for
from ..errors import RequestRefusedError
from ..messages import json_response
from .invocation import Invocation, Reply

if TYPE_CHECKING:
    from pyro_protocol.contract.described import Description

    from ..exchange import Exchange
    from ..messages import Response
    from .offers import Offer

__all__ = ["MOST_CALLS", "answer_batch"]

MOST_CALLS: Final = 1000
"""How many calls a batch may have: as many as Pyro's daemons take by default."""

_BATCH: Final = "<batch>"
_KEYS: Final = frozenset({"method", "args", "kwargs"})
_TAKEN: Final = (("Accept-Post", JSON_TYPE),)
_WRAPPER: Final = "Pyro5.core._ExceptionWrapper"
_CLASS_KEY: Final = "__class__"

_JSON: Final = serializers["json"]

Call = list[Any]
"""Name, positional arguments, keyword arguments."""


async def answer_batch(exchange: Exchange, name: str) -> Response:
    """Return the answer to a request that calls an object several times.

    Nothing is called if one of the calls is of no method, or its arguments do not fit.

    Args:
        exchange: the request.
        name: the name of the object, which is exposed.

    Raises:
        RequestRefusedError: the request is at fault.
        PyroError: the object could not be called.
    """
    entries, names_class = _entries_of(exchange)
    calls: list[Call] = []
    oneway = FLAG_ONEWAY if forced_oneway(exchange.request) else 0
    seconds = seconds_for(exchange)

    def prepare(offer: Offer) -> Invocation:
        calls[:] = _calls(entries, offer.description, names_class=names_class)
        return Invocation(_BATCH, calls, None, FLAG_BATCH | oneway, seconds)

    outcomes: list[dict[str, Any]] = []
    if not entries:
        return json_response(HTTPStatus.OK, render_value(outcomes))
    answer = await exchange.objects.call(name, prepare)
    while isinstance(answer, Reply) and not answer.frame.flags & FLAG_EXCEPTION:
        outcomes += _outcomes(answer, traceback=exchange.shows_tracebacks)
        left = calls[len(outcomes) :]
        if not left or not goes_on(exchange.request):
            return json_response(HTTPStatus.OK, render_value(outcomes))
        answer = await exchange.objects.call(name, partial(_following, left, seconds))
    return await answer_of(exchange, answer)


def _following(calls: list[Call], seconds: float | None, _offer: Offer) -> Invocation:
    return Invocation(_BATCH, calls, None, FLAG_BATCH, seconds)


def _entries_of(exchange: Exchange) -> tuple[list[Any], bool]:
    """Return the calls in the body, and whether a dictionary in them names a class.

    Raises:
        RequestRefusedError: there are none.
    """
    if exchange.parameters:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "a batch takes no parameters in the query string"
        )
    media_type = media_type_of(exchange.request)
    if media_type != JSON_TYPE:
        raise unsupported(media_type, f"send the calls as {JSON_TYPE}", _TAKEN)
    entries, names_class = body_json(exchange.request)
    if not isinstance(entries, list):
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            "a batch is a list of calls",
            'a call is {"method": "name", "args": [...], "kwargs": {...}}',
        )
    if len(entries) > MOST_CALLS:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"a batch can have {MOST_CALLS} calls at most, not {len(entries)}",
            "send several batches",
        )
    return entries, names_class


def _calls(
    entries: list[Any], description: Description, *, names_class: bool
) -> list[Call]:
    """Return what is sent for the calls of a batch.

    Raises:
        RequestRefusedError: a call does not fit.
    """
    calls: list[Call] = []
    problems: list[Problem] = []
    plan = plan_of(description)
    for position, entry in enumerate(entries):
        found = _problems_of(entry, description)
        if not found:
            arguments = Arguments(
                positional=entry.get("args", []),
                keywords=entry.get("kwargs", {}),
                is_call=True,
                names_class=names_class,
            )
            method = plan.method(entry["method"])
            assert method is not None  # noqa: S101 - it was looked for
            bound, unfit = method.try_bind(arguments, (position,))
            calls.append([method.method.name, bound.args, bound.kwargs])
            problems += unfit
        problems += [(("body", position, *place), text) for place, text in found]
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise refuse("the batch", problems)
    return calls


def _problems_of(entry: object, description: Description) -> list[Problem]:
    """Return what is wrong with the form of a call."""
    if not isinstance(entry, dict):
        return [((), "expected a call: an object with method, args and kwargs")]
    problems: list[Problem] = [
        ((key,), Misspelled("is not a part of a call", key, sorted(_KEYS)))
        for key in entry.keys() - _KEYS
    ]
    method = entry.get("method")
    if not isinstance(method, str):
        problems.append((("method",), "expected the name of a method"))
    elif method not in description.methods:
        text = f"there is no method {shown(method)}"
        problems.append((("method",), Misspelled(text, method, description.methods)))
    if not isinstance(entry.get("args", []), list):
        problems.append((("args",), "expected a list"))
    if not isinstance(entry.get("kwargs", {}), dict):
        problems.append((("kwargs",), "expected an object"))
    return problems


def _outcomes(reply: Reply, *, traceback: bool) -> list[dict[str, Any]]:
    """Return what has become of the calls that were run.

    Raises:
        PyroError: the answer cannot be read, or is none of a batch.
    """
    values = _values_of(reply)
    if not isinstance(values, list):
        raise RemoteProtocolError(
            f"the server answered a batch with {type(values).__name__}, not a list"
        )
    return [_outcome(value, traceback=traceback) for value in values]


def _values_of(reply: Reply) -> Any:
    if reply.serializer.id != _JSON.id:
        return reply.serializer.loads(reply.frame.payload)
    # What are objects of classes that are not known here stays as it is.
    try:
        values = json.loads(bytes(reply.frame.payload))
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"the server sent malformed JSON: {error}") from error
    if not isinstance(values, list):
        return values
    return [_unwrapped(value) for value in values]


def _unwrapped(value: Any) -> Any:
    """Return an exception in the place of what stands for it."""
    if isinstance(value, dict) and value.get(_CLASS_KEY) == _WRAPPER:
        return _JSON.loads(json.dumps(value).encode("utf-8"))
    return value


def _outcome(value: Any, *, traceback: bool) -> dict[str, Any]:
    if not isinstance(value, ExceptionWrapper):
        return {"result": value}
    error = value.exception
    return {"error": problem_of(error, remote_status(error), traceback=traceback)}
