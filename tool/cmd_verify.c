/* ecomc verify [SCENARIO] [FILE] [--rounds N] [--assume TEXT]...: plays each scenario on the system that is up, and compares what its
 * processes tell with what is derived.
 *
 * Exit 0 when all that was played is as derived (and something was), 1 when something is not, 74 when nothing is up.
 */
#include "audit/audit.h"
#include "verify/verify.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen.h"

enum { MOST_ROUNDS = 10000 };

static void on_signal(int number)
{
    ecc_verify_interrupted = number;
}

/* ------------------------------------------------------------------ what is told */

static bool marked(const struct ecc_differences *differences, const struct ecc_hop *hop)
{
    for (size_t i = 0; i < differences->n; i++)
        if (differences->items[i].derived == hop || differences->items[i].recorded == hop)
            return true;
    return false;
}

static void print_hops(struct ecc_arena *arena, const struct ecc_hops *hops, int depth, const struct ecc_differences *differences,
                       char mark)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        printf("  %c %*s%s -> %s  %s  %s", marked(differences, hop) ? mark : ' ', depth * 2, "", hop->from->name, ecc_hop_to(arena, hop),
               hop->label, ecc_hop_outcome_name(hop->outcome));
        if (hop->status)
            printf(" %d", hop->status);
        printf("%s%s\n", hop->error ? " " : "", hop->error ? hop->error->name : "");
        print_hops(arena, &hop->hops, depth + 1, differences, mark);
    }
}

static size_t hops_of(const struct ecc_hops *hops)
{
    size_t n = hops->n;

    for (size_t i = 0; i < hops->n; i++)
        n += hops_of(&hops->items[i]->hops);
    return n;
}

static void tell(struct ecc_verify *v, const struct ecc_verified *done, int round, int rounds)
{
    const char *name = done->scenario->name;
    char turn[48] = "";

    if (rounds > 1)
        snprintf(turn, sizeof turn, ", round %d of %d", round, rounds);
    switch (done->verdict) {
    case ECC_VERIFY_SAME:
        printf("same       %s: %zu hops as derived, %.1f s%s\n", name, hops_of(&done->derived->hops), done->seconds, turn);
        break;
    case ECC_VERIFY_SKIPPED:
        printf("skipped    %s: %s\n", name, done->why);
        break;
    case ECC_VERIFY_DIFFERENT:
        printf("different  %s: %zu difference%s, trace %s%s\n", name, done->differences.n, done->differences.n == 1 ? "" : "s",
               done->trace_id, turn);
        for (size_t i = 0; i < done->differences.n; i++)
            printf("  %s: %s\n", ecc_difference_name(done->differences.items[i].kind), done->differences.items[i].text);
        printf("  derived:\n");
        print_hops(v->arena, &done->derived->hops, 0, &done->differences, '-');
        printf("  recorded:\n");
        print_hops(v->arena, &done->recorded->hops, 0, &done->differences, '+');
        break;
    }
    fflush(stdout);
}

static json_t *hops_json(struct ecc_arena *arena, const struct ecc_derived *hops)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    ecc_write_scenario(arena, &w, hops);
    return json_loadb(w.data, w.n, 0, NULL);
}

static json_t *done_json(struct ecc_verify *v, const struct ecc_verified *done, int round)
{
    static const char *const verdicts[] = {"same", "different", "skipped"};
    json_t *differences = json_array(), *out;

    for (size_t i = 0; i < done->differences.n; i++) {
        const struct ecc_difference *d = &done->differences.items[i];
        json_array_append_new(differences, json_pack("{s:s, s:s*, s:s*, s:s}", "kind", ecc_difference_name(d->kind), "step",
                                                     d->derived ? d->derived->id : NULL, "recorded", d->recorded ? d->recorded->id : NULL,
                                                     "text", d->text));
    }
    out = json_pack("{s:s, s:i, s:s, s:o}", "scenario", done->scenario->name, "round", round, "verdict", verdicts[done->verdict],
                    "differences", differences);
    json_object_set_new(out, "derived", hops_json(v->arena, done->derived));
    if (done->verdict == ECC_VERIFY_SKIPPED) {
        json_object_set_new(out, "why", json_string(done->why));
        return out;
    }
    json_object_set_new(out, "trace_id", json_string(done->trace_id));
    json_object_set_new(out, "recorded", hops_json(v->arena, done->recorded));
    return out;
}

/* ------------------------------------------------------------------ the system */

static int find_studio(struct ecc_verify *v)
{
    json_t *process;
    size_t i;

    json_array_foreach(json_object_get(v->state, "processes"), i, process)
    {
        const char *kind = json_string_value(json_object_get(process, "kind"));
        if (kind && !strcmp(kind, "studio"))
            v->studio = (int)json_integer_value(json_object_get(process, "port"));
    }
    return v->studio ? 0 : ecc_say_error(ECC_EXIT_FAILED, "what is up tells nobody of its messages; `ecomc down` and `ecomc up` again");
}

