/* The analysis of SQL statements: parameters, names, types, nullability, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "arena.h"
#include "sql_check.h"
#include "types.h"

static struct ecc_arena arena;
static struct ecc_table *tables[2];
static struct ecc_enum color = {.name = "Color", .values = (const char *[]){"red", "green", "blue"}, .nvalues = 3};
static struct ecc_record part = {.name = "Part", .fields = (struct ecc_field[]){{.name = "k", .wire = "k", .type = &ecc_type_int}}, .nfields = 1};
static struct ecc_record other = {.name = "Other", .fields = (struct ecc_field[]){{.name = "z", .wire = "z", .type = &ecc_type_text}}, .nfields = 1};
static const struct ecc_type color_type = {.kind = ECC_TYPE_ENUM, .enum_ = &color};
static const struct ecc_type part_type = {.kind = ECC_TYPE_RECORD, .record = &part};
static const struct ecc_type parts_type = {.kind = ECC_TYPE_LIST, .item = &part_type};
static const struct ecc_type other_type = {.kind = ECC_TYPE_RECORD, .record = &other};
static const struct ecc_type others_type = {.kind = ECC_TYPE_LIST, .item = &other_type};
static const struct ecc_type text_maybe = {.kind = ECC_TYPE_TEXT, .optional = true};
static const struct ecc_type uuid_maybe = {.kind = ECC_TYPE_UUID, .optional = true};
static int resolved;

static const struct ecc_expr *resolve(void *context, const char *path, uint32_t at, uint32_t length)
{
    static const struct { const char *path; const struct ecc_type *type; } known[] = {
        {"id", &ecc_type_uuid}, {"n", &ecc_type_int},       {"limit", &ecc_type_int}, {"name", &ecc_type_text}, {"maybe", &text_maybe},
        {"color", &color_type}, {"parts", &parts_type},     {"others", &others_type}, {"line.k", &ecc_type_int}, {"after", &uuid_maybe},
        {"at", &ecc_type_time}, {"doc", &ecc_type_json},    {"line_k", &ecc_type_int}, {"task", &ecc_type_int}, {"yes", &ecc_type_bool},
    };

    assert_int_equal(strlen(path), length);
    assert_int_equal(strncmp((const char *)context + at, path, length), 0);
    resolved++;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].path, path) == 0) {
            struct ecc_expr *expr = ECC_NEW(&arena, struct ecc_expr);
            expr->kind = ECC_EXPR_VAR;
            expr->type = known[i].type;
            return expr;
        }
    }
    return NULL;
}

static struct ecc_column *column(struct ecc_table *table, const char *name, const struct ecc_type *type)
{
    struct ecc_column *c = &table->columns[table->ncolumns++];

    c->name = name;
    c->type = type;
    return c;
}

static int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    for (int i = 0; i < 2; i++) {
        tables[i] = ECC_NEW(&arena, struct ecc_table);
        tables[i]->columns = ECC_NEW_ARRAY(&arena, struct ecc_column, 12);
    }
    tables[0]->name = "things";
    column(tables[0], "id", &ecc_type_uuid)->primary_key = true;
    column(tables[0], "name", &ecc_type_text)->unique = true;
    column(tables[0], "note", &text_maybe);
    column(tables[0], "n", &ecc_type_int);
    column(tables[0], "color", &color_type)->dflt_sql = "'red'";
    column(tables[0], "parts", &parts_type)->dflt_sql = "'[]'";
    column(tables[0], "made", &ecc_type_time)->dflt_sql = "now()";
    column(tables[0], "ratio", &ecc_type_float)->dflt_sql = "0";
    column(tables[0], "live", &ecc_type_bool)->dflt_sql = "true";
    tables[1]->name = "tags";
    column(tables[1], "thing_id", &ecc_type_uuid);
    column(tables[1], "name", &ecc_type_text);
    column(tables[1], "weight", &ecc_type_int);
    tables[1]->constraints = ECC_NEW(&arena, struct ecc_constraint);
    *tables[1]->constraints = (struct ecc_constraint){.kind = ECC_CON_PRIMARY_KEY, .sql = "thing_id, name"};
    tables[1]->nconstraints = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

static struct ecc_sql sql;
static struct ecc_sql_problems problems;

static bool check(enum ecc_sql_shape shape, const char *text)
{
    struct ecc_sql_scope scope = {.tables = tables, .ntables = 2, .resolve = resolve, .context = (void *)text};

    sql = (struct ecc_sql){0};
    problems = (struct ecc_sql_problems){0};
    return ecc_sql_check(&arena, &scope, text, strlen(text), shape, &sql, &problems);
}

/* The row as "name type, ..." */
static const char *row(const char *text)
{
    if (!check(ECC_SQL_MANY, text)) {
        if (!problems.n)
            return "unresolved";
        return ecc_arena_printf(&arena, "%u+%u %s%s%s", problems.items[0].at, problems.items[0].length, problems.items[0].message,
                                problems.items[0].help ? " | " : "", problems.items[0].help ? problems.items[0].help : "");
    }
    const char *out = "";
    for (size_t i = 0; i < sql.row->nfields; i++)
        out = ecc_arena_printf(&arena, "%s%s%s %s", out, i ? ", " : "", sql.row->fields[i].name, ecc_type_name(&arena, sql.row->fields[i].type));
    return out;
}

