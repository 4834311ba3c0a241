/*
 * sb_free() at any moment: blocked calls return SB_ERR_CANCELED. `close` is called exactly once, after
 * the last other call, and early once every byte is buffered. Only a source without `close` is waited
 * for.
 */
#include "check.h"

enum { SIZE = 300000, HELD = 100000 };

static unsigned char bytes[SIZE];

/* A source that does not return: with a `close`, sb_free() returns at once and `close` is called later.
 * */
static void with_close(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    call inside, waiting[4];
    size_t index;

    stream_init(&source, SIZE, 1000);
    source.stall_at = HELD;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, 10000);
    CHECK_EQ(sb_read(buffer, 0, HELD, bytes), HELD);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(reader, SIZE - 5, SB_SEEK_SET), SIZE - 5);
    call_start(&inside, buffer, HELD - 10, 100, NULL);
    stream_await_stall(&source);
    call_start(&waiting[0], buffer, 0, SIZE, NULL);
    call_start_some(&waiting[1], buffer, HELD, 10, -1, NULL);
    call_start_some(&waiting[2], buffer, HELD, 10, 600000, NULL);
    call_start_reader(&waiting[3], reader, 10, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 4);
    sb_free(buffer);
    for (index = 0; index < COUNT_OF(waiting); index++)
        CHECK_EQ(call_finish(&waiting[index]), SB_ERR_CANCELED);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_INVALID);
    sb_free(buffer);
    CHECK_EQ(stream_get(&source, &source.closes), 0);
    CHECK(stream_get(&source, &source.cancels) >= 1);
    stream_release(&source, NEVER);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK_EQ(source.inside, 0);
    sb_reader_free(reader);
}

/* Without a `close`, sb_free() waits for the source. */
static sb_buffer *freed_by_thread;

static void *frees(void *opaque)
{
    note("free begins");
    sb_free(freed_by_thread);
    note("free has returned");
    return opaque;
}

static void without_close(int by_helper)
{
    stream source;
    sb_callback callback;
    call inside;
    pthread_t thread;

    events_count = 0;
    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    source.obeys_cancel = 0;
    callback = stream_callback(&source);
    callback.close = NULL;
    freed_by_thread = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(freed_by_thread != NULL);
    if (by_helper)
        call_start_some(&inside, freed_by_thread, 0, 10, 600000, "inside");
    else
        call_start(&inside, freed_by_thread, 0, 10, "inside");
    stream_await_stall(&source);
    CHECK_EQ(pthread_create(&thread, NULL, frees, NULL), 0);
    /* From here on the handle is invalid; sb_free() itself must wait. */
    WAIT_UNTIL(noted("free begins") && sb_size(freed_by_thread) == SB_ERR_INVALID);
    WAIT_UNTIL(stream_get(&source, &source.cancels) >= 1);
    pause_ms(20);
    CHECK(noted("free has returned") == 0);
    note("released");
    stream_release(&source, NEVER);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    /* The source belongs to its owner again: the library no longer uses it. */
    memset(&source, 0xEE, sizeof source);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_ORDER("released", "free has returned");
}

/* From inside the callback of the running read. */
static sb_buffer *own;
static int free_at_read;

static int64_t freeing_read(void *opaque, void *out, size_t capacity)
{
    stream *source = opaque;
    if (source->reads == free_at_read) {
        sb_free(own);
        sb_free(own);
        CHECK_EQ(sb_read(own, 0, 1, bytes), SB_ERR_INVALID);
        CHECK_EQ(source->closes, 0);
    }
    return stream_read(opaque, out, capacity);
}

static void from_inside(int has_close, int by_helper, int at)
{
    stream source;
    sb_callback callback;
    int64_t count;

    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.read = freeing_read;
    if (!has_close)
        callback.close = NULL;
    free_at_read = at;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    if (by_helper)
        do {
            count = sb_read_some(own, (uint64_t)at * 1000 + 500, 10, bytes, 600000);
            CHECK(count < 0);
        } while (count == SB_ERR_TIMEOUT);
    else
        count = sb_read(own, 0, SIZE, bytes);
    CHECK_EQ(count, SB_ERR_CANCELED);
    if (has_close)
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK_EQ(sb_size(own), SB_ERR_INVALID);
    /* Threads cannot be counted everywhere. */
    WAIT_UNTIL(stream_get(&source, &source.reads) >= at + 1);
    WAIT_UNTIL(threads() == 1);
    CHECK_EQ(stream_get(&source, &source.closes), has_close);
    CHECK_EQ(source.reads, at + 1);
}

/* From inside `cancel`, and from inside `close`, which is called at the end. */
static void freeing_notify(void *opaque)
{
    sb_free(own);
    stream_cancel(opaque);
}

static void freeing_close(void *opaque)
{
    sb_free(own);
    CHECK_EQ(sb_size(own), SB_ERR_INVALID);
    stream_close(opaque);
}

static void from_the_others(void)
{
    stream source;
    sb_callback callback;
    call inside;

    stream_init(&source, SIZE, 1000);
    source.stall_at = HELD;
    callback = stream_callback(&source);
    callback.cancel = freeing_notify;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    call_start(&inside, own, HELD, 10, NULL);
    stream_await_stall(&source);
    CHECK_EQ(sb_cancel(own), SB_OK);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(sb_size(own), SB_ERR_INVALID);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);

    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.close = freeing_close;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    CHECK(sb_read(own, 0, SIZE, bytes) != SB_ERR_INVALID);
    sb_read(own, SIZE, 1, bytes);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(sb_size(own), SB_ERR_INVALID);
}

