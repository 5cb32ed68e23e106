"""The proxy as its user sees it: attributes, special methods, copies, names."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import URI, Proxy, RemoteMethod
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError, PyroError
from pyro_protocol.references import ProxyState
from support.workbench import Drawer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.hosting import HostThread
    from support.workbench import Workbench


@pytest.fixture
def drawer(host: HostThread) -> Iterator[Proxy]:
    """A proxy of a remote sequence."""
    host.register(Drawer(["pen", "ruler", "string"]), "drawer")
    with Proxy(f"PYRO:drawer@{host.location}") as drawer:
        yield drawer


class Indexed:
    """A remote object that can only be indexed."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


# Construction


def test_making_a_proxy_connects_to_nothing(closed_location: str) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    assert proxy._pyroConnection is None
    assert proxy._pyroMethods == set()


@pytest.mark.parametrize(
    "uri", ["PYRO:bench@localhost:1", URI("PYRO:bench@localhost:1")]
)
def test_the_uri_may_be_text_or_a_uri(uri: str | URI) -> None:
    assert Proxy(uri)._pyroUri == URI("PYRO:bench@localhost:1")


def test_a_uri_of_another_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int"):
        Proxy(42)  # type: ignore[arg-type] # the point


@pytest.mark.parametrize(
    "uri", ["", "bench", "PYRO:bench", "PYRO:bench@host", "PYRO:@h:1"]
)
def test_a_malformed_uri_is_refused_at_once(uri: str) -> None:
    with pytest.raises(PyroError, match="uri"):
        Proxy(uri)


def test_time_out_and_retries_come_from_the_configuration() -> None:
    config = Configuration(use_environment=False)
    config.COMMTIMEOUT = 2.5
    config.MAX_RETRIES = 4
    proxy = Proxy("PYRO:bench@localhost:1", config=config)
    assert proxy._pyroTimeout == 2.5
    assert proxy._pyroMaxRetries == 4


def test_the_uri_can_be_changed_before_connecting(uri: str) -> None:
    with Proxy("PYRO:bench@localhost:1") as proxy:
        proxy._pyroUri = URI(uri)
        assert proxy.add(2, 3) == 5
        assert proxy._pyroUri == URI(uri)


# Methods and attributes


def test_a_method_is_called_like_a_local_one(proxy: Proxy) -> None:
    assert proxy.add(2, 3) == 5
    assert proxy.arguments(1, b=2) == [[1], {"b": 2}]


@pytest.mark.parametrize("name", ["self", "method", "name", "args", "kwargs", "flags"])
def test_a_keyword_argument_may_have_any_name(proxy: Proxy, name: str) -> None:
    assert proxy.arguments(**{name: 1}) == [[], {name: 1}]


def test_a_method_object_can_be_kept(proxy: Proxy) -> None:
    add = proxy.add
    assert isinstance(add, RemoteMethod)
    assert repr(add) == "<remote method 'add'>"
    assert [add(1, 1), add(2, 2)] == [2, 4]
    assert proxy.add is add


def test_a_kept_method_object_connects_again_after_a_release(proxy: Proxy) -> None:
    add = proxy.add
    add(1, 1)
    proxy._pyroRelease()
    assert add(2, 3) == 5


def test_a_method_object_works_when_its_proxy_is_gone(uri: str) -> None:
    assert Proxy(uri).add(2, 3) == 5


def test_an_attribute_is_read_and_written(proxy: Proxy, bench: Workbench) -> None:
    assert proxy.level == 1
    proxy.level = 8
    assert bench.level == 8
    assert proxy.level == 8


def test_an_attribute_that_cannot_be_set_is_an_attribute_error(proxy: Proxy) -> None:
    with pytest.raises(AttributeError, match="fixed"):
        proxy.fixed = "changed"
    assert proxy.fixed == "cannot be set"


def test_an_attribute_may_be_a_stream(proxy: Proxy) -> None:
    assert list(proxy.numbers) == [1, 2, 3]


def test_an_exception_of_an_attribute_arrives(proxy: Proxy) -> None:
    with pytest.raises(LookupError, match="no value today"):
        proxy.broken  # noqa: B018 - reading it is the point


def test_an_unknown_name_is_an_attribute_error_that_names_the_object(
    proxy: Proxy, uri: str
) -> None:
    with pytest.raises(AttributeError, match=f"{uri}.*'colour'"):
        proxy.colour  # noqa: B018 - reading it is the point


