/* The typed JSON reader and writer: shapes, limits, hostile input; jansson as the second opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json.h"

enum color { COLOR_RED, COLOR_DARK_BLUE };
static const struct ec_enum color_enum = {"Color", (const char *const[]){"red", "dark_blue"}, 2};

struct part {
    struct ec_str name;
    int64_t qty;
};
static const struct ec_record part_record = {
    "Part", sizeof(struct part),
    (const struct ec_field[]){
        {.name = "name", .kind = EC_TEXT, .flags = EC_BOUNDED, .offset = offsetof(struct part, name), .min = 1, .max = 5},
        {.name = "qty", .kind = EC_INT, .flags = EC_BOUNDED, .offset = offsetof(struct part, qty), .min = 1, .max = 1000},
    },
    2, NULL,
};
struct part_list {
    struct part *v;
    size_t n;
};

struct thing {
    struct ec_uuid id;
    struct ec_str title, note, mail, extra;
    int64_t count, *limit, at, *seen_at;
    double ratio, *score;
    bool on, *maybe;
    enum color color, *other;
    struct part first, *second;
    struct part_list parts, more;
    struct ec_str_list tags;
    struct ec_int_list numbers;
};
#define F(member, k, fl, ...) {.name = #member, .kind = (k), .flags = (fl), .offset = offsetof(struct thing, member), ##__VA_ARGS__}
static const struct ec_field thing_fields[] = {
    F(id, EC_UUID, 0),
    F(title, EC_TEXT, 0),
    F(note, EC_TEXT, EC_OPTIONAL),
    F(mail, EC_EMAIL, EC_OPTIONAL),
    F(extra, EC_JSON, EC_OPTIONAL),
    F(count, EC_INT, EC_DEFAULT),
    F(limit, EC_INT, EC_OPTIONAL | EC_BOUNDED, .min = 0, .max = 10),
    F(at, EC_TIME, 0),
    F(seen_at, EC_TIME, EC_OPTIONAL),
    F(ratio, EC_FLOAT, 0),
    F(score, EC_FLOAT, EC_OPTIONAL),
    F(on, EC_BOOL, 0),
    F(maybe, EC_BOOL, EC_OPTIONAL),
    F(color, EC_ENUM, 0, .of = &color_enum),
    F(other, EC_ENUM, EC_OPTIONAL, .of = &color_enum),
    F(first, EC_RECORD, 0, .of = &part_record),
    F(second, EC_RECORD, EC_OPTIONAL, .of = &part_record),
    F(parts, EC_RECORD, EC_LIST, .of = &part_record, .list_min = 1, .list_max = 3),
    F(more, EC_RECORD, EC_LIST | EC_OPTIONAL, .of = &part_record),
    F(tags, EC_TEXT, EC_LIST | EC_OPTIONAL),
    F(numbers, EC_INT, EC_LIST | EC_OPTIONAL | EC_BOUNDED, .min = -1, .max = INT64_MAX),
};
static const struct thing thing_preset = {.count = 20};
static const struct ec_record thing_record = {"Thing", sizeof(struct thing), thing_fields, sizeof(thing_fields) / sizeof(thing_fields[0]),
                                              &thing_preset};

#define REQUIRED \
    "\"id\":\"018f4e3c-7b1a-7000-8000-0123456789ab\",\"title\":\"x\",\"at\":\"2030-01-31T12:00:00Z\",\"ratio\":0.5,\"on\":true," \
    "\"color\":\"red\",\"first\":{\"name\":\"a\",\"qty\":1},\"parts\":[{\"name\":\"b\",\"qty\":2}]"

struct wide {
    int64_t v[70];
};
static struct ec_field wide_fields[70];
static char wide_names[70][16];
static const struct ec_record wide_record = {"Wide", sizeof(struct wide), wide_fields, 70, NULL};

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

/* A copy of exactly its size on the heap, so that a sanitizer sees a read beyond the end. */
static struct ec_str exact(const char *text, size_t n)
{
    char *p = malloc(n ? n : 1);

    memcpy(p, text, n);
    return (struct ec_str){p, n};
}

