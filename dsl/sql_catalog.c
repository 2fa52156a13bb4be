/* PostgreSQL's choice among the operators and functions of a name: "Type Conversion" in its manual (10.2, 10.3, 10.5), over the table that
 * sql_catalog.py has taken from it. A type is a letter; 0 is one that is not in the table, and whatever has it is not decided here. */
#include "sql_internal.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

struct pg_type {
    char letter;
    const char *name;
    char category;
    bool preferred;
    char element;
};
struct named {
    const char *name, *signatures;
};

#include "sql_catalog.inc"

enum { MOST_CANDIDATES = 128 };

struct candidate {
    char args[SQL_MOST_ARGUMENTS + 1];
    char result;
    bool rows;
};

struct candidates {
    struct candidate items[MOST_CANDIDATES];
    size_t n;
};

static const struct pg_type *type_of(char letter)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter)
            return &types[i];
    return NULL;
}

char sql_letter(const char *name)
{
    size_t n = strlen(name);
    bool array = n > 2 && strcmp(name + n - 2, "[]") == 0;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *own = types[i].name;
        if (array ? *own == '_' && strlen(own) == n - 1 && memcmp(own + 1, name, n - 2) == 0 : *own == *name && strcmp(own, name) == 0)
            return types[i].letter;
    }
    return 0;
}

const char *sql_letter_name(struct sql_ctx *ctx, char letter)
{
    const struct pg_type *type = type_of(letter);

    if (!type)
        return "?";
    return *type->name == '_' ? sql_format(ctx, "%s[]", type->name + 1) : type->name;
}

char sql_element_letter(char letter)
{
    const struct pg_type *type = type_of(letter);

    return type ? type->element : '\0';
}

char sql_array_letter(char element)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (element && types[i].element == element)
            return types[i].letter;
    return 0;
}

/* ------------------------------------------------------------------ conversions */

static bool has_pair(const char *pairs, char from, char to)
{
    for (; *pairs; pairs += 3)
        if (pairs[0] == from && pairs[1] == to)
            return true;
    return false;
}

static bool is_text_like(char letter)
{
    const struct pg_type *type = type_of(letter);

    return type && type->category == 'S';
}

bool sql_coerces(char from, char to, enum sql_context context)
{
    const struct pg_type *f = type_of(from), *t = type_of(to);

    if (from == to || to == PG_ANY || from == PG_UNKNOWN)
        return true;
    if (!f || !t)
        return false;
    if (has_pair(implicit_casts, from, to))
        return true;
    if (context >= SQL_ASSIGNMENT && (has_pair(assignment_casts, from, to) || (is_text_like(to) && f->category != 'P')))
        return true;
    if (context >= SQL_EXPLICIT && (has_pair(explicit_casts, from, to) || (is_text_like(from) && t->category != 'P')))
        return true;
    return f->element && t->element && sql_coerces(f->element, t->element, context);
}

char sql_common_letter(const char *letters, size_t n)
{
    char found = PG_UNKNOWN;

    for (size_t i = 0; i < n; i++) {
        const struct pg_type *was = type_of(found), *next = type_of(letters[i]);
        if (letters[i] == PG_UNKNOWN || letters[i] == found)
            continue;
        if (found == PG_UNKNOWN) {
            found = letters[i];
            continue;
        }
        if (!was || !next || was->category != next->category)
            return 0;
        if (!was->preferred && sql_coerces(found, letters[i], SQL_IMPLICIT) && !sql_coerces(letters[i], found, SQL_IMPLICIT))
            found = letters[i];
    }
    if (found == PG_UNKNOWN)
        return PG_TEXT;
    for (size_t i = 0; i < n; i++)
        if (!sql_coerces(letters[i], found, SQL_IMPLICIT))
            return 0;
    return found;
}

/* ------------------------------------------------------------------ any type */

static bool is_polymorphic(char letter)
{
    const struct pg_type *type = type_of(letter);

    return type && strncmp(type->name, "any", 3) == 0 && type->name[3];
}

/* What the polymorphic types of a candidate stand for, given the arguments; 0: they do not fit together. */
struct meaning {
    char element, compatible;
};

static bool find_meaning(const struct candidate *c, const char *args, size_t n, struct meaning *out)
{
    char element = 0, compatible[SQL_MOST_ARGUMENTS];
    size_t ncompatible = 0;
    bool any = false, anycompatible = false, nonarray = false;

    *out = (struct meaning){0, 0};
    for (size_t i = 0; i < n; i++) {
        const struct pg_type *to = type_of(c->args[i]), *from = type_of(args[i]);
        if (!is_polymorphic(c->args[i]))
            continue;
        bool array = strstr(to->name, "array") && !strstr(to->name, "nonarray"), loose = strncmp(to->name, "anycompatible", 13) == 0;
        any |= !loose;
        anycompatible |= loose;
        nonarray |= strstr(to->name, "nonarray") != NULL;
        if (args[i] == PG_UNKNOWN)
            continue;
        if (array && (!from || !from->element))
            return false;
        char own = array ? from->element : args[i];
        if (loose)
            compatible[ncompatible++] = own;
        else if (element && element != own)
            return false;
        else
            element = own;
    }
    if (any && !element)
        return false;
    out->element = element;
    if (anycompatible) {
        out->compatible = sql_common_letter(compatible, ncompatible);
        if (!out->compatible)
            return false;
    }
    char checked = any ? out->element : out->compatible;
    return !nonarray || !type_of(checked) || !type_of(checked)->element;
}

