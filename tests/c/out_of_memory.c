/*
 * Memory runs out at any allocation, once or for a while: every call returns, nothing aborts, no
 * received byte is lost, and the buffer continues when there is memory again. Each case runs in a
 * child, with the Nth allocation failing, for each N: once with short paths, and once with long ones,
 * for which Rust's standard library allocates. With SPOOLBUF_FRAMES set, a child that aborts prints
 * where.
 */
#include "memory.h"
#include <execinfo.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

enum { SIZE = 700000, LEVELS = 5 };

static unsigned char bytes[SIZE];

/* The directory of the spool files if it is a long one, and the path of the saves. */
static char deep[PATH_MAX], target[PATH_MAX + 8] = "saved";

/* Allocations fail only during the library's calls. */
static int64_t plan_after;

static void scarce(void)
{
    memory_after = plan_after;
}

/* Remembers the state of the plan. */
static void plenty(void)
{
    plan_after = memory_after;
    memory_after = -1;
}

#define SCARCE(result, call) (scarce(), (result) = (call), plenty())

static int is_fine(int64_t result)
{
    return result >= 0 || result == SB_ERR_NO_MEMORY;
}

/* Reads everything, repeatedly if needed; received bytes stay. */
static void read_all(sb_buffer *buffer, int64_t limit)
{
    uint64_t at = 0;
    int64_t count;
    int tries = 0;

    while (at < SIZE) {
        if (limit == NO_SOME)
            SCARCE(count, sb_read(buffer, at, 50000, bytes));
        else
            SCARCE(count, sb_read_some(buffer, at, 50000, bytes, limit));
        CHECK(is_fine(count));
        CHECK(count != 0);
        if (count > 0) {
            CHECK_BYTES(bytes, at, (uint64_t)count);
            CHECK(sb_buffered(buffer, 0) >= (int64_t)at + count);
            at += (uint64_t)count;
        } else if (++tries > 20) {
            /* It has failed often enough. */
            plan_after = -1;
        }
    }
    plan_after = -1;
    memory_after = -1;
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_read(buffer, SIZE, 1, bytes), 0);
}

static sb_buffer *open_scarcely(stream *source, uint64_t max, uint64_t prefetch)
{
    sb_callback callback = stream_callback(source);
    sb_options options;
    sb_buffer *buffer;
    int result;

    SCARCE(result, sb_options_init(&options, sizeof options));
    CHECK_EQ(result, SB_OK);
    options.max_memory = max;
    options.prefetch = prefetch;
    if (prefetch == 0) {
        SCARCE(buffer, sb_new(&callback, SB_SIZE_UNKNOWN, max));
    } else {
        SCARCE(result, sb_new_with(&callback, &options, &buffer));
        CHECK(is_fine(result));
        CHECK((result == SB_OK) == (buffer != NULL));
    }
    if (buffer != NULL)
        return buffer;
    /* The callback belonged to the library from the call on. */
    CHECK_EQ(source->closes, 1);
    source->closes = 0;
    plan_after = -1;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, max);
    CHECK(buffer != NULL);
    return buffer;
}

static void close_scarcely(sb_buffer *buffer, stream *source)
{
    scarce();
    sb_free(buffer);
    plenty();
    WAIT_UNTIL(stream_get(source, &source->closes) == 1);
}

/* The cases. Each returns its buffer, which is then read completely and freed. */

static sb_buffer *in_memory(stream *source)
{
    return open_scarcely(source, UINT64_MAX, 0);
}

static sb_buffer *spilling(stream *source)
{
    return open_scarcely(source, 0, 0);
}

static sb_buffer *spilling_at_once(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, UINT64_MAX);
    int result;
    CHECK_EQ(sb_read(buffer, 0, 600000, bytes), 600000);
    SCARCE(result, sb_spill(buffer));
    CHECK(is_fine(result));
    return buffer;
}

static void quiet(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    CHECK(level > 0 && strlen(message) > 0);
}

/* Whatever is logged costs no memory. */
static sb_buffer *logging(stream *source)
{
    int result;
    sb_buffer *buffer;

    SCARCE(result, sb_set_log(quiet, NULL, SB_LOG_DEBUG));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    if (result != SB_OK)
        CHECK_EQ(sb_set_log(quiet, NULL, SB_LOG_DEBUG), SB_OK);
    buffer = open_scarcely(source, 0, 0);
    SCARCE(result, sb_set_max_memory(buffer, 1));
    CHECK(is_fine(result));
    return buffer;
}

static sb_buffer *lowering_the_limit(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, UINT64_MAX);
    int result;
    CHECK_EQ(sb_read(buffer, 0, 600000, bytes), 600000);
    SCARCE(result, sb_set_max_memory(buffer, 300000));
    CHECK(is_fine(result));
    return buffer;
}

