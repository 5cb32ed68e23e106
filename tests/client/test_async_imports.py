"""What importing the client costs programs that do not use asyncio."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import pyro_client",
        "from pyro_client import Proxy, locate_ns, resolve; Proxy('PYRO:a@h:1')",
        "import pyro_protocol.transport, pyro_protocol.naming",
    ],
)
def test_asyncio_is_not_imported_before_it_is_used(statement: str) -> None:
    assert "asyncio" not in loaded_by(statement)


def test_asyncio_is_imported_with_the_async_proxy() -> None:
    assert "asyncio" in loaded_by("from pyro_client import AsyncProxy")


def test_all_names_can_be_imported() -> None:
    import pyro_client

    for name in pyro_client.__all__:
        assert getattr(pyro_client, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        pyro_client.no_such_name  # noqa: B018 - the point
