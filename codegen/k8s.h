/* What the files of generated/k8s share: objects, their names and labels, and the one way in which a file gets there. codegen/emit_k8s.c
 * says what stands where. Everything lives in the arena of the code generator.
 *
 * Every pod has the label `app`: the name of the process or the store that it is, whoever made it (a Deployment, a Job or an operator).
 * Network policies know pods by nothing else. A migration is `<service>.migrate`, which can't be the name of a node.
 */
#ifndef ECC_K8S_H
#define ECC_K8S_H

#include "codegen.h"
#include "deploy.h"
#include "yaml.h"

struct ecc_k8s {
    struct ecc_codegen *cg;
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_deploy *deploy;
};

#define ECC_K8S_SECRETS "secrets"    /* the Secret with all that `ecomc secrets` makes */
#define ECC_K8S_FILES "/run/secrets" /* where a container has its part of them */

enum {
    ECC_K8S_USER = 10001,  /* uid and gid of a process, as in its image */
    ECC_K8S_REPLICAS = 20, /* the most that prod has of one */
};

struct ecc_yaml *ecc_k8s_object(struct ecc_k8s *k, const char *api, const char *kind, const char *name);

/* A file of several objects: begun, filled, ended under its path below k8s/. What belongs together stands together: a folder of a thousand
 * services has not many thousand files. */
struct ecc_k8s_file {
    struct ecc_writer *w;
    bool any;
};
struct ecc_k8s_file ecc_k8s_begin(struct ecc_k8s *k);
void ecc_k8s_add(struct ecc_k8s_file *file, const struct ecc_yaml *object);
void ecc_k8s_end(struct ecc_k8s *k, const struct ecc_k8s_file *file, const char *path);
void ecc_k8s_write(struct ecc_k8s *k, const char *path, const struct ecc_yaml *object); /* of one */

/* The same, in whose arena is what lasts until this is asked for again: a folder's or an object's tree. */
struct ecc_k8s ecc_k8s_scratch(const struct ecc_k8s *k);

/* A kustomization and its list of resources; more are added in the order of their names by who writes it. */
struct ecc_yaml *ecc_k8s_kustomization(struct ecc_k8s *k, struct ecc_yaml **resources);

/* {protocol: TCP, port: <port>}, on one line */
struct ecc_yaml *ecc_k8s_port(struct ecc_k8s *k, int port);
struct ecc_yaml *ecc_k8s_match(struct ecc_k8s *k, const char *label, const char *value); /* {matchLabels: {label: value}} */

/* No root, no right, nothing to write: what the restricted Pod Security Standard asks for, and a read-only root. */
void ecc_k8s_confine(struct ecc_yaml *pod, struct ecc_yaml *container, int user);
void ecc_k8s_resources(struct ecc_yaml *container, const char *cpu, const char *memory, const char *limit);
void ecc_k8s_spread(struct ecc_yaml *pod, const char *app);

void ecc_k8s_process(struct ecc_k8s *k, const char *folder, const struct ecc_process *process); /* its folder */
void ecc_k8s_stores(struct ecc_k8s *k);                                                         /* base/stores */
void ecc_k8s_network(struct ecc_k8s *k);                                                        /* base/network */
struct ecc_yaml *ecc_k8s_edge(struct ecc_k8s *k, const struct ecc_conversation *c);             /* its NetworkPolicy */
void ecc_k8s_overlays(struct ecc_k8s *k);                                                       /* overlays/dev, overlays/prod */

#endif
