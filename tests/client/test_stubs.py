"""``pyro-stubs``: classes for type checkers from what a live object offers."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_client import Proxy, connect
from pyro_client.stubbing import stub_source
from pyro_client.stubs import main
from pyro_protocol import expose, oneway
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import read_description
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.hosting import HostThread


@expose
class Lamp:
    """Gives light."""

    def switch(self, on: bool = True) -> None:
        """Switch it."""

    @oneway
    def flash(self) -> None:
        return

    @property
    def colour(self) -> str:
        return "red"


LAMP = '''\
from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class Lamp(Protocol):
    """Gives light."""

    @property
    def colour(self) -> str: ...

    # One way: callers do not wait for it.
    def flash(self) -> None: ...

    def switch(self, on: bool = True) -> None:
        """Switch it."""
        ...


class AsyncLamp(Protocol):
    """Gives light."""

    @property
    def colour(self) -> Awaitable[str]: ...

    # One way: callers do not wait for it.
    async def flash(self) -> None: ...

    async def switch(self, on: bool = True) -> None:
        """Switch it."""
        ...
'''


@pytest.fixture
def lamp(host: HostThread) -> str:
    """The URI of a lamp."""
    return str(host.register(Lamp(), "house.lamp"))


@pytest.fixture
def stubs(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command; returns status, output and errors."""

    def stubs(*args: str) -> tuple[int, str, str]:
        status: object
        try:
            status = main(args)
        except SystemExit as error:
            status = error.code
        captured = capsys.readouterr()
        assert isinstance(status, int)
        return status, captured.out, captured.err

    return stubs


def source_of(data: Any, class_name: str | None = None) -> str:
    """Return the stubs for a description as it comes from a server."""
    description = read_description(data)
    assert description is not None
    return stub_source(description, about="Stubs.", class_name=class_name)


def source_of_class(clazz: type) -> str:
    return source_of(describe_members(members_of(clazz), clazz))


def imported(source: str) -> dict[str, Any]:
    """Run a module of stubs, and return what is in it."""
    module = types.ModuleType("written")
    sys.modules["written"] = module
    try:
        exec(compile(source, "written.py", "exec", dont_inherit=True), vars(module))
    finally:
        del sys.modules["written"]
    return vars(module)


def method(name: str = "run", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "method", "parameters": [], "returns": "int"} | more


def parameter(name: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "positional_or_keyword",
        "annotation": "int",
        "required": True,
        "default": None,
    } | more


def signature(**more: Any) -> str:
    """Return the line of one method as it is written."""
    source = source_of({"class": "A", "methods": [method(**more)], "attributes": []})
    (line,) = (one for one in source.splitlines() if one.startswith("    def "))
    return line.strip()


# The command


def test_what_is_written_can_be_read_and_used(
    stubs: Callable[..., tuple[int, str, str]], lamp: str, tmp_path: Path
) -> None:
    status, output, errors = stubs(lamp)
    assert (status, errors) == (0, "")
    assert output == f'"""Stubs of {lamp}, written by pyro-stubs."""\n\n{LAMP}'
    assert stubs(lamp, "-o", str(tmp_path / "lamp.py")) == (0, "", "")
    assert (tmp_path / "lamp.py").read_text("utf-8") == output
    proxy: Any = connect(imported(output)["Lamp"], lamp)
    assert proxy.colour == "red"


