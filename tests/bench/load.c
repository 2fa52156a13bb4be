/* HTTP/1.1 load for the benchmarks: one thread on epoll, keep-alive connections, closed or open loop.
 *
 * usage: load [-c CONNECTIONS] [-t SECONDS] [-w WARM_SECONDS] [-d DRAIN_SECONDS] [-r RATE] [-s STATUS] [-n BYTES] -q REQUESTS ADDRESS PORT
 *
 * REQUESTS is a file of whole requests, each with its length in a line of its own before it; they are sent in turn. Without -r the loop is
 * closed: each connection sends when its reply is there. With it the loop is open: request k is due at k/RATE whatever the server does, and
 * its time is taken from then, not from when a connection was free for it (G. Tene, "How NOT to Measure Latency": coordinated omission).
 * Every reply is held against -s (default 200) and, with -n, its body's length. One line of JSON tells what came of it. Of what
 * was begun in the measured time all is waited for (-d, 10 s), so that a server's own counts can be compared with `sent`; `unsent` is what
 * was due and never had a connection: then the figures of time flatter.
 *
 * Times go into a histogram of 128 steps for each power of two (as HdrHistogram's): no figure is off by more than 0.8%.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 128, BUCKETS = 58 * STEPS, MOST_CONNECTIONS = 16384, HEAD_MOST = 16384, READ_BYTES = 262144 };

static const uint64_t SECOND = 1000000000;

struct request {
    const char *bytes;
    size_t n;
};

enum body { HEAD, LENGTH, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER };

struct conn {
    int fd;
    bool busy, connected, measured, writes;
    uint64_t due; /* ns: when its request was to be sent */
    struct request sending;
    enum body state;
    int status;
    bool closes;
    uint64_t left, body; /* of the body or chunk; of the body so far */
    size_t nhead;
    char head[HEAD_MOST];
};

static struct {
    struct sockaddr_in address;
    int nconns, status;
    double seconds, warm, drain, rate;
    int64_t bytes; /* -1: any */
    struct request *requests;
    size_t nrequests;
} set = {.nconns = 64, .status = 200, .seconds = 5, .warm = 1, .drain = 10, .bytes = -1};

static struct {
    uint64_t sent, good, wrong_status, wrong_body, broken, connects, late, bytes;
    uint64_t in_time; /* good ones whose reply came in the measured time */
    uint64_t histogram[BUCKETS], total_ns, most;
} counts;

static int epoll_fd;
static struct conn *conns;
static struct conn **idle;
static int nidle, nbusy;
static size_t next_request;
static uint64_t begin, measured_from, measured_to, due_next; /* due_next: number of the next request of an open loop */
static bool over;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------ histogram */

static size_t bucket(uint64_t ns)
{
    if (ns < STEPS)
        return ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 7;
    return (size_t)(shift + 1) * STEPS + (size_t)((ns >> shift) - STEPS);
}

static uint64_t bucket_top(size_t i)
{
    return i < STEPS ? i : (((i % STEPS + STEPS + 1) << (i / STEPS - 1)) - 1);
}

static void record(uint64_t ns)
{
    counts.histogram[bucket(ns)]++;
    counts.total_ns += ns;
    counts.most = ns > counts.most ? ns : counts.most;
}

static double quantile_us(double q)
{
    uint64_t all = 0, seen = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        all += counts.histogram[i];
    uint64_t rank = (uint64_t)(q * (double)all + 0.5);
    for (size_t i = 0; i < BUCKETS && all; i++) {
        seen += counts.histogram[i];
        if (seen >= (rank ? rank : 1)) {
            uint64_t top = bucket_top(i);
            return (double)(top < counts.most ? top : counts.most) / 1e3;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ connections */

static void want(struct conn *c, bool writes, int op)
{
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = c};

    if (op == EPOLL_CTL_MOD && writes == c->writes)
        return;
    c->writes = writes;
    if (epoll_ctl(epoll_fd, op, c->fd, &event))
        die("epoll_ctl");
}

static void open_conn(struct conn *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&set.address, sizeof set.address) && errno != EINPROGRESS)
        die("connect");
    c->connected = false;
    c->state = HEAD;
    c->nhead = 0;
    counts.connects++;
    want(c, true, EPOLL_CTL_ADD);
}

/* Its request is answered, or never will be. */
static void to_idle(struct conn *c)
{
    nbusy -= c->busy;
    c->busy = false;
    idle[nidle++] = c;
}

static void reopen(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    if (!over)
        open_conn(c);
}

/* A broken connection is made anew; its request is not sent again. One that was idle stays in the list of these. */
static void lost(struct conn *c)
{
    reopen(c);
    if (!c->busy)
        return;
    counts.broken += c->measured;
    to_idle(c);
}

static void push(struct conn *c)
{
    while (c->sending.n) {
        ssize_t n = send(c->fd, c->sending.bytes, c->sending.n, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) {
            want(c, true, EPOLL_CTL_MOD);
            return;
        }
        if (n < 0) {
            lost(c);
            return;
        }
        c->sending.bytes += n;
        c->sending.n -= (size_t)n;
    }
    want(c, false, EPOLL_CTL_MOD);
}

