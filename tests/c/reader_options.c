/*
 * Readers with options: a timeout, and those that read only what is buffered.
 */
#include "check.h"

enum { SIZE = 1000000, AHEAD = 100000 };

static unsigned char bytes[SIZE];
static int seeks;

static int64_t seek_stream(void *opaque, uint64_t offset)
{
    stream *self = opaque;

    pthread_mutex_lock(&self->lock);
    seeks++;
    self->at = offset < self->size ? offset : self->size;
    self->ended = 0;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

static sb_buffer *seekable_open(stream *self)
{
    sb_callback callback = stream_callback(self);
    sb_buffer *buffer;

    seeks = 0;
    callback.seek = seek_stream;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 300000);
    CHECK(buffer != NULL);
    return buffer;
}

static sb_reader *reader_of(sb_buffer *buffer, int64_t timeout, uint32_t flags)
{
    sb_reader_options options;
    sb_reader *reader;

    CHECK_EQ(sb_reader_options_init(&options, sizeof options), SB_OK);
    options.timeout_ms = timeout;
    options.flags = flags;
    CHECK_EQ(sb_reader_new_with(buffer, &options, &reader), SB_OK);
    return reader;
}

static int64_t read_at(sb_reader *reader, uint64_t offset, size_t length)
{
    int64_t count;

    CHECK_EQ(sb_reader_seek(reader, (int64_t)offset, SB_SEEK_SET), (int64_t)offset);
    count = sb_reader_read(reader, length, bytes);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_CUR), (int64_t)offset + (count > 0 ? count : 0));
    if (count > 0)
        CHECK_BYTES(bytes, offset, (uint64_t)count);
    return count;
}

static void defaults(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader_options options;
    sb_reader *reader;

    memset(&options, 1, sizeof options);
    CHECK_EQ(sb_reader_options_init(&options, sizeof options), SB_OK);
    CHECK_EQ(options.struct_size, sizeof options);
    CHECK_EQ(options.timeout_ms, -1);
    CHECK_EQ(options.flags, 0);
    CHECK_EQ(options.reserved, 0);
    CHECK(options.reach == SB_REACH_WHOLE);
    if (sizeof(void *) == 8)
        CHECK_EQ(sizeof options % 8, 0);
    /* Without options it is a reader as any other. */
    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_reader_new_with(buffer, NULL, &reader), SB_OK);
    CHECK_EQ(read_at(reader, 500, 10), 10);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* A timeout is that of sb_read_some(): 0 never calls the source, else the helper does. */
static void times_out(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *now, *soon, *later;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 50000;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    now = reader_of(buffer, 0, 0);
    soon = reader_of(buffer, 50, 0);
    later = reader_of(buffer, 600000, 0);
    CHECK_EQ(read_at(now, 0, 10), SB_ERR_TIMEOUT);
    CHECK_EQ(stream_get(&source, &source.reads), 0);
    CHECK_EQ(stats_of(buffer).helper, 0);
    CHECK_EQ(read_at(later, 0, 10), 10);
    CHECK_EQ(stats_of(buffer).helper, 1);
    CHECK_EQ(read_at(now, 0, 10), 10);
    CHECK_EQ(read_at(soon, 50000, 10), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_reader_find_size(now), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_reader_find_size(soon), SB_ERR_TIMEOUT);
    stream_release(&source, NEVER);
    CHECK_EQ(sb_reader_find_size(later), SIZE);
    CHECK_EQ(read_at(now, SIZE, 10), 0);
    sb_reader_free(now);
    sb_reader_free(soon);
    sb_reader_free(later);
    free_and_await_close(buffer, &source);
}

