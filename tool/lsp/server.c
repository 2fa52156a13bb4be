/* The conversation: which method is answered by whom, in which state of the session, and what is said of a mistake.
 *
 * Messages are answered in their order, one after another, so a `$/cancelRequest` always comes too late. Diagnostics are told when all that
 * has come is answered: of ten letters that were typed in a row, the last counts. */
#include "server.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void send(struct ecc_lsp *s, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT), header[64];

    if (!text)
        s->host.oom(s->host.context);
    size_t length = strlen(text);
    s->host.write(s->host.context, header, (size_t)snprintf(header, sizeof header, "Content-Length: %zu\r\n\r\n", length));
    s->host.write(s->host.context, text, length);
    free(text);
    json_decref(message);
}

void lsp_notify(struct ecc_lsp *s, const char *method, json_t *params)
{
    send(s, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
}

static void answer(struct ecc_lsp *s, const json_t *id, json_t *result)
{
    send(s, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

static void refuse(struct ecc_lsp *s, const json_t *id, int code, const char *message)
{
    json_t *nobody = json_null();

    send(s, json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id ? id : nobody, "error", "code", code, "message", message));
}

json_t *lsp_fail(struct lsp_failure *failure, int code, const char *format, ...)
{
    va_list args;

    failure->code = code;
    va_start(args, format);
    vsnprintf(failure->message, sizeof failure->message, format, args);
    va_end(args);
    return NULL;
}

/* ------------------------------------------------------------------ parameters that many have */

struct lsp_document *lsp_document_of(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    const char *uri = json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
    struct lsp_document *doc = uri ? lsp_document_find(s, uri) : NULL;

    if (!uri)
        lsp_fail(failure, LSP_INVALID_PARAMS, "textDocument.uri is missing");
    else if (!doc)
        lsp_fail(failure, LSP_INVALID_PARAMS, "%s is not open", uri);
    return doc;
}

bool lsp_place_of(struct ecc_lsp *s, const json_t *params, struct lsp_place *place, struct lsp_failure *failure)
{
    place->doc = lsp_document_of(s, params, failure);
    if (!place->doc)
        return false;
    place->view = lsp_document_view(s, place->doc);
    if (lsp_offset_of(&place->view->text, json_object_get(params, "position"), &place->offset))
        return true;
    lsp_fail(failure, LSP_INVALID_PARAMS, "position is not {line, character}");
    return false;
}

json_t *lsp_location(const struct lsp_document *doc, json_t *range)
{
    return json_pack("{s:s, s:o}", "uri", doc->uri, "range", range);
}

json_t *lsp_markup(const struct ecc_lsp *s, const char *text)
{
    return json_pack("{s:s, s:s}", "kind", s->client.markdown ? "markdown" : "plaintext", "value", text);
}

json_t *lsp_workspace_edit(const struct ecc_lsp *s, const struct lsp_document *doc, json_t *edits, const char *annotation)
{
    json_t *edit, *of;
    size_t i;

    if (!s->client.versions)
        return json_pack("{s:{s:o}}", "changes", doc->uri, edits);
    if (annotation && s->client.annotations)
        json_array_foreach(edits, i, of) json_object_set_new(of, "annotationId", json_string("rename"));
    edit =
        json_pack("{s:[{s:{s:s, s:I}, s:o}]}", "documentChanges", "textDocument", "uri", doc->uri, "version", doc->version, "edits", edits);
    if (annotation && s->client.annotations)
        json_object_set_new(
            edit, "changeAnnotations",
            json_pack("{s:{s:s, s:s, s:b}}", "rename", "label", "Rename", "description", annotation, "needsConfirmation", 0));
    return edit;
}

/* ------------------------------------------------------------------ the session */

static bool lists(const json_t *array, const char *word)
{
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item) if (json_is_string(item) && strcmp(json_string_value(item), word) == 0) return true;
    return false;
}

static const json_t *at(const json_t *object, const char *path)
{
    char part[64];

    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        object = json_object_get(object, part);
        path += n + (path[n] == '.');
    }
    return object;
}

