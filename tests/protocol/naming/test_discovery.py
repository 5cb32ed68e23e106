"""Finding name servers by what else has been installed for that."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import NamingError
from pyro_protocol.naming import locate_ns, locate_ns_async
from pyro_protocol.naming.discovery import discovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyro_protocol.config import Configuration

GOOD, OTHER = (f"PYRO:Pyro.NameServer@127.0.0.1:{port}" for port in (1, 2))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs packages that find what they are told to."""

    def install(*bodies: str) -> None:
        for number, body in enumerate(bodies):
            name = f"pyro_test_finder_{number}"
            code = f"def find(config, seconds):\n    {body}\n"
            (tmp_path / f"{name}.py").write_text(code)
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
            entry = f"[pyro.discovery]\n{name} = {name}:find\n"
            (info / "entry_points.txt").write_text(entry)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    return install


def found_in(settings: Configuration) -> list[URI]:
    known = {URI(GOOD), URI(OTHER)}
    # There may be others installed, such as that of pyro-naming.
    return [uri for uri in discovered(60.0, settings) if uri in known]


def test_all_are_asked_and_each_name_server_counts_once(
    install: Callable[..., None], settings: Configuration
) -> None:
    install(f"return [{GOOD!r}, {GOOD!r}]", f"yield {OTHER!r}; yield {GOOD!r}")
    assert sorted(map(str, found_in(settings))) == [GOOD, OTHER]


def test_one_that_fails_or_finds_nonsense_keeps_the_others_from_nothing(
    install: Callable[..., None],
    settings: Configuration,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(
        "raise OSError('no network')",
        "return None",
        f"return [5, 'nonsense', 'PYRONAME:x', {GOOD!r}]",
    )
    with caplog.at_level(logging.WARNING, "pyro.naming"):
        assert found_in(settings) == [URI(GOOD)]
    assert "pyro_test_finder_0 failed" in caplog.text
    assert "is no name server: 'nonsense'" in caplog.text


def test_no_more_are_asked_when_the_time_is_up(
    install: Callable[..., None], settings: Configuration
) -> None:
    install(f"return [{GOOD!r}]")
    assert list(discovered(0.0, settings)) == []


def locate_blocking(settings: Configuration) -> str:
    with locate_ns(config=settings) as client:
        client.ping()
        return str(client._pyroUri.location)


def locate_in_a_loop(settings: Configuration) -> str:
    async def find() -> str:
        async with await locate_ns_async(config=settings) as client:
            await client.ping()
            return str(client._pyroUri.location)

    return asyncio.run(find())


@pytest.mark.parametrize(
    "locate", [locate_blocking, locate_in_a_loop], ids=["blocking", "asyncio"]
)
def test_a_search_asks_them_when_nothing_else_has_helped(
    locate: Callable[[Configuration], str],
    install: Callable[..., None],
    port: int,
    settings: Configuration,
) -> None:
    settings.NS_HOST = "127.0.0.1"
    settings.NS_PORT = 1
    with pytest.raises(NamingError, match="Failed to locate"):
        locate(settings)
    uri = f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
    install(f"return [{GOOD!r}, {uri!r}] if seconds > 0 and config.NS_PORT else []")
    assert locate(settings) == f"127.0.0.1:{port}"
