/*
 * The threads of a cache: whatever a callback does on the only one, it does not wait for itself, nor does
 * an opener on another thread for one that waits for it.
 */
#include "check.h"

enum { KEYS = 3, SIZE = 1000000, CHUNK = 10000, FAR = 500000 };

static stream streams[KEYS];
static sb_cache *cache;
static pthread_t main_thread;
/* Called once, by the opener or a callback of the source of the second key. */
static void (*in_opener)(void), (*in_read)(void), (*in_close)(void);
static int calls;

static void run_once(void (**what)(void))
{
    void (*once)(void) = *what;
    *what = NULL;
    if (once == NULL)
        return;
    CHECK(!pthread_equal(pthread_self(), main_thread));
    once();
}

static int64_t read_stream(void *opaque, void *out, size_t capacity)
{
    if (opaque == &streams[1])
        run_once(&in_read);
    return stream_read(opaque, out, capacity);
}

static void close_stream(void *opaque)
{
    if (opaque == &streams[1])
        run_once(&in_close);
    stream_close(opaque);
}

static sb_reader *first;
static sb_buffer *shared;

static void has(sb_buffer *buffer, uint64_t offset)
{
    unsigned char bytes[1000];
    CHECK_EQ(sb_read(buffer, offset, sizeof bytes, bytes), (int64_t)sizeof bytes);
    CHECK_BYTES(bytes, offset, sizeof bytes);
}

static int reads_first, is_inside;

/* On the main thread: once the cache's thread waits for this opener, or is about to. */
static void read_first(void)
{
    CHECK(pthread_equal(pthread_self(), main_thread));
    __atomic_store_n(&is_inside, 1, __ATOMIC_SEQ_CST);
    WAIT_UNTIL(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
    has(shared, FAR);
}

/* A key is the number of its stream. */
static int open_stream(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    int number = *(const unsigned char *)key;
    (void)opaque;
    (void)old_tag;
    CHECK(key_size == 1 && number < KEYS);
    if (number == 1)
        run_once(&in_opener);
    if (number == 2 && reads_first)
        read_first();
    out->source = stream_callback(&streams[number]);
    out->source.read = read_stream;
    out->source.close = close_stream;
    return 0;
}

static int open_key(int number, int64_t timeout_ms, sb_reader **out)
{
    unsigned char key = (unsigned char)number;
    sb_reader_options with;
    CHECK_EQ(sb_reader_options_init(&with, sizeof with), SB_OK);
    with.timeout_ms = timeout_ms;
    return sb_cache_open(cache, &key, 1, &with, out);
}

/* A cache of one thread, with an entry that is incomplete and has a prefetch that is at rest. */
static void begin(void)
{
    sb_cache_options with;
    int index;

    for (index = 0; index < KEYS; index++)
        stream_init(&streams[index], SIZE, CHUNK);
    calls = 0;
    CHECK_EQ(sb_cache_options_init(&with, sizeof with), SB_OK);
    with.open = open_stream;
    with.threads = 1;
    with.prefetch = 20000;
    CHECK_EQ(sb_cache_new(&with, &cache), SB_OK);
    CHECK_EQ(open_key(0, -1, &first), SB_OK);
    shared = sb_reader_buffer(first);
    WAIT_UNTIL(sb_buffered(shared, 0) >= 20000);
}

static void finish(void)
{
    sb_reader_free(first);
    sb_cache_free(cache);
    WAIT_UNTIL(threads() == 1);
}

static int64_t ready_result;

static void on_ready(void *opaque, int64_t buffered)
{
    (void)opaque;
    __atomic_store_n(&ready_result, buffered, __ATOMIC_SEQ_CST);
}

static sb_watch *watch;

/* Everything that may wait. What needs a thread of the cache returns in time. */
static void everything(void)
{
    unsigned char byte;
    sb_reader *reader;

    CHECK_EQ(sb_read_some(shared, FAR, 1, &byte, 20), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_find_size(shared, 20), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_when(shared, FAR, on_ready, NULL, &watch), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_prefetch(shared, 30000), SB_OK);
    has(shared, FAR / 2);
    CHECK(sb_reader_read(first, 1, &byte) == 1);
    CHECK_EQ(open_key(2, 20, &reader), SB_ERR_TIMEOUT);
    CHECK_EQ(open_key(2, -1, &reader), SB_OK);
    has(sb_reader_buffer(reader), FAR);
    sb_reader_free(reader);
    CHECK_EQ(sb_cache_trim(cache, 0, UINT64_MAX), SB_OK);
    CHECK_EQ(sb_find_size(shared, -1), SIZE);
    CHECK_EQ(sb_save(shared, "saved"), SIZE);
    CHECK_EQ(remove("saved"), 0);
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
}

static void is_done(void)
{
    WAIT_UNTIL(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
    WAIT_UNTIL(__atomic_load_n(&ready_result, __ATOMIC_SEQ_CST) > 0);
    sb_watch_free(watch);
    ready_result = 0;
}

static void inside_an_opener(void)
{
    sb_reader *reader;
    begin();
    in_opener = everything;
    CHECK_EQ(open_key(1, 60000, &reader), SB_OK);
    is_done();
    sb_reader_free(reader);
    finish();
}

static void inside_a_read(void)
{
    sb_reader *reader;
    begin();
    in_read = everything;
    CHECK_EQ(open_key(1, -1, &reader), SB_OK);
    is_done();
    has(sb_reader_buffer(reader), FAR);
    sb_reader_free(reader);
    finish();
}

static int may_return;

static void held_up(void)
{
    WAIT_UNTIL(__atomic_load_n(&may_return, __ATOMIC_SEQ_CST));
}

/* Nobody waits for the opener any more, and its key is removed: its thread closes the source. */
static void inside_a_close(void)
{
    static const unsigned char key = 1;
    sb_reader *reader;
    begin();
    in_opener = held_up;
    in_close = everything;
    CHECK_EQ(open_key(1, 0, &reader), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_cache_remove(cache, &key, 1), SB_OK);
    __atomic_store_n(&may_return, 1, __ATOMIC_SEQ_CST);
    is_done();
    finish();
}

static void open_second(void)
{
    sb_reader *reader;
    WAIT_UNTIL(__atomic_load_n(&is_inside, __ATOMIC_SEQ_CST));
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(open_key(2, -1, &reader), SB_OK);
    sb_reader_free(reader);
}

/* The only thread waits in an opener for that of another key, which this thread is inside. */
static void inside_an_awaited_opener(void)
{
    sb_reader *reader, *second;
    begin();
    in_opener = open_second;
    reads_first = 1;
    CHECK_EQ(open_key(1, 0, &reader), SB_ERR_TIMEOUT);
    CHECK_EQ(open_key(2, -1, &second), SB_OK);
    reads_first = 0;
    sb_reader_free(second);
    finish();
}

int main(void)
{
    main_thread = pthread_self();
    inside_an_opener();
    inside_a_read();
    inside_a_close();
    inside_an_awaited_opener();
    return 0;
}
