"""What Doxygen gets of the headers of bindings: what a program may use, and nothing of how it is done.

In an adapter's header (C), that is what has a comment with two stars. In a header for C++, it is what is public and
outside of `detail`. The comment at a header's top becomes its page. The headers themselves stay as they are.
"""

from __future__ import annotations

import re
import textwrap
from typing import Iterator, NamedTuple


problems: list[str] = []  # comments that are missing


class Text(NamedTuple):
    """The comment at the top of a header: its title, and the rest in Markdown."""

    title: str
    body: str
    names: dict[str, str]  # of C++: what parameters mean that no comment explains


def rows_of(lines: list[str]) -> list[tuple[str, str]]:
    """The rows of a table that is aligned by spaces, or nothing."""
    if len(lines[0]) - len(lines[0].lstrip()) != 2:
        return []
    indents = [len(line) - len(line.lstrip()) for line in lines]
    gap = re.match(r"  \S+(?: \S+)*  +(?=\S)", lines[0])
    column = min((indent for indent in indents if indent > 8), default=gap.end() if gap else 0)
    if not column:
        return []
    rows: list[tuple[str, str]] = []
    for line in lines:
        key, value = line[2:column].strip(), line[column:].strip()
        # A key goes on in a line that is indented by one more space.
        if key and value and not line[2].isspace():
            rows.append((key, value))
        else:
            rows[-1] = (f"{rows[-1][0]} {key}".strip(), f"{rows[-1][1]} {value}".strip())
    return rows


def plain(text: str) -> str:
    """Text in which Doxygen finds no commands, outside of code."""
    pieces = text.split("`")
    return "`".join(piece if at % 2 else re.sub(r"([<>|#@\\*])", r"\\\1", piece) for at, piece in enumerate(pieces))


def top(header: str) -> Text:
    """The comment at the top of a header."""
    comment = header.split("*/", 1)[0].removeprefix("/*\n")
    lines = [re.sub(r"^ \* ?", "", line).rstrip() for line in comment.split("\n")]
    paragraphs = [part.split("\n") for part in re.split(r"\n\n+", "\n".join(lines).strip("\n"))]
    title = " ".join(paragraphs.pop(0))
    names: dict[str, str] = {}
    body = []
    for part in paragraphs:
        rows = rows_of(part)
        if len(part) == 1 and part[0].isupper():
            body.append(f"## {part[0].capitalize()}")
        elif rows:
            if rows[0][0] == "parameter":
                names = dict(rows[1:])
            cells = [f"| {plain(key)} | {plain(value)} |" for key, value in rows]
            body.append("\n".join([cells[0], "|---|---|", *cells[1:]]))
        elif all(line.startswith("    ") for line in part):
            body.append("```{.cpp}\n" + textwrap.dedent("\n".join(part)) + "\n```")
        else:
            body.append(textwrap.dedent("\n".join(plain(line) for line in part)))
    title = re.sub(r"^spoolbuf_\w+\.hp* - ", "", title)
    # A name keeps its case: mpv, libarchive.
    title = title[0].upper() + title[1:] if title.startswith(("a ", "the ")) else title
    return Text(title, "\n\n".join(body), names)


def page(name: str, link: str, text: Text) -> str:
    """The comment that makes Doxygen show a header, as a page."""
    return f"/** @file {name}\n@brief {text.title}\n\n[The file]({link})\n\n{text.body}\n*/\n"


def overview(header: str) -> str:
    """The comment at the top of spoolbuf.h, as a page of its own."""
    comment = header.split("*/", 1)[0]
    lines = [re.sub(r"^ \* ?", "", line) for line in comment.split("\n")[1:]]
    lines = lines[lines.index("OVERVIEW") + 1 :]
    body = textwrap.dedent("\n".join(line if line.startswith(" ") or not line else f"  ## {line}" for line in lines))
    return "# Overview of the interface\n" + re.sub(
        r"^## (.*)$", lambda it: f"## {it[1].capitalize()}", body, flags=re.M
    )


# ---- C ----------------------------------------------------------------------------------------------


def check_members(path: str, body: str, shown: list[str]) -> None:
    """Every constant of an enum is shown."""
    for constant in re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(","):
        name = constant.split("=")[0].strip()
        if name and not re.search(rf"^ *{name}\b", "\n".join(shown), flags=re.M):
            problems.append(f"{path}: {name} has no comment of its own in its enum")


def c_items(path: str, header: str) -> Iterator[str]:
    """What has a comment with two stars, without bodies."""
    found = re.finditer(r"^(/\*\*[ \n].*?\*/\n)(?:#ifndef \w+\n)?([^\n{;]*(?:\n[^\n{;]+)*)", header, flags=re.S | re.M)
    for item in found:
        comment, code = item[1], item[2].strip()
        if code.startswith("#"):
            yield comment + code.split("\n")[0].rstrip("\\ ") + "\n"
        elif code.startswith(("typedef struct", "enum")):
            body = header[item.end() :].split("{", 1)[-1].split("}", 1)[0]
            members = [line for line in body.split("\n") if "/**<" in line]
            name = code.split()[-1] if code.startswith("typedef") else ""
            check_members(path, body if code.startswith("enum") else "", members)
            block = " {\n" + "\n".join(members) + "\n}" if members else ""
            yield f"{comment}{code}{block} {name};\n"
        else:
            yield comment + re.sub(r"\n +", " ", re.sub(r"^static inline ", "", code)) + ";\n"


