#!/usr/bin/env python3
"""Writes dsl/sql_catalog.inc: the types, casts, operators and functions of PostgreSQL that statements are checked against.

usage: sql_catalog.py PSQL-URL >dsl/sql_catalog.inc     (a server of version 15; tests/database compares)

Each type is a letter. A signature is the letters of its arguments and then of its result; before them `*` where the last argument may be
repeated, `~N` where the last N may be left out, `#` where it gives rows. Functions that implement operators, types, indexes or plans are
left out; one whose types are not here has its name only.
"""
import collections
import subprocess
import sys

TYPES = """bool bytea int2 int4 int8 float4 float8 numeric text varchar bpchar name uuid date time timetz timestamp timestamptz interval json jsonb jsonpath
_bool _bytea _int2 _int4 _int8 _float8 _numeric _text _varchar _uuid _date _timestamptz _interval _json _jsonb
oid regclass inet bit varbit tsvector tsquery regconfig record void unknown
any anyelement anyarray anynonarray anycompatible anycompatiblearray anycompatiblenonarray""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+=/.:"
LETTER = dict(zip(TYPES, LETTERS))


def ask(url, sql):
    done = subprocess.run(["psql", "-XAtF", "\t", "-c", sql, url], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def letters(names):
    return "".join(LETTER[n] for n in names.split()) if all(n in LETTER for n in names.split()) else None


def table(name, found):
    lines = [f"static const struct named {name}[] = {{"]
    for key, signatures in sorted(found.items(), key=lambda item: item[0].encode()):
        text = f'    {{"{key}", "'
        for signature in sorted(set(signatures)):
            if len(text) + len(signature) > 130:
                lines.append(text + '"')
                text = '     "'
            text += signature + " "
        lines.append(text.rstrip() + ('"},' if not text.endswith('"') else '"},'))
    return lines + ["};"]


def catalog(url):
    quoted = ",".join(f"'{t}'" for t in TYPES)
    lines = ["/* Written by sql_catalog.py from PostgreSQL 15. */",
             "enum { " + ", ".join(f"PG_{n.upper()} = '{LETTER[n]}'" for n in ("text", "any", "unknown")) + " };", "static const struct pg_type types[] = {"]
    for name, category, preferred, element in ask(url, f"""
            SELECT t.typname, t.typcategory, t.typispreferred, coalesce(e.typname, '') FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
             WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN ({quoted}) ORDER BY array_position(ARRAY[{quoted}]::text[], t.typname::text)"""):
        lines.append(f"""    {{'{LETTER[name]}', "{name}", '{category}', {'true' if preferred == 't' else 'false'}, {"'" + LETTER[element] + "'" if element in LETTER else '0'}}},""")
    lines.append("};")
    for context, name in (("i", "implicit_casts"), ("a", "assignment_casts"), ("e", "explicit_casts")):
        pairs = sorted(LETTER[a] + LETTER[b] for a, b in ask(url, f"""
            SELECT s.typname, t.typname FROM pg_cast c JOIN pg_type s ON s.oid = castsource JOIN pg_type t ON t.oid = casttarget WHERE castcontext = '{context}'""")
                       if a in LETTER and b in LETTER and a != b)
        lines.append(f"static const char {name}[] =")
        for i in range(0, len(pairs), 40):
            lines.append(f'    "{" ".join(pairs[i:i + 40])} "')
        lines[-1] += ";"
    operators = collections.defaultdict(list)
    for name, arguments, result in ask(url, """
            SELECT oprname, concat_ws(' ', l.typname, r.typname), t.typname FROM pg_operator o LEFT JOIN pg_type l ON l.oid = oprleft
              JOIN pg_type r ON r.oid = oprright JOIN pg_type t ON t.oid = oprresult WHERE oprnamespace = 'pg_catalog'::regnamespace"""):
        if letters(arguments) and letters(result):
            operators[name].append(letters(arguments) + letters(result))
    lines += table("operators", operators)
    functions, kinds = collections.defaultdict(list), collections.defaultdict(set)
    for name, kind, arguments, result, rows, variadic, defaults in ask(url, """
            SELECT proname, prokind, (SELECT coalesce(string_agg(t.typname, ' ' ORDER BY i), '') FROM unnest(proargtypes) WITH ORDINALITY u (o, i) JOIN pg_type t ON t.oid = o),
                   r.typname, proretset, provariadic <> 0, pronargdefaults
              FROM pg_proc p JOIN pg_type r ON r.oid = prorettype
             WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind <> 'p'
               AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typsubscript))
               AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid) AND NOT EXISTS (SELECT FROM pg_aggregate a WHERE p.oid IN
                   (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn) AND p.proname NOT IN ('bool', 'array_append'))
               AND (NOT EXISTS (SELECT FROM pg_operator o WHERE p.oid IN (o.oprcode, o.oprrest, o.oprjoin)) OR EXISTS (
                     SELECT FROM pg_description d WHERE d.objoid = p.oid AND d.description NOT LIKE 'implementation of%'))
               AND proname !~ '^(pg_|binary_upgrade|brin|gin|gist|spg|hash|bt|RI_|lo_|fmgr_|cidin|gtsvector|gbt|ts_|tsm_|dsimple|dispell|prsd|thesaurus|dsynonym|unique_key|currtid|has_|row_security|txid|xml|query_to|table_to|schema_to|database_to|cursor_to|amvalidate|heap_|void|any|record_|shell_|trigger|event_|language|index_am|table_am|cash|point|line|lseg|path|poly|box|circle|inet_|network|macaddr|int8range|int4range|numrange|tsrange|daterange|tstzrange|range_|multirange|satisfies|suppress|domain|loread|lowrite|be_lo|getdatabase|to_reg|format_type|oidvector|array_sub|raw_array|jsonb_sub|inter_lb|mul_d)'
               OR (proname IN ('pg_notify', 'pg_advisory_xact_lock', 'pg_advisory_xact_lock_shared', 'pg_try_advisory_xact_lock', 'pg_try_advisory_xact_lock_shared', 'pg_sleep',
                               'pg_typeof', 'pg_backend_pid', 'hashtext', 'hashtextextended', 'ts_rank', 'ts_rank_cd', 'ts_headline', 'btrim')
                   AND pronamespace = 'pg_catalog'::regnamespace)"""):
        signature = letters(arguments) if arguments else ""
        functions[name]  # its name at least
        if signature is None or not letters(result):
            continue
        kinds[name].add(kind)
        functions[name].append(("*" if variadic == "t" else "") + (f"~{defaults}" if defaults != "0" else "") + ("#" if rows == "t" else "")
                               + signature + letters(result))
    lines += table("functions", functions)
    for kind, title in (("a", "aggregates"), ("w", "window_functions")):
        names = ", ".join(f'"{n}"' for n in sorted(kinds) if kind in kinds[n])
        lines.append(f"static const char *const {title}[] = {{{names}, NULL}};")
    out = []
    for line in lines:  # long lists on several lines
        while len(line) > 138:
            at = line.rindex(" ", 0, 138)
            out.append(line[:at])
            line = "    " + line[at + 1:]
        out.append(line)
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(catalog(sys.argv[1]))
