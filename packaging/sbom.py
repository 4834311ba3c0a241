"""Writes the SBOM of a release, in CycloneDX: python3 packaging/sbom.py FILE ARTIFACT=PARTS...

An artifact is a file of the release. PARTS is a file with the name and the version of each part
that is linked into it, or that it needs: crates, Rust's standard library, and what the compiler
that links brings.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parent.parent

# Parts that are no crates: the name, and the license.
GENERIC = {
    "rust-std": "MIT OR Apache-2.0",
    "libunwind": "Apache-2.0 WITH LLVM-exception",
    "libgcc": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "mingw-w64": "ZPL-2.1",
}

Part = tuple[str, str]
Json = dict[str, object]


def said(*command: str, folder: Path = ROOT) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def sha256(content: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": content}]


def component(part: Part, license: str, kind: str = "cargo") -> Json:
    name, version = part
    purl = f"pkg:{kind}/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": license.replace("/", " OR ")}],
    }


def apart(crates: set[Part]) -> list[list[Part]]:
    """Lists with one version of each crate: cargo takes no two that are compatible."""
    lists: list[list[Part]] = []
    for crate in sorted(crates):
        for some in lists:
            if crate[0] not in {name for name, _ in some}:
                some.append(crate)
                break
        else:
            lists.append([crate])
    return lists


def described(crates: list[Part]) -> list[Json]:
    """By a package that depends on exactly those, as cargo describes it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = ["[package]", 'name = "parts"', "[lib]", 'path = "lib.rs"', "[workspace]"]
        for it, version in crates:
            lines += [f"[dependencies.{it}]", f'version = "={version}"', "default-features = false"]
        (folder / "Cargo.toml").write_text("\n".join(lines), encoding="utf-8")
        (folder / "lib.rs").touch()
        metadata = json.loads(said("cargo", "metadata", "--format-version", "1", folder=folder))
        lock = (folder / "Cargo.lock").read_text(encoding="utf-8")
    entry = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    checksums = {(name, version): checksum for name, version, checksum in re.findall(entry, lock)}
    licenses = {(it["name"], it["version"]): it["license"] for it in metadata["packages"]}
    return [component(it, licenses[it]) | {"hashes": sha256(checksums[it])} for it in crates]


def components(parts: set[Part]) -> list[Json]:
    generic = sorted(it for it in parts if it[0] in GENERIC)
    found = [component(it, GENERIC[it[0]], "generic") for it in generic]
    for crates in apart(parts - set(generic)):
        found += described(crates)
    return sorted(found, key=lambda it: str(it["bom-ref"]))


def read(path: str) -> list[Part]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return sorted({(name, version) for name, version in map(str.split, lines)})


def file(path: Path, version: str) -> Json:
    return {
        "type": "file",
        "bom-ref": f"file:{path.name}",
        "name": path.name,
        "version": version,
        "hashes": sha256(hashlib.sha256(path.read_bytes()).hexdigest()),
    }


def main(path: str, arguments: list[str]) -> None:
    artifacts = {Path(it.rpartition("=")[0]): read(it.rpartition("=")[2]) for it in arguments}
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"', manifest, re.MULTILINE)
    itself = component(("spoolbuf", version), "MIT OR Apache-2.0")
    needed = components({part for parts in artifacts.values() for part in parts})
    refs = {(it["name"], it["version"]): it["bom-ref"] for it in needed}
    files = [file(it, version) for it in artifacts]
    dependencies = [{"ref": itself["bom-ref"], "dependsOn": [it["bom-ref"] for it in files]}]
    for it, parts in zip(files, artifacts.values()):
        dependencies.append({"ref": it["bom-ref"], "dependsOn": [refs[part] for part in parts]})
    dependencies += [{"ref": it, "dependsOn": []} for it in refs.values()]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same from the same files.
        "serialNumber": uuid5(NAMESPACE_URL, json.dumps(files)).urn,
        "version": 1,
        "metadata": {
            "timestamp": said("git", "log", "-1", "--format=%cI").strip(),
            "component": itself,
        },
        "components": files + needed,
        "dependencies": dependencies,
        # A file names all of its parts. Which of them needs which is not said.
        "compositions": [{"aggregate": "unknown", "dependencies": [*refs.values()]}],
    }
    Path(path).write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
