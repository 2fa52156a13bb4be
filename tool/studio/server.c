/* Requests: who may ask, for what, and how answers look.
 *
 * Any site that a browser has open can send requests to a port of this machine. So the Host has to be ours (a name that somebody else's
 * DNS leads here has another), an Origin, where there is one, the page's own, and whoever changes something has to say that it sends JSON,
 * which no form can and no script of another site may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "outset.h"
#include "studio.h"

#define X(id, error_name, error_status, error_title) \
    const struct ec_error studio_error_##id = {.name = (error_name), .status = (error_status), .title = (error_title)};
STUDIO_ERRORS(X)
#undef X

struct route {
    const char *method, *path;
    void (*handler)(struct studio_request *r);
    enum studio_access access;
};
static const struct route routes[] = {
#define X(method, path, handler, access) {#method, path, studio_##handler, access},
#include "routes.h"
#undef X
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

/* ------------------------------------------------------------------ answers */

#define ON_ALL                                                                                                                        \
    "content-security-policy: default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'\r\n" \
    "x-content-type-options: nosniff\r\n"                                                                                             \
    "x-frame-options: DENY\r\n"                                                                                                       \
    "referrer-policy: no-referrer\r\n"                                                                                                \
    "cross-origin-opener-policy: same-origin\r\n"                                                                                     \
    "cross-origin-resource-policy: same-origin\r\n"

static void answer(struct ec_http_exchange *exchange, int status, const char *content_type, const char *headers, const void *body, size_t n)
{
    struct ec_buf lines = {NULL, 0, 0};

    ec_buf_str(&lines, ON_ALL);
    ec_buf_str(&lines, headers);
    ec_http_reply(exchange, status, ec_str_of(content_type), (struct ec_str){lines.p, lines.n}, (struct ec_str){body, n});
    ec_buf_free(&lines);
}

void studio_reply(const struct studio_request *r, int status, const char *content_type, const char *headers, const void *body, size_t n)
{
    answer(r->exchange, status, content_type, headers, body, n);
}

void studio_reply_later(struct ec_http_exchange *exchange, int status, const char *content_type, const char *body, size_t n)
{
    answer(exchange, status, content_type, "cache-control: no-store\r\n", body, n);
}

void studio_stream(struct ec_http_exchange *exchange, const char *content_type)
{
    ec_http_stream(exchange, ec_str_of(content_type), EC_STR(ON_ALL "cache-control: no-store\r\n"));
}

void studio_problem(const struct studio_request *r, const struct ec_error *error, const char *format, ...)
{
    struct ec_buf buf = {NULL, 0, 0};
    char detail[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    ec_problem_write(&buf, error, detail, NULL);
    answer(r->exchange, error->status, "application/problem+json", "cache-control: no-store\r\n", buf.p, buf.n);
    ec_buf_free(&buf);
}

void studio_json(const struct studio_request *r, int status, const struct ecc_writer *w)
{
    answer(r->exchange, status, "application/json", "cache-control: no-store\r\n", w->data, w->n);
}

const char *studio_tag(struct ecc_arena *arena, const void *content, size_t n)
{
    return ecc_arena_printf(arena, "\"%.32s\"", ecc_sha256_hex(arena, content, n));
}

bool studio_tag_in(struct ec_str list, const char *tag)
{
    size_t n = strlen(tag);

    for (size_t i = 0; i < list.n;) {
        while (i < list.n && (list.p[i] == ' ' || list.p[i] == '\t' || list.p[i] == ','))
            i++;
        size_t start = i;
        if (list.n - i > 2 && list.p[i] == 'W' && list.p[i + 1] == '/')
            start = i += 2;
        while (i < list.n && list.p[i] != ',' && list.p[i] != ' ' && list.p[i] != '\t')
            i++;
        if ((i - start == 1 && list.p[start] == '*') || (i - start == n && memcmp(list.p + start, tag, n) == 0))
            return true;
    }
    return false;
}

void studio_json_tagged(const struct studio_request *r, const struct ecc_writer *w, const char *tag)
{
    struct ecc_arena *arena = w->arena;

    tag = tag ? tag : studio_tag(arena, w->data, w->n);
    const char *headers = ecc_arena_printf(arena, "etag: %s\r\ncache-control: no-cache\r\n", tag);

    if (studio_tag_in(ec_http_header(r->http, "if-none-match"), tag))
        answer(r->exchange, 304, "", headers, "", 0);
    else
        answer(r->exchange, 200, "application/json", headers, w->data, w->n);
}

/* ------------------------------------------------------------------ questions */

static const char *decoded(struct studio_request *r, const char *text, size_t n, bool plus)
{
    struct ec_str out;

    if (!ec_percent_decode(ec_http_exchange_arena(r->exchange), (struct ec_str){text, n}, plus, &out) || !ec_utf8_valid(out))
        return NULL;
    return ecc_arena_strndup(&r->arena, out.p, out.n);
}

const char *studio_query(struct studio_request *r, const char *name)
{
    const char *p = r->http->query.p, *end = p + r->http->query.n;

    while (p && p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p)), *stop = amp ? amp : end, *is = memchr(p, '=', (size_t)(stop - p));
        const char *found = is ? decoded(r, p, (size_t)(is - p), true) : NULL;
        if (found && strcmp(found, name) == 0)
            return decoded(r, is + 1, (size_t)(stop - is - 1), true);
        p = stop + 1;
    }
    return NULL;
}

const char *studio_text(const struct studio_request *r, const char *name)
{
    return json_string_value(json_object_get(r->body, name));
}

/* ------------------------------------------------------------------ who asks */

