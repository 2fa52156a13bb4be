/* Forms and query strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

struct item {
    struct ec_str name;
    int64_t *qty;
};
static const struct ec_field item_fields[] = {
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct item, name)},
    {.name = "qty", .kind = EC_INT, .flags = EC_OPTIONAL, .offset = offsetof(struct item, qty)},
};
static const struct ec_record item_record = {"Item", sizeof(struct item), item_fields, 2, NULL};

struct order_form {
    int64_t limit;
    struct ec_str q;
    bool on;
    struct item main, *other;
    struct { struct item *v; size_t n; } items;
    struct ec_str_list tags;
    int64_t *at;
};
static const struct ec_field form_fields[] = {
    {.name = "limit", .kind = EC_INT, .flags = EC_DEFAULT | EC_BOUNDED, .offset = offsetof(struct order_form, limit), .min = 1, .max = 100},
    {.name = "q", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct order_form, q)},
    {.name = "on", .kind = EC_BOOL, .flags = EC_DEFAULT, .offset = offsetof(struct order_form, on)},
    {.name = "main", .kind = EC_RECORD, .offset = offsetof(struct order_form, main), .of = &item_record},
    {.name = "other", .kind = EC_RECORD, .flags = EC_OPTIONAL, .offset = offsetof(struct order_form, other), .of = &item_record},
    {.name = "items", .kind = EC_RECORD, .flags = EC_LIST, .offset = offsetof(struct order_form, items), .of = &item_record, .list_max = 3},
    {.name = "tags", .kind = EC_TEXT, .flags = EC_LIST | EC_OPTIONAL, .offset = offsetof(struct order_form, tags)},
    {.name = "at", .kind = EC_TIME, .flags = EC_OPTIONAL, .offset = offsetof(struct order_form, at)},
};
static const struct order_form form_preset = {.limit = 20};
static const struct ec_record form_record = {"Form", sizeof(struct order_form), form_fields, 8, &form_preset};

static struct ec_arena *arena;
static struct ec_json_error error;

static int setup(void **state)
{
    (void)state;
    arena = ec_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_arena_free(arena);
    return 0;
}

static enum ec_json_status read_form(const char *text, struct order_form *out)
{
    char *copy = malloc(strlen(text) + 1);
    enum ec_json_status status;

    memcpy(copy, text, strlen(text) + 1);
    status = ec_form_read(arena, (struct ec_str){copy, strlen(text)}, &form_record, out, 0, &error);
    free(copy); /* nothing points into it */
    return status;
}

static void assert_text(struct ec_str text, const char *expected)
{
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.p, expected, text.n);
}

static void nested(void **state)
{
    struct order_form f;

    (void)state;
    assert_int_equal(
        read_form("main[name]=a+b%26&items[0][name]=x&items[0][qty]=5&items%5B1%5D%5Bname%5D=y&tags[]=p&tags[]=q&q=&on=true&&", &f),
        EC_JSON_OK);
    assert_text(f.main.name, "a b&");
    assert_int_equal(f.limit, 20);
    assert_int_equal(f.items.n, 2);
    assert_int_equal(*f.items.v[0].qty, 5);
    assert_text(f.items.v[1].name, "y");
    assert_int_equal(f.tags.n, 2);
    assert_text(f.tags.v[1], "q");
    assert_non_null(f.q.p);
    assert_true(f.on);
    assert_null(f.other);
    assert_int_equal(read_form("main[name]=a", &f), EC_JSON_OK);
    assert_non_null(f.items.v);
    assert_int_equal(f.items.n, 0);
    assert_null(f.tags.v);
}

static void there_and_back(void **state)
{
    int64_t qty = -7, at = 1;
    struct item items[] = {{EC_STR("\xc3\xa9 &=[]%+"), &qty}, {EC_STR(""), NULL}}, other = {EC_STR("o"), NULL};
    struct ec_str tags[] = {EC_STR("one"), EC_STR("~t_w-o.")};
    struct order_form
        f = {.limit = 3, .q = EC_STR("?"), .main = items[0], .other = &other, .items = {items, 2}, .tags = {tags, 2}, .at = &at},
        g;
    struct ec_buf buf = {NULL, 0, 0}, again = {NULL, 0, 0};

    (void)state;
    ec_form_write(&buf, &form_record, &f);
    assert_int_equal(ec_form_read(arena, (struct ec_str){buf.p, buf.n}, &form_record, &g, 0, &error), EC_JSON_OK);
    ec_form_write(&again, &form_record, &g);
    assert_int_equal(buf.n, again.n);
    assert_memory_equal(buf.p, again.p, buf.n);
    assert_text(g.items.v[0].name, "\xc3\xa9 &=[]%+");
    assert_int_equal(*g.at, 1);
    buf.n = 0;
    ec_form_write(&buf, &item_record, &items[0]);
    assert_text((struct ec_str){buf.p, buf.n}, "name=%C3%A9+%26%3D%5B%5D%25%2B&qty=-7");
    ec_buf_free(&buf);
    ec_buf_free(&again);
}

