/* Cancelling what a connection is doing. */
#ifndef EC_PG_CANCEL_H
#define EC_PG_CANCEL_H

struct pg_conn; /* libpq's PGconn */
struct ec_pg_cancel;

/* over is called from a later turn, when the server has been asked, whatever came of it. NULL: it can't be asked. */
struct ec_pg_cancel *ec_pg_cancel(struct pg_conn *pg, void (*over)(void *data), void *data);
void ec_pg_cancel_forget(struct ec_pg_cancel *cancel); /* over is not called any more */

#endif
