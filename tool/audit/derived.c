/* What the compiler knows must hold, for any topology: the questions, and how one is asked. */
#include "audit.h"

#include <string.h>

/* Of a step that a person has resolved the engine's rows and the participant's do not say the same, and are not expected to: TELL has it. */
#define RESOLVED(step) "EXISTS (SELECT 1 FROM ec_audit.decision r WHERE (r.service, r.saga_id, r.step) = (g.service, g.id, " step "))"

/* X(title, sql): rows are told, and are no violations. */
#define TELL(X)                                                                                                                       \
    X("steps of sagas that a person has resolved",                                                                                     \
      "SELECT service, saga_id AS saga, step, what, by_whom AS by, at, reason FROM ec_audit.decision ORDER BY at")

/* X(title, sql): rows are violations. What has to do with recording stands in its own list. */
/* clang-format off */
#define QUESTIONS(X)                                                                                                                  \
    X("every saga has ended",                                                                                                         \
      "SELECT service, name AS saga, id, state, step, error FROM ec_audit.saga WHERE state NOT IN ('done', 'failed')")                 \
    X("of a saga that is done every step is done and none undone",                                                                     \
      "SELECT g.service, g.name AS saga, g.id, p.step, d.state AS do_state, u.state AS undo_state"                                     \
      "  FROM ec_audit.saga g JOIN ec_audit.step p ON (p.service, p.saga, p.version) = (g.service, g.name, g.version)"                 \
      "  LEFT JOIN ec_audit.saga_step d ON d.saga_id = g.id AND d.step = p.step AND d.phase = 'do'"                                    \
      "  LEFT JOIN ec_audit.saga_step u ON u.saga_id = g.id AND u.step = p.step AND u.phase = 'undo'"                                  \
      " WHERE g.state = 'done' AND (d.state IS DISTINCT FROM 'done' OR u.state IS NOT NULL)")                                          \
    X("of a saga that failed every step that was done, or may have been, is undone",                                                   \
      "SELECT g.service, g.name AS saga, g.id, d.step, d.state AS do_state, u.state AS undo_state"                                     \
      "  FROM ec_audit.saga g JOIN ec_audit.saga_step d ON d.saga_id = g.id AND d.phase = 'do'"                                        \
      "  LEFT JOIN ec_audit.saga_step u ON u.saga_id = g.id AND u.step = d.step AND u.phase = 'undo'"                                  \
      " WHERE g.state = 'failed' AND d.state <> 'failed' AND u.state IS DISTINCT FROM 'done' AND NOT " RESOLVED("d.step"))                                         \
    X("the participants of a saga that is done have done its steps",                                                                   \
      "SELECT g.service, g.name AS saga, g.id, p.step, p.participant, i.state AS do_state, w.state AS undo_state"                      \
      "  FROM ec_audit.saga g JOIN ec_audit.step p ON (p.service, p.saga, p.version) = (g.service, g.name, g.version)"                 \
      "   AND p.do_barrier"                                                                                                            \
      "  LEFT JOIN ec_audit.inbox i ON i.service = p.participant AND i.key = g.id || '/' || p.step || '/do'"                           \
      "  LEFT JOIN ec_audit.inbox w ON w.service = p.participant AND w.key = g.id || '/' || p.step || '/undo'"                         \
      " WHERE g.state = 'done' AND (i.state IS DISTINCT FROM 'done' OR w.state IS NOT NULL) AND NOT " RESOLVED("p.step"))                                          \
    X("the participants of a saga that failed have undone its steps, or never done them",                                              \
      "SELECT g.service, g.name AS saga, g.id, p.step, p.participant, i.state AS do_state, w.state AS undo_state"                      \
      "  FROM ec_audit.saga g JOIN ec_audit.step p ON (p.service, p.saga, p.version) = (g.service, g.name, g.version)"                 \
      "   AND p.do_barrier"                                                                                                            \
      "  JOIN ec_audit.inbox i ON i.service = p.participant AND i.key = g.id || '/' || p.step || '/do'"                                \
      "  LEFT JOIN ec_audit.inbox w ON w.service = p.participant AND w.key = g.id || '/' || p.step || '/undo'"                         \
      " WHERE g.state = 'failed' AND i.state IN ('done', 'running') AND NOT (p.has_undo AND NOT p.undo_barrier)"                       \
      "   AND w.state IS DISTINCT FROM 'done' AND NOT " RESOLVED("p.step"))                                                                                        \
    X("no participant has done a step of a saga that does not know of it",                                                             \
      "SELECT p.participant, p.saga, p.step, i.key, i.state"                                                                           \
      "  FROM ec_audit.step p JOIN ec_audit.inbox i ON i.service = p.participant AND i.key LIKE '%/' || p.step || '/do'"               \
      "   AND i.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]+/do$'"                                                          \
      "  JOIN ec_audit.saga g ON (g.service, g.name, g.version) = (p.service, p.saga, p.version)"                                      \
      "   AND g.id::text = split_part(i.key, '/', 1)"                                                                                  \
      "  LEFT JOIN ec_audit.saga_step d ON d.saga_id = g.id AND d.step = p.step AND d.phase = 'do'"                                    \
      " WHERE d.saga_id IS NULL AND i.state = 'done' AND p.do_barrier")                                                                \
    X("no participant has done a step of a saga that nobody knows",                                                                    \
      "SELECT DISTINCT i.service AS participant, i.key, i.state, i.created_at"                                                         \
      "  FROM ec_audit.step p JOIN ec_audit.inbox i ON i.service = p.participant AND i.key LIKE '%/' || p.step || '/do'"               \
      "   AND i.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]+/do$'"                                                          \
      "  LEFT JOIN ec_audit.saga g ON g.id::text = split_part(i.key, '/', 1)"                                                          \
      " WHERE g.id IS NULL AND i.state = 'done' AND p.do_barrier AND i.created_at > now() - interval '5 days'")                        \
    X("nothing is left in an outbox", "SELECT service, topic, key, type FROM ec_audit.outbox")                                         \
    X("each event has had its effect in each group, or is a dead letter of it",                                                        \
      "SELECT DISTINCT c.service, c.group_ AS \"group\", m.topic, m.type, m.id, convert_from(m.key, 'UTF8') AS key, i.state"            \
      "  FROM ec_audit.consumer c JOIN ec_audit.message m ON m.topic = c.topic AND m.type = c.type AND m.id IS NOT NULL"               \
      "  LEFT JOIN ec_audit.inbox i ON i.service = c.service AND i.key = 'event/' || c.group_ || '/' || m.id"                          \
      " WHERE i.state IS DISTINCT FROM 'done' AND i.state IS DISTINCT FROM 'failed'"                                                   \
      "   AND NOT EXISTS (SELECT 1 FROM ec_audit.message l WHERE l.topic = m.topic || '.dead-letter' AND l.id = m.id"                  \
      "                    AND coalesce(l.letter_group, c.group_) = c.group_)")

