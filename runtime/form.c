/* application/x-www-form-urlencoded between bytes and structs, and query strings.
 *
 * Nested: record[member]=v, list[0]=v, list[0][member]=v, and list[]=v for the next item. Reading first builds a small tree of the names in
 * the arena, then fills the struct from it by its table; a list's items must come as 0, 1, 2 ... Both the number of pairs and the depth of
 * names are bounded, and a value that comes twice is refused, as in JSON.
 */
#include <stdio.h>
#include <string.h>

#include "scalar.h"

enum { MAX_PAIRS = 1000, MAX_DEPTH = 16 };

/* ------------------------------------------------------------------ writing */

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

static void write_encoded(struct ec_buf *buf, struct ec_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c && strchr(unreserved, c)) {
            ec_buf_add(buf, text.p + i, 1);
        } else if (c == ' ') {
            ec_buf_add(buf, "+", 1);
        } else {
            char hex[3] = {'%', digits[c >> 4], digits[c & 15]};

            ec_buf_add(buf, hex, 3);
        }
    }
}

static void write_record(struct ec_buf *buf, struct ec_buf *name, const struct ec_record *record, const void *value);

static void write_pair(struct ec_buf *buf, const struct ec_buf *name, struct ec_str value)
{
    if (buf->n)
        ec_buf_add(buf, "&", 1);
    ec_buf_add(buf, name->p, name->n);
    ec_buf_add(buf, "=", 1);
    write_encoded(buf, value);
}

static void write_item(struct ec_buf *buf, struct ec_buf *name, const struct ec_field *field, const void *value)
{
    const struct ec_enum *of = field->of;
    struct ec_str text = {"", 0};
    char scalar[40];
    int index;

    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
    case EC_JSON:
        text = *(const struct ec_str *)value;
        break;
    case EC_INT:
        text = (struct ec_str){scalar, ec_int_format(*(const int64_t *)value, scalar)};
        break;
    case EC_TIME:
        text = (struct ec_str){scalar, ec_time_format(*(const int64_t *)value, scalar)};
        break;
    case EC_FLOAT:
        text = (struct ec_str){scalar, ec_float_format(*(const double *)value, scalar)};
        break;
    case EC_BOOL:
        text = *(const bool *)value ? EC_STR("true") : EC_STR("false");
        break;
    case EC_UUID:
        ec_uuid_format(*(const struct ec_uuid *)value, scalar);
        text = (struct ec_str){scalar, 36};
        break;
    case EC_ENUM:
        index = *(const int *)value;
        if (index >= 0 && index < of->n)
            text = (struct ec_str){of->values[index], strlen(of->values[index])};
        break;
    case EC_RECORD:
        write_record(buf, name, field->of, value);
        return;
    }
    write_pair(buf, name, text);
}

static void write_record(struct ec_buf *buf, struct ec_buf *name, const struct ec_record *record, const void *value)
{
    size_t before = name->n, i, k;

    for (i = 0; i < record->nfields; i++) {
        const struct ec_field *field = &record->fields[i];
        const void *at = ec_field_present(field, (const char *)value + field->offset);
        const struct ec_list *list = at;
        size_t here;

        if (!at)
            continue;
        if (before)
            ec_buf_str(name, "%5B");
        write_encoded(name, (struct ec_str){field->name, strlen(field->name)});
        if (before)
            ec_buf_str(name, "%5D");
        here = name->n;
        for (k = 0; (field->flags & EC_LIST) && k < list->n; k++) {
            ec_buf_printf(name, "%%5B%zu%%5D", k);
            write_item(buf, name, field, (const char *)list->v + k * ec_item_size(field));
            name->n = here;
        }
        if (!(field->flags & EC_LIST))
            write_item(buf, name, field, at);
        name->n = before;
    }
}

void ec_form_write(struct ec_buf *buf, const struct ec_record *record, const void *value)
{
    struct ec_buf name = {NULL, 0, 0}, pairs = {NULL, 0, 0};

    write_record(&pairs, &name, record, value);
    ec_buf_add(buf, pairs.p, pairs.n);
    ec_buf_free(&name);
    ec_buf_free(&pairs);
}

/* ------------------------------------------------------------------ reading: text to tree */

struct node {
    struct ec_str name, value;
    bool leaf;
    size_t count; /* of children */
    struct node *child, *last, *next;
};

struct form {
    struct ec_arena *arena;
    struct ec_json_error *error;
    unsigned flags;
};

