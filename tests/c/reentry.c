/*
 * A callback that calls the library: it can read buffered bytes of its own handle; calls that need the
 * source return SB_ERR_REENTRANT; another handle works; and two sources that wait for each other can be
 * canceled.
 */
#include "check.h"

enum { SIZE = 200000 };

static sb_buffer *own, *other;
static sb_reader *own_reader;
static unsigned char bytes[SIZE];

/* Every call that a callback may make on its own handle, at each of its calls. */
static int64_t curious_read(void *opaque, void *out, size_t capacity)
{
    stream *source = opaque;
    unsigned char piece[500];
    uint64_t held = source->at;
    sb_range range;

    CHECK_EQ(sb_buffered(own, 0), (int64_t)held);
    CHECK_EQ(sb_ranges(own, &range, 1), held > 0);
    CHECK_EQ(stats_of(own).frontier, (int64_t)held);
    CHECK_EQ(sb_size(own), SB_ERR_UNKNOWN_SIZE);
    if (held > 300) {
        CHECK_EQ(sb_read(own, held - 300, 300, piece), 300);
        CHECK_BYTES(piece, held - 300, 300);
        CHECK_EQ(sb_read(own, 1, 200, piece), 200);
        CHECK_BYTES(piece, 1, 200);
        CHECK_EQ(sb_read_some(own, held - 300, 500, piece, -1), 300);
        CHECK_EQ(sb_read_some(own, held - 300, 500, piece, 600000), 300);
        CHECK_EQ(sb_read_some(own, held - 300, 500, piece, 0), 300);
        /* Buffered bytes come first, as before an error. */
        CHECK_EQ(sb_read(own, held - 300, 500, piece), 300);
        CHECK_BYTES(piece, held - 300, 300);
        CHECK_EQ(sb_reader_seek(own_reader, (int64_t)held - 10, SB_SEEK_SET), (int64_t)held - 10);
        CHECK_EQ(sb_reader_read(own_reader, 100, piece), 10);
    }
    CHECK_EQ(sb_read(own, held, 10, piece), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read(own, held + 5000, 10, piece), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(own, held, 10, piece, -1), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(own, held, 10, piece, 600000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(own, held, 10, piece, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_reader_seek(own_reader, (int64_t)held, SB_SEEK_SET), (int64_t)held);
    CHECK_EQ(sb_reader_read(own_reader, 10, piece), SB_ERR_REENTRANT);
    CHECK_EQ(sb_save(own, "never"), SB_ERR_REENTRANT);
    CHECK_EQ(sb_spill(own), SB_OK);
    CHECK_EQ(sb_set_max_memory(own, UINT64_MAX), SB_OK);
    CHECK_EQ(sb_resume(own), SB_OK);
    return stream_read(opaque, out, capacity);
}

static void own_handle(uint64_t max, int by_helper)
{
    stream source;
    sb_callback callback;

    stream_init(&source, SIZE, 9000);
    callback = stream_callback(&source);
    callback.read = curious_read;
    own = sb_new(&callback, SB_SIZE_UNKNOWN, max);
    own_reader = sb_reader_new(own);
    CHECK(own != NULL && own_reader != NULL);
    if (by_helper) {
        uint64_t at = 0;
        int64_t count;
        while ((count = sb_read_some(own, at, SIZE, bytes + at, 600000)) > 0)
            at += (uint64_t)count;
        CHECK_EQ(count, 0);
        CHECK_EQ(at, SIZE);
    } else {
        CHECK_EQ(sb_read(own, 0, SIZE, bytes), SIZE);
    }
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_read(own, SIZE, 1, bytes), 0);
    /* A helper reports the end before it closes the source. */
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    sb_reader_free(own_reader);
    sb_free(own);
}

/* A source that reads from another buffer, as a filter does; it adds 1 to each byte. */
static int64_t adding_read(void *opaque, void *out, size_t capacity)
{
    uint64_t *at = opaque;
    unsigned char *bytes_out = out;
    int64_t count = sb_read(other, *at, capacity, out), index;
    for (index = 0; index < count; index++)
        bytes_out[index]++;
    if (count > 0)
        *at += (uint64_t)count;
    return count;
}

static void another_handle(void)
{
    stream source;
    sb_callback callback = { .read = adding_read };
    uint64_t at = 0, index;

    stream_init(&source, SIZE, 777);
    other = stream_open(&source, SIZE, 10000);
    callback.opaque = &at;
    own = sb_new(&callback, SB_SIZE_UNKNOWN, 5000);
    CHECK(own != NULL);
    CHECK_EQ(sb_read(own, 50000, 10, bytes), 10);
    CHECK_EQ(sb_read(own, 0, SIZE, bytes), SIZE);
    for (index = 0; index < SIZE; index++)
        CHECK(bytes[index] == (unsigned char)(byte_at(index) + 1));
    sb_free(own);
    sb_free(other);
}

/* Two buffers whose sources read from each other, each for bytes that only the other could deliver. */
static sb_buffer *pair[2];
static int entered[2];
static pthread_mutex_t entered_lock = PTHREAD_MUTEX_INITIALIZER;

static int both_entered(void)
{
    int both;
    pthread_mutex_lock(&entered_lock);
    both = entered[0] && entered[1];
    pthread_mutex_unlock(&entered_lock);
    return both;
}

static int64_t crossing_read(void *opaque, void *out, size_t capacity)
{
    int me = *(int *)opaque;
    pthread_mutex_lock(&entered_lock);
    entered[me] = 1;
    pthread_mutex_unlock(&entered_lock);
    WAIT_UNTIL(both_entered());
    return sb_read(pair[1 - me], 0, capacity, out);
}

static void two_that_wait(int by_free)
{
    static int numbers[2] = { 0, 1 };
    call calls[2];
    int index;

    for (index = 0; index < 2; index++) {
        sb_callback callback = { .read = crossing_read };
        callback.opaque = &numbers[index];
        entered[index] = 0;
        pair[index] = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
        CHECK(pair[index] != NULL);
    }
    for (index = 0; index < 2; index++)
        call_start(&calls[index], pair[index], 0, 10, NULL);
    WAIT_UNTIL(stats_of(pair[0]).waits == 1 && stats_of(pair[1]).waits == 1);
    if (by_free) {
        /* One free releases both: its blocked call is the other's source. */
        sb_free(pair[0]);
        CHECK_EQ(call_finish(&calls[0]), SB_ERR_CANCELED);
        CHECK(call_finish(&calls[1]) < 0);
    } else {
        CHECK_EQ(sb_cancel(pair[0]), SB_OK);
        CHECK_EQ(call_finish(&calls[0]), SB_ERR_CANCELED);
        CHECK_EQ(call_finish(&calls[1]), SB_ERR_SOURCE);
        CHECK_EQ(stats_of(pair[1]).source_error, SB_ERR_CANCELED);
        sb_free(pair[0]);
    }
    sb_free(pair[1]);
}

/* A callback that creates buffers and frees them. */
static int64_t making_read(void *opaque, void *out, size_t capacity)
{
    stream inner;
    sb_buffer *buffer;
    int64_t count;
    uint64_t *at = opaque;

    stream_init(&inner, SIZE, 100);
    buffer = stream_open(&inner, SIZE, 0);
    count = sb_read(buffer, *at, capacity < 50000 ? capacity : 50000, out);
    CHECK(count >= 0);
    *at += (uint64_t)count;
    sb_free(buffer);
    CHECK_EQ(inner.closes, 1);
    return count;
}

static void making(void)
{
    uint64_t at = 0;
    sb_callback callback = { .read = making_read };

    callback.opaque = &at;
    own = sb_new(&callback, SB_SIZE_UNKNOWN, 0);
    CHECK(own != NULL);
    CHECK_EQ(sb_read(own, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(own);
}

int main(void)
{
    own_handle(SB_MAX_DEFAULT, 0);
    own_handle(0, 0);
    own_handle(SB_MAX_DEFAULT, 1);
    own_handle(10000, 1);
    CHECK(access("never", F_OK) != 0);
    another_handle();
    two_that_wait(0);
    two_that_wait(1);
    making();
    return 0;
}