static enum ec_json_status read_n(const char *text, size_t n, struct thing *out, unsigned flags)
{
    struct ec_str copy = exact(text, n);
    enum ec_json_status status = ec_json_read(arena, copy, &thing_record, out, flags, &error);

    /* Texts point into the input: keep it with the arena's life by reading from there. */
    if (status == EC_JSON_OK)
        status = ec_json_read(arena, ec_arena_copy(arena, copy), &thing_record, out, flags, &error);
    free((void *)copy.p);
    return status;
}

static enum ec_json_status read_thing(const char *text, struct thing *out)
{
    return read_n(text, strlen(text), out, 0);
}

static void assert_text(struct ec_str text, const char *expected)
{
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.p, expected, text.n);
}

static void required_alone(void **state)
{
    struct thing t;

    (void)state;
    assert_int_equal(read_thing("{" REQUIRED "}", &t), EC_JSON_OK);
    assert_text(t.title, "x");
    assert_null(t.note.p);
    assert_null(t.limit);
    assert_null(t.second);
    assert_null(t.tags.v);
    assert_int_equal(t.count, 20);
    assert_int_equal(t.at, 1896091200000000);
    assert_true(t.on);
    assert_int_equal(t.color, COLOR_RED);
    assert_int_equal(t.parts.n, 1);
    assert_int_equal(t.parts.v[0].qty, 2);
    assert_int_equal(t.id.b[0], 1);
    assert_int_equal(t.id.b[15], 0xab);
}

static const char everything[] =
    "{" REQUIRED ",\"note\":\"\",\"mail\":\"a@b.example\",\"extra\":{\"a\":[1,2,{\"b\":null}]},\"count\":-9223372036854775808,"
    "\"limit\":10,\"seen_at\":\"1969-12-31T23:59:59.999999Z\",\"score\":-1.5e-300,\"maybe\":false,\"other\":\"dark_blue\","
    "\"second\":{\"name\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"qty\":1000},\"more\":[],\"tags\":[\"q\\\"\\\\\\n\",\"\"],\"numbers\":["
    "1,2,3,4,5,6,7,8,9]}";

