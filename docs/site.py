#!/usr/bin/env python3
"""Builds the documentation as one site, target/site/index.html: the pages, the headers, Rust and Python.

    python3 docs/site.py [FOLDER]

A warning of Doxygen, rustdoc or this script is an error, and so is a link that leads nowhere. The pages of the
repository are copied first, and their links adapted to the site. Takes half a minute. Needs Doxygen and cargo.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import headers
from links import check_links

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
# In the order of the menu, with the names of the pages there.
PAGES = {
    "README.md": "mainpage",
    "docs/start.md": "start",
    "docs/install.md": "install",
    "docs/platforms.md": "platforms",
    "docs/guides/ffmpeg.md": "guide-ffmpeg",
    "docs/guides/http.md": "guide-http",
    "docs/guides/cache.md": "guide-cache",
    "docs/guides/serve.md": "guide-serve",
    "docs/calls.md": "calls",
    "include/spoolbuf.h": "overview",
    "docs/abi.md": "abi",
    "docs/bindings.md": "bindings",
    "bindings/python/README.md": "python",
    "examples/media/README.md": "media",
    "docs/speed.md": "speed",
    "docs/first-frame.md": "first-frame",
    "bench/README.md": "bench",
    "bench/EXPERIMENTS.md": "experiments",
    "tests/fuzz/README.md": "fuzz",
    "CHANGELOG.md": "changelog",
    "ARCHITECTURE.md": "architecture",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
    "CREDITS.md": "credits",
}
# What the README's table of pages has more here.
REFERENCES = (
    "| look up a name | [C](spoolbuf_8h.html), [C++](spoolbuf_8hpp.html), [Rust](rust/spoolbuf/index.html), "
    "[Python](python/spoolbuf.html), [the adapters](files.html) |\n"
)
BEFORE = "| change it |"
DOXYFILE = """
PROJECT_NAME = spoolbuf
PROJECT_NUMBER = {version}
PROJECT_BRIEF = "A stream that arrives once, readable anywhere, any number of times"
OUTPUT_DIRECTORY = "{output}"
HTML_OUTPUT = .
HTML_EXTRA_STYLESHEET = "{root}/docs/site.css"
LAYOUT_FILE = "{root}/docs/site.xml"
ABBREVIATE_BRIEF = "$name"
INPUT = {inputs}
IMAGE_PATH = "{root}/docs"
STRIP_FROM_PATH = "{work}"
FULL_PATH_NAMES = NO
QUIET = YES
WARN_AS_ERROR = FAIL_ON_WARNINGS
WARN_NO_PARAMDOC = YES
ALWAYS_DETAILED_SEC = YES
EXTRACT_STATIC = YES
VERBATIM_HEADERS = NO
SHOW_INCLUDE_FILES = NO
OPTIMIZE_OUTPUT_FOR_C = YES
JAVADOC_AUTOBRIEF = YES
SORT_BRIEF_DOCS = NO
SORT_MEMBER_DOCS = NO
TYPEDEF_HIDES_STRUCT = YES
ENABLE_PREPROCESSING = YES
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
EXPAND_AS_DEFINED = SB_API
TOC_INCLUDE_HEADINGS = 3
GENERATE_TREEVIEW = YES
DISABLE_INDEX = YES
GENERATE_LATEX = NO
HAVE_DOT = NO
HTML_TIMESTAMP = NO
"""


def anchor(heading: str) -> str:
    """What a heading is called in a link, as where the repository is hosted."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


