from __future__ import annotations

import traceback
from email.message import Message
from smtplib import SMTPResponseException
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from pyro_protocol.errors import (
    NamingError,
    RemoteError,
    SerializeError,
    show_remote_traceback,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.exception_forms import (
    CHAIN_LIMIT,
    LINKED_LIMIT,
    exception_to_dict,
)

NATIVE = serializers["native"]


class AppError(Exception):
    pass


class UserError(AppError, ValueError):
    pass


class SlottedError(Exception):
    __slots__ = ("__own", "code", "unset")

    def __init__(self, code: int) -> None:
        super().__init__("slotted")
        self.code = code
        self.__own = "private"


class UserGroup(ExceptionGroup[Exception]):
    pass


def arrives(error: BaseException) -> Any:
    return NATIVE.loads_exception(NATIVE.dumps(error))


def raised(*causes: Exception) -> Exception:
    """Return the last error, raised from the one before it, and so on."""
    previous: Exception | None = None
    for error in causes:
        error.__cause__ = previous
        previous = error
    assert previous is not None
    return previous


def causes_of(error: BaseException) -> list[BaseException]:
    result = []
    while error.__cause__ is not None:
        error = error.__cause__
        result.append(error)
    return result


def test_causes_travel() -> None:
    first, second = causes_of(arrives(raised(UserError(1), KeyError(2), OSError(3))))
    assert type(first) is KeyError
    assert isinstance(second, RemoteError)
    assert second.args == (1,)


def test_contexts_travel_unless_they_are_suppressed() -> None:
    error = ValueError(3)
    error.__context__ = KeyError(2)
    result = arrives(error)
    assert result.__context__.args == (2,)
    assert result.__cause__ is None
    assert result.__suppress_context__ is False
    error.__suppress_context__ = True
    result = arrives(error)
    assert result.__context__ is None
    assert result.__suppress_context__ is True


def test_a_cause_that_is_the_context_too_is_still_one_exception() -> None:
    error = raised(KeyError("k"), ValueError("v"))
    error.__context__ = error.__cause__
    result = arrives(error)
    assert type(result.__cause__) is KeyError
    assert result.__context__ is result.__cause__
    assert result.__suppress_context__ is True


def test_a_cause_and_a_context_that_is_not_suppressed_travel_both() -> None:
    error = ValueError(3)
    error.__cause__, error.__context__ = KeyError(1), KeyError(2)
    error.__suppress_context__ = False
    result = arrives(error)
    assert (result.__cause__.args, result.__context__.args) == ((1,), (2,))
    assert result.__suppress_context__ is False


def test_only_so_many_causes_travel() -> None:
    error = raised(*map(ValueError, range(CHAIN_LIMIT + 10)))
    assert len(causes_of(arrives(error))) == CHAIN_LIMIT


def test_causes_that_go_round_in_a_circle_are_cut() -> None:
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    (only,) = causes_of(arrives(first))
    assert only.args == (2,)


def test_groups_travel_with_the_causes_of_their_members() -> None:
    inner = ExceptionGroup("inner", [raised(KeyError("c"), UserError("u"))])
    result = arrives(ExceptionGroup("outer", [OSError(2, "no", "file"), inner]))
    assert type(result) is ExceptionGroup
    assert result.message == "outer"
    file, group = result.exceptions
    assert isinstance(file, FileNotFoundError)
    assert file.filename == "file"
    assert type(group) is ExceptionGroup
    (user,) = group.exceptions
    assert isinstance(user, ValueError)
    assert type(user.__cause__) is KeyError


def test_a_group_whose_member_was_raised_because_of_the_group_travels() -> None:
    member = KeyError("k")
    group = ExceptionGroup("g", [member, member])
    member.__cause__ = group
    result = arrives(group)
    assert [type(one) for one in result.exceptions] == [KeyError, KeyError]
    assert result.exceptions[0].__cause__ is None


def test_a_group_of_a_class_that_is_unknown_is_still_a_group() -> None:
    result = arrives(UserGroup("g", [ValueError(1), UserError(2), KeyError(3)]))
    assert isinstance(result, RemoteError)
    assert result.remote_type == f"{__name__}.UserGroup"
    caught: list[Exception] = []
    try:
        raise result
    except* ValueError as some:
        caught += some.exceptions
    except* KeyError as others:
        caught += others.exceptions
    assert [one.args for one in caught] == [(1,), (2,), (3,)]


def test_of_a_huge_group_a_part_travels_and_a_note_tells() -> None:
    group = ExceptionGroup("g", [ValueError(one) for one in range(LINKED_LIMIT + 5)])
    result = arrives(group)
    assert [one.args for one in result.exceptions] == [
        (one,) for one in range(LINKED_LIMIT)
    ]
    assert result.__notes__ == ["(5 of its exceptions were not sent)"]


def test_groups_in_groups_travel_only_so_deep() -> None:
    error: Exception = ValueError("innermost")
    for _ in range(CHAIN_LIMIT + 10):
        error = ExceptionGroup("g", [error])
    result = arrives(error)
    depth = 0
    while isinstance(result, ExceptionGroup):
        (result,) = result.exceptions
        depth += 1
    assert depth == CHAIN_LIMIT
    assert isinstance(result, RemoteError)
    assert result.remote_type == "builtins.ExceptionGroup"
    assert result.__notes__ == ["(1 of its exceptions were not sent)"]


def test_every_linked_exception_loses_only_what_cannot_travel() -> None:
    cause = KeyError("k")
    vars(cause).update(lock=object(), number=5)
    result = arrives(raised(cause, ValueError("v")))
    assert vars(result.__cause__) == {
        "number": 5,
        "__notes__": ["(attributes that could not be sent: lock)"],
    }
    assert not hasattr(result, "__notes__")


def test_the_remote_traceback_of_a_cause_is_shown_with_it() -> None:
    cause = KeyError("far away")
    vars(cause)["_pyroTraceback"] = ["line of the third program\n"]
    show_remote_traceback(cause)
    result = arrives(raised(cause, ValueError("v")))
    vars(result)["_pyroTraceback"] = ["line of the second program\n"]
    show_remote_traceback(result)
    text = "".join(traceback.format_exception(result))
    third, second = text.split("direct cause")
    assert "line of the third program" in third
    assert "line of the second program" in second


def test_peers_of_other_families_are_sent_none_of_this() -> None:
    error = raised(KeyError(2), UserError(3))
    for serializer in ("", "serpent", "json", "msgpack", "marshal"):
        assert list(exception_to_dict(error, serializer)) == [
            "__class__",
            "__exception__",
            "args",
            "attributes",
        ]


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (AttributeError("a", name="n", obj=object()), {"name": "n", "obj": None}),
        (NameError("a", name="n"), {"name": "n"}),
        (ModuleNotFoundError("a", name="n", path="p"), {"name": "n", "path": "p"}),
        (OSError(2, "no", b"a\xff", None, "b"), {"filename": b"a\xff"}),
        (UnicodeEncodeError("utf8", "\xff", 0, 1, "r"), {"object": "\xff"}),
        (StopIteration(5), {"value": 5}),
        (SMTPResponseException(550, "no"), {"errno": None, "smtp_code": 550}),
    ],
)
def test_what_builtin_exceptions_keep_to_themselves_survives(
    error: Exception, fields: dict[str, object]
) -> None:
    result = arrives(error)
    assert type(result) is type(error)
    assert result.args == error.args
    assert str(result) == str(error)
    assert {name: getattr(result, name) for name in fields} == fields


