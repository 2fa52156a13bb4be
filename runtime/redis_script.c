/* Scripts: loaded each time the connection comes up, called by their hash. A server that has lost one is given its text, which loads it again. */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

static struct ec_redis_script *scripts;

static void on_script(void *data, const struct ec_redis_reply *reply)
{
    struct ec_redis_script *script = data;

    if (reply && reply->type == EC_REDIS_TEXT && reply->text.n == 40) {
        memcpy(script->sha, reply->text.p, 40);
        script->sha[40] = '\0';
    }
}

static void load_script(struct ec_redis_script *script)
{
    EC_REDIS(on_script, script, EC_STR("SCRIPT"), EC_STR("LOAD"), ec_str_of(script->text));
}

static void load_all(void)
{
    for (struct ec_redis_script *script = scripts; script; script = script->next)
        load_script(script);
}

static void forget_all(void)
{
    for (struct ec_redis_script *script = scripts; script; script = script->next)
        script->sha[0] = '\0';
}

void ec_redis_script_add(struct ec_redis_script *script)
{
    static struct ec_redis_watch watch = {.up = load_all, .stop = forget_all};

    if (script->added)
        return;
    script->added = true;
    script->next = scripts;
    scripts = script;
    if (script->next) {
        if (ec_redis_up())
            load_script(script);
        return;
    }
    ec_redis_watch_add(&watch); /* loads it if the connection is up */
}

struct eval { /* one block: the arguments' bytes follow */
    struct ec_redis_script *script;
    ec_redis_done *done;
    void *data;
    size_t n;
    struct ec_str args[2 + EC_REDIS_MAX_EVAL];
};

static void on_eval(void *data, const struct ec_redis_reply *reply)
{
    struct eval *eval = data;
    ec_redis_done *done = eval->done;
    void *to = eval->data;

    if (reply && reply->type == EC_REDIS_ERROR && reply->text.n >= 8 && !memcmp(reply->text.p, "NOSCRIPT", 8) &&
        memcmp(eval->args[0].p, "EVALSHA", 7) == 0) {
        eval->args[0] = EC_STR("EVAL");
        eval->args[1] = ec_str_of(eval->script->text);
        ec_redis_command(eval->n, eval->args, on_eval, eval);
        return;
    }
    free(eval);
    done(to, reply);
}

void ec_redis_eval(struct ec_redis_script *script, size_t n, const struct ec_str *args, ec_redis_done *done, void *data)
{
    bool known = script->sha[0];
    size_t size = sizeof(struct eval);
    struct eval *eval;
    char *p;

    if (n > EC_REDIS_MAX_EVAL)
        ec_panic("a redis script has too many arguments");
    for (size_t i = 0; i < n; i++)
        size += args[i].n;
    eval = malloc(size);
    if (!eval)
        abort();
    *eval = (struct eval){.script = script, .done = done, .data = data, .n = n + 2};
    eval->args[0] = known ? EC_STR("EVALSHA") : EC_STR("EVAL");
    eval->args[1] = ec_str_of(known ? script->sha : script->text);
    p = (char *)(eval + 1);
    for (size_t i = 0; i < n; i++) {
        if (args[i].n)
            memcpy(p, args[i].p, args[i].n);
        eval->args[i + 2] = (struct ec_str){p, args[i].n};
        p += args[i].n;
    }
    ec_redis_command(eval->n, eval->args, on_eval, eval);
}
