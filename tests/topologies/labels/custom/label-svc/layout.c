/* label-svc.Layout: each part as often as it says, with a space between two. */
#include "custom.h"

void layout_custom(struct ec_task *task, void **own, const struct part_list *parts, enum ink ink, const struct ec_str *note,
                   const int64_t *scale, const struct part *frame, const struct layout_in_margin *margin, const double *price,
                   const int64_t *at, bool int_, struct label *out)
{
    struct ec_str_list lines = {EC_ALLOC_ARRAY(task, struct ec_str, parts->n + 3), 0};

    (void)own;
    out->width = margin->left + margin->right;
    for (size_t i = 0; i < parts->n; i++) {
        struct ec_str line = EC_STR("");
        for (int64_t k = 0; k < parts->v[i].times && k < 100; k++)
            line = ec_concat(task, (struct ec_str[]){line, k ? EC_STR(" ") : EC_STR(""), parts->v[i].text}, 3);
        lines.v[lines.n++] = line;
        out->width += (int64_t)line.n * (scale ? *scale : 1);
        out->text = ec_concat(task, (struct ec_str[]){out->text, i ? EC_STR("|") : EC_STR(""), line}, 3);
    }
    if (frame)
        lines.v[lines.n++] = frame->text;
    if (note)
        lines.v[lines.n++] = *note;
    if (int_)
        lines.v[lines.n++] = EC_STR("int");
    if (out->width > widest_setting.i) {
        ec_fail_with(task, &error_too_wide);
        return;
    }
    out->ink = ink;
    out->lines = lines;
    out->price = price ? ec_some_float(task, *price * 2) : NULL;
    out->made = at ? ec_some_int(task, *at) : NULL;
    ec_reply(task, out);
}
