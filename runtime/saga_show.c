/* `saga show`: one saga with its steps, their outcomes, keys and times, what people have decided, what is left to undo, and what to do. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "saga_cmd.h"

/* ------------------------------------------------------------------ show */

struct shown {
    struct ec_buf out;
    const struct ec_saga_row *row;
    PGresult *steps, *decisions;
    const char **left; /* to be undone */
    size_t nleft;
};

/* JSON of a record without its secrets; empty when the table does not fit. */
static void add_safe(struct ec_buf *out, const struct ec_record *record, const char *text)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_json_error wrong;
    void *value;

    if (record && text) {
        value = ec_arena_alloc(arena, record->size);
        if (ec_json_read(arena, ec_str_of(text), record, value, EC_JSON_LENIENT, &wrong) == EC_JSON_OK)
            ec_json_write_with(out, record, value, EC_JSON_NEW_NAMES | EC_JSON_HIDE);
    }
    ec_arena_free(arena);
}

static const struct ec_saga_step *step_named(const struct ec_saga_row *row, const char *name)
{
    for (size_t i = 0; row->saga && i < row->saga->nsteps; i++)
        if (strcmp(row->saga->steps[i].name, name) == 0)
            return &row->saga->steps[i];
    return NULL;
}

/* Those that a person or the engine has yet to undo, the next one first; of one that goes forward: that would be undone if it failed. */
static size_t remaining(const struct ec_saga_row *row, const char **names)
{
    int step = (int)row->step - (strcmp(ec_saga_phase(row), "do") == 0);
    size_t n = 0;

    for (step = row->saga && !row->ended ? ec_saga_undo_below(row->saga, step) : -1; step >= 0;
         step = ec_saga_undo_below(row->saga, step - 1))
        names[n++] = row->saga->steps[step].name;
    return n;
}

static void show_text(struct shown *s)
{
    const struct ec_saga_row *row = s->row;
    struct ec_buf *out = &s->out, params = {0};

    ec_saga_list_line(out, row);
    ec_buf_printf(out, "\nbegan     %s\n", row->created);
    if (row->ended)
        ec_buf_printf(out, "ended     %s\n", row->ended);
    if (row->trace[0])
        ec_buf_printf(out, "trace     %s\n", row->trace);
    if (row->error) {
        ec_buf_str(out, "fails by  ");
        ec_saga_add_text(out, row->error);
        ec_buf_str(out, row->detail ? ": " : "");
        ec_saga_add_text(out, row->detail ? row->detail : "");
        ec_buf_str(out, "\n");
    }
    if (row->condition == EC_SAGA_IS_WAITS || row->condition == EC_SAGA_IS_STUCK)
        ec_buf_printf(out, "next try  in %" PRId64 " s\n", row->next_s);
    add_safe(&params, row->saga ? row->saga->state : NULL, row->params);
    if (params.n) {
        ec_buf_str(out, "asked     ");
        ec_shown_add(out, (struct ec_str){params.p, params.n}, false);
        ec_buf_str(out, "\n");
    }
    ec_buf_free(&params);
    ec_buf_str(out, "\nsteps\n");
    for (int i = 0; i < PQntuples(s->steps); i++) {
        const struct ec_saga_step *step = step_named(row, ec_saga_cell(s->steps, i, 0));
        bool undo = strcmp(ec_saga_cell(s->steps, i, 1), "undo") == 0;

        ec_buf_printf(out, "  %s  %-7s  %s %s  ", ec_saga_cell(s->steps, i, 4), ec_saga_cell(s->steps, i, 2), undo ? "undo" : "do",
                      ec_saga_cell(s->steps, i, 0));
        ec_buf_printf(out, "%s  attempts %s  key %s/%s/%s", step ? undo ? step->undoes : step->calls : "-", ec_saga_cell(s->steps, i, 3),
                      row->id, ec_saga_cell(s->steps, i, 0), ec_saga_cell(s->steps, i, 1));
        if (ec_saga_cell(s->steps, i, 5)) {
            ec_buf_str(out, "  ");
            ec_saga_add_text(out, ec_saga_cell(s->steps, i, 5));
        }
        ec_buf_str(out, "\n");
    }
    for (int i = 0; i < PQntuples(s->decisions); i++) {
        ec_buf_printf(out, "%s  %s  %s %s  by ", i ? "" : "\ndecisions\n", ec_saga_cell(s->decisions, i, 3),
                      ec_saga_cell(s->decisions, i, 0), ec_saga_cell(s->decisions, i, 1) ? ec_saga_cell(s->decisions, i, 1) : "");
        ec_saga_add_text(out, ec_saga_cell(s->decisions, i, 4));
        ec_buf_str(out, ec_saga_cell(s->decisions, i, 2) ? ": " : "");
        ec_saga_add_text(out, ec_saga_cell(s->decisions, i, 2) ? ec_saga_cell(s->decisions, i, 2) : "");
        ec_buf_str(out, "\n");
    }
    for (size_t i = 0; i < s->nleft; i++)
        ec_buf_printf(out, "%s%s",
                      i                                       ? ", "
                      : strcmp(ec_saga_phase(row), "do") == 0 ? "\nundone if it fails: "
                                                              : "\nleft to undo: ",
                      s->left[i]);
    ec_buf_str(out, s->nleft ? "\n\n" : "\n");
    ec_saga_add_advice(out, row);
    ec_buf_str(out, "\n");
}

