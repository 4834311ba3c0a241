"""Builds the wheel once, and runs the tests in a venv of their own for each interpreter.

    python3 run_tests.py [--all] [--venvs DIRECTORY] [-- pytest's arguments]

Without --all for the interpreter that runs this; with it for every CPython from 3.9 on that is found
on PATH, under pyenv and in /opt, ending with a table. What is absent is said aloud as SKIPPED, or
fails where SPOOLBUF_REQUIRE_ALL is set.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Optional

HERE = Path(__file__).resolve().parent
PROBE = """
import json, sys, sysconfig
print(json.dumps([sys.implementation.name, sys.version_info[:2],
                  bool(sysconfig.get_config_var("Py_GIL_DISABLED"))]))
"""
# What some of the tests need, beside pytest.
EXTRAS = ["requests", "tqdm", "pillow", "numpy", "soundfile", "av"]
EXTRAS += ["cffi", "gevent", "httpx", "pandas"]
CHECKERS = ["mypy", "pyright[nodejs]", "typing_extensions"]
# Packages without a wheel, by whether the interpreter is free-threaded: not required there.
NOT_TO_BE_HAD = {True: {"soundfile", "cffi", "gevent", "pandas"}, False: set[str]()}


class Interpreter(NamedTuple):
    """What `PROBE` says."""

    name: str
    version: tuple[int, int]
    free: bool

    def __str__(self) -> str:
        """3.13, or 3.13t for the free-threaded one."""
        return f"{self.version[0]}.{self.version[1]}{'t' if self.free else ''}"


class Outcome(NamedTuple):
    """A line of the table."""

    label: str
    passed: bool
    what: str


def probe(python: str) -> Optional[Interpreter]:
    """What an interpreter is; None if it does not run."""
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, timeout=60, check=False)
        name, version, free = json.loads(done.stdout)
        return Interpreter(name, (version[0], version[1]), free)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def interpreters() -> dict[str, str]:
    """Every CPython from 3.9 on that the machine has, one for each version and kind."""
    names = [sys.executable]
    for minor in range(9, 30):
        names += glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{minor}.*/bin/python"))
        names += glob.glob(f"/opt/python3.{minor}*/bin/python3")
        names += filter(None, [shutil.which(f"python3.{minor}"), shutil.which(f"python3.{minor}t")])
    found: dict[str, str] = {}
    for name in names:
        kind = probe(name)
        if kind and kind.name == "cpython" and kind.version >= (3, 9):
            found.setdefault(str(kind), name)
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def skipped(what: str, why: str) -> bool:
    """Says so; whether the whole run may still pass."""
    print(f"SKIPPED: {what} ({why})", file=sys.stderr, flush=True)
    return not os.environ.get("SPOOLBUF_REQUIRE_ALL")


def run(*command: str, quiet: bool = False) -> bool:
    """Whether a command succeeded."""
    into = subprocess.DEVNULL if quiet else None
    return not subprocess.run(command, stdout=into, stderr=into, check=False).returncode


class Venv:
    """A virtual environment, made once and kept."""

    def __init__(self, where: Path, python: str) -> None:
        """Made anew if it is of another interpreter."""
        self.where = where
        self.python = str(where / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        if probe(self.python) is None or probe(self.python) != probe(python):
            shutil.rmtree(where, ignore_errors=True)
            subprocess.run([python, "-m", "venv", str(where)], check=True)

    def install(self, *packages: str, quiet: bool = False) -> bool:
        """Installs packages, unless the same were installed before."""
        stamp = self.where / f"have-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:16]}"
        if stamp.exists():
            return True
        pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        pip += ["--retries", "1", "--timeout", "20", "--prefer-binary"]
        only = ["--only-binary", ":all:"] if quiet else []
        if not run(*pip, *only, *packages, quiet=quiet):
            return False
        stamp.touch()
        return True


def build(venvs: Path, python: str) -> Optional[Path]:
    """Builds the wheel; None without a network."""
    venv = Venv(venvs / "build", python)
    if not venv.install("build", "hatchling>=1.24"):
        return None
    out = venvs / "wheel"
    shutil.rmtree(out, ignore_errors=True)
    command = [venv.python, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(HERE)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = out.glob("spoolbuf-*.whl")
    # For tests/test_package.py.
    os.environ["SPOOLBUF_BUILDER"] = venv.python
    os.environ["SPOOLBUF_WHEEL"] = str(wheel)
    return wheel


def original(venvs: Path, found: dict[str, str]) -> Optional[str]:
    """A Python that has the package `buffer`, which runs before 3.11 only."""
    for version in ("3.9", "3.10"):
        if version in found:
            venv = Venv(venvs / "original", found[version])
            if venv.install("setuptools", "wheel", "buffer==0.2.1", quiet=False):
                return venv.python
    return None


def koffi(venvs: Path) -> None:
    """Node's package for C functions, for tests/test_ffi.py, which says so where there is none."""
    npm, there = shutil.which("npm"), venvs / "node"
    if npm is None:
        return
    there.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-fund", "--no-audit", "--no-save", "--loglevel=error", "--fetch-timeout=20000"]
    # Node has certificates of its own, which know nothing of a company's proxy.
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        quiet += ["--cafile", str(certificates)]
    if (there / "node_modules" / "koffi").exists() or run(
        npm, "install", "--prefix", str(there), *quiet, "koffi@2", quiet=True
    ):
        os.environ["NODE_PATH"] = str(there / "node_modules")


