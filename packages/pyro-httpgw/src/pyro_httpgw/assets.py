"""The files that the explorer page consists of.

They hold no data: anybody may have them, also without the gateway key that the page
asks for.
"""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import RequestRefusedError
from .messages import HTML, Response

if TYPE_CHECKING:
    from .messages import Headers, Request

__all__ = ["asset_response", "explorer_response"]

_FOLDER: Final = "explorer"
_PAGE: Final = "index.html"

_STYLE: Final = "text/css; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_PICTURE: Final = "image/svg+xml"

# What is not named here is not read, whatever a path says.
_TYPES: Final[dict[str, str]] = {
    **dict.fromkeys(("theme.css", "layout.css", "parts.css", "values.css"), _STYLE),
    **dict.fromkeys(
        (
            "annotations.js",
            "api.js",
            "attributes.js",
            "catalogue.js",
            "controls.js",
            "docstrings.js",
            "dom.js",
            "event_stream.js",
            "example_values.js",
            "fields.js",
            "forms.js",
            "key_prompt.js",
            "main.js",
            "methods.js",
            "numbers.js",
            "object_page.js",
            "pictures.js",
            "plot.js",
            "problems.js",
            "python_text.js",
            "results.js",
            "snippets.js",
            "streams.js",
            "tables.js",
            "theme.js",
            "tree.js",
        ),
        _SCRIPT,
    ),
    "icon.svg": _PICTURE,
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE_HEADERS: Final[Headers] = (
    ("Content-Type", HTML),
    ("Content-Security-Policy", _POLICY),
    # No page that has opened this one can do anything with it.
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("X-Robots-Tag", "noindex, nofollow"),
)


class _Asset(NamedTuple):
    content: bytes
    tag: str


def explorer_response(request: Request) -> Response:
    """Return the page, which asks for everything else itself."""
    return _response(request, _read(_PAGE), _PAGE_HEADERS)


def asset_response(request: Request, name: str) -> Response:
    """Return one of the files that the page consists of.

    Raises:
        RequestRefusedError: there is no such file.
    """
    kind = _TYPES.get(name)
    if kind is None:
        raise RequestRefusedError(
            HTTPStatus.NOT_FOUND, f"the explorer has no file {name!r}"
        )
    return _response(request, _read(name), (("Content-Type", kind),))


def _response(request: Request, asset: _Asset, headers: Headers) -> Response:
    # It is asked each time whether the file is still the same: a new version of the
    # gateway must not meet parts of an old page.
    headers = (*headers, ("Cache-Control", "no-cache"), ("ETag", asset.tag))
    known = request.headers.get("if-none-match", "")
    if asset.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    return Response(HTTPStatus.OK, headers, asset.content)


@cache
def _read(name: str) -> _Asset:
    content = files(__package__).joinpath(_FOLDER, name).read_bytes()
    return _Asset(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
