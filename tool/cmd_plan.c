/* ecomc plan [--against REF|FILE] [--format text|md|json] [FILE]: what a change of the topology means.
 *
 * FILE is compared with what it was at a commit (HEAD unless said), or with another file. Both are compiled and generated in memory: the
 * old one with the ecom.lock that stands beside it, the new one with the lock that the old one leads to, so that a migration that has been
 * generated since counts as one of this change. Nothing is written. Exit 2 when something is breaking or destructive.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "build.h"
#include "codegen.h"
#include "compare.h"
#include "git.h"
#include "writer.h"

struct side {
    struct ecc_topology topology;
    const char *lock;
    size_t lock_length;
    bool absent; /* it was not there: everything is new */
    struct ecc_outset out;
    struct ecc_codegen cg;
};

static const char *folder_of(struct ecc_arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');

    return !slash ? "." : slash == file ? "/" : ecc_arena_strndup(arena, file, (size_t)(slash - file));
}

static const char *name_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

/* The first error. Of a model that compiled it is the generation's: only that knows what a database can't follow. */
static const char *first_error(const struct ecc_diags *diags)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->items[i]->severity == ECC_ERROR)
            return diags->items[i]->message;
    return NULL;
}

/* The old side's own diagnostics are not this change's: an error of it is told in one line. */
static int old_must_compile(const struct side *old, const char *path)
{
    if (old->topology.model)
        return 0;
    return ecc_say_error(ECC_EXIT_IO, "%s does not compile, so nothing can be compared with it: %s", path,
                         first_error(&old->topology.diags));
}

static void drop_lock(struct ecc_cli *cli, struct side *side)
{
    const struct ecc_source source = side->topology.source;

    side->lock = NULL;
    side->lock_length = 0;
    ecc_topology_compile(cli, side->topology.path, source.text, source.length, NULL, 0, &side->topology);
}

static int read_old_file(struct ecc_cli *cli, const char *path, struct side *old)
{
    if (ecc_topology_load(cli, path, &old->topology))
        return ECC_EXIT_IO;
    old->lock = old->topology.lock;
    old->lock_length = old->topology.lock_length;
    if (!old->topology.model && old->lock) /* it may be another's: see generate_old */
        drop_lock(cli, old);
    return old_must_compile(old, path);
}

static int read_old_ref(struct ecc_cli *cli, const char *ref, const char *file, struct side *old)
{
    const char *folder = folder_of(&cli->arena, file), *name = name_of(file), *path = ecc_arena_printf(&cli->arena, "%s:%s", ref, file);
    char *text, *lock;
    size_t length;
    bool no_lock;

    if (ref[0] == '-' || strchr(ref, ':'))
        return ecc_say_error(ECC_EXIT_USAGE, "--against %s: that is neither a commit nor a file", ref);
    if (!strcmp(file, "-"))
        return ecc_say_error(ECC_EXIT_USAGE, "standard input has no past; compare it with a file: --against FILE");
    if (!ecc_git_knows(cli, folder, ref) || !ecc_git_read(cli, folder, ref, name, &text, &length, &old->absent))
        return ECC_EXIT_IO;
    if (old->absent)
        return 0;
    if (!ecc_git_read(cli, folder, ref, "ecom.lock", &lock, &old->lock_length, &no_lock))
        return ECC_EXIT_IO;
    old->lock = no_lock ? NULL : lock;
    ecc_topology_compile(cli, path, text, length, old->lock, old->lock_length, &old->topology);
    return old_must_compile(old, path);
}

static bool generate(struct ecc_cli *cli, struct side *side)
{
    ecc_outset_init(&side->out, &cli->arena);
    side->cg = (struct ecc_codegen){.arena = &cli->arena,
                                    .model = side->topology.model,
                                    .diags = &side->topology.diags,
                                    .out = &side->out,
                                    .lock = side->lock,
                                    .lock_length = side->lock_length};
    return ecc_codegen(&side->cg);
}

/* The lock beside the old file may be ahead of it, when both files stand in one folder and the other has been built: then it is not its
 * own. */
static bool generate_old(struct ecc_cli *cli, struct side *old)
{
    if (generate(cli, old))
        return true;
    if (!old->lock)
        return false;
    drop_lock(cli, old);
    return generate(cli, old);
}

/* The new side once more, after what the old one has released: sagas have their versions. Where that can't be, it is said as the reason why
 * nothing could be built. */
static void compile_after(struct ecc_cli *cli, struct side *old, struct side *now)
{
    const struct ecc_topology alone = now->topology;

    now->lock = old->cg.new_lock;
    now->lock_length = old->cg.new_lock_length;
    ecc_topology_compile(cli, alone.path, alone.source.text, alone.source.length, now->lock, now->lock_length, &now->topology);
    if (!now->topology.model)
        now->topology.model = alone.model;
}

static int take_format(const char *word, enum ecc_plan_format *format)
{
    static const char *const words[] = {"text", "md", "json"};

    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(word, words[i])) {
            *format = (enum ecc_plan_format)i;
            return 0;
        }
    return word ? ecc_say_error(ECC_EXIT_USAGE, "plan has no format '%s'; there are text, md and json", word) : 0;
}

static int compare(struct ecc_cli *cli, struct side *old, struct side *now, const char *against, enum ecc_plan_format format)
{
    struct ecc_comparison comparison;
    struct ecc_writer w;

    ecc_outset_init(&old->out, &cli->arena);
    if (!old->absent && !generate_old(cli, old))
        return ecc_say_error(ECC_EXIT_IO, "%s can't be generated, so nothing can be compared with it: %s", old->topology.path,
                             old->out.error ? old->out.error : first_error(&old->topology.diags));
    compile_after(cli, old, now);
    ecc_compare(&cli->arena, old->absent ? &ecc_no_model : old->topology.model, now->topology.model, &comparison);
    if (!generate(cli, now) && !now->topology.diags.errors)
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s", now->out.error ? now->out.error : "the generation failed without saying why");
    ecc_compare_files(&cli->arena, &old->out, &now->out, &comparison);
    struct ecc_plan_report report = {.comparison = &comparison,
                                     .against = against,
                                     .old = old->absent ? NULL : &old->topology.source,
                                     .new_ = &now->topology.source,
                                     .refused = first_error(&now->topology.diags)};
    ecc_writer_init(&w, &cli->arena);
    ecc_plan_write(&report, format, &w);
    fwrite(w.data, 1, w.n, stdout);
    return comparison.counts[ECC_CLASS_BREAKING] || comparison.counts[ECC_CLASS_DESTRUCTIVE] || report.refused ? ECC_EXIT_DIFFERENT
                                                                                                               : ECC_EXIT_OK;
}

int ecc_cmd_plan(struct ecc_cli *cli)
{
    const char *against = "HEAD", *word = NULL;
    const struct ecc_option options[] = {{"--against", &against, NULL}, {"--format", &word, NULL}};
    enum ecc_plan_format format = ECC_PLAN_TEXT;
    struct side old = {0}, now = {0};
    struct stat st;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], 1);

    if (code || (code = take_format(word, &format)))
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &now.topology)))
        return code;
    if (!now.topology.model) {
        cli->format = format == ECC_PLAN_JSON ? ECC_FORMAT_JSON : ECC_FORMAT_TEXT;
        return ecc_topology_report(cli, &now.topology);
    }
    bool is_file = !stat(against, &st) && !S_ISDIR(st.st_mode);
    if ((code = is_file ? read_old_file(cli, against, &old) : read_old_ref(cli, against, file, &old)))
        return code;
    return compare(cli, &old, &now, against, format);
}