static enum ec_json_status malformed(struct form *form, const char *message)
{
    form->error->path[0] = 0;
    snprintf(form->error->message, sizeof(form->error->message), "%s", message);
    return EC_JSON_MALFORMED;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ec_percent_decode(struct ec_arena *arena, struct ec_str text, bool plus, struct ec_str *out)
{
    char *p = ec_arena_alloc(arena, text.n + 1), *at = p;
    size_t i;

    for (i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '%') {
            int high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1, low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0)
            return false;
        *at++ = c;
    }
    *out = (struct ec_str){p, (size_t)(at - p)};
    return true;
}

/* The child of that name, made when there is none; an empty name is the next item of a list. */
static struct node *child_of(struct form *form, struct node *parent, struct ec_str name)
{
    struct node *child;
    char text[24];

    if (name.n == 0)
        name = ec_arena_copy(form->arena, (struct ec_str){text, ec_int_format((int64_t)parent->count, text)});
    else if (parent->last && ec_str_eq(parent->last->name, name))
        return parent->last;
    for (child = parent->child; child; child = child->next)
        if (ec_str_eq(child->name, name))
            return child;
    child = ec_arena_alloc(form->arena, sizeof(*child));
    child->name = name;
    if (parent->last)
        parent->last->next = child;
    else
        parent->child = child;
    parent->last = child;
    parent->count++;
    return child;
}

/* name[a][b] = value */
static enum ec_json_status add_pair(struct form *form, struct node *root, struct ec_str name, struct ec_str value)
{
    const char *p = name.p, *end = name.p + name.n, *open = name.n ? memchr(p, '[', name.n) : NULL;
    struct node *node = root;
    int depth = 0;

    if (name.n == 0 || open == p)
        return malformed(form, "a field has no name");
    node = child_of(form, root, (struct ec_str){p, (size_t)((open ? open : end) - p)});
    for (p = open; p && p < end;) {
        const char *close = *p == '[' ? memchr(p, ']', (size_t)(end - p)) : NULL;

        if (!close || ++depth > MAX_DEPTH)
            return malformed(form, "brackets in a field's name don't match");
        node = child_of(form, node, (struct ec_str){p + 1, (size_t)(close - p - 1)});
        p = close + 1;
    }
    if (node->leaf || node->child)
        return malformed(form, "a field comes twice");
    node->leaf = true;
    node->value = value;
    return EC_JSON_OK;
}

static enum ec_json_status build(struct form *form, struct ec_str text, struct node *root)
{
    const char *p = text.p, *end = text.p + text.n;
    struct ec_str name, value;
    enum ec_json_status status;
    int pairs = 0;

    while (p < end) {
        const char *stop = memchr(p, '&', (size_t)(end - p)), *equals;

        if (!stop)
            stop = end;
        if (stop > p) {
            equals = memchr(p, '=', (size_t)(stop - p));
            if (!equals)
                equals = stop;
            if (++pairs > MAX_PAIRS)
                return malformed(form, "too many fields");
            if (!ec_percent_decode(form->arena, (struct ec_str){p, (size_t)(equals - p)}, true, &name) ||
                !ec_percent_decode(form->arena, (struct ec_str){equals + (equals < stop), (size_t)(stop - equals) - (equals < stop)}, true,
                                   &value))
                return malformed(form, "percent-encoding that is not valid");
            if (!ec_utf8_valid(name) || !ec_utf8_valid(value))
                return malformed(form, "not UTF-8");
            status = add_pair(form, root, name, value);
            if (status)
                return status;
        }
        p = stop + 1;
    }
    return EC_JSON_OK;
}

/* ------------------------------------------------------------------ reading: tree to struct */

static enum ec_json_status wrong(struct form *form, const char *message)
{
    form->error->path[0] = 0;
    snprintf(form->error->message, sizeof(form->error->message), "%s", message);
    return EC_JSON_INVALID;
}

static enum ec_json_status inside(struct form *form, const char *name, int n, enum ec_json_status status)
{
    char before[sizeof(form->error->path)];

    memcpy(before, form->error->path, sizeof(before));
    snprintf(form->error->path, sizeof(form->error->path), "%.*s%s%.*s", n, name, before[0] && before[0] != '[' ? "." : "", 60, before);
    return status;
}

static enum ec_json_status fill_record(struct form *form, const struct ec_record *record, const struct node *node, void *out);

