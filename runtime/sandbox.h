/* The sandbox's inside: sandbox.c serves, sandbox_request.c reads and checks requests, sandbox_eval.c applies the rules. */
#ifndef EC_SANDBOX_H
#define EC_SANDBOX_H

#include <jansson.h>

#include "ec_sandbox.h"
#include "http.h"

/* ------------------------------------------------------------------ sandbox_request.c */

/* A request that no rule sees, and why: the reasons are those of the language (docs/language.md, "External providers"). The texts are
 * literals or live in the exchange's arena. */
struct ec_sbx_refusal { int status; const char *reason, *field, *message; }; /* field: NULL when it is none's fault */

/* The call whose method and path these are. NULL with a refusal: 404, or 405 when only the method differs. The values of the path's
 * parameters are kept for ec_sbx_read. */
enum { EC_SBX_MAX_PARTS = 8 };
struct ec_sbx_match { const struct ec_sbx_call *call; size_t nparts; struct { struct ec_str name, value; } parts[EC_SBX_MAX_PARTS]; };
bool ec_sbx_find(const struct ec_sandbox *sandbox, const struct ec_http_request *request, struct ec_arena *arena,
                 struct ec_sbx_match *match, struct ec_sbx_refusal *refusal);
bool ec_sbx_authorized(const struct ec_sandbox *sandbox, const struct ec_http_request *request, struct ec_arena *arena);
/* The request's fields, checked against the call's record; NULL with a refusal. */
json_t *ec_sbx_read(const struct ec_sandbox *sandbox, const struct ec_sbx_match *match, const struct ec_http_request *request,
                    struct ec_arena *arena, struct ec_sbx_refusal *refusal);

/* ------------------------------------------------------------------ sandbox_eval.c */

/* The first rule that fits: its status, or 0 when none does. *reply is new, or NULL for an answer without a body. Stores change; what did
 * is in touched: {store: {key: object}}, not copied. */
int ec_sbx_apply(const struct ec_sbx_call *call, json_t *request, json_t *stores, json_t *touched, json_t **reply);
/* What a refusal answers: its status; *reply is new. */
int ec_sbx_refuse(const struct ec_sandbox *sandbox, const struct ec_sbx_refusal *refusal, json_t *stores, json_t **reply);

/* ------------------------------------------------------------------ sandbox_journal.c */

/* What is to be remembered: the whole of a sandbox's memory, faults not. */
struct ec_sbx_memory { json_t *stores, *ledger, *replays; };
/* Fills memory with what the journal at path has and appends to it from now on; path NULL: nothing is kept beyond the process. 0, or -1 with
 * a message in *why. */
int ec_sbx_journal_open(const char *path, struct ec_sbx_memory *memory, const char **why);
/* One request: its entry of the ledger, and, each or NULL, the answer to be repeated under an id and what it has changed. */
void ec_sbx_journal_add(json_t *entry, const char *id, json_t *replay, json_t *touched);
void ec_sbx_journal_empty(void); /* the ledger is empty from here on */
void ec_sbx_journal_close(void);

#endif
