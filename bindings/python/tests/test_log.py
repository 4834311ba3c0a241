"""The bridge to `logging`."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

import spoolbuf
from spoolbuf import StreamBuffer, _library, _messages, _registry, set_log

from support import chunks, data


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    yield logging.getLogger("spoolbuf.test")
    set_log(None)


def test_messages_have_their_levels(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    set_log(logger, logging.DEBUG)
    with StreamBuffer(chunks(1000), size=2000, on_short="end") as buf:
        buf.read(0, 1001)
        buf.set_max_size(0)
    told = [(record.levelno, record.getMessage().split(": ", 1)[1]) for record in caplog.records]
    assert (logging.DEBUG, "freed") in told
    assert (logging.INFO, "the memory limit becomes 0 bytes") in told
    assert (
        logging.WARNING,
        "the source ended at 1000, before the declared size 2000",
    ) in told
    assert all(record.name == "spoolbuf.test" for record in caplog.records)


def test_levels_are_filtered(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    set_log(logger)
    StreamBuffer(chunks(1000)).read()
    assert not caplog.records
    set_log(logger, logging.CRITICAL)

    def failing() -> Iterator[bytes]:
        yield b"bytes"
        raise OSError("broken")

    buf = StreamBuffer(failing())
    with pytest.raises(OSError):
        buf.read()
    assert not caplog.records
    set_log(logger, logging.ERROR)
    buf.retry()
    with pytest.raises(OSError):
        buf.read()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_off(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    set_log(logger, logging.DEBUG)
    set_log(None)
    StreamBuffer(chunks(1000)).read()
    assert not caplog.records


def test_a_handler_that_reads(logger: logging.Logger) -> None:
    seen: list[BaseException] = []
    buf = StreamBuffer(chunks(1000))

    class Reader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                buf.read(0, 10)
            except spoolbuf.SpoolbufError as error:
                seen.append(error)

    handler = Reader()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        set_log(logger, logging.DEBUG)
        buf.cancel()
        buf.resume()
        # Before the resume, the buffer is canceled.
        assert [type(error) for error in seen] == [
            spoolbuf.CanceledError,
            spoolbuf.ReentrantError,
        ]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_threads_replace_it(logger: logging.Logger) -> None:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            StreamBuffer(chunks(100)).read()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(100):
        set_log(logging.getLogger(f"spoolbuf.test.{number}"), logging.DEBUG)
    over.set()
    for thread in threads:
        thread.join()


def test_c_keeps_no_function_that_python_frees(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens around the C call: an interrupt, or another thread's `set_log`."""
    caplog.set_level(logging.DEBUG)
    sb_set_log = _library.lib.sb_set_log
    functions: list[weakref.ref[object]] = []

    def interrupted(function: object, *rest: object) -> int:
        sb_set_log(function, *rest)
        functions.append(weakref.ref(function))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_library.lib, "sb_set_log", interrupted)
        with contextlib.suppress(KeyboardInterrupt):
            set_log(logger, logging.DEBUG)
    gc.collect()
    # First: without the function, a message crashes.
    assert functions[0]() is not None
    StreamBuffer(b"bytes").close()
    assert caplog.records


def test_a_handler_that_ends_the_log(logger: logging.Logger) -> None:
    """C is still inside the function then."""
    messages: list[str] = []

    class Once(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            set_log(None)
            gc.collect()
            messages.append(record.getMessage())

    handler = Once()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        set_log(logger, logging.DEBUG)
        for _ in range(3):
            StreamBuffer(chunks(1000)).read()
        assert len(messages) == 1
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_a_logger_is_kept_once() -> None:
    """The number of calls does not matter."""
    logger = logging.getLogger("spoolbuf.test.once")
    set_log(logger)
    before = len(_messages._loggers)
    for _ in range(10):
        set_log(logger)
        set_log(None)
    assert len(_messages._loggers) == before


class Interrupting(logging.Handler):
    """Ctrl-C arrives while a handler is at work, at the next message that has the text `at`."""

    def __init__(self) -> None:
        super().__init__()
        self.at: Optional[str] = None
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.messages.append(message)
        # On a thread of the library, the main thread would get it at any time.
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self.at is not None and self.at in message:
            self.at = None
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interrupting(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupting]:
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: printed.append(args.exc_value))
    handler = Interrupting()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    set_log(logger, logging.DEBUG)
    try:
        yield handler
    finally:
        set_log(None)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert not printed


CALLS: dict[str, Callable[[StreamBuffer, Path], object]] = {
    "a new one": lambda _buf, _path: StreamBuffer(b"bytes"),
    "read": lambda buf, _path: buf.read(),
    "file": lambda buf, _path: buf.open().read(),
    "size": lambda buf, _path: buf.find_size(),
    "save": lambda buf, path: buf.save(path / "file"),
    "prefetch": lambda buf, _path: buf.prefetch(100),
    "cancel": lambda buf, _path: buf.cancel(),
    "retry": lambda buf, _path: buf.retry(),
    "resume": lambda buf, _path: buf.resume(),
    "limit": lambda buf, _path: buf.set_max_size(0),
    "close": lambda buf, _path: buf.close(),
}


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_in_a_handler(call: str, interrupting: Interrupting, tmp_path: Path) -> None:
    """The call that logs raises it, after its work, on the main thread."""
    buf = StreamBuffer(chunks(1000), size=2000, on_short="end")
    interrupting.at = ""
    with pytest.raises(KeyboardInterrupt):
        CALLS[call](buf, tmp_path)
    if call == "close":
        assert buf.closed
    else:
        buf.resume()
        assert buf[:] == data(0, 1000)
        buf.close()
    # The next messages arrive too.
    assert interrupting.messages[-1].endswith("freed")


def test_ctrl_c_in_a_handler_leaves_the_new_stream(interrupting: Interrupting) -> None:
    """C has it by then, and calls its functions."""
    buf = StreamBuffer(chunks(1000, 100))
    assert buf.read(0, 500) == data(0, 500)
    interrupting.at = "reopened"
    with pytest.raises(KeyboardInterrupt):
        buf.reopen(chunks(1000))
    # First: without its functions, a read crashes.
    assert buf._source.key in _registry.sources
    gc.collect()
    assert buf[:] == data(0, 1000)


def test_a_read_does_not_go_on_after_ctrl_c_in_a_handler(interrupting: Interrupting) -> None:
    """Else it would be raised after the stream's end."""
    buf = StreamBuffer(chunks(50_000_000, 100_000), max_size=0)
    interrupting.at = "the spool file is in"
    with pytest.raises(KeyboardInterrupt):
        buf.find_size()
    assert buf.stat().pulls < 100
    assert buf.read(1_000_000, 10) == data(1_000_000, 10)


def test_an_error_of_a_handler_is_printed(
    interrupting: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that logs has not failed."""
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: printed.append(args.exc_value))
    wrong = KeyError("mine")

    def emit(_record: object) -> None:
        raise wrong

    monkeypatch.setattr(interrupting, "emit", emit)
    assert StreamBuffer(b"bytes").read() == b"bytes"
    assert printed and all(error is wrong for error in printed)
