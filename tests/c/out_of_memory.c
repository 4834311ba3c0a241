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

#include "out_of_memory_cases.h"

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
    int64_t deadline = now_ms() + PATIENCE;
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