/* From inside `cancel`, while a call that began after a resume waits for that `cancel` to return. */
static void freeing_after_resume(void *opaque)
{
    stream_cancel(opaque);
    note("canceled");
    WAIT_UNTIL(noted("waiting"));
    /* Time to reach that wait; a slow machine proves less and fails nothing. */
    pause_ms(20);
    sb_free(own);
}

static void *cancels(void *opaque)
{
    CHECK_EQ(sb_cancel(own), SB_OK);
    return opaque;
}

static void beside_a_resume(int has_close, int64_t limit)
{
    stream source;
    sb_callback callback;
    call inside, waiting;
    pthread_t thread;
    int64_t answer;

    events_count = 0;
    stream_init(&source, SIZE, 1000);
    source.stall_at = HELD;
    callback = stream_callback(&source);
    callback.cancel = freeing_after_resume;
    if (!has_close)
        callback.close = NULL;
    own = sb_new(&callback, SIZE, SB_MAX_DEFAULT);
    CHECK(own != NULL);
    call_start_some(&inside, own, HELD, 10, limit, NULL);
    stream_await_stall(&source);
    CHECK_EQ(pthread_create(&thread, NULL, cancels, NULL), 0);
    WAIT_UNTIL(noted("canceled"));
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(sb_resume(own), SB_OK);
    call_start_some(&waiting, own, HELD, 10, limit, NULL);
    note("waiting");
    CHECK_EQ(pthread_join(thread, NULL), 0);
    /* It may also have begun only after the free. */
    answer = call_finish(&waiting);
    CHECK(answer == SB_ERR_CANCELED || answer == SB_ERR_INVALID);
    if (has_close)
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    WAIT_UNTIL(threads() == 1);
}

/* Early: as soon as every byte is buffered, while the handle is alive. */
static void closed_early(uint64_t declared)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, declared, 20000);
    CHECK_EQ(sb_read(buffer, 0, SIZE - 1, bytes), SIZE - 1);
    CHECK_EQ(source.closes, 0);
    CHECK_EQ(sb_read(buffer, SIZE - 1, 2, bytes), 1);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(sb_read(buffer, SIZE, 2, bytes), 0);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(source.cancels, 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* A source that was never called, and one that failed. */
static void closed_late(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, 20000);
    CHECK_EQ(source.closes, 0);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(source.reads, 0);
    CHECK_EQ(source.cancels, 0);

    stream_init(&source, SIZE, 1000);
    source.fail_at = HELD;
    source.code = -1;
    buffer = stream_open(&source, SIZE, 20000);
    CHECK_EQ(sb_read(buffer, HELD, 1, bytes), SB_ERR_SOURCE);
    CHECK_EQ(source.closes, 0);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* Reads and frees on many threads: each read returns one of the valid results. */
static sb_buffer *raced;

static void *races(void *opaque)
{
    uint64_t seed = (uint64_t)(uintptr_t)opaque;
    unsigned char piece[2000];
    int64_t count;
    do {
        uint64_t offset = random_next(&seed) % SIZE;
        switch (random_next(&seed) % 4) {
        case 0:
            count = sb_read_some(raced, offset, sizeof piece, piece, 5);
            break;
        case 1:
            count = sb_read_some(raced, offset, sizeof piece, piece, 0);
            break;
        default:
            count = sb_read(raced, offset, sizeof piece, piece);
        }
        CHECK(count > 0 || count == SB_ERR_CANCELED || count == SB_ERR_INVALID
              || count == SB_ERR_TIMEOUT);
        if (count > 0)
            CHECK_BYTES(piece, offset, (uint64_t)count);
    } while (count != SB_ERR_CANCELED && count != SB_ERR_INVALID);
    return NULL;
}

static void *races_to_free(void *opaque)
{
    pause_ms((int)(uintptr_t)opaque);
    sb_free(raced);
    return NULL;
}

static void race(int round)
{
    stream source;
    pthread_t readers[4], freeing[2];
    size_t index;

    stream_init(&source, SIZE, 333);
    raced = stream_open(&source, SIZE, 30000);
    for (index = 0; index < COUNT_OF(readers); index++)
        CHECK_EQ(pthread_create(&readers[index], NULL, races,
                                (void *)(uintptr_t)(round * 10 + (int)index + 1)), 0);
    for (index = 0; index < COUNT_OF(freeing); index++)
        CHECK_EQ(pthread_create(&freeing[index], NULL, races_to_free,
                                (void *)(uintptr_t)(round % 5)), 0);
    for (index = 0; index < COUNT_OF(freeing); index++)
        CHECK_EQ(pthread_join(freeing[index], NULL), 0);
    for (index = 0; index < COUNT_OF(readers); index++)
        CHECK_EQ(pthread_join(readers[index], NULL), 0);
    /* The helper may be the last to leave. */
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

int main(void)
{
    int round;

    sb_free(NULL);
    with_close();
    without_close(0);
    without_close(1);
    WAIT_UNTIL(threads() == 1);
    for (round = 0; round < 3; round++) {
        from_inside(1, 0, round);
        from_inside(0, 0, round);
        from_inside(1, 1, round);
        from_inside(0, 1, round);
    }
    from_the_others();
    beside_a_resume(1, -1);
    beside_a_resume(0, -1);
    beside_a_resume(1, 600000);
    beside_a_resume(0, 600000);
    closed_early(SB_SIZE_UNKNOWN);
    closed_early(SIZE);
    closed_early(5);
    closed_late();
    for (round = 0; round < 100; round++)
        race(round);
    WAIT_UNTIL(threads() == 1);
    return 0;
}
