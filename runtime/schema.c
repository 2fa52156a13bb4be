/* The runtime's tables in each service's database, as migrations 000000_ec and on, and the comparison of a database with what a binary
 * expects.
 *
 * A database that has more than the binary knows fits: a newer binary has migrated it, and migrations only add before they take away.
 */
#include "schema.h"

#include <stdio.h>
#include <string.h>

#include "random.h"

static const char up[] =
    "CREATE SCHEMA IF NOT EXISTS ec;\n"
    "CREATE TABLE ec.schema_migrations (version text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());\n"
    "CREATE TABLE ec.inbox (\n"
    "  key text PRIMARY KEY, program text NOT NULL, state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'revoked')),\n"
    "  request_hash bytea, seed uuid, lease_until timestamptz, status int, reply jsonb, error text, detail text,\n"
    "  created_at timestamptz NOT NULL DEFAULT now());\n"
    "CREATE INDEX ON ec.inbox (created_at);\n"
    "CREATE TABLE ec.outbox (\n"
    "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, topic text NOT NULL, key text NOT NULL,\n"
    "  type text NOT NULL, body text NOT NULL, traceparent text, created_at timestamptz NOT NULL DEFAULT now());\n"
    "CREATE TABLE ec.saga (\n"
    "  id uuid PRIMARY KEY, name text NOT NULL, version int NOT NULL,\n"
    "  state text NOT NULL CHECK (state IN ('running', 'compensating', 'done', 'failed')),\n"
    "  step int NOT NULL, params jsonb NOT NULL, error text, detail text, owner uuid, fence bigint NOT NULL DEFAULT 0,\n"
    "  lease_until timestamptz, next_at timestamptz, attempts int NOT NULL DEFAULT 0, traceparent text,\n"
    "  created_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz);\n"
    "CREATE INDEX ON ec.saga (lease_until) WHERE state IN ('running', 'compensating');\n"
    "CREATE TABLE ec.saga_step (\n"
    "  saga_id uuid NOT NULL REFERENCES ec.saga ON DELETE CASCADE, step text NOT NULL, phase text NOT NULL CHECK (phase IN ('do', "
    "'undo')),\n"
    "  state text NOT NULL CHECK (state IN ('sent', 'done', 'failed', 'unknown')), attempts int NOT NULL DEFAULT 0, reply jsonb, error "
    "text,\n"
    "  at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (saga_id, step, phase));\n";

/* Set-based twins of statements of the group lane (saga_store.c, inbox.c), each with its places as answer, in order. A plan is made once and for
 * tables of any size: without the settings PostgreSQL would take tables without statistics for small, and read them whole for each call, or the index of all that run: so it says what has not ended, not what runs. */
#define MANY(name, parameters, declare, body)                                                                                        \
    "CREATE FUNCTION ec." name "(" parameters ") RETURNS SETOF int LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan "       \
    "SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n" declare "BEGIN\n" body "END $$;\n"
#define ALL_OR_NONE(of)                                                                                                      \
    "  GET DIAGNOSTICS touched = ROW_COUNT;\n"                                                                                \
    "  IF touched <> cardinality(" of ") THEN RAISE division_by_zero USING MESSAGE = 'not all of them'; END IF;\n"

static const char many_up[] =
    MANY("saga_start", "ids uuid[], names text[], versions int[], params jsonb[], owners uuid[], traces text[], firsts text[]", "",
         "  RETURN QUERY WITH i AS (SELECT * FROM unnest(ids, names, versions, params, owners, traces, firsts) WITH ORDINALITY\n"
         "      AS i (id, name, version, params, owner, trace, first, n)),\n"
         "    s AS (INSERT INTO ec.saga AS t (id, name, version, state, step, params, owner, fence, lease_until, traceparent)\n"
         "      SELECT i.id, i.name, i.version, 'running', 0, i.params, i.owner, 1, now() + interval '5 s', i.trace FROM i\n"
         "      ON CONFLICT DO NOTHING RETURNING t.id),\n"
         "    q AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts)\n"
         "      SELECT i.id, i.first, 'do', 'sent', 1 FROM i WHERE i.id IN (SELECT s.id FROM s))\n"
         "  SELECT i.n::int FROM i WHERE i.id IN (SELECT s.id FROM s) ORDER BY i.n;\n")
    MANY("saga_advance", "ids uuid[], fences bigint[], to_steps int[], answered text[], phases text[], replies jsonb[], nexts text[]", "",
         "  RETURN QUERY WITH s AS (UPDATE ec.saga t SET step = i.to_step, attempts = 0, next_at = NULL, last_error = NULL\n"
         "      FROM unnest(ids, fences, to_steps, answered, phases, replies, nexts) WITH ORDINALITY\n"
         "        AS i (id, fence, to_step, answered, phase, reply, next, n)\n"
         "      WHERE t.id = i.id AND t.fence = i.fence AND t.state NOT IN ('done', 'failed') RETURNING i.*),\n"
         "    a AS (UPDATE ec.saga_step p SET state = 'done', reply = coalesce(s.reply, p.reply), error = NULL, at = now() FROM s\n"
         "      WHERE p.saga_id = s.id AND p.step = s.answered AND p.phase = s.phase),\n"
         "    q AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT s.id, s.next, s.phase, 'sent', 1 FROM s\n"
         "      WHERE s.next IS NOT NULL ON CONFLICT DO NOTHING)\n"
         "  SELECT s.n::int FROM s ORDER BY s.n;\n")
    MANY("saga_end",
         "whole boolean, ids uuid[], fences bigint[], states text[], answered text[], phases text[], answers text[], replies jsonb[], "
         "errors text[], details text[]",
         "DECLARE touched bigint;\n",
         "  RETURN QUERY WITH s AS (UPDATE ec.saga t SET state = i.state, error = i.error, detail = i.detail, ended_at = now(),\n"
         "        owner = NULL, lease_until = NULL, next_at = NULL\n"
         "      FROM unnest(ids, fences, states, answered, phases, answers, replies, errors, details) WITH ORDINALITY\n"
         "        AS i (id, fence, state, answered, phase, answer, reply, error, detail, n)\n"
         "      WHERE t.id = i.id AND t.fence = i.fence AND t.state NOT IN ('done', 'failed') RETURNING i.*),\n"
         "    a AS (UPDATE ec.saga_step p SET state = s.answer, reply = coalesce(s.reply, p.reply),\n"
         "        error = CASE WHEN s.answer = 'done' THEN NULL ELSE s.error END, at = now() FROM s\n"
         "      WHERE p.saga_id = s.id AND p.step = s.answered AND p.phase = s.phase)\n"
         "  SELECT s.n::int FROM s ORDER BY s.n;\n"
         "  GET DIAGNOSTICS touched = ROW_COUNT;\n"
         "  IF whole AND touched <> cardinality(ids) THEN RAISE division_by_zero USING MESSAGE = 'not all of them'; END IF;\n")
    MANY("inbox_barrier", "keys text[], programs text[], hashes bytea[], again boolean[]", "DECLARE touched bigint;\n",
         "  RETURN QUERY WITH i AS (INSERT INTO ec.inbox (key, program, state, status, request_hash)\n"
         "      SELECT i.key, i.program, 'done', 200, i.hash FROM unnest(keys, programs, hashes) AS i (key, program, hash)\n"
         "      ON CONFLICT DO NOTHING RETURNING 1)\n"
         "  SELECT (row_number() OVER ())::int FROM i;\n"
         ALL_OR_NONE("keys"))
    MANY("inbox_reply", "keys text[], replies jsonb[]", "",
         "  RETURN QUERY WITH u AS (UPDATE ec.inbox t SET reply = i.reply FROM unnest(keys, replies) WITH ORDINALITY AS i (key, reply, n)\n"
         "      WHERE t.key = i.key RETURNING i.n)\n"
         "  SELECT u.n::int FROM u ORDER BY u.n;\n");