/* Peeking at missing bytes seeks nowhere, calls nobody, and leaves the prefetch where it is. */
static void peeks(int64_t timeout)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *peek, *play;
    int place, reads;

    stream_init(&source, SIZE, 0);
    buffer = seekable_open(&source);
    peek = reader_of(buffer, timeout, SB_READER_BUFFERED);
    play = sb_reader_new(buffer);
    /* Nobody fetches anything. */
    CHECK_EQ(read_at(peek, 0, 10), SB_ERR_TIMEOUT);
    CHECK_EQ(read_at(peek, 500000, 10), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_reader_find_size(peek), SB_ERR_TIMEOUT);
    CHECK_EQ(stats_of(buffer).helper, 0);
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(sb_prefetch(buffer, AHEAD), SB_OK);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= AHEAD);
    reads = stream_get(&source, &source.reads);
    for (place = 1; place <= 100; place++) {
        CHECK_EQ(read_at(peek, 200000 + (uint64_t)place * 7000, 100), SB_ERR_TIMEOUT);
        /* What is buffered, to its end, where the prefetch would go on if a reader were there. */
        CHECK(read_at(peek, AHEAD - 10, 10) == 10);
    }
    CHECK_EQ(seeks, 0);
    CHECK_EQ(stats_of(buffer).seeks, 0);
    CHECK_EQ(stats_of(buffer).underruns, 0);
    CHECK_EQ(stream_get(&source, &source.reads), reads);
    /* It follows the one that plays. */
    CHECK(read_at(play, 0, 60000) > 0);
    CHECK(read_at(play, 60000, 40000) > 0);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= AHEAD + 60000);
    CHECK_EQ(seeks, 0);
    sb_reader_free(peek);
    sb_reader_free(play);
    free_and_await_close(buffer, &source);
}

static sb_reader *reaching(sb_buffer *buffer, uint64_t reach)
{
    sb_reader_options options;
    sb_reader *reader;

    CHECK_EQ(sb_reader_options_init(&options, sizeof options), SB_OK);
    options.reach = reach;
    CHECK_EQ(sb_reader_new_with(buffer, &options, &reader), SB_OK);
    return reader;
}

/* A look ahead over a source that cannot seek fails at once, and fetches nothing. */
static void looks_no_further(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    reader = reaching(buffer, SB_REACH_AUTO);
    CHECK_EQ(sb_reader_read(reader, 1000, bytes), 1000);
    CHECK_EQ(stream_get(&source, &source.reads), 1);
    CHECK_EQ(sb_reader_seek(reader, SIZE - 8, SB_SEEK_SET), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_END), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_reader_seek(reader, 1000 + SB_REACH_AUTO + 1, SB_SEEK_SET), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_reader_find_size(reader), SB_ERR_UNSUPPORTED);
    /* The position is where it was, and nothing was fetched. */
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_CUR), 1000);
    CHECK_EQ(stream_get(&source, &source.reads), 1);
    CHECK_EQ(read_at(reader, 0, 10), 10);
    CHECK_EQ(read_at(reader, 1000 + SB_REACH_AUTO, 10), 10);
    CHECK(sb_buffered(buffer, 0) < 70000);
    /* Of another reader's bytes, too. */
    CHECK_EQ(sb_read(buffer, 500000, 100, bytes), 100);
    CHECK_EQ(read_at(reader, 499000, 10), 10);
    /* Once the end is known, every place is. */
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK_EQ(sb_reader_find_size(reader), SIZE);
    CHECK_EQ(read_at(reader, SIZE - 8, 10), 8);
    CHECK_EQ(read_at(reader, SIZE + 100000, 10), 0);
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

