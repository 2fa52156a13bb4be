/* What compose.yaml and stack.yaml are written with: the parts that every container has, in either language. emit_compose.c says how the
 * files are made, compose_store.c has the stores, compose_parts.c the rest. Nodes live in the arena of struct ecc_compose. */
#ifndef ECC_COMPOSE_H
#define ECC_COMPOSE_H

#include "networks.h"
#include "yaml.h"

#define ECC_PROGRAM_USER "${EC_USER:-10001:10001}" /* owns the files of the secrets; ecomc secrets tells it */
#define ECC_SECRETS_AT "/run/secrets/"

struct ecc_size {
    const char *cpus, *memory, *pids;
};

/* Who is in which network: sorted by member, then as the networks are. */
struct ecc_place_in {
    const char *member;
    size_t network;
};
struct ecc_places_in {
    struct ecc_place_in *items;
    size_t n, cap;
};

/* Leads nowhere; out; or in, for what is published: an answer finds its way back, and nothing that is begun inside. On a swarm IN is OUT. */
enum ecc_leads { ECC_LEADS_NOWHERE, ECC_LEADS_OUT, ECC_LEADS_IN };

struct ecc_compose {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_deploy *deploy;
    struct ecc_networks nets;
    const char *context; /* of the images that are built */
    bool swarm;
    struct ecc_places_in places;
    struct ecc_yaml *services, *networks, *volumes, *secrets; /* but for the services, they outlast the arena of one */
};

#define ECC_WORDS(arena, ...) \
    ecc_compose_words(arena, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})
#define ECC_TMPFS(o, service, ...) \
    ecc_compose_tmpfs(o, service, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

/* ends: a job, which is begun again only when it fails. replicas: a number, or a variable that holds one. user NULL: as the image says.
 * start: how long it may take to come up; it is healthy as soon as it is. */
struct ecc_yaml *ecc_compose_words(struct ecc_arena *arena, size_t n, const char *const *items);
void ecc_compose_tmpfs(struct ecc_compose *o, struct ecc_yaml *service, size_t n, const char *const *paths);
void ecc_compose_common(struct ecc_compose *o, struct ecc_yaml *service, const char *user, const struct ecc_size *size,
                        const char *grace, bool ends);
struct ecc_yaml *ecc_compose_deploy(struct ecc_compose *o, struct ecc_yaml *service, const char *replicas, bool ends);
void ecc_compose_health(struct ecc_yaml *service, struct ecc_yaml *test, const char *start);
void ecc_compose_depend(struct ecc_compose *o, struct ecc_yaml *service, const char *on, const char *condition);
void ecc_compose_secret(struct ecc_yaml *service, const char *name);
void ecc_compose_declare_secrets(struct ecc_compose *o, bool sandbox);
void ecc_compose_declare_network(struct ecc_compose *o, const char *name, enum ecc_leads leads);
void ecc_compose_join(struct ecc_yaml *service, const char *network);
void ecc_compose_join_as(struct ecc_yaml *service, const char *network, const char *alias);
void ecc_compose_places(struct ecc_compose *o);
const struct ecc_place_in *ecc_compose_place(const struct ecc_compose *o, const char *name);
const struct ecc_place_in *ecc_compose_open_place(const struct ecc_compose *o, const char *name);
bool ecc_compose_last_place(const struct ecc_compose *o, const struct ecc_place_in *place);
void ecc_compose_join_all(struct ecc_compose *o, struct ecc_yaml *service, const char *name);
void ecc_compose_alone(struct ecc_compose *o, struct ecc_yaml *service, const char *name);
struct ecc_yaml *ecc_compose_service(struct ecc_compose *o, const char *name, const char *image);
void ecc_compose_volume(struct ecc_compose *o, struct ecc_yaml *service, const char *name, const char *path);
void ecc_compose_store(struct ecc_compose *o, const struct ecc_store *store);

#endif
