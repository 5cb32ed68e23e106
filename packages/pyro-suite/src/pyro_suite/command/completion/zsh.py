"""The script for zsh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .described import DescribedTool, Option, Value

__all__ = ["zsh_script"]

_SCRIPT: Final = r"""#compdef pyro @COMMANDS@
# Completes pyro in zsh, and its tools. By: pyro completion zsh

# Offers the names that $pyro finds, with $1 before each.
_pyro_offer_names() {
  local -a names
  names=(${(f)"$($pyro completion --names 2>/dev/null </dev/null)"})
  (( $#names )) && compadd -- ${1}${^names}
}

_pyro_names() {
  _pyro_offer_names ''
}

_pyro_objects() {
  _pyro_offer_names PYRONAME: || compadd -S '' -- PYRONAME: PYROMETA: PYRO:
}

_pyro_options_of() {
  case $1 in
@TOOLS@
    *) _message 'no such tool' ;;
  esac
}

_pyro() {
  local curcontext=$curcontext pyro=${words[1]/#\~\//$HOME/} state line
  local -A opt_args
  local -a tools
  tools=(
@NAMES@
  )
  if [[ ${pyro:t} == pyro-* ]]; then
    local tool=${${pyro:t}#pyro-}
    pyro=${pyro%pyro-*}pyro
    _pyro_options_of $tool
    return
  fi
  _arguments -C \
    '(- *)'{-h,--help}'[show all tools]' \
    '(- *)--version[show the versions of all packages]' \
    '1: :->tool' \
    '*:: :->rest'
  case $state in
    tool) _describe -t tools tool tools ;;
    rest) _pyro_options_of $line[1] ;;
  esac
}

if [[ $funcstack[1] == _pyro ]]; then
  _pyro "$@"
else
  compdef _pyro pyro @COMMANDS@
fi
"""


def zsh_script(tools: Sequence[DescribedTool]) -> str:
    """Return the script.

    Args:
        tools: what it completes.
    """
    parts = {
        "TOOLS": "\n".join(map(_tool, tools)),
        "NAMES": "\n".join(
            f"    {_quoted(f'{tool.name}:{tool.summary}')}" for tool in tools
        ),
        "COMMANDS": " ".join(tool.command for tool in tools if tool.command),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script


def _tool(tool: DescribedTool) -> str:
    lines = [line for option in tool.options for line in _option(option)]
    for number, word in enumerate(tool.words, 1):
        place = "*" if word.repeated else str(number)
        lines.append(f"{place}:{_value(word.value)}")
    specifications = " \\\n".join(f"        {_quoted(line)}" for line in lines)
    return f"    {tool.name})\n      _arguments -S \\\n{specifications}\n      ;;"


def _option(option: Option) -> Iterator[str]:
    excluded = "*" if option.repeated else f"({' '.join(option.names)})"
    text = option.help.replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]")
    for name in option.names:
        if option.value is None:
            yield f"{excluded}{name}[{text}]"
        else:
            # Both --port=1 and --port 1, -p1 and -p 1.
            sign = "=" if name.startswith("--") else "+"
            yield f"{excluded}{name}{sign}[{text}]:{_value(option.value)}"


def _value(value: Value) -> str:
    action = {
        "words": f"({' '.join(value.words)})",
        "file": "_files",
        "folder": "_files -/",
        "object": "_pyro_objects",
        "name": "_pyro_names",
        "any": "",
    }[value.kind]
    label = value.label.replace(":", r"\:")
    return f"{label}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
