/*
 * A window over a stream without an end: the newest bytes stay readable, older ones are reported as
 * lapped, never as the end and never as other bytes; memory and disk stay flat.
 */
#include "check.h"

enum { SEGMENT = 262144, WINDOW = 4 * SEGMENT, STEP = 50000 };

static unsigned char bytes[WINDOW + 2 * SEGMENT], pushed[STEP];

static sb_options with(uint64_t window, uint64_t max_memory)
{
    sb_options options;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(options.window, 0);
    options.window = window;
    options.max_memory = max_memory;
    return options;
}

static sb_buffer *open_stream(stream *self, sb_options options)
{
    sb_callback callback = stream_callback(self);
    sb_buffer *buffer = NULL;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    return buffer;
}

static sb_buffer *open_push(sb_options options)
{
    sb_buffer *buffer = NULL;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    return buffer;
}

static int64_t push(sb_buffer *buffer, uint64_t off, size_t len, int64_t timeout_ms)
{
    size_t index;
    CHECK(len <= STEP);
    for (index = 0; index < len; index++)
        pushed[index] = byte_at(off + index);
    return sb_push(buffer, off, len, pushed, timeout_ms);
}

static uint64_t push_up_to(sb_buffer *buffer, uint64_t from, uint64_t to)
{
    while (from < to)
        from += (uint64_t)push(buffer, from, (size_t)(to - from < STEP ? to - from : STEP), -1);
    return from;
}

/* What is kept is as much as was requested, readable, and counted. */
static sb_stats kept(sb_buffer *buffer, uint64_t window)
{
    sb_stats stats = stats_of(buffer);
    uint64_t count = stats.frontier - stats.tail;
    sb_range range;

    CHECK(count <= window + 2 * SEGMENT && count >= (stats.tail > 0 ? window : 0));
    CHECK_EQ(stats.memory + stats.disk, count);
    CHECK_EQ(sb_ranges(buffer, &range, 1), 1);
    CHECK_EQ(range.start, stats.tail);
    CHECK_EQ(range.end, stats.frontier);
    CHECK_EQ(sb_buffered(buffer, stats.tail), count);
    CHECK_EQ(sb_read(buffer, stats.tail, (size_t)count, bytes), count);
    CHECK_BYTES(bytes, stats.tail, count);
    return stats;
}

static void ready(void *opaque, int64_t buffered)
{
    *(int64_t *)opaque = buffered;
}

static void lapped(sb_buffer *buffer, uint64_t off)
{
    sb_watch *watch = NULL;
    int64_t unused;
    CHECK_EQ(sb_read(buffer, off, 10, bytes), SB_ERR_LAPPED);
    CHECK_EQ(sb_read_some(buffer, off, 10, bytes, 0), SB_ERR_LAPPED);
    CHECK_EQ(sb_read_some(buffer, off, 10, bytes, PATIENCE), SB_ERR_LAPPED);
    CHECK_EQ(sb_when(buffer, off, ready, &unused, &watch), SB_ERR_LAPPED);
    CHECK(watch == NULL);
    CHECK_EQ(sb_buffered(buffer, off), 0);
}

static int64_t never_sought(void *opaque, uint64_t offset)
{
    (void)opaque, (void)offset;
    CHECK(!"the source of a window is sought");
    return 0;
}

/* Memory stays flat, and so does the spool file, if there has to be one. */
static void pulled(uint64_t max_memory)
{
    stream self;
    sb_options options = with(WINDOW, max_memory);
    sb_callback callback;
    sb_buffer *buffer = NULL;
    uint64_t at, overhead = 0;

    stream_init(&self, 1000000000, 0);
    callback = stream_callback(&self);
    callback.seek = never_sought;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(stats_of(buffer).seekable, 0);
    for (at = 0; at < 40 * WINDOW; at += STEP) {
        sb_stats stats;
        CHECK_EQ(sb_read(buffer, at, STEP, bytes), STEP);
        CHECK_BYTES(bytes, at, STEP);
        stats = stats_of(buffer);
        CHECK(stats.memory <= (max_memory < WINDOW ? max_memory : WINDOW) + 2 * SEGMENT);
        CHECK(stats.disk <= WINDOW + 2 * SEGMENT);
        CHECK(max_memory < WINDOW || stats.spool == SB_SPOOL_NONE);
        CHECK(at < 20 * WINDOW || stats.overhead <= overhead + 4096);
        if (at < 20 * WINDOW && stats.overhead > overhead)
            overhead = stats.overhead;
    }
    at = kept(buffer, WINDOW).tail;
    CHECK(at > 0);
    lapped(buffer, at - 1);
    lapped(buffer, 0);
    /* A cancel changes nothing there. */
    sb_cancel(buffer);
    CHECK_EQ(sb_read(buffer, 0, 1, bytes), SB_ERR_LAPPED);
    CHECK_EQ(sb_read(buffer, at, 1, bytes), 1);
    sb_resume(buffer);
    /* Far ahead, everything before it is read and dropped. */
    CHECK_EQ(sb_read(buffer, 90 * (uint64_t)WINDOW, 10, bytes), 10);
    CHECK_BYTES(bytes, 90 * (uint64_t)WINDOW, 10);
    kept(buffer, WINDOW);
    sb_free(buffer);
    CHECK_EQ(self.closes, 1);
}

