"""The programs in the guide to the name server, run as they stand there."""

from __future__ import annotations

import re
import threading
import tomllib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import start_ns
from pyro_naming.access import AccessRules
from pyro_suite import config
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_naming import NameServer

GUIDE = Path(__file__).parents[2] / "docs" / "naming.md"


def blocks(language: str) -> list[str]:
    """Return what the guide shows in a language."""
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """The name server that the programs of the guide find."""
    with start_ns("127.0.0.1", 0).daemon as daemon:
        host, _, port = daemon.locationStr.rpartition(":")
        monkeypatch.setattr(config, "NS_HOST", host)
        monkeypatch.setattr(config, "NS_PORT", int(port))
        yield daemon.nameserver


def test_the_programs_of_the_guide_run_one_after_the_other(
    names: NameServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scope: dict[str, Any] = {"__name__": "guide"}
    with ExitStack() as at_the_end:
        for block in blocks("python"):
            exec(compile(block, str(GUIDE), "exec"), scope)
            if "daemon.announce(" in block:
                # The guide says that this is what comes next.
                daemon = scope["daemon"]
                serving = threading.Thread(target=daemon.requestLoop)
                at_the_end.callback(serving.join, DEADLINE)
                at_the_end.callback(daemon.close)
                serving.start()
    output = capsys.readouterr().out
    assert "to be registered again: ['lab.stage']" in output
    assert "name 'lab.lamp' is held by alice@lab1" in output
    assert re.search("^[0-9]+ bytes$", output, re.MULTILINE)
    assert "known lab.camera PYRO:camera@" in output
    assert "lab.camera" not in names.list()


def test_the_access_file_of_the_guide_can_be_used() -> None:
    (text,) = blocks("toml")
    content = tomllib.loads(text.replace("8c9a...e1", "0123456789abcdef" * 4))
    rules = AccessRules(content)
    assert rules.allows(None, "lookup", "lab.camera")
    assert not rules.allows(None, "register", "lab.camera")
