"""Random statements from a small grammar. What the compiler takes, PostgreSQL must take, with the same types; and when it runs on rows that
have nulls wherever they may, no column that is said to have a value is null. What the compiler refuses is nobody's loss here, but it must not
refuse nearly everything: then nothing would be tried."""
import os
import random
import re
import tempfile

import pg
import statements

COLUMNS = {"int": ["n", "t.m", "w.weight"], "float": ["f", "t.g"], "text": ["t.name", "t.note", "w.name", "t.color"], "bool": ["b", "t.c"], "uuid": ["t.id", "w.thing_id", "t.owner"],
           "time": ["at", "due"], "json": ["doc", "t.extra", "t.parts"], "interval": [], "num": [], "texts": [], "ints": []}
PARAMS = {"int": ["pn", "pm"], "float": ["pf", "pg"], "text": ["pt", "pu"], "bool": ["pb"], "uuid": ["pi"], "time": ["pa"], "json": ["pj"]}
DECLARED = {"pn": "int", "pm": "int?", "pf": "float", "pg": "float?", "pt": "text", "pu": "text?", "pb": "bool", "pi": "uuid", "pa": "time", "pj": "json"}
VALUES = {"int": ["1", "-7", "0", "40"], "float": ["1.5", "-0.25"], "text": ["a", "", "Bob", "10"], "bool": ["true", "false"],
          "uuid": ["00000000-0000-0000-0000-000000000001"], "time": ["2024-02-29 10:00:00+00"], "json": ['{"a": [1, 2], "b": null}', "[]"]}
LITERALS = {"int": ["0", "1", "17", "3000000000"], "float": ["1.5::float8"], "text": ["'a'", "'x y'", "''::text"], "bool": ["true", "false", "NULL"], "num": ["2.5", "1e3"],
            "uuid": ["'00000000-0000-0000-0000-000000000002'::uuid", "gen_random_uuid()"], "time": ["now()", "'2024-01-01'::timestamptz", "current_timestamp"],
            "interval": ["'1 day'::interval", "interval '2 hours'"], "json": ["'{\"a\": 1}'::jsonb", "'[1]'::jsonb"], "texts": ["'{a,b}'::text[]", "ARRAY['x', 'y']"],
            "ints": ["ARRAY[1, 2]", "'{3}'::int[]"]}