static void readers(void)
{
    sb_buffer *buffer = open_push(with(WINDOW, SB_MAX_DEFAULT));
    sb_reader *early = sb_reader_new(buffer), *late;
    sb_error error;
    uint64_t frontier = 0, tail;
    char text[200];

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK_EQ(sb_reader_seek(early, 0, SB_SEEK_LIVE), 0);
    frontier = push_up_to(buffer, frontier, 1000);
    CHECK_EQ(sb_reader_read(early, 100, bytes), 100);
    frontier = push_up_to(buffer, frontier, 3 * (uint64_t)WINDOW);
    tail = kept(buffer, WINDOW).tail;
    CHECK_EQ(sb_reader_read(early, 100, bytes), SB_ERR_LAPPED);
    CHECK_EQ(sb_reader_error(early, &error), SB_OK);
    CHECK_EQ(error.status, SB_ERR_LAPPED);
    CHECK_EQ(error.offset, 100);
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strstr(text, "window") != NULL);
    /* Its position has not changed, and it may go on. */
    CHECK_EQ(sb_reader_seek(early, 0, SB_SEEK_CUR), 100);
    late = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(late, 0, SB_SEEK_CUR), tail);
    CHECK_EQ(sb_reader_read(late, 100, bytes), 100);
    CHECK_BYTES(bytes, tail, 100);
    CHECK_EQ(sb_reader_seek(early, -100, SB_SEEK_LIVE), frontier - 100);
    CHECK_EQ(sb_reader_read(early, 500, bytes), 100);
    CHECK_BYTES(bytes, frontier - 100, 100);
    CHECK_EQ(sb_reader_seek(early, 0, SB_SEEK_LIVE), frontier);
    CHECK_EQ(sb_reader_seek(early, -(int64_t)frontier - 1, SB_SEEK_LIVE), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(early, 0, 17), SB_ERR_INVALID);
    /* Also a reader that must not fetch what it skips. */
    CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    CHECK_EQ(sb_reader_read(early, 500, bytes), 0);
    lapped(buffer, 0);
    CHECK_EQ(sb_size(buffer), frontier);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    sb_reader_free(early);
    sb_reader_free(late);
    sb_free(buffer);
}

/* Bytes are pushed where the buffered ones end, and nowhere else. */
static void pushes(uint64_t max_memory)
{
    sb_buffer *buffer = open_push(with(WINDOW, max_memory));
    uint64_t frontier = push_up_to(buffer, 0, 10 * (uint64_t)WINDOW + 77);
    sb_range range;

    kept(buffer, WINDOW);
    CHECK_EQ(sb_wanted(buffer, &range), SB_OK);
    CHECK_EQ(range.start, frontier);
    CHECK_EQ(push(buffer, frontier + 1, 10, 0), SB_ERR_UNSUPPORTED);
    /* A connection that delivers some bytes again does no harm. */
    CHECK_EQ(push(buffer, 0, 10, 0), 10);
    CHECK_EQ(push(buffer, frontier - 10, 20, -1), 20);
    CHECK_EQ(stats_of(buffer).frontier, frontier + 10);
    kept(buffer, WINDOW);
    /* A failure does not bring them back. */
    CHECK_EQ(sb_push_end(buffer, 0, -5), SB_OK);
    lapped(buffer, 0);
    CHECK_EQ(sb_read(buffer, frontier + 10, 1, bytes), SB_ERR_SOURCE);
    sb_free(buffer);
}

/* `ahead` keeps the pusher from lapping the only reader. */
static void ahead(void)
{
    sb_options options = with(WINDOW, 0);
    sb_buffer *buffer;
    uint64_t frontier = 0, read = 0;

    options.ahead = WINDOW;
    buffer = open_push(options);
    while (read < 10 * (uint64_t)WINDOW) {
        int64_t count = push(buffer, frontier, STEP, 0);
        if (count > 0) {
            frontier += (uint64_t)count;
            continue;
        }
        CHECK(count == SB_ERR_TIMEOUT);
        count = sb_read_some(buffer, read, STEP, bytes, 0);
        if (count == SB_ERR_TIMEOUT)
            continue; /* memory is full, and the helper is spilling */
        CHECK(count > 0);
        CHECK_BYTES(bytes, read, count);
        read += (uint64_t)count;
    }
    sb_free(buffer);
}