static const char *exec(const char *text)
{
    if (check(ECC_SQL_EXEC, text))
        return "fine";
    if (!problems.n)
        return "unresolved";
    return ecc_arena_printf(&arena, "%.*s: %s%s%s", (int)problems.items[0].length, text + problems.items[0].at, problems.items[0].message,
                            problems.items[0].help ? " | " : "", problems.items[0].help ? problems.items[0].help : "");
}

#define ROW(text, expected) assert_string_equal(row(text), expected)
#define EXEC(text, expected) assert_string_equal(exec(text), expected)

static void test_parameters(void **state)
{
    (void)state;
    resolved = 0;
    assert_true(check(ECC_SQL_EXEC, "  UPDATE things SET n = :n + :line.k, note = ':x' -- :y\n WHERE id = :id::uuid AND n > :n  "));
    assert_string_equal(sql.text, "UPDATE things SET n = $1::bigint + $2::bigint, note = ':x' -- :y\nWHERE id = $3::uuid AND n > $1::bigint");
    assert_string_equal(sql.source, "UPDATE things SET n = :n + :line.k, note = ':x' -- :y\n WHERE id = :id::uuid AND n > :n");
    assert_int_equal(sql.nparams, 3);
    assert_int_equal(resolved, 3);
    assert_string_equal(sql.param_names[0], "n");
    assert_string_equal(sql.param_names[1], "line_k");
    assert_string_equal(sql.name, "update_things");
    assert_true(sql.writes);
    assert_null(sql.row);

    assert_true(check(ECC_SQL_ONE, "SELECT (array[:n, 2])[1:2] IS NULL AS a, name FROM things WHERE n < :limit LIMIT :limit"));
    assert_string_equal(sql.text, "SELECT (array[$1::bigint, 2])[1:2] IS NULL AS a, name FROM things WHERE n < $2 LIMIT $2");
    assert_false(sql.writes);
    assert_string_equal(sql.name, "select_things");

    assert_true(check(ECC_SQL_ONE, "SELECT $$:n$$ AS a, E'\\':n' AS b, /* :n */ 'x'::text AS c FROM things WHERE n IN (:line.k, :line_k, :task)"));
    assert_int_equal(sql.nparams, 3);
    assert_string_equal(sql.param_names[0], "line_k");
    assert_string_equal(sql.param_names[1], "line_k_");
    assert_string_equal(sql.param_names[2], "task_");

    assert_false(check(ECC_SQL_EXEC, "DELETE FROM tags WHERE name = :nobody"));
    assert_int_equal(problems.n, 0); /* resolve has reported it */
    EXEC("DELETE FROM tags WHERE name = $1", "$1: a parameter is written `:name`");
}

