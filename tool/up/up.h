/* `ecomc up` and `ecomc dev`: what is to run (struct ecc_proc), where it lives (struct ecc_up), and the supervisor that runs it.
 *
 * prepare.c goes from a topology to a plan: generated/ is written, keys.c, postgres.c and kafka.c prepare what the processes need on disk,
 * plan_system.c derives them from the model, build.c builds and puts their programs where they run from. supervisor.c brings a plan
 * about by stages (change.c: where it differs from what runs), run.c starts, probes and restarts one process, state.c tells other
 * commands about it. `dev` makes a plan of each text of the topology that watch.c sees. A plan lives in the arena of its struct ecc_up:
 * with `up` there is one, for the life of the command, with `dev` one for each text.
 */
#ifndef ECC_UP_H
#define ECC_UP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli.h"
#include "state.h"

enum ecc_stage { ECC_STAGE_INFRA, ECC_STAGE_MIGRATE, ECC_STAGE_SERVICE, ECC_STAGE_GATEWAY, ECC_STAGES };

/* X(enumerator, word in status) */
#define ECC_PROC_STATES(X)                                                                                                            \
    X(WAITING, "waiting")                                                                                                             \
    X(STARTING, "starting")                                                                                                           \
    X(READY, "ready")                                                                                                                 \
    X(UNREADY, "not ready")                                                                                                           \
    X(BACKOFF, "restarting")                                                                                                          \
    X(STOPPING, "stopping")                                                                                                           \
    X(ENDED, "ended")                                                                                                                 \
    X(FAILED, "failed") /* could not be started, until the topology changes */

enum ecc_proc_state {
#define X(e, n) ECC_PROC_##e,
    ECC_PROC_STATES(X)
#undef X
};
extern const char *const ecc_proc_state_names[];

enum ecc_probe { ECC_PROBE_TCP, ECC_PROBE_HTTP, ECC_PROBE_POSTGRES, ECC_PROBE_FILE };

/* A process as it is to be. Nothing of it changes once the plan is made. */
struct ecc_proc {
    const char *name, *kind; /* "thing-svc-2", "service" */
    const char *node;        /* whose it is; replicas share it */
    enum ecc_stage stage;
    bool once;               /* runs to its end, which must be 0 */
    bool as_postgres;        /* under the account that may run the database */
    const char **argv;       /* NULL-terminated */
    const char *unit;        /* the program of generated/ that argv[0] is, or NULL */
    const char *version;     /* tells what it is made of from what it was made of before; "" where all is in argv and env */
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
    const char *reload_path, *reload; /* a file that it reads when it starts and on SIGHUP, and its text; or NULL */
};

struct ecc_run; /* a process that lives: run.h */
struct ecc_runs { struct ecc_run **items; size_t n, cap; };

struct ecc_place { const char *node; int kind, slot; }; /* which of the ports of its kind a node has */

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
    const struct ecc_up *older; /* the plan before this one, whose nodes keep their ports; or NULL */
    struct { struct ecc_place *items; size_t n, cap; } places;
    struct { struct ecc_proc **items; size_t n, cap; } procs; /* the plan */
    struct ecc_runs runs;    /* of the supervisor: what there is */
    const char *doing;       /* shown above the table in place of what is usual; or NULL */
    int progress_fd;         /* where progress lines go: 2, or the pipe to the waiting parent of --detach */
};

/* Each returns 0, or an exit code after one line on stderr. */
int ecc_up_options(struct ecc_cli *cli, struct ecc_up *up); /* of the commands that bring a system up */
int ecc_up_layout(struct ecc_up *up, struct ecc_cli *cli, const char *topology);
int ecc_up_lock(struct ecc_up *up); /* until the process ends; sweeps up what a killed supervisor left */
void ecc_up_lock_is_mine(void);     /* after a fork: `down` asks this process */
int ecc_up_prepare(struct ecc_up *up, struct ecc_cli *cli, struct ecc_topology *topology); /* all up to the build, and the plan */
int ecc_up_keys(struct ecc_up *up);
int ecc_up_postgres(struct ecc_up *up);
int ecc_up_kafka(struct ecc_up *up);
int ecc_up_plan(struct ecc_up *up);
int ecc_up_place(struct ecc_up *up);       /* part of the plan: ports */
int ecc_up_check_ports(struct ecc_up *up); /* of what is planned and does not run */
int ecc_up_build(struct ecc_up *up);       /* generated/ */
int ecc_up_install(struct ecc_up *up);     /* after the build: the plan's programs stand where they run from */
int ecc_up_run(struct ecc_up *up);         /* until it is told to stop */

/* The build in steps, for who can't wait: runs each of the commands with its output in log. */
struct ecc_up_build { const char **commands[2]; size_t n; const char *log; };
void ecc_up_build_begin(struct ecc_up *up, struct ecc_up_build *build);
int ecc_up_build_failed(struct ecc_up *up, const struct ecc_up_build *build, int code); /* says why; returns an exit code */
void ecc_up_clean_programs(struct ecc_up *up); /* removes those that nobody runs from */

/* The file with the public keys of whoever calls node, a JWKS; another set of them has another name. NULL after saying why. */
const char *ecc_up_callers_keys(struct ecc_up *up, const struct ecc_node *node);

/* A path below home; made of printf parts, folders are created. */
const char *ecc_up_path(struct ecc_up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ecc_up_mkdirs(const char *path); /* like mkdir -p; 0 or -1 with errno */
int ecc_write_private(const char *path, const char *text); /* 0600, by rename; 0 or -1 with errno */
void ecc_up_progress(const struct ecc_up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Starts a command with its output in log; it ends when we do. Returns -1 with errno when it could not be started. */
pid_t ecc_up_spawn(struct ecc_up *up, const char *const *argv, const char *cwd, const char *log, bool as_postgres);
/* The same to its end. Returns its exit code, or -1 with errno. */
int ecc_up_execute(struct ecc_up *up, const char *const *argv, const char *cwd, const char *log, bool as_postgres);

/* Ports. */
enum ecc_port { ECC_PORT_STUDIO = 3000, ECC_PORT_ADMIN = 9080, ECC_PORT_SERVICE = 9100, ECC_PORT_SANDBOX = 9500, ECC_PORT_REDIS = 9600, ECC_PORT_KAFKA = 9610 };
int ecc_up_port(const struct ecc_up *up, const struct ecc_node *node); /* of its first replica; 0: it has none */
int ecc_up_admin_port(const struct ecc_up *up, const struct ecc_node *gateway);
bool ecc_external_is_real(const struct ecc_node *node); /* its secret stands in our environment */
const char *ecc_env_name(struct ecc_arena *arena, const char *node, const char *suffix); /* thing-svc, _URL: THING_SVC_URL */
const char *ecc_database_dir(struct ecc_up *up, const char *service);
const char *ecc_database_url(struct ecc_up *up, const char *service);

/* State on disk: .ecom/state.json; read with state.h */
uint32_t ecc_state_fingerprint(const struct ecc_up *up); /* changes when a process does; never 0 */
int ecc_state_write(const struct ecc_up *up, bool ready);
/* Of the bus that is up: a fixed address, or the embedded broker's, which changes. NULL: there is none. */
const char *ecc_up_brokers(struct ecc_up *up);
void ecc_state_sweep(const char *path); /* ends what a killed supervisor left behind */

#endif
