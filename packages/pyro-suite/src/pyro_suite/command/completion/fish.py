"""The script for fish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .described import DescribedTool, Option, Value

__all__ = ["fish_script"]

_SCRIPT: Final = r"""# Completes pyro in fish, and its tools. By: pyro completion fish

# What has been typed for the tool: its name, then its arguments.
function __pyro_typed
    set -l typed (commandline -opc)
    set -l program (string replace -r '.*/' '' -- $typed[1])
    if test "$program" = pyro
        set -e typed[1]
    else
        set typed[1] (string replace -r '^pyro-' '' -- $program)
    end
    string join \n -- $typed
end

# Whether the tool is $argv[1].
function __pyro_uses
    set -l typed (__pyro_typed)
    test "$typed[1]" = "$argv[1]"
end

# Whether the tool is $argv[1] and its argument number $argv[2] comes now.
function __pyro_at
    set -l typed (__pyro_typed | string match -v -- '-*')
    test "$typed[1]" = "$argv[1]" -a (count $typed) -eq $argv[2]
end

# Whether the tool is $argv[1] and its argument number $argv[2] has come.
function __pyro_after
    set -l typed (__pyro_typed | string match -v -- '-*')
    test "$typed[1]" = "$argv[1]" -a (count $typed) -ge $argv[2]
end

# The names that pyro finds, with $argv[1] before each.
function __pyro_names
    set -l typed (commandline -opc)
    set -l pyro (string replace -r 'pyro-[a-z-]+$' pyro -- $typed[1])
    set -l names ($pyro completion --names 2>/dev/null </dev/null)
    for name in $names
        echo $argv[1]$name
    end
    if test (count $names) -eq 0 -a "$argv[1]" = PYRONAME:
        string join \n PYRONAME: PYROMETA: PYRO:
    end
end

complete -c pyro -f
complete -c pyro -n 'test (count (__pyro_typed)) -eq 0' -s h -l help -d 'show all tools'
complete -c pyro -n 'test (count (__pyro_typed)) -eq 0' -l version -d 'show versions'
@TOOLS@
"""


def fish_script(tools: Sequence[DescribedTool]) -> str:
    """Return the script.

    Args:
        tools: what it completes.
    """
    lines = "\n".join(line for tool in tools for line in _tool(tool))
    return _SCRIPT.replace("@TOOLS@", lines)


def _tool(tool: DescribedTool) -> Iterator[str]:
    yield (
        "\ncomplete -c pyro -n 'test (count (__pyro_typed)) -eq 0' "
        f"-a {tool.name} -d {_quoted(tool.summary)}"
    )
    commands = f"pyro {tool.command}".rstrip()
    if tool.command:
        yield f"complete -c {tool.command} -f"
    yield f"for command in {commands}"
    for option in tool.options:
        yield f"    {_option(tool, option)}"
    for number, word in enumerate(tool.words, 1):
        test = "__pyro_after" if word.repeated else "__pyro_at"
        values = _values(word.value)
        if values:
            yield (
                f"    complete -c $command -n '{test} {tool.name} {number}' {values}"
            )
    yield "end"


def _option(tool: DescribedTool, option: Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
        for name in option.names
    )
    value = "" if option.value is None else f" -r {_values(option.value) or '-f'}"
    return (
        f"complete -c $command -n '__pyro_uses {tool.name}' {names}{value} "
        f"-d {_quoted(option.help)}"
    )


def _values(value: Value) -> str:
    return {
        "words": f"-f -a {_quoted(' '.join(value.words))}",
        "file": "-F",
        "folder": "-f -a '(__fish_complete_directories)'",
        "object": "-f -a '(__pyro_names PYRONAME:)'",
        "name": "-f -a '(__pyro_names \"\")'",
        "any": "",
    }[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", r"\'") + "'"
