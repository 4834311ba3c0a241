#!/usr/bin/env python3
"""Writes the manual pages, packaging/man/*.3, from the text of include/spoolbuf.h.

    python3 packaging/man.py [FOLDER]

spoolbuf(3) is the header's overview. Each function, struct, enum, function type and handle has a page by its name.
`BLESS=1 cargo full --test it man::` runs this, and `cargo full --test it man::` tells if the pages are stale.
"""

from __future__ import annotations

import re
import sys
import textwrap
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Iterator, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "spoolbuf.h"
WIDTH = 100  # of the header's lines
LABELS = {"Threads": "THREADS", "Ownership": "OWNERSHIP", "Since": "HISTORY"}


class Thing(NamedTuple):
    """A declaration with its comment."""

    name: str
    kind: str  # function, type, enum, struct, handle, constant
    code: str
    comment: list[str]
    members: list[tuple[str, list[str]]]  # of a struct or an enum: the code and the comment


def comment_lines(text: str) -> list[str]:
    """A comment without its stars."""
    return [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in text.strip("\n").split("\n")]


def things(header: str) -> Iterator[Thing]:
    """All that the header declares, in its order."""
    # A function's declaration ends with a semicolon, a define with its line, a struct with its name.
    pattern = r"^/\*\*\n(.*?)^ \*/\n((?:typedef [^;{]*\{.*?^\} \w+;)|(?:#define [^\n]*)|(?:#ifndef SB_API)|(?:[^;#]*;))"
    for match in re.finditer(pattern, header, flags=re.S | re.M):
        comment, code = comment_lines(match[1]), match[2]
        members: list[tuple[str, list[str]]] = []
        if code.startswith("typedef") and "{" in code:
            kind, name = code.split()[1], re.findall(r"\w+", code)[-1]
            for member in re.finditer(r"/\*\*\n(.*?)\*/\n([^/}]*)", code, flags=re.S):
                members.append((" ".join(member[2].split()), comment_lines(member[1].rstrip(" "))))
            code = re.sub(r" */\*\*.*?\*/\n", "", code, flags=re.S)
        elif code.startswith("#"):
            kind, name = "constant", code.split()[1].split("(")[0]
        elif code.startswith("typedef struct"):
            kind, name = "handle", re.findall(r"\w+", code)[-1]
        elif code.startswith("typedef"):
            function_type = re.search(r"\(\*(\w+)\)", code)
            assert function_type, code
            kind, name = "type", function_type[1]
        else:
            code = re.sub(r"^SB_API\s+", "", code)
            function = re.search(r"(\w+)\(", code)
            assert function, code
            kind, name = "function", function[1]
        yield Thing(name, kind, code, comment, members)


# ---- roff -------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Characters as they are typed. A hyphen stays one, except in code and before a number."""
    return text.replace("\\", "\\e").replace("^", "\\(ha").replace("~", "\\(ti")


def code_lines(text: str) -> list[str]:
    """Lines to be shown as they are."""
    lines = [escape(line).replace("-", "\\-").replace("'", "\\(aq") for line in text.split("\n")]
    return [".nf", *(line and ("\\&" + line if line[0] in ".'" else line) for line in lines), ".fi"]


class Page:
    """One manual page."""

    def __init__(self, name: str, names: set[str], version: tuple[str, str]) -> None:
        self.name, self.names, self.version = name, names, version
        self.lines: list[str] = []
        self.seen: set[str] = set()

    def mark(self, text: str) -> str:
        """Text with its code in italics, and the names of other pages in bold."""

        def name(match: re.Match[str]) -> str:
            word = match[1]
            if word == self.name or word not in self.names:
                return f"\\fB{word}\\fP{match[2] or ''}"
            self.seen.add(word)
            return f"\\fB{word}\\fP(3)"

        def part(piece: str) -> str:
            piece = re.sub(r"(?<![\w/-])-(?=\d)", r"\\-", escape(piece))
            return re.sub(r"\b([sS][bB]_\w+)(\(\))?", name, piece)

        pieces = text.split("`")
        return "".join(
            f"\\fI{escape(piece).replace('-', chr(92) + '-')}\\fP" if index % 2 else part(piece)
            for index, piece in enumerate(pieces)
        )

    def text(self, text: str) -> None:
        """A paragraph: a line for each sentence, wrapped."""
        for sentence in re.split(r"(?<=[.:?]) (?=[A-Z`])", self.mark(" ".join(text.split()))):
            for line in textwrap.wrap(sentence, 78, break_long_words=False, break_on_hyphens=False):
                self.lines.append("\\&" + line if line[0] in ".'" else line)

    def section(self, title: str) -> None:
        self.lines.append(f".SH {title}")

    def item(self, tag: str, paragraphs: list[str]) -> None:
        self.lines += [".TP", tag]
        for index, paragraph in enumerate(paragraphs):
            if index:
                self.lines.append(".IP")
            self.text(paragraph)

    def finish(self) -> str:
        self.section("SEE ALSO")
        others = sorted(({"spoolbuf"} | self.seen) - {self.name}, key=lambda name: (name != "spoolbuf", name))
        self.lines += [f".BR {name} (3)," for name in others[:-1]] + [f".BR {others[-1]} (3)"]
        head = [
            '.\\" Generated from include/spoolbuf.h by packaging/man.py. Do not edit.',
            f'.TH {self.name.upper()} 3 {self.version[1]} "spoolbuf {self.version[0]}" "spoolbuf"',
        ]
        return "\n".join(head + self.lines) + "\n"