@pytest.mark.parametrize(("typed", "meant"), [("ad", "add"), ("levle", "level")])
def test_a_misspelt_name_gets_a_hint(proxy: Proxy, typed: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
        getattr(proxy, typed)


def test_an_unknown_name_costs_no_call_once_connected(proxy: Proxy) -> None:
    proxy._pyroBind()
    before = proxy._pyroSeq
    assert not hasattr(proxy, "colour")
    assert hasattr(proxy, "add")
    assert proxy._pyroSeq == before


def test_hasattr_connects_to_find_out(proxy: Proxy) -> None:
    assert hasattr(proxy, "level")
    assert proxy._pyroConnection is not None


def test_hasattr_does_not_take_an_unreachable_server_for_a_missing_attribute(
    closed_location: str,
) -> None:
    with pytest.raises(CommunicationError):
        hasattr(Proxy(f"PYRO:bench@{closed_location}"), "add")


def test_setting_an_unknown_name_is_an_attribute_error(proxy: Proxy) -> None:
    with pytest.raises(AttributeError, match="did you mean 'level'"):
        proxy.lvel = 3
    with pytest.raises(AttributeError, match="add"):
        proxy.add = 3


@pytest.mark.parametrize("name", ["_pyroColour", "_pyroMethods", "_pyroConnection"])
def test_the_proxys_own_names_are_a_fixed_set(proxy: Proxy, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(proxy, name, "red")


def test_an_unknown_name_of_the_proxys_own_connects_to_nothing(
    closed_location: str,
) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    with pytest.raises(AttributeError, match="_pyroColour"):
        proxy._pyroColour  # noqa: B018 - reading it is the point


def test_a_dotted_name_is_one_name_which_the_server_refuses(proxy: Proxy) -> None:
    with pytest.raises(AttributeError, match=r"add\.more"):
        proxy.add.more()


def test_dir_shows_remote_names_once_they_are_known(proxy: Proxy) -> None:
    assert "add" not in dir(proxy)
    proxy._pyroBind()
    assert {"add", "level", "_pyroBind"} <= set(dir(proxy))


def test_metadata_is_known_after_connecting_and_kept_after_a_release(
    proxy: Proxy,
) -> None:
    proxy._pyroBind()
    assert {"add", "note"} <= proxy._pyroMethods
    assert {"level", "fixed"} <= proxy._pyroAttrs
    assert proxy._pyroOneway == {"note"}
    proxy._pyroRelease()
    assert "add" in proxy._pyroMethods


def test_a_method_that_became_an_attribute_is_one_after_connecting_again(
    host: HostThread,
) -> None:
    from pyro_protocol import expose

    class Before:
        @expose
        def size(self) -> int:
            return 1

    class After:
        @property
        @expose
        def size(self) -> int:
            return 2

    host.register(Before(), "box")
    with Proxy(f"PYRO:box@{host.location}") as proxy:
        assert proxy.size() == 1
        host.call(lambda: host.host.registry.unregister("box"))
        host.register(After(), "box")
        proxy._pyroReconnect(1)
        assert proxy.size == 2


def test_metadata_can_be_asked_for_anew(proxy: Proxy) -> None:
    proxy._pyroGetMetadata()
    assert "add" in proxy._pyroMethods
    proxy._pyroGetMetadata("Pyro.Daemon")
    assert "registered" in proxy._pyroMethods
    proxy._pyroGetMetadata(
        known_metadata={"methods": ["x"], "oneway": [], "attrs": ["y"]}
    )
    assert (proxy._pyroMethods, proxy._pyroAttrs) == ({"x"}, {"y"})


def test_claiming_ownership_does_nothing_and_needs_no_connection(proxy: Proxy) -> None:
    proxy._pyroClaimOwnership()
    assert proxy._pyroConnection is None


# Special methods


def test_a_proxy_is_always_true(drawer: Proxy, closed_location: str) -> None:
    del drawer[0], drawer[0], drawer[0]
    assert len(drawer) == 0
    assert drawer
    assert Proxy(f"PYRO:bench@{closed_location}")


def test_a_remote_sequence_is_used_like_a_local_one(drawer: Proxy) -> None:
    assert len(drawer) == 3
    assert drawer[0] == "pen"
    drawer[0] = "pencil"
    del drawer[1]
    assert drawer[-1] == "string"
    with pytest.raises(IndexError):
        drawer[5]


def test_a_remote_sequence_is_iterated_over(drawer: Proxy) -> None:
    assert [item.upper() for item in drawer] == ["PEN", "RULER", "STRING"]
    assert list(drawer) == ["pen", "ruler", "string"]
    assert list(reversed(drawer)) == ["string", "ruler", "pen"]


def test_in_asks_the_remote_object(drawer: Proxy) -> None:
    drawer._pyroBind()
    before = drawer._pyroSeq
    assert "ruler" in drawer
    assert "glue" not in drawer
    assert drawer._pyroSeq == before + 2


def test_a_special_method_that_is_exposed_can_be_called_by_name(drawer: Proxy) -> None:
    assert drawer.__add__(["glue"])[-1] == "glue"


def test_operators_are_not_forwarded(drawer: Proxy) -> None:
    with pytest.raises(TypeError):
        drawer + ["glue"]  # type: ignore[operator]  # noqa: RUF005 - the point


def test_without_a_remote_iterator_indexes_are_counted_up(host: HostThread) -> None:
    from pyro_protocol import expose

    @expose
    class Shelf:
        def __getitem__(self, index: int) -> str:
            return ["a", "b"][index]

    host.register(Shelf(), "shelf")
    with Proxy(f"PYRO:shelf@{host.location}") as shelf:
        assert list(shelf) == ["a", "b"]
        assert "b" in shelf
        assert "c" not in shelf


def test_a_remote_object_is_called_like_a_function(host: HostThread) -> None:
    from pyro_protocol import expose

    class Adder:
        @expose
        def __call__(self, a: int, *, name: int = 0, self_: int = 0) -> int:
            return a + name + self_

    host.register(Adder(), "adder")
    with Proxy(f"PYRO:adder@{host.location}") as adder:
        assert adder(1) == 1
        assert adder(1, name=2, self_=3) == 6


def test_a_server_describes_its_objects(host: HostThread) -> None:
    with Proxy(f"PYRO:Pyro.Daemon@{host.location}") as daemon:
        described = daemon.get_description("Pyro.Daemon")

    (method,) = (one for one in described["methods"] if one["name"] == "get_metadata")
    assert method["parameters"][0]["name"] == "objectId"
    assert method["returns"] == "dict[str, set[str]]"


def test_an_error_inside_a_remote_iterator_is_not_hidden(host: HostThread) -> None:
    from pyro_protocol import expose

    @expose
    class Shelf:
        def __iter__(self) -> Iterator[str]:
            yield "a"
            raise AttributeError("the shelf has fallen")

        def __getitem__(self, index: int) -> str:
            return "never"

    host.register(Shelf(), "shelf")
    with (
        Proxy(f"PYRO:shelf@{host.location}") as shelf,
        pytest.raises(AttributeError, match="fallen"),
    ):
        list(shelf)


def test_an_error_of_a_remote_index_is_not_taken_for_the_end(host: HostThread) -> None:
    from pyro_protocol import expose

    @expose
    class Shelf:
        def __getitem__(self, index: int) -> str:
            raise OSError("the shelf has fallen")

    host.register(Shelf(), "shelf")
    with (
        Proxy(f"PYRO:shelf@{host.location}") as shelf,
        pytest.raises(OSError, match="fallen"),
    ):
        list(shelf)


def test_special_methods_that_are_not_exposed_are_type_errors(proxy: Proxy) -> None:
    with pytest.raises(TypeError, match="__len__"):
        len(proxy)
    with pytest.raises(TypeError, match="__getitem__"):
        proxy[0]
    with pytest.raises(TypeError, match="__setitem__"):
        proxy[0] = 1
    with pytest.raises(TypeError, match="__delitem__"):
        del proxy[0]
    with pytest.raises(TypeError, match="iterated"):
        iter(proxy)
    with pytest.raises(TypeError, match="iterated"):
        assert 3 in proxy
    with pytest.raises(TypeError, match="__call__"):
        proxy(1)


# Copies, comparison, names


def test_a_copy_has_the_settings_but_no_connection(proxy: Proxy) -> None:
    proxy._pyroTimeout = 12.5
    proxy._pyroMaxRetries = 3
    proxy._pyroSerializer = "json"
    proxy._pyroHandshake = {"user": "sue"}
    proxy._pyroRawWireResponse = True
    proxy._pyroBind()
    proxy._pyroOneway.add("add")
    for duplicate in (copy.copy(proxy), copy.deepcopy(proxy)):
        assert duplicate._pyroConnection is None
        assert duplicate._pyroSeq == 0
        assert duplicate._pyroUri == proxy._pyroUri
        assert duplicate._pyroTimeout == 12.5
        assert duplicate._pyroMaxRetries == 3
        assert duplicate._pyroSerializer == "json"
        assert duplicate._pyroHandshake == {"user": "sue"}
        assert duplicate._pyroRawWireResponse
        assert duplicate._pyroMethods == proxy._pyroMethods
        assert duplicate._pyroOneway == {"note", "add"}
        assert duplicate._pyroMethods is not proxy._pyroMethods


def test_copy_and_original_use_connections_of_their_own(
    host: HostThread, proxy: Proxy
) -> None:
    with copy.copy(proxy) as duplicate:
        assert (proxy.add(1, 1), duplicate.add(2, 2)) == (2, 4)
        assert host.connection_count == 2


def test_pickling_keeps_what_travels_and_no_connection(proxy: Proxy) -> None:
    proxy._pyroBind()
    proxy._pyroSerializer = "json"
    proxy._pyroTimeout = 12.5
    proxy.add(1, 1)
    restored = pickle.loads(pickle.dumps(proxy))
    assert restored == proxy
    assert restored._pyroConnection is None
    assert restored._pyroSeq == 0
    assert restored._pyroSerializer == "json"
    assert restored._pyroMethods == proxy._pyroMethods
    assert restored._pyroTimeout is None
    with restored:
        assert restored.add(2, 3) == 5


class PolishedProxy(Proxy):
    """A subclass as programs write them."""


def test_copying_and_pickling_keep_the_subclass() -> None:
    proxy = PolishedProxy("PYRO:bench@localhost:1")
    assert type(copy.copy(proxy)) is PolishedProxy
    assert type(pickle.loads(pickle.dumps(proxy))) is PolishedProxy


def test_proxies_of_the_same_uri_are_equal() -> None:
    one = Proxy("PYRO:bench@localhost:1")
    same = Proxy("PYRO:bench@localhost:1")
    other = Proxy("PYRO:bench@localhost:2")
    assert one == same
    assert one != other
    assert one != "PYRO:bench@localhost:1"
    assert one != URI("PYRO:bench@localhost:1")
    assert {one, same, other} == {one, other}


def test_a_proxy_of_a_metadata_uri_can_be_in_a_set() -> None:
    assert len({Proxy("PYROMETA:a,b"), Proxy("PYROMETA:b,a")}) == 1


def test_comparing_connects_to_nothing(closed_location: str) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    assert proxy == copy.copy(proxy)
    assert hash(proxy) == hash(copy.copy(proxy))


def test_repr_tells_the_uri_and_the_state_of_the_connection(
    proxy: Proxy, uri: str
) -> None:
    assert "pyro_client.proxy.Proxy" in repr(proxy)
    assert uri in repr(proxy)
    assert "not connected" in repr(proxy)
    proxy._pyroBind()
    assert "connected IPv4" in repr(proxy)
    assert str(proxy) == repr(proxy)


def test_repr_of_a_proxy_that_was_never_set_up_does_not_fail() -> None:
    assert "Proxy" in repr(Proxy.__new__(Proxy))


def test_a_proxy_can_be_sent_to_a_server_and_used_there(
    host: HostThread, drawer: Proxy
) -> None:
    # The helper calls back, so it needs a server with threads of its own.
    from support.hosting import HostThread as Another
    from support.workbench import Workbench as Helper

    class Counter(Helper):
        async def count_of_remote(self, drawer: Any) -> int:
            import asyncio

            return await asyncio.to_thread(len, drawer)

    from pyro_protocol import expose

    expose(Counter)
    with Another() as helper:
        helper.register(Counter(), "counter")
        with Proxy(f"PYRO:counter@{helper.location}") as counter:
            assert counter.count_of_remote(drawer) == 3


# Hooks of subclasses


class CountingProxy(Proxy):
    """Sees all calls pass."""

    seen: list[str] = []  # noqa: RUF012 - shared on purpose

    def _pyroInvoke(
        self,
        methodname: str,
        vargs: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        objectId: str | None = None,
    ) -> Any:
        self.seen.append(methodname)
        return super()._pyroInvoke(methodname, vargs, kwargs, flags, objectId)


def test_a_subclass_sees_every_call(uri: str, bench: Workbench) -> None:
    CountingProxy.seen.clear()
    with CountingProxy(uri) as proxy:
        assert proxy.add(2, b=3) == 5
        assert proxy.level == 1
        proxy.level = 4
        proxy.note("hello")
        assert bench.noted.acquire(timeout=20)
    assert CountingProxy.seen == ["add", "__getattr__", "__setattr__", "note"]


def test_a_proxy_makes_its_own_state_of_a_reference(uri: str) -> None:
    state = ProxyState(
        uri, methods=frozenset({"add"}), handshake="hi", serializer="json"
    )
    proxy = Proxy.__new__(Proxy)
    proxy.__setstate__(state._pyro_state_())
    assert proxy._pyro_state_() == state._pyro_state_()


def test_what_a_subclass_keeps_for_itself_stays_when_it_connects(uri: str) -> None:
    class Labelled(Proxy):
        _pyroLabel = ""

    with Labelled(uri) as proxy:
        proxy._pyroLabel = "bench"
        assert proxy.add(1, 2) == 3
        assert proxy._pyroLabel == "bench"