static enum ec_json_status fill_item(struct form *form, const struct ec_field *field, const struct node *node, void *out)
{
    const struct ec_record *record = field->of;
    struct ec_json_error *error = form->error;
    enum ec_json_status status;

    if (field->kind == EC_RECORD) {
        if (node->leaf)
            return wrong(form, "must be an object");
        return fill_record(form, record, node, ec_field_place(form->arena, field, out, record->size));
    }
    if (!node->leaf)
        return wrong(form, "must be a single value");
    status = ec_scalar_read(form->arena, node->value, field, out, error);
    error->path[0] = 0; /* the caller names the field */
    return status;
}

static enum ec_json_status fill_list(struct form *form, const struct ec_field *field, const struct node *node, struct ec_list *list)
{
    struct ec_field item = *field;
    size_t size = ec_item_size(field), n = 0;
    const struct node *child;
    enum ec_json_status status;
    char text[24];

    if (node->leaf)
        return wrong(form, "must be a list");
    if ((field->list_max && node->count > (size_t)field->list_max) || (int64_t)node->count < field->list_min)
        return wrong(form, "does not have the right number of items");
    item.flags &= ~(unsigned)(EC_LIST | EC_OPTIONAL);
    list->v = ec_arena_array(form->arena, node->count, size);
    for (child = node->child; child; child = child->next, n++) {
        size_t length = ec_int_format((int64_t)n, text);

        if (!ec_str_eq(child->name, (struct ec_str){text, length}))
            return wrong(form, "must have its items numbered from 0 on");
        status = fill_item(form, &item, child, (char *)list->v + n * size);
        if (status) {
            char index[32];

            return inside(form, index, snprintf(index, sizeof(index), "[%zu]", n), status);
        }
    }
    list->n = n;
    return EC_JSON_OK;
}

static const struct ec_field *field_of(const struct ec_record *record, struct ec_str name)
{
    size_t i;

    for (i = 0; i < record->nfields; i++)
        if (strlen(record->fields[i].name) == name.n && memcmp(record->fields[i].name, name.p, name.n) == 0)
            return &record->fields[i];
    for (i = 0; i < record->nfields; i++) {
        const char *was = record->fields[i].was;

        if (was && strlen(was) == name.n && memcmp(was, name.p, name.n) == 0)
            return &record->fields[i];
    }
    return NULL;
}

static enum ec_json_status fill_record(struct form *form, const struct ec_record *record, const struct node *node, void *out)
{
    const struct node *child;
    enum ec_json_status status;
    size_t i;

    if (record->preset)
        memcpy(out, record->preset, record->size);
    else if (record->size) /* out may be NULL: a record without fields */
        memset(out, 0, record->size);
    for (child = node->child; child; child = child->next) {
        const struct ec_field *field = field_of(record, child->name);
        void *at;

        if (!field) {
            if (form->flags & EC_JSON_LENIENT)
                continue;
            status = wrong(form, "is not known here");
            return inside(form, child->name.p, (int)(child->name.n < 60 ? child->name.n : 60), status);
        }
        at = (char *)out + field->offset;
        status = field->flags & EC_LIST ? fill_list(form, field, child, at) : fill_item(form, field, child, at);
        if (status)
            return inside(form, field->name, (int)strlen(field->name), status);
    }
    for (i = 0; i < record->nfields; i++) {
        const struct ec_field *field = &record->fields[i];

        if (field->flags & (EC_OPTIONAL | EC_DEFAULT))
            continue;
        for (child = node->child; child; child = child->next)
            if (field_of(record, child->name) == field)
                break;
        if (child)
            continue;
        if ((field->flags & EC_LIST) && field->list_min <= 0) { /* a form can't write an empty list */
            ((struct ec_list *)((char *)out + field->offset))->v = ec_arena_alloc(form->arena, 1);
            continue;
        }
        status = wrong(form, "is required");
        return inside(form, field->name, (int)strlen(field->name), status);
    }
    return EC_JSON_OK;
}

enum ec_json_status ec_form_read(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, void *out, unsigned flags,
                                 struct ec_json_error *error)
{
    struct ec_json_error unused;
    struct form form = {arena, error ? error : &unused, flags};
    struct node root = {.leaf = false};
    enum ec_json_status status;

    form.error->path[0] = form.error->message[0] = 0;
    status = build(&form, ec_present(text), &root);
    return status ? status : fill_record(&form, record, &root, out);
}
