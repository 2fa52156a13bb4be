/* An assumption of the language as a fault of the system that is up. */
#include <jansson.h>
#include <string.h>

#include "parse.h"
#include "verify.h"

const char *ecc_assume_text(struct ecc_arena *arena, const struct ecc_assume *a)
{
    switch (a->kind) {
    case ECC_ASSUME_FAILS:
        return ecc_arena_printf(arena, "%s.%s fails %s", a->node->name, a->op ? a->op->name : a->ext->name, a->error->name);
    case ECC_ASSUME_HANGS:
        return ecc_arena_printf(arena, "%s hangs", a->node->name);
    case ECC_ASSUME_DOWN:
        return ecc_arena_printf(arena, "%s down", a->node->name);
    case ECC_ASSUME_OPEN:
        return ecc_arena_printf(arena, "breaker %s -> %s open", a->edge->from->name, a->edge->to->name);
    case ECC_ASSUME_HOLDS:
    case ECC_ASSUME_MISSES:
        break;
    }
    return ecc_arena_printf(arena, "%s.%s %s", a->keyspace->cache->name, a->keyspace->name,
                            a->kind == ECC_ASSUME_HOLDS ? "holds" : "misses");
}

bool ecc_is_broken(struct ecc_up *up, const char *text)
{
    json_t *list = ecc_faults_read(up->home), *fault;
    bool found = false;
    size_t i;

    json_array_foreach(list, i, fault)
    {
        const char *its = json_string_value(json_object_get(fault, "text"));
        found = found || (its && !strcmp(its, text));
    }
    json_decref(list);
    return found;
}

/* The bus of development keeps its events in memory: one that ended would lose them, and down or hanging, nothing gets through it. */
int ecc_break_node(struct ecc_up *up, const char *text, const char *by, const struct ecc_node *node, bool hangs)
{
    struct ecc_fault fault = {.kind = hangs || node->kind == ECC_NODE_BUS ? ECC_FAULT_STOPPED : ECC_FAULT_HELD, .text = text, .by = by};

    if (ecc_is_broken(up, text)) /* by hand */
        return 0;
    fault.processes = ecc_fault_processes(up, node, &fault.nprocesses);
    return ecc_fault_make(up, &fault);
}

static int status_of(const struct ecc_assume *a)
{
    for (size_t i = 0; i < a->ext->nerrors; i++)
        if (a->ext->errors[i].error == a->error)
            return a->ext->errors[i].status;
    return a->error->status;
}

static int break_call(struct ecc_up *up, const char *text, const char *by, const struct ecc_assume *a)
{
    struct ecc_fault fault = {.kind = ECC_FAULT_SCRIPTED, .text = text, .by = by, .call = a->ext->name, .status = status_of(a)};

    if (ecc_is_broken(up, text))
        return 0;
    fault.processes = ecc_fault_processes(up, a->node, &fault.nprocesses);
    return ecc_fault_make(up, &fault);
}

const char *ecc_unbreakable(struct ecc_up *up, const struct ecc_assume *a)
{
    size_t n;

    if (a->kind != ECC_ASSUME_HANGS && a->kind != ECC_ASSUME_DOWN && !(a->kind == ECC_ASSUME_FAILS && a->ext))
        return "it is nothing that can be broken from outside";
    ecc_fault_processes(up, a->node, &n);
    return n ? NULL : "what is up does not run it itself";
}

int ecc_break(struct ecc_up *up, const struct ecc_assume *a, const char *by)
{
    const char *text = ecc_assume_text(up->arena, a);

    return a->kind == ECC_ASSUME_FAILS ? break_call(up, text, by, a) : ecc_break_node(up, text, by, a->node, a->kind == ECC_ASSUME_HANGS);
}

/* ------------------------------------------------------------------ what is assumed beside what is written */

static size_t end_of(struct ecc_arena *arena, const struct ecc_source *source, const char *name)
{
    struct ecc_diags ignored;

    ecc_diags_init(&ignored, arena);
    const struct ecc_ast_file *file = ecc_parse(arena, source, &ignored);
    for (size_t i = 0; file && i < file->decls.n; i++)
        if (file->decls.items[i]->kind == ECC_AST_DECL_SCENARIO && !strcmp(file->decls.items[i]->name.text, name))
            return file->decls.items[i]->span.end;
    return 0;
}

/* Braces and line breaks would end the clause, and a comment all that follows. */
static bool is_clause(const char *text)
{
    return *text && !strpbrk(text, "{}\r\n\"") && !strstr(text, "//");
}

int ecc_assume_more(struct ecc_cli *cli, struct ecc_topology *topology, const struct ecc_scenario *s, const char *const *texts, size_t n)
{
    const char *text = topology->source.text, *more = "", *name = s->name;
    size_t length = topology->source.length, end = end_of(&cli->arena, &topology->source, name), before = s->nassumes;

    for (size_t i = 0; i < n; i++) {
        if (!is_clause(texts[i]))
            return ecc_say_error(ECC_EXIT_USAGE, "'%s' is no assumption; one is `thing-svc hangs`", texts[i]);
        more = ecc_arena_printf(&cli->arena, "%s assume %s", more, texts[i]);
    }
    if (!end)
        return ecc_say_error(ECC_EXIT_INTERNAL, "scenario '%s' is not found again", name);
    const char *whole = ecc_arena_printf(&cli->arena, "%.*s%s %.*s", (int)(end - 1), text, more, (int)(length - end + 1),
                                         text + end - 1); /* no line moves */
    ecc_topology_compile(cli, topology->path, whole, strlen(whole), topology->lock, topology->lock_length, topology);
    if (!topology->model)
        return ecc_topology_report(cli, topology);
    for (size_t i = 0; i < topology->model->nscenarios; i++)
        if (!strcmp(topology->model->scenarios[i]->name, name) && topology->model->scenarios[i]->nassumes == before + n)
            return 0;
    return ecc_say_error(ECC_EXIT_USAGE, "'%s' is more or less than one assumption", texts[0]);
}
