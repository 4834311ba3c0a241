"""Every public docstring's example runs, every public name has one, and so does the README."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import spoolbuf
from spoolbuf import _base, _closing, _codes, _content, _errors, _file, _library, _queries, _sequence
from spoolbuf import _stats
from spoolbuf._details import Details

PACKAGE = Path(__file__).resolve().parents[1]
README = PACKAGE / "README.md"


# Where the public classes are, and the bases of the buffers.
MODULES = [spoolbuf, _library, _base, _closing, _content, _queries, _sequence]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_doctests(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope = {**vars(spoolbuf), **vars(_codes)}
    failed, tried = doctest.testmod(module, extraglobs=scope, optionflags=doctest.ELLIPSIS)
    assert not failed and tried


def public() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("spoolbuf", spoolbuf)]
    for name in spoolbuf.__all__:
        thing = getattr(spoolbuf, name)
        if inspect.isclass(thing):
            found.append((name, thing))
            bases = [base for base in thing.__mro__ if base.__module__.startswith("spoolbuf")]
            members = {key: value for base in reversed(bases) for key, value in vars(base).items()}
            for member, value in members.items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    found.append((f"{name}.{member}", value))
    return found


@pytest.mark.parametrize(("name", "thing"), public(), ids=lambda part: part if isinstance(part, str) else "")
def test_every_public_docstring(name: str, thing: object) -> None:
    text = inspect.getdoc(thing)
    assert text, name
    # Exceptions that no example can bring about, and what a file is asked by the io module.
    without = {
        "SourceError DiskFullError NoMemoryError CanceledError ReentrantError "
        "UnsupportedError ExistsError SizeError PanicError RawStreamFile.readable "
        "RawStreamFile.seekable RawStreamFile.readinto RawStreamFile.tell RawStreamFile.resume "
        "RawStreamFile.close"
    }.pop().split()
    assert (">>>" in text) != (name in without), name


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.S | re.M)


def test_the_readme_has_eight() -> None:
    assert len(snippets()) == 8


@pytest.mark.parametrize("number", range(8))
def test_readme(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each snippet runs as it stands, in a directory that has what it opens."""
    import readme

    monkeypatch.chdir(tmp_path)
    readme.run(snippets()[number])


def test_one_class_for_each_status() -> None:
    statuses = [status for status in spoolbuf.Status if status != spoolbuf.Status.OK]
    assert sorted(_errors._CLASSES) == sorted(statuses)
    for status, kind in _errors._CLASSES.items():
        error = _errors.error_for(status, Details("text"))
        assert type(error) is kind and error.status == status
        assert isinstance(error, spoolbuf.SpoolbufError)
        assert "text" in str(error)
    assert _base.MAX_SIZE == spoolbuf.MAX_SIZE
    assert _file.StreamFile is spoolbuf.StreamFile and _stats.Stats is spoolbuf.Stats
