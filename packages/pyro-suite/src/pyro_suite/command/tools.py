"""The tools that ``pyro`` has: what each is for, and where it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["TOOLS", "Tool"]


# Not a dataclass: importing those takes longer than all the rest of this.
class Tool(NamedTuple):
    """A tool, which is not imported before it is used.

    Attributes:
        name: the subcommand.
        summary: what it is for, in one line.
        main: the function that runs it, as ``module:function``. It takes the arguments
            and ``prog``, and returns the exit status.
        parser: the function that makes its parser from ``prog``.
        command: its command outside of ``pyro``; empty if there is none.
    """

    name: str
    summary: str
    main: str
    parser: str
    command: str = ""

    @property
    def prog(self) -> str:
        """What it is called in its messages."""
        return f"pyro {self.name}"

    def run(self, arguments: list[str]) -> int:
        """Run it and return the exit status.

        Args:
            arguments: what follows its name on the command line.

        Raises:
            ImportError: it, or what it needs, is not installed.
        """
        main = cast("Callable[..., int]", _imported(self.main))
        return main(arguments, prog=self.prog)

    def make_parser(self, prog: str) -> argparse.ArgumentParser:
        """Return what reads its command line.

        Args:
            prog: what it is called.

        Raises:
            ImportError: it, or what it needs, is not installed.
        """
        make = cast("Callable[[str], argparse.ArgumentParser]", _imported(self.parser))
        return make(prog)


def _imported(place: str) -> object:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            "ns",
            "run a name server, which tells programs where objects are",
            "pyro_naming.cli:main",
            "pyro_naming.ns_options:ns_parser",
            "pyro-ns",
        ),
        Tool(
            "nsc",
            "ask a name server, and change what it knows",
            "pyro_naming.nsc.command:main",
            "pyro_naming.nsc.command:command_parser",
            "pyro-nsc",
        ),
        Tool(
            "serve",
            "publish classes and objects, so that other programs can call them",
            "pyro_server.cli:main",
            "pyro_server.arguments:serve_parser",
            "pyro-serve",
        ),
        Tool(
            "call",
            "call a remote object, or show what it offers",
            "pyro_client.cli:main",
            "pyro_client.call_options:call_parser",
            "pyro-call",
        ),
        Tool(
            "doctor",
            "find out why an object or the name server cannot be reached",
            "pyro_client.doctor.command:main",
            "pyro_client.doctor.command:doctor_parser",
            "pyro-doctor",
        ),
        Tool(
            "stubs",
            "write the types of a remote object, for type checkers and editors",
            "pyro_client.stubs:main",
            "pyro_client.stubs:stubs_parser",
            "pyro-stubs",
        ),
        Tool(
            "httpgw",
            "make objects a web API",
            "pyro_httpgw.cli:main",
            "pyro_httpgw.serving.command_line:gateway_parser",
            "pyro-httpgw",
        ),
        Tool(
            "check-config",
            "show the settings that are in force here",
            "pyro_protocol.__main__:main",
            "pyro_protocol.__main__:check_config_parser",
            "pyro-check-config",
        ),
        Tool(
            "echoserver",
            "publish an object to try things out with",
            "pyro_naming.echoserver:main",
            "pyro_naming.echoserver:echo_parser",
            "pyro-echoserver",
        ),
        Tool(
            "demo",
            "see it all at work: a weather station and its client",
            "pyro_suite.demo.command:main",
            "pyro_suite.demo.command:demo_parser",
        ),
        Tool(
            "migrate",
            "say what a program for Pyro4 or Pyro5 has to change, and change it",
            "pyro_suite.migrate.command:main",
            "pyro_suite.migrate.command:migrate_parser",
        ),
        Tool(
            "completion",
            "print what completes this command in bash, zsh or fish",
            "pyro_suite.command.completion.command:main",
            "pyro_suite.command.completion.command:completion_parser",
        ),
    )
}
"""Every tool by its name, in the order in which they are listed."""