def check_used(path: str, header: str, shown: str) -> None:
    """What a header says of its use is shown."""
    own = re.findall(r"^(?:static inline|#define|typedef)[^(\n;{]*?\b(\w+)(?=\(| \d| \{)", header, flags=re.M)
    for name in own:
        if re.search(rf"\b{name}\(", header.split("*/", 1)[0]) and not re.search(rf"\b{name}\b", shown):
            problems.append(f"{path}: {name} has no comment with two stars")


# ---- C++ --------------------------------------------------------------------------------------------


def taken(lines: list[str]) -> Iterator[str]:
    """The lines of a compiler with exceptions and C++20."""
    known = {"#if SPOOLBUF_THROWS": True, "#if !SPOOLBUF_THROWS": False, "#ifdef __cpp_lib_span": True}
    stack: list[bool] = []
    for line in lines:
        if line.startswith("#if"):
            stack.append(known.get(line, True))
        elif line.startswith("#else"):
            stack[-1] = not stack[-1]
        elif line.startswith("#endif"):
            stack.pop()
        elif all(stack) and not line.startswith("#"):
            yield line


def public(lines: list[str], head: str) -> Iterator[str]:
    """The lines of a class that are public."""
    is_public = head.startswith("struct")
    for line in lines:
        if re.match(r"(public|private|protected):", line):
            is_public = line.startswith("public")
        elif is_public:
            yield line


def declaration(lines: list[str], at: int, indent: str) -> tuple[str, int]:
    """The declaration that begins at a line, without its body, and the line after both."""
    code: list[str] = []
    while True:
        line = lines[at][len(indent) :]
        at += 1
        if line.startswith("{"):
            break
        if line.startswith("    : "):
            while not lines[at - 1].endswith("}") and lines[at] != indent + "{":
                at += 1
            if lines[at - 1].endswith("}"):
                return "\n".join(code) + ";", at
            at += 1
            break
        code.append(line)
        if line.endswith(("}", ";")) or re.search(r"; +///<", line):
            text = "\n".join(code)
            return re.sub(r"(\)(?: const)?(?: noexcept)?(?: override)?)(?: : \w+\(.*| \{.*)$", r"\1;", text), at
    while lines[at] not in (indent + "}", indent + "};"):
        at += 1
    return "\n".join(code) + ";", at + 1


def tidy(code: str) -> str:
    """A declaration without what is only for the compiler."""
    code = re.sub(r"(\)(?: const)?(?: noexcept)?) : [\w:]+[({].*$", r"\1;", code, flags=re.S)
    code = re.sub(r",\s*class = (?:detail::\w+<\w+>>|[^\n]*>(?=\n|$))", ">", code)
    code = re.sub(r"\n? *requires [^\n]*(?=\n)", "", code)
    return re.sub(r"SPOOLBUF_SHARED |\b(?:inline|explicit) (?!operator)|detail::", "", code)


def parameters(code: str) -> list[str]:
    """The names of a function's parameters."""
    start = code.index("(", code.index("operator") + 8) if "operator" in code else code.index("(")
    depth, names, current = 0, [], ""
    for char in code[start + 1 :]:
        if char == ")" and depth == 0:
            break
        depth += (char in "<({[") - (char in ">)}]")
        if char == "," and depth == 0:
            names.append(current)
            current = ""
        else:
            current += char
    found = (re.search(r"(\w+)(?: = .*)?$", it.strip(), flags=re.S) for it in [*names, current] if it.strip())
    return [name[1] for name in found if name]


def result(comment: str) -> str:
    """What a comment says that a function returns."""
    nouns = r"^((?:The(?! same)|A|An|Whether|What|One|At most)\b.*?)\.(?:\s|$)"
    for pattern in (r"(?:^|\. )Returns (.*?)\.(?:\s|$)", r"returns (.*?)\.(?:\s|$)", nouns):
        found = re.search(pattern, comment)
        if found:
            return found[1]
    return ""


def commented(comment: str, before: str, code: str, names: dict[str, str], where: str) -> str:
    """A declaration with its comment, which names every parameter and what is returned."""
    lines = [f"/// {comment}"]
    function = "(" in code.split("=")[0] and not re.match(r"(?:using|struct|class|enum)\b", code)
    if function:
        head = code.split("(")[0].split("\n")[-1]
        own = parameters(code)
        for name in set(re.findall(r"\w+", " ".join(re.findall(r"`(.*?)`", comment)))) & set(names) - set(own):
            problems.append(f"{where}: its comment explains {name}, which it lacks: {code}")
        for name in own:
            if not re.search(rf"@param {name}\s", comment):
                if name not in names:
                    problems.append(f"{where}: {name} is not among the header's parameters: {code}")
                    continue
                lines.append(f"/// @param {name} {names[name]}")
        if " " in head.strip() and not head.strip().startswith("void ") and "@return" not in comment:
            text = result(comment) or result(before)
            if not text:
                problems.append(f"{where}: its comment does not say what is returned: {code}")
                text = "unknown"
            lines.append(f"/// @return {text if text[1:2].isupper() else text[0].lower() + text[1:]}.")
    return "\n".join([*lines, code])


