/* What a statement names, for whoever asked (struct ecc_sql_notes): the places of tables, columns, schemas and values, and where the names
 * of result columns come from. The tree has where something begins; where it ends is known from the scanner's tokens. */
#include "sql_internal.h"

#include <string.h>
#include <strings.h>

static struct ecc_span bare(const struct sql_ctx *ctx, struct ecc_span span) /* without the quotes of a quoted name */
{
    if (span.end - span.start > 1 && (ctx->source[span.start] == '"' || ctx->source[span.start] == '\''))
        return (struct ecc_span){span.start + 1, span.end - 1};
    return span;
}

static bool is_token(const struct sql_ctx *ctx, struct ecc_span token, const char *word)
{
    return strlen(word) == token.end - token.start && strncasecmp(ctx->source + token.start, word, token.end - token.start) == 0;
}

static bool is_name(const struct sql_ctx *ctx, struct ecc_span token, const char *name)
{
    return is_token(ctx, bare(ctx, token), name);
}

/* The first token that begins there or behind it. */
static size_t token_at(const struct sql_ctx *ctx, int64_t text_at)
{
    uint32_t at = text_at < 0 ? 0 : sql_source_at(ctx, (uint32_t)text_at);
    size_t low = 0, high = ctx->tokens.n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ctx->tokens.items[middle].start < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void sql_note(struct sql_ctx *ctx, enum ecc_ref_kind kind, const void *entity, const char *name, int64_t text_at, size_t part)
{
    size_t i = ctx->notes ? token_at(ctx, text_at) + 2 * part : 0;

    if (!ctx->notes || i >= ctx->tokens.n || (part && !is_token(ctx, ctx->tokens.items[i - 1], ".")) ||
        !is_name(ctx, ctx->tokens.items[i], name))
        return;
    ctx->notes->name(ctx->notes->context, kind, entity, name, bare(ctx, ctx->tokens.items[i]));
}

void sql_note_after(struct sql_ctx *ctx, const struct ecc_column *column, int64_t text_at)
{
    if (!ctx->notes)
        return;
    for (size_t i = token_at(ctx, text_at); i < ctx->tokens.n; i++)
        if (is_name(ctx, ctx->tokens.items[i], column->name)) {
            ctx->notes->name(ctx->notes->context, ECC_REF_COLUMN, column, column->name, bare(ctx, ctx->tokens.items[i]));
            return;
        }
}

void sql_note_using(struct sql_ctx *ctx, const struct ecc_column *column)
{
    bool inside = false;

    for (size_t i = 1; ctx->notes && i < ctx->tokens.n; i++) {
        struct ecc_span token = ctx->tokens.items[i];
        if (is_token(ctx, token, "("))
            inside = is_token(ctx, ctx->tokens.items[i - 1], "using");
        else if (is_token(ctx, token, ")"))
            inside = false;
        else if (inside && is_name(ctx, token, column->name))
            ctx->notes->name(ctx->notes->context, ECC_REF_COLUMN, column, column->name, bare(ctx, token));
    }
}

const struct ecc_column *sql_table_column(const struct sql_rel *rel, const struct sql_column *column)
{
    size_t i = (size_t)(column - rel->columns.items);

    if (!rel->table || i >= rel->table->ncolumns || strcmp(rel->table->columns[i].name, column->name) != 0)
        return NULL;
    return &rel->table->columns[i];
}

void sql_note_column(struct sql_ctx *ctx, const struct sql_rel *rel, const struct sql_column *column, const struct ecc_sql_node *ref)
{
    const struct ecc_column *known = ctx->notes ? sql_table_column(rel, column) : NULL;
    const struct ecc_sql_node *fields = ecc_sql_at(ref, "fields");

    if (!known)
        return;
    sql_note(ctx, ECC_REF_COLUMN, known, known->name, ecc_sql_int(ref, "location"), fields->n - 1);
    ECC_PUSH(ctx->arena, &ctx->refs, ((struct sql_meant){ref, known}));
}

/* A table's own name before a dot, or as a row: not an alias. */
void sql_note_table(struct sql_ctx *ctx, const struct sql_rel *rel, int64_t text_at)
{
    if (ctx->notes && rel->table && strcmp(rel->name, rel->table->name) == 0)
        sql_note(ctx, ECC_REF_TABLE, rel->table, rel->name, text_at, 0);
}

/* FOR UPDATE OF table */
void sql_note_locks(struct sql_ctx *ctx, const struct sql_from *from, const struct ecc_sql_node *clauses)
{
    for
        ECC_SQL_EACH(clause, ctx->notes ? clauses : NULL)
        for
            ECC_SQL_EACH(item, ecc_sql_at(ecc_sql_body(clause), "lockedRels"))
        for (size_t i = 0; i < from->n; i++)
            if (strcmp(from->items[i]->name, ecc_sql_text(ecc_sql_body(item), "relname")) == 0)
                sql_note_table(ctx, from->items[i], ecc_sql_int(ecc_sql_body(item), "location"));
}

/* ------------------------------------------------------------------ result columns */

static bool ends_target(const struct sql_ctx *ctx, size_t i)
{
    static const char *const words[] = {",",      ";",     ")",     "]",      "from",  "where",    "group",
                                        "having", "order", "limit", "offset", "union", "except",   "intersect",
                                        "window", "for",   "fetch", "into",   "on",    "returning"};
    struct ecc_span before = i ? ctx->tokens.items[i - 1] : (struct ecc_span){0, 0};

    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        if (!is_token(ctx, ctx->tokens.items[i], words[k]))
            continue;
        bool inner = (strcmp(words[k], "from") == 0 && is_token(ctx, before, "distinct")) || /* IS DISTINCT FROM */
                     (strcmp(words[k], "group") == 0 && is_token(ctx, before, "within"));
        return !inner;
    }
    return false;
}

