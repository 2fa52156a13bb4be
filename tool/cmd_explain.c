/* ecomc explain [CODE]: the page of a diagnostic code; without a code, all codes with their titles. `prelude` shows what stands in front of
 * the examples. E0400, e400 and 400 are the same. */
#include "cli.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"

static json_t *summary(const struct ecc_page *page)
{
    return json_pack("{s:s, s:s, s:s}", "code", page->id, "severity", page->severity == ECC_ERROR ? "error" : "warning", "title",
                     page->title);
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
}

static int list(const struct ecc_cli *cli)
{
    json_t *all = json_array();

    for (size_t i = 0; i < ecc_npages; i++) {
        if (cli->format == ECC_FORMAT_JSON)
            json_array_append_new(all, summary(&ecc_pages[i]));
        else
            printf("%s%s%s  %s\n", cli->color_out ? "\033[1m" : "", ecc_pages[i].id, cli->color_out ? "\033[0m" : "", ecc_pages[i].title);
    }
    if (cli->format == ECC_FORMAT_JSON)
        print_json(all);
    else
        json_decref(all);
    return ECC_EXIT_OK;
}

/* Digits with or without the letter; a letter that the code has not is another code. */
static const struct ecc_page *find(const char *word)
{
    char letter = (char)toupper((unsigned char)*word);
    const char *digits = word + (letter == 'E' || letter == 'W');
    long code;

    if (!isdigit((unsigned char)*digits) || !ecc_cli_int(digits, 0, 9999, &code))
        return NULL;
    const struct ecc_page *page = ecc_page((int)code);
    return page && (digits == word || page->id[0] == letter) ? page : NULL;
}

/* What a number with a slip in it may have been: the same number with the other letter, else the nearest spelling. */
static const char *meant(struct ecc_cli *cli, const char *word)
{
    const char **ids = ECC_NEW_ARRAY(&cli->arena, const char *, ecc_npages);
    const char *digits = word + strcspn(word, "0123456789");
    char *full =
        ecc_arena_printf(&cli->arena, "%c%04d", toupper((unsigned char)*word) == 'W' ? 'W' : 'E', (int)(strtoul(digits, NULL, 10) % 10000));

    if (*digits && find(digits))
        return find(digits)->id;
    for (size_t i = 0; i < ecc_npages; i++)
        ids[i] = ecc_pages[i].id;
    return *digits ? ecc_did_you_mean(full, ids, ecc_npages) : NULL;
}

int ecc_cmd_explain(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "explain has the formats text and json");
    if (!cli->nargs)
        return list(cli);
    if (!strcmp(cli->args[0], "prelude")) {
        if (cli->format == ECC_FORMAT_JSON)
            print_json(json_pack("{s:s}", "prelude", ecc_page_prelude));
        else
            fputs(ecc_page_prelude, stdout);
        return ECC_EXIT_OK;
    }
    const struct ecc_page *page = find(cli->args[0]);
    if (!page) {
        const char *near = meant(cli, cli->args[0]);
        if (near)
            return ecc_say_error(ECC_EXIT_FAILED, "there is no code '%s'; did you mean %s?", cli->args[0], near);
        return ecc_say_error(ECC_EXIT_FAILED, "there is no code '%s'; `ecomc explain` lists them", cli->args[0]);
    }
    if (cli->format == ECC_FORMAT_TEXT) {
        ecc_page_write(page, cli->color_out, stdout);
        if (strstr(page->text, "```ecom\n"))
            puts("\nThe examples stand behind what `ecomc explain prelude` shows.");
        return ECC_EXIT_OK;
    }
    json_t *json = summary(page);
    json_object_set_new(json, "about", json_string(ecc_page_about(&cli->arena, page)));
    json_object_set_new(json, "wrong", json_string(ecc_page_example(&cli->arena, page, "Wrong")));
    json_object_set_new(json, "mended", json_string(ecc_page_example(&cli->arena, page, "Mended")));
    json_object_set_new(json, "markdown", json_string(page->text));
    print_json(json);
    return ECC_EXIT_OK;
}