static void prefetch(void)
{
    stream self;
    sb_options options = with(WINDOW, 0);
    sb_buffer *buffer;
    uint64_t at = 0;

    stream_init(&self, 1000000000, 0);
    options.prefetch = SB_PREFETCH_ALL;
    buffer = open_stream(&self, options);
    WAIT_UNTIL(stats_of(buffer).frontier >= WINDOW);
    while (at < 20 * WINDOW) {
        int64_t count = sb_read_some(buffer, at, STEP, bytes, -1);
        CHECK(count > 0);
        CHECK_BYTES(bytes, at, count);
        at += (uint64_t)count;
        CHECK(stats_of(buffer).frontier <= at + WINDOW + SEGMENT);
    }
    free_and_await_close(buffer, &self);
}

static sb_buffer *saved;
static uint64_t saved_frontier;

static int push_more(void *opaque, uint64_t done, uint64_t total)
{
    (void)opaque;
    CHECK(done <= total);
    saved_frontier = push_up_to(saved, saved_frontier, saved_frontier + 2 * SEGMENT);
    return 0;
}

static void saves(void)
{
    sb_save_options options;
    sb_error error;
    sb_stats stats;
    FILE *file;

    saved = open_push(with(WINDOW, SB_MAX_DEFAULT));
    saved_frontier = push_up_to(saved, 0, 3 * (uint64_t)WINDOW + 1);
    CHECK_EQ(sb_save(saved, "saved"), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK_EQ(sb_save_options_init(&options, sizeof options), SB_OK);
    options.path = "saved";
    options.error = &error;
    options.flags = SB_SAVE_BUFFERED | SB_SAVE_LINK;
    CHECK_EQ(sb_save_with(saved, &options), SB_ERR_UNSUPPORTED);
    options.flags = SB_SAVE_BUFFERED;
    stats = stats_of(saved);
    CHECK_EQ(sb_save_with(saved, &options), stats.frontier - stats.tail);
    file = fopen("saved", "rb");
    CHECK(file != NULL);
    CHECK_EQ(fread(bytes, 1, sizeof bytes, file), stats.frontier - stats.tail);
    CHECK_BYTES(bytes, stats.tail, stats.frontier - stats.tail);
    fclose(file);
    CHECK_EQ(unlink("saved"), 0);
    options.progress = push_more;
    CHECK_EQ(sb_save_with(saved, &options), SB_ERR_LAPPED);
    CHECK_EQ(error.status, SB_ERR_LAPPED);
    CHECK_EQ(access("saved", F_OK), -1);
    sb_free(saved);
}

#ifndef _WIN32
static void *save_to_pipe(void *opaque)
{
    sb_save_options options;
    CHECK_EQ(sb_save_options_init(&options, sizeof options), SB_OK);
    options.fd = *(int *)opaque;
    options.flags = SB_SAVE_BUFFERED;
    CHECK_EQ(sb_save_with(saved, &options), SB_ERR_LAPPED);
    CHECK_EQ(close(*(int *)opaque), 0);
    return NULL;
}

/* The bytes that it would write next are dropped while it writes to a full pipe. */
static void save_is_lapped_between_steps(void)
{
    pthread_t thread;
    uint64_t tail, done = 0;
    ssize_t count;
    int ends[2];

    saved = open_push(with(WINDOW, SB_MAX_DEFAULT));
    saved_frontier = push_up_to(saved, 0, 3 * (uint64_t)WINDOW);
    tail = stats_of(saved).tail;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pthread_create(&thread, NULL, save_to_pipe, &ends[1]), 0);
    /* It has begun: the first step is larger than a pipe. */
    CHECK_EQ(read(ends[0], bytes, 1), 1);
    CHECK_BYTES(bytes, tail + done++, 1);
    push_up_to(saved, saved_frontier, saved_frontier + 2 * (uint64_t)WINDOW);
    while ((count = read(ends[0], bytes, sizeof bytes)) > 0) {
        CHECK_BYTES(bytes, tail + done, count);
        done += (uint64_t)count;
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(done < WINDOW);
    CHECK_EQ(close(ends[0]), 0);
    sb_free(saved);
}
#endif

static void no_reopen(void)
{
    stream first, second;
    sb_callback callback;
    sb_buffer *buffer;

    stream_init(&first, 1000000, 0);
    stream_init(&second, 1000000, 0);
    buffer = open_stream(&first, with(WINDOW, 0));
    callback = stream_callback(&second);
    CHECK_EQ(sb_reopen(buffer, &callback, SB_SIZE_UNKNOWN), SB_ERR_UNSUPPORTED);
    CHECK_EQ(second.closes, 1);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    sb_free(buffer);
    CHECK_EQ(first.closes, 1);
}

int main(void)
{
    pulled(SB_MAX_DEFAULT);
    pulled(SEGMENT);
    pulled(0);
    readers();
    pushes(SB_MAX_DEFAULT);
    pushes(SEGMENT);
    pushes(0);
    ahead();
    prefetch();
    saves();
#ifndef _WIN32
    save_is_lapped_between_steps();
#endif
    no_reopen();
    return 0;
}
