/*
 * Descriptors and FILEs that fail: at the first call, in the middle, at the last byte, and while the buffer is
 * canceled. An error each time, which stays one though the system says "the end" after it; and FILEs over
 * such a buffer, which tell it from the end.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "spoolbuf_fd.h"
#include "spoolbuf_stdio.h"

enum { SIZE = 1000 };

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static int is(const unsigned char *bytes, uint64_t from, int64_t count)
{
    int64_t at;

    for (at = 0; at < count; at++)
        if (bytes[at] != byte_at(from + (uint64_t)at))
            return 0;
    return 1;
}

static void put(int fd, size_t count)
{
    unsigned char bytes[SIZE];
    size_t at;

    for (at = 0; at < count; at++)
        bytes[at] = byte_at(at);
    assert(write(fd, bytes, count) == (ssize_t)count);
}

static int64_t source_error(sb_buffer *buffer)
{
    sb_stats stats;

    sb_stat(buffer, &stats, sizeof stats);
    return stats.source_error;
}

static void nap(void)
{
    struct timespec time = { 0, 1000000 };
    nanosleep(&time, NULL);
}

/* A socket that is reset once its bytes are read: recv(2) returns ECONNRESET once, then the end. */
static void resets(int fd)
{
    assert(write(fd, "never read", 10) == 10);
}

static sb_buffer *over_socket(int *peer)
{
    sb_callback source;
    sb_buffer *buffer;
    uint64_t size;
    int ends[2];

    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    resets(ends[0]);
    assert(spoolbuf_fd_source(&source, ends[0], 1, &size) == 0);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    *peer = ends[1];
    return buffer;
}

/* The bytes before it are there, then there is an error, however often the read is retried. */
static void fails_at(sb_buffer *buffer, int64_t offset)
{
    unsigned char bytes[SIZE];
    FILE *file = spoolbuf_fopen(buffer, NULL);
    int turn, at;

    for (turn = 0; turn < 3; turn++) {
        assert(sb_read(buffer, 0, SIZE, bytes) == (offset > 0 ? offset : SB_ERR_SOURCE));
        assert(is(bytes, 0, offset > 0 ? offset : 0));
        assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
        assert(source_error(buffer) == -ECONNRESET && sb_size(buffer) == SB_ERR_UNKNOWN_SIZE);
        assert(sb_save(buffer, "/tmp/never-there") == SB_ERR_SOURCE);
        /* A FILE over it reports the same. */
        rewind(file);
        for (at = 0; at < offset; at++)
            assert(fgetc(file) == byte_at((uint64_t)at));
        errno = 0;
        assert(fgetc(file) == EOF && ferror(file) && !feof(file) && errno == EIO);
        assert(sb_retry(buffer) == SB_OK);
    }
    fclose(file);
}

static void a_reset(int64_t offset)
{
    int peer;
    sb_buffer *buffer = over_socket(&peer);

    put(peer, (size_t)offset);
    close(peer);
    fails_at(buffer, offset);
    sb_free(buffer);
}

static void *cancel_when_inside(void *buffer)
{
    sb_stats stats;

    do {
        nap();
        sb_stat(buffer, &stats, sizeof stats);
    } while (stats.pulls < 2);
    sb_cancel(buffer);
    return NULL;
}

/* The reset happens while the buffer is canceled: the cancel is obeyed, and the error follows it. */
static void a_reset_in_a_cancel(void)
{
    unsigned char bytes[SIZE];
    pthread_t thread;
    int peer;
    sb_buffer *buffer = over_socket(&peer);

    put(peer, SIZE / 2);
    pthread_create(&thread, NULL, cancel_when_inside, buffer);
    assert(sb_read(buffer, 0, SIZE, bytes) == SB_ERR_CANCELED);
    pthread_join(thread, NULL);
    assert(source_error(buffer) == 0);
    close(peer);
    assert(sb_read(buffer, SIZE / 2, 1, bytes) == SB_ERR_CANCELED);
    assert(sb_resume(buffer) == SB_OK);
    fails_at(buffer, SIZE / 2);
    sb_free(buffer);
}

/* The results of a custom FILE, in order; after that, the end forever. */
typedef struct step {
    ssize_t count; /* bytes, 0 the end, or -errno */
} step;

typedef struct script {
    const step *next;
    uint64_t offset;
} script;

