/* The comment above a program: what it waits for and what it sends, in the order of the text. */
#include <string.h>

#include "arena.h"
#include "emit_program.h"

struct note { const char *name, *kind, *text; };

static const char *joined(struct ecc_arena *arena, const char *a, const char *b)
{
    if (!b || !*b)
        return a;
    return *a ? ecc_arena_printf(arena, "%s; %s", a, b) : b;
}

static const char *clause_text(struct ecc_arena *arena, const char *when, const struct ecc_stmt *clause)
{
    if (!clause)
        return "";
    if (clause->kind == ECC_STMT_FAIL)
        return ecc_arena_printf(arena, "%s: %s", when, clause->u.fail.error->name);
    return ecc_arena_printf(arena, "%s: %s", when, clause->kind == ECC_STMT_ACCEPT ? "accept" : "return");
}

static const char *catch_text(struct ecc_arena *arena, const struct ecc_catch *catches, size_t n)
{
    const char *text = "";

    for (size_t i = 0; i < n; i++)
        text = ecc_arena_printf(arena, "%s%s%s", text, i ? ", " : "catch ", catches[i].error->name);
    return text;
}

static struct note run_note(struct ecc_arena *arena, const struct ecc_act *act)
{
    static const char *const shapes[] = {
        [ECC_SQL_EXEC] = "", [ECC_SQL_ONE] = "one row", [ECC_SQL_MAYBE] = "a row or none", [ECC_SQL_MANY] = "rows"};
    const struct ecc_stmt *s = act->stmt;
    struct note note = {act->step, "", ""};

    switch (s->kind) {
    case ECC_STMT_SQL:
        note.name = s->u.sql->name;
        note.kind = "sql";
        note.text = act->kind == ECC_ACT_NOW ? "with what comes next" : shapes[s->u.sql->shape];
        break;
    case ECC_STMT_CALL:
        note.kind = "call";
        note.text = s->u.call.op ? ecc_arena_printf(arena, "%s.%s", s->u.call.op->service->name, s->u.call.op->name)
                                 : ecc_arena_printf(arena, "%s.%s", s->u.call.ext->external->name, s->u.call.ext->name);
        note.text = joined(arena, note.text, catch_text(arena, s->u.call.catches, s->u.call.ncatches));
        break;
    case ECC_STMT_AWAIT:
        note.kind = "saga";
        note.text = s->u.await.has_late ? "until it ends or it gets late" : "until it ends";
        break;
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        note.kind = "cache";
        note.text = ecc_arena_printf(arena, "%s %s.%s", s->kind == ECC_STMT_GET ? "get" : s->kind == ECC_STMT_PUT ? "put" : "drop",
                                     s->u.cache.keyspace->cache->name, s->u.cache.keyspace->name);
        break;
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
        note.kind = "password";
        note.text = s->kind == ECC_STMT_HASH ? "hash" : "verify";
        break;
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
        note.kind = "jwt";
        note.text = s->kind == ECC_STMT_SIGN ? "sign" : "verify";
        break;
    case ECC_STMT_TX:
    case ECC_STMT_START:
    case ECC_STMT_PUBLISH:
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
    case ECC_STMT_FOR:
    case ECC_STMT_WHEN:
    case ECC_STMT_FAIL:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        break;
    }
    note.text = joined(arena, note.text, clause_text(arena, "found", s->found));
    note.text = joined(arena, note.text, clause_text(arena, "none", s->none));
    return note;
}

static void note_acts(struct ecc_writer *w, const struct ecc_acts *acts, const char *loop);

static void note_act(struct ecc_writer *w, const struct ecc_act *act, const char *loop)
{
    struct note note = {0};
    const char *list;

    if (act->kind == ECC_ACT_RUN || (act->kind == ECC_ACT_NOW && act->stmt->kind == ECC_STMT_SQL)) {
        note = run_note(w->arena, act);
    } else if (act->kind == ECC_ACT_NOW && act->stmt->kind == ECC_STMT_PUBLISH) {
        note = (struct note){act->stmt->u.publish.event->id, "event", act->stmt->u.publish.event->topic->name};
    } else if (act->kind == ECC_ACT_NOW && act->stmt->kind == ECC_STMT_START) {
        note = (struct note){act->member->name, "saga", ecc_arena_printf(w->arena, "start %s", act->stmt->u.start.saga->name)};
    } else if (act->kind == ECC_ACT_FOR) {
        list = ecc_expr_path(w->arena, act->stmt->u.loop.list);
        loop = ecc_arena_printf(w->arena, "for %s in %s", act->stmt->u.loop.item->name, list ? list : "a list");
    }
    if (note.name) {
        const char *text = joined(w->arena, loop, note.text);
        ecc_wl(w, " *   %s: %s%s%s", note.name, note.kind, *text ? ", " : "", ecc_comment_text(w->arena, text));
    }
    for (size_t i = 0; i < act->ncatches; i++)
        note_acts(w, &act->catches[i].body, loop);
    note_acts(w, &act->body, loop);
    note_acts(w, &act->otherwise, loop);
}

static void note_acts(struct ecc_writer *w, const struct ecc_acts *acts, const char *loop)
{
    for (size_t i = 0; i < acts->n; i++)
        note_act(w, acts->items[i], loop);
}

void ecc_emit_notes(struct ecc_writer *w, const char *title, const struct ecc_plan *plan)
{
    struct ecc_writer notes;

    ecc_writer_init(&notes, w->arena);
    note_acts(&notes, &plan->acts, "");
    if (notes.n == 0) {
        ecc_wl(w, "/* %s */", title);
        return;
    }
    ecc_wl(w, "/* %s", title);
    ecc_w_text(w, notes.data, notes.n);
    ecc_wl(w, " */");
}
