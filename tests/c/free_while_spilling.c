/*
 * sb_free() does not wait for a disk that hangs: a thread inside a write to the spool file ends when
 * the write does, and does not use the source any more.
 */
#include "check.h"

#include <sys/types.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int hangs, hanging;

/* Interposes the library's positioned writes. */
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    (void)fd, (void)bytes, (void)offset;
    pthread_mutex_lock(&lock);
    hanging++;
    pthread_cond_broadcast(&changed);
    while (hangs)
        pthread_cond_wait(&changed, &lock);
    hanging--;
    pthread_mutex_unlock(&lock);
    return (ssize_t)count;
}

static void hang(int on)
{
    pthread_mutex_lock(&lock);
    hangs = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_hanging(void)
{
    pthread_mutex_lock(&lock);
    while (hanging == 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void freed(int by_helper, int with_close)
{
    stream source;
    sb_callback callback;
    sb_buffer *buffer;
    call reader;
    int reads;

    stream_init(&source, 4000000, 10000);
    callback = stream_callback(&source);
    if (!with_close)
        callback.close = NULL;
    hang(1);
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 100000);
    CHECK(buffer != NULL);
    if (by_helper)
        CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    else
        call_start(&reader, buffer, 3000000, 10, NULL);
    await_hanging();
    reads = source.reads;
    /* Otherwise it would never return. */
    sb_free(buffer);
    CHECK_EQ(sb_buffered(buffer, 0), SB_ERR_INVALID);
    hang(0);
    if (!by_helper)
        CHECK_EQ(call_finish(&reader), SB_ERR_CANCELED);
    if (with_close)
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    WAIT_UNTIL(threads() == 1);
    CHECK_EQ(source.reads, reads);
}

int main(void)
{
    freed(0, 0);
    freed(0, 1);
    freed(1, 0);
    freed(1, 1);
    return 0;
}
