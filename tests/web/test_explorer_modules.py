"""What the parts of the explorer compute, asked in the browser."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.browsing import Visitor, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from support.gateway import GatewayProcess

TYPES = {
    "house.Mode": {"kind": "enum", "members": [{"name": "ECO"}, {"name": "BOOST"}]},
    "house.Point": {
        "kind": "dataclass",
        "fields": [
            {"name": "x", "annotation": "float", "required": True},
            {"name": "mode", "annotation": "house.Mode", "required": True},
            {"name": "next", "annotation": "house.Point | None", "value": None},
        ],
    },
    "house.Id": {"kind": "alias", "of": "int"},
    "house.Loop": {"kind": "alias", "of": "house.Loop"},
}
TEXTS = [
    *("", "it's", 'say "so"', "'\"", "\\", "\\n\n\r\t", "`$x`"),
    *("\u00e9\x00\x7f", "\u2028\U0001f600"),
]


@pytest.fixture(scope="module")
def page(browser: Browser, gateway: GatewayProcess) -> Iterator[Page]:
    """The explorer, for all tests of this module: they change nothing in it."""
    visitor = Visitor(browser, gateway.port)
    page = visitor.open()
    expect(page.locator("#standing")).to_have_text("live")
    yield page
    visitor.close()
    assert visitor.problems == []


def ask(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """Return what a function of a module returns."""
    program = """([name, member, args]) =>
        import(`/static/${name}.js`).then((found) => found[member](...args))"""
    return page.evaluate(program, [module, function, list(arguments)])


@pytest.mark.parametrize(
    ("annotation", "kind", "nullable"),
    [
        (None, "any", False),
        ("int", "integer", False),
        ("float | int", "number", False),
        ("str | None", "text", True),
        ("typing.Optional[datetime.date]", "date", True),
        ("None | bytes", "bytes", True),
        ("typing.Literal['a', \"b\", 3, None]", "choice", True),
        ("house.Mode", "choice", False),
        ("house.Mode | None", "choice", True),
        ("house.Id", "integer", False),
        ("house.Loop", "any", False),
        ("house.Point", "record", False),
        ("list[house.Point]", "list", False),
        ("collections.abc.Sequence[int]", "list", False),
        ("tuple[()]", "list", False),
        ("dict[str, list[int]]", "map", False),
        ("datetime.timedelta", "duration", False),
        ("decimal.Decimal", "decimal", False),
        ("int | str", "any", False),
        ("collections.abc.Callable[[int], str]", "any", False),
        ("other.Thing", "any", False),
        ("int[", "any", False),
        ("a b c ]][ '", "any", False),
        ("constructor", "any", False),
        ("__proto__", "any", False),
    ],
)
def test_annotations_have_shapes(
    page: Page, annotation: str | None, kind: str, nullable: bool
) -> None:
    shape = ask(page, "annotations", "shapeOf", annotation, TYPES)
    assert (shape["kind"], shape["nullable"]) == (kind, nullable)


def test_literals_are_values_of_json(page: Page) -> None:
    annotation = r"typing.Literal['it\'s', 'a\\b\n', -3, True, False, 'x, ] | y']"
    shape = ask(page, "annotations", "shapeOf", annotation, {})
    values = [option["json"] for option in shape["options"]]
    assert values == ["it's", "a\\b\n", -3, True, False, "x, ] | y"]


def test_annotations_are_shown_without_modules(page: Page) -> None:
    text = "collections.abc.Iterator[dict[str, house.Point | None]]"
    shown = ask(page, "annotations", "shortAnnotation", text)
    assert shown == "Iterator[dict[str, Point | None]]"
    assert ask(page, "annotations", "shortAnnotation", "what ] is") == "what ] is"


def test_examples_fit_the_types_and_end(page: Page) -> None:
    shape = ask(page, "annotations", "shapeOf", "list[house.Point]", TYPES)
    example = ask(page, "example_values", "exampleOf", shape, TYPES)
    assert example == [{"x": 0.5, "mode": "ECO", "next": None}]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_quoted_as_python_does(page: Page, text: str) -> None:
    assert ast.literal_eval(ask(page, "python_text", "quoted", text)) == text


def test_data_is_written_as_python_does(page: Page) -> None:
    data = {"a": [1, 2.5, True, False, None, "x"], "b": {}, "c": []}
    assert ast.literal_eval(ask(page, "python_text", "pythonData", data)) == data


def test_json_keeps_every_digit(page: Page) -> None:
    program = """(text) => import("/static/numbers.js").then(
        ({ parseJson, writeJson }) => writeJson(parseJson(text), "  "))"""
    data = {"large": 2**80, "small": -(2**70), "list": [1, 0.5, "1234567890123456789"]}
    assert json.loads(page.evaluate(program, json.dumps(data))) == data


def test_docstrings_tell_of_arguments(page: Page) -> None:
    doc = (
        "Do it.\n\nArgs:\n    room: which one,\n        of all.\n"
        "    x, y (int): where.\n\nReturns:\n    The end: that is all."
    )
    program = """(doc) => import("/static/docstrings.js").then((found) => {
        const { doc: rest, texts } = found.splitArguments(doc);
        return [rest, Object.fromEntries(texts), found.renderDoc(rest).outerHTML];
    })"""
    rest, texts, markup = page.evaluate(program, doc)
    assert texts == {"room": "which one, of all.", "x": "where.", "y": "where."}
    assert rest.startswith("Do it.")
    assert "room" not in rest
    assert "<p>The end: that is all.</p>" in markup


@pytest.mark.parametrize(
    ("style", "texts"),
    [
        (
            "Do.\n\n:param int a: one\n:param b: two\n:type b: str",
            {"a": "one", "b": "two"},
        ),
        ("Do.", {}),
        ("", {}),
    ],
)
def test_other_styles_of_docstrings_are_read(
    page: Page, style: str, texts: dict[str, str]
) -> None:
    program = """(doc) => import("/static/docstrings.js").then(
        (found) => Object.fromEntries(found.splitArguments(doc).texts))"""
    assert page.evaluate(program, style) == texts


def test_markup_in_docstrings_is_text(page: Page) -> None:
    doc = "<b>x</b> `<i>`\n\n- <u>\n\nRaises:\n    Error: <s>\n\n>>> <em>"
    program = """(doc) => import("/static/docstrings.js").then(
        (found) => [...found.renderDoc(doc).querySelectorAll("*")].map(
            (one) => one.localName))"""
    found = set(page.evaluate(program, doc))
    assert found == {"p", "code", "ul", "li", "dl", "dt", "dd", "pre"}
