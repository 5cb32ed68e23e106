"""The arguments of a request, bound to the signature of a method."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments.binding import Bound, MethodPlan
from pyro_httpgw.arguments.plans import ObjectPlan
from pyro_httpgw.arguments.reading import Arguments
from pyro_httpgw.errors import RequestRefusedError
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import (
    DescribedField,
    DescribedMethod,
    Description,
    described_by_names,
    read_description,
)
from support.house import House


@pytest.fixture(scope="module")
def house() -> ObjectPlan:
    description = read_description(describe_members(members_of(House), House))
    assert description is not None
    return ObjectPlan(description)


def plan(house: ObjectPlan, name: str) -> MethodPlan:
    found = house.method(name)
    assert found is not None
    return found


def call(*args: Any, **kwargs: Any) -> Arguments:
    return Arguments(positional=list(args), keywords=kwargs, is_call=True)


def by_name(**keywords: Any) -> Arguments:
    return Arguments(keywords=keywords)


def query(**texts: str | list[str]) -> Arguments:
    return Arguments(
        {name: [one] if isinstance(one, str) else one for name, one in texts.items()}
    )


def errors_of(house: ObjectPlan, name: str, arguments: Arguments) -> list[Any]:
    with pytest.raises(RequestRefusedError) as caught:
        plan(house, name).bind(arguments)
    assert caught.value.status == 422
    return [(one["loc"], one["msg"]) for one in caught.value.members["errors"]]


@pytest.mark.parametrize(
    ("method", "arguments", "args", "kwargs"),
    [
        ("add", query(a="2", b="3"), [], {"a": 2, "b": 3}),
        ("add", query(a="2"), [], {"a": 2}),
        ("add", call(2, 3), [], {"a": 2, "b": 3}),
        ("add", call(2, b=3), [], {"a": 2, "b": 3}),
        ("add", by_name(a=2, b=3), [], {"a": 2, "b": 3}),
        ("add", Arguments({"b": ["3"]}, keywords={"a": 2}), [], {"a": 2, "b": 3}),
        ("add", Arguments({"b": ["3"]}, form={"a": ["2"]}), [], {"a": 2, "b": 3}),
        ("positional", query(a="1"), [1], {}),
        ("positional", query(a="1", b="5"), [1, 5], {}),
        ("positional", query(a="1", c="5"), [1], {"c": 5}),
        ("positional", call(1, 2, 3), [1, 2], {"c": 3}),
        ("positional", by_name(c=3, b=2, a=1), [1, 2], {"c": 3}),
        ("named", query(a="1", b="x"), [], {"a": 1, "b": "x"}),
        ("total", query(first="1", values=["2", "3"]), [1, 2.0, 3.0], {}),
        ("total", query(first="1", values="2"), [1, 2.0], {}),
        ("total", query(first="1", scale="2"), [], {"first": 1, "scale": 2.0}),
        ("total", call(1, 2, 3, scale=4), [1, 2.0, 3.0], {"scale": 4.0}),
        ("total", by_name(first=1, values=[2, 3]), [1, 2.0, 3.0], {}),
        ("open", query(b="2", c=["3", "4"]), [], {"b": "2", "c": ["3", "4"]}),
        ("open", by_name(a=1, b=[2]), [], {"a": 1, "b": [2]}),
        ("weigh", query(x="1"), [], {"x": 1.0}),
        ("weigh", by_name(x=1, self=2), [], {"x": 1.0, "self": 2.0}),
        ("call", call([1], {"a": 1}), [], {"args": [1], "kwargs": {"a": 1}}),
        ("call", call(args=[1]), [], {"args": [1]}),
        ("notes_so_far", Arguments(), [], {}),
    ],
)
def test_arguments_get_to_their_parameters(
    house: ObjectPlan,
    method: str,
    arguments: Arguments,
    args: list[Any],
    kwargs: dict[str, Any],
) -> None:
    bound = plan(house, method).bind(arguments)
    assert bound == (args, kwargs)
    assert list(map(type, bound.args)) == list(map(type, args))


@pytest.mark.parametrize(
    "texts",
    [{"a": ["2"], "b": ["3"]}, {"a": ["2"]}],
)
def test_the_short_way_of_a_query_alone_gives_the_same(
    house: ObjectPlan, texts: dict[str, list[str]]
) -> None:
    add = plan(house, "add")
    assert add.bind_query(texts) == add.bind(Arguments(texts))


@pytest.mark.parametrize("method", ["positional", "total", "open", "weigh"])
def test_the_short_way_leaves_to_the_long_one_what_it_cannot_do(
    house: ObjectPlan, method: str
) -> None:
    texts = {"a": ["1"], "first": ["2"], "values": ["3"]}
    accepted = {
        "positional": {"a": ["1"]},
        "total": {"first": ["2"], "values": ["3"]},
    }.get(method, texts)
    long_way = plan(house, method).bind(Arguments(accepted))
    assert plan(house, method).bind_query(accepted) == long_way


@pytest.mark.parametrize("texts", [{}, {"a": ["x"]}, {"a": ["1"], "c": ["2"]}])
def test_the_short_way_refuses_what_the_long_one_refuses(
    house: ObjectPlan, texts: dict[str, list[str]]
) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        plan(house, "add").bind_query(texts)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("method", "arguments", "errors"),
    [
        ("add", query(), [(["query", "a"], "is missing")]),
        ("add", by_name(b=1), [(["body", "a"], "is missing")]),
        ("add", call(b=1), [(["body", "kwargs", "a"], "is missing")]),
        (
            "add",
            query(aa="1", b="x"),
            [
                (["query", "aa"], "is not a parameter; did you mean 'a'?"),
                (["query", "b"], "expected an integer, not 'x'"),
                (["query", "a"], "is missing"),
            ],
        ),
        (
            "add",
            call("x", 2, 3, c=4),
            [
                (["body", "args", 0], "expected an integer, not 'x'"),
                (
                    ["body", "args", 2],
                    "one too many: it takes 2 by position at most",
                ),
                (["body", "kwargs", "c"], "is not a parameter"),
            ],
        ),
        ("add", call(1, a=2), [(["body", "kwargs", "a"], "is given twice")]),
        (
            "add",
            Arguments({"a": ["1"]}, form={"a": ["2"]}),
            [(["query", "a"], "is given twice")],
        ),
        (
            "named",
            call(1),
            [
                (
                    ["body", "args", 0],
                    "one too many: it takes 0 by position at most",
                ),
                (["body", "kwargs", "a"], "is missing"),
            ],
        ),
        (
            "total",
            call(1, "x", 2, "y"),
            [
                (["body", "args", 1], "expected a number, not 'x'"),
                (["body", "args", 3], "expected a number, not 'y'"),
            ],
        ),
        (
            "total",
            query(first="1", values=["2", "x"]),
            [(["query", "values", 1], "expected a number, not 'x'")],
        ),
        ("weigh", by_name(x="a"), [(["body", "x"], "expected a number, not 'a'")]),
    ],
)
def test_all_that_does_not_fit_is_told_at_once(
    house: ObjectPlan, method: str, arguments: Arguments, errors: list[Any]
) -> None:
    assert errors_of(house, method, arguments) == errors


@pytest.mark.parametrize(
    ("method", "whole", "texts", "expected"),
    [
        ("store", b"a", {}, {"data": b"a"}),
        ("store", b"", {"name": ["n"]}, {"data": b"", "name": "n"}),
        ("write", "a", {"size": ["3"]}, {"text": "a", "size": 3}),
        ("echo", b"a", {}, {"value": b"a"}),
        ("echo", "a", {}, {"value": "a"}),
        ("texts", "a", {"text": ["b"]}, None),
    ],
)
def test_a_whole_body_is_the_argument_that_the_query_leaves_open(
    house: ObjectPlan,
    method: str,
    whole: str | bytes,
    texts: dict[str, list[str]],
    expected: dict[str, Any] | None,
) -> None:
    arguments = Arguments(texts, whole=whole)
    if expected is None:
        ((place, said),) = errors_of(house, method, arguments)
        assert place == ["body"]
        assert said.startswith("which of anything, plain is it?")
        return
    assert plan(house, method).bind(arguments) == ([], expected)


@pytest.mark.parametrize(
    ("method", "whole", "texts"),
    [
        ("add", b"a", {}),
        ("store", "a", {"name": ["n"]}),
    ],
)
def test_a_whole_body_that_no_parameter_takes_is_of_the_wrong_type(
    house: ObjectPlan, method: str, whole: str | bytes, texts: dict[str, list[str]]
) -> None:
    with pytest.raises(RequestRefusedError, match="no parameter left") as caught:
        plan(house, method).bind(Arguments(texts, whole=whole))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("method", "whole", "texts", "expected"),
    [
        ("store", b"", {}, {"data": b""}),
        ("write", "", {}, {"text": ""}),
        ("store", b"", {"data": ["YQ=="]}, {"data": b"a"}),
        ("texts", "", {}, {}),
    ],
)
def test_an_empty_body_is_an_argument_only_where_one_is_needed(
    house: ObjectPlan,
    method: str,
    whole: str | bytes,
    texts: dict[str, list[str]],
    expected: dict[str, Any],
) -> None:
    arguments = Arguments(texts, whole=whole)
    assert plan(house, method).bind(arguments) == Bound([], expected)


@pytest.mark.parametrize(
    ("method", "arguments", "most"),
    [
        ("add", call(*range(100_000)), 1),
        ("total", call(*["x"] * 100_000), 100),
        ("add", by_name(**{f"x{n}": n for n in range(10_000)}), 101),
    ],
)
def test_of_very_many_mistakes_a_few_are_looked_for(
    house: ObjectPlan, method: str, arguments: Arguments, most: int
) -> None:
    assert len(plan(house, method).try_bind(arguments)[1]) <= most


def test_a_dictionary_that_names_a_class_is_refused(house: ObjectPlan) -> None:
    arguments = by_name(value=[{"__class__": "x"}])
    arguments.names_class = True
    assert errors_of(house, "echo", arguments) == [
        (["body"], "the key __class__ is not allowed here")
    ]


def test_a_class_may_be_named_where_it_is_expected(house: ObjectPlan) -> None:
    arguments = by_name(room={"__class__": "support.house.Room", "name": "a"})
    arguments.names_class = True
    (room,) = plan(house, "furnish").bind(arguments).kwargs.values()
    assert room.fields == {"name": "a"}


def unknown() -> MethodPlan:
    found = ObjectPlan(described_by_names(None, ["heat"], [], [])).method("heat")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (query(a="1", b=["2", "3"]), Bound([], {"a": "1", "b": ["2", "3"]})),
        (call(1, b={"c": 2}), Bound([1], {"b": {"c": 2}})),
        (Arguments({"a": ["1"]}, whole=b"x"), Bound([b"x"], {"a": "1"})),
        (Arguments({"a": ["1"]}, whole=""), Bound([], {"a": "1"})),
        (Arguments({"a": ["1"]}, form={"b": ["2"]}), Bound([], {"a": "1", "b": "2"})),
    ],
)
def test_where_nothing_is_known_nothing_is_converted(
    arguments: Arguments, expected: Bound
) -> None:
    assert unknown().bind(arguments) == expected


def test_where_nothing_is_known_twice_is_still_too_often() -> None:
    with pytest.raises(RequestRefusedError, match="given twice"):
        unknown().bind(Arguments({"a": ["1"]}, keywords={"a": 2}))


def parameter(name: str, kind: str, default: str | None = None) -> DescribedField:
    return DescribedField(name, default=default, kind=kind)


def described(*parameters: DescribedField) -> MethodPlan:
    method = DescribedMethod("m", parameters=parameters)
    found = ObjectPlan(Description(methods={"m": method})).method("m")
    assert found is not None
    return found


def test_a_default_that_is_not_known_has_to_be_given_if_what_follows_it_is() -> None:
    method = described(
        parameter("a", "positional_only", "..."),
        parameter("b", "positional_only", "..."),
    )
    assert method.bind(query(a="1")) == (["1"], {})
    with pytest.raises(RequestRefusedError) as caught:
        method.bind(query(b="1"))
    assert caught.value.members["errors"] == [
        {"loc": ["body", "a"], "msg": "has to be given, if what follows it is"}
    ]


def test_a_default_that_is_known_is_given_if_what_follows_it_is(
    house: ObjectPlan,
) -> None:
    a = DescribedField("a", default="3", kind="positional_only", value=3)
    method = described(a, parameter("b", "positional_only"))
    assert method.bind(query(b="1")) == ([3, "1"], {})


def test_a_description_with_two_parameters_of_a_kind_is_harmless() -> None:
    method = described(
        parameter("a", "var_positional"),
        parameter("b", "var_positional"),
        parameter("c", "no_such_kind"),
    )
    assert method.bind(query(c="1")) == ([], {"c": "1"})


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    description = read_description(
        {
            "methods": [
                {
                    "name": "m",
                    "parameters": [
                        {
                            "name": "a",
                            "kind": "keyword_only",
                            "annotation": "Tree",
                        }
                    ],
                }
            ],
            "types": {"Tree": {"kind": "alias", "of": "list[Tree]"}},
        }
    )
    assert description is not None
    found = ObjectPlan(description).method("m")
    assert found is not None
    value: list[Any] = []
    for _ in range(900):
        value = [value]
    with pytest.raises(RequestRefusedError, match="nested too deeply") as caught:
        found.bind(by_name(a=value))
    assert caught.value.status == 400
    with pytest.raises(RequestRefusedError, match="nested too deeply"):
        found.bind_query({"a": [str(value)]})
