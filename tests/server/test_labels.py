from __future__ import annotations

import threading

import pytest

from pyro_protocol import expose
from pyro_protocol.dispatch import Call, CallDetails, ClientConnection, ObjectRegistry
from pyro_server.labels import label_of


@expose
class Lamp:
    def shine(self) -> None:
        pass

    @property
    def level(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("object_id", "call", "label"),
    [
        ("lamp", ("shine", ()), ("lamp", "shine")),
        ("lamp", ("__getattr__", ("level",)), ("lamp", "level")),
        ("lamp", ("explode", ()), ("lamp", "unknown")),
        ("lamp", ("__getattr__", ("made-up",)), ("lamp", "unknown")),
        (None, ("shine", ()), ("Lamp", "shine")),
        ("made-up", ("shine", ()), ("unknown", "unknown")),
    ],
)
def test_clients_cannot_make_up_labels(
    object_id: str | None, call: tuple[str, tuple[object, ...]], label: tuple[str, str]
) -> None:
    registry = ObjectRegistry(threading.RLock)
    entry = registry.register(Lamp(), None if object_id is None else "lamp")
    name, args = call
    made = Call(object_id or entry.object_id, name, args, None)
    details = CallDetails(ClientConnection(), made, registry.get(made.object_id))

    assert label_of(details) == label