#define RECORD_QUESTIONS(X)                                                                                                           \
    X("what was published is in its topic, as it was written",                                                                         \
      "SELECT r.service, r.topic, convert_from(r.key, 'UTF8') AS key, r.type, r.event_id,"                                             \
      "       CASE WHEN m.id IS NULL THEN 'missing' ELSE 'changed' END AS what"                                                        \
      "  FROM ec_audit.record r LEFT JOIN ec_audit.message m ON m.topic = r.topic AND m.id = r.event_id"                               \
      " WHERE m.id IS NULL OR m.key <> r.key OR m.value <> r.body")                                                                    \
    X("nothing is in a topic that was not published",                                                                                  \
      "SELECT m.topic, m.partition, m.at AS \"offset\", m.id, m.type"                                                                  \
      "  FROM ec_audit.message m JOIN ec_audit.beginning b ON b.topic = m.topic AND b.partition = m.partition AND m.at >= b.at"        \
      "  LEFT JOIN ec_audit.record r ON r.topic = m.topic AND r.event_id = m.id WHERE r.event_id IS NULL")                             \
    X("the events of a key are in its topic in the order of their transactions",                                                       \
      "WITH first AS (SELECT topic, id, min(at) AS at FROM ec_audit.message GROUP BY topic, id),"                                      \
      " placed AS (SELECT r.*, f.at, lag(r.id) OVER w AS last_id, lag(r.xid) OVER w AS last_xid, lag(f.at) OVER w AS last_at,"         \
      "                   lag(r.event_id) OVER w AS last_event"                                                                        \
      "              FROM ec_audit.record r JOIN first f ON f.topic = r.topic AND f.id = r.event_id"                                   \
      "            WINDOW w AS (PARTITION BY r.service, r.topic, r.key ORDER BY r.id))"                                                \
      "SELECT service, topic, convert_from(key, 'UTF8') AS key, last_event, last_at, event_id, at FROM placed"                         \
      " WHERE last_at > at AND (last_xid = xid OR pg_visible_in_snapshot(last_xid, snapshot))")                                        \
    X("no effect is of an event that was not published",                                                                               \
      "SELECT i.service, i.key, i.state FROM ec_audit.inbox i"                                                                         \
      " WHERE i.key ~ '^event/[^/]+/[^/]+$' AND i.created_at >= (SELECT since::timestamptz FROM ec_audit.began)"                       \
      "   AND NOT EXISTS (SELECT 1 FROM ec_audit.message m WHERE m.id = split_part(i.key, '/', 3))")