static void everything_there_and_back(void **state)
{
    struct ec_buf buf = {NULL, 0, 0}, again = {NULL, 0, 0};
    struct thing t, u;
    json_t *a, *b;

    (void)state;
    assert_int_equal(read_thing(everything, &t), EC_JSON_OK);
    assert_non_null(t.note.p);
    assert_int_equal(t.note.n, 0);
    assert_int_equal(t.count, INT64_MIN);
    assert_int_equal(*t.limit, 10);
    assert_int_equal(*t.seen_at, -1);
    assert_true(*t.score == -1.5e-300);
    assert_false(*t.maybe);
    assert_int_equal(*t.other, COLOR_DARK_BLUE);
    assert_int_equal(t.second->qty, 1000);
    assert_non_null(t.more.v);
    assert_int_equal(t.more.n, 0);
    assert_text(t.tags.v[0], "q\"\\\n");
    assert_int_equal(t.numbers.v[8], 9);
    assert_text(t.extra, "{\"a\":[1,2,{\"b\":null}]}");

    ec_json_write(&buf, &thing_record, &t);
    assert_int_equal(read_n(buf.p, buf.n, &u, 0), EC_JSON_OK);
    ec_json_write(&again, &thing_record, &u);
    assert_int_equal(buf.n, again.n);
    assert_memory_equal(buf.p, again.p, buf.n);
    a = json_loadb(buf.p, buf.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(a);
    assert_int_equal(json_integer_value(json_object_get(a, "count")), INT64_MIN);
    assert_string_equal(json_string_value(json_object_get(json_object_get(a, "second"), "name")), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    b = json_loadb(everything, sizeof(everything) - 1, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_object_size(a), json_object_size(b));
    json_decref(a);
    json_decref(b);
    ec_buf_free(&buf);
    ec_buf_free(&again);
}

static void any_order_and_white_space(void **state)
{
    struct part p;

    (void)state;
    assert_int_equal(ec_json_read(arena, EC_STR(" \r\n\t{ \"qty\" : 7 , \"name\" : \"z\" } \n"), &part_record, &p, 0, &error), EC_JSON_OK);
    assert_int_equal(p.qty, 7);
    assert_text(p.name, "z");
    assert_int_equal(
        ec_json_read(arena, EC_STR("{\"q\\u0074y\":7,\"n\\u0061me\":\"\\u00e9\\ud83d\\ude00\\/\"}"), &part_record, &p, 0, &error),
        EC_JSON_OK);
    assert_text(p.name, "\xc3\xa9\xf0\x9f\x98\x80/");
}

static void mistakes_of_types(void **state)
{
    static const struct { const char *text, *path, *message;
    } cases[] = {
        {"{}", "id", "is required"},
        {"[]", "", "must be an object"},
        {"{\"parts\":[{\"name\":\"b\",\"qty\":2},{\"name\":\"b\",\"qty\":0}]}", "parts[1].qty", "must be between 1 and 1000"},
        {"{\"parts\":[{\"name\":\"\",\"qty\":2}]}", "parts[0].name", "must have 1 to 5 characters"},
        {"{\"parts\":[{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x\",\"qty\":2}]}", "parts[0].name",
         "must have 1 to 5 characters"},
        {"{\"parts\":[{\"name\":\"b\"}]}", "parts[0].qty", "is required"},
        {"{\"parts\":[]}", "parts", "must have 1 to 3 items"},
        {"{\"parts\":[{\"name\":\"b\",\"qty\":2},{\"name\":\"b\",\"qty\":2},{\"name\":\"b\",\"qty\":2},1]}", "parts",
         "must have 1 to 3 items"},
        {"{\"parts\":{}}", "parts", "must be a list"},
        {"{\"count\":1.5}", "count", "must be a whole number"},
        {"{\"count\":1e-3}", "count", "must be a whole number"},
        {"{\"count\":\"1\"}", "count", "must be a whole number"},
        {"{\"count\":9223372036854775808}", "count", "does not fit 64 bits"},
        {"{\"count\":-9223372036854775809}", "count", "does not fit 64 bits"},
        {"{\"count\":99999999999999999999999999}", "count", "does not fit 64 bits"},
        {"{\"count\":null}", "count", "must not be null"},
        {"{\"limit\":11}", "limit", "must be between 0 and 10"},
        {"{\"numbers\":[0,-2]}", "numbers[1]", "must be at least -1"},
        {"{\"tags\":[\"a\",null]}", "tags[1]", "must not be null"},
        {"{\"title\":5}", "title", "must be text"},
        {"{\"title\":\"a\\u0000b\"}", "title", "must not contain NUL"},
        {"{\"mail\":\"nobody\"}", "mail", "must be an email address"},
        {"{\"id\":\"018f4e3c7b1a70008000-0123456789ab\"}", "id", "must be a uuid"},
        {"{\"at\":\"2030-02-30T12:00:00Z\"}", "at", "must be a time such as 2030-01-31T12:00:00Z"},
        {"{\"color\":\"green\"}", "color", "must be one of red dark_blue"},
        {"{\"color\":0}", "color", "must be one of red dark_blue"},
        {"{\"on\":1}", "on", "must be true or false"},
        {"{\"ratio\":1e999}", "ratio", "is too large"},
        {"{\"second\":{\"name\":\"b\",\"qty\":2,\"x\":1}}", "second.x", "is not known here"},
        {"{\"nope\":1}", "nope", "is not known here"},
    };
    struct thing t;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_thing(cases[i].text, &t), EC_JSON_INVALID);
        assert_string_equal(error.path, cases[i].path);
        assert_string_equal(error.message, cases[i].message);
    }
}