# What gives a kind, of what: each <kind> is made anew.
FORMS = {
    "int": ["<int> + <int>", "<int> - <int>", "<int> * <int>", "<int> / nullif(<int>, 0)", "<int> % 7", "-<int>", "abs(<int>)", "length(<text>)", "coalesce(<int>, <int>)",
            "nullif(<int>, <int>)", "greatest(<int>, <int>)", "least(<int>, <int>, <int>)", "CASE WHEN <bool> THEN <int> ELSE <int> END", "CASE WHEN <bool> THEN <int> END",
            "CASE <int> WHEN <int> THEN <int> ELSE <int> END", "(<json>->>'a')::int", "<num>::bigint", "<float>::int", "<bool>::int", "<int>::smallint", "position('a' IN <text>)",
            "extract(year FROM <time>)::int", "jsonb_array_length(jsonb_build_array(<text>))", "cardinality(<texts>)", "array_length(<ints>, 1)", "(<ints>)[1]", "strpos(<text>, <text>)",
            "(SELECT max(weight) FROM tags)", "(SELECT count(*) FROM tags x WHERE x.thing_id = t.id)", "mod(<int>, 5)", "sign(<int>)::int", "ascii(<text>)", "<int> & 3", "<int> << 1",
            "width_bucket(<num>, 0, 10, 4)", "round(<num>)::int", "num_nulls(<int>, <text>)", "hashtext(<text>)", "array_position(<texts>, 'a')"],
    "num": ["<int> * <num>", "<num> + <num>", "round(<num>, 2)", "<int>::numeric", "div(<num>, 2)", "extract(epoch FROM <interval>)", "(SELECT avg(weight) FROM tags)", "trunc(<num>)",
            "coalesce(<num>, <int>)", "-<num>", "ceil(<num>)", "(SELECT sum(weight) FROM tags)"],
    "float": ["<float> + <float>", "<float> * <int>", "<float> / 2", "sqrt(abs(<float>))", "round(<float>)", "coalesce(<float>, <int>)", "<int>::float8", "power(<float>, 2)", "random()",
              "<num>::float8", "date_part('hour', <time>)", "abs(<float>)", "floor(<float>)", "CASE WHEN <bool> THEN <float> ELSE <int> END", "ln(<float>)", "greatest(<float>, <int>)", "pi()"],
    "text": ["<text> || <text>", "<text> || <int>", "lower(<text>)", "upper(<text>)", "trim(<text>)", "substring(<text> FROM 1 FOR 2)", "substring(<text> FROM 'a.')", "replace(<text>, 'a', <text>)",
             "coalesce(<text>, <text>)", "coalesce(<text>, 'none')", "nullif(<text>, '')", "<int>::text", "<uuid>::text", "<time>::text", "<json>->>'a'", "<json>#>>'{a,0}'", "to_char(<time>, 'YYYY')",
             "concat(<text>, <int>, <bool>)", "concat_ws('-', <text>, <text>)", "CASE WHEN <bool> THEN <text> ELSE 'b' END", "left(<text>, 2)", "right(<text>, <int>::int)", "split_part(<text>, ' ', 1)",
             "repeat(<text>, 2)", "lpad(<text>, 5, '0')", "md5(<text>)", "reverse(<text>)", "initcap(<text>)", "jsonb_typeof(<json>)", "array_to_string(<texts>, ',')", "(<texts>)[1]",
             "regexp_replace(<text>, 'a', 'b')", "format('%s', <int>)", "quote_literal(<text>)", "to_hex(<int>)", "(SELECT min(name) FROM tags)", "translate(<text>, 'a', 'b')", "overlay(<text> PLACING 'x' FROM 1)",
             "<text>::varchar(3)", "<bool>::text", "chr(65)", "<json>::text", "encode(sha256(<text>::bytea), 'hex')", "<text> COLLATE \"C\"", "greatest(<text>, <text>)", "current_user::text"],
    "bool": ["<int> < <int>", "<int> = <int>", "<text> = <text>", "<text> <> 'a'", "<float> >= <int>", "<time> < <time>", "<uuid> = <uuid>", "<json> = <json>", "<bool> AND <bool>", "<bool> OR <bool>",
             "NOT <bool>", "<text> IS NULL", "<int> IS NOT NULL", "<text> LIKE 'a%'", "<text> ILIKE <text>", "<text> ~ 'a'", "<int> BETWEEN <int> AND <int>", "<int> IN (1, 2, <int>)", "<text> IN ('a', <text>)",
             "<text> = ANY (<texts>)", "<int> = ANY (<ints>)", "<int> IN (SELECT weight FROM tags)", "EXISTS (SELECT 1 FROM tags x WHERE x.thing_id = t.id)", "<json> ? 'a'", "<json> @> <json>", "<bool> IS TRUE",
             "<int> IS DISTINCT FROM <int>", "starts_with(<text>, 'a')", "<text> SIMILAR TO 'a%'", "<time> > now() - <interval>", "<uuid> IN (SELECT thing_id FROM tags)", "<json> @? '$.a'", "<json> ?| <texts>",
             "coalesce(<bool>, false)", "<int> > ALL (<ints>)", "isfinite(<time>)", "<texts> && <texts>", "<interval> > <interval>", "<num> < <int>", "(<json>->'a') IS NULL", "<text> NOT LIKE <text>",
             "<int> = (SELECT max(weight) FROM tags)", "(<time>, <time>) OVERLAPS (<time>, <interval>)", "<bool> = <bool>", "<text> < <text>"],
    "uuid": ["coalesce(<uuid>, <uuid>)", "nullif(<uuid>, <uuid>)", "CASE WHEN <bool> THEN <uuid> ELSE <uuid> END", "(SELECT thing_id FROM tags LIMIT 1)"],
    "time": ["<time> + <interval>", "<time> - <interval>", "date_trunc('day', <time>)", "coalesce(<time>, <time>)", "greatest(<time>, now())", "to_timestamp(<float>)", "<time>::date::timestamptz",
             "(<time> AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'", "CASE WHEN <bool> THEN <time> END", "date_bin('1 hour', <time>, <time>)", "(SELECT max(at) FROM things)"],
    "interval": ["<time> - <time>", "<interval> * 2", "<interval> + <interval>", "make_interval(days => <int>::int)", "age(<time>, <time>)", "<int> * interval '1 minute'", "-<interval>", "justify_interval(<interval>)"],
    "json": ["<json> || <json>", "<json> - 'a'", "<json>->'a'", "<json>#>'{a}'", "jsonb_build_object('k', <int>, 'l', <text>)", "jsonb_build_array(<int>, <time>)", "to_jsonb(<text>)", "to_jsonb(<int>)",
             "jsonb_set(<json>, '{a}', to_jsonb(<int>))", "coalesce(<json>, '{}'::jsonb)", "jsonb_strip_nulls(<json>)", "(SELECT jsonb_agg(name) FROM tags)", "to_jsonb(t)", "<json>#-'{a}'", "jsonb_path_query_first(<json>, '$.a')",
             "(<json>)['a']", "row_to_json(t)::jsonb", "json_build_object('a', <bool>)", "array_to_json(<ints>)::jsonb"],
    "texts": ["ARRAY[<text>, <text>]", "array_append(<texts>, <text>)", "<texts> || <texts>", "string_to_array(<text>, ',')", "ARRAY(SELECT name FROM tags)", "array_remove(<texts>, 'a')", "regexp_split_to_array(<text>, ' ')"],
    "ints": ["ARRAY[<int>, <int>]", "<ints> || <int>::int", "array_cat(<ints>, <ints>)", "ARRAY(SELECT weight FROM tags)"],
}
AGGREGATES = {"int": ["count(*)", "count(<int>)", "count(DISTINCT <text>)", "max(<int>)", "min(<int>)", "sum(<int>)::bigint", "sum(n::int)", "bit_or(<int>)"],
              "num": ["avg(<int>)", "sum(<int>)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY n)::numeric"], "float": ["avg(<float>)", "sum(<float>)", "stddev(<float>)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY <float>)"],
              "text": ["max(<text>)", "string_agg(<text>, ',')", "string_agg(t.name, ',' ORDER BY t.id)", "mode() WITHIN GROUP (ORDER BY <text>)", "min(t.color)"], "bool": ["bool_and(<bool>)", "bool_or(<bool>)", "every(<bool>)"],
              "time": ["max(<time>)", "min(at)"], "json": ["jsonb_agg(<text>)", "jsonb_object_agg(t.name, <int>)", "jsonb_agg(t ORDER BY t.id)", "json_agg(<int>)"], "texts": ["array_agg(<text>)"], "ints": ["array_agg(n::int)"],
              "uuid": ["(array_agg(t.id))[1]"], "interval": ["max(<interval>)", "sum(<interval>)"]}
