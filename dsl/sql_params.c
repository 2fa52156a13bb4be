/* Finds the parameters of a statement and gives them numbers.
 *
 * PostgreSQL's own scanner tells a colon that begins `:name` from `::type`, from colons in strings and comments and from array slices.
 * Its answer is a protobuf message of two levels, read here by hand: message 2 { 1: start  2: end  4: token  5: keyword kind }.
 */
#include "sql_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <pg_query.h>

enum { T_OPEN = 91, T_CLOSE = 93, T_COLON = 58, T_PARAM = 267, T_ARRAY = 293, T_SQL_COMMENT = 275, T_C_COMMENT = 276 };
enum { MOST_PARAMS = 1000, DEEPEST_BRACKETS = 200 };

struct token {
    uint32_t start, end, kind, keyword;
};

static const char *const c_words[] = {
    "asm",    "auto", "bool",   "break",    "case",     "char",   "const", "continue", "default", "do",       "double",
    "else",   "enum", "extern", "false",    "float",    "for",    "goto",  "if",       "in",      "inline",   "int",
    "linux",  "long", "out",    "register", "restrict", "return", "short", "signed",   "sizeof",  "static",   "struct",
    "switch", "task", "true",   "typedef",  "typeof",   "union",  "unix",  "unsigned", "void",    "volatile", "while",
};

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t value = 0;

    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            break;
    }
    return value;
}

