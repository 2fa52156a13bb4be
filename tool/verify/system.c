/* What is asked of the system that is up: the collector, breakers by the metrics of their processes, the cache by its own protocol. */
#include "verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 5, MOST = 64 * 1024 * 1024 };

/* ------------------------------------------------------------------ a question to a port of this machine */

static int connect_to(int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Until the other side closes; NULL: it did not. *n: bytes. */
static char *read_all(struct ecc_arena *arena, int fd, size_t *n)
{
    size_t cap = 64 * 1024;
    char *text = malloc(cap);

    *n = 0;
    while (text) {
        ssize_t got = recv(fd, text + *n, cap - *n - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            char *copy = got < 0 ? NULL : ecc_arena_strndup(arena, text, *n);
            free(text);
            return copy;
        }
        *n += (size_t)got;
        if (cap - *n < 2 && cap < MOST)
            text = realloc(text, cap *= 2);
        else if (cap - *n < 2)
            break;
    }
    free(text);
    return NULL;
}

const char *ecc_verify_ask(struct ecc_verify *v, int port, const char *method, const char *path, int *status)
{
    const char *request =
        ecc_arena_printf(v->arena, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", method, path, port);
    int fd = connect_to(port);
    char *text = NULL;
    size_t n;

    *status = 0;
    if (fd >= 0 && send_all(fd, request, strlen(request)))
        text = read_all(v->arena, fd, &n);
    if (fd >= 0)
        close(fd);
    const char *body = text ? strstr(text, "\r\n\r\n") : NULL;
    if (!body || strncmp(text, "HTTP/1.1 ", 9) != 0)
        return NULL;
    *status = atoi(text + 9);
    return body + 4;
}

/* ------------------------------------------------------------------ metrics */

struct values {
    int largest, sum;
    bool silent; /* a process did not answer */
};

/* Calls on each process of a node that is there, with its probe port. */
static void each_process(struct ecc_verify *v, const struct ecc_node *node, void (*visit)(struct ecc_verify *v, int port, void *data),
                         void *data)
{
    json_t *state = ecc_state_read(ecc_arena_printf(v->arena, "%s/state.json", v->up->home)), *process;
    const char *const *names;
    size_t n, i;

    names = ecc_fault_processes(v->up, node, &n);
    json_array_foreach(json_object_get(state, "processes"), i, process)
    {
        const char *name = json_string_value(json_object_get(process, "name"));
        bool its = false;
        for (size_t k = 0; k < n; k++)
            its = its || (name && !strcmp(names[k], name));
        if (its && json_integer_value(json_object_get(process, "pid"))) /* else it is held: it is not there */
            visit(v, (int)json_integer_value(json_object_get(process, "probe_port")), data);
    }
    json_decref(state);
}

struct gauged {
    const char *line;
    struct values values;
};

static void read_gauge(struct ecc_verify *v, int port, void *data)
{
    struct gauged *g = data;
    int status;
    const char *text = ecc_verify_ask(v, port, "GET", "/metrics", &status);
    const char *at = text ? strstr(text, g->line) : NULL;
    int value = at ? atoi(at + strlen(g->line)) : 0;

    g->values.silent = g->values.silent || !text;
    g->values.sum += value;
    if (value > g->values.largest)
        g->values.largest = value;
}

/* A gauge of all processes of a node: `ec_breaker_state{edge="a -> b"}`. One that a process does not have is 0. */
static struct values gauge(struct ecc_verify *v, const struct ecc_node *node, const char *series)
{
    struct gauged g = {.line = ecc_arena_printf(v->arena, "\n%s ", series)};

    each_process(v, node, read_gauge, &g);
    return g.values;
}

static void renew(struct ecc_verify *v, int port, void *data)
{
    int *code = data, status;

    if (!ecc_verify_ask(v, port, "DELETE", "/breakers", &status) || status != 204)
        *code = ECC_EXIT_FAILED;
}

int ecc_verify_renew(struct ecc_verify *v, const struct ecc_node *node)
{
    int code = 0;

    each_process(v, node, renew, &code);
    return code ? ecc_say_error(code, "the breakers of %s can't be closed; `ecomc down` and `ecomc up` again", node->name) : 0;
}

enum ecc_breaker_now ecc_verify_breaker(struct ecc_verify *v, const struct ecc_edge *edge)
{
    struct values now =
        gauge(v, edge->from, ecc_arena_printf(v->arena, "ec_breaker_state{edge=\"%s -> %s\"}", edge->from->name, edge->to->name));

    return now.silent ? ECC_BREAKER_UNKNOWN_NOW : (enum ecc_breaker_now)now.largest;
}

/* A group has every partition of the topics that it reads once all of its processes have found together. */
bool ecc_verify_gathered(struct ecc_verify *v, const struct ecc_node *service)
{
    const struct ecc_service *s = &service->u.service;

    for (size_t i = 0; i < s->nconsumers; i++) {
        const char *group = s->consumers[i]->group;
        int partitions = 0;
        for (size_t k = 0; k < s->nconsumers; k++) {
            bool seen = strcmp(s->consumers[k]->group, group) != 0;
            for (size_t before = 0; before < k; before++)
                seen = seen || (s->consumers[before]->topic == s->consumers[k]->topic && !strcmp(s->consumers[before]->group, group));
            partitions += seen ? 0 : s->consumers[k]->topic->partitions;
        }
        struct values now = gauge(v, service, ecc_arena_printf(v->arena, "ec_consumer_partitions{group=\"%s.%s\"}", service->name, group));
        if (now.silent || now.sum != partitions)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the cache */

struct forgetting {
    const struct ecc_node *node;
    int code;
};

static void forget_near(struct ecc_verify *v, int port, void *data)
{
    struct forgetting *f = data;
    int status;

    /* Who does not answer is down or hangs, as it is assumed. */
    if (ecc_verify_ask(v, port, "DELETE", "/near", &status) && status != 204)
        f->code = ecc_say_error(ECC_EXIT_FAILED, "%s can't be made to forget what it has read of caches; `ecomc down` and `ecomc up` again",
                                f->node->name);
}

/* Behind the cache itself, of which it would be read again. */
static int forget_in_processes(struct ecc_verify *v, const struct ecc_keyspace *keyspace)
{
    struct forgetting f = {0};

    for (size_t i = 0; i < v->model->nnodes && keyspace->near_ms && !f.code; i++) {
        f.node = v->model->nodes[i];
        for (size_t k = 0; k < f.node->nout; k++)
            if (f.node->out[k]->to == keyspace->cache && f.node->out[k]->nkeyspaces)
                each_process(v, f.node, forget_near, &f);
    }
    return f.code;
}

int ecc_verify_forget(struct ecc_verify *v, const struct ecc_keyspace *keyspace)
{
    static const char script[] = "local n = 0 for _, pattern in ipairs(ARGV) do local at = '0' repeat "
                                 "local r = redis.call('SCAN', at, 'MATCH', pattern, 'COUNT', 1000) at = r[1] "
                                 "for _, key in ipairs(r[2]) do redis.call('UNLINK', key) n = n + 1 end until at == '0' end return n";
    const char *value = ecc_arena_printf(v->arena, "%s:*", keyspace->name), *version = ecc_arena_printf(v->arena, "#%s", value);
    const char *command =
        ecc_arena_printf(v->arena, "*5\r\n$4\r\nEVAL\r\n$%zu\r\n%s\r\n$1\r\n0\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n*1\r\n$4\r\nQUIT\r\n",
                         strlen(script), script, strlen(value), value, strlen(version), version);
    int fd = connect_to(ECC_PORT_REDIS + v->up->port_base);
    char *answer = NULL;
    size_t n;

    if (fd >= 0 && send_all(fd, command, strlen(command)))
        answer = read_all(v->arena, fd, &n);
    if (fd >= 0)
        close(fd);
    if (!answer || answer[0] != ':')
        return ecc_say_error(ECC_EXIT_FAILED, "%s can't be made to forget %s%s%.*s", keyspace->cache->name, keyspace->name,
                             answer ? ": " : "", answer ? (int)strcspn(answer, "\r\n") : 0, answer ? answer : "");
    return forget_in_processes(v, keyspace);
}

/* ------------------------------------------------------------------ traces */

static void keep(void *data, const struct ecc_otlp_span *span)
{
    ecc_traces_add(data, span);
}

/* NULL: there is nothing yet, or the collector does not answer. */
struct ecc_derived *ecc_verify_trace(struct ecc_verify *v, const struct ecc_scenario *scenario, const char *id)
{
    struct ecc_derived *recorded = NULL;
    struct ecc_traces *traces;
    const char *why;
    size_t refused;
    int status;
    const char *body = ecc_verify_ask(v, v->studio, "GET", ecc_arena_printf(v->arena, "/api/traces/%s", id), &status);

    if (!body || status != 200)
        return NULL;
    traces = ecc_traces_new(MOST);
    if (ecc_otlp_read(body, strlen(body), keep, traces, &refused, &why) > 0 && ecc_traces_find(traces, id))
        recorded = ecc_trace_recorded(v->arena, v->model, scenario, ecc_traces_find(traces, id));
    ecc_traces_free(traces);
    return recorded;
}
