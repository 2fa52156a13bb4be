/* Migrations and ecom.lock. Topologies are compiled from text, one after another with the lock of the one before; what comes out runs on a
 * real PostgreSQL, where a migrated database must be the same as a fresh one, and every step back must lead where it came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "codegen.h"
#include "lock.h"
#include "pg_server.h"
#include "source.h"

static struct ecc_arena arena;
static struct pg_server *server;

static int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    server = pg_server_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (server)
        pg_server_stop(server);
    ecc_arena_free(&arena);
    return 0;
}

static struct ecc_outset out;
static struct ecc_diags diags;
static const char *lock; /* of the last build that went well */

/* Builds a service with this database. The first diagnostic, or NULL. */
static const char *build(const char *database, const char *outside)
{
    const char *text = ecc_arena_printf(&arena,
                                        "topology \"T\"\nenum Color { red green }\nrecord Part { k: int }\nclient app \"App\"\n"
                                        "service thing-svc \"Things\" { database postgres { %s } op Ping() { return } }\n"
                                        "gateway gate \"Gate\" { listen 8080 route POST \"/ping\" public -> thing-svc.Ping() reply 204 }\n"
                                        "edge app -> gate { http }\nedge gate -> thing-svc { http }\n%s\n",
                                        database, outside);
    struct ecc_source *source = ECC_NEW(&arena, struct ecc_source);
    struct ecc_codegen cg = {.arena = &arena, .diags = &diags, .out = &out, .lock = lock, .lock_length = lock ? strlen(lock) : 0};
    size_t at;

    assert_int_equal(ecc_source_init(source, &arena, "t.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    ecc_diags_init(&diags, &arena);
    ecc_outset_init(&out, &arena);
    cg.model = ecc_compile(&arena, source, &diags);
    if (!cg.model)
        fail_msg("%s", diags.items[0]->message);
    if (!ecc_codegen(&cg)) {
        for (size_t i = 0; i < diags.n; i++) {
            if (diags.items[i]->severity == ECC_ERROR)
                return diags.items[i]->message;
        }
        return out.error;
    }
    lock = cg.new_lock;
    return NULL;
}

/* The last migration that the lock has. */
static const struct ecc_migration *last(size_t *n)
{
    const char *error;
    struct ecc_lock *read = ecc_lock_read(&arena, lock, strlen(lock), &error);

    assert_non_null(read);
    struct ecc_lock_service *service = ecc_lock_service(read, "thing-svc");
    *n = service->migrations.n;
    return *n ? service->migrations.items[*n - 1] : NULL;
}

static const char catalog[] =
    "SELECT coalesce(string_agg(x, E'\\n' ORDER BY x), '') FROM ("
    "SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || "
    "coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS x FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v') "
    "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
    "WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped "
    "UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace "
    "UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public') s";

static const char *schema_now(void)
{
    char *text = pg_server_ask(server, catalog);
    const char *copy = ecc_arena_strdup(&arena, text ? text : "");

    free(text);
    return copy;
}

static void empty(void)
{
    pg_server_run(server, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

/* What a database looks like that never knew another version. */
static const char *fresh(const char *database)
{
    const char *kept = lock;
    size_t n;

    lock = NULL;
    assert_null(build(database, ""));
    empty();
    pg_server_run(server, last(&n)->up);
    const char *schema = schema_now();
    lock = kept;
    return schema;
}

static const char first_version[] =
    "table things { id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  index (name, n desc) }\n"
    "table tags { thing_id uuid references things  label text(1..20)  primary key (thing_id, label)  check (label <> 'x y') }";

static const struct ecc_migrations *all(void)
{
    const char *error;
    struct ecc_lock *read = ecc_lock_read(&arena, lock, strlen(lock), &error);

    assert_non_null(read);
    return &ecc_lock_service(read, "thing-svc")->migrations;
}

/* What a topology becomes once nobody needs the old names. */
static const char *without_was(const char *database)
{
    char *copy = ecc_arena_strdup(&arena, database), *at;

    while ((at = strstr(copy, "was(")))
        memmove(at, strchr(at, ')') + 1, strlen(strchr(at, ')')));
    return copy;
}

static void run_all(const struct ecc_migrations *m, size_t from)
{
    for (size_t i = from; i < m->n; i++)
        pg_server_run(server, m->items[i]->up);
}

static void run_back(const struct ecc_migrations *m, size_t to)
{
    for (size_t i = m->n; i-- > to;)
        pg_server_run(server, m->items[i]->down);
}

/* first_version, then `database`, then that without `was`: forth, like a fresh one; back, like the first; and forth again. Gives the
 * migrations. */
static const struct ecc_migrations *step(const char *database, const char *outside, const char *rows)
{
    const char *last_one = without_was(database), *said;

    lock = NULL;
    assert_null(build(first_version, ""));
    assert_string_equal(all()->items[0]->name, "000001_initial");
    if ((said = build(database, outside)) || (said = build(last_one, outside)))
        fail_msg("%s", said);
    const struct ecc_migrations *m = all();
    const char *expected = fresh(last_one);
    empty();
    pg_server_run(server, m->items[0]->up);
    const char *before = schema_now();
    if (*rows)
        pg_server_run(server, rows);
    run_all(m, 1);
    assert_string_equal(schema_now(), expected);
    run_back(m, 1);
    assert_string_equal(schema_now(), before);
    run_all(m, 1);
    assert_string_equal(schema_now(), expected);
    assert_null(build(last_one, outside)); /* nothing more */
    assert_int_equal(all()->n, m->n);
    return m;
}

static const char *up_of(const struct ecc_migrations *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->items[i]->name, name) == 0)
            return m->items[i]->up;
    fail_msg("there is no migration %s", name);
    return NULL;
}

#define TAGS "table tags { thing_id uuid references things  label text(1..20)  primary key (thing_id, label)  check (label <> 'x y') }"

static const char a_row[] = "INSERT INTO things (id, name, parts) VALUES ('00000000-0000-0000-0000-000000000001', 'one', '[]')";

static void test_initial(void **state)
{
    size_t n;

    (void)state;
    lock = NULL;
    assert_null(build(first_version, ""));
    const struct ecc_migration *m = last(&n);
    assert_int_equal(n, 1);
    assert_string_equal(m->up, "CREATE TABLE things (\n"
                               "    id uuid NOT NULL,\n"
                               "    name text NOT NULL,\n"
                               "    note text,\n"
                               "    n bigint NOT NULL DEFAULT 0,\n"
                               "    color text NOT NULL DEFAULT 'red',\n"
                               "    parts jsonb NOT NULL,\n"
                               "    CONSTRAINT things_pkey PRIMARY KEY (id),\n"
                               "    CONSTRAINT things_name_key UNIQUE (name),\n"
                               "    CONSTRAINT things_color_enum CHECK (color IN ('red', 'green'))\n"
                               ");\n"
                               "CREATE INDEX things_name_n_desc_idx ON things (name, n desc);\n"
                               "\n"
                               "CREATE TABLE tags (\n"
                               "    thing_id uuid NOT NULL,\n"
                               "    label text NOT NULL,\n"
                               "    CONSTRAINT tags_thing_id_fkey FOREIGN KEY (thing_id) REFERENCES things (id),\n"
                               "    CONSTRAINT tags_label_range CHECK (char_length(label) BETWEEN 1 AND 20),\n"
                               "    CONSTRAINT tags_pkey PRIMARY KEY (thing_id, label),\n"
                               "    CONSTRAINT tags_check_98a4b252 CHECK (label <> 'x y')\n"
                               ");\n");
    assert_non_null(ecc_outset_find(&out, "thing-svc/migrations/000001_initial.up.sql"));
    assert_non_null(ecc_outset_find(&out, "thing-svc/migrations/000001_initial.down.sql"));
    const char *kept = lock;
    assert_null(build(first_version, "")); /* the same again: the lock does not change, the files are the same */
    assert_string_equal(lock, kept);
    assert_non_null(ecc_outset_find(&out, "thing-svc/migrations/000001_initial.up.sql"));
}

static void test_steps(void **state)
{
    (void)state;
    const struct ecc_migrations *m;

    if (!server)
        skip();
    m = step("table things { id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  made time = now()  extra text?"
             "  index (name, n desc) }\n"
             "table tags { thing_id uuid references things  label text(1..20)  primary key (thing_id, label)  check (label <> 'x y') }",
             "", a_row);
    assert_int_equal(m->n, 2);
    assert_string_equal(up_of(m, "000002_add_things_made"), "ALTER TABLE things ADD COLUMN made timestamptz NOT NULL DEFAULT now();\n"
                                                            "ALTER TABLE things ADD COLUMN extra text;\n");

    /* Nearly everything at once: renames, defaults, nulls, checks, keys, a new table and a dropped column. */
    m = step("table goods { was(things)  id uuid primary key  title text unique was(name)  note text = \"\"  n int = 1  color Color  parts [Part]"
             "  index (title) }\n"
             "table tags { good_id uuid references goods was(thing_id)  label text(1..30)  weight int = 1 check (weight > 0)  primary key (good_id, label) }\n"
             "table boxes { id uuid primary key  good uuid references goods  next uuid? references crates }\n"
             "table crates { id uuid primary key  order int }",
             "", a_row);
    assert_string_equal(m->items[1]->name, "000002_expand_tags_thing_id");

    m = step("table things { id uuid primary key  name text unique  n int?  color Color = red  parts [Part]  index (name, n desc) }\n"
             "table tags { thing_id uuid references things  label text(1..20)  primary key (thing_id, label)  check (label <> 'x y') }",
             "drop thing-svc.things.note \"nobody */ reads; it\"", a_row);
    assert_string_equal(up_of(m, "000002_alter_things_n"), "ALTER TABLE things ALTER COLUMN n DROP DEFAULT;\nALTER TABLE things ALTER COLUMN n DROP NOT NULL;\n");
    assert_string_equal(up_of(m, "000003_drop_things_note"), "-- nobody * / reads; it\nALTER TABLE things DROP COLUMN note;\n");

    m = step("table things { id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  index (name, n desc) }",
             "drop thing-svc.tags \"moved\"", "");
    assert_string_equal(m->items[m->n - 1]->name, "000003_drop_tags");

    m = step("table things { id uuid primary key  name text unique  note text?  n float = 1.5  color Color = red  parts [Part]  index (name, n desc)  index (note) }\n"
             "table tags { thing_id uuid references things  label text(1..20) unique  primary key (thing_id, label)  check (label <> 'x y') }",
             "", a_row);
    assert_string_equal(up_of(m, "000003_index_things_note_idx"), "CREATE INDEX CONCURRENTLY IF NOT EXISTS things_note_idx ON things (note);\n");
    assert_string_equal(up_of(m, "000004_index_tags_label_key"), "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS tags_label_key ON tags (label);\n");
    assert_string_equal(up_of(m, "000005_validate_tags"), "ALTER TABLE tags ADD CONSTRAINT tags_label_key UNIQUE USING INDEX tags_label_key;\n");

    m = step("table things { id uuid primary key  name text unique  note text = \"none\"  n int = 0  color Color = red  parts [Part]  index (name, n desc) }\n" TAGS,
             "", a_row);
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM things WHERE note = 'none'"), 1);
    assert_true(m->items[2]->no_transaction && !m->items[3]->no_transaction);
}

/* While the release before runs, both names of a column and of a table read and write the same. */
static void test_both_names(void **state)
{
    static const char next[] = "table items { was(things)  id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  index (name, n desc) }\n"
                               "table tags { thing_id uuid references items  word text(1..20) was(label)  primary key (thing_id, word)  check (word <> 'x y') }";

    (void)state;
    if (!server)
        skip();
    lock = NULL;
    assert_null(build(first_version, ""));
    assert_null(build(next, ""));
    empty();
    run_all(all(), 0);
    pg_server_run(server, a_row); /* by the view */
    pg_server_run(server, "INSERT INTO things (id, name, parts) VALUES ('00000000-0000-0000-0000-000000000001', 'two', '[]') ON CONFLICT (id) DO UPDATE SET n = 7");
    assert_int_equal(pg_server_count(server, "SELECT n FROM items WHERE name = 'one'"), 7);
    pg_server_run(server, "INSERT INTO tags (thing_id, label) VALUES ('00000000-0000-0000-0000-000000000001', 'a')");
    pg_server_run(server, "INSERT INTO tags (thing_id, word) VALUES ('00000000-0000-0000-0000-000000000001', 'b')");
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM tags WHERE word = label AND word IN ('a', 'b')"), 2);
    pg_server_run(server, "UPDATE tags SET label = 'c' WHERE word = 'a'");
    pg_server_run(server, "UPDATE tags SET word = 'd' WHERE label = 'b'");
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM tags WHERE word = label AND word IN ('c', 'd')"), 2);
    pg_server_run(server, "INSERT INTO tags (thing_id, label) VALUES ('00000000-0000-0000-0000-000000000001', 'c') ON CONFLICT (thing_id, label) DO UPDATE SET label = 'e'");
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM tags WHERE word = 'e' AND label = 'e'"), 1);
    assert_null(build(next, "")); /* as long as `was` stands, so do they */
    size_t n = all()->n;
    assert_string_equal(build("table items { was(things)  id uuid primary key  name text unique  n int = 0  color Color = red  parts [Part]  index (name, n desc) }\n"
                              "table tags { thing_id uuid references items  word text(1..20) was(label)  primary key (thing_id, word)  check (word <> 'x y') }",
                              "drop thing-svc.items.note \"why\""),
                        "column `note` can't be dropped while the old name `things` of the release before is kept");
    assert_null(build(without_was(next), ""));
    run_all(all(), n);
    assert_string_equal(schema_now(), fresh(without_was(next)));
}

static void refused(const char *database, const char *expected)
{
    lock = NULL;
    assert_null(build(first_version, ""));
    const char *kept = lock, *message = build(database, "");
    assert_non_null(message);
    assert_string_equal(message, expected);
    assert_ptr_equal(lock, kept);
}

static void test_refused(void **state)
{
    (void)state;
    refused("table things { id uuid primary key  name text unique  n int = 0  color Color = red  parts [Part]  index (name, n desc) } " TAGS,
            "column `note` of `things` is gone, and its data would be");
    refused("table things { id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  index (name, n desc) }",
            "table `tags` of thing-svc is gone, and its data would be");
    refused("table things { id uuid primary key  name text unique  note text?  n int = 0  color Color = red  parts [Part]  m int  index (name, n desc) } " TAGS,
            "`m` is new and can't be null, but rows that exist have no value for it");
    refused("table things { id uuid primary key  name text unique  note text  n int = 0  color Color = red  parts [Part]  index (name, n desc) } " TAGS,
            "`note` was optional, and rows that exist may have no value for it");
    refused("table things { id uuid primary key  name int unique  note text?  n int = 0  color Color = red  parts [Part]  index (name, n desc) } " TAGS,
            "`name` was text and becomes bigint, which not every value can");
    refused("table things { id uuid primary key  name text unique  note text?  count float = 0.0 was(n)  color Color = red  parts [Part]  index (name, count desc) } " TAGS,
            "`count` gets a new name and a new type at once: double precision was bigint");
}

static void test_lock(void **state)
{
    (void)state;
    lock = NULL;
    assert_null(build(first_version, ""));
    const char *good = lock;

    char *edited = ecc_arena_strdup(&arena, good);
    memcpy(strstr(edited, "n bigint NOT NULL DEFAULT 0"), "n bigint NOT NULL DEFAULT 1", 27);
    lock = edited;
    const char *message = build(first_version, "");
    assert_non_null(message);
    assert_non_null(strstr(message, "migration 000001_initial of thing-svc is not as it was released"));
    static const char *const bad[] = {"", "{", "[]", "{\"version\": 3}", "{\"version\": 2, \"sagas\": [{\"name\": \"x\"}]}", "{\"version\": 2, \"events\": [{\"name\": \"X\", \"version\": 1, \"text\": 7}]}",
                                      "{\"version\": 1, \"services\": {\"thing-svc\": 3}}", "\xff", "{\"version\": 1, \"services\": {\"thing-svc\": {\"migrations\": [{}]}}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lock = bad[i];
        message = build(first_version, "");
        assert_non_null(message);
        assert_non_null(strstr(message, "ecom.lock: "));
    }
    /* What another service released stays, though the topology does not have it at the moment. */
    lock = NULL;
    assert_null(build(first_version, ""));
    const char *error;
    struct ecc_lock *read = ecc_lock_read(&arena, lock, strlen(lock), &error);
    struct ecc_lock_service *gone = ecc_lock_service(read, "gone-svc");
    gone->schema = ecc_lock_service(read, "thing-svc")->schema;
    size_t length;
    lock = ecc_lock_write(read, &length);
    assert_null(build(first_version, ""));
    assert_non_null(strstr(lock, "gone-svc"));
}

static void test_seed(void **state)
{
    (void)state;
    lock = NULL;
    assert_null(build("table things { id uuid primary key  name text unique  color Color = red  live bool = true }\n"
                      "seed things { id: \"00000000-0000-0000-0000-000000000001\" name: \"it's\\n  two\" color: green }\n"
                      "seed things { id: \"00000000-0000-0000-0000-000000000002\" name: \"b\" live: false }",
                      ""));
    const struct ecc_outfile *seed = ecc_outset_find(&out, "thing-svc/seed.sql");
    assert_non_null(seed);
    if (!server)
        skip();
    size_t n;
    empty();
    pg_server_run(server, last(&n)->up);
    const char *sql = ecc_arena_strndup(&arena, seed->content, seed->length);
    pg_server_run(server, sql);
    pg_server_run(server, sql); /* again: nothing happens */
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM things WHERE name = E'it''s\\n  two' AND color = 'green' AND live"), 1);
    assert_int_equal(pg_server_count(server, "SELECT count(*) FROM things"), 2);
}

/* How many migrations there are after an enum column's values were `first` and then `then`. */
static size_t migrations_of(const char *first, const char *then)
{
    static const char database[] = "table things { id uuid primary key  shade Shade }";
    size_t n;

    lock = NULL;
    assert_null(build(database, ecc_arena_printf(&arena, "enum Shade { %s }", first)));
    assert_null(build(database, ecc_arena_printf(&arena, "enum Shade { %s }", then)));
    last(&n);
    return n;
}

static void test_value_order(void **state)
{
    (void)state;
    assert_int_equal(migrations_of("light dark grey", "grey light dark"), 1);
    assert_int_equal(migrations_of("light dark", "dark light grey"), 3);
    assert_int_equal(migrations_of("light dark grey", "dark light"), 3);
    assert_int_equal(migrations_of("light dark", "dark lighter"), 3);
    assert_int_equal(migrations_of("light dark", "dark ligh"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial), cmocka_unit_test(test_steps), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lock),    cmocka_unit_test(test_seed),  cmocka_unit_test(test_value_order),
        cmocka_unit_test(test_both_names),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
