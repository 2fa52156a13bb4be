/* What every command of ecomc shares: its table, the options that are everywhere, exit codes, and reading a topology.
 *
 * A command is one file with one function; the table in commands.h is the only list of them (help and dispatch derive from it).
 */
#ifndef ECC_CLI_H
#define ECC_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "diag.h"
#include "source.h"

enum ecc_exit {
    ECC_EXIT_OK = 0,
    ECC_EXIT_FAILED = 1,     /* diagnostics, a failed check */
    ECC_EXIT_DIFFERENT = 2,
    ECC_EXIT_USAGE = 64,
    ECC_EXIT_INTERNAL = 70,
    ECC_EXIT_IO = 74,
};

struct ecc_cli {
    const char *command;
    char **args; /* what is left after the common options; NULL-terminated */
    int nargs;
    enum ecc_diag_format format;
    bool color;
    struct ecc_arena arena;
};

#define X(name, summary) int ecc_cmd_##name(struct ecc_cli *cli);
#include "commands.h"
#undef X

/* One line on stderr: "ecomc: ...". Returns code, so that a command can `return ecc_say_error(ECC_EXIT_IO, ...)`. */
int ecc_say_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct ecc_cli_values { const char *items[16]; size_t n; };

/* Options of a command: `--name value` or `--name=value`; one of the three says where it goes. Removes what it found from args. */
struct ecc_option {
    const char *name;   /* "--port-base" */
    const char **value;
    bool *flag;
    struct ecc_cli_values *values; /* may be given several times */
};
/* Returns 0, or ECC_EXIT_USAGE after saying what is wrong; at most max_args words may be left. */
int ecc_cli_options(struct ecc_cli *cli, const struct ecc_option *options, size_t n, int max_args);
bool ecc_cli_int(const char *text, long min, long max, long *out);

/* A compiled topology. text and model live in cli->arena. */
struct ecc_topology {
    const char *path;
    struct ecc_source source;
    struct ecc_diags diags;
    const struct ecc_model *model; /* NULL: there were errors */
};
/* Reads (path "-": standard input) and compiles. Returns 0, or an exit code after saying why the file could not be read. Diagnostics are left to
 * ecc_topology_report. */
int ecc_topology_load(struct ecc_cli *cli, const char *path, struct ecc_topology *topology);
/* The same of a text that has been read from elsewhere; path is what it is called. */
int ecc_topology_compile(struct ecc_cli *cli, const char *path, const char *text, size_t length, struct ecc_topology *topology);
/* Shows the diagnostics where the format wants them. Returns ECC_EXIT_FAILED when there was an error. */
int ecc_topology_report(const struct ecc_cli *cli, const struct ecc_topology *topology);

/* Whole file into the arena; NULL with errno. */
char *ecc_read_file(struct ecc_arena *arena, const char *path, size_t *length);

#endif
