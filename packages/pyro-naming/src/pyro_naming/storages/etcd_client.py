"""Requests to a cluster of etcd, whichever of its members answers."""

from __future__ import annotations

import contextlib
import json
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pyro_protocol.errors import NamingError

from .engine_calls import EngineCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EtcdClient", "EtcdError"]

_PORT: Final = 2379

# A member answers in milliseconds, and even with a slow disk within a second. But one
# that has handed the request to a leader that died waits for seven.
_ANSWER_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 2.0
# As many threads of a name server may ask at once without opening connections anew.
_KEPT_CONNECTIONS: Final = 64


class EtcdError(Exception):
    """A request has failed.

    Attributes:
        is_passing: whether it may succeed at the next attempt.
    """

    def __init__(self, text: str, *, is_passing: bool) -> None:
        super().__init__(text)
        self.is_passing = is_passing


class EtcdClient:
    """Asks the members of a cluster in turn until one answers.

    Args:
        url: as for `EtcdStorage`.

    Attributes:
        prefix: what the keys begin with.
        calls: repeats what fails.

    Raises:
        ValueError: the URL is no such.
        NamingError: etcd3gw is not installed.
    """

    def __init__(self, url: str) -> None:
        self._gateway = _library()
        self._requests: Any = import_module("requests")
        parts = urlsplit(url)
        if parts.scheme not in ("etcd", "etcds"):
            raise ValueError(
                "an etcd storage is etcd://HOST:PORT,HOST:PORT/PREFIX or etcds:// with "
                f"TLS, and not {parts.scheme}:"
            )
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        login, _, hosts = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        self._login = {
            "name": query.pop("user", unquote(user)),
            "password": query.pop("password", unquote(password)),
        }
        self.prefix: str = unquote(parts.path).strip("/") or "pyro"
        self._session = self._new_session(query)
        scheme = "https" if parts.scheme == "etcds" else "http"
        self._members = [self._member(scheme, address) for address in hosts.split(",")]
        self._asked = 0
        self._streams: set[Any] = set()
        self._lock = threading.Lock()
        self.calls: EngineCalls = EngineCalls(
            f"etcd at {hosts or 'localhost'}", (EtcdError,), _is_passing
        )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request that may be sent more than once.

        Raises:
            NamingError: the cluster refuses, or cannot be reached.
        """
        return self.calls.persist(lambda: self.attempt(path, body))

    def attempt(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, sent once.

        Raises:
            EtcdError: there is none; the request may have been carried out.
        """
        with self._member_to_ask() as member:
            answer: dict[str, Any] = member.post(member.get_url(path), json=body)
        return answer

    def events(
        self, key: str, end: str | None, revision: int, seconds: float = _ANSWER_SECONDS
    ) -> contextlib.AbstractContextManager[Iterator[dict[str, Any]]]:
        """Return what has happened, and happens, to keys since a revision.

        To be used in a ``with`` block, as an iterator of the cluster's messages.
        `close` ends it.

        Args:
            key: the first key.
            end: what comes after the last one; None if there is just one.
            revision: the first that counts.
            seconds: how long to wait for each message.

        Raises:
            EtcdError: the cluster cannot be reached, or the time is over.
        """
        request = {"key": key, "start_revision": revision}
        if end is not None:
            request["range_end"] = end
        return self._stream({"create_request": request}, seconds)

    def close(self) -> None:
        """Close the connections, and end the waiting of others."""
        self.calls.stop()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            # It may be over in this moment.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                stream.raw.shutdown()
        self.calls.close()
        self._session.close()

    @contextlib.contextmanager
    def _stream(
        self, body: dict[str, Any], seconds: float
    ) -> Iterator[Iterator[dict[str, Any]]]:
        with self._member_to_ask() as member:
            response = self._session.post(
                member.get_url("/watch"),
                json=body,
                stream=True,
                timeout=(_CONNECT_SECONDS, seconds),
            )
            with response:
                with self._lock:
                    self._streams.add(response)
                try:
                    # If not, whoever closes finds it among the others.
                    if self.calls.closed:
                        raise EtcdError("it was closed here", is_passing=False)
                    yield self._messages(response)
                finally:
                    with self._lock:
                        self._streams.discard(response)

    def _messages(self, response: Any) -> Iterator[dict[str, Any]]:
        """Decode the messages of a stream: each is a line, however it arrives."""
        for line in response.iter_lines(chunk_size=None, delimiter=b"\n"):
            if not line.strip():
                continue
            message = json.loads(line)
            result = message.get("result", {})
            was_ended = result.get("canceled") and "compact_revision" not in result
            if was_ended or "result" not in message:
                # It does not tell whether it has forgotten who asks.
                self._session.headers.pop("Authorization", None)
                reason = result.get("cancel_reason") or message.get("error")
                raise EtcdError(f"no changes are told: {reason}", is_passing=True)
            yield result
        raise EtcdError("the connection was closed", is_passing=True)

    @contextlib.contextmanager
    def _member_to_ask(self) -> Iterator[Any]:
        """Lend a member's client; if it fails, another one is asked next."""
        asked = self._asked
        member = self._members[asked]
        try:
            if self._login["name"] and "Authorization" not in self._session.headers:
                self._log_in(member)
            yield member
        except self._gateway.exceptions.Etcd3Exception as error:
            text = _explanation(error)
            passing = self._passes(error)
            if "auth token" in text and self._login["name"]:
                # It has expired, which a new one mends.
                self._session.headers.pop("Authorization", None)
                passing = True
            if passing:
                self._asked = (asked + 1) % len(self._members)
            raise EtcdError(text, is_passing=passing) from error
        except self._requests.exceptions.RequestException as error:
            self._asked = (asked + 1) % len(self._members)
            raise EtcdError(_explanation(error), is_passing=True) from error

    def _log_in(self, member: Any) -> None:
        answer = member.post(member.get_url("/auth/authenticate"), json=self._login)
        self._session.headers["Authorization"] = answer["token"]

    def _passes(self, error: Exception) -> bool:
        exceptions = self._gateway.exceptions
        passing = (
            exceptions.ConnectionFailedError,
            exceptions.ConnectionTimeoutError,
            # What a member says that is just ending or has no leader.
            exceptions.InternalServerError,
        )
        return isinstance(error, passing)

    def _new_session(self, query: dict[str, str]) -> Any:
        session = self._requests.Session()
        # What surrounds the process is meant for web sites: proxies and passwords.
        session.trust_env = False
        adapter = self._requests.adapters.HTTPAdapter(pool_maxsize=_KEPT_CONNECTIONS)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        if "ca" in query:
            session.verify = query.pop("ca")
        if "cert" in query:
            session.cert = (query["cert"], query.pop("key", query["cert"]))
            del query["cert"]
        if query:
            raise ValueError(
                f"an etcd storage knows no {', '.join(sorted(query))}; there are "
                "user, password, ca, cert and key"
            )
        return session

    def _member(self, scheme: str, address: str) -> Any:
        parts = urlsplit(f"//{address}")
        return self._gateway.Etcd3Client(
            host=parts.hostname or "localhost",
            port=parts.port or _PORT,
            protocol=scheme,
            timeout=_ANSWER_SECONDS,
            session=self._session,
        )


def _explanation(error: Any) -> str:
    """Return what etcd or the system has said, without all that is around it."""
    inner: BaseException | None = error
    while inner is not None:
        # The libraries' own are OSErrors too, and tell the whole story each.
        if isinstance(inner, OSError) and type(inner).__module__ == "builtins":
            return str(inner)
        inner = inner.__cause__ or inner.__context__
    text = getattr(error, "detail_text", None) or str(error)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["error"]
    return str(text)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, EtcdError) and error.is_passing


def _library() -> Any:
    try:
        # The package's own name for its client hides the module.
        gateway: Any = import_module("etcd3gw.client")
    except ImportError as error:
        raise NamingError(
            "to keep names in etcd, install etcd3gw: pip install 'pyro-naming[etcd]'"
        ) from error
    return gateway
