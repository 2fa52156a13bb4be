/* What every command of ecomc shares: its table, the options that are everywhere, exit codes, and reading a topology.
 *
 * A command is one file with one function; the tables in commands.h and options.h are the only lists of them and of what they take (help,
 * dispatch, completions and the manual page derive from them).
 */
#ifndef ECC_CLI_H
#define ECC_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "arena.h"
#include "diag.h"
#include "source.h"
#include "topology.h"

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
    bool color;     /* of stderr */
    bool color_out; /* of stdout */
    struct ecc_arena arena;
};

#define X(name, summary) int ecc_cmd_##name(struct ecc_cli *cli);
#include "commands.h"
#undef X

struct ecc_command {
    char *name;
    const char *summary, *arguments;
    int (*run)(struct ecc_cli *cli);
};
struct ecc_option_text { const char *name, *value, *summary; }; /* see options.h */

const struct ecc_command *ecc_commands(size_t *n);
const struct ecc_command *ecc_command_named(const char *name); /* or NULL */
int ecc_unknown_command(const char *name); /* says so, with what may have been meant */
/* Its option number i, or NULL; of the command "": those that are everywhere. */
const struct ecc_option_text *ecc_command_option(const char *command, size_t i);
/* What is said of one command on --help; NULL: of all of them. */
void ecc_help(const struct ecc_command *command, FILE *out);

/* One line on stderr: "ecomc: ...". Returns code, so that a command can `return ecc_say_error(ECC_EXIT_IO, ...)`. */
int ecc_say_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct ecc_cli_values { const char *items[16]; size_t n; };

/* Options of a command, each of which stands in options.h, too: `--name value` or `--name=value`; one of the three says where it goes. Removes what it found from args. */
struct ecc_option {
    const char *name;   /* "--port-base" */
    const char **value;
    bool *flag;
    struct ecc_cli_values *values; /* may be given several times */
};
/* Returns 0, or ECC_EXIT_USAGE after saying what is wrong; at most max_args words may be left. */
int ecc_cli_options(struct ecc_cli *cli, const struct ecc_option *options, size_t n, int max_args);
bool ecc_cli_int(const char *text, long min, long max, long *out);

/* Reads (path "-": standard input). Returns 0, or an exit code after saying why the file could not be read. */
int ecc_topology_read(struct ecc_cli *cli, const char *path, struct ecc_topology *topology);
/* Reads and compiles, after what ecom.lock beside it has. Returns 0, or an exit code after saying why a file could not be read. Diagnostics
 * are left to ecc_topology_report. */
int ecc_topology_load(struct ecc_cli *cli, const char *path, struct ecc_topology *topology);
/* The same of a text that has been read from elsewhere; path is what it is called. lock may be NULL. */
void ecc_topology_compile(struct ecc_cli *cli, const char *path, const char *text, size_t length, const char *lock, size_t lock_length,
                          struct ecc_topology *topology);
/* Where a file of that name would stand beside another. */
const char *ecc_beside(struct ecc_arena *arena, const char *file, const char *name);
/* Shows the diagnostics where the format wants them. Returns ECC_EXIT_FAILED when there was an error. */
int ecc_topology_report(const struct ecc_cli *cli, const struct ecc_topology *topology);

/* What can be read from fd, to its end or until it is too much for a topology, into the arena; NULL with errno. expected: a guess, or 0. */
char *ecc_read_stream(struct ecc_arena *arena, int fd, size_t expected, size_t *length);
/* Whole file into the arena; NULL with errno. */
char *ecc_read_file(struct ecc_arena *arena, const char *path, size_t *length);

#endif
