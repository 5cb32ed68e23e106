"""Ctrl-C while a daemon serves."""

from __future__ import annotations

import signal
import sys

import pytest

from support.programs import Program

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="programs cannot be sent such a signal there"
)

DROPPED = """
import signal, socket, sys
from pyro_server import Daemon, config

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

sys.unraisablehook = lambda unraisable: print("dropped", unraisable.exc_type.__name__)
things = [Finalized()]

def lose_one():
    if things:
        del things[0]
    return True

ours, theirs = socket.socketpair()
# It looks around that often.
config.POLLTIMEOUT = 0.1
config.SERVERTYPE = sys.argv[1] if sys.argv[1] != "connected" else "thread"
given = ours if sys.argv[1] == "connected" else None
with ours, theirs, Daemon(connected_socket=given) as daemon:
    daemon.requestLoop(lose_one)
    print("ended", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    # Until it is pressed again.
    things.append(Finalized())
    daemon.requestLoop(lose_one)
    print("ended", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize("kind", ["thread", "multiplex", "connected"])
def test_an_interruption_that_python_drops_ends_the_loop_all_the_same(
    kind: str,
) -> None:
    with Program("-c", DROPPED, kind) as program:
        assert program.wait() == 0
    assert program.lines == ["dropped KeyboardInterrupt", "ended True"] * 2


OWN_HANDLER = """
import signal
from pyro_server import Daemon

pressed = []
signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
with Daemon() as daemon:
    print("ready", flush=True)
    daemon.requestLoop(lambda: not pressed)
print("ended by", *pressed)
"""


def test_a_handler_of_the_program_stays_in_place() -> None:
    with Program("-c", OWN_HANDLER) as program:
        program.wait_for("ready")
        program.send_signal(signal.SIGINT)
        assert program.wait() == 0
    assert program.lines == ["ready", f"ended by {int(signal.SIGINT)}"]
