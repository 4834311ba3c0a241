/*
 * Descriptors of every kind as sources: non-blocking sockets, terminals, peers that hang up, signals
 * that interrupt, and descriptors that cannot be read.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "spoolbuf_fd.h"

static sb_buffer *over(int fd)
{
    sb_callback source;
    sb_buffer *buffer;
    uint64_t size;

    assert(spoolbuf_fd_source(&source, fd, 1, &size) == 0 && size == SB_SIZE_UNKNOWN);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    return buffer;
}

static void nap(void)
{
    struct timespec time = { 0, 20000000 };
    nanosleep(&time, NULL);
}

static void ignore(int number)
{
    (void)number;
}

static pthread_t reading;

/* Disturbs the reader for a while, then sends in two parts, and hangs up. */
static void *send_late(void *opaque)
{
    int fd = *(int *)opaque, turn;

    for (turn = 0; turn < 20; turn++) {
        nap();
        pthread_kill(reading, SIGUSR1);
    }
    assert(write(fd, "once ", 5) == 5);
    nap();
    assert(write(fd, "upon", 4) == 4);
    close(fd);
    return NULL;
}

/* An interruption by a signal or an empty socket is not an error, and a hang-up is the end. */
static void a_socket(int nonblocking)
{
    struct sigaction action;
    pthread_t thread;
    sb_buffer *buffer;
    char bytes[20];
    int ends[2];

    memset(&action, 0, sizeof action);
    action.sa_handler = ignore;
    sigaction(SIGUSR1, &action, NULL);
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    if (nonblocking)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    buffer = over(ends[0]);
    reading = pthread_self();
    pthread_create(&thread, NULL, send_late, &ends[1]);
    assert(sb_read(buffer, 0, sizeof bytes, bytes) == 9 && memcmp(bytes, "once upon", 9) == 0);
    pthread_join(thread, NULL);
    sb_free(buffer);
}

/* The other side of a terminal is closed: typed bytes are there, then Linux reports EIO. */
static void a_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    sb_buffer *buffer;
    sb_stats stats;
    char bytes[20];

    assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    buffer = over(open(ptsname(master), O_RDWR | O_NOCTTY));
    assert(write(master, "a line\n", 7) == 7);
    assert(sb_read_some(buffer, 0, sizeof bytes, bytes, -1) == 7 && memcmp(bytes, "a line\n", 7) == 0);
    close(master);
    assert(sb_read(buffer, 7, 1, bytes) <= 0);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.state == SB_STATE_ENDED || stats.source_error == -EIO);
    sb_free(buffer);
}

/* Write-only, or closed by then: an error with the system's code, never the end. */
static void no_source(void)
{
    sb_callback source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t size;
    int ends[2];
    char byte;

    assert(pipe(ends) == 0);
    assert(spoolbuf_fd_source(&source, ends[1], 1, &size) == 0);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    close(ends[0]);
    assert(sb_read(buffer, 0, 1, &byte) == SB_ERR_SOURCE);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.source_error == -EBADF);
    sb_free(buffer);
    /* Nothing is changed if there is none. */
    source.opaque = &byte;
    size = 7;
    assert(spoolbuf_fd_source(&source, -1, 1, &size) == -EBADF);
    assert(source.opaque == &byte && size == 7);
}

/* A file that reports size 0 and is not empty. */
static void a_file_of_proc(void)
{
    sb_buffer *buffer = over(open("/proc/self/status", O_RDONLY));
    char bytes[5];

    assert(sb_read(buffer, 0, sizeof bytes, bytes) == 5 && memcmp(bytes, "Name:", 5) == 0);
    sb_free(buffer);
}

/* Far past the end of a file there is nothing, which is not an error and does not make the source
 * forward-only. */
static void far_past_the_end_of_a_file(uint64_t offset)
{
    FILE *file = tmpfile();
    sb_callback source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t size;
    char bytes[4];

    assert(file != NULL && fputs("0123456789", file) >= 0 && fflush(file) == 0);
    assert(lseek(fileno(file), 3, SEEK_SET) == 3);
    assert(spoolbuf_fd_source(&source, fileno(file), 0, &size) == 0 && size == 7);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(sb_read(buffer, offset, sizeof bytes, bytes) == 0);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.state == SB_STATE_OPEN && stats.seekable == 1 && stats.frontier == 0);
    assert(sb_read(buffer, 1, 2, bytes) == 2 && memcmp(bytes, "45", 2) == 0);
    sb_free(buffer);
    fclose(file);
}

int main(void)
{
    far_past_the_end_of_a_file(UINT64_C(1) << 40);
    far_past_the_end_of_a_file(INT64_MAX - 100);
    far_past_the_end_of_a_file(UINT64_MAX - 100);
    a_socket(0);
    a_socket(1);
    a_terminal();
    no_source();
    a_file_of_proc();
    puts("ok");
    return 0;
}
