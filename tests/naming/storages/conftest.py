"""Storages of every kind."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming.storages.history import HISTORY_LENGTH
from support.storages import STORAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_naming import Storage
    from support.storages import StorageKind


@pytest.fixture(params=list(STORAGES))
def kind(request: pytest.FixtureRequest) -> StorageKind:
    """Every kind in turn."""
    return STORAGES[request.param]


@pytest.fixture
def opened(kind: StorageKind, tmp_path: Path) -> Iterator[Callable[..., Storage]]:
    """Opens the storage of this test, closed at the end; ``history`` as its own."""
    with ExitStack() as stack:

        def open_storage(history: int = HISTORY_LENGTH) -> Storage:
            return stack.enter_context(closing(kind.open(tmp_path, history)))

        yield open_storage


@pytest.fixture
def storage(opened: Callable[..., Storage]) -> Storage:
    """An empty storage of every kind in turn."""
    return opened()