/* One type is deduced for $n; where places would disagree, or none says, the text does. */
static void test_casts(void **state)
{
    static const struct { enum ecc_sql_shape shape; const char *sql, *text; } cases[] = {
        {ECC_SQL_EXEC, "INSERT INTO tags (thing_id, name, weight) VALUES (:id, md5(:id::text), 1)",
         "INSERT INTO tags (thing_id, name, weight) VALUES ($1::uuid, md5($1::uuid::text), 1)"},
        {ECC_SQL_EXEC, "UPDATE tags SET name = :id::text", "UPDATE tags SET name = $1::uuid::text"},
        {ECC_SQL_MANY, "SELECT id FROM things WHERE :after IS NULL OR id < :after", "SELECT id FROM things WHERE $1::uuid IS NULL OR id < $1::uuid"},
        {ECC_SQL_MANY, "WITH x AS (SELECT :id AS id) SELECT t.n FROM things t JOIN x ON x.id = t.id",
         "WITH x AS (SELECT $1::uuid AS id) SELECT t.n FROM things t JOIN x ON x.id = t.id"},
        {ECC_SQL_MANY, "SELECT substr(name, :n::int) AS s FROM things LIMIT :limit", "SELECT substr(name, $1::bigint::int) AS s FROM things LIMIT $2"},
        {ECC_SQL_MANY, "SELECT * FROM tags", "SELECT thing_id, name, weight FROM tags"},
        {ECC_SQL_MANY, "SELECT t . *, (SELECT x FROM (SELECT * FROM things) x(x) LIMIT 1) IS NULL AS a FROM tags t, things WHERE t.name = :name",
         "SELECT t.thing_id, t.name, t.weight, (SELECT x FROM (SELECT id, name, note, n, color, parts, made, ratio, live FROM things) x(x) LIMIT 1) IS NULL AS a FROM tags t, things WHERE t.name = $1"},
        {ECC_SQL_MANY, "DELETE FROM tags WHERE name = :name RETURNING *", "DELETE FROM tags WHERE name = $1 RETURNING thing_id, name, weight"},
        {ECC_SQL_MANY, "SELECT substr(name, :n::int) AS s FROM things LIMIT :n", "SELECT substr(name, $1::bigint::int) AS s FROM things LIMIT $1::bigint"},
        {ECC_SQL_MANY, "SELECT id FROM things WHERE n > :n * 100 AND :limit < 5 AND made < :at - interval '1 day'",
         "SELECT id FROM things WHERE n > $1::bigint * 100 AND $2::bigint < 5 AND made < $3::timestamptz - interval '1 day'"},
        {ECC_SQL_EXEC, "UPDATE things\n      SET n = n + :n\n    WHERE id = :id", "UPDATE things\n  SET n = n + $1\nWHERE id = $2"},
        {ECC_SQL_EXEC, "UPDATE things\n      SET note = 'a\n      b'", "UPDATE things\n      SET note = 'a\n      b'"},
        {ECC_SQL_MANY, "SELECT jsonb_build_object('a', :n) AS j", "SELECT jsonb_build_object('a', $1::bigint) AS j"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(check(cases[i].shape, cases[i].sql));
        assert_string_equal(sql.text, cases[i].text);
    }
}

static void test_columns(void **state)
{
    (void)state;
    ROW("SELECT * FROM things", "id uuid, name text, note text?, n int, color Color, parts [Part], made time, ratio float, live bool");
    ROW("SELECT t.*, g.weight FROM things t JOIN tags g ON g.thing_id = t.id WHERE t.id = :id",
        "id uuid, name text, note text?, n int, color Color, parts [Part], made time, ratio float, live bool, weight int");
    ROW("SELECT t.id, g.weight FROM things t LEFT JOIN tags g ON g.thing_id = t.id", "id uuid, weight int?");
    ROW("SELECT t.id, g.weight FROM things t RIGHT JOIN tags g ON g.thing_id = t.id", "id uuid?, weight int");
    ROW("SELECT t.id, g.weight FROM things t LEFT JOIN tags g ON g.thing_id = t.id WHERE g.weight > 3", "id uuid, weight int");
    ROW("SELECT note FROM things WHERE note IS NOT NULL", "note text");
    ROW("SELECT note FROM things WHERE note IS NOT NULL OR n = 1", "note text?");
    ROW("SELECT thing_id, t.n FROM tags JOIN things t ON t.id = thing_id", "thing_id uuid, n int");
    ROW("SELECT a.name FROM tags a JOIN tags b USING (thing_id) WHERE b.name <> a.name ORDER BY thing_id", "name text");
    ROW("SELECT x.total FROM (SELECT n + 1 AS total FROM things) x", "total int");
    ROW("SELECT p.a, p.b FROM (VALUES (1, 'x'), (2, NULL)) AS p(a, b)", "a int, b text?");
}

static void test_expressions(void **state)
{
    (void)state;
    ROW("SELECT n + 1 AS a, n * 1.5 AS b FROM things", "19+1 result column `b` is numeric, which the language does not have | add a cast, such as `(...)::bigint AS b`");
    ROW("SELECT n * ratio AS a, -n AS b, n % 2 AS c, now() - interval '1 hour' AS d FROM things", "a float, b int, c int, d time");
    ROW("SELECT 'T' || upper(substr(md5(:id::text), 1, 12)) AS t", "t text");
    ROW("SELECT note || 'x' AS a, coalesce(note, '') AS b, coalesce(note, name) AS c, nullif(n, 0) AS d FROM things", "a text?, b text, c text, d int?");
    ROW("SELECT id::text, n::float8 AS f, made::text AS m, parts::jsonb AS p FROM things", "id text, f float, m text, p json");
    ROW("SELECT CASE WHEN n > 1 THEN 'a' ELSE 'b' END AS x, CASE n WHEN 1 THEN 2 END AS y FROM things", "x text, y int?");
    ROW("SELECT CASE WHEN n > 1 THEN color ELSE 'blue' END AS x, CASE WHEN n > 1 THEN color ELSE 'none' END AS y FROM things", "x Color, y text");
    ROW("SELECT greatest(n, 3) AS g, least(note, name) AS l FROM things", "g int, l text");
    ROW("SELECT n > 1 AS a, note LIKE 'x%' AS b, note IS NULL AS c, NOT live AS d, EXISTS (SELECT 1 FROM tags) AS e FROM things",
        "a bool, b bool?, c bool, d bool, e bool");
    ROW("SELECT parts -> 0 AS a, parts ->> 0 AS b, jsonb_array_length(parts) AS c, to_jsonb(t) AS d FROM things t", "a json?, b text?, c int, d json");
    ROW("SELECT (SELECT count(*) FROM tags WHERE thing_id = t.id) AS k FROM things t", "k int?");
    ROW("SELECT id IN (SELECT thing_id FROM tags) AS a, n BETWEEN 1 AND :n AS b FROM things", "a bool, b bool");
    ROW("SELECT :n AS n, :maybe AS m, :color AS c, :parts AS p", "n int, m text?, c Color, p [Part]");
    ROW("SELECT true AS a, 1 AS b, 'x' AS c, 12345678901 AS d, current_timestamp", "a bool, b int, c text, d int, current_timestamp time");
    ROW("SELECT NULL AS a", "7+4 the type of result column `a` can't be inferred | add a cast, such as `(...)::text AS a`");
    ROW("SELECT extract(epoch FROM made)::bigint AS e, date_trunc('day', made) AS d, age(made)::text AS a FROM things", "e int, d time, a text");
    ROW("SELECT frobnicate(n) AS f FROM things", "7+10 there is no function `frobnicate`");
    ROW("SELECT substr(name, :n) AS s FROM things", "7+6 there is no function `substr(text, int)` | write `:n::int4`");
    ROW("SELECT lenght(name) AS l FROM things", "7+6 there is no function `lenght` | did you mean `length`?");
    ROW("SELECT (xmax = 0) AS fresh FROM things", "fresh bool");
    ROW("SELECT name COLLATE \"C\" AS a, '{a}'::text[] COLLATE \"C\" = '{b}' AS b, 'x' COLLATE \"C\" < name AS c FROM things", "a text, b bool, c bool");
    ROW("SELECT id FROM things ORDER BY id COLLATE \"C\"", "34+7 only text has a collation, this is uuid");
    ROW("SELECT id IN (SELECT ) AS none FROM things", "10+2 a subquery used as a value has one column, not 0");
    ROW("SELECT e'a'\n'b\\' :n' AS a, ':n' AS b, $x$ :n $x$ AS c, /* /* :n */ :n */ 1 AS d -- :n", "a text, b text, c text, d int");
    assert_int_equal(sql.nparams, 0);
    ROW("SELECT 'a'\n'\\' || :n::text AS a", "a text");
    assert_int_equal(sql.nparams, 1);
}

static void test_aggregates(void **state)
{
    (void)state;
    ROW("SELECT count(*), count(note) AS notes, max(n) AS top, sum(n)::bigint AS total FROM things", "count int, notes int, top int?, total int?");
    ROW("SELECT color, max(n) AS top, max(note) AS note FROM things GROUP BY color", "color Color, top int, note text?");
    ROW("SELECT coalesce(sum(n), 0)::bigint AS total FROM things", "total int");
    ROW("SELECT sum(n) AS total FROM things", "7+3 result column `total` is numeric, which the language does not have | add a cast, such as `(...)::bigint AS total`");
    ROW("SELECT sum(CASE WHEN live THEN 1 ELSE 0 END) AS total, avg(ratio) AS mean, bool_and(live) AS b FROM things", "total int?, mean float?, b bool?");
    ROW("SELECT name, row_number() OVER (ORDER BY n) AS place, lag(n) OVER (ORDER BY n) AS before, sum(ratio) OVER (PARTITION BY color) AS s FROM things",
        "name text, place int, before int?, s float");
    ROW("SELECT color AS c, count(*) AS k FROM things GROUP BY c HAVING count(*) > 1 ORDER BY k DESC", "c Color, k int");
    ROW("SELECT jsonb_agg(name ORDER BY name) AS names, string_agg(name, ',') AS s FROM tags GROUP BY thing_id", "names json, s text");
    ROW("SELECT count(*) FILTER (WHERE live) AS k FROM things", "k int");
}

static void test_from(void **state)
{
    (void)state;
    ROW("SELECT l.k, t.n FROM jsonb_to_recordset(:parts::jsonb) AS l(k bigint, s text) JOIN things t ON t.n = l.k", "k int, n int");
    ROW("SELECT g FROM generate_series(1, :n) AS g", "g int");
    ROW("SELECT e.value ->> 'x' AS x, ordinality FROM jsonb_array_elements(:doc) WITH ORDINALITY AS e", "x text?, ordinality int");
    ROW("SELECT x ->> 'a' AS a FROM jsonb_array_elements(:doc) AS x", "a text?");
    ROW("SELECT t.id, y.k FROM things t CROSS JOIN LATERAL (SELECT count(*) AS k FROM tags WHERE thing_id = t.id) y", "id uuid, k int");
    ROW("SELECT key, value FROM jsonb_each_text(:doc)", "key text, value text?");
    ROW("WITH x AS (SELECT id, n FROM things WHERE n > :n) SELECT x.id, x.n + 1 AS m FROM x", "id uuid, m int");
    ROW("WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT i FROM r", "i int");
    ROW("SELECT id, name FROM things UNION ALL SELECT thing_id, NULL FROM tags ORDER BY name", "id uuid, name text?");
    ROW("WITH gone AS (DELETE FROM tags WHERE name = :name RETURNING thing_id) SELECT count(*) AS k FROM gone", "k int");
    assert_true(sql.writes);
    ROW("SELECT id FROM things WHERE n = 1 FOR UPDATE SKIP LOCKED", "id uuid");
    assert_true(sql.writes);
}

static void test_writes(void **state)
{
    (void)state;
    ROW("INSERT INTO things (id, name, n) VALUES (:id, lower(:name), :n) ON CONFLICT (name) DO UPDATE SET n = excluded.n + things.n "
        "WHERE things.n < excluded.n RETURNING id, color, note",
        "id uuid, color Color, note text?");
    assert_string_equal(sql.name, "insert_things");
    ROW("UPDATE things SET note = NULL WHERE note = 'x' RETURNING note, name", "note text?, name text");
    ROW("UPDATE things SET n = 2 WHERE note = 'x' RETURNING note", "note text");
    ROW("DELETE FROM tags USING things t WHERE t.id = tags.thing_id RETURNING tags.name, t.n", "name text, n int");
    EXEC("INSERT INTO tags (thing_id, name, weight) SELECT id, :name, count(*) FROM things GROUP BY id", "fine");
    EXEC("UPDATE things SET (n, note) = (n + 1, :maybe), parts = :parts, color = :color WHERE id = :id", "fine");
    EXEC("INSERT INTO tags (thing_id, name, weight) VALUES (:id, 'x', 1) ON CONFLICT (thing_id, name) DO NOTHING", "fine");
    EXEC("INSERT INTO tags VALUES (:id, 'x', 1)", "tags: name the columns: a table that was migrated has them in another order than a new one | write `tags (thing_id, name, weight)`");
    EXEC("UPDATE things SET color = DEFAULT WHERE color IN ('red', 'green')", "fine");
}

static void test_names_refused(void **state)
{
    (void)state;
    EXEC("DELETE FROM thing", "thing: this service has no table `thing` | did you mean `things`?");
    EXEC("DELETE FROM things WHERE nmae = 'x'", "nmae: there is no column `nmae` here | did you mean `name`?");
    EXEC("DELETE FROM things WHERE limit_ = 1", "limit_: there is no column `limit_` here");
    ROW("SELECT name FROM things t JOIN tags g ON g.thing_id = t.id", "7+4 `name` is a column of `t` and of `g` | write `t.name` or `g.name`");
    ROW("SELECT t.nam FROM things t", "7+5 `t` has no column `nam` | did you mean `name`?");
    ROW("SELECT things.name FROM things t", "7+11 table `things` is not in this FROM, or has another name there");
    EXEC("UPDATE things SET nam = 'x'", "nam: `things` has no column `nam` | did you mean `name`?");
    EXEC("INSERT INTO tags (thing_id, nam, weight) VALUES (:id, 'x', 1)", "nam: `tags` has no column `nam` | did you mean `name`?");
    EXEC("DELETE FROM ec.inbox", "ec.inbox: there is no table `ec.inbox` | only the service's own tables can be used, without a schema");
    EXEC("DELETE FROM things WHERE id = :id::uuidd", "uuidd: there is no type `uuidd` | did you mean `uuid`?");
    ROW("SELECT id, id FROM things", "11+2 two result columns are called `id` | add `AS name` to one of them");
    ROW("SELECT n + 1 FROM things", "7+1 result column 1 has no name that a field can have | add `AS name`");
    ROW("SELECT id AS \"Id\" FROM things", "7+2 result column 1 has no name that a field can have | add `AS name`");
}

static void test_types_refused(void **state)
{
    (void)state;
    EXEC("DELETE FROM things WHERE id = :name", ":name: `:name` is text, but `id` is uuid | write `:name::uuid`");
    EXEC("DELETE FROM things WHERE n = :name", ":name: `:name` is text, but `n` is int | write `:name::bigint`");
    EXEC("DELETE FROM things WHERE color = 'gren'", "'gren': 'gren' is no value of Color | did you mean 'green'?");
    EXEC("DELETE FROM things WHERE color IN ('red', 'pink')", "'pink': 'pink' is no value of Color");
    EXEC("UPDATE things SET color = 'blu'", "'blu': 'blu' is no value of Color | did you mean 'blue'?");
    EXEC("UPDATE things SET name = :maybe", ":maybe: `:maybe` may be absent, but `name` can't be null | write `coalesce(:maybe, ...)`");
    EXEC("UPDATE things SET name = NULL", "NULL: `name` can't be null");
    EXEC("UPDATE things SET n = :id", ":id: `n` is int, but `:id` is uuid");
    EXEC("DELETE FROM things WHERE id = n", "n: `n` is int, but `id` is uuid");
    EXEC("UPDATE things SET parts = :others", ":others: `parts` is [Part], but `:others` is [Other]");
    EXEC("UPDATE things SET color = :name", ":name: `color` is Color, but `:name` is text");
    EXEC("DELETE FROM things WHERE n", "n: WHERE needs a condition, this is int");
    EXEC("DELETE FROM things WHERE n = 1 AND name", "name: AND, OR and NOT need conditions, this is text");
    EXEC("DELETE FROM things WHERE made + n > now()", "made: there is no `time + int`");
    ROW("SELECT name FROM things LIMIT :name", "30+5 LIMIT needs a number, this is text");
    EXEC("DELETE FROM things WHERE upper(name, 1) = 'X'", "upper: there is no function `upper(text, int)` | a cast makes an argument another type, `(...)::text`");
    ROW("SELECT n AS v FROM things UNION SELECT name FROM tags", "39+4 a set operation: int and text do not go together | add a cast, `(...)::bigint`");
}

static void test_statements_refused(void **state)
{
    (void)state;
    EXEC("SELEC 1", "SELEC: syntax error at or near \"SELEC\"");
    EXEC("DELETE FROM things WHERE name = 'ä' AND AND n = :n", "AND: syntax error at or near \"AND\"");
    assert_int_equal(problems.items[0].at, 41); /* bytes, though the parser counts characters */
    EXEC("UPDATE things SET :n = 1", ":n: syntax error at or near `:n`");
    EXEC("DELETE FROM things WHERE name = 'x", "'x: unterminated quoted string at or near \"'x\"");
    EXEC("", ": the statement is empty");
    EXEC("DELETE FROM tags; DROP TABLE tags", "DROP: one statement at a time | write a second `sql`");
    EXEC("DROP TABLE tags", "DROP: a statement can't change the schema | tables are declared in `database`");
    EXEC("TRUNCATE tags", "TRUNCATE: a statement can't change the schema | tables are declared in `database`");
    EXEC("BEGIN", "BEGIN: transactions are not made by SQL | write `tx { ... }`");
    EXEC("COPY tags FROM '/etc/passwd'", "COPY: only SELECT, VALUES, INSERT, UPDATE and DELETE are taken here");
    EXEC("SELECT id FROM things", "SELECT: `sql exec` has no use for rows | write `let x = sql one`, `maybe` or `many`");
    EXEC("DELETE FROM tags RETURNING name", "name: `sql exec` has no use for rows | leave RETURNING out, or write `let x = sql one`");
    ROW("DELETE FROM tags", "0+6 this statement gives no rows | add RETURNING, or write `sql exec`");
    EXEC("INSERT INTO tags (thing_id, name, weight) VALUES (:id, 'x')", ":id: INSERT has 3 columns but 2 values");
    EXEC("INSERT INTO tags (thing_id, name) VALUES (:id, 'x')", "tags: `tags.weight` has no default and gets no value");
    EXEC("INSERT INTO tags (thing_id, name, name, weight) VALUES (:id, 'x', 'x', 1)", "name: `name` is given twice");
    EXEC("INSERT INTO tags (thing_id, name, weight) VALUES (:id, 'x', 1) ON CONFLICT (weight) DO NOTHING",
         "(: `tags` has no unique constraint on these columns | make them `unique` or the primary key");
}

static void test_constraints(void **state)
{
    static const struct { enum ecc_constraint_kind kind; const char *sql; bool fine; } cases[] = {
        {ECC_CON_CHECK, "n > 0 AND name <> ''", true},
        {ECC_CON_CHECK, "m > 0", false},
        {ECC_CON_CHECK, "n", false},
        {ECC_CON_CHECK, "n > 0) , (n > 1", false},
        {ECC_CON_CHECK, "n > 0); DROP TABLE things; SELECT (1", false},
        {ECC_CON_CHECK, "n > 0 --", false},
        {ECC_CON_CHECK, "n > :n", false},
        {ECC_CON_INDEX, "name, made desc", true},
        {ECC_CON_INDEX, "lower(name)", true},
        {ECC_CON_INDEX, "nam", false},
        {ECC_CON_INDEX, "name) WHERE (n > 1", false},
        {ECC_CON_UNIQUE, "name, n", true},
        {ECC_CON_UNIQUE, "lower(name)", false},
        {ECC_CON_PRIMARY_KEY, "id, name", true},
        {ECC_CON_PRIMARY_KEY, "id; x", false},
    };

    const struct ecc_sql_scope none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problems = (struct ecc_sql_problems){0};
        bool fine = ecc_sql_check_constraint(&arena, tables[0], cases[i].kind, cases[i].sql, none, &problems);
        if (fine != cases[i].fine)
            fail_msg("%s: %s", cases[i].sql, problems.n ? problems.items[0].message : "taken");
        assert_int_equal(fine, problems.n == 0);
        if (problems.n)
            assert_true(problems.items[0].at <= strlen(cases[i].sql));
    }
    problems = (struct ecc_sql_problems){0};
    ecc_sql_check_constraint(&arena, tables[0], ECC_CON_CHECK, "n > 0 AND mm = 1", none, &problems);
    assert_int_equal(problems.items[0].at, 10);
    assert_int_equal(problems.items[0].length, 2);
}