def test_what_was_changed_later_survives() -> None:
    syntax = SyntaxError("bad", ("f.py", 1, 2, "text"))
    syntax.filename, syntax.lineno = "g.py", 7
    codec = UnicodeDecodeError("utf8", b"\xff\xff", 0, 1, "r")
    codec.start, codec.reason = 1, "changed"
    assert str(arrives(syntax)) == str(syntax) == "bad (g.py, line 7)"
    assert str(arrives(codec)) == str(codec)
    assert arrives(codec).start == 1


def test_what_follows_from_the_arguments_is_not_sent_twice() -> None:
    for error in (OSError(2, "no"), StopIteration(5), SyntaxError("s"), KeyError(1)):
        assert exception_to_dict(error, "native")["attributes"] == {}


def test_slots_travel_like_variables() -> None:
    result = arrives(SlottedError(5))
    assert result.attributes == {"code": 5, "_SlottedError__own": "private"}


def test_an_unknown_class_arrives_as_its_nearest_known_base() -> None:
    result = arrives(UserError("bad", 1))
    assert isinstance(result, RemoteError)
    assert isinstance(result, ValueError)
    assert str(result) == f"{__name__}.UserError: ('bad', 1)"
    assert result.remote_bases == (f"{__name__}.AppError", "builtins.ValueError")


