/*
 * Readiness: what the function may call.
 */
#include "when.h"
#include <fcntl.h>

static watcher inner;
static int full_pipe[2];

static void fill_pipe(void)
{
    CHECK_EQ(pipe(full_pipe), 0);
    CHECK_EQ(fcntl(full_pipe[1], F_SETFL, O_NONBLOCK), 0);
    while (write(full_pipe[1], bytes, 4096) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(fcntl(full_pipe[1], F_SETFL, 0), 0);
}

static void calls_everything(watcher *self)
{
    sb_buffer *buffer = self->buffer;
    sb_reader *reader = sb_reader_new(buffer);
    sb_range range;
    unsigned char piece[10];

    /* What is buffered is read; what would wait is an error. */
    CHECK_EQ(sb_read(buffer, 0, 10, piece), 10);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_read(buffer, 2000000, 10, piece), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, -1), SB_ERR_REENTRANT);
    CHECK_EQ(sb_read_some(buffer, 2000000, 10, piece, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(buffer, 60000), SB_ERR_REENTRANT);
    CHECK_EQ(sb_find_size(buffer, 0), SB_ERR_TIMEOUT);
    CHECK_EQ(sb_save(buffer, "never"), SB_ERR_REENTRANT);
    CHECK_EQ(sb_reader_seek(reader, 2000000, SB_SEEK_SET), 2000000);
    CHECK_EQ(sb_reader_read(reader, 10, piece), SB_ERR_REENTRANT);
    sb_reader_free(reader);
    if (sb_wanted(buffer, &range) == SB_OK) {
        CHECK_EQ(sb_push(buffer, 10, 10, whole + 10, 0), 10);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, 0), SB_ERR_TIMEOUT);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, -1), SB_ERR_REENTRANT);
        CHECK_EQ(sb_push(buffer, 2900000, 10, whole, 60000), SB_ERR_REENTRANT);
    }
    /* What is buffered can be saved, but not to a pipe that takes no more. */
    CHECK_EQ(save_with(buffer, "saved", -1, SB_SAVE_BUFFERED, NULL, NULL), sb_buffered(buffer, 0));
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(save_with(buffer, NULL, full_pipe[1], SB_SAVE_BUFFERED, NULL, NULL), SB_ERR_REENTRANT);
    CHECK_EQ(sb_prefetch(buffer, 0), SB_OK);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    watcher_init(&inner);
    watch(&inner, buffer, 2000000);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    /* It is called by this thread, once this function has returned. */
    CHECK_EQ(inner.calls, 0);
}

static void inside(void)
{
    sb_buffer *buffer = open_push(UINT64_MAX, 1000);
    stream source;
    watcher self;

    fill_pipe();
    watcher_init(&self);
    self.act = calls_everything;
    watch(&self, buffer, 0);
    CHECK_EQ(push(buffer, 0, 10), 10);
    CHECK_EQ(self.ended, 1);
    CHECK_EQ(inner.calls, 1);
    CHECK_EQ(finish(&self), 10);
    CHECK_EQ(finish(&inner), SB_ERR_CANCELED);
    sb_free(buffer);

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    self.act = calls_everything;
    watch(&self, buffer, 9000);
    CHECK(finish(&self) > 0);
    CHECK_EQ(finish(&inner), SB_ERR_CANCELED);
    /* Outside it works again. */
    CHECK_EQ(sb_read(buffer, 2000000, 10, bytes), 10);
    sb_free(buffer);
    close(full_pipe[0]);
    close(full_pipe[1]);
}

int main(void)
{
    whole_init();
    inside();
    return 0;
}
