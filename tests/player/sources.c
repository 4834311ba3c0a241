/*
 * Descriptors and FILEs as sources, and FILEs over a buffer: what the players don't show. Two readers on
 * one buffer, each with its own stop; stops without a helper thread; errors told from the end.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "spoolbuf_fd.h"
#include "spoolbuf_stdio.h"

#undef NDEBUG

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static void put(int fd, uint64_t from, size_t count)
{
    unsigned char bytes[4096];
    size_t at;

    assert(count <= sizeof bytes);
    for (at = 0; at < count; at++)
        bytes[at] = byte_at(from + at);
    assert(write(fd, bytes, count) == (ssize_t)count);
}

static int is(const unsigned char *bytes, uint64_t from, size_t count)
{
    size_t at;

    for (at = 0; at < count && bytes[at] == byte_at(from + at); at++)
        continue;
    return at == count;
}

static sb_buffer *over(int fd, uint64_t prefetch)
{
    sb_callback source;
    sb_options options;
    sb_buffer *buffer;

    sb_options_init(&options, sizeof options);
    assert(spoolbuf_fd_source(&source, fd, 1, &options.size) == 0);
    options.prefetch = prefetch;
    assert(sb_new_with(&source, &options, &buffer) == SB_OK);
    return buffer;
}

static void *cancel_when_inside(void *buffer)
{
    sb_stats stats;

    do
        sb_stat(buffer, &stats, sizeof stats);
    while (stats.pulls < 2);
    sb_cancel(buffer);
    return NULL;
}

/* A cancel releases a read of a silent pipe; later bytes are not lost. */
static void a_pipe(int nonblocking)
{
    unsigned char bytes[100];
    pthread_t thread;
    sb_buffer *buffer;
    int ends[2];

    assert(pipe(ends) == 0);
    if (nonblocking)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    buffer = over(ends[0], 0);
    put(ends[1], 0, 50);
    assert(sb_size(buffer) == SB_ERR_UNKNOWN_SIZE);
    pthread_create(&thread, NULL, cancel_when_inside, buffer);
    assert(sb_read(buffer, 0, 100, bytes) == SB_ERR_CANCELED);
    pthread_join(thread, NULL);
    sb_resume(buffer);
    put(ends[1], 50, 50);
    assert(sb_read(buffer, 0, 100, bytes) == 100 && is(bytes, 0, 100));
    close(ends[1]);
    assert(sb_read(buffer, 100, 1, bytes) == 0);
    sb_free(buffer);
    assert(fcntl(ends[0], F_GETFD) < 0 && errno == EBADF);
}

/* A file is read from its position, which does not move. */
static void a_file(void)
{
    FILE *file = tmpfile();
    int fd = fileno(file);
    unsigned char bytes[100];
    sb_callback source;
    sb_buffer *buffer;
    uint64_t size;
    int at;

    for (at = 0; at < 1000; at++)
        put(fd, (uint64_t)at * 1000, 1000);
    lseek(fd, 300, SEEK_SET);
    assert(spoolbuf_fd_source(&source, fd, 0, &size) == 0 && size == 999700);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(sb_read(buffer, 999600, 100, bytes) == 100 && is(bytes, 999900, 100));
    assert(sb_buffered(buffer, 0) == 0);
    assert(sb_read(buffer, 0, 100, bytes) == 100 && is(bytes, 300, 100));
    assert(sb_read(buffer, 5000000, 1, bytes) == 0);
    assert(lseek(fd, 0, SEEK_CUR) == 300);
    sb_free(buffer);
    fclose(file);
}

/* An error keeps errno, and is not the end. */
static void an_error(void)
{
    sb_callback source;
    sb_buffer *buffer;
    sb_stats stats;
    uint64_t size;
    char byte;

    assert(spoolbuf_fd_source(&source, -1, 0, &size) == -EBADF);
    assert(spoolbuf_fd_source(&source, open("/", O_RDONLY), 1, &size) == 0);
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    assert(sb_read(buffer, 0, 1, &byte) == SB_ERR_SOURCE);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.source_error == -EISDIR);
    sb_free(buffer);
}

static int closed;

static int close_and_count(FILE *file)
{
    closed++;
    return pclose(file);
}

/* A FILE of popen(), and its close. */
static void a_command(void)
{
    sb_callback source;
    sb_buffer *buffer;
    char bytes[100];

    assert(spoolbuf_file_source(&source, popen("echo once upon a time", "r"), close_and_count) == 0);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(sb_read(buffer, 5, 100, bytes) == 12 && memcmp(bytes, "upon a time\n", 12) == 0);
    sb_free(buffer);
    assert(closed == 1);
}

static void *get_one(void *file)
{
    return fgetc(file) == EOF ? file : NULL;
}

/* Two FILEs on one buffer: canceling one does not affect the other. */
static void two_files(void)
{
    sb_reader *first_place, *second_place;
    FILE *first, *second, *third;
    sb_reader_options whole;
    sb_buffer *buffer;
    pthread_t threads[2];
    void *ended;
    sb_stats stats;
    int ends[2];

    assert(pipe(ends) == 0);
    buffer = over(ends[0], SB_PREFETCH_ALL);
    first = spoolbuf_fopen(buffer, &first_place);
    second = spoolbuf_fopen(buffer, &second_place);
    assert(fseek(first, 0, SEEK_END) < 0 && errno == ESPIPE);
    assert(fseek(first, 0, SEEK_SET) == 0 && fseek(first, 3 * SB_REACH_AUTO, SEEK_SET) < 0 && errno == ESPIPE);
    sb_reader_options_init(&whole, sizeof whole);
    third = spoolbuf_fopen_with(buffer, NULL, &whole);
    assert(third != NULL && fseek(third, 3 * SB_REACH_AUTO, SEEK_SET) == 0);
    pthread_create(&threads[0], NULL, get_one, first);
    pthread_create(&threads[1], NULL, get_one, second);
    do
        sb_stat(buffer, &stats, sizeof stats);
    while (stats.waits < 2);
    sb_reader_cancel(first_place);
    pthread_join(threads[0], &ended);
    assert(ended != NULL && ferror(first) && !feof(first));
    put(ends[1], 0, 1000);
    pthread_join(threads[1], &ended);
    assert(ended == NULL && !ferror(second));
    sb_reader_resume(first_place);
    clearerr(first);
    assert(fgetc(first) == byte_at(0));
    close(ends[1]);
    assert(fseek(second, -1, SEEK_END) < 0 || ftell(second) == 999);
    /* The end is found. */
    assert(fseek(third, -1, SEEK_END) == 0 && ftell(third) == 999);
    fclose(third);
    fclose(first);
    sb_free(buffer);
    assert(fseek(second, 100000, SEEK_SET) < 0 && errno == EBADF);
    fclose(second);
    errno = 0;
    assert(spoolbuf_fopen(buffer, NULL) == NULL && errno == EBADF);
}

int main(void)
{
    a_pipe(0);
    a_pipe(1);
    a_file();
    an_error();
    a_command();
    two_files();
    puts("ok");
    return 0;
}
