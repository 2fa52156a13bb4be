/* Diagnostics, and the fixes that they bring: what `ecomc check` says, of the text in the editor. */
#include "server.h"

#include <string.h>

static json_t *message_of(const struct ecc_diag *d)
{
    return json_sprintf("%s%s%s%s%s", d->message, d->note ? "\nnote: " : "", d->note ? d->note : "", d->help ? "\nhelp: " : "",
                        d->help ? d->help : "");
}

static bool is_unused(enum ecc_code code)
{
    return code == ECC_W_UNUSED_EDGE || code == ECC_W_UNUSED_OP || code == ECC_W_UNUSED_SAGA || code == ECC_W_UNUSED_POLICY;
}

static json_t *diagnostic(const struct lsp_document *doc, const struct lsp_view *view, const struct ecc_diag *d)
{
    char id[ECC_ID_SIZE];

    ecc_diag_id(d, id);
    json_t *out = json_pack("{s:o, s:i, s:s, s:s, s:o}", "range", lsp_range(&view->text, d->span), "severity",
                            d->severity == ECC_ERROR ? 1 : 2, "code", id, "source", "ecomc", "message", message_of(d));
    if (d->has_second)
        json_object_set_new(out, "relatedInformation",
                            json_pack("[{s:o, s:s}]", "location", lsp_location(doc, lsp_range(&view->text, d->second)), "message",
                                      d->second_label ? d->second_label : ""));
    if (is_unused(d->code))
        json_object_set_new(out, "tags", json_pack("[i]", 1));
    return out;
}

void lsp_publish(struct ecc_lsp *s, struct lsp_document *doc)
{
    const struct lsp_view *view = lsp_document_view(s, doc);
    json_t *all = json_array();

    for (size_t i = 0; i < view->topology.diags.n; i++)
        json_array_append_new(all, diagnostic(doc, view, view->topology.diags.items[i]));
    doc->stale = false;
    lsp_notify(s, "textDocument/publishDiagnostics",
               json_pack("{s:s, s:I, s:o}", "uri", doc->uri, "version", doc->version, "diagnostics", all));
}

void lsp_publish_none(struct ecc_lsp *s, const char *uri)
{
    lsp_notify(s, "textDocument/publishDiagnostics", json_pack("{s:s, s:[]}", "uri", uri, "diagnostics"));
}

/* ------------------------------------------------------------------ fixes */

static json_t *title_of(const struct lsp_view *view, const struct ecc_diag *d)
{
    int length = (int)(d->fix_span.end - d->fix_span.start);
    const char *text = d->fix_text + strspn(d->fix_text, "\n ");

    if (!length)
        return json_sprintf("Add `%.*s`", (int)strcspn(text, "\n"), text);
    if (!*d->fix_text)
        return json_sprintf("Remove `%.*s`", length, view->topology.source.text + d->fix_span.start);
    return json_sprintf("Replace `%.*s` by `%s`", length, view->topology.source.text + d->fix_span.start, d->fix_text);
}

json_t *lsp_code_action(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);
    const json_t *only = json_object_get(json_object_get(params, "context"), "only"), *kind;
    struct ecc_span span;
    json_t *actions;
    bool wanted = !json_is_array(only);
    size_t k;

    if (!doc)
        return NULL;
    const struct lsp_view *view = lsp_document_view(s, doc);
    if (!lsp_span_of(&view->text, json_object_get(params, "range"), &span))
        return lsp_fail(failure, LSP_INVALID_PARAMS, "range is not {start, end}");
    json_array_foreach(only, k, kind) wanted = wanted || (json_is_string(kind) && strcmp(json_string_value(kind), "quickfix") == 0);
    actions = json_array();
    for (size_t i = 0; wanted && i < view->topology.diags.n; i++) {
        const struct ecc_diag *d = view->topology.diags.items[i];
        if (!d->has_fix || d->span.start > span.end || d->span.end < span.start)
            continue;
        json_t *edits = json_pack("[o]", lsp_text_edit(&view->text, d->fix_span, d->fix_text));
        json_array_append_new(actions,
                              json_pack("{s:o, s:s, s:[o], s:b, s:o}", "title", title_of(view, d), "kind", "quickfix", "diagnostics",
                                        diagnostic(doc, view, d), "isPreferred", 1, "edit", lsp_workspace_edit(s, doc, edits, NULL)));
    }
    return actions;
}
