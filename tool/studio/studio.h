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
#include "http.h"
#include "writer.h"

enum {
    STUDIO_MAX_SOURCE = 4 * 1024 * 1024,  /* bytes of a topology */
    STUDIO_MAX_BODY = 10 * 1024 * 1024,   /* the same as JSON, with escapes, and what services tell in one go */
    STUDIO_MAX_MEMORY = 512 * 1024 * 1024 /* of one request */
};

struct studio_example;
struct ecc_otlp_span;

struct studio {
    uv_loop_t loop;
    struct ec_http_server *server;
    int port;
    const char *file; /* the topology that it was started for, as given */
    struct studio_example *examples; /* a list, the file's own first */
    struct ecc_traces *traces;
    struct ecc_forward *forward; /* or NULL */
    struct ecc_live *live;       /* made with the first span */
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

/* Each request is answered once, by one of these. */
void studio_problem(const struct studio_request *r, const struct ec_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void studio_json(const struct studio_request *r, int status, const struct ecc_writer *w); /* never stored */
/* What can be had again: with an ETag of its content, 304 when the browser has it. */
void studio_json_tagged(const struct studio_request *r, const struct ecc_writer *w);
/* headers: whole lines with CRLF, put behind those that every answer has. */
void studio_reply(const struct studio_request *r, int status, const char *content_type, const char *headers, const void *body, size_t n);
/* The same for who answers in a later turn and has kept nothing but the exchange. */
void studio_reply_later(struct ec_http_exchange *exchange, int status, const char *content_type, const char *body, size_t n);

/* Is a tag named by an If-Match or If-None-Match header? `*` names every one; list NULL: none. tag: with its quotes. */
bool studio_tag_in(struct ec_str list, const char *tag);
const char *studio_tag(struct ecc_arena *arena, const void *content, size_t n); /* "\"...\"" */

/* A member of the query, decoded, or NULL. */
const char *studio_query(struct studio_request *r, const char *name);
/* A text of the body; NULL when it is not there or is no text. */
const char *studio_text(const struct studio_request *r, const char *name);

/* Starts the listener. Returns NULL, or why it could not be. port 0: any. */
const char *studio_listen(struct studio *studio, int port);

/* ------------------------------------------------------------------ the page: page.c */

bool studio_serve_page(const struct studio_request *r); /* false: there is no such file */

/* ------------------------------------------------------------------ traces: traces.c, live.c */

/* NULL, or why OTEL_EXPORTER_OTLP_ENDPOINT can't be used. */
const char *studio_traces_open(struct studio *studio);
void studio_traces_close(struct studio *studio);
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
