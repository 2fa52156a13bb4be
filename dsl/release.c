/* Versions: which releases still matter, what they need of the topology, and what ecom.lock is to keep.
 *
 * A saga whose text is another than the one released last is a new version, and the old one stays for the instances that it started, until
 * the topology drops it. Where only types changed, and what the old ones wrote can be read by the new ones, it is the same version.
 * An event is only held against its release: the same version may gain fields that can be absent, and nothing else.
 */
#include "release.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "reads.h"
#include "resolve.h"
#include "source.h"

#define FMT(...) ecc_arena_printf(arena, __VA_ARGS__)

static struct ecc_saga *saga_named(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nsagas; i++)
        if (strcmp(model->sagas[i]->name, name) == 0)
            return model->sagas[i];
    return NULL;
}

/* version 0: any */
static struct ecc_event *event_named(const struct ecc_model *model, const char *name, int version)
{
    for (size_t i = 0; i < model->nevents; i++)
        if (strcmp(model->events[i]->name, name) == 0 && (!version || model->events[i]->version == version))
            return model->events[i];
    return NULL;
}

static const struct ecc_retired *retired(const struct ecc_model *model, const struct ecc_release *release)
{
    for (size_t i = 0; i < model->nretired; i++) {
        const struct ecc_retired *r = model->retired[i];
        if (r->saga == release->saga && strcmp(r->name, release->name) == 0 && (!r->version || r->version == release->version))
            return r;
    }
    return NULL;
}

/* The highest version of a saga that was ever released; 0: none. */
static const struct ecc_release *last_release(const struct ecc_releases *releases, const char *saga)
{
    const struct ecc_release *last = NULL;

    for (size_t i = 0; i < releases->n; i++) {
        const struct ecc_release *r = &releases->items[i];
        if (r->saga && strcmp(r->name, saga) == 0 && (!last || r->version > last->version))
            last = r;
    }
    return last;
}

void ecc_release_texts(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_file *file, struct ecc_model *model)
{
    for (size_t i = 0; i < file->decls.n; i++) {
        const struct ecc_ast_decl *d = file->decls.items[i];
        struct ecc_saga *saga = d->kind == ECC_AST_DECL_SAGA && d->span.start < source->length ? saga_named(model, d->name.text) : NULL;
        if (saga)
            saga->release = ecc_release_saga(arena, source, d, model, saga);
    }
    for (size_t i = 0; i < model->nevents; i++)
        model->events[i]->release = ecc_release_event(arena, model->events[i]);
}

void ecc_release_pick(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_releases *releases, struct ecc_pasts *past)
{
    for (size_t i = 0; i < releases->n; i++) {
        const struct ecc_release *r = &releases->items[i];
        const char *now = NULL;

        if (!r->text || retired(model, r))
            continue;
        if (r->saga) {
            const struct ecc_saga *saga = saga_named(model, r->name);
            now = saga && r == last_release(releases, r->name) ? saga->release : NULL;
        } else {
            const struct ecc_event *event = event_named(model, r->name, r->version);
            if (!event) /* ecc_release_number says so */
                continue;
            now = event->release;
        }
        if (!now || !ecc_release_same(arena, r->text, now, false))
            ECC_PUSH(arena, past, ((struct ecc_past){.release = r}));
    }
}

/* ------------------------------------------------------------------ telling */

static struct ecc_span span_of(const struct ecc_model *model, const struct ecc_release *release)
{
    const struct ecc_saga *saga = release->saga ? saga_named(model, release->name) : NULL;
    const struct ecc_event *event = release->saga ? NULL : event_named(model, release->name, release->version);

    if (!release->saga && !event)
        event = event_named(model, release->name, 0);
    return saga ? saga->span : event ? event->span : (struct ecc_span){0, 0};
}

static void tell_saga(struct ecc_arena *arena, struct ecc_diags *diags, const struct ecc_release *release, struct ecc_diag *d,
                      const char *why)
{
    d->message = FMT("saga `%s` v%d, in which instances may be in flight: %s", release->name, release->version, why);
    ecc_diag_help(diags, d,
                  "keep what it needs until none is left (`SELECT version, count(*) FROM ec.saga WHERE name = '%s' AND ended_at IS "
                  "NULL GROUP BY 1`), then `drop saga %s v%d \"why\"`",
                  release->name, release->name, release->version);
}

