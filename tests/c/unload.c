/*
 * Loaded with dlopen(), used on a thread, and closed while that thread lives or while the library's
 * helper is inside a source: both threads end cleanly. Loaded again, it works again. Not linked to the
 * library: SPOOLBUF_LIBRARY is its path.
 */
#include "load.h"

enum { SIZE = 500000 };

/* The functions, looked up by name. */
static struct calls {
    sb_buffer *(*create)(const sb_callback *, uint64_t, uint64_t);
    int64_t (*read)(sb_buffer *, uint64_t, size_t, void *);
    int64_t (*read_some)(sb_buffer *, uint64_t, size_t, void *, int64_t);
    int (*prefetch)(sb_buffer *, uint64_t);
    void (*release)(sb_buffer *);
} calls;

static void *load_calls(void)
{
    void *library = load(RTLD_NOW);
    look_up(library, "sb_new", &calls.create);
    look_up(library, "sb_read", &calls.read);
    look_up(library, "sb_read_some", &calls.read_some);
    look_up(library, "sb_prefetch", &calls.prefetch);
    look_up(library, "sb_free", &calls.release);
    return library;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int used, closed;

static void use(void)
{
    static unsigned char bytes[SIZE];
    stream source;
    sb_callback callback;
    sb_buffer *buffer;

    stream_init(&source, SIZE, 9000);
    callback = stream_callback(&source);
    buffer = calls.create(&callback, SB_SIZE_UNKNOWN, 100000);
    CHECK(buffer != NULL);
    CHECK_EQ(calls.read_some(buffer, 100, 10, bytes, 600000), 10);
    CHECK_EQ(calls.prefetch(buffer, 100000), SB_OK);
    CHECK_EQ(calls.read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    calls.release(buffer);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
}

static void *user(void *opaque)
{
    use();
    pthread_mutex_lock(&lock);
    used = 1;
    pthread_cond_broadcast(&changed);
    while (!closed)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    /* Its thread-locals are destroyed after this. */
    return opaque;
}

/* The buffer is freed and the library closed; only then does the source return, to code that must still
 * be mapped. */
static void comes_back_late(void)
{
    static stream sources[3];
    static int next;
    stream *source = &sources[next++];
    sb_callback callback;
    sb_buffer *buffer;
    void *library = load_calls();

    stream_init(source, SIZE, 9000);
    source->stall_at = 9000;
    source->obeys_cancel = 0;
    callback = stream_callback(source);
    buffer = calls.create(&callback, SB_SIZE_UNKNOWN, 100000);
    CHECK(buffer != NULL);
    CHECK_EQ(calls.prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(source);
    calls.release(buffer);
    CHECK_EQ(dlclose(library), 0);
    stream_release(source, NEVER);
    WAIT_UNTIL(stream_get(source, &source->closes) == 1);
    WAIT_UNTIL(threads() == 1);
}

int main(void)
{
    int round;

    for (round = 0; round < 3; round++)
        comes_back_late();

    for (round = 0; round < 20; round++) {
        pthread_t thread;
        void *library = load_calls();
        used = closed = 0;
        CHECK_EQ(pthread_create(&thread, NULL, user, NULL), 0);
        pthread_mutex_lock(&lock);
        while (!used)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        CHECK_EQ(dlclose(library), 0);
        pthread_mutex_lock(&lock);
        closed = 1;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    /* On the main thread as well, which ends with the program. */
    CHECK_EQ(dlclose((load_calls(), use(), load_calls())), 0);
    return 0;
}
