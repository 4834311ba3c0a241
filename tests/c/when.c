/*
 * Readiness: a function is called once instead of a wait, whatever makes the wait end; and a watch can
 * be freed at any time.
 */
#include "limit_files.h"
#include <fcntl.h>
#include <signal.h>

enum { SIZE = 3000000, SEGMENT = 262144 };

static unsigned char bytes[SIZE], whole[SIZE];

/* What a function is called with, and what it does then. */
typedef struct watcher {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls, ended, holds, inside;
    int64_t result;
    pthread_t thread;
    sb_watch *watch;
    void (*act)(struct watcher *);
    sb_buffer *buffer;
    struct watcher *other;
} watcher;

static void watcher_init(watcher *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->result = 12345;
}

static void on_ready(void *opaque, int64_t buffered)
{
    watcher *self = opaque;
    void (*act)(watcher *);

    pthread_mutex_lock(&self->lock);
    self->calls++;
    self->inside = 1;
    self->result = buffered;
    self->thread = pthread_self();
    act = self->act;
    pthread_cond_broadcast(&self->changed);
    while (self->holds)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
    if (act != NULL)
        act(self);
    pthread_mutex_lock(&self->lock);
    self->ended++;
    self->inside = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static int get(watcher *self, const int *member)
{
    int value;
    pthread_mutex_lock(&self->lock);
    value = *member;
    pthread_mutex_unlock(&self->lock);
    return value;
}

static void let_go(watcher *self)
{
    pthread_mutex_lock(&self->lock);
    self->holds = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Leaves a watch. It is set before the function can be called. */
static void watch(watcher *self, sb_buffer *buffer, uint64_t off)
{
    self->buffer = buffer;
    CHECK_EQ(sb_when(buffer, off, on_ready, self, &self->watch), SB_ERR_TIMEOUT);
    CHECK(self->watch != NULL);
}

/* Checks the result that is there at once. */
static void at_once(sb_buffer *buffer, uint64_t off, int64_t result)
{
    watcher self;
    sb_watch *out = (sb_watch *)bytes;
    watcher_init(&self);
    CHECK_EQ(sb_when(buffer, off, on_ready, &self, &out), result);
    CHECK(out == NULL);
    CHECK_EQ(self.calls, 0);
}

static int64_t finish(watcher *self)
{
    WAIT_UNTIL(get(self, &self->ended) == 1);
    sb_watch_free(self->watch);
    CHECK_EQ(self->calls, 1);
    return self->result;
}

/* The result, at once or by a call. */
static int64_t result_of(sb_buffer *buffer, uint64_t off)
{
    watcher self;
    int64_t now;
    watcher_init(&self);
    now = sb_when(buffer, off, on_ready, &self, &self.watch);
    CHECK((now == SB_ERR_TIMEOUT) == (self.watch != NULL));
    return now == SB_ERR_TIMEOUT ? finish(&self) : now;
}

static int64_t push(sb_buffer *buffer, uint64_t off, uint64_t len)
{
    return sb_push(buffer, off, (size_t)len, whole + off, 0);
}

static sb_buffer *open_push(uint64_t max_memory, uint64_t ahead)
{
    sb_options options;
    sb_buffer *buffer = NULL;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = max_memory;
    options.ahead = ahead;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    return buffer;
}

/* The helper leads the source to the bytes, in memory or spilled; then the end is there too. */
static void arrival(void)
{
    stream source;
    sb_buffer *buffer;
    watcher first, past;
    int before = threads();

    stream_init(&source, SIZE, 10000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 100000);
    watcher_init(&first);
    watch(&first, buffer, 1000000);
    CHECK(finish(&first) > 0);
    CHECK(!pthread_equal(first.thread, pthread_self()));
    CHECK_EQ(threads(), before + 1);
    at_once(buffer, 1000000, (int64_t)sb_buffered(buffer, 1000000));
    at_once(buffer, 0, (int64_t)sb_buffered(buffer, 0));
    CHECK(stats_of(buffer).disk > 500000);
    CHECK_EQ(sb_read_some(buffer, 1000000, 100, bytes, 0), 100);
    CHECK_BYTES(bytes, 1000000, 100);
    /* It asks for no more than a read does. */
    CHECK(sb_buffered(buffer, 0) <= 1000001 + 16384);
    watcher_init(&past);
    watch(&past, buffer, SIZE + 5);
    CHECK_EQ(finish(&past), 0);
    at_once(buffer, SIZE, 0);
    at_once(buffer, UINT64_MAX, 0);
    at_once(buffer, SIZE - 1, 1);
    sb_free(buffer);
    /* It may be in the spool file then. */
    WAIT_UNTIL(threads() == before);
}

/* A reader's own thread may bring the bytes, and calls the function. */
static void arrival_by_a_reader(void)
{
    stream source;
    sb_buffer *buffer;
    call reader;
    watcher self;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&reader, buffer, 0, 50000, NULL);
    stream_await_stall(&source);
    watcher_init(&self);
    watch(&self, buffer, 20000);
    stream_release(&source, NEVER);
    CHECK(finish(&self) >= 1);
    CHECK_EQ(call_finish(&reader), 50000);
    sb_free(buffer);
}

/* Many watches, few threads; each is called once. */
static void many(void)
{
    enum { COUNT = 1000 };
    static watcher all[COUNT];
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    unsigned at;
    int before = threads();

    for (at = 0; at < COUNT; at++) {
        watcher_init(&all[at]);
        watch(&all[at], buffer, (uint64_t)at * 2999);
    }
    CHECK_EQ(threads(), before);
    CHECK_EQ(push(buffer, 0, SIZE / 2), SIZE / 2);
    for (at = 0; at < COUNT; at++)
        CHECK_EQ(get(&all[at], &all[at].calls), (uint64_t)at * 2999 < SIZE / 2);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    for (at = 0; at < COUNT; at++) {
        uint64_t off = (uint64_t)at * 2999;
        int64_t result = finish(&all[at]);
        /* A long push makes its bytes readable a part at a time. */
        CHECK(off < SIZE / 2 ? result > 0 && result <= (int64_t)(SIZE / 2 - off) : result == 0);
    }
    sb_free(buffer);
}

static void failure(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self, reachable;

    stream_init(&source, SIZE, 1000);
    source.fail_at = 50000;
    source.code = -77;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watcher_init(&reachable);
    watch(&self, buffer, 60000);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    at_once(buffer, 60000, SB_ERR_SOURCE);
    at_once(buffer, 49999, 1);
    stream_release(&source, NEVER);
    pthread_mutex_lock(&source.lock);
    source.fail_at = NEVER;
    pthread_mutex_unlock(&source.lock);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watch(&reachable, buffer, 60000);
    CHECK(finish(&reachable) > 0);
    sb_free(buffer);
}

static void short_end(void)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    watcher self;

    stream_init(&source, 5000, 1000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = 6000;
    options.on_short = SB_SHORT_ERROR;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    watcher_init(&self);
    watch(&self, buffer, 5000);
    CHECK_EQ(finish(&self), SB_ERR_SHORT);
    at_once(buffer, 5000, SB_ERR_SHORT);
    sb_free(buffer);
}

static int64_t seek_fails(void *opaque, uint64_t offset)
{
    (void)opaque;
    return offset >= 1000000 ? -5 : SB_SOURCE_UNSUPPORTED;
}

/* A seek that fails concerns only whoever waits there. */
static void unreachable(void)
{
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    watcher self, near;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    callback = stream_callback(&source);
    callback.seek = seek_fails;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    watcher_init(&self);
    watcher_init(&near);
    watch(&near, buffer, 10);
    stream_await_stall(&source);
    watch(&self, buffer, 2000000);
    stream_release(&source, NEVER);
    CHECK(finish(&near) > 0);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    watcher_init(&near);
    watch(&near, buffer, 100000);
    CHECK(finish(&near) > 0);
    sb_free(buffer);
}

/* A cancel and a free end what waits, even while the source is stuck; `ready` is called by them. */
static void cancellation(int frees)
{
    stream source;
    sb_buffer *buffer;
    watcher self, wanted;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 5000;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watch(&self, buffer, 9000);
    stream_await_stall(&source);
    if (frees) {
        sb_free(buffer);
    } else {
        CHECK_EQ(sb_cancel(buffer), SB_OK);
        at_once(buffer, 9000, SB_ERR_CANCELED);
        at_once(buffer, 0, 5000);
    }
    CHECK_EQ(self.calls, 1);
    CHECK(pthread_equal(self.thread, pthread_self()));
    /* The buffer may be freed before. */
    CHECK_EQ(finish(&self), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    if (frees) {
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    } else {
        CHECK_EQ(sb_resume(buffer), SB_OK);
        watcher_init(&self);
        watch(&self, buffer, 9000);
        CHECK(finish(&self) > 0);
        free_and_await_close(buffer, &source);
    }

    buffer = open_push(SB_MAX_DEFAULT, 10);
    CHECK_EQ(push(buffer, 0, 20), 10);
    watcher_init(&self);
    watcher_init(&wanted);
    watch(&wanted, buffer, SB_WHEN_WANTED);
    if (frees) {
        sb_free(buffer);
    } else {
        watch(&self, buffer, 10);
        /* That was a wish. */
        CHECK(finish(&wanted) > 0);
        CHECK_EQ(sb_cancel(buffer), SB_OK);
        CHECK_EQ(finish(&self), SB_ERR_CANCELED);
        at_once(buffer, SB_WHEN_WANTED, SB_ERR_CANCELED);
        sb_free(buffer);
        return;
    }
    CHECK_EQ(finish(&wanted), SB_ERR_CANCELED);
}

static void *cancel_run(void *opaque)
{
    CHECK_EQ(sb_cancel(opaque), SB_OK);
    return NULL;
}

static void *free_run(void *opaque)
{
    watcher *self = opaque;
    sb_watch_free(self->watch);
    note("freed");
    return NULL;
}

/* A free waits for the function that is running, and one that came first prevents the call. */
static void watch_free(void)
{
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    watcher held, never;
    pthread_t canceler, freer;
    call reader;

    watcher_init(&never);
    watch(&never, buffer, 0);
    sb_watch_free(never.watch);
    sb_watch_free(never.watch);
    watcher_init(&held);
    held.holds = 1;
    watch(&held, buffer, 1000);
    /* A thread that cancels is inside the function. */
    call_start(&reader, buffer, 0, 10, NULL);
    CHECK_EQ(pthread_create(&canceler, NULL, cancel_run, buffer), 0);
    WAIT_UNTIL(get(&held, &held.inside));
    CHECK(call_finish(&reader) == SB_ERR_CANCELED);
    CHECK_EQ(pthread_create(&freer, NULL, free_run, &held), 0);
    pause_ms(30);
    CHECK_EQ(noted("freed"), 0);
    note("let go");
    let_go(&held);
    CHECK_EQ(pthread_join(freer, NULL), 0);
    CHECK_ORDER("let go", "freed");
    CHECK_EQ(held.ended, 1);
    CHECK_EQ(pthread_join(canceler, NULL), 0);
    CHECK_EQ(held.calls, 1);
    CHECK_EQ(never.calls, 0);
    sb_watch_free(held.watch);
    sb_free(buffer);
    sb_watch_free(held.watch);
}

static void frees_itself(watcher *self)
{
    sb_watch_free(self->watch);
    sb_watch_free(self->watch);
}

static void frees_other(watcher *self)
{
    sb_watch_free(self->other->watch);
}

static void frees_buffer(watcher *self)
{
    sb_free(self->buffer);
    CHECK_EQ(sb_when(self->buffer, 0, on_ready, self, &self->watch), SB_ERR_INVALID);
}

static int64_t free_in_ready(void (*act)(watcher *))
{
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    watcher self, other;

    watcher_init(&self);
    watcher_init(&other);
    self.act = act;
    self.other = &other;
    watch(&self, buffer, 0);
    watch(&other, buffer, 1);
    CHECK_EQ(push(buffer, 0, 10), 10);
    WAIT_UNTIL(get(&self, &self.ended) == 1);
    sb_watch_free(self.watch);
    sb_watch_free(other.watch);
    sb_free(buffer);
    CHECK_EQ(self.calls, 1);
    return other.calls == 1 ? other.result : -1000 - other.calls;
}

/* From inside any function, a watch can be freed: its own, and another one, which then is not called if
 * it was not running. So can the buffer. */
static void free_inside(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self;

    CHECK_EQ(free_in_ready(frees_itself), 9);
    CHECK_EQ(free_in_ready(frees_other), -1000);
    CHECK_EQ(free_in_ready(frees_buffer), 9);
    /* On the helper thread, which ends the buffer then. */
    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    self.act = frees_buffer;
    watch(&self, buffer, 5000);
    WAIT_UNTIL(get(&self, &self.ended) == 1);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK(self.result > 0);
    WAIT_UNTIL(threads() == 1);
}

static void waits_for_other(watcher *self)
{
    /* Whoever frees the buffer does not wait for this function. */
    pthread_mutex_lock(&self->other->lock);
    while (!self->other->ended)
        pthread_cond_wait(&self->other->changed, &self->other->lock);
    pthread_mutex_unlock(&self->other->lock);
    CHECK_EQ(sb_read(self->buffer, 0, 1, bytes), SB_ERR_INVALID);
}

/* sb_free() waits for no function that the helper thread is inside. */
static void free_beside_ready(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self, signal;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watcher_init(&signal);
    self.act = waits_for_other;
    self.other = &signal;
    watch(&self, buffer, 5000);
    WAIT_UNTIL(get(&self, &self.inside));
    sb_free(buffer);
    pthread_mutex_lock(&signal.lock);
    signal.ended = 1;
    pthread_cond_broadcast(&signal.changed);
    pthread_mutex_unlock(&signal.lock);
    CHECK(finish(&self) > 0);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    WAIT_UNTIL(threads() == 1);
}

static watcher inner;
static int full_pipe[2];

static void fill_pipe(void)
{
    CHECK_EQ(pipe(full_pipe), 0);
    CHECK_EQ(fcntl(full_pipe[1], F_SETFL, O_NONBLOCK), 0);
    while (write(full_pipe[1], bytes, 4096) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(fcntl(full_pipe[1], F_SETFL, 0), 0);
}

static void calls_everything(watcher *self)
{
    sb_buffer *buffer = self->buffer;
    sb_reader *reader = sb_reader_new(buffer);
    sb_range range;
    unsigned char piece[10];

    /* What is buffered is read; what would wait is an error. */
    CHECK_EQ(sb_read(buffer, 0, 10, piece), 10);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read(buffer, 2000000, 10, piece), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, -1), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(buffer, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(buffer, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_save(buffer, "never"), SB_ERR_REENTRANT);
    CHECK_EQ(sb_reader_seek(reader, 2000000, SB_SEEK_SET), 2000000);
    CHECK_EQ(sb_reader_read(reader, 10, piece), SB_ERR_REENTRANT);
    sb_reader_free(reader);
    if (sb_wanted(buffer, &range) == SB_OK) {
        CHECK_EQ(sb_push(buffer, 10, 10, whole + 10, 0), 10);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, 0), SB_ERR_TIMEOUT);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, -1), SB_ERR_REENTRANT);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, 60000), SB_ERR_REENTRANT);
    }
    /* What is buffered can be saved, but not to a pipe that takes no more. */
    CHECK_EQ(save_with(buffer, "saved", -1, SB_SAVE_BUFFERED, NULL, NULL), sb_buffered(buffer, 0));
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(save_with(buffer, NULL, full_pipe[1], SB_SAVE_BUFFERED, NULL, NULL), SB_ERR_REENTRANT);
    CHECK_EQ(sb_prefetch(buffer, 0), SB_OK);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watcher_init(&inner);
    watch(&inner, buffer, 2000000);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    /* It is called by this thread, once this function has returned. */
    CHECK_EQ(inner.calls, 0);
}

