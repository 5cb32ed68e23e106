from __future__ import annotations

import pytest

from pyro_protocol import Configuration
from pyro_protocol.errors import LocalProtocolError
from pyro_server import Daemon


def test_a_daemon_has_a_key_of_its_own() -> None:
    config = Configuration(use_environment=False, PYRO4_CLIENTS=True)
    with Daemon(config=config) as daemon, Daemon(config=config) as other:
        assert daemon._pyroHmacKey is None
        daemon._pyroHmacKey = "key"
        assert daemon._pyroHmacKey == b"key"
        assert other._pyroHmacKey is None
        daemon._pyroHmacKey = None
        assert daemon._pyroHmacKey is None


def test_the_configuration_gives_all_daemons_a_key() -> None:
    config = Configuration(
        use_environment=False, PYRO4_CLIENTS=True, PYRO4_HMAC_KEY="key"
    )
    with Daemon(config=config) as daemon:
        assert daemon._pyroHmacKey == b"key"


def test_a_key_is_of_no_use_without_pyro4_clients() -> None:
    with Daemon(config=Configuration(use_environment=False)) as daemon:
        with pytest.raises(LocalProtocolError, match="PYRO4_CLIENTS"):
            daemon._pyroHmacKey = b"key"
        assert daemon._pyroHmacKey is None
