/*
 * A buffer whose bytes are pushed: what is accepted is readable at once and stays, in any order; what is
 * not accepted is offered again; no end is silent.
 */
#include "limit_files.h"
#include <signal.h>

enum { SIZE = 6000000, SEGMENT = 262144 };

static unsigned char bytes[SIZE], whole[SIZE];

static sb_buffer *open_push(uint64_t max_memory, uint64_t ahead)
{
    sb_options options;
    sb_buffer *buffer = NULL;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = max_memory;
    options.ahead = ahead;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    CHECK(buffer != NULL);
    return buffer;
}

static int64_t push(sb_buffer *buffer, uint64_t off, uint64_t len, int64_t timeout_ms)
{
    return sb_push(buffer, off, (size_t)len, whole + off, timeout_ms);
}

static void push_all(sb_buffer *buffer, uint64_t off, uint64_t len)
{
    CHECK_EQ(push(buffer, off, len, -1), len);
}

static void has(sb_buffer *buffer, uint64_t off, uint64_t len)
{
    CHECK_EQ(sb_read(buffer, off, (size_t)len, bytes), len);
    CHECK_BYTES(bytes, off, len);
}

static void wants(sb_buffer *buffer, uint64_t start, uint64_t end)
{
    sb_range range = { 1, 2 };
    CHECK_EQ(sb_wanted(buffer, &range), SB_OK);
    CHECK_EQ(range.start, start);
    CHECK_EQ(range.end, end);
}

static void in_order(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 0);
    uint64_t at;

    WAIT_UNTIL(threads() == 1);
    for (at = 0; at < 20000; at += 1000) {
        CHECK_EQ(sb_read_some(buffer, at, 1, bytes, 0), SB_ERR_TIMEOUT);
        CHECK_EQ(push(buffer, at, 1000, 0), 1000);
        CHECK_EQ(sb_buffered(buffer, 0), at + 1000);
        has(buffer, at, 1000);
    }
    CHECK_EQ(push(buffer, at, 0, 0), 0);
    CHECK_EQ(sb_push(buffer, at, 0, NULL, 0), 0);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(sb_size(buffer), 20000);
    CHECK_EQ(sb_read(buffer, 20000, 1, bytes), 0);
    CHECK_EQ(stats_of(buffer).pulled, 20000);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    CHECK(stats_of(buffer).overhead < 30000);
    CHECK_EQ(threads(), 1);
    CHECK_EQ(sb_save(buffer, "pushed"), 20000);
    CHECK_EQ(unlink("pushed"), 0);
    wants(buffer, 20000, 20000);
    sb_free(buffer);
}

/* Bytes that are buffered count as accepted, and stay as they are. */
static void in_any_order(void)
{
    static unsigned char wrong[3000];
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 0);
    sb_range ranges[3];

    push_all(buffer, 5000, 1000);
    push_all(buffer, 1000, 1000);
    CHECK_EQ(sb_ranges(buffer, ranges, 3), 2);
    wants(buffer, 0, 1000);
    /* Over a gap between two ranges, and over both. */
    push_all(buffer, 0, 7000);
    CHECK_EQ(sb_ranges(buffer, ranges, 3), 1);
    CHECK_EQ(ranges[0].end, 7000);
    CHECK_EQ(sb_push(buffer, 4000, sizeof wrong, wrong, 0), 3000);
    has(buffer, 0, 7000);
    CHECK_EQ(stats_of(buffer).pulled, 7000);
    wants(buffer, 7000, SB_SIZE_UNKNOWN);
    push_all(buffer, 9000, 1000);
    CHECK_EQ(sb_push_end(buffer, 9999, 0), SB_ERR_SIZE);
    CHECK_EQ(sb_push_end(buffer, (uint64_t)INT64_MAX + 1, 0), SB_ERR_SIZE);
    CHECK_EQ(sb_push_end(buffer, 12000, 0), SB_OK);
    CHECK_EQ(sb_push_end(buffer, 12000, 0), SB_OK);
    CHECK_EQ(sb_push_end(buffer, 12001, 0), SB_ERR_SIZE);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_ERR_SIZE);
    CHECK_EQ(sb_size(buffer), 12000);
    wants(buffer, 7000, 9000);
    CHECK_EQ(push(buffer, 12000, 1, 0), SB_ERR_SIZE);
    CHECK_EQ(push(buffer, 11999, 2, 0), SB_ERR_SIZE);
    push_all(buffer, 6500, 3000);
    wants(buffer, 10000, 12000);
    push_all(buffer, 10000, 2000);
    wants(buffer, 12000, 12000);
    has(buffer, 0, 12000);
    CHECK_EQ(sb_read(buffer, 12000, 1, bytes), 0);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    /* It is complete: nothing can fail any more. */
    CHECK_EQ(sb_push_end(buffer, 0, -5), SB_OK);
    CHECK_EQ(sb_read(buffer, 12000, 1, bytes), 0);
    CHECK_EQ(stats_of(buffer).source_error, 0);
    CHECK_EQ(push(buffer, 11000, 1000, 0), 1000);
    sb_free(buffer);
}

