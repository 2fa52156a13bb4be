#include "custom.h"

void audit_custom(struct ec_task *task, void **own, struct ec_str from, int64_t limit, struct receipt *out)
{
    (void)own;
    if (!from.n) {
        ec_fail_with(task, &error_missing);
        return;
    }
    *out = (struct receipt){.id = from, .amount = limit};
    ec_reply(task, out);
}