static void inside(void)
{
    sb_buffer *buffer = open_push(UINT64_MAX, 1000);
    stream source;
    watcher self;

    fill_pipe();
    watcher_init(&self);
    self.act = calls_everything;
    watch(&self, buffer, 0);
    CHECK_EQ(push(buffer, 0, 10), 10);
    CHECK_EQ(self.ended, 1);
    CHECK_EQ(inner.calls, 1);
    CHECK_EQ(finish(&self), 10);
    CHECK_EQ(finish(&inner), SB_ERR_CANCELED);
    sb_free(buffer);

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    self.act = calls_everything;
    watch(&self, buffer, 9000);
    CHECK(finish(&self) > 0);
    CHECK_EQ(finish(&inner), SB_ERR_CANCELED);
    /* Outside it works again. */
    CHECK_EQ(sb_read(buffer, 2000000, 10, bytes), 10);
    sb_free(buffer);
    close(full_pipe[0]);
    close(full_pipe[1]);
}

/* The pusher is told of readers that come nearer, and of watches. */
static void wanted(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 1000);
    watcher self, reader;
    sb_range range;

    at_once(buffer, SB_WHEN_WANTED, 1000);
    CHECK_EQ(push(buffer, 0, 5000), 1000);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_read(buffer, 0, 300, bytes), 300);
    CHECK_EQ(self.calls, 1);
    CHECK(pthread_equal(self.thread, pthread_self()));
    CHECK_EQ(finish(&self), 300);
    at_once(buffer, SB_WHEN_WANTED, 300);
    CHECK_EQ(push(buffer, 1000, 5000), 300);
    /* A wish for bytes that are too far ahead. */
    watcher_init(&self);
    watcher_init(&reader);
    watch(&self, buffer, SB_WHEN_WANTED);
    watch(&reader, buffer, 100000);
    CHECK_EQ(finish(&self), 1001);
    CHECK_EQ(sb_wanted(buffer, &range), SB_OK);
    CHECK_EQ(range.start, 100000);
    CHECK_EQ(push(buffer, 100000, 5), 5);
    CHECK_EQ(finish(&reader), 5);
    /* The end. */
    CHECK_EQ(sb_push_end(buffer, 100005, 0), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 98700);
    CHECK_EQ(push(buffer, 1300, 98700), 98700);
    at_once(buffer, SB_WHEN_WANTED, 0);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 0);
    sb_free(buffer);
    /* A failure, and the end while it waits. */
    buffer = open_push(SB_MAX_DEFAULT, 1000);
    CHECK_EQ(push(buffer, 0, 5000), 1000);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_push_end(buffer, 0, -9), SB_OK);
    CHECK_EQ(finish(&self), SB_ERR_SOURCE);
    at_once(buffer, SB_WHEN_WANTED, SB_ERR_SOURCE);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(finish(&self), 0);
    sb_free(buffer);
}

