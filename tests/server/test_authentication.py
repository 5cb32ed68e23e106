from __future__ import annotations

from pyro_protocol import authentication as original
from pyro_server import authentication


def test_everything_is_there_under_the_name_it_had_in_the_server() -> None:
    assert authentication.__all__ == original.__all__
    for name in original.__all__:
        assert getattr(authentication, name) is getattr(original, name)
