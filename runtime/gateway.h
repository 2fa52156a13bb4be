/* The gateway's inside: gateway.c takes a request along its way, gateway_route.c finds and reads, gateway_auth.c knows tokens,
 * gateway_cache.c serves GETs from a keyspace, gateway_reply.c answers. */
#ifndef EC_GATEWAY_H
#define EC_GATEWAY_H

#include "cache.h"
#include "cache_near.h"
#include "http.h"
#include "limiter.h"
#include "span.h"

enum { GW_MAX_SEGMENTS = 32, GW_MAX_PARAMS = 8 };

/* What the process keeps for a route. */
struct gw_route {
    const struct ec_route *route;
    struct ec_str name; /* "GET /v1/things/{id}" */
    int nparams;
    struct { int segment; const struct ec_field *field; } params[GW_MAX_PARAMS];
    struct ec_metric *requests[6], *seconds; /* by hundreds of the status */
    struct gw_route *next;                   /* in its bucket */
};

/* What is known about a token: whose it is, or why it is refused. Counted: a request holds the one whose identity it uses. */
struct gw_verdict {
    int refs;
    const struct ec_error *error; /* NULL: valid */
    const char *detail;
    struct ec_arena *arena;       /* of identity */
    void *identity;
    struct ec_str subject;        /* who, for limits and keys */
    uint64_t until_ns;
};

/* In its task's arena: gone with it. */
struct gw_request {
    struct ec_http_exchange *exchange;
    const struct ec_http_request *http;
    struct gw_route *route;
    struct ec_task *task;
    struct ec_str token, client_key;
    struct gw_verdict *verdict;
    const struct ec_error *wrong; /* with the parameters: told once the request has passed limit and auth */
    const char *wrong_detail;
    /* The round trip to Redis. */
    int pending;
    uint64_t redis_began_ns;
    bool limited, limit_asked, session_asked, session_there;
    struct ec_limit_verdict limit;
    bool cache_asked, cache_answered, near; /* near: not asked, since this process knows */
    struct ec_str cache_key, cached;
    struct ec_near_read read;
    struct ec_cache_version version;
    struct gw_flight *flight; /* which this request leads */
    bool hit, miss;           /* X-Cache */
    struct gw_request *next;  /* among those that wait for the same */
};

struct gw_segments { size_t n; struct ec_str raw[GW_MAX_SEGMENTS], text[GW_MAX_SEGMENTS]; };

/* gateway_route.c */
void gw_routes_open(const struct ec_gateway *gateway);
void gw_routes_close(void);
/* NULL: nothing there, or, with allow filled ("GET, HEAD, PUT"), not with this method. malformed: the path can't be decoded. */
struct gw_route *gw_route_find(struct ec_arena *arena, const struct ec_http_request *http, struct gw_segments *segments, struct ec_buf *allow,
                               bool *malformed);
/* Reads path, query and body into the frame; what is wrong is left in the request. */
void gw_request_read(struct gw_request *request, const struct gw_segments *segments);
/* A scalar's text; p NULL: absent, or no scalar. base is the struct. */
struct ec_str gw_field_text(struct ec_task *task, const struct ec_field *field, const void *base);

/* gateway_auth.c */
void gw_auth_open(const struct ec_gateway_auth *auth);
void gw_auth_close(void);
struct gw_verdict *gw_auth_known(struct ec_str token); /* with a reference; NULL: not known */
void gw_auth_validate(struct gw_request *request);     /* in the end gw_authenticated, in a later turn */
void gw_verdict_release(struct gw_verdict *verdict);

/* gateway_cache.c */
void gw_cache_open(void);
void gw_cache_close(void);
/* Fills cached and version. False: the process has the value itself, and nothing is called. With others of the round trip on their way it
 * is copied; else it is there until anything else is done with a cache. */
bool gw_cache_ask(struct gw_request *request, void (*then)(struct gw_request *request));
/* Answers from what was fetched, waits for who fetches the same, or returns true: this request fetches, and gw_cache_over comes after. */
bool gw_cache_serve(struct gw_request *request);
/* The leader's task has ended: answers who waited, and stores. body n 0: it failed. */
void gw_cache_over(struct gw_request *request, struct ec_str body);

/* gateway.c */
void gw_run(struct gw_request *request); /* its program */
void gw_authenticated(struct gw_request *request, struct gw_verdict *verdict, const struct ec_error *error, const char *detail,
                      int retry_after_s);

int ec_gateway_port(void);
int ec_gateway_admin_port(void);

/* gateway_reply.c: each answers the exchange, counts, and ends the request. */
void gw_reply_body(struct gw_request *request, int status, struct ec_str body);
void gw_reply_problem(struct gw_request *request, const struct ec_error *error, const char *detail, int retry_after_s);
void gw_reply_task(struct gw_request *request);
/* Before there is a request; route NULL: none is for it. */
void gw_refuse(struct ec_http_exchange *exchange, struct gw_route *route, const struct ec_error *error, const char *detail,
               const char *headers);
void gw_reply_open(const struct ec_gateway *gateway);
void gw_reply_close(void);
int64_t gw_in_flight(void);
void gw_request_begin(void);

#endif
