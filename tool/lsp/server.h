/* Inside of the language server: what its files share.
 *
 * frame.c takes messages out of bytes; server.c answers them, by the table of methods; text.c has what is where in a text, in the client's
 * units; document.c keeps the texts and what is known of them; one file a feature reads that. JSON objects that a handler returns are the
 * server's to release; memory of a view lives until the text changes twice.
 */
#ifndef ECC_LSP_SERVER_H
#define ECC_LSP_SERVER_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "analyze.h"
#include "arena.h"
#include "diag.h"
#include "lsp.h"
#include "source.h"
#include "topology.h"

/* ------------------------------------------------------------------ frames (frame.c) */

enum lsp_frame { LSP_FRAME_MORE, LSP_FRAME_WHOLE, LSP_FRAME_BAD };

struct lsp_input { char *bytes; size_t n, cap, at; };

void lsp_input_add(struct lsp_input *input, const char *bytes, size_t length, const struct ecc_lsp_host *host);
/* The body of the next message, valid until the next call of lsp_input_add. BAD: why says what is wrong; the header, or what looks like
 * one, is skipped. */
enum lsp_frame lsp_input_next(struct lsp_input *input, const char **body, size_t *length, const char **why);

/* ------------------------------------------------------------------ texts (text.c) */

struct lsp_lines { uint32_t *starts; size_t n; }; /* a line ends with \n, \r\n or \r */

struct lsp_text {
    const char *text;
    uint32_t length;
    struct lsp_lines lines;
    bool utf8; /* what a character of a position is: a byte, or a unit of UTF-16 */
};

void lsp_lines_find(struct lsp_lines *lines, const char *text, size_t length, const struct ecc_lsp_host *host); /* starts: malloc */
/* A place behind the end of its line, or of the text, is that end; one inside a character is its beginning. */
uint32_t lsp_offset(const struct lsp_text *text, uint64_t line, uint64_t character);
bool lsp_offset_of(const struct lsp_text *text, const json_t *position, uint32_t *offset); /* false: it is none */
bool lsp_span_of(const struct lsp_text *text, const json_t *range, struct ecc_span *span);
json_t *lsp_position(const struct lsp_text *text, uint32_t offset);
json_t *lsp_range(const struct lsp_text *text, struct ecc_span span);
json_t *lsp_text_edit(const struct lsp_text *text, struct ecc_span span, const char *with);

/* ------------------------------------------------------------------ documents (document.c) */

struct lsp_view { /* a text and all that is known of it */
    struct ecc_arena arena;
    struct ecc_topology topology; /* what `check` says of it */
    struct ecc_analysis analysis;
    struct lsp_text text; /* of topology.source */
    bool sound; /* it is a text that could be looked at; else there is only a diagnostic */
};

struct lsp_document {
    struct lsp_document *next;
    char *uri, *path;
    json_int_t version;
    char *text;
    size_t length;
    struct lsp_view *now;  /* NULL: not looked at since the last change */
    struct lsp_view *good; /* the last that had no mistake of syntax, when now has one; or NULL */
    bool stale; /* its diagnostics have not been told */
};

struct ecc_lsp {
    struct ecc_lsp_host host;
    struct lsp_input input;
    struct lsp_document *documents;
    bool initialized, shut, over, broken;
    bool utf8;
    struct { bool markdown, snippets, versions, annotations, hierarchy; } client; /* what it can do */
};

struct lsp_document *lsp_document_find(struct ecc_lsp *s, const char *uri);
void lsp_document_open(struct ecc_lsp *s, const char *uri, json_int_t version, const char *text, size_t length);
void lsp_document_close(struct ecc_lsp *s, struct lsp_document *doc);
void lsp_document_forget(struct lsp_document *doc); /* what is known of it is of another text, or of another ecom.lock */
void lsp_document_replace(struct ecc_lsp *s, struct lsp_document *doc, struct ecc_span span, const char *text, size_t length);
const struct lsp_view *lsp_document_view(struct ecc_lsp *s, struct lsp_document *doc);
/* released: it is held against ecom.lock, too. */
struct lsp_view *lsp_view_new(struct ecc_lsp *s, const char *path, const char *text, size_t length, bool released);
void lsp_view_free(struct lsp_view *view);
void lsp_documents_free(struct ecc_lsp *s);

