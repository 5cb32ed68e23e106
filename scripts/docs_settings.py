"""Write the table of settings in docs/configuration.md, from the code.

python scripts/docs_settings.py          # writes it
python scripts/docs_settings.py --check  # says whether it is as it should be
"""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from pathlib import Path

from pyro_protocol import Configuration

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGINNING = "## The items\n\n"
HEAD = "| item | default | meaning |\n|---|---|---|\n"
# Beside what the docstring says, where a page has more about it.
MORE = {"SERVERTYPE": "[Which to choose](serving.md#the-three-server-types)."}


def meanings() -> dict[str, str]:
    """Return what each item means: the docstring below its annotation.

    Raises:
        LookupError: an item has none.
    """
    (definition,) = ast.parse(inspect.getsource(Configuration)).body
    body = definition.body  # type: ignore[attr-defined] # it is a class
    found = {}
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=item)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[item] = " ".join(inspect.cleandoc(text).split())
    for item in Configuration(use_environment=False).as_dict():
        if item not in found:
            raise LookupError(f"the item {item} of Configuration needs a docstring")
    return found


def table() -> str:
    """Return the table of all items, in Markdown."""
    explained = meanings()
    rows = []
    for item, value in sorted(Configuration(use_environment=False).as_dict().items()):
        meaning = explained[item].replace("``", "`").replace("|", r"\|")
        if item in MORE:
            meaning = f"{meaning} {MORE[item]}"
        rows.append(f"| `{item}` | `{value!r}` | {meaning} |\n")
    return HEAD + "".join(rows)


def page() -> str:
    """Return the page as it should be."""
    before, beginning, _ = PAGE.read_text("utf-8").partition(BEGINNING)
    return before + beginning + table()


def main() -> int:
    """Write the page, or check it."""
    wanted = page()
    if PAGE.read_text("utf-8") == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        sys.stderr.write(f"{PAGE}: run python scripts/docs_settings.py\n")
        return 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
