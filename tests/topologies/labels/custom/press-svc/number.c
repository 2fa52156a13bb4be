/* press-svc.Number: an id that is the same again under the same key. */
#include "custom.h"

void number_custom(struct ec_task *task, void **own, struct ec_str text, struct sheet *out)
{
    (void)own;
    if (ec_str_eq(text, EC_STR("no paper"))) {
        ec_fail_with(task, &error_no_paper);
        return;
    }
    *out = (struct sheet){.id = ec_new_id(task), .text = text};
    ec_reply(task, out);
}
