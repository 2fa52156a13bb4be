/* group_set.c: what many members ask for in the same words is one statement, and each has its own answer. */
#include "db_test.h"

#include "group.h"

enum { N = 40 };
struct unit {
    struct ec_group_unit unit;
    struct ec_group_statement statements[4];
    int nstatements;
    struct ec_arena *arena;
    bool over;
    int answers;
    int64_t rows;
    char cells[2][64];
};

static struct unit units[N];

/* An update of a row by its name, fenced. */
static const struct ec_group_set put_set = {{
    .name = "unit.put_set",
    .text = "WITH u AS (UPDATE words w SET word = i.word, n = w.n + 1 FROM unnest($1::int[], $2::text[], $3::int[]) WITH ORDINALITY "
            "AS i (id, word, fence, k) WHERE w.id = i.id AND w.fence = i.fence RETURNING i.k, w.word, w.n) SELECT k, word, n FROM u",
}};
static const struct ec_sql sql_put = {.name = "unit.put",
                                      .text =
                                          "UPDATE words SET word = $2, n = n + 1 WHERE id = $1::int AND fence = $3::int RETURNING word, n",
                                      .set = &put_set};

/* A guard: a name that is new. */
static const struct ec_group_set new_set = {{
    .name = "unit.new_set",
    .text =
        "WITH g AS (INSERT INTO names (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING 1)" EC_GROUP_ALL("$1::text[]", "g"),
}};
static const struct ec_sql sql_new = {
    .name = "unit.new",
    .text = "WITH g AS (INSERT INTO names (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1) SELECT 1 / count(*) FROM g",
    .set = &new_set};

/* What rides with a commit, in order. */
static const struct ec_group_set note_set = {
    {.name = "unit.note_set",
     .text = "INSERT INTO notes (note) SELECT note FROM unnest($1::text[]) WITH ORDINALITY AS v (note, n) ORDER BY n"},
    .late = true};
static const struct ec_sql sql_note = {.name = "unit.note", .text = "INSERT INTO notes (note) VALUES ($1)", .set = &note_set};

static const struct ec_sql sql_own = {.name = "unit.own", .text = "UPDATE words SET word = word || $1 WHERE id = 1"};

static void keep(struct unit *unit, const struct ec_pg_reply *reply)
{
    int i;

    unit->answers++;
    unit->rows = reply->rows;
    assert_int_equal(ec_pg_rows(reply->result), reply->rows);
    for (i = 0; i < 2 && reply->rows; i++)
        snprintf(unit->cells[i], sizeof(unit->cells[i]), "%s",
                 ec_pg_null(reply->result, 0, i) ? "null" : ec_pg_cell(reply->result, 0, i).p);
}

static void unit_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    keep((struct unit *)unit, reply);
}

static void unit_done(struct ec_group_unit *unit)
{
    struct unit *own = (struct unit *)unit;

    assert_false(own->over);
    own->over = true;
    ec_arena_free(own->arena);
}

static struct unit *fresh(int i)
{
    struct unit *unit = &units[i];

    memset(unit, 0, sizeof(*unit));
    unit->arena = ec_arena_new();
    unit->unit = (struct ec_group_unit){.done = unit_done, .row = unit_row};
    return unit;
}

static void put(int i, int id, const char *word, int fence)
{
    struct unit *unit = fresh(i);

    unit->unit.sql = &sql_put;
    assert_true(ec_pg_encode(unit->arena,
                             EC_PARAMS(ec_param_int(id), ec_param_text(word ? ec_str_of(word) : (struct ec_str){0}), ec_param_int(fence)),
                             &unit->unit.values));
    ec_group_submit(&unit->unit);
}

static void add(struct unit *unit, const struct ec_sql *sql, const char *text)
{
    struct ec_group_statement *statement = &unit->statements[unit->nstatements];

    statement->sql = sql;
    assert_true(ec_pg_encode(unit->arena, EC_PARAMS(ec_param_text(ec_str_of(text))), &statement->values));
    if (unit->nstatements++)
        statement[-1].next = statement;
    unit->unit.statements = unit->statements;
}

static bool all_over(int n)
{
    int i;

    for (i = 0; i < n; i++)
        if (!units[i].over)
            return false;
    return true;
}

