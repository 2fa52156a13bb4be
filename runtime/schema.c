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

/* Statements for many sagas and keys at once (group_set.c). A statement by itself would be planned for tables without statistics, or for
 * the ten elements that an array is taken for, as a join that reads all of a table, and keep that plan. So they are functions, which have
 * settings of their own: each row is found by its key, whatever is known of the tables. A state is compared as an expression, so that no
 * index of running sagas is taken for the key's. */
static const char sets[] =
    "CREATE FUNCTION ec.saga_advance(uuid[], bigint[], int[], text[], text[], jsonb[], text[]) RETURNS TABLE (member "
    "bigint, touched int, state text) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off "
    "SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  RETURN QUERY WITH s AS (UPDATE ec.saga g SET step = i.step, attempts = 0, next_at = NULL, last_error = NULL\n"
    "    FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS i (id, fence, step, answered, phase, reply, next, n)\n"
    "    WHERE g.id = i.id AND g.fence = i.fence AND coalesce(g.state) IN ('running', 'compensating') RETURNING i.*),\n"
    "  a AS (UPDATE ec.saga_step t SET state = 'done', reply = coalesce(s.reply, t.reply), error = NULL, at = now()\n"
    "    FROM s WHERE t.saga_id = s.id AND t.step = s.answered AND t.phase = s.phase),\n"
    "  x AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT s.id, s.next, s.phase, 'sent', 1 FROM "
    "s\n"
    "    WHERE s.next IS NOT NULL ON CONFLICT (saga_id, step, phase) DO NOTHING)\n"
    "  SELECT s.n, 1, NULL::text FROM s;\n"
    "END $$;\n"
    "CREATE FUNCTION ec.saga_compensate(uuid[], bigint[], int[], text[], text[], text[], text[], text[]) RETURNS TABLE "
    "(member bigint, touched int, state text) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan "
    "= off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  RETURN QUERY WITH s AS (UPDATE ec.saga g SET state = 'compensating', step = i.step, error = i.error, detail = "
    "i.detail, attempts = 0, next_at = NULL, last_error = NULL\n"
    "    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY AS i (id, fence, step, answered, became, error, "
    "detail, next, n)\n"
    "    WHERE g.id = i.id AND g.fence = i.fence AND coalesce(g.state) IN ('running', 'compensating')\n"
    "    RETURNING i.*, 'do' AS phase, NULL::jsonb AS reply),\n"
    "  a AS (UPDATE ec.saga_step t SET state = s.became, reply = coalesce(s.reply, t.reply), error = s.error, at = now()\n"
    "    FROM s WHERE t.saga_id = s.id AND t.step = s.answered AND t.phase = s.phase),\n"
    "  x AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT s.id, s.next, 'undo', 'sent', 1 FROM s\n"
    "    WHERE s.next IS NOT NULL ON CONFLICT (saga_id, step, phase) DO NOTHING)\n"
    "  SELECT s.n, 1, NULL::text FROM s;\n"
    "END $$;\n"
    "CREATE FUNCTION ec.saga_end(uuid[], bigint[], text[], text[], text[], text[], jsonb[], text[], text[]) RETURNS TABLE "
    "(member bigint, touched int, state text) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan "
    "= off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  RETURN QUERY WITH s AS (UPDATE ec.saga g SET state = i.ends, error = i.error, detail = i.detail, ended_at = now(), "
    "owner = NULL, lease_until = NULL, next_at = NULL\n"
    "    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) WITH ORDINALITY\n"
    "      AS i (id, fence, ends, answered, phase, became, reply, error, detail, n)\n"
    "    WHERE g.id = i.id AND g.fence = i.fence AND coalesce(g.state) IN ('running', 'compensating') RETURNING i.*),\n"
    "  a AS (UPDATE ec.saga_step t SET state = s.became, reply = coalesce(s.reply, t.reply), error = CASE WHEN s.became = "
    "'done' THEN NULL ELSE s.error END, at = now()\n"
    "    FROM s WHERE t.saga_id = s.id AND t.step = s.answered AND t.phase = s.phase)\n"
    "  SELECT s.n, 1, NULL::text FROM s;\n"
    "END $$;\n"
    "CREATE FUNCTION ec.inbox_reply(text[], jsonb[]) RETURNS TABLE (member bigint, touched int, state text) LANGUAGE "
    "plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET "
    "enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  RETURN QUERY WITH u AS (UPDATE ec.inbox b SET reply = i.reply FROM unnest($1, $2) WITH ORDINALITY AS i (key, reply, "
    "n)\n"
    "    WHERE b.key = i.key RETURNING i.n)\n"
    "  SELECT u.n, 1, NULL::text FROM u;\n"
    "END $$;\n"
    "CREATE FUNCTION ec.inbox_replied(text[], timestamptz[], jsonb[], int[]) RETURNS TABLE (member bigint, touched int, "
    "state text) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan "
    "= off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  RETURN QUERY WITH i AS MATERIALIZED (SELECT * FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS v (key, lease, reply, "
    "status, n)),\n"
    "  u AS (UPDATE ec.inbox b SET state = 'done', status = i.status, reply = i.reply, lease_until = NULL\n"
    "    FROM i WHERE b.key = i.key AND (b.state = 'running' AND b.lease_until = i.lease\n"
    "      OR i.lease IS NULL AND b.state = 'done' AND b.reply IS NULL) RETURNING i.n)\n"
    "  SELECT i.n, (SELECT count(*) FROM u WHERE u.n = i.n)::int, (SELECT b.state FROM ec.inbox b WHERE b.key = i.key) "
    "FROM i;\n"
    "END $$;\n";

