/* Finds the parameters of a statement and gives them numbers. */
#include "sql_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PARAMS = 1000, DEEPEST_BRACKETS = 200 };

struct place { uint32_t at, length; };
struct places { struct place *items; size_t n, cap; };

struct found { /* in a text, before anybody is asked what it means */
    struct sql_pieces pieces;
    struct places paths;    /* distinct, without the colon: a piece's param is a number of this list */
    struct places numbered; /* `$1` as it was written */
    struct place too_many;  /* the parameter that is one too many, or empty */
    struct sql_tokens tokens; /* a parameter is one */
    bool lines;             /* a string goes over several */
};

static const char *const c_words[] = {
    "asm",    "auto", "bool",   "break",    "case",     "char",   "const", "continue", "default", "do",       "double",
    "else",   "enum", "extern", "false",    "float",    "for",    "goto",  "if",       "in",      "inline",   "int",
    "linux",  "long", "out",    "register", "restrict", "return", "short", "signed",   "sizeof",  "static",   "struct",
    "switch", "task", "true",   "typedef",  "typeof",   "union",  "unix",  "unsigned", "void",    "volatile", "while",
};

static bool is_name_start(char c)
{
    return c >= 'a' && c <= 'z';
}

static uint32_t name_length(const char *p)
{
    uint32_t n = 0;

    while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= '0' && p[n] <= '9') || p[n] == '_')
        n++;
    return n;
}

/* Can a token end an operand? Then a colon after it, inside a subscript, separates the bounds of a slice. */
static bool ends_operand(const char *source, const struct sql_token *token)
{
    char last = token->end ? source[token->end - 1] : ' ';

    return isalnum((unsigned char)last) || last == '_' || last == ')' || last == ']' || last == '"' || last == '\'';
}

