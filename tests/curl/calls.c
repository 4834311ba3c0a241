/*
 * What the example does not show of spoolbuf_curl.h: a handle of the user's, several sources at once, a
 * slow reader, and cancels while libcurl resolves or connects.
 */
#include "resource.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static sb_buffer *over(const char *url, CURL *easy)
{
    sb_callback source;
    sb_buffer *buffer;

    assert(spoolbuf_curl_source(&source, url, easy) == 0);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    return buffer;
}

/* Checks the whole resource. */
static void *reads(void *url)
{
    static unsigned char all[8][SIZE + 1];
    static int number;
    unsigned char *mine = all[__atomic_fetch_add(&number, 1, __ATOMIC_RELAXED)];
    sb_buffer *buffer = over(url, NULL);

    assert(sb_read(buffer, 0, SIZE + 1, mine) == SIZE && is(mine, 0, SIZE));
    sb_free(buffer);
    return NULL;
}

static void several(int count, char **urls)
{
    pthread_t threads[8];
    int at;

    assert(count <= 8);
    for (at = 0; at < count; at++)
        pthread_create(&threads[at], NULL, reads, urls[at]);
    for (at = 0; at < count; at++)
        pthread_join(threads[at], NULL);
}

static void trust(const char *url, const char *certificate)
{
    CURL *easy = curl_easy_init();
    sb_buffer *buffer;

    curl_easy_setopt(easy, CURLOPT_CAINFO, certificate);
    buffer = over(url, easy);
    is_whole(buffer);
    sb_free(buffer);
}

/* A 416 is the end, whatever the caller's handle says of such statuses. */
static void ends_by_a_refusal(const char *url)
{
    CURL *easy = curl_easy_init();
    sb_buffer *buffer;

    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    buffer = over(url, easy);
    is_whole(buffer);
    assert(sb_known_size(buffer) == SIZE);
    sb_free(buffer);
}

/* The peak of this process's memory, in kB. */
static long peak(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long peak = -1;

    while (fgets(line, sizeof line, status) != NULL)
        sscanf(line, "VmHWM: %ld", &peak);
    fclose(status);
    return peak;
}

static void nap(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* Reads a little, pauses, and continues: bytes that arrive meanwhile stay in the network, not in this
 * process. */
static void pauses(const char *url, int64_t size)
{
    sb_buffer *buffer = over(url, NULL);
    sb_stats stats;
    char bytes[16];
    long before = peak();
    int turn;

    for (turn = 0; turn < 5; turn++) {
        assert(sb_read(buffer, (uint64_t)turn * 1000, sizeof bytes, bytes) == sizeof bytes);
        nap(200);
    }
    assert(peak() - before < 8 * 1024);
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.memory + stats.disk < 1 << 20);
    assert(sb_read(buffer, (uint64_t)size - 1, sizeof bytes, bytes) == 1 && bytes[0] == 'x');
    assert(peak() - before < 32 * 1024);
    sb_free(buffer);
}

/* Far past its end there is nothing, which is not an error and does not make the source forward-only.
 * */
static void far_past_the_end(const char *url)
{
    static const uint64_t offsets[] = { SIZE, INT64_MAX - 3, UINT64_MAX - 100 };
    unsigned char bytes[4];
    sb_buffer *buffer;
    sb_stats stats;
    size_t at;

    for (at = 0; at < sizeof offsets / sizeof *offsets; at++) {
        buffer = over(url, NULL);
        assert(sb_size(buffer) == SB_ERR_UNKNOWN_SIZE);
        assert(sb_read(buffer, offsets[at], sizeof bytes, bytes) == 0);
        sb_stat(buffer, &stats, sizeof stats);
        assert(stats.state == SB_STATE_OPEN && stats.seekable == 1 && stats.memory == 0);
        assert(sb_read(buffer, 1000, sizeof bytes, bytes) == sizeof bytes && bytes[3] == byte_at(1003));
        /* The response has stated it. */
        assert(sb_size(buffer) == SIZE);
        sb_free(buffer);
    }
}

