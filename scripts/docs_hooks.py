"""What mkdocs does beside its own: pages and files from outside the folder docs.

The pages of the repository link to each other by paths, so that they can be read in any
checkout. The site gets whatever they link to: READMEs become pages of it, other files,
such as the programs among the examples and the plot of the benchmarks, are copied.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

from pyro_suite.command.tools import TOOLS

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
COMMANDS = "<!-- commands -->"
TO_FOLDER = re.compile(r"\[([^\[\]]+)\]\(([^)\s#:]+)\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the pages link to, and what those pages link to."""
    waiting = [file for file in files if file.is_documentation_page()]
    known = {file.src_uri for file in files}
    while waiting:
        page = waiting.pop()
        for link in links(page.content_string):
            path = repository_path(page.src_uri, link)
            uri = site_path(path)
            if uri in known or not (ROOT / path).is_file():
                continue
            known.add(uri)
            added = File.generated(config, uri, abs_src_path=str(ROOT / path))
            files.append(added)
            if added.is_documentation_page():
                waiting.append(added)
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_more: object) -> str:
    """Let links lead to where things are in the site, and show the commands."""

    def lead(match: re.Match[str]) -> str:
        path = repository_path(page.file.src_uri, match[2])
        target = site_path(path)
        if files.get_file_from_path(target) is None:
            return match[0]
        here = posixpath.dirname(page.file.src_uri)
        return match[1] + posixpath.relpath(target, here) + (match[3] or "") + match[4]

    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands())

    def leave_out(match: re.Match[str]) -> str:
        # A folder is no page: what its link says is kept.
        path = repository_path(page.file.src_uri, match[2])
        return match[1] if (ROOT / path).is_dir() else match[0]

    parts = FENCE.split(markdown)
    return "".join(
        part if index % 2 else LINK.sub(lead, TO_FOLDER.sub(leave_out, part))
        for index, part in enumerate(parts)
    )


def commands() -> str:
    """Return what each tool says of itself, in Markdown."""
    # What argparse takes for the width of a terminal.
    os.environ["COLUMNS"] = "88"
    chapters = []
    for tool in TOOLS.values():
        text = tool.make_parser(tool.prog).format_help()
        chapters.append(f"## {tool.prog}\n\n```text\n{text}```\n")
    return "\n".join(chapters)


def links(markdown: str) -> list[str]:
    """Return the paths that a page links to, relative to it."""
    text = FENCE.sub("", markdown)
    return [match[2] for match in LINK.finditer(text)]


def repository_path(src_uri: str, link: str) -> str:
    """Return the path in the repository that a link of a page of the site means."""
    page = src_uri if outside_docs(src_uri) else f"docs/{src_uri}"
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if (ROOT / path).is_dir() and (ROOT / path / "README.md").is_file():
        return f"{path}/README.md"
    return path


def site_path(path: str) -> str:
    """Return the path in the site of a file of the repository."""
    return path.removeprefix("docs/")


def outside_docs(src_uri: str) -> bool:
    """Whether a page of the site comes from elsewhere in the repository."""
    return not (ROOT / "docs" / src_uri).is_file()