WINDOWS = {"int": ["row_number() OVER (ORDER BY t.id)", "rank() OVER (PARTITION BY t.name ORDER BY n)", "lag(<int>) OVER (ORDER BY t.id)", "lead(n, 1, 0::bigint) OVER (ORDER BY t.id)", "count(*) OVER ()", "ntile(3) OVER (ORDER BY n)",
                   "first_value(<int>) OVER (ORDER BY t.id)", "sum(n) OVER (ORDER BY t.id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)::bigint", "max(n) OVER (ORDER BY t.id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)"],
           "float": ["percent_rank() OVER (ORDER BY n)", "cume_dist() OVER (ORDER BY n)"], "text": ["last_value(<text>) OVER (ORDER BY t.id)", "nth_value(<text>, 2) OVER (ORDER BY t.id)", "max(t.name) OVER ()"]}
KINDS = list(FORMS)
FIT = {"num": "({})::float8", "interval": "({})::text", "texts": "to_jsonb({})", "ints": "({})::text"}  # the language has no such type


class Maker:
    def __init__(self, r, joined):
        self.r, self.joined = r, joined

    def column(self, kind):
        names = [c for c in COLUMNS[kind] if self.joined or not c.startswith("w.")]
        return self.r.choice(names) if names else self.r.choice(LITERALS[kind])

    def expression(self, kind, depth=2):
        r = self.r
        if r.random() < 0.03:
            kind = r.choice(KINDS)  # something that may not fit
        if depth <= 0 or r.random() < 0.3:
            pick = r.random()
            if pick < 0.25 and kind in PARAMS:
                return ":" + r.choice(PARAMS[kind])
            return self.column(kind) if pick < 0.8 else r.choice(LITERALS[kind])
        return "(" + self.fill(r.choice(FORMS[kind]), depth - 1) + ")"

    def fill(self, form, depth):
        return re.sub(r"<(\w+)>", lambda m: self.expression(m[1], depth), form)

    def result(self, kind, text):
        return FIT.get(kind, "{}").format(text)


