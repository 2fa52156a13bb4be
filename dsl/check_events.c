/* Rules of events: who reads one version of an event reads each that is declared, since any of them may come. */
#include "resolve.h"

#include <string.h>

static bool consumes(const struct ecc_service *service, const char *group, const struct ecc_event *event)
{
    for (size_t i = 0; i < service->nconsumers; i++)
        if (service->consumers[i]->event == event && service->consumers[i]->group && strcmp(service->consumers[i]->group, group) == 0)
            return true;
    return false;
}

static void check_versions(struct ecc_resolver *r, const struct ecc_service *service, const struct ecc_consumer *consumer)
{
    for (size_t i = 0; i < r->model->nevents; i++) {
        const struct ecc_event *other = r->model->events[i];

        if (strcmp(other->name, consumer->event->name) != 0 || consumes(service, consumer->group, other))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_VERSION_MISSED, consumer->span, "group %s consumes %s v%d, but not v%d",
                                      consumer->group, other->name, consumer->event->version, other->version);
        ecc_diag_second(d, other->span, "messages of this version may come, too");
        ecc_diag_help(r->diags, d, "add `on %s v%d(...)` to the group", other->name, other->version);
    }
}

void ecc_check_events(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->model->nnodes; i++) {
        const struct ecc_node *node = r->model->nodes[i];

        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nconsumers; k++) {
            const struct ecc_consumer *consumer = node->u.service.consumers[k];
            if (consumer->event && consumer->event->several && consumer->group)
                check_versions(r, &node->u.service, consumer);
        }
    }
}