static void refused(void **state)
{
    static const struct { const char *text; enum ec_json_status status; const char *path; } cases[] = {
        {"", EC_JSON_INVALID, "main"},
        {"main[name]=a&main[name]=b", EC_JSON_MALFORMED, ""},
        {"main=a&main[name]=b", EC_JSON_INVALID, "main"},
        {"main[name]=b&main=a", EC_JSON_MALFORMED, ""},
        {"main[name]=a&limit=0", EC_JSON_INVALID, "limit"},
        {"main[name]=a&limit=", EC_JSON_INVALID, "limit"},
        {"main[name]=a&limit=1e1", EC_JSON_INVALID, "limit"},
        {"main[name]=a&limit[x]=1", EC_JSON_INVALID, "limit"},
        {"main[name]=a&nope=1", EC_JSON_INVALID, "nope"},
        {"main[name]=a&main[x]=1", EC_JSON_INVALID, "main.x"},
        {"main[qty]=1", EC_JSON_INVALID, "main.name"},
        {"main[name]=a&items=1", EC_JSON_INVALID, "items"},
        {"main[name]=a&items[1][name]=x", EC_JSON_INVALID, "items"},
        {"main[name]=a&items[0][qty]=x", EC_JSON_INVALID, "items[0].qty"},
        {"main[name]=a&items[0][name]=x&items[1][name]=x&items[2][name]=x&items[3][name]=x", EC_JSON_INVALID, "items"},
        {"main[name=a", EC_JSON_MALFORMED, ""},
        {"main[name]x=a", EC_JSON_MALFORMED, ""},
        {"[name]=a", EC_JSON_MALFORMED, ""},
        {"=a", EC_JSON_MALFORMED, ""},
        {"main[name]=%", EC_JSON_MALFORMED, ""},
        {"main[name]=%4", EC_JSON_MALFORMED, ""},
        {"main[name]=%4g", EC_JSON_MALFORMED, ""},
        {"main[name]=%00", EC_JSON_MALFORMED, ""},
        {"main[name]=%ff", EC_JSON_MALFORMED, ""},
        {"main[name]=a&a[a][a][a][a][a][a][a][a][a][a][a][a][a][a][a][a][a]=1", EC_JSON_MALFORMED, ""},
    };
    static const struct ec_record nothing = {.name = "nothing"};
    struct ec_buf many = {NULL, 0, 0};
    struct order_form f;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum ec_json_status status = read_form(cases[i].text, &f);

        if (status != cases[i].status || strcmp(error.path, cases[i].path) != 0)
            fail_msg("%s: status %d, path %s, message %s", cases[i].text, (int)status, error.path, error.message);
    }
    for (i = 0; i < 2000; i++)
        ec_buf_printf(&many, "a%zu=1&", i);
    assert_int_equal(ec_form_read(arena, (struct ec_str){many.p, many.n}, &form_record, &f, EC_JSON_LENIENT, &error), EC_JSON_MALFORMED);
    ec_buf_free(&many);
    assert_int_equal(ec_form_read(arena, EC_STR("a=1"), &nothing, NULL, 0, &error), EC_JSON_INVALID); /* no fields, nowhere to put them */
    assert_int_equal(ec_form_read(arena, EC_STR("a=1"), &nothing, NULL, EC_JSON_LENIENT, &error), EC_JSON_OK);
}

static void lenient(void **state)
{
    struct order_form f;

    (void)state;
    assert_int_equal(ec_form_read(arena, EC_STR("x=1&main[name]=a&y[z]=2"), &form_record, &f, EC_JSON_LENIENT, &error), EC_JSON_OK);
    assert_text(f.main.name, "a");
}

static void percent(void **state)
{
    struct ec_str out;

    (void)state;
    assert_true(ec_percent_decode(arena, EC_STR("a%20b+c%2f"), false, &out));
    assert_text(out, "a b+c/");
    assert_true(ec_percent_decode(arena, EC_STR("a+b"), true, &out));
    assert_text(out, "a b");
    assert_false(ec_percent_decode(arena, EC_STR("%"), false, &out));
    assert_false(ec_percent_decode(arena, EC_STR("%00"), false, &out));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(nested), T(there_and_back), T(refused), T(lenient), T(percent)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
