/* What is told after a load: for each scenario what came of its requests and how long it took, as text or JSON. */
#include "load.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const verdict_names[] = {"ok", "accepted", "errors"};
static const struct { double percent; const char *name; } told[] = {{50, "p50"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}};

enum { NTOLD = sizeof told / sizeof told[0] };

uint64_t ecc_load_count(const struct ecc_load *load, enum ecc_load_verdict verdict)
{
    uint64_t n = 0;

    for (size_t i = 0; i < load->nparts; i++)
        n += load->parts[i].took[verdict].n;
    return n;
}

const char *ecc_load_time(char *text, size_t size, uint64_t us)
{
    if (us < 1000)
        snprintf(text, size, "%" PRIu64 " us", us);
    else if (us < 1000 * 1000)
        snprintf(text, size, "%.*f ms", us < 10000 ? 2 : us < 100000 ? 1 : 0, (double)us / 1e3);
    else
        snprintf(text, size, "%.2f s", (double)us / 1e6);
    return text;
}

const char *ecc_load_number(char *text, size_t size, uint64_t n)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n), at = 0;

    for (size_t i = 0; i < length && at + 2 < size; i++) {
        if (i && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

/* ------------------------------------------------------------------ text */

static void tell_times(const struct ecc_histogram *took)
{
    char text[32];

    for (size_t i = 0; i < NTOLD; i++)
        printf("  %s %-8s", told[i].name, ecc_load_time(text, sizeof text, ecc_histogram_at(took, told[i].percent)));
    printf("  max %s\n", ecc_load_time(text, sizeof text, took->max));
}

static void tell_part(const struct ecc_load_part *part)
{
    char text[32];

    printf("%s: %s sent", part->scenario->name, ecc_load_number(text, sizeof text, part->sent));
    if (part->dropped)
        printf(", %s dropped", ecc_load_number(text, sizeof text, part->dropped));
    putchar('\n');
    for (int v = 0; v < ECC_LOAD_VERDICTS; v++) {
        const struct ecc_histogram *took = &part->took[v];
        if (!took->n && v != ECC_LOAD_OK)
            continue;
        printf("  %-9s%10s", verdict_names[v], ecc_load_number(text, sizeof text, took->n));
        if (took->n)
            tell_times(took);
        else
            putchar('\n');
    }
    for (size_t i = 0; i < part->nkinds; i++)
        printf("    %15s  %s\n", ecc_load_number(text, sizeof text, part->kinds[i].n), part->kinds[i].text);
}

void ecc_load_report(const struct ecc_load *load)
{
    char sent[32], dropped[32], p99[32], max[32];
    double rate = load->seconds > 0 ? (double)load->sent / load->seconds : 0;
    size_t identities = 0;

    for (size_t i = 0; i < load->npools; i++)
        identities += load->pools[i].n;
    for (size_t i = 0; i < load->nparts; i++)
        tell_part(&load->parts[i]);
    ecc_load_number(sent, sizeof sent, load->sent);
    ecc_load_number(dropped, sizeof dropped, load->dropped);
    printf("%s%s sent in %.1f s, %.0f/s of %ld/s; %s dropped; %zu identit%s\n", load->interrupted ? "interrupted: " : "", sent,
           load->seconds, rate, load->rate, dropped, identities, identities == 1 ? "y" : "ies");
    printf("sent late by p99 %s, at most %s\n", ecc_load_time(p99, sizeof p99, ecc_histogram_at(load->behind, 99)),
           ecc_load_time(max, sizeof max, load->behind->max));
}

/* ------------------------------------------------------------------ JSON */

static json_t *times_json(const struct ecc_histogram *took)
{
    json_t *out = json_object();

    for (size_t i = 0; i < NTOLD; i++)
        json_object_set_new(out, told[i].name, json_integer((json_int_t)ecc_histogram_at(took, told[i].percent)));
    json_object_set_new(out, "max", json_integer((json_int_t)took->max));
    return out;
}

static json_t *part_json(const struct ecc_load_part *part)
{
    json_t *kinds = json_array(), *us = json_object();
    json_t *out = json_pack("{s:s, s:i, s:I, s:I}", "name", part->scenario->name, "percent", part->percent, "sent", (json_int_t)part->sent,
                            "dropped", (json_int_t)part->dropped);

    for (int v = 0; v < ECC_LOAD_VERDICTS; v++) {
        json_object_set_new(out, verdict_names[v], json_integer((json_int_t)part->took[v].n));
        if (part->took[v].n)
            json_object_set_new(us, verdict_names[v], times_json(&part->took[v]));
    }
    for (size_t i = 0; i < part->nkinds; i++)
        json_array_append_new(kinds, json_pack("{s:s, s:I}", "what", part->kinds[i].text, "n", (json_int_t)part->kinds[i].n));
    json_object_set_new(out, "kinds", kinds);
    json_object_set_new(out, "us", us);
    return out;
}

json_t *ecc_load_report_json(const struct ecc_load *load)
{
    json_t *scenarios = json_array();
    size_t identities = 0;

    for (size_t i = 0; i < load->npools; i++)
        identities += load->pools[i].n;
    for (size_t i = 0; i < load->nparts; i++)
        json_array_append_new(scenarios, part_json(&load->parts[i]));
    json_t *out = json_pack("{s:I, s:f, s:b, s:I, s:I}", "rate", (json_int_t)load->rate, "seconds", load->seconds, "interrupted",
                            (int)load->interrupted, "sent", (json_int_t)load->sent, "dropped", (json_int_t)load->dropped);
    for (int v = 0; v < ECC_LOAD_VERDICTS; v++)
        json_object_set_new(out, verdict_names[v], json_integer((json_int_t)ecc_load_count(load, (enum ecc_load_verdict)v)));
    json_object_set_new(out, "identities", json_integer((json_int_t)identities));
    json_object_set_new(out, "sent_late_us", times_json(load->behind));
    json_object_set_new(out, "scenarios", scenarios);
    return out;
}
