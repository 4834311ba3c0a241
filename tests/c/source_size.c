/*
 * The size that a source reports by `size`: once it is known it is the declared size, a hint as any
 * other; and it is never asked for if the caller declared one.
 */
#include "script.h"

typedef struct sized {
    script script; /* first: the callbacks of script.h get a pointer to it */
    const int64_t *sizes; /* what `size` returns, in turn; the last one again and again */
    size_t count, asked;
    sb_buffer *buffer;
    int reenters;
} sized;

static unsigned char bytes[1000];

static int64_t size_of(void *opaque)
{
    sized *self = opaque;
    size_t index = self->asked < self->count ? self->asked : self->count - 1;

    CHECK_EQ(self->script.closes, 0);
    /* After each call of the source, which is therefore one ahead. */
    CHECK(self->script.calls + self->script.seek_calls > self->asked);
    self->asked++;
    if (self->reenters) {
        CHECK_EQ(sb_read(self->buffer, 900, 1, bytes), SB_ERR_REENTRANT);
        CHECK_EQ(sb_size(self->buffer), SB_ERR_UNKNOWN_SIZE);
    }
    return self->sizes[index];
}

static sb_buffer *sized_open(sized *self, form how, uint64_t declared, uint32_t on_short)
{
    sb_callback callback = script_callback(&self->script, how);
    sb_options options;

    callback.size = size_of;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = declared;
    options.read_granularity = 0;
    options.seek_gap = 0;
    options.on_short = on_short;
    CHECK_EQ(sb_new_with(&callback, &options, &self->buffer), SB_OK);
    return self->buffer;
}

#define SIZED(answers, list)                                                                       \
    { .script = SCRIPT(answers), .sizes = (list), .count = COUNT_OF(list) }

/* Asked for after each call until it is known, then never again. */
static void is_learned(form how)
{
    static const int64_t answers[] = { 50, 50, 50, 50, 0 }, sizes[] = { -1, INT64_MIN, 200 };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    sb_reader *reader = sb_reader_new(buffer);

    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(source.asked, 0);
    source.reenters = 1;
    CHECK_EQ(sb_read(buffer, 0, 50, bytes), 50);
    CHECK_EQ(sb_read(buffer, 50, 50, bytes), 50);
    source.reenters = 0;
    CHECK_EQ(source.asked, 2);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_END), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_read(buffer, 100, 50, bytes), 50);
    CHECK_EQ(source.asked, 3);
    CHECK_EQ(sb_size(buffer), 200);
    CHECK_EQ(stats_of(buffer).declared, 200);
    CHECK_EQ(stats_of(buffer).final_size, (int64_t)SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_reader_seek(reader, -10, SB_SEEK_END), 190);
    CHECK_EQ(sb_read(buffer, 0, 300, bytes), 200);
    CHECK_BYTES(bytes, 0, 200);
    CHECK_EQ(source.asked, 3);
    CHECK_EQ(stats_of(buffer).ended_short, 0);
    CHECK_EQ(source.script.closes, 1);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* A size that the caller declared counts, right or wrong. */
static void is_not_asked_for(form how)
{
    static const int64_t answers[] = { 50, 20, 30, 0 }, sizes[] = { 100 };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, 70, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 50, bytes), 50);
    CHECK_EQ(sb_size(buffer), 70);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(stats_of(buffer).declared, 70);
    CHECK_EQ(source.asked, 0);
    sb_free(buffer);
}

/* Disproved like any hint. Not asked for any more once the end is known. */
static void is_a_hint(form how)
{
    static const int64_t answers[] = { 50, 50, 0 }, low[] = { 20 }, never[] = { -1 };
    sized source = SIZED(answers, low), silent = SIZED(answers, never);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_ERROR);

    CHECK_EQ(sb_read(buffer, 0, 50, bytes), 50);
    CHECK_EQ(stats_of(buffer).declared, 20);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_size(buffer), 100);
    sb_free(buffer);

    buffer = sized_open(&silent, how, SB_SIZE_UNKNOWN, SB_SHORT_ERROR);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_size(buffer), 100);
    CHECK_EQ(silent.asked, silent.script.calls);
    sb_free(buffer);
}

