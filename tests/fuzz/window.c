/*
 * Streams without an end: a window over a pushed or a pulled stream, against a model that is a tail and a
 * frontier. Cases of their own, since what the other cases know, that no byte is ever lost, does not hold.
 * Every byte is right or lapped; lapped only if it has left the window.
 */
#include "fuzz.h"

enum { SLACK = 2 * 256 * 1024, MOST = 300 * 1024 };

static struct {
    uint64_t window, max, salt, until; /* the end of the stream */
    bool is_pushed;
    sb_buffer *buffer;
    atomic_bool over;
    atomic_uint_fast64_t tail;    /* the largest that was seen */
    uint64_t frontier;            /* of the pusher, or of the source */
    call calls[WORKERS];
} it;

/* For the watchdog. */
static void begin(const char *name, uint64_t off, uint64_t len)
{
    call *call = &it.calls[me->number];
    lock();
    *call = (struct call){ .name = name, .off = off, .len = len, .begun_ms = now_ms() };
    me->call = call;
    unlock();
    atomic_fetch_add(&operations_done, 1);
}

static void end(const char *name, uint64_t off, int64_t result)
{
    lock();
    me->call = NULL;
    unlock();
    trace("%s(%" PRIu64 "): %s", name, off, status_name(result));
}

static sb_stats stats_now(void)
{
    sb_stats stats;
    EXPECT(sb_stat(it.buffer, &stats, sizeof stats) == SB_OK, "no stats");
    uint64_t tail = atomic_load(&it.tail);
    while (tail < stats.tail && !atomic_compare_exchange_weak(&it.tail, &tail, stats.tail))
        ;
    EXPECT(stats.tail % (256 * KIB) == 0, "a tail of %" PRIu64, stats.tail);
    EXPECT(stats.frontier - stats.tail <= it.window + SLACK, "%" PRIu64 " to %" PRIu64 " are kept", stats.tail,
           stats.frontier);
    EXPECT(stats.tail == 0 || stats.frontier - stats.tail >= it.window, "only %" PRIu64 " to %" PRIu64 " are kept",
           stats.tail, stats.frontier);
    EXPECT(stats.disk <= it.window + SLACK, "%" PRIu64 " bytes of disk space", stats.disk);
    EXPECT(it.max == UINT64_MAX || stats.memory <= it.max + SLACK, "%" PRIu64 " bytes of memory", stats.memory);
    EXPECT(it.window > it.max || stats.spool == SB_SPOOL_NONE, "a spool file");
    return stats;
}

/* The result of a read at `off`, before which the tail was `before`. */
static void judge(uint64_t before, uint64_t off, uint64_t len, int64_t result)
{
    if (result == SB_ERR_LAPPED) {
        EXPECT(stats_now().tail > off, "byte %" PRIu64 " is lapped, but the tail is before it", off);
        return;
    }
    /* While another thread moves the tail, the bytes before it may still be there. */
    EXPECT(off >= before || me->number != MAIN || !it.is_pushed, "byte %" PRIu64 " had left the window: %s", off,
           status_name(result));
    if (result > 0) {
        EXPECT((uint64_t)result <= len && off + (uint64_t)result <= it.until, "%" PRId64 " bytes", result);
        size_t same = content_same(it.salt, 1, off, me->bytes, (size_t)result);
        EXPECT(same == (size_t)result, "a wrong byte at %" PRIu64, off + same);
        atomic_fetch_add(&bytes_done, (uint64_t)result);
    } else if (result == 0) {
        EXPECT(off >= it.until, "the end at %" PRIu64, off);
    } else {
        EXPECT(result == SB_ERR_TIMEOUT, "a read at %" PRIu64 " returned %s", off, status_name(result));
    }
}

