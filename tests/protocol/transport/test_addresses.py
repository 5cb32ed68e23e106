from __future__ import annotations

import os
import socket
import stat
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import new_config
from pyro_protocol import URI
from pyro_protocol.errors import CommunicationError
from pyro_protocol.transport import (
    connect_socket,
    format_location,
    listening_socket,
    location_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback here")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def uri_of(sock: socket.socket, host: str | None = None) -> URI:
    return URI(f"PYRO:thing@{location_of(sock, host)}")


def listen(stack: ExitStack, *args: Any, **items: Any) -> socket.socket:
    unixsocket = items.pop("unixsocket", None)
    host, port = args or (None, 0)
    return stack.enter_context(
        listening_socket(host, port, new_config(**items), unixsocket)
    )


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("localhost", 80, "localhost:80"),
        ("::1", 80, "[::1]:80"),
        ("::1", None, "[::1]"),
        ("localhost", None, "localhost"),
    ],
)
def test_a_location_is_host_and_port(host: str, port: int | None, text: str) -> None:
    assert format_location(host, port) == text


class TestListening:
    def test_without_a_host_it_is_that_of_the_configuration(
        self, stack: ExitStack
    ) -> None:
        sock = listen(stack, None, 0, HOST="127.0.0.1")

        assert sock.getsockname()[0] == "127.0.0.1"
        assert location_of(sock) == f"127.0.0.1:{sock.getsockname()[1]}"
        assert location_of(sock, "my.name").startswith("my.name:")

    def test_it_does_not_block(self, stack: ExitStack) -> None:
        with pytest.raises(BlockingIOError):
            listen(stack).accept()

    def test_the_empty_host_means_all_interfaces(self, stack: ExitStack) -> None:
        assert listen(stack, "", 0).getsockname()[0] == "0.0.0.0"

    @needs_ipv6
    def test_an_ipv6_address_is_bound(self, stack: ExitStack) -> None:
        sock = listen(stack, "::1", 0)

        assert sock.family == socket.AF_INET6
        assert location_of(sock).startswith("[::1]:")

    @needs_ipv6
    @pytest.mark.parametrize("host", ["", "localhost"])
    def test_the_preferred_ip_version_decides_what_a_name_means(
        self, stack: ExitStack, host: str
    ) -> None:
        assert listen(stack, host, 0, PREFER_IP_VERSION=4).family == socket.AF_INET
        try:
            sock = listen(stack, host, 0, PREFER_IP_VERSION=6)
        except CommunicationError:
            pytest.skip("localhost has no IPv6 address here")
        assert sock.family == socket.AF_INET6

    def test_an_address_in_use_is_named(self, stack: ExitStack) -> None:
        port = listen(stack).getsockname()[1]

        with pytest.raises(
            CommunicationError, match=f"cannot listen on 127.0.0.1:{port}"
        ):
            listen(stack, "127.0.0.1", port)

    @pytest.mark.parametrize(
        ("host", "port"),
        [
            ("127.0.0.1", 70_000),
            ("127.0.0.1", -1),
            ("no such host", 0),
            ("..", 0),
            ("x" * 70, 0),
        ],
    )
    def test_an_impossible_address_is_an_error_of_ours(
        self, stack: ExitStack, host: str, port: int
    ) -> None:
        with pytest.raises(CommunicationError, match="cannot listen on"):
            listen(stack, host, port)