static int sent(const char *statement)
{
    char label[64];

    snprintf(label, sizeof(label), "statement=\"%s\"", statement);
    return (int)ec_metric_value(ec_metric(EC_COUNTER, "ec_sql_requests_total", "", label));
}

static int again(void)
{
    return (int)ec_metric_value(ec_metric(EC_COUNTER, "ec_group_again_total", "", NULL));
}

static void prepare(void)
{
    pg_server_run(db_server,
                  "DROP TABLE IF EXISTS words, names, notes; CREATE TABLE words (id int PRIMARY KEY, word text, n int, fence int);"
                  "INSERT INTO words SELECT i, 'none', 0, 1 FROM generate_series(0, 99) i;"
                  "CREATE TABLE names (name text PRIMARY KEY);"
                  "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, note text)");
    db_open(NULL);
    put(0, 99, "up", 1); /* the lane is up */
    DB_UNTIL(units[0].over);
    assert_null(units[0].unit.error);
}

static void assert_asked(const char *sql, const char *expected)
{
    char *text = pg_server_ask(db_server, sql);

    assert_string_equal(text, expected);
    free(text);
}

/* Each has its own row, whatever its text is; who has lost its fence has none, and nobody else minds. */
static void test_own_answer(void **state)
{
    static const char *const words[] = {"plain", "",  "NULL", "null", "a \"b\" \\ {c,d}", "\\\"", NULL,
                                        "{}",    "'", " x ",  "\n\t", "\xc3\xa4"};
    int n = (int)(sizeof(words) / sizeof(words[0])), sets, ones, twice, i;

    (void)state;
    prepare();
    sets = sent("unit.put_set");
    ones = sent("unit.put");
    twice = again();
    for (i = 0; i < n; i++)
        put(i, i, words[i], i == 4 ? 2 : 1);
    DB_UNTIL(all_over(n));
    assert_int_equal(sent("unit.put_set") - sets, 1);
    assert_int_equal(sent("unit.put") - ones, 0);
    assert_int_equal(again() - twice, 0);
    for (i = 0; i < n; i++) {
        assert_null(units[i].unit.error);
        assert_int_equal(units[i].answers, 1);
        assert_int_equal(units[i].rows, i == 4 ? 0 : 1);
        assert_int_equal(units[i].unit.rows, i == 4 ? 0 : 1);
        if (i == 4)
            continue;
        assert_string_equal(units[i].cells[0], words[i] ? words[i] : "null");
        assert_string_equal(units[i].cells[1], "1");
    }
    assert_asked("SELECT word FROM words WHERE id = 4", "none");
    put(0, 4, words[4], 1);
    put(1, 5, words[5], 1);
    DB_UNTIL(all_over(2));
    assert_string_equal(units[0].cells[0], words[4]);
    assert_string_equal(units[1].cells[0], words[5]);
    db_close();
}

/* One after another on the same row, in their order, each on what the one before it has made. */
static void test_same_row(void **state)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f"};
    static const int ids[] = {1, 2, 1, 2, 1, 3};
    int sets, i;

    (void)state;
    prepare();
    sets = sent("unit.put_set");
    for (i = 0; i < 6; i++)
        put(i, ids[i], words[i], 1);
    DB_UNTIL(all_over(6));
    assert_int_equal(sent("unit.put_set") - sets, 3); /* 1 2, 1 2, 1 3 */
    for (i = 0; i < 6; i++) {
        assert_null(units[i].unit.error);
        assert_string_equal(units[i].cells[0], words[i]);
        assert_int_equal(atoi(units[i].cells[1]), i == 5 ? 1 : i / 2 + 1);
    }
    assert_asked("SELECT string_agg(word || n, ' ' ORDER BY id) FROM words WHERE id IN (1, 2, 3)", "e3 d2 f1");
    db_close();
}