/* Near the tail, near the frontier, or anywhere. */
static uint64_t offset_near(rng *random, const sb_stats *stats)
{
    uint64_t near = 1 + below(random, 3) * 65536, from = below(random, 2) ? stats->tail : stats->frontier;
    if (below(random, 8) == 0)
        return below(random, stats->frontier + 2);
    uint64_t off = from + below(random, near);
    return off > near / 2 ? off - near / 2 : 0;
}

static void read_somewhere(rng *random)
{
    sb_stats stats = stats_now();
    uint64_t off = offset_near(random, &stats), len = 1 + below(random, MOST);
    int64_t limit = below(random, 3) ? 0 : 1 + (int64_t)below(random, 5);

    begin("sb_read_some", off, len);
    int64_t result = sb_read_some(it.buffer, off, len, me->bytes, limit);
    end("sb_read_some", off, result);
    judge(stats.tail, off, len, result);
    if (me->number == MAIN && limit == 0 && off >= stats.tail && off < stats.frontier && it.is_pushed)
        EXPECT(result > 0, "byte %" PRIu64 " is kept: %s", off, status_name(result));
}

/* A reader goes on at its position, and jumps to the tail or to the newest byte when it is lapped. */
static void follow(rng *random, sb_reader *reader)
{
    uint64_t before = atomic_load(&it.tail), len = 1 + below(random, 100000);
    int64_t off = sb_reader_seek(reader, 0, SB_SEEK_CUR);

    begin("sb_reader_read", (uint64_t)off, len);
    int64_t result = sb_reader_read(reader, len, me->bytes);
    end("sb_reader_read", (uint64_t)off, result);
    judge(before, (uint64_t)off, len, result);
    if (result == SB_ERR_LAPPED || below(random, 20) == 0) {
        off = below(random, 2) ? sb_reader_seek(reader, 0, SB_SEEK_LIVE)
                               : sb_reader_seek(reader, (int64_t)stats_now().tail, SB_SEEK_SET);
        EXPECT(off >= (int64_t)before, "a seek to %" PRId64, off);
    }
}

static void *read_on(void *opaque)
{
    me = opaque;
    rng random = rng_of(the.plan.seed, 300 + me->number);
    sb_reader_options options;
    sb_reader *reader;
    sb_reader_options_init(&options, sizeof options);
    options.timeout_ms = (int64_t)below(&random, 4);
    EXPECT(sb_reader_new_with(it.buffer, &options, &reader) == SB_OK, "no reader");
    while (!atomic_load(&it.over)) {
        if (below(&random, 2))
            follow(&random, reader);
        else
            read_somewhere(&random);
    }
    sb_reader_free(reader);
    return NULL;
}

/* The next bytes, sometimes with old ones before them, or past the frontier, where none are accepted. */
static void push_on(rng *random)
{
    uint64_t back = below(random, 5) ? 0 : below(random, it.frontier < 70000 ? it.frontier + 1 : 70000);
    uint64_t off = it.frontier - back, len = 1 + below(random, MOST - 1), past = below(random, 15) ? 0 : 1 + back;
    off += past;
    if (len > it.until - it.frontier)
        len = it.until - it.frontier + (back > 0);
    content_fill(it.salt, 1, off, me->bytes, len);
    begin("sb_push", off, len);
    int64_t result = sb_push(it.buffer, off, len, me->bytes, below(random, 2) ? -1 : 0);
    end("sb_push", off, result);
    if (off > it.frontier && len > 0) {
        EXPECT(result == SB_ERR_UNSUPPORTED, "a push past the frontier: %s", status_name(result));
        return;
    }
    EXPECT(result == SB_ERR_TIMEOUT || (result >= 0 && (uint64_t)result <= len), "sb_push: %s", status_name(result));
    if (result > 0 && off + (uint64_t)result > it.frontier)
        it.frontier = off + (uint64_t)result;
}

static int64_t deliver(void *opaque, void *out, size_t capacity)
{
    rng *random = opaque;
    uint64_t most = below(random, 4) ? capacity : 1 + below(random, capacity), left = it.until - it.frontier;
    if (most > left)
        most = left;
    content_fill(it.salt, 1, it.frontier, out, most);
    it.frontier += most;
    atomic_fetch_add(&calls_done, 1);
    return (int64_t)most;
}