static void tell_event(struct ecc_diags *diags, const struct ecc_model *model, const struct ecc_release *release, const char *why)
{
    struct ecc_diag *d =
        ecc_diag(diags, ECC_E_PAST_EVENT, span_of(model, release), "event `%s` v%d was released: %s", release->name, release->version, why);

    ecc_diag_help(diags, d, "declare `event %s v%d { ... }` beside it, and consume both until the old ones have left the topic",
                  release->name, release->version + 1);
}

void ecc_release_reports(struct ecc_arena *arena, const struct ecc_model *model, size_t length, const struct ecc_pasts *past,
                         struct ecc_diags *diags)
{
    size_t n = 0;

    for (size_t i = 0; i < diags->n; i++) {
        struct ecc_diag *d = diags->items[i];
        const struct ecc_past *of = NULL;

        if (d->has_second && d->second.start >= length)
            d->has_second = false;
        for (size_t k = 0; k < past->n && !of; k++)
            if (d->span.start >= past->items[k].span.start && d->span.start < past->items[k].span.end)
                of = &past->items[k];
        if (!of) {
            diags->items[n++] = d;
            continue;
        }
        if (d->severity != ECC_ERROR)
            continue;
        const char *why = d->message;
        d->span = span_of(model, of->release);
        d->has_second = d->has_fix = false;
        d->code = of->release->saga ? ECC_E_PAST_SAGA : ECC_E_PAST_EVENT;
        if (of->release->saga)
            tell_saga(arena, diags, of->release, d, why);
        else
            d->message = FMT("event `%s` v%d, as it was released: %s", of->release->name, of->release->version, why);
        diags->items[n++] = d;
    }
    diags->n = n;
}

/* ------------------------------------------------------------------ shapes */

/* A value that an enum had and has no more; NULL: none. */
static const char *lost_value(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_past *past)
{
    for (size_t i = 0; i < past->enums.n; i++) {
        const struct ecc_enum *old = past->enums.items[i], *now = NULL;

        for (size_t k = 0; k < model->nenums && !now; k++)
            now = strcmp(model->enums[k]->name, old->name) == 0 ? model->enums[k] : NULL;
        for (size_t k = 0; k < old->nvalues; k++) {
            bool kept = false;
            for (size_t v = 0; now && v < now->nvalues && !kept; v++)
                kept = strcmp(now->values[v], old->values[k]) == 0;
            if (!kept)
                return FMT("enum `%s` has no value `%s` any more", old->name, old->values[k]);
        }
    }
    return NULL;
}

/* Why an instance of the past version could not go on by `saga`: the past one itself, for which answers have to say what they did, or the
 * present one, which has to read what was stored. NULL: it can. */
static const char *unreadable(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_past *past, const struct ecc_saga *saga)
{
    const struct ecc_saga *old = past->saga;
    const char *why = lost_value(arena, model, past);

    if (!why && saga != old && (why = ecc_misread(arena, saga->params, old->params, false)))
        return why;
    for (size_t i = 0; i < old->nsteps && !why; i++) {
        const struct ecc_var *kept = old->steps[i].result, *now = saga->steps[i].result; /* of the same text, unless it is the same saga */
        if (!kept || !now)
            continue;
        const char *wrong = saga == old ? ecc_misread(arena, kept->type->record, old->steps[i].run->u.call.op->result->record, false)
                                        : ecc_misread(arena, now->type->record, kept->type->record, false);
        if (wrong)
            why = FMT("of the answer of step `%s`, %s", old->steps[i].name, wrong);
    }
    return why;
}

static struct ecc_past *past_of(struct ecc_pasts *past, const struct ecc_release *release)
{
    for (size_t i = 0; i < past->n; i++)
        if (past->items[i].release == release)
            return &past->items[i];
    return NULL;
}

static void forget(struct ecc_model *model, struct ecc_past *past)
{
    struct ecc_service *service = (struct ecc_service *)(uintptr_t)&past->saga->service->u.service;
    size_t n = 0;

    for (size_t i = 0; i < model->npast; i++)
        if (model->past[i] != past->saga)
            model->past[n++] = model->past[i];
    model->npast = n;
    n = 0;
    for (size_t i = 0; i < service->nsagas; i++)
        if (service->sagas[i] != past->saga)
            service->sagas[n++] = service->sagas[i];
    service->nsagas = n;
    past->saga = NULL;
}

/* ------------------------------------------------------------------ versions */

