"""Talk to others: python client.py PYRO:chat@... NAME ROOM; Ctrl-D leaves."""

from __future__ import annotations

import sys

from pyro_client import Proxy, expose, oneway


class Listener:
    """Shows what others say."""

    @expose
    @oneway
    def hear(self, line: str) -> None:
        """Show a line; the server calls this."""
        print(line, flush=True)


uri, name, room = sys.argv[1:]
with Proxy(uri) as chat:
    names = chat.join(room, name, Listener().hear)
    print(f"In the {room}:", ", ".join(names), flush=True)
    for line in sys.stdin:
        if not chat.say(room, name, line.rstrip("\n")):
            print("(nobody has heard that)")
