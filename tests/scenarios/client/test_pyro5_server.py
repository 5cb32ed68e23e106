"""pyro-client alone, with servers and a name server made with the real Pyro5."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_client import BatchProxy, Proxy, SerializedBlob, current_context
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError, NamingError, RemoteError
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).with_name("workshop_of_pyro5.py")
SERIALIZERS = [None, "serpent", "json", "msgpack", "marshal"]


class House(NamedTuple):
    """Where things are."""

    workshop: str
    name_server: str


@pytest.fixture(scope="module", params=["thread", "multiplex"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A name server and an object server of Pyro5, two processes."""
    python = pyro5_python()
    name_server, host, port = name_server_of_pyro5(python)
    settings = {"PYRO_SERVERTYPE": request.param}
    with (
        name_server,
        Program(SERVER, host, str(port), python=python, settings=settings) as server,
    ):
        yield House(server.wait_for(r"^ready at (\S+)$")[1], f"{host}:{port}")


@pytest.fixture(params=SERIALIZERS)
def workshop(request: pytest.FixtureRequest, house: House) -> Iterator[Proxy]:
    """A proxy of the object, with each serializer."""
    with Proxy(house.workshop) as proxy:
        proxy._pyroSerializer = request.param
        yield proxy


def test_calls_go_out_and_results_come_back(workshop: Proxy) -> None:
    assert workshop.add(2, 3) == 5
    assert workshop.add(a="two", b="three") == "twothree"
    assert workshop.arguments(1, two=2) == [[1], {"two": 2}]
    value = {"list": [1, 2.5, None, True], "text": "ü€", "big": 2**70}
    assert workshop.echo(value) == value


def test_large_values_come_back_whole(workshop: Proxy) -> None:
    value = "x" * 3_000_000
    assert workshop.echo(value) == value


def test_attributes_are_read_and_written(workshop: Proxy) -> None:
    workshop.level = 8
    assert workshop.level == 8
    with pytest.raises(AttributeError, match="did you mean 'level'"):
        workshop.levl  # noqa: B018 - reading it is the point


def test_the_object_shows_what_it_offers(workshop: Proxy) -> None:
    workshop._pyroBind()
    assert {"add", "count", "__len__"} <= workshop._pyroMethods
    assert workshop._pyroAttrs == {"level"}
    assert workshop._pyroOneway == {"note"}


def test_exceptions_arrive_as_what_they_were(workshop: Proxy) -> None:
    with pytest.raises(ValueError, match="stuck") as caught:
        workshop.fail()
    assert caught.value.args == ("the vice is stuck", 7)
    assert caught.value.shelf == 3  # type: ignore[attr-defined] # the point
    assert "raise error" in "".join(caught.value._pyroTraceback)  # type: ignore[attr-defined] # documented
    assert workshop.add(1, 2) == 3


def test_exceptions_of_unknown_classes_tell_what_they_were(workshop: Proxy) -> None:
    with pytest.raises(RemoteError, match=r"OnlyHereError: .*no such drawer") as caught:
        workshop.fail_unknown()
    assert caught.value.args == ("no such drawer", 5)
    assert workshop.add(1, 2) == 3


def test_streams_are_iterated_over_and_broken_off(workshop: Proxy) -> None:
    assert list(workshop.count(5)) == [0, 1, 2, 3, 4]
    assert workshop.wait_for_end_of_stream()
    for number in workshop.count(1000):
        if number == 3:
            break
    assert workshop.wait_for_end_of_stream()


def test_a_stream_goes_on_over_a_new_connection(workshop: Proxy) -> None:
    stream = workshop.count(4)
    assert [next(stream), next(stream)] == [0, 1]
    workshop._pyroReconnect(1)
    assert list(stream) == [2, 3]


def test_oneway_calls_are_carried_out(workshop: Proxy) -> None:
    assert workshop.note("sharpen the saw") is None
    with Proxy(workshop._pyroUri) as another:
        assert another.wait_for_note() == "sharpen the saw"


def test_batches_are_carried_out_in_order(workshop: Proxy) -> None:
    batch = BatchProxy(workshop)
    for number in range(20):
        batch.add(number, 1)
    assert list(batch()) == list(range(1, 21))
    batch.note("from a batch")
    assert batch(oneway=True) is None
    with Proxy(workshop._pyroUri) as another:
        assert another.wait_for_note() == "from a batch"


