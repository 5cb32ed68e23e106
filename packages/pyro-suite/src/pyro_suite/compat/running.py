"""Runs a program as Python does, once a package has been provided for it."""

from __future__ import annotations

import builtins
import io
import runpy
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import InspectLoader
    from importlib.machinery import ModuleSpec

__all__ = ["run"]


def run(arguments: Sequence[str], package: str) -> None:
    """Run a program in the place of this one, as ``python`` itself would.

    ``sys.argv``, ``sys.path[0]`` and ``__main__`` are those of the program. This
    process is to end when the call returns.

    If the package has a folder ``spawned``, that is searched before installed modules,
    also by the processes that multiprocessing starts for the program.

    Args:
        arguments: what follows ``python -m package``: a file and its arguments, or
            ``-m``, a module and its arguments.
        package: the module that provides the compatibility, for messages.

    Raises:
        SystemExit: The program has ended with an exit status, or with an exception,
            which has been shown; or there is no such program.
    """
    if not arguments or arguments[0] in {"-h", "--help"}:
        _explain(package, failed=not arguments)
    _search_spawned(package)
    if arguments[0] == "-m":
        if len(arguments) == 1:
            _explain(package, failed=True)
        _run_module(arguments[1], arguments[2:])
    else:
        _run_file(arguments[0], arguments[1:])


def _search_spawned(package: str) -> None:
    file = getattr(sys.modules.get(package), "__file__", None)
    folder = Path(file or "").parent / "spawned"
    if file and folder.is_dir():
        # After the folder of the program, if that is searched.
        sys.path.insert(0 if sys.flags.safe_path else 1, str(folder))


def _explain(package: str, *, failed: bool) -> NoReturn:
    print(
        f"usage: python -m {package} program.py [argument ...]\n"
        f"       python -m {package} -m module [argument ...]",
        file=sys.stderr if failed else sys.stdout,
    )
    raise SystemExit(2 if failed else 0)


def _run_file(file: str, arguments: Sequence[str]) -> None:
    sys.argv[:] = [file, *arguments]
    path = Path(file)
    if path.is_dir() or path.suffix in {".zip", ".pyz", ".pyc"}:
        _replace_first_path(None)
        _show_failures(lambda: runpy.run_path(file, run_name="__main__"))
        return
    try:
        with io.open_code(str(path.absolute())) as source:
            text = source.read()
    except OSError as error:
        sys.exit(
            f"{sys.executable}: can't open file {str(path.absolute())!r}: "
            f"[Errno {error.errno}] {error.strerror}"
        )
    _replace_first_path(str(path.resolve().parent))
    module = _main_module(str(path.absolute()), None)
    module.__loader__ = SourceFileLoader("__main__", str(path.absolute()))
    _show_failures(
        lambda: _execute(compile(text, str(path.absolute()), "exec"), module)
    )


def _run_module(name: str, arguments: Sequence[str]) -> None:
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd())
    # As Python has it while the module is looked for.
    sys.argv[:] = ["-m", *arguments]
    _show_failures(lambda: _find_and_execute(name))


def _find_and_execute(name: str) -> None:
    spec = _found(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name = f"{name}.__main__"
        spec = _found(name)
    if spec is None or spec.loader is None:
        sys.exit(f"{sys.executable}: No module named {name}")
    try:
        code = cast("InspectLoader", spec.loader).get_code(spec.name)
    except ImportError as error:
        sys.exit(f"{sys.executable}: {error}")
    if code is None:
        sys.exit(f"{sys.executable}: No code object available for {name}")
    sys.argv[0] = spec.origin or name
    _execute(code, _main_module(spec.origin, spec))


def _found(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def _replace_first_path(folder: str | None) -> None:
    """Put the folder of the program where Python puts it, unless it is not to."""
    if not sys.flags.safe_path:
        sys.path[:1] = [] if folder is None else [folder]


def _main_module(file: str | None, spec: ModuleSpec | None) -> ModuleType:
    """Make the module ``__main__``, which stays that to the end of the process."""
    module = ModuleType("__main__")
    module.__spec__ = spec
    module.__loader__ = None if spec is None else spec.loader
    module.__package__ = None if spec is None else spec.parent
    if file is not None:
        module.__file__ = file
    vars(module)["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return module


def _execute(code: CodeType, module: ModuleType) -> None:
    exec(code, vars(module))  # noqa: S102 - it is the program the user has named


def _show_failures(program: Callable[[], object]) -> None:
    """Run it; show an exception as Python does, without the frames of this module."""
    try:
        program()
    except (SystemExit, KeyboardInterrupt):
        # Python gives these their exit status.
        raise
    except BaseException as error:  # noqa: BLE001 - the end of the program
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)