static sb_buffer *limited(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    read_all(buffer, 600000);
    return buffer;
}

static sb_buffer *prefetching(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 50000);
    int result;
    SCARCE(result, sb_prefetch(buffer, SB_PREFETCH_ALL));
    CHECK(is_fine(result));
    return buffer;
}

/* A save succeeds, or leaves no file. */
static void is_saved_or_not(int64_t result)
{
    CHECK(result == SIZE || result == SB_ERR_NO_MEMORY);
    CHECK_EQ(access(target, F_OK) == 0, result == SIZE);
    unlink(target);
}

static sb_buffer *saving(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    int64_t result;
    SCARCE(result, sb_save(buffer, target));
    is_saved_or_not(result);
    return buffer;
}

/* A save that can link the spool file, which does not exist before. */
static sb_buffer *linking(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, UINT64_MAX, 0);
    int64_t result;
    SCARCE(result, save_with(buffer, target, -1, SB_SAVE_LINK, NULL, NULL));
    is_saved_or_not(result);
    return buffer;
}

/* A save that replaces a dangling symbolic link. */
static sb_buffer *replacing(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, UINT64_MAX, 0);
    int64_t result;
    CHECK_EQ(symlink("nothing", target), 0);
    SCARCE(result, sb_save(buffer, target));
    is_saved_or_not(result);
    return buffer;
}

static sb_buffer *reading(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    sb_reader *reader;
    int64_t count;
    SCARCE(reader, sb_reader_new(buffer));
    if (reader != NULL) {
        SCARCE(count, sb_reader_read(reader, 100, bytes));
        CHECK(is_fine(count));
        SCARCE(count, sb_reader_seek(reader, 0, SB_SEEK_SET));
        CHECK_EQ(count, 0);
        SCARCE(count, sb_reader_cancel(reader));
        CHECK_EQ(count, SB_OK);
        SCARCE(count, sb_reader_resume(reader));
        CHECK_EQ(count, SB_OK);
        scarce();
        sb_reader_free(reader);
        plenty();
    }
    return buffer;
}

static sb_buffer *looking(stream *source)
{
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    sb_stats stats;
    sb_range range;
    int64_t result;
    CHECK_EQ(sb_read(buffer, 0, 500000, bytes), 500000);
    SCARCE(result, sb_stat(buffer, &stats, sizeof stats));
    CHECK_EQ(result, SB_OK);
    SCARCE(result, sb_ranges(buffer, &range, 1));
    CHECK_EQ(result, 1);
    SCARCE(result, sb_buffered(buffer, 0));
    CHECK(result >= 500000);
    SCARCE(result, sb_size(buffer));
    CHECK_EQ(result, SB_ERR_UNKNOWN_SIZE);
    SCARCE(result, sb_read_some(buffer, 0, 500000, bytes, 0));
    CHECK_EQ(result, 500000);
    SCARCE(result, sb_cancel(buffer));
    CHECK_EQ(result, SB_OK);
    SCARCE(result, sb_resume(buffer));
    CHECK_EQ(result, SB_OK);
    return buffer;
}

/* A call that waits for the bytes of another call. */
static sb_buffer *waiting(stream *source)
{
    sb_buffer *buffer = stream_open(source, SIZE, 100000);
    call inside;
    int64_t count;
    int round;
    source->stall_at = 0;
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(source);
    for (round = 0; round < 12; round++) {
        SCARCE(count, sb_read_some(buffer, 100, 10, bytes, 1));
        CHECK(count == SB_ERR_TIMEOUT || count == SB_ERR_NO_MEMORY);
    }
    SCARCE(count, sb_cancel(buffer));
    CHECK_EQ(count, SB_OK);
    SCARCE(count, sb_resume(buffer));
    CHECK_EQ(count, SB_OK);
    stream_release(source, NEVER);
    call_finish(&inside);
    return buffer;
}

/* Pushes everything, backwards and repeatedly if needed: what was accepted stays, in full. */
static sb_buffer *pushing_in(stream *source, uint64_t max)
{
    static unsigned char whole[SIZE];
    uint64_t at, done = 0, piece = 70000;
    sb_options options;
    sb_buffer *buffer = NULL;
    int result, tries = 0;
    int64_t count;

    for (at = 0; at < SIZE; at++)
        whole[at] = byte_at(at);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = max;
    SCARCE(result, sb_new_push(&options, &buffer));
    CHECK(is_fine(result));
    CHECK((result == SB_OK) == (buffer != NULL));
    if (buffer == NULL) {
        plan_after = -1;
        CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    }
    for (at = SIZE - piece;; at -= piece, done = 0) {
        while (done < piece) {
            SCARCE(count, sb_push(buffer, at + done, (size_t)(piece - done), whole + at + done, -1));
            CHECK(count > 0 || count == SB_ERR_NO_MEMORY);
            if (count < 0 && ++tries > 20)
                plan_after = -1;
            if (count > 0)
                done += (uint64_t)count;
            CHECK(sb_buffered(buffer, at) >= (int64_t)done);
            CHECK_EQ(sb_read_some(buffer, at, (size_t)done, bytes, 0), done);
            CHECK_BYTES(bytes, at, done);
        }
        if (at == 0)
            break;
    }
    SCARCE(result, sb_push_end(buffer, SB_SIZE_UNKNOWN, 0));
    CHECK_EQ(result, SB_OK);
    /* A push buffer has no source to close. */
    source->closes = 1;
    return buffer;
}

