from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import behavior, expose, requires
from pyro_protocol.dispatch import (
    Call,
    CallFailure,
    ClientConnection,
    Dispatcher,
    Identity,
    ObjectRegistry,
    StreamTable,
)
from pyro_protocol.errors import SecurityError
from pyro_protocol.serializers import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

GET, SET = "__getattr__", "__setattr__"


@expose
class Oven:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self._degrees = 20
        self.heated = 0

    def look(self) -> str:
        return "cold"

    @requires("cook")
    def heat(self, degrees: int = 200) -> int:
        self.heated += 1
        return degrees

    @requires("cook", "cleaner")
    def open(self) -> str:
        return "open"

    @requires()
    def who(self) -> str:
        return "somebody"

    @property
    def degrees(self) -> int:
        return self._degrees

    @degrees.setter
    @requires("cook")
    def degrees(self, value: int) -> None:
        self._degrees = value

    @property
    @requires("cook")
    def recipe(self) -> str:
        return "secret"


@expose
@requires("cook")
class Kitchen(Oven):
    made = 0


class Server:
    def __init__(self, target: object = None) -> None:
        self.registry = ObjectRegistry(threading.RLock)
        streams = StreamTable(lambda: 0.0, lambda: "stream")
        self.dispatcher = Dispatcher(self.registry, streams)
        self.client = ClientConnection(("10.0.0.1", 4444))
        self.registry.register(target or Oven(), "oven")

    def become(self, *roles: str) -> None:
        self.client.identity = Identity("bob", roles)

    def call(self, name: str, *args: object) -> Any:
        return self.dispatcher.invoke(self.client, Call("oven", name, args, None))

    def batch(self, *calls: object) -> list[Any]:
        call = Call("oven", "<batch>", calls, None, batch=True)
        results: list[Any] = self.dispatcher.invoke(self.client, call)
        return results

    def refused(self, *call: Any) -> str:
        with pytest.raises(CallFailure) as caught:
            self.call(*call)
        error = caught.value.error
        assert type(error) is SecurityError
        return str(error)


@pytest.fixture
def server() -> Server:
    return Server()


def test_who_has_the_role_may_call(server: Server) -> None:
    server.become("cook")

    assert server.call("heat", 180) == 180
    assert server.call("open") == "open"
    assert server.call("look") == "cold"
    assert server.call("who") == "somebody"


def test_who_lacks_it_is_told_what_is_needed(server: Server) -> None:
    server.become("guest")

    assert server.refused("heat") == (
        "'bob' may not call oven.heat: it needs the role 'cook'"
    )
    assert server.refused("open") == (
        "'bob' may not call oven.open: it needs one of the roles 'cleaner', 'cook'"
    )
    assert server.call("look") == "cold"
    assert server.call("who") == "somebody"


def test_who_is_not_known_has_no_roles(server: Server) -> None:
    assert server.refused("heat") == (
        "a client without an identity may not call oven.heat: it needs the role 'cook'"
    )
    assert server.refused("who").endswith("only clients that are authenticated may")
    assert server.call("look") == "cold"


def test_attributes_are_checked_apart_for_reading_and_writing(server: Server) -> None:
    server.become("guest")

    assert server.call(GET, "degrees") == 20
    assert "may not write oven.degrees" in server.refused(SET, "degrees", 300)
    assert "may not read oven.recipe" in server.refused(GET, "recipe")
    assert server.call(GET, "degrees") == 20

    server.become("cook")
    server.call(SET, "degrees", 300)
    assert server.call(GET, "degrees") == 300
    assert server.call(GET, "recipe") == "secret"


def test_nothing_of_a_refused_call_is_run() -> None:
    oven = Oven()
    server = Server(oven)

    server.refused("heat")
    server.refused(SET, "degrees", 300)

    assert oven.heated == 0
    assert oven.degrees == 20


def test_a_batch_ends_at_the_call_that_is_refused(server: Server) -> None:
    first, second = server.batch(("look", (), {}), ("heat", (), {}), ("look", (), {}))

    assert first == "cold"
    assert isinstance(second, ExceptionWrapper)
    assert type(second.exception) is SecurityError

    server.become("cook")
    assert server.batch(("look", (), {}), ("heat", (1,), {})) == ["cold", 1]


@pytest.mark.parametrize("mode", ["session", "single", "percall"])
def test_no_instance_is_made_for_a_refused_call(mode: Any) -> None:
    @behavior(mode)
    class Own(Kitchen):
        made = 0

    server = Server(Own)

    server.refused("heat")
    server.refused("look")
    server.refused(GET, "degrees")
    server.refused("nothing_of_the_kind")
    with pytest.raises(CallFailure):
        server.batch(("look", (), {}))
    assert Own.made == 0

    server.become("cook")
    assert server.call("look") == "cold"
    assert Own.made == 1


def test_what_only_the_instances_class_demands_is_checked_as_well() -> None:
    @expose
    class Plain:
        def look(self) -> str:
            return "plain"

    @requires("cook")
    class Guarded(Plain):
        pass

    creator: Callable[[Any], Plain] = lambda _clazz: Guarded()  # noqa: E731 - short
    behavior("session", creator)(Plain)
    server = Server(Plain)

    assert "needs the role 'cook'" in server.refused("look")
    with pytest.raises(CallFailure):
        server.batch(("look", (), {}))
    server.become("cook")
    assert server.call("look") == "plain"


def test_marks_that_come_later_are_checked_after_a_reset() -> None:
    @expose
    class Plain:
        def look(self) -> str:
            return "plain"

    plain = Plain()
    server = Server(plain)
    assert server.call("look") == "plain"

    requires("cook")(Plain)
    server.registry.reset_members(plain)

    assert "needs the role 'cook'" in server.refused("look")


@pytest.mark.parametrize("weak", [True, False])
def test_all_kinds_of_registrations_are_checked(weak: bool) -> None:
    oven = Oven()
    server = Server()
    server.registry.register(oven, "oven", force=True, weak=weak)

    assert "needs the role 'cook'" in server.refused("heat")


def test_views_do_not_lead_around_the_roles() -> None:
    oven = Oven()
    server = Server()
    server.registry.register(oven, "oven", force=True, expose=["heat", "recipe"])

    assert "needs the role 'cook'" in server.refused("heat")
    assert "needs the role 'cook'" in server.refused(GET, "recipe")


def test_refusals_are_logged_as_warnings(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pyro.server"):
        server.refused("heat")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "oven.heat called by <client 10.0.0.1:4444>" in record.message
    assert "needs the role 'cook'" in record.message
