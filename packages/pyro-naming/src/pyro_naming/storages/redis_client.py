"""The Redis that a URL means."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pyro_protocol.errors import NamingError

__all__ = ["connect", "errors", "is_passing"]

_SENTINEL_PORT: Final = 26379

# An engine that is reached answers in milliseconds, and waits for half a second at
# most; one that is not must not hold up its replacement.
_ANSWER_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 2.0

# How errors begin that Redis has no class for and that pass.
_PASSING: Final = ("BUSY ", "NOREPLICAS", "UNBLOCKED")


def errors() -> tuple[type[Exception], ...]:
    """Return what is raised by a client."""
    return (_library().RedisError, OSError)


def is_passing(error: Exception) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    library = _library()
    if isinstance(error, (library.AuthenticationError, _authorization_error())):
        return False
    passing = (
        library.ConnectionError,
        library.TimeoutError,
        library.ReadOnlyError,
        _exceptions().ClusterDownError,
        _exceptions().TryAgainError,
        OSError,
    )
    return isinstance(error, passing) or str(error).startswith(_PASSING)


def connect(url: str) -> tuple[Any, str, str]:
    """Return a client, what it talks to, and the prefix of the keys.

    It connects when it is used.

    Args:
        url: as for `RedisStorage`.

    Raises:
        ValueError: the URL is no such.
        NamingError: redis-py is not installed.
    """
    library = _library()
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "redis+unix"):
        raise ValueError(
            "a Redis storage is redis://HOST:PORT/DB, rediss://HOST:PORT/DB or "
            f"redis+unix:///PATH, and not {parts.scheme}:"
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", "pyro")
    place = parts.netloc.rpartition("@")[2] or "localhost"
    if "sentinel" in query:
        service = query["sentinel"]
        client = _by_sentinels(library, parts.scheme, parts.netloc, parts.path, service)
        return client, f"Redis (service {service} of {place})", prefix
    place = parts.path if parts.scheme == "redis+unix" else f"{place}{parts.path}"
    cleaned = parts._replace(
        scheme=parts.scheme.removeprefix("redis+"), query=urlencode(query)
    )
    client = library.Redis.from_url(cleaned.geturl(), **_options())
    try:
        # It is made of the options without being connected.
        client.connection_pool.make_connection()
    except TypeError as error:
        raise ValueError(
            f"a Redis storage knows not all of its options: {error}"
        ) from None
    return client, f"Redis at {place}", prefix


def _by_sentinels(
    library: Any, scheme: str, netloc: str, path: str, service: str
) -> Any:
    """Return a client of the Redis that is the master by what Sentinels say."""
    login, _, hosts = netloc.rpartition("@")
    user, _, password = login.partition(":")
    addresses = []
    for host in hosts.split(","):
        # The URL of a single one knows how addresses are written.
        one = urlsplit(f"//{host}")
        addresses.append((one.hostname or "localhost", one.port or _SENTINEL_PORT))
    sentinel = library.Sentinel(addresses, sentinel_kwargs=_options(), **_options())
    return sentinel.master_for(
        service,
        username=unquote(user) or None,
        password=unquote(password) or None,
        db=int(path.strip("/") or 0),
        ssl=scheme == "rediss",
    )


def _options() -> dict[str, Any]:
    backoff: Any = import_module("redis.backoff")
    retry: Any = import_module("redis.retry")
    return {
        # What was sent may have been done, and only the storage knows how to ask
        # for it again.
        "retry": retry.Retry(backoff.NoBackoff(), 0),
        "socket_timeout": _ANSWER_SECONDS,
        "socket_connect_timeout": _CONNECT_SECONDS,
        # Answers look different in the newer one.
        "protocol": 2,
    }


def _library() -> Any:
    try:
        return import_module("redis")
    except ImportError as error:
        raise NamingError(
            "to keep names in Redis, install redis-py: pip install 'pyro-naming[redis]'"
        ) from error


def _exceptions() -> Any:
    return import_module("redis.exceptions")


def _authorization_error() -> type[Exception]:
    error: type[Exception] = _exceptions().AuthorizationError
    return error
