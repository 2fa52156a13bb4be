/* What is made to happen on the running system: a scenario is played, a part is broken or mended. `ecomc verify` and `ecomc fault` do it,
 * as processes of their own: they may take long, mend what they break, and hold the lock that lets one at a time.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "studio.h"
#include "../up/state.h"

enum { MOST_OUTPUT = 64 * 1024 * 1024, WORDS = 64 };

/* A command on its way, and who waits for it. */
struct command {
    struct studio *studio;
    struct ec_http_exchange *exchange;
    void (*done)(struct command *command, int64_t status);
    uv_process_t process;
    uv_pipe_t pipes[2];
    struct ec_buf texts[2]; /* what it says: standard output, errors */
    int open;               /* handles */
    int64_t status;
};

static void free_when_over(struct command *c)
{
    if (c->open > 0)
        return;
    c->done(c, c->status);
    ec_buf_free(&c->texts[0]);
    ec_buf_free(&c->texts[1]);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct command *c = handle->data;

    c->open--;
    free_when_over(c);
}

static void on_exit_(uv_process_t *process, int64_t status, int number)
{
    struct command *c = process->data;

    c->status = number ? -1 : status;
    uv_close((uv_handle_t *)process, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char buffer[64 * 1024];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct command *c = stream->data;
    struct ec_buf *text = &c->texts[stream == (uv_stream_t *)&c->pipes[1]];

    if (n > 0 && text->n + (size_t)n <= MOST_OUTPUT)
        ec_buf_add(text, buf->base, (size_t)n);
    if (n < 0)
        uv_close((uv_handle_t *)stream, on_closed);
}

/* words: after the program's name, NULL at the end; it works beside the topology. */
static void run(struct studio_request *r, const struct studio_example *e, const char **words,
                void (*done)(struct command *command, int64_t status))
{
    struct command *c = calloc(1, sizeof *c);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *slash = strrchr(e->path, '/');

    if (!c || n < 0)
        abort();
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/ecomc"); /* shorter than our own name */
    c->studio = r->studio;
    c->exchange = r->exchange;
    c->done = done;
    words[0] = path;
    for (int i = 0; i < 2; i++) {
        uv_pipe_init(&r->studio->loop, &c->pipes[i], 0);
        c->pipes[i].data = c;
        stdio[1 + i] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->pipes[i]};
    }
    const uv_process_options_t options = {
        .exit_cb = on_exit_,
        .file = path,
        .args = (char **)words,
        .cwd = slash ? ecc_arena_strndup(&r->arena, e->path, (size_t)(slash - e->path) + 1) : NULL,
        .stdio_count = 3,
        .stdio = stdio,
    };
    c->process.data = c;
    c->open = 3;
    c->status = -1;
    if (uv_spawn(&r->studio->loop, &c->process, &options) == 0) {
        for (int i = 0; i < 2; i++)
            uv_read_start((uv_stream_t *)&c->pipes[i], on_alloc, on_read);
        return;
    }
    uv_close((uv_handle_t *)&c->process, on_closed);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&c->pipes[i], on_closed);
}

/* The last line of what it complained of, as a problem. */
static void complain(struct command *c)
{
    const char *text, *line;
    struct ec_buf out = {0};
    size_t n;

    ec_buf_add(&c->texts[1], "", 1);
    text = line = c->texts[1].p;
    n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n')
            line = text + i + 1;
    if (!strncmp(line, "ecomc: ", 7))
        line += 7;
    ec_problem_write(&out, &studio_error_unavailable, NULL, NULL);
    json_t *problem = json_loadb(out.p, out.n, 0, NULL), *detail = json_stringn(line, (size_t)(text + n - line));
    json_object_set_new(problem, "detail", detail ? detail : json_string("the command said nothing"));
    char *told = json_dumps(problem, JSON_COMPACT);
    studio_reply_later(c->exchange, 503, "application/problem+json", told ? told : out.p, told ? strlen(told) : out.n);
    free(told);
    json_decref(problem);
    ec_buf_free(&out);
}

/* ------------------------------------------------------------------ which system */

/* The example whose system is up, with *state; NULL after an answer. */
static struct studio_example *running(struct studio_request *r)
{
    if (r->studio->names) {
        studio_problem(r, &studio_error_conflict,
                       "the system is deployed and only watched from here: send requests to its gateway, and break parts where they run");
        return NULL;
    }
    for (struct studio_example *e = studio_examples(r); e; e = e->next) {
        json_t *state = studio_state(r, e);
        if (!state)
            continue;
        json_decref(state);
        if (!e->view.model) {
            studio_problem(r, &studio_error_conflict, "the topology of what is up has errors");
            return NULL;
        }
        return e;
    }
    studio_problem(r, &studio_error_unavailable, "nothing is up; `ecomc up` starts it");
    return NULL;
}

static const struct studio_switch *switch_named(const struct studio_view *view, const char *id)
{
    for (size_t i = 0; id && i < view->nswitches; i++)
        if (!strcmp(view->switches[i].id, id))
            return &view->switches[i];
    return NULL;
}

