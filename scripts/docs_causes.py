"""Write what the doctor knows into docs/troubleshooting.md, from the code.

python scripts/docs_causes.py          # writes it
python scripts/docs_causes.py --check  # says whether it is as it should be
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyro_client.doctor.network_advice import NETWORK_ADVICE
from pyro_client.doctor.server_advice import SERVER_ADVICE

if TYPE_CHECKING:
    from pyro_client.doctor.advice import Advice

PAGE = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
BEGINNING = "## The causes\n\n"
ENDING = "## What is not on the way\n"
NAMES = re.compile(
    r"\b([A-Z]+_[A-Z_]+(?:=[\w{}]+)?|PYRO_\*|SSL|NATHOST|NATPORT|Daemon\([^)]*\)"
    r"|pyro-\w+(?: --\w+ [A-Z]+| list)?)"
)


def chapter(title: str, advice: dict[str, Advice]) -> str:
    """Return a part of the section, in Markdown: each cause with why and what to do."""
    lines = [f"### {title}\n"]
    for name, found in advice.items():
        cause, _, part = name.partition("@")
        steps = "\n".join(f"- {marked(step)}" for step in found.steps)
        of_part = f" ({part})" if part else ""
        lines.append(f"#### `{cause}`{of_part}\n\n{marked(found.why)}\n\n{steps}\n")
    return "\n".join(lines)


def marked(text: str) -> str:
    """Return a text with what is typed set apart."""
    return NAMES.sub(r"`\1`", text)


def page() -> str:
    """Return the page as it should be."""
    text = PAGE.read_text("utf-8")
    before, beginning, rest = text.partition(BEGINNING)
    _, ending, after = rest.partition(ENDING)
    sections = [
        chapter("On the way to a connection", NETWORK_ADVICE),
        chapter("Once there is a connection", SERVER_ADVICE),
    ]
    return before + beginning + "\n".join(sections) + "\n" + ending + after


def main() -> int:
    """Write the page, or check it."""
    wanted = page()
    if PAGE.read_text("utf-8") == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        sys.stderr.write(f"{PAGE}: run python scripts/docs_causes.py\n")
        return 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