/* A source that can seek goes anywhere. */
static void jumps(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;

    stream_init(&source, SIZE, 1000);
    buffer = seekable_open(&source);
    reader = reaching(buffer, 0);
    CHECK_EQ(read_at(reader, 900000, 10), 10);
    CHECK_EQ(sb_reader_find_size(reader), SIZE);
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

static int64_t seek_not_here(void *opaque, uint64_t offset)
{
    (void)opaque, (void)offset;
    seeks++;
    return SB_SOURCE_UNSUPPORTED;
}

/* One that turns out to be unable to seek is read up to the place that a seek allowed. */
static void loses_its_seek(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    sb_reader *reader;

    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.seek = seek_not_here;
    seeks = 0;
    buffer = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    reader = reaching(buffer, SB_REACH_AUTO);
    CHECK_EQ(read_at(reader, 0, 10), 10);
    /* Only the read shows it. */
    CHECK_EQ(read_at(reader, 700000, 10), 10);
    CHECK_EQ(seeks, 1);
    CHECK(sb_buffered(buffer, 0) < 800000);
    CHECK_EQ(sb_reader_seek(reader, 900000, SB_SEEK_SET), SB_ERR_UNSUPPORTED);
    CHECK_EQ(read_at(reader, 1000, 10), 10);
    sb_reader_free(reader);
    free_and_await_close(buffer, &source);
}

/* Pushed bytes: from the end of those before the place. */
static void looks_in_pushed_bytes(void)
{
    sb_buffer *buffer;
    sb_reader *reader;

    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(sb_new_push(NULL, &buffer), SB_OK);
    reader = reaching(buffer, 1000);
    CHECK_EQ(sb_push(buffer, 500000, 100, bytes, -1), 100);
    CHECK_EQ(sb_reader_seek(reader, 1000, SB_SEEK_SET), 1000);
    CHECK_EQ(sb_reader_seek(reader, 1001, SB_SEEK_SET), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_reader_seek(reader, 500050, SB_SEEK_SET), 500050);
    CHECK_EQ(sb_reader_seek(reader, 501100, SB_SEEK_SET), 501100);
    CHECK_EQ(sb_reader_seek(reader, 501101, SB_SEEK_SET), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_push_end(buffer, 600000, 0), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, 600000, SB_SEEK_SET), 600000);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* With a timeout it waits for what others bring, and is woken by a cancel, a failure and the end. */
static void waits_for_others(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *peek, *blocked;
    call inside, waiting, longest, other;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 50000;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    peek = reader_of(buffer, 600000, SB_READER_BUFFERED);
    blocked = reader_of(buffer, 600000, SB_READER_BUFFERED);
    CHECK_EQ(sb_reader_seek(peek, 50500, SB_SEEK_SET), 50500);
    CHECK_EQ(sb_reader_seek(blocked, 60000, SB_SEEK_SET), 60000);
    /* The first to wait, but it must not be elected when the source is free. */
    call_start_reader(&longest, blocked, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    call_start_reader(&waiting, peek, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    CHECK_EQ(stream_get(&source, &source.reads), 0);
    call_start(&inside, buffer, 50000, 10, NULL);
    stream_await_stall(&source);
    call_start(&other, buffer, 52000, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 3);
    stream_release(&source, 55000);
    CHECK_EQ(call_finish(&waiting), 10);
    CHECK_EQ(call_finish(&inside), 10);
    CHECK_EQ(call_finish(&other), 10);
    CHECK_EQ(stats_of(buffer).helper, 0);
    CHECK_EQ(sb_reader_cancel(blocked), SB_OK);
    CHECK_EQ(call_finish(&longest), SB_ERR_CANCELED);
    CHECK_EQ(sb_reader_resume(blocked), SB_OK);

    call_start_reader(&waiting, blocked, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 4);
    source.code = -5;
    source.fail_at = 58000;
    stream_release(&source, NEVER);
    CHECK_EQ(sb_read(buffer, 57995, 10, bytes), 5);
    CHECK_EQ(sb_read(buffer, 58000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(call_finish(&waiting), SB_ERR_SOURCE);
    CHECK_EQ(read_at(blocked, 70000, 10), SB_ERR_SOURCE);

    source.fail_at = NEVER;
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_reader_seek(blocked, SIZE, SB_SEEK_SET), SIZE);
    call_start_reader(&waiting, blocked, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 5);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK_EQ(call_finish(&waiting), 0);
    CHECK_EQ(sb_reader_find_size(blocked), SIZE);
    sb_reader_free(peek);
    sb_reader_free(blocked);
    sb_free(buffer);
}

static sb_reader *own[3];

static int64_t reads_inside(void *opaque, void *out, size_t capacity)
{
    CHECK_EQ(sb_reader_read(own[0], 10, bytes), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_reader_read(own[1], 10, bytes), SB_ERR_REENTRANT);
    CHECK_EQ(sb_reader_read(own[2], 10, bytes), SB_ERR_REENTRANT);
    return stream_read(opaque, out, capacity);
}

/* Inside the source nobody else can bring anything. */
static void inside_the_source(void)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    size_t place;

    stream_init(&source, 100, 0);
    callback = stream_callback(&source);
    callback.read = reads_inside;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    own[0] = reader_of(buffer, -1, SB_READER_BUFFERED);
    own[1] = reader_of(buffer, 600000, SB_READER_BUFFERED);
    own[2] = reader_of(buffer, 600000, 0);
    for (place = 0; place < COUNT_OF(own); place++)
        CHECK_EQ(sb_reader_seek(own[place], 200, SB_SEEK_SET), 200);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    for (place = 0; place < COUNT_OF(own); place++)
        sb_reader_free(own[place]);
    sb_free(buffer);
}

int main(void)
{
    defaults();
    times_out();
    peeks(-1);
    peeks(0);
    peeks(1);
    looks_no_further();
    jumps();
    loses_its_seek();
    looks_in_pushed_bytes();
    waits_for_others();
    inside_the_source();
    return 0;
}
