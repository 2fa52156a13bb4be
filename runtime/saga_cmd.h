/* What the files of the command `saga` share: rows as they are read and told. */
#ifndef EC_SAGA_CMD_H
#define EC_SAGA_CMD_H

#include <libpq-fe.h>

#include "saga.h"

enum { EC_SAGA_EXIT_DONE = 0, EC_SAGA_EXIT_FAILED = 1, EC_SAGA_EXIT_USAGE = 64, EC_SAGA_EXIT_IO = 74 };

/* X(enumerator, word): how it is with an instance, the worst first. */
#define EC_SAGA_CONDITIONS(X) \
    X(STUCK, "stuck")         \
    X(UNKNOWN, "unknown")     \
    X(ALONE, "alone")         \
    X(WAITS, "waits")         \
    X(RUNS, "runs")           \
    X(ENDED, "ended")

enum ec_saga_condition {
#define X(e, n) EC_SAGA_IS_##e,
    EC_SAGA_CONDITIONS(X)
#undef X
};
struct ec_saga_row {
    const char *id, *name, *state, *error, *detail, *last_error, *created, *ended, *params;
    const struct ec_saga *saga; /* NULL: not of this binary */
    int64_t version, step, attempts, age_s, next_s, alone_s;
    char trace[33]; /* hex, or "" */
    enum ec_saga_condition condition;
};

extern const char *const ec_saga_condition_names[];

/* Of one id, or of all that have not ended, with `all` of those too, the worst first. NULL after saying why; the caller's to clear. */
PGresult *ec_saga_ask_rows(PGconn *pg, const char *id, bool all, int64_t limit);
struct ec_saga_row ec_saga_read_row(const PGresult *result, int at);   /* its texts are the result's */
const char *ec_saga_cell(const PGresult *result, int row, int column); /* or NULL */
const char *ec_saga_phase(const struct ec_saga_row *row);              /* "do", "undo" */

void ec_saga_list_line(struct ec_buf *out, const struct ec_saga_row *row);
void ec_saga_json_row(struct ec_buf *out, const struct ec_saga_row *row); /* without the closing brace */
void ec_saga_json_text(struct ec_buf *out, const char *name, const char *text);
void ec_saga_add_text(struct ec_buf *out, const char *text);                /* safe for a terminal; NULL: "-" */
void ec_saga_add_advice(struct ec_buf *out, const struct ec_saga_row *row); /* what to do, one sentence or two */
void ec_saga_print(struct ec_buf *out);                                     /* and frees it */

/* Each returns an exit code after saying what it did, or why it did nothing. by: who says so. */
int ec_saga_cmd_show(PGconn *pg, const char *id, bool json);
int ec_saga_cmd_retry(PGconn *pg, const char *id, const char *by, const char *reason, bool json);
int ec_saga_cmd_resolve(PGconn *pg, const char *id, const char *what, const char *by, const char *reason, const char *reply, bool json);

#endif
