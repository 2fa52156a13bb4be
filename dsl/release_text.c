/* The text of a release, and the comparison of two: see release.h. */
#include "release.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "format.h"
#include "lexer.h"
#include "grammar.h"
#include "source.h"
#include "types.h"

struct text {
    struct ecc_arena *arena;
    struct {
        char *items;
        size_t n, cap;
    } out;
    struct {
        const struct ecc_enum **items;
        size_t n, cap;
    } enums;
    struct {
        const struct ecc_record **items;
        size_t n, cap;
    } open; /* records that are being written out */
};

static void put(struct text *t, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ECC_PUSH(t->arena, &t->out, text[i]);
}

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put(t, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static void word(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

/* ------------------------------------------------------------------ types */

static void put_fields(struct text *t, const struct ecc_record *record);

static bool is_open(const struct text *t, const struct ecc_record *record)
{
    for (size_t i = 0; i < t->open.n; i++)
        if (t->open.items[i] == record)
            return true;
    return false;
}

/* Does it contain itself, so that it can't be written out? */
static bool recursive(struct text *t, const struct ecc_record *root, const struct ecc_record *at, int depth)
{
    for (size_t i = 0; i < at->nfields && depth < 32; i++) {
        const struct ecc_type *type = at->fields[i].type;
        if (type->kind == ECC_TYPE_LIST)
            type = type->item;
        if (type->kind == ECC_TYPE_RECORD && (type->record == root || recursive(t, root, type->record, depth + 1)))
            return true;
    }
    return depth >= 32;
}

static void put_bounds(struct text *t, const struct ecc_type *type)
{
    if (!type->bounded)
        return;
    word(t, "(");
    if (type->min != INT64_MIN)
        say(t, "%" PRId64, type->min);
    word(t, "..");
    if (type->max != INT64_MAX)
        say(t, "%" PRId64, type->max);
    word(t, ")");
}

static void put_enum(struct text *t, const struct ecc_enum *enum_)
{
    bool known = false;

    for (size_t i = 0; i < t->enums.n; i++)
        known |= t->enums.items[i] == enum_;
    if (!known)
        ECC_PUSH(t->arena, &t->enums, enum_);
    word(t, enum_->name);
}

static void put_type(struct text *t, const struct ecc_type *type)
{
    switch (type->kind) {
    case ECC_TYPE_LIST:
        word(t, "[");
        put_type(t, type->item);
        word(t, "]");
        break;
    case ECC_TYPE_ENUM:
        put_enum(t, type->enum_);
        break;
    case ECC_TYPE_RECORD:
        if (type->record->name && (is_open(t, type->record) || recursive(t, type->record, type->record, 0))) {
            word(t, type->record->name);
            break;
        }
        ECC_PUSH(t->arena, &t->open, type->record);
        word(t, "{ ");
        put_fields(t, type->record);
        word(t, "}");
        t->open.n--;
        break;
    default: {
        static const char *const names[] = {
#define X(e, n) [ECC_TYPE_##e] = n,
            ECC_TYPE_KINDS(X)
#undef X
        };
        word(t, names[type->kind]);
        break;
    }
    }
    put_bounds(t, type);
    if (type->optional)
        word(t, "?");
}

static void put_string(struct text *t, const char *text)
{
    word(t, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            say(t, "\\%c", c);
        else if (c == '\n' || c == '\t')
            word(t, c == '\n' ? "\\n" : "\\t");
        else if (c < 0x20)
            say(t, "\\u{%x}", c);
        else
            put(t, text, 1);
    }
    word(t, "\"");
}

static void put_literal(struct text *t, const struct ecc_expr *expr)
{
    char number[64];

    switch (expr->kind) {
    case ECC_EXPR_TEXT:
        put_string(t, expr->u.text);
        break;
    case ECC_EXPR_ENUM:
        word(t, expr->u.text);
        break;
    case ECC_EXPR_INT:
        say(t, "%" PRId64, expr->u.i);
        break;
    case ECC_EXPR_FLOAT:
        snprintf(number, sizeof number, "%.17g", expr->u.f);
        say(t, "%s%s", number, strpbrk(number, ".en") ? "" : ".0");
        break;
    case ECC_EXPR_BOOL:
        word(t, expr->u.b ? "true" : "false");
        break;
    case ECC_EXPR_CONVERT:
        put_literal(t, expr->u.convert);
        break;
    case ECC_EXPR_LIST:
        word(t, "[");
        for (size_t i = 0; i < expr->u.list.nitems; i++) {
            if (i)
                word(t, ", ");
            put_literal(t, expr->u.list.items[i]);
        }
        word(t, "]");
        break;
    case ECC_EXPR_RECORD:
        word(t, "{ ");
        for (size_t i = 0; i < expr->u.record.ninits; i++) {
            const struct ecc_init *init = &expr->u.record.inits[i];
            if (!init->value)
                continue;
            say(t, "%s: ", init->field->name);
            put_literal(t, init->value);
            word(t, " ");
        }
        word(t, "}");
        break;
    case ECC_EXPR_NULL:
    case ECC_EXPR_VAR:
    case ECC_EXPR_FIELD:
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
    case ECC_EXPR_CALL:
        word(t, "null");
        break;
    }
}

static void put_fields(struct text *t, const struct ecc_record *record)
{
    for (size_t i = 0; i < record->nfields; i++) {
        const struct ecc_field *field = &record->fields[i];

        say(t, "%s: ", field->name);
        put_type(t, field->type);
        if (strcmp(field->name, field->wire) != 0) {
            word(t, " as ");
            put_string(t, field->wire);
        }
        if (field->was)
            say(t, " was(%s)", field->was);
        if (field->dflt) {
            word(t, " = ");
            put_literal(t, field->dflt);
        }
        word(t, " ");
    }
}

static void put_enums(struct text *t)
{
    for (size_t i = 0; i < t->enums.n; i++) {
        const struct ecc_enum *e = t->enums.items[i];
        say(t, "\nenum %s { ", e->name);
        for (size_t k = 0; k < e->nvalues; k++)
            say(t, "%s ", e->values[k]);
        word(t, "}");
    }
}

/* ------------------------------------------------------------------ declarations */

static const char *ended(struct text *t)
{
    put(t, "\n", 1);
    return ecc_arena_strndup(t->arena, t->out.items, t->out.n);
}

/* Whatever else happens, what was written is what is kept. */
const char *ecc_release_canonical(struct ecc_arena *arena, const char *text)
{
    struct ecc_arena *scratch = ecc_arena_scratch(arena);
    struct ecc_source source;
    struct ecc_diags diags;
    const char *done = NULL;
    size_t at, n;

    ecc_diags_init(&diags, scratch);
    if (ecc_source_init(&source, scratch, "ecom.lock", text, strlen(text), &at) == ECC_SOURCE_OK)
        done = ecc_format(scratch, &source, &diags, &n);
    return done ? ecc_arena_strdup(arena, done) : text;
}

static bool lex(struct ecc_arena *arena, const char *text, size_t length, struct ecc_source *source, struct ecc_tokens *tokens)
{
    struct ecc_spans comments = {0};
    struct ecc_diags diags;
    size_t at;

    ecc_diags_init(&diags, arena);
    *tokens = (struct ecc_tokens){0};
    return ecc_source_init(source, arena, "ecom.lock", text, length, &at) == ECC_SOURCE_OK &&
           ecc_lex(arena, source, &diags, tokens, &comments) && !diags.errors;
}

/* The `{` behind the parameters; n where there is none. */
static size_t body_of(const struct ecc_tokens *tokens)
{
    size_t i = 0;

    while (i < tokens->n && tokens->items[i].kind != ECC_TOK_LP)
        i++;
    for (int depth = 0; i < tokens->n; i++) {
        depth += (tokens->items[i].kind == ECC_TOK_LP) - (tokens->items[i].kind == ECC_TOK_RP);
        if (!depth)
            return i + 1;
    }
    return tokens->n;
}

const char *ecc_release_answer(struct ecc_arena *arena, const char *step)
{
    char *name = ecc_arena_alloc(arena, strlen(step) + 1), *at = name;
    bool upper = true;

    for (; *step; step++) {
        if (*step == '_') {
            upper = true;
            continue;
        }
        *at++ = upper && *step >= 'a' && *step <= 'z' ? (char)(*step - 'a' + 'A') : *step;
        upper = false;
    }
    *at = '\0';
    return name;
}

/* Of an event that has one: the name alone may be ambiguous later. */
static void put_version(struct text *t, const struct ecc_model *model, const char *event, size_t n)
{
    for (size_t i = 0; i < model->nevents; i++)
        if (strlen(model->events[i]->name) == n && memcmp(model->events[i]->name, event, n) == 0) {
            say(t, " v%d", model->events[i]->version);
            return;
        }
}

const char *ecc_release_saga(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_decl *decl,
                             const struct ecc_model *model, const struct ecc_saga *saga)
{
    struct text t = {.arena = arena};
    struct ecc_source own;
    struct ecc_tokens tokens;

    say(&t, "saga %s on %s(", saga->name, saga->service->name);
    put_fields(&t, saga->params);
    word(&t, ")");
    if (lex(arena, source->text + decl->span.start, decl->span.end - decl->span.start, &own, &tokens))
        for (size_t i = body_of(&tokens); i < tokens.n && tokens.items[i].kind; i++) {
            put(&t, " ", 1);
            put(&t, own.text + tokens.items[i].start, tokens.items[i].end - tokens.items[i].start);
            if (tokens.items[i].kind == ECC_TOK_PASCAL && tokens.items[i - 1].kind == ECC_TOK_PUBLISH &&
                tokens.items[i + 1].kind == ECC_TOK_LBRACE)
                put_version(&t, model, own.text + tokens.items[i].start, tokens.items[i].end - tokens.items[i].start);
        }
    for (size_t i = 0; i < saga->nsteps; i++) {
        if (!saga->steps[i].result)
            continue;
        say(&t, "\nrecord %s { ", ecc_release_answer(arena, saga->steps[i].name));
        put_fields(&t, saga->steps[i].result->type->record);
        word(&t, "}");
    }
    put_enums(&t);
    return ended(&t);
}

const char *ecc_release_event(struct ecc_arena *arena, const struct ecc_event *event)
{
    struct text t = {.arena = arena};

    say(&t, "event %s v%d { ", event->name, event->version);
    put_fields(&t, event->body);
    word(&t, "}");
    put_enums(&t);
    return ended(&t);
}

/* ------------------------------------------------------------------ comparing */

/* SQL without its layout; where a comment may end with a line, as it is. */
static void put_sql(struct text *t, const char *sql, size_t n)
{
    bool space = false, quoted = false;

    if (memmem(sql, n, "--", 2) || memmem(sql, n, "/*", 2)) {
        put(t, sql, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char c = sql[i];
        quoted ^= c == '\'';
        if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) {
            space = true;
            continue;
        }
        if (space)
            put(t, " ", 1);
        space = false;
        put(t, &c, 1);
    }
}

static const char *bare(struct ecc_arena *arena, const char *text, bool body)
{
    struct text t = {.arena = arena};
    struct ecc_source source;
    struct ecc_tokens tokens;

    if (!lex(arena, text, strlen(text), &source, &tokens))
        return text;
    for (size_t i = body ? body_of(&tokens) : 0, depth = 0; i < tokens.n && tokens.items[i].kind; i++) {
        const struct ecc_token *token = &tokens.items[i];
        const char *from = source.text + token->start;

        if (token->kind == ECC_TOK_COMMA)
            continue;
        if (token->kind == ECC_TOK_SQLTEXT)
            put_sql(&t, from, token->end - token->start);
        else
            put(&t, from, token->end - token->start);
        put(&t, " ", 1);
        depth += token->kind == ECC_TOK_LBRACE;
        if (token->kind == ECC_TOK_RBRACE && --depth == 0 && body)
            break;
    }
    return ecc_arena_strndup(arena, t.out.items ? t.out.items : "", t.out.n);
}

bool ecc_release_same(struct ecc_arena *arena, const char *a, const char *b, bool body)
{
    return strcmp(bare(arena, a, body), bare(arena, b, body)) == 0;
}
