/* Random bytes and digests.
 *
 * getrandom costs a system call, a span or an id needs 8 bytes: they are taken from a buffer that is filled 4096 bytes at a time and
 * wiped as it is used. A child of fork must not hand out its parent's bytes: the buffer is dropped there. Loop thread only.
 */
#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>

#include "app.h"

static uint8_t buffer[4096];
static size_t left; /* unused bytes, at the end */

static void forget(void)
{
    memset(buffer, 0, sizeof(buffer));
    left = 0;
}

static void from_kernel(uint8_t *out, size_t n)
{
    while (n) {
        ssize_t got = getrandom(out, n, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            ec_panic("the kernel gives no random bytes");
        }
        out += got;
        n -= (size_t)got;
    }
}

void ec_random(void *out, size_t n)
{
    static bool watching;
    uint8_t *from;

    if (!watching) {
        watching = true;
        pthread_atfork(NULL, NULL, forget);
    }
    if (n > sizeof(buffer) / 4) {
        from_kernel(out, n);
        return;
    }
    if (n > left) {
        from_kernel(buffer, sizeof(buffer));
        left = sizeof(buffer);
    }
    from = buffer + sizeof(buffer) - left;
    memcpy(out, from, n);
    memset(from, 0, n);
    left -= n;
}

uint64_t ec_random_u64(void)
{
    uint64_t value;

    ec_random(&value, sizeof(value));
    return value;
}

double ec_random_unit(void)
{
    return (double)(ec_random_u64() >> 11) * 0x1p-53;
}

void ec_sha256(const void *bytes, size_t n, uint8_t out[32])
{
    /* Fetched once: a lookup of the algorithm by name costs more than hashing a request. */
    static EVP_MD *sha256;
    static EVP_MD_CTX *context;

    if (!context) {
        sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
        context = EVP_MD_CTX_new();
    }
    if (!sha256 || !context || !EVP_DigestInit_ex2(context, sha256, NULL) || !EVP_DigestUpdate(context, bytes, n) ||
        !EVP_DigestFinal_ex(context, out, NULL))
        ec_panic("SHA-256 is not available");
}

void ec_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = 0;
}
