/* What is deployed: the processes of a topology with all that each is told, the stores that they need, the secrets, and who talks to whom.
 *
 * Derived from the model once, for every emitter that writes how to run it (compose, Kubernetes, the configuration table, dashboards),
 * so that they can't differ. A name of a process or a store is its host name in every deployment. Nothing here is a value of a secret:
 * a setting that is secret names the file that holds it (`ecomc secrets` makes these files). Lists are sorted by
 * name, so that the order of a topology means nothing here. Everything lives in the arena that ecc_deploy was given.
 *
 * All caches of a topology are one Redis, and all buses one Kafka, as a process has one REDIS_URL and one KAFKA_BROKERS; the store has
 * the name of the first in the alphabet.
 */
#ifndef ECC_DEPLOY_H
#define ECC_DEPLOY_H

#include "model.h"

struct ecc_arena;

enum {
    ECC_DEPLOY_PORT = 8080,         /* a service's listener: operations, health, metrics */
    ECC_DEPLOY_SANDBOX_PORT = 8443, /* HTTPS */
    ECC_DEPLOY_DATABASE_PORT = 5432,
    ECC_DEPLOY_CACHE_PORT = 6379,
    ECC_DEPLOY_BUS_PORT = 9092,
    ECC_DEPLOY_STUDIO_PORT = 3000, /* the page, and what processes tell of their messages */
};

/* X(name, what it is): where the value of a setting comes from */
#define ECC_SOURCES(X)                                                                                                                \
    X(FIXED, "the deployment itself: value has it")                                                                                   \
    X(DATABASE, "the URL of its own database, with its password")                                                                     \
    X(CACHE, "the URL of the cache: value has it")                                                                                    \
    X(BUS, "the bus's first brokers: value has it")                                                                                   \
    X(PEER, "the URL of a service that it calls: value has it, node is the service")                                                  \
    X(BASE, "the base URL of a provider; node is the external, dflt the topology's")                                                  \
    X(KEY, "its own private key, a JWK")                                                                                              \
    X(CALLERS, "the public keys of its callers, a JWKS")                                                                              \
    X(TOKEN, "the key that signs the tokens of users: whoever deploys may choose it, else it is random")                              \
    X(GIVEN, "a secret or a setting of the topology: whoever deploys knows it")                                                       \
    X(AUTHORITY, "the deployment, where there is a CA beside the system's: with sandboxes theirs")                                             \
    X(CERTIFICATE, "the certificate that it shows, PEM")                                                                              \
    X(CERTIFICATE_KEY, "the private key of the certificate, PEM")                                                                     \
    X(TUNING, "the process itself: dflt says what without it is done")
enum ecc_source_kind {
#define X(name, what) ECC_SOURCE_##name,
    ECC_SOURCES(X)
#undef X
};

struct ecc_deploy_setting {
    const char *name;             /* PORT, DATABASE_URL, THING_SVC_URL; also NAME_FILE in its place, with a path */
    const char *what;             /* what it is for, half a sentence */
    enum ecc_source_kind source;
    const struct ecc_node *node;  /* PEER, BASE, GIVEN of an external, or NULL */
    const char *value;            /* what a deployment sets, or NULL */
    const char *dflt;             /* without it, as text, or NULL; the default of a secret is never written anywhere */
    bool required;                /* the process does not start without it */
    const char *secret;           /* the secret that holds it (`thing-svc-db.url`), or NULL: not secret. It is mounted as a file, and ... */
    bool path;                    /* ... NAME is its path; else NAME_FILE is */
};

enum ecc_process_kind { ECC_PROCESS_SERVICE, ECC_PROCESS_GATEWAY, ECC_PROCESS_SANDBOX };

struct ecc_process {
    enum ecc_process_kind kind;
    const char *name;             /* `mailer-sandbox` for that of an external; also its binary and its folder in generated/ */
    const struct ecc_node *node;
    int port;                     /* of operations, of the public, of the sandbox */
    int admin_port;               /* health (/livez, /readyz) and metrics (/metrics); a service's is `port`; 0: a sandbox */
    int workers;
    bool tls;                     /* `port` is HTTPS */
    const struct ecc_store *database; /* or NULL; then the binary has `migrate up [--seed]` */
    bool has_seed;
    struct ecc_deploy_setting *settings;
    size_t nsettings;
};

enum ecc_store_kind { ECC_STORE_DATABASE, ECC_STORE_CACHE, ECC_STORE_BUS };

struct ecc_store {
    enum ecc_store_kind kind;
    const char *name;             /* `thing-svc-db`, `redis` */
    const struct ecc_node *node;  /* the service whose database it is; the first cache, bus */
    int port;
    const char *user;             /* DATABASE: role and database, `thing_svc` */
    const char *secret;           /* DATABASE: the secret that holds the password */
};

/* from opens connections to to. An external is no process and no store: node has it, host and port are of its base in the topology. */
struct ecc_conversation {
    const char *from, *to;        /* names of processes and stores, or of an external */
    int port;
    const struct ecc_node *external; /* or NULL */
    const char *host;             /* of external */
};

/* X(name, what): how a secret comes to be */
#define ECC_SECRETS(X)                                                                                                                \
    X(PASSWORD, "random")                                                                                                             \
    X(DATABASE_URL, "made of the password of `of`")                                                                                   \
    X(KEY, "a new P-256 key with the kid of the process")                                                                             \
    X(CALLERS, "the public halves of the keys of its callers")                                                                        \
    X(TOKEN, "given, or random")                                                                                                      \
    X(GIVEN, "given; random when the sandbox takes the external's place")                                                             \
    X(CERTIFICATE, "given")                                                                                                           \
    X(CERTIFICATE_KEY, "given")                                                                                                       \
    X(SANDBOX_CA, "an authority whose key nobody keeps")                                                                              \
    X(SANDBOX_CERTIFICATE, "for the names of all sandboxes")                                                                          \
    X(SANDBOX_KEY, "its private key")
enum ecc_secret_kind {
#define X(name, what) ECC_SECRET_##name,
    ECC_SECRETS(X)
#undef X
};

struct ecc_deploy_secret {
    const char *name;             /* of the file, and in the deployment: [a-z0-9.-]+; without a dot: what the topology names */
    enum ecc_secret_kind kind;
    const struct ecc_node *node;  /* whose it is, or NULL */
    const struct ecc_store *store; /* PASSWORD, DATABASE_URL */
    const char *env;              /* TOKEN, GIVEN, CERTIFICATE...: the variable by which it is given */
    bool sandbox;                 /* only sandboxes need it */
};

struct ecc_deploy {
    struct ecc_process **processes; /* services, gateways and sandboxes; a sandbox belongs only to a system without its provider */
    size_t nprocesses;
    struct ecc_store **stores;
    size_t nstores;
    struct ecc_conversation *conversations;
    size_t nconversations;
    struct ecc_deploy_secret *secrets;
    size_t nsecrets;
};

const struct ecc_deploy *ecc_deploy(struct ecc_arena *arena, const struct ecc_model *model);
const struct ecc_process *ecc_deploy_process(const struct ecc_deploy *deploy, const char *name); /* or NULL */
/* Those whom a process or store opens connections to: how many, and the first of them. */
size_t ecc_deploy_from(const struct ecc_deploy *deploy, const char *name, const struct ecc_conversation **first);
/* The store of a kind, or NULL; node: the service whose database it is, else not looked at. */
const struct ecc_store *ecc_deploy_store(const struct ecc_deploy *deploy, enum ecc_store_kind kind, const struct ecc_node *node);

#endif
