"""The text of a traceback, as it travels to the caller."""

from __future__ import annotations

import linecache
import os.path
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ["remote_traceback"]

# Not with pathlib, which takes long to import.
_OWN_FOLDER: Final = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
_RULE: Final = "-" * 52 + "\n"
# A value's text is for the reader's eye; a huge one would drown the rest.
_LONGEST_VALUE: Final = 1000


def remote_traceback(error: BaseException, *, detailed: bool) -> list[str]:
    """Return the lines of an exception's traceback, from the called method on.

    Causes, contexts and members of groups are in it as in any traceback. The text is
    such as every serializer can write.

    Args:
        error: the exception.
        detailed: whether the values of local variables are included.
    """
    trace = error.__traceback__
    # What dispatched the call is of no interest to the caller.
    while trace is not None and trace.tb_next is not None and _is_own(trace.tb_frame):
        trace = trace.tb_next
    try:
        lines = (
            _detailed(error, trace)
            if detailed
            else traceback.format_exception(type(error), error, trace)
        )
    except Exception as failure:  # noqa: BLE001 - a SyntaxError can hold anything
        name = type(error).__qualname__
        return [f"{name}: <no traceback: {type(failure).__name__}>\n"]
    return [
        line if line.isascii() else line.encode("utf-8", "backslashreplace").decode()
        for line in lines
    ]


def _is_own(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OWN_FOLDER)


def _detailed(error: BaseException, trace: TracebackType | None) -> list[str]:
    lines = [_RULE, *traceback.format_exception_only(error), _RULE]
    while trace is not None:
        frame = trace.tb_frame
        code = frame.f_code
        place = f'File "{code.co_filename}", line {trace.tb_lineno}'
        source = linecache.getline(code.co_filename, trace.tb_lineno).strip()
        lines += [f"{place}, in {code.co_qualname}\n", f"    {source}\n"]
        if not _is_own(frame):
            lines += _local_values(frame)
        lines.append(_RULE)
        trace = trace.tb_next
    return lines


def _local_values(frame: FrameType) -> list[str]:
    lines = ["  local values:\n"]
    for name, value in sorted(frame.f_locals.items()):
        lines.append(f"    {name} = {_text(value)}\n")
        if name == "self":
            attributes = getattr(value, "__dict__", {})
            lines += [
                f"        self.{key} = {_text(one)}\n"
                for key, one in sorted(attributes.items())
            ]
    return lines


def _text(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - any repr may fail in any way
        return f"<repr failed: {type(error).__name__}>"
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
