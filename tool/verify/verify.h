/* `ecomc verify`: scenarios are played on the system that is up, and what its processes tell of their messages is held against what is
 * derived.
 *
 * verify.c plays one scenario: it makes what is assumed true, plays, waits for the trace, compares, mends. assume.c has what an assumption
 * means for the running system, play.c the requests, system.c what is asked of processes, caches and the collector. Memory is the
 * command's arena, but the loop and its clients, which ecc_verify_close ends.
 */
#ifndef ECC_VERIFY_H
#define ECC_VERIFY_H

#include "../load/load.h"
#include "../trace/traces.h"
#include "../up/faults.h"

enum ecc_verdict_kind { ECC_VERIFY_SAME, ECC_VERIFY_DIFFERENT, ECC_VERIFY_SKIPPED };

struct ecc_verify {
    struct ecc_cli *cli;
    struct ecc_arena *arena;
    struct ecc_up *up;
    const struct ecc_model *model;
    const struct json_t *state; /* of `up`, when verify began */
    int studio;                 /* the port of the collector */
    int lock;
    bool assumed; /* --assume: a scenario may end otherwise than it expects */
};

/* One scenario, once. */
struct ecc_verified {
    const struct ecc_scenario *scenario;
    enum ecc_verdict_kind verdict;
    const char *why; /* SKIPPED */
    char trace_id[33];
    const struct ecc_derived *derived;
    struct ecc_derived *recorded;
    struct ecc_differences differences;
    double seconds;
};

/* Requests of a scenario on their way. */
struct ecc_play {
    struct ecc_load *load;
    char trace_id[33];
    const char *answer; /* what was wrong with the last answer, or NULL */
};

extern volatile int ecc_verify_interrupted; /* a signal has come: mend and go */

/* verify.c. Returns 0 with *out, or an exit code after saying why. */
int ecc_verify_scenario(struct ecc_verify *v, const struct ecc_scenario *scenario, struct ecc_verified *out);

/* assume.c */
const char *ecc_verify_refusal(struct ecc_verify *v, const struct ecc_scenario *scenario); /* why it can't be played here; NULL: it can */
int ecc_verify_alone(struct ecc_verify *v, const struct ecc_derived *derived);             /* one replica has the breakers of the story */
/* What is assumed from the `given` of that number on; behind the last one: all that is left, for `when`. */
int ecc_verify_assume(struct ecc_verify *v, const struct ecc_scenario *scenario, size_t given);
/* All closed, and nothing counted; but of those that are or will be broken. */
int ecc_verify_breakers(struct ecc_verify *v, const struct ecc_scenario *scenario);
int ecc_verify_consumers(struct ecc_verify *v, const struct ecc_derived *derived); /* that hear of something are there */
int ecc_verify_caches(struct ecc_verify *v, const struct ecc_derived *derived);    /* that are read are empty */

/* faults.c: of an assumption. */
const char *ecc_assume_text(struct ecc_arena *arena, const struct ecc_assume *a); /* as the language has it: `thing-svc hangs` */
const char *ecc_unbreakable(struct ecc_up *up, const struct ecc_assume *a);       /* why it can't be made true; NULL: it can */
int ecc_break(struct ecc_up *up, const struct ecc_assume *a, const char *by);     /* FAILS of a provider, HANGS, DOWN; once */
int ecc_break_node(struct ecc_up *up, const char *text, const char *by, const struct ecc_node *node, bool hangs);
bool ecc_is_broken(struct ecc_up *up, const char *text);
/* Compiles the topology again with `assume TEXT` for each text in the scenario. Returns 0, or an exit code after showing why not. */
int ecc_assume_more(struct ecc_cli *cli, struct ecc_topology *topology, const struct ecc_scenario *s, const char *const *texts, size_t n);

/* play.c */
/* Signs in, plays what is given; watch: who is told of that, or NULL. */
int ecc_play_open(struct ecc_verify *v, const struct ecc_scenario *scenario, const struct ecc_load_watch *watch, struct ecc_play *play);
void ecc_play_hex(char *out, size_t bytes); /* never all zero; 2 * bytes + 1 */
void ecc_play_close(struct ecc_play *play);
/* `when`, so many times; told: its trace is recorded. */
int ecc_play_when(struct ecc_play *play, int times, bool told);

/* system.c */
/* A request to a port of this machine. The answer's text, the arena's; NULL when there is none. */
const char *ecc_verify_ask(struct ecc_verify *v, int port, const char *method, const char *path, int *status);
enum ecc_breaker_now { ECC_BREAKER_CLOSED_NOW, ECC_BREAKER_HALF_OPEN_NOW, ECC_BREAKER_OPEN_NOW, ECC_BREAKER_UNKNOWN_NOW };
enum ecc_breaker_now ecc_verify_breaker(struct ecc_verify *v, const struct ecc_edge *edge); /* the worst of all replicas */
bool ecc_verify_gathered(struct ecc_verify *v, const struct ecc_node *service);             /* its consumers have all of their partitions */
int ecc_verify_forget(struct ecc_verify *v, const struct ecc_keyspace *keyspace);           /* nothing is cached in it */
int ecc_verify_renew(struct ecc_verify *v, const struct ecc_node *node);                    /* breakers of all of its processes */
struct ecc_derived *ecc_verify_trace(struct ecc_verify *v, const struct ecc_scenario *scenario, const char *id);

#endif
