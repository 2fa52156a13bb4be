/* migrations/, seed.sql, and migrations.c that has them in the binary. The files of a released migration come from ecom.lock, so that a
 * checkout without generated/ gives the same ones again. */
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "lock.h"
#include "release.h"

static const struct ecc_span nowhere = {0, 0};

/* The lock is read by whoever comes first. */
static struct ecc_lock *lock_of(struct ecc_codegen *cg)
{
    const char *error = NULL;

    if (!cg->locked && !cg->lock_failed) {
        cg->locked = ecc_lock_read(cg->arena, cg->lock, cg->lock_length, &error);
        if (!cg->locked) {
            cg->lock_failed = true;
            ecc_diag(cg->diags, ECC_E_LOCK, nowhere, "ecom.lock: %s", error);
        }
    }
    return cg->locked;
}

/* ------------------------------------------------------------------ seeds */

static const char *json_of(struct ecc_arena *arena, const struct ecc_expr *expr)
{
    const char *text = "", *separator = "";

    switch (expr->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_quote_json(arena, expr->u.text);
    case ECC_EXPR_INT:
        return ecc_arena_printf(arena, "%lld", (long long)expr->u.i);
    case ECC_EXPR_FLOAT:
        return ecc_arena_printf(arena, "%.17g", expr->u.f);
    case ECC_EXPR_BOOL:
        return expr->u.b ? "true" : "false";
    case ECC_EXPR_CONVERT:
        return json_of(arena, expr->u.convert);
    case ECC_EXPR_UNARY:
        return ecc_arena_printf(arena, "-%s", json_of(arena, expr->u.op.left));
    case ECC_EXPR_LIST:
        for (size_t i = 0; i < expr->u.list.nitems; i++)
            text = ecc_arena_printf(arena, "%s%s%s", text, i ? ", " : "", json_of(arena, expr->u.list.items[i]));
        return ecc_arena_printf(arena, "[%s]", text);
    case ECC_EXPR_RECORD:
        for (size_t i = 0; i < expr->u.record.ninits; i++) {
            const struct ecc_init *init = &expr->u.record.inits[i];
            if (!init->value)
                continue;
            text = ecc_arena_printf(arena, "%s%s%s: %s", text, separator, ecc_quote_json(arena, init->field->wire),
                                    json_of(arena, init->value));
            separator = ", ";
        }
        return ecc_arena_printf(arena, "{%s}", text);
    case ECC_EXPR_NULL:
    case ECC_EXPR_VAR:
    case ECC_EXPR_FIELD:
    case ECC_EXPR_BINARY:
    case ECC_EXPR_CALL:
        break;
    }
    return "null";
}

static const char *sql_of(struct ecc_arena *arena, const struct ecc_expr *expr)
{
    switch (expr->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_quote_sql(arena, expr->u.text);
    case ECC_EXPR_CONVERT:
        return sql_of(arena, expr->u.convert);
    case ECC_EXPR_LIST:
    case ECC_EXPR_RECORD:
        return ecc_quote_sql(arena, json_of(arena, expr));
    case ECC_EXPR_NULL:
        return "NULL";
    case ECC_EXPR_CALL:
        return expr->u.call.fn == ECC_FN_NOW ? "now()" : "NULL";
    case ECC_EXPR_INT:
    case ECC_EXPR_FLOAT:
    case ECC_EXPR_BOOL:
    case ECC_EXPR_UNARY:
    case ECC_EXPR_VAR:
    case ECC_EXPR_FIELD:
    case ECC_EXPR_BINARY:
        break;
    }
    return json_of(arena, expr);
}

static bool same_columns(const struct ecc_seed *a, const struct ecc_seed *b)
{
    if (a->table != b->table || a->nvalues != b->nvalues)
        return false;
    for (size_t i = 0; i < a->nvalues; i++) {
        if (a->values[i].column != b->values[i].column)
            return false;
    }
    return true;
}

