"""For mkdocs: README and the examples' pages join those of ``docs/``, and links lead where they are on the site.

Pages are written for whoever reads them in the repository: links are relative paths of files. A link to a file that is
no page, such as a model of an example, becomes its words.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]*)(#[^)]*)?\)")
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of ``docs/``."""
    for path in (*map(ROOT.joinpath, TOP), *sorted((ROOT / "examples").rglob("*.md"))):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, site_uri(name), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with links between files made into links between pages."""
    del config
    here = in_repository(page.file.src_uri)

    def led(found: re.Match[str]) -> str:
        image, words, target, anchor = found.groups()
        path = normpath(str(PurePosixPath(here).parent / target))
        for name in (path, f"{path}/README.md"):
            if (ROOT / name).is_file() and files.get_file_from_path(site_uri(name)) is not None:
                where = relpath(site_uri(name), str(PurePosixPath(page.file.src_uri).parent))
                return f"{image}[{words}]({where}{anchor or ''})"
        return found[0] if not (ROOT / path).exists() else words

    parts = _CODE.split(markdown)  # words and code by turns
    return "".join(part if number % 2 else _LINK.sub(led, part) for number, part in enumerate(parts))


def site_uri(name: str) -> str:
    """Return where a file of the repository is on the site."""
    return "index.md" if name == "README.md" else name.removeprefix("docs/")


def in_repository(uri: str) -> str:
    """Return which file of the repository a page is made of."""
    if uri == "index.md":
        return "README.md"
    return uri if uri in TOP or uri.startswith("examples/") else f"docs/{uri}"
