/* Random bytes from the kernel, through a buffer of the process; SHA-256 for keys that have to be derived. */
#ifndef EC_RANDOM_H
#define EC_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void ec_random(void *out, size_t n);
uint64_t ec_random_u64(void);
double ec_random_unit(void); /* 0 <= x < 1, for jitter */

void ec_sha256(const void *bytes, size_t n, uint8_t out[32]);
void ec_hex(const void *bytes, size_t n, char *out); /* 2 n characters and a NUL */

#endif
