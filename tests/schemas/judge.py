"""Python's jsonschema over the examples: each good one must be valid, each bad one not, but those beyond schemas."""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMAS = Path("schemas")
faults, judged = [], 0
for file in sorted((SCHEMAS / "examples").rglob("*.json")):
    name = file.relative_to(SCHEMAS / "examples")
    schema = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    examples = json.loads(file.read_text())
    is_command = name.parts[0] == "commands"
    for message in examples["good"]:
        judged += 1
        faults += [f"{name}: {message}: {error.message}" for error in validator.iter_errors(message)]
    for bad in examples["bad"]:
        # A text is there because JSON libraries differ over it.
        if is_command and "message" not in bad:
            continue
        judged += 1
        message = bad["message"] if is_command else bad
        if validator.is_valid(message) != (is_command and "beyond_schemas" in bad):
            faults.append(f"{name}: judged otherwise: {message}")
print(f"{judged} examples judged", *faults, sep="\n")
sys.exit(bool(faults))
