"""Who may read pickles."""

from __future__ import annotations

import logging
import sys

import pytest

from pyro_protocol.config_rules import SERIALIZER_NAMES
from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.serializers.opt_in import PICKLED_IDS, PICKLED_NAMES, opted_in


def test_no_table_has_them() -> None:
    assert not set(PICKLED_IDS) & set(serializers)
    assert not set(PICKLED_NAMES) & set(serializers_by_id)
    assert not set(PICKLED_IDS) & {one.name for one in serializers_by_id.values()}


def test_the_configuration_knows_every_serializer() -> None:
    assert set(SERIALIZER_NAMES) == set(serializers) | set(PICKLED_IDS)


def test_one_object_serves_all_who_have_chosen_it() -> None:
    assert opted_in("pickle") is opted_in("pickle")
    assert opted_in("pickle").id == PICKLED_IDS["pickle"] == 79


def test_the_choice_is_logged_loudly_and_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opted_in.cache_clear()
    with caplog.at_level(logging.WARNING, "pyro.serializers"):
        opted_in("pickle")
        opted_in("pickle")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'pickle'" in record.getMessage()
    assert "any code" in record.getMessage()


@pytest.mark.parametrize("name", ["cloudpickle", "dill"])
def test_a_missing_library_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opted_in.cache_clear()
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(SerializeError, match=r"pip install 'pyro-protocol\[pickle\]'"):
        opted_in(name)
