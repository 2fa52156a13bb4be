/* Gathering and sending of write units.
 *
 * The lane has a connection of its own. While one group is under way the next gathers; when it is answered, or at the end of the turn in
 * which the lane is idle, what has gathered goes out: up to ec_group_limit statements and one sync, without BEGIN, since the server makes
 * what stands between two syncs one transaction. One fsync then serves all of them. What many of them ask for in the same words is one
 * statement (group_set.c).
 *
 * When a statement of the group fails nothing of it has happened, and its units are sent again with a sync each, all in one flight: only
 * the one that fails fails. Where that is the rule and not the exception, because what is wanted is sold out, groups become small: half
 * after one that failed, and more again after each that did not. A lost connection is met the same way, after reconnecting. lock_timeout
 * keeps one unit that waits for a stranger's lock from holding up the lane; it fails then and is tried again alone, but whole transactions
 * are given back to their owners, who can wait on connections of their own.
 *
 * Units that open have a flush between their statements and the rest, which leaves the transaction open: two round trips and one commit for
 * all of them and for what has gathered meanwhile. They are never run again here, because their owners have gone on: when anything fails
 * they are given back, and programs' statements are not wanted for a while, which gets longer as long as it is the rule; nor are they after
 * a flight that took long, for which one of them may be the reason: on a connection of its own it holds up nobody.
 *
 * What comes twice is met at its guard, and a guard that fails costs all who share the flight. So after the first of them guards are asked
 * ahead, in a form that does not fail: who has no row is left out of the rest of the flight, and told once the others are committed, since
 * what is there may be of this transaction. It is a round trip more, for as long as there have been some lately.
 *
 * Units wait for the lane at most until their deadline, and not at all once it has been down for a second.
 */
#include "group.h"

#include <stdlib.h>
#include <string.h>

#include "group_line.h"
#include "group_set.h"

enum { LIMIT = 128, FLIGHT_MS = 5000, UNIT_MS = 10000, DOWN_MS = 1000, TICK_MS = 100, SHY_MAX_MS = 3200, WARY_FLIGHTS = 64 };

int ec_group_limit = LIMIT, ec_group_slow_ms = 250, ec_group_shy_ms = 50;

static struct {
    struct ec_pg_conn *conn;
    bool open, up;
    uint64_t down_since_ns;
    int limit;                      /* statements a group, 1 to ec_group_limit */
    int sent;                       /* of the flight */
    struct ec_group_line line;      /* gathered */
    struct ec_group_unit *flight;   /* under way, in the order of submitting */
    struct ec_group_unit *rest;     /* of it, while guards are asked ahead: those that don't open */
    struct ec_group_unit *barred;   /* of it: those whose guard had no row */
    bool ahead;                     /* its guards have been asked ahead */
    int wary;                       /* flights yet of which they are */
    struct ec_arena *sets;          /* of the flight */
    int pending;                    /* ends of the flight that are not answered */
    bool failed, lost, locked;      /* of the flight */
    bool opens, opening;            /* it has units that open; and they have not been told yet */
    struct ec_group_unit **closed;  /* while they are told: the end of those that have closed */
    uint64_t sent_ns, shy_until_ns; /* until then programs' statements are not wanted here */
    int shy_ms;
    struct ec_pg_cmd sync, asked, flushed, undo;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t tick;
    struct ec_metric *units, *commits, *again;
} lane;

static void flush(void);

static void finish(struct ec_group_unit *unit, const struct ec_error *error)
{
    unit->error = error;
    unit->next = NULL;
    unit->done(unit);
}

/* ------------------------------------------------------------------ answers */

/* A session that is ended says so, but not how far a commit had come. */
static bool is_lost(const struct ec_pg_reply *reply)
{
    return reply->status == EC_PG_LOST || (reply->status == EC_PG_FAILED && strncmp(reply->sqlstate, "57P", 3) == 0);
}

/* By a stranger's lock, or the flight's deadline. */
static bool is_locked(const struct ec_pg_reply *reply)
{
    return strcmp(reply->sqlstate, "55P03") == 0 || strcmp(reply->sqlstate, "57014") == 0;
}

