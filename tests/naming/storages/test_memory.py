from __future__ import annotations

import pytest

from pyro_naming import MemoryStorage, Registration
from pyro_naming.storages import HistoryLostError


def test_nothing_is_kept_after_closing() -> None:
    storage = MemoryStorage()
    storage.put("name", Registration("PYRO:a@h:1"))
    storage.close()
    assert len(storage) == 0


def test_positions_of_another_storage_are_lost_history() -> None:
    with pytest.raises(HistoryLostError, match="history lost"):
        MemoryStorage().changes(MemoryStorage().position(), wait=0)
