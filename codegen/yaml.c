#include "yaml.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arena.h"
#include "writer.h"

enum { FEW = 2, INDENT = 2, LONGEST_WORD = 5, MAX_KEY = 1000 }; /* an implicit key has at most 1024 characters */

static struct ecc_yaml *node(struct ecc_arena *arena, enum ecc_yaml_kind kind, const char *text)
{
    struct ecc_yaml *made = ECC_NEW(arena, struct ecc_yaml);

    made->kind = kind;
    made->arena = arena;
    made->text = text;
    return made;
}

struct ecc_yaml *ecc_yaml_map(struct ecc_arena *arena)
{
    return node(arena, ECC_YAML_MAP, NULL);
}

struct ecc_yaml *ecc_yaml_list(struct ecc_arena *arena)
{
    return node(arena, ECC_YAML_LIST, NULL);
}

struct ecc_yaml *ecc_yaml_text(struct ecc_arena *arena, const char *text)
{
    return node(arena, ECC_YAML_TEXT, text);
}

struct ecc_yaml *ecc_yaml_raw(struct ecc_arena *arena, const char *text)
{
    return node(arena, ECC_YAML_RAW, text);
}

struct ecc_yaml *ecc_yaml_int(struct ecc_arena *arena, int64_t value)
{
    return ecc_yaml_raw(arena, ecc_arena_printf(arena, "%" PRId64, value));
}

struct ecc_yaml *ecc_yaml_ref(struct ecc_arena *arena, const char *folder, const char *name)
{
    struct ecc_yaml *map = ecc_yaml_map(arena);

    ecc_yaml_put_text(map, "$ref", ecc_arena_printf(arena, "#/%s/%s", folder, name));
    return map;
}

/* Most have few entries, and a large topology has very many of them. */
static void make_room(struct ecc_yaml *of)
{
    size_t old = of->cap, cap = old ? old * 2 : FEW;

    if (of->n < old)
        return;
    of->items = ecc_arena_longer(of->arena, of->items, old * sizeof *of->items, cap * sizeof *of->items);
    if (of->kind == ECC_YAML_MAP)
        of->keys = ecc_arena_longer(of->arena, of->keys, old * sizeof *of->keys, cap * sizeof *of->keys);
    of->cap = (uint32_t)cap;
}

struct ecc_yaml *ecc_yaml_add(struct ecc_yaml *list, struct ecc_yaml *value)
{
    make_room(list);
    return list->items[list->n++] = value;
}

void ecc_yaml_add_text(struct ecc_yaml *list, const char *text)
{
    ecc_yaml_add(list, ecc_yaml_text(list->arena, text));
}

struct ecc_yaml *ecc_yaml_add_map(struct ecc_yaml *list)
{
    return ecc_yaml_add(list, ecc_yaml_map(list->arena));
}

void ecc_yaml_append(struct ecc_yaml *map, const char *key, struct ecc_yaml *value)
{
    make_room(map);
    map->keys[map->n] = key;
    map->items[map->n++] = value;
}

struct ecc_yaml *ecc_yaml_put(struct ecc_yaml *map, const char *key, struct ecc_yaml *value)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i] = value;
    ecc_yaml_append(map, key, value);
    return value;
}

struct ecc_yaml *ecc_yaml_put_map(struct ecc_yaml *map, const char *key)
{
    return ecc_yaml_put(map, key, ecc_yaml_map(map->arena));
}

struct ecc_yaml *ecc_yaml_put_list(struct ecc_yaml *map, const char *key)
{
    return ecc_yaml_put(map, key, ecc_yaml_list(map->arena));
}

void ecc_yaml_put_text(struct ecc_yaml *map, const char *key, const char *text)
{
    ecc_yaml_put(map, key, ecc_yaml_text(map->arena, text));
}

void ecc_yaml_put_raw(struct ecc_yaml *map, const char *key, const char *text)
{
    ecc_yaml_put(map, key, ecc_yaml_raw(map->arena, text));
}

struct ecc_yaml *ecc_yaml_get(const struct ecc_yaml *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

struct ecc_yaml *ecc_yaml_at(struct ecc_yaml *map, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, ".");
        const char *key = ecc_arena_strndup(map->arena, path, n);
        struct ecc_yaml *next = ecc_yaml_get(map, key);

        map = next ? next : ecc_yaml_put_map(map, key);
        path += n + (path[n] == '.');
    }
    return map;
}

struct entry {
    const char *key;
    struct ecc_yaml *item;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

void ecc_yaml_sort(struct ecc_yaml *map)
{
    struct entry *entries = ECC_NEW_ARRAY(map->arena, struct entry, map->n);

    for (size_t i = 0; i < map->n; i++)
        entries[i] = (struct entry){map->keys[i], map->items[i]};
    qsort(entries, map->n, sizeof *entries, by_key);
    for (size_t i = 0; i < map->n; i++) {
        map->keys[i] = entries[i].key;
        map->items[i] = entries[i].item;
    }
}

/* ------------------------------------------------------------------ scalars */

/* What stands in a plain scalar, and what it begins with. */
enum { IN_PLAIN = 1, BEGINS = 2 };

static const unsigned char plain[256] = {
    ['0' ... '9'] = IN_PLAIN,
    ['A' ... 'Z'] = IN_PLAIN | BEGINS,
    ['a' ... 'z'] = IN_PLAIN | BEGINS,
    ['$'] = IN_PLAIN | BEGINS,
    ['_'] = IN_PLAIN | BEGINS,
    ['/'] = IN_PLAIN | BEGINS,
    ['.'] = IN_PLAIN,
    ['+'] = IN_PLAIN,
    ['-'] = IN_PLAIN,
    [';'] = IN_PLAIN,
    ['('] = IN_PLAIN,
    [')'] = IN_PLAIN,
    ['\''] = IN_PLAIN,
    [' '] = IN_PLAIN,
};

/* The length of what is itself in every version of YAML, in a block and inside brackets, as a key and as a value; 0: it is not. */
static size_t plain_length(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}; /* in YAML 1.1 */
    size_t n = 0;