static size_t place_of(const struct studio_view *view, const struct ecc_scenario *scenario)
{
    size_t k = 0;

    while (view->model->scenarios[k] != scenario)
        k++;
    return k;
}

static const char *file_of(const struct studio_example *e)
{
    const char *slash = strrchr(e->path, '/');

    return slash ? slash + 1 : e->path;
}

/* ------------------------------------------------------------------ a scenario, played */

static void ran(struct command *c, int64_t status)
{
    json_t *list = json_loadb(c->texts[0].p ? c->texts[0].p : "", c->texts[0].n, 0, NULL), *first = json_array_get(list, 0);

    (void)status; /* 1 where there are differences */
    if (first && strcmp(json_string_value(json_object_get(first, "verdict")), "skipped") != 0) {
        char *text = json_dumps(first, JSON_COMPACT);
        studio_reply_later(c->exchange, 200, "application/json", text ? text : "{}", text ? strlen(text) : 2);
        free(text);
    } else {
        const char *why = json_string_value(json_object_get(first, "why"));
        if (why) {
            c->texts[1].n = 0;
            ec_buf_str(&c->texts[1], why);
        }
        complain(c);
    }
    json_decref(list);
}

void studio_run(struct studio_request *r)
{
    const char *scenario = studio_text(r, "scenario"), *words[WORDS] = {NULL, "verify", scenario};
    json_t *switches = json_object_get(r->body, "switches"), *id;
    const struct studio_example *e = running(r);
    size_t n = 3, i;

    if (!e)
        return;
    const struct ecc_scenario *played = studio_scenario(&e->view, scenario);
    if (!played) {
        studio_problem(r, &studio_error_not_found, "there is no such scenario in what is up");
        return;
    }
    words[n++] = file_of(e);
    words[n++] = "--format=json";
    json_array_foreach(switches, i, id)
    {
        const struct studio_switch *s = switch_named(&e->view, json_string_value(id));
        if (!s || n + 3 > WORDS || i >= 16) {
            studio_problem(r, &studio_error_invalid, "%s", s ? "these are too many switches" : "there is no such switch");
            return;
        }
        if (!s->noticed[place_of(&e->view, played)])
            continue; /* it would be the same: assumed already, or nobody goes there */
        if (s->real == STUDIO_REAL_NEVER) {
            studio_problem(r, &studio_error_invalid, "`%s` changes only the derivation: it can't be made true of what is up", s->assume);
            return;
        }
        words[n++] = "--assume";
        words[n++] = s->assume;
    }
    run(r, e, words, ran);
}

/* ------------------------------------------------------------------ switches */

static void switched(struct command *c, int64_t status)
{
    if (status == 0)
        studio_reply_later(c->exchange, 204, "", "", 0);
    else
        complain(c);
}

void studio_switch_live(struct studio_request *r)
{
    const json_t *on = json_object_get(r->body, "on");
    const struct studio_example *e = running(r);

    if (!e)
        return;
    const struct studio_switch *s = switch_named(&e->view, studio_text(r, "id"));
    if (!s || !json_is_boolean(on)) {
        studio_problem(r, &studio_error_invalid, "%s", s ? "say whether it is to be on: true or false" : "there is no such switch");
        return;
    }
    if (s->real != STUDIO_REAL_NOW) {
        studio_problem(r, &studio_error_invalid,
                       s->real == STUDIO_REAL_IN_RUN ? "`%s` is made true when a scenario is run"
                                                     : "`%s` changes only the derivation: it can't be made true of what is up",
                       s->assume);
        return;
    }
    const char *words[WORDS] = {NULL, "fault", s->assume, file_of(e), json_is_true(on) ? NULL : "--end"};
    run(r, e, words, switched);
}

void studio_live_switches(struct studio_request *r)
{
    const struct studio_example *e = running(r);
    struct ecc_writer w;
    size_t i, k;
    json_t *faults, *fault;

    if (!e)
        return;
    const char *slash = strrchr(e->path, '/');
    faults = ecc_faults_read(slash ? ecc_arena_printf(&r->arena, "%.*s/.ecom", (int)(slash - e->path), e->path) : ".ecom");
    ecc_writer_init(&w, &r->arena);
    ecc_w(&w, "{\"switches\": [");
    for (i = 0; i < e->view.nswitches; i++) {
        const struct studio_switch *s = &e->view.switches[i];
        bool on = false;
        json_array_foreach(faults, k, fault)
        {
            const char *text = json_string_value(json_object_get(fault, "text"));
            on = on || (text && !strcmp(text, s->assume));
        }
        ecc_w(&w, "%s\n {\"id\": %s, \"label\": %s, \"real\": \"%s\", \"on\": %s}", i ? "," : "", ecc_quote_json(&r->arena, s->id),
              ecc_quote_json(&r->arena, s->label), studio_real_name(s->real), on ? "true" : "false");
    }
    ecc_wl(&w, "]}");
    json_decref(faults);
    studio_json(r, 200, &w);
}
