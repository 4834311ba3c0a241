/*
 * A prefetch keeps its distance on a thread of the library, reports its errors to the read that reaches
 * them, keeps readers' threads out of the source, and leaves no thread behind.
 */
#include "check.h"
#include <malloc.h>
#include <signal.h>

enum { SIZE = 2000000 };

static unsigned char bytes[SIZE];

/* It stops at its distance, and continues when a reader reaches its low mark. */
static void keeps_its_distance(uint64_t low)
{
    enum { AHEAD = 300000 };
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    uint64_t at;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(options.prefetch_low, 0);
    options.prefetch_low = low;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    if (low == 0)
        low = AHEAD / 2;
    else if (low > AHEAD)
        low = AHEAD;
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(sb_prefetch(buffer, AHEAD), SB_OK);
    WAIT_UNTIL(stats_of(buffer).helper == 1);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= AHEAD);
    for (at = 50000; at < SIZE; at += 123457) {
        int64_t before = sb_buffered(buffer, 0), goal = before;
        /* The helper may be done before a read that missed bytes returns: from where that began. */
        if ((uint64_t)before < at + 1000 + low)
            goal = at + AHEAD < SIZE ? (int64_t)(at + AHEAD) : SIZE;
        CHECK_EQ(sb_read(buffer, at, 1000, bytes), 1000);
        CHECK_BYTES(bytes, at, 1000);
        WAIT_UNTIL(sb_buffered(buffer, 0) >= goal);
        CHECK(sb_buffered(buffer, 0) <= goal + 1000 + 65536 + 16384);
    }
    free_and_await_close(buffer, &source);
}

static void everything(uint64_t max)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, max);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    CHECK_EQ(sb_size(buffer), SIZE);
    /* Every byte is buffered, so the source is closed, though nobody has read. */
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK_EQ(sb_read_some(buffer, 0, SIZE, bytes, 0), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK(stats_of(buffer).memory <= (max < SIZE ? max + 262144 : SIZE));
    free_and_await_close(buffer, &source);
}

/* Its error is returned to the read that reaches it, not earlier, and persists. */
static void error_where_reached(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 10000);
    source.fail_at = 500000;
    source.code = -42;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_FAILED);
    CHECK_EQ(sb_read(buffer, 0, 500000, bytes), 500000);
    CHECK_BYTES(bytes, 0, 500000);
    CHECK_EQ(sb_read(buffer, 499000, 2000, bytes), 1000);
    CHECK_EQ(sb_read(buffer, 500000, 2000, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -42);
    pthread_mutex_lock(&source.lock);
    source.fail_at = NEVER;
    pthread_mutex_unlock(&source.lock);
    /* After a resume, the prefetch continues by itself. */
    CHECK_EQ(sb_resume(buffer), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    free_and_await_close(buffer, &source);
}

/* With a prefetch no reader's thread is inside the source: cancels are immediate. */
static void stops_at_once(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    call waiting, other;

    stream_init(&source, SIZE, 10000);
    source.stall_at = 100000;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(&source);
    CHECK_EQ(sb_reader_seek(reader, 100000, SB_SEEK_SET), 100000);
    call_start_reader(&waiting, reader, 10, NULL);
    call_start(&other, buffer, 150000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    /* The source does not return before both have returned. */
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(call_finish(&waiting), SB_ERR_CANCELED);
    CHECK_EQ(source.cancels, 0);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(call_finish(&other), SB_ERR_CANCELED);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_read(buffer, 150000, 10, bytes), 10);
    CHECK_BYTES(bytes, 150000, 10);
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

/* A read of buffered bytes does not wait for the prefetch. */
static void found_is_found(void)
{
    stream source;
    sb_buffer *buffer;
    call early;

    events_count = 0;
    stream_init(&source, SIZE, 10000);
    source.stall_at = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(&source);
    call_start(&early, buffer, 10, 1000, "found");
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    stream_release(&source, 10000);
    CHECK_EQ(call_finish(&early), 1000);
    stream_await_stall(&source);
    note("goes on");
    CHECK_ORDER("found", "goes on");
    stream_release(&source, NEVER);
    free_and_await_close(buffer, &source);
}

/* When it is turned off, readers call the source on their own threads again; blocked calls continue,
 * too. */
static pthread_t last_caller;

static int64_t noting_read(void *opaque, void *out, size_t capacity)
{
    pthread_mutex_lock(&events_lock);
    last_caller = pthread_self();
    pthread_mutex_unlock(&events_lock);
    return stream_read(opaque, out, capacity);
}

static int called_here(void)
{
    int here;
    pthread_mutex_lock(&events_lock);
    here = pthread_equal(last_caller, pthread_self());
    pthread_mutex_unlock(&events_lock);
    return here != 0;
}

static void on_and_off(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    call waiting;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    callback.read = noting_read;
    buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK(called_here());
    CHECK_EQ(sb_prefetch(buffer, 50000), SB_OK);
    CHECK_EQ(sb_read(buffer, 200000, 10, bytes), 10);
    CHECK(!called_here());
    WAIT_UNTIL(sb_buffered(buffer, 200000) >= 50000);
    /* One call is blocked while it is turned off. */
    pthread_mutex_lock(&source.lock);
    source.stall_at = source.at;
    pthread_mutex_unlock(&source.lock);
    call_start(&waiting, buffer, 600000, 10, NULL);
    stream_await_stall(&source);
    WAIT_UNTIL(stats_of(buffer).waits >= 2);
    CHECK_EQ(sb_prefetch(buffer, 0), SB_OK);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&waiting), 10);
    CHECK_EQ(sb_read(buffer, 900000, 10, bytes), 10);
    CHECK(called_here());
    CHECK(sb_buffered(buffer, 0) < 900010 + 16384);
    CHECK_EQ(sb_prefetch(buffer, 0), SB_OK);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    free_and_await_close(buffer, &source);
}

