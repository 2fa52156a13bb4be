/* Faults that are made on purpose in the system that is up (faults.c). */
#ifndef ECC_FAULTS_H
#define ECC_FAULTS_H

#include "up.h"

enum ecc_fault_kind { ECC_FAULT_STOPPED, ECC_FAULT_HELD, ECC_FAULT_SCRIPTED };

struct ecc_fault {
    enum ecc_fault_kind kind;
    const char *text; /* as the language says it: `thing-svc hangs` */
    const char *by;   /* who mends it: `verify`, or `hand` */
    const char *const *processes;
    size_t nprocesses;
    const char *call; /* SCRIPTED: of the provider, and the status that it answers with */
    int status;
};

/* The processes of a node, by name; of a provider, its sandbox. */
const char *const *ecc_fault_processes(struct ecc_up *up, const struct ecc_node *node, size_t *n);

/* Who makes or mends faults holds this; -1: somebody else does. Close it to let go. */
int ecc_faults_lock(const char *home);
/* Each returns 0, or an exit code after saying why. What is made has taken effect; what is mended is ready again. */
int ecc_fault_make(struct ecc_up *up, const struct ecc_fault *fault);
int ecc_fault_mend(struct ecc_up *up, const char *by, const char *text); /* all that fit; NULL: any */
void ecc_faults_forget(const char *home);                                /* of a system that has gone */

/* What the supervisor keeps down. */
struct ecc_held {
    struct json_t *faults;
    bool there;
    unsigned long inode;
    long sec, nsec;
};
void ecc_held_look(struct ecc_held *held, const char *home); /* reads the list when it is another */
bool ecc_fault_holds(const struct json_t *faults, const char *process);

#endif