class Pages:
    """The pages as Doxygen takes them, and the files that they lead to."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.linked: set[Path] = set()

    def address(self, link: str, page: str) -> str:
        """Where a link of a page leads in the site."""
        if "://" in link or link.startswith(("mailto:", "data:")):
            return link
        name, _, heading = link.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
        at = f"#{PAGES[path]}-{heading}" if heading and path in PAGES else ""
        if path in HEADERS and not at:
            return os.path.basename(path).replace("_", "__").replace(".", "_8") + ".html"
        if path in PAGES:
            return ("index" if PAGES[path] == "mainpage" else PAGES[path]) + ".html" + at
        if not (ROOT / path).exists() or path.endswith(".md"):
            sys.exit(f"{page}: {link} leads to no page: see PAGES in docs/site.py")
        self.linked.add(Path(path))
        return f"files/{path}" + ("" if (ROOT / path).is_file() else "/index.html")

    def line(self, line: str, page: str) -> str:
        """A line of text, outside of blocks of code."""
        heading = re.match(r"(#+) (.*)", line)
        if heading:
            name = PAGES[page] if len(heading[1]) == 1 else f"{PAGES[page]}-{anchor(heading[2])}"
            return f"{heading[1]} {heading[2]} {{#{name}}}"
        definition = re.match(r"\[([^]]+)\]: (\S+)$", line)
        if definition:
            return f"[{definition[1]}]: {self.address(definition[2], page)}"
        if line == REFERENCES.strip():
            return line
        line = re.sub(r"!\[([^]]*)\]\([^)]*?([\w-]+\.svg)\)", r"![\1](\2)", line)
        return re.sub(r"\]\((?![\w-]+\.svg\))([^)\s]+)\)", lambda it: f"]({self.address(it[1], page)})", line)

    def copy(self, page: str) -> str:
        """The text of a page, with links of the site."""
        text = (ROOT / page).read_text(encoding="utf-8")
        text = headers.overview(text) if page.endswith(".h") else text
        if page == "README.md":
            assert BEFORE in text
            text = text.replace(BEFORE, REFERENCES + BEFORE)
        # Comments are for those who read the file.
        text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
        # A picture by the name of a link.
        pictures = dict(re.findall(r"^\[([^]]+)\]: (\S+\.svg)$", text, flags=re.M))
        for name, path in pictures.items():
            text = text.replace(f"][{name}]", f"]({path})").replace(f"[{name}]: {path}\n", "")
        lines, fenced = [], False
        for line in text.split("\n"):
            if line.startswith("```"):
                fenced = not fenced
                language = re.sub(r",.*", "", line[3:])
                lines.append("```" + (f"{{.{language}}}" if language else ""))
            else:
                lines.append(line if fenced or line.startswith("    ") else self.line(line, page))
        return "\n".join(lines)

    def copy_files(self) -> None:
        """The files of the repository that pages lead to; of a folder, a list."""
        for path in sorted(self.linked):
            to = self.site / "files" / path
            if (ROOT / path).is_file():
                to.parent.mkdir(parents=True, exist_ok=True)
                # Shown, not saved, whatever its kind.
                shutil.copyfile(ROOT / path, to)
                continue
            to.mkdir(parents=True, exist_ok=True)
            links = []
            for name in tracked(str(path)):
                target = self.site / "files" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)
                link = urllib.parse.quote(os.path.relpath(name, path))
                links.append(f'<li><a href="{html.escape(link)}">{html.escape(name)}</a></li>')
            head = f'<!doctype html><meta charset="utf-8"><title>{html.escape(str(path))}</title>'
            (to / "index.html").write_text(f"{head}<ul>{''.join(links)}</ul>\n", encoding="utf-8")


def tracked(*paths: str) -> list[str]:
    """The files that paths or patterns name, of those that are committed."""
    listed = subprocess.check_output(["git", "ls-files", "-z", *paths], cwd=ROOT, text=True)
    return [name for name in listed.split("\0") if name]


HEADERS = tracked("include/spoolbuf.h", "bindings/*.h", "bindings/*.hpp")


def copy_headers(folder: Path) -> list[Path]:
    """The headers as Doxygen takes them."""
    copies = [folder / os.path.basename(path) for path in HEADERS]
    for path, copy in zip(HEADERS, copies):
        copy.write_text(headers.shown(path, (ROOT / path).read_text(encoding="utf-8")), encoding="utf-8")
    if headers.problems:
        sys.exit("\n".join(headers.problems))
    return copies


def run(command: list[str], **settings: str) -> str:
    """Runs a command, which must succeed; what it prints."""
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if result.returncode != 0 or "warning" in result.stderr:
        sys.exit(f"{' '.join(command)}:\n{result.stderr}{result.stdout}")
    return result.stdout


def version() -> str:
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), flags=re.M)
    assert found
    return found[1]


def doxygen(site: Path, pages: Pages) -> None:
    """The pages and the headers."""
    work = TARGET / "site-pages"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    inputs = []
    for page, name in PAGES.items():
        path = work / f"{name}.md"
        path.write_text(pages.copy(page), encoding="utf-8")
        inputs.append(f'"{path}"')
    inputs += [f'"{path}"' for path in copy_headers(work)]
    pages.linked |= {Path(path) for path in HEADERS}
    text = DOXYFILE.format(version=version(), output=site, work=work, root=ROOT, inputs=" ".join(inputs))
    # Newer ones have dark colors of their own, which site.css would turn into light ones.
    newer = tuple(int(part) for part in re.findall(r"\d+", run(["doxygen", "--version"]))[:3]) >= (1, 9, 5)
    text += "HTML_COLORSTYLE = LIGHT\n" if newer else ""
    (work / "Doxyfile").write_text(text, encoding="utf-8")
    run(["doxygen", str(work / "Doxyfile")])


def rust(site: Path) -> None:
    """What rustdoc makes, with the optional features."""
    run(
        ["cargo", "doc", "--quiet", "--no-deps", "--features", "tokio,futures-io", "--target-dir", str(TARGET)],
        RUSTDOCFLAGS="-D warnings",
    )
    shutil.copytree(TARGET / "doc", site / "rust")


def library() -> str:
    """The shared library, which the Python package loads."""
    if "SPOOLBUF_LIBRARY" in os.environ:
        return os.environ["SPOOLBUF_LIBRARY"]
    command = ["cargo", "rustc", "--quiet", "--lib", "--crate-type", "cdylib", "--message-format", "json"]
    messages = [json.loads(line) for line in run(command).splitlines()]
    files = [name for message in messages for name in message.get("filenames", []) if name.endswith((".so", ".dylib"))]
    return str(files[-1])


# For the page that pydoc makes: its lines do not wrap, and its text is not for a narrow screen.
PYDOC_HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="../site.css">
<style>body { font-family: sans-serif; } span.code { font-family: monospace; white-space: pre-wrap; }</style>
</head>"""
PYDOC = """
import inspect, os, pydoc, spoolbuf
del spoolbuf.__path__
for name, _ in inspect.getmembers(spoolbuf, inspect.ismodule):
    delattr(spoolbuf, name)
os.chdir({folder!r})
pydoc.writedoc(spoolbuf)
"""


