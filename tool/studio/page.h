/* The files of the page, made from studio/dist by embed.py. */
#ifndef ECC_STUDIO_PAGE_H
#define ECC_STUDIO_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct studio_file {
    const char *path, *type; /* "/assets/app-0A1B2C3D.js", "text/javascript; charset=utf-8" */
    bool immutable;          /* its name has a hash of its content */
    const char *tag, *packed_tag;
    const char *plain, *packed; /* packed: gzip; NULL where that gains nothing */
    size_t nplain, npacked;
};

extern const struct studio_file studio_files[];
extern const size_t studio_nfiles;

#endif