/* clang-format on */

static const char *row_text(struct ecc_arena *arena, const PGresult *result, int row)
{
    const char *text = "";

    for (int c = 0; c < PQnfields(result); c++)
        text = ecc_arena_printf(arena, "%s%s%s=%s", text, c ? " " : "", PQfname(result, c),
                                PQgetisnull(result, row, c) ? "null" : PQgetvalue(result, row, c));
    return text;
}

void ecc_audit_ask(PGconn *conn, struct ecc_arena *arena, struct ecc_audit_checks *checks, const char *title, const char *sql)
{
    struct ecc_audit_check check = {.title = title};

    PQclear(PQexec(conn, "SAVEPOINT question"));
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        check.violations = PQntuples(result);
        for (int i = 0; i < check.violations && i < ECC_AUDIT_SHOWN; i++)
            check.rows[i] = row_text(arena, result, i);
    } else {
        check.violations = 1;
        char *why = ecc_arena_strdup(arena, PQresultErrorMessage(result));
        why[strcspn(why, "\n")] = '\0';
        check.rows[0] = why;
    }
    PQclear(result);
    PQclear(PQexec(conn, "ROLLBACK TO SAVEPOINT question"));
    ECC_PUSH(arena, checks, check);
}

static void skip(struct ecc_arena *arena, struct ecc_audit_checks *checks, const char *title, const char *why)
{
    ECC_PUSH(arena, checks, ((struct ecc_audit_check){.title = title, .skipped = why}));
}

/* The last one is no question: nothing to tell, nothing is said. */
static void tell(struct ecc_audit_checks *checks)
{
    struct ecc_audit_check *last = &checks->items[checks->n - 1];

    last->told = last->violations;
    last->violations = 0;
    if (!last->told)
        checks->n--;
}

void ecc_audit_derived(struct ecc_audit_stage *stage, struct ecc_audit_checks *checks)
{
    struct ecc_arena *arena = stage->up->arena;
    const char *why = stage->forgotten   ? stage->forgotten
                      : stage->record.on ? NULL
                                         : "nothing was recorded: `ecomc invariants --record` begins it";

#define X(title, sql) ecc_audit_ask(stage->conn, arena, checks, (title), (sql));
    QUESTIONS(X)
#undef X
#define X(title, sql)                                     \
    ecc_audit_ask(stage->conn, arena, checks, (title), (sql)); \
    tell(checks);
    TELL(X)
#undef X
    if (!ecc_up_brokers(stage->up))
        return;
    if (!why)
        ecc_audit_do(stage->conn, "the audit",
                     ecc_arena_printf(arena, "CREATE TABLE ec_audit.began AS SELECT '%s' AS since", stage->record.since));
#define X(title, sql)                      \
    if (why)                               \
        skip(arena, checks, (title), why); \
    else                                   \
        ecc_audit_ask(stage->conn, arena, checks, (title), (sql));
    RECORD_QUESTIONS(X)
#undef X
}
