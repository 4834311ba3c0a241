"""`_codes.py`, `_native.py` and `_prototypes.py` say what `include/spoolbuf.h` says."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from spoolbuf import _codes, _library, _native, _prototypes
from support import skip

HEADER = Path(__file__).resolve().parents[3] / "include" / "spoolbuf.h"

CONSTANTS = {
    "SB_SIZE_UNKNOWN": _codes.SIZE_UNKNOWN,
    "SB_MAX_DEFAULT": _codes.MAX_DEFAULT,
    "SB_PREFETCH_ALL": _codes.ALL,
    "SB_REACH_AUTO": _codes.REACH_AUTO,
    "SB_REACH_WHOLE": _codes.REACH_WHOLE,
    "SB_WHEN_WANTED": _codes.WHEN_WANTED,
    "SB_VERSION_MAJOR": _library._VERSION[0],
    "SB_VERSION_MINOR": _library._VERSION[1],
}
ENUMS = {
    "sb_status": ("SB_OK SB_ERR_", _codes.Status),
    "sb_whence": ("SB_SEEK_", _codes.Whence),
    "sb_state": ("SB_STATE_", _codes.State),
    "sb_spool": ("SB_SPOOL_", _codes.Spool),
    "sb_on_full": ("SB_ON_FULL_", _codes.OnFull),
    "sb_on_short": ("SB_SHORT_", _codes.OnShort),
    "sb_source_code": ("SB_SOURCE_", _codes.SourceCode),
    "sb_source_flag": ("SB_SOURCE_", _codes.SourceFlag),
    "sb_option_flag": ("SB_", _codes.OptionFlag),
    "sb_reader_flag": ("SB_READER_", _codes.ReaderFlag),
    "sb_save_flag": ("SB_SAVE_", _codes.SaveFlag),
    "sb_operation": ("SB_OP_", _codes.Operation),
    "sb_log_level": ("SB_LOG_", _codes.LogLevel),
}
STRUCTS = {
    "sb_callback": _native.Callback,
    "sb_range": _native.Range,
    "sb_stats": _native.Stats,
    "sb_options": _native.Options,
    "sb_error": _native.Error,
    "sb_save_options": _native.SaveOptions,
    "sb_reader_options": _native.ReaderOptions,
    "sb_opened": _native.Opened,
    "sb_cache_options": _native.CacheOptions,
    "sb_cache_stats": _native.CacheStats,
}
SCALARS = {
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "void": None,
    "sb_progress_fn": _native.ProgressCallback,
    "sb_log_fn": _native.LogCallback,
    "sb_ready_fn": _native.ReadyCallback,
    "void *": ctypes.c_void_p,
    "size_t *": ctypes.c_void_p,
    "char *": ctypes.c_void_p,
    "const char *": ctypes.c_char_p,
    "sb_buffer *": ctypes.c_void_p,
    "sb_reader *": ctypes.c_void_p,
    "sb_watch *": ctypes.c_void_p,
    "sb_cache *": ctypes.c_void_p,
    "sb_cache * *": ctypes.POINTER(ctypes.c_void_p),
    "sb_opener_fn": _native.OpenerCallback,
    "sb_callback": _native.Callback,
    "sb_buffer * *": ctypes.POINTER(ctypes.c_void_p),
    "sb_reader * *": ctypes.POINTER(ctypes.c_void_p),
    "sb_watch * *": ctypes.POINTER(ctypes.c_void_p),
    **{f"{name} *": ctypes.POINTER(struct) for name, struct in STRUCTS.items()},
}


@pytest.fixture(scope="module")
def header() -> str:
    if not HEADER.is_file():
        skip("include/spoolbuf.h", "not a clone of the repository")
    text = HEADER.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    # `extern "C" {` is within lines of the preprocessor's.
    text = re.sub(r"^#ifdef __cplusplus.*?^#endif", " ", text, flags=re.S | re.M)
    return text


def ctype(text: str) -> object:
    """The ctypes type of a C type, without the name that it declares."""
    words = re.sub(r"\b(struct|enum)\b", " ", text).replace("*", " * ").split()
    if "char" not in words:
        words = [word for word in words if word != "const"]
    return SCALARS[" ".join(words)]


def declared(text: str) -> tuple[str, object]:
    """The name and the type of one declaration."""
    if pointer := re.fullmatch(r"(.*)\(\*(\w+)\)\((.*)\)", text.strip(), flags=re.S):
        result, name, parameters = pointer.groups()
        types = [declared(part)[1] for part in parameters.split(",")]
        return name, ctypes.CFUNCTYPE(ctype(result), *types)
    array = re.fullmatch(r"(.*?)(\w+)\[(\d+)\]", text.strip(), flags=re.S)
    if array:
        kind, name, length = array.groups()
        element = ctypes.c_char if kind.strip() == "char" else ctype(kind)
        return name, element * int(length)
    kind, name = re.fullmatch(r"(.*?)(\w+)", text.strip(), flags=re.S).groups()
    return name, ctype(kind)


def test_constants(header: str) -> None:
    number = r"\d+|UINT64_MAX|\(UINT64_MAX - 1\)"
    found = dict(re.findall(rf"^#define (SB_\w+) ({number})$", header, flags=re.M))
    largest = {"UINT64_MAX": 2**64 - 1, "(UINT64_MAX - 1)": 2**64 - 2}
    values = {name: largest.get(value) or int(value) for name, value in found.items()}
    # The package accepts any patch of a version.
    del values["SB_VERSION_PATCH"]
    assert values == CONSTANTS


def test_enums(header: str) -> None:
    found = {name: body for body, name in re.findall(r"typedef enum \{(.*?)\} (\w+);", header, re.S)}
    assert found.keys() == ENUMS.keys()
    for name, body in found.items():
        prefixes, python = ENUMS[name]
        values = {}
        for constant, value in re.findall(r"(\w+) = (-?\d+)", body):
            for prefix in reversed(prefixes.split()):
                constant = constant.replace(prefix, "") if prefix != "SB_OK" else constant
            values[constant.replace("SB_", "")] = int(value)
        assert values == {member.name: int(member) for member in python}, name


def test_structs(header: str) -> None:
    found = {name: body for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", header, re.S)}
    assert found.keys() == STRUCTS.keys()
    for name, body in found.items():
        fields = [declared(line) for line in body.split(";") if line.strip()]
        assert fields == STRUCTS[name]._fields_, name


def test_functions(header: str) -> None:
    body = re.sub(r"typedef (enum|struct) \{.*?\} \w+;|typedef [^;]*;", " ", header, flags=re.S)
    body = re.sub(r"^#.*$|\bSB_API\b", " ", body, flags=re.M)
    found = {}
    for statement in filter(str.strip, body.split(";")):
        match = re.fullmatch(r"\s*(.*?)(\w+)\((.*)\)\s*", statement, flags=re.S)
        assert match, statement
        result, name, parameters = match.groups()
        types = [] if parameters == "void" else [declared(p)[1] for p in parameters.split(",")]
        found[name] = (ctype(result), tuple(types))
    assert found == {
        name: (result, tuple(types)) for name, (result, types) in _prototypes.PROTOTYPES.items()
    }


def test_callback_types(header: str) -> None:
    found = re.findall(r"typedef (\w+ \(\*\w+\)\([^)]*\));", header)
    assert dict(map(declared, found)) == {
        "sb_log_fn": _native.LogCallback,
        "sb_opener_fn": _native.OpenerCallback,
        "sb_progress_fn": _native.ProgressCallback,
        "sb_ready_fn": _native.ReadyCallback,
    }


def test_opaque(header: str) -> None:
    assert set(re.findall(r"typedef struct (\w+) \1;", header)) == {
        "sb_buffer",
        "sb_reader",
        "sb_watch",
        "sb_cache",
    }


def test_a_library_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="SPOOLBUF_LIBRARY"):
        _library.load(str(tmp_path / "absent.so"))
