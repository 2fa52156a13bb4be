/* .ecom/state.json, read: by ecomc and by programs that know nothing else of `up`.
 *
 * A process is told from a later one with the same number by its start time (field 22 of /proc/PID/stat).
 */
#ifndef ECC_STATE_H
#define ECC_STATE_H

#include <stdint.h>
#include <sys/types.h>

struct json_t;

struct json_t *ecc_state_read(const char *path); /* NULL: nothing is up. The caller's */
/* [{"text", "by", "kind", "processes"}] of home/faults.json: what is broken on purpose (faults.c). The caller's. */
struct json_t *ecc_faults_read(const char *home);
uint64_t ecc_start_ticks(pid_t pid); /* 0: no such process */

#endif
