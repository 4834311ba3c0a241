"""What is built: the wheel, the source distribution, and an install as the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import _library
from support import skip

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
LICENSES = ["LICENSE-APACHE", "LICENSE-MIT"]

# What is built here is not what is shipped: two thirds of the time.
FASTER = {"CARGO_PROFILE_RELEASE_LTO": "off"}
# Reads by what was installed, from a directory that has nothing of the package.
USE = """
import spoolbuf
from spoolbuf import StreamBuffer, _library
assert StreamBuffer([b"by", b"tes"])[1:4] == b"yte"
print(spoolbuf.__file__)
print(_library._path())
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    # A cargo that runs these tests has a say in what another one does.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_")}
    kept.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def library() -> str:
    return _library._names()[0]


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, as they would be under `site-packages`."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def check(wheel: Path) -> None:
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    assert wheel.name == f"spoolbuf-{spoolbuf.__version__}-py3-none-{platform}.whl"
    files = contents(wheel)
    about = f"spoolbuf-{spoolbuf.__version__}.dist-info"
    modules = [path.name for path in (PACKAGE / "src" / "spoolbuf").glob("*.py")]
    expected = [f"spoolbuf/{name}" for name in [*modules, "py.typed", library()]]
    expected += [f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD")]
    expected += [f"{about}/licenses/{name}" for name in LICENSES]
    assert sorted(files) == sorted(expected)
    assert len(files[f"spoolbuf/{library()}"]) > 100_000
    tag = files[f"{about}/WHEEL"].decode()
    assert "Root-Is-Purelib: false" in tag and f"Tag: py3-none-{platform}" in tag
    metadata = files[f"{about}/METADATA"].decode()
    assert "Requires-Python: >=3.9\n" in metadata
    assert "License-Expression: MIT OR Apache-2.0\n" in metadata
    assert "Requires-Dist" not in metadata


def works(python: str, there: Path, **environment: str) -> None:
    """An interpreter reads by what `there` has, library and all."""
    for place in run(python, "-c", USE, cwd=there.parent, **environment).splitlines():
        assert Path(place).is_relative_to(there), place


@pytest.fixture
def builder() -> str:
    """A Python that has hatchling. The runner names one to the first interpreter it tests."""
    if "SPOOLBUF_BUILDER" not in os.environ:
        pytest.skip("once is enough, and takes cargo; run_tests.py does it")
    return os.environ["SPOOLBUF_BUILDER"]


def test_wheel() -> None:
    if "SPOOLBUF_WHEEL" not in os.environ:
        pytest.skip("run_tests.py builds it")
    check(Path(os.environ["SPOOLBUF_WHEEL"]))


def test_the_licenses_are_those_of_the_repository() -> None:
    if not (ROOT / "Cargo.toml").exists():
        skip("the repository", "this is a source distribution")
    for name in LICENSES:
        assert (PACKAGE / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.usefixtures("slow")
def test_source_distribution(builder: str, tmp_path: Path) -> None:
    """Builds elsewhere, from what it holds alone."""
    run(builder, "-m", "build", "--sdist", "--no-isolation", "-o", str(tmp_path), cwd=PACKAGE)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = [name.split("/", 1)[1] for name in packed.getnames()]
    top = ["LICENSE-APACHE", "LICENSE-MIT", "PKG-INFO", "README.md", "crate", "hatch_build.py"]
    top += ["pyproject.toml", "run_tests.py", "src", "tests"]
    assert sorted({name.split("/")[0] for name in names} - {".gitignore"}) == top
    assert not [name for name in names if name.endswith((".so", ".dylib", ".dll", ".pyc"))]
    pip = [builder, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    out = tmp_path / "out"
    run(*pip, "--wheel-dir", str(out), str(archive), cwd=tmp_path, **FASTER)
    (wheel,) = out.glob("*.whl")
    check(wheel)
    there = tmp_path / "there"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(there)
    works(sys.executable, there, PYTHONPATH=str(there))


@pytest.mark.usefixtures("slow")
def test_install_as_the_readme_says(builder: str, tmp_path: Path) -> None:
    """In a venv that has nothing, from what a clone has."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        skip("a clone", "no git, or not a repository")
    clone = tmp_path / "clone"
    listed = run(git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    readme = (clone / "bindings" / "python" / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```", readme, flags=re.S | re.M)
    # This interpreter's `python3`, and then what the environment has.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    run("sh", "-euc", commands, cwd=clone, PATH=path, **FASTER)
    scripts = clone / "target" / "env" / ("Scripts" if os.name == "nt" else "bin")
    works(str(scripts / "python"), scripts.parent)
    # The page of complete programs has the same commands, without the activation, and then a program.
    page = (clone / "docs" / "start.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(from spoolbuf .*?)^```", page, flags=re.S | re.M)
    (start,) = re.findall(r"^```sh\n((?:(?!```).)*python start.py\n)```", page, flags=re.S | re.M)
    make, _, install = commands.splitlines()
    *same, pipe = start.splitlines()
    assert same == [make, f"target/env/bin/{install}"]
    (clone / "start.py").write_text(program, encoding="utf-8")
    printed = re.findall(r"^```text\n(.*?)^```", page, flags=re.S | re.M)
    assert [run("sh", "-euc", pipe, cwd=clone)] == printed


def fake_cargo(at: Path, says: str) -> Path:
    """A program of this name that says its version, or, told to build, with what it would."""
    at.parent.mkdir(parents=True)
    at.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{says}" || echo "$RUSTC" "$@" >&2\n')
    at.chmod(0o755)
    return at


def built_by(builder: str, **environment: str) -> str:
    """What an install by pip says that fails in its build."""
    pip = [builder, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", str(PACKAGE)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARGO")}
    kept.pop("RUSTC", None)
    done = subprocess.run(pip, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode, done.stdout
    return done.stdout + done.stderr


@pytest.mark.usefixtures("slow")
@pytest.mark.skipif(os.name == "nt", reason="no shell")
def test_without_cargo(builder: str, tmp_path: Path) -> None:
    """One line says what is missing."""
    absent, old = tmp_path / "absent", fake_cargo(tmp_path / "old" / "cargo", "cargo 1.63.0 (x)")
    for cargo, why in (absent, f"there is no {absent}"), (old, f"{old} is version 1.63.0"):
        said = built_by(builder, CARGO=str(cargo))
        line = r"^ *spoolbuf needs Rust [0-9.]+ or newer \(https://rustup\.rs\): (.*)$"
        assert re.findall(line, said, flags=re.M) == [why], said
        assert "Traceback" not in said


@pytest.mark.usefixtures("slow")
@pytest.mark.skipif(os.name == "nt", reason="no shell")
def test_a_newer_cargo_at_home(builder: str, tmp_path: Path) -> None:
    """rustup's, which PATH does not have, with the compiler beside it; so is one of another name."""
    old = fake_cargo(tmp_path / "old" / "cargo", "cargo 1.63.0 (x)")
    newer = fake_cargo(tmp_path / ".cargo" / "bin" / "cargo", "cargo 1.99.0")
    other = fake_cargo(tmp_path / "other" / "cargo-1.99", "cargo 1.99.0")
    path = os.pathsep.join([str(old.parent), os.environ["PATH"]])
    for compiler, named in (
        (newer.with_name("rustc"), ""),
        (other.with_name("rustc-1.99"), str(other)),
    ):
        compiler.write_text("#!/bin/sh\necho host: of-this-machine\n")
        compiler.chmod(0o755)
        said = built_by(builder, PATH=path, HOME=str(tmp_path), CARGO=named)
        # A path may have a space.
        assert re.search(rf"(?m)(^|\s){re.escape(str(compiler))}(\s|$)", said), said
        # Whatever target a configuration above the folder names.
        assert "--target of-this-machine" in said, said
