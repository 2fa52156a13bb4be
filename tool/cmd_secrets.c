/* ecomc secrets [NAME=VALUE ...] [FILE]: a file for each secret that a deployment needs, where there is none yet.
 *
 * What can be made is made (passwords, keys), what only somebody else knows is asked for: NAME=VALUE, or NAME or NAME_FILE of the
 * environment. Before anything is written it is clear that all is there. A file that is there is never written over, but for the public
 * keys of a service's callers, to which those of new callers are added. No value is ever shown. Files are for their owner alone: whoever
 * runs the command, or, when that is root, the user that the containers have.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy.h"
#include "keys.h"
#include "up/up.h"

enum { CONTAINER_USER = 10001 }; /* as in codegen/emit_docker.c */

struct making {
    struct ecc_arena *arena;
    const struct ecc_deploy *deploy;
    const char *dir;
    bool sandbox;
    char **given; /* NAME=VALUE */
    int ngiven;
    struct ecc_authority authority; /* of the sandboxes, once it is made */
    const char **made, **kept;
    size_t nmade, nkept;
};

static const char *path_of(struct making *m, const char *name)
{
    return ecc_arena_printf(m->arena, "%s/%s", m->dir, name);
}

static bool is_there(struct making *m, const char *name)
{
    struct stat st;

    return !lstat(path_of(m, name), &st);
}

static int failed(const char *path)
{
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
}

/* ------------------------------------------------------------------ what is given */

/* Without the newline at its end; NULL: nothing, an empty text is nothing, too. */
static const char *trimmed(struct ecc_arena *arena, const char *text)
{
    size_t n = text ? strlen(text) : 0;

    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    return n ? ecc_arena_strndup(arena, text, n) : NULL;
}

/* The value that somebody gives for name, or NULL. *code is set when a file can't be read. */
static const char *given(struct making *m, const char *name, int *code)
{
    size_t length = strlen(name), n;
    const char *file, *value;

    for (int i = 0; i < m->ngiven; i++)
        if (!strncmp(m->given[i], name, length) && m->given[i][length] == '=')
            return trimmed(m->arena, m->given[i] + length + 1);
    if ((value = trimmed(m->arena, getenv(name))))
        return value;
    file = getenv(ecc_arena_printf(m->arena, "%s_FILE", name));
    if (!file || !*file)
        return NULL;
    char *text = ecc_read_file(m->arena, file, &n);
    if (!text)
        *code = failed(file);
    return trimmed(m->arena, text);
}

static bool is_asked(const struct making *m, const struct ecc_deploy_secret *secret)
{
    return !secret->sandbox || m->sandbox;
}

static bool may_be_random(const struct making *m, const struct ecc_deploy_secret *secret)
{
    return secret->kind == ECC_SECRET_TOKEN ||
           (m->sandbox && secret->node && secret->node->kind == ECC_NODE_EXTERNAL && secret->node->u.external.has_sandbox);
}

static int check_names(struct making *m)
{
    for (int i = 0; i < m->ngiven; i++) {
        size_t length = strcspn(m->given[i], "=");
        bool known = false;
        for (size_t k = 0; k < m->deploy->nsecrets && !known; k++) {
            const char *env = m->deploy->secrets[k].env;
            known = env && strlen(env) == length && !strncmp(env, m->given[i], length);
        }
        if (!known)
            return ecc_say_error(ECC_EXIT_USAGE, "the topology has no secret %.*s", (int)length, m->given[i]);
    }
    return 0;
}

/* Is there everything that can't be made? */
static int check_given(struct making *m)
{
    const char *missing = "";
    int code = 0;

    for (size_t i = 0; i < m->deploy->nsecrets && !code; i++) {
        const struct ecc_deploy_secret *secret = &m->deploy->secrets[i];
        if (secret->env && is_asked(m, secret) && !may_be_random(m, secret) && !is_there(m, secret->name) &&
            !given(m, secret->env, &code) && !code)
            missing = ecc_arena_printf(m->arena, "%s%s%s", missing, *missing ? ", " : "", secret->env);
    }
    if (code || !*missing)
        return code;
    return ecc_say_error(ECC_EXIT_FAILED,
                         "not given: %s; set them (or NAME_FILE), or say NAME=VALUE; --sandbox needs none of its providers", missing);
}

/* ------------------------------------------------------------------ writing */

static void note(struct making *m, const char *name, bool made)
{
    if (made)
        m->made[m->nmade++] = name;
    else
        m->kept[m->nkept++] = name;
}