def test(venvs: Path, label: str, python: str, wheel: Path, arguments: list[str]) -> Outcome:
    """Runs the tests under one interpreter, beside others; what they say is shown at the end."""
    print(f"== Python {label}: {python}", flush=True)
    begun = time.monotonic()
    venv = Venv(venvs / label, python)
    if not venv.install("pytest"):
        return Outcome(label, skipped(f"Python {label}", "no pytest"), "no pytest")
    absent = [name for name in EXTRAS + CHECKERS if not venv.install(name, quiet=True)]
    known = NOT_TO_BE_HAD[label.endswith("t")]
    may_pass = True
    for name in absent:
        why = "there is no wheel of it" if name in known else "it can't be installed"
        may_pass &= skipped(f"the tests of {name} under Python {label}", why) or name in known
    pip = [venv.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    # Always: the wheel of before has the same name.
    if not run(*pip, "--no-deps", "--force-reinstall", str(wheel)):
        return Outcome(label, False, "the wheel can't be installed")
    command = [venv.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "SPOOLBUF_ABSENT": " ".join(absent)}
    if label.endswith("t"):
        # Some extension modules would switch the GIL on again.
        environment["PYTHON_GIL"] = "0"
    if python != sys.executable:
        # The tests that build take cargo; they depend on the interpreter that builds alone.
        environment.pop("SPOOLBUF_BUILDER", None)
    pytest = subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True)
    print(f"== Python {label} said:\n{pytest.stdout}", flush=True)
    last = (pytest.stdout.strip().splitlines() or [""])[-1]
    what = re.sub(r" in [\d.]+s.*|=+ ?", "", last)
    what += f", {time.monotonic() - begun:.0f} s"
    what += f"; without {', '.join(absent)}" if absent else ""
    return Outcome(label, may_pass and pytest.returncode == 0, what)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every interpreter of the machine")
    parser.add_argument("--venvs", type=Path, default=HERE.parents[1] / "target" / "python-venvs")
    parser.add_argument("pytest", nargs="*")
    options = parser.parse_args()
    # A shell's background job ignores it, and so would the programs that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    venvs = options.venvs.resolve()
    wheel = build(venvs, sys.executable)
    if wheel is None:
        why = "hatchling can't be installed; is there a network?"
        return 0 if skipped("the Python tests", why) else 1
    found = interpreters()
    if other := original(venvs, found):
        os.environ["SPOOLBUF_ORIGINAL"] = other
    koffi(venvs)
    wanted = found if options.all else {str(probe(sys.executable)): sys.executable}
    if options.all and not any(label.endswith("t") for label in wanted):
        # Said, but never required: few machines have one.
        skipped("a free-threaded Python", "there is none on PATH, under pyenv or in /opt")
    # Two at a time: they wait more than they work.
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [
            pool.submit(test, venvs, label, python, wheel, options.pytest)
            for label, python in wanted.items()
        ]
        outcomes = [run.result() for run in runs]
    print()
    for label, passed, what in outcomes:
        print(f"Python {label:6} {'passed' if passed else 'FAILED'}  {what}", flush=True)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