def test_the_class_can_have_another_name(
    stubs: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    _, output, _ = stubs(lamp, "--class", "Light")
    assert "class Light(Protocol):" in output
    assert "class AsyncLight(Protocol):" in output


@pytest.mark.parametrize("name", ["two words", "class", "_private", "", "1"])
def test_what_cannot_name_a_class_is_wrong_usage(
    stubs: Callable[..., tuple[int, str, str]], lamp: str, name: str
) -> None:
    status, output, errors = stubs(lamp, f"--class={name}")
    if name:
        assert (status, output) == (2, "")
        assert f"not a name for a class: {name!r}" in errors
    else:
        assert (status, "class Lamp(" in output) == (0, True)


def test_a_file_that_cannot_be_written_is_one_line(
    stubs: Callable[..., tuple[int, str, str]], lamp: str, tmp_path: Path
) -> None:
    status, output, errors = stubs(lamp, "-o", str(tmp_path / "none" / "lamp.py"))
    assert (status, output) == (1, "")
    assert errors.startswith("pyro-stubs: cannot write ")
    assert errors.count("\n") == 1


def test_a_server_that_is_not_there_is_one_line(
    stubs: Callable[..., tuple[int, str, str]],
    closed_location: str,
    host: HostThread,
    tmp_path: Path,
) -> None:
    for uri in (f"PYRO:lamp@{closed_location}", f"PYRO:lamp@{host.location}"):
        status, output, errors = stubs(uri, "-o", str(tmp_path / "lamp.py"))
        assert (status, output) == (3, "")
        assert errors.startswith("pyro-stubs: ")
        assert errors.count("\n") == 1
    assert not (tmp_path / "lamp.py").exists()


def test_a_malformed_uri_is_wrong_usage(
    stubs: Callable[..., tuple[int, str, str]],
) -> None:
    status, _, errors = stubs("lamp")
    assert status == 2
    assert "invalid uri: 'lamp'" in errors


def test_the_module_can_be_run(lamp: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client.stubs", "--timeout", "20", lamp],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(LAMP)


def test_of_an_object_of_pyro5_the_names_are_written(
    stubs: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    server = tmp_path / "server.py"
    server.write_text(PYRO5_SERVER, "utf-8")
    with Program(server, python=pyro5_python()) as program:
        uri = program.wait_for(r"^ready at (\S+)$")[1]
        status, output, errors = stubs(uri)
        assert (status, errors) == (0, "")
        assert "so only the names are known" in output
        assert "class DarkRoom(Protocol):" in output
        assert "    level: Any\n" in output
        assert "    def add(self, *args: Any, **kwargs: Any) -> Any: ...\n" in output
        assert "    def note(self, *args: Any, **kwargs: Any) -> None: ...\n" in output
        room: Any = connect(imported(output)["DarkRoom"], uri)
        assert room.add(2, 3) == 5
        assert isinstance(room, Proxy)


PYRO5_SERVER = """
from Pyro5.api import Daemon, expose, oneway

@expose
class Adder:
    def add(self, a, b):
        return a + b

    @oneway
    def note(self):
        pass

    @property
    def level(self):
        return 1

daemon = Daemon(host="127.0.0.1")
print("ready at", daemon.register(Adder(), "lab.dark_room"), flush=True)
daemon.requestLoop()
"""


# Signatures


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (None, "Any"),
        ("int", "int"),
        ("None", "None"),
        ("list", "list[Any]"),
        ("dict", "dict[Any, Any]"),
        ("tuple", "tuple[Any, ...]"),
        ("tuple[()]", "tuple[()]"),
        ("tuple[int, ...]", "tuple[int, ...]"),
        ("collections.abc.Callable", "Callable[..., Any]"),
        ("collections.abc.Callable[[int, str], None]", "Callable[[int, str], None]"),
        ("collections.abc.Callable[..., int]", "Callable[..., int]"),
        ("collections.abc.Sequence", "Sequence[Any]"),
        ("int | None", "int | None"),
        ("typing.Optional[int]", "Optional[int]"),
        ("dict[str, list[datetime.date]]", "dict[str, list[datetime.date]]"),
        (
            "typing.Literal['a', \"b'c\", -1, b'x', None]",
            'Literal["a", "b\'c", -1, b"x", None]',
        ),
        ("'list[int]'", "list[int]"),
        ("typing.Self", "Self"),
        ("A", "A"),
        ("Mapping[str, int]", "Mapping[str, int]"),
        ("Sequence[Nowhere]", "Sequence[Any]"),
        ("numpy.ndarray", "Any"),
        ("os.system", "Any"),
        ("os.PathLike", "os.PathLike[Any]"),
        ("antigravity.fly", "Any"),
        ("print('a')", "Any"),
        ("int or print('a')", "Any"),
        ("list[print('a')]", "list[Any]"),
        ("[int, str]", "Any"),
        ("(lambda: 1)()", "Any"),
        ("int\nimport os", "Any"),
        ("int: ...\n    x = 1", "Any"),
        ("a.b.c.d", "Any"),
        ("typing.Literal[print]", "Any"),
        ("int.real", "Any"),
        ("...", "Any"),
        ("1", "Any"),
        ("", "Any"),
        ("'" * 50, "Any"),
        ("(" * 300 + "int" + ")" * 300, "Any"),
        ("list[" * 80 + "int" + "]" * 80, None),
        ("a" + ".a" * 900, "Any"),
        ("-" * 1000 + "1", "Any"),
        ("int | " * 300 + "int", None),
        ("x" * 3000, "Any"),
    ],
    ids=str,
)
def test_only_annotations_that_are_understood_are_written(
    annotation: str | None, written: str | None
) -> None:
    source = source_of(
        {
            "class": "A",
            "methods": [method(parameters=[parameter(annotation=annotation)])],
        }
    )
    imported(source)
    if written is not None:
        line = f"    def run(self, a: {written}) -> int: ..."
        assert line in source.splitlines()


def test_what_became_any_is_told_in_a_comment() -> None:
    source = source_of(
        {"methods": [method(returns="numpy.ndarray | None"), method("stop")]}
    )
    comment = "    # Any stands for what is not known here: numpy.ndarray | None"
    assert f"{comment}\n    def run(self) -> Any | None: ...\n" in source
    assert source.count("# Any") == 2


@pytest.mark.parametrize(
    ("default", "annotation", "written"),
    [
        ("5", "int", "5"),
        ("5", "float", "5"),
        ("None", "int | None", "None"),
        ("None", "int", "..."),
        ("None", None, "None"),
        ("True", "bool", "True"),
        ("'a\\'b'", "str", '"a\'b"'),
        ("'a'", "typing.Literal['a', 'b']", '"a"'),
        ("'c'", "typing.Literal['a', 'b']", "..."),
        ("()", "tuple[int, ...]", "()"),
        ("(1, 2)", "tuple[int, int]", "..."),
        ("[]", "list[int]", "..."),
        ("...", "int", "..."),
        ("house.Mode.ECO", "int", "..."),
        ("__import__('os').abort()", "int", "..."),
        ("1)\n    x = (1", "int", "..."),
        ("'" + "a" * 60 + "'", "str", "..."),
        ("9" * 499, "int", "..."),
        ("float('inf')", "float", "..."),
        ("b'\\x00'", "bytes", 'b"\\x00"'),
    ],
)
def test_defaults_are_literals_that_fit(
    default: str, annotation: str | None, written: str
) -> None:
    one = parameter(default=default, required=False, annotation=annotation)
    line = signature(parameters=[one])
    assert line.endswith(f" = {written}) -> int: ...")


def test_parameters_keep_their_kinds() -> None:
    line = signature(
        parameters=[
            parameter("a", kind="positional_only"),
            parameter("b"),
            parameter("c", kind="keyword_only"),
            parameter("d", kind="var_keyword"),
        ]
    )
    expected = "def run(self, a: int, /, b: int, *, c: int, **d: int) -> int: ..."
    assert line == expected
    line = signature(
        parameters=[
            parameter("a", kind="var_positional"),
            parameter("b", kind="keyword_only"),
        ]
    )
    assert line == "def run(self, *a: int, b: int) -> int: ..."


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        [parameter("self")],
        [parameter("a"), parameter("a")],
        [parameter("__a")],
        [parameter("a b")],
        [parameter("class")],
        [parameter("a): ...\n    def b(")],
        [parameter("a", required=False, default="1"), parameter("b")],
        [parameter("a", kind="keyword_only"), parameter("b")],
        [parameter("a", kind="any")],
        ["a"],
    ],
)
def test_parameters_that_python_would_refuse_are_left_open(parameters: Any) -> None:
    line = signature(parameters=parameters)
    assert line == "def run(self, *args: Any, **kwargs: Any) -> int: ..."