    if (!(plain[(unsigned char)text[0]] & BEGINS))
        return 0;
    while (plain[(unsigned char)text[n]])
        n++;
    if (text[n] || text[n - 1] == ' ')
        return 0;
    if (n > LONGEST_WORD || !strchr("tfynoTFYNO", text[0]))
        return n;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i], text) == 0)
            return 0;
    return n;
}

/* Paragraphs that can stand as they are below their key. */
static bool is_block(const char *text)
{
    size_t n = strlen(text);

    if (!memchr(text, '\n', n) || text[0] == ' ' || text[0] == '\n' || text[n - 1] == '\n')
        return false;
    for (size_t i = 0; i < n; i++)
        if ((text[i] != '\n' && (text[i] < ' ' || text[i] > '~')) || (text[i] == ' ' && (text[i + 1] == '\n' || !text[i + 1])))
            return false;
    return true;
}

static void put(struct ecc_writer *w, const char *text)
{
    ecc_w_text(w, text, strlen(text));
}

static void put_scalar(struct ecc_writer *w, const char *text)
{
    size_t n = plain_length(text);

    if (n)
        ecc_w_text(w, text, n);
    else
        put(w, ecc_quote_yaml(w->arena, text));
}

/* ------------------------------------------------------------------ flow and block */

static bool is_flat(const struct ecc_yaml *value)
{
    switch (value->kind) {
    case ECC_YAML_RAW:
        return true;
    case ECC_YAML_TEXT:
        return !is_block(value->text);
    case ECC_YAML_MAP:
        return value->n == 0 || value->flow || (value->n == 1 && strcmp(value->keys[0], "$ref") == 0);
    case ECC_YAML_LIST:
        break;
    }
    return value->n == 0 || value->flow;
}

static void put_flat(struct ecc_writer *w, const struct ecc_yaml *value)
{
    bool map = value->kind == ECC_YAML_MAP;

    if (value->kind == ECC_YAML_RAW) {
        put(w, value->text);
        return;
    }
    if (value->kind == ECC_YAML_TEXT) {
        put_scalar(w, value->text);
        return;
    }
    put(w, map ? "{" : "[");
    for (size_t i = 0; i < value->n; i++) {
        put(w, i ? ", " : "");
        if (map) {
            put_scalar(w, value->keys[i]);
            put(w, ": ");
        }
        put_flat(w, value->items[i]);
    }
    put(w, map ? "}" : "]");
}

static void indent(struct ecc_writer *w, int depth)
{
    static const char spaces[] = "                                ";

    for (size_t left = (size_t)depth * INDENT, n; left; left -= n) {
        n = left < sizeof spaces ? left : sizeof spaces - 1;
        ecc_w_text(w, spaces, n);
    }
}

static void put_map(struct ecc_writer *w, const struct ecc_yaml *map, int depth, bool here);

static void put_list(struct ecc_writer *w, const struct ecc_yaml *list, int depth)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct ecc_yaml *item = list->items[i];

        indent(w, depth);
        put(w, "-");
        if (item->kind == ECC_YAML_LIST && !is_flat(item)) {
            put(w, "\n");
            put_list(w, item, depth + 1);
        } else if (item->kind == ECC_YAML_MAP && !is_flat(item)) {
            put(w, " ");
            put_map(w, item, depth + 1, true);
        } else {
            put(w, " ");
            if (item->kind == ECC_YAML_TEXT && is_block(item->text))
                put(w, ecc_quote_yaml(w->arena, item->text));
            else
                put_flat(w, item);
            put(w, "\n");
        }
    }
}

static void put_block(struct ecc_writer *w, const char *text, int depth)
{
    put(w, " |-\n");
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n)
            indent(w, depth);
        ecc_w_text(w, text, n);
        put(w, "\n");
        text += n + (text[n] == '\n');
    }
}

static void put_key(struct ecc_writer *w, const char *key, int depth)
{
    if (strlen(key) <= MAX_KEY) {
        put_scalar(w, key);
    } else { /* an explicit one */
        put(w, "? ");
        put_scalar(w, key);
        put(w, "\n");
        indent(w, depth);
    }
    put(w, ":");
}

/* here: the first key stands where the writer is, behind a dash. */
static void put_map(struct ecc_writer *w, const struct ecc_yaml *map, int depth, bool here)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct ecc_yaml *value = map->items[i];

        if (i || !here)
            indent(w, depth);
        put_key(w, map->keys[i], depth);
        if (is_flat(value)) {
            put(w, " ");
            put_flat(w, value);
            put(w, "\n");
        } else if (value->kind == ECC_YAML_TEXT) {
            put_block(w, value->text, depth + 1);
        } else {
            put(w, "\n");
            if (value->kind == ECC_YAML_MAP)
                put_map(w, value, depth + 1, false);
            else
                put_list(w, value, depth + 1);
        }
    }
}

void ecc_yaml_write(struct ecc_writer *w, const struct ecc_yaml *map)
{
    put_map(w, map, 0, false);
}

void ecc_yaml_write_below(struct ecc_writer *w, const struct ecc_yaml *map)
{
    put_map(w, map, 1, false);
}
