/* The inbox: one outcome a key (docs/design.md, Inbox). What tx.c and saga.c need of it. */
#ifndef EC_INBOX_H
#define EC_INBOX_H

#include "tx.h"

/* A keyed task of an ATOMIC program: its transactions begin with the barrier. */
bool ec_inbox_joins(const struct ec_task *task);
extern const struct ec_sql ec_inbox_barrier; /* an EC_TX_GUARD: refused for a duplicate */
void ec_inbox_add_barrier(struct ec_burst *burst);

/* What a commit has to say about the key, or NULL. An EC_TX_GUARD where the claim could be lost. */
const struct ec_sql *ec_inbox_finish(struct ec_task *task, const void *out, bool last, struct ec_pg_values *values);
void ec_inbox_finished(struct ec_task *task, const void *out); /* the last commit has committed */

/* Reads what is stored for the key; then ends the task with it. */
void ec_inbox_add_stored(struct ec_burst *burst);
void ec_inbox_end(struct ec_burst *burst);

/* In the transaction of an undo that was just opened: revokes the key of its do, and resumes the task, or ends it. (inbox_undo.c) */
void ec_inbox_undo(struct ec_task *task);
void ec_inbox_add_claim(struct ec_burst *burst); /* task->claimed says whether it was got */
void ec_inbox_add_done(struct ec_burst *burst);  /* a claim that ends without a body */

/* A failure that will be the same next time: 4xx, but none that speaks of the moment or of the key. */
bool ec_error_final(const struct ec_error *error);
/* The error of that name: of the list, of the runtime, or one made in the arena with this status. */
const struct ec_error *ec_error_named(struct ec_arena *arena, const struct ec_error *const *errors, struct ec_str name, int status);

void ec_inbox_start(void);
void ec_inbox_stop(void);

#endif