/* Between two texts that differ in one stretch. False: the place was in it. */
struct lsp_shift { uint32_t before, from_end, to_end; int64_t by; };
struct lsp_shift lsp_shift_between(const struct ecc_source *from, const struct ecc_source *to);
bool lsp_shift_offset(const struct lsp_shift *shift, uint32_t *offset);

/* A place that a request is about. */
struct lsp_place {
    struct lsp_document *doc;
    const struct lsp_view *view; /* of the text as it is */
    uint32_t offset;
};

/* What a name is: a reference of a view. Not found in the text as it is, it is looked for in the last good one. */
struct lsp_found {
    const struct lsp_view *view;
    const struct ecc_ref *ref; /* or NULL */
    bool old;                  /* the view is not of the text as it is */
    struct lsp_shift shift;    /* old: from its text to the one as it is */
};
/* whole: all uses are wanted, so the last good view is looked at first when the present one has mistakes of syntax. */
struct lsp_found lsp_find(const struct lsp_place *place, bool whole);
bool lsp_found_range(const struct lsp_found *found, const struct lsp_place *place, struct ecc_span span, json_t **range);

/* ------------------------------------------------------------------ requests */

struct lsp_failure { int code; char message[400]; };

enum { LSP_PARSE_ERROR = -32700, LSP_INVALID_REQUEST = -32600, LSP_METHOD_NOT_FOUND = -32601, LSP_INVALID_PARAMS = -32602,
       LSP_NOT_INITIALIZED = -32002, LSP_REQUEST_FAILED = -32803 };

/* The result, or NULL with the failure set. */
typedef json_t *lsp_handler(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure);

json_t *lsp_fail(struct lsp_failure *failure, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool lsp_place_of(struct ecc_lsp *s, const json_t *params, struct lsp_place *place, struct lsp_failure *failure);
struct lsp_document *lsp_document_of(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure);
void lsp_notify(struct ecc_lsp *s, const char *method, json_t *params); /* takes params */
json_t *lsp_location(const struct lsp_document *doc, json_t *range);    /* takes range */
json_t *lsp_markup(const struct ecc_lsp *s, const char *text);
/* {uri: edits} as the client takes them; annotation: what to know about it, or NULL. Takes edits. */
json_t *lsp_workspace_edit(const struct ecc_lsp *s, const struct lsp_document *doc, json_t *edits, const char *annotation);

lsp_handler lsp_code_action, lsp_formatting, lsp_hover, lsp_definition, lsp_references, lsp_highlight, lsp_prepare_rename, lsp_rename,
    lsp_document_symbol, lsp_workspace_symbol, lsp_completion, lsp_signature_help, lsp_semantic_tokens;
void lsp_publish(struct ecc_lsp *s, struct lsp_document *doc);
void lsp_publish_none(struct ecc_lsp *s, const char *uri);
json_t *lsp_token_legend(void);

/* ------------------------------------------------------------------ words about things (describe.c, describe_node.c) */

/* A hover's text of what the reference is, in Markdown. */
void lsp_describe(FILE *out, const struct lsp_view *view, const struct ecc_ref *ref);
void lsp_describe_node(FILE *out, const struct lsp_view *view, const struct ecc_node *node);
void lsp_describe_edge(FILE *out, const struct lsp_view *view, const struct ecc_edge *edge);
void lsp_describe_policy(FILE *out, const struct lsp_view *view, const struct ecc_ast_decl *policy);
void lsp_signature(FILE *out, const struct lsp_view *view, const struct ecc_op *op);
const char *lsp_type_name(const struct lsp_view *view, const struct ecc_type *type); /* NULL: of nothing */
void lsp_fields(FILE *out, const struct lsp_view *view, const struct ecc_record *record); /* one a line, indented */

/* Every call along an edge, of every program, saga and route (walk.c). */
void lsp_each_call(const struct ecc_model *model, void (*each)(void *context, const struct ecc_stmt *call), void *context);

#endif
