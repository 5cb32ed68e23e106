"""What the items of the configuration may be set to, and what texts mean for them.

The default of an item fixes its type, and numbers are never negative. What an
item demands beyond that is in the table `RULES`.
"""

from __future__ import annotations

import math
from typing import Any, Final

from .frozen import Frozen

__all__ = ["RULES", "SERIALIZER_NAMES", "Rule", "check", "from_text", "is_secret"]

SERIALIZER_NAMES: Final = (
    "serpent",
    "marshal",
    "json",
    "msgpack",
    "native",
    "pickle",
    "cloudpickle",
    "dill",
)
"""The serializers there are; what reads and writes them is in ``serializers``."""

_TRUE: Final = frozenset({"1", "on", "yes", "true"})
_FALSE: Final = frozenset({"0", "off", "no", "false"})


class Rule(Frozen):
    """What is demanded of an item beyond the type of its default.

    Attributes:
        least: the smallest number.
        most: the largest number, or None.
        above: what a number has to exceed, or None.
        choices: the only values, or for a list the only elements; empty if any will
            do.
        none_as: the value that None stands for, or None if it stands for nothing.
    """

    least: float = 0
    most: float | None = None
    above: float | None = None
    choices: tuple[object, ...] = ()
    none_as: float | None = None


_ANY: Final = Rule()
_PORT: Final = Rule(most=65535)

RULES: Final[dict[str, Rule]] = {
    "COMMTIMEOUT": Rule(none_as=0.0),
    # Without a bound, silent clients could use up all connections.
    "HANDSHAKE_TIMEOUT": Rule(above=0),
    "HEARTBEAT_TIMEOUT": Rule(above=0),
    # That many sequence numbers can be told apart.
    "MAX_IN_FLIGHT": Rule(least=1, most=65535),
    "MAX_MESSAGE_SIZE": Rule(least=1),
    # The handshake and calls with plain arguments need that many levels.
    "MAX_NESTING": Rule(least=4),
    "MAX_NAME_LENGTH": Rule(least=1),
    "MAX_TAG_LENGTH": Rule(least=1),
    "MAX_STREAMS": Rule(most=0xFFFF_FFFF),
    "STREAM_READ_AHEAD": Rule(most=0xFFFF_FFFE),
    "NATPORT": _PORT,
    "NS_BCPORT": _PORT,
    "NS_PLAIN_CLIENTS": Rule(choices=("all", "unowned", "read")),
    "NS_PORT": _PORT,
    "PREFER_IP_VERSION": Rule(choices=(0, 4, 6)),
    "REMOTE_TRACEBACKS": Rule(choices=("always", "authenticated", "never")),
    "SERIALIZER": Rule(choices=("auto", *SERIALIZER_NAMES)),
    "SERIALIZERS_ACCEPTED": Rule(choices=SERIALIZER_NAMES),
    "SERVERTYPE": Rule(choices=("thread", "multiplex", "asyncio")),
    "THREADPOOL_SIZE": Rule(least=1),
    "UNKNOWN_CLASSES": Rule(choices=("refuse", "dict")),
}


def check(item: str, value: Any, default: Any) -> Any:
    """Return the value to store for an item, if ``value`` can be one.

    Args:
        item: the name of the item.
        value: what it is to be set to.
        default: its default.

    Raises:
        TypeError: ``value`` is of another type.
        ValueError: it is out of range, or not among the choices.
    """
    rule = RULES.get(item, _ANY)
    if value is None and rule.none_as is not None:
        return rule.none_as
    if not _has_type(value, default):
        shown = type(value).__name__ if value is None else _shown(item, value)
        raise TypeError(
            f"configuration item {item} must be {_wanted(default, rule)}, not {shown}"
        )
    if isinstance(default, list):
        value = list(value)
    elif isinstance(default, float):
        value = float(value)
    if not _fits(value, rule):
        raise ValueError(
            f"configuration item {item} must be {_wanted(default, rule)}, "
            f"not {_shown(item, value)}"
        )
    return value


def from_text(item: str, text: str, default: object) -> Any:
    """Return what the text of an environment variable means for an item.

    Switches are ``1 on yes true`` or ``0 off no false``; lists are separated by
    commas.

    Raises:
        ValueError: it cannot be a value of the item.
    """
    value: object = text
    if isinstance(default, bool):
        word = text.strip().lower()
        value = word in _TRUE if word in _TRUE | _FALSE else text
    elif isinstance(default, list):
        value = [part.strip() for part in text.split(",") if part.strip()]
    elif isinstance(default, int | float):
        try:
            value = type(default)(text)
        except ValueError:
            value = text
    try:
        return check(item, value, default)
    except TypeError as error:
        raise ValueError(*error.args) from None


def is_secret(item: str) -> bool:
    """Tell whether the value of an item is not to be shown."""
    return item.endswith(("HMAC_KEY", "PASSWD", "TOKEN"))


def _shown(item: str, value: object) -> str:
    return "that" if is_secret(item) else repr(value)


def _has_type(value: Any, default: Any) -> bool:
    if default is None:
        return value is None or isinstance(value, str)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, list):
        return isinstance(value, list | tuple) and all(
            isinstance(part, str) for part in value
        )
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, type(default))


def _fits(value: Any, rule: Rule) -> bool:
    if rule.choices:
        values = value if isinstance(value, list) else [value]
        return all(one in rule.choices for one in values)
    if isinstance(value, int | float):
        return (
            math.isfinite(value)
            and value >= rule.least
            and (rule.most is None or value <= rule.most)
            and (rule.above is None or value > rule.above)
        )
    return True


def _wanted(default: object, rule: Rule) -> str:
    """Return in words what an item can be."""
    if rule.choices:
        choices = ", ".join(map(str, rule.choices))
        return f"{'a list of' if isinstance(default, list) else 'one of'} {choices}"
    if isinstance(default, bool):
        return "True or False (in the environment: on or off)"
    if isinstance(default, int | float):
        kind = "an integer" if isinstance(default, int) else "a number"
        return f"{kind} {_wanted_range(rule)}"
    if isinstance(default, list):
        return "a list of texts (in the environment: separated by commas)"
    return "text or None" if default is None else "text"


def _wanted_range(rule: Rule) -> str:
    if rule.above is not None:
        return f"above {rule.above}"
    if rule.most is not None:
        return f"from {rule.least} to {rule.most}"
    return f"of at least {rule.least}"
