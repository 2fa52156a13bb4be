/* ecomc saga list|show|retry|resolve ...: the sagas of every service: what runs, what is stuck, and what to do.
 *
 * A service's own binary does the work, for it knows its sagas and all their versions, on the database that `up` runs here, or on
 * DATABASE_URL where one service alone has sagas. An id is looked for in each.
 */
#include "up/up.h"

#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct words {
    const char **items;
    size_t n, cap;
};

static bool has_sagas(const struct ecc_node *node)
{
    return node->kind == ECC_NODE_SERVICE && node->u.service.nsagas > 0;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

static int of_service(struct ecc_up *up, const char *service, const char **binary)
{
    *binary = ecc_up_path(up, "services/%s/%s", service, service);
    return access(*binary, X_OK) ? ecc_say_error(ECC_EXIT_FAILED, "%s is not built yet; `ecomc up` builds it", service) : 0;
}

static void name_database(struct ecc_up *up, const char *service, bool given)
{
    if (!given)
        setenv("DATABASE_URL", ecc_database_url(up, service), 1);
}

/* What its binary prints, or NULL after the binary has said why; *code is its exit code. */
static json_t *asked(const char *binary, const char **argv, int *code)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0;
    pid_t pid;

    *code = ECC_EXIT_IO;
    if (pipe(ends))
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    int error = posix_spawn(&pid, binary, &actions, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    json_t *list = error ? NULL : json_loadfd(ends[0], 0, NULL);
    close(ends[0]);
    while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!error)
        *code = WIFEXITED(status) ? WEXITSTATUS(status) : ECC_EXIT_INTERNAL;
    return list;
}

/* Those of all services in one list: what is stuck first, as each has it. */
static int list_json(struct ecc_up *up, const struct words *words)
{
    static const char *const order[] = {"stuck", "unknown", "alone", "waits", "runs", "ended"};
    json_t *all = json_array(), *sorted = json_array(), *item;
    int code = 0;
    size_t k;

    for (size_t i = 0; i < up->model->nnodes && !code; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        const char *binary;
        if (!has_sagas(node) || (code = of_service(up, node->name, &binary)))
            continue;
        name_database(up, node->name, false);
        words->items[0] = binary;
        json_t *list = asked(binary, words->items, &code);
        json_array_extend(all, list);
        json_decref(list);
    }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        json_array_foreach(all, k, item)
        {
            if (!strcmp(json_string_value(json_object_get(item, "condition")), order[i]))
                json_array_append(sorted, item);
        }
    }
    if (!code) {
        json_dumpf(sorted, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(sorted);
    json_decref(all);
    return code;
}

static int list_text(struct ecc_up *up, const struct words *words)
{
    int code = 0;

    for (size_t i = 0; i < up->model->nnodes && !code; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        const char *binary;
        pid_t pid;
        int status = 0;
        if (!has_sagas(node) || (code = of_service(up, node->name, &binary)))
            continue;
        name_database(up, node->name, false);
        words->items[0] = binary;
        printf("%s\n", node->name);
        fflush(NULL);
        int error = posix_spawn(&pid, binary, NULL, NULL, (char **)words->items, environ);
        while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        code = error               ? ecc_say_error(ECC_EXIT_IO, "%s: %s", binary, strerror(error))
               : WIFEXITED(status) ? WEXITSTATUS(status)
                                   : ECC_EXIT_INTERNAL;
    }
    return code;
}

/* The service whose saga it is; NULL after saying that there is none, or why it can't be asked. */
static const char *owner_of(struct ecc_up *up, const char *id, int *code)
{
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (!has_sagas(node))
            continue;
        PGconn *conn = PQconnectdb(ecc_database_url(up, node->name));
        PGresult *result = PQexecParams(conn, "SELECT 1 FROM ec.saga WHERE id::text = lower($1)", 1, NULL, &id, NULL, NULL, 0);
        bool asked_it = PQresultStatus(result) == PGRES_TUPLES_OK, found = asked_it && PQntuples(result) > 0;
        if (!asked_it)
            *code = ecc_say_error(ECC_EXIT_IO, "the database of %s: %s", node->name,
                                  PQstatus(conn) == CONNECTION_OK ? PQresultErrorMessage(result) : PQerrorMessage(conn));
        PQclear(result);
        PQfinish(conn);
        if (found || !asked_it)
            return found ? node->name : NULL;
    }
    *code = ecc_say_error(ECC_EXIT_FAILED, "no service here has a saga %s; `ecomc saga list --all` shows those that there are", id);
    return NULL;
}

