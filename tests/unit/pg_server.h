/* A PostgreSQL server of the test's own: a fresh cluster in a private folder, reached over a Unix socket only. */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include <stdbool.h>

struct pg_server;
struct pg_server *pg_server_start(void);             /* NULL: there is no PostgreSQL; ends the test otherwise */
const char *pg_server_url(struct pg_server *server); /* of database "postgres" */
void pg_server_restart(struct pg_server *server);    /* at once: connections break */
void pg_server_halt(struct pg_server *server);
void pg_server_resume(struct pg_server *server);
void pg_server_pause(struct pg_server *server); /* who comes now gets no answer; who is connected is served */
void pg_server_go_on(struct pg_server *server);
void pg_server_stop(struct pg_server *server); /* and removes the folder */

/* Runs SQL on a connection of its own, waiting. Returns the first cell (malloc'd, NULL: none); fails the test on an error. */
char *pg_server_ask(struct pg_server *server, const char *sql);
long pg_server_count(struct pg_server *server, const char *sql);
void pg_server_run(struct pg_server *server, const char *sql);

#endif
