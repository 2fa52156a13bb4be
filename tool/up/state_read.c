/* See state.h. */
#include "state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t ecc_start_ticks(pid_t pid)
{
    char path[64], text[1024];
    unsigned long long ticks = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    char *p = strrchr(text, ')'); /* the name may hold anything */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        ticks = strtoull(p, NULL, 10);
    return ticks;
}

struct json_t *ecc_state_read(const char *path)
{
    json_t *state = json_load_file(path, 0, NULL);
    uint64_t start = (uint64_t)json_integer_value(json_object_get(state, "start"));

    if (start && ecc_start_ticks((pid_t)json_integer_value(json_object_get(state, "supervisor"))) == start)
        return state;
    json_decref(state);
    return NULL;
}

struct json_t *ecc_faults_read(const char *home)
{
    char path[4200];
    json_t *file, *list;

    snprintf(path, sizeof path, "%s/faults.json", home);
    file = json_load_file(path, 0, NULL);
    list = json_incref(json_object_get(file, "faults"));
    json_decref(file);
    if (json_is_array(list))
        return list;
    json_decref(list);
    return json_array();
}
