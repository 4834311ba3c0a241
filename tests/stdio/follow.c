/*
 * A file that grows while it is read: every byte arrives, the end is where its writer says, and a file
 * that becomes shorter is an error.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "spoolbuf_fd_follow.h"

enum { SIZE = 300000, STEP = 7000 };

typedef struct {
    pthread_mutex_t lock;
    int over, asked, code;
} writer;

static writer state = { PTHREAD_MUTEX_INITIALIZER, 0, 0, 0 };

static int grows(void *opaque)
{
    writer *self = opaque;
    int result;

    pthread_mutex_lock(&self->lock);
    self->asked++;
    result = self->code != 0 ? self->code : !self->over;
    pthread_mutex_unlock(&self->lock);
    return result;
}

static int asked(void)
{
    int count;

    pthread_mutex_lock(&state.lock);
    count = state.asked;
    pthread_mutex_unlock(&state.lock);
    return count;
}

static void set(int over, int code)
{
    pthread_mutex_lock(&state.lock);
    state.over = over;
    state.code = code;
    state.asked = 0;
    pthread_mutex_unlock(&state.lock);
}

static void nap(void)
{
    struct timespec time = { 0, 2000000 };
    nanosleep(&time, NULL);
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 31 + offset / 251);
}

static void append(int fd, uint64_t from, size_t count)
{
    static unsigned char bytes[SIZE];
    size_t at;

    for (at = 0; at < count; at++)
        bytes[at] = byte_at(from + at);
    assert(pwrite(fd, bytes, count, (off_t)from) == (ssize_t)count);
}

static int file_of(uint64_t size)
{
    char path[] = "followed-XXXXXX";
    int fd = mkstemp(path);

    assert(fd >= 0);
    unlink(path);
    append(fd, 0, size);
    return fd;
}

static sb_buffer *follow(int fd)
{
    sb_callback source;
    sb_buffer *buffer;

    assert(spoolbuf_fd_follow(&source, fd, 0, grows, &state) == 0);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    return buffer;
}

static void *write_all(void *opaque)
{
    int fd = *(int *)opaque;
    uint64_t at;

    for (at = STEP; at < SIZE; at += STEP) {
        append(fd, at, SIZE - at < STEP ? (size_t)(SIZE - at) : STEP);
        if (at % 5 == 0)
            nap();
    }
    /* The last bytes are there before it says so. */
    pthread_mutex_lock(&state.lock);
    state.over = 1;
    pthread_mutex_unlock(&state.lock);
    return NULL;
}

static void arrives_whole(void)
{
    static unsigned char bytes[SIZE + 10];
    int fd = file_of(STEP), at;
    sb_buffer *buffer;
    pthread_t thread;

    set(0, 0);
    buffer = follow(fd);
    assert(sb_read(buffer, 0, 10, bytes) == 10);
    pthread_create(&thread, NULL, write_all, &fd);
    assert(sb_read(buffer, 0, sizeof bytes, bytes) == SIZE);
    for (at = 0; at < SIZE; at++)
        assert(bytes[at] == byte_at((uint64_t)at));
    assert(sb_size(buffer) == SIZE);
    pthread_join(thread, NULL);
    sb_free(buffer);
    close(fd);
}

typedef struct {
    sb_buffer *buffer;
    uint64_t offset;
    int64_t result;
    unsigned char byte;
} call;

static void *read_one(void *opaque)
{
    call *self = opaque;

    self->result = sb_read(self->buffer, self->offset, 1, &self->byte);
    return NULL;
}

static void await_asked(void)
{
    int naps;

    for (naps = 0; asked() == 0; naps++) {
        assert(naps < 30000);
        nap();
    }
}

/* Past the present end, even far, a read waits until the file is as long. */
static void waits_past_the_end(void)
{
    int fd = file_of(1000);
    sb_buffer *buffer;
    pthread_t thread;
    call late = { NULL, 200000, 0, 0 };

    set(0, 0);
    late.buffer = buffer = follow(fd);
    pthread_create(&thread, NULL, read_one, &late);
    await_asked();
    append(fd, 1000, 250000);
    pthread_join(thread, NULL);
    assert(late.result == 1 && late.byte == byte_at(200000));
    sb_free(buffer);
    close(fd);
}