/* Rows of one table that name the same columns are one statement. Rows that are there already stay as they are. */
static const char *seed_sql(struct ecc_arena *arena, const struct ecc_service *service)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    for (size_t i = 0; i < service->nseeds;) {
        const struct ecc_seed *seed = service->seeds[i];
        ecc_w(&w, "INSERT INTO %s (", ecc_quote_sql_name(arena, seed->table->name));
        for (size_t j = 0; j < seed->nvalues; j++)
            ecc_w(&w, "%s%s", j ? ", " : "", ecc_quote_sql_name(arena, seed->values[j].column->name));
        ecc_wl(&w, ") VALUES");
        for (;;) {
            const char *row = "";
            for (size_t j = 0; j < service->seeds[i]->nvalues; j++)
                row = ecc_arena_printf(arena, "%s%s%s", row, j ? ", " : "", sql_of(arena, service->seeds[i]->values[j].value));
            bool more = ++i < service->nseeds && same_columns(seed, service->seeds[i]);
            ecc_wl(&w, "    (%s)%s", row, more ? "," : ""); /* not indented by the writer: a text may have lines of its own */
            if (!more)
                break;
        }
        ecc_wl(&w, "ON CONFLICT DO NOTHING;");
    }
    return w.data;
}

/* ------------------------------------------------------------------ files */

static void add_sql_file(struct ecc_codegen *cg, const struct ecc_shapes *shapes, const char *name, const char *sql)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_SQL);

    ecc_w_text(w, sql, strlen(sql));
    ecc_codegen_add(cg, shapes, name, w);
}

static void embed(struct ecc_writer *w, const char *member, const char *sql)
{
    ecc_wl(w, ".%s =", member);
    w->indent++;
    ecc_w_c_lines(w, sql);
    ecc_wl(w, ",");
    w->indent--;
}

static void emit_files(struct ecc_codegen *cg, const struct ecc_shapes *shapes, const struct ecc_lock_service *locked, const char *seed)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    ecc_w_open(w, "const struct ec_migration migrations[] = {");
    for (size_t i = 0; i < locked->migrations.n; i++) {
        const struct ecc_migration *m = locked->migrations.items[i];
        add_sql_file(cg, shapes, ecc_arena_printf(cg->arena, "migrations/%s.up.sql", m->name), m->up);
        add_sql_file(cg, shapes, ecc_arena_printf(cg->arena, "migrations/%s.down.sql", m->name), m->down);
        ecc_w_open(w, "{");
        ecc_wl(w, ".version = %s,", ecc_quote_c(cg->arena, m->name));
        embed(w, "up", m->up);
        embed(w, "down", m->down);
        ecc_wl(w, ".sha256 = %s,", ecc_quote_c(cg->arena, m->sha256));
        if (m->no_transaction)
            ecc_wl(w, ".no_transaction = true,");
        ecc_w_close(w, "},");
    }
    ecc_wl(w, "{.version = NULL},");
    ecc_w_close(w, "};");
    if (seed) {
        add_sql_file(cg, shapes, "seed.sql", seed);
        ecc_w_blank(w);
        ecc_wl(w, "const char seed[] =");
        w->indent++;
        ecc_w_c_lines(w, seed);
        ecc_wl(w, ";");
        w->indent--;
    }
    ecc_codegen_add(cg, shapes, "migrations.c", w);
}

void ecc_emit_sql(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    const struct ecc_node *node = shapes->node;
    struct ecc_lock *lock = lock_of(cg);

    if (node->kind != ECC_NODE_SERVICE || !node->u.service.has_database || !lock)
        return;
    struct ecc_lock_service *locked = ecc_lock_service(lock, node->name);
    struct ecc_schema *next = ecc_schema_of(cg->arena, &node->u.service);
    if (locked->migrations.n)
        ecc_schema_diff(cg->arena, cg->model, node, locked->schema, next, cg->diags, &locked->migrations);
    else if (next->tables.n)
        ECC_PUSH(cg->arena, &locked->migrations, ecc_schema_initial(cg->arena, next));
    locked->schema = next;
    emit_files(cg, shapes, locked, node->u.service.nseeds ? seed_sql(cg->arena, &node->u.service) : NULL);
}

void ecc_emit_lock(struct ecc_codegen *cg)
{
    struct ecc_lock *lock = lock_of(cg);

    if (!lock)
        return;
    lock->releases = (struct ecc_releases){0};
    for (size_t i = 0; i < cg->model->releases.n; i++) {
        struct ecc_release release = cg->model->releases.items[i];
        if (release.text)
            release.text = ecc_release_canonical(cg->arena, release.text);
        ECC_PUSH(cg->arena, &lock->releases, release);
    }
    cg->new_lock = ecc_lock_write(lock, &cg->new_lock_length);
}