int ecc_cmd_saga(struct ecc_cli *cli)
{
    const char *limit = NULL, *reason = NULL, *reply = NULL, *by = NULL, *service = NULL, *binary;
    bool all = false;
    const struct ecc_option options[] = {
        {"--limit", &limit, NULL}, {"--all", NULL, &all}, {"--reason", &reason, NULL}, {"--reply", &reply, NULL}, {"--by", &by, NULL}};
    struct ecc_topology topology;
    struct ecc_up up = {.replicas = 1};
    struct words words = {0};
    size_t n = 0;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof *options, 3);

    if (code)
        return code;
    const char *what = cli->nargs ? cli->args[0] : "";
    bool list = !strcmp(what, "list");
    if (!list && strcmp(what, "show") && strcmp(what, "retry") && strcmp(what, "resolve"))
        return ecc_say_error(ECC_EXIT_USAGE, "saga needs what to do: ecomc saga list [--all] [--limit N] | show ID | retry ID | "
                                             "resolve ID undone|kept|done --reason TEXT [--reply JSON]  [--by NAME] [--format json]");
    if (!list && cli->nargs < 2)
        return ecc_say_error(ECC_EXIT_USAGE, "saga %s needs the id of a saga, as `ecomc saga list` shows it", what);
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "sagas are shown as text or json");
    if ((code = ecc_topology_load(cli, "topology.ecom", &topology)))
        return code;
    if (!topology.model) /* warnings are for `check` and `build` */
        return ecc_topology_report(cli, &topology);
    for (size_t i = 0; i < topology.model->nnodes; i++)
        if (has_sagas(topology.model->nodes[i])) {
            service = topology.model->nodes[i]->name;
            n++;
        }
    if (!n)
        return ecc_say_error(ECC_EXIT_FAILED, "no service of this topology has a saga");
    up.model = topology.model;
    if ((code = ecc_up_layout(&up, cli, "topology.ecom")))
        return code;
    bool given = n == 1 && (is_set("DATABASE_URL") || is_set("DATABASE_URL_FILE"));
    if (n > 1)
        unsetenv("DATABASE_URL_FILE"); /* it is one service's */

    ECC_PUSH(&cli->arena, &words, "");
    ECC_PUSH(&cli->arena, &words, "saga");
    for (int i = 0; i < cli->nargs; i++)
        ECC_PUSH(&cli->arena, &words, cli->args[i]);
    const struct {
        const char *name, *value;
    } given_options[] = {{"limit", limit}, {"reason", reason}, {"reply", reply}, {"by", by}};
    for (size_t i = 0; i < sizeof given_options / sizeof given_options[0]; i++)
        if (given_options[i].value)
            ECC_PUSH(&cli->arena, &words, ecc_arena_printf(&cli->arena, "--%s=%s", given_options[i].name, given_options[i].value));
    if (all)
        ECC_PUSH(&cli->arena, &words, "--all");
    if (cli->format == ECC_FORMAT_JSON)
        ECC_PUSH(&cli->arena, &words, "--format=json");
    ECC_PUSH(&cli->arena, &words, NULL);

    if (list && n > 1)
        return cli->format == ECC_FORMAT_JSON ? list_json(&up, &words) : list_text(&up, &words);
    if (!list && n > 1 && !(service = owner_of(&up, cli->args[1], &code)))
        return code;
    if ((code = of_service(&up, service, &binary)))
        return code;
    name_database(&up, service, given);
    words.items[0] = binary;
    fflush(NULL);
    execv(binary, (char *const *)(uintptr_t)words.items);
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", binary, strerror(errno));
}