static void ends_at_once_if_canceled(void)
{
    int fd = file_of(1000);
    sb_buffer *buffer;
    pthread_t thread;
    call late = { NULL, 1000, 0, 0 };

    set(0, 0);
    late.buffer = buffer = follow(fd);
    pthread_create(&thread, NULL, read_one, &late);
    await_asked();
    assert(sb_cancel(buffer) == SB_OK);
    pthread_join(thread, NULL);
    assert(late.result == SB_ERR_CANCELED);
    assert(sb_resume(buffer) == SB_OK);
    append(fd, 1000, 1000);
    read_one(&late);
    assert(late.result == 1 && late.byte == byte_at(1000));
    /* Freed while it waits. */
    set(0, 0);
    late.offset = 2000;
    pthread_create(&thread, NULL, read_one, &late);
    await_asked();
    sb_free(buffer);
    pthread_join(thread, NULL);
    assert(late.result == SB_ERR_CANCELED);
    close(fd);
}

static int64_t code_of(sb_buffer *buffer)
{
    sb_stats facts;

    assert(sb_stat(buffer, &facts, sizeof facts) == SB_OK);
    return facts.source_error;
}

/* Shorter than it was, whether that is seen while the source waits or only later. */
static void a_cut_file_is_an_error(int grows_again)
{
    unsigned char bytes[10];
    int fd = file_of(100000);
    sb_buffer *buffer = follow(fd);

    set(0, 0);
    assert(sb_read(buffer, 0, 10, bytes) == 10);
    assert(ftruncate(fd, 50000) == 0);
    assert(sb_read(buffer, 60000, 10, bytes) == SB_ERR_SOURCE && code_of(buffer) == -ESTALE);
    if (grows_again) {
        /* Of another version: the source does not come back by itself. */
        assert(ftruncate(fd, 99999) == 0);
        assert(sb_retry(buffer) == SB_OK);
        assert(sb_read(buffer, 60000, 10, bytes) == SB_ERR_SOURCE);
    }
    sb_free(buffer);
    close(fd);
}

static void the_writer_fails(void)
{
    unsigned char bytes[10];
    int fd = file_of(100);
    sb_buffer *buffer = follow(fd);

    set(0, -ECONNRESET);
    assert(sb_read(buffer, 95, 10, bytes) == 5);
    assert(sb_read(buffer, 100, 10, bytes) == SB_ERR_SOURCE && code_of(buffer) == -ECONNRESET);
    /* It goes on after all. */
    set(1, 0);
    append(fd, 100, 5);
    assert(sb_retry(buffer) == SB_OK);
    assert(sb_read(buffer, 100, 10, bytes) == 5);
    sb_free(buffer);
    close(fd);
}

static void begins_at_the_position(void)
{
    unsigned char bytes[10];
    int fd = file_of(100);
    sb_buffer *buffer;

    assert(lseek(fd, 40, SEEK_SET) == 40);
    set(1, 0);
    buffer = follow(fd);
    assert(sb_read(buffer, 0, 10, bytes) == 10 && bytes[0] == byte_at(40));
    assert(sb_find_size(buffer, -1) == 60);
    sb_free(buffer);
    close(fd);
}

static void refuses_what_does_not_grow(void)
{
    sb_callback source;
    int ends[2], fd = file_of(1);

    assert(pipe(ends) == 0);
    assert(spoolbuf_fd_follow(&source, ends[0], 0, grows, &state) == -EINVAL);
    assert(spoolbuf_fd_follow(&source, fd, 0, NULL, NULL) == -EINVAL);
    assert(spoolbuf_fd_follow(&source, -1, 0, grows, &state) == -EBADF);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

int main(void)
{
    arrives_whole();
    waits_past_the_end();
    ends_at_once_if_canceled();
    a_cut_file_is_an_error(0);
    a_cut_file_is_an_error(1);
    the_writer_fails();
    begins_at_the_position();
    refuses_what_does_not_grow();
    puts("ok");
    return 0;
}