static void test_hostile(void **state)
{
    (void)state;
    /* Deep nesting is refused, not followed to the end of the stack. */
    size_t n = 20000;
    char *text = ecc_arena_alloc(&arena, n * 2 + 64), *p = text + sprintf(text, "SELECT ");
    for (size_t i = 0; i < n; i++)
        *p++ = '(';
    *p++ = '1';
    for (size_t i = 0; i < n; i++)
        *p++ = ')';
    strcpy(p, " AS x");
    check(ECC_SQL_ONE, text);
    text = ecc_arena_alloc(&arena, n * 4 + 64);
    p = text + sprintf(text, "SELECT 1");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "+1");
    strcpy(p, " AS x");
    assert_false(check(ECC_SQL_ONE, text));
    assert_int_equal(problems.n, 1);
    /* Truncations of a statement that has everything: whatever comes out, problems stay inside the text. */
    const char *whole = "WITH l AS (SELECT n, name::text AS c FROM jsonb_to_recordset(:parts::jsonb) AS l(n int, name text)) INSERT INTO things (id, "
                        "name, n) SELECT :id, l.c, count(*) OVER (PARTITION BY 1) FROM l LEFT JOIN tags AS q(z) ON q.name = l.c WHERE l.c = 'x' "
                        "ON CONFLICT (name) DO UPDATE SET n = excluded.n RETURNING *, coalesce(1, NULL) AS e, (SELECT 1 FROM tags LIMIT :limit)";
    for (size_t length = 0; length <= strlen(whole); length++) {
        char *cut = ecc_arena_strndup(&arena, whole, length);
        check(ECC_SQL_MANY, cut);
        for (size_t i = 0; i < problems.n; i++)
            assert_true(problems.items[i].at + problems.items[i].length <= length);
    }
}

static void test_speed(void **state)
{
    const char *text = "SELECT s.thing_id, u.name, u.color FROM tags s JOIN things u ON u.id = s.thing_id WHERE s.name = :name AND NOT u.live AND u.made > now()";
    struct timespec a, b;
    int rounds = 2000;

    (void)state;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (int i = 0; i < rounds; i++)
        assert_true(check(ECC_SQL_MANY, text));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / rounds;
    print_message("%.1f us a statement\n", us);
    assert_true(us < 5000); /* only against something quadratic; the figure is for reading */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),    cmocka_unit_test(test_casts),         cmocka_unit_test(test_columns),       cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_aggregates),    cmocka_unit_test(test_from),          cmocka_unit_test(test_writes),
        cmocka_unit_test(test_names_refused), cmocka_unit_test(test_types_refused), cmocka_unit_test(test_statements_refused),
        cmocka_unit_test(test_constraints),   cmocka_unit_test(test_hostile),       cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
