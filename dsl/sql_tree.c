#include "sql_tree.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

enum { DEEPEST = 1500 };

struct reader {
    struct ecc_arena *arena;
    char *p; /* strings become what they say, and end, where they stand */
};

static unsigned hex4(const char *p)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - 'A') + 10;
        value = value << 4 | (digit & 15);
    }
    return value;
}

/* The writer escapes single bytes only: \u00xx, and the usual short forms. */
static char *unescape(char *out, const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p != '\\') {
            *out++ = *p;
            continue;
        }
        switch (*++p) {
        case 'n':
            *out++ = '\n';
            break;
        case 't':
            *out++ = '\t';
            break;
        case 'r':
            *out++ = '\r';
            break;
        case 'b':
            *out++ = '\b';
            break;
        case 'f':
            *out++ = '\f';
            break;
        case 'u':
            if (end - p > 4) {
                *out++ = (char)hex4(p + 1);
                p += 4;
            }
            break;
        default:
            *out++ = *p;
        }
    }
    return out;
}

static const char *read_string(struct reader *r)
{
    char *start = ++r->p, *escape = NULL;

    for (; *r->p && *r->p != '"'; r->p++) {
        if (*r->p == '\\' && r->p[1]) {
            escape = escape ? escape : r->p;
            r->p++;
        }
    }
    char *end = escape ? unescape(escape, escape, r->p) : r->p;
    if (*r->p)
        r->p++;
    *end = '\0';
    return start;
}

static struct ecc_sql_node *read_value(struct reader *r, const char *key, int depth)
{
    struct ecc_sql_node *node = ECC_NEW(r->arena, struct ecc_sql_node), **tail = &node->first;
    char open = *r->p, close = open == '{' ? '}' : ']';

    node->key = key;
    node->tag = key ? ecc_sql_tag(key) : 0;
    if (open == '"') {
        node->text = read_string(r);
        return node;
    }
    if (open != '{' && open != '[') {
        char *start = r->p;
        while (*r->p && *r->p != ',' && *r->p != '}' && *r->p != ']')
            r->p++;
        node->text = start; /* whoever goes on ends it */
        return node;
    }
    if (depth > DEEPEST)
        return NULL;
    r->p++;
    while (*r->p && *r->p != close) {
        const char *name = NULL;
        if (open == '{') {
            name = read_string(r);
            if (*r->p == ':')
                r->p++;
        }
        struct ecc_sql_node *child = read_value(r, name, depth + 1);
        if (!child)
            return NULL;
        *tail = child;
        tail = &child->next;
        node->n++;
        if (*r->p == ',')
            *r->p++ = '\0';
    }
    if (*r->p)
        *r->p++ = '\0';
    return node;
}

struct ecc_sql_node *ecc_sql_tree(struct ecc_arena *arena, const char *json)
{
    struct reader r = {arena, ecc_arena_strdup(arena, json)};

    return read_value(&r, NULL, 0);
}

const struct ecc_sql_node *ecc_sql_find(const struct ecc_sql_node *node, uint64_t tag, const char *key)
{
    bool is_whole = (tag >> 56) == 0; /* shorter than a tag: the same tag, the same key */

    for ECC_SQL_EACH (child, node) {
        if (child->tag == tag && (is_whole || strcmp(child->key, key) == 0))
            return child;
    }
    return NULL;
}

const char *ecc_sql_kind(const struct ecc_sql_node *node)
{
    if (!node || node->n != 1 || !node->first->key)
        return "";
    return node->first->key;
}

const struct ecc_sql_node *ecc_sql_body(const struct ecc_sql_node *node)
{
    return node ? node->first : NULL;
}

const struct ecc_sql_node *ecc_sql_item(const struct ecc_sql_node *list, size_t i)
{
    const struct ecc_sql_node *item = list ? list->first : NULL;

    while (item && i--)
        item = item->next;
    return item;
}

const char *ecc_sql_string(const struct ecc_sql_node *list, size_t i)
{
    const struct ecc_sql_node *item = ecc_sql_item(list, i);

    return ecc_sql_is(item, "String") ? ecc_sql_text(ecc_sql_body(item), "sval") : "";
}
