/* `ecomc up`: what is to run (struct ecc_proc), where it lives (struct ecc_up), and the supervisor that runs it.
 *
 * plan_system.c derives the processes from the model; postgres.c, kafka.c, keys.c and services.c prepare what they need on disk;
 * supervisor.c starts them by stages, probes, restarts and stops them; state.c tells other commands about it. Everything lives in
 * one arena for the life of the command.
 */
#ifndef ECC_UP_H
#define ECC_UP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli.h"

enum ecc_stage { ECC_STAGE_INFRA, ECC_STAGE_MIGRATE, ECC_STAGE_SERVICE, ECC_STAGE_GATEWAY, ECC_STAGES };

/* X(enumerator, word in status) */
#define ECC_PROC_STATES(X)                                                                                                            \
    X(WAITING, "waiting")                                                                                                             \
    X(STARTING, "starting")                                                                                                           \
    X(READY, "ready")                                                                                                                 \
    X(UNREADY, "not ready")                                                                                                           \
    X(BACKOFF, "restarting")                                                                                                          \
    X(STOPPING, "stopping")                                                                                                           \
    X(ENDED, "ended")

enum ecc_proc_state {
#define X(e, n) ECC_PROC_##e,
    ECC_PROC_STATES(X)
#undef X
};
extern const char *const ecc_proc_state_names[];

enum ecc_probe { ECC_PROBE_TCP, ECC_PROBE_HTTP, ECC_PROBE_POSTGRES, ECC_PROBE_FILE };

struct ecc_proc {
    const char *name, *kind; /* its node, and what it is: "service" */
    enum ecc_stage stage;
    bool once;               /* runs to its end, which must be 0 */
    bool as_postgres;        /* under the account that may run the database */
    const char **argv;       /* NULL-terminated */
    struct { const char **items; size_t n, cap; } env; /* NAME=value; NAME=@path: the file's text, read at each start */
    const char *cwd;
    enum ecc_probe probe;
    int port;                /* TCP, HTTP: of the probe */
    int shown_port;          /* what a person would use; 0: none */
    const char *probe_path;  /* POSTGRES: connection string; FILE: path */
    int stop_signal;
    int ready_within_ms;
    const char *log;
    bool address_changes;    /* its users are restarted when it comes back (embedded broker) */
    bool uses_address;
    /* Of the supervisor. */
    enum ecc_proc_state state;
    pid_t pid;
    uint64_t start_ticks;    /* from /proc, tells a reused pid */
    int restarts, failures;  /* failures in a row */
    char reason[200];        /* why it is not ready */
    void *run;
};

struct ecc_up {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const char *topology;    /* the file */
    const char *root;        /* its folder, absolute */
    const char *home;        /* root/.ecom */
    const char *database_home; /* home, or a folder under /var/tmp when the database's account can't reach home or its path is too long */
    const char *bin;         /* the folder of ecomc's own executable */
    const char *kafka;       /* "embedded", "apache", or NULL with KAFKA_BROKERS */
    const char *brokers;     /* from outside, or the fixed address of Apache Kafka */
    int port_base, replicas;
    int ready_ms;            /* how long a process may take until it is ready */
    int backoff_ms;          /* the longest wait before what has ended is started again */
    bool detach;
    bool color;
    uid_t pg_uid;
    gid_t pg_gid;
    bool switch_user;        /* we are root */
    const char *pg_bin;
    struct { struct ecc_proc **items; size_t n, cap; } procs;
    int progress_fd;         /* where progress lines go: 2, or the pipe to the waiting parent of --detach */
};

/* Each returns 0, or an exit code after one line on stderr. */
int ecc_up_layout(struct ecc_up *up, struct ecc_cli *cli, const char *topology);
int ecc_up_keys(struct ecc_up *up);
int ecc_up_postgres(struct ecc_up *up);
int ecc_up_kafka(struct ecc_up *up);
int ecc_up_services(struct ecc_up *up); /* builds generated/ */
int ecc_up_plan(struct ecc_up *up);
int ecc_up_check_ports(struct ecc_up *up);
int ecc_up_run(struct ecc_up *up);      /* until it is told to stop */

/* A path below home; made of printf parts, folders are created. */
const char *ecc_up_path(struct ecc_up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ecc_up_mkdirs(const char *path); /* like mkdir -p; 0 or -1 with errno */
int ecc_write_private(const char *path, const char *text); /* 0600, by rename; 0 or -1 with errno */
void ecc_up_progress(const struct ecc_up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs a command to its end with its output in log. Returns its exit code, or -1 with errno when it could not be started. */
int ecc_up_execute(struct ecc_up *up, const char *const *argv, const char *cwd, const char *const *extra_env, const char *log,
                   bool as_postgres);

/* Ports. */
enum ecc_port { ECC_PORT_ADMIN = 9080, ECC_PORT_SERVICE = 9100, ECC_PORT_SANDBOX = 9500, ECC_PORT_REDIS = 9600, ECC_PORT_KAFKA = 9610 };
bool ecc_external_is_real(const struct ecc_node *node); /* its secret stands in our environment */
const char *ecc_env_name(struct ecc_arena *arena, const char *node, const char *suffix); /* thing-svc, _URL: THING_SVC_URL */
const char *ecc_database_dir(struct ecc_up *up, const char *service);
const char *ecc_database_url(struct ecc_up *up, const char *service);

/* State on disk: .ecom/state.json */
uint32_t ecc_state_fingerprint(const struct ecc_up *up); /* changes when a process does; never 0 */
int ecc_state_write(const struct ecc_up *up, bool ready);
struct json_t *ecc_state_read(const char *path); /* NULL: nothing is up */
/* Of the bus that is up: a fixed address, or the embedded broker's, which changes. NULL: there is none. */
const char *ecc_up_brokers(struct ecc_up *up);
uint64_t ecc_start_ticks(pid_t pid); /* 0: no such process */
void ecc_state_sweep(const char *path); /* ends what a killed supervisor left behind */

#endif