/* An event loop that never blocks pushes everything, however little memory there is. */
static void event_loop(uint64_t max_memory, uint64_t piece)
{
    sb_buffer *buffer = open_push(max_memory, 0);
    uint64_t at = 0;
    unsigned full = 0;

    while (at < SIZE) {
        uint64_t len = at + piece < SIZE ? piece : SIZE - at;
        int64_t count = push(buffer, at, len);
        if (count > 0) {
            at += (uint64_t)count;
        } else {
            CHECK_EQ(count, SB_ERR_TIMEOUT);
            CHECK(result_of(buffer, SB_WHEN_WANTED) > 0);
            full++;
            /* Now it takes at least a byte. */
            CHECK_EQ(push(buffer, at, 1), 1);
            at++;
        }
        CHECK(stats_of(buffer).memory <= max_memory + SEGMENT);
    }
    CHECK(full > 0);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    at_once(buffer, SB_WHEN_WANTED, 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
}

/* Memory that is full although no push has failed yet: the watch makes the helper spill. */
static void space_is_made(void)
{
    sb_buffer *buffer = open_push(0, 0);
    uint64_t at = (uint64_t)push(buffer, 0, SIZE);
    watcher self;

    CHECK(at > 0 && at < SIZE);
    /* That push asked for a spill. Fill memory again without one. */
    WAIT_UNTIL(push(buffer, at, 1) == 1);
    at++;
    while (stats_of(buffer).memory < 16384 && push(buffer, at, 1) == 1)
        at++;
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK(finish(&self) > 0);
    CHECK_EQ(push(buffer, at, 1), 1);
    sb_free(buffer);
}

/* Memory is full while nothing is wanted, before the watch or by a lower limit. A reader that makes bytes
 * wanted makes no space. */
static void full_before_wanted(uint64_t ahead, int lowers)
{
    sb_buffer *buffer = open_push(lowers ? SB_MAX_DEFAULT : 0, ahead);
    uint64_t at = 0;
    watcher self;

    watcher_init(&self);
    while (at < ahead) {
        int64_t count = push(buffer, at, ahead - at);
        if (count > 0)
            at += (uint64_t)count;
        else
            CHECK(result_of(buffer, SB_WHEN_WANTED) > 0);
    }
    watch(&self, buffer, SB_WHEN_WANTED);
    if (lowers) {
        limit_files(1);
        CHECK_EQ(sb_set_max_memory(buffer, 0), SB_ERR_DISK_FULL);
        limit_files(RLIM_INFINITY);
    }
    CHECK_EQ(get(&self, &self.calls), 0);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(finish(&self), 100);
    CHECK_EQ(push(buffer, at, 100), 100);
    sb_free(buffer);
}

static void full_disk(void)
{
    sb_buffer *buffer = open_push(300000, 0);
    uint64_t at = 0;
    int64_t count;
    watcher self;
    unsigned turn;

    limit_files(500000);
    for (;;) {
        count = push(buffer, at, 20000);
        if (count > 0) {
            at += (uint64_t)count;
            continue;
        }
        if (result_of(buffer, SB_WHEN_WANTED) == SB_ERR_DISK_FULL)
            break;
    }
    /* It is tried again each time. */
    for (turn = 0; turn < 3; turn++) {
        watcher_init(&self);
        watch(&self, buffer, SB_WHEN_WANTED);
        CHECK_EQ(finish(&self), SB_ERR_DISK_FULL);
    }
    limit_files(RLIM_INFINITY);
    watcher_init(&self);
    watch(&self, buffer, SB_WHEN_WANTED);
    CHECK(finish(&self) > 0);
    CHECK(push(buffer, at, 20000) > 0);
    CHECK_EQ(sb_read(buffer, 0, (size_t)at, bytes), at);
    CHECK_BYTES(bytes, 0, at);
    sb_free(buffer);
}

/* A watch counts as a reader: the prefetch follows it, and a timeout was no reason to forget it. */
static void prefetch_follows(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self;

    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, 200000), SB_OK);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 200000);
    watcher_init(&self);
    watch(&self, buffer, 1000000);
    CHECK(finish(&self) > 0);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 1200000);
    sb_free(buffer);
}

