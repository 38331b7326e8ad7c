"""Check a built site: `python -m tests.site FOLDER` (part of `make docs`).

Every link inside the site leads to a page and a place on it, every picture is there, and no page
needs anything from the web to be shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SHOWN_WITH_THE_PAGE = {
    *(("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")),
    *(("audio", "src"), ("embed", "src"), ("object", "data"), ("image", "href")),
}
"""Tags and attributes whose address a browser opens by itself."""
FOLLOWED_BY_A_READER = {("a", "href"), ("area", "href")}
STYLES = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch"}
"""Relations of a <link> for which a browser opens the address."""


@dataclass
class Page:
    """What a page names, and what it links to."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """Reads one page."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.page.ids |= {named[name] for name in ("id", "name") if name in named}
        for name, value in named.items():
            if (tag, name) in FOLLOWED_BY_A_READER:
                self.page.links.append(value)
            elif (tag, name) in SHOWN_WITH_THE_PAGE:
                self.page.parts.append(value)
            elif name == "srcset":
                self.page.parts += [entry.split()[0] for entry in value.split(",") if entry.split()]
        if tag == "link" and STYLES & set(named.get("rel", "").split()):
            self.page.parts.append(named["href"])


def read(path: Path) -> Page:
    """What a page names and links to."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with a built site, one line a fault."""
    # The theme keeps templates of its own under _static.
    found = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    pages = {path: read(path) for path in sorted(found)}
    if not pages:
        yield f"{folder}: there is no page"
    for path, page in pages.items():
        where = path.relative_to(folder)
        for address in page.parts:
            if is_on_the_web(address):
                yield f"{where}: needs {address} from the web"
        for address in [*page.links, *page.parts]:
            wrong = fault_of(address, path, pages, folder)
            if wrong:
                yield f"{where}: {address}: {wrong}"
    for path in sorted(folder.rglob("*.css")):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)", path.read_text(encoding="utf-8")):
            if is_on_the_web(address):
                yield f"{path.relative_to(folder)}: needs {address} from the web"


def is_on_the_web(address: str) -> bool:
    """Whether a browser would leave the site for this address."""
    return bool(urlsplit(address).netloc)


def fault_of(address: str, path: Path, pages: dict[Path, Page], folder: Path) -> str:
    """Why a link of a page leads nowhere; empty if it leads somewhere or out of the site."""
    parts = urlsplit(address)
    if parts.netloc or parts.scheme in {"mailto", "data", "javascript"}:
        return ""
    target = path
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
        if not target.is_relative_to(folder):
            return "lies outside the site"
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            return "there is no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return "there is no such place on the page"
    return ""


def main() -> None:
    """Print the faults of the site in the folder that the command line names."""
    found = list(faults(Path(sys.argv[1]).resolve()))
    for line in found:
        print(line)
    if found:
        sys.exit(f"{len(found)} faults")


if __name__ == "__main__":
    main()
