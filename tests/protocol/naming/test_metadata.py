from __future__ import annotations

from pyro_protocol.naming.metadata import type_meta


class Device:
    pass


class Printer(Device):
    pass


def test_a_class_has_a_tag_for_itself_and_each_base() -> None:
    assert type_meta(Printer) == {
        f"class:{__name__}.Printer",
        f"class:{__name__}.Device",
    }


def test_an_object_has_the_tags_of_its_class() -> None:
    assert type_meta(Printer()) == type_meta(Printer)


def test_the_prefix_counts_for_classes_and_objects() -> None:
    assert type_meta(Device, "kind=") == {f"kind={__name__}.Device"}
    assert type_meta(Device(), "kind=") == {f"kind={__name__}.Device"}


def test_builtins_have_no_tags() -> None:
    assert type_meta(3) == set()
    assert type_meta(dict) == set()
