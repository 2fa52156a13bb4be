/* The runtime's own errors: one object each, from the list in ec.h. Static; compared by name. */
#include "ec.h"

#define X(id, error_name, error_status, error_title)                                                                                  \
    const struct ec_error ec_error_##id = {.name = (error_name), .status = (error_status), .title = (error_title)};
EC_ERRORS(X)
#undef X
