"""Objects as dictionaries, and back: the registered converters and their order.

What a serializer cannot write itself goes through `simplify`, which returns the
same thing made of simpler parts; the first rule that fits decides:

1. the converter registered for the most specific class of the object;
2. the serializer's own form for exactly this type;
3. URIs, exceptions and exception wrappers, under the names Pyro5 gives them;
4. a reference, if the object is registered as a Pyro object or is a proxy;
5. in the native format, the fields of a dataclass or a NamedTuple, or an array;
6. the serializer's form for the nearest base class, such as ``dict``;
7. what the object's own ``__getstate__`` returns;
8. its slots and instance variables, and its class name as ``__class__``.

In received data a dictionary with the key ``__class__`` goes through
`class_from_dict`. Only what registered converters make, dataclasses that are allowed,
exceptions, URIs and references come out of it: no code of a class that is not
registered or allowed ever runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from ..config import config
from ..errors import SecurityError, SerializeError
from .allowed import allowed_class, is_dataclass_type, is_named_tuple
from .codec import dialect, type_name, unknown_as_dict
from .connection_states import UnboundReferenceError
from .exceptions import exception_from_dict, is_exception_dict
from .foreign import PLAIN_FORMS
from .late_types import learn_late_types
from .records import build_dataclass, build_member, build_named_tuple
from .wire_classes import (
    CLASS_KEY,
    SERPENT_CLASSES,
    WIRE_CLASSES,
    Inner,
    ReferenceState,
    set_reference_hooks,
    wire_form,
)

__all__ = [
    "CLASS_KEY",
    "ClassToDict",
    "DictToClass",
    "Done",
    "Forms",
    "ReferenceState",
    "class_converters",
    "class_from_dict",
    "record_from_fields",
    "recreate",
    "register_class_to_dict",
    "register_dict_to_class",
    "set_reference_hooks",
    "simplify",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
    "value_or_object",
]

ClassToDict = Callable[[Any], dict[str, Any]]
"""Turns an object into a dictionary that holds its class name as ``__class__``."""

DictToClass = Callable[[str, dict[str, Any]], Any]
"""Turns a class name and such a dictionary into an object."""

Forms = Mapping[type, Callable[[Any], object]]
"""How a serializer writes the types that its format lacks."""

Done = dict[int, tuple[Any, Any]]
"""What `recreate` has dealt with: by identity, the value and what became of it."""

# A program with more classes than this makes them dynamically; the cache must not
# keep those alive for ever.
_CACHE_LIMIT: Final = 1000

# A module as its variables, or a function as nothing at all, is never what was meant.
_REFUSED: Final = (
    type,
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)

_NESTED: Final = frozenset({dict, list, tuple})

class_converters: Final[dict[type, tuple[ClassToDict, bool]]] = {}
"""The registered converters, and whether serpent uses them, by class; read only."""

_dict_to_class: Final[dict[str, DictToClass]] = {}
_converter_cache: Final[dict[tuple[type, bool], ClassToDict | None]] = {}


def register_class_to_dict(
    clazz: type, converter: ClassToDict, serpent_too: bool = True
) -> None:
    """Have objects of a class, and of its subclasses, converted before they travel.

    The most specific registered class decides, whatever the order of registration.

    Args:
        clazz: the class; an abstract base class covers what is registered with it.
        converter: returns a dictionary of things that can travel; under the key
            ``__class__`` it holds the name by which the receiver knows the class.
        serpent_too: whether the serpent serializer uses the converter as well.

    Raises:
        TypeError: ``clazz`` is not a class.
    """
    if not isinstance(clazz, type):
        raise TypeError(f"a converter is registered for a class, not for {clazz!r}")
    class_converters[clazz] = (converter, serpent_too)
    _converter_cache.clear()


def unregister_class_to_dict(clazz: type) -> None:
    """Forget the converter registered for a class, if there is one."""
    class_converters.pop(clazz, None)
    _converter_cache.clear()


def register_dict_to_class(classname: str, converter: DictToClass) -> None:
    """Have received dictionaries of a class turned into objects.

    The serpent, json and marshal serializers give the converter the dictionary as
    it came; with msgpack and native, what is inside has been converted already.

    Args:
        classname: the text under ``__class__``.
        converter: is called with this text and the dictionary. What it raises
            becomes a SerializeError.
    """
    _dict_to_class[classname] = converter


def unregister_dict_to_class(classname: str) -> None:
    """Forget the converter registered for a class name, if there is one."""
    _dict_to_class.pop(classname, None)


def _converter_for(clazz: type, *, serpent: bool) -> ClassToDict | None:
    key = (clazz, serpent)
    try:
        return _converter_cache[key]
    except KeyError:
        converter = _find_converter(clazz, serpent=serpent)
    if len(_converter_cache) >= _CACHE_LIMIT:
        _converter_cache.clear()
    _converter_cache[key] = converter
    return converter


def _find_converter(clazz: type, *, serpent: bool) -> ClassToDict | None:
    usable = {
        registered: converter
        for registered, (converter, serpent_too) in class_converters.items()
        if serpent_too or not serpent
    }
    for base in clazz.__mro__[:-1]:
        if base in usable:
            return usable[base]
    # Abstract base classes need not be among the bases.
    fitting = [base for base in usable if issubclass(clazz, base)]
    for base in fitting:
        if not any(issubclass(other, base) for other in fitting if other is not base):
            return usable[base]
    return None


def simplify(
    obj: Any,
    serializer: str,
    forms: Forms,
    own: Callable[[Any], object | None] | None = None,
) -> object:
    """Return ``obj`` made of simpler parts, one step closer to what can be written.

    Args:
        obj: an object that the format of the serializer does not have.
        serializer: the name of the serializer.
        forms: what the serializer does with the types it knows how to write.
        own: returns the form of an object whose class has one in this format, and
            None for any other.

    Raises:
        SerializeError: nothing is known about such an object.
    """
    clazz = type(obj)
    if class_converters:
        converter = _converter_for(clazz, serpent=serializer == "serpent")
        if converter is not None:
            return _converted(obj, converter)
    form = forms.get(clazz)
    if form is None and learn_late_types():
        form = forms.get(clazz)
    if form is not None:
        return form(obj)
    known = wire_form(obj, serializer)
    if known is not None:
        spoken = dialect.get()
        return known if spoken is None else spoken.written(known)
    special = None if own is None else own(obj)
    if special is not None:
        return special
    # A member of an enumeration of numbers is more than a number.
    bases = (Enum, *clazz.__mro__) if isinstance(obj, Enum) else clazz.__mro__
    for base in bases:
        if base in forms:
            return forms[base](obj)
    return _state_of(obj, serializer)


def _converted(obj: object, converter: ClassToDict) -> dict[str, Any]:
    result = converter(obj)
    if not isinstance(result, dict):
        raise SerializeError(
            f"cannot serialize {type_name(type(obj))}; its registered converter must"
            f" return a dict, not {type_name(type(result))}"
        )
    return result


def _state_of(obj: Any, serializer: str) -> object:
    """Return the state of an object without a rule of its own."""
    clazz = type(obj)
    if clazz in PLAIN_FORMS:
        return PLAIN_FORMS[clazz](obj)
    if isinstance(obj, _REFUSED):
        raise _not_serializable(obj, serializer)
    if getattr(clazz, "__getstate__", None) is not object.__getstate__:
        try:
            state = obj.__getstate__()
        except UnboundReferenceError:
            raise
        except Exception as error:
            raise _not_serializable(obj, serializer) from error
        if serializer == "serpent":
            named = {CLASS_KEY: _class_text(clazz)}
            return {**state, **named} if isinstance(state, dict) else state
        if isinstance(state, dict):
            return state
    variables = {
        name: getattr(obj, name) for name in _slots_of(clazz) if hasattr(obj, name)
    }
    if not variables and not hasattr(obj, "__dict__"):
        raise _not_serializable(obj, serializer)
    variables.update(getattr(obj, "__dict__", {}))
    return {**variables, CLASS_KEY: _class_text(clazz)}


def _slots_of(clazz: type) -> Iterator[str]:
    """Yield the attributes that instances of a class keep in slots."""
    for base in reversed(clazz.__mro__):
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__"):
                yield name
            elif not name.endswith("__"):
                yield f"_{base.__name__.lstrip('_')}{name}"


def _class_text(clazz: type) -> str:
    return f"{clazz.__module__}.{clazz.__name__}"


def _not_serializable(obj: object, serializer: str) -> SerializeError:
    return SerializeError(
        f"cannot serialize {type_name(type(obj))} with {serializer};"
        " send plain values, or register a converter with register_class_to_dict"
    )


def recreate(value: Any, *, serpent: bool = False, done: Done | None = None) -> Any:
    """Return a freshly decoded value with its class dictionaries turned into objects.

    The containers are changed in place. A converter gets its dictionary as it came.

    Args:
        value: the decoded value.
        serpent: whether the dictionaries that only the serpent format has count.
        done: an empty dictionary, if parts of the value may be shared.

    Raises:
        SerializeError: a class is not known here.
        SecurityError: a class is never built.
    """
    if type(value) not in _NESTED:
        return value
    inner = partial(recreate, serpent=serpent, done=done)
    if done is None:
        return _recreate_parts(value, inner, serpent=serpent)
    if id(value) not in done:
        # Until it is done, a value that contains itself finds itself as it came.
        done[id(value)] = (value, value)
        done[id(value)] = (value, _recreate_parts(value, inner, serpent=serpent))
    return done[id(value)][1]


def _recreate_parts(value: Any, inner: Inner, *, serpent: bool) -> Any:
    kind = type(value)
    if kind is tuple:
        return (
            value if _NESTED.isdisjoint(map(type, value)) else tuple(map(inner, value))
        )
    if kind is dict and CLASS_KEY in value:
        return class_from_dict(value, inner, serpent=serpent)
    for key, item in value.items() if kind is dict else enumerate(value):
        if type(item) in _NESTED:
            value[key] = inner(item)
    return value


def class_from_dict(
    data: dict[Any, Any], inner: Inner, *, serpent: bool = False
) -> Any:
    """Return the object that a class dictionary stands for.

    Args:
        data: a dictionary with the key ``__class__``.
        inner: what turns the dictionaries inside into objects.
        serpent: whether the dictionaries that only the serpent format has count.

    Raises:
        SerializeError: the class is not known here, or its state is malformed.
        SecurityError: the name of the class holds two underscores in a row, and
            there is no converter for it.
    """
    name = data[CLASS_KEY]
    if isinstance(name, bytes):
        name = name.decode("utf-8")
    if not isinstance(name, str):
        raise SerializeError(
            "malformed class dictionary; the class must be text, not"
            f" {type_name(type(name))}"
        )
    converter = _dict_to_class.get(name)
    if converter is not None:
        return converter(name, data)
    spoken = dialect.get()
    if spoken is not None:
        data = spoken.read(data, name)
        name = data[CLASS_KEY] if type(data[CLASS_KEY]) is str else name
    if is_exception_dict(name, data):
        return exception_from_dict(name, data, inner)
    clazz = allowed_class(name)
    if clazz is not None and is_dataclass_type(clazz):
        values = {key: inner(value) for key, value in data.items() if key != CLASS_KEY}
        return build_dataclass(clazz, values)
    builder = WIRE_CLASSES.get(name) or (serpent and SERPENT_CLASSES.get(name))
    if builder:
        return builder(data, inner)
    return _unknown(name, data, inner)


def record_from_fields(name: object, values: object) -> Any:
    """Return the dataclass object that a class name and fields stand for.

    Raises:
        SerializeError: the class is not allowed here, or refuses the fields.
        SecurityError: it is not allowed, and its name holds two underscores in a row.
    """
    if type(name) is not str or type(values) is not dict:
        raise SerializeError("malformed record; it is a class name and its fields")
    return class_from_dict({**values, CLASS_KEY: name}, _same)


def value_or_object(name: object, data: dict[str, Any], value: Any, kind: type) -> Any:
    """Return what stands for a member or a NamedTuple, or else its plain value.

    Args:
        name: the name of its class.
        data: what a converter for the class gets.
        value: the plain value.
        kind: the kind of class that may be built: ``Enum`` or ``tuple``.

    Raises:
        SerializeError: the class is allowed, but refuses the data.
    """
    if not isinstance(name, str):
        return value
    converter = _dict_to_class.get(name)
    if converter is not None:
        return converter(name, data)
    clazz = allowed_class(name)
    if clazz is None or not issubclass(clazz, kind):
        return value
    if issubclass(clazz, Enum):
        return build_member(clazz, data["name"], data["value"])
    return build_named_tuple(clazz, data) if is_named_tuple(clazz) else value


def _same(value: Any) -> Any:
    return value


def _unknown(name: str, data: dict[Any, Any], inner: Inner) -> dict[Any, Any]:
    """Return the dictionary of a class that is not known here, or refuse it."""
    if config.UNKNOWN_CLASSES == "dict" or unknown_as_dict.get():
        return {
            key: value if key == CLASS_KEY else inner(value)
            for key, value in data.items()
        }
    if "__" in name:
        raise SecurityError(
            f"refused to build class {name[:200]!r}; names with double underscores"
            " need register_class or register_dict_to_class"
        )
    raise SerializeError(
        f"unsupported serialized class: {name[:200]}; see register_class and"
        " register_dict_to_class"
    )