static int own(const char *path)
{
    return geteuid() == 0 && chown(path, CONTAINER_USER, CONTAINER_USER) ? failed(path) : 0;
}

/* A new file, whole or not at all: somebody else's of that name stays. */
static int put_new(struct making *m, const char *name, const char *text)
{
    const char *path = path_of(m, name), *temp = ecc_arena_printf(m->arena, "%s/.%s.%d", m->dir, name, (int)getpid());

    if (ecc_write_private(temp, text))
        return failed(temp);
    int code = own(temp);
    bool linked = !code && !link(temp, path);
    if (!code && !linked && errno != EEXIST)
        code = failed(path);
    unlink(temp);
    if (!code)
        note(m, name, linked);
    return code;
}

/* ------------------------------------------------------------------ each kind */

/* All but what every reader of a URL takes as it is. */
static const char *escaped(struct ecc_arena *arena, const char *text)
{
    char *out = ecc_arena_alloc(arena, 3 * strlen(text) + 1), *to = out;

    for (const char *p = text; *p; p++)
        to += isalnum((unsigned char)*p) || strchr("-_.~", *p) ? sprintf(to, "%c", *p) : sprintf(to, "%%%02X", (unsigned char)*p);
    *to = '\0';
    return out;
}

static const char *content(struct making *m, const char *name)
{
    size_t n;
    char *text = ecc_read_file(m->arena, path_of(m, name), &n);

    if (!text)
        failed(path_of(m, name));
    return text;
}

static int put_url(struct making *m, const struct ecc_deploy_secret *secret)
{
    const struct ecc_store *store = secret->store;
    const char *password = trimmed(m->arena, content(m, store->secret));

    if (!password)
        return ecc_say_error(ECC_EXIT_IO, "%s holds no password", path_of(m, store->secret));
    return put_new(m, secret->name,
                   ecc_arena_printf(m->arena, "postgresql://%s:%s@%s:%d/%s", store->user, escaped(m->arena, password), store->name,
                                    store->port, store->user));
}

/* A caller's key is known by its kid: one with the same kid and another point is not the same, and calls with it would be refused. */
static json_t *of_kid(json_t *keys, json_t *wanted)
{
    size_t i;
    json_t *key;

    json_array_foreach(keys, i, key)
        if (json_equal(json_object_get(key, "kid"), json_object_get(wanted, "kid")))
            return key;
    return NULL;
}

static bool same_point(json_t *a, json_t *b)
{
    return json_equal(json_object_get(a, "x"), json_object_get(b, "x")) && json_equal(json_object_get(a, "y"), json_object_get(b, "y"));
}

/* The public half of a caller's key, which is in a file of its own. */
static json_t *key_of(struct making *m, const char *caller)
{
    const char *name = ecc_arena_printf(m->arena, "%s.key", caller), *text = content(m, name),
               *half = text ? ecc_key_public(m->arena, text) : NULL;

    if (text && !half)
        ecc_say_error(ECC_EXIT_IO, "%s is no key", path_of(m, name));
    return half ? json_loads(half, 0, NULL) : NULL;
}

static int add_key(struct making *m, const char *name, json_t *keys, const char *caller, bool *changed)
{
    json_t *key = key_of(m, caller), *old = key ? of_kid(keys, key) : NULL;
    int code = key ? 0 : ECC_EXIT_IO;

    if (old && !same_point(old, key))
        code = ecc_say_error(ECC_EXIT_IO,
                             "%s has another key by the name %s than %s.key, whose calls would be refused; remove %s, and a new one is made",
                             path_of(m, name), json_string_value(json_object_get(key, "kid")), caller, name);
    else if (key && !old) {
        code = json_array_append(keys, key) ? ECC_EXIT_IO : 0;
        *changed = true;
    }
    json_decref(key);
    return code;
}

static int write_callers(struct making *m, const char *name, json_t *set, bool there)
{
    char *text = json_dumps(set, JSON_COMPACT);
    int code = 0;

    if (!text)
        return ecc_say_error(ECC_EXIT_INTERNAL, "no memory");
    if (!there)
        code = put_new(m, name, text);
    else if (ecc_write_private(path_of(m, name), text))
        code = failed(path_of(m, name));
    else if (!(code = own(path_of(m, name))))
        note(m, name, true);
    free(text);
    return code;
}

