#include "walk.h"

#include <stdlib.h>
#include <string.h>

static void visit_sql(const struct ecc_walker *walker, const struct ecc_sql *sql)
{
    for (size_t i = 0; i < sql->nparams; i++)
        ecc_walk_expr(walker, sql->params[i]);
}

static void visit_catches(const struct ecc_walker *walker, const struct ecc_catch *catches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ecc_walk_block(walker, &catches[i].body);
}

void ecc_walk_block(const struct ecc_walker *walker, const struct ecc_block *block)
{
    for (size_t i = 0; i < block->nstmts; i++)
        ecc_walk_stmt(walker, block->stmts[i]);
}

void ecc_walk_stmt(const struct ecc_walker *walker, const struct ecc_stmt *stmt)
{
    if (walker->stmt)
        walker->stmt(walker->context, stmt);
    switch (stmt->kind) {
    case ECC_STMT_SQL:
        visit_sql(walker, stmt->u.sql);
        break;
    case ECC_STMT_TX:
        ecc_walk_block(walker, &stmt->u.block);
        break;
    case ECC_STMT_CALL:
        ecc_walk_expr(walker, stmt->u.call.args);
        ecc_walk_expr(walker, stmt->u.call.key);
        visit_catches(walker, stmt->u.call.catches, stmt->u.call.ncatches);
        break;
    case ECC_STMT_START:
        ecc_walk_expr(walker, stmt->u.start.args);
        break;
    case ECC_STMT_AWAIT:
        ecc_walk_expr(walker, stmt->u.await.saga);
        ecc_walk_block(walker, &stmt->u.await.late);
        visit_catches(walker, stmt->u.await.catches, stmt->u.await.ncatches);
        break;
    case ECC_STMT_PUBLISH:
        ecc_walk_expr(walker, stmt->u.publish.body);
        break;
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        ecc_walk_expr(walker, stmt->u.cache.key);
        ecc_walk_expr(walker, stmt->u.cache.value);
        break;
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
        ecc_walk_expr(walker, stmt->u.builtin.a);
        ecc_walk_expr(walker, stmt->u.builtin.b);
        ecc_walk_expr(walker, stmt->u.builtin.c);
        break;
    case ECC_STMT_NEW_ID:
        break;
    case ECC_STMT_LET:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        ecc_walk_expr(walker, stmt->u.expr);
        break;
    case ECC_STMT_FOR:
        ecc_walk_expr(walker, stmt->u.loop.list);
        ecc_walk_block(walker, &stmt->u.loop.body);
        break;
    case ECC_STMT_WHEN:
        ecc_walk_expr(walker, stmt->u.when.cond);
        ecc_walk_block(walker, &stmt->u.when.then);
        ecc_walk_block(walker, &stmt->u.when.otherwise);
        break;
    case ECC_STMT_FAIL:
        ecc_walk_expr(walker, stmt->u.fail.cond);
        break;
    }
    if (stmt->none)
        ecc_walk_stmt(walker, stmt->none);
    if (stmt->found)
        ecc_walk_stmt(walker, stmt->found);
}

void ecc_walk_expr(const struct ecc_walker *walker, const struct ecc_expr *expr)
{
    if (!expr)
        return;
    if (walker->expr)
        walker->expr(walker->context, expr);
    switch (expr->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_INT:
    case ECC_EXPR_FLOAT:
    case ECC_EXPR_BOOL:
    case ECC_EXPR_NULL:
    case ECC_EXPR_ENUM:
    case ECC_EXPR_VAR:
        break;
    case ECC_EXPR_FIELD:
        ecc_walk_expr(walker, expr->u.field.of);
        break;
    case ECC_EXPR_RECORD:
        for (size_t i = 0; i < expr->u.record.ninits; i++)
            ecc_walk_expr(walker, expr->u.record.inits[i].value);
        break;
    case ECC_EXPR_LIST:
        for (size_t i = 0; i < expr->u.list.nitems; i++)
            ecc_walk_expr(walker, expr->u.list.items[i]);
        break;
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
        ecc_walk_expr(walker, expr->u.op.left);
        ecc_walk_expr(walker, expr->u.op.right);
        break;
    case ECC_EXPR_CALL:
        ecc_walk_expr(walker, expr->u.call.arg);
        break;
    case ECC_EXPR_CONVERT:
        ecc_walk_expr(walker, expr->u.convert);
        break;
    }
}

static void note_accept(void *context, const struct ecc_stmt *stmt)
{
    if (stmt->kind == ECC_STMT_ACCEPT)
        *(bool *)context = true;
}

bool ecc_may_accept(const struct ecc_op *op)
{
    bool accepts = op->custom;

    ecc_walk_block(&(struct ecc_walker){.stmt = note_accept, .context = &accepts}, &op->program.body);
    return accepts;
}

bool ecc_topic_has_letters(const struct ecc_model *model, const struct ecc_topic *topic)
{
    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nconsumers; k++)
            if (node->u.service.consumers[k]->topic == topic && node->u.service.consumers[k]->dead_letter)
                return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_node *const *)a)->name, (*(const struct ecc_node *const *)b)->name);
}

void ecc_sort_nodes(const struct ecc_node **nodes, size_t n)
{
    qsort(nodes, n, sizeof *nodes, by_name);
}