class TestUnixSockets:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "a b.sock"

    def test_only_the_owner_can_connect(self, stack: ExitStack, path: Path) -> None:
        before = os.umask(0)
        try:
            sock = listen(stack, unixsocket=str(path))
            assert os.umask(0) == 0
        finally:
            os.umask(before)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert location_of(sock) == f"./u:{path}"

    def test_it_can_be_connected_to(self, stack: ExitStack, path: Path) -> None:
        sock = listen(stack, unixsocket=str(path))

        client = stack.enter_context(connect_socket(uri_of(sock), new_config(), 10))

        assert client.getpeername() == str(path)
        assert client.gettimeout() == 10

    def test_a_file_left_behind_is_replaced(self, stack: ExitStack, path: Path) -> None:
        socket_file(path).close()
        assert path.exists()

        sock = listen(stack, unixsocket=str(path))

        stack.enter_context(connect_socket(uri_of(sock), new_config()))

    def test_a_server_that_is_alive_is_left_alone(
        self, stack: ExitStack, path: Path
    ) -> None:
        first = listen(stack, unixsocket=str(path))

        with pytest.raises(CommunicationError, match="another server listens there"):
            listen(stack, unixsocket=str(path))

        stack.enter_context(connect_socket(uri_of(first), new_config()))

    def test_a_file_that_is_no_socket_is_left_alone(
        self, stack: ExitStack, path: Path
    ) -> None:
        path.write_text("precious", encoding="utf-8")

        with pytest.raises(CommunicationError, match="is not a socket"):
            listen(stack, unixsocket=str(path))

        assert path.read_text(encoding="utf-8") == "precious"

    @pytest.mark.parametrize("name", ["x" * 200, "a\0b", "\ud800"])
    def test_an_impossible_path_is_an_error_of_ours(
        self, stack: ExitStack, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(CommunicationError, match=r"cannot listen on ./u:"):
            listen(stack, unixsocket=f"{tmp_path}/{name}")

    @needs_linux
    def test_an_abstract_name_leaves_no_file(
        self, stack: ExitStack, tmp_path: Path
    ) -> None:
        name = f"\0pyro-test-{os.getpid()}-{tmp_path.name}"
        sock = listen(stack, unixsocket=name)

        assert location_of(sock) == f"./u:{name}"
        stack.enter_context(connect_socket(uri_of(sock), new_config()))

    def test_a_socket_without_a_name_says_so(self, stack: ExitStack) -> None:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(theirs)

        if ours.family == socket.AF_UNIX:
            assert location_of(ours) == "./u:<<not-bound>>"


def socket_file(path: Path) -> socket.socket:
    """A socket file with nobody behind it once the socket is closed."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    return sock


class TestConnecting:
    def test_a_connection_is_kept_alive_and_not_delayed(self, stack: ExitStack) -> None:
        uri = uri_of(listen(stack))

        sock = stack.enter_context(connect_socket(uri, new_config(), 10))

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout() == 10

    def test_the_delay_can_be_had(self, stack: ExitStack) -> None:
        uri = uri_of(listen(stack))

        sock = stack.enter_context(connect_socket(uri, new_config(SOCK_NODELAY=False)))

        assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout() is None

    def test_the_default_timeout_of_the_program_is_not_taken_over(
        self, stack: ExitStack
    ) -> None:
        uri = uri_of(listen(stack))
        stack.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(7)

        assert stack.enter_context(connect_socket(uri, new_config())).gettimeout() is (
            None
        )

    def test_the_wrong_ip_version_of_an_ipv4_address_is_not_tried(
        self, stack: ExitStack
    ) -> None:
        uri = uri_of(listen(stack, "127.0.0.1", 0))

        with pytest.raises(OSError, match=r"."):
            connect_socket(uri, new_config(PREFER_IP_VERSION=6))
        stack.enter_context(connect_socket(uri, new_config(PREFER_IP_VERSION=4)))

    @needs_ipv6
    def test_an_ipv6_address_is_connected_to(self, stack: ExitStack) -> None:
        uri = uri_of(listen(stack, "::1", 0))

        assert (
            stack.enter_context(connect_socket(uri, new_config())).family
            == socket.AF_INET6
        )

    @needs_ipv6
    def test_the_wrong_ip_version_is_not_tried(self, stack: ExitStack) -> None:
        uri = uri_of(listen(stack, "::1", 0))

        with pytest.raises(OSError, match=r"."):
            connect_socket(uri, new_config(PREFER_IP_VERSION=4))

    def test_all_addresses_of_a_name_are_tried(self, stack: ExitStack) -> None:
        # Whatever localhost means first, one of its addresses answers.
        uri = uri_of(listen(stack, "127.0.0.1", 0), "localhost")

        sock = stack.enter_context(connect_socket(uri, new_config()))

        assert sock.getpeername()[0] == "127.0.0.1"

    def test_nobody_listening_is_an_oserror(
        self, stack: ExitStack, tmp_path: Path
    ) -> None:
        with ExitStack() as inner:
            uri = uri_of(listen(inner))

        with pytest.raises(ConnectionRefusedError):
            connect_socket(uri, new_config())
        with pytest.raises(FileNotFoundError):
            connect_socket(URI(f"PYRO:thing@./u:{tmp_path}/nothing"), new_config())

    @pytest.mark.parametrize("host", ["..", "x" * 70])
    def test_a_host_that_is_no_name_is_an_oserror(self, host: str) -> None:
        with pytest.raises(OSError, match="not a host name"):
            connect_socket(URI(f"PYRO:thing@{host}:1"), new_config())

    @pytest.mark.parametrize("name", ["x" * 200, "a\0b", "\ud800"])
    def test_a_path_that_cannot_be_is_an_oserror(self, name: str) -> None:
        with pytest.raises(OSError, match=r"."):
            connect_socket(URI(f"PYRO:thing@./u:{name}"), new_config())