/* A guard that can be asked ahead has found no row. */
static bool is_barred(const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    return sql && sql->ahead && strcmp(reply->sqlstate, "22012") == 0;
}

static void say_refused(struct ec_group_unit *unit, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    if (unit->refused)
        unit->error = unit->refused(unit, sql, reply);
    if (!unit->error)
        unit->error = ec_pg_error(NULL, sql, reply);
}

static void refuse(struct ec_group_unit *unit, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    bool locked = is_locked(reply) || (unit->opened && ec_pg_repeatable(reply));

    if (lane.flight && lane.flight->next && is_barred(sql, reply))
        lane.wary = WARY_FLIGHTS;
    unit->failed = true;
    lane.failed = true;
    lane.locked |= locked;
    unit->returned = unit->alone && locked && !unit->sql;
    if (unit->error || (!unit->alone && lane.flight->next) || (locked && !unit->sql)) /* it gets another chance, without the others */
        return;
    say_refused(unit, sql, reply);
}

static void unit_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_group_unit *unit = cmd->data;

    if (is_lost(reply)) {
        lane.lost = true;
    } else if (reply->status == EC_PG_FAILED) {
        refuse(unit, unit->sql, reply);
    } else if (reply->status == EC_PG_OK) {
        unit->rows = reply->rows;
        if (unit->row)
            unit->row(unit, reply);
    }
}

static void statement_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_group_statement *statement = cmd->data;

    if (is_lost(reply))
        lane.lost = true;
    else if (reply->status == EC_PG_FAILED)
        refuse(statement->unit, statement->sql, reply);
    else if (reply->status == EC_PG_OK && statement->row)
        statement->row(statement, reply);
}

/* Each of its members gets another chance alone. */
static void set_answer(const struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    if (is_lost(reply)) {
        lane.lost = true;
    } else if (reply->status == EC_PG_FAILED) {
        if (is_barred(cmd->sql, reply))
            lane.wary = WARY_FLIGHTS;
        lane.failed = true;
        lane.locked |= is_locked(reply);
    }
}

static void ahead_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_group_statement *guard = cmd->data;

    if (reply->status != EC_PG_OK)
        set_answer(cmd, reply);
    else if (reply->rows == 0)
        guard->unit->barred = true;
    else if (guard->row)
        guard->row(guard, reply);
}

static const struct ec_group_answers answers = {unit_answer, statement_answer, set_answer},
                                     answers_ahead = {NULL, ahead_answer, set_answer};

static void forget_sets(void)
{
    if (lane.sets)
        ec_arena_free(lane.sets);
    lane.sets = NULL;
}

/* Of one with others: nothing of it has happened, and its owner does it on a connection of its own. */
static bool is_returned(const struct ec_group_unit *unit)
{
    if (unit->alone || unit->error || (!lane.failed && !lane.lost))
        return false;
    if (unit->opened)
        return !lane.lost || lane.opening;
    return !lane.lost && lane.locked && !unit->sql;
}

/* Programs' statements: not for a while, twice as long each time; half as long for each flight that was good. */
static void be_shy(bool bad)
{
    if (!bad) {
        lane.shy_ms /= 2;
        return;
    }
    lane.shy_ms = !lane.shy_ms ? ec_group_shy_ms : lane.shy_ms < SHY_MAX_MS ? lane.shy_ms * 2 : SHY_MAX_MS;
    lane.shy_until_ns = uv_hrtime() + (uint64_t)lane.shy_ms * 1000000;
}

/* To the end of the flight. */
static void join(struct ec_group_unit **list)
{
    struct ec_group_unit **end = &lane.flight;

    for (; *end; end = &(*end)->next)
        ;
    *end = *list;
    *list = NULL;
}

/* It is told what its guard would have said. */
static void bar(struct ec_group_unit *unit)
{
    static const struct ec_pg_reply reply = {.status = EC_PG_FAILED, .tag = "", .sqlstate = "22012"};

    say_refused(unit, unit->statements->sql, &reply);
}

