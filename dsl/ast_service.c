/* Services and sagas of the syntax tree. */
#include "build.h"

#include <string.h>

#include "grammar.h"
#include "sql_ahead.h"
#include "sql_check.h"

/* ------------------------------------------------------------------ databases */

struct ecc_ast_database *ecc_database(struct ecc_parser *p, struct ecc_token k, struct ecc_token n)
{
    struct ecc_ast_database *database = ECC_NEW(p->arena, struct ecc_ast_database);
    struct ecc_name name = ecc_name(p, n);

    if (strcmp(name.text, "postgres") != 0) {
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, name.span, "there is no database `%s`", name.text);
        ecc_diag_help(p->diags, diag, "write `database postgres`");
        ecc_diag_fix(diag, name.span, "postgres");
    }
    database->present = true;
    database->span = ecc_span_of(k);
    return database;
}

struct ecc_ast_table *ecc_table(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *n)
{
    struct ecc_ast_table *table = ECC_NEW(p->arena, struct ecc_ast_table);

    if (n)
        table->name = ecc_ast_snake(p, *n);
    table->span = ecc_upto(p, k.start);
    return table;
}

void ecc_table_was(struct ecc_parser *p, struct ecc_ast_table *table, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, table->was.text, k, "`was`");
    table->was = ecc_ast_snake(p, n);
}

void ecc_add_constraint(struct ecc_parser *p, struct ecc_ast_constraints *constraints, enum ecc_constraint_kind kind, struct ecc_token k,
                        struct ecc_token raw)
{
    struct ecc_ast_constraint item = {.kind = kind, .sql = ecc_raw(p, raw), .span = {k.start, raw.end}};

    item.number = ecc_sql_ahead_add(p->file->ahead, ecc_sql_constraint_prefix(kind), item.sql);
    ECC_PUSH(p->arena, constraints, item);
}

struct ecc_ast_column *ecc_column(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_type *type)
{
    struct ecc_ast_column *column = ECC_NEW(p->arena, struct ecc_ast_column);

    column->name = ecc_ast_snake(p, n);
    column->type = type;
    column->span = (struct ecc_span){n.start, type->span.end};
    return column;
}

void ecc_column_primary(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k)
{
    ecc_once(p, column->primary_key, k, "`primary key`");
    column->primary_key = true;
}

void ecc_column_unique(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k)
{
    ecc_once(p, column->unique, k, "`unique`");
    column->unique = true;
}

void ecc_column_references(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token table)
{
    ecc_once(p, column->references.text, k, "`references`");
    column->references = ecc_ast_snake(p, table);
}

void ecc_column_default(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_ast_expr *value)
{
    ecc_once(p, column->dflt, k, "the default");
    column->dflt = value;
}

/* A column has one; PostgreSQL doesn't mind where the others stand, so they go to the table. */
void ecc_column_check(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token raw)
{
    if (column->check.text) {
        ecc_add_constraint(p, &p->checks, ECC_CON_CHECK, k, raw);
        return;
    }
    column->check = ecc_raw(p, raw);
    column->check_number = ecc_sql_ahead_add(p->file->ahead, ecc_sql_constraint_prefix(ECC_CON_CHECK), column->check);
}

void ecc_column_was(struct ecc_parser *p, struct ecc_ast_column *column, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, column->was.text, k, "`was`");
    column->was = ecc_ast_snake(p, n);
}

void ecc_add_column(struct ecc_parser *p, struct ecc_ast_table *table, struct ecc_ast_column *column)
{
    column->span = ecc_upto(p, column->span.start);
    ECC_PUSH(p->arena, &table->columns, column);
    for (size_t i = 0; i < p->checks.n; i++)
        ECC_PUSH(p->arena, &table->constraints, p->checks.items[i]);
    p->checks.n = 0;
}

void ecc_add_table(struct ecc_parser *p, struct ecc_ast_database *database, struct ecc_ast_table *table)
{
    table->span = ecc_upto(p, table->span.start);
    if (table->name.text)
        ECC_PUSH(p->arena, &database->tables, table);
}