@pytest.mark.parametrize(
    ("kind", "returns", "written"),
    [
        ("stream", "collections.abc.Iterator[int]", "Iterator[int]"),
        ("stream", "collections.abc.Generator[int, None, str]", "Iterator[int]"),
        ("stream", "collections.abc.AsyncIterator[int]", "Iterator[int]"),
        ("stream", "collections.abc.Iterator", "Iterator[Any]"),
        ("stream", None, "Iterator[Any]"),
        ("stream", "house.Stream", "Iterator[Any]"),
        ("method", "collections.abc.Iterator[int]", "Iterator[int]"),
        ("method", "list[int]", "list[int]"),
        ("oneway", "int", "None"),
        ("oneway", "collections.abc.Iterator[int]", "None"),
    ],
)
def test_streams_are_iterators_of_the_kind_of_proxy(
    kind: str, returns: str | None, written: str
) -> None:
    source = source_of({"methods": [method(kind=kind, returns=returns)]})
    assert f"    def run(self) -> {written}: ...\n" in source
    if written.startswith("Iterator"):
        assert f"    def run(self) -> Async{written}: ...\n" in source
    else:
        assert f"    async def run(self) -> {written}: ...\n" in source


# Names and classes


def test_an_enumeration_that_is_no_other_class_gives_no_defaults() -> None:
    member = {"kind": "enum", "members": [{"name": "a", "text": "1"}]}
    default = {"required": False, "default": "m.A.a", "annotation": "m.A"}
    source = source_of(
        {
            "class": "A",
            "module": "m",
            "methods": [method(parameters=[parameter() | default])],
            "types": {
                "m.A": member,
                "m.B": {"kind": "dataclass", "fields": [field("x") | default]},
            },
        }
    )
    assert "def run(self, a: A = ...) -> int: ..." in source
    assert imported(source)["B"]().x is ...