static void not_json(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "}",
        "{\"",
        "{\"a",
        "{\"title\"",
        "{\"title\":",
        "{\"title\":\"",
        "{\"title\":\"x\"",
        "{\"title\":\"x\",}",
        "{,}",
        "{\"title\" \"x\"}",
        "{title:1}",
        "{'title':1}",
        "{\"count\":01}",
        "{\"count\":+1}",
        "{\"count\":.5}",
        "{\"count\":1.}",
        "{\"count\":1e}",
        "{\"count\":-}",
        "{\"count\":0x10}",
        "{\"ratio\":NaN}",
        "{\"ratio\":Infinity}",
        "{\"on\":tru}",
        "{\"on\":True}",
        "{\"on\":nul}",
        "{\"title\":\"\x01\"}",
        "{\"title\":\"\n\"}",
        "{\"title\":\"\\x\"}",
        "{\"title\":\"\\u12g4\"}",
        "{\"title\":\"\\u12\"}",
        "{\"title\":\"\\ud800\"}",
        "{\"title\":\"\\udc00\"}",
        "{\"title\":\"\\ud800\\ud800\"}",
        "{\"title\":\"\\ud800x\"}",
        "{\"title\":\"\\",
        "{\"title\":\"\\u",
        "{\"title\":\"\\ud800\\u",
        "{\"title\":\"\xff\"}",
        "{\"title\":\"\xc0\x80\"}",
        "{\"title\":\"\xe0\x80\x80\"}",
        "{\"title\":\"\xed\xa0\x80\"}",
        "{\"title\":\"\xf4\x90\x80\x80\"}",
        "{\"title\":\"\xf0\x80\x80\x80\"}",
        "{\"title\":\"\xc3\"}",
        "{\"title\":\"\xe2\x82\"}",
        "{\"title\":\"\xc3",
        "{\"title\":\"abcdefgh\xe2\x82",
        "{\"title\":\"x\"} x",
        "{\"title\":\"x\"}{}",
        "{\"title\":\"x\",\"title\":\"y\"}",
        "{\"title\":\"x\",\"t\\u0069tle\":\"y\"}",
        "{\"count\":\"a\",",
        "{\"count\":\"a\"",
        "{\"nope\":1",
        "{\"extra\":{\"a\":1,\"b\":2,\"a\":3}}",
        "{\"extra\":{\"a\":1,\"\\u0061\":3}}",
        "{\"extra\":[}]}",
        "{\"extra\":[1 2]}",
        "{\"extra\":[1,]}",
        "\xef\xbb\xbf{}",
        "nul",
        "[",
        "\"",
        "1 1",
        "/* */{}",
        "{\"tags\":[\"a\"",
        "{\"parts\":[{\"name\":\"b\",\"qty\":2}",
        "{\"parts\":[{\"name\":\"b\",\"qty\":2}}",
    };
    struct thing t;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (read_thing(cases[i], &t) != EC_JSON_MALFORMED)
            fail_msg("not refused as malformed: %s (%s: %s)", cases[i], error.path, error.message);
    assert_int_equal(read_n("{}\0", 3, &t, 0), EC_JSON_MALFORMED);
    assert_int_equal(read_n("{\"title\":\"a\0b\"}", 15, &t, 0), EC_JSON_MALFORMED);
    assert_int_equal(ec_json_read(arena, (struct ec_str){NULL, 0}, &thing_record, &t, 0, NULL), EC_JSON_MALFORMED);
}

static void depth(void **state)
{
    char text[400];
    struct ec_str out;
    struct ec_field field = {.name = "d", .kind = EC_JSON};
    int n;

    (void)state;
    for (n = 63; n <= 66; n++) {
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        assert_int_equal(ec_json_read_field(arena, (struct ec_str){text, 2 * (size_t)n}, &field, &out, 0, &error),
                         n <= 64 ? EC_JSON_OK : EC_JSON_MALFORMED);
    }
    memset(text, '[', sizeof(text));
    assert_int_equal(ec_json_read_field(arena, (struct ec_str){text, sizeof(text)}, &field, &out, 0, &error), EC_JSON_MALFORMED);
}

