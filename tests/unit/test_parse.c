/* The parser: every construct, the words that are keywords only here and there, spans, hostile input, and the wording of mistakes:
 * each tests/ui/syntax_*.ecom against the .stderr beside it (with BLESS=1 in the environment those are written). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "lexer.h"
#include "parse.h"
#include "source.h"

static struct ecc_arena arena;
static struct ecc_source source;
static struct ecc_diags diags;

static const struct ecc_ast_file *parse_bytes(const char *path, const char *text, size_t length)
{
    size_t at;

    assert_int_equal(ecc_source_init(&source, &arena, path, text, length, &at), ECC_SOURCE_OK);
    ecc_diags_init(&diags, &arena);
    return ecc_parse(&arena, &source, &diags);
}

static const struct ecc_ast_file *parse(const char *text)
{
    return parse_bytes("x.ecom", text, strlen(text));
}

static const char *written(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    ecc_diags_write(&diags, &source, ECC_FORMAT_TEXT, false, out);
    fclose(out);
    const char *copy = ecc_arena_strndup(&arena, text, size);
    free(text);
    return copy;
}

static const struct ecc_ast_file *parse_right(const char *text)
{
    const struct ecc_ast_file *file = parse(text);

    if (diags.errors)
        fail_msg("%s", written());
    return file;
}

static char *read_file(const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    long size;

    if (!in)
        return NULL;
    fseek(in, 0, SEEK_END);
    size = ftell(in);
    rewind(in);
    char *text = ecc_arena_alloc(&arena, (size_t)size + 1);
    *length = fread(text, 1, (size_t)size, in);
    fclose(in);
    return text;
}

/* ------------------------------------------------------------------ whole files */

static const struct ecc_ast_file *parse_file(const char *path)
{
    size_t length = 0;
    char *text = read_file(path, &length);

    if (!text)
        fail_msg("can't read %s", path);
    const struct ecc_ast_file *file = parse_bytes(path, text, length);
    if (diags.errors)
        fail_msg("%s", written());
    return file;
}

static void the_topology(void **state)
{
    (void)state;
    assert_true(parse_file(SOURCE_ROOT "/topology.ecom")->decls.n > 50);
}

static void every_construct(void **state)
{
    unsigned seen[ECC_AST_DECL_DROP + 1] = {0}, statements[ECC_AST_STMT_ACCEPT + 1] = {0};

    (void)state;
    const struct ecc_ast_file *file = parse_file(SOURCE_ROOT "/tests/unit/every_construct.ecom");
    for (size_t i = 0; i < file->decls.n; i++) {
        const struct ecc_ast_decl *decl = file->decls.items[i];
        seen[decl->kind]++;
        if (i)
            assert_true(decl->span.start >= file->decls.items[i - 1]->span.end);
        assert_memory_equal(source.text + decl->span.start, ecc_ast_decl_name(decl->kind), strlen(ecc_ast_decl_name(decl->kind)));
        if (decl->kind != ECC_AST_DECL_SERVICE)
            continue;
        const struct ecc_ast_block *body = &decl->u.service.ops.items[0]->body;
        for (size_t j = 0; j < body->n; j++)
            statements[body->items[j]->kind]++;
    }
    for (size_t i = 0; i <= ECC_AST_DECL_DROP; i++)
        assert_true(seen[i] > 0);
    for (size_t i = 0; i <= ECC_AST_STMT_ACCEPT; i++)
        assert_true(statements[i] > 0 || i == ECC_AST_STMT_PUBLISH || i == ECC_AST_STMT_START || i == ECC_AST_STMT_ACCEPT);
}

static void said_of_mistakes(void **state)
{
    glob_t files;
    bool bless = getenv("BLESS");

    (void)state;
    assert_int_equal(glob(SOURCE_ROOT "/tests/ui/syntax_*.ecom", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 10);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i], *base = strrchr(path, '/') + 1;
        char *expected_path = ecc_arena_printf(&arena, "%.*s.stderr", (int)strlen(path) - 5, path);
        size_t length = 0, expected_length = 0;
        char *text = read_file(path, &length);

        assert_non_null(text);
        parse_bytes(base, text, length);
        assert_true(diags.errors > 0);
        const char *said = written(), *expected = read_file(expected_path, &expected_length);
        if (bless) {
            FILE *out = fopen(expected_path, "wb");
            assert_non_null(out);
            fputs(said, out);
            fclose(out);
            continue;
        }
        if (!expected)
            fail_msg("there is no %s", expected_path);
        if (strncmp(expected, said, strlen(said)) != 0) /* a command may say more at the end */
            fail_msg("%s: expected\n%s\nbut it said\n%s", base, expected, said);
    }
    globfree(&files);
}