def select(r):
    joined = r.random() < 0.6
    m = Maker(r, joined)
    joins = ["LEFT JOIN tags w ON w.thing_id = t.id", "JOIN tags w ON w.thing_id = t.id", "RIGHT JOIN tags w ON w.thing_id = t.id", "FULL JOIN tags w ON w.thing_id = t.id", "CROSS JOIN tags w",
             "JOIN LATERAL (SELECT * FROM tags y WHERE y.thing_id = t.id LIMIT 1) w ON true"]
    source = "things t" + (" " + r.choice(joins) if joined else "")
    where = f" WHERE {m.expression('bool')}" if r.random() < 0.6 else ""
    kinds = [r.choice(KINDS) for _ in range(r.randint(1, 3))]
    pick = r.random()
    if pick < 0.2:
        group = [m.column(r.choice(["text", "int", "bool"])) for _ in range(r.randint(0, 2))]
        targets = [m.result(k, m.fill(r.choice(AGGREGATES[k]), 1)) for k in kinds] + (r.sample(group, 1) if group else []) + ([f"({m.expression('int')})"] if r.random() < 0.1 else [])
        tail = (f" GROUP BY {', '.join(group)}" if group else "") + (f" HAVING {m.fill(r.choice(['count(*) > <int>', 'max(n) > 3', 'bool_or(b)']), 1)}" if r.random() < 0.3 else "")
        return f"SELECT {', '.join(f'{t} AS c{i}' for i, t in enumerate(targets))} FROM {source}{where}{tail}"
    if pick < 0.3:
        kinds = [k if k in WINDOWS else "int" for k in kinds]
        targets = [m.fill(r.choice(WINDOWS[k]), 1) for k in kinds]
        return f"SELECT {', '.join(f'{t} AS c{i}' for i, t in enumerate(targets))} FROM {source}{where}"
    def one(k):
        return m.result(k, m.expression(k, 3))
    targets = [one(k) for k in kinds]
    names = ", ".join(f"{t} AS c{i}" for i, t in enumerate(targets))
    if pick < 0.4:
        other = ", ".join(m.result(k, m.expression(k, 1)) for k in kinds)
        return f"SELECT {names} FROM {source}{where} {r.choice(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'])} SELECT {other} FROM {source}"
    if pick < 0.5:
        return f"WITH q AS (SELECT {names} FROM {source}{where}) SELECT {', '.join(f'q.c{i}' for i in range(len(kinds)))} FROM q LEFT JOIN tags w ON true"
    order = f" ORDER BY {r.choice(['c0', '1', m.expression(r.choice(KINDS), 1)])}{r.choice(['', ' DESC', ' NULLS LAST'])}" if r.random() < 0.4 else ""
    limit = f" LIMIT {r.choice([':pn', '3', '(1 + 1)'])}" if r.random() < 0.3 else ""
    lock = " FOR UPDATE OF t SKIP LOCKED" if r.random() < 0.1 and "RIGHT" not in source and "FULL" not in source else ""
    distinct = r.choice(["DISTINCT ", "DISTINCT ON (t.id) "]) if r.random() < 0.1 else ""
    return f"SELECT {distinct}{names} FROM {source}{where}{order}{limit}{lock}"


TARGETS = {"int": ["n", "m"], "float": ["f", "g"], "text": ["name", "note"], "bool": ["b", "c"], "uuid": ["owner"], "time": ["at", "due"], "json": ["doc", "extra"]}


def write(r):
    m = Maker(r, False)
    kinds = r.sample(list(TARGETS), r.randint(1, 3))
    pairs = [(r.choice(TARGETS[k]), m.expression(k, 2)) for k in kinds]
    returning = ", ".join(f"{m.result(k, m.expression(k, 1))} AS c{i}" for i, k in enumerate(r.sample(KINDS, 2)))
    if r.random() < 0.5:
        sets = ", ".join(f"{c} = {e}" for c, e in pairs)
        return f"UPDATE things t SET {sets} WHERE {m.expression('bool', 1)} RETURNING {returning}"
    if r.random() < 0.4:
        return f"DELETE FROM things t WHERE {m.expression('bool', 2)} RETURNING {returning}"
    literals = Maker(r, False)
    literals.column = lambda kind: r.choice(LITERALS[kind])
    names = ["id", "n", "name", "b", "at", "f", "doc"]
    kinds = ["uuid", "int", "text", "bool", "time", "float", "json"]
    values = ", ".join(literals.expression(k, 1) for k in kinds)
    conflict = r.choice(["", " ON CONFLICT DO NOTHING", " ON CONFLICT (id) DO UPDATE SET n = excluded.n + t.n, note = excluded.note"])
    return f"INSERT INTO things AS t ({', '.join(names)}) VALUES ({values}){conflict} RETURNING {returning}".replace("FROM things t", "FROM things")


