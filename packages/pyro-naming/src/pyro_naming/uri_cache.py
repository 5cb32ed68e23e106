"""URIs by their texts, which come and go more often than they differ."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pyro_protocol import URI

__all__ = ["text_of_uri", "uri_of_text"]

# Together the URIs that are remembered take some megabytes at most.
_LONGEST_REMEMBERED: Final = 200
_MOST_REMEMBERED: Final = 10_000


def uri_of_text(text: str) -> URI:
    """Return what a URI is written as; it may be the same object again and again.

    Raises:
        PyroError: the text is not a valid URI.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else URI(text)


def text_of_uri(uri: str | URI) -> str:
    """Return a URI in the one form of text that it is kept in.

    Raises:
        PyroError: it is not a valid URI.
    """
    if type(uri) is str and len(uri) <= _LONGEST_REMEMBERED:
        return _text_remembered(uri)
    return str(URI(uri))


@lru_cache(_MOST_REMEMBERED)
def _remembered(text: str) -> URI:
    return URI(text)


@lru_cache(_MOST_REMEMBERED)
def _text_remembered(text: str) -> str:
    return str(URI(text))
