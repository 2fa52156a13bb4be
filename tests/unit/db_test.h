/* What tests on a database share: the server, the process state, a loop that runs until something is so, and tasks whose end is kept. */
#ifndef DB_TEST_H
#define DB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate.h"
#include "pg.h"
#include "pg_server.h"

struct ended {
    bool over, accepted, unknown;
    const struct ec_error *error;
    char name[64], detail[256], out[512]; /* of the error; out: the reply as JSON */
    int retry_after_s;
};

extern struct pg_server *db_server;
extern struct ec_service db_service;

int db_group_setup(void **state); /* starts the server and migrates it */
int db_group_teardown(void **state);
void db_open(const struct ec_module *const *more); /* the process state, ec_module_pg and more modules; waits until ready */
void db_open_unready(const struct ec_module *const *more);
void db_close(void);
int db_migrate(const char *verb, const char *option);
void db_cut(void); /* breaks all connections but the asker's own */

/* Runs the loop until the condition holds; fails the test after 30 seconds. */
#define DB_UNTIL(condition)                                                             \
    do {                                                                                \
        uint64_t db_limit_ = uv_hrtime() + 30000000000u;                                \
        while (!(condition)) {                                                          \
            if (uv_hrtime() > db_limit_)                                                \
                fail_msg("%s:%d: %s never came about", __FILE__, __LINE__, #condition); \
            db_turn();                                                                  \
        }                                                                               \
    } while (0)
void db_turn(void);
void db_pass(int ms); /* runs the loop for that long */

struct ec_task *db_task(const struct ec_program *program, struct ended *ended); /* not started; deadline in 10 s */
void db_key(struct ec_task *task, const char *key, const char *undoes);
void db_run(const struct ec_program *program, struct ended *ended, const char *key, const char *undoes); /* waits for its end */

#endif
