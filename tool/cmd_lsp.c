/* ecomc lsp: the language server on standard input and output. What is wrong with the conversation goes to the client, and nothing to
 * standard error unless the process itself is in trouble. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lsp.h"

static void write_out(void *broken, const char *bytes, size_t length)
{
    while (length && !*(int *)broken) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);

        if (n < 0 && errno != EINTR)
            *(int *)broken = errno;
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        }
    }
}

static void out_of_memory(void *unused)
{
    (void)unused;
    _exit(ecc_say_error(ECC_EXIT_INTERNAL, "out of memory"));
}

static const char *lock_beside(void *unused, struct ecc_arena *arena, const char *path, size_t *length)
{
    (void)unused;
    return ecc_read_file(arena, ecc_beside(arena, path, "ecom.lock"), length);
}

int ecc_cmd_lsp(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 0), broken = 0;
    struct ecc_lsp_host host = {write_out, out_of_memory, lock_beside, &broken, ECC_VERSION};
    char bytes[65536];
    bool more = true;

    if (code)
        return code;
    signal(SIGPIPE, SIG_IGN); /* a client that is gone is told by write */
    struct ecc_lsp *lsp = ecc_lsp_new(&host);
    while (more && !broken) {
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            code = ecc_say_error(ECC_EXIT_IO, "standard input: %s", strerror(errno));
        if (n <= 0)
            break;
        more = ecc_lsp_feed(lsp, bytes, (size_t)n);
    }
    if (broken && broken != EPIPE)
        code = ecc_say_error(ECC_EXIT_IO, "standard output: %s", strerror(broken));
    if (!code)
        code = ecc_lsp_exit_code(lsp) ? ECC_EXIT_FAILED : ECC_EXIT_OK;
    ecc_lsp_free(lsp);
    return code;
}
