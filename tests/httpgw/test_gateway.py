"""From one request to one answer, with a real name server and daemon behind it."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, config
from support.hosting import DEADLINE, HostThread
from support.web import NAME, Site, Thermostat

if TYPE_CHECKING:
    from httpgw.conftest import Visitor
    from pyro_httpgw.messages import Response

CORRELATION = "X-Pyro-Correlation-Id"


def header(response: Response, name: str) -> str:
    (value,) = (text for field, text in response.headers if field == name)
    return value


def error_of(response: Response) -> Any:
    assert header(response, "Content-Type") == "application/json; charset=utf-8"
    value = json.loads(response.body)
    assert value["__exception__"] is True
    return value


def test_a_method_is_called_with_the_parameters_as_texts(visitor: Visitor) -> None:
    assert visitor.call("heat") == {"room": "hall", "hours": 1}
    expected = {"room": "kitchen", "hours": "3"}
    assert visitor.call("heat", "room=kitchen&hours=3") == expected
    assert visitor.call("heat", "room=a&room=b")["room"] == ["a", "b"]


def test_an_answer_says_what_it_is(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat")
    assert header(response, "Content-Type") == "application/json; charset=utf-8"
    assert header(response, "Content-Length") == str(len(response.body))
    assert header(response, "Cache-Control") == "no-store"
    assert header(response, "X-Content-Type-Options") == "nosniff"
    uuid.UUID(header(response, CORRELATION))  # raises if it is none


def test_arguments_can_be_posted(visitor: Visitor) -> None:
    response = visitor.ask(
        f"/pyro/{NAME}/heat",
        method="POST",
        body=b'{"args": ["kitchen"], "kwargs": {"hours": [1, 2.5]}}',
        content_type="application/json",
    )
    assert json.loads(response.body) == {"room": "kitchen", "hours": [1, 2.5]}
    response = visitor.ask(
        f"/pyro/{NAME}/heat",
        "hours=2",
        method="POST",
        body=b"room=kitchen",
        content_type="application/x-www-form-urlencoded",
    )
    assert json.loads(response.body) == {"room": "kitchen", "hours": "2"}


def test_a_post_without_a_body_is_like_a_get(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat", "hours=2", method="POST")
    assert json.loads(response.body) == {"room": "hall", "hours": "2"}


@pytest.mark.parametrize(
    "path", [f"/pyro/{NAME}/$meta", f"/pyro/{NAME}/target", "/pyro/"]
)
def test_a_body_is_refused_where_it_would_be_ignored(
    visitor: Visitor, path: str
) -> None:
    response = visitor.ask(
        path, method="POST", body=b'{"a": 1}', content_type="application/json"
    )
    assert response.status == 400


def test_an_attribute_is_read(visitor: Visitor) -> None:
    assert visitor.call("target") == 20.5
    response = visitor.ask(f"/pyro/{NAME}/target", "a=1")
    assert response.status == 400
    assert b"target is an attribute" in response.body


def test_meta_tells_what_the_object_has(visitor: Visitor) -> None:
    meta = visitor.call("$meta")
    assert meta.keys() == {"methods", "attributes"}
    assert meta["attributes"] == ["target"]
    assert meta["methods"] == sorted(meta["methods"])
    assert "heat" in meta["methods"]


def test_what_json_lacks_arrives_all_the_same(visitor: Visitor) -> None:
    assert visitor.call("treasures") == {
        "bytes": {"data": "AP8=", "encoding": "base64"},
        "set": [1],
        "tuple": [1, "two"],
        "day": "2026-01-02",
        "nan": None,
    }


def test_objects_arrive_as_dictionaries_with_their_class(visitor: Visitor) -> None:
    assert visitor.call("own_uri") == {
        "__class__": "Pyro5.core.URI",
        "state": ["PYRO", "somewhere", None, "localhost", 4444],
    }
    assert visitor.call("reading") == {
        "__class__": "support.web.Reading",
        "degrees": 21.5,
    }


def test_a_remote_exception_is_a_server_error_with_its_traceback(
    visitor: Visitor,
) -> None:
    response = visitor.ask(f"/pyro/{NAME}/fail")
    assert response.status == 500
    error = error_of(response)
    assert error["__class__"] == "builtins.ValueError"
    assert error["args"] == ["too hot", 99]
    assert "raise ValueError" in "".join(error["attributes"]["_pyroTraceback"])
    uuid.UUID(header(response, CORRELATION))  # raises if it is none


def test_a_busy_server_is_unavailable(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/busy")
    assert response.status == 503
    assert error_of(response)["args"] == ["come back later"]


def test_a_stream_is_not_implemented(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/stream")
    assert response.status == 501
    assert "stream" in error_of(response)["args"][0]


@pytest.mark.parametrize("member", ["nothing", "hidden", "_Thermostat__x", "__init__"])
def test_a_member_that_is_not_exposed_is_not_found(
    visitor: Visitor, member: str
) -> None:
    response = visitor.ask(f"/pyro/{NAME}/{member}")
    assert response.status == 404
    assert error_of(response)["__class__"] == "builtins.AttributeError"


def test_an_unknown_name_is_not_found(visitor: Visitor) -> None:
    response = visitor.ask("/pyro/http.nobody/heat")
    assert response.status == 404
    error = error_of(response)
    assert error["__class__"] == "Pyro5.errors.NamingError"
    assert error["args"] == ["unknown name: http.nobody"]
    assert error["attributes"] == {}


def test_an_object_that_is_gone_is_not_found(visitor: Visitor, site: Site) -> None:
    site.names._uris["http.gone"] = URI(f"PYRO:gone@{site.daemon.location}")
    response = visitor.ask("/pyro/http.gone/heat")
    assert response.status == 404
    assert error_of(response)["__class__"] == "Pyro5.errors.DaemonError"


def test_a_name_that_is_not_exposed_is_forbidden_even_if_it_is_unknown(
    visitor: Visitor,
) -> None:
    for name in ("Pyro.NameServer", "nobody"):
        response = visitor.ask(f"/pyro/{name}/list")
        assert response.status == 403
        assert header(response, "Content-Type").startswith("text/plain")
        assert b"has been denied" in response.body


def test_the_key_is_demanded_everywhere_and_taken_from_the_parameters(
    visitor: Visitor,
) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    for path in ("/pyro/", f"/pyro/{NAME}/heat", f"/pyro/{NAME}/$meta"):
        response = visitor.ask(path)
        assert response.status == 403
        assert response.body == b"403 Forbidden - incorrect gateway api key"
        assert visitor.ask(path, "$key=wrong").status == 403
        assert visitor.ask(path, "$key=secret").status == 200
        assert visitor.ask(path, x_pyro_gateway_key="secret").status == 200
    assert visitor.call("heat", "$key=secret&hours=2")["hours"] == "2"


def test_without_a_key_the_parameter_is_an_ordinary_one(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat", "$key=x")
    assert response.status == 500
    assert "$key" in error_of(response)["args"][0]


@pytest.mark.parametrize("options", ["oneway", "foo, oneway", "foo,oneway"])
def test_a_call_can_be_made_without_waiting(
    visitor: Visitor, site: Site, options: str
) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat_now", x_pyro_options=options)
    assert (response.status, response.body) == (200, b"")
    assert site.thermostat.heated.wait(DEADLINE)


def test_the_answer_to_a_oneway_method_is_empty(visitor: Visitor, site: Site) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat_later")
    assert (response.status, response.body) == (200, b"")
    assert header(response, "Content-Type") == "application/json; charset=utf-8"
    assert site.thermostat.heated.wait(DEADLINE)


def test_the_correlation_id_reaches_the_object_and_comes_back(visitor: Visitor) -> None:
    own = str(uuid.uuid4())
    response = visitor.ask(f"/pyro/{NAME}/correlation", x_pyro_correlation_id=own)
    assert json.loads(response.body) == header(response, CORRELATION) == own
    response = visitor.ask(f"/pyro/{NAME}/correlation")
    assert json.loads(response.body) == header(response, CORRELATION) != own


def test_a_malformed_correlation_id_is_a_bad_request(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/correlation", x_pyro_correlation_id="x")
    assert response.status == 400
    uuid.UUID(header(response, CORRELATION))  # raises if it is none


def test_the_top_leads_to_the_home_page(visitor: Visitor) -> None:
    response = visitor.ask("/")
    assert (response.status, response.body) == (302, b"")
    assert header(response, "Location") == "/pyro/"
    uuid.UUID(header(response, CORRELATION))  # raises if it is none


@pytest.mark.parametrize("path", ["/pyro", "/x", "/pyro/x", f"/pyro/{NAME}/"])
def test_other_places_are_not_found(visitor: Visitor, path: str) -> None:
    response = visitor.ask(path)
    assert response.status == 404
    assert response.body == b"Error 404: Not Found"
    assert header(response, "Content-Type").startswith("text/plain")


def test_options_are_told_without_a_key(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"x", cors=("*",))
    response = visitor.ask(f"/pyro/{NAME}/heat", method="OPTIONS")
    assert (response.status, response.body) == (200, b"200 OK")
    assert header(response, "Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods_are_not_allowed(visitor: Visitor, method: str) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat", method=method)
    assert response.status == 405
    assert response.body == b"Error 405: Method Not Allowed"
    assert header(response, "Allow") == "GET, POST, OPTIONS"


def test_pages_of_other_origins_are_told_nothing_by_default(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat", origin="https://evil.example")
    assert not [n for n, _ in response.headers if n.startswith("Access-Control")]


def test_the_home_page_lists_the_exposed_objects(visitor: Visitor, site: Site) -> None:
    site.register("private.thing", Thermostat())
    site.names._uris["http.dead"] = URI("PYRO:x@127.0.0.1:1")
    site.names._uris["http.gone"] = URI(f"PYRO:gone@{site.daemon.location}")
    response = visitor.ask("/pyro/")
    page = response.body.decode()
    assert response.status == 200
    assert header(response, "Content-Type") == "text/html; charset=utf-8"
    assert f'href="./{NAME}/heat"' in page
    assert f'href="./{NAME}/target"' in page
    assert "cannot connect to 127.0.0.1:1" in page
    assert "any more" in page
    assert "private.thing" not in page
    assert site.name_server.location in page


def test_a_long_home_page_describes_the_first_objects_only(
    visitor: Visitor, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.gateway._MOST_DESCRIBED", 1)
    site.names._uris["http.zzz"] = site.names._uris[NAME]
    page = visitor.ask("/pyro/").body.decode()
    assert f'href="./{NAME}/heat"' in page
    assert 'href="./http.zzz/%24meta"' in page
    assert 'href="./http.zzz/heat"' not in page


def test_an_object_that_does_not_answer_does_not_hold_up_the_home_page(
    visitor: Visitor, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr("pyro_httpgw.gateway._DESCRIBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        site.names._uris["http.silent"] = URI(f"PYRO:x@127.0.0.1:{port}")
        page = visitor.ask("/pyro/").body.decode()
    assert "does not answer" in page


def test_without_a_daemon_the_gateway_is_bad_and_then_recovers(
    visitor: Visitor, site: Site
) -> None:
    visitor.call("heat")
    port = int(site.daemon.location.rpartition(":")[2])
    site.daemon.stop()
    response = visitor.ask(f"/pyro/{NAME}/heat")
    assert response.status == 502
    error = error_of(response)
    assert error["__class__"] == "Pyro5.errors.CommunicationError"
    assert error["attributes"] == {"outcome": "not_sent"}
    site.daemon = HostThread(port=port)
    site.register(NAME, site.thermostat)
    assert visitor.call("heat") == {"room": "hall", "hours": 1}


def test_without_a_name_server_the_service_is_unavailable(
    visitor: Visitor, site: Site
) -> None:
    site.name_server.stop()
    response = visitor.ask(f"/pyro/{NAME}/heat")
    assert response.status == 503
    assert error_of(response)["__class__"] == "Pyro5.errors.NamingError"
    response = visitor.ask("/pyro/")
    assert response.status == 503
    assert header(response, "Content-Type").startswith("text/plain")
    assert b"the name server cannot be reached" in response.body


def test_a_call_that_takes_too_long_times_out_and_holds_up_no_other(
    visitor: Visitor, site: Site
) -> None:
    visitor.call("heat")
    patient = visitor.settings
    visitor.settings = replace(patient, comm_timeout=0.05)
    response = visitor.ask(f"/pyro/{NAME}/wait")
    assert response.status == 504
    assert error_of(response)["__class__"] == "Pyro5.errors.TimeoutError"
    visitor.settings = patient
    assert visitor.call("heat") == {"room": "hall", "hours": 1}


def test_slow_calls_do_not_hold_up_others(visitor: Visitor, site: Site) -> None:
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(visitor.call("wait")))
    slow.start()
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    assert visitor.call("heat") == {"room": "hall", "hours": 1}
    assert not answers
    site.thermostat.release.set()
    slow.join(DEADLINE)
    assert answers == ["waited"]


def test_a_fault_of_the_gateway_is_told_without_details(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(path: str) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("pyro_httpgw.gateway.route_of", fault)
    response = visitor.ask(f"/pyro/{NAME}/heat", "$key=secret")
    assert response.status == 500
    assert b"secret" not in response.body
    assert error_of(response)["__class__"] == "Pyro5.errors.PyroError"
    assert "a secret detail" in caplog.text
    assert "key" not in caplog.text


def test_the_configuration_of_the_program_stays_as_it_is(visitor: Visitor) -> None:
    before = config.as_dict()
    visitor.settings = replace(visitor.settings, comm_timeout=3.0)
    visitor.call("heat")
    assert config.as_dict() == before