/* What the prefetch would keep is too far ahead: then the frontier is wanted. */
static void prefetch_beyond_ahead(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 1000);

    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(sb_read_some(buffer, 50000, 1, bytes, 0), SB_ERR_TIMEOUT);
    wants(buffer, 50000, 51000);
    CHECK_EQ(push(buffer, 50000, 5000, 0), 1000);
    wants(buffer, 0, 50000);
    push_all(buffer, 0, 50000);
    wants(buffer, 51000, 51000);
    sb_free(buffer);
}

/* Readers get what they wait for, and nobody else is told that it is the end. */
static void waiting_readers(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 0);
    call first, second;

    call_start(&first, buffer, 70000, 5000, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    wants(buffer, 70000, SB_SIZE_UNKNOWN);
    call_start(&second, buffer, 1000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    wants(buffer, 70000, SB_SIZE_UNKNOWN);
    push_all(buffer, 0, 60000);
    CHECK_EQ(call_finish(&second), 10);
    push_all(buffer, 70000, 4999);
    wants(buffer, 74999, SB_SIZE_UNKNOWN);
    push_all(buffer, 74999, 1);
    CHECK_EQ(call_finish(&first), 5000);
    /* Whoever waits where nothing comes is canceled, not told the end. */
    call_start(&first, buffer, 65000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= 3);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(call_finish(&first), SB_ERR_CANCELED);
    CHECK_EQ(push(buffer, 60000, 10, -1), SB_ERR_CANCELED);
    wants(buffer, 0, 0);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    wants(buffer, 60000, 70000);
    push_all(buffer, 60000, 10000);
    has(buffer, 0, 75000);
    CHECK_EQ(sb_read_some(buffer, 75000, 1, bytes, 20), SB_ERR_TIMEOUT);
    /* An end wakes a reader past it. */
    call_start(&first, buffer, 80000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= 5);
    CHECK_EQ(sb_push_end(buffer, 75000, 0), SB_OK);
    CHECK_EQ(call_finish(&first), 0);
    sb_free(buffer);
}

static void failures(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 0);
    call reader;

    push_all(buffer, 0, 1000);
    call_start(&reader, buffer, 900, 200, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 5), SB_ERR_INVALID);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, -104), SB_OK);
    CHECK_EQ(call_finish(&reader), 100);
    CHECK_EQ(sb_read(buffer, 1000, 1, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -104);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_FAILED);
    /* A failure is never followed by an end, only by another failure. */
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_ERR_SOURCE);
    CHECK_EQ(sb_push_end(buffer, 1000, 0), SB_ERR_SOURCE);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_read(buffer, 1000, 1, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, -105), SB_OK);
    CHECK_EQ(sb_read(buffer, 1000, 1, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -105);
    CHECK_EQ(push(buffer, 1000, 1, 0), SB_ERR_SOURCE);
    wants(buffer, 0, 0);
    has(buffer, 0, 1000);
    /* At any offset. */
    CHECK_EQ(sb_retry(buffer), SB_OK);
    push_all(buffer, 3000, 1000);
    push_all(buffer, 0, 3000);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    has(buffer, 0, 4000);
    CHECK_EQ(sb_read(buffer, 4000, 1, bytes), 0);
    sb_free(buffer);
}

