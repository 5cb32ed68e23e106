from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.serializers import allowed, classes, wire_classes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    """Undo what a test registers for the whole process."""
    encode, decode = wire_classes._encode_reference, wire_classes._decode_reference
    converters = dict(classes.class_converters)
    dict_to_class = dict(classes._dict_to_class)
    tables = (allowed._registered, allowed._annotated, allowed._names)
    entries = [dict(table) for table in tables]
    yield
    for table, before in zip(tables, entries, strict=True):
        table.clear()  # type: ignore[attr-defined] # of three classes
        table.update(before)  # type: ignore[attr-defined] # the same
    wire_classes.set_reference_hooks(encode=encode, decode=decode)
    classes.class_converters.clear()
    classes.class_converters.update(converters)
    classes._converter_cache.clear()
    classes._dict_to_class.clear()
    classes._dict_to_class.update(dict_to_class)


@pytest.fixture(scope="module")
def utc() -> Iterator[None]:
    """Make UTC the local time zone of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