class Item(NamedTuple):
    """What a namespace or a class declares."""

    name: str
    comment: str
    code: str
    body: list[str]  # the lines of a class, or the values of an enum


CLASS = re.compile(r"(?:class|struct|enum class) (?:SPOOLBUF_SHARED )?\w+[^;]*$")


def declared(lines: list[str], indent: str) -> Iterator[Item]:
    """What the lines of a namespace or of a class declare."""
    comment, at = "", 0
    while at < len(lines):
        text = lines[at][len(indent) :]
        if text.startswith("///"):
            more = text[3:].strip()
            comment = f"{comment}\n/// {more}" if more.startswith("@") else f"{comment} {more}".strip()
            at += 1
        elif not text.strip() or text[0] in " }/*":
            comment, at = comment if text.strip() else "", at + 1
        elif CLASS.match(text):
            end = lines.index(indent + "};", at)
            head = tidy(text.split("{")[0]).replace(" final", "").rstrip()
            yield Item(re.sub(r" :.*", "", head).split()[-1], comment, head, lines[at + 1 : end])
            comment, at = "", end + 1
        else:
            code, at = declaration(lines, at, indent)
            code = tidy(code)
            found = re.search(r"(operator[^(]*|~?\w+)\(", code)
            yield Item(found[1].strip() if found else code, comment, code, [])
            comment = ""


def block(item: Item, names: dict[str, str]) -> str:
    """A class or an enum, with what it shows."""
    if item.code.startswith("enum"):
        inner = "\n".join(re.sub(r"= (SB_\w+),", r"= \1, ///< \1", line) for line in item.body)
    else:
        inner = "\n".join(cpp_items(list(public(item.body, item.code)), names, item.name))
    access = "public:\n" if item.code.startswith("class") else ""
    return f"/// {item.comment}\n{item.code} {{\n{access}{inner}\n}};"


def is_hidden(item: Item, where: str) -> bool:
    """Whether it is a move, a destructor, a declaration ahead, or a definition of what a class declares."""
    moves = re.match(rf"(?:{where}\({where} &&|{where} &operator=|~|friend )", item.code)
    ahead = re.match(r"(?:class|struct|template <>) ?[\w: <>]*;$", item.code)
    return bool(ahead or (moves and not item.comment) or "::" in item.code.split("(")[0].split()[-1])


def signature(item: Item) -> str:
    """A function's name and parameters, apart from the code: what it has in common with the one that throws."""
    names = parameters(item.code) if "(" in item.code else []
    return " ".join([item.name, "of", *(name for name in names if name != "code")])


def cpp_items(lines: list[str], names: dict[str, str], where: str) -> Iterator[str]:
    """What a namespace or a class shows."""
    items = list(declared(lines, "    " if where else ""))
    # Overloads share what is before them, best of the same parameters; constructors have their own.
    said: dict[str, str] = {}
    for item in items:
        if item.body:
            yield block(item, names)
        elif "///<" in item.code:
            yield item.code
        elif is_hidden(item, where):
            continue
        elif item.comment or item.name in said:
            before = said.get(signature(item)) or said.get(item.name, "")
            if item.comment and item.name != where:
                said = {item.name: item.comment, signature(item): item.comment, **said}
            yield commented(item.comment or before, before, item.code, names, where)
        else:
            problems.append(f"{where or 'spoolbuf'}: without a comment: {item.code}")


def cpp(header: str, names: dict[str, str]) -> str:
    """The public part of a header for C++."""
    shown, inside, hidden = [], False, False
    for line in taken(header.split("*/", 1)[1].split("\n")):
        if line.startswith("namespace detail"):
            hidden = True
        elif line.startswith("namespace spoolbuf"):
            inside = True
        elif line.startswith("} // namespace"):
            inside, hidden = inside and hidden, False
        elif inside and not hidden:
            shown.append(line)
    return "/// The library for C++.\nnamespace spoolbuf {\n" + "\n".join(cpp_items(shown, names, "")) + "\n}\n"


# -----------------------------------------------------------------------------------------------------


def shown(path: str, header: str) -> str:
    """A header as Doxygen gets it, by its path in the repository."""
    name, link = path.rsplit("/", 1)[1], f"files/{path}"
    text = top(header)
    if path == "include/spoolbuf.h":
        return f"/** @file {name}\n@brief The interface in C\n\n[The file]({link})\n*/\n" + header
    if name.endswith(".hpp"):
        return page(name, link, text) + cpp(header, text.names)
    body = "\n".join(c_items(path, header.split("*/", 1)[1]))
    check_used(path, header, body)
    return page(name, link, text) + body