def test_members_may_be_called_as_what_annotations_name() -> None:
    @expose
    class Awkward:
        def list(self) -> list[int]:
            return []

        def str(self) -> str:
            return ""

        def Any(self) -> Any:  # noqa: N802 - this is the point
            return None

        def Iterator(self) -> Iterator[int]:  # noqa: N802 - this is the point
            yield 1

        def property(self) -> int:
            return 1

        def Awkward(self) -> int:  # noqa: N802 - this is the point
            return 1

    source = source_of_class(Awkward)
    tree = ast.parse(source)
    assert "def list(self) -> _builtins.list[int]: ..." in source
    assert "def str(self) -> _builtins.str: ..." in source
    assert "from typing import Any as _Any" in source
    assert "def Iterator(self) -> _Iterator[int]: ..." in source
    assert {"Awkward", "AsyncAwkward"} <= imported(source).keys()
    assert tree.body


def test_the_own_class_is_that_of_the_proxy() -> None:
    source = source_of(
        {
            "class": "House.Room",
            "module": "lab",
            "methods": [method(returns="list[lab.House.Room]")],
        }
    )
    assert "class Room(Protocol):\n    def run(self) -> list[Room]: ..." in source
    assert "async def run(self) -> list[AsyncRoom]: ..." in source


def test_what_the_server_could_not_resolve_is_looked_for_among_its_classes() -> None:
    alias = {"kind": "alias", "of": "str"}
    source = source_of(
        {
            "methods": [
                method("one", returns="Frame"),
                method("two", returns="list[int]"),
                method("three", returns="Twice"),
                method("four", returns="lab.list"),
            ],
            "types": {
                "lab.Frame": alias,
                "lab.list": alias,
                "lab.Twice": alias,
                "other.Twice": alias,
            },
        }
    )
    assert "    def one(self) -> Frame: ..." in source
    assert "    def two(self) -> _builtins.list[int]: ..." in source
    assert "    def three(self) -> Any: ..." in source
    assert "    def four(self) -> list: ..." in source
    imported(source)


