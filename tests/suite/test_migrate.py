"""What ``pyro migrate`` finds in programs, and how it rewrites them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pyro_suite.migrate import Finding, apply, backup_of, examine
from pyro_suite.migrate.command import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a program and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


def rewritten(path: Path) -> str:
    """Return what a program is to be; what it is, if it can stay."""
    (report,) = examine(path)
    return (report.rewritten or path.read_bytes()).decode()


def findings(path: Path, level: str) -> list[Finding]:
    """Return what was found of a level."""
    return [
        one for report in examine(path) for one in report.findings if one.level == level
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import Pyro4\nPyro4.locateNS()", "import pyro_suite\npyro_suite.locate_ns()"),
        ("import Pyro4 as p\np.locateNS()", "import pyro_suite as p\np.locate_ns()"),
        ("import sys, Pyro4, os", "import sys, os\nimport pyro_suite"),
        ("import os; import Pyro4; x = 1", "import os; import pyro_suite; x = 1"),
        ("import Pyro4.core\nPyro4.core.Proxy", "import pyro_suite\npyro_suite.Proxy"),
        (
            "import Pyro5.api as a, os\na.serve",
            "import os\nimport pyro_suite as a\na.serve",
        ),
        (
            "import Pyro4\nimport Pyro4.naming\nPyro4.naming.startNS()\n",
            "import pyro_suite\npyro_suite.start_ns()\n",
        ),
        (
            "def f():\n    import Pyro4\ndef g():\n    import Pyro4\n",
            "def f():\n    import pyro_suite\ndef g():\n    import pyro_suite\n",
        ),
        ("from Pyro5.api import *\nlocate_ns", "from pyro_suite import *\nlocate_ns"),
        ("from Pyro4 import *\nlocateNS()", "from pyro_suite import *\nlocate_ns()"),
        (
            "from Pyro5.errors import *\nPyroError",
            "from pyro_protocol.errors import *\nPyroError",
        ),
        (
            "from Pyro4 import locateNS as n\nn()",
            "from pyro_suite import locate_ns as n\nn()",
        ),
        (
            "from Pyro4 import locateNS\nlocateNS()",
            "from pyro_suite import locate_ns\nlocate_ns()",
        ),
        # Somebody else may import it from here.
        ("from Pyro4 import locateNS", "from pyro_suite import locate_ns as locateNS"),
        (
            "from Pyro4 import locateNS\nlocate_ns = locateNS",
            "from pyro_suite import locate_ns as locateNS\nlocate_ns = locateNS",
        ),
        (
            "from Pyro4 import locateNS\n__all__ = ['locateNS']\nlocateNS()",
            (
                "from pyro_suite import locate_ns as locateNS\n"
                "__all__ = ['locateNS']\nlocateNS()"
            ),
        ),
        (
            "from Pyro4 import errors as e, util\ne.PyroError\nutil.getPyroTraceback()",
            (
                "import pyro_suite\nfrom pyro_suite import errors as e\n"
                "e.PyroError\npyro_suite.errors.get_pyro_traceback()"
            ),
        ),
        (
            "import Pyro5.errors as e\nraise e.NamingError",
            "from pyro_suite import errors as e\nraise e.NamingError",
        ),
        (
            "from  Pyro5 . api \\\n   import  Proxy ,\\\n   URI # both",
            "from  pyro_suite \\\n   import  Proxy ,\\\n   URI # both",
        ),
        (
            "if 1: from Pyro5.errors import NamingError, excepthook as h",
            "if 1: from pyro_protocol.errors import NamingError, excepthook as h",
        ),
        (
            (
                "try:\n"
                "  import Pyro5.api as P\nexcept OSError:\n  import Pyro4 as P\nP.Proxy"
            ),
            (
                "try:\n  import pyro_suite as P\nexcept OSError:\n"
                "  import pyro_suite as P\nP.Proxy"
            ),
        ),
        # A name of the function's own is not the module.
        (
            (
                "import Pyro4\n"
                "def f(Pyro4): return Pyro4.locateNS\n[Pyro4.a for Pyro4 in y]"
            ),
            (
                "import pyro_suite\ndef f(Pyro4): return Pyro4.locateNS\n"
                "[Pyro4.a for Pyro4 in y]"
            ),
        ),
        (
            (
                "import Pyro4\n"
                "'\u00e4'; x = f'\u00fc{Pyro4.locateNS()}' # \U0001f600 Pyro4.x"
            ),
            (
                "import pyro_suite\n'\u00e4'; x = f'\u00fc{pyro_suite.locate_ns()}'"
                " # \U0001f600 Pyro4.x"
            ),
        ),
        (
            "import Pyro4\nPyro4.config.asDict()",
            "import pyro_suite\npyro_suite.config.as_dict()",
        ),
        (
            "import Pyro4\nPyro4.config.LOGWIRE = 1",
            "import pyro_suite\npyro_suite.config.LOGWIRE = True",
        ),
        ("import Pyro4\nPyro4.config.METADATA = True", "import pyro_suite\npass"),
        ("import Pyro4\nPyro4.config.JSON_MODULE = 'json'", "import pyro_suite\npass"),
        (
            "from Pyro4 import config\nconfig.SERIALIZERS_ACCEPTED = set(['json'])",
            "from pyro_suite import config\nconfig.SERIALIZERS_ACCEPTED = ['json']",
        ),
        (
            "import Pyro4\nn = Pyro4.locateNS()\nn.list(metadata_any=['a'])",
            (
                "import pyro_suite\nn = pyro_suite.locate_ns()\n"
                "n.yplookup(meta_any=['a'], return_metadata=False)"
            ),
        ),
        (
            "import Pyro4\nn.list(return_metadata=1, metadata_all=t)",
            "import pyro_suite\nn.yplookup(return_metadata=1, meta_all=t)",
        ),
    ],
)
def test_imports_and_renamed_calls_are_rewritten(
    program: Callable[[str], Path], before: str, after: str
) -> None:
    path = program(before)
    assert rewritten(path) == after
    path.write_text(after, encoding="utf-8", newline="")
    assert all(report.rewritten is None for report in examine(path))


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (
            "import Pyro4.utils.flame\nPyro4.utils.flame.connect('x')",
            "missing",
            "expose",
        ),
        ("from Pyro4 import socketutil", "missing", "port 0"),
        ("import Pyro5.socketutil as s\ns.get_ip_address('x')", "missing", "socket"),
        ("from Pyro5 import errors\nerrors.format_traceback()", "missing", "get_pyro_"),
        ("import Pyro4\ngetattr(Pyro4, 'x')", "missing", "used for"),
        ("import Pyro4\nPyro4.unheard_of", "missing", "pyro_suite.compat.pyro4"),
        ("from Pyro5.compatibility import Pyro4", "missing", "pyro migrate again"),
        (
            "import Pyro4\nPyro4.config.REQUIRE_EXPOSE = False\nclass A: pass",
            "setting",
            "of A",
        ),
        ("import Pyro4\nPyro4.config.FLAME_ENABLED = True", "setting", "expose"),
        ("import Pyro4\nPyro4.config.MAX_MESSAGE_SIZE = 0", "setting", "1 GiB"),
        ("import Pyro4\nPyro4.config.BROADCAST_ADDRS = 'a'", "setting", "list"),
        ("import Pyro4\nPyro4.config.DOTTEDNAMES = True", "setting", "dots"),
        ("import Pyro4\nPyro4.config.WRONG = 1", "setting", "configuration.md"),
        (
            "import Pyro4\nPyro4.config.SERIALIZERS_ACCEPTED.discard('json')",
            "setting",
            "list",
        ),
        ("import Pyro4\nsetattr(Pyro4.config, 'AUTOPROXY', 0)", "setting", "proxies"),
        (
            "from Pyro5.api import config\nconfig.SERIALIZER = 'marshal'",
            "marshal",
            "ACCEPTED",
        ),
        ("import Pyro4\nPyro4.locateNS(hmac_key='k')", "hmac_key", "TLS"),
        ("info.get_metadata('x', as_lists=True) # Pyro4", "as_lists", "leave it out"),
        (
            "import Pyro4\nn = Pyro4.locateNS()\nPyro4.batch(n)",
            "name-server-proxy",
            "Proxy(",
        ),
        ("proxy._pyroHmacKey = b'k'", "_pyroHmacKey", "TLS"),
        ("class P:\n def _pyroAnnotations(self): pass", "_pyroAnnotations", "context"),
        (
            "import Pyro5.api as p\nn = p.locate_ns()\nn._pyroSeq",
            "name-server-proxy",
            "Proxy(",
        ),
        (
            "import Pyro5.api as p\nu, n, b = p.start_ns()\nd.combine(n)",
            "name-server-loop",
            "leave",
        ),
        (
            (
                "from Pyro5.api import expose\nclass A:\n @property\n @expose\n"
                " def x(self): pass\n @x.setter\n def x(self, x): pass"
            ),
            "setter",
            "of x is not exposed",
        ),
        ("import Pyro4\nPyro4.async(p)", "syntax", "asyncproxy"),
        ("import Pyro4\nprint 'x'", "syntax", "2to3"),
        ("import Pyro4\nx = '\0'", "syntax", "2to3"),
    ],
)
def test_what_cannot_be_rewritten_is_told_with_what_to_do(
    program: Callable[[str], Path], text: str, code: str, says: str
) -> None:
    path = program(text)
    found = [one for one in findings(path, "change") if one.code == code]
    assert found, list(examine(path))
    assert any(says in f"{one.message} {one.advice}" for one in found), found
    # What is to be done by hand is told again after the rest was done.
    assert main([str(path), "--apply"]) == 1
    assert main([str(path), "--apply"]) == 1
    assert code in {one.code for one in findings(path, "change")}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("proxy._pyroClaimOwnership()", "_pyroClaimOwnership"),
        ("proxy._pyroMaxRetries = 3", "_pyroMaxRetries"),
        ("import Pyro5.api\nPyro5.api.config.MAX_RETRIES = 2", "MAX_RETRIES"),
        ("import Pyro4\nPyro4.config.SERIALIZER = 'pickle'", "pickle"),
        ("import Pyro4\nPyro4.config.SERIALIZERS_ACCEPTED.add('dill')", "pickle"),
    ],
)
def test_what_runs_and_differs_is_noted(
    program: Callable[[str], Path], text: str, code: str
) -> None:
    path = program(text)
    assert code in {one.code for one in findings(path, "note")}
    assert findings(path, "change") == []


def test_a_name_that_is_missing_stays_imported_from_where_it_was(
    program: Callable[[str], Path],
) -> None:
    path = program(
        "import Pyro4\n"
        "import Pyro4.socketutil  # for an address\n"
        "from Pyro4 import (Proxy, # to call\n"
        "    message, locateNS)\n"
        "locateNS(), Pyro4.Daemon, Pyro4.socketutil.getIpAddress('x')\n"
    )
    assert rewritten(path) == (
        "import pyro_suite\n"
        "import Pyro4.socketutil  # for an address\n"
        "from pyro_suite import Proxy, locate_ns\n"
        "from Pyro4 import ( # to call\n"
        "    message)\n"
        "locate_ns(), pyro_suite.Daemon, Pyro4.socketutil.getIpAddress('x')\n"
    )
    assert [one.line for one in findings(path, "change")] == [4, 5]


@pytest.mark.parametrize(
    "text", ["-" * 100_000 + "1", "x" + ".y" * 50_000, "x = " + "1 + " * 500 + "1"]
)
def test_a_program_of_many_levels_does_no_harm(
    program: Callable[[str], Path], text: str
) -> None:
    path = program(f"import Pyro4\nPyro4.flame\n{text}\n")
    assert main([str(path)]) == 1
    assert findings(path, "change")


def test_findings_name_the_place_as_people_count(
    program: Callable[[str], Path],
) -> None:
    path = program("import Pyro4\n\n'\u00e4'; Pyro4.config.MAX_MESSAGE_SIZE = 0\n")
    (finding,) = findings(path, "change")
    assert (finding.line, finding.column) == (3, 6)


def test_what_a_program_uses_as_it_is_is_counted(
    program: Callable[[str], Path],
) -> None:
    (report,) = examine(
        program("from Pyro5.api import Proxy, expose\nProxy('x'), Proxy('y'), expose")
    )
    assert report.as_is == {"Proxy": 2, "expose": 1}
    assert report.families == {"Pyro5"}


def make_tree(folder: Path) -> None:
    """Write a folder with programs, scripts, and what is left out."""
    (folder / "package").mkdir()
    (folder / "package" / "server.py").write_text("import Pyro5.api\n")
    (folder / "tool").write_text("#!/usr/bin/env python3\nimport Pyro4\n")
    (folder / "plain.py").write_text("print('nothing of it')\n")
    (folder / "wrong.py").write_text("this is (nothing\n")
    (folder / "latin.py").write_bytes(b"import Pyro4  # \xe9\n")
    (folder / "note.ipynb").write_text('{"source": "import Pyro4"}')
    (folder / "start.sh").write_text(
        "#!/bin/sh\nexport PYRO_HMAC_KEY=x PYRO_NS_PORT=9\n"
        "python -m Pyro4.naming -k x &\npyro5-ns -x\npyro4-nsc list\n"
        "python3 -m Pyro5.utils.echoserver\npyro4-flameserver\nmypyro5-ns\n"
    )
    (folder / "requirements-dev.txt").write_text("Pyro5>=5.14\npytest\n")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.py").write_text("import Pyro4\n")
    (folder / "venv").mkdir()
    (folder / "venv" / "pyvenv.cfg").write_text("")
    (folder / "venv" / "x.py").write_text("import Pyro4\n")


def test_a_folder_is_read_with_scripts_and_without_what_others_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path)
    assert main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    assert f"{tmp_path}/tool:2:1: rewrite import: " in text
    assert f"{tmp_path}/package/server.py:1:1: rewrite import: " in text
    assert f"{tmp_path}/latin.py:0:0: change encoding: its encoding is not" in text
    assert f"{tmp_path}/note.ipynb:0:0: unread notebook: " in text
    assert f"{tmp_path}/requirements-dev.txt:1:1: hint requirement: " in text
    shell = [line.partition("start.sh:")[2] for line in lines if "start.sh" in line]
    places = [(line.split(":")[0], line.split("; ")[-1][:20]) for line in shell]
    assert [number for number, _ in places] == ["2", "3", "3", "4", "5", "6", "7"]
    assert "pyro-nsc" in shell[4]
    assert "pyro-echoserver" in shell[5]
    assert "expose" in shell[6]
    for left_out in ("plain.py", "wrong.py", ".hidden", "venv"):
        assert left_out not in text
    assert lines[-1].startswith("3 programs of Pyro4 or Pyro5, ")
    assert lines[-1].endswith("1 file not read")
    assert "default of config.THREADPOOL_SIZE: 40 in Pyro4, 80 here" in text


def test_the_report_is_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path)
    assert main([str(tmp_path), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    files = {one["path"]: one for one in report["files"]}
    finding = files[f"{tmp_path}/package/server.py"]["findings"][0]
    assert finding == {
        "line": 1,
        "column": 1,
        "level": "rewrite",
        "code": "import",
        "message": "import Pyro5.api imports what pyro_suite has",
        "advice": "write import pyro_suite",
    }
    assert report["counts"] == {"change": 1, "hint": 8, "rewrite": 2, "unread": 1}
    assert report["defaults"]["Pyro4"]["THREADPOOL_SIZE"] == {"theirs": 40, "ours": 80}


def test_links_are_not_followed_and_their_targets_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("import Pyro4\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        (folder / "link.py").symlink_to(outside)
        (folder / "loop").symlink_to(folder)
    except OSError:
        pytest.skip("this system has no symbolic links")
    assert main([str(folder), "--apply"]) == 0
    assert "unread link: it is a symbolic link to" in capsys.readouterr().out
    assert outside.read_text() == "import Pyro4\n"
    # One that is named is followed, and stays a link.
    assert main([str(folder / "link.py"), "--apply"]) == 0
    assert (folder / "link.py").is_symlink()
    assert outside.read_text() == "import pyro_suite\n"
    assert backup_of(outside).read_text() == "import Pyro4\n"


def test_a_backup_that_is_there_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("import Pyro4\n")
    (tmp_path / "b.py.orig").write_text("precious")
    assert main([str(tmp_path), "--apply"]) == 2
    assert (
        "b.py.orig is there already, and nothing was changed" in capsys.readouterr().err
    )
    assert (tmp_path / "a.py").read_text() == "import Pyro4\n"
    assert (tmp_path / "b.py.orig").read_text() == "precious"
    assert not (tmp_path / "a.py.orig").exists()


def test_a_file_that_cannot_be_written_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_text("import Pyro4\n")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        apply(list(examine(path)))
    assert path.read_text() == "import Pyro4\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.py"]


def test_encodings_line_ends_and_comments_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    original = (
        b"\xef\xbb\xbfimport Pyro4 # one\r\n\x0c\r\n"
        b"if 1:\r\n\timport Pyro4.core ;x=1\r\n"
    )
    path.write_bytes(original)
    assert main([str(path), "--apply"]) == 0
    assert path.read_bytes() == (
        b"\xef\xbb\xbfimport pyro_suite # one\r\n\x0c\r\n"
        b"if 1:\r\n\timport pyro_suite ;x=1\r\n"
    )


def test_usage_and_paths_that_do_not_exist_end_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.py")]) == 2
    assert "none.py: No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ending:
        main([])
    assert ending.value.code == 2
    (tmp_path / "own.py").write_text("import json\n")
    assert main([str(tmp_path)]) == 0
