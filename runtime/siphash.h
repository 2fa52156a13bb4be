/* SipHash-2-4 (Aumasson, Bernstein): for tables whose keys strangers choose. Who does not know the key can't find names that collide. */
#ifndef EC_SIPHASH_H
#define EC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t ec_siphash(const uint8_t key[16], const void *bytes, size_t n);

#endif
