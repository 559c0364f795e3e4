#!/usr/bin/env python3
"""Writes the corpus that fuzzing starts from: the vectors of the tests, one file each."""

import hashlib
import pathlib

here = pathlib.Path(__file__).parent
vectors = here.parent / "tests" / "vectors"


def put(target, data):
    directory = here / "corpus" / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


stream = b"\x07"
for file in sorted(vectors.glob("*.hex")):
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            message = bytes.fromhex(line.split()[1])
            put("message", message)
            stream += message
            if len(stream) > 2000:
                put("stream", stream)
                stream = bytes([len(stream) % 251])
for line in (vectors / "flow_mod_text.tsv").read_text().splitlines():
    if not line.startswith("#"):
        for text in line.split("\t")[1:]:
            put("flow_text", text.encode())