static void begin_request(struct conn *c, uint64_t due, uint64_t at)
{
    c->busy = true;
    nbusy++;
    c->due = due;
    c->measured = due >= measured_from && due < measured_to;
    counts.sent += c->measured;
    counts.late += c->measured && at - due > SECOND / 1000;
    c->sending = set.requests[next_request++ % set.nrequests];
    c->state = HEAD;
    c->nhead = 0;
    c->body = 0;
    if (c->connected)
        push(c);
}

/* Sends what is due as far as there are connections; in a closed loop each that is idle is due. */
static void begin_due(uint64_t at)
{
    while (nidle && !over) {
        uint64_t due = set.rate > 0 ? begin + (uint64_t)((double)due_next / set.rate * 1e9) : at;
        if (due > at)
            return;
        if (due >= measured_to) {
            over = true;
            return;
        }
        due_next++;
        begin_request(idle[--nidle], due, at);
    }
}

/* ------------------------------------------------------------------ replies */

static void finished(struct conn *c, uint64_t at)
{
    if (c->measured) {
        if (c->status != set.status)
            counts.wrong_status++;
        else if (set.bytes >= 0 && c->body != (uint64_t)set.bytes)
            counts.wrong_body++;
        else {
            counts.good++;
            counts.in_time += at < measured_to;
            counts.bytes += c->body;
            record(at - c->due);
        }
    }
    c->state = HEAD;
    c->nhead = 0;
    to_idle(c);
    if (c->closes)
        reopen(c);
}

/* The value of a header in a head that ends with NUL, or NULL. */
static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':')
            return line + 3 + n + strspn(line + 3 + n, " ");
    return NULL;
}

static bool read_head(struct conn *c)
{
    const char *length, *coding, *connection;

    if (strncmp(c->head, "HTTP/1.1 ", 9) != 0)
        return false;
    c->status = atoi(c->head + 9);
    length = header(c->head, "content-length");
    coding = header(c->head, "transfer-encoding");
    connection = header(c->head, "connection");
    c->closes = connection && strncasecmp(connection, "close", 5) == 0;
    c->body = 0;
    c->left = length ? strtoull(length, NULL, 10) : 0;
    c->state = coding ? CHUNK_SIZE : LENGTH;
    return coding || length || c->status == 204 || c->status == 304;
}

/* Takes what a reply says from p; false: this is no reply that is understood. */
static bool take(struct conn *c, const char *p, size_t n, uint64_t at)
{
    while (n) {
        if (!c->busy)
            return false; /* nobody has asked */
        if (c->state == HEAD || c->state == CHUNK_SIZE || c->state == TRAILER || c->state == CHUNK_END) {
            size_t end = 0; /* of what belongs to it in p, or 0 */
            for (size_t i = 0; i < n && !end; i++) {
                if (c->nhead + 1 >= HEAD_MOST)
                    return false;
                c->head[c->nhead++] = p[i];
                if (p[i] != '\n')
                    continue;
                if (c->state != HEAD || (c->nhead >= 4 && memcmp(c->head + c->nhead - 4, "\r\n\r\n", 4) == 0))
                    end = i + 1;
            }
            if (!end)
                return true;
            c->head[c->nhead] = '\0';
            p += end;
            n -= end;
            if (c->state == HEAD) {
                if (!read_head(c))
                    return false;
                if (c->state == LENGTH && !c->left)
                    finished(c, at);
            } else if (c->state == CHUNK_SIZE) {
                c->left = strtoull(c->head, NULL, 16);
                c->state = c->left ? CHUNK : TRAILER;
            } else if (c->state == CHUNK_END) {
                c->state = CHUNK_SIZE;
            } else if (c->nhead == 2) {
                finished(c, at);
            }
            c->nhead = 0;
            continue;
        }
        size_t part = n < c->left ? n : (size_t)c->left;
        c->left -= part;
        c->body += part;
        p += part;
        n -= part;
        if (c->left)
            return true;
        if (c->state == CHUNK)
            c->state = CHUNK_END;
        else
            finished(c, at);
    }
    return true;
}

static void on_event(struct conn *c, uint32_t events, uint64_t at)
{
    static char buffer[READ_BYTES];

    if (c->fd < 0)
        return;
    if (!c->connected && (events & EPOLLOUT)) {
        c->connected = true;
        if (!c->busy)
            want(c, false, EPOLL_CTL_MOD);
    }
    if ((events & EPOLLOUT) && c->busy) {
        int fd = c->fd;
        push(c);
        if (c->fd != fd)
            return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !take(c, buffer, (size_t)n, at))
        lost(c);
}

/* ------------------------------------------------------------------ set-up */

