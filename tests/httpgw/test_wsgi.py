"""The gateway as a WSGI application."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from pyro_httpgw import pyro_app
from pyro_httpgw.messages import LARGEST_BODY
from pyro_httpgw.wsgi import WsgiApplication, _request_of
from support.hosting import DEADLINE
from support.sources import SOURCES, Sources
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication


@pytest.fixture
def application(site: Site) -> Iterator[WsgiApplication]:
    application = WsgiApplication(site.config)
    yield application
    application.close()


def ask(
    application: WSGIApplication, path: str, **environ: Any
) -> tuple[str, dict[str, str], bytes]:
    setup_testing_defaults(environ)
    environ["PATH_INFO"] = path.encode().decode("latin-1")
    environ.setdefault("QUERY_STRING", "")
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        started.append((status, headers))
        return lambda _data: None

    result = validator(application)(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        result.close()  # type: ignore[attr-defined] # the validator demands it
    ((status, headers),) = started
    return status, dict(headers), body


def test_a_request_is_answered_as_the_standard_says(
    application: WsgiApplication,
) -> None:
    status, headers, body = ask(
        application, f"/pyro/{NAME}/heat", QUERY_STRING="room=k%C3%BCche"
    )
    assert status == "200 OK"
    assert json.loads(body) == {"room": "küche", "hours": 1}
    assert headers["Content-Length"] == str(len(body))


def test_header_fields_reach_the_gateway(application: WsgiApplication) -> None:
    application.gateway_key = b"secret"
    path = f"/pyro/{NAME}/heat"
    assert ask(application, path)[0] == "401 Unauthorized"
    assert ask(application, path, HTTP_X_PYRO_GATEWAY_KEY="secret")[0] == "200 OK"


def test_the_body_reaches_the_gateway(application: WsgiApplication) -> None:
    body = b'{"room": "kitchen"}'
    _status, _headers, answer = ask(
        application,
        f"/pyro/{NAME}/heat",
        REQUEST_METHOD="POST",
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=str(len(body)),
        # Behind it may be the next request.
        **{"wsgi.input": io.BytesIO(body + b"GET / HTTP/1.1")},
    )
    assert json.loads(answer)["room"] == "kitchen"


def test_no_more_of_a_body_is_read_than_shows_that_it_is_too_large(
    application: WsgiApplication,
) -> None:
    source = io.BytesIO(bytes(LARGEST_BODY + 100))
    status, _headers, _body = ask(
        application,
        f"/pyro/{NAME}/heat",
        REQUEST_METHOD="POST",
        CONTENT_LENGTH=str(LARGEST_BODY + 100),
        **{"wsgi.input": source},
    )
    assert status.startswith("413 ")
    assert source.tell() == LARGEST_BODY + 1


def test_a_request_that_breaks_off_is_not_carried_out(
    application: WsgiApplication,
) -> None:
    with pytest.raises(ConnectionAbortedError):
        ask(
            application,
            f"/pyro/{NAME}/heat",
            REQUEST_METHOD="POST",
            CONTENT_LENGTH="100",
            **{"wsgi.input": io.BytesIO(b"room=kit")},
        )


def test_a_name_in_any_script_reaches_its_object(
    application: WsgiApplication, site: Site
) -> None:
    site.names._uris["http.häuser/日本"] = site.names._uris[NAME]
    status, _headers, body = ask(application, "/pyro/http.häuser/日本/target")
    assert (status, body) == ("200 OK", b"20.5")


def test_where_it_is_mounted_it_leads_to_its_own_home_page(
    application: WsgiApplication,
) -> None:
    status, headers, _body = ask(application, "/", SCRIPT_NAME="/lab one")
    assert status == "302 Found"
    assert headers["Location"] == "/lab%20one/pyro/"


def test_the_answer_to_head_has_no_body(application: WsgiApplication) -> None:
    status, headers, body = ask(application, "/pyro/", REQUEST_METHOD="HEAD")
    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 0


def test_a_stream_is_an_answer_as_the_standard_says(
    application: WsgiApplication, site: Site
) -> None:
    application.ns_regex = ""
    site.register(SOURCES, Sources())
    status, headers, body = ask(application, f"/pyro/{SOURCES}/count")
    assert (status, body) == ("200 OK", b"0\n1\n2\n")
    assert "Content-Length" not in headers


def test_closing_an_answer_closes_the_generator(
    application: WsgiApplication, site: Site
) -> None:
    application.ns_regex = ""
    sources = Sources()
    site.register(SOURCES, sources)
    environ: dict[str, Any] = {"PATH_INFO": f"/pyro/{SOURCES}/endless"}
    setup_testing_defaults(environ)
    for reads in range(3):
        answer = application(environ, lambda *_: lambda _data: None)
        parts = iter(answer)
        for _ in range(reads):
            assert next(parts) == b'"x"\n'
        answer.close()  # type: ignore[attr-defined] # a stream has it
        sources.wait_until_closed()


def test_where_the_client_is_and_how_it_is_connected_reach_the_gateway() -> None:
    environ: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7", "HTTPS": "on"}
    setup_testing_defaults(environ)
    request = _request_of(environ, 0)
    assert (request.client, request.scheme) == ("192.0.2.7", "https")
    assert request.headers["host"] == "127.0.0.1"


def test_it_can_be_closed_and_used_again(application: WsgiApplication) -> None:
    for _ in range(2):
        assert ask(application, f"/pyro/{NAME}/target")[2] == b"20.5"
        application.close()
    application.close()


def test_the_ready_made_application_answers() -> None:
    try:
        assert ask(pyro_app, "/")[0] == "302 Found"
    finally:
        pyro_app.close()


FORKING = """
import os, sys, warnings
from pyro_httpgw import pyro_app

# A program that forks with threads is warned; the gateway has one by then.
warnings.simplefilter("ignore", DeprecationWarning)

def call():
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": sys.argv[1]}
    return b"".join(pyro_app(environ, lambda status, headers: None))

print(call().decode(), flush=True)
child = os.fork()
if child == 0:
    print(call().decode(), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
print(call().decode(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_connections_of_its_own(site: Site) -> None:
    environment = os.environ | {
        "PYRO_NS_HOST": site.config.NS_HOST,
        "PYRO_NS_PORT": str(site.config.NS_PORT),
    }
    result = subprocess.run(
        [sys.executable, "-c", FORKING, f"/pyro/{NAME}/target"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("20.5\n" * 3, 0), result.stderr
