/* .ecom/lock: held for as long as a supervisor lives; the file holds its process id, for `down`. */
#include "up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int lock_fd = -1; /* stays open: closing it would give the lock back */

void ecc_up_lock_is_mine(void)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%-10d\n", (int)getpid()); /* one width: written over, never cut */

    if (pwrite(lock_fd, text, (size_t)n, 0) < 0)
        return; /* a full disk: `down` falls back on the state */
}

int ecc_up_lock(struct ecc_up *up)
{
    const char *path = ecc_up_path(up, "lock");
    int fd = lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB))
        return ecc_say_error(ECC_EXIT_FAILED, "this system is already up; `ecomc status` shows it, `ecomc down` stops it");
    ecc_up_lock_is_mine();
    ecc_state_sweep(ecc_up_path(up, "state.json"));
    return 0;
}