/* Takes the flight apart: what is done is told, what has to be run again goes to the head of the line. */
static void land(void)
{
    struct ec_group_unit *unit, *next, *again = NULL, **again_end = &again, *told = NULL, **told_end = &told;
    bool failed = lane.failed, lost = lane.lost, opening = lane.opening;
    uint64_t now = uv_hrtime();

    join(&lane.rest);
    join(&lane.barred);
    unit = lane.flight;
    lane.flight = NULL;
    if (now - lane.sent_ns > (uint64_t)ec_group_slow_ms * 1000000)
        be_shy(true);
    else if (lane.opens && (!failed || lane.locked || !unit || unit->next))
        be_shy(failed || lost);
    forget_sets();
    if (!failed && !lost)
        EC_CRASH_AFTER("group");
    if (failed && unit && !unit->alone && unit->next)
        lane.limit = lane.sent > 2 ? lane.sent / 2 : 1;
    else if (!failed)
        lane.limit += lane.limit / 4 + 1;
    for (; unit; unit = next) {
        bool repeat = !unit->error && !unit->opened && (lost ? !unit->once : failed && !unit->alone);

        next = unit->next;
        unit->next = NULL;
        if (unit->barred && !failed && !lost)
            bar(unit);
        unit->returned |= is_returned(unit);
        unit->unknown |= lost && !opening;
        if (unit->returned) {
            unit->error = &ec_error_unavailable;
            repeat = false;
        }
        if (repeat && now < unit->deadline_ns) {
            unit->alone = true;
            unit->failed = unit->ahead = unit->barred = false;
            *again_end = unit;
            again_end = &unit->next;
            ec_metric_add(lane.again, 1);
        } else {
            if (repeat || (lost && !unit->error))
                unit->error = &ec_error_unavailable;
            *told_end = unit;
            told_end = &unit->next;
        }
    }
    lane.opens = lane.opening = false;
    if (again)
        ec_group_line_back(&lane.line, again);
    for (unit = told; unit; unit = next) {
        next = unit->next;
        finish(unit, unit->error);
    }
    flush();
}

static void group_synced(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    if (is_lost(reply))
        lane.lost = true;
    else if (reply->status == EC_PG_FAILED)
        lane.failed = true;
    lane.pending = 0;
    land();
}

static void alone_synced(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_group_unit *unit = cmd->data;

    if (is_lost(reply))
        lane.lost = true;
    else if (reply->status == EC_PG_FAILED)
        refuse(unit, unit->sql, reply);
    if (--lane.pending == 0)
        land();
}

/* ------------------------------------------------------------------ sending */

static struct ec_group_unit *take(bool alone, bool opens)
{
    struct ec_group_unit *taken = ec_group_line_take(&lane.line, alone, opens, lane.limit, &lane.sent), *unit;

    for (unit = taken; unit; unit = unit->next)
        ec_metric_add(lane.units, 1);
    return taken;
}

static void end_flight(void (*end)(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd), struct ec_pg_cmd *cmd,
                       void (*done)(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply))
{
    lane.pending = 1;
    cmd->done = done;
    end(lane.conn, cmd);
    ec_pg_deadline(lane.conn, uv_hrtime() + (uint64_t)FLIGHT_MS * 1000000);
}

/* With what goes with it, unless its guards were asked before that had come. */
static void send_commit(void)
{
    if (!lane.ahead && !lane.rest) {
        lane.sent = 0; /* as many again: or those that open would leave no room, for as long as there are more of them */
        lane.rest = take(false, false);
    }
    join(&lane.rest);
    ec_group_send_all(lane.conn, lane.flight, lane.sets, &answers);
    ec_metric_add(lane.commits, 1);
    end_flight(ec_pg_sync, &lane.sync, group_synced);
}