static bool is_text(struct ec_str s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool is_listed(const char *names, struct ec_str host)
{
    for (const char *end; *names; names = *end ? end + 1 : end) {
        end = strchrnul(names, ',');
        if (host.n && host.n == (size_t)(end - names) && !memcmp(host.p, names, host.n))
            return true;
    }
    return false;
}

/* host: "localhost:3000"; several ways to write where we are. */
static bool is_ours(const struct studio *studio, struct ec_str host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    char ours[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(ours, sizeof ours, "%s:%d", names[i], studio->port);
        if (is_text(host, ours) || (studio->port == 80 && is_text(host, names[i])))
            return true;
    }
    return studio->names && is_listed(studio->names, host);
}

static size_t count(const struct ec_http_request *http, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < http->nheaders; i++)
        n += ec_header_is(http->headers[i].name, name);
    return n;
}

static bool is_json(struct ec_str type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;

    return type.n >= n && strncasecmp(type.p, json, n) == 0 && (type.n == n || type.p[n] == ';' || type.p[n] == ' ');
}

/* False when it has been answered. */
static bool may_ask(struct studio_request *r)
{
    struct ec_str host = ec_http_header(r->http, "host"), origin = ec_http_header(r->http, "origin");

    if (r->http->target.n == 0 || r->http->target.p[0] != '/' || count(r->http, "host") != 1 || !is_ours(r->studio, host)) {
        studio_problem(r, &studio_error_misdirected, "this is 127.0.0.1:%d, and was asked for by another name", r->studio->port);
        return false;
    }
    if (count(r->http, "origin") && (count(r->http, "origin") != 1 || origin.n <= 7 || memcmp(origin.p, "http://", 7) != 0 ||
                                     !is_ours(r->studio, (struct ec_str){origin.p + 7, origin.n - 7}))) {
        studio_problem(r, &studio_error_forbidden, "only the page that comes from here may ask");
        return false;
    }
    return true;
}

static bool may_change(struct studio_request *r, enum studio_access access)
{
    json_error_t why;

    if (access == STUDIO_TAKES && count(r->http, "origin")) {
        studio_problem(r, &studio_error_forbidden, "no page may send this");
        return false;
    }
    if (!is_json(ec_http_header(r->http, "content-type"))) {
        studio_problem(r, &studio_error_media_type, "send content-type: application/json");
        return false;
    }
    r->body = json_loadb(r->http->body.p, r->http->body.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(r->body)) {
        studio_problem(r, &studio_error_bad_request, "%s", r->body ? "the body has to be an object" : why.text);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ where it goes */

/* Does the path fit? *part gets what stands for {}. */
static bool fits(const char *route, struct ec_str path, struct ec_str *part)
{
    const char *p = path.p, *end = p + path.n;

    for (; *route; route++) {
        if (route[0] == '{') {
            const char *from = p;
            while (p < end && *p != '/')
                p++;
            *part = (struct ec_str){from, (size_t)(p - from)};
            if (!part->n)
                return false;
            route++; /* the other bracket */
        } else if (p == end || *p++ != *route) {
            return false;
        }
    }
    return p == end;
}

static void dispatch(struct studio_request *r)
{
    const struct ec_http_request *http = r->http;
    bool head = is_text(http->method, "HEAD"), known = false;

    if (!may_ask(r))
        return;
    for (size_t i = 0; i < ROUTES; i++) {
        struct ec_str part = {NULL, 0};
        if (!fits(routes[i].path, http->path, &part))
            continue;
        known = true;
        if (!is_text(http->method, routes[i].method) && !(head && strcmp(routes[i].method, "GET") == 0))
            continue;
        r->id = part.p ? decoded(r, part.p, part.n, false) : NULL;
        if (part.p && !r->id)
            studio_problem(r, &studio_error_bad_request, "the path is malformed");
        else if (routes[i].access == STUDIO_READS || may_change(r, routes[i].access))
            routes[i].handler(r);
        return;
    }
    if (!known && (head || is_text(http->method, "GET")) && studio_serve_page(r))
        return;
    if (known || !(head || is_text(http->method, "GET")))
        studio_problem(r, &studio_error_method, "%.*s can't be done with this path", (int)http->method.n, http->method.p);
    else
        studio_problem(r, &studio_error_not_found, "there is nothing at this path");
}

static void out_of_memory(void *context)
{
    longjmp(*(jmp_buf *)context, 1);
}

/* A handler that needs too much memory is left where it is; so it must not have begun to answer. */
static void handle(struct ec_http_exchange *exchange, void *data)
{
    struct studio_request r = {.studio = data, .exchange = exchange, .http = ec_http_exchange_request(exchange)};
    struct studio_request *volatile request = &r;
    jmp_buf enough;

    ecc_arena_init(&r.arena);
    r.arena.limit = STUDIO_MAX_MEMORY;
    r.arena.oom = out_of_memory;
    r.arena.oom_context = &enough;
    if (setjmp(enough) == 0)
        dispatch(request);
    else
        studio_problem(request, &studio_error_unavailable, "this needs more memory than there is");
    json_decref(request->body);
    ecc_arena_free(&request->arena);
}

const char *studio_listen(struct studio *studio, int port)
{
    const char *why = NULL;
    const struct ec_http_server_options options = {.host = studio->names ? "0.0.0.0" : "127.0.0.1",
                                                   .port = port,
                                                   .max_body = STUDIO_MAX_BODY,
                                                   .max_connections = 512,
                                                   .handle = handle,
                                                   .data = studio};

    studio->server = ec_http_server_start(&studio->loop, &options, &why);
    if (studio->server)
        studio->port = ec_http_server_port(studio->server);
    return why;
}
