/* A request of a scenario as bytes: compiled once into pieces, put together anew for each sending with a fresh unique() wherever the
 * scenario has one, what earlier requests were answered wherever it names that, a fresh Idempotency-Key where the route takes one, and the
 * token of whoever sends it.
 */
#ifndef ECC_MESSAGE_H
#define ECC_MESSAGE_H

#include "http.h"
#include "model.h"

enum ecc_piece_kind { ECC_PIECE_TEXT, ECC_PIECE_UNIQUE, ECC_PIECE_SAME, ECC_PIECE_ANSWER };

struct ecc_piece {
    enum ecc_piece_kind kind;
    const char *text;                  /* TEXT; SAME: the wire name of the field */
    const struct ecc_sbx_value *value; /* ANSWER */
};
struct ecc_pieces {
    struct ecc_piece *items;
    size_t n, cap;
};

struct ecc_message {
    const struct ecc_request *request;
    struct ecc_pieces target;
    const char *head;   /* headers that never change */
    bool signed_in;     /* goes with a token */
    bool has_body;
    struct ecc_pieces body;
};

/* What requests were answered that have a name; ends with ecc_answers_free. */
struct ecc_answers {
    struct ecc_answered {
        const struct ecc_request *request;
        struct json_t *body;
    } * items;
    size_t n, cap;
};
void ecc_answers_add(struct ecc_answers *answers, struct ecc_arena *arena, const struct ecc_request *request,
                     struct json_t *body); /* shares body */
void ecc_answers_free(struct ecc_answers *answers);

/* Somebody who is signed in. */
struct ecc_sender {
    char *token;
    struct json_t *first; /* what its first request sent: `same.field` is a field of that */
};

/* Values that nobody else has: a random word of this run, and a number. */
struct ecc_uniques { char run[9]; uint64_t n; };
void ecc_uniques_init(struct ecc_uniques *uniques);

/* A text with `{order.id}` in it. */
struct ecc_pieces ecc_pieces_of_text(struct ecc_arena *arena, const char *text, const struct ecc_refs_in *refs);
void ecc_pieces_text(const struct ecc_pieces *pieces, const struct ecc_answers *answers, struct ec_buf *out);

/* first: the request that `same` means, or NULL. */
void ecc_message_init(struct ecc_message *message, struct ecc_arena *arena, const struct ecc_request *request,
                      const struct ecc_request *first, bool signed_in);
/* The first of the answers' fields in the message that is not there, as a person would name it; NULL: all are. */
const char *ecc_message_lacks(struct ecc_arena *arena, const struct ecc_message *message, const struct ecc_answers *answers);
/* Add to the buffers: the head without host, content-length and the empty line, and the body. sender may be NULL where the message is not
 * signed_in and has no `same`, answers where it names none. */
void ecc_message_write(const struct ecc_message *message, const struct ecc_sender *sender, const struct ecc_answers *answers,
                       struct ecc_uniques *uniques, struct ec_buf *head, struct ec_buf *body);

#endif
