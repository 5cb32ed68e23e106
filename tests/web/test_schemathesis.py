"""The gateway does what its own OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from support.gateway import GatewayProcess
from support.typed_objects import Laboratory
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS: Final = Path(__file__).parent.parent
_LABORATORY: Final = "http.laboratory"

_NOT_CHECKED: Final = (
    # `OPTIONS` is answered without asking the object, so that strangers do not learn
    # what it has: it tells what can be done with any.
    "allow_header_conformance",
    # In `support.schemathesis_hooks` are others in their place: one that knows forms,
    # and one that lets the object fail, but not the gateway.
    "negative_data_rejection",
    "not_a_server_error",
)


@pytest.fixture(scope="module")
def site() -> Iterator[dict[str, str]]:
    """A daemon with one object; what it yields is the environment to find it with."""
    with Site() as site:
        site.register(_LABORATORY, Laboratory())
        yield {
            "PYRO_NS_HOST": site.config.NS_HOST,
            "PYRO_NS_PORT": str(site.config.NS_PORT),
        }


@contextmanager
def gateway(site: dict[str, str], key: str = "") -> Iterator[GatewayProcess]:
    environment = {**site, "PYRO_HTTPGATEWAY_KEY": key}
    with GatewayProcess("--expose", _LABORATORY, environment=environment) as process:
        yield process


def check(process: GatewayProcess, folder: Path, *options: str) -> None:
    """Send all sorts of requests, and fail if an answer is not as documented."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"http://127.0.0.1:{process.port}/openapi.json",
            *("--checks", "all", "--exclude-checks", ",".join(_NOT_CHECKED)),
            *("--mode", "all", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "4", "--generation-deterministic", "--no-color"),
            *options,
        ],
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": str(_TESTS),
            "SCHEMATHESIS_HOOKS": "support.schemathesis_hooks",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_document_is_valid(site: dict[str, str]) -> None:
    with gateway(site) as process:
        document = process.ask("/openapi.json").json()

    validate(document, cls=OpenAPIV31SpecValidator)
    assert f"/pyro/{_LABORATORY}/record" in document["paths"]
    assert not any(NAME in path for path in document["paths"])


# Some thousand requests: half a minute if nothing else needs the processors.
@pytest.mark.timeout(900)
def test_answers_are_as_documented(site: dict[str, str], tmp_path: Path) -> None:
    with gateway(site) as process:
        check(process, tmp_path)


def test_a_key_is_demanded_as_documented(site: dict[str, str], tmp_path: Path) -> None:
    # Few operations: who presents too many wrong keys is not listened to any more.
    some = r"nothing|label|\$meta|healthz|readyz"
    with gateway(site, "secret") as process:
        header = "X-Pyro-Gateway-Key: secret"
        check(process, tmp_path, "-H", header, "--include-path-regex", some)