/* The first request is in the middle, of a server that sends everything. */
static void jump(const char *url)
{
    sb_buffer *buffer = over(url, NULL);
    sb_stats stats;

    assert(sb_read(buffer, SIZE / 2, 1000, bytes) == 1000 && is(bytes, SIZE / 2, 1000));
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.seekable == 0 && stats.state == SB_STATE_OPEN);
    is_whole(buffer);
    sb_free(buffer);
}

/* A seek fails once: its read fails, the next one does not, and neither does one elsewhere. */
static void jump_again(const char *url, int64_t code)
{
    sb_buffer *buffer = over(url, NULL);
    sb_stats stats;

    assert(sb_read(buffer, 0, 1000, bytes) == 1000 && is(bytes, 0, 1000));
    assert(sb_read(buffer, SIZE / 2, 1000, bytes) == SB_ERR_SOURCE && source_error(buffer) == code);
    assert(sb_read(buffer, SIZE / 2, 1000, bytes) == 1000 && is(bytes, SIZE / 2, 1000));
    sb_stat(buffer, &stats, sizeof stats);
    assert(stats.seekable == 1 && stats.memory + stats.disk < SIZE / 4);
    is_whole(buffer);
    sb_free(buffer);
}

/* The server fails twice at that offset: an error each time. Then everything works. */
static void fault(const char *url, int64_t offset)
{
    sb_buffer *buffer = over(url, NULL);
    int turn;

    for (turn = 0; turn < 2; turn++) {
        assert(sb_read(buffer, 0, SIZE + 1, bytes) == (offset > 0 ? offset : SB_ERR_SOURCE));
        assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
        assert(source_error(buffer) < 0 && sb_size(buffer) != offset);
        sb_resume(buffer);
    }
    is_whole(buffer);
    assert(sb_read(buffer, SIZE, 1, bytes) == 0 && sb_size(buffer) == SIZE);
    sb_free(buffer);
}

/* Delivered bytes have changed on the server, and the source reports that. */
static void changed(const char *url, int64_t offset)
{
    sb_buffer *buffer = over(url, NULL);

    assert(sb_read(buffer, 0, SIZE + 1, bytes) == offset && is(bytes, 0, offset));
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
    sb_retry(buffer);
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
    assert(source_error(buffer) == SPOOLBUF_CURL_CHANGED);
    sb_free(buffer);
}

/* Cancels once every byte that arrives has arrived. */
static void *stop_at_the_stall(void *buffer)
{
    while (sb_buffered(buffer, 0) < 100000)
        nap(1);
    sb_cancel(buffer);
    return NULL;
}

/* The connection breaks while the buffer is canceled: no read sees that failure. */
static void stop_fault(const char *url)
{
    sb_buffer *buffer = over(url, NULL), *breaking;
    pthread_t thread;
    char text[256];

    pthread_create(&thread, NULL, stop_at_the_stall, buffer);
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == SB_ERR_CANCELED);
    pthread_join(thread, NULL);
    snprintf(text, sizeof text, "%s?break", url);
    breaking = over(text, NULL);
    assert(sb_read(breaking, 0, 6, bytes) == 6);
    sb_free(breaking);
    sb_resume(buffer);
    is_whole(buffer);
    assert(source_error(buffer) == 0);
    sb_free(buffer);
}

static volatile int resolving;

static void *stop_soon(void *buffer)
{
    sb_stats stats;

    do
        sb_stat(buffer, &stats, sizeof stats);
    while (stats.pulls < 1);
    while (resolving == 1)
        nap(10);
    nap(300);
    sb_cancel(buffer);
    return NULL;
}

/* A cancel and a free return at once: long before the timeouts of the source. */
static void stops(const char *url)
{
    sb_buffer *buffer = over(url, NULL);
    time_t start = time(NULL);
    pthread_t thread;

    pthread_create(&thread, NULL, stop_soon, buffer);
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == SB_ERR_CANCELED);
    pthread_join(thread, NULL);
    sb_free(buffer);
    assert(time(NULL) - start < 20);
}

static void *reads_the_stalled(void *buffer)
{
    static unsigned char bytes[150000];

    assert(sb_read(buffer, 0, sizeof bytes, bytes) == sizeof bytes && is(bytes, 0, sizeof bytes));
    return NULL;
}

