"""Whether an exception was raised where C enters Python, said once and never guessed."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from spoolbuf import SourceError
from spoolbuf._entry import Entry, Request, Way

PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)


class Server:
    def serve(self, request: Request) -> int:
        return 2 * request[0]


kept = []


def end(way: Any) -> None:
    """As the recursion limit ends a generator, where it is entered. It is not closed."""
    kept.append(way._generator)
    way._generator = (number for number in ())
    list(way._generator)


def test_what_could_not_be_entered_is_told_once() -> None:
    way: Any = Way(Server())
    end(way)
    assert not way.is_free()
    assert isinstance(way.take(), SourceError)
    assert way.take() is None


def test_what_was_closed_was_not_to_be_entered() -> None:
    way: Any = Way(Server())
    way._generator.close()
    assert not way.is_free()
    assert way.take() is None


def test_an_entry_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if an exception comes where it begins."""
    server = Server()
    entry: Any = Entry(PROTOTYPE, 1, server, -1)
    assert entry.function(21) == 42
    raised = LookupError()
    end(entry)
    entry._holder.came = raised

    def fail() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_begin", fail)
    with pytest.raises(KeyboardInterrupt):
        entry.take()
    monkeypatch.undo()
    assert entry.take() is None
    assert entry.function(21) == 42
    assert entry.take() is None


def test_an_entry_ends_twice() -> None:
    server = Server()
    entry: Any = Entry(PROTOTYPE, 1, server, -1)
    for _ in range(2):
        end(entry)
        assert isinstance(entry.take(), SourceError)
        assert entry.take() is None