static json_t *initialize(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    const json_t *can = json_object_get(params, "capabilities"), *formats = at(can, "textDocument.hover.contentFormat");

    if (s->initialized)
        return lsp_fail(failure, LSP_INVALID_REQUEST, "initialize comes once");
    s->initialized = true;
    s->utf8 = lists(at(can, "general.positionEncodings"), "utf-8");
    s->client.markdown = !formats || lists(formats, "markdown");
    s->client.versions = json_is_true(at(can, "workspace.workspaceEdit.documentChanges"));
    s->client.annotations = json_is_object(at(can, "workspace.workspaceEdit.changeAnnotationSupport"));
    s->client.hierarchy = json_is_true(at(can, "textDocument.documentSymbol.hierarchicalDocumentSymbolSupport"));
    s->client.snippets = json_is_true(at(can, "textDocument.completion.completionItem.snippetSupport"));
    return json_pack("{s:{s:s, s:{s:b, s:i, s:{s:b}}, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:{s:b}, s:{s:[s]}, s:{s:[sss], s:b}, s:{s:[ss]},"
                     " s:{s:o, s:b}}, s:{s:s, s:s}}",
                     "capabilities", "positionEncoding", s->utf8 ? "utf-8" : "utf-16", "textDocumentSync", "openClose", 1, "change", 2,
                     "save", "includeText", 0, "hoverProvider", 1, "definitionProvider", 1, "referencesProvider", 1,
                     "documentHighlightProvider", 1, "documentSymbolProvider", 1, "workspaceSymbolProvider", 1,
                     "documentFormattingProvider", 1, "renameProvider", "prepareProvider", 1, "codeActionProvider", "codeActionKinds",
                     "quickfix", "completionProvider", "triggerCharacters", ".", ":", "\"", "resolveProvider", 0, "signatureHelpProvider",
                     "triggerCharacters", "(", ",", "semanticTokensProvider", "legend", lsp_token_legend(), "full", 1, "serverInfo", "name",
                     "ecomc", "version", s->host.version);
}

static json_t *shutdown(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    (void)params;
    (void)failure;
    s->shut = true;
    return json_null();
}

static json_t *nothing(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    (void)s;
    (void)params;
    (void)failure;
    return json_null();
}

static json_t *leave(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    s->over = true;
    return nothing(s, params, failure);
}

/* ------------------------------------------------------------------ documents */

enum { MOST_TEXT = 128 * 1024 * 1024 };

static json_t *did_open(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    const json_t *item = json_object_get(params, "textDocument"), *text = json_object_get(item, "text");
    const char *uri = json_string_value(json_object_get(item, "uri"));

    if (!uri || !json_is_string(text))
        return lsp_fail(failure, LSP_INVALID_PARAMS, "textDocument needs uri and text");
    lsp_document_open(s, uri, json_integer_value(json_object_get(item, "version")), json_string_value(text), json_string_length(text));
    return json_null();
}

static bool change(struct ecc_lsp *s, struct lsp_document *doc, const json_t *item)
{
    const json_t *text = json_object_get(item, "text"), *range = json_object_get(item, "range");
    struct lsp_text before = {.text = doc->text, .length = (uint32_t)doc->length, .utf8 = s->utf8};
    struct ecc_span span = {0, before.length};
    bool fine = json_is_string(text);

    if (fine && range && !json_is_null(range)) {
        lsp_lines_find(&before.lines, before.text, before.length, &s->host);
        fine = lsp_span_of(&before, range, &span);
        free(before.lines.starts);
    }
    fine = fine && doc->length - (span.end - span.start) + json_string_length(text) <= MOST_TEXT;
    if (fine)
        lsp_document_replace(s, doc, span, json_string_value(text), json_string_length(text));
    return fine;
}

static json_t *did_change(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);
    const json_t *changes = json_object_get(params, "contentChanges"), *item;
    const json_t *version = json_object_get(json_object_get(params, "textDocument"), "version");
    size_t i;

    if (!doc)
        return NULL;
    if (!json_is_array(changes))
        return lsp_fail(failure, LSP_INVALID_PARAMS, "contentChanges is missing");
    json_array_foreach(changes, i, item) if (!change(s, doc, item)) return lsp_fail(
        failure, LSP_INVALID_PARAMS, "change %zu of %s can't be made: the text here is not the client's any more", i, doc->uri);
    if (json_is_integer(version))
        doc->version = json_integer_value(version);
    return json_null();
}

static json_t *did_close(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);

    if (!doc)
        return NULL;
    lsp_publish_none(s, doc->uri);
    lsp_document_close(s, doc);
    return json_null();
}

/* A file that clients watch is ecom.lock: what it has is held against the texts. */
static json_t *files_changed(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    (void)params, (void)failure;
    for (struct lsp_document *d = s->documents; d; d = d->next)
        lsp_document_forget(d);
    return json_null();
}

/* ------------------------------------------------------------------ the table */

enum { REQUEST = 1, ALWAYS = 2 }; /* ALWAYS: also before initialize and after shutdown */