/* A field that was renamed: written under both names, read under either; where both are there, the present one counts. */
static void renamed(void **state)
{
    static const struct ec_field fields[] = {
        {.name = "title", .kind = EC_TEXT, .offset = offsetof(struct part, name), .was = "name"},
        {.name = "qty", .kind = EC_INT, .offset = offsetof(struct part, qty), .was = "count"},
    };
    static const struct ec_record record = {"Part", sizeof(struct part), fields, 2, NULL};
    static const struct {
        const char *text;
        enum ec_json_status status;
    } cases[] = {
        {"{\"title\":\"a\",\"qty\":1}", EC_JSON_OK},
        {"{\"name\":\"a\",\"count\":1}", EC_JSON_OK},
        {"{\"count\":1,\"title\":\"a\"}", EC_JSON_OK},
        {"{\"title\":\"a\",\"name\":\"old\",\"qty\":1,\"count\":9}", EC_JSON_OK},
        {"{\"name\":\"old\",\"count\":9,\"qty\":1,\"title\":\"a\"}", EC_JSON_OK},
        {"{\"title\":\"a\",\"name\":7,\"qty\":1}", EC_JSON_OK}, /* nobody reads it */
        {"{\"name\":7,\"title\":\"a\",\"qty\":1}", EC_JSON_INVALID},
        {"{\"title\":\"a\",\"name\":,\"qty\":1}", EC_JSON_MALFORMED},
        {"{\"title\":\"a\",\"name\":\"a\",\"name\":\"a\",\"qty\":1}", EC_JSON_MALFORMED},
        {"{\"name\":\"a\",\"title\":\"a\",\"title\":\"a\",\"qty\":1}", EC_JSON_MALFORMED},
        {"{\"name\":\"a\"}", EC_JSON_INVALID},
        {"{\"names\":\"a\",\"qty\":1}", EC_JSON_INVALID},
    };
    struct ec_buf buf = {NULL, 0, 0};
    struct part p;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum ec_json_status status = ec_json_read(arena, (struct ec_str){cases[i].text, strlen(cases[i].text)}, &record, &p, 0, &error);

        if (status != cases[i].status || (status == EC_JSON_OK && (!ec_str_eq(p.name, EC_STR("a")) || p.qty != 1)))
            fail_msg("%s: %d, %s %s", cases[i].text, status, error.path, error.message);
    }
    p = (struct part){.name = EC_STR("a"), .qty = 1};
    ec_json_write(&buf, &record, &p);
    ec_json_write_with(&buf, &record, &p, EC_JSON_NEW_NAMES);
    ec_buf_add(&buf, "", 1);
    assert_string_equal(buf.p, "{\"title\":\"a\",\"name\":\"a\",\"qty\":1,\"count\":1}{\"title\":\"a\",\"qty\":1}");
    ec_buf_free(&buf);
    assert_int_equal(ec_form_read(arena, EC_STR("name=a&qty=1"), &record, &p, 0, &error), EC_JSON_OK);
    assert_true(ec_str_eq(p.name, EC_STR("a")));
}

static void lenient(void **state)
{
    static const char text[] = "{\"object\":\"list\",\"name\":\"b\",\"meta\":{\"x\":[1,2.5,\"\\n\",true,null]},\"qty\":2,\"e\":\"\"}";
    struct part p;

    (void)state;
    assert_int_equal(ec_json_read(arena, (struct ec_str){text, sizeof(text) - 1}, &part_record, &p, EC_JSON_LENIENT, &error), EC_JSON_OK);
    assert_int_equal(p.qty, 2);
    assert_int_equal(ec_json_read(arena, EC_STR("{\"a\":1,\"name\":\"b\",\"qty\":2,\"a\":1}"), &part_record, &p, EC_JSON_LENIENT, &error),
                     EC_JSON_MALFORMED);
    assert_int_equal(ec_json_read(arena, EC_STR("{\"a\":{,\"name\":\"b\",\"qty\":2}"), &part_record, &p, EC_JSON_LENIENT, &error),
                     EC_JSON_MALFORMED);
}