/* ------------------------------------------------------------------ words */

static const struct ecc_ast_block *body_of(const char *statements)
{
    const struct ecc_ast_file *file = parse_right(ecc_arena_printf(&arena, "service a-svc \"A\" { op Do() { %s } }", statements));

    return &file->decls.items[0]->u.service.ops.items[0]->body;
}

static void each_keyword_may_be_a_name(void **state)
{
    static const char *const words[] = {
#define X(e, name) name,
        ECC_KEYWORDS(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *w = words[i];
        bool kebab = strchr(w, '-');

        parse_right(ecc_arena_printf(&arena, "service %s \"A\" { op Do() { %s.Go() let x = %s.Go() none.Go() } } edge %s -> %s { http }", w,
                                     w, w, w, w));
        parse_right(ecc_arena_printf(&arena, "bus b \"B\" { topic %s key k partitions 1 { } } saga %s on %s () { }", w, w, w));
        parse_right(
            ecc_arena_printf(&arena, "scenario %s \"A\" { given %s signed in say %s -> %s \"x\" when %s GET \"/\" }", w, w, w, w, w));
        if (kebab)
            continue;
        parse_right(
            ecc_arena_printf(&arena, "enum E { a %s b } record R { %s: text  x: int } record S { x: { %s: %s } }", w, w, w, "text"));
        body_of(ecc_arena_printf(&arena, "let x = { %s: 1  y: x.%s } return R { a: x.%s  %s: y }", w, w, w, w));
        body_of(ecc_arena_printf(&arena, "for %s in x.%s { let %s = %s.a }", w, w, w, w));
        body_of(ecc_arena_printf(&arena, "a-svc.Go(%s: x.%s, ...%s.y)", w, w, w));
        parse_right(ecc_arena_printf(
            &arena, "service a \"A\" { op Do(%s: int = 1) custom setting %s: int env X_Y database postgres { table %s { %s text } } }", w,
            w, w, w));
    }
}

static enum ecc_ast_stmt_kind kind_at(const struct ecc_ast_block *block, size_t i)
{
    assert_true(i < block->n);
    return block->items[i]->kind;
}

static void a_return_knows_whether_it_has_a_value(void **state)
{
    (void)state;
    const struct ecc_ast_block *b = body_of("let a = sql one \"\"\"x\"\"\" none -> return for i in a.list { }");
    assert_int_equal(b->n, 2);
    assert_null(b->items[0]->none->u.expr);
    b = body_of("sql exec \"\"\"x\"\"\" none -> return a-svc.Go(x: 1) key x");
    assert_int_equal(kind_at(b, 1), ECC_AST_STMT_CALL);
    b = body_of("let a = sql maybe \"\"\"x\"\"\" none -> return found -> return found.x when a { return }");
    assert_int_equal(b->n, 2);
    assert_non_null(b->items[0]->found->u.expr);
    b = body_of("sql exec \"\"\"x\"\"\" none -> return limit put c.s[k] = x");
    assert_int_equal(kind_at(b, 1), ECC_AST_STMT_PUT);
    b = body_of("return a.b.c");
    assert_int_equal(b->items[0]->u.expr->kind, ECC_AST_EXPR_MEMBER);
    assert_null(body_of("return")->items[0]->u.expr);
}

static void lists_of_names_end_where_a_keyword_fits(void **state)
{
    (void)state;
    const struct ecc_ast_file *file =
        parse_right("edge a -> b { keyspace timeout x timeout 1s publish on on open fail E consume http http }");
    const struct ecc_ast_props *props = &file->decls.items[0]->u.edge.props;
    /* `timeout` after `keyspace` can't be a property yet; after a name it can */
    assert_int_equal(props->n, 6);
    assert_int_equal(props->items[0]->names.n, 2);
    assert_int_equal(props->items[1]->ms, 1000);
}

static void unique_and_check_find_their_owner(void **state)
{
    (void)state;
    const struct ecc_ast_file *file =
        parse_right("service a \"A\" { database postgres { table t { was(s) a int unique b int check (b > 0) check (b < 9) unique (a) "
                    "primary key (a) c int primary key check int check (c) } } }");
    const struct ecc_ast_table *t = file->decls.items[0]->u.service.database.tables.items[0];
    assert_int_equal(t->columns.n, 4);
    assert_true(t->columns.items[0]->unique);
    assert_string_equal(t->columns.items[1]->check.text, "b > 0");
    assert_true(t->columns.items[2]->primary_key);
    assert_string_equal(t->columns.items[3]->name.text, "check");
    assert_int_equal(t->constraints.n, 3);
    assert_string_equal(t->constraints.items[0].sql.text, "b < 9");
    assert_memory_equal(source.text + t->constraints.items[1].sql.span.start, "a)", 2);
    assert_string_equal(t->was.text, "s");
}

/* ------------------------------------------------------------------ values and places */

static void precedence(void **state)
{
    (void)state;
    const struct ecc_ast_expr *e = body_of("let x = not a == 1 and b or c + 2 * -d < 3")->items[0]->u.expr;
    assert_int_equal(e->u.op.op, ECC_OP_OR);
    assert_int_equal(e->u.op.left->u.op.op, ECC_OP_AND);
    assert_int_equal(e->u.op.left->u.op.left->u.op.op, ECC_OP_NOT);
    assert_int_equal(e->u.op.left->u.op.left->u.op.left->u.op.op, ECC_OP_EQ);
    assert_int_equal(e->u.op.right->u.op.op, ECC_OP_LT);
    assert_int_equal(e->u.op.right->u.op.left->u.op.op, ECC_OP_ADD);
    assert_int_equal(e->u.op.right->u.op.left->u.op.right->u.op.right->u.op.op, ECC_OP_NEG);
}

static void literals(void **state)
{
    (void)state;
    const struct ecc_ast_block *b =
        body_of("let a = -9_223_372_036_854_775_808 let b = \"\\u{1f4da}\\n\\\"\" let c = 1_0.25 let d = [true, null]");
    assert_true(b->items[0]->u.expr->u.i == INT64_MIN);
    assert_string_equal(b->items[1]->u.expr->u.text.text, "\xf0\x9f\x93\x9a\n\"");
    assert_true(b->items[2]->u.expr->u.f == 10.25);
    assert_int_equal(b->items[3]->u.expr->u.list.n, 2);
    const struct ecc_ast_file *file = parse_right("edge a -> b { timeout 2m retry 3 backoff 200ms..1h } error E 404 \"x\" event V v3 { }");
    assert_int_equal(file->decls.items[0]->u.edge.props.items[0]->ms, 120000);
    assert_int_equal(file->decls.items[0]->u.edge.props.items[1]->range.max_ms, 3600000);
    assert_int_equal(file->decls.items[2]->u.event.version, 3);
}

static void places_are_exact(void **state)
{
    (void)state;
    const struct ecc_ast_stmt *s = body_of("let x = sql one \"\"\" SELECT :a \"\"\" none -> fail E let y = 1")->items[0];
    assert_memory_equal(source.text + s->u.sql.text.span.start, " SELECT :a ", 11);
    assert_int_equal(s->u.sql.text.span.end - s->u.sql.text.span.start, 11);
    assert_string_equal(s->u.sql.text.text, " SELECT :a ");
    assert_memory_equal(source.text + s->span.start, "let x", 5);
    assert_memory_equal(source.text + s->span.end - 6, "fail E", 6);
    assert_memory_equal(source.text + s->let.span.start, "x", 1);
    const struct ecc_ast_remote *r = body_of("let q = a-svc.Go(x: b.c, ...d) key k")->items[0]->u.call.remote;
    assert_memory_equal(source.text + r->span.start, "a-svc.Go(x: b.c, ...d)", r->span.end - r->span.start);
    assert_memory_equal(source.text + r->op.span.start, "Go", 2);
    assert_true(r->args.items[1]->spread);
    assert_memory_equal(source.text + r->args.items[0]->value->span.start, "b.c", 3);
}

/* ------------------------------------------------------------------ mistakes */

static size_t count(enum ecc_code code)
{
    size_t n = 0;

    for (size_t i = 0; i < diags.n; i++)
        n += diags.items[i]->code == code;
    return n;
}

static void one_mistake_is_one_error(void **state)
{
    size_t length = 0, wrong = 0, tried = 0;
    char *text = read_file(SOURCE_ROOT "/tests/unit/every_construct.ecom", &length);

    (void)state;
    assert_non_null(text);
    /* Leave out each bracket in turn: seldom more than three errors. */
    for (size_t i = 0; i < length; i++) {
        if (!strchr("{}()[]", text[i]) || (i > 0 && text[i - 1] == '\''))
            continue;
        struct ecc_arena mine = arena;
        char kept = text[i];
        ecc_arena_init(&arena);
        text[i] = ' ';
        parse_bytes("x.ecom", text, length);
        tried++;
        wrong += diags.errors > 3;
        text[i] = kept;
        ecc_arena_free(&arena);
        arena = mine;
    }
    assert_true(tried > 200);
    if (wrong * 10 > tried)
        fail_msg("%zu of %zu left out brackets give more than three errors", wrong, tried);
}

static void the_rest_is_still_read(void **state)
{
    (void)state;
    const struct ecc_ast_file *file =
        parse("record A { x y }\nservice s-svc \"S\" {\n  op A( { let = 1 }\n  op B() { return }\n  nonsense here\n"
              "  op C() { fail E }\n}\nedge a b\nrecord B { x: int }\n");
    assert_true(diags.errors >= 3 && diags.errors <= 6);
    const struct ecc_ast_decl *last = file->decls.items[file->decls.n - 1];
    assert_string_equal(last->name.text, "B");
    bool found = false;
    for (size_t i = 0; i < file->decls.n; i++)
        if (file->decls.items[i]->kind == ECC_AST_DECL_SERVICE)
            found = file->decls.items[i]->u.service.ops.n >= 2;
    assert_true(found);
}

static void calls_stand_alone(void **state)
{
    (void)state;
    parse("service a \"A\" { op Do() { let x = 1 + b.Go(c: d.Go()) let y = len(new_id()) } }");
    assert_int_equal(count(ECC_E_CALL_IN_EXPRESSION), 3);
    assert_int_equal(diags.errors, 3);
}

static void hostile(void **state)
{
    static const char *const units[] = {
        "not ", "- ",     "a + ", "a.", "f(", "{ x: ",    "[",       "when x { ", "tx { ", "record A { x: { ", "op A() ", "}",
        ")",    "\"\"\"", "\"",   "a ", "\n", "service ", "return ", "a[",        "x y\n", "let x = 1\n"};
    enum { LENGTH = 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (int inside = 0; inside < 2; inside++) {
            struct ecc_arena mine = arena;
            ecc_arena_init(&arena);
            size_t unit = strlen(units[i]), n = 0;
            char *text = ecc_arena_alloc(&arena, LENGTH + 200);
            if (inside)
                n = (size_t)sprintf(text, "service a \"A\" { op Do() { let x = ");
            while (n + unit < LENGTH) {
                memcpy(text + n, units[i], unit);
                n += unit;
            }
            const struct ecc_ast_file *file = parse_bytes("x.ecom", text, n);
            assert_non_null(file);
            assert_true(diags.errors > 0 || strcmp(units[i], "\n") == 0);
            written();
            ecc_arena_free(&arena);
            arena = mine;
        }
    }
}

static void expressions_are_bounded(void **state)
{
    char *text = ecc_arena_strdup(&arena, "let x = 1");

    (void)state;
    for (int i = 0; i < 150; i++)
        text = ecc_arena_printf(&arena, "%s + 1", text);
    body_of(text);
    for (int i = 0; i < 100; i++)
        text = ecc_arena_printf(&arena, "%s + 1", text);
    parse(ecc_arena_printf(&arena, "service a \"A\" { op Do() { %s } }", text));
    assert_int_equal(diags.errors, 1);
    assert_int_equal(diags.items[0]->code, ECC_E_TOO_DEEP);
}

static int begin(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_topology),
        TEST(every_construct),
        TEST(said_of_mistakes),
        TEST(each_keyword_may_be_a_name),
        TEST(a_return_knows_whether_it_has_a_value),
        TEST(lists_of_names_end_where_a_keyword_fits),
        TEST(unique_and_check_find_their_owner),
        TEST(precedence),
        TEST(literals),
        TEST(places_are_exact),
        TEST(one_mistake_is_one_error),
        TEST(the_rest_is_still_read),
        TEST(calls_stand_alone),
        TEST(hostile),
        TEST(expressions_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