/* Keys that are there stay, also those that somebody has added to change one for another. */
static int put_callers(struct making *m, const struct ecc_deploy_secret *secret)
{
    bool there = is_there(m, secret->name), changed = !there;
    const char *text = there ? content(m, secret->name) : "{\"keys\": []}";
    json_t *set = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL, *keys = json_object_get(set, "keys");
    int code = 0;

    if (!json_is_array(keys)) {
        json_decref(set);
        return text ? ecc_say_error(ECC_EXIT_IO, "%s is no JWKS; remove it, and a new one is made", path_of(m, secret->name)) : ECC_EXIT_IO;
    }
    for (size_t i = 0; i < m->deploy->nconversations && !code; i++) {
        const struct ecc_conversation *c = &m->deploy->conversations[i];
        if (!strcmp(c->to, secret->node->name))
            code = add_key(m, secret->name, keys, c->from, &changed);
    }
    if (!code && changed)
        code = write_callers(m, secret->name, set, there);
    else if (!code)
        note(m, secret->name, false);
    json_decref(set);
    return code;
}

static int put_authority(struct making *m, const struct ecc_deploy_secret *secret)
{
    const char *names = "DNS:localhost";

    if (!m->authority.ca) {
        for (size_t i = 0; i < m->deploy->nprocesses; i++)
            if (m->deploy->processes[i]->kind == ECC_PROCESS_SANDBOX)
                names = ecc_arena_printf(m->arena, "%s,DNS:%s", names, m->deploy->processes[i]->name);
        if (!ecc_authority_new(m->arena, "ecom sandboxes", names, &m->authority))
            return ecc_say_error(ECC_EXIT_INTERNAL, "a certificate can't be made");
    }
    return put_new(m, secret->name,
                   secret->kind == ECC_SECRET_SANDBOX_CA            ? m->authority.ca
                   : secret->kind == ECC_SECRET_SANDBOX_CERTIFICATE ? m->authority.certificate
                                                                    : m->authority.key);
}

/* The three belong together, and to the sandboxes that there are. */
static int check_authority(struct making *m)
{
    static const char *const names[] = {"sandbox.ca", "sandbox.tls.crt", "sandbox.tls.key"};
    size_t there = 0;

    for (size_t i = 0; i < 3; i++)
        there += is_there(m, names[i]);
    if (!there)
        return 0;
    if (there < 3)
        return ecc_say_error(ECC_EXIT_FAILED,
                             "%s has only some of sandbox.ca, sandbox.tls.crt, sandbox.tls.key; remove them, and new ones are made",
                             m->dir);
    const char *certificate = content(m, "sandbox.tls.crt");
    for (size_t i = 0; certificate && i < m->deploy->nprocesses; i++)
        if (m->deploy->processes[i]->kind == ECC_PROCESS_SANDBOX && !ecc_certificate_is_for(certificate, m->deploy->processes[i]->name))
            return ecc_say_error(ECC_EXIT_FAILED,
                                 "sandbox.tls.crt is not for %s; remove sandbox.ca, sandbox.tls.crt and sandbox.tls.key in %s",
                                 m->deploy->processes[i]->name, m->dir);
    return certificate ? 0 : ECC_EXIT_IO;
}

/* A database's password is in its URL, too: a new one beside the old URL would let nobody in. A URL of somebody's own has one of its own. */
static int check_urls(struct making *m)
{
    for (size_t i = 0; i < m->deploy->nsecrets; i++) {
        const struct ecc_deploy_secret *secret = &m->deploy->secrets[i];
        const struct ecc_store *store = secret->store;
        if (secret->kind != ECC_SECRET_DATABASE_URL || !is_there(m, secret->name) || is_there(m, store->secret))
            continue;
        const char *url = content(m, secret->name), *ours = ecc_arena_printf(m->arena, "postgresql://%s:", store->user);
        if (!url)
            return ECC_EXIT_IO;
        if (!strncmp(url, ours, strlen(ours)) && strstr(url, ecc_arena_printf(m->arena, "@%s:", store->name)))
            return ecc_say_error(ECC_EXIT_FAILED, "%s has the password that %s had; put it back, or remove %s, too, and new ones are made",
                                 path_of(m, secret->name), store->secret, secret->name);
    }
    return 0;
}

static int put_value(struct making *m, const struct ecc_deploy_secret *secret)
{
    int code = 0;
    const char *value = secret->env ? given(m, secret->env, &code) : NULL;

    if (!code && !value)
        value = secret->kind == ECC_SECRET_KEY ? ecc_key_new(m->arena, secret->node->name) : ecc_random_hex(m->arena);
    if (!code && !value)
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s can't be made", secret->name);
    return code ? code : put_new(m, secret->name, value);
}