static bool is_taken(const struct sql_ctx *ctx, const char *name)
{
    for (size_t i = 0; i < sizeof c_words / sizeof *c_words; i++) {
        if (strcmp(name, c_words[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < ctx->names.n; i++) {
        if (strcmp(name, ctx->names.items[i]) == 0)
            return true;
    }
    return false;
}

static void problem(struct sql_ctx *ctx, uint32_t at, uint32_t length, const char *message)
{
    ECC_PUSH(ctx->keep, ctx->problems, ((struct ecc_sql_problem){at, length, message, NULL}));
}

static const char *parameter_name(struct sql_ctx *ctx, const char *path)
{
    char *name = ecc_arena_strdup(ctx->keep, path);
    const char *unique = name;

    for (char *p = name; *p; p++) {
        if (*p == '.')
            *p = '_';
    }
    if (strncmp(name, "ec_", 3) == 0)
        unique = ecc_arena_printf(ctx->keep, "%s_", name);
    for (int i = 2; is_taken(ctx, unique); i++)
        unique = i == 2 ? ecc_arena_printf(ctx->keep, "%s_", name) : ecc_arena_printf(ctx->keep, "%s_%d", name, i);
    return unique;
}

/* A path that is new: its value is asked for. */
static void add_parameter(struct sql_ctx *ctx, struct place place)
{
    const char *path = ecc_arena_strndup(ctx->keep, ctx->source + place.at, place.length);
    const struct ecc_expr *value = NULL;

    if (ctx->scope->resolve) {
        value = ctx->scope->resolve(ctx->scope->context, path, place.at, place.length);
        if (!value)
            ctx->failed = true;
    } else {
        problem(ctx, place.at - 1, place.length + 1, ecc_arena_printf(ctx->keep, "`:%s`: this statement takes no parameters", path));
    }
    const char *name = parameter_name(ctx, path); /* not inside the push: it reads the list */
    ECC_PUSH(ctx->keep, &ctx->names, name);
    ECC_PUSH(ctx->arena, &ctx->paths, path);
    ECC_PUSH(ctx->keep, &ctx->params, value);
}

static const char *cast_of(struct sql_ctx *ctx, size_t param)
{
    size_t times = 0;

    if (!ctx->casts || !ctx->casts[param] || !ctx->params.items[param])
        return NULL;
    for (size_t i = 0; i < ctx->pieces.n; i++)
        times += !ctx->pieces.items[i].written && ctx->pieces.items[i].param == param;
    if (ctx->casts[param] == SQL_CAST_REPEATED && times == 1)
        return NULL;
    return sql_cast_name(sql_of_type(ctx->params.items[param]->type));
}

/* ctx: with the casts that its parameters need, and the places of the pieces noted; or NULL. */
static char *replace(struct ecc_arena *arena, const char *source, size_t length, const struct sql_pieces *pieces, struct sql_ctx *ctx)
{
    size_t room = length + 1;
    uint32_t from = 0;

    for (size_t i = 0; i < pieces->n; i++)
        room += pieces->items[i].written ? strlen(pieces->items[i].written) : 24;
    char *text = ecc_arena_alloc(arena, room), *out = text;

    for (size_t i = 0; i < pieces->n; i++) {
        struct sql_piece *piece = &pieces->items[i];
        const char *cast = ctx && !piece->written ? cast_of(ctx, piece->param) : NULL;
        memcpy(out, source + from, piece->source_at - from);
        out += piece->source_at - from;
        piece->text_at = (uint32_t)(out - text);
        piece->text_length = piece->written ? (uint32_t)sprintf(out, "%s", piece->written)
                                            : (uint32_t)sprintf(out, "$%zu%s%s", piece->param + 1, cast ? "::" : "", cast ? cast : "");
        out += piece->text_length;
        from = piece->source_at + piece->source_length;
    }
    memcpy(out, source + from, length - from);
    out[length - from] = '\0';
    return text;
}

void sql_want_cast(struct sql_ctx *ctx, struct sql_value value, enum sql_cast cast)
{
    if (value.param && ctx->casts && ctx->casts[value.param - 1] < cast)
        ctx->casts[value.param - 1] = (unsigned char)cast;
}

void sql_settle_params(struct sql_ctx *ctx, const struct sql_value *values, size_t n, const struct sql_choice *without,
                       enum sql_found found)
{
    bool same = found == SQL_FOUND;

    for (size_t i = 0; i < n; i++)
        same = same && (!values[i].param || without->args[i] == sql_value_letter(values[i]));
    for (size_t i = 0; i < n && !same; i++)
        sql_want_cast(ctx, values[i], SQL_CAST_ALWAYS);
}

const char *sql_cast_params(struct sql_ctx *ctx, const struct sql_value *values, size_t n, const struct sql_choice *without)
{
    for (size_t i = 0; i < n; i++)
        if (values[i].param && without->args[i] != sql_value_letter(values[i]))
            return sql_format(ctx, "write `:%s::%s`", ctx->paths.items[values[i].param - 1], sql_letter_name(ctx, without->args[i]));
    return NULL;
}

void sql_write_out(struct sql_ctx *ctx, int64_t text_at, uint32_t length, const char *written)
{
    uint32_t at = sql_source_at(ctx, (uint32_t)text_at);

    for (size_t i = 0; i < ctx->written.n; i++) /* a recursive query is read twice */
        if (ctx->written.items[i].source_at == at)
            return;
    ECC_PUSH(ctx->arena, &ctx->written, ((struct sql_piece){.source_at = at, .source_length = length, .written = written}));
}

void sql_finish(struct sql_ctx *ctx)
{
    bool any = ctx->written.n > 0;

    for (size_t i = 0; i < ctx->params.n; i++)
        any |= ctx->casts[i] != SQL_CAST_NO;
    for (size_t i = 0; i < ctx->written.n; i++) { /* among the others, in the order of their places */
        ECC_PUSH(ctx->arena, &ctx->pieces, ctx->written.items[i]);
        for (size_t j = ctx->pieces.n - 1; j && ctx->pieces.items[j - 1].source_at > ctx->pieces.items[j].source_at; j--) {
            struct sql_piece swap = ctx->pieces.items[j];
            ctx->pieces.items[j] = ctx->pieces.items[j - 1];
            ctx->pieces.items[j - 1] = swap;
        }
    }
    if (any)
        ctx->text = replace(ctx->arena, ctx->source, ctx->source_length, &ctx->pieces, ctx);
}

static size_t number_of(struct ecc_arena *arena, const char *source, struct found *found, struct place path)
{
    for (size_t i = 0; i < found->paths.n; i++) {
        const struct place *known = &found->paths.items[i];
        if (known->length == path.length && memcmp(source + known->at, source + path.at, path.length) == 0)
            return i;
    }
    ECC_PUSH(arena, &found->paths, path);
    return found->paths.n - 1;
}

/* What the scanner gives up on ends badly; then the parser says so with a place. */
static void find(struct ecc_arena *arena, const char *source, struct found *found)
{
    struct sql_tokens tokens = {0};
    struct sql_token last = {0};
    size_t depth = 0;
    bool subscript[DEEPEST_BRACKETS] = {false};
    uint32_t past = 0; /* tokens before this belong to a parameter */

    if (!sql_tokens(arena, source, &tokens))
        tokens.n = 0;
    for (size_t i = 0; i < tokens.n; i++) {
        struct sql_token token = tokens.items[i];
        if (token.start < past)
            continue;
        if (token.kind == SQL_TOKEN_STRING && memchr(source + token.start, '\n', token.end - token.start))
            found->lines = true;
        if (token.kind == SQL_TOKEN_OPEN && depth < DEEPEST_BRACKETS) {
            bool inner = depth && !subscript[depth - 1] && !ends_operand(source, &last);
            subscript[depth++] = last.kind != SQL_TOKEN_ARRAY && !inner;
        } else if (token.kind == SQL_TOKEN_CLOSE && depth) {
            depth--;
        } else if (token.kind == SQL_TOKEN_NUMBERED) {
            ECC_PUSH(arena, &found->numbered, ((struct place){token.start, token.end - token.start}));
        } else if (token.kind == SQL_TOKEN_COLON && is_name_start(source[token.end]) &&
                   !(depth && subscript[depth - 1] && ends_operand(source, &last))) {
            uint32_t length = name_length(source + token.end);
            while (source[token.end + length] == '.' && is_name_start(source[token.end + length + 1]))
                length += 1 + name_length(source + token.end + length + 1);
            if (found->paths.n == MOST_PARAMS) {
                found->too_many = (struct place){token.start, length + 1};
                break;
            }
            size_t number = number_of(arena, source, found, (struct place){token.end, length});
            ECC_PUSH(arena, &found->pieces, ((struct sql_piece){.source_at = token.start, .source_length = length + 1, .param = number}));
            past = token.end = token.end + length;
        }
        last = token;
        ECC_PUSH(arena, &found->tokens, token);
    }
}

char *sql_numbered(struct ecc_arena *arena, const char *source, size_t length)
{
    struct found found = {0};

    find(ecc_arena_scratch(arena), source, &found);
    return replace(arena, source, length, &found.pieces, NULL);
}

bool sql_scan(struct sql_ctx *ctx)
{
    struct found found = {0};
    size_t before = ctx->problems->n;

    find(ctx->arena, ctx->source, &found);
    ctx->pieces = found.pieces;
    ctx->lines = found.lines;
    for (size_t i = 0; i < found.numbered.n; i++)
        problem(ctx, found.numbered.items[i].at, found.numbered.items[i].length, "a parameter is written `:name`");
    for (size_t i = 0; i < found.pieces.n; i++) {
        const struct sql_piece *piece = &found.pieces.items[i];
        if (piece->param == ctx->paths.n)
            add_parameter(ctx, found.paths.items[piece->param]);
        else if (ctx->notes && ctx->params.items[piece->param])
            ctx->scope->resolve(ctx->scope->context, ctx->paths.items[piece->param], piece->source_at + 1, piece->source_length - 1);
    }
    if (ctx->notes)
        for (size_t i = 0; i < found.tokens.n; i++)
            ECC_PUSH(ctx->arena, &ctx->tokens, ((struct ecc_span){found.tokens.items[i].start, found.tokens.items[i].end}));
    if (found.too_many.length)
        problem(ctx, found.too_many.at, found.too_many.length, "too many parameters");
    ctx->text = replace(ctx->arena, ctx->source, ctx->source_length, &ctx->pieces, NULL);
    ctx->casts = ecc_arena_alloc(ctx->arena, ctx->params.n);
    return ctx->problems->n == before;
}

uint32_t sql_source_at(const struct sql_ctx *ctx, uint32_t text_at)
{
    uint32_t shift_text = 0, shift_source = 0;

    for (size_t i = 0; i < ctx->pieces.n && ctx->pieces.items[i].text_at <= text_at; i++) {
        const struct sql_piece *piece = &ctx->pieces.items[i];
        if (text_at < piece->text_at + piece->text_length)
            return piece->source_at;
        shift_text = piece->text_at + piece->text_length;
        shift_source = piece->source_at + piece->source_length;
    }
    return shift_source + (text_at - shift_text);
}
