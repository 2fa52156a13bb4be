/* In whose name an operation is asked that a scenario gives: one of the services that call it, by the key that `up` has made for it. */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jws.h"

enum { GOOD_FOR_S = 60 };

char *ecc_load_service_token(struct ecc_load *load, const struct ecc_op *op)
{
    struct ecc_arena *arena = &load->cli->arena;
    const char *caller = op->callers[0]->name, *path = ecc_arena_printf(arena, "%s/%s.jwk", load->secrets, caller), *why = "no such file";
    struct ec_buf token = {0};
    size_t n;
    char *text = ecc_read_file(arena, path, &n), *kid = NULL, *out = NULL;
    struct ec_jws_key *key = text ? ec_jws_key_p256((struct ec_str){text, n}, true, &kid, &why) : NULL;
    const char *claims = ecc_arena_printf(arena, "{\"iss\":\"%s\",\"aud\":\"%s\",\"iat\":%lld,\"exp\":%lld}", caller, op->service->name,
                                          (long long)time(NULL), (long long)time(NULL) + GOOD_FOR_S);

    if (key && ec_jws_sign(key, "ecom-service+jwt", caller, (struct ec_str){(char *)(uintptr_t)claims, strlen(claims)}, &token))
        out = ecc_arena_strndup(arena, token.p, token.n);
    else
        ecc_say_error(ECC_EXIT_FAILED, "%s.%s can't be asked in the name of %s: its key %s %s", op->service->name, op->name, caller, path,
                      why);
    ec_buf_free(&token);
    ec_jws_key_free(key);
    free(kid);
    return out;
}