static bool next_token(const uint8_t **p, const uint8_t *end, struct token *token)
{
    while (*p < end) {
        uint64_t tag = varint(p, end);
        uint64_t value = varint(p, end); /* a number, or a length */
        if (tag != (2 << 3 | 2))
            continue;
        const uint8_t *stop = value > (uint64_t)(end - *p) ? end : *p + value;
        *token = (struct token){0};
        while (*p < stop) {
            uint64_t field = varint(p, stop) >> 3, number = varint(p, stop);
            uint32_t *members[] = {NULL, &token->start, &token->end, NULL, &token->kind, &token->keyword};
            if (field < 6 && members[field])
                *members[field] = (uint32_t)number;
        }
        return true;
    }
    return false;
}

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
static bool ends_operand(const struct sql_ctx *ctx, const struct token *token)
{
    char last = token->end ? ctx->source[token->end - 1] : ' ';

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

static const char *parameter_name(struct sql_ctx *ctx, const char *path)
{
    char *name = ecc_arena_strdup(ctx->arena, path);
    const char *unique = name;

    for (char *p = name; *p; p++) {
        if (*p == '.')
            *p = '_';
    }
    if (strncmp(name, "ec_", 3) == 0)
        unique = sql_format(ctx, "%s_", name);
    for (int i = 2; is_taken(ctx, unique); i++)
        unique = i == 2 ? sql_format(ctx, "%s_", name) : sql_format(ctx, "%s_%d", name, i);
    return unique;
}

/* Which parameter the path is; it is asked for where it is new. */
static size_t parameter(struct sql_ctx *ctx, uint32_t at, uint32_t length)
{
    for (size_t i = 0; i < ctx->paths.n; i++) {
        if (strlen(ctx->paths.items[i]) != length || memcmp(ctx->paths.items[i], ctx->source + at, length) != 0)
            continue;
        if (ctx->notes && ctx->params.items[i])
            ctx->scope->resolve(ctx->scope->context, ctx->paths.items[i], at, length);
        return i;
    }
    const char *path = ecc_arena_strndup(ctx->arena, ctx->source + at, length);
    const struct ecc_expr *value = NULL;
    if (ctx->scope->resolve) {
        value = ctx->scope->resolve(ctx->scope->context, path, at, length);
        if (!value)
            ctx->failed = true;
    } else {
        ECC_PUSH(ctx->arena, ctx->problems,
                 ((struct ecc_sql_problem){at - 1, length + 1, sql_format(ctx, "`:%s`: this statement takes no parameters", path), NULL}));
    }
    const char *name = parameter_name(ctx, path); /* not inside the push: it reads the list */
    ECC_PUSH(ctx->arena, &ctx->names, name);
    ECC_PUSH(ctx->arena, &ctx->paths, path);
    ECC_PUSH(ctx->arena, &ctx->params, value);
    return ctx->paths.n - 1;
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

static void replace(struct sql_ctx *ctx)
{
    size_t room = ctx->source_length + 1;
    uint32_t from = 0;

    for (size_t i = 0; i < ctx->pieces.n; i++)
        room += ctx->pieces.items[i].written ? strlen(ctx->pieces.items[i].written) : 24;
    char *out = ctx->text = ecc_arena_alloc(ctx->arena, room);

    for (size_t i = 0; i < ctx->pieces.n; i++) {
        struct sql_piece *piece = &ctx->pieces.items[i];
        const char *cast = piece->written ? NULL : cast_of(ctx, piece->param);
        memcpy(out, ctx->source + from, piece->source_at - from);
        out += piece->source_at - from;
        piece->text_at = (uint32_t)(out - ctx->text);
        piece->text_length = piece->written ? (uint32_t)sprintf(out, "%s", piece->written)
                                            : (uint32_t)sprintf(out, "$%zu%s%s", piece->param + 1, cast ? "::" : "", cast ? cast : "");
        out += piece->text_length;
        from = piece->source_at + piece->source_length;
    }
    memcpy(out, ctx->source + from, ctx->source_length - from);
    out[ctx->source_length - from] = '\0';
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
        replace(ctx);
}

/* The scanner gives up only on what ends badly, such as an open string; then the parser says so with a place. */
bool sql_scan(struct sql_ctx *ctx)
{
    PgQueryScanResult scan = pg_query_scan(ctx->source);
    size_t before = ctx->problems->n;

    if (!scan.error) {
        const uint8_t *p = (const uint8_t *)scan.pbuf.data, *end = p + scan.pbuf.len;
        struct token token, last = {0};
        bool subscript[DEEPEST_BRACKETS] = {false};
        size_t depth = 0;
        uint32_t past = 0; /* tokens before this belong to a parameter */
        while (next_token(&p, end, &token)) {
            if (token.end > ctx->source_length || token.start < past || token.kind == T_SQL_COMMENT || token.kind == T_C_COMMENT)
                continue;
            for (uint32_t i = token.start; i < token.end && !ctx->lines; i++)
                ctx->lines = ctx->source[i] == '\n';
            if (token.kind == T_OPEN && depth < DEEPEST_BRACKETS) {
                bool inner = depth && !subscript[depth - 1] && !ends_operand(ctx, &last);
                subscript[depth++] = last.kind != T_ARRAY && !inner;
            } else if (token.kind == T_CLOSE && depth) {
                depth--;
            } else if (token.kind == T_PARAM) {
                ECC_PUSH(ctx->arena, ctx->problems,
                         ((struct ecc_sql_problem){token.start, token.end - token.start, "a parameter is written `:name`", NULL}));
            } else if (token.kind == T_COLON && is_name_start(ctx->source[token.end]) &&
                       !(depth && subscript[depth - 1] && ends_operand(ctx, &last))) {
                uint32_t length = name_length(ctx->source + token.end);
                while (ctx->source[token.end + length] == '.' && is_name_start(ctx->source[token.end + length + 1]))
                    length += 1 + name_length(ctx->source + token.end + length + 1);
                if (ctx->paths.n == MOST_PARAMS) {
                    ECC_PUSH(ctx->arena, ctx->problems, ((struct ecc_sql_problem){token.start, length + 1, "too many parameters", NULL}));
                    break;
                }
                struct sql_piece piece = {0, 0, token.start, length + 1, parameter(ctx, token.end, length)};
                ECC_PUSH(ctx->arena, &ctx->pieces, piece);
                past = token.end = token.end + length;
            }
            last = token;
            if (ctx->notes)
                ECC_PUSH(ctx->arena, &ctx->tokens, ((struct ecc_span){token.start, token.end}));
        }
    }
    pg_query_free_scan_result(scan);
    replace(ctx);
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
