/* ecomc init [DIR]: a small topology to begin with, and what to do with it. Nothing that is there is written over. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In its canonical form and without a warning: tests/tool/run.py holds it to that. */
static const char topology[] =
    "// A topology says all of a backend; `ecomc up` runs it. This one keeps notes: change it, and look at `git diff generated` after `ecomc build`.\n"
    "topology \"Notes\"\n"
    "\n"
    "// Words that the services share. A record is what goes over a wire, an error is what an operation may say no with.\n"
    "record Note { id: uuid  text: text  created_at: time }\n"
    "error NoteNotFound  404 \"There is no such note\"\n"
    "\n"
    "// Whoever calls from outside. It speaks only to the gateway.\n"
    "client browser \"Browser\"\n"
    "\n"
    "service note-svc \"Notes\" {\n"
    "  // Each service has a database of its own. Migrations are made from this: add a column, and `ecomc build` writes the next one.\n"
    "  database postgres {\n"
    "    table notes {\n"
    "      id          uuid primary key\n"
    "      text        text\n"
    "      created_at  time = now()\n"
    "    }\n"
    "  }\n"
    "\n"
    "  // The types are checked at the door: what is too long is answered with 422 before a line of this runs.\n"
    "  op WriteNote(text: text(1..1000)) -> Note {\n"
    "    let id = new_id()\n"
    "    let note = sql one \"\"\"\n"
    "      INSERT INTO notes (id, text) VALUES (:id, :text) RETURNING id, text, created_at\"\"\"\n"
    "    return note\n"
    "  }\n"
    "\n"
    "  // Without `none` a missing row would be a mistake of ours; with it, it is an answer.\n"
    "  op ReadNote(id: uuid) -> Note errors { NoteNotFound } {\n"
    "    let note = sql one \"\"\"SELECT id, text, created_at FROM notes WHERE id = :id\"\"\"  none -> fail NoteNotFound\n"
    "    return note\n"
    "  }\n"
    "}\n"
    "\n"
    "gateway api-gateway \"API Gateway\" {\n"
    "  listen 8080\n"
    "\n"
    "  // `...body` gives the operation what it has parameters for; `idempotent` makes a request that is sent twice one note.\n"
    "  route POST   \"/v1/notes\"        public -> note-svc.WriteNote(...body)  reply 201  idempotent\n"
    "  route GET    \"/v1/notes/{id}\"   public -> note-svc.ReadNote(id: path.id)\n"
    "}\n"
    "\n"
    "// An edge is the only way from one node to another: without it the routes above are errors.\n"
    "edge browser        -> api-gateway  { http }\n"
    "edge api-gateway    -> note-svc     { http  timeout 2s }\n"
    "\n"
    "// A story that holds; `ecomc load write-note --rate 50 --for 10s` plays it against what is up.\n"
    "scenario write-note \"A note is written\" {\n"
    "  when   browser POST \"/v1/notes\" { text: \"Buy milk\" }\n"
    "  expect 201\n"
    "  say    api-gateway -> note-svc  \"The gateway knows the route, the service keeps the note\"\n"
    "}\n";

static bool write_new(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    size_t at = 0, length = sizeof topology - 1;

    if (fd < 0)
        return false;
    while (at < length) {
        ssize_t n = write(fd, topology + at, length - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
    if (close(fd) == 0 && at == length)
        return true;
    int saved = errno;
    unlink(path);
    errno = saved;
    return false;
}

int ecc_cmd_init(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    const char *folder = cli->nargs ? cli->args[0] : ".";
    bool here = !strcmp(folder, ".");
    const char *path = here ? "topology.ecom" : ecc_arena_printf(&cli->arena, "%s/topology.ecom", folder);

    if (!here && mkdir(folder, 0777) && errno != EEXIST)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", folder, strerror(errno));
    if (!write_new(path)) {
        if (errno == EEXIST)
            return ecc_say_error(ECC_EXIT_FAILED, "%s is there already, and stays as it is; name another folder: ecomc init DIR", path);
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    }
    printf("wrote %s; its comments say what is what\n\nnext:\n", path);
    if (!here)
        printf("  cd %s\n", folder);
    puts("  ecomc check     # what does not fit, with the place\n"
         "  ecomc build     # writes generated/: read it\n"
         "  ecomc up        # builds and starts all of it; Ctrl-C stops it\n"
         "and, while it is up:\n"
         "  curl -s localhost:8080/v1/notes -H 'Content-Type: application/json' -d '{\"text\":\"Buy milk\"}'\n"
         "  ecomc load write-note --rate 50 --for 10s");
    return ECC_EXIT_OK;
}