static void close_source(void *opaque)
{
    (void)opaque;
}

/* Leads the source on, to the end of what is asked for here. */
static void pull_on(rng *random)
{
    sb_stats stats = stats_now();
    uint64_t most = it.window < MOST ? it.window : MOST, off = stats.frontier, len = 1 + below(random, most);
    begin("sb_read", off, len);
    int64_t result = sb_read(it.buffer, off, len, me->bytes);
    end("sb_read", off, result);
    judge(stats.tail, off, len, result);
}

static void make_stream(rng *random)
{
    static rng of_source;
    const uint64_t windows[] = { 1, 1000, 4096, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 600000, 1024 * KIB };
    sb_callback callback = { .read = deliver, .opaque = &of_source, .close = close_source };
    sb_options options;

    memset(&it, 0, sizeof it);
    it.salt = rng_next(random);
    it.window = windows[below(random, COUNT_OF(windows))];
    const uint64_t maxima[] = { 0, 64 * KIB, it.window, UINT64_MAX };
    it.max = maxima[below(random, COUNT_OF(maxima))];
    it.until = 1 + below(random, 12000000);
    it.is_pushed = below(random, 2);
    of_source = rng_of(the.plan.seed, 400);
    sb_options_init(&options, sizeof options);
    options.window = it.window;
    options.max_memory = it.max;
    options.spool_dir = below(random, 2) ? scratch_folder : NULL;
    options.prefetch = it.is_pushed || below(random, 2) ? 0 : 1 + below(random, 200000);
    int result = it.is_pushed ? sb_new_push(&options, &it.buffer)
                              : sb_new_with(&callback, &options, &it.buffer);
    EXPECT(result == SB_OK, "no buffer with a window: %d", result);
    trace("a %s window of %" PRIu64 ", memory %" PRIu64 ", until %" PRIu64, it.is_pushed ? "pushed" : "pulled",
          it.window, it.max, it.until);
}

/* The stream has ended: what is kept is read once more, and the end is found. */
static void finish_stream(void)
{
    sb_stats stats = stats_now();
    EXPECT(stats.frontier == it.until, "%" PRIu64 " of %" PRIu64 " bytes", stats.frontier, it.until);
    for (uint64_t off = stats.tail, got; off < it.until; off += got) {
        int64_t result = sb_read(it.buffer, off, MOST, me->bytes);
        EXPECT(result > 0, "byte %" PRIu64 " is kept: %s", off, status_name(result));
        judge(stats.tail, off, MOST, result);
        got = (uint64_t)result;
    }
    EXPECT(sb_read(it.buffer, it.until, 1, me->bytes) == 0, "no end");
    if (stats.tail > 0)
        EXPECT(sb_read(it.buffer, stats.tail - 1, 1, me->bytes) == SB_ERR_LAPPED, "a byte from before the tail");
}

void run_window(uint64_t seed)
{
    rng random = rng_of(seed, 200);
    unsigned readers = (unsigned)below(&random, THREADS);
    make_stream(&random);
    for (unsigned at = 0; at < readers; at++)
        EXPECT(pthread_create(&the.workers[at].thread, NULL, read_on, &the.workers[at]) == 0, "no thread");
    while (stats_now().frontier < it.until) {
        if (it.is_pushed)
            push_on(&random);
        else
            pull_on(&random);
        if (below(&random, 2))
            read_somewhere(&random);
    }
    if (it.is_pushed)
        EXPECT(sb_push_end(it.buffer, SB_SIZE_UNKNOWN, 0) == SB_OK, "no end");
    atomic_store(&it.over, true);
    for (unsigned at = 0; at < readers; at++)
        pthread_join(the.workers[at].thread, NULL);
    finish_stream();
    sb_free(it.buffer);
}
