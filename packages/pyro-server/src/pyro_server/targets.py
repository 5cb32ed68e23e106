"""Objects named on a command line, such as ``house:Thermostat``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import traceback
from typing import Any, NamedTuple

from pyro_protocol.contract import InstanceMode, behavior, members_of, reset_members

__all__ = ["Target", "TargetError", "load_target", "prepare_target"]


class TargetError(Exception):
    """A target that cannot be loaded or published.

    Attributes:
        details: more for people to read, in lines; the traceback of a module that
            failed.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Target(NamedTuple):
    """Where an object is to be found.

    Attributes:
        module: the name of the module.
        attribute: the name in the module, perhaps with dots.
    """

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``module:attribute``.

        Raises:
            ValueError: the text has another form.
        """
        module, _colon, attribute = text.partition(":")
        names = [*module.split("."), *attribute.split(".")]
        if not all(name.isidentifier() for name in names):
            raise ValueError(
                f"{text!r} does not name an object; write module:attribute, "
                "such as house:Thermostat"
            )
        return cls(module, attribute)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def load_target(target: Target) -> Any:
    """Import the module of a target and return the object.

    Raises:
        TargetError: there is no such module or attribute, or importing it failed.
    """
    try:
        found: Any = importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        # Not if it is a module that this one wants to import.
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise _import_failed(target, error) from error
        raise TargetError(
            f"module {error.name!r} was not found; it is looked for in the current "
            "folder and where Python looks for modules (PYTHONPATH)"
        ) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(target, error) from error
    place = target.module
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            near = difflib.get_close_matches(name, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TargetError(f"{place} has no attribute {name!r}{hint}") from error
        place += f".{name}"
    return found


def _import_failed(target: Target, error: BaseException) -> TargetError:
    # From the module on: how it came to be imported is of no interest.
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename == __file__
        or trace.tb_frame.f_globals.get("__name__", "").startswith("importlib")
    ):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace, chain=True)
    return TargetError(
        f"importing module {target.module!r} failed with {type(error).__name__}",
        "".join(lines),
    )


def prepare_target(target: Target, found: Any, mode: InstanceMode | None) -> None:
    """Check that there is something to call, and set how instances are made.

    Args:
        target: what names the object.
        found: the object or class.
        mode: the instance mode of a class; None leaves what it says with
            ``@behavior``, and one that says nothing gets a single instance.

    Raises:
        TargetError: nothing of it is exposed, or an object is given a mode.
    """
    is_class = inspect.isclass(found)
    clazz = found if is_class else type(found)
    members = members_of(clazz)
    if not members.methods and not members.attributes:
        raise TargetError(
            f"{target} exposes nothing: mark class {clazz.__qualname__!r}, or those of "
            "its methods that may be called, with @expose of pyro_server"
        )
    if is_class:
        said: InstanceMode
        said, creator = getattr(clazz, "_pyroInstancing", ("single", None))
        behavior(mode or said, creator)(clazz)
        reset_members(clazz)
    elif mode is not None:
        raise TargetError(
            f"--instance-mode is for classes, and {target} is an object already"
        )
