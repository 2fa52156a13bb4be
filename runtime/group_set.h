/* Of one commit, what many members ask for in the same words is one statement with arrays. group.c's alone. */
#ifndef EC_GROUP_SET_H
#define EC_GROUP_SET_H

#include "group.h"

struct ec_group_answers {
    void (*unit)(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply);      /* data: the unit */
    void (*statement)(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply); /* data: the statement */
    void (*set)(const struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply); /* it is not OK: of nobody alone */
};

/* Statements of one unit, as they are. */
void ec_group_send_unit(struct ec_pg_conn *conn, struct ec_group_unit *unit, const struct ec_group_answers *answers);
/* Those of all units of a list, or of none; what is remembered until the answers is in the arena. */
void ec_group_send_all(struct ec_pg_conn *conn, struct ec_group_unit *units, struct ec_arena *arena,
                       const struct ec_group_answers *answers);
/* Of each unit of a list that begins with a guard what is asked ahead of it, which is then left out of what is sent. Whether there was any.
 */
bool ec_group_send_ahead(struct ec_pg_conn *conn, struct ec_group_unit *units, struct ec_arena *arena,
                         const struct ec_group_answers *answers);

#endif
