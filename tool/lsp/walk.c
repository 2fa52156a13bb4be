/* Every call along an edge that a model has. */
#include "server.h"

struct walk {
    void (*each)(void *context, const struct ecc_stmt *call);
    void *context;
};

static void walk_block(const struct walk *w, const struct ecc_block *block);

static void walk_catches(const struct walk *w, const struct ecc_catch *catches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        walk_block(w, &catches[i].body);
}

static void walk_stmt(const struct walk *w, const struct ecc_stmt *s)
{
    if (!s)
        return;
    switch (s->kind) {
    case ECC_STMT_CALL:
        w->each(w->context, s);
        walk_catches(w, s->u.call.catches, s->u.call.ncatches);
        break;
    case ECC_STMT_TX:
        walk_block(w, &s->u.block);
        break;
    case ECC_STMT_AWAIT:
        walk_block(w, &s->u.await.late);
        walk_catches(w, s->u.await.catches, s->u.await.ncatches);
        break;
    case ECC_STMT_FOR:
        walk_block(w, &s->u.loop.body);
        break;
    case ECC_STMT_WHEN:
        walk_block(w, &s->u.when.then);
        walk_block(w, &s->u.when.otherwise);
        break;
    default:
        break;
    }
}

static void walk_block(const struct walk *w, const struct ecc_block *block)
{
    for (size_t i = 0; i < block->nstmts; i++)
        walk_stmt(w, block->stmts[i]);
}

static void walk_node(const struct walk *w, const struct ecc_node *node)
{
    if (node->kind == ECC_NODE_SERVICE) {
        const struct ecc_service *s = &node->u.service;
        for (size_t i = 0; i < s->nops; i++)
            walk_block(w, &s->ops[i]->program.body);
        for (size_t i = 0; i < s->nconsumers; i++)
            walk_block(w, &s->consumers[i]->program.body);
    } else if (node->kind == ECC_NODE_GATEWAY) {
        const struct ecc_gateway *g = &node->u.gateway;
        walk_stmt(w, g->auth ? g->auth->via : NULL);
        for (size_t i = 0; i < g->nroutes; i++) {
            walk_stmt(w, g->routes[i]->call);
            for (size_t k = 0; k < g->routes[i]->nbranches; k++)
                walk_stmt(w, g->routes[i]->branches[k].call);
        }
    }
}

void lsp_each_call(const struct ecc_model *model, void (*each)(void *context, const struct ecc_stmt *call), void *context)
{
    const struct walk w = {each, context};

    for (size_t i = 0; i < model->nnodes; i++)
        walk_node(&w, model->nodes[i]);
    for (size_t i = 0; i < model->nsagas; i++) {
        const struct ecc_saga *saga = model->sagas[i];
        for (size_t k = 0; k < saga->nsteps; k++) {
            walk_stmt(&w, saga->steps[k].run);
            walk_stmt(&w, saga->steps[k].undo);
        }
        walk_block(&w, &saga->done.body);
        walk_block(&w, &saga->failed.body);
    }
}