# ---- comments ---------------------------------------------------------------------------------------


def paragraphs(lines: list[str]) -> list[str]:
    """The paragraphs of a comment without code in it."""
    return [part.replace("\n", " ") for part in re.split(r"\n\n+", "\n".join(lines).strip())]


def split(comment: list[str]) -> tuple[list[str], list[tuple[str, str, list[str]]], dict[str, str]]:
    """A comment's text, its @param and @return, and what follows its labels."""
    text: list[str] = []
    tags: list[tuple[str, str, list[str]]] = []
    labels: dict[str, str] = {}
    label = ""
    for line in comment:
        tag = re.match(r"@(param|return)\s+(.*)", line)
        start = re.match(rf"({'|'.join(LABELS)}): (.*)", line)
        if tag:
            word, rest = tag[1], tag[2]
            name = ""
            if word == "param":
                name, rest = rest.split(None, 1)
            tags.append((word, name, [rest]))
            label = "tag"
        elif start:
            label = start[1]
            labels[label] = start[2]
        elif not line:
            if label in labels:
                label = ""
            if label == "":
                text.append("")
        elif label in labels:
            labels[label] += " " + line
        elif label == "tag":
            tags[-1][2].append(line)
        else:
            text.append(line)
    return text, tags, labels


def results(lines: list[str]) -> list[tuple[str, str]]:
    """What is returned: each value, or "", with its text."""
    found: list[tuple[str, str]] = []
    last = ""
    for line in lines:
        line = line.strip()
        value = re.match(r"((?:SB_\w+(?:, )?)+): (.*)", line)
        # A line that ends before it is full ends a paragraph.
        short = len(last) + len(line.split()[0]) + 11 < WIDTH
        if value:
            found.append((value[1], value[2]))
        elif not found or (short and last.endswith(".") and line[0].isupper()):
            found.append(("", line))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line}")
        last = line
    return found


def summary(thing: Thing) -> str:
    """The first sentence, for the line of whatis(1)."""
    first = paragraphs(thing.comment)[0]
    sentence = re.split(r"(?<=[a-z0-9)`])[.:;](?: |$)", first)[0].replace("`", "")
    sentence = sentence.rstrip(".")
    return escape(sentence[0].lower() + sentence[1:]).replace("-", "\\-")


def start(page: Page, title: str) -> None:
    page.section("NAME")
    page.lines += textwrap.wrap(f"{page.name} \\- {title}", 78, break_on_hyphens=False)
    page.section("LIBRARY")
    page.lines.append("spoolbuf\n.RI ( libspoolbuf ,\n.IR \\-lspoolbuf )")
    page.section("SYNOPSIS")


def list_of(page: Page, all_things: list[Thing], heading: str) -> None:
    """A section with the names of pages, and what they are."""
    page.section(heading)
    for thing in all_things:
        page.lines += [".TP", f".BR {thing.name} (3)"]
        text = summary(thing)
        page.lines += textwrap.wrap(text[0].upper() + text[1:] + ".", 78, break_on_hyphens=False)


