/* The texts that the client has open, and what is known of each.
 *
 * A text is looked at when somebody asks, once. Of two views the one as it is and, while that has mistakes of syntax, the last without are
 * kept; a name that the mistake hides is found in the second, its place moved by what has changed since. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

static void *need(struct ecc_lsp *s, void *memory)
{
    if (!memory)
        s->host.oom(s->host.context);
    return memory;
}

struct lsp_document *lsp_document_find(struct ecc_lsp *s, const char *uri)
{
    for (struct lsp_document *d = s->documents; d; d = d->next)
        if (strcmp(d->uri, uri) == 0)
            return d;
    return NULL;
}

void lsp_view_free(struct lsp_view *view)
{
    if (!view)
        return;
    ecc_arena_free(&view->arena);
    free(view->text.lines.starts);
    free(view);
}

struct lsp_view *lsp_view_new(struct ecc_lsp *s, const char *path, const char *text, size_t length, bool released)
{
    struct lsp_view *v = need(s, calloc(1, sizeof *v));
    const char *lock = NULL;
    size_t lock_length = 0;
    struct ecc_diags unseen;

    ecc_arena_init(&v->arena);
    v->arena.oom = s->host.oom;
    v->arena.oom_context = s->host.context;
    ecc_diags_init(&unseen, &v->arena);
    v->sound = ecc_topology_take(&v->arena, path, text, length, &v->topology);
    if (v->sound && released && s->host.lock)
        lock = s->host.lock(s->host.context, &v->arena, path, &lock_length);
    if (v->sound)
        ecc_topology_check(&v->arena, lock, lock_length, &v->topology);
    ecc_analyze(&v->arena, &v->topology.source, &unseen, &v->analysis); /* once more, for what is known in spite of mistakes */
    v->text = (struct lsp_text){.text = v->topology.source.text, .length = v->topology.source.length, .utf8 = s->utf8};
    lsp_lines_find(&v->text.lines, v->topology.source.text, v->topology.source.length, &s->host);
    return v;
}

void lsp_document_forget(struct lsp_document *doc)
{
    struct lsp_view *old = doc->now;

    doc->now = NULL;
    doc->stale = true;
    if (!old)
        return;
    if (old->sound && old->analysis.parsed) {
        lsp_view_free(doc->good);
        doc->good = old;
    } else {
        lsp_view_free(old);
    }
}

const struct lsp_view *lsp_document_view(struct ecc_lsp *s, struct lsp_document *doc)
{
    if (!doc->now)
        doc->now = lsp_view_new(s, doc->path, doc->text, doc->length, true);
    return doc->now;
}

/* file:///a%20b: /a b; of anything else the URI itself. */
static char *path_of(struct ecc_lsp *s, const char *uri)
{
    const char *from = strncmp(uri, "file://", 7) == 0 ? uri + 7 : uri;
    char *path = need(s, malloc(strlen(from) + 1)), *out = path;

    for (; *from; from++) {
        unsigned byte;
        if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1 && byte && from[1] != ' ' && from[2]) {
            *out++ = (char)byte;
            from += 2;
        } else {
            *out++ = *from;
        }
    }
    *out = '\0';
    return path;
}

void lsp_document_open(struct ecc_lsp *s, const char *uri, json_int_t version, const char *text, size_t length)
{
    struct lsp_document *doc = lsp_document_find(s, uri);

    if (!doc) {
        doc = need(s, calloc(1, sizeof *doc));
        doc->uri = need(s, strdup(uri));
        doc->path = path_of(s, uri);
        doc->next = s->documents;
        s->documents = doc;
    }
    doc->version = version;
    lsp_document_replace(s, doc, (struct ecc_span){0, (uint32_t)doc->length}, text, length);
}

void lsp_document_replace(struct ecc_lsp *s, struct lsp_document *doc, struct ecc_span span, const char *text, size_t length)
{
    size_t after = doc->length - span.end;
    char *made = need(s, malloc(span.start + length + after + 1));

    if (span.start)
        memcpy(made, doc->text, span.start);
    if (length)
        memcpy(made + span.start, text, length);
    if (after)
        memcpy(made + span.start + length, doc->text + span.end, after);
    doc->length = span.start + length + after;
    made[doc->length] = '\0';
    free(doc->text);
    doc->text = made;
    lsp_document_forget(doc);
}

static void release(struct lsp_document *doc)
{
    lsp_view_free(doc->now);
    lsp_view_free(doc->good);
    free(doc->uri);
    free(doc->path);
    free(doc->text);
    free(doc);
}

void lsp_document_close(struct ecc_lsp *s, struct lsp_document *doc)
{
    struct lsp_document **link = &s->documents;

    while (*link && *link != doc)
        link = &(*link)->next;
    if (*link)
        *link = doc->next;
    release(doc);
}

void lsp_documents_free(struct ecc_lsp *s)
{
    while (s->documents)
        lsp_document_close(s, s->documents);
}

/* ------------------------------------------------------------------ from one text to another */

struct lsp_shift lsp_shift_between(const struct ecc_source *from, const struct ecc_source *to)
{
    uint32_t least = from->length < to->length ? from->length : to->length, before = 0, after = 0;

    while (before < least && from->text[before] == to->text[before])
        before++;
    while (after < least - before && from->text[from->length - 1 - after] == to->text[to->length - 1 - after])
        after++;
    return (struct lsp_shift){before, from->length - after, to->length - after, (int64_t)to->length - (int64_t)from->length};
}

bool lsp_shift_offset(const struct lsp_shift *shift, uint32_t *offset)
{
    if (*offset <= shift->before)
        return true;
    if (*offset < shift->from_end)
        return false;
    *offset = (uint32_t)((int64_t)*offset + shift->by);
    return true;
}

/* ------------------------------------------------------------------ what is at a place */

static struct lsp_found find_old(const struct lsp_place *place)
{
    const struct lsp_view *good = place->doc->good;
    struct lsp_found found = {.view = place->view};
    uint32_t offset = place->offset;

    if (!good || place->view->analysis.parsed)
        return found;
    struct lsp_shift back = lsp_shift_between(&place->view->topology.source, &good->topology.source);
    if (!lsp_shift_offset(&back, &offset))
        return found;
    found.view = good;
    found.old = true;
    found.shift = lsp_shift_between(&good->topology.source, &place->view->topology.source);
    found.ref = ecc_ref_at(&good->analysis.refs, offset);
    return found;
}

struct lsp_found lsp_find(const struct lsp_place *place, bool whole)
{
    struct lsp_found now = {.view = place->view, .ref = ecc_ref_at(&place->view->analysis.refs, place->offset)};
    struct lsp_found old = find_old(place);

    if (old.ref && (!now.ref || whole))
        return old;
    return now;
}

bool lsp_found_range(const struct lsp_found *found, const struct lsp_place *place, struct ecc_span span, json_t **range)
{
    if (found->old && (!lsp_shift_offset(&found->shift, &span.start) || !lsp_shift_offset(&found->shift, &span.end)))
        return false;
    *range = lsp_range(&place->view->text, span);
    return true;
}