static void short_end(void)
{
    sb_options options;
    sb_buffer *buffer;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = 5000;
    options.on_short = SB_SHORT_ERROR;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    push_all(buffer, 0, 4000);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(sb_read(buffer, 4000, 1, bytes), SB_ERR_SHORT);
    CHECK_EQ(push(buffer, 4000, 1, 0), SB_ERR_SHORT);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_ERR_SHORT);
    CHECK_EQ(stats_of(buffer).ended_short, 1);
    CHECK_EQ(sb_size(buffer), 5000);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    push_all(buffer, 4000, 1000);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(sb_read(buffer, 5000, 1, bytes), 0);
    sb_free(buffer);
}

/* What does not fit is spilled by the helper, whom the first full push starts. */
static void beyond_memory(uint64_t max_memory, uint64_t piece)
{
    sb_buffer *buffer = open_push(max_memory, 0);
    sb_stats stats;
    uint64_t at, most = 0;

    WAIT_UNTIL(threads() == 1);
    for (at = 0; at < SIZE; at += piece) {
        push_all(buffer, at, at + piece < SIZE ? piece : SIZE - at);
        stats = stats_of(buffer);
        most = stats.memory > most ? stats.memory : most;
        if (stats.frontier <= max_memory)
            CHECK_EQ(threads(), 1);
    }
    CHECK(most <= max_memory + SEGMENT);
    CHECK(stats_of(buffer).disk >= SIZE - max_memory - SEGMENT);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    has(buffer, 0, SIZE);
    CHECK_EQ(sb_save(buffer, "pushed"), SIZE);
    CHECK_EQ(unlink("pushed"), 0);
    sb_free(buffer);
    WAIT_UNTIL(threads() == 1);
}

typedef struct pusher {
    sb_buffer *buffer;
    uint64_t off, len;
    int64_t timeout_ms, result;
    pthread_t thread;
} pusher;

static void *pusher_run(void *opaque)
{
    pusher *self = opaque;
    self->result = push(self->buffer, self->off, self->len, self->timeout_ms);
    note("pushed");
    return NULL;
}

static void pusher_start(pusher *self, sb_buffer *buffer, uint64_t off, uint64_t len)
{
    self->buffer = buffer;
    self->off = off;
    self->len = len;
    self->timeout_ms = -1;
    CHECK_EQ(pthread_create(&self->thread, NULL, pusher_run, self), 0);
}

static int64_t pusher_finish(pusher *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    return self->result;
}

/* A full disk gives fewer accepted bytes, never a lost one. */
static void full_disk(void)
{
    sb_buffer *buffer = open_push(500000, 0);
    int64_t accepted;
    unsigned at;

    limit_files(1000000);
    accepted = push(buffer, 0, SIZE, -1);
    CHECK(accepted >= 1000000 && accepted <= 1000000 + 500000 + 2 * SEGMENT);
    CHECK_EQ(push(buffer, (uint64_t)accepted, 100000, -1), SB_ERR_DISK_FULL);
    CHECK_EQ(push(buffer, (uint64_t)accepted, 100000, PATIENCE), SB_ERR_DISK_FULL);
    WAIT_UNTIL(push(buffer, (uint64_t)accepted, 100000, 0) == SB_ERR_DISK_FULL);
    /* Every push that waited is told, not only the first one to look. */
    for (at = 0; at < 20; at++) {
        pusher both[2];
        pusher_start(&both[0], buffer, (uint64_t)accepted, 100000);
        pusher_start(&both[1], buffer, (uint64_t)accepted + 200000, 100000);
        while (push(buffer, (uint64_t)accepted, 1, 0) != SB_ERR_DISK_FULL)
            pause_ms(1);
        CHECK_EQ(pusher_finish(&both[0]), SB_ERR_DISK_FULL);
        CHECK_EQ(pusher_finish(&both[1]), SB_ERR_DISK_FULL);
    }
    has(buffer, 0, (uint64_t)accepted);
    CHECK_EQ(stats_of(buffer).frontier, accepted);
    CHECK_EQ(stats_of(buffer).system_error, EFBIG);
    CHECK_EQ(sb_read_some(buffer, (uint64_t)accepted, 1, bytes, 0), SB_ERR_TIMEOUT);
    limit_files(RLIM_INFINITY);
    push_all(buffer, (uint64_t)accepted, SIZE - (uint64_t)accepted);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    has(buffer, 0, SIZE);
    sb_free(buffer);
}

