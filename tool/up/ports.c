/* Who has which port: of each kind a node has a place, in the order of the topology, and keeps it while `dev` changes what stands around
 * it. */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVICES = 100, SANDBOXES = 100, GATEWAYS = 5, GATEWAY_REPLICAS = 4 };

/* How many there can be of a kind that has ports; 0: it has none. */
static int most(const struct ecc_node *node)
{
    switch (node->kind) {
    case ECC_NODE_SERVICE:
        return SERVICES;
    case ECC_NODE_GATEWAY:
        return GATEWAYS;
    case ECC_NODE_EXTERNAL:
        return ecc_external_is_real(node) ? 0 : SANDBOXES;
    case ECC_NODE_CLIENT:
    case ECC_NODE_BUS:
    case ECC_NODE_CACHE:
        break;
    }
    return 0;
}

static const struct ecc_place *find(const struct ecc_up *up, const struct ecc_node *node)
{
    for (size_t i = 0; up && i < up->places.n; i++)
        if (up->places.items[i].kind == (int)node->kind && !strcmp(up->places.items[i].node, node->name))
            return &up->places.items[i];
    return NULL;
}

static bool is_taken(const struct ecc_up *up, const struct ecc_node *node, int slot)
{
    for (size_t i = 0; up && i < up->places.n; i++)
        if (up->places.items[i].kind == (int)node->kind && up->places.items[i].slot == slot)
            return true;
    return false;
}

/* The first that nobody has; at best also nobody who is about to go. -1: there is none. */
static int free_slot(const struct ecc_up *up, const struct ecc_node *node)
{
    int n = most(node);

    for (int slot = 0; slot < n; slot++)
        if (!is_taken(up, node, slot) && !is_taken(up->older, node, slot))
            return slot;
    for (int slot = 0; slot < n; slot++)
        if (!is_taken(up, node, slot))
            return slot;
    return -1;
}

int ecc_up_place(struct ecc_up *up)
{
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_place *place = find(up->older, up->model->nodes[i]);
        if (place && most(up->model->nodes[i]))
            ECC_PUSH(up->arena, &up->places, ((struct ecc_place){up->model->nodes[i]->name, place->kind, place->slot}));
    }
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (!most(node) || find(up, node))
            continue;
        int slot = free_slot(up, node);
        if (slot < 0)
            return ecc_say_error(ECC_EXIT_FAILED, "%s: no more than %d of its kind can run on one machine", node->name, most(node));
        ECC_PUSH(up->arena, &up->places, ((struct ecc_place){node->name, (int)node->kind, slot}));
    }
    return 0;
}

int ecc_up_port(const struct ecc_up *up, const struct ecc_node *node)
{
    const struct ecc_place *place = find(up, node);

    if (!place)
        return 0; /* a real provider, a client */
    if (node->kind == ECC_NODE_GATEWAY)
        return node->u.gateway.port + up->port_base;
    return (node->kind == ECC_NODE_SERVICE ? ECC_PORT_SERVICE : ECC_PORT_SANDBOX) + up->port_base + place->slot;
}

int ecc_up_admin_port(const struct ecc_up *up, const struct ecc_node *gateway)
{
    return ECC_PORT_ADMIN + up->port_base + GATEWAY_REPLICAS * find(up, gateway)->slot;
}

static bool is_ours(const struct ecc_up *up, int port)
{
    for (size_t i = 0; i < up->runs.n; i++)
        if (up->runs.items[i]->proc->port == port || up->runs.items[i]->proc->shown_port == port)
            return true;
    return false;
}

int ecc_up_check_ports(struct ecc_up *up)
{
    int code = 0;

    for (size_t i = 0; i < up->procs.n; i++) {
        const struct ecc_proc *proc = up->procs.items[i];
        int ports[] = {proc->shown_port, proc->port};
        for (int k = 0; k < 2; k++) {
            struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ports[k])};
            int fd, one = 1;
            if (ports[k] <= 0 || (k && ports[1] == ports[0]) || is_ours(up, ports[k]))
                continue;
            if (ports[k] > 65535)
                return ecc_say_error(ECC_EXIT_USAGE, "port %d (%s) is over 65535; use a smaller --port-base", ports[k], proc->name);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1))
                code = ecc_say_error(ECC_EXIT_FAILED, "port %d (%s) is %s; free it, or move every port with --port-base N", ports[k],
                                     proc->name, errno == EADDRINUSE ? "in use" : strerror(errno));
            if (fd >= 0)
                close(fd);
        }
    }
    return code;
}