/* A file of /proc/self/task/<the other thread>, as text. */
static void other_task(const char *name, char *text, size_t size)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    char path[300];
    FILE *file;
    size_t count;

    CHECK(folder != NULL);
    text[0] = 0;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/%s", entry->d_name, name);
        file = fopen(path, "r");
        CHECK(file != NULL);
        count = fread(text, 1, size - 1, file);
        text[count] = 0;
        fclose(file);
    }
    closedir(folder);
}

/* The thread's name, its signal mask, and its end. */
static void the_thread(void)
{
    stream source;
    sb_buffer *buffer;
    char text[4096];
    const char *blocked;
    uint64_t mask;

    WAIT_UNTIL(threads() == 1);
    stream_init(&source, SIZE, 10000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(threads(), 1);
    CHECK_EQ(sb_prefetch(buffer, 100000), SB_OK);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 100000);
    CHECK_EQ(threads(), 2);
    CHECK_EQ(sb_prefetch(buffer, 200000), SB_OK);
    CHECK_EQ(threads(), 2);
    other_task("comm", text, sizeof text);
    CHECK(strcmp(text, "spoolbuf\n") == 0);
    other_task("status", text, sizeof text);
    blocked = strstr(text, "SigBlk:");
    CHECK(blocked != NULL);
    mask = strtoull(blocked + 7, NULL, 16);
    CHECK((mask & UINT64_C(1) << (SIGTERM - 1)) != 0);
    CHECK((mask & UINT64_C(1) << (SIGINT - 1)) != 0);
    CHECK((mask & UINT64_C(1) << (SIGUSR1 - 1)) != 0);
    CHECK((mask & UINT64_C(1) << (SIGALRM - 1)) != 0);
    /* The signal of a fault in the callback reaches the host's handler. */
    CHECK((mask & UINT64_C(1) << (SIGSEGV - 1)) == 0);
    CHECK((mask & UINT64_C(1) << (SIGBUS - 1)) == 0);
    CHECK((mask & UINT64_C(1) << (SIGFPE - 1)) == 0);
    CHECK((mask & UINT64_C(1) << (SIGILL - 1)) == 0);
    CHECK((mask & UINT64_C(1) << (SIGTRAP - 1)) == 0);
    CHECK((mask & UINT64_C(1) << (SIGSYS - 1)) == 0);
    /* This thread's own signal mask is unchanged. */
    {
        sigset_t mine;
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mine), 0);
        CHECK_EQ(sigismember(&mine, SIGTERM), 0);
    }
    free_and_await_close(buffer, &source);
    /* The system takes a moment to remove a joined thread from its list. */
    WAIT_UNTIL(threads() == 1);
}

