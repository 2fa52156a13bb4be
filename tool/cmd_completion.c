/* ecomc completion bash|zsh|fish: a script that completes commands, their options and the words that both take, from the tables.
 *
 * Words of the tables hold no quotes but `'`, which each shell has its own way to quote. `./ecom` takes the same commands.
 */
#include "cli.h"

#include <ctype.h>
#include <string.h>

/* The words of a choice (`a|b`, `SERVICE [a|b] [ID]`) with a space after each: what stands in capitals is not known here. */
static void choices(const char *text, FILE *out)
{
    while (*text) {
        size_t n = strcspn(text, " []|");

        if (n && islower((unsigned char)*text))
            fprintf(out, "%.*s ", (int)n, text);
        text += n ? n : 1;
    }
}

static bool has_choices(const char *text)
{
    return strchr(text, '|') != NULL;
}

static bool has_path(const char *text)
{
    return strstr(text, "FILE") || strstr(text, "DIR");
}

/* 'text', with what the shell needs where a ' is in it. */
static void quote(const char *text, const char *apostrophe)
{
    putchar('\'');
    for (; *text; text++)
        if (*text == '\'')
            fputs(apostrophe, stdout);
        else
            putchar(*text);
    putchar('\'');
}

static void command_names(void)
{
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    for (size_t i = 0; i < n; i++)
        printf("%s%s", i ? " " : "", commands[i].name);
}

/* What may stand behind a command: words, then `names` when it is those of commands. */
static void words_after(const struct ecc_command *command)
{
    choices(command->arguments, stdout);
    if (!strcmp(command->arguments, "[COMMAND]"))
        command_names();
}

/* ------------------------------------------------------------------ bash */

static void bash_value(const char *command, const struct ecc_option_text *o)
{
    if (!*o->value)
        return;
    printf("  '%s %s') ", *command ? command : "*", o->name);
    if (has_choices(o->value)) {
        fputs("words='", stdout);
        choices(o->value, stdout);
        fputs("' ;;\n", stdout);
    } else {
        puts(has_path(o->value) ? "files=1 ;;" : ";;");
    }
}

static void bash(void)
{
    const struct ecc_option_text *o;
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    puts("# bash completion of ecomc: source <(ecomc completion bash)\n"
         "_ecomc() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= files= i\n"
         "  # With = among the characters that part words, `--name=va` comes as three of them.\n"
         "  [ \"$cur\" = = ] && cur=\n"
         "  [ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
         "  done\n"
         "  COMPREPLY=()");
    fputs("  if [ -z \"$command\" ]; then\n    COMPREPLY=($(compgen -W '", stdout);
    command_names();
    puts(" --help --version' -- \"$cur\"))\n    return\n  fi\n  case \"$command $prev\" in");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; (o = ecc_command_option(commands[i].name, k)); k++)
            bash_value(commands[i].name, o);
    for (size_t k = 0; (o = ecc_command_option("", k)); k++)
        if (*o->value) {
            printf("  *' %s') words='", o->name);
            choices(o->value, stdout);
            puts("' ;;");
        }
    puts("  *)\n    case $command in");
    for (size_t i = 0; i < n; i++) {
        printf("    %s) words='", commands[i].name);
        words_after(&commands[i]);
        fputs("'", stdout);
        if (has_path(commands[i].arguments))
            fputs(" files=1", stdout);
        fputs("\n      [ \"${cur#-}\" != \"$cur\" ] && words='", stdout);
        for (size_t k = 0; (o = ecc_command_option(commands[i].name, k)); k++)
            printf("%s ", o->name);
        for (size_t k = 0; (o = ecc_command_option("", k)); k++)
            printf("%s ", o->name);
        puts("' files= ;;");
    }
    puts("    esac ;;\n  esac\n"
         "  [ -n \"$words\" ] && COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  [ -n \"$files\" ] && COMPREPLY+=($(compgen -f -- \"$cur\")) && compopt -o filenames 2>/dev/null\n"
         "  return 0\n"
         "}\n"
         "complete -F _ecomc ecomc ecom");
}

/* ------------------------------------------------------------------ zsh */

