/* The bodies of services, half of `check`, on several processors.
 *
 * A body changes nothing but its own service's part of the model. Everything else that it leaves goes through the resolver: names and
 * marks in the symbol table, lists, diagnostics, memory. So each part of the services has a resolver of its own, with a symbol table on top
 * of the common one, which nobody changes meanwhile. Then all is put together in the order of the parts, which is that of the source: the
 * result does not depend on how many there are. Marks are set, never asked for, while bodies are resolved across services.
 *
 * What a part has made, in its own arena, is the compilation's when it ends.
 */
#include "resolve.h"
#include "sql_ahead.h"

#include <pthread.h>
#include <string.h>

enum { FEWEST_SERVICES = 50, MOST_PARTS = 4 };

struct part {
    struct ecc_resolver r;
    struct ecc_arena arena;
    struct ecc_diags diags;
    size_t from, to; /* declarations */
    pthread_t thread;
    bool started;
};

static void resolve_range(struct ecc_resolver *r, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct ecc_ast_decl *d = r->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_SERVICE)
            ecc_resolve_service_bodies(r, d, r->made[i]);
    }
}

static void *work(void *data)
{
    struct part *part = data;

    resolve_range(&part->r, part->from, part->to);
    return NULL;
}

static void begin(struct ecc_resolver *r, struct part *part)
{
    ecc_arena_init(&part->arena);
    part->arena.oom = r->arena->oom;
    part->arena.oom_context = r->arena->oom_context;
    ecc_diags_init(&part->diags, &part->arena);
    part->r = *r;
    part->r.arena = &part->arena;
    part->r.diags = &part->diags;
    ecc_symbols_init(&part->r.symbols, &part->arena, r->symbols.n / 8);
    part->r.symbols.base = &r->symbols;
    ecc_symbols_init(&part->r.locals, &part->arena, 0);
    memset(&part->r.calls, 0, sizeof part->r.calls);
    memset(&part->r.effects, 0, sizeof part->r.effects);
}

static void take_over(struct ecc_resolver *r, struct part *part)
{
    ecc_symbols_merge(&r->symbols, &part->r.symbols);
    for (size_t i = 0; i < part->r.calls.n; i++)
        ECC_PUSH(r->arena, &r->calls, part->r.calls.items[i]);
    for (size_t i = 0; i < part->r.effects.n; i++)
        ECC_PUSH(r->arena, &r->effects, part->r.effects.items[i]);
    ecc_diags_append(r->diags, &part->diags);
    ecc_arena_adopt(r->arena, &part->arena);
}

void ecc_resolve_all_bodies(struct ecc_resolver *r)
{
    size_t n = r->file->decls.n, nparts = ecc_sql_ahead_threads(r->file->ahead) + 1, nservices = 0, seen = 0;
    struct part *parts;

    for (size_t i = 0; i < n; i++)
        nservices += r->file->decls.items[i]->kind == ECC_AST_DECL_SERVICE;
    if (r->refs || nparts < 2 || nservices < FEWEST_SERVICES) { /* references are noted as they are met */
        resolve_range(r, 0, n);
        return;
    }
    nparts = nparts < MOST_PARTS ? nparts : MOST_PARTS;
    parts = ECC_NEW_ARRAY(r->arena, struct part, nparts);
    for (size_t i = 0, p = 0; i < n; i++) { /* as many services each */
        seen += r->file->decls.items[i]->kind == ECC_AST_DECL_SERVICE;
        while (p < nparts && seen * nparts >= nservices * (p + 1)) {
            parts[p].to = p + 1 == nparts ? n : i + 1;
            if (++p < nparts)
                parts[p].from = i + 1;
        }
    }
    for (size_t p = 0; p < nparts; p++)
        begin(r, &parts[p]);
    for (size_t p = 1; p < nparts; p++)
        parts[p].started = !pthread_create(&parts[p].thread, NULL, work, &parts[p]);
    work(&parts[0]);
    for (size_t p = 1; p < nparts; p++) {
        if (parts[p].started)
            pthread_join(parts[p].thread, NULL);
        else
            work(&parts[p]);
    }
    for (size_t p = 0; p < nparts; p++)
        take_over(r, &parts[p]);
}
