/* Networks in which only those meet who talk to each other: each pair that has a conversation shares one, and no network has two members
 * that have none. Where networks are kept apart, a connection that is not declared finds no way. */
#ifndef ECC_NETWORKS_H
#define ECC_NETWORKS_H

#include "deploy.h"

struct ecc_network {
    const char *name;     /* its members with _ between them; what is too long ends in a hash; at most 48 bytes of [a-z0-9_-] */
    const char **members; /* names of processes and stores, sorted */
    size_t nmembers;
};

struct ecc_networks { struct ecc_network *items; size_t n, cap; };

/* Without externals and sandboxes. */
struct ecc_networks ecc_networks(struct ecc_arena *arena, const struct ecc_deploy *deploy);
const char *ecc_network_name(struct ecc_arena *arena, const char **members, size_t n);

#endif