static void many_members(void **state)
{
    struct ec_buf buf = {NULL, 0, 0};
    struct ec_field field = {.name = "d", .kind = EC_JSON};
    struct ec_str out;
    struct wide w, x;
    int i;

    (void)state;
    for (i = 0; i < 70; i++) {
        snprintf(wide_names[i], sizeof(wide_names[i]), "m%d", i);
        wide_fields[i] = (struct ec_field){.name = wide_names[i], .kind = EC_INT, .offset = (size_t)i * sizeof(int64_t)};
        w.v[i] = i * 1000003;
    }
    ec_json_write(&buf, &wide_record, &w);
    assert_int_equal(ec_json_read(arena, (struct ec_str){buf.p, buf.n}, &wide_record, &x, 0, &error), EC_JSON_OK);
    assert_memory_equal(&w, &x, sizeof(w));
    buf.n--;
    ec_buf_str(&buf, ",\"m69\":1}");
    assert_int_equal(ec_json_read(arena, (struct ec_str){buf.p, buf.n}, &wide_record, &x, 0, &error), EC_JSON_MALFORMED);
    buf.n = 0;
    ec_buf_str(&buf, "{");
    for (i = 0; i < 50000; i++)
        ec_buf_printf(&buf, "\"k%d\":%d,", i, i);
    ec_buf_str(&buf, "\"last\":0}");
    assert_int_equal(ec_json_read_field(arena, (struct ec_str){buf.p, buf.n}, &field, &out, 0, &error), EC_JSON_OK);
    assert_int_equal(out.n, buf.n);
    buf.n--;
    ec_buf_str(&buf, ",\"k31313\":0}");
    assert_int_equal(ec_json_read_field(arena, (struct ec_str){buf.p, buf.n}, &field, &out, 0, &error), EC_JSON_MALFORMED);
    ec_buf_free(&buf);
}

static void single_values(void **state)
{
    struct ec_field list = {.name = "l", .kind = EC_INT, .flags = EC_LIST}, optional = {.name = "o", .kind = EC_INT, .flags = EC_OPTIONAL};
    struct ec_field document = {.name = "d", .kind = EC_JSON};
    struct ec_buf buf = {NULL, 0, 0};
    struct ec_int_list numbers;
    struct ec_str text;
    int64_t *maybe = NULL;
    static const struct ec_field parts[] = {{.name = "shown", .kind = EC_INT, .flags = EC_OPTIONAL | EC_NULL},
                                            {.name = "left_out", .kind = EC_INT, .flags = EC_OPTIONAL, .offset = sizeof(int64_t *)}};
    static const struct ec_record parts_record = {.name = "parts", .size = 2 * sizeof(int64_t *), .fields = parts, .nfields = 2}, nothing = {.name = "nothing"};

    (void)state;
    assert_int_equal(ec_json_read_field(arena, EC_STR("[1,-0,3]"), &list, &numbers, 0, &error), EC_JSON_OK);
    assert_int_equal(numbers.n, 3);
    ec_json_write_field(&buf, &list, &numbers);
    assert_text((struct ec_str){buf.p, buf.n}, "[1,0,3]");
    assert_int_equal(ec_json_read_field(arena, EC_STR("null"), &optional, &maybe, 0, &error), EC_JSON_OK);
    assert_null(maybe);
    buf.n = 0;
    ec_json_write_field(&buf, &optional, &maybe);
    assert_text((struct ec_str){buf.p, buf.n}, "null");
    buf.n = 0;
    ec_json_write(&buf, &parts_record, &(int64_t *[]){NULL, NULL});
    assert_text((struct ec_str){buf.p, buf.n}, "{\"shown\":null}");
    assert_int_equal(ec_json_read(arena, EC_STR("{\"a\":1}"), &nothing, NULL, 0, &error), EC_JSON_INVALID); /* no fields, nowhere to put them */
    assert_int_equal(ec_json_read(arena, EC_STR("{}"), &nothing, NULL, 0, &error), EC_JSON_OK);
    assert_int_equal(ec_json_read_field(arena, EC_STR("5"), &optional, &maybe, 0, &error), EC_JSON_OK);
    assert_int_equal(*maybe, 5);
    assert_int_equal(ec_json_read_field(arena, EC_STR(" null "), &document, &text, 0, &error), EC_JSON_OK);
    assert_text(text, "null");
    ec_buf_free(&buf);
}

