"""Signatures and docstrings of remote methods, from what their server says."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.described import DescribedField, DescribedMethod
from pyro_protocol.errors import PyroError

from .binding import Binding
from .descriptions import describe

if TYPE_CHECKING:
    from functools import partial

    from pyro_protocol.contract.described import DescribedAttribute, Description

__all__ = ["docstring", "help_text", "overview", "signature", "signature_of"]

_KINDS: Final = {
    "positional_only": inspect.Parameter.POSITIONAL_ONLY,
    "positional_or_keyword": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "var_positional": inspect.Parameter.VAR_POSITIONAL,
    "keyword_only": inspect.Parameter.KEYWORD_ONLY,
    "var_keyword": inspect.Parameter.VAR_KEYWORD,
}
_VALUE_LIMIT: Final = 500
"""How long the text of a default may be to be read: as long as servers send it."""

# Of a server that does not tell nothing is known but the name.
_UNKNOWN: Final = DescribedMethod(
    "",
    parameters=(
        DescribedField("args", "Any", kind="var_positional"),
        DescribedField("kwargs", "Any", kind="var_keyword"),
    ),
    returns="Any",
)


class _Text(str):
    """Text of a server that shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def signature(method: partial[Any]) -> inspect.Signature | None:
    """Return the signature of a remote method.

    If the server does not tell, it is one that takes everything.
    """
    described = _method_of(method)
    found = None if described is None else signature_of(described)
    return found or signature_of(_UNKNOWN)


def docstring(method: partial[Any]) -> str | None:
    """Return the docstring of a remote method, or None if the server does not tell."""
    described = _method_of(method)
    return None if described is None else described.doc


def help_text(method: partial[Any]) -> str:
    """Return the signature and the docstring of a remote method."""
    described = _method_of(method)
    if described is None:
        return f"{method.args[0]}(...)"
    return "\n\n".join(filter(None, (_title(described), described.doc)))


def overview(binding: Any) -> str | None:
    """Return what a remote object is and offers; None if the server does not tell."""
    described = _described(_whole(binding))
    if described is None:
        return None
    title = f"A remote object of the class {described.class_name}."
    parts = [described.doc or title]
    methods = [_with_doc(_title(one), one.doc) for one in described.methods.values()]
    attributes = [_attribute_text(one) for one in described.attributes.values()]
    for title, texts in (("Methods", methods), ("Attributes", attributes)):
        if texts:
            parts.append(f"{title}:\n" + _indented("\n\n".join(texts)))
    return "\n\n".join(parts)


def _method_of(method: partial[Any]) -> DescribedMethod | None:
    """Return what the server says of a method; it is called through its binding."""
    owner = getattr(method.func, "__self__", None)
    described = _described(_whole(getattr(owner, "_pyro_binding", owner)))
    return None if described is None else described.methods.get(method.args[0])


def _whole(binding: Any) -> Any:
    """Return a binding without its time limit."""
    return getattr(binding, "_pyro_whole", binding)


def _described(binding: Any) -> Description | None:
    try:
        return describe(binding) if isinstance(binding, Binding) else None
    except (PyroError, OSError):
        # Tools ask for this without being prepared for errors. The next call tells.
        return None


def signature_of(method: DescribedMethod) -> inspect.Signature | None:
    """Return the signature of a method, or None if the server does not tell.

    Annotations are text. So are defaults that are no plain values.
    """
    if method.parameters is None:
        return None
    returns = method.returns
    try:
        return inspect.Signature(
            [_parameter(one) for one in method.parameters],
            return_annotation=inspect.Signature.empty
            if returns is None
            else _Text(returns),
        )
    except (KeyError, ValueError):
        # The parameters are in an order that Python does not allow.
        return None


def _parameter(parameter: DescribedField) -> inspect.Parameter:
    empty: Any = inspect.Parameter.empty
    annotation, default = parameter.annotation, parameter.default
    return inspect.Parameter(
        parameter.name,
        _KINDS[parameter.kind],
        default=empty if default is None else _value(default),
        annotation=empty if annotation is None else _Text(annotation),
    )


def _value(text: str) -> Any:
    """Return the value that a text stands for, or else the text."""
    if len(text) <= _VALUE_LIMIT:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    return _Text(text)


def _title(method: DescribedMethod) -> str:
    return f"{method.name}{signature_of(method) or '(...)'}"


def _attribute_text(attribute: DescribedAttribute) -> str:
    text = attribute.name
    if attribute.annotation is not None:
        text += f": {attribute.annotation}"
    if not attribute.writable:
        text += "  (read-only)"
    return _with_doc(text, attribute.doc)


def _with_doc(text: str, doc: str | None) -> str:
    return text if doc is None else f"{text}\n{_indented(doc)}"


def _indented(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(f"    {line}" if line else "" for line in lines)
