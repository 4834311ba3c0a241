/*
 * A resource that grows while it is read: spoolbuf_curl_follow().
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <time.h>

#define SPOOLBUF_CURL_POLL 100
#include "spoolbuf_curl.h"

enum { SIZE = 2000000 };

/* What the function says, and how often it was asked. */
typedef struct {
    int64_t rounds; /* it grows for so many calls */
    int code, asked;
} growth;

static growth plan;
static unsigned char bytes[SIZE + 1];

static int grows(void *opaque)
{
    growth *self = (growth *)opaque;
    int asked = __atomic_add_fetch(&self->asked, 1, __ATOMIC_SEQ_CST);

    return self->code != 0 ? self->code : asked <= __atomic_load_n(&self->rounds, __ATOMIC_SEQ_CST);
}

static int is(const unsigned char *found, uint64_t from, int64_t count)
{
    int64_t at;

    for (at = 0; at < count; at++)
        if (found[at] != (unsigned char)((from + (uint64_t)at + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56))
            return 0;
    return 1;
}

static int64_t source_error(sb_buffer *buffer)
{
    sb_stats stats;

    sb_stat(buffer, &stats, sizeof stats);
    return stats.source_error;
}

static sb_buffer *over(const char *url, int64_t rounds)
{
    sb_callback source;
    sb_buffer *buffer;

    plan.rounds = rounds;
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_follow(&source, grows, &plan);
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(buffer != NULL);
    return buffer;
}

static void is_whole(sb_buffer *buffer)
{
    /* The size of the first response is not that of the resource. */
    assert(sb_read(buffer, 0, 1, bytes) == 1 && sb_size(buffer) == SB_ERR_UNKNOWN_SIZE);
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == SIZE && is(bytes, 0, SIZE));
    assert(sb_size(buffer) == SIZE && source_error(buffer) == 0);
}

/* It grows for that many rounds, and every byte arrives. */
static void whole(const char *url, int64_t rounds)
{
    sb_buffer *buffer = over(url, rounds);

    is_whole(buffer);
    assert(plan.asked > rounds && plan.asked <= rounds + 2);
    sb_free(buffer);
}

/* The size at the start is not declared. */
static void declares(const char *url)
{
    sb_callback source;
    sb_options options;
    sb_buffer *buffer;

    sb_options_init(&options, sizeof options);
    plan.rounds = 9;
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_follow(&source, grows, &plan);
    assert(spoolbuf_curl_declare(&source, &options) == SPOOLBUF_CURL_NO_SIZE);
    assert(options.size == SB_SIZE_UNKNOWN && sb_new_with(&source, &options, &buffer) == SB_OK);
    is_whole(buffer);
    sb_free(buffer);
}

/* It ends at that offset. */
static void ends(const char *url, int64_t rounds, int64_t offset)
{
    sb_buffer *buffer = over(url, rounds);

    assert(sb_read(buffer, 0, SIZE + 1, bytes) == offset && is(bytes, 0, offset));
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == 0 && sb_size(buffer) == offset);
    sb_free(buffer);
}

/* An error at that offset, which stays; and what came before it stays too. */
static void fails(const char *url, int64_t rounds, int64_t offset, int64_t error)
{
    sb_buffer *buffer = over(url, rounds);
    int again;

    if (error > -1000)
        plan.code = (int)error;
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == offset);
    for (again = 0; again < 2; again++) {
        assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
        assert(source_error(buffer) == error);
        sb_retry(buffer);
    }
    assert(sb_buffered(buffer, 0) == offset);
    assert(sb_read(buffer, 0, (size_t)offset, bytes) == offset && is(bytes, 0, offset));
    sb_free(buffer);
}

/* A read past the present end waits for it; a seek meanwhile finds what has grown. */
static void jump(const char *url)
{
    sb_buffer *buffer = over(url, 9);

    assert(sb_read(buffer, 0, 1000, bytes) == 1000 && is(bytes, 0, 1000));
    assert(sb_read(buffer, SIZE - 1000, 1000, bytes) == 1000 && is(bytes, SIZE - 1000, 1000));
    assert(sb_buffered(buffer, SIZE / 2) == 0);
    is_whole(buffer);
    sb_free(buffer);
}

static void *cancels(void *buffer)
{
    struct timespec time = { 0, 1000000 };

    while (__atomic_load_n(&plan.asked, __ATOMIC_SEQ_CST) < 3)
        nanosleep(&time, NULL);
    sb_cancel((sb_buffer *)buffer);
    return NULL;
}

/* A stop while it waits for growth; nothing is lost. */
static void stop(const char *url, int64_t offset)
{
    sb_buffer *buffer = over(url, INT64_MAX);
    pthread_t thread;
    int64_t count;

    pthread_create(&thread, NULL, cancels, buffer);
    count = sb_read(buffer, 0, SIZE + 1, bytes);
    assert(count == offset || count == SB_ERR_CANCELED);
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_CANCELED);
    pthread_join(thread, NULL);
    assert(sb_buffered(buffer, 0) == offset && source_error(buffer) == 0);
    plan.rounds = 0;
    sb_resume(buffer);
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == offset && is(bytes, 0, offset));
    assert(sb_size(buffer) == offset);
    sb_free(buffer);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "", *url = argv[2];
    int64_t given[3] = { 0 };
    int at;

    for (at = 3; at < argc; at++)
        given[at - 3] = strtoll(argv[at], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (strcmp(what, "whole") == 0) {
        whole(url, given[0]);
    } else if (strcmp(what, "declare") == 0) {
        declares(url);
    } else if (strcmp(what, "ends") == 0) {
        ends(url, given[0], given[1]);
    } else if (strcmp(what, "fails") == 0) {
        fails(url, given[0], given[1], given[2]);
    } else if (strcmp(what, "jump") == 0) {
        jump(url);
    } else if (strcmp(what, "stop") == 0) {
        stop(url, given[0]);
    } else {
        return 2;
    }
    puts("ok");
    return 0;
}
