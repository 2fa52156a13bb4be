/* A saga of three fake steps whose answers the test chooses, and the program that starts it. What was called is in memory that forks share.
 */
#ifndef SAGA_FAKE_H
#define SAGA_FAKE_H

#include "db_test.h"
#include "saga.h"

enum answer { WORKS, REFUSES /* a business error */, UNKNOWN, UNSENT, BUSY /* with this very key */, HANGS /* until fake->let_go */, DIES /* the process */ };

struct fake {
    struct {
        enum answer answers[64];
        int n;
    } steps[3][2]; /* by step and phase: the first n calls; after them it works */
    int calls[3][2];
    int ncalls;
    char trail[4096]; /* "first/do second/do second/undo ..." with ! for background */
    char keys[8][96]; /* of the first calls */
    bool let_go;
};
extern struct fake *fake;

extern const struct ec_saga trip_saga, trip_saga_v2, bare_saga; /* bare: no done, no failed, one step without undo */
extern const struct ec_program start_program;                   /* starts a trip, waits, replies {id} or accepts */
extern const struct ec_program start_bare_program, start_only_program; /* only: one transaction, replies {id} */
extern const struct ec_saga *const fake_sagas[];

extern const struct ec_module *const fake_modules[]; /* for db_open */

void fake_begin(void); /* a new fake, its tables, and a process that has its sagas */
void fake_reset(void);
void fake_answer(int step, int phase, enum answer answer, int times);
void fake_prepare(struct pg_server *server); /* makes the table of effects */
struct ec_task *fake_start(const struct ec_program *program, struct ended *ended, const char *key, int deadline_ms);
void fake_until_ended(void);                                   /* nothing is under way, and no commit either */
void fake_assert_asked(const char *sql, const char *expected); /* what the database answers */

#endif
