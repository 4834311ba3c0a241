/*
 * The progress of a save: it only increases, the total is the final size as soon as that is known, and
 * the last report is that everything is saved, once, also for an empty resource.
 */
#include "check.h"

#include <fcntl.h>

typedef struct told {
    sb_buffer *buffer;
    uint64_t done, total;
    int calls, whole;
    int stops_at_the_end;
} told;

static int tell(void *opaque, uint64_t done, uint64_t total)
{
    told *self = opaque;
    sb_stats stats;

    CHECK(done >= self->done);
    CHECK(done <= total);
    CHECK_EQ(sb_stat(self->buffer, &stats, sizeof stats), SB_OK);
    CHECK(stats.final_size == SB_SIZE_UNKNOWN || total == stats.final_size);
    self->done = done;
    self->total = total;
    self->calls++;
    self->whole += done == total;
    return self->stops_at_the_end && done == total;
}

static int64_t save(sb_buffer *buffer, int to_path, uint32_t flags, told *told)
{
    int file = to_path ? -1 : open("saved", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int64_t saved;
    CHECK(to_path || file >= 0);
    told->buffer = buffer;
    saved = save_with(buffer, to_path ? "saved" : NULL, file, flags, tell, told);
    if (!to_path)
        close(file);
    return saved;
}

static void ends_with_the_total(uint64_t size, uint64_t declared, int to_path, uint32_t flags)
{
    stream source;
    sb_buffer *buffer;
    told told = { NULL, 0, 0, 0, 0, 0 };
    unsigned char byte;

    stream_init(&source, size, 0);
    buffer = stream_open(&source, declared, SB_MAX_DEFAULT);
    if (flags & SB_SAVE_BUFFERED)
        CHECK_EQ(sb_read(buffer, size, 1, &byte), 0);
    CHECK_EQ(save(buffer, to_path, flags, &told), size);
    CHECK(told.calls > 0);
    CHECK_EQ(told.done, size);
    CHECK_EQ(told.total, size);
    CHECK_EQ(told.whole, 1);
    CHECK_EQ(unlink("saved"), 0);
    sb_free(buffer);
}

/* The last report can still stop the save. */
static void stopped_at_the_end(uint64_t size)
{
    stream source;
    sb_buffer *buffer;
    told told = { NULL, 0, 0, 0, 0, 1 };

    stream_init(&source, size, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(save(buffer, 1, 0, &told), SB_ERR_CANCELED);
    CHECK_EQ(told.whole, 1);
    CHECK(access("saved", F_OK) != 0);
    sb_free(buffer);
}

static int64_t go_to(void *opaque, uint64_t offset)
{
    stream *self = opaque;
    pthread_mutex_lock(&self->lock);
    self->at = offset < self->size ? offset : self->size;
    self->ended = 0;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

/* The source was sought forward: a save finds the end before it fills the gap. */
static void finds_the_end_first(uint64_t declared, int to_path, uint32_t flags)
{
    enum { SIZE = 1000000 };
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;
    told told = { NULL, 0, 0, 0, 0, 0 };
    unsigned char byte;

    stream_init(&source, SIZE, 0);
    callback = stream_callback(&source);
    callback.seek = go_to;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = declared;
    options.seek_gap = 0;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, SIZE - 1000, 1, &byte), 1);
    CHECK_EQ(save(buffer, to_path, flags, &told), SIZE);
    CHECK_EQ(told.done, SIZE);
    CHECK_EQ(told.total, SIZE);
    CHECK_EQ(told.whole, 1);
    CHECK_EQ(unlink("saved"), 0);
    sb_free(buffer);
}

static int cancel_and_resume(void *opaque, uint64_t done, uint64_t total)
{
    CHECK(done < total);
    CHECK_EQ(sb_cancel(opaque), SB_OK);
    CHECK_EQ(sb_resume(opaque), SB_OK);
    return 0;
}

/* A cancel stops a save even if only the end is still unknown. */
static void canceled_before_the_end(uint32_t flags)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, 65536, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(save_with(buffer, "saved", -1, flags, cancel_and_resume, buffer), SB_ERR_CANCELED);
    CHECK(access("saved", F_OK) != 0);
    sb_free(buffer);
}

int main(void)
{
    static const uint64_t sizes[] = { 0, 1, 1000, 65536, 65537, 3 * 65536, 1000000, 1048576 };
    static const uint32_t flags[] = { 0, SB_SAVE_BUFFERED, SB_SAVE_LINK };
    size_t size, flag;
    int to_path;

    canceled_before_the_end(0);
    canceled_before_the_end(SB_SAVE_LINK);
    for (to_path = 0; to_path < 2; to_path++) {
        finds_the_end_first(SB_SIZE_UNKNOWN, to_path, 0);
        finds_the_end_first(1100000, to_path, 0);
        finds_the_end_first(1100000, to_path, SB_SAVE_LINK);
    }
    for (size = 0; size < COUNT_OF(sizes); size++) {
        for (flag = 0; flag < COUNT_OF(flags); flag++)
            for (to_path = 0; to_path < 2; to_path++) {
                ends_with_the_total(sizes[size], SB_SIZE_UNKNOWN, to_path, flags[flag]);
                ends_with_the_total(sizes[size], sizes[size], to_path, flags[flag]);
                ends_with_the_total(sizes[size], sizes[size] + 100000, to_path, flags[flag]);
            }
        stopped_at_the_end(sizes[size]);
    }
    return 0;
}
