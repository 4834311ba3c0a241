"""Compares an SBOM with the schema of CycloneDX: python3 packaging/release.d/valid.py FILE."""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(
    Path(sys.argv[1]).read_text(encoding="utf-8")
)
if error is not None:
    sys.exit(f"{sys.argv[1]}: {error}")
