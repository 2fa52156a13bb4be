/* What the commands of a service's binary share. */
#ifndef EC_COMMAND_H
#define EC_COMMAND_H

#include "app.h"

/* Text that came from outside, and so does not reach a terminal as it is: control characters, and those that turn the direction of writing,
 * are escaped; with `lines`, line ends and tabs stay. */
void ec_shown_add(struct ec_buf *out, struct ec_str text, bool lines);

/* The value of an option, as `--name value` or `--name=value`; NULL: argv[*at] is another word. */
const char *ec_command_value(const char *name, int argc, char **argv, int *at);

#endif
