/* Invariants: a question to one service's tables, or to those of several nodes, each in a schema of its own, and to what the sandbox of an
 * external has in its books. The rows are violations. */
#include <string.h>

#include "resolve.h"
#include "sql_check.h"

/* What a sandbox keeps of each request (docs/design.md, Sandboxes). X(column, type, optional) */
#define LEDGER(X)                                                                                                                     \
    X("call", text, false)                                                                                                            \
    X("at", time, false)                                                                                                              \
    X("request", json, false)                                                                                                         \
    X("key", text, true)                                                                                                              \
    X("status", int, false)                                                                                                           \
    X("reply", json, true)                                                                                                            \
    X("replayed", bool, false)                                                                                                        \
    X("fault", text, true)

static struct ecc_table *ledger_table(struct ecc_resolver *r)
{
    const struct ecc_column columns[] = {
#define X(n, t, o) {.name = (n), .type = (o) ? ecc_type_optional(r->arena, &ecc_type_##t) : &ecc_type_##t},
        LEDGER(X)
#undef X
    };
    struct ecc_table *table = ECC_NEW(r->arena, struct ecc_table);

    table->name = "ledger";
    table->ncolumns = sizeof columns / sizeof columns[0];
    table->columns = ECC_NEW_ARRAY(r->arena, struct ecc_column, table->ncolumns);
    memcpy(table->columns, columns, sizeof columns);
    return table;
}

const char *ecc_schema_name(struct ecc_arena *arena, const struct ecc_node *node)
{
    char *name = ecc_arena_strdup(arena, node->name);

    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
    return name;
}

/* False when it was reported. */
static bool add_schema(struct ecc_resolver *r, const struct ecc_name *name, const struct ecc_node *node, bool wide,
                       struct ecc_sql_schema *schema)
{
    static const char *const taken[] = {"ec", "public", "information_schema"};
    const char *own = ecc_schema_name(r->arena, node);
    struct ecc_diag *d = NULL;

    if (node->kind == ECC_NODE_SERVICE && node->u.service.has_database) {
        *schema = (struct ecc_sql_schema){own, node->u.service.tables, node->u.service.ntables, node};
    } else if (node->kind == ECC_NODE_EXTERNAL && node->u.external.has_sandbox) {
        struct ecc_table **tables = ECC_NEW(r->arena, struct ecc_table *);
        *tables = ledger_table(r);
        *schema = (struct ecc_sql_schema){own, tables, 1, node};
    } else if (node->kind == ECC_NODE_SERVICE) {
        d = ecc_diag(r->diags, ECC_E_NO_DATABASE, name->span, "%s has no database", node->name);
    } else if (node->kind == ECC_NODE_EXTERNAL) {
        d = ecc_diag(r->diags, ECC_E_INVARIANT, name->span, "%s has no sandbox whose ledger could be read", node->name);
    } else {
        d = ecc_diag(r->diags, ECC_E_NODE_KIND, name->span, "%s is %s: an invariant asks services and sandboxes", node->name,
                     ecc_node_kind_name(node->kind));
    }
    for (size_t i = 0; wide && !d && i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(own, taken[i]) == 0)
            d = ecc_diag(r->diags, ECC_E_INVARIANT, name->span, "the schema `%s` is PostgreSQL's or the runtime's: rename the node", own);
    if (d)
        ecc_diag_second(d, node->span, "declared here");
    return !d;
}

void ecc_resolve_invariant(struct ecc_resolver *r, const struct ecc_ast_decl *ast)
{
    const struct ecc_names *names = &ast->u.invariant.nodes;
    const struct ecc_text *text = &ast->u.invariant.sql;
    struct ecc_invariant *v = ECC_NEW(r->arena, struct ecc_invariant);
    struct ecc_sql_schema *schemas = ECC_NEW_ARRAY(r->arena, struct ecc_sql_schema, names->n + 1);
    struct ecc_sql_problems problems = {0};
    bool fine = true;

    v->name = ast->u.invariant.name.text;
    v->span = ast->u.invariant.name.span;
    v->sql = "";
    v->nodes = ECC_NEW_ARRAY(r->arena, const struct ecc_node *, names->n + 1);
    if (!names->n)
        ecc_diag(r->diags, ECC_E_EMPTY, v->span, "invariant `%s` asks nobody: on service ...", v->name);
    for (size_t i = 0; i < names->n; i++) {
        const struct ecc_node *node = ecc_lookup_node(r, &names->items[i]);
        for (size_t k = 0; node && k < v->nnodes; k++)
            if (v->nodes[k] == node)
                ecc_diag(r->diags, ECC_E_TWICE, names->items[i].span, "%s is named twice", node->name);
        if (node)
            v->nodes[v->nnodes++] = node;
    }
    fine = v->nnodes && v->nnodes == names->n;
    v->wide = v->nnodes > 1 || (v->nnodes && v->nodes[0]->kind == ECC_NODE_EXTERNAL);
    for (size_t i = 0; fine && i < v->nnodes; i++)
        fine = add_schema(r, &names->items[i], v->nodes[i], v->wide, &schemas[i]);
    struct ecc_name name = {v->name, v->span};
    ecc_declare(r, &r->model->invariants, &name, v, ECC_REF_INVARIANT);
    if (!fine || !text->text)
        return;
    struct ecc_sql_scope scope = {.tables = schemas[0].tables, .ntables = schemas[0].ntables};
    if (v->wide)
        scope = (struct ecc_sql_scope){.schemas = schemas, .nschemas = v->nnodes};
    scope.notes = ecc_refer_sql(r, text);
    struct ecc_sql sql = {0};
    ecc_sql_check(r->arena, &scope, text->text, text->length, ECC_SQL_MANY, &sql, &problems);
    ecc_report_sql(r, text, &problems);
    if (sql.writes)
        ecc_diag(r->diags, ECC_E_INVARIANT, text->span, "an invariant only reads");
    v->sql = sql.source ? sql.source : "";
    r->model->invariants[r->model->ninvariants++] = v;
}