static int put(struct making *m, const struct ecc_deploy_secret *secret)
{
    if (secret->kind == ECC_SECRET_CALLERS)
        return put_callers(m, secret);
    if (is_there(m, secret->name)) {
        note(m, secret->name, false);
        return 0;
    }
    switch (secret->kind) {
    case ECC_SECRET_DATABASE_URL:
        return put_url(m, secret);
    case ECC_SECRET_SANDBOX_CA:
    case ECC_SECRET_SANDBOX_CERTIFICATE:
    case ECC_SECRET_SANDBOX_KEY:
        return put_authority(m, secret);
    case ECC_SECRET_PASSWORD:
    case ECC_SECRET_KEY:
    case ECC_SECRET_CALLERS:
    case ECC_SECRET_TOKEN:
    case ECC_SECRET_GIVEN:
    case ECC_SECRET_CERTIFICATE:
    case ECC_SECRET_CERTIFICATE_KEY:
        break;
    }
    return put_value(m, secret);
}

static int put_all(struct making *m)
{
    int code = 0;

    for (int late = 0; late < 2; late++) /* callers' keys are made of keys */
        for (size_t i = 0; i < m->deploy->nsecrets && !code; i++) {
            const struct ecc_deploy_secret *secret = &m->deploy->secrets[i];
            if (is_asked(m, secret) && (secret->kind == ECC_SECRET_CALLERS) == late)
                code = put(m, secret);
        }
    return code;
}

/* ------------------------------------------------------------------ the command */

static void tell_names(const char *word, const char *const *names, size_t n, bool json)
{
    if (json)
        printf("\"%s\":[", word);
    for (size_t i = 0; i < n; i++)
        json ? printf("%s\"%s\"", i ? "," : "", names[i]) : printf("%s %s\n", word, names[i]);
    if (json)
        printf("]");
}

static void tell(const struct ecc_cli *cli, const struct making *m)
{
    bool json = cli->format == ECC_FORMAT_JSON;

    if (json)
        printf("{");
    tell_names("made", m->made, m->nmade, json);
    if (json)
        printf(",");
    tell_names("kept", m->kept, m->nkept, json);
    if (json)
        printf("}\n");
    else
        fprintf(stderr, "%zu made, %zu kept in %s\n", m->nmade, m->nkept, m->dir);
    if (!json && geteuid() != 0)
        fprintf(stderr, "only you can read them: for Compose, export EC_USER=%u:%u\n", (unsigned)geteuid(), (unsigned)getegid());
}

/* NAME=VALUE words go to m, what is left is the topology. */
static const char *take_words(struct ecc_cli *cli, struct making *m)
{
    const char *file = NULL;

    m->given = cli->args;
    for (int i = 0; i < cli->nargs; i++) {
        char *word = cli->args[i];
        if (strchr(word, '='))
            m->given[m->ngiven++] = word;
        else if (file)
            return NULL;
        else
            file = word;
    }
    return file ? file : "topology.ecom";
}

int ecc_cmd_secrets(struct ecc_cli *cli)
{
    struct making m = {.arena = &cli->arena};
    struct ecc_topology topology;
    const struct ecc_option options[] = {{.name = "-o", .value = &m.dir}, {.name = "--sandbox", .flag = &m.sandbox}};
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], INT_MAX);
    const char *file = code ? NULL : take_words(cli, &m);

    if (code)
        return code;
    if (!file)
        return ecc_say_error(ECC_EXIT_USAGE, "secrets takes one topology, and NAME=VALUE");
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model) /* warnings are for `check` and `build` */
        return ecc_topology_report(cli, &topology);
    m.deploy = ecc_deploy(m.arena, topology.model);
    m.made = ECC_NEW_ARRAY(m.arena, const char *, m.deploy->nsecrets + 1);
    m.kept = ECC_NEW_ARRAY(m.arena, const char *, m.deploy->nsecrets + 1);
    if (!m.dir)
        m.dir = ecc_beside(m.arena, file, ".ecom/deploy");
    if ((code = check_names(&m)) || (code = check_given(&m)))
        return code;
    if (ecc_up_mkdirs(m.dir) || chmod(m.dir, 0700))
        return failed(m.dir);
    if ((m.sandbox && (code = check_authority(&m))) || (code = check_urls(&m)) || (code = put_all(&m)))
        return code;
    tell(cli, &m);
    return 0;
}
