#!/usr/bin/env python3
"""Puts the built page into C: each file of studio/dist as it is and, where that is smaller, as gzip. Called by meson.

usage: embed.py FOLDER OUT DEPFILE

A file assets/NAME-HASH.EXT may be kept for good by a browser. The depfile names the folders, too: a file that comes or goes makes it anew.
"""
import gzip
import hashlib
import pathlib
import re
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
         ".txt": "text/plain; charset=utf-8", ".map": "application/json"}


def literal(data):
    """C string literals, a few hundred bytes a line. An escape has three digits, so that none runs into what follows."""
    plain = {byte: chr(byte) for byte in range(32, 127)} | {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?", ord("\n"): "\\n"}
    words = [plain.get(byte, f"\\{byte:03o}") for byte in data]
    return "\n".join('     "' + "".join(words[i:i + 200]) + '"' for i in range(0, len(words), 200)) or '     ""'


def main():
    folder, out, depfile = map(pathlib.Path, sys.argv[1:])
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if not (folder / "index.html").is_file():
        sys.exit(f"{folder}: there is no index.html")
    rows = []
    for path in files:
        if path.suffix not in TYPES:
            sys.exit(f"{path}: no content type is known for it; see TYPES in {sys.argv[0]}")
        data, name = path.read_bytes(), "/" + path.relative_to(folder).as_posix()
        if not re.fullmatch(r"/[A-Za-z0-9._/-]+", name):
            sys.exit(f"{path}: a file of the page has a name of letters, digits, . _ and -")
        packed = gzip.compress(data, 9, mtime=0)
        digest = hashlib.sha256(data).hexdigest()[:32]
        smaller = len(packed) < len(data)
        immutable = re.fullmatch(r"/assets/.+-[A-Za-z0-9]{8,}\.[a-z0-9]+", name) is not None
        rows.append(f'    {{"{name}", "{TYPES[path.suffix]}", {str(immutable).lower()}, "\\"{digest}\\"", "\\"{digest}-gz\\"",\n{literal(data)},\n'
                    + (literal(packed) if smaller else "     NULL") + f",\n     {len(data)}, {len(packed) if smaller else 0}}},\n")
    out.write_text('/* Made from studio/dist by embed.py. */\n#include "page.h"\n\nconst struct studio_file studio_files[] = {\n' + "".join(rows) +
                   "};\nconst size_t studio_nfiles = sizeof studio_files / sizeof *studio_files;\n", encoding="ascii")
    folders = [folder, *sorted(p for p in folder.rglob("*") if p.is_dir())]
    depfile.write_text(f"{out}: " + " ".join(str(p).replace(" ", "\\ ") for p in [*folders, *files]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