static void send_alone(void)
{
    struct ec_group_unit *unit;

    lane.pending = 0;
    for (unit = lane.flight; unit; unit = unit->next) {
        ec_group_send_unit(lane.conn, unit, &answers);
        lane.pending++;
        unit->sync.done = alone_synced;
        unit->sync.data = unit;
        ec_pg_sync(lane.conn, &unit->sync);
        ec_metric_add(lane.commits, 1);
    }
    ec_pg_deadline(lane.conn, uv_hrtime() + (uint64_t)FLIGHT_MS * 1000000);
}

/* ------------------------------------------------------------------ units that open */

void ec_group_close(struct ec_group_unit *unit)
{
    if (!lane.closed)
        ec_panic("a unit is closed that has not just been opened");
    unit->ahead = false; /* its statements are new */
    unit->next = NULL;
    *lane.closed = unit;
    lane.closed = &unit->next;
}

bool ec_group_opens(void)
{
    return uv_hrtime() >= lane.shy_until_ns;
}

static void give_up(void)
{
    lane.sync.done = group_synced; /* also of what is lost: the next flight begins behind it */
    ec_pg_sync(lane.conn, &lane.sync);
}

/* Their owners. The flight is who has closed; returns whether that is all. One that has not may be no more. */
static bool tell_opened(void)
{
    struct ec_group_unit *unit = lane.flight, *next;
    int open = 0;

    lane.flight = NULL;
    lane.closed = &lane.flight;
    for (; unit; unit = next) {
        next = unit->next;
        open++;
        unit->opened(unit);
    }
    lane.closed = NULL;
    for (unit = lane.flight; unit; unit = unit->next)
        open--;
    return open == 0;
}

static void opened(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    static const struct ec_sql sql_undo = {.name = "ec.group.undo", .text = "SELECT 1 / 0"};

    (void)cmd;
    lane.lost |= is_lost(reply);
    if (!lane.lost && !lane.failed && tell_opened()) {
        lane.opening = false;
        send_commit();
        return;
    }
    if (!lane.lost && !lane.failed) {
        lane.failed = true;
        lane.undo.done = NULL;
        ec_pg_send(lane.conn, &lane.undo, &sql_undo, (struct ec_pg_values){NULL, 0});
    }
    give_up();
}

static void open_or_commit(void)
{
    lane.opens = lane.opening = lane.flight;
    if (!lane.opening) {
        send_commit();
        return;
    }
    ec_group_send_all(lane.conn, lane.flight, lane.sets, &answers);
    end_flight(ec_pg_flush, &lane.flushed, opened);
}

/* ------------------------------------------------------------------ guards that are asked ahead */

static void part(struct ec_group_unit **at)
{
    struct ec_group_unit *unit;

    while ((unit = *at)) {
        if (!unit->barred) {
            at = &unit->next;
            continue;
        }
        *at = unit->next;
        unit->next = lane.barred;
        lane.barred = unit;
        lane.wary = WARY_FLIGHTS;
    }
}

static void asked(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    lane.lost |= is_lost(reply);
    if (lane.lost || lane.failed) {
        give_up();
        return;
    }
    part(&lane.flight);
    part(&lane.rest);
    open_or_commit();
}

/* Of the flight and what goes with it, when there are several of whom one could fail the others. */
static bool ask_ahead(void)
{
    const struct ec_group_unit *some = lane.flight ? lane.flight : lane.rest;

    if (!some->next && !(lane.flight && lane.rest))
        return false;
    lane.ahead = ec_group_send_ahead(lane.conn, lane.flight, lane.sets, &answers_ahead);
    lane.ahead |= ec_group_send_ahead(lane.conn, lane.rest, lane.sets, &answers_ahead);
    if (!lane.ahead)
        return false;
    lane.opening = true; /* nothing is committed before they are answered */
    end_flight(ec_pg_flush, &lane.asked, asked);
    return true;
}

