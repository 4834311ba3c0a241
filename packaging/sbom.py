"""Writes the SBOM of the libraries that are shipped, in CycloneDX: python3 packaging/sbom.py FILE.

They are built of this crate, of the crates that it needs, and of Rust's standard library.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def checksums() -> dict[tuple[str, str], str]:
    """The checksum of each crate that comes from the registry, as the lock file has it."""
    lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    entry = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    return {(name, version): checksum for name, version, checksum in re.findall(entry, lock)}


def component(name: str, version: str, license: str) -> dict[str, object]:
    purl = f"pkg:cargo/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": license.replace("/", " OR ")}],
    }


def main(path: str) -> None:
    tree = ["cargo", "tree", "--locked", "--edges", "normal", "--target", "all"]
    lines = said(*tree, "--prefix", "none", "--format", "{p}|{l}").splitlines()
    crates = []
    # cargo marks a crate that it has shown before.
    for line in dict.fromkeys(line.removesuffix(" (*)") for line in lines):
        package, license = line.split("|")
        name, version = package.split(" ")[:2]
        crates.append(component(name, version.lstrip("v"), license))
    itself, *needed = crates
    known = checksums()
    for crate in needed:
        checksum = known[str(crate["name"]), str(crate["version"])]
        crate["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    rust = said("rustc", "--version").split()[1]
    standard = component("std", rust, "MIT OR Apache-2.0") | {"purl": f"pkg:generic/rust-std@{rust}"}
    needed.append(standard)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": said("git", "log", "-1", "--format=%cI").strip(),
            "component": itself,
        },
        "components": needed,
        "dependencies": [{"ref": itself["bom-ref"], "dependsOn": [it["bom-ref"] for it in needed]}],
    }
    Path(path).write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
