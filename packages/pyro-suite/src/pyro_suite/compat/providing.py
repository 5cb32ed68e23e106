"""Provides modules under the public names of another package."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType

__all__ = ["provide"]


def provide(name: str, modules: Mapping[str, str]) -> None:
    """Make the modules of a package load ours, from here on in this process.

    Nothing is imported before the program imports it, and an installed package of
    that name is neither touched nor seen any longer. Providing it again changes
    nothing.

    Args:
        name: the package, for example ``Pyro5``.
        modules: for each public name, the package itself among them, the module of
            ours that is imported under it. One with a function ``main`` can be run
            with ``python -m``.

    Raises:
        ImportError: The real package has been imported already.
    """
    if any(
        isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path
    ):
        return
    real = sys.modules.get(name)
    if real is not None:
        place = getattr(real, "__file__", None) or "a place unknown"
        raise ImportError(
            f"{name} has been imported already, from {place}, so its names cannot be "
            "provided by pyro-suite in this process; import the compatibility module "
            f"before anything that imports {name}",
            name=name,
            path=getattr(real, "__file__", None),
        )
    sys.meta_path.insert(0, _Finder(name, modules))


class _Finder(MetaPathFinder):
    """Finds the modules of one package, and nothing of it that is not provided."""

    def __init__(self, name: str, modules: Mapping[str, str]) -> None:
        self.name = name
        self._modules = dict(modules)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - as importlib calls it
        target: ModuleType | None = None,  # noqa: ARG002 - as importlib calls it
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self.name:
            return None
        implementation = self._modules.get(fullname)
        if implementation is None:
            # Without this the search would go on, in an installed package or in the
            # folder of ours, and load a second copy.
            raise ModuleNotFoundError(
                f"No module named {fullname!r} in what pyro-suite provides for "
                f"{self.name}",
                name=fullname,
            )
        inside = fullname + "."
        return ModuleSpec(
            fullname,
            _Loader(implementation),
            origin=_file_of(implementation),
            is_package=any(other.startswith(inside) for other in self._modules),
        )


def _file_of(implementation: str) -> str | None:
    spec = find_spec(implementation)
    return None if spec is None else spec.origin


def _find_submodules(module: ModuleType, public_name: str) -> None:
    """Have ``from package import module`` find modules by their public names.

    That goes by the name a package has, which is not the public one.
    """
    before = vars(module).get("__getattr__")

    def find(name: str) -> object:
        if before is not None:
            try:
                return before(name)
            except AttributeError:
                pass
        if not name.startswith("__"):
            full_name = f"{public_name}.{name}"
            try:
                return import_module(full_name)
            except ModuleNotFoundError as error:
                if error.name != full_name:
                    raise
        raise AttributeError(
            f"module {public_name!r} has no attribute {name!r}", name=name, obj=module
        )

    vars(module)["__getattr__"] = find


class _Loader(Loader):
    """Hands out a module of ours, the same object that its own name has."""

    def __init__(self, implementation: str) -> None:
        self._implementation = implementation
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self._implementation)
        self._spec = module.__spec__
        if spec.submodule_search_locations is not None and not hasattr(
            module, "__path__"
        ):
            # Only the finder looks for what is in a package.
            module.__path__ = []
        if spec.submodule_search_locations is not None:
            _find_submodules(module, spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import has given it the spec of its public name; relative imports in
        # it go by its own.
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> CodeType:
        """Return what ``python -m`` runs."""
        if not hasattr(import_module(self._implementation), "main"):
            raise ImportError(
                f"{fullname} is no program: it cannot be run with python -m",
                name=fullname,
            )
        return compile(
            f"import sys\nfrom {self._implementation} import main\nsys.exit(main())\n",
            f"<{fullname}>",
            "exec",
        )

    def get_filename(self, fullname: str) -> str:
        """Return the file of the module, for ``sys.argv``."""
        return _file_of(self._implementation) or fullname