def python(site: Path) -> None:
    """What pydoc makes, without private modules, and without its links to modules that are not here."""
    folder = site / "python"
    folder.mkdir()
    script = PYDOC.format(folder=str(folder))
    run([sys.executable, "-c", script], SPOOLBUF_LIBRARY=library(), PYTHONPATH=str(ROOT / "bindings/python/src"))
    page = folder / "spoolbuf.html"
    text = page.read_text(encoding="utf-8").replace(str(ROOT) + "/", "")
    text = re.sub(r'<a href="(?!#|spoolbuf\.html#)[^"]*">(.*?)</a>', r"\1", text)
    assert "Package Contents" not in text and "spoolbuf._aio" not in text and ">index<br>" in text
    text = text.replace("</head>", PYDOC_HEAD).replace("&nbsp;", " ").replace("<br>\n", "<br>")
    page.write_text(text.replace(">index<br>", '><a href="../index.html">All pages</a><br>'), encoding="utf-8")


def check_constants(site: Path) -> None:
    """Doxygen gives a comment before an #ifndef to whatever comes next: each constant has its own one."""
    text = html.unescape(re.sub(r"<[^>]*>", "", (site / "spoolbuf_8h.html").read_text(encoding="utf-8")))
    plain = re.sub(r"\s", "", text)
    header = (ROOT / "include" / "spoolbuf.h").read_text(encoding="ascii")
    constants = re.findall(r"^ \*/\n#(?:define|ifndef) (\w+)", header, flags=re.M)
    if len(constants) < 5:
        sys.exit(f"spoolbuf.h: {constants} is not every constant")
    for name in constants:
        comment = re.split(r"/\*\*", header.split(f" */\n#define {name}")[0].split(f" */\n#ifndef {name}")[0])[-1]
        first = re.sub(r"\s|`", "", comment.replace("*", "").split(".")[0])
        if not re.search(rf"{name}\W.{{0,100}}?{re.escape(first)}", plain):
            sys.exit(f"spoolbuf_8h.html: {name} lacks its comment")


def main() -> None:
    left = set(tracked("*.md")) - set(PAGES) - {"packaging/crate-links.md", ".github/pull_request_template.md"}
    if left:
        sys.exit(f"{', '.join(sorted(left))}: not in PAGES in docs/site.py")
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else TARGET / "site"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    pages = Pages(site)
    doxygen(site, pages)
    check_constants(site)
    pages.copy_files()
    rust(site)
    python(site)
    print(f"{site}/index.html: {len(PAGES)} pages, {check_links(site)} links")


if __name__ == "__main__":
    main()
