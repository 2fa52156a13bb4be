/* At run time such transactions are opened together, and what goes with their commits has to be known when their rows are read
 * (runtime/tx_share.c). So on each way from BEGIN to COMMIT
 * - at most one act waits (on one of the ways there is one), and it is SQL that writes: what only reads could hold up others for long, and
 *   has no commit to share;
 * - behind it nothing waits, and nothing fails: a failure would take the others' transactions with it. (A row that has to be there and is
 *   not, EXPECT, is a mistake of the program and not a rule.)
 */
#include "plan_shared.h"

enum way {
    GOES, /* past the acts */
    ENDS, /* with a commit */
    NO
};

/* waits: on the way to here; any: on one of the ways. */
static enum way walk(const struct ecc_acts *acts, size_t from, bool *waits, bool *any);

/* Acts that are perhaps done. */
static enum way walk_either(const struct ecc_acts *then, const struct ecc_acts *otherwise, bool *waits, bool *any)
{
    bool first = *waits, second = *waits;
    enum way one = walk(then, 0, &first, any), other = otherwise ? walk(otherwise, 0, &second, any) : GOES;

    if (one == NO || other == NO)
        return NO;
    *waits = (one == GOES && first) || (other == GOES && second);
    return one == ENDS && other == ENDS ? ENDS : GOES;
}

static enum way walk(const struct ecc_acts *acts, size_t from, bool *waits, bool *any)
{
    enum way way = GOES;
    bool before;

    for (size_t i = from; i < acts->n && way == GOES; i++) {
        const struct ecc_act *act = acts->items[i];

        switch (act->kind) {
        case ECC_ACT_RUN:
            if (*waits || act->stmt->kind != ECC_STMT_SQL || !act->stmt->u.sql->writes)
                return NO;
            *waits = *any = true;
            break;
        case ECC_ACT_COMMIT:
            return ENDS;
        case ECC_ACT_FAIL:
            return *waits ? NO : ENDS;
        case ECC_ACT_NO_ROW:
        case ECC_ACT_ABSENT:
        case ECC_ACT_FOUND:
            way = walk_either(&act->body, NULL, waits, any);
            break;
        case ECC_ACT_WHEN:
            way = walk_either(&act->body, &act->otherwise, waits, any);
            break;
        case ECC_ACT_FOR:
            before = *waits;
            way = walk_either(&act->body, NULL, waits, any);
            if (*waits != before) /* it may wait as often as there are items */
                return NO;
            break;
        case ECC_ACT_NOW:
        case ECC_ACT_TAKE:
        case ECC_ACT_EXPECT:
        case ECC_ACT_OUT:
            break;
        case ECC_ACT_CLAIM:
        case ECC_ACT_BEGIN:
        case ECC_ACT_LATE:
        case ECC_ACT_CAUGHT:
        case ECC_ACT_REPLY:
        case ECC_ACT_ACCEPT:
            return NO;
        }
    }
    return way;
}

void ecc_plan_mark_shared(struct ecc_acts *acts)
{
    for (size_t i = 0; i < acts->n; i++) {
        struct ecc_act *act = acts->items[i];
        bool waits = false, any = false;

        if (act->kind == ECC_ACT_BEGIN)
            act->shared = walk(acts, i + 1, &waits, &any) == ENDS && any;
        ecc_plan_mark_shared(&act->body);
        ecc_plan_mark_shared(&act->otherwise);
        for (size_t n = 0; n < act->ncatches; n++)
            ecc_plan_mark_shared(&act->catches[n].body);
    }
}