static void flush(void)
{
    if (lane.pending || !lane.line.first || !lane.up || !ec_pg_conn_up(lane.conn) || ec_pg_conn_busy(lane.conn))
        return;
    EC_CRASH_BEFORE("group");
    lane.failed = lane.lost = lane.locked = false;
    if (lane.limit < 1 || lane.limit > ec_group_limit)
        lane.limit = ec_group_limit;
    lane.sent = 0;
    lane.sent_ns = uv_hrtime();
    lane.ahead = lane.opens = lane.opening = false;
    if (lane.line.first->alone) {
        lane.flight = take(true, false);
        send_alone();
        return;
    }
    lane.sets = ec_arena_new();
    lane.flight = take(false, true);
    if (lane.wary) {
        lane.wary--;
        lane.sent = 0;
        lane.rest = take(false, false);
        if (ask_ahead())
            return;
    }
    open_or_commit();
}

static void on_check(uv_check_t *check)
{
    (void)check;
    uv_check_stop(&lane.check);
    uv_idle_stop(&lane.idle);
    flush();
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* only keeps the loop from sleeping before the check */
}

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_hrtime();
    bool down = lane.down_since_ns && now - lane.down_since_ns > (uint64_t)DOWN_MS * 1000000;
    struct ec_group_unit *told = ec_group_line_expired(&lane.line, now, down), *unit;

    if (!lane.line.first)
        uv_timer_stop(timer);
    while ((unit = told)) {
        told = unit->next;
        finish(unit, &ec_error_unavailable);
    }
    flush();
}

void ec_group_submit(struct ec_group_unit *unit)
{
    unit->error = NULL;
    unit->unknown = unit->alone = unit->failed = unit->returned = unit->ahead = unit->barred = false;
    unit->rows = 0;
    if (!unit->deadline_ns)
        unit->deadline_ns = uv_hrtime() + (uint64_t)UNIT_MS * 1000000;
    ec_group_line_add(&lane.line, unit);
    if (!uv_is_active((uv_handle_t *)&lane.tick))
        uv_timer_start(&lane.tick, on_tick, TICK_MS, TICK_MS);
    if (!lane.pending) {
        uv_check_start(&lane.check, on_check);
        uv_idle_start(&lane.idle, on_idle);
    }
}

/* ------------------------------------------------------------------ the module's part */

static void on_up(struct ec_pg_conn *conn, void *data)
{
    (void)data;
    ec_pg_conn_renew(conn);
    lane.up = true;
    lane.down_since_ns = 0;
    flush();
}

static void on_lost(struct ec_pg_conn *conn, void *data)
{
    (void)conn;
    (void)data;
    lane.up = false;
    lane.down_since_ns = uv_hrtime();
}

static void on_free(struct ec_pg_conn *conn, void *data)
{
    (void)conn;
    (void)data;
    flush();
}

void ec_group_start(void)
{
    lane.units = ec_metric(EC_COUNTER, "ec_group_units_total", "Writes that went through the group lane", NULL);
    lane.commits = ec_metric(EC_COUNTER, "ec_group_commits_total", "Commits of the group lane", NULL);
    lane.again = ec_metric(EC_COUNTER, "ec_group_again_total", "Writes that were run again alone", NULL);
    lane.down_since_ns = uv_hrtime();
    lane.limit = lane.shy_ms = lane.wary = 0;
    lane.shy_until_ns = 0;
    uv_check_init(ec_app.loop, &lane.check);
    uv_idle_init(ec_app.loop, &lane.idle);
    uv_timer_init(ec_app.loop, &lane.tick);
    lane.open = true;
    lane.conn = ec_pg_conn_new(
        &(struct ec_pg_conn_options){.role = "group", .options = " -c lock_timeout=500", .up = on_up, .lost = on_lost, .idle = on_free});
}

bool ec_group_idle(void)
{
    return !lane.line.first && !lane.pending;
}

void ec_group_stop(void)
{
    if (!lane.open)
        return;
    lane.open = lane.up = false;
    ec_pg_conn_stop(lane.conn);
    uv_close((uv_handle_t *)&lane.check, NULL);
    uv_close((uv_handle_t *)&lane.idle, NULL);
    uv_close((uv_handle_t *)&lane.tick, NULL);
    lane.line = (struct ec_group_line){0};
    lane.flight = lane.rest = lane.barred = NULL;
    lane.pending = 0;
    forget_sets();
}
