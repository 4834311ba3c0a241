"""Whether the links of the site lead somewhere."""

from __future__ import annotations

import html.parser
import sys
import urllib.parse
from pathlib import Path


class Links(html.parser.HTMLParser):
    """The links and the names of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("href", "src", "data") and value:
                self.links.add(value)
            if key in ("id", "name") and value:
                self.names.add(value)


def check_links(site: Path) -> int:
    """Every link of our pages leads to a file, and every link to a heading to one."""
    pages: dict[Path, Links] = {}

    def read(path: Path) -> Links:
        if path not in pages:
            pages[path] = Links(path.read_text(encoding="utf-8", errors="replace"))
        return pages[path]

    bad, count = [], 0
    rustdoc = (site / "rust").resolve()
    checked = [*site.glob("*.html"), *(site / "python").glob("*.html"), site / "rust/spoolbuf/index.html"]
    for page in checked:
        for link in read(page).links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("javascript:"):
                continue
            count += 1
            to = (page.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else page
            is_good = to.exists() and not to.is_dir()
            if is_good and parts.fragment and to.suffix == ".html" and rustdoc not in to.parents:
                is_good = urllib.parse.unquote(parts.fragment) in read(to).names
            if not is_good:
                bad.append(f"{page.relative_to(site)}: {link} leads nowhere")
    if bad:
        sys.exit("\n".join(sorted(bad)))
    return count
