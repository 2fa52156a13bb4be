/* The audit's course: begin, wait until nothing is under way, ask, report. */
#include "audit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_US = 300 * 1000 };

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int ecc_audit_attach(struct ecc_cli *cli, struct ecc_up *up, struct ecc_topology *topology, json_t **state)
{
    int code;

    up->model = topology->model;
    if ((code = ecc_up_layout(up, cli, topology->path)))
        return code;
    *state = ecc_state_read(ecc_up_path(up, "state.json"));
    up->port_base = (int)json_integer_value(json_object_get(*state, "port_base"));
    return *state ? 0 : ecc_say_error(ECC_EXIT_IO, "nothing is up here; `ecomc up --detach` starts it");
}

int ecc_audit_within(const char *text, int *within_ms)
{
    long seconds = 60;

    if (text && !ecc_cli_int(text, 0, 3600, &seconds))
        return ecc_say_error(ECC_EXIT_USAGE, "--within takes a number of seconds from 0 to 3600, not '%s'", text);
    *within_ms = (int)seconds * 1000;
    return 0;
}

/* Is there still something that will end by itself? A cheap look before all is copied. */
bool ecc_audit_under_way(struct ecc_up *up)
{
    static const char sql[] = "SELECT 1 WHERE EXISTS (SELECT 1 FROM ec.saga WHERE state IN ('running', 'compensating'))"
                              " OR EXISTS (SELECT 1 FROM ec.outbox)";
    bool busy = false;

    for (size_t i = 0; i < up->model->nnodes && !busy; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (node->kind != ECC_NODE_SERVICE || !node->u.service.has_database)
            continue;
        PGconn *conn = PQconnectdb(ecc_database_url(up, node->name));
        PGresult *result = PQexec(conn, sql);
        busy = PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) > 0; /* one that is not there may come back */
        PQclear(result);
        PQfinish(conn);
    }
    return busy;
}

/* The topology's own, each where its tables are. */
static int ask_declared(struct ecc_audit_stage *stage, struct ecc_audit_checks *checks)
{
    struct ecc_up *up = stage->up;

    for (size_t i = 0; i < up->model->ninvariants; i++) {
        const struct ecc_invariant *invariant = up->model->invariants[i];
        const char *why = NULL;
        if (!invariant->wide) {
            PGconn *conn = ecc_audit_connect(up, invariant->nodes[0]->name);
            if (!conn || !ecc_audit_do(conn, invariant->name, "BEGIN READ ONLY")) {
                PQfinish(conn);
                return ECC_EXIT_FAILED;
            }
            ecc_audit_ask(conn, up->arena, checks, invariant->name, invariant->sql);
            PQfinish(conn);
            continue;
        }
        if (!stage->conn)
            why = "no service here has a database";
        int code = why ? 0 : ecc_audit_stage_invariant(stage, invariant, &why);
        if (code)
            return code;
        if (why)
            ECC_PUSH(up->arena, checks, ((struct ecc_audit_check){.title = invariant->name, .skipped = why}));
        else
            ecc_audit_ask(stage->conn, up->arena, checks, invariant->name, invariant->sql);
    }
    return 0;
}

static int ask_all(struct ecc_up *up, struct ecc_audit_checks *checks)
{
    struct ecc_audit_stage stage;
    int code = ecc_audit_stage_open(up, &stage);

    checks->n = 0;
    if (code)
        return code;
    if (stage.conn)
        ecc_audit_derived(&stage, checks);
    code = ask_declared(&stage, checks);
    ecc_audit_stage_close(&stage);
    return code;
}

int ecc_audit_end(struct ecc_up *up, int within_ms, struct ecc_audit_checks *checks)
{
    long long end = now_ms() + within_ms;
    struct ecc_record_start record;
    int code;

    while (ecc_audit_under_way(up) && now_ms() < end)
        usleep(PAUSE_US);
    /* A consumer may still be at the last event: what is not true yet may be a moment later. */
    while (!(code = ask_all(up, checks)) && ecc_audit_violations(checks) && now_ms() < end)
        usleep(PAUSE_US);
    ecc_record_load(up, &record);
    json_decref(record.ends);
    if (record.on) {
        int ended = ecc_audit_forget(up);
        code = code ? code : ended;
    }
    return code;
}

int ecc_audit_violations(const struct ecc_audit_checks *checks)
{
    int n = 0;

    for (size_t i = 0; i < checks->n; i++)
        n += checks->items[i].violations;
    return n;
}

void ecc_audit_print(const struct ecc_audit_checks *checks)
{
    for (size_t i = 0; i < checks->n; i++) {
        const struct ecc_audit_check *check = &checks->items[i];
        if (check->skipped)
            printf("skip   %s (%s)\n", check->title, check->skipped);
        else if (check->told)
            printf("told   %s: %d\n", check->title, check->told);
        else if (!check->violations)
            printf("holds  %s\n", check->title);
        else
            printf("BROKEN %s: %d violation%s\n", check->title, check->violations, check->violations == 1 ? "" : "s");
        for (int k = 0; k < ECC_AUDIT_SHOWN && check->rows[k]; k++)
            printf("         %s\n", check->rows[k]);
        if (check->violations > ECC_AUDIT_SHOWN || check->told > ECC_AUDIT_SHOWN)
            printf("         ...\n");
    }
}

json_t *ecc_audit_json(const struct ecc_audit_checks *checks)
{
    json_t *list = json_array();

    for (size_t i = 0; i < checks->n; i++) {
        const struct ecc_audit_check *check = &checks->items[i];
        json_t *rows = json_array();
        for (int k = 0; k < ECC_AUDIT_SHOWN && check->rows[k]; k++)
            json_array_append_new(rows, json_string(check->rows[k]));
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:o, s:s?}", "check", check->title, "violations", check->violations, "told", check->told, "rows", rows,
                                              "skipped", check->skipped));
    }
    return list;
}