/* The host's callbacks have as much stack there as on most threads. */
enum { DEEP = sizeof(void *) == 8 ? 6 << 20 : 3 << 19 };

static int64_t deep_read(void *opaque, void *out, size_t capacity)
{
    volatile unsigned char deep[DEEP];
    size_t index;
    for (index = 0; index < DEEP; index += 4096)
        deep[index] = (unsigned char)(index >> 12);
    for (index = 0; index < DEEP; index += 4096)
        CHECK(deep[index] == (unsigned char)(index >> 12));
    return stream_read(opaque, out, capacity);
}

static void room_for_callbacks(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;

    stream_init(&source, 30000, 10000);
    callback = stream_callback(&source);
    callback.read = deep_read;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    free_and_await_close(buffer, &source);
}

/* A field of /proc/self/statm, in bytes: 0 is the address space, 1 the resident memory. */
static int64_t taken(int field)
{
    long pages[2];
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%ld %ld", &pages[0], &pages[1]), 2);
    fclose(file);
    return pages[field] * (int64_t)sysconf(_SC_PAGESIZE);
}

/* A sleeping helper costs a few pages, and address space for its stack. */
static void many_are_cheap(void)
{
    enum { MANY = 100 };
    static stream sources[MANY];
    static sb_buffer *buffers[MANY];
    int64_t addresses, memory;
    int index;

    addresses = taken(0);
    memory = taken(1);
    for (index = 0; index < MANY; index++) {
        stream_init(&sources[index], 30000, 10000);
        buffers[index] = stream_open(&sources[index], SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
        CHECK_EQ(sb_prefetch(buffers[index], SB_PREFETCH_ALL), SB_OK);
    }
    for (index = 0; index < MANY; index++)
        WAIT_UNTIL(stats_of(buffers[index]).state == SB_STATE_ENDED);
    CHECK_EQ(threads(), 1 + MANY);
    addresses = (taken(0) - addresses) / MANY;
    memory = (taken(1) - memory) / MANY;
    printf("a helper: %" PRId64 " bytes of addresses, %" PRId64 " of memory\n", addresses, memory);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(addresses < 12 << 20);
    CHECK(memory < 200 << 10);
#endif
    for (index = 0; index < MANY; index++)
        free_and_await_close(buffers[index], &sources[index]);
}

/* Freed while the helper is inside a source that does not return: with a `close`, sb_free() returns. */
static void freed_inside(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 10000);
    source.stall_at = 0;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(&source);
    sb_free(buffer);
    CHECK_EQ(source.closes, 0);
    stream_release(&source, NEVER);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    WAIT_UNTIL(threads() == 1);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

static int64_t any_seek(void *opaque, uint64_t offset)
{
    stream *self = opaque;
    pthread_mutex_lock(&self->lock);
    self->at = offset;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

/* A caller that only polls is served as well, also after going back. */
static void polled(int seeks)
{
    static const uint64_t offsets[] = { 1500000, 300000, 900000 };
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    size_t index;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    callback.seek = seeks ? any_seek : NULL;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.seek_gap = 10000;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_prefetch(buffer, 50000), SB_OK);
    for (index = 0; index < sizeof offsets / sizeof *offsets; index++) {
        WAIT_UNTIL(sb_read_some(buffer, offsets[index], 100, bytes, 0) != SB_ERR_TIMEOUT);
        CHECK(sb_read_some(buffer, offsets[index], 100, bytes, 0) > 0);
        CHECK_BYTES(bytes, offsets[index], 1);
        WAIT_UNTIL(sb_buffered(buffer, offsets[index]) >= 50000);
    }
    free_and_await_close(buffer, &source);
}

/* The prefetch also follows a reader that goes back into buffered bytes. */
static void goes_back(void)
{
    enum { AHEAD = 100000, FAR = 1500000 };
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    uint64_t at;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    callback.seek = any_seek;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.seek_gap = 10000;
    options.prefetch = AHEAD;
    options.prefetch_low = AHEAD;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= AHEAD);
    CHECK_EQ(sb_read(buffer, FAR, 100, bytes), 100);
    WAIT_UNTIL(sb_buffered(buffer, FAR) >= AHEAD);
    for (at = 0; at < 5 * AHEAD; at += AHEAD / 2) {
        /* All of them are buffered: nobody waits for the source. */
        CHECK_EQ(sb_read_some(buffer, at, 100, bytes, 0), 100);
        WAIT_UNTIL(sb_buffered(buffer, at) >= AHEAD);
        /* Alternating with a reader that stays where it is. */
        CHECK_EQ(sb_read_some(buffer, FAR + at / 2, 100, bytes, 0), 100);
        WAIT_UNTIL(sb_buffered(buffer, FAR + at / 2) >= AHEAD);
    }
    CHECK(stats_of(buffer).frontier <= 6 * AHEAD + 65536);
    free_and_await_close(buffer, &source);
}