static char meant(char letter, const struct meaning *meaning)
{
    const char *name = type_of(letter)->name;
    char element = strncmp(name, "anycompatible", 13) == 0 ? meaning->compatible : meaning->element;

    if (!is_polymorphic(letter))
        return letter;
    return strstr(name, "array") && !strstr(name, "nonarray") ? sql_array_letter(element) : element;
}

/* ------------------------------------------------------------------ candidates */

static int by_name(const void *name, const void *named)
{
    return strcmp(name, ((const struct named *)named)->name);
}

/* The lists are in order. */
static const struct named *find(const struct named *list, size_t n, const char *name)
{
    return bsearch(name, list, n, sizeof *list, by_name);
}

/* A signature that can take n arguments: with the last one repeated, or the last ones left out. */
static void add_candidate(struct candidates *out, const char *sig, size_t length, size_t n)
{
    struct candidate c = {.rows = false};
    bool variadic = false;
    size_t optional = 0;

    for (; strchr("*~#", *sig); sig++, length--) {
        variadic |= *sig == '*';
        c.rows |= *sig == '#';
        if (*sig == '~') {
            optional = (size_t)(sig[1] - '0');
            sig++;
            length--;
        }
    }
    size_t own = length - 1;
    c.result = sig[own];
    if (own > SQL_MOST_ARGUMENTS || n > SQL_MOST_ARGUMENTS || out->n == MOST_CANDIDATES)
        return;
    if (variadic && own && n >= own) {
        const struct pg_type *last = type_of(sig[own - 1]);
        memcpy(c.args, sig, own - 1);
        memset(c.args + own - 1, last && last->element ? last->element : sig[own - 1], n - own + 1);
    } else if (n <= own && n + optional >= own) {
        memcpy(c.args, sig, n);
    } else {
        return;
    }
    out->items[out->n++] = c;
}

static void candidates_of(const struct named *named, size_t n, struct candidates *out)
{
    out->n = 0;
    for (const char *sig = named->signatures; *sig;) {
        size_t length = strcspn(sig, " ");
        add_candidate(out, sig, length, n);
        sig += length + (sig[length] == ' ');
    }
}

/* Keeps the candidates with the highest score. */
static void keep_best(struct candidates *c, size_t (*score)(const struct candidate *, const char *, size_t), const char *args, size_t n)
{
    size_t best = 0, kept = 0, scores[MOST_CANDIDATES];

    for (size_t i = 0; i < c->n; i++) {
        scores[i] = score(&c->items[i], args, n);
        best = scores[i] > best ? scores[i] : best;
    }
    for (size_t i = 0; i < c->n; i++)
        if (scores[i] == best)
            c->items[kept++] = c->items[i];
    c->n = kept;
}

static bool is_unknown(char letter)
{
    return letter == PG_UNKNOWN;
}

static size_t exact_matches(const struct candidate *c, const char *args, size_t n)
{
    size_t matches = 0;

    for (size_t i = 0; i < n; i++)
        matches += !is_unknown(args[i]) && c->args[i] == args[i];
    return matches;
}

static size_t preferred_matches(const struct candidate *c, const char *args, size_t n)
{
    size_t matches = 0;

    for (size_t i = 0; i < n; i++) {
        const struct pg_type *from = type_of(args[i]), *to = type_of(c->args[i]);
        if (!is_unknown(args[i]))
            matches += c->args[i] == args[i] || (from && to && to->preferred && to->category == from->category);
    }
    return matches;
}

static bool fits(const struct candidate *c, const char *args, size_t n)
{
    struct meaning meaning;

    for (size_t i = 0; i < n; i++)
        if (!is_polymorphic(c->args[i]) && !sql_coerces(args[i], c->args[i], SQL_IMPLICIT))
            return false;
    return find_meaning(c, args, n, &meaning);
}

static void keep_fitting(struct candidates *c, const char *args, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n; i++)
        if (fits(&c->items[i], args, n))
            c->items[kept++] = c->items[i];
    c->n = kept;
}

/* Where an argument is a plain literal: a text where one would do, else the category in which all agree. */
static bool settle_unknowns(struct candidates *c, const char *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char category = 0;
        bool text = false, differ = false, preferred = false;
        if (!is_unknown(args[i]))
            continue;
        for (size_t j = 0; j < c->n; j++) {
            const struct pg_type *type = type_of(c->items[j].args[i]);
            text |= type->category == 'S';
            differ |= category && category != type->category;
            category = type->category;
        }
        if (!text && differ)
            return false;
        category = text ? 'S' : category;
        for (size_t j = 0; j < c->n; j++)
            preferred |= type_of(c->items[j].args[i])->category == category && type_of(c->items[j].args[i])->preferred;
        size_t kept = 0;
        for (size_t j = 0; j < c->n; j++) {
            const struct pg_type *type = type_of(c->items[j].args[i]);
            if (type->category == category && (!preferred || type->preferred))
                c->items[kept++] = c->items[j];
        }
        c->n = kept;
    }
    return true;
}

