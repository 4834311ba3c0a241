"""Builds the shared library by cargo and puts it beside the package's files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from platform import machine
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIXES = {".so", ".dylib", ".dll"}


class CargoHook(BuildHookInterface):
    """Runs for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the library; the wheel fits every Python, on this platform.

        A distribution has the library in a package of its own: SPOOLBUF_SYSTEM_LIBRARY adds none. A release
        names one that is built already, SPOOLBUF_BUILT, and the tag of its platform, SPOOLBUF_PLATFORM.
        """
        if os.environ.get("SPOOLBUF_SYSTEM_LIBRARY"):
            return
        built = os.environ.get("SPOOLBUF_BUILT")
        library = Path(built) if built else build(crate_of(Path(self.root)))
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        # A Python for two kinds of processor; cargo builds for the one that is here.
        platform = platform.replace("universal2", machine())
        platform = os.environ.get("SPOOLBUF_PLATFORM", platform)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        # The bare name: the wheel is not where a linker looks.
        if version == "editable":
            shutil.copy2(library, Path(self.root, "src", "spoolbuf", library.name))
        else:
            build_data["force_include"][str(library)] = f"spoolbuf/{library.name}"


def crate_of(root: Path) -> Path:
    """The crate: above this directory in a clone, beside this file in a source distribution."""
    for place in (root.parent.parent, root / "crate"):
        manifest = place / "Cargo.toml"
        if manifest.is_file() and 'name = "spoolbuf"' in manifest.read_text(encoding="utf-8"):
            return place
    raise RuntimeError("the crate of spoolbuf is neither above this directory nor in it")


def build(crate: Path) -> Path:
    """Builds the library; cargo says where it put it."""
    cargo = find_cargo(crate)
    target = os.environ.get("CARGO_TARGET_DIR") or str(crate / "target" / "python")
    command = [cargo, "rustc", "--release", "--lib", "--crate-type", "cdylib"]
    command += ["--message-format=json-render-diagnostics", "--target-dir", target]
    if (crate / "Cargo.lock").is_file():
        command.append("--locked")
    environment = {**compiler_of(cargo), **os.environ}
    triple = triple_of(environment, crate)
    if triple:
        command += ["--target", triple]
    done = subprocess.run(command, cwd=crate, env=environment, stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "spoolbuf":
            for name in map(Path, message.get("filenames", [])):
                if name.suffix in SUFFIXES:
                    return name
    raise RuntimeError("cargo built no shared library")


def triple_of(environment: dict[str, str], crate: Path) -> str:
    """The target: this machine's, unless a variable says otherwise; empty if it is unknown.

    Named always: cargo's configuration, which may be that of a folder above, can name another one.
    """
    if environment.get("CARGO_BUILD_TARGET"):
        return environment["CARGO_BUILD_TARGET"]
    command = [environment.get("RUSTC") or "rustc", "-vV"]
    try:
        said = subprocess.run(
            command, cwd=crate, env=environment, stdout=subprocess.PIPE, text=True
        )
    except OSError:
        return ""
    lines = [line for line in said.stdout.splitlines() if line.startswith("host: ")]
    return lines[0].removeprefix("host: ") if lines else ""


def find_cargo(crate: Path) -> str:
    """A cargo that is new enough: by the rule of every other build, where there is a shell.

    If there is none, one line says why.
    """
    if os.name == "nt":
        named = os.environ.get("CARGO", "cargo")
        cargo = shutil.which(named)
        if cargo is None:
            sys.exit(f"spoolbuf needs Rust (https://rustup.rs): there is no {named}")
        return cargo
    script = ["sh", str(crate / "packaging" / "cargo.sh")]
    found = subprocess.run(script, stdout=subprocess.PIPE, text=True)
    if found.returncode:
        sys.exit(found.returncode)
    return found.stdout.strip()


def compiler_of(cargo: str) -> dict[str, str]:
    """Another cargo than that of PATH has its compiler beside it, rustc-1.85 for cargo-1.85."""
    compiler = Path(cargo).with_name("rustc" + Path(cargo).name.removeprefix("cargo"))
    if cargo == shutil.which("cargo") or not compiler.is_file():
        return {}
    return {"RUSTC": str(compiler)}