static int begin(struct ecc_verify *v)
{
    struct sigaction act = {.sa_handler = on_signal};
    int code;

    if (!json_is_true(json_object_get(v->state, "ready")))
        return ecc_say_error(ECC_EXIT_FAILED, "the system is not ready yet; `ecomc status` shows it");
    if ((code = find_studio(v)))
        return code;
    v->lock = ecc_faults_lock(v->up->home);
    if (v->lock < 0)
        return ecc_say_error(ECC_EXIT_FAILED, "another verify is at work here; faults are made one at a time");
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    return ecc_fault_mend(v->up, "verify", NULL); /* what a killed one has left */
}

static int play_all(struct ecc_verify *v, const char *name, int rounds)
{
    bool json = v->cli->format == ECC_FORMAT_JSON;
    size_t played = 0, different = 0;
    json_t *list = json_array();
    int code = 0;

    for (int round = 1; round <= rounds && !code; round++)
        for (size_t i = 0; i < v->model->nscenarios && !code; i++) {
            struct ecc_verified done;
            if (name && strcmp(v->model->scenarios[i]->name, name) != 0)
                continue;
            code = ecc_verify_scenario(v, v->model->scenarios[i], &done);
            if (code)
                continue;
            played += done.verdict != ECC_VERIFY_SKIPPED;
            different += done.verdict == ECC_VERIFY_DIFFERENT;
            if (json)
                json_array_append_new(list, done_json(v, &done, round));
            else if (round == 1 || done.verdict != ECC_VERIFY_SKIPPED)
                tell(v, &done, round, rounds);
        }
    if (json && !code) {
        json_dumpf(list, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(list);
    if (code)
        return code;
    if (!played)
        return ecc_say_error(ECC_EXIT_FAILED, "nothing could be played");
    return different ? ECC_EXIT_FAILED : ECC_EXIT_OK;
}

/* ------------------------------------------------------------------ the command */

static const struct ecc_scenario *scenario_named(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nscenarios; i++)
        if (!strcmp(model->scenarios[i]->name, name))
            return model->scenarios[i];
    return NULL;
}

static int unknown(struct ecc_cli *cli, const struct ecc_model *model, const char *name)
{
    const char **names = ECC_NEW_ARRAY(&cli->arena, const char *, model->nscenarios + 1);

    for (size_t i = 0; i < model->nscenarios; i++)
        names[i] = model->scenarios[i]->name;
    const char *near = ecc_did_you_mean(name, names, model->nscenarios);
    return ecc_say_error(ECC_EXIT_USAGE, "there is no scenario '%s'; %s%s%s", name, near ? "did you mean " : "`ecomc scenario` lists them",
                         near ? near : "", near ? "?" : "");
}

int ecc_cmd_verify(struct ecc_cli *cli)
{
    struct ecc_up up = {.replicas = 1};
    struct ecc_verify v = {.cli = cli, .arena = &cli->arena, .up = &up, .lock = -1};
    struct ecc_cli_values assume = {.n = 0};
    const char *rounds = NULL;
    const struct ecc_option options[] = {{"--rounds", &rounds}, {"--assume", NULL, NULL, &assume}};
    struct ecc_topology topology;
    json_t *state = NULL;
    long n = 1;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], 2);

    if (code)
        return code;
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "verify has the formats text and json");
    if (rounds && !ecc_cli_int(rounds, 1, MOST_ROUNDS, &n))
        return ecc_say_error(ECC_EXIT_USAGE, "--rounds is a number from 1 to %d, not '%s'", MOST_ROUNDS, rounds);
    if (assume.n && !cli->nargs)
        return ecc_say_error(ECC_EXIT_USAGE, "--assume is of one scenario: ecomc verify SCENARIO --assume '...'");
    const char *name = cli->nargs ? cli->args[0] : NULL, *file = cli->nargs > 1 ? cli->args[1] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model)
        return ecc_topology_report(cli, &topology);
    if (name && !scenario_named(topology.model, name))
        return unknown(cli, topology.model, name);
    if (assume.n && (code = ecc_assume_more(cli, &topology, scenario_named(topology.model, name), assume.items, assume.n)))
        return code;
    v.model = topology.model;
    v.assumed = assume.n > 0;
    if ((code = ecc_audit_attach(cli, &up, &topology, &state)))
        return code;
    v.state = state;
    if (!(code = begin(&v)))
        code = play_all(&v, name, (int)n);
    if (v.lock >= 0) {
        int mended = ecc_fault_mend(&up, "verify", NULL); /* also after what went wrong half-way */
        code = code ? code : mended;
        close(v.lock);
    }
    json_decref(state);
    return code;
}
