/* Fuzzes what is made of Redis' bytes. Beside memory errors it looks for what must hold of every input: the replies, and whether the bytes
 * are Redis' at all, are the same however they are cut.
 *
 * See tests/fuzz/run.py.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/redis_render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ec_buf whole = {0}, pieces = {0};
    bool right = redis_render_all(&whole, (const char *)data, size, size);

    for (size_t step = 1; step < 4; step++) {
        pieces.n = 0;
        if (redis_render_all(&pieces, (const char *)data, size, step) != right || pieces.n != whole.n ||
            (whole.n && memcmp(pieces.p, whole.p, whole.n)))
            abort();
    }
    ec_buf_free(&whole);
    ec_buf_free(&pieces);
    return 0;
}
