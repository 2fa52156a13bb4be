/* From a compiled topology to its folder: what `build` and `up` share. */
#ifndef ECC_BUILD_H
#define ECC_BUILD_H

#include "cli.h"

/* Generates into folder (and ecom.lock beside the topology). check: writes nothing, returns ECC_EXIT_DIFFERENT where it would, naming the
 * files. Diagnostics of the generation are reported here. Returns 0 or an exit code after saying why. */
int ecc_build_into(struct ecc_cli *cli, struct ecc_topology *topology, const char *folder, bool check);

#endif
