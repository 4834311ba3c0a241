/*
 * Loaded with dlopen(RTLD_LOCAL): loading and closing changes nothing in the process, and puts no name
 * into it. Threads load it, use it and close it over and over, each whenever it likes. Nothing is printed.
 * Not linked to the library: SPOOLBUF_LIBRARY is its path.
 */
#include "load.h"
#include "manners.h"

enum { SIZE = 50000, ROUNDS = 50, THREADS = 8 };

static process_state before;

static void use(void *library)
{
    sb_buffer *(*create)(const sb_callback *, uint64_t, uint64_t);
    int64_t (*reads)(sb_buffer *, uint64_t, size_t, void *);
    int (*prefetch)(sb_buffer *, uint64_t);
    void (*release)(sb_buffer *);
    unsigned char bytes[1000];
    stream source;
    sb_callback callback;
    sb_buffer *buffer;

    look_up(library, "sb_new", &create);
    look_up(library, "sb_read", &reads);
    look_up(library, "sb_prefetch", &prefetch);
    look_up(library, "sb_free", &release);
    stream_init(&source, SIZE, 9000);
    callback = stream_callback(&source);
    buffer = create(&callback, SIZE, 10000);
    CHECK(buffer != NULL);
    CHECK_EQ(prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(reads(buffer, SIZE - 1000, 1000, bytes), 1000);
    CHECK_BYTES(bytes, SIZE - 1000, 1000);
    release(buffer);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    /* It has left the source for good, but may hold its lock a moment longer. */
    pthread_mutex_lock(&source.lock);
    pthread_mutex_unlock(&source.lock);
}

static void *rounds(void *opaque)
{
    int round;

    for (round = 0; round < ROUNDS; round++) {
        void *library = load(RTLD_LAZY);
        use(library);
        CHECK_EQ(dlclose(library), 0);
    }
    return opaque;
}

int main(void)
{
    pthread_t users[THREADS];
    void *library;
    int index;

    state_take(&before);
    library = load(RTLD_LAZY);
    state_check(&before);
    CHECK(dlsym(RTLD_DEFAULT, "sb_new") == NULL);
    CHECK_EQ(dlclose(library), 0);
    state_check(&before);

    for (index = 0; index < THREADS; index++)
        CHECK_EQ(pthread_create(&users[index], NULL, rounds, NULL), 0);
    for (index = 0; index < THREADS; index++)
        CHECK_EQ(pthread_join(users[index], NULL), 0);
    WAIT_UNTIL(threads() == 1);
    state_check(&before);
    CHECK(dlsym(RTLD_DEFAULT, "sb_new") == NULL);
    return 0;
}
