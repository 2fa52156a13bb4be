#!/usr/bin/env python3
"""Puts docs/explain into C: one table of pages in the order of diag_codes.h. Called by meson.

usage: embed_pages.py CODES FOLDER OUT DEPFILE

Fails where a code has no page, a page has no code, or a page's title is not the code's, so that no binary is without one. The depfile
names the folder, too: a page that is added or removed makes the table anew.
"""
import pathlib
import re
import sys


def quoted(text):
    out = []
    for line in text.splitlines(True):
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("?", "\\?")
        out.append(f'        "{escaped}"')
    return "\n".join(out).lstrip()


def main():
    codes, folder, out, depfile = map(pathlib.Path, sys.argv[1:])
    rows, wrong = [], []
    pages = {p.stem: p for p in sorted(folder.glob("[EW][0-9][0-9][0-9][0-9].md"))}
    for code, severity, title in re.findall(r'^X\((\d+), (ECC_\w+), \w+, "(.*)"\)$', codes.read_text(encoding="utf-8"), re.M):
        name = ("E" if severity == "ECC_ERROR" else "W") + code.zfill(4)
        page = pages.pop(name, None)
        if not page:
            wrong.append(f"{folder}/{name}.md is missing: each code of {codes} has a page")
            continue
        text = page.read_text(encoding="utf-8")
        if text.partition("\n")[0] != f"# {name}: {title}":
            wrong.append(f"{page}: the first line is not `# {name}: {title}`")
        rows.append(f'    {{{code}, {severity}, "{name}", "{title}",\n        {quoted(text)}}},\n')
    wrong += [f"{page}: there is no such code in {codes}" for page in pages.values()]
    if wrong or not rows:
        sys.exit("\n".join(wrong) or f"{codes}: no codes")
    prelude = folder / "prelude.ecom"
    out.write_text("/* Made from docs/explain by embed_pages.py. */\n#include \"explain.h\"\n\nconst struct ecc_page ecc_pages[] = {\n" +
                   "".join(rows) + "};\nconst size_t ecc_npages = sizeof ecc_pages / sizeof *ecc_pages;\n\nconst char *const ecc_page_prelude =\n    " +
                   quoted(prelude.read_text(encoding="utf-8")) + ";\n", encoding="utf-8")
    needed = [folder, prelude, *sorted(folder.glob("[EW]*.md"))]
    depfile.write_text(f"{out}: " + " ".join(str(p).replace(" ", "\\ ") for p in needed) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