static void number_saga(struct ecc_arena *arena, struct ecc_model *model, struct ecc_saga *saga, const struct ecc_releases *releases,
                        struct ecc_pasts *pasts, struct ecc_diags *diags)
{
    const struct ecc_release *last = last_release(releases, saga->name);
    struct ecc_past *past = last ? past_of(pasts, last) : NULL;

    saga->version = last ? last->version + 1 : 1;
    if (last && last->text && ecc_release_same(arena, last->text, saga->release, false)) {
        saga->version = last->version;
    } else if (past && past->saga && ecc_release_same(arena, last->text, saga->release, true) && !unreadable(arena, model, past, saga)) {
        saga->version = last->version;
        forget(model, past);
    }
    for (size_t i = 0; i < model->nretired; i++) {
        const struct ecc_retired *r = model->retired[i];
        if (!r->saga || strcmp(r->name, saga->name) != 0 || r->version < saga->version)
            continue;
        struct ecc_diag *d = ecc_diag(diags, ECC_E_DROP, r->span, "saga `%s` v%d is dropped and %s", r->name, r->version,
                                      r->version == saga->version ? "declared" : "was never released");
        ecc_diag_second(d, saga->span, FMT("this is v%d", saga->version));
    }
}

static void check_event(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_past *past, struct ecc_diags *diags)
{
    const struct ecc_event *now = event_named(model, past->release->name, past->release->version);
    const char *why = lost_value(arena, model, past);

    if (!now || !past->event)
        return;
    if (!why && (why = ecc_misread(arena, now->body, past->event->body, false)))
        why = FMT("a message that is in the topic could not be read, %s", why);
    if (!why && (why = ecc_misread(arena, past->event->body, now->body, true)))
        why = FMT("who reads it as it was could not, %s", why);
    if (why)
        tell_event(diags, model, past->release, why);
}

static int by_name(const void *a, const void *b)
{
    const struct ecc_release *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (x->saga != y->saga)
        return x->saga ? -1 : 1;
    return order ? order : x->version - y->version;
}

static void keep(struct ecc_arena *arena, struct ecc_model *model, bool saga, const char *name, int version, const char *text)
{
    ECC_PUSH(arena, &model->releases, ((struct ecc_release){saga, name, version, text}));
}

void ecc_release_number(struct ecc_arena *arena, struct ecc_model *model, const struct ecc_releases *releases, struct ecc_pasts *past,
                        struct ecc_diags *diags)
{
    for (size_t i = 0; i < model->nsagas; i++) {
        struct ecc_saga *saga = model->sagas[i];
        number_saga(arena, model, saga, releases, past, diags);
        keep(arena, model, true, saga->name, saga->version, saga->release);
    }
    for (size_t i = 0; i < past->n; i++) {
        struct ecc_past *p = &past->items[i];
        if (!p->release->saga) {
            check_event(arena, model, p, diags);
            continue;
        }
        if (!p->saga)
            continue;
        const char *why = unreadable(arena, model, p, p->saga);
        if (why)
            tell_saga(arena, diags, p->release, ecc_diag(diags, ECC_E_PAST_SAGA, span_of(model, p->release), "%s", why), why);
        p->saga->release = p->release->text;
        p->saga->span = span_of(model, p->release);
        keep(arena, model, true, p->release->name, p->release->version, p->release->text);
    }
    for (size_t i = 0; i < releases->n; i++) {
        const struct ecc_release *r = &releases->items[i];
        if (r->saga && r == last_release(releases, r->name) && !saga_named(model, r->name) && (!r->text || retired(model, r)))
            keep(arena, model, true, r->name, r->version, NULL); /* should it come back, it does not begin from 1 */
        else if (!r->saga && !event_named(model, r->name, r->version) && !retired(model, r)) {
            struct ecc_diag *d = ecc_diag(diags, ECC_E_PAST_EVENT, span_of(model, r),
                                          "event `%s` v%d was released and is not declared any more; messages of it may be in the topic",
                                          r->name, r->version);
            ecc_diag_help(diags, d, "keep it and its consumers until they have left it, then `drop event %s v%d \"why\"`", r->name,
                          r->version);
        }
    }
    for (size_t i = 0; i < model->nevents; i++)
        keep(arena, model, false, model->events[i]->name, model->events[i]->version, model->events[i]->release);
    if (model->releases.n)
        qsort(model->releases.items, model->releases.n, sizeof *model->releases.items, by_name);
}
