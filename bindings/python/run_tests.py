"""Builds the wheel once, and runs the tests in a venv of their own for each interpreter.

    python3 run_tests.py [--all] [--venvs DIRECTORY] [-- pytest's arguments]

Without --all for the interpreter that runs this. What is absent is said aloud as SKIPPED, or fails
where SPOOLBUF_REQUIRE_ALL is set.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBE = """
import json, sys, sysconfig
print(json.dumps([sys.implementation.name, sys.version_info[:2],
                  bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys.base_prefix]))
"""
# What some of the tests need; each of these may be absent for an interpreter.
EXTRAS = ["requests", "tqdm", "pillow", "numpy", "soundfile", "av"]
CHECKERS = ["mypy", "pyright[nodejs]", "typing_extensions"]


def probe(python: str) -> tuple[str, tuple[int, int], bool, str] | None:
    """What an interpreter is; None if it does not run."""
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, timeout=60, check=False)
        name, version, free, prefix = json.loads(done.stdout)
        return name, (version[0], version[1]), free, prefix
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
        if kind and kind[0] == "cpython" and kind[1] >= (3, 9):
            found.setdefault(label(kind), name)
    return found


def label(kind: tuple[str, tuple[int, int], bool, str]) -> str:
    """3.13, or 3.13t for the free-threaded one."""
    return f"{kind[1][0]}.{kind[1][1]}{'t' if kind[2] else ''}"


def skipped(what: str, why: str) -> int:
    """Says so; what the whole run answers for it."""
    print(f"SKIPPED: {what} ({why})", file=sys.stderr, flush=True)
    return 1 if os.environ.get("SPOOLBUF_REQUIRE_ALL") else 0


def run(*command: str, quiet: bool = False) -> bool:
    """Whether a command succeeded."""
    into = subprocess.DEVNULL if quiet else None
    return not subprocess.run(command, stdout=into, stderr=into, check=False).returncode


class Venv:
    """A virtual environment, made once and kept."""

    def __init__(self, where: Path, python: str) -> None:
        """Made anew if it is of another interpreter."""
        self.where = where
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = str(where / scripts / Path("python.exe" if os.name == "nt" else "python"))
        if probe(self.python) is None:
            shutil.rmtree(where, ignore_errors=True)
            subprocess.run([python, "-m", "venv", str(where)], check=True)

    def install(self, *packages: str, optional: bool = False) -> bool:
        """Installs packages, unless the same were installed before."""
        stamp = self.where / f"have-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:16]}"
        if stamp.exists():
            return True
        pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        pip += ["--retries", "1", "--timeout", "20", "--prefer-binary"]
        only = ["--only-binary", ":all:"] if optional else []
        if not run(*pip, *only, *packages, quiet=optional):
            return False
        stamp.touch()
        return True


def build(venvs: Path, python: str) -> Path | None:
    """Builds the wheel; None without a network."""
    venv = Venv(venvs / "build", python)
    if not venv.install("build", "hatchling>=1.24"):
        return None
    out = venvs / "wheel"
    shutil.rmtree(out, ignore_errors=True)
    command = [venv.python, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(HERE)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = out.glob("spoolbuf-*.whl")
    return wheel


def original(venvs: Path, found: dict[str, str]) -> str | None:
    """A Python that has the package `buffer`, which runs before 3.11 only."""
    for version in ("3.9", "3.10"):
        if version in found:
            venv = Venv(venvs / "original", found[version])
            if venv.install("setuptools", "wheel", "buffer==0.2.1"):
                return venv.python
    return None


def test(venvs: Path, version: str, python: str, wheel: Path, arguments: list[str]) -> bool:
    """Runs the tests under one interpreter."""
    print(f"== Python {version}: {python}", flush=True)
    venv = Venv(venvs / version, python)
    if not venv.install("pytest"):
        return not skipped(f"Python {version}", "pytest can't be installed")
    for extra in EXTRAS + (CHECKERS if "t" not in version else []):
        if not venv.install(extra, optional=True):
            print(f"{extra} can't be had for Python {version}", file=sys.stderr)
    pip = [venv.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    # Always: the wheel of before has the same name.
    if not run(*pip, "--no-deps", "--force-reinstall", str(wheel)):
        return False
    os.chdir(HERE)
    return run(venv.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every interpreter of the machine")
    parser.add_argument("--venvs", type=Path, default=HERE.parents[1] / "target" / "python-venvs")
    parser.add_argument("pytest", nargs="*")
    options = parser.parse_args()
    venvs = options.venvs.resolve()
    venvs.mkdir(parents=True, exist_ok=True)
    wheel = build(venvs, sys.executable)
    if wheel is None:
        return skipped("the Python tests", "hatchling can't be installed; is there a network?")
    found = interpreters()
    if other := original(venvs, found):
        os.environ["SPOOLBUF_ORIGINAL"] = other
    mine = label(probe(sys.executable) or ("", (0, 0), False, ""))
    wanted = found if options.all else {mine: sys.executable}
    results = {
        version: test(venvs, version, python, wheel, options.pytest)
        for version, python in wanted.items()
    }
    for version, passed in results.items():
        print(f"Python {version}: {'passed' if passed else 'FAILED'}", flush=True)
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