static sb_buffer *pushing(stream *source)
{
    return pushing_in(source, UINT64_MAX);
}

static sb_buffer *pushing_beyond_memory(stream *source)
{
    return pushing_in(source, 100000);
}

static void count_call(void *opaque, int64_t buffered)
{
    CHECK(buffered > 0 || buffered == SB_ERR_NO_MEMORY);
    __atomic_fetch_add((int *)opaque, 1, __ATOMIC_SEQ_CST);
}

/* Each function is called exactly once, or sb_when() has failed. */
static sb_buffer *watching(stream *source)
{
    static int calls;
    sb_buffer *buffer = open_scarcely(source, 100000, 0);
    uint64_t off;

    for (off = 0; off < SIZE; off += SIZE / 5) {
        sb_watch *watch = (sb_watch *)bytes;
        int64_t result;
        __atomic_store_n(&calls, 0, __ATOMIC_SEQ_CST);
        SCARCE(result, sb_when(buffer, off, count_call, &calls, &watch));
        CHECK((result == SB_ERR_TIMEOUT) == (watch != NULL));
        CHECK(result > 0 || result == SB_ERR_NO_MEMORY || result == SB_ERR_TIMEOUT);
        if (result == SB_ERR_TIMEOUT)
            WAIT_UNTIL(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
        sb_watch_free(watch);
        CHECK_EQ(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), result == SB_ERR_TIMEOUT);
    }
    return buffer;
}

/* A source of its own for each opener, of which at most one is open. */
static stream track;
static int tracks;

static int open_track(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    (void)opaque;
    (void)key;
    (void)key_size;
    (void)tag;
    CHECK(tracks == 0 || track.closes == 1);
    tracks++;
    stream_init(&track, SIZE, 30000);
    out->source = stream_callback(&track);
    out->size = SIZE;
    out->tag = 1;
    return 0;
}

/* Opens the key, and once more with memory if that ran out. */
static sb_reader *open_scarce_key(sb_cache *cache)
{
    sb_reader *reader;
    int result;
    SCARCE(result, sb_cache_open(cache, "key", 3, NULL, &reader));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    CHECK((result == SB_OK) == (reader != NULL));
    if (reader == NULL)
        CHECK_EQ(sb_cache_open(cache, "key", 3, NULL, &reader), SB_OK);
    return reader;
}

/* Reads the first bytes, and once more with memory if that ran out. */
static void read_scarce_key(sb_reader *reader)
{
    int64_t count;
    SCARCE(count, sb_reader_read(reader, 500000, bytes));
    CHECK(count > 0 || count == SB_ERR_NO_MEMORY);
    if (count < 0)
        count = sb_reader_read(reader, 500000, bytes);
    CHECK(count > 0);
    CHECK_BYTES(bytes, 0, (uint64_t)count);
}

static int64_t release(sb_reader *reader)
{
    sb_reader_free(reader);
    return 0;
}

static sb_buffer *caching(stream *source)
{
    sb_cache_options with;
    sb_cache_stats stats;
    sb_cache *cache;
    sb_reader *reader, *further;
    int result;
    int64_t count;

    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    with.open = open_track;
    with.max_memory = 300000;
    SCARCE(result, sb_cache_new(&with, &cache));
    CHECK(result == SB_OK || result == SB_ERR_NO_MEMORY);
    if (cache == NULL)
        CHECK_EQ(sb_cache_new(&with, &cache), SB_OK);
    reader = open_scarce_key(cache);
    read_scarce_key(reader);
    SCARCE(further, sb_reader_new(sb_reader_buffer(reader)));
    sb_reader_free(further);
    SCARCE(count, release(reader));
    CHECK_EQ(count, 0);
    /* It goes on with another source. */
    reader = open_scarce_key(cache);
    read_scarce_key(reader);
    SCARCE(result, sb_cache_trim(cache, 0, UINT64_MAX));
    CHECK(is_fine(result));
    SCARCE(result, sb_cache_remove(cache, "key", 3));
    CHECK_EQ(result, SB_OK);
    SCARCE(count, release(reader));
    CHECK_EQ(count, 0);
    CHECK_EQ(sb_cache_stat(cache, &stats, sizeof stats), SB_OK);
    CHECK_EQ(stats.entries, 0);
    CHECK_EQ(stats.memory, 0);
    sb_cache_free(cache);
    CHECK_EQ(track.closes, 1);
    return stream_open(source, SIZE, UINT64_MAX);
}

