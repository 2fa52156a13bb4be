/* `dead-letters list|show|replay`, a command of the consumer's module. */
#ifndef EC_BUS_LETTERS_CMD_H
#define EC_BUS_LETTERS_CMD_H

#include "app.h"

extern const struct ec_command ec_dead_letter_commands[];

#endif
