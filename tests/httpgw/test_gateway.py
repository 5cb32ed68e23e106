"""From one request to one answer, with a real name server and daemon behind it."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.admission.admission import FAILURES
from pyro_httpgw.admission.proxies import parse_networks
from pyro_protocol import URI, config
from support.hosting import DEADLINE, HostThread
from support.web import NAME, Site

if TYPE_CHECKING:
    from httpgw.conftest import Visitor
    from pyro_httpgw.messages import Response
    from pyro_httpgw.setting_checks import Tracebacks

CORRELATION = "X-Pyro-Correlation-Id"


def header(response: Response, name: str) -> str:
    (value,) = (text for field, text in response.headers if field == name)
    return value


def error_of(response: Response) -> Any:
    assert header(response, "Content-Type") == "application/problem+json"
    value = json.loads(response.body)
    assert value["__exception__"] is True
    assert value["status"] == response.status
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
    assert header(response, "Referrer-Policy") == "no-referrer"
    assert header(response, "Content-Security-Policy").startswith("default-src 'none'")
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


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain;charset=UTF-8",
    ],
)
def test_a_post_without_a_body_is_like_a_get(
    visitor: Visitor, content_type: str
) -> None:
    response = visitor.ask(
        f"/pyro/{NAME}/heat", "hours=2", method="POST", content_type=content_type
    )
    assert json.loads(response.body) == {"room": "hall", "hours": "2"}
    response = visitor.ask(
        f"/pyro/{NAME}/target", method="POST", content_type=content_type
    )
    assert response.body == b"20.5"


@pytest.mark.parametrize("path", [f"/pyro/{NAME}/$meta", f"/pyro/{NAME}/target"])
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
    visitor.settings = replace(visitor.settings, tracebacks="always")
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
        assert error_of(response)["detail"] == f"access to {name!r} is denied"


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
    assert error_of(response)["detail"] == f"there is nothing at {path}"


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "PATCH"])
def test_other_methods_are_not_allowed(visitor: Visitor, method: str) -> None:
    response = visitor.ask(f"/pyro/{NAME}/heat", method=method)
    assert response.status == 405
    assert error_of(response)["title"] == "Method Not Allowed"
    assert header(response, "Allow") == "GET, POST, PUT, OPTIONS"


def test_options_are_told_without_a_key(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"x", cors=("*",))
    response = visitor.ask(
        f"/pyro/{NAME}/heat",
        method="OPTIONS",
        origin="https://a.example",
        access_control_request_method="PUT",
    )
    assert (response.status, response.body) == (200, b"200 OK")
    assert header(response, "Access-Control-Allow-Origin") == "*"
    allowed = header(response, "Access-Control-Allow-Methods")
    assert allowed == "GET, POST, PUT, OPTIONS"


@pytest.mark.parametrize(
    "path", [f"/pyro/{NAME}/heat_now", "/pyro/$objects", "/openapi.json", "/metrics"]
)
@pytest.mark.parametrize(
    ("name", "value"),
    [("origin", "https://evil.example"), ("sec_fetch_site", "cross-site")],
)
def test_pages_of_other_origins_can_cause_nothing(
    visitor: Visitor, site: Site, path: str, name: str, value: str
) -> None:
    response = visitor.ask(path, body=b"", **{name: value})
    assert response.status == 403
    assert "other origins" in error_of(response)["detail"]
    assert not [n for n, _ in response.headers if n.startswith("Access-Control")]
    assert not site.thermostat.heated.is_set()


@pytest.mark.parametrize("path", ["/", "/pyro/", "/healthz"])
def test_links_of_other_pages_lead_to_the_explorer(visitor: Visitor, path: str) -> None:
    assert visitor.ask(path, sec_fetch_site="cross-site").status in {200, 302}


def test_a_page_that_is_named_may_call(visitor: Visitor) -> None:
    origin = "https://a.example"
    visitor.settings = replace(visitor.settings, cors=(origin,))
    response = visitor.ask(
        f"/pyro/{NAME}/heat", origin=origin, sec_fetch_site="cross-site"
    )
    assert response.status == 200
    assert header(response, "Access-Control-Allow-Origin") == origin


@pytest.mark.parametrize("path", ["/", "/pyro/", f"/pyro/{NAME}/heat", "/static/x"])
def test_another_host_is_refused_everywhere(visitor: Visitor, path: str) -> None:
    visitor.settings = replace(visitor.settings, bound_address="127.0.0.1")
    assert visitor.ask(path, host="evil.example:8080").status == 403
    assert visitor.ask("/healthz", host="10.0.0.7").status == 200
    assert visitor.ask(f"/pyro/{NAME}/heat", host="localhost:8080").status == 200


def test_a_key_is_demanded_and_taken_from_the_parameters(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    for path in (f"/pyro/{NAME}/heat", f"/pyro/{NAME}/$meta", "/pyro/$objects"):
        response = visitor.ask(path)
        assert response.status == 401
        assert header(response, "WWW-Authenticate") == 'Bearer realm="pyro"'
        response = visitor.ask(path, "$key=wrong")
        assert response.status == 403
        assert error_of(response)["detail"] == "incorrect gateway key"
        response = visitor.ask(path, authorization="Bearer wrong")
        assert response.status == 401
        assert visitor.ask(path, "$key=secret").status == 200
        assert visitor.ask(path, x_pyro_gateway_key="secret").status == 200
        assert visitor.ask(path, authorization="Bearer secret").status == 200
    assert visitor.call("heat", "$key=secret&hours=2")["hours"] == "2"


@pytest.mark.parametrize("path", ["/", "/pyro/", "/healthz", "/readyz"])
def test_what_holds_no_data_needs_no_key(visitor: Visitor, path: str) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    assert visitor.ask(path).status in {200, 302}


def test_wrong_keys_are_refused_for_a_while_after_some(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    path = f"/pyro/{NAME}/heat"
    statuses = {visitor.ask(path, "$key=wrong").status for _ in range(FAILURES)}
    assert statuses == {403}
    response = visitor.ask(path, "$key=secret")
    assert response.status == 429
    assert 0 < int(header(response, "Retry-After")) <= 6
    visitor.client = "192.0.2.2"
    assert visitor.ask(path, "$key=secret").status == 200


def test_a_client_can_be_kept_to_a_rate(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, rate_limit=0.001)
    path = f"/pyro/{NAME}/heat"
    statuses = [visitor.ask(path).status for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert visitor.ask("/healthz").status == 200
    visitor.client = "192.0.2.2"
    assert visitor.ask(path).status == 200


def test_clients_behind_a_proxy_are_told_apart_if_it_is_trusted(
    visitor: Visitor,
) -> None:
    visitor.settings = replace(
        visitor.settings,
        rate_limit=0.001,
        trusted_proxies=parse_networks([visitor.client]),
    )
    for number in range(22):
        response = visitor.ask("/", x_forwarded_for=f"198.51.100.{number}")
        assert response.status == 302
    response = visitor.ask(
        "/", x_forwarded_for="198.51.100.1", x_forwarded_prefix="/lab"
    )
    assert header(response, "Location") == "/lab/pyro/"


@pytest.mark.parametrize(
    ("tracebacks", "key", "shown"),
    [
        ("authenticated", None, False),
        ("authenticated", b"secret", True),
        ("always", None, True),
        ("never", b"secret", False),
    ],
)
def test_tracebacks_are_shown_to_those_who_may_see_them(
    visitor: Visitor, tracebacks: Tracebacks, key: bytes | None, shown: bool
) -> None:
    visitor.settings = replace(visitor.settings, tracebacks=tracebacks, gateway_key=key)
    response = visitor.ask(f"/pyro/{NAME}/fail", x_pyro_gateway_key="secret")
    assert ("_pyroTraceback" in error_of(response)["attributes"]) is shown
    assert (b"raise ValueError" in response.body) is shown


def test_more_requests_than_there_is_room_for_come_back_later(
    visitor: Visitor, site: Site
) -> None:
    visitor.settings = replace(visitor.settings, max_in_flight=1)
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(visitor.call("wait")))
    slow.start()
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    response = visitor.ask(f"/pyro/{NAME}/heat_now")
    assert response.status == 503
    assert header(response, "Retry-After") == "1"
    assert visitor.ask("/healthz").status == 200
    assert not site.thermostat.heated.is_set()
    site.thermostat.release.set()
    slow.join(DEADLINE)
    assert answers == ["waited"]
    assert visitor.call("heat") == {"room": "hall", "hours": 1}


def test_the_client_says_how_long_it_waits(visitor: Visitor) -> None:
    response = visitor.ask(f"/pyro/{NAME}/wait", x_pyro_timeout="0.05")
    assert response.status == 504
    assert "0.05 seconds" in error_of(response)["detail"]
    assert visitor.ask(f"/pyro/{NAME}/heat", x_pyro_timeout="soon").status == 400


def test_the_trace_of_the_request_goes_on_to_the_object(visitor: Visitor) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = visitor.ask(f"/pyro/{NAME}/trace", traceparent=parent)
    assert json.loads(response.body) == parent
    assert json.loads(visitor.ask(f"/pyro/{NAME}/trace", traceparent="x").body) is None


def test_the_explorer_can_be_turned_off(visitor: Visitor) -> None:
    assert visitor.ask("/pyro/").status == 200
    visitor.settings = replace(visitor.settings, explorer=False)
    assert visitor.ask("/pyro/").status == 404
    assert visitor.ask("/static/main.js").status == 404
    assert visitor.ask(f"/pyro/{NAME}/heat").status == 200


def test_head_asks_for_pages_and_calls_nothing(visitor: Visitor, site: Site) -> None:
    assert visitor.ask("/pyro/", method="HEAD").status == 200
    assert visitor.ask("/healthz", method="HEAD").status == 200
    assert visitor.ask(f"/pyro/{NAME}/heat_now", method="HEAD").status == 405
    assert not site.thermostat.heated.is_set()


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
