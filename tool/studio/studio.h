/* ecom-studio: the topology as a picture, its scenarios as a film, in a browser of this machine.
 *
 * One process, one loop. A request comes through server.c, which checks who asks and finds its route in routes.h; a handler answers it,
 * at once or in a later turn. examples.c has the topologies that there are, view.c compiles one, the others write what is asked of it.
 *
 * Memory: a handler's is the request's arena and body, both gone when it returns; who answers later keeps the exchange and copies the
 * rest. What is known of a topology on the disk (struct studio_view) is its example's, until the file is another.
 */
#ifndef ECC_STUDIO_H
#define ECC_STUDIO_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "arena.h"
#include "derive.h"
#include "diag.h"
#include "http.h"
#include "source.h"
#include "writer.h"

enum {
    STUDIO_MAX_SOURCE = 4 * 1024 * 1024,  /* bytes of a topology */
    STUDIO_MAX_BODY = 10 * 1024 * 1024,   /* the same as JSON, with escapes, and what services tell in one go */
    STUDIO_MAX_MEMORY = 256 * 1024 * 1024 /* of one request */
};

struct studio_example;
struct ecc_otlp_span;

struct studio {
    uv_loop_t loop;
    struct ec_http_server *server;
    int port;
    const char *file; /* the topology that it was started for, as given */
    const char *names; /* HOST:PORT,... by which it is asked beside its own; or NULL. With names it watches a system that somebody else runs */
    struct studio_example *examples; /* a list, the file's own first */
    struct ecc_traces *traces;
    struct ecc_forward *forward; /* or NULL */
    struct ecc_live *live;
    struct listener *listeners;  /* of events */
    uv_timer_t second;
};

/* ------------------------------------------------------------------ requests: server.c */

struct studio_request {
    struct studio *studio;
    struct ec_http_exchange *exchange;
    const struct ec_http_request *http;
    struct ecc_arena arena; /* gone when the handler returns */
    json_t *body;           /* of a POST or PUT: an object; likewise */
    const char *id;         /* what stands where the route has {}, decoded; or NULL */
};

/* What is refused. X(identifier, kebab-name, status, title) */
#define STUDIO_ERRORS(X)                                                                                                              \
    X(bad_request, "bad-request", 400, "The request is malformed")                                                                    \
    X(forbidden, "forbidden", 403, "This comes from another site")                                                                    \
    X(not_found, "not-found", 404, "There is no such thing here")                                                                     \
    X(method, "method-not-allowed", 405, "This can't be done here")                                                                   \
    X(conflict, "conflict", 409, "This does not fit what there is")                                                                   \
    X(stale, "stale", 412, "The file has changed meanwhile")                                                                          \
    X(too_large, "too-large", 413, "This is too large")                                                                               \
    X(media_type, "media-type", 415, "The body has to be JSON")                                                                       \
    X(misdirected, "misdirected", 421, "This is not the host that was asked for")                                                     \
    X(invalid, "invalid", 422, "This can't be made sense of")                                                                         \
    X(unconditional, "unconditional", 428, "Say in If-Match what is to be replaced")                                                  \
    X(internal, "internal", 500, "This did not work")                                                                                 \
    X(unavailable, "unavailable", 503, "This can't be done at the moment")

#define X(id, name, status, title) extern const struct ec_error studio_error_##id;
STUDIO_ERRORS(X)
#undef X