def test_results_before_a_failure_in_a_batch_survive(workshop: Proxy) -> None:
    batch = BatchProxy(workshop)
    batch.add(1, 2)
    batch.fail()
    batch.add(3, 4)
    if workshop._pyroSerializer == "marshal":
        # Pyro5 cannot write the exception inside the list of results.
        with pytest.raises(Exception, match="unmarshallable"):
            batch()
        return
    results = batch()
    assert next(results) == 3
    with pytest.raises(ValueError, match="stuck") as caught:
        next(results)
    assert caught.value.shelf == 3  # type: ignore[attr-defined] # the point


def test_special_methods_work(workshop: Proxy) -> None:
    assert len(workshop) == 3
    assert workshop[1] == "b"
    assert list(workshop) == ["a", "b", "c"]
    assert "c" in workshop


def test_annotations_and_correlation_ids_go_both_ways(workshop: Proxy) -> None:
    current_context.annotations = {"USER": b"sue"}
    current_context.correlation_id = uuid.UUID(int=77)
    try:
        seen = workshop.seen()
        assert bytes(current_context.response_annotations["SEEN"]) == b"yes"
    finally:
        current_context.annotations = {}
        current_context.correlation_id = None
    assert seen == [{"USER": "sue"}, str(uuid.UUID(int=77))]


def test_a_blob_is_decoded_by_the_receiver(workshop: Proxy) -> None:
    info, value = workshop.blob(SerializedBlob("drawing 7", {"lines": [1, 2]}))
    assert info == "drawing 7"
    if workshop._pyroSerializer != "json":
        # Pyro5 returns the word "params" there.
        assert value == {"lines": [1, 2]}


# Not marshal: Pyro5 has no references there, and an attempt spoils the object.
@pytest.mark.parametrize("serializer", [None, "serpent", "json", "msgpack"])
def test_a_returned_object_becomes_a_proxy(
    house: House, serializer: str | None
) -> None:
    with Proxy(house.workshop) as workshop:
        workshop._pyroSerializer = serializer
        with workshop.tool() as tool:
            assert type(tool) is Proxy
            assert tool.name() == "saw"


def test_private_names_are_refused_by_the_server(workshop: Proxy) -> None:
    with pytest.raises(AttributeError, match="private"):
        workshop._pyroInvoke("__init__", (), {})


def test_the_handshake_value_is_judged_and_answered(house: House) -> None:
    answers: list[Any] = []

    class Listening(Proxy):
        def _pyroValidateHandshake(self, response: Any) -> None:
            answers.append(response)

    with Listening(house.workshop) as proxy:
        proxy._pyroHandshake = "burglar"
        with pytest.raises(CommunicationError, match="rejected: no burglars"):
            proxy.add(1, 2)
        proxy._pyroHandshake = "sue"
        assert proxy.add(1, 2) == 3
    assert answers == [["welcome", "sue"]]


def test_an_unknown_object_is_refused(house: House) -> None:
    with pytest.raises(CommunicationError, match="rejected: unknown object"):
        Proxy(house.workshop.replace("workshop", "attic")).add(1, 2)


def test_compressed_messages_are_understood(house: House) -> None:
    config = Configuration(use_environment=False)
    config.COMPRESSION = True
    with Proxy(house.workshop, config=config) as proxy:
        assert proxy.echo("x" * 100_000) == "x" * 100_000


def test_objects_are_found_by_name_and_by_metadata(house: House) -> None:
    for uri in ("PYRONAME:house.workshop", "PYROMETA:wood", "PYROMETA:metal,wood"):
        with Proxy(f"{uri}@{house.name_server}") as proxy:
            assert proxy.add(2, 3) == 5
            proxy._pyroRelease()
            proxy._pyroBind()
            assert str(proxy._pyroUri) == house.workshop
    for uri in ("PYRONAME:house.attic", "PYROMETA:wood,stone"):
        with pytest.raises(NamingError):
            Proxy(f"{uri}@{house.name_server}").add(2, 3)


def test_the_command_line_calls_it(house: House) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pyro_client"),
            f"PYRONAME:house.workshop@{house.name_server}",
            *("add", "2", "b=3"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "5\n", "")
