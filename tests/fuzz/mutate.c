/* How topologies are changed by the fuzzers that read them.
 *
 * Bytes alone seldom get past the grammar, so most mutations move whole words and lines: a word takes the place of one that is
 * spelt alike, so that what comes out is often well-formed, and wrong in its meaning. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

struct piece { size_t at, n; };

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool in_word(uint8_t c)
{
    return isalnum(c) || c == '_' || c == '-';
}

/* A word, or a sign when there is none, at a place by chance. */
static struct piece some_word(const uint8_t *data, size_t size, uint32_t *state)
{
    size_t at = next_random(state) % size, end;

    for (int tries = 0; tries < 8 && isspace(data[at]); tries++)
        at = next_random(state) % size;
    end = at + 1;
    if (in_word(data[at])) {
        while (at > 0 && in_word(data[at - 1]))
            at--;
        while (end < size && in_word(data[end]))
            end++;
    }
    return (struct piece){at, end - at};
}

/* Keywords and names, types, numbers, signs: what is spelt alike often fits the same place. */
static int spelling(uint8_t c)
{
    return islower(c) ? 0 : isupper(c) ? 1 : isdigit(c) ? 2 : c;
}

/* A line, or the block that begins with it. */
static struct piece some_lines(const uint8_t *data, size_t size, uint32_t *state)
{
    size_t at = next_random(state) % size, end;
    int depth = 0;

    while (at > 0 && data[at - 1] != '\n')
        at--;
    for (end = at; end < size; end++) {
        depth += (data[end] == '{') - (data[end] == '}');
        if (data[end] == '\n' && depth <= 0)
            return (struct piece){at, end + 1 - at};
    }
    return (struct piece){at, size - at};
}

/* Puts a copy of `from` in place of `into`; 0 when it does not fit. */
static size_t replace(uint8_t *data, size_t size, size_t max_size, struct piece into, struct piece from)
{
    if (size - into.n + from.n > max_size || size - into.n + from.n == 0)
        return 0;
    uint8_t *copy = malloc(from.n ? from.n : 1);
    if (!copy)
        return 0;
    memcpy(copy, data + from.at, from.n);
    memmove(data + into.at + from.n, data + into.at + into.n, size - into.at - into.n);
    memcpy(data + into.at, copy, from.n);
    free(copy);
    return size - into.n + from.n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint32_t state = seed * 2654435761u | 1;
    struct piece a, b;
    size_t n = 0;

    if (size == 0 || next_random(&state) % 8 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    for (unsigned rounds = 1 + next_random(&state) % 2; rounds > 0; rounds--, size = n ? n : size) {
        switch (next_random(&state) % 6) {
        case 0: /* another word */
        case 1:
        case 2:
            a = some_word(data, size, &state);
            b = some_word(data, size, &state);
            for (int tries = 0; tries < 16 && spelling(data[a.at]) != spelling(data[b.at]); tries++)
                b = some_word(data, size, &state);
            break;
        case 3: /* no word */
            a = some_word(data, size, &state);
            b = (struct piece){a.at, 0};
            break;
        case 4: /* lines again, elsewhere */
            b = some_lines(data, size, &state);
            a = (struct piece){some_lines(data, size, &state).at, 0};
            break;
        default: /* lines less */
            a = some_lines(data, size, &state);
            b = (struct piece){a.at, 0};
            break;
        }
        n = replace(data, size, max_size, a, b);
    }
    return size;
}