static void full_disk_in_memory(void)
{
    sb_options options;
    sb_buffer *buffer;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 500000;
    options.on_full = SB_ON_FULL_MEMORY;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    limit_files(1000000);
    push_all(buffer, 0, 4000000);
    CHECK(stats_of(buffer).memory > 2000000);
    /* Only while the disk is full. */
    limit_files(RLIM_INFINITY);
    push_all(buffer, 4000000, SIZE - 4000000);
    CHECK(stats_of(buffer).memory <= 500000 + 2 * SEGMENT);
    has(buffer, 0, SIZE);
    sb_free(buffer);
}

/* Readers set the pace. */
static void limited(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 10000);
    pusher waiting;
    call reader;

    wants(buffer, 0, 10000);
    CHECK_EQ(push(buffer, 0, 30000, 0), 10000);
    wants(buffer, 10000, 10000);
    CHECK_EQ(push(buffer, 10000, 1, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(push(buffer, 10000, 1, 20), SB_ERR_TIMEOUT);
    /* Nothing is not too far ahead. */
    CHECK_EQ(sb_push(buffer, 20000, 0, NULL, -1), 0);
    has(buffer, 0, 4000);
    wants(buffer, 10000, 14000);
    CHECK_EQ(push(buffer, 10000, 30000, 0), 4000);
    has(buffer, 1000, 1000);
    CHECK_EQ(push(buffer, 14000, 30000, 0), SB_ERR_TIMEOUT);
    /* A read lets a blocked push go on. */
    pusher_start(&waiting, buffer, 14000, 20000);
    has(buffer, 4000, 10000);
    WAIT_UNTIL(sb_buffered(buffer, 0) == 24000);
    has(buffer, 14000, 10000);
    CHECK_EQ(pusher_finish(&waiting), 20000);
    CHECK_EQ(sb_buffered(buffer, 0), 34000);
    /* What a call waits for is accepted, however much and wherever it is. */
    call_start(&reader, buffer, 100000, 50000, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= 1);
    wants(buffer, 100000, 160000);
    CHECK_EQ(push(buffer, 100000, 100000, 0), 60000);
    CHECK_EQ(call_finish(&reader), 50000);
    /* So is what a reader of buffered bytes waits for. */
    {
        sb_reader_options only;
        sb_reader *peek;
        CHECK_EQ(sb_reader_options_init(&only, sizeof only), SB_OK);
        only.flags = SB_READER_BUFFERED;
        only.timeout_ms = PATIENCE;
        CHECK_EQ(sb_reader_new_with(buffer, &only, &peek), SB_OK);
        CHECK_EQ(sb_reader_seek(peek, 300000, SB_SEEK_SET), 300000);
        call_start_reader(&reader, peek, 10, NULL);
        WAIT_UNTIL(push(buffer, 300000, 10, 0) == 10);
        CHECK_EQ(call_finish(&reader), 10);
        sb_reader_free(peek);
    }
    /* A cancel, or a free, ends a push that waits. */
    pusher_start(&waiting, buffer, 160000, 10);
    pause_ms(20);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(pusher_finish(&waiting), SB_ERR_CANCELED);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    pusher_start(&waiting, buffer, 160000, 10);
    pause_ms(20);
    sb_free(buffer);
    waiting.result = pusher_finish(&waiting);
    CHECK(waiting.result == SB_ERR_CANCELED || waiting.result == SB_ERR_INVALID);
}

/* The prefetch is a wish, and needs no thread. */
static void prefetched(void)
{
    sb_buffer *buffer = open_push(SB_MAX_DEFAULT, 0);

    WAIT_UNTIL(threads() == 1);
    push_all(buffer, 0, 1000);
    push_all(buffer, 500000, 1000);
    has(buffer, 500000, 1);
    CHECK_EQ(sb_prefetch(buffer, 100000), SB_OK);
    has(buffer, 500000, 1000);
    wants(buffer, 501000, SB_SIZE_UNKNOWN);
    push_all(buffer, 501000, 100000);
    wants(buffer, 1000, 500000);
    CHECK_EQ(threads(), 1);
    sb_free(buffer);
}

enum { PUSHERS = 4, PART = 7777 };

static void *storm_run(void *opaque)
{
    pusher *self = opaque;
    uint64_t seed = self->off + 1, at;
    unsigned turn;
    /* Pieces that overlap those of the others; at last, all that is missing. */
    for (turn = 0; turn < 2000; turn++) {
        uint64_t len = 1 + random_next(&seed) % (3 * PART);
        at = random_next(&seed) % (SIZE - len);
        CHECK_EQ(push(self->buffer, at, len, -1), len);
    }
    for (at = 0; at < SIZE; at += PART) {
        uint64_t len = at + PART < SIZE ? PART : SIZE - at;
        CHECK_EQ(push(self->buffer, at, len, -1), len);
    }
    return NULL;
}

static void storm(uint64_t max_memory)
{
    sb_buffer *buffer = open_push(max_memory, 0);
    pusher pushers[PUSHERS];
    call readers[3];
    uint64_t place;

    for (place = 0; place < 3; place++)
        call_start(&readers[place], buffer, place * SIZE / 3, SIZE / 3, NULL);
    for (place = 0; place < PUSHERS; place++) {
        pushers[place].buffer = buffer;
        pushers[place].off = place;
        CHECK_EQ(pthread_create(&pushers[place].thread, NULL, storm_run, &pushers[place]), 0);
    }
    for (place = 0; place < PUSHERS; place++)
        CHECK_EQ(pthread_join(pushers[place].thread, NULL), 0);
    for (place = 0; place < 3; place++)
        CHECK_EQ(call_finish(&readers[place]), SIZE / 3);
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(stats_of(buffer).pulled, SIZE);
    has(buffer, 0, SIZE);
    sb_free(buffer);
}

/* What would block inside a callback of the library is refused. The rest works there. */
typedef struct inside {
    sb_buffer *buffer;
    uint64_t full_at; /* no space there */
    uint64_t held_at;
    int calls;
} inside;

static void push_inside(inside *self)
{
    if (self->calls++ > 0)
        return;
    CHECK_EQ(push(self->buffer, self->full_at, 10, -1), SB_ERR_REENTRANT);
    CHECK_EQ(push(self->buffer, self->full_at, 10, 600000), SB_ERR_REENTRANT);
    CHECK_EQ(push(self->buffer, self->full_at, 10, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(push(self->buffer, self->held_at, 10, -1), 10);
}

static void push_in_log(void *opaque, uint32_t level, const char *message)
{
    (void)level;
    (void)message;
    push_inside(opaque);
}

static void push_in_thread(void *opaque)
{
    push_inside(opaque);
}

static void in_callbacks(void)
{
    inside log = { open_push(SB_MAX_DEFAULT, 1000), 1000, 990, 0 };
    inside begin = { NULL, 4 * SEGMENT, 0, 0 };
    sb_options options;

    CHECK_EQ(sb_set_log(push_in_log, &log, SB_LOG_DEBUG), SB_OK);
    sb_free(open_push(SB_MAX_DEFAULT, 0));
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    CHECK(log.calls > 0);
    sb_free(log.buffer);

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = SEGMENT;
    options.thread_begin = push_in_thread;
    options.thread_opaque = &begin;
    CHECK_EQ(sb_new_push(&options, &begin.buffer), SB_OK);
    push_all(begin.buffer, 0, 6 * SEGMENT);
    CHECK_EQ(begin.calls, 1);
    has(begin.buffer, 0, 6 * SEGMENT);
    sb_free(begin.buffer);
}

int main(void)
{
    uint64_t at;
    signal(SIGXFSZ, SIG_IGN);
    for (at = 0; at < SIZE; at++)
        whole[at] = byte_at(at);
    in_order();
    in_any_order();
    prefetch_beyond_ahead();
    waiting_readers();
    failures();
    short_end();
    beyond_memory(300000, 65536);
    beyond_memory(0, 1000);
    beyond_memory(2000000, 3000000);
    full_disk();
    full_disk_in_memory();
    limited();
    prefetched();
    storm(UINT64_MAX);
    storm(500000);
    in_callbacks();
    return 0;
}