static const struct method {
    const char *name;
    lsp_handler *run;
    int flags;
} methods[] = {
    {"initialize", initialize, REQUEST | ALWAYS},
    {"initialized", nothing, 0},
    {"shutdown", shutdown, REQUEST},
    {"exit", leave, ALWAYS},
    {"$/cancelRequest", nothing, ALWAYS},
    {"$/setTrace", nothing, ALWAYS},
    {"workspace/didChangeConfiguration", nothing, 0},
    {"workspace/didChangeWatchedFiles", files_changed, 0},
    {"textDocument/didOpen", did_open, 0},
    {"textDocument/didChange", did_change, 0},
    {"textDocument/didSave", nothing, 0},
    {"textDocument/didClose", did_close, 0},
    {"textDocument/codeAction", lsp_code_action, REQUEST},
    {"textDocument/completion", lsp_completion, REQUEST},
    {"textDocument/definition", lsp_definition, REQUEST},
    {"textDocument/documentHighlight", lsp_highlight, REQUEST},
    {"textDocument/documentSymbol", lsp_document_symbol, REQUEST},
    {"textDocument/formatting", lsp_formatting, REQUEST},
    {"textDocument/hover", lsp_hover, REQUEST},
    {"textDocument/prepareRename", lsp_prepare_rename, REQUEST},
    {"textDocument/references", lsp_references, REQUEST},
    {"textDocument/rename", lsp_rename, REQUEST},
    {"textDocument/semanticTokens/full", lsp_semantic_tokens, REQUEST},
    {"textDocument/signatureHelp", lsp_signature_help, REQUEST},
    {"workspace/symbol", lsp_workspace_symbol, REQUEST},
};

static void dispatch(struct ecc_lsp *s, const char *name, const json_t *id, const json_t *params)
{
    const struct method *m = NULL;
    struct lsp_failure failure = {0};

    for (size_t i = 0; i < sizeof methods / sizeof *methods && !m; i++)
        if (strcmp(methods[i].name, name) == 0)
            m = &methods[i];
    if (m && (id != NULL) != !!(m->flags & REQUEST)) { /* a notification with an id, or a request without */
        if (id)
            refuse(s, id, LSP_INVALID_REQUEST, "this is a notification: it has no id");
        return;
    }
    if (!(m && m->flags & ALWAYS) && (!s->initialized || s->shut)) {
        if (id)
            refuse(s, id, s->shut ? LSP_INVALID_REQUEST : LSP_NOT_INITIALIZED,
                   s->shut ? "the server is shut down" : "initialize comes first");
        return;
    }
    if (!m) { /* of notifications that nobody knows nothing is said */
        if (id) {
            snprintf(failure.message, sizeof failure.message, "there is no method %.100s", name);
            refuse(s, id, LSP_METHOD_NOT_FOUND, failure.message);
        }
        return;
    }
    json_t *result = m->run(s, params, &failure);
    if (id && result)
        answer(s, id, result);
    else if (id)
        refuse(s, id, failure.code ? failure.code : LSP_REQUEST_FAILED, failure.message);
    else if (!result)
        lsp_notify(s, "window/logMessage", json_pack("{s:i, s:s}", "type", 1, "message", failure.message));
    if (!id)
        json_decref(result);
}

static void take(struct ecc_lsp *s, const char *body, size_t length)
{
    json_error_t error;
    char why[300];
    json_t *message = json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);

    if (!message) {
        snprintf(why, sizeof why, "the message is not JSON: %s at byte %d", error.text, error.position);
        refuse(s, NULL, LSP_PARSE_ERROR, why);
        return;
    }
    const json_t *id = json_object_get(message, "id"), *method = json_object_get(message, "method");
    bool valid_id = !id || json_is_integer(id) || json_is_string(id);

    if (json_is_object(message) && valid_id && json_is_string(method))
        dispatch(s, json_string_value(method), id, json_object_get(message, "params"));
    else if (!json_is_object(message) || !valid_id || !(json_object_get(message, "result") || json_object_get(message, "error")))
        refuse(s, valid_id ? id : NULL, LSP_INVALID_REQUEST,
               "this is no request: an object with a method, and an id that is a number or a text");
    json_decref(message);
}

struct ecc_lsp *ecc_lsp_new(const struct ecc_lsp_host *host)
{
    struct ecc_lsp *s = calloc(1, sizeof *s);

    if (!s)
        host->oom(host->context);
    s->host = *host;
    return s;
}

void ecc_lsp_free(struct ecc_lsp *s)
{
    lsp_documents_free(s);
    free(s->input.bytes);
    free(s);
}

bool ecc_lsp_feed(struct ecc_lsp *s, const char *bytes, size_t length)
{
    const char *body, *why;
    enum lsp_frame frame = LSP_FRAME_MORE;
    size_t n;

    lsp_input_add(&s->input, bytes, length, &s->host);
    while (!s->over && (frame = lsp_input_next(&s->input, &body, &n, &why)) != LSP_FRAME_MORE) {
        if (frame == LSP_FRAME_WHOLE)
            take(s, body, n);
        else if (!s->broken) /* told once: what follows may well be the rest of it */
            refuse(s, NULL, LSP_PARSE_ERROR, why);
        s->broken = frame == LSP_FRAME_BAD;
    }
    for (struct lsp_document *d = s->documents; d && !s->over; d = d->next)
        if (d->stale)
            lsp_publish(s, d);
    return !s->over;
}

int ecc_lsp_exit_code(const struct ecc_lsp *s)
{
    return s->shut ? 0 : 1;
}
