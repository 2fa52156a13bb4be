/* Whether what is up is right after it was under load: the topology's invariants and those that hold for every topology. */
#ifndef ECC_AUDIT_H
#define ECC_AUDIT_H

#include "cli.h"
#include "up/up.h"

/* Before the load: notes how things stand. Each returns 0, or an exit code after one line on stderr. */
int ecc_audit_begin(struct ecc_cli *cli, struct ecc_up *up);
/* After it: waits until nothing is under way any more, and prints what does not hold: on stdout, or on stderr where the format is for
 * machines. */
int ecc_audit_end(struct ecc_cli *cli, struct ecc_up *up, int *violations);

#endif
