/* PQcancel waits for the server, so it runs on the thread pool, with a PGcancel of its own that outlives the connection. A server that
 * can't be reached keeps it waiting for as long as TCP hopes: one goes at a time, the others stand in line, or they would take the pool
 * from everybody. Whose connection is given up meanwhile does not go any more. A cancel is freed once it has gone, or would have.
 */
#include "pg_cancel.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "app.h"

struct ec_pg_cancel {
    uv_work_t work;
    PGcancel *cancel;
    void (*over)(void *data); /* NULL: forgotten */
    void *data;
    struct ec_pg_cancel *next;
};

static struct {
    struct ec_pg_cancel *first, **end;
    bool busy;
} line = {NULL, &line.first, false};

static void go(void);

static void release(struct ec_pg_cancel *cancel)
{
    PQfreeCancel(cancel->cancel);
    free(cancel);
}

static void ask(uv_work_t *work)
{
    struct ec_pg_cancel *cancel = work->data;
    char error[256];

    PQcancel(cancel->cancel, error, sizeof(error)); /* one that fails shows as a statement that doesn't answer */
}

static void asked(uv_work_t *work, int status)
{
    struct ec_pg_cancel *cancel = work->data;

    (void)status;
    if (cancel->over)
        cancel->over(cancel->data);
    release(cancel);
    line.busy = false;
    go();
}

static void go(void)
{
    struct ec_pg_cancel *cancel;

    while (!line.busy && (cancel = line.first)) {
        line.first = cancel->next;
        if (!line.first)
            line.end = &line.first;
        line.busy = cancel->over && uv_queue_work(ec_app.loop, &cancel->work, ask, asked) == 0;
        if (!line.busy)
            release(cancel);
    }
}

struct ec_pg_cancel *ec_pg_cancel(struct pg_conn *pg, void (*over)(void *data), void *data)
{
    struct ec_pg_cancel *cancel = calloc(1, sizeof(*cancel));

    if (!cancel)
        ec_panic("out of memory");
    cancel->cancel = PQgetCancel(pg);
    cancel->over = over;
    cancel->data = data;
    cancel->work.data = cancel;
    if (!cancel->cancel) {
        release(cancel);
        return NULL;
    }
    *line.end = cancel;
    line.end = &cancel->next;
    go();
    return cancel;
}

void ec_pg_cancel_forget(struct ec_pg_cancel *cancel)
{
    cancel->over = NULL;
}