void ecc_add_seed(struct ecc_parser *p, struct ecc_ast_database *database, struct ecc_token k, struct ecc_token table,
                  struct ecc_ast_inits *values)
{
    struct ecc_ast_seed *seed = ECC_NEW(p->arena, struct ecc_ast_seed);

    seed->table = ecc_ast_snake(p, table);
    seed->values = *values;
    seed->span = ecc_upto(p, k.start);
    ECC_PUSH(p->arena, &database->seeds, seed);
}

struct ecc_ast_drop *ecc_drop(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *service, struct ecc_token table,
                              const struct ecc_token *column, struct ecc_token why)
{
    struct ecc_ast_drop *drop = ECC_NEW(p->arena, struct ecc_ast_drop);

    if (service)
        drop->service = ecc_ast_kebab(p, *service);
    drop->table = ecc_ast_snake(p, table);
    if (column)
        drop->column = ecc_ast_snake(p, *column);
    drop->why = ecc_string(p, why);
    drop->span = ecc_upto(p, k.start);
    return drop;
}

struct ecc_ast_decl *ecc_decl_drop(struct ecc_parser *p, struct ecc_token k, struct ecc_token service, struct ecc_token table,
                                   const struct ecc_token *column, struct ecc_token why)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_DROP, k);

    decl->u.drop = ecc_drop(p, k, &service, table, column, why);
    return decl;
}

struct ecc_ast_decl *ecc_decl_drop_release(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *saga,
                                           const struct ecc_token *event, const struct ecc_token *version, struct ecc_token why)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_DROP, k);
    struct ecc_ast_drop *drop = ECC_NEW(p->arena, struct ecc_ast_drop);

    if (saga)
        drop->saga = ecc_ast_kebab(p, *saga);
    else
        drop->event = ecc_ast_pascal(p, *event);
    drop->version = version ? ecc_version(p, *version) : 0;
    drop->why = ecc_string(p, why);
    drop->span = ecc_upto(p, k.start);
    decl->u.drop = drop;
    return decl;
}

void ecc_add_database(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_database *database)
{
    struct ecc_ast_database *all = &decl->u.service.database;

    if (!all->present) {
        *all = *database;
        return;
    }
    for (size_t i = 0; i < database->tables.n; i++)
        ECC_PUSH(p->arena, &all->tables, database->tables.items[i]);
    for (size_t i = 0; i < database->seeds.n; i++)
        ECC_PUSH(p->arena, &all->seeds, database->seeds.items[i]);
    for (size_t i = 0; i < database->drops.n; i++)
        ECC_PUSH(p->arena, &all->drops, database->drops.items[i]);
}

/* ------------------------------------------------------------------ services */

void ecc_service_jwt(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token issuer,
                     struct ecc_token audience, struct ecc_token secret)
{
    struct ecc_ast_jwt *jwt = ECC_NEW(p->arena, struct ecc_ast_jwt);

    ecc_once(p, decl->u.service.jwt, k, "`jwt`");
    jwt->issuer = ecc_string(p, issuer);
    jwt->audience = ecc_string(p, audience);
    jwt->secret = ecc_env(p, secret);
    jwt->span = ecc_upto(p, k.start);
    decl->u.service.jwt = jwt;
}

void ecc_service_workers(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, decl->u.service.workers, k, "`workers`");
    decl->u.service.workers = ecc_int(p, n);
    decl->u.service.workers_span = ecc_span_of(n);
    if (decl->u.service.workers < 1 || decl->u.service.workers > 1024) {
        ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(n), "a service has 1 to 1024 workers");
        decl->u.service.workers = 1;
    }
}

struct ecc_ast_op *ecc_op(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *n, struct ecc_ast_fields *params)
{
    struct ecc_ast_op *op = ECC_NEW(p->arena, struct ecc_ast_op);

    if (n) {
        op->name = ecc_ast_pascal(p, *n);
        op->params = *params;
    }
    op->span = ecc_upto(p, k.start);
    return op;
}

void ecc_op_result(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_ast_type *type)
{
    ecc_once(p, op->result, k, "the result");
    op->result = type;
}