/* The last token of a target of a select list. */
static struct ecc_span last_of_target(const struct sql_ctx *ctx, int64_t text_at)
{
    struct ecc_span last = {0, 0};
    size_t depth = 0;

    for (size_t i = token_at(ctx, text_at); i < ctx->tokens.n; i++) {
        struct ecc_span token = ctx->tokens.items[i];
        if (!depth && last.end && ends_target(ctx, i))
            break;
        if (is_token(ctx, token, "(") || is_token(ctx, token, "["))
            depth++;
        else if (depth && (is_token(ctx, token, ")") || is_token(ctx, token, "]")))
            depth--;
        last = token;
    }
    return last;
}

static struct ecc_result *result(struct sql_ctx *ctx, struct ecc_result given)
{
    struct ecc_result *made = ECC_NEW(ctx->arena, struct ecc_result);

    *made = given;
    ctx->notes->result(ctx->notes->context, made);
    return made;
}

struct ecc_result *sql_note_target(struct sql_ctx *ctx, const struct ecc_sql_node *target, const char *name,
                                   const struct ecc_sql_node *origin)
{
    bool alias = *ecc_sql_text(target, "name");
    const struct ecc_column *column = NULL;

    if (!ctx->notes || !name)
        return NULL;
    struct ecc_span last = last_of_target(ctx, ecc_sql_int(target, "location"));
    if (!last.end)
        return NULL;
    for (size_t i = 0; !alias && origin && i < ctx->refs.n; i++)
        if (ctx->refs.items[i].node == origin)
            column = ctx->refs.items[i].column;
    if (alias)
        return result(ctx, (struct ecc_result){ECC_RESULT_ALIAS, bare(ctx, last), name, NULL, NULL, NULL});
    return result(ctx, (struct ecc_result){ECC_RESULT_IMPLIED, {last.end, last.end}, name, NULL, NULL, column});
}

struct ecc_result *sql_note_star(struct sql_ctx *ctx, const struct ecc_sql_node *ref, const struct sql_rel *rel,
                                 const struct sql_column *column, bool qualified)
{
    size_t i = ctx->notes ? token_at(ctx, ecc_sql_int(ref, "location")) : 0, dots = ecc_sql_at(ref, "fields")->n - 1;

    if (!ctx->notes || i + 2 * dots >= ctx->tokens.n || !column->name)
        return NULL;
    struct ecc_span place = {ctx->tokens.items[i].start, ctx->tokens.items[i + 2 * dots].end};
    return result(
        ctx, (struct ecc_result){ECC_RESULT_STAR, place, column->name, qualified ? rel->name : NULL, NULL, sql_table_column(rel, column)});
}

/* The row's fields are there. */
void sql_note_row(struct sql_ctx *ctx, const struct ecc_record *row, const struct sql_columns *columns)
{
    for (size_t i = 0; ctx->notes && i < row->nfields; i++) {
        struct ecc_result *noted = columns->items[i].noted;
        if (!noted || strcmp(noted->name, row->fields[i].name) != 0)
            continue;
        noted->field = &row->fields[i];
        if (noted->how == ECC_RESULT_ALIAS)
            ctx->notes->alias(ctx->notes->context, noted);
    }
}