/* Known only with the end, or with an error: it counts for that already. */
static void comes_with_the_end(form how, int64_t first, uint32_t on_short)
{
    const int64_t answers[] = { first, 0, 100, 0 }, sizes[] = { 100 };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, on_short);

    if (first < 0) {
        CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_SOURCE);
        CHECK_EQ(sb_size(buffer), 100);
        CHECK_EQ(stats_of(buffer).source_error, first);
        sb_free(buffer);
        return;
    }
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), on_short == SB_SHORT_ERROR ? SB_ERR_SHORT : 0);
    CHECK_EQ(stats_of(buffer).ended_short, 1);
    CHECK_EQ(sb_size(buffer), on_short == SB_SHORT_ERROR ? 100 : 0);
    if (on_short == SB_SHORT_ERROR) {
        CHECK_EQ(sb_retry(buffer), SB_OK);
        CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_SHORT);
        CHECK_EQ(sb_retry(buffer), SB_OK);
        CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    }
    CHECK_EQ(source.asked, 1);
    sb_free(buffer);
}

/* An end after an error is believed at the size that the source stated. */
static void confirms_an_end(form how)
{
    static const int64_t answers[] = { 100, -5, 0 }, sizes[] = { 100 };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(stats_of(buffer).final_size, 100);
    sb_free(buffer);
}

/* The reports before the end have the size that the source has stated. */
static int check_total(void *opaque, uint64_t done, uint64_t total)
{
    CHECK_EQ(total, 4096 * 24);
    *(int *)opaque += done < total;
    return 0;
}

static void is_reported_as_total(form how)
{
    enum { PART = 4096, PARTS = 24 };
    static int64_t answers[PARTS + 1];
    static const int64_t sizes[] = { PART * PARTS };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    sb_save_options options = save_options("saved", -1, 0);
    int before = 0;
    size_t index;

    for (index = 0; index < PARTS; index++)
        answers[index] = PART;
    options.progress = check_total;
    options.opaque = &before;
    CHECK_EQ(sb_save_with(buffer, &options), PART * PARTS);
    CHECK(before > 0);
    CHECK_EQ(unlink("saved"), 0);
    sb_free(buffer);
}

/* A save that requires the size waits for the source to state it. */
static void is_required(form how, int64_t said, int64_t result)
{
    static const int64_t answers[] = { 50, 50, 0 };
    const int64_t sizes[] = { said };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    sb_save_options options = save_options("saved", -1, SB_SAVE_REQUIRE_SIZE);

    CHECK_EQ(sb_save_with(buffer, &options), result);
    CHECK_EQ(access("saved", F_OK), result < 0 ? -1 : 0);
    if (result >= 0)
        CHECK_EQ(unlink("saved"), 0);
    sb_free(buffer);
}

/* One that frees its own buffer. */
static int64_t frees(void *opaque)
{
    sb_free(((sized *)opaque)->buffer);
    return 100;
}

static void may_free(form how)
{
    static const int64_t answers[] = { 50 }, sizes[] = { 100 };
    sized source = SIZED(answers, sizes);
    sb_callback callback = script_callback(&source.script, how);

    callback.size = frees;
    source.buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(source.buffer, 0, 10, bytes), SB_ERR_CANCELED);
    CHECK_EQ(sb_size(source.buffer), SB_ERR_INVALID);
    CHECK_EQ(source.script.closes, 1);
}

/* Never before the source has been called: a `pull` is sent elsewhere by its next call. */
static void follows_a_call(form how)
{
    static const int64_t answers[] = { 50, 50, 50, 0 }, sizes[] = { -1 };
    sized source = SIZED(answers, sizes);
    sb_buffer *buffer = sized_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 100, 50, bytes), 50);
    CHECK_EQ(source.asked, source.script.calls + source.script.seek_calls);
    sb_free(buffer);
}

int main(void)
{
    form how;

    for (how = READ; how < FORMS; how++) {
        is_learned(how);
        is_not_asked_for(how);
        follows_a_call(how);
        is_a_hint(how);
        comes_with_the_end(how, 0, SB_SHORT_END);
        comes_with_the_end(how, 0, SB_SHORT_ERROR);
        comes_with_the_end(how, -5, SB_SHORT_END);
        confirms_an_end(how);
        is_reported_as_total(how);
        is_required(how, 100, 100);
        is_required(how, 90, SB_ERR_SIZE);
        is_required(how, 110, SB_ERR_SIZE);
        is_required(how, -1, SB_ERR_UNKNOWN_SIZE);
        may_free(how);
    }
    return 0;
}
