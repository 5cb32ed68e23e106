"""Fuzz the protocol, guided by coverage.

    python tests/fuzz/run.py [TARGET ...] [--seconds N] [--try FILE]

What is found stays in .fuzz/findings, the inputs that reach new places in .fuzz/corpus,
where the next run begins.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz.cost import bounded_memory
from fuzz.seeds import DICTIONARY
from fuzz.targets import TARGETS, TIMED_TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_TARGETS: Final = TARGETS | TIMED_TARGETS
_CACHE: Final = Path(__file__).parent.parent.parent / ".fuzz"
_WORKER: Final = Path(__file__).parent / "worker.py"

_LONGEST: Final = 64 * 1024
"""The longest input in bytes: enough for every limit of the protocol that is not
tested by itself, and short enough to try thousands a second."""

_MEMORY: Final = 1024
"""MiB of memory at which a run ends: what only C libraries know of counts, too."""

_TIMEOUT: Final = 60
"""Seconds after which an input counts as a hang. The fuzzer's clock also counts what
other programs do; slowness of our own is noticed by processor time, much earlier."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz some targets one after the other and return 1 if anything was found."""
    options = _parse(arguments)
    if options.try_file is not None:
        return _try(options.targets, options.try_file)
    _CACHE.mkdir(exist_ok=True)
    (_CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
    words = "".join(
        '"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word))
        for word in DICTIONARY
    )
    (_CACHE / "dictionary").write_text(words, encoding="ascii")
    failed = [name for name in options.targets if not _fuzz(name, options.seconds)]
    for name in failed:
        sys.stderr.write(f"{name}: see {_CACHE / 'findings' / name}\n")
    return int(bool(failed))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help=f"default: all, which are {', '.join(_TARGETS)}",
    )
    parser.add_argument(
        "--seconds", type=int, default=60, help="for each target; default: 60"
    )
    parser.add_argument(
        "--try",
        dest="try_file",
        type=Path,
        metavar="FILE",
        help="only try this input with the target, without the fuzzer",
    )
    options = parser.parse_args(arguments)
    for name in options.targets:
        if name not in _TARGETS:
            parser.error(f"{name!r} is none of {', '.join(_TARGETS)}")
    if options.try_file is not None and len(options.targets) != 1:
        parser.error("--try needs one target")
    if options.seconds < 1:
        parser.error("--seconds must be positive")
    options.targets = options.targets or list(_TARGETS)
    return options


def _fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target and tell whether it did well."""
    folders = {kind: _CACHE / kind / name for kind in ("corpus", "seeds", "findings")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for data in _TARGETS[name].seeds():
        digest = hashlib.sha256(data).hexdigest()[:32]
        (folders["seeds"] / digest).write_bytes(data)
    command = [
        *(sys.executable, str(_WORKER), name),
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-rss_limit_mb={_MEMORY}",
        f"-timeout={_TIMEOUT}",
        f"-dict={_CACHE / 'dictionary'}",
        f"-artifact_prefix={folders['findings']}/",
        "-print_final_stats=1",
        *(str(folders["corpus"]), str(folders["seeds"])),
    ]
    sys.stderr.write(f"\n{name}, {seconds} seconds\n")
    return subprocess.run(command, check=False).returncode == 0


def _try(targets: Sequence[str], file: Path) -> int:
    """Run a target with one input; what is wrong is shown as it is raised."""
    (name,) = targets
    target = _TARGETS[name]
    bounded_memory(target.run, file.read_bytes(), target.makes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
