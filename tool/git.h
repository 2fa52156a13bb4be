/* Files as they were at a commit, by git as a child process. */
#ifndef ECC_GIT_H
#define ECC_GIT_H

#include "cli.h"

/* Does ref name a commit of the repository that folder is in? */
bool ecc_git_knows(struct ecc_cli *cli, const char *folder, const char *ref);
/* The file `name` of folder at ref, in the arena. *absent: there was none. False after saying why it can't be read. */
bool ecc_git_read(struct ecc_cli *cli, const char *folder, const char *ref, const char *name, char **text, size_t *length, bool *absent);

#endif
