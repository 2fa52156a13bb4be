/* Compact JWS (RFC 7515) under the rules of RFC 8725: a key has one algorithm, and a token is only ever checked with that. */
#ifndef EC_JWS_H
#define EC_JWS_H

#include "arena.h"

struct ec_jws_key;

/* ES256, from a JWK on P-256. Returns NULL with a message that names no value in *why. The kid is copied, NUL-terminated and malloc'd, NULL
 * when absent. */
struct ec_jws_key *ec_jws_key_p256(struct ec_str jwk, bool private_part, char **kid, const char **why);
/* HS256; NULL when the secret is shorter than 32 bytes (RFC 7518, 3.2). */
struct ec_jws_key *ec_jws_key_secret(struct ec_str secret);
void ec_jws_key_free(struct ec_jws_key *key);

/* Adds the token to out; kid may be NULL. */
bool ec_jws_sign(const struct ec_jws_key *key, const char *typ, const char *kid, struct ec_str payload, struct ec_buf *out);

/* What the header says, unverified: data to choose a key by. False: not a token. */
bool ec_jws_kid(struct ec_arena *arena, struct ec_str token, struct ec_str *kid);

/* True when the signature is the key's, and alg and typ are as they must be; adds the payload to out. */
bool ec_jws_verify(const struct ec_jws_key *key, const char *typ, struct ec_str token, struct ec_buf *payload);

#endif