static const char many_down[] = "DROP FUNCTION ec.saga_start, ec.saga_advance, ec.saga_end, ec.inbox_barrier, ec.inbox_reply;\n";

/* What is released is never changed: a change of the tables is one more of these. Their names sort before the service's own. */
static struct ec_migration own[] = {
    {.version = "000000_ec", .up = up, .down = "DROP SCHEMA ec CASCADE;\n"},
    {.version = "000000_ec_2",
     .up = "CREATE INDEX saga_ended ON ec.saga (ended_at) WHERE ended_at IS NOT NULL;\n", /* clean.c */
     .down = "DROP INDEX ec.saga_ended;\n"},
    {.version = "000000_ec_3", /* saga_cmd.c: what a call failed with last, and what people have decided */
     .up = "ALTER TABLE ec.saga ADD COLUMN last_error text;\n"
           "CREATE TABLE ec.saga_decision (\n"
           "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, saga_id uuid NOT NULL REFERENCES ec.saga ON DELETE CASCADE,\n"
           "  what text NOT NULL CHECK (what IN ('retry', 'done', 'undone', 'kept')), step text, reason text, by_whom text NOT NULL,\n"
           "  at timestamptz NOT NULL DEFAULT now());\n"
           "CREATE INDEX ON ec.saga_decision (saga_id);\n",
     .down = "DROP TABLE ec.saga_decision;\nALTER TABLE ec.saga DROP COLUMN last_error;\n"},
    {.version = "000000_ec_4", .up = many_up, .down = many_down},
};
enum { OWN = sizeof(own) / sizeof(own[0]) };
const size_t ec_schema_own = OWN;
static char own_sha256[OWN][65];

const struct ec_sql ec_schema_applied = {.name = "ec.schema.applied",
                                         .text = "SELECT version, sha256 FROM ec.schema_migrations ORDER BY version"};

const struct ec_migration *ec_schema_migration(const struct ec_service *service, size_t i)
{
    const struct ec_migration *migration;
    uint8_t hash[32];

    if (i < OWN) {
        if (!own[i].sha256) {
            ec_sha256(own[i].up, strlen(own[i].up), hash);
            ec_hex(hash, sizeof(hash), own_sha256[i]);
            own[i].sha256 = own_sha256[i];
        }
        return &own[i];
    }
    i -= OWN;
    for (migration = service->migrations; migration && migration->version; migration++)
        if (i-- == 0)
            return migration;
    return NULL;
}

const char *ec_schema_compare(const struct ec_service *service, const struct pg_result *applied)
{
    static char why[256];
    const struct ec_migration *migration;
    size_t i;

    for (i = 0; (migration = ec_schema_migration(service, i)); i++) {
        int row, n = ec_pg_rows(applied);

        for (row = 0; row < n; row++)
            if (ec_str_eq(ec_pg_cell(applied, row, 0), ec_str_of(migration->version)))
                break;
        if (row == n) {
            snprintf(why, sizeof(why), "the database lacks migration %s: run `migrate up`", migration->version);
            return why;
        }
        if (migration->sha256 && !ec_str_eq(ec_pg_cell(applied, row, 1), ec_str_of(migration->sha256))) {
            snprintf(why, sizeof(why), "migration %s was changed after it was applied", migration->version);
            return why;
        }
    }
    return NULL;
}