/* Each request is answered once, by one of these; r->http and r->exchange are gone then. */
void studio_problem(const struct studio_request *r, const struct ec_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void studio_json(const struct studio_request *r, int status, const struct ecc_writer *w); /* never stored */
/* What can be had again: 304 when the browser has it. tag: as studio_tag makes it; NULL: of what is written. */
void studio_json_tagged(const struct studio_request *r, const struct ecc_writer *w, const char *tag);
/* headers: whole lines with CRLF, put behind those that every answer has. */
void studio_reply(const struct studio_request *r, int status, const char *content_type, const char *headers, const void *body, size_t n);
/* The same for who answers in a later turn and has kept nothing but the exchange. */
void studio_reply_later(struct ec_http_exchange *exchange, int status, const char *content_type, const char *body, size_t n);

/* Begins an answer that comes in pieces (ec_http_stream_write). */
void studio_stream(struct ec_http_exchange *exchange, const char *content_type);

/* Is a tag named by an If-Match or If-None-Match header? `*` names every one; list NULL: none. tag: with its quotes. */
bool studio_tag_in(struct ec_str list, const char *tag);
const char *studio_tag(struct ecc_arena *arena, const void *content, size_t n); /* "\"...\"" */

/* A member of the query, decoded, or NULL. */
const char *studio_query(struct studio_request *r, const char *name);
/* A text of the body; NULL when it is not there or is no text. */
const char *studio_text(const struct studio_request *r, const char *name);

/* Starts the listener: of this machine alone, with names of everybody. Returns NULL, or why it could not be. port 0: any. */
const char *studio_listen(struct studio *studio, int port);

/* ------------------------------------------------------------------ one topology: view.c */

struct ecc_ast_file;

struct studio_view {
    struct ecc_arena *arena; /* its memory */
    struct ecc_source source;
    struct ecc_diags diags;
    const struct ecc_ast_file *file; /* what could be read of it: where things stand */
    const struct ecc_model *model;   /* NULL: there are errors */
    const struct ecc_derived **derived; /* of each scenario; NULL: there are errors */
    const char *lock;                /* the text of ecom.lock beside it, or NULL */
    size_t lock_length;
    const struct studio_switch *switches; /* none before studio_view_switches */
    size_t nswitches;
};

/* Compiles. path is what diagnostics call it; text and lock are copied or live as long as the view. */
void studio_view_make(struct studio_view *view, struct ecc_arena *arena, const char *path, const char *text, size_t length, const char *lock,
                      size_t lock_length);
const struct ecc_scenario *studio_scenario(const struct studio_view *view, const char *name); /* or NULL */

/* The same topology, with the clauses `assume TEXT` in the scenario as well. It is compiled as if they had been written there, so what an
 * assumption means stands in the language alone. texts: a JSON array. NULL after an answer to r. */
const struct studio_view *studio_assume(struct studio_request *r, const struct studio_view *view, const char *scenario, const json_t *texts);

/* write.c: members of an object, without its brackets: diagnostics, and where there are no errors topology, scenarios, switches, places.
 * assumed, or NULL: the view whose scenario of that name is shown in place of its own. */
void studio_write_view(struct ecc_writer *w, const struct studio_view *view, const struct studio_view *assumed, const char *scenario);
void studio_write_diags(struct ecc_writer *w, const struct studio_view *view); /* [...] */
void studio_write_scenario(struct ecc_writer *w, const struct studio_view *view, const char *name);

/* Where a declaration stands; false: it has none. node: also `<service>-db`. */
struct studio_lines { uint32_t first, last; }; /* from 1 */
bool studio_node_lines(const struct studio_view *view, const char *node, struct studio_lines *lines);
bool studio_edge_lines(const struct studio_view *view, const char *from, const char *to, struct studio_lines *lines);
struct studio_lines studio_span_lines(const struct studio_view *view, struct ecc_span span);

/* Can it be made true of the running system: by itself, as a scenario is played (`ecomc verify` arranges it), or not at all? */
enum studio_real { STUDIO_REAL_NOW, STUDIO_REAL_IN_RUN, STUDIO_REAL_NEVER };

/* What can be assumed of a part: what fails, hangs and is down, whose breaker is open, what a cache holds. switches.c */
struct studio_switch {
    const char *id, *label, *assume; /* assume: the text of a clause */
    const char *what;                /* the label without the node's name */
    const struct ecc_node *node;     /* whose it is: a breaker's, who is called */
    enum studio_real real;
    struct ecc_assume clause;
    bool *noticed; /* in each of the model's scenarios */
};

/* Finds what can be assumed in the view's scenarios. */
void studio_view_switches(struct studio_view *view);
const char *studio_real_name(enum studio_real real);

/* ------------------------------------------------------------------ the topologies that there are: examples.c */

struct studio_example {
    struct studio_example *next;
    char *id, *path;        /* path: as it is found */
    const char *tag;        /* of the text on the disk */
    struct studio_view view;
    struct ecc_arena arena; /* of tag and view */
    bool compiled;          /* else the rest is as it happens to be */
    int failed;             /* errno of what keeps it from being read, or 0 */
    struct studio_stamp { dev_t dev; ino_t ino; off_t size; struct timespec changed, read; bool there; } text, lock;
};

/* As they are on the disk now. An example is gone at the latest when this is called again. */
struct studio_example *studio_examples(struct studio_request *r);
/* The one that r->id names; NULL after an answer. */
struct studio_example *studio_example_named(struct studio_request *r);
void studio_examples_free(struct studio *studio);

/* What `up` tells of the example's system, or what the topology says of one that is deployed; NULL: it is not up. The caller's. */
json_t *studio_state(struct studio_request *r, const struct studio_example *e);
/* The member "text" of a request; NULL after an answer. */
const char *studio_sent_text(const struct studio_request *r, size_t *n);

/* A regular file, whole; NULL with errno (EFBIG: larger than a topology may be). */
char *studio_read(struct ecc_arena *arena, const char *path, size_t *length);

/* ------------------------------------------------------------------ the page: page.c */

bool studio_serve_page(const struct studio_request *r); /* false: there is no such file */

/* ------------------------------------------------------------------ traces: traces.c, live.c */

/* NULL, or why OTEL_EXPORTER_OTLP_ENDPOINT can't be used. */
const char *studio_traces_open(struct studio *studio);
void studio_traces_close(struct studio *studio);
void studio_live_open(struct studio *studio);
void studio_live_close(struct studio *studio);
void studio_live_add(struct studio *studio, const struct ecc_otlp_span *span);

/* ------------------------------------------------------------------ routes */

/* Who may ask, and how. */
enum studio_access {
    STUDIO_READS,   /* GET, HEAD */
    STUDIO_CHANGES, /* a JSON body, from the page or from no page at all */
    STUDIO_TAKES,   /* a JSON body, from no page */
};

#define X(method, path, handler, access) void studio_##handler(struct studio_request *r);
#include "routes.h"
#undef X

#endif