def field(name: str, annotation: str = "int", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "annotation": annotation,
        "keyword_only": False,
        "required": True,
        "default": None,
    } | more


def test_described_classes_are_written_and_work() -> None:
    optional: Any = {"required": False, "default": "..."}
    none: Any = {"required": False, "default": "None"}
    in_mode_a: Any = {"required": False, "default": "lab.Mode.A"}
    source = source_of(
        {
            "class": "Room",
            "module": "lab",
            "methods": [
                method(
                    returns="lab.Point",
                    parameters=[
                        parameter("other", annotation="lab.other.Mode"),
                        parameter("mode", annotation="lab.Mode") | in_mode_a,
                    ],
                )
            ],
            "types": {
                "lab.Mode": {
                    "kind": "enum",
                    "doc": "Ways.",
                    "members": [
                        {"name": "A", "text": "'a'"},
                        {"name": "B", "text": "..."},
                        {"name": "C", "text": "(1, 2)"},
                    ],
                },
                "lab.other.Mode": {
                    "kind": "enum",
                    "members": [{"name": "A", "text": "1"}],
                },
                "lab.Point": {
                    "kind": "dataclass",
                    "fields": [
                        field("x"),
                        field("mode", "lab.Mode", **in_mode_a),
                        field("odd", **optional),
                        field("tags", "list[str]", required=False, default="[]"),
                        field("size", keyword_only=True),
                        field("next", "lab.Point | None", **none, keyword_only=True),
                    ],
                },
                "lab.Pair": {
                    "kind": "namedtuple",
                    "fields": [field("a"), field("b", **optional)],
                },
                "lab.Opts": {
                    "kind": "typeddict",
                    "fields": [field("a"), field("b", **optional)],
                },
                "lab.Id": {"kind": "alias", "of": "list[lab.Point]"},
                "lab.Odd": {"kind": "dataclass", "fields": [field("a b")]},
                "lab.Count": {"kind": "namedtuple", "fields": [field("count")]},
                "lab.bad name": {"kind": "alias", "of": "int"},
                "lab.Strange": {"kind": "secret", "of": "int"},
            },
        }
    )
    names = imported(source)
    mode, point = names["Mode"], names["Point"]
    assert [one.value for one in mode][::2] == ["a", (1, 2)]
    assert names["lab_other_Mode"].A.value == 1
    one = point(1, size=2)
    assert (one.mode, one.tags, one.next) == (mode.A, [], None)
    assert names["Pair"](1).a == 1
    assert names["Opts"](a=1) == {"a": 1}
    assert "    b: NotRequired[int]" in source
    assert 'Id: TypeAlias = "list[Point]"' in source
    assert 'Odd: TypeAlias = "Any"' in source
    assert 'Count: TypeAlias = "Any"' in source
    line = "    def run(self, other: lab_other_Mode, mode: Mode = Mode.A) -> Point: ..."
    assert line in source.splitlines()
    assert "bad name" not in source
    assert "Strange" not in source


def test_docstrings_cannot_be_left() -> None:
    nasty = 'Ends.\n"""\nimport os\n\\"""\\N{DIGIT ONE}\x1b[2J\u202e\r\x0c"'
    source = source_of(
        {"doc": nasty, "methods": [method(doc=nasty)], "attributes": [
            {"name": "a", "readable": True, "writable": True, "doc": nasty},
            {"name": "b", "readable": False, "writable": True},
            {"name": "_c"}, {"name": "d e"},
        ]}
    )  # fmt: skip
    tree = ast.parse(source)
    kinds = [type(one).__name__ for one in tree.body]
    assert kinds == [
        "Expr",
        "ImportFrom",
        "ImportFrom",
        "ImportFrom",
        "ClassDef",
        "ClassDef",
    ]
    assert source.replace("\n", "").isprintable()
    doc = ast.get_docstring(tree.body[4], clean=False)  # type: ignore[arg-type] # a class
    assert doc is not None
    assert '"""\n    import os' in doc
    assert "# It can only be set." in source
    assert "_c" not in source


