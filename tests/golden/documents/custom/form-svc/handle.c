#include "custom.h"

void handle_custom(struct ec_task *task, void **own, struct ec_uuid id, struct pair *out)
{
    (void)own;
    out->left.value = id.b[0];
    ec_reply(task, out);
}