HEAD = """topology "Expressions"
enum Color { red green }
record Part { k: int }
service expression-svc "Expressions" {
  database postgres {
    table things { id uuid primary key  n int  m int?  f float = 0.5  g float?  name text  note text?  b bool = true  c bool?  at time = now()  due time?
      doc json  extra json?  color Color = red  parts [Part]?  owner uuid? }
    table tags { id uuid primary key  thing_id uuid references things  name text  weight int? }
  }
"""
ROWS = """INSERT INTO things (id, n, m, g, name, note, c, due, doc, extra, parts, owner) SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, i, CASE WHEN i % 2 = 0 THEN i END, CASE WHEN i % 3 = 0 THEN 1.5 END,
  'name ' || i, CASE WHEN i % 2 = 1 THEN 'a' || i END, CASE WHEN i % 4 < 2 THEN i % 4 = 1 END, CASE WHEN i % 2 = 0 THEN now() END, '{"a": 1}', CASE WHEN i % 2 = 1 THEN '{"b": [1]}'::jsonb END, NULL,
  CASE WHEN i = 3 THEN '00000000-0000-0000-0000-000000000001'::uuid END FROM generate_series(1, 6) i;
INSERT INTO tags SELECT gen_random_uuid(), ('00000000-0000-0000-0000-00000000000' || (1 + i % 4))::uuid, 'tag ' || i, CASE WHEN i % 2 = 0 THEN i END FROM generate_series(1, 6) i"""


def topology(made):
    """Its text, and the line on which each statement begins."""
    text, starts = HEAD, []
    for i, sql in made:
        used = [p for p in DECLARED if re.search(rf":{p}\b", sql)]
        params = ", ".join(f"{p}: {DECLARED[p]}" for p in used)
        starts.append((text.count("\n") + 1, i))
        text += f'  op Q{i}({params}) {{\n    let x = sql many """{sql}"""\n    return\n  }}\n'
    return text + "}\n", starts


def run_once(db, statement, r):
    """A column that is said to have a value and has none, or None. The statement may well fail on these values."""
    values = [r.choice(VALUES[k]) for p in statement["params"] for k in [{"bigint": "int", "double precision": "float", "boolean": "bool", "timestamptz": "time", "jsonb": "json"}.get(p["type"], p["type"])]]
    try:
        db.run("BEGIN")
        for row in db.run(statement["sql"], *values) if values else db.run(statement["sql"]):
            for value, column in zip(row, statement["columns"]):
                if value is None and not column["optional"]:
                    return f"column {column['name']} is null, and is said to have a value (parameters {values})"
    except pg.Error:
        pass
    finally:
        db.run("ROLLBACK")


def batch(ecomc, server, seed, n=150):
    """How many of n were taken, and what is wrong with those, as text."""
    r = random.Random(seed)
    made = [(i, select(r) if r.random() < 0.8 else write(r)) for i in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "expressions.ecom")
        for _ in range(3):
            text, starts = topology(made)
            with open(path, "w") as file:
                file.write(text)
            found, lock, said = statements.build(ecomc, path)
            if found is not None:
                break
            lines = {int(line) for line in re.findall(r"^topology\.ecom:(\d+):\d+: error", said, re.M)}
            bad = {i for (start, i), (end, _) in zip(starts, starts[1:] + [(text.count("\n"), -1)]) if any(start <= line < end for line in lines)}
            if not bad:
                return 0, [f"it does not build: {said[-3000:]}"]
            made = [(i, sql) for i, sql in made if i not in bad]
    wrong = []
    with server.database("expressions") as db:
        statements.migrate(db, lock, "expression-svc")
        db.run(ROWS)
        for statement in found:
            why = list(statements.differences(db, statement)) or [run_once(db, statement, r) for _ in range(2)]
            wrong += [f"{w}\n  {statement['sql']}" for w in why if w]
    return len(made), wrong
