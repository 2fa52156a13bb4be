/* A topology compiled, as it stands and with more assumed. */
#include <string.h>

#include "ast.h"
#include "parse.h"
#include "studio.h"
#include "topology.h"

enum { MAX_ASSUMED = 32, MAX_CLAUSE = 200 };

void studio_view_make(struct studio_view *view, struct ecc_arena *arena, const char *path, const char *text, size_t length,
                      const char *lock, size_t lock_length)
{
    struct ecc_topology *topology = ECC_NEW(arena, struct ecc_topology); /* the model points into it */
    struct ecc_diags unseen;

    ecc_topology_take(arena, path, text, length, topology);
    ecc_topology_check(arena, lock, lock_length, topology);
    *view = (struct studio_view){.arena = arena,
                                 .source = topology->source,
                                 .diags = topology->diags,
                                 .model = topology->model,
                                 .lock = lock,
                                 .lock_length = lock_length};
    ecc_diags_init(&unseen, arena);
    view->file = ecc_parse(arena, &view->source, &unseen);
    ecc_diags_sort(&view->diags);
    if (!view->model)
        return;
    view->derived = ECC_NEW_ARRAY(arena, const struct ecc_derived *, view->model->nscenarios);
    for (size_t i = 0; i < view->model->nscenarios; i++)
        view->derived[i] = ecc_derive(arena, view->model, view->model->scenarios[i]);
}

const struct ecc_scenario *studio_scenario(const struct studio_view *view, const char *name)
{
    for (size_t i = 0; view->model && name && i < view->model->nscenarios; i++)
        if (strcmp(view->model->scenarios[i]->name, name) == 0)
            return view->model->scenarios[i];
    return NULL;
}

/* ------------------------------------------------------------------ more assumed */

static const struct ecc_ast_decl *declared(const struct ecc_ast_file *file, const char *scenario)
{
    for (size_t i = 0; i < file->decls.n; i++) {
        const struct ecc_ast_decl *d = file->decls.items[i];
        if (d->kind == ECC_AST_DECL_SCENARIO && d->name.text && strcmp(d->name.text, scenario) == 0)
            return d;
    }
    return NULL;
}

/* One line of a few words: what it says is the compiler's business. */
static bool is_clause(const char *text)
{
    size_t n = text ? strlen(text) : 0;

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return false;
    return n > 0 && n <= MAX_CLAUSE;
}

/* Is it the same file but for n clauses more, each of them an assumption? */
static bool adds_assumptions(const struct studio_view *was, const struct studio_view *is, const char *scenario, size_t n)
{
    const struct ecc_ast_decl *a = declared(was->file, scenario), *b = declared(is->file, scenario);

    if (!a || !b || was->file->decls.n != is->file->decls.n)
        return false;
    const struct ecc_ast_clauses *old = &a->u.scenario.clauses, *new = &b->u.scenario.clauses;
    if (new->n != old->n + n)
        return false;
    for (size_t i = old->n; i < new->n; i++)
        if (new->items[i]->kind != ECC_AST_CLAUSE_ASSUME)
            return false;
    return true;
}

/* What is wrong is in what was added: its places mean nothing to who sees the file. */
static void refuse(struct studio_request *r, const struct studio_view *view)
{
    const struct ecc_diag *first = ecc_diags_first_error(&view->diags);
    struct ecc_writer w;

    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{\"type\": \"/problems/%s\", \"title\": %s, \"status\": %d, \"detail\": %s,", studio_error_invalid.name,
           ecc_quote_json(&r->arena, studio_error_invalid.title), studio_error_invalid.status,
           ecc_quote_json(&r->arena, first ? first->message : "this is not an assumption"));
    ecc_w(&w, " \"diagnostics\": ");
    studio_write_diags(&w, view);
    ecc_wl(&w, "}");
    studio_reply(r, studio_error_invalid.status, "application/problem+json", "cache-control: no-store\r\n", w.data, w.n);
}

const struct studio_view *studio_assume(struct studio_request *r, const struct studio_view *view, const char *scenario, const json_t *texts)
{
    const struct ecc_ast_decl *decl = declared(view->file, scenario);
    struct ecc_arena *arena = &r->arena;
    struct studio_view *assumed;
    const char *added = "";
    size_t n = json_array_size(texts);

    if ((texts && !json_is_array(texts)) || n > MAX_ASSUMED) {
        studio_problem(r, &studio_error_invalid, "assume is a list of at most %d texts", MAX_ASSUMED);
        return NULL;
    }
    if (!decl || n == 0)
        return view;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!is_clause(text)) {
            studio_problem(r, &studio_error_invalid, "each assumption is one line, such as `payments hangs`");
            return NULL;
        }
        added = ecc_arena_printf(arena, "%s assume %s", added, text);
    }
    size_t at = decl->span.end - 1, rest = view->source.length - at,
           more = strlen(added); /* before the bracket, on its line: no place moves */
    char *whole = ecc_arena_alloc(arena, view->source.length + more + 2);
    memcpy(whole, view->source.text, at);
    memcpy(whole + at, added, more);
    whole[at + more] = ' ';
    memcpy(whole + at + more + 1, view->source.text + at, rest);
    assumed = ECC_NEW(arena, struct studio_view);
    studio_view_make(assumed, arena, view->source.path, whole, view->source.length + more + 1, view->lock, view->lock_length);
    if (assumed->model && adds_assumptions(view, assumed, scenario, n))
        return assumed;
    refuse(r, assumed);
    return NULL;
}
