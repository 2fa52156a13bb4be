/* Sets: the statements of a group in fewer pieces.
 *
 * What a statement costs PostgreSQL is mostly its start and its end: a message, a portal, an executor for one row. A statement of the
 * runtime that has a `set` is gathered with those of other members of the commit, and goes out as one whose parameters are arrays; each
 * member has its own row of the answer, or none, as it would have had alone. An error in it is the group's, which is run again one by one
 * (group.c).
 *
 * Order: of a unit everything stays in order; so do statements of programs, of all units one after another, since they may touch the same
 * rows. First goes what units begin with (barriers, claims, the writes of sagas), then the programs' statements, then what rides with
 * their commits. In the first and the last part a statement is before another of its own kind when its unit is: events get their numbers in
 * the order of their transactions. Who names the same row as one before it is in the next set, so that it sees what that one has done.
 *
 * A group of one unit has no sets: an error in one of its statements has to be that statement's.
 */
#include "group_set.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { SET_MEMBERS = 256, SET_BYTES = 1 << 20 };
enum part { FIRST, MIDDLE, LAST, SENT };

struct member {
    struct ec_group_unit *unit;
    struct ec_group_statement *statement; /* NULL: the unit is its own */
    const struct ec_sql *sql;
    uint64_t name; /* hash of its first parameter */
    enum part part;
};

struct set {
    struct ec_pg_cmd cmd;
    struct member **members;
    int n;
    const struct ec_group_answers *answers;
};

static const struct ec_pg_values *values_of(const struct member *member)
{
    return member->statement ? &member->statement->values : &member->unit->values;
}

/* ------------------------------------------------------------------ one by one */

static struct ec_pg_cmd *cmd_of(const struct member *member, const struct ec_group_answers *answers)
{
    struct ec_group_statement *statement = member->statement;
    struct ec_pg_cmd *cmd = statement ? &statement->cmd : &member->unit->cmd;

    cmd->done = statement ? answers->statement : answers->unit;
    cmd->data = statement ? (void *)statement : (void *)member->unit;
    if (statement)
        statement->unit = member->unit;
    return cmd;
}

static void send_one(struct ec_pg_conn *conn, const struct member *member, const struct ec_group_answers *answers)
{
    ec_pg_send(conn, cmd_of(member, answers), member->sql, *values_of(member));
}

static struct ec_group_statement *first_of(const struct ec_group_unit *unit)
{
    return unit->ahead ? unit->statements->next : unit->statements;
}

void ec_group_send_unit(struct ec_pg_conn *conn, struct ec_group_unit *unit, const struct ec_group_answers *answers)
{
    struct ec_group_statement *statement;

    if (unit->sql)
        send_one(conn, &(struct member){.unit = unit, .sql = unit->sql}, answers);
    for (statement = first_of(unit); statement; statement = statement->next)
        send_one(conn, &(struct member){.unit = unit, .statement = statement, .sql = statement->sql}, answers);
}

/* ------------------------------------------------------------------ arrays */

static void add_element(struct ec_buf *buf, const char *text)
{
    const char *special;

    if (!text) {
        ec_buf_add(buf, "NULL", 4);
        return;
    }
    ec_buf_add(buf, "\"", 1);
    while (*(special = text + strcspn(text, "\"\\"))) {
        ec_buf_add(buf, text, (size_t)(special - text));
        ec_buf_add(buf, "\\", 1);
        ec_buf_add(buf, special, 1);
        text = special + 1;
    }
    ec_buf_add(buf, text, (size_t)(special - text));
    ec_buf_add(buf, "\"", 1);
}

/* Parameter by parameter, each with its NUL. */
static void add_arrays(struct ec_buf *buf, const struct set *set)
{
    int params = values_of(set->members[0])->n, param, i;

    for (param = 0; param < params; param++) {
        ec_buf_add(buf, "{", 1);
        for (i = 0; i < set->n; i++) {
            if (i)
                ec_buf_add(buf, ",", 1);
            add_element(buf, values_of(set->members[i])->v[param]);
        }
        ec_buf_add(buf, "}", 2);
    }
}

/* ------------------------------------------------------------------ answers */

static void tell(const struct set *set, const struct member *member, const struct ec_pg_reply *reply, int row)
{
    struct ec_pg_reply own = {.status = EC_PG_OK, .rows = row >= 0, .tag = reply->tag, .sqlstate = ""};
    bool looks = member->statement ? member->statement->row != NULL : member->unit->row != NULL;
    struct pg_result *result = looks ? ec_pg_row_alone(reply->result, row, 1) : NULL;
    struct ec_pg_cmd *cmd = cmd_of(member, set->answers);

    own.result = result;
    cmd->sent_ns = set->cmd.sent_ns;
    cmd->done(cmd, &own);
    if (result)
        ec_pg_row_free(result);
}

static void set_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    const struct set *set = cmd->data;
    int rows[SET_MEMBERS], i;
    int64_t at;

    if (reply->status != EC_PG_OK) {
        set->answers->set(cmd, reply);
        return;
    }
    for (i = 0; i < set->n; i++)
        rows[i] = -1;
    for (i = 0; i < (int)reply->rows && i < ec_pg_rows(reply->result); i++)
        if (ec_int_parse(ec_pg_cell(reply->result, i, 0), &at) && at >= 1 && at <= set->n)
            rows[at - 1] = i;
    for (i = 0; i < set->n; i++)
        tell(set, set->members[i], reply, rows[i]);
}

