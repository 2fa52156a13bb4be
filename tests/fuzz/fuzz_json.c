/* Any bytes through the readers of JSON, forms and scalars: nothing may be read beyond the end, nothing may leak, what is accepted must be
 * written as JSON (or a form) that reads back to the same text. See tests/fuzz/run.py. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum color { RED, BLUE };
static const struct ec_enum color_enum = {"Color", (const char *const[]){"red", "blue"}, 2};

struct leaf {
    struct ec_str name;
    int64_t n;
};
static const struct ec_field leaf_fields[] = {
    {.name = "name", .kind = EC_TEXT, .flags = EC_BOUNDED, .offset = offsetof(struct leaf, name), .min = 0, .max = 8},
    {.name = "n", .kind = EC_INT, .flags = EC_DEFAULT, .offset = offsetof(struct leaf, n)},
};
static const struct ec_record leaf_record = {"Leaf", sizeof(struct leaf), leaf_fields, 2, NULL};

struct tree {
    struct ec_str t, mail, doc;
    int64_t i, *at;
    double *f;
    bool *b;
    struct ec_uuid *id;
    int *color;
    struct leaf *leaf;
    struct { struct leaf *v; size_t n; } leaves;
    struct ec_str_list words, docs;
    struct tree *tree;
};
static const struct ec_record tree_record;
#define F(member, k, fl, ...) {.name = #member, .kind = (k), .flags = (fl), .offset = offsetof(struct tree, member), ##__VA_ARGS__}
static const struct ec_field tree_fields[] = {
    F(t, EC_TEXT, EC_OPTIONAL),
    F(mail, EC_EMAIL, EC_OPTIONAL),
    F(doc, EC_JSON, EC_OPTIONAL),
    F(i, EC_INT, EC_DEFAULT | EC_BOUNDED, .min = -100, .max = INT64_MAX),
    F(at, EC_TIME, EC_OPTIONAL),
    F(f, EC_FLOAT, EC_OPTIONAL),
    F(b, EC_BOOL, EC_OPTIONAL),
    F(id, EC_UUID, EC_OPTIONAL),
    F(color, EC_ENUM, EC_OPTIONAL, .of = &color_enum),
    F(leaf, EC_RECORD, EC_OPTIONAL, .of = &leaf_record),
    F(leaves, EC_RECORD, EC_LIST | EC_OPTIONAL, .of = &leaf_record, .list_max = 9),
    F(words, EC_TEXT, EC_LIST | EC_OPTIONAL),
    F(docs, EC_JSON, EC_LIST | EC_OPTIONAL),
    F(tree, EC_RECORD, EC_OPTIONAL, .of = &tree_record),
};
static const struct ec_record tree_record = {"Tree", sizeof(struct tree), tree_fields, sizeof(tree_fields) / sizeof(tree_fields[0]), NULL};

typedef void writer(struct ec_buf *buf, const struct ec_record *record, const void *value);
typedef enum ec_json_status reader(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, void *out, unsigned flags,
                                   struct ec_json_error *error);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Accepted once: written, read, written again: twice the same bytes. */
static void there_and_back(struct ec_arena *arena, const struct tree *tree, reader *read, writer *write)
{
    struct ec_buf first = {NULL, 0, 0}, second = {NULL, 0, 0};
    struct ec_json_error error;
    struct tree again;

    write(&first, &tree_record, tree);
    if (first.n > 0) {
        if (read(arena, (struct ec_str){first.p, first.n}, &tree_record, &again, 0, &error) != EC_JSON_OK)
            abort();
        write(&second, &tree_record, &again);
        if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0)
            abort();
    }
    ec_buf_free(&first);
    ec_buf_free(&second);
}

/* A form can't write an empty list or an empty record, and only a limited number of pairs: such structs don't come back. */
static int form_can_write(const struct ec_buf *json)
{
    static const char *const not_in_forms[] = {"[]", "{}"};
    size_t i, k, commas = 0;

    for (i = 0; i < json->n; i++)
        commas += json->p[i] == ',';
    for (k = 0; k < 2; k++)
        if (json->n > 2 && memmem(json->p, json->n, not_in_forms[k], 2))
            return 0;
    return commas < 900;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_buf json = {NULL, 0, 0};
    struct ec_json_error error;
    struct tree tree;
    struct ec_str text, out;
    uint8_t mode = size ? data[0] : 0;
    size_t i;

    if (size == 0) {
        ec_arena_free(arena);
        return 0;
    }
    text = (struct ec_str){(const char *)data + 1, size - 1};
    if (mode % 4 < 2) {
        if (ec_json_read(arena, text, &tree_record, &tree, mode % 4 ? EC_JSON_LENIENT : 0, &error) == EC_JSON_OK)
            there_and_back(arena, &tree, ec_json_read, ec_json_write);
    } else if (mode % 4 == 2) {
        if (ec_form_read(arena, text, &tree_record, &tree, mode & 4 ? EC_JSON_LENIENT : 0, &error) == EC_JSON_OK) {
            there_and_back(arena, &tree, ec_json_read, ec_json_write);
            ec_json_write(&json, &tree_record, &tree);
            if (form_can_write(&json))
                there_and_back(arena, &tree, ec_form_read, ec_form_write);
            ec_buf_free(&json);
        }
    } else {
        for (i = 0; i < tree_record.nfields; i++)
            ec_scalar_read(arena, text, &tree_fields[i], (char *)&tree + tree_fields[i].offset, &error);
        ec_percent_decode(arena, text, true, &out);
    }
    ec_arena_free(arena);
    return 0;
}