static void show_json(struct shown *s)
{
    const struct ec_saga_row *row = s->row;
    struct ec_buf *out = &s->out, text = {0};

    ec_saga_json_row(out, row);
    ec_saga_json_text(out, "detail", row->detail);
    add_safe(&text, row->saga ? row->saga->state : NULL, row->params);
    ec_buf_printf(out, ",\"params\":%.*s,\"steps\":[", text.n ? (int)text.n : 4, text.n ? text.p : "null");
    for (int i = 0; i < PQntuples(s->steps); i++) {
        const struct ec_saga_step *step = step_named(row, ec_saga_cell(s->steps, i, 0));
        bool undo = strcmp(ec_saga_cell(s->steps, i, 1), "undo") == 0;

        ec_buf_printf(out, "%s{\"step\":\"%s\",\"phase\":\"%s\"", i ? "," : "", ec_saga_cell(s->steps, i, 0), ec_saga_cell(s->steps, i, 1));
        ec_saga_json_text(out, "calls", step ? undo ? step->undoes : step->calls : NULL);
        ec_saga_json_text(out, "state", ec_saga_cell(s->steps, i, 2));
        ec_buf_printf(out, ",\"attempts\":%s,\"at\":\"%s\",\"key\":\"%s/%s/%s\"", ec_saga_cell(s->steps, i, 3),
                      ec_saga_cell(s->steps, i, 4), row->id, ec_saga_cell(s->steps, i, 0), ec_saga_cell(s->steps, i, 1));
        ec_saga_json_text(out, "error", ec_saga_cell(s->steps, i, 5));
        text.n = 0;
        add_safe(&text, step && !undo ? step->result : NULL, ec_saga_cell(s->steps, i, 6));
        ec_buf_printf(out, ",\"reply\":%.*s}", text.n ? (int)text.n : 4, text.n ? text.p : "null");
    }
    ec_buf_str(out, "],\"decisions\":[");
    for (int i = 0; i < PQntuples(s->decisions); i++) {
        ec_buf_printf(out, "%s{\"what\":\"%s\"", i ? "," : "", ec_saga_cell(s->decisions, i, 0));
        ec_saga_json_text(out, "step", ec_saga_cell(s->decisions, i, 1));
        ec_saga_json_text(out, "reason", ec_saga_cell(s->decisions, i, 2));
        ec_saga_json_text(out, "at", ec_saga_cell(s->decisions, i, 3));
        ec_saga_json_text(out, "by", ec_saga_cell(s->decisions, i, 4));
        ec_buf_str(out, "}");
    }
    ec_buf_printf(out, "],\"%s\":[", strcmp(ec_saga_phase(row), "do") == 0 ? "undone_if_it_fails" : "left_to_undo");
    for (size_t i = 0; i < s->nleft; i++)
        ec_buf_printf(out, "%s\"%s\"", i ? "," : "", s->left[i]);
    text.n = 0;
    ec_saga_add_advice(&text, row);
    ec_buf_str(out, "],\"advice\":");
    ec_json_write_text(out, (struct ec_str){text.p, text.n});
    ec_buf_str(out, "}\n");
    ec_buf_free(&text);
}

int ec_saga_cmd_show(PGconn *pg, const char *id, bool json)
{
    PGresult *result = ec_saga_ask_rows(pg, id, true, 1);
    struct shown s = {.row = NULL};
    struct ec_saga_row row;
    int code = EC_SAGA_EXIT_DONE;

    if (!result)
        return EC_SAGA_EXIT_IO;
    if (!PQntuples(result)) {
        fprintf(stderr, "%s has no saga %s\n", ec_app.service->name, id);
        PQclear(result);
        return EC_SAGA_EXIT_FAILED;
    }
    row = ec_saga_read_row(result, 0);
    s.row = &row;
    s.left = calloc(row.saga ? row.saga->nsteps + 1 : 1, sizeof(*s.left));
    if (!s.left)
        ec_panic("out of memory");
    s.nleft = remaining(&row, s.left);
    s.steps =
        PQexecParams(pg,
                     "SELECT step, phase, state, attempts, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), error, "
                     "reply FROM ec.saga_step WHERE saga_id = $1::uuid ORDER BY at, phase, step",
                     1, NULL, (const char *const[]){id}, NULL, NULL, 0);
    s.decisions = PQexecParams(pg,
                               "SELECT what, step, reason, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), by_whom "
                               "FROM ec.saga_decision WHERE saga_id = $1::uuid ORDER BY id",
                               1, NULL, (const char *const[]){id}, NULL, NULL, 0);
    if (PQresultStatus(s.steps) != PGRES_TUPLES_OK || PQresultStatus(s.decisions) != PGRES_TUPLES_OK) {
        fprintf(stderr, "the saga can't be read: %s", PQerrorMessage(pg));
        code = EC_SAGA_EXIT_IO;
    } else if (json) {
        show_json(&s);
    } else {
        show_text(&s);
    }
    ec_saga_print(&s.out);
    free(s.left);
    PQclear(s.steps);
    PQclear(s.decisions);
    PQclear(result);
    return code;
}
