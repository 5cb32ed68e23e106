"""Types of modules that are imported after the serializers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyro_protocol.serializers.late_types import add_late_forms, learn_late_types

VALUES = [
    ("decimal", "Decimal('1.50')"),
    ("fractions", "Fraction(3, 7)"),
    ("pathlib", "PurePosixPath('a/b')"),
    ("pathlib", "Path('a/b')"),
    ("uuid", "UUID(int=5)"),
    ("zoneinfo", "ZoneInfo('UTC')"),
]


def in_new_interpreter(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("module", "value"), VALUES)
def test_native_writes_and_reads_what_was_imported_later(
    module: str, value: str
) -> None:
    code = (
        "import sys\n"
        "from pyro_protocol.serializers import serializers\n"
        f"assert {module!r} not in sys.modules\n"
        "native = serializers['native']\n"
        f"from {module} import *\n"
        f"from {module} import {value.partition('(')[0]}\n"
        f"value = {value}\n"
        "again = native.loads(native.dumps([value, bytearray(b'x')]))[0]\n"
        "assert again == value and type(again) is type(value)\n"
        "print(repr(again) == repr(value))"
    )
    assert in_new_interpreter(code) == "True"


@pytest.mark.parametrize("module", ["decimal", "fractions", "pathlib", "uuid"])
def test_native_reads_what_this_program_has_not_imported(module: str) -> None:
    value = dict(VALUES)[module]
    written = in_new_interpreter(
        f"from {module} import *\n"
        f"from {module} import {value.partition('(')[0]}\n"
        "from pyro_protocol.serializers import serializers\n"
        f"print(serializers['native'].dumps({value}).hex())"
    )
    read = in_new_interpreter(
        "from pyro_protocol.serializers import serializers\n"
        f"value = serializers['native'].loads(bytes.fromhex({written!r}))\n"
        "print(type(value).__module__.partition('.')[0])"
    )
    assert read == module


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack"])
def test_other_formats_write_identifiers_and_decimals_as_text(name: str) -> None:
    code = (
        "from pyro_protocol.serializers import serializers\n"
        f"one = serializers[{name!r}]\n"
        "from uuid import UUID; from decimal import Decimal\n"
        "print(one.loads(one.dumps([str(UUID(int=5)), Decimal('1.5')])))"
    )
    expected = "['00000000-0000-0000-0000-000000000005', '1.5']"
    assert in_new_interpreter(code) == expected


def test_a_type_is_entered_once_its_module_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forms: dict[type, object] = {}
    add_late_forms(forms, {"late_example.Thing": str})  # type: ignore[arg-type] # only entered
    learn_late_types()
    assert forms == {}

    class Module:
        """Is being imported: its class is not there yet."""

    monkeypatch.setitem(sys.modules, "late_example", Module)
    assert not learn_late_types()
    Module.Thing = int  # type: ignore[attr-defined] # now it is
    assert learn_late_types()
    assert forms == {int: str}
    assert not learn_late_types()