def test_an_unknown_class_need_not_have_all_that_its_base_has() -> None:
    result = arrives(HTTPError("http://host", 404, "none", Message(), None))
    assert URLError in type(result).__mro__
    assert result.remote_type == "urllib.error.HTTPError"
    assert result.attributes["code"] == 404
    assert str(result).startswith("urllib.error.HTTPError: ")


def test_a_class_derived_from_one_of_our_errors_arrives_as_that() -> None:
    class OwnError(NamingError):
        pass

    result = arrives(OwnError("n"))
    assert isinstance(result, RemoteError)
    assert isinstance(result, NamingError)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_the_program_stays_wrapped(kind: type[BaseException]) -> None:
    derived = type("Derived", (kind,), {})
    for error in (kind(3), derived(3)):
        result = arrives(error)
        assert type(result) is RemoteError
        assert result.args == (3,)


def test_a_group_of_what_would_end_the_program_stays_wrapped() -> None:
    result = arrives(BaseExceptionGroup("g", [KeyboardInterrupt()]))
    assert type(result) is RemoteError
    message, (member,) = result.args
    assert message == "g"
    assert member.remote_type == "builtins.KeyboardInterrupt"


def test_a_remote_error_travels_on_with_its_bases() -> None:
    once = arrives(raised(KeyError("c"), UserError("u")))
    twice = arrives(once)
    assert type(twice) is type(once)
    assert twice.remote_bases == once.remote_bases
    assert type(twice.__cause__) is KeyError


@pytest.mark.parametrize(
    "linked",
    [
        5,
        [5],
        [{}],
        [{"__class__": 5, "of": 0, "as": "cause"}],
        [{"__class__": "x", "of": 1, "as": "cause"}],
        [{"__class__": "x", "of": -1, "as": "cause"}],
        [{"__class__": "x", "of": True, "as": "cause"}],
        [{"__class__": "x", "of": 0, "as": "friend"}],
        [{"__class__": "x", "of": 0, "as": ["cause"]}],
        [{"__class__": "x", "of": 0}],
        [{"__class__": "x", "of": 0, "as": "cause"}] * (LINKED_LIMIT + 1),
        [
            {"__class__": "x", "of": number, "as": "cause"}
            for number in range(CHAIN_LIMIT + 1)
        ],
    ],
)
def test_malformed_links_are_refused(linked: object) -> None:
    serializer = serializers["serpent"]
    form = {"__class__": "builtins.ValueError", "__exception__": True, "args": ()}
    with pytest.raises(SerializeError, match="malformed exception"):
        serializer.loads(serializer.dumps({**form, "linked": linked}))


@pytest.mark.parametrize("bases", [5, "builtins.ValueError", [5], ["x"] * 17])
def test_malformed_bases_are_refused(bases: object) -> None:
    serializer = serializers["serpent"]
    form = {"__class__": "app.Odd", "__exception__": True, "args": ()}
    with pytest.raises(SerializeError, match="malformed exception; its bases"):
        serializer.loads(serializer.dumps({**form, "bases": bases}))


def test_members_of_what_is_no_group_are_kept_as_an_argument() -> None:
    serializer = serializers["serpent"]
    form = {"__class__": "app.Odd", "__exception__": True, "args": ("m",)}
    member = {"__class__": "builtins.KeyError", "args": (), "of": 0, "as": "member"}
    result = serializer.loads(serializer.dumps({**form, "linked": [member]}))
    message, (only,) = result.args
    assert message == "m"
    assert type(only) is KeyError
