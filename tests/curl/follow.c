/*
 * A resource that grows while it is read: spoolbuf_curl_follow().
 */
#define SPOOLBUF_CURL_POLL 100
#include "resource.h"

/* What the function says, and how often it was asked. */
typedef struct {
    int64_t rounds; /* the number of calls in which it grows */
    int code, asked;
} growth;

static growth plan;

static int grows(void *opaque)
{
    growth *self = (growth *)opaque;
    int asked = __atomic_add_fetch(&self->asked, 1, __ATOMIC_SEQ_CST);

    return self->code != 0 ? self->code : asked <= __atomic_load_n(&self->rounds, __ATOMIC_SEQ_CST);
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

static void grows_whole(sb_buffer *buffer)
{
    /* The size of the first response is not that of the resource. */
    assert(sb_read(buffer, 0, 1, bytes) == 1 && sb_size(buffer) == SB_ERR_UNKNOWN_SIZE);
    is_whole(buffer);
    assert(sb_size(buffer) == SIZE && source_error(buffer) == 0);
}

/* It grows for that many rounds, and every byte arrives. */
static void whole(const char *url, int64_t rounds)
{
    sb_buffer *buffer = over(url, rounds);

    grows_whole(buffer);
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
    grows_whole(buffer);
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
    for (again = 0; again < 2; again++) {
        fails_at(buffer, offset, error);
        sb_retry(buffer);
    }
    is_part(buffer, offset);
    sb_free(buffer);
}

/* A read past the present end waits for it; a seek meanwhile finds what has grown. */
static void jump(const char *url)
{
    sb_buffer *buffer = over(url, 9);

    assert(sb_read(buffer, 0, 1000, bytes) == 1000 && is(bytes, 0, 1000));
    assert(sb_read(buffer, SIZE - 1000, 1000, bytes) == 1000 && is(bytes, SIZE - 1000, 1000));
    assert(sb_buffered(buffer, SIZE / 2) == 0);
    grows_whole(buffer);
    sb_free(buffer);
}

/* A seek to bytes that were there from the start. An error: the bytes are those of another resource. */
static void away(const char *url, int64_t offset, int64_t error)
{
    sb_buffer *buffer = over(url, INT64_MAX);
    int64_t count;

    assert(sb_read(buffer, 0, 1000, bytes) == 1000 && is(bytes, 0, 1000));
    count = sb_read(buffer, (uint64_t)offset, 1000, bytes);
    if (error == 0)
        assert(count == 1000 && is(bytes, offset, 1000));
    else
        assert(count == SB_ERR_SOURCE && source_error(buffer) == error && sb_buffered(buffer, (uint64_t)offset) == 0);
    sb_free(buffer);
}

static void *cancels(void *buffer)
{
    await(&plan.asked, 3);
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
    const char *what = begin(argc, argv), *url = argv[2];

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
    } else if (strcmp(what, "away") == 0) {
        away(url, given[0], given[1]);
    } else if (strcmp(what, "stop") == 0) {
        stop(url, given[0]);
    } else {
        return 2;
    }
    puts("ok");
    return 0;
}
