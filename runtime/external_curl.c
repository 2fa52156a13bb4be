/* libcurl's multi interface on libuv: a poll handle a socket, one timer. Peer and host are always verified, redirects are not followed, no
 * proxy, cookie or netrc of the environment is believed.
 *
 * A timeout of 0 from libcurl means `in the next turn`, and a uv timer of 0 is just that; a millisecond instead would be paid several
 * times a request. libcurl must not be entered from its own callbacks, so they only arm handles.
 *
 * libcurl sends a request again when a reused connection closes before any byte of the answer. For a request that may not be repeated
 * the body comes from a reader that can't be rewound, which makes libcurl give up instead.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "external_curl.h"

enum { MAX_FREE = 64, MAX_HOST_CONNECTIONS = 32, MAX_CONNECTIONS = 128 };

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct ec_curl_request request;
    struct ec_buf reply;
    size_t read;        /* of the request's body */
    bool too_large;
    int retry_after_s;
    struct transfer *prev, *next; /* in flight */
};

struct watch { /* a socket */
    uv_poll_t poll;
    curl_socket_t fd;
};

static struct {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    char *ca_file;
    struct transfer *flying;
    CURL *idle[MAX_FREE];
    int nidle;
} curl;

/* ------------------------------------------------------------------ the end of a transfer */

static enum ec_curl_outcome outcome_of(const struct transfer *t, CURLcode code)
{
    long sent = 0;

    if (code == CURLE_OK)
        return EC_CURL_OK;
    if (t->too_large)
        return EC_CURL_MALFORMED;
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return sent > 0 ? EC_CURL_TIMED_OUT : EC_CURL_LATE;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return sent > 0 ? EC_CURL_MALFORMED : EC_CURL_REFUSED;
    default:
        return sent > 0 ? EC_CURL_BROKEN : EC_CURL_REFUSED;
    }
}

static void finish(struct transfer *t, enum ec_curl_outcome outcome, const char *why)
{
    struct ec_curl_request request = t->request;
    struct ec_str body = {t->reply.n > 0 ? t->reply.p : "", t->reply.n};
    int retry_after_s = t->retry_after_s;
    struct ec_buf reply = t->reply;
    long status = 0;

    if (outcome == EC_CURL_OK)
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(curl.multi, t->easy);
    curl_slist_free_all(t->headers);
    if (curl.nidle < MAX_FREE) {
        curl_easy_reset(t->easy);
        curl.idle[curl.nidle++] = t->easy;
    } else {
        curl_easy_cleanup(t->easy);
    }
    if (t->prev)
        t->prev->next = t->next;
    else
        curl.flying = t->next;
    if (t->next)
        t->next->prev = t->prev;
    free(t);
    request.done(request.data, outcome, (int)status, body, retry_after_s, why);
    ec_buf_free(&reply);
}

/* Those that ended are told after libcurl has been left. */
static void tell(void)
{
    CURLMsg *message;
    struct transfer *t;
    CURLcode code;
    int left;

    while (curl.multi && (message = curl_multi_info_read(curl.multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, outcome_of(t, code), code == CURLE_OK ? NULL : curl_easy_strerror(code));
    }
}

/* ------------------------------------------------------------------ libuv */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int action = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0), running;

    if (status < 0)
        action = CURL_CSELECT_ERR;
    curl_multi_socket_action(curl.multi, watch->fd, action, &running);
    tell();
}

static void on_timer(uv_timer_t *timer)
{
    int running;

    (void)timer;
    curl_multi_socket_action(curl.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    tell();
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct watch *watch = socket_data;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

    (void)easy;
    (void)data;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            uv_poll_stop(&watch->poll); /* libcurl closes the socket when this returns */
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            curl_multi_assign(curl.multi, fd, NULL);
        }
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof(*watch));
        if (!watch)
            abort();
        if (uv_poll_init_socket(curl.loop, &watch->poll, fd) != 0) {
            free(watch);
            return -1;
        }
        watch->poll.data = watch;
        watch->fd = fd;
        curl_multi_assign(curl.multi, fd, watch);
    }
    uv_poll_start(&watch->poll, events, on_poll);
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    (void)data;
    if (timeout_ms < 0)
        uv_timer_stop(&curl.timer);
    else
        uv_timer_start(&curl.timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ------------------------------------------------------------------ a transfer */

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
    struct transfer *t = data;

    if (t->reply.n + n * size > EC_CURL_MAX_REPLY) {
        t->too_large = true;
        return 0;
    }
    ec_buf_add(&t->reply, p, n * size);
    return n * size;
}

