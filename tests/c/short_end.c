/*
 * An end below the declared size: the end by default, SB_ERR_SHORT if requested, and reported in the
 * stats in either case.
 */
#include "script.h"

static unsigned char bytes[1000];

static void is_the_end(form how)
{
    static const int64_t answers[] = { 100, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_END);
    sb_stats stats;
    CHECK_EQ(stats_of(buffer).ended_short, 0);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_read(buffer, 100, 200, bytes), 0);
    stats = stats_of(buffer);
    CHECK_EQ(stats.state, SB_STATE_ENDED);
    CHECK_EQ(stats.ended_short, 1);
    CHECK_EQ(stats.final_size, 100);
    CHECK_EQ(stats.bound, 100);
    CHECK_EQ(sb_size(buffer), 100);
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
}

static void is_an_error(form how, int by_retry)
{
    static const int64_t answers[] = { 100, 0, 0, 60, 40, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_ERROR);
    sb_stats stats;
    size_t calls;

    /* The bytes before it, then the error, which persists. */
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    calls = source.calls;
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SHORT);
    CHECK_EQ(sb_read(buffer, 150, 10, bytes), SB_ERR_SHORT);
    CHECK_EQ(sb_read_some(buffer, 100, 10, bytes, 0), SB_ERR_SHORT);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_SHORT);
    CHECK(access("saved", F_OK) != 0);
    CHECK_EQ(source.calls, calls);
    CHECK_EQ(source.closes, 0);
    stats = stats_of(buffer);
    CHECK_EQ(stats.state, SB_STATE_FAILED);
    CHECK_EQ(stats.status, SB_ERR_SHORT);
    CHECK_EQ(stats.ended_short, 1);
    CHECK(stats.final_size == SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_size(buffer), 200);
    /* Called again, it returns 0 again; then it continues. */
    CHECK_EQ(by_retry ? sb_retry(buffer) : sb_resume(buffer), SB_OK);
    CHECK_EQ(stats_of(buffer).ended_short, 0);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SHORT);
    CHECK_EQ(by_retry ? sb_retry(buffer) : sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), 200);
    CHECK_BYTES(bytes, 0, 200);
    stats = stats_of(buffer);
    CHECK_EQ(stats.state, SB_STATE_ENDED);
    CHECK_EQ(stats.ended_short, 0);
    CHECK_EQ(sb_save(buffer, "saved"), 200);
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
}

/* At the declared size, and past it, an end is an end. */
static void is_not_short(form how, uint64_t declared)
{
    static const int64_t answers[] = { 60, 40, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, declared, SB_SHORT_ERROR);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_size(buffer), 100);
    CHECK_EQ(stats_of(buffer).ended_short, 0);
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
}

/* A read past the end drops the hint and is not an error; the end is still short when a read reaches
 * it. */
static void probe(form how)
{
    static const int64_t answers[] = { 10, 0, 90, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_ERROR);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_size(buffer), 200);
    CHECK_EQ(sb_read(buffer, 150, 10, bytes), 0);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(stats_of(buffer).bound, 150);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).ended_short, 1);
    CHECK_EQ(sb_read(buffer, 10, 200, bytes), 90);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SHORT);
    sb_free(buffer);
}

/* An end right after a seek: that offset is requested again. */
static void cut_at_the_probe(form how)
{
    static const int64_t answers[] = { 10, 0, 50, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_ERROR);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, 150, 50, bytes), 0);
    CHECK_EQ(sb_read(buffer, 160, 10, bytes), 0);
    CHECK_EQ(source.calls, 2);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(stats_of(buffer).ended_short, 0);
    CHECK_EQ(sb_size(buffer), 200);
    CHECK_EQ(sb_read(buffer, 150, 50, bytes), 50);
    CHECK_BYTES(bytes, 150, 50);
    sb_free(buffer);
}

/* A read reaches the offset of a probe: the source must report again whether that is the end. */
static void up_to_the_probe(form how)
{
    static const int64_t answers[] = { 10, 0, 90, 0, 100, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_ERROR);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(sb_read(buffer, 10, 90, bytes), 90);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SHORT);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 300, bytes), 200);
    CHECK_BYTES(bytes, 0, 200);
    CHECK_EQ(sb_size(buffer), 200);
    sb_free(buffer);
}

/* The same if a short end is the end: the 0 may have been a transient fault. */
static void asked_once_more(form how, int goes_on)
{
    const int64_t answers[] = { 10, 0, 90, goes_on ? 100 : 0, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 200, SB_SHORT_END);
    int size = goes_on ? 200 : 100;
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(sb_read(buffer, 150, 10, bytes), 0);
    CHECK_EQ(source.calls, 2);
    CHECK_EQ(sb_read(buffer, 10, 90, bytes), 90);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(sb_read(buffer, 0, 300, bytes), size);
    CHECK_BYTES(bytes, 0, size);
    CHECK_EQ(sb_read(buffer, size, 10, bytes), 0);
    CHECK_EQ(source.calls, goes_on ? 5 : 4);
    CHECK_EQ(sb_size(buffer), size);
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
}

/* Nothing says that there is more, so the source is not called. */
static void not_asked_again(form how, uint64_t declared)
{
    static const int64_t answers[] = { 10, 0, 90 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, declared, SB_SHORT_END);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(sb_read(buffer, 10, 90, bytes), 90);
    CHECK_EQ(stats_of(buffer).final_size, 100);
    CHECK_EQ(source.calls, 3);
    sb_free(buffer);
}

/* A size that was exceeded is dropped, and no other one is known. */
static void passed(form how)
{
    static const int64_t answers[] = { 50, 10, 40, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 50, SB_SHORT_END);
    sb_reader *reader = sb_reader_new(buffer);
    CHECK_EQ(sb_size(buffer), 50);
    CHECK_EQ(sb_read(buffer, 0, 60, bytes), 60);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_END), SB_ERR_UNKNOWN_SIZE);
    CHECK(stats_of(buffer).bound == SB_SIZE_UNKNOWN);
    CHECK_EQ(stats_of(buffer).declared, 50);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_size(buffer), 100);
    sb_reader_free(reader);
    sb_free(buffer);
}

int main(void)
{
    form how;
    size_t index;
    for (how = READ; how < FORMS; how++) {
        is_the_end(how);
        is_an_error(how, 0);
        is_an_error(how, 1);
        is_not_short(how, 100);
        is_not_short(how, 60);
        is_not_short(how, SB_SIZE_UNKNOWN);
        passed(how);
    }
    probe(READ_SEEK);
    probe(PULL_SEEKS);
    cut_at_the_probe(READ_SEEK);
    cut_at_the_probe(PULL_SEEKS);
    up_to_the_probe(READ_SEEK);
    up_to_the_probe(PULL_SEEKS);
    for (index = 0; index < 2; index++) {
        asked_once_more(index ? READ_SEEK : PULL_SEEKS, 0);
        asked_once_more(index ? READ_SEEK : PULL_SEEKS, 1);
        not_asked_again(index ? READ_SEEK : PULL_SEEKS, SB_SIZE_UNKNOWN);
        not_asked_again(index ? READ_SEEK : PULL_SEEKS, 100);
        not_asked_again(index ? READ_SEEK : PULL_SEEKS, 50);
    }
    return 0;
}
