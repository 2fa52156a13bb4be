/* Counting of instructions: under callgrind, what stands between two of these is a figure of its own, by name; without it nothing happens.
 */
#ifndef GUARD_H
#define GUARD_H

#include <valgrind/callgrind.h>

/* Runs `body` `warm` times for nothing, so that tables are filled and memory is there, then `times` times to be counted. A name that is
 * counted several times has its least. */
#define GUARD(name, warm, times, body)                                 \
    do {                                                               \
        for (int guard_i = 0; guard_i < (warm) + (times); guard_i++) { \
            if (guard_i == (warm))                                     \
                CALLGRIND_ZERO_STATS;                                  \
            body;                                                      \
        }                                                              \
        CALLGRIND_DUMP_STATS_AT(name);                                 \
        printf("%s %d\n", name, times); /* what to divide by */        \
    } while (0)

#endif
