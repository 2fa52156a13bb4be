/* A request of a scenario as bytes: compiled once into pieces, put together anew for each sending with a fresh unique() wherever the
 * scenario has one, a fresh Idempotency-Key where the route takes one, and the token of whoever sends it.
 */
#ifndef ECC_MESSAGE_H
#define ECC_MESSAGE_H

#include "http.h"
#include "model.h"

enum ecc_piece_kind { ECC_PIECE_TEXT, ECC_PIECE_UNIQUE, ECC_PIECE_SAME };

struct ecc_piece {
    enum ecc_piece_kind kind;
    const char *text; /* TEXT; SAME: the wire name of the field */
};

struct ecc_message {
    const struct ecc_request *request;
    const char *head;   /* request line and headers that never change */
    bool signed_in;     /* goes with a token */
    bool has_body;
    struct { struct ecc_piece *items; size_t n, cap; } body;
};

/* Somebody who is signed in. */
struct ecc_sender {
    char *token;
    struct json_t *first; /* what its first request sent: `same.field` is a field of that */
};

/* Values that nobody else has: a random word of this run, and a number. */
struct ecc_uniques { char run[9]; uint64_t n; };
void ecc_uniques_init(struct ecc_uniques *uniques);

/* first: the request that `same` means, or NULL. */
void ecc_message_init(struct ecc_message *message, struct ecc_arena *arena, const struct ecc_request *request,
                      const struct ecc_request *first, bool signed_in);
/* Add to the buffers: the head without host, content-length and the empty line, and the body. sender may be NULL where the message is not
 * signed_in and has no `same`. */
void ecc_message_write(const struct ecc_message *message, const struct ecc_sender *sender, struct ecc_uniques *uniques, struct ec_buf *head,
                       struct ec_buf *body);

#endif
