"""Have the agent sign a text: python client.py sign TEXT | status | stop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pyro_client import Proxy, errors

PROGRAM = Path(__file__).parent / "agent.py"
RUNTIME_FOLDER = os.environ.get("XDG_RUNTIME_DIR", str(Path.home()))
SOCKET = os.environ.get("AGENT_SOCKET", f"{RUNTIME_FOLDER}/agent.sock")


def start() -> None:
    """Start an agent that outlives this program, and wait until it is ready."""
    agent = subprocess.Popen(
        [sys.executable, PROGRAM],
        env={**os.environ, "AGENT_SOCKET": SOCKET},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert agent.stdout is not None
    if agent.stdout.readline() != b"ready\n":
        sys.exit(f"the agent did not start: exit status {agent.wait()}")


def connect() -> Proxy:
    """Return the agent; start it if there is none."""
    proxy = Proxy(f"PYRO:agent@./u:{SOCKET}")
    try:
        proxy._pyroBind()
    except errors.CommunicationError:
        start()
        print("Started an agent")
    else:
        print("An agent was there")
    return proxy


action, *texts = sys.argv[1:]
with connect() as agent:
    if action == "sign":
        print(texts[0], "is signed:", agent.sign(texts[0])[:12])
    elif action == "status":
        print(agent.status())
    else:
        agent.stop()
        print("It ends")
