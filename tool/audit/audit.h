/* The audit: what must hold on a running system when nothing is under way any more, asked of its databases, topics and sandboxes.
 *
 * Some of it the compiler derives for any topology: every saga has ended, with all of its steps done or what was done undone, and the
 * participants say the same; what was published is in its topic, unchanged, in order for each key, and nothing else is; each event has its
 * effect in each group. The rest are the topology's own invariants.
 *
 * stage.c gathers all that is asked in one transaction of the first service's database, which is rolled back: nothing stays, even after a
 * kill, and every question is plain SQL. record.c lets triggers note what is published, because the outbox forgets what was delivered.
 * derived.c has the questions, audit.c asks and reports. Memory is the command's arena.
 */
#ifndef ECC_AUDIT_H
#define ECC_AUDIT_H

#include <jansson.h>
#include <libpq-fe.h>

#include "../up/up.h"

enum { ECC_AUDIT_SHOWN = 5 };

/* One question and its answer. */
struct ecc_audit_check {
    const char *title;
    const char *skipped; /* why it could not be asked, or NULL */
    int violations;
    int told;            /* rows that are no violations, of what is only told */
    const char *rows[ECC_AUDIT_SHOWN]; /* the first ones: "column=value ..." */
};
struct ecc_audit_checks {
    struct ecc_audit_check *items;
    size_t n, cap;
};

/* ------------------------------------------------------------------ for commands */

/* The value of --within, seconds from 0 to 3600; NULL is 60. 0, or an exit code after one line on stderr. */
int ecc_audit_within(const char *text, int *within_ms);
/* From now on everything that is published is noted, until ecc_audit_end. Each returns 0, or an exit code after one line on stderr. */
int ecc_audit_begin(struct ecc_up *up);
int ecc_audit_forget(struct ecc_up *up); /* ends the noting without a question */
/* Waits until nothing is under way (at most within_ms), asks everything, ends the noting. */
int ecc_audit_end(struct ecc_up *up, int within_ms, struct ecc_audit_checks *checks);
bool ecc_audit_under_way(struct ecc_up *up); /* a saga runs, or an event waits to be published */
int ecc_audit_violations(const struct ecc_audit_checks *checks);
void ecc_audit_print(const struct ecc_audit_checks *checks);
json_t *ecc_audit_json(const struct ecc_audit_checks *checks); /* [{check, violations, told, rows, skipped}] */
/* Fills in up, for the system that runs in this folder; *state is what its supervisor says of it, the caller's to free. */
int ecc_audit_attach(struct ecc_cli *cli, struct ecc_up *up, struct ecc_topology *topology, json_t **state);

/* ------------------------------------------------------------------ inside */

PGconn *ecc_audit_connect(struct ecc_up *up, const char *service); /* NULL after saying why */
/* Runs a statement that must work. False after saying why. */
bool ecc_audit_do(PGconn *conn, const char *what, const char *sql);
/* ecom-reader with these words; its output. NULL with errno. ecc_audit_reader_close returns its exit code. */
FILE *ecc_audit_reader(struct ecc_up *up, pid_t *pid, const char *const *words);
int ecc_audit_reader_close(FILE *out, pid_t pid);
bool ecc_audit_publishes(const struct ecc_node *node); /* a service with an edge that publishes */

/* record.c */
struct ecc_record_start { /* what stood in the topics when noting began */
    bool on;
    const char *since; /* timestamptz */
    json_t *ends;      /* "topic/partition": offset */
};
void ecc_record_load(struct ecc_up *up, struct ecc_record_start *start); /* on false: nothing is being noted */

/* stage.c: the transaction with everything in it. */
struct ecc_audit_stage {
    struct ecc_up *up;
    PGconn *conn;
    struct ecc_record_start record;
    const char *forgotten; /* why the topics can't be held against what was noted, or NULL */
};
int ecc_audit_stage_open(struct ecc_up *up, struct ecc_audit_stage *stage);
/* The tables of an invariant's nodes, in their schemas. *why: it can't be asked here. */
int ecc_audit_stage_invariant(struct ecc_audit_stage *stage, const struct ecc_invariant *invariant, const char **why);
void ecc_audit_stage_close(struct ecc_audit_stage *stage);

/* derived.c */
void ecc_audit_derived(struct ecc_audit_stage *stage, struct ecc_audit_checks *checks);
/* Asks; a statement that fails is a violation that says why. */
void ecc_audit_ask(PGconn *conn, struct ecc_arena *arena, struct ecc_audit_checks *checks, const char *title, const char *sql);

#endif