/* The last resort: literals have the one type that the other arguments have. */
static void assume_same(struct candidates *c, const char *args, size_t n)
{
    char same[SQL_MOST_ARGUMENTS], known = 0;

    for (size_t i = 0; i < n; i++) {
        if (!is_unknown(args[i]) && known && known != args[i])
            return;
        known = is_unknown(args[i]) ? known : args[i];
    }
    if (!known)
        return;
    memset(same, known, n);
    keep_fitting(c, same, n);
}

static enum sql_found choose(struct candidates *c, const char *args, size_t n, struct sql_choice *out)
{
    struct meaning meaning;
    size_t exact = c->n;

    for (size_t i = 0; i < c->n && exact == c->n; i++)
        if (memcmp(c->items[i].args, args, n) == 0)
            exact = i;
    if (exact < c->n) {
        c->items[0] = c->items[exact];
        c->n = 1;
    } else {
        keep_fitting(c, args, n);
        if (!c->n)
            return SQL_NO_MATCH;
        if (c->n > 1)
            keep_best(c, exact_matches, args, n);
        if (c->n > 1)
            keep_best(c, preferred_matches, args, n);
        if (c->n > 1 && memchr(args, PG_UNKNOWN, n)) {
            struct candidates before = *c;
            if (!settle_unknowns(c, args, n) || c->n == 0)
                *c = before;
            if (c->n > 1)
                assume_same(c, args, n);
        }
        if (c->n != 1)
            return SQL_AMBIGUOUS;
    }
    if (!find_meaning(&c->items[0], args, n, &meaning))
        return SQL_NO_MATCH;
    for (size_t i = 0; i < n; i++)
        out->args[i] = meant(c->items[0].args[i], &meaning);
    out->result = meant(c->items[0].result, &meaning);
    out->rows = c->items[0].rows;
    return SQL_FOUND;
}

/* ------------------------------------------------------------------ the two questions */

/* The operator of just these types: what PostgreSQL looks for first, and mostly finds. */
static bool exact_operator(const struct named *named, char left, char right, struct sql_choice *out)
{
    for (const char *sig = named->signatures; *sig;) {
        size_t length = strcspn(sig, " ");
        if (length == 3 && sig[0] == left && sig[1] == right) {
            *out = (struct sql_choice){.args = {left, right}, .result = sig[2]};
            return true;
        }
        sig += length + (sig[length] == ' ');
    }
    return false;
}

enum sql_found sql_choose_operator(const char *name, char left, char right, struct sql_choice *out)
{
    const struct named *named = find(operators, sizeof operators / sizeof *operators, strcmp(name, "!=") == 0 ? "<>" : name);
    char args[2] = {left, right};
    struct candidates c;

    if (!named)
        return SQL_NO_NAME;
    if (!left) {
        candidates_of(named, 1, &c);
        return choose(&c, &right, 1, out);
    }
    if (exact_operator(named, is_unknown(left) ? right : left, is_unknown(right) ? left : right, out))
        return SQL_FOUND; /* a literal is of the other's type, if there is such an operator */
    candidates_of(named, 2, &c);
    return choose(&c, args, 2, out);
}

enum sql_found sql_choose_function(const char *name, const char *args, size_t n, struct sql_choice *out)
{
    const struct named *named = find(functions, sizeof functions / sizeof *functions, name);
    struct candidates c;

    if (!named)
        return SQL_NO_NAME;
    if (!*named->signatures || n > SQL_MOST_ARGUMENTS)
        return SQL_UNKNOWABLE;
    candidates_of(named, n, &c);
    return choose(&c, args, n, out);
}

char sql_only_result(const char *name)
{
    const struct named *named = find(functions, sizeof functions / sizeof *functions, name);
    char result = 0;

    for (const char *sig = named ? named->signatures : ""; *sig;) {
        size_t length = strcspn(sig, " ");
        if ((result && result != sig[length - 1]) || is_polymorphic(sig[length - 1]))
            return 0;
        result = sig[length - 1];
        sig += length + (sig[length] == ' ');
    }
    return result;
}

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

bool sql_is_aggregate(const char *name)
{
    return is_listed(aggregates, name);
}

bool sql_is_window_function(const char *name)
{
    return is_listed(window_functions, name);
}

const char *sql_function_like(struct sql_ctx *ctx, const char *name)
{
    size_t n = sizeof functions / sizeof *functions;
    const char **names = ECC_NEW_ARRAY(ctx->arena, const char *, n);

    for (size_t i = 0; i < n; i++)
        names[i] = functions[i].name;
    return ecc_did_you_mean(name, names, n);
}
