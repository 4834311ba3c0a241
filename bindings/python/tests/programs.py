"""Programs in an interpreter of their own, for tests that end one, fork it, or throw exceptions into it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Optional

from support import PATIENCE

_PYTHON = [sys.executable, "-X", "faulthandler", "-c"]


def _environment() -> dict[str, str]:
    path = [os.path.dirname(__file__), *filter(None, [os.environ.get("PYTHONPATH")])]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path))


def finish(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program, which can import the modules of this folder, until it ends."""
    return subprocess.run(
        [*_PYTHON, textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        # The waits inside the program end first.
        timeout=2 * PATIENCE,
        env=_environment(),
        check=False,
    )


def run(code: str, *arguments: str) -> str:
    """Runs a program that must end well and print no errors. Returns what it prints."""
    done = finish(code, *arguments)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    assert not done.stderr, done.stderr
    return done.stdout


class Program:
    """A program that says when it waits. It can import the modules of this folder."""

    def __init__(self, code: str, cwd: Optional[Path] = None) -> None:
        self.process = subprocess.Popen(
            [*_PYTHON, code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=_environment(),
        )

    def hear(self, expected: str) -> None:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if line != f"{expected}\n":
            self.process.kill()
            raise AssertionError((line, self.process.communicate()[1]))

    def end(self) -> tuple[int, str]:
        """How it ended, which takes a moment and not an hour."""
        try:
            _, errors = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            raise AssertionError(self.process.communicate()[1]) from None
        return self.process.returncode, errors
