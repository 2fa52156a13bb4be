/* PQcancel waits for the server, so it runs on the thread pool, with a PGcancel of its own that outlives the connection. */
#include "pg_cancel.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "app.h"

struct ec_pg_cancel {
    uv_work_t work;
    PGcancel *cancel;
    void (*over)(void *data); /* NULL: forgotten */
    void *data;
};

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
    PQfreeCancel(cancel->cancel);
    free(cancel);
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
    if (cancel->cancel && uv_queue_work(ec_app.loop, &cancel->work, ask, asked) == 0)
        return cancel;
    PQfreeCancel(cancel->cancel);
    free(cancel);
    return NULL;
}

void ec_pg_cancel_forget(struct ec_pg_cancel *cancel)
{
    cancel->over = NULL;
}