static const struct {
    const char *name;
    sb_buffer *(*run)(stream *source);
    /* Whether a thread sleeps in one of the library's locks. */
    int sleeps;
} cases[] = {
    { "in_memory", in_memory, 0 },
    { "spilling", spilling, 0 },
    { "spilling_at_once", spilling_at_once, 0 },
    { "lowering_the_limit", lowering_the_limit, 0 },
    { "logging", logging, 0 },
    { "limited", limited, 1 },
    { "prefetching", prefetching, 1 },
    { "saving", saving, 0 },
    { "linking", linking, 0 },
    { "replacing", replacing, 0 },
    { "reading", reading, 0 },
    { "looking", looking, 0 },
    { "waiting", waiting, 1 },
    { "watching", watching, 1 },
    { "pushing", pushing, 0 },
    { "pushing_beyond_memory", pushing_beyond_memory, 1 },
    { "caching", caching, 0 },
};

static void on_abort(int signal)
{
    void *frames[64];
    (void)signal;
    memory_after = -1;
    if (getenv("SPOOLBUF_FRAMES") != NULL)
        backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    _exit(99);
}

/* Runs a case with its Nth allocation failing; 0 if there were fewer than N. */
static int strike(size_t which, int64_t after, int lasting, int *bad)
{
    int status;
    int64_t deadline = now_ms() + 60000;
    pid_t ended, child;

    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        stream source;
        sb_buffer *buffer;
        stream_init(&source, SIZE, 30000);
        signal(SIGABRT, on_abort);
        memory_lasting = lasting;
        plan_after = after;
        buffer = cases[which].run(&source);
        read_all(buffer, NO_SOME);
        close_scarcely(buffer, &source);
        _exit(memory_struck > 0 ? 50 : 51);
    }
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        if (now_ms() > deadline)
            kill(child, SIGKILL);
        pause_ms(1);
    }
    CHECK(ended == child);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 50 || WEXITSTATUS(status) == 51))
        return WEXITSTATUS(status) == 50;
    unlink(target);
    fprintf(stderr, "%s%s, allocation %" PRId64 "%s: %s\n", cases[which].name,
            deep[0] != 0 ? " with long paths" : "", after + 1, lasting ? " and all after it" : "",
            !WIFEXITED(status) ? "hangs or crashes"
            : WEXITSTATUS(status) == 99 ? "aborts" : "fails");
    (*bad)++;
    return 1;
}

/* Returns the number of failed cases. */
static int run_all(void)
{
    size_t which;
    int bad = 0, lasting;
    int64_t after;

    for (which = 0; which < COUNT_OF(cases); which++) {
        if (cases[which].sleeps && parking_lot()) {
            LEAVE_OUT(cases[which].name, "a thread that sleeps needs memory for parking_lot's table");
            continue;
        }
        for (lasting = 0; lasting < 2; lasting++) {
            for (after = 0; strike(which, after, lasting, &bad); after++)
                CHECK(after < 5000);
            /* At least one allocation was made to fail. */
            CHECK(after > 0);
            printf("%s: %" PRId64 " allocations\n", cases[which].name, after);
        }
    }
    return bad;
}

/* Creates a directory with a path of more than 500 bytes, for all later files. */
static void go_deep(void)
{
    int level;
    CHECK(getcwd(deep, PATH_MAX / 2) != NULL);
    for (level = 0; level < LEVELS; level++) {
        size_t end = strlen(deep);
        snprintf(deep + end, sizeof deep - end, "/%0100d", level);
        CHECK_EQ(mkdir(deep, 0700), 0);
    }
    snprintf(target, sizeof target, "%s/saved", deep);
    CHECK_EQ(setenv("TMPDIR", deep, 1), 0);
}

/* Fails if a file was left behind. */
static void remove_deep(void)
{
    int level;
    for (level = 0; level < LEVELS; level++) {
        CHECK_EQ(rmdir(deep), 0);
        *strrchr(deep, '/') = 0;
    }
}

int main(void)
{
    void *frames[4];
    int bad;

    if (!MEMORY_IS_OURS) {
        SKIP("running out of memory", "allocations are a sanitizer's or another C library's");
        return 0;
    }
    /* The first call of backtrace() allocates. */
    backtrace(frames, 4);
    bad = run_all();
    go_deep();
    bad += run_all();
    remove_deep();
    CHECK_EQ(bad, 0);
    return 0;
}