/* Whatever bytes a text has, what is written is JSON that a second reader accepts. */
static void written_text_is_json(void **state)
{
    struct ec_buf buf = {NULL, 0, 0};
    unsigned seed = 7;
    int round, i;

    (void)state;
    for (round = 0; round < 2000; round++) {
        char bytes[40];
        json_t *value;
        int n = round % (int)sizeof(bytes);

        for (i = 0; i < n; i++)
            bytes[i] = (char)(rand_r(&seed) >> 4);
        buf.n = 0;
        ec_json_write_text(&buf, (struct ec_str){bytes, (size_t)n});
        value = json_loadb(buf.p, buf.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        json_decref(value);
    }
    ec_buf_free(&buf);
}

/* Cut off and changed texts: both readers agree on what is JSON. jansson takes NUL and lone depth differently, those are left out. */
static void agrees_with_jansson(void **state)
{
    struct ec_field field = {.name = "d", .kind = EC_JSON};
    static const char pool[] = "{}[]\",:0123456789-+.eE\\u/tfnrals \n\x01\x80\xc3\xa9";
    unsigned seed = 11;
    int round, agreed = 0;

    (void)state;
    for (round = 0; round < 60000; round++) {
        char text[sizeof(everything)];
        size_t n = sizeof(everything) - 1, from = (size_t)rand_r(&seed) % n, length = (size_t)rand_r(&seed) % (n - from) + 1, k;
        struct ec_str copy, out;
        bool mine;
        json_t *value;

        if (round % 3 == 0)
            from = 0, length = n;
        memcpy(text, everything + from, length);
        for (k = (size_t)rand_r(&seed) % 3; k > 0; k--)
            text[(size_t)rand_r(&seed) % length] = pool[(size_t)rand_r(&seed) % (sizeof(pool) - 1)];
        if (round % 7 == 0)
            length = (size_t)rand_r(&seed) % length + 1;
        copy = exact(text, length);
        mine = ec_json_read_field(arena, copy, &field, &out, 0, &error) == EC_JSON_OK;
        value = json_loadb(copy.p, copy.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        /* jansson refuses integers beyond 64 bits and reals beyond a double even where they are only carried. */
        if (mine != (value != NULL) && !(mine && !value))
            fail_msg("only jansson accepts: %.*s", (int)length, copy.p);
        agreed += mine && value;
        json_decref(value);
        free((void *)copy.p);
        if (round % 500 == 0) {
            ec_arena_free(arena);
            arena = ec_arena_new();
        }
    }
    assert_true(agreed > 1000);
}

/* A path has 127 bytes: of a longer one the beginning is told, with a sign that it goes on. */
#define LONG_1 "and_the_one_in_which_they_both_are_has_a_long_name_too"
#define LONG_2 "another_member_whose_name_takes_more_than_a_third_of_it"
#define LONG_3 "a_member_whose_name_takes_more_than_a_third_of_a_path"
static const struct ec_field long_fields[] = {{.name = LONG_3, .kind = EC_INT}};
static const struct ec_record long_inner = {"Inner", sizeof(int64_t), long_fields, 1, NULL};
static const struct ec_field longer_fields[] = {{.name = LONG_2, .kind = EC_RECORD, .of = &long_inner}};
static const struct ec_record long_middle = {"Middle", sizeof(int64_t), longer_fields, 1, NULL};
static const struct ec_field longest_fields[] = {{.name = LONG_1, .kind = EC_RECORD, .of = &long_middle}};
static const struct ec_record long_outer = {"Outer", sizeof(int64_t), longest_fields, 1, NULL};

static void a_long_path_is_cut(void **state)
{
    int64_t out;

    (void)state;
    assert_int_equal(ec_json_read(arena, EC_STR("{\"" LONG_1 "\":{\"" LONG_2 "\":{\"" LONG_3 "\":\"x\"}}}"), &long_outer, &out, 0, &error),
                     EC_JSON_INVALID);
    assert_string_equal(error.path, LONG_1 "." LONG_2 ".a_member_whos...");
    assert_int_equal(strlen(error.path), sizeof(error.path) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_path_is_cut),
        cmocka_unit_test(required_alone),
        cmocka_unit_test(everything_there_and_back),
        cmocka_unit_test(any_order_and_white_space),
        cmocka_unit_test(mistakes_of_types),
        cmocka_unit_test(not_json),
        cmocka_unit_test(depth),
        cmocka_unit_test(lenient),
        cmocka_unit_test(renamed),
        cmocka_unit_test(many_members),
        cmocka_unit_test(single_values),
        cmocka_unit_test(written_text_is_json),
        cmocka_unit_test(agrees_with_jansson),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