static size_t on_header(char *p, size_t size, size_t n, void *data)
{
    static const char name[] = "retry-after:";
    struct transfer *t = data;
    size_t at = sizeof(name) - 1;
    int seconds = 0;

    n *= size;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0)
        t->retry_after_s = 0; /* the next head, after a 1xx */
    if (n > at && strncasecmp(p, name, at) == 0) {
        while (at < n && p[at] == ' ')
            at++;
        while (at < n && p[at] >= '0' && p[at] <= '9' && seconds < 100000)
            seconds = seconds * 10 + (p[at++] - '0');
        t->retry_after_s = seconds > 3600 ? 3600 : seconds;
    }
    return n;
}

static size_t on_read(char *p, size_t size, size_t n, void *data)
{
    struct transfer *t = data;
    size_t left = t->request.body.n - t->read;

    n = n * size < left ? n * size : left;
    memcpy(p, t->request.body.p + t->read, n);
    t->read += n;
    return n;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
    (void)data;
    (void)offset;
    (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static void set_options(struct transfer *t)
{
    const struct ec_curl_request *request = &t->request;
    CURL *easy = t->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, request->plain ? "http" : "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    if (curl.ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, curl.ca_file); /* the system's directory stays */
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (!request->body.p) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    if (request->repeatable) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.p);
    } else {
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    }
}

void ec_curl_send(const struct ec_curl_request *request)
{
    struct transfer *t = calloc(1, sizeof(*t));
    int i;

    if (!t)
        abort();
    t->request = *request;
    t->easy = curl.nidle > 0 ? curl.idle[--curl.nidle] : curl_easy_init();
    if (!t->easy)
        abort();
    for (i = 0; i < EC_CURL_MAX_HEADERS && request->headers[i]; i++)
        t->headers = curl_slist_append(t->headers, request->headers[i]);
    t->headers = curl_slist_append(t->headers, "Expect:");
    set_options(t);
    t->next = curl.flying;
    if (t->next)
        t->next->prev = t;
    curl.flying = t;
    curl_multi_add_handle(curl.multi, t->easy); /* arms the timer: nothing happens before the next turn */
}

/* ------------------------------------------------------------------ start and stop */

int ec_curl_start(uv_loop_t *loop, const char *ca_file, const char **why)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(curl.multi = curl_multi_init())) {
        *why = "libcurl does not start";
        return -1;
    }
    curl.loop = loop;
    curl.ca_file = ca_file ? strdup(ca_file) : NULL;
    uv_timer_init(loop, &curl.timer);
    curl_multi_setopt(curl.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl.multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(curl.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)MAX_HOST_CONNECTIONS);
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MAX_CONNECTIONS);
    /* Kept when they are free, also when few are in use: its own default closes all but four times those, and TLS begins anew. */
    curl_multi_setopt(curl.multi, CURLMOPT_MAXCONNECTS, (long)MAX_CONNECTIONS);
    return 0;
}

void ec_curl_stop(void)
{
    if (!curl.multi)
        return;
    while (curl.flying)
        finish(curl.flying, EC_CURL_BROKEN, "the process stops");
    while (curl.nidle > 0)
        curl_easy_cleanup(curl.idle[--curl.nidle]);
    curl_multi_cleanup(curl.multi);
    curl.multi = NULL;
    uv_close((uv_handle_t *)&curl.timer, NULL);
    free(curl.ca_file);
    curl.ca_file = NULL;
    curl_global_cleanup();
}
