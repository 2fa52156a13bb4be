/* Migrations that this binary knows: the runtime's own, then the service's. */
#ifndef EC_SCHEMA_H
#define EC_SCHEMA_H

#include "pg.h"

/* i from 0; NULL after the last. */
const struct ec_migration *ec_schema_migration(const struct ec_service *service, size_t i);
extern const size_t ec_schema_own; /* how many of them are the runtime's */
extern const struct ec_sql ec_schema_applied; /* version, sha256 of what the database has */
/* NULL when the database has everything that this binary expects; else why not, valid until the next call. */
const char *ec_schema_compare(const struct ec_service *service, const struct pg_result *applied);

#endif
