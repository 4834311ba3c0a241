"""No import circles: a module of the package imports only those below it, also under TYPE_CHECKING."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "spoolbuf"


def imports(tree: ast.AST, modules: set[str]) -> set[str]:
    """The modules of the package that `tree` imports anywhere: in functions and conditions too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found.update(name[1] for name in names if name[0] == "spoolbuf" and name[1:])
        elif isinstance(node, ast.ImportFrom):
            path = node.module.split(".") if node.module else []
            if not node.level and path[:1] != ["spoolbuf"]:
                continue
            path = path if node.level else path[1:]
            # `from ._core import Core`, or `from . import _core, __version__`.
            found.update(path[:1] or (alias.name for alias in node.names))
    return {name if name in modules else "__init__" for name in found}


def test_no_import_circles() -> None:
    files = {file.stem: file for file in PACKAGE.glob("*.py")}
    assert len(files) > 10
    graph = {
        module: imports(ast.parse(file.read_text(encoding="utf-8")), set(files))
        for module, file in files.items()
    }
    # The top: it imports others, or this test sees nothing.
    assert "_buffer" in graph["__init__"]
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " imports ".join(reversed(error.args[1]))
        raise AssertionError(f"a circle: {circle}") from None
    assert order[-1] == "__init__"