/* A read elsewhere is served while the first transfer is stalled, which is requested again afterwards. */
static void leaves(const char *url)
{
    unsigned char bytes[10];
    sb_buffer *buffer = over(url, NULL);
    time_t start = time(NULL);
    pthread_t thread;

    pthread_create(&thread, NULL, reads_the_stalled, buffer);
    while (sb_buffered(buffer, 0) < 100000)
        nap(1);
    assert(sb_read(buffer, 1500000, 10, bytes) == 10 && is(bytes, 1500000, 10));
    pthread_join(thread, NULL);
    assert(source_error(buffer) == 0);
    sb_free(buffer);
    assert(time(NULL) - start < 20);
}

/* Declares for a caller that guesses `guess`. Returns whether a player may be told the declared size. */
static int trusts(const char *url, uint64_t guess, uint64_t declared)
{
    sb_callback source;
    sb_options options;

    sb_options_init(&options, sizeof options);
    options.size = guess;
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_declare(&source, &options);
    source.close(source.opaque);
    assert(options.size == declared && options.on_short == SB_SHORT_ERROR);
    return (options.flags & SB_SIZE_TRUSTED) != 0;
}

/* What the server states, SB_SIZE_UNKNOWN if that is nothing, is a fact. A guess of the caller's is none. */
static void trusts_the_server(const char *url, uint64_t stated)
{
    const uint64_t guess = 77;

    assert(trusts(url, SB_SIZE_UNKNOWN, stated));
    if (stated == SB_SIZE_UNKNOWN)
        assert(!trusts(url, guess, guess));
    else
        assert(trusts(url, guess, stated));
}

/* Replaces the system's function, for libcurl: takes long for the name that the test waits for. */
int getaddrinfo(const char *name, const char *service, const void *hints, void *found)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)found;
    resolving = 2;
    sleep(60);
    return -2;
}

/* A program that is executed meanwhile inherits no connection. */
static void keeps_to_itself(const char *url)
{
    unsigned char byte;
    sb_buffer *buffer = over(url, NULL);
    int file, connections = 0;

    assert(sb_read(buffer, 0, 1, &byte) == 1);
    for (file = 3; file < 200; file++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        if (getsockname(file, (struct sockaddr *)&address, &size) != 0 ||
            address.ss_family != AF_INET)
            continue;
        connections++;
        assert(fcntl(file, F_GETFD) & FD_CLOEXEC);
    }
    assert(connections == 1);
    sb_free(buffer);
}

int main(int argc, char **argv)
{
    const char *what = begin(argc, argv);

    if (strcmp(what, "several") == 0) {
        several(argc - 2, argv + 2);
    } else if (strcmp(what, "trust") == 0) {
        trust(argv[2], argv[3]);
    } else if (strcmp(what, "refusal") == 0) {
        ends_by_a_refusal(argv[2]);
    } else if (strcmp(what, "pause") == 0) {
        pauses(argv[2], given[0]);
    } else if (strcmp(what, "close-on-exec") == 0) {
        keeps_to_itself(argv[2]);
    } else if (strcmp(what, "far") == 0) {
        far_past_the_end(argv[2]);
    } else if (strcmp(what, "declare") == 0) {
        trusts_the_server(argv[2], (uint64_t)given[0]);
    } else if (strcmp(what, "jump") == 0) {
        jump(argv[2]);
    } else if (strcmp(what, "jump-again") == 0) {
        jump_again(argv[2], given[0]);
    } else if (strcmp(what, "fault") == 0) {
        fault(argv[2], given[0]);
    } else if (strcmp(what, "changed") == 0) {
        changed(argv[2], given[0]);
    } else if (strcmp(what, "stop-fault") == 0) {
        stop_fault(argv[2]);
    } else if (strcmp(what, "leave") == 0) {
        leaves(argv[2]);
    } else if (strcmp(what, "stop") == 0) {
        stops(argv[2]);
    } else if (strcmp(what, "name") == 0) {
        resolving = 1;
        stops(argv[2]);
    } else {
        return 2;
    }
    puts("ok");
    return 0;
}
