"""Small immutable records that take no time to import.

A `Frozen` class is to its users what a dataclass with ``frozen`` and ``slots`` is: its
annotations are its fields, and what they are set to in the class are the defaults. Yet
it is made without compiling code, which takes a dataclass half a millisecond, and
without the module ``dataclasses``, which takes as long as ten of them. `NamedTuple` is
the one of ``typing``, apart from that it does not compile the annotations. Classes that
every program imports are made of these; for others there is no need.
"""

from __future__ import annotations

from collections import namedtuple
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Literal, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field
    from typing import NamedTuple, Self
else:

    class _NamedTupleType(type):
        """Returns a class of ``collections.namedtuple`` for a class statement."""

        def __new__(
            cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
        ) -> type:
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            annotations = namespace["__annotations__"]
            given = [one for one in annotations if one in namespace]
            made = namedtuple(  # noqa: PYI024 - type checkers do not see this
                name,
                annotations,
                defaults=[namespace.pop(one) for one in given],
                module=namespace["__module__"],
            )
            for key, value in namespace.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_NamedTupleType):
        """The base of a class whose annotations are the elements of a tuple."""


__all__ = ["Frozen", "NamedTuple", "computed"]

_set = object.__setattr__
_COMPUTED = object()


def computed(*, init: Literal[False] = False) -> Any:  # noqa: ARG001 - tells type checkers
    """Declare an attribute that is no field: ``__post_init__`` sets it."""
    return _COMPUTED


@dataclass_transform(frozen_default=True, field_specifiers=(computed,))
class _FrozenType(type):
    """Makes the fields of a class out of its annotations."""

    __frozen_fields__: tuple[str, ...]
    __frozen_defaults__: dict[str, Any]
    __frozen_setters__: tuple[Callable[[object, Any], None], ...]

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> _FrozenType:
        names = tuple(namespace.get("__annotations__", ()))
        defaults = {one: namespace.pop(one) for one in names if one in namespace}
        fields = tuple(one for one in names if defaults.get(one) is not _COMPUTED)
        namespace["__slots__"] = names
        namespace.setdefault("__match_args__", fields)
        made = super().__new__(cls, name, bases, namespace)
        made.__frozen_fields__ = fields
        made.__frozen_defaults__ = defaults
        made.__frozen_setters__ = tuple(
            getattr(made, field).__set__ for field in fields
        )
        return made


class _DataclassFields:
    """What makes the functions of ``dataclasses`` accept a `Frozen` class."""

    def __init__(self) -> None:
        self._known: dict[_FrozenType, dict[str, Field[Any]]] = {}

    def __get__(self, obj: object, owner: _FrozenType) -> dict[str, Field[Any]]:
        fields = self._known.get(owner)
        if fields is None:
            fields = self._known[owner] = _dataclass_fields(owner)
        return fields


def _dataclass_fields(owner: _FrozenType) -> dict[str, Field[Any]]:
    import dataclasses  # noqa: PLC0415 - not to import it is what this module is for

    annotations = owner.__annotations__
    declared: list[Any] = []
    for name in owner.__frozen_fields__:
        # By a function, as a default may be of a type that dataclasses refuse.
        field = dataclasses.field()
        if name in owner.__frozen_defaults__:
            field = dataclasses.field(
                default_factory=_giver(owner.__frozen_defaults__[name])
            )
        declared.append((name, annotations[name], field))
    made: Any = dataclasses.make_dataclass(owner.__name__, declared)
    return dict(made.__dataclass_fields__)


def _giver(value: Any) -> Callable[[], Any]:
    return lambda: value


class Frozen(metaclass=_FrozenType):
    """The base of classes whose instances are their fields, and do not change.

    Instances of the same class are equal if all of their fields are. A class may define
    ``__post_init__``, as a dataclass may. Fields are not inherited.
    """

    __dataclass_fields__ = _DataclassFields()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kind = type(self)
        setters = kind.__frozen_setters__
        if kwargs or len(args) != len(setters):
            args = self._complete(args, kwargs)
        for setter, value in zip(setters, args, strict=True):
            setter(self, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields; called by ``__init__``."""

    @classmethod
    def _complete(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Return a value for each field."""
        fields = cls.__frozen_fields__
        values = {**cls.__frozen_defaults__, **kwargs}
        for name, value in zip(fields, args, strict=False):
            if name in kwargs:
                raise TypeError(f"{cls.__qualname__} got {name!r} twice")
            values[name] = value
        unknown = [name for name in kwargs if name not in fields]
        missing = [name for name in fields if name not in values]
        if unknown or missing or len(args) > len(fields):
            raise TypeError(
                f"{cls.__qualname__} takes {', '.join(fields) or 'nothing'}; "
                f"{len(args)} values came by position and by name "
                f"{', '.join(kwargs) or 'none'}"
            )
        return tuple([values[name] for name in fields])

    def __setattr__(self, name: str, value: object) -> None:
        from dataclasses import FrozenInstanceError  # noqa: PLC0415 - see above

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        from dataclasses import FrozenInstanceError  # noqa: PLC0415 - see above

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in type(self).__frozen_fields__])

    def _compared(self) -> tuple[Any, ...]:
        """Return what equal instances have in common."""
        return self._values()

    # As with a dataclass, type checkers may take it that what is equal is alike.
    if not TYPE_CHECKING:

        def __eq__(self, other: object) -> bool:
            if type(other) is not type(self):
                return NotImplemented
            return self._compared() == other._compared()

        def __hash__(self) -> int:
            return hash(self._compared())

    @recursive_repr()
    def __repr__(self) -> str:
        kind = type(self)
        pairs = zip(kind.__frozen_fields__, self._values(), strict=True)
        return f"{kind.__qualname__}({', '.join(f'{n}={v!r}' for n, v in pairs)})"

    def __replace__(self, **changes: Any) -> Self:
        kind = type(self)
        own = dict(zip(kind.__frozen_fields__, self._values(), strict=True))
        return kind(**{**own, **changes})

    def __getstate__(self) -> list[Any]:
        return list(self._values())

    def __setstate__(self, state: list[Any]) -> None:
        for name, value in zip(type(self).__frozen_fields__, state, strict=True):
            _set(self, name, value)
