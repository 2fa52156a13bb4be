/* ecom-studio [FILE] [--port N] [--deployed HOST:PORT,...]: serves until it is told to stop. `ecomc studio` and `ecomc up` start it.
 *
 * --deployed is for a container beside a system that somebody else runs: it listens on every address, is asked by these names, and watches;
 * it neither plays scenarios nor breaks anything there, because it holds none of the processes.
 *
 * Exit 0 after SIGTERM or SIGINT, 64 on a mistake of the command line, 74 when the port or the file can't be had.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "studio.h"

enum { EXIT_USAGE = 64, EXIT_IO = 74, PORT = 3000 };

static struct studio studio;
static uv_signal_t term, interrupt;

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    ec_http_server_stop(studio.server);
    studio_traces_close(&studio);
    studio_live_close(&studio);
    uv_close((uv_handle_t *)&term, NULL);
    uv_close((uv_handle_t *)&interrupt, NULL);
}

static int serve(int port)
{
    const char *why;

    uv_loop_init(&studio.loop);
    if ((why = studio_listen(&studio, port))) {
        fprintf(stderr, "ecom-studio: %s; choose another with --port N\n", why);
        uv_run(&studio.loop, UV_RUN_DEFAULT);
        uv_loop_close(&studio.loop);
        return EXIT_IO;
    }
    studio_live_open(&studio);
    if ((why = studio_traces_open(&studio)))
        fprintf(stderr, "ecom-studio: OTEL_EXPORTER_OTLP_ENDPOINT %s; nothing is handed on\n", why);
    uv_signal_init(&studio.loop, &term);
    uv_signal_init(&studio.loop, &interrupt);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    printf("studio is at http://127.0.0.1:%d\n", studio.port);
    fflush(stdout);
    uv_run(&studio.loop, UV_RUN_DEFAULT);
    uv_loop_close(&studio.loop);
    studio_examples_free(&studio);
    return EXIT_SUCCESS;
}

static int usage(const char *what)
{
    fprintf(stderr, "ecom-studio: %s\nusage: ecom-studio [FILE] [--port N] [--deployed HOST:PORT,...]\n       ecom-studio --version\n",
            what);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    long port = PORT;

    studio.file = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--version")) {
            puts("ecom-studio " ECC_VERSION);
            return EXIT_SUCCESS;
        }
        if (!strcmp(argv[i], "--port") && i + 1 < argc) {
            char *end;
            port = strtol(argv[++i], &end, 10);
            if (end == argv[i] || *end || port < 0 || port > 65535)
                return usage("--port takes a number from 0 to 65535; 0: any that is free");
        } else if (!strcmp(argv[i], "--deployed") && i + 1 < argc) {
            studio.names = argv[++i];
        } else if (argv[i][0] == '-' || studio.file) {
            return usage("this is not understood");
        } else {
            studio.file = argv[i];
        }
    }
    if (!studio.file)
        studio.file = "topology.ecom";
    if (access(studio.file, R_OK)) {
        fprintf(stderr, "ecom-studio: %s: %m\n", studio.file);
        return EXIT_IO;
    }
    return serve((int)port);
}
