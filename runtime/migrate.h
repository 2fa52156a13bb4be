/* The commands `migrate` and `check-sql` of ec_module_pg. */
#ifndef EC_MIGRATE_H
#define EC_MIGRATE_H

#include "app.h"

extern const struct ec_command ec_migrate_commands[];

#endif
