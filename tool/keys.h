/* Makes keys, random values and certificates. Every text is in the arena; where one can't be made the answer is NULL or false, and who
 * asked says so. */
#ifndef ECC_KEYS_H
#define ECC_KEYS_H

#include <stdbool.h>

struct ecc_arena;

const char *ecc_key_new(struct ecc_arena *arena, const char *kid);    /* a private JWK, P-256 */
const char *ecc_key_public(struct ecc_arena *arena, const char *jwk); /* the public half of such a one; NULL: it is none */
const char *ecc_random_hex(struct ecc_arena *arena);                  /* 32 random bytes, 64 digits */

struct ecc_authority { const char *ca, *certificate, *key; }; /* PEM */
/* An authority and a certificate by it. names: as OpenSSL writes subjectAltName (`DNS:localhost,IP:127.0.0.1`). The authority's own key is
 * forgotten: nobody can sign with it later. */
bool ecc_authority_new(struct ecc_arena *arena, const char *name, const char *names, struct ecc_authority *made);
bool ecc_certificate_is_for(const char *pem, const char *host);

#endif
