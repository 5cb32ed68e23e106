"""What schemathesis has to know of the gateway; it imports this in its own process."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

_FORM: Final = "application/x-www-form-urlencoded"


@schemathesis.check
def wrong_data_is_refused(
    context: CheckContext, response: Response, case: Case[Any]
) -> bool | None:
    """Check what `negative_data_rejection` checks, as far as forms can be wrong.

    All that a form holds is text, where a bool may be 0 or 1, and where what is empty
    counts as left out. The schema cannot say so without misleading others.
    """
    form = case.body if case.media_type == _FORM else None
    if isinstance(form, dict) and any(one in ("", 0, 1) for one in form.values()):
        return None
    return negative_data_rejection(context, response, case)


@schemathesis.check
def server_errors_are_remote(
    _context: CheckContext, response: Response, _case: Case[Any]
) -> None:
    """Check that only the object fails, and only where it cannot help it.

    A text that is given several times is a list, as Pyro5's gateway has it, with which
    methods cannot do what they do with texts.
    """
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert response.json()["__class__"] == "builtins.TypeError"


@schemathesis.hook
def before_load_schema(_context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Give results that are tuples a schema with a name.

    Others with ``prefixItems`` are rewritten for an old version of JSON Schema, and
    then refused by the new one.
    """
    schemas = raw_schema["components"]["schemas"]
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if "responses" not in operation:
                continue
            result = operation["responses"].get("200", {})
            for content in result.get("content", {}).values():
                if "prefixItems" in json.dumps(content):
                    name = f"Result-{len(schemas)}"
                    schemas[name] = content["schema"]
                    reference = {"$ref": f"#/components/schemas/{name}"}
                    content["schema"] = {"anyOf": [reference]}