/* Set as an option. */
static void by_option(void)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(options.prefetch, 0);
    options.prefetch = 70000;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 70000);
    free_and_await_close(buffer, &source);
}

/* The thread of each call of a source, in order. */
typedef struct callers {
    pthread_mutex_t lock;
    pthread_t reader;
    uint64_t calls, last_of_reader;
} callers;

static int64_t endless(void *opaque, void *out, size_t capacity)
{
    callers *self = opaque;
    pthread_mutex_lock(&self->lock);
    self->calls++;
    if (pthread_equal(pthread_self(), self->reader))
        self->last_of_reader = self->calls;
    pthread_mutex_unlock(&self->lock);
    memset(out, 0, capacity);
    return (int64_t)capacity;
}

static void *reads_on(void *opaque)
{
    static unsigned char bytes[200000];
    while (sb_reader_read(opaque, sizeof bytes, bytes) > 0) {
    }
    return NULL;
}

/* Once a prefetch runs, a reader that was not inside the source does not enter it. */
static void readers_stay_out(void)
{
    int round;
    for (round = 0; round < 100; round++) {
        callers self = { PTHREAD_MUTEX_INITIALIZER, pthread_self(), 0, 0 };
        sb_callback callback = { .read = endless, .opaque = &self };
        sb_buffer *buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
        sb_reader *reader = sb_reader_new(buffer);
        sb_stats stats;
        uint64_t calls;

        CHECK(reader != NULL);
        pthread_mutex_lock(&self.lock);
        CHECK_EQ(pthread_create(&self.reader, NULL, reads_on, reader), 0);
        pthread_mutex_unlock(&self.lock);
        do {
            CHECK_EQ(sb_stat(buffer, &stats, sizeof stats), SB_OK);
        } while (stats.pulls < 5);
        CHECK_EQ(sb_prefetch(buffer, 1), SB_OK);
        /* The calls that had begun when the prefetch did, and perhaps some of its own. */
        CHECK_EQ(sb_stat(buffer, &stats, sizeof stats), SB_OK);
        do {
            pthread_mutex_lock(&self.lock);
            calls = self.calls;
            pthread_mutex_unlock(&self.lock);
        } while (calls < stats.pulls + 5);
        CHECK_EQ(sb_reader_cancel(reader), SB_OK);
        pthread_join(self.reader, NULL);
        CHECK(self.last_of_reader <= stats.pulls);
        sb_reader_free(reader);
        sb_free(buffer);
    }
}

int main(void)
{
    /* Otherwise malloc() reserves address space for each thread. */
    mallopt(M_ARENA_MAX, 1);
    keeps_its_distance(0);
    keeps_its_distance(1);
    keeps_its_distance(100000);
    keeps_its_distance(UINT64_MAX);
    everything(SB_MAX_DEFAULT);
    everything(100000);
    error_where_reached();
    stops_at_once();
    readers_stay_out();
    found_is_found();
    on_and_off();
    the_thread();
    room_for_callbacks();
    many_are_cheap();
    freed_inside();
    polled(0);
    polled(1);
    goes_back();
    by_option();
    WAIT_UNTIL(threads() == 1);
    return 0;
}