static void read_requests(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        die(path);
    char *text = malloc((size_t)st.st_size + 1), *p = text;
    if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
        die(path);
    close(fd);
    text[st.st_size] = '\0';
    for (char *end = text + st.st_size; p < end;) {
        char *line;
        size_t n = strtoull(p, &line, 10);
        if (line == p || *line != '\n' || n > (size_t)(end - line - 1)) {
            fprintf(stderr, "load: %s: byte %td: a length in a line of its own belongs here\n", path, p - text);
            exit(64);
        }
        set.requests = realloc(set.requests, (set.nrequests + 1) * sizeof *set.requests);
        if (!set.requests)
            die("memory");
        set.requests[set.nrequests++] = (struct request){line + 1, n};
        p = line + 1 + n;
    }
    if (!set.nrequests) {
        fprintf(stderr, "load: %s: has no request\n", path);
        exit(64);
    }
}

static void read_arguments(int argc, char **argv)
{
    const char *requests = NULL;
    int option;

    while ((option = getopt(argc, argv, "c:t:w:d:r:s:n:q:")) != -1) {
        switch (option) {
        case 'c':
            set.nconns = atoi(optarg);
            break;
        case 't':
            set.seconds = atof(optarg);
            break;
        case 'w':
            set.warm = atof(optarg);
            break;
        case 'd':
            set.drain = atof(optarg);
            break;
        case 'r':
            set.rate = atof(optarg);
            break;
        case 's':
            set.status = atoi(optarg);
            break;
        case 'n':
            set.bytes = atoll(optarg);
            break;
        case 'q':
            requests = optarg;
            break;
        default:
            exit(64);
        }
    }
    set.address.sin_family = AF_INET;
    if (argc - optind != 2 || !requests || set.nconns < 1 || set.nconns > MOST_CONNECTIONS || set.seconds <= 0 || set.warm < 0 ||
        set.drain < 0 || inet_pton(AF_INET, argv[optind], &set.address.sin_addr) != 1) {
        fprintf(stderr, "usage: load [-c CONNECTIONS] [-t SECONDS] [-w WARM_SECONDS] [-d DRAIN_SECONDS] [-r RATE] [-s STATUS] [-n BYTES] "
                        "-q REQUESTS ADDRESS PORT\n");
        exit(64);
    }
    set.address.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
    read_requests(requests);
}

static void arm(int timer)
{
    struct itimerspec at = {0};
    uint64_t due = set.rate > 0 ? begin + (uint64_t)((double)due_next / set.rate * 1e9) : measured_to;

    if (!nidle || due > measured_to)
        due = measured_to;
    at.it_value.tv_sec = (time_t)(due / SECOND);
    at.it_value.tv_nsec = (long)(due % SECOND);
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void report(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    uint64_t due = set.rate > 0 ? (uint64_t)(set.rate * set.seconds) : counts.sent;
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 + (double)usage.ru_stime.tv_sec +
                 (double)usage.ru_stime.tv_usec / 1e6;
    printf("{\"seconds\": %.3f, \"sent\": %" PRIu64 ", \"good\": %" PRIu64 ", \"in_time\": %" PRIu64 ", \"unsent\": %" PRIu64
           ", \"wrong_status\": %" PRIu64 ", \"wrong_body\": %" PRIu64 ", \"broken\": %" PRIu64 ", \"connects\": %" PRIu64
           ", \"late\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"per_second\": %.1f, \"mean_us\": %.1f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f"
           ", \"own_cpu\": %.3f}\n",
           set.seconds, counts.sent, counts.good, counts.in_time, due > counts.sent ? due - counts.sent : 0, counts.wrong_status,
           counts.wrong_body, counts.broken, counts.connects, counts.late, counts.bytes, (double)counts.in_time / set.seconds,
           counts.good ? (double)counts.total_ns / (double)counts.good / 1e3 : 0, quantile_us(0.5), quantile_us(0.9), quantile_us(0.99),
           quantile_us(0.999), (double)counts.most / 1e3, cpu);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[1024];

    read_arguments(argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    conns = calloc((size_t)set.nconns, sizeof *conns);
    idle = calloc((size_t)set.nconns, sizeof(struct conn *));
    if (epoll_fd < 0 || timer < 0 || !conns || !idle)
        die("set-up");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &event))
        die("epoll_ctl");
    begin = now();
    measured_from = begin + (uint64_t)(set.warm * 1e9);
    measured_to = measured_from + (uint64_t)(set.seconds * 1e9);
    for (int i = 0; i < set.nconns; i++) {
        open_conn(&conns[i]);
        to_idle(&conns[i]);
    }
    for (;;) {
        uint64_t at = now();
        begin_due(at);
        over = over || at >= measured_to;
        if (over && (!nbusy || at > measured_to + (uint64_t)(set.drain * 1e9)))
            break;
        if (!over)
            arm(timer);
        int n = epoll_wait(epoll_fd, events, 1024, over ? 100 : -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        at = now();
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            if (events[i].data.ptr)
                on_event(events[i].data.ptr, events[i].events, at);
            else if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN)
                die("timer");
        }
    }
    for (int i = 0; i < set.nconns; i++)
        counts.broken += conns[i].busy && conns[i].measured; /* not answered in -d */
    report();
    return 0;
}
