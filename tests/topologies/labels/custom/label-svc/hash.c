/* label-svc.Hash: long work, off the loop. */
#include "custom.h"

enum { HASH_START, HASH_DONE };

struct hash_work {
    struct ec_str text;
    int64_t rounds;
    uint64_t sum;
};

/* FNV-1a over and over; in a thread of the pool. */
static void work(void *data)
{
    struct hash_work *w = data;

    w->sum = 14695981039346656037u;
    for (int64_t round = 0; round < w->rounds; round++)
        for (size_t i = 0; i < w->text.n; i++)
            w->sum = (w->sum ^ (unsigned char)w->text.p[i]) * 1099511628211u;
}

void hash_custom(struct ec_task *task, void **own, struct ec_str text, int64_t rounds, struct digest *out)
{
    struct hash_work *w = *own;

    switch (task->step) {
    case HASH_START:
        *own = w = EC_ALLOC(task, struct hash_work);
        *w = (struct hash_work){.text = text, .rounds = rounds};
        EC_AWAIT(task, HASH_DONE, ec_work(task, work, w));
        *out = (struct digest){.sum = ec_text_int(task, (int64_t)(w->sum >> 1)), .rounds = rounds};
        ec_reply(task, out);
    }
}
