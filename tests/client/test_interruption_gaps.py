"""No step of a blocking call that an interruption could slip through."""

from __future__ import annotations

import dis
import importlib
import inspect
import pkgutil
import sys
from types import CodeType
from typing import TYPE_CHECKING

import pytest

from pyro_client import sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

# What only threads of the client's own run: no signal interrupts those.
OWN_THREADS = {"Watcher._run"}


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """It and all that is defined in it, but coroutines: asyncio interrupts those."""
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def gaps_in(code: CodeType) -> Iterator[int | None]:
    """The lines of loops with a jump back that their `try` or `with` lacks."""
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    steps = {step.offset: step for step in dis.get_instructions(code)}

    def handler(offset: int) -> int | None:
        targets = (one.target for one in entries if one.start <= offset < one.end)
        target: int | None = next(targets, None)
        # What a comprehension does at its end matters to nobody.
        if target is not None and steps[target].opname == "SWAP":
            return handler(target)
        return target

    for offset, step in steps.items():
        if step.opname == "JUMP_BACKWARD":
            head = handler(step.argval)
            if head is not None and handler(offset) != head:
                positions = step.positions
                yield positions.lineno if positions else None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="it has no such gaps")
def test_interruptions_slip_through_no_jump_back_to_a_loops_head() -> None:
    modules = [one.name for one in pkgutil.iter_modules(sharing.__path__)]
    names = [f"pyro_client.sharing.{name}" for name in modules]
    gaps = []
    for name in [*names, "pyro_client.binding", "pyro_client.streams"]:
        source = inspect.getsource(importlib.import_module(name))
        for code in codes_in(compile(source, name, "exec")):
            if code.co_qualname not in OWN_THREADS:
                where = f"{name}:{code.co_qualname}"
                gaps += [f"{where}, line {line}" for line in gaps_in(code)]
    assert gaps == []