def page_of(thing: Thing, all_things: list[Thing], names: set[str], version: tuple[str, str]) -> str:
    """The page of a function or a type."""
    page = Page(thing.name, names, version)
    start(page, summary(thing))
    page.lines += code_lines(f"#include <spoolbuf.h>\n\n{thing.code}")
    description, tags, labels = split(thing.comment)
    page.section("DESCRIPTION")
    for index, paragraph in enumerate(paragraphs(description)):
        if index:
            page.lines.append(".PP")
        page.text(paragraph)
    parameters = [(name, lines) for word, name, lines in tags if word == "param"]
    if parameters:
        page.section("PARAMETERS")
    for name, lines in parameters:
        page.item(f"\\fI{name}\\fP", [" ".join(lines)])
    for _, _, lines in (tag for tag in tags if tag[0] == "return"):
        page.section('"RETURN VALUE"')
        for index, (value, sentence) in enumerate(results(lines)):
            if value:
                page.item(page.mark(value), [sentence])
                continue
            page.lines += [".PP"] if index else []
            page.text(sentence[0].upper() + sentence[1:])
    if thing.members:
        page.section("VALUES" if thing.kind == "enum" else "MEMBERS")
    for code, comment in thing.members:
        # Without the comma of an enum: its last one has none.
        code = escape(code.rstrip(",")).replace("-", "\\-")
        page.item(f"\\fB{code}\\fP", paragraphs(comment))
    for label, title in LABELS.items():
        if label in labels:
            page.section(title)
            text = f"since version {labels[label]}." if label == "Since" else labels[label]
            page.text(text[0].upper() + text[1:])
    if thing.kind == "handle":
        uses = re.compile(rf"\b{thing.name} \*")
        list_of(page, [it for it in all_things if it.kind == "function" and uses.search(it.code)], "FUNCTIONS")
    return page.finish()


def overview(header: str, all_things: list[Thing], names: set[str], version: tuple[str, str]) -> str:
    """spoolbuf(3): the comment at the top of the header, the constants, and a list of all pages."""
    page = Page("spoolbuf", names, version)
    comment = header.split("*/", 1)[0].removeprefix("/*\n")
    lines = comment_lines(comment)
    title = lines[0].removeprefix("spoolbuf - ").rstrip(".")
    start(page, escape(title))
    page.lines += code_lines("#include <spoolbuf.h>\n\ncc program.c -lspoolbuf")
    body = "\n".join(lines[lines.index("OVERVIEW") :])
    for part in re.split(r"\n\n+", body):
        indent = min(len(line) - len(line.lstrip()) for line in part.split("\n"))
        if indent == 0 and part.isupper():
            page.section("DESCRIPTION" if part == "OVERVIEW" else f'"{part}"')
            continue
        if indent > 2 and part.lstrip()[0] not in "123456789":
            page.lines += [".PP", ".RS 4", *code_lines(textwrap.dedent(part)), ".RE"]
            continue
        items = re.split(r"(?:^|\n) *(?=\d\. )", part)
        if len(items) > 1:
            for item in items[1:]:
                number, text = item.split(None, 1)
                page.lines.append(f".IP {number} 4")
                page.text(text)
            continue
        if not page.lines[-1].startswith(".SH"):
            page.lines.append(".PP")
        page.text(part)
    page.section("CONSTANTS")
    for thing in (thing for thing in all_things if thing.kind == "constant"):
        page.item(f"\\fB{thing.name}\\fP", paragraphs(thing.comment))
    kinds = (("HANDLES", ("handle",)), ("FUNCTIONS", ("function",)), ("TYPES", ("struct", "enum", "type")))
    for heading, of in kinds:
        list_of(page, [thing for thing in all_things if thing.kind in of], heading)
    page.seen.clear()  # they are listed above
    page.seen |= {"sb_new", "sb_read", "sb_cache_open"}
    return page.finish()


def version_and_date() -> tuple[str, str]:
    """The version, and the day of its entry in Debian's changelog, which is not that of today."""
    changelog = (ROOT / "packaging" / "debian" / "changelog").read_text(encoding="utf-8")
    version = re.search(r"\((.*)-\d+\)", changelog)
    signed = re.search(r"^ -- .*  (.*)$", changelog, flags=re.M)
    assert version and signed
    return version[1], parsedate_to_datetime(signed[1]).date().isoformat()


def pages() -> dict[str, str]:
    """Every page, by its file's name."""
    header = HEADER.read_text(encoding="ascii")
    version = version_and_date()
    all_things = list(things(header))
    named = {thing.name: thing for thing in all_things if thing.kind != "constant"}
    made = {f"{name}.3": page_of(thing, all_things, set(named), version) for name, thing in named.items()}
    made["spoolbuf.3"] = overview(header, all_things, set(named), version)
    return made


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "packaging" / "man"
    made = pages()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.3"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