static ssize_t script_read(void *opaque, char *out, size_t length)
{
    script *self = (script *)opaque;
    ssize_t count = self->next->count, at;

    if (count != 0)
        self->next++;
    if (count < 0) {
        errno = (int)-count;
        return -1;
    }
    assert((size_t)count <= length);
    for (at = 0; at < count; at++)
        out[at] = (char)byte_at(self->offset++);
    return count;
}

static sb_buffer *over_file(script *self, const step *steps)
{
    cookie_io_functions_t functions = { script_read, NULL, NULL, NULL };
    FILE *file;
    sb_callback source;
    sb_buffer *buffer;

    self->next = steps;
    self->offset = 0;
    file = fopencookie(self, "rb", functions);
    assert(file != NULL && spoolbuf_file_source(&source, file, fclose) == 0);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    return buffer;
}

/* The error is returned once, by the same fread(3) as the bytes before it. */
static void a_file_that_fails(int64_t offset)
{
    step steps[3] = { { offset }, { -ECONNRESET }, { 0 } };
    script script;
    sb_buffer *buffer = over_file(&script, offset > 0 ? steps : steps + 1);

    fails_at(buffer, offset);
    sb_free(buffer);
}

/* A signal is not an error. "No bytes yet" is not one after which an end is not believed. */
static void a_file_that_has_nothing_yet(void)
{
    static const step steps[] = { { -EINTR }, { 100 }, { -EINTR }, { 100 }, { -EAGAIN }, { -EAGAIN }, { 100 },
                                  { -EAGAIN }, { 0 } };
    unsigned char bytes[SIZE];
    script script;
    sb_buffer *buffer = over_file(&script, steps);
    int64_t count, offset = 0;
    int turns = 0;

    while ((count = sb_read(buffer, (uint64_t)offset, SIZE, bytes)) != 0) {
        assert(count > 0 ? is(bytes, (uint64_t)offset, count) : count == SB_ERR_SOURCE);
        if (count > 0) {
            offset += count;
        } else {
            assert(source_error(buffer) == SB_SOURCE_CANCELED && turns++ < 10);
            sb_retry(buffer);
        }
    }
    assert(offset == 300 && sb_size(buffer) == 300 && turns > 0);
    sb_free(buffer);
}

/* A FILE with a non-blocking descriptor is waited for. */
static void *send_late(void *fd)
{
    int turn;

    for (turn = 0; turn < 20; turn++)
        nap();
    put(*(int *)fd, 100);
    return NULL;
}

static void *close_late(void *fd)
{
    nap();
    close(*(int *)fd);
    return NULL;
}

static void a_file_that_does_not_block(void)
{
    unsigned char bytes[SIZE];
    sb_callback source;
    sb_buffer *buffer;
    pthread_t thread;
    int ends[2];

    assert(pipe(ends) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    assert(spoolbuf_file_source(&source, fdopen(ends[0], "rb"), fclose) == 0);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    pthread_create(&thread, NULL, send_late, &ends[1]);
    /* "No bytes yet", then bytes together with it, then the end. */
    assert(sb_read_some(buffer, 0, SIZE, bytes, -1) == 100 && is(bytes, 0, 100));
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, close_late, &ends[1]);
    assert(sb_read(buffer, 100, 1, bytes) == 0);
    pthread_join(thread, NULL);
    sb_free(buffer);
}

/* A file that is shorter than it was: the end, and the stats report that it is short. */
static void a_file_that_shrinks(void)
{
    FILE *file = tmpfile();
    unsigned char bytes[SIZE];
    sb_callback source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t size;

    put(fileno(file), SIZE);
    assert(lseek(fileno(file), 0, SEEK_SET) == 0);
    assert(spoolbuf_fd_source(&source, fileno(file), 0, &size) == 0 && size == SIZE);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(ftruncate(fileno(file), SIZE / 2) == 0);
    assert(sb_read(buffer, 0, SIZE, bytes) == SIZE / 2 && is(bytes, 0, SIZE / 2));
    assert(sb_read(buffer, SIZE / 2, 1, bytes) == 0);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.ended_short == 1);
    sb_free(buffer);
    fclose(file);
}

int main(void)
{
    a_reset(0);
    a_reset(SIZE / 2);
    a_reset(SIZE - 1);
    a_reset_in_a_cancel();
    a_file_that_fails(0);
    a_file_that_fails(SIZE / 2);
    a_file_that_fails(SIZE - 1);
    a_file_that_has_nothing_yet();
    a_file_that_does_not_block();
    a_file_that_shrinks();
    puts("ok");
    return 0;
}