typedef struct racer {
    sb_buffer *buffer;
    unsigned turns;
    pthread_t thread;
} racer;

static void *racer_run(void *opaque)
{
    racer *self = opaque;
    uint64_t seed = self->turns;
    unsigned turn;

    for (turn = 0; turn < 3000; turn++) {
        watcher watched;
        uint64_t off = random_next(&seed) % (SIZE + 1000);
        int64_t result;
        watcher_init(&watched);
        result = sb_when(self->buffer, off, on_ready, &watched, &watched.watch);
        if (result == SB_ERR_TIMEOUT && turn % 2)
            WAIT_UNTIL(get(&watched, &watched.ended) == 1);
        sb_watch_free(watched.watch);
        CHECK(watched.calls == watched.ended && watched.calls <= 1);
        if (watched.calls == 1)
            result = watched.result;
        if (off >= SIZE)
            CHECK(result == 0 || result == SB_ERR_TIMEOUT);
        else
            CHECK(result > 0 || result == SB_ERR_TIMEOUT);
        pthread_mutex_destroy(&watched.lock);
    }
    return NULL;
}

/* Arrival and free at the same time: each function is called at most once, and never after. */
static void storm(int pushed)
{
    stream source;
    sb_buffer *buffer;
    racer racers[4];
    unsigned place;
    uint64_t at;

    stream_init(&source, SIZE, 3000);
    buffer = pushed ? open_push(200000, 0) : stream_open(&source, SIZE, 200000);
    for (place = 0; place < 4; place++) {
        racers[place].buffer = buffer;
        racers[place].turns = place + 1;
        CHECK_EQ(pthread_create(&racers[place].thread, NULL, racer_run, &racers[place]), 0);
    }
    for (at = 0; pushed && at < SIZE; at += 3000)
        CHECK_EQ(sb_push(buffer, at, 3000, whole + at, -1), 3000);
    if (pushed)
        CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    for (place = 0; place < 4; place++)
        CHECK_EQ(pthread_join(racers[place].thread, NULL), 0);
    sb_free(buffer);
}

int main(void)
{
    uint64_t at;
    signal(SIGXFSZ, SIG_IGN);
    for (at = 0; at < SIZE; at++)
        whole[at] = byte_at(at);
    arrival();
    arrival_by_a_reader();
    many();
    failure();
    short_end();
    unreachable();
    cancellation(0);
    cancellation(1);
    watch_free();
    free_inside();
    free_beside_ready();
    inside();
    wanted();
    event_loop(300000, 65536);
    event_loop(0, 5000);
    space_is_made();
    for (at = 4096; at < 600000; at += 4096) {
        full_before_wanted(at, 0);
        full_before_wanted(at, 1);
    }
    full_disk();
    prefetch_follows();
    storm(0);
    storm(1);
    return 0;
}
