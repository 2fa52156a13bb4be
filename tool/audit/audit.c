#include "audit.h"

int ecc_audit_begin(struct ecc_cli *cli, struct ecc_up *up)
{
    (void)cli;
    (void)up;
    return 0;
}

int ecc_audit_end(struct ecc_cli *cli, struct ecc_up *up, int *violations)
{
    (void)cli;
    (void)up;
    *violations = 0;
    return 0;
}
