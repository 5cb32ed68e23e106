"""What to install when a tool cannot be imported."""

from __future__ import annotations

from typing import Final

__all__ = ["what_to_install"]

_PARTS: Final = (
    "pyro_protocol",
    "pyro_client",
    "pyro_server",
    "pyro_naming",
    "pyro_httpgw",
)

# The extra of pyro-suite by the module that it brings.
_EXTRAS: Final = {
    "cloudpickle": "pickle",
    "dill": "pickle",
    "etcd3gw": "etcd",
    "ifaddr": "zeroconf",
    "numpy": "numpy",
    "opentelemetry": "tracing",
    "prometheus_client": "metrics",
    "pytest": "testing",
    "redis": "redis",
    "urllib3": "etcd",
    "zeroconf": "zeroconf",
}


def what_to_install(error: ImportError) -> str | None:
    """Return what is missing and how to get it; None if the error is another one.

    Args:
        error: what importing a tool has raised.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    top = error.name.partition(".")[0]
    if top in _PARTS and error.name == top:
        name = top.replace("_", "-")
        return f"{name} is not installed: pip install {name}"
    if top in _EXTRAS:
        extra = _EXTRAS[top]
        return f"{top} is not installed: pip install 'pyro-suite[{extra}]'"
    return None
