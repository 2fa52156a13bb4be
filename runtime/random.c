/* Random bytes and digests.
 *
 * getrandom costs a system call, a span or an id needs 8 bytes: they are taken from a buffer that is filled 4096 bytes at a time and
 * wiped as it is used. A child of fork must not hand out its parent's bytes: the buffer is dropped there. Loop thread only.
 */
#include "random.h"

#include <endian.h>
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

static uint64_t turned(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turned(v[1], 13) ^ v[0];
        v[3] = turned(v[3], 16) ^ v[2];
        v[0] = turned(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = turned(v[3], 21) ^ v[0];
        v[1] = turned(v[1], 17) ^ v[2];
        v[2] = turned(v[2], 32);
    }
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

uint64_t ec_siphash(const uint64_t secret[2], const void *bytes, size_t n)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d, secret[0] ^ 0x6c7967656e657261,
                     secret[1] ^ 0x7465646279746573};
    const uint8_t *p = bytes;
    uint64_t word;

    for (size_t left_over = n; left_over >= 8; left_over -= 8, p += 8) {
        memcpy(&word, p, 8);
        sip_word(v, le64toh(word));
    }
    word = 0;
    if (n % 8)
        memcpy(&word, p, n % 8);
    sip_word(v, le64toh(word) | (uint64_t)n << 56);
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
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
