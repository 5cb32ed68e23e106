from __future__ import annotations

import pytest

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.json import JsonSerializer
from pyro_protocol.uri import URI

JSON = JsonSerializer()


def test_a_call_is_an_object_with_spaces_and_text_as_it_is() -> None:
    data = JSON.dumps_call("o", "m", ("é", 1), {"k": None})
    text = '{"object": "o", "method": "m", "params": ["é", 1], "kwargs": {"k": null}}'
    assert data == text.encode()


def test_the_keys_of_a_call_have_no_order_and_company_is_ignored() -> None:
    data = b'{"kwargs":null,"more":1,"params":[],"method":"m","object":"o"}'
    assert JSON.loads_call(data) == ("o", "m", [], None)


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"object":"o","method":"m","params":[]}',
        b'{"object":1,"method":"m","params":[],"kwargs":{}}',
        b'{"object":"o","method":"m","params":{},"kwargs":{}}',
        b'{"object":"o","method":"m","params":[],"kwargs":[]}',
    ],
)
def test_what_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(SerializeError, match="malformed"):
        JSON.loads_call(data)


def test_the_object_of_a_call_is_never_built() -> None:
    uri = b'{"__class__":"Pyro5.core.URI","state":["PYRO","o",null,"h",1]}'
    data = b'{"object":%b,"method":"m","params":[],"kwargs":{}}' % uri
    with pytest.raises(SerializeError, match="malformed call"):
        JSON.loads_call(data)


@pytest.mark.parametrize("key", [b"__class__", b"__cl\\u0061ss__", b"\\u005f_class__"])
def test_a_class_is_found_however_its_key_is_written(key: bytes) -> None:
    data = b'[{"%b":"Pyro5.core.URI","state":["PYRO","o",null,"h",1]}]' % key
    assert JSON.loads(data) == [URI("PYRO:o@h:1")]


@pytest.mark.parametrize("data", [b"\xff", b"'a'", b"\xef\xbb\xbf1", b"1".zfill(9000)])
def test_malformed_text_is_refused(data: bytes) -> None:
    with pytest.raises(SerializeError, match="malformed json data"):
        JSON.loads(data)


def test_bytes_do_not_travel() -> None:
    with pytest.raises(SerializeError, match="cannot serialize bytes with json"):
        JSON.dumps({"a": [b"x"]})


def test_keys_that_json_lacks_are_refused() -> None:
    with pytest.raises(SerializeError, match="keys must be"):
        JSON.dumps({(1, 2): 3})