/* In the brackets of _arguments and in the pairs of _describe some characters mean something. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static void zsh_value(const char *value)
{
    if (!*value)
        return;
    fputs(":", stdout);
    zsh_text(value);
    if (has_choices(value)) {
        fputs(":(", stdout);
        choices(value, stdout);
        fputs(")", stdout);
    } else {
        fputs(strstr(value, "DIR") ? ":_files -/" : has_path(value) ? ":_files" : ": ", stdout);
    }
}

static void zsh_option(const struct ecc_option_text *o)
{
    /* `--name=` takes its value in the same word or the next one, `-o+` likewise. */
    printf(" \\\n        '%s%s[", o->name, !*o->value ? "" : o->name[1] == '-' ? "=" : "+");
    zsh_text(o->summary);
    fputs("]", stdout);
    zsh_value(o->value);
    fputs("'", stdout);
}

static void zsh(void)
{
    const struct ecc_option_text *o;
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    puts("#compdef ecomc ecom\n"
         "# zsh completion of ecomc: ecomc completion zsh >\"${fpath[1]}/_ecomc\"\n"
         "_ecomc() {\n"
         "  local -a commands\n"
         "  commands=(");
    for (size_t i = 0; i < n; i++) {
        printf("    '%s:", commands[i].name);
        zsh_text(commands[i].summary);
        puts("'");
    }
    puts("  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=$words[2]\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $command in");
    for (size_t i = 0; i < n; i++) {
        printf("    %s)\n      _arguments", commands[i].name);
        for (size_t k = 0; (o = ecc_command_option(commands[i].name, k)); k++)
            zsh_option(o);
        for (size_t k = 0; (o = ecc_command_option("", k)); k++)
            zsh_option(o);
        if (has_path(commands[i].arguments)) {
            printf(" \\\n        '*:file:_files%s'", strstr(commands[i].arguments, "DIR") ? " -/" : "");
        } else if (*commands[i].arguments) {
            fputs(" \\\n        '*:argument:(", stdout);
            words_after(&commands[i]);
            fputs(")'", stdout);
        }
        puts(" ;;");
    }
    puts("  esac\n}\n"
         "if [ \"$funcstack[1]\" = _ecomc ]; then\n  _ecomc \"$@\"\nelse\n  compdef _ecomc ecomc ecom\nfi");
}

/* ------------------------------------------------------------------ fish */

static void fish_option(const char *command, const struct ecc_option_text *o)
{
    fputs("complete -c ecomc", stdout);
    if (*command)
        printf(" -n '__fish_seen_subcommand_from %s'", command);
    printf(o->name[1] == '-' ? " -l %s" : " -s %s", o->name + (o->name[1] == '-' ? 2 : 1));
    if (has_choices(o->value)) {
        fputs(" -x -a '", stdout);
        choices(o->value, stdout);
        fputs("'", stdout);
    } else if (*o->value) {
        fputs(has_path(o->value) ? " -r -F" : " -x", stdout);
    }
    fputs(" -d ", stdout);
    quote(o->summary, "\\'");
    putchar('\n');
}

static void fish(void)
{
    const struct ecc_option_text *o;
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    puts("# fish completion of ecomc: ecomc completion fish >~/.config/fish/completions/ecomc.fish\n"
         "complete -c ecomc -f");
    for (size_t k = 0; (o = ecc_command_option("", k)); k++)
        fish_option("", o);
    for (size_t i = 0; i < n; i++) {
        printf("complete -c ecomc -n __fish_use_subcommand -a %s -d ", commands[i].name);
        quote(commands[i].summary, "\\'");
        putchar('\n');
        for (size_t k = 0; (o = ecc_command_option(commands[i].name, k)); k++)
            fish_option(commands[i].name, o);
        if (has_path(commands[i].arguments))
            printf("complete -c ecomc -n '__fish_seen_subcommand_from %s' -F\n", commands[i].name);
        if (has_choices(commands[i].arguments) || strstr(commands[i].arguments, "COMMAND")) {
            printf("complete -c ecomc -n '__fish_seen_subcommand_from %s' -a '", commands[i].name);
            words_after(&commands[i]);
            puts("'");
        }
    }
}

int ecc_cmd_completion(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    if (cli->nargs && !strcmp(cli->args[0], "bash"))
        bash();
    else if (cli->nargs && !strcmp(cli->args[0], "zsh"))
        zsh();
    else if (cli->nargs && !strcmp(cli->args[0], "fish"))
        fish();
    else
        return ecc_say_error(ECC_EXIT_USAGE, "completion needs a shell: ecomc completion bash|zsh|fish");
    return ECC_EXIT_OK;
}