static const char holds[] =
    "CREATE FUNCTION ec.inbox_hold(text[], timestamptz[]) RETURNS bigint LANGUAGE plpgsql SET plan_cache_mode = "
    "force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin "
    "= off AS $$\n"
    "BEGIN\n"
    "  RETURN (SELECT count(*) FROM (SELECT 1 FROM unnest($1, $2) AS i (key, lease) JOIN ec.inbox b ON b.key = i.key\n"
    "    WHERE b.state = 'running' AND b.lease_until = i.lease FOR UPDATE OF b) AS held);\n"
    "END $$;\n";

/* Pages with room: a saga's row is written once for each step and once more, and where the next version finds room on the page of the last
 * one and no index names what has changed, the indexes are left alone (README.HOT of PostgreSQL). And a step belongs to a saga that its own
 * statement has just written: a foreign key would look that up and lock it for each step. What it did when a saga goes, a trigger does.
 * Tables are locked in the order in which statements lock them. */
static const char roomy[] =
    "LOCK TABLE ec.saga, ec.saga_step IN ACCESS EXCLUSIVE MODE;\n"
    "ALTER TABLE ec.saga SET (fillfactor = 60);\n"
    "ALTER TABLE ec.saga_step SET (fillfactor = 70);\n"
    "ALTER TABLE ec.inbox SET (fillfactor = 70);\n"
    "ALTER TABLE ec.saga_step DROP CONSTRAINT saga_step_saga_id_fkey;\n"
    "CREATE FUNCTION ec.saga_gone() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET "
    "enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$\n"
    "BEGIN\n"
    "  DELETE FROM ec.saga_step t USING gone WHERE t.saga_id = gone.id;\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER saga_gone AFTER DELETE ON ec.saga REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "
    "ec.saga_gone();\n";
static const char tight[] =
    "LOCK TABLE ec.saga, ec.saga_step IN ACCESS EXCLUSIVE MODE;\n"
    "DROP TRIGGER saga_gone ON ec.saga;\n"
    "DROP FUNCTION ec.saga_gone;\n"
    "ALTER TABLE ec.saga_step ADD CONSTRAINT saga_step_saga_id_fkey FOREIGN KEY (saga_id) REFERENCES ec.saga ON DELETE CASCADE;\n"
    "ALTER TABLE ec.inbox RESET (fillfactor);\n"
    "ALTER TABLE ec.saga_step RESET (fillfactor);\n"
    "ALTER TABLE ec.saga RESET (fillfactor);\n";

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
    {.version = "000000_ec_4",
     .up = sets,
     .down = "DROP FUNCTION ec.saga_advance, ec.saga_compensate, ec.saga_end, ec.inbox_reply, ec.inbox_replied;\n"},
    {.version = "000000_ec_5", .up = holds, .down = "DROP FUNCTION ec.inbox_hold;\n"},
    {.version = "000000_ec_6", .up = roomy, .down = tight},
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
