"""Source text of classes that say what a remote object offers.

What the server sends is not trusted: a name has to be one, an annotation consists of
known parts only, docstrings are escaped. What is not understood becomes ``Any``.
"""

from __future__ import annotations

from .module import stub_source

__all__ = ["stub_source"]
