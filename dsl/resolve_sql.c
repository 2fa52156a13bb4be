/* SQL statements: the analysis of sql_check.h with this body's names as parameters, and its problems at their place in the source. */
#include "resolve.h"
#include "source.h"

#include <string.h>

#include "sql_check.h"

struct lookup {
    struct ecc_resolver *r;
    struct ecc_body *body;
    const struct ecc_text *text;
};

static const struct ecc_expr *resolve_param(void *context, const char *path, uint32_t at, uint32_t length)
{
    const struct lookup *l = context;
    struct ecc_span span = {l->text->span.start + at, l->text->span.start + at + length};

    return ecc_resolve_path(l->r, l->body, path, span);
}

/* A table that this service has not, but another: by its name, or as `other_svc.name`. */
static bool is_of_another(struct ecc_resolver *r, const struct ecc_sql_problem *p, struct ecc_span span)
{
    for (size_t i = 0; p->table && i < r->model->nnodes; i++) {
        const struct ecc_node *node = r->model->nodes[i];
        if (node->kind != ECC_NODE_SERVICE || (*p->schema && strcmp(p->schema, ecc_schema_name(r->arena, node)) != 0))
            continue;
        for (size_t k = 0; k < node->u.service.ntables; k++) {
            if (strcmp(node->u.service.tables[k]->name, p->table) != 0)
                continue;
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_FOREIGN_TABLE, span, "`%s` is a table of %s: a service reaches only its own",
                                          p->table, node->name);
            ecc_diag_second(d, node->u.service.tables[k]->span, "declared here");
            ecc_diag_help(r->diags, d, "ask %s by an operation, or keep what its events tell", node->name);
            return true;
        }
    }
    return false;
}

void ecc_report_sql(struct ecc_resolver *r, const struct ecc_text *text, const void *found)
{
    const struct ecc_sql_problems *problems = found;

    for (size_t i = 0; i < problems->n; i++) {
        const struct ecc_sql_problem *p = &problems->items[i];
        struct ecc_span span = {text->span.start + p->at, text->span.start + p->at + p->length};
        if (is_of_another(r, p, span))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SQL, span, "%s", p->message);
        if (p->has_second)
            ecc_diag_second(d, p->second, "declared here");
        if (p->help)
            ecc_diag_help(r->diags, d, "%s", p->help);
        if (p->meant && p->length == strlen(p->wrong) && !memcmp(r->source->text + span.start, p->wrong, p->length))
            ecc_diag_fix(d, span, p->meant);
    }
}

static const struct ecc_type *result_type(struct ecc_resolver *r, enum ecc_sql_shape shape, const struct ecc_record *row, bool fine)
{
    if (shape == ECC_SQL_EXEC)
        return &ecc_type_void;
    if (!fine || !row) /* what it got wrong has been said */
        return &ecc_type_unknown;
    const struct ecc_type *type = ecc_type_of_record(r->arena, row);
    if (shape == ECC_SQL_MANY)
        return ecc_type_list_of(r->arena, type);
    return shape == ECC_SQL_MAYBE ? ecc_type_optional(r->arena, type) : type;
}

void ecc_resolve_sql(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt)
{
    const struct ecc_text *text = &ast->u.sql.text;
    enum ecc_sql_shape shape = ast->u.sql.shape;
    struct lookup lookup = {r, body, text};
    struct ecc_sql_problems problems = {0};
    const struct ecc_service *service = &body->node->u.service;

    if (!service->has_database) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_DATABASE, ast->span, "%s has no database", body->node->name);
        ecc_diag_second(d, body->node->span, "declared here");
        ecc_let(r, body, stmt, ast, &ecc_type_unknown);
        return;
    }
    struct ecc_sql_scope scope = {
        .tables = service->tables,
        .ntables = service->ntables,
        .resolve = resolve_param,
        .context = &lookup,
        .notes = ecc_refer_sql(r, text),
        .ahead = r->file->ahead,
        .number = ast->u.sql.number,
    };
    struct ecc_sql *sql = ECC_NEW(r->arena, struct ecc_sql);
    bool fine = ecc_sql_check(r->arena, &scope, text->text, text->length, shape, sql, &problems);
    ecc_report_sql(r, text, &problems);
    sql->span = text->span;
    if (sql->row)
        ecc_index_record(r, sql->row);
    sql->name = ecc_unique_name(r, &body->steps, ast->let.text ? ast->let.text : sql->name ? sql->name : "sql");
    stmt->u.sql = sql;
    ecc_refer_statement(r, sql);
    if (sql->writes && body->in_tx)
        body->tx_writes = true;
    else if (sql->writes)
        body->effects->writes += body->loops ? 2 : 1;
    ecc_let(r, body, stmt, ast, result_type(r, shape, sql->row, fine));
}