void ecc_op_errors(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_token_list *errors)
{
    ecc_once(p, op->errors.n, k, "`errors`");
    op->errors = (struct ecc_names){0};
    for (size_t i = 0; i < errors->n; i++)
        ECC_PUSH(p->arena, &op->errors, ecc_ast_pascal(p, errors->items[i]));
}

void ecc_op_was(struct ecc_parser *p, struct ecc_ast_op *op, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, op->was.text, k, "`was`");
    op->was = ecc_ast_pascal(p, n);
}

void ecc_add_op(struct ecc_parser *p, struct ecc_ast_decl *service, struct ecc_ast_op *op, struct ecc_ast_block *body)
{
    op->custom = !body;
    if (body)
        op->body = *body;
    op->span = ecc_upto(p, op->span.start);
    if (op->name.text)
        ECC_PUSH(p->arena, &service->u.service.ops, op);
}

struct ecc_ast_consumer *ecc_consumer(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *event, struct ecc_token var,
                                      struct ecc_token topic, struct ecc_token group)
{
    struct ecc_ast_consumer *consumer = ECC_NEW(p->arena, struct ecc_ast_consumer);

    if (event) {
        consumer->event = ecc_ast_pascal(p, *event);
        consumer->var = ecc_ast_snake(p, var);
        consumer->topic = ecc_ast_kebab(p, topic);
        consumer->group = ecc_ast_kebab(p, group);
    }
    consumer->span = ecc_upto(p, k.start);
    return consumer;
}

void ecc_consumer_retry(struct ecc_parser *p, struct ecc_ast_consumer *consumer, struct ecc_token k, struct ecc_token n,
                        struct ecc_ast_range backoff)
{
    ecc_once(p, consumer->has_retry, k, "`retry`");
    consumer->has_retry = true;
    consumer->retries = ecc_int(p, n);
    consumer->backoff = backoff;
}

void ecc_consumer_then(struct ecc_parser *p, struct ecc_ast_consumer *consumer, struct ecc_token k, bool dead_letter)
{
    ecc_once(p, consumer->has_then, k, "`then`");
    consumer->has_then = true;
    consumer->dead_letter = dead_letter;
}

void ecc_add_consumer(struct ecc_parser *p, struct ecc_ast_decl *service, struct ecc_ast_consumer *consumer, struct ecc_ast_block *body)
{
    consumer->body = *body;
    consumer->span = ecc_upto(p, consumer->span.start);
    if (consumer->event.text)
        ECC_PUSH(p->arena, &service->u.service.consumers, consumer);
}

/* ------------------------------------------------------------------ sagas */

struct ecc_ast_decl *ecc_saga(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token service,
                              struct ecc_ast_fields *params)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_SAGA, k);

    decl->name = ecc_ast_kebab(p, n);
    decl->u.saga.service = ecc_ast_kebab(p, service);
    decl->u.saga.params = *params;
    return decl;
}

struct ecc_ast_step *ecc_step(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_remote *run)
{
    struct ecc_ast_step *step = ECC_NEW(p->arena, struct ecc_ast_step);

    step->name = ecc_ast_snake(p, n);
    step->run = run;
    step->span = ecc_upto(p, k.start);
    return step;
}

void ecc_step_undo(struct ecc_parser *p, struct ecc_ast_step *step, struct ecc_token k, struct ecc_ast_remote *undo)
{
    ecc_once(p, step->undo, k, "`undo`");
    step->undo = undo;
    step->span = ecc_upto(p, step->span.start);
}

void ecc_add_step(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_ast_step *step)
{
    ECC_PUSH(p->arena, &saga->u.saga.steps, step);
}

void ecc_saga_done(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_token k, struct ecc_ast_block *body)
{
    ecc_once(p, saga->u.saga.has_done, k, "`done`");
    saga->u.saga.has_done = true;
    saga->u.saga.done = *body;
}

void ecc_saga_failed(struct ecc_parser *p, struct ecc_ast_decl *saga, struct ecc_token k, struct ecc_ast_block *body)
{
    ecc_once(p, saga->u.saga.has_failed, k, "`failed`");
    saga->u.saga.has_failed = true;
    saga->u.saga.failed = *body;
}
