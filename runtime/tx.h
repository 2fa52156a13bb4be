/* Bursts and transactions: what inbox.c, outbox.c and saga.c build on.
 *
 * A burst is a few statements that go out together and end with one sync. In a task's transaction it uses the transaction's connection
 * (taken, with BEGIN and the inbox barrier, by the first burst); without one it borrows a connection for itself and is a transaction of its
 * own.
 */
#ifndef EC_TX_H
#define EC_TX_H

#include "pg.h"

struct ec_burst { /* in the task's arena */
    struct ec_task *task;
    void (*send)(struct ec_burst *burst); /* adds the statements; or NULL */
    void (*done)(struct ec_burst *burst); /* all is answered; an own connection is given back by now */
    void *data;
    bool commits; /* COMMIT ends it */
    bool insists; /* goes on after the task's deadline: ROLLBACK, COMMIT and what settles a key */
    /* outcome */
    const struct ec_error *error; /* of the first statement that failed; NULL: all worked, and where it commits it has committed */
    const struct ec_sql *failed;  /* which one */
    char sqlstate[6];
    bool lost;       /* the connection broke: what the server did is not known */
    bool repeatable; /* a deadlock */
    /* tx.c's */
    struct ec_group_unit *shared; /* in the place of a connection: the group lane sends it (tx_defer.c) */
    struct ec_pg_conn *conn;
    struct ec_pg_wait wait;
    struct ec_pg_cmd sync;
};
void ec_burst_start(struct ec_burst *burst);
/* In send. row, or NULL, is called with the answer when it is OK; once more when the whole has to be sent again. */
void ec_burst_add(struct ec_burst *burst, const struct ec_sql *sql, struct ec_pg_values values,
                  void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data), void *data);

/* SQL that must touch a row has this around it: no row is a division by zero, which keeps the COMMIT behind it in the same burst from
 * happening. Told from a real one by the statement that failed. */
#define EC_TX_GUARD(update) "WITH guarded AS (" update " RETURNING 1) SELECT 1 / count(*) FROM guarded"
bool ec_burst_refused(const struct ec_burst *burst, const struct ec_sql *guard);

/* ------------------------------------------------------------------ transactions */

struct ec_tx_deferred; /* tx_defer.c */
struct ec_tx {
    struct ec_pg_conn *conn;
    bool barrier; /* goes out with BEGIN */
    bool begun, lost;
    struct ec_tx_rider *riders, **end;
    struct ec_tx_deferred *deferred, **deferred_end; /* not sent yet */
    bool unsendable;                                 /* one of them has a value that can't be sent */
    bool shares;                                     /* one of ec_tx_begin_shared */
    bool own;                                        /* on a connection of its own: the group lane has given it back */
    struct ec_group_unit *open;                      /* in the lane, which waits for its commit */
    struct ec_tx_place {
        int step;
        uint16_t starts;
        uint32_t ids, calls;
    } begin; /* where the program began it */
};

struct ec_tx_rider { /* something that goes with the commit */
    struct ec_tx_rider *next;
    void (*send)(struct ec_tx_rider *rider, struct ec_burst *burst);
    void (*committed)(struct ec_tx_rider *rider, struct ec_task *task); /* or NULL */
    bool fences;                                                        /* is refused when it is sent again after it was committed */
};
void ec_tx_ride(struct ec_task *task, struct ec_tx_rider *rider);
void ec_tx_open(struct ec_task *task, bool barrier); /* nothing is sent yet */
void ec_tx_close(struct ec_task *task);              /* gives the connection back: committed, rolled back or lost */
/* ROLLBACK and the stored outcome of the task's key, with which the task ends. */
void ec_tx_settle(struct ec_task *task);

/* The program goes on from there when it is resumed; a zeroed place is its first step. */
void ec_tx_go_back(struct ec_task *task, const struct ec_tx_place *place);

/* What has been deferred goes out, in a burst's send. */
void ec_tx_send_deferred(struct ec_burst *burst);

/* Sharing a commit (tx_share.c). */
bool ec_tx_can_share(const struct ec_task *task);
void ec_burst_share_add(struct ec_burst *burst, const struct ec_sql *sql, struct ec_pg_values values,
                        void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data), void *data);
/* A burst that begins a transaction whose commit will follow it at once, when it is done. */
void ec_burst_open(struct ec_burst *burst);
/* A burst that commits: one that was opened, or one of which nothing has been sent; or, without a transaction, is one of its own. */
void ec_burst_share(struct ec_burst *burst);
/* The burst's outcome, from the first statement that failed. */
void ec_burst_note(struct ec_burst *burst, const struct ec_sql *sql, const struct ec_pg_reply *reply);

/* Before the last commit of a program: saga.c adds the instance's end. NULL when it is not linked. */
extern void (*ec_tx_before_last)(struct ec_task *task);

void ec_tx_start(void);
void ec_tx_stop(void);

#endif