/* ------------------------------------------------------------------ gathering */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    while (text && *text)
        hash = (hash ^ (uint8_t)*text++) * 0x100000001b3u;
    return hash;
}

static size_t bytes_of(const struct ec_pg_values *values)
{
    size_t bytes = 0;
    int i;

    for (i = 0; i < values->n; i++)
        bytes += values->v[i] ? strlen(values->v[i]) : 0;
    return bytes;
}

/* Up to the program's first statement; from there to its last; and behind it. */
static void part_unit(struct member *members, int n)
{
    int first = 0, last = n, i;

    while (first < n && members[first].sql->set && !members[first].sql->set->late)
        first++;
    while (last > first && members[last - 1].sql->set)
        last--;
    for (i = 0; i < n; i++)
        members[i].part = i < first ? FIRST : i < last ? MIDDLE : LAST;
}

static int list(struct ec_group_unit *units, struct member *members)
{
    struct ec_group_statement *statement;
    struct ec_group_unit *unit;
    int n = 0, from;

    for (unit = units; unit; unit = unit->next) {
        from = n;
        if (unit->sql)
            members[n++] = (struct member){.unit = unit, .sql = unit->sql};
        for (statement = first_of(unit); statement; statement = statement->next)
            members[n++] = (struct member){.unit = unit, .statement = statement, .sql = statement->sql};
        part_unit(members + from, n - from);
    }
    return n;
}

static int count(const struct ec_group_unit *units)
{
    const struct ec_group_statement *statement;
    int n = 0;

    for (; units; units = units->next) {
        n += units->sql != NULL;
        for (statement = units->statements; statement; statement = statement->next)
            n++;
    }
    return n;
}

static bool named_before(const struct set *set, uint64_t name)
{
    int i;

    for (i = 0; i < set->n; i++)
        if (set->members[i]->name == name)
            return true;
    return false;
}

/* The first member of a part that is not sent, and whoever can go with it. */
static void gather(struct set *set, struct member *member, const struct member *end)
{
    const struct ec_group_set *kind = member->sql->set;
    const struct ec_group_unit *waits = NULL; /* one of its statements has to go before the rest of it */
    enum part part = member->part;
    size_t bytes = 0;

    for (; member < end && set->n < SET_MEMBERS; member++) {
        if (member->part != part)
            continue;
        if (member->sql->set != kind) {
            waits = member->unit;
            continue;
        }
        member->name = hash_of(values_of(member)->v[0]);
        bytes += bytes_of(values_of(member));
        if (member->unit == waits || named_before(set, member->name) || (set->n && bytes > SET_BYTES))
            return;
        set->members[set->n++] = member;
        member->part = SENT;
    }
}

static void send_set(struct ec_pg_conn *conn, struct set *set)
{
    const char *values[EC_GROUP_SET_PARAMS], *at;
    struct ec_buf buf = {0};
    int n = values_of(set->members[0])->n, i;

    if (n > EC_GROUP_SET_PARAMS)
        ec_panic("a set has too many parameters");
    add_arrays(&buf, set);
    for (i = 0, at = buf.p; i < n; i++, at += strlen(at) + 1)
        values[i] = at;
    set->cmd.done = set_answer;
    set->cmd.data = set;
    ec_pg_send(conn, &set->cmd, &set->members[0]->sql->set->sql, (struct ec_pg_values){values, n});
    ec_buf_free(&buf);
}

static void send_part(struct ec_pg_conn *conn, struct member *members, const struct member *end, enum part part, struct ec_arena *arena,
                      const struct ec_group_answers *answers)
{
    struct set *set;

    for (; members < end; members++) {
        if (members->part != part)
            continue;
        set = ec_arena_alloc(arena, sizeof(*set));
        set->answers = answers;
        set->members = ec_arena_array(arena, SET_MEMBERS, sizeof(struct member *));
        gather(set, members, end);
        if (set->n > 1)
            send_set(conn, set);
        else
            send_one(conn, members, answers);
    }
}

void ec_group_send_all(struct ec_pg_conn *conn, struct ec_group_unit *units, struct ec_arena *arena, const struct ec_group_answers *answers)
{
    struct member *members, *end, *member;

    if (!units || !units->next) {
        if (units)
            ec_group_send_unit(conn, units, answers);
        return;
    }
    members = ec_arena_array(arena, (size_t)count(units), sizeof(*members));
    end = members + list(units, members);
    send_part(conn, members, end, FIRST, arena, answers);
    for (member = members; member < end; member++)
        if (member->part == MIDDLE)
            send_one(conn, member, answers);
    send_part(conn, members, end, LAST, arena, answers);
}

bool ec_group_send_ahead(struct ec_pg_conn *conn, struct ec_group_unit *units, struct ec_arena *arena,
                         const struct ec_group_answers *answers)
{
    struct member *members = ec_arena_array(arena, (size_t)count(units) + 1, sizeof(*members)), *end = members;
    struct ec_group_unit *unit;

    for (unit = units; unit; unit = unit->next) {
        struct ec_group_statement *guard = unit->statements;

        if (!guard || !guard->sql->ahead)
            continue;
        unit->ahead = true;
        *end++ = (struct member){.unit = unit, .statement = guard, .sql = guard->sql->ahead, .part = FIRST};
    }
    send_part(conn, members, end, FIRST, arena, answers);
    return end > members;
}
