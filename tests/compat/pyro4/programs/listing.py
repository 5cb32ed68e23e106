"""Lists the public names of Pyro4's modules and of their main classes, as JSON."""

# ruff: noqa: I002
# mypy: ignore-errors

import importlib
import inspect
import json
import sys

found = {}
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    own = []
    for member in dir(module):
        value = getattr(module, member)
        place = getattr(value, "__module__", name) or name
        if member[0] != "_" and not inspect.ismodule(value) and "yro" in place:
            own.append(member)
    found[name] = own
    for kind in ("Proxy", "Daemon", "URI", "Future", "NameServer", "SocketConnection"):
        clazz = getattr(module, kind, None)
        if inspect.isclass(clazz):
            found[f"{name}.{kind}"] = [
                one for one in dir(clazz) if one.startswith("_pyro") or one[0] != "_"
            ]
print(json.dumps(found))
