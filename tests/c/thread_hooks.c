/*
 * thread_begin comes before the helper's first call of the source, thread_end after its last, close
 * included, both on the helper's own thread, and neither without a helper.
 */
#include "check.h"

enum { SIZE = 100000 };

static stream source, spare;
static sb_buffer *buffer, *other;
static unsigned char bytes[SIZE];
static int begins, ends, reads_in_between, frees_in_begin;
static int64_t read_in_begin;
static pthread_t helper, main_thread;

/* All of them, in this order. */
static void expect_events(const char *expected)
{
    char found[200] = "";
    size_t index;

    for (index = 0; index < events_count; index++) {
        strcat(found, index > 0 ? " " : "");
        strcat(found, events[index]);
    }
    if (strcmp(found, expected) != 0)
        fprintf(stderr, "%s\n", found);
    CHECK(strcmp(found, expected) == 0);
}

/* Nor may it wait for another buffer, whose helper may be waiting for this one. */
static void reads_no_other(void)
{
    unsigned char byte;
    CHECK_EQ(sb_read(other, 0, 1, &byte), SB_ERR_REENTRANT);
}

static void begin(void *opaque)
{
    CHECK(opaque == &begins);
    CHECK(!pthread_equal(pthread_self(), main_thread));
    helper = pthread_self();
    begins++;
    note("begin");
    /* It is the only thread that may call the source: it would wait for itself. */
    if (frees_in_begin)
        sb_free(buffer);
    read_in_begin = sb_read(buffer, 0, 10, bytes);
    reads_no_other();
}

static void end(void *opaque)
{
    CHECK(opaque == &begins);
    CHECK(pthread_equal(pthread_self(), helper));
    note("end");
    reads_no_other();
    __atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
}

static int64_t hooked_read(void *opaque, void *out, size_t capacity)
{
    if (pthread_equal(pthread_self(), main_thread))
        return stream_read(opaque, out, capacity);
    CHECK_EQ(begins, 1);
    CHECK(pthread_equal(pthread_self(), helper));
    if (reads_in_between++ == 0)
        note("read");
    return stream_read(opaque, out, capacity);
}

static void hooked_close(void *opaque)
{
    note("close");
    stream_close(opaque);
}

static void open_hooked(uint64_t prefetch)
{
    sb_options options;
    sb_callback callback;

    main_thread = pthread_self();
    events_count = 0;
    begins = ends = reads_in_between = 0;
    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    callback.read = hooked_read;
    callback.close = hooked_close;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    CHECK(options.thread_begin == NULL && options.thread_end == NULL && options.thread_opaque == NULL);
    options.thread_begin = begin;
    options.thread_end = end;
    options.thread_opaque = &begins;
    options.prefetch = prefetch;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
}

static void await_end(void)
{
    WAIT_UNTIL(__atomic_load_n(&ends, __ATOMIC_SEQ_CST) == 1);
}

/* Freed while the helper sleeps, or comes back from the source. */
static void in_order(void)
{
    open_hooked(20000);
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 20000);
    CHECK_EQ(sb_read(buffer, 50000, 10, bytes), 10);
    WAIT_UNTIL(sb_buffered(buffer, 50000) >= 20000);
    CHECK_EQ(read_in_begin, SB_ERR_REENTRANT);
    sb_free(buffer);
    await_end();
    CHECK_EQ(begins, 1);
    /* sb_free() closes the source, on this thread. */
    CHECK_ORDER("begin", "read");
    CHECK_ORDER("read", "end");
    CHECK_ORDER("read", "close");
}

/* By a read with a timeout as well; a second one needs no second thread. */
static void for_a_timeout(void)
{
    open_hooked(0);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(begins, 0);
    CHECK_EQ(sb_read_some(buffer, 50000, 10, bytes, PATIENCE), 10);
    CHECK_EQ(sb_read_some(buffer, 80000, 10, bytes, PATIENCE), 10);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(begins, 1);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    sb_free(buffer);
    await_end();
    expect_events("begin read close end");
}

static void not_without_a_helper(void)
{
    open_hooked(0);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    sb_free(buffer);
    CHECK_EQ(begins, 0);
    CHECK_EQ(ends, 0);
}

/* Freed while the helper is inside the source: it closes the source, and then ends. */
static void freed_inside(void)
{
    open_hooked(0);
    source.stall_at = 0;
    source.obeys_cancel = 0;
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(&source);
    sb_free(buffer);
    note("freed");
    stream_release(&source, NEVER);
    await_end();
    expect_events("begin read freed close end");
}

static void freed_by_the_hook(void)
{
    open_hooked(0);
    frees_in_begin = 1;
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    await_end();
    CHECK_EQ(read_in_begin, SB_ERR_INVALID);
    CHECK_EQ(sb_size(buffer), SB_ERR_INVALID);
    expect_events("begin close end");
}

int main(void)
{
    stream_init(&spare, SIZE, 0);
    other = stream_open(&spare, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    in_order();
    for_a_timeout();
    not_without_a_helper();
    freed_inside();
    freed_by_the_hook();
    WAIT_UNTIL(threads() == 1);
    sb_free(other);
    return 0;
}