/* A value that the server refuses, a guard, and the same name twice in one set: of each only the one that is wrong fails. */
static void test_one_fails(void **state)
{
    char name[16];
    int i, twice;

    (void)state;
    prepare();
    pg_server_run(db_server, "ALTER TABLE words ADD CHECK (word <> 'bad')");
    twice = again();
    for (i = 0; i < N; i++)
        put(i, i, i == 20 ? "bad" : "good", 1);
    DB_UNTIL(all_over(N));
    assert_int_equal(again() - twice, N);
    for (i = 0; i < N; i++)
        assert_ptr_equal(units[i].unit.error, i == 20 ? &ec_error_internal : NULL);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM words WHERE word = 'good' AND n = 1"), N - 1);
    pg_server_run(db_server, "INSERT INTO names VALUES ('n7')");
    for (i = 0; i < N; i++) {
        struct unit *unit = fresh(i);

        snprintf(name, sizeof(name), "n%d", i == 30 ? 29 : i);
        add(unit, &sql_new, name);
        snprintf(name, sizeof(name), "of%d", i);
        add(unit, &sql_note, name);
        ec_group_submit(&unit->unit);
    }
    DB_UNTIL(all_over(N));
    for (i = 0; i < N; i++)
        assert_true((units[i].unit.error != NULL) == (i == 7 || i == 30));
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM names"), N - 1);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM notes"), N - 2);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM notes WHERE note IN ('of7', 'of30')"), 0);
    db_close();
}

/* The first that is run alone fails, and with it the preparation of what stands behind: the others' is not sent by that name. */
static void test_first_fails(void **state)
{
    char name[16];
    int i;

    (void)state;
    prepare();
    pg_server_run(db_server, "INSERT INTO names VALUES ('n0')");
    for (i = 0; i < 5; i++) {
        struct unit *unit = fresh(i);

        snprintf(name, sizeof(name), "n%d", i);
        add(unit, &sql_new, name);
        add(unit, &sql_own, name);
        add(unit, &sql_note, name);
        ec_group_submit(&unit->unit);
    }
    DB_UNTIL(all_over(5));
    for (i = 0; i < 5; i++)
        assert_true((units[i].unit.error != NULL) == (i == 0));
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM notes"), 4);
    db_close();
}

/* Programs' statements are one transaction's after another's, and what rides with the commits has their order. */
static void test_order(void **state)
{
    char text[16];
    int i, sets, ones, owns;

    (void)state;
    prepare();
    for (i = 0; i < 4; i++) { /* prepared, and the limit is as it was */
        struct unit *unit = fresh(i);

        snprintf(text, sizeof(text), "warm%d", i);
        add(unit, &sql_new, text);
        ec_group_submit(&unit->unit);
    }
    DB_UNTIL(all_over(4));
    sets = sent("unit.new_set") + sent("unit.note_set");
    ones = sent("unit.new") + sent("unit.note");
    owns = sent("unit.own");
    for (i = 0; i < 4; i++) {
        struct unit *unit = fresh(i);

        snprintf(text, sizeof(text), "n%d", i);
        add(unit, &sql_new, text);
        if (i != 2) {
            snprintf(text, sizeof(text), "/%d", i);
            add(unit, &sql_own, text);
        }
        snprintf(text, sizeof(text), "%da", i);
        add(unit, &sql_note, text);
        if (i == 1 || i == 2) {
            snprintf(text, sizeof(text), "%db", i);
            add(unit, &sql_note, text);
        }
        ec_group_submit(&unit->unit);
    }
    DB_UNTIL(all_over(4));
    for (i = 0; i < 4; i++)
        assert_null(units[i].unit.error);
    assert_int_equal(sent("unit.new_set") + sent("unit.note_set") - sets, 2);
    assert_int_equal(sent("unit.new") + sent("unit.note") - ones, 0);
    assert_int_equal(sent("unit.own") - owns, 3);
    assert_asked("SELECT word FROM words WHERE id = 1", "none/0/1/3");
    assert_asked("SELECT string_agg(note, ' ' ORDER BY id) FROM notes", "0a 1a 1b 2a 2b 3a");
    db_close();
}

/* More than a set takes, by number and by size. */
static void test_large(void **state)
{
    static char word[300000];
    int i, sets;

    (void)state;
    prepare();
    memset(word, '"', sizeof(word) - 1);
    sets = sent("unit.put_set");
    for (i = 0; i < 8; i++)
        put(i, i, word, 1);
    DB_UNTIL(all_over(8));
    for (i = 0; i < 8; i++)
        assert_int_equal(units[i].unit.rows, 1);
    assert_int_equal(sent("unit.put_set") - sets, 3); /* 3, 3, 2 */
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM words WHERE length(word) = 299999"), 8);
    db_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_answer),  cmocka_unit_test(test_same_row), cmocka_unit_test(test_one_fails),
        cmocka_unit_test(test_first_fails), cmocka_unit_test(test_order),    cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
