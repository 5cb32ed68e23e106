"""The script for bash, from version 3.2 on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .described import DescribedTool, Value

__all__ = ["bash_script"]

_SCRIPT: Final = r"""# Completes pyro in bash, and its tools. By: pyro completion bash

# Sets $options to those of the tool $1.
__pyro_tool() {
  case $1 in
@TOOLS@
    *) options= ;;
  esac
}

# Sets $kind and $choices to what follows the option $2 of the tool $1.
# Fails if nothing does.
__pyro_option() {
  kind= choices=
  case "$1 $2" in
@OPTIONS@
    *) return 1 ;;
  esac
}

# Sets $kind and $choices to what the word number $2 of the tool $1 is.
__pyro_word() {
  kind=any choices=
  case "$1 $2" in
@WORDS@
  esac
}

# Offers what of its arguments begins with $current.
__pyro_offer() {
  local one
  for one in "$@"; do
    if [[ $one == "$current"* ]]; then COMPREPLY+=("$one"); fi
  done
}

# Offers the names that $pyro finds, with $1 before each.
__pyro_offer_names() {
  local one
  while IFS= read -r one; do
    __pyro_offer "$1$one"
  done < <("$pyro" completion --names 2>/dev/null </dev/null)
}

# Offers the files, or with -d the folders, of which $current is the beginning.
__pyro_offer_files() {
  local one
  compopt -o filenames 2>/dev/null
  while IFS= read -r one; do
    COMPREPLY+=("$one")
  done < <(compgen "$1" -- "$current")
}

_pyro() {
  local line=${COMP_LINE:0:COMP_POINT}
  local current= tool= option= ended= kind= choices= options= pyro word
  local first=1 position=1 index
  local -a typed
  COMPREPLY=()
  # Not COMP_WORDS, which ends words at colons.
  read -ra typed <<<"$line"
  if [[ $line != *[[:space:]] ]]; then
    index=$((${#typed[@]} - 1))
    current=${typed[index]}
    unset "typed[index]"
  fi
  pyro=${typed[0]/#\~\//$HOME/}
  if [[ ${pyro##*/} == pyro-* ]]; then
    tool=${pyro##*/pyro-}
    tool=${tool#pyro-}
    pyro=${pyro%pyro-*}pyro
  elif [[ ${#typed[@]} -gt 1 ]]; then
    tool=${typed[1]}
    first=2
  else
    __pyro_offer @NAMES@ --help --version
    return
  fi
  for ((index = first; index < ${#typed[@]}; index++)); do
    word=${typed[index]}
    if [[ -n $option ]]; then
      option=
    elif [[ -z $ended && $word == -- ]]; then
      ended=yes
    elif [[ -z $ended && $word == -?* ]]; then
      if __pyro_option "$tool" "$word"; then option=$word; fi
    else
      position=$((position + 1))
    fi
  done
  if [[ -n $option ]]; then
    __pyro_option "$tool" "$option"
  elif [[ -z $ended && $current == --*=* ]]; then
    __pyro_option "$tool" "${current%%=*}" || return
    current=${current#*=}
  elif [[ -z $ended && $current == -* ]]; then
    __pyro_tool "$tool"
    kind=words choices=$options
  else
    __pyro_word "$tool" "$position"
  fi
  case $kind in
    words) __pyro_offer $choices ;;
    file) __pyro_offer_files -f ;;
    folder) __pyro_offer_files -d ;;
    name) __pyro_offer_names '' ;;
    object)
      __pyro_offer_names PYRONAME:
      if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o nospace 2>/dev/null
        __pyro_offer PYRONAME: PYROMETA: PYRO:
      fi
      ;;
  esac
  # bash replaces only what follows the last colon.
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* && $kind != f* ]]; then
    for index in "${!COMPREPLY[@]}"; do
      COMPREPLY[index]=${COMPREPLY[index]#"${current%"${current##*:}"}"}
    done
  fi
}

complete -F _pyro pyro @COMMANDS@
"""


def bash_script(tools: Sequence[DescribedTool]) -> str:
    """Return the script.

    Args:
        tools: what it completes.
    """
    parts = {
        "TOOLS": "\n".join(map(_tool, tools)),
        "OPTIONS": "\n".join(line for tool in tools for line in _options(tool)),
        "WORDS": "\n".join(line for tool in tools for line in _words(tool)),
        "NAMES": " ".join(tool.name for tool in tools),
        "COMMANDS": " ".join(tool.command for tool in tools if tool.command),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script


def _tool(tool: DescribedTool) -> str:
    names = [name for option in tool.options for name in option.names]
    return f"    {tool.name}) options={shlex.quote(' '.join(names))} ;;"


def _options(tool: DescribedTool) -> Iterator[str]:
    for option in tool.options:
        if option.value is not None:
            places = "|".join(f"'{tool.name} {name}'" for name in option.names)
            yield f"    {places}) {_assigned(option.value)} ;;"


def _words(tool: DescribedTool) -> Iterator[str]:
    for number, word in enumerate(tool.words, 1):
        # Of several patterns that fit, the first counts.
        place = f"'{tool.name} '*" if word.repeated else f"'{tool.name} {number}'"
        yield f"    {place}) {_assigned(word.value)} ;;"


def _assigned(value: Value) -> str:
    if value.kind != "words":
        return f"kind={value.kind}"
    return f"kind=words choices={shlex.quote(' '.join(value.words))}"
