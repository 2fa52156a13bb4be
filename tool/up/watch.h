/* Tells when a topology, or the C code beside it (custom/), has changed. Editors replace files by rename, write them in place, or both: so
 * whole folders are watched, and what counts is whether the files are others than before, once it has been quiet for a moment. */
#ifndef ECC_WATCH_H
#define ECC_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ecc_watch_folder;

struct ecc_watch {
    uv_loop_t *loop;
    const char *root, *file; /* the folder, and the name of the topology in it */
    void (*changed)(void *data); /* something may have changed; called in the loop */
    void *data;
    uv_timer_t quiet;
    uint64_t first;          /* ms; of the events that are waited out; 0: none */
    struct ecc_watch_folder *folders;
    int error;               /* of libuv: why a folder could not be watched */
};

/* root and file stay the caller's. Nothing is watched before the first look. */
void ecc_watch_open(struct ecc_watch *watch, uv_loop_t *loop, const char *root, const char *file, void (*changed)(void *data), void *data);
/* Looks at all files, and watches the folders that are there. Another value than before: something has changed. since: what has come into
 * its place after this time (seconds since 1970, 0: nothing) with an older time of change gets the present one: a build looks at that. */
uint64_t ecc_watch_look(struct ecc_watch *watch, int64_t since);
void ecc_watch_free(struct ecc_watch *watch); /* once the loop is closed, and all of its handles with it */

#endif
