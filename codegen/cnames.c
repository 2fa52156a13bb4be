#include "cnames.h"

#include <stdint.h>
#include <string.h>

#include "arena.h"

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A word begins after `-` and `_`, at a capital after a small letter or digit, and at a capital before a small letter (HTTPServer). */
static bool begins_word(const char *name, size_t i)
{
    if (!i || !upper(name[i]))
        return false;
    if (lower_or_digit(name[i - 1]))
        return true;
    return upper(name[i - 1]) && name[i + 1] >= 'a' && name[i + 1] <= 'z';
}

static const char *join(struct ecc_arena *arena, const char *name, char separator, bool shout)
{
    char *out = ecc_arena_alloc(arena, strlen(name) * 2 + 1), *p = out;

    for (size_t i = 0; name[i]; i++) {
        char c = name[i];
        if (c == '-' || c == '_') {
            *p++ = separator;
            continue;
        }
        if (begins_word(name, i))
            *p++ = separator;
        if (shout && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!shout && upper(c))
            c = (char)(c - 'A' + 'a');
        *p++ = c;
    }
    *p = '\0';
    return out;
}

const char *ecc_snake(struct ecc_arena *arena, const char *name)
{
    return join(arena, name, '_', false);
}

const char *ecc_upper(struct ecc_arena *arena, const char *name)
{
    return join(arena, name, '_', true);
}

const char *ecc_kebab(struct ecc_arena *arena, const char *name)
{
    return join(arena, name, '-', false);
}

const char *ecc_pascal(struct ecc_arena *arena, const char *name)
{
    const char *snake = ecc_snake(arena, name);
    char *out = ecc_arena_alloc(arena, strlen(snake) + 1), *p = out;
    bool begin = true;

    for (; *snake; snake++) {
        if (*snake == '_') {
            begin = true;
            continue;
        }
        *p++ = begin && *snake >= 'a' && *snake <= 'z' ? (char)(*snake - 'a' + 'A') : *snake;
        begin = false;
    }
    *p = '\0';
    return out;
}

/* Key words of C (and of C++, so that a debugger or an editor never trips), GNU's, macros of the headers that ec.h includes, and what the
 * compilers define without underscores. Sorted. */
static const char *const reserved[] = {
    "NULL", "PTRDIFF_MAX", "PTRDIFF_MIN", "SIG_ATOMIC_MAX", "SIG_ATOMIC_MIN", "SIZE_MAX", "WCHAR_MAX", "WCHAR_MIN", "WINT_MAX", "WINT_MIN",
    "alignas", "alignof", "asm", "assert", "auto", "bool", "break", "case", "catch", "char", "class", "const", "constexpr", "continue",
    "default", "delete", "do", "double", "else", "enum", "errno", "explicit", "export", "extern", "false", "float", "for", "friend", "goto",
    "i386", "if", "inline", "int", "int16_t", "int32_t", "int64_t", "int8_t", "intmax_t", "intptr_t", "linux", "long", "main",
    "max_align_t", "mutable", "namespace", "new", "noreturn", "nullptr", "offsetof", "operator", "private", "protected", "ptrdiff_t",
    "public", "register", "restrict", "return", "short", "signed", "size_t", "sizeof", "static", "static_assert", "stderr", "stdin",
    "stdout", "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "uint16_t",
    "uint32_t", "uint64_t", "uint8_t", "uintmax_t", "uintptr_t", "union", "unix", "unsigned", "using", "virtual", "void", "volatile",
    "wchar_t", "while",
};

static bool starts(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool ecc_c_reserved(const char *name)
{
    size_t low = 0, high = sizeof reserved / sizeof *reserved;

    if (starts(name, "ec_") || starts(name, "EC_") || (name[0] == '_' && (name[1] == '_' || upper(name[1]))))
        return true;
    if (starts(name, "INT") || starts(name, "UINT")) { /* INT64_MAX, INT_FAST8_MIN, UINTPTR_MAX, INT64_C */
        const char *end = strrchr(name, '_');
        if (end && (strcmp(end, "_MAX") == 0 || strcmp(end, "_MIN") == 0 || strcmp(end, "_C") == 0))
            return true;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, reserved[middle]);
        if (!order)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

const char *ecc_c_member(struct ecc_arena *arena, const char *name)
{
    const char *snake = ecc_snake(arena, name);

    return ecc_c_reserved(snake) ? ecc_arena_printf(arena, "%s_", snake) : snake;
}

/* ------------------------------------------------------------------ names that are taken */

static uint64_t hash(const char *name)
{
    uint64_t h = 1469598103934665603u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static size_t slot(const struct ecc_cnames *names, const char *name)
{
    size_t i = (size_t)hash(name) & (names->cap - 1);

    while (names->slots[i] && strcmp(names->slots[i], name) != 0)
        i = (i + 1) & (names->cap - 1);
    return i;
}

void ecc_cnames_init(struct ecc_cnames *names, struct ecc_arena *arena)
{
    *names = (struct ecc_cnames){.arena = arena, .cap = 128};
    names->slots = ECC_NEW_ARRAY(arena, const char *, names->cap);
}

bool ecc_cnames_taken(const struct ecc_cnames *names, const char *name)
{
    return names->slots[slot(names, name)] != NULL;
}

static void grow(struct ecc_cnames *names)
{
    struct ecc_cnames bigger = {.arena = names->arena, .cap = names->cap * 2, .n = names->n};

    bigger.slots = ECC_NEW_ARRAY(names->arena, const char *, bigger.cap);
    for (size_t i = 0; i < names->cap; i++) {
        if (names->slots[i])
            bigger.slots[slot(&bigger, names->slots[i])] = names->slots[i];
    }
    *names = bigger;
}

const char *ecc_cnames_claim(struct ecc_cnames *names, const char *wanted)
{
    const char *name = wanted;

    while (ecc_c_reserved(name) || ecc_cnames_taken(names, name)) {
        /* Underscores at the end don't help a name that is reserved by its beginning. */
        if (starts(name, "ec_") || starts(name, "EC_"))
            name = ecc_arena_printf(names->arena, "%s%s", starts(name, "ec_") ? "x_" : "X_", name);
        else
            name = ecc_arena_printf(names->arena, "%s_", name);
    }
    if ((names->n + 1) * 2 > names->cap)
        grow(names);
    names->slots[slot(names, name)] = ecc_arena_strdup(names->arena, name);
    names->n++;
    return name;
}