@pytest.mark.parametrize(
    "doc",
    ['"', '""', '"""', '""""', '\\"', "\\", 'a"""\\"""', '""\\"""""\n"', "\\\n", " \t"],
)
def test_docstrings_say_what_they_said(doc: str) -> None:
    tree = ast.parse(source_of({"methods": [method(doc=doc)]}))
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    expected = doc.strip().replace("\n", "\n        ")
    (found,) = {ast.get_docstring(one, clean=False) or "" for one in functions}
    assert found.rstrip() == expected.rstrip()


TEXTS = st.one_of(
    st.sampled_from(
        ["a", "b", "A", "list", "int", "self", "class", "__len__", "__iter__", "_x", "",
         "a b", "Any", "typing.Any", "m.A", "m.B", "m.C.D", "list[m.A]", "m.A | None",
         "m.B.a", "m.A.a", "m", "collections.abc.Iterator[m.A]",
         '"""', "\\", "\n", "x\n    y",
         "'", "1", "[]", "()", "None", "typing.Literal[m.B.a]", "#", "enum", "mro",
         "dataclasses",
         "_unknown", "Protocol", "property", "builtins", "_builtins", "{1: [2]}", "-1"]
    ),
    st.text(max_size=8),
)  # fmt: skip
FIELDS = st.lists(
    st.fixed_dictionaries(
        {"name": TEXTS},
        optional={
            "annotation": TEXTS,
            "kind": st.sampled_from(
                ["positional_only", "positional_or_keyword", "var_positional",
                 "keyword_only", "var_keyword"]
            ),
            "required": st.booleans(),
            "default": TEXTS,
            "text": TEXTS,
            "keyword_only": st.booleans(),
        },
    ),
    max_size=4,
)  # fmt: skip
DESCRIPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "class": TEXTS,
        "module": TEXTS,
        "doc": TEXTS,
        "methods": st.lists(
            st.fixed_dictionaries(
                {"name": TEXTS},
                optional={
                    "kind": st.sampled_from(["method", "stream", "oneway"]),
                    "parameters": FIELDS,
                    "returns": TEXTS,
                    "doc": TEXTS,
                },
            ),
            max_size=4,
        ),
        "attributes": st.lists(
            st.fixed_dictionaries(
                {"name": TEXTS},
                optional={
                    "annotation": TEXTS,
                    "doc": TEXTS,
                    "writable": st.booleans(),
                },
            ),
            max_size=4,
        ),
        "types": st.dictionaries(
            st.sampled_from(
                ["m.A", "m.B", "m.C.D", "int", "A", "x y", "m.list", "n.A"]
            ),
            st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(
                        ["dataclass", "namedtuple", "typeddict", "enum", "alias"]
                    )
                },
                optional={
                    "fields": FIELDS,
                    "members": FIELDS,
                    "of": TEXTS,
                    "doc": TEXTS,
                },
            ),
            max_size=5,
        ),
    },
)


@given(DESCRIPTIONS)
@settings(deadline=None)
def test_whatever_a_server_says_the_module_can_be_imported(data: Any) -> None:
    source = source_of(data)
    assert source.replace("\n", "").isprintable()
    names = imported(source)
    classes = {one for one in names.values() if getattr(one, "_is_protocol", False)}
    one, other = sorted(
        (each for each in classes if each.__module__ == "written"),
        key=lambda each: len(each.__name__),
    )
    assert other.__name__ == f"Async{one.__name__}"
    assert source == source_of(data)
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    called = {ast.unparse(node.func).removeprefix("_") for node in calls}
    assert called <= {"dataclasses.field", "object"}
