/*
 * A pipeline takes its thread back from a read that waits: while a pipe brings nothing it is made to
 * seek, and to stop, without a word to the adapter. Then the rest comes, and another one plays to the
 * end.
 *
 *     gst_flush FILE [sized]
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "gst_play.h"
#include "spoolbuf_fd.h"

/* Writes the rest of the file up to there. */
static void deliver(FILE *file, long end, int pipe)
{
    char bytes[4096];
    size_t count;

    while ((count = (size_t)(end - ftell(file))) > 0) {
        count = fread(bytes, 1, count < sizeof bytes ? count : sizeof bytes, file);
        assert(count > 0 && write(pipe, bytes, count) == (ssize_t)count);
    }
}

/* Waits until everything is taken and the pipeline wants more. */
static void wait_for_stall(int pipe)
{
    int left = 1;

    while (left > 0) {
        usleep(10000);
        assert(ioctl(pipe, FIONREAD, &left) == 0);
    }
    usleep(300000);
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    GstElement *pipeline;
    sb_callback callback;
    sb_buffer *buffer;
    spoolbuf_gst io;
    uint64_t size;
    int ends[2], again, warnings;

    assert(file != NULL && fseek(file, 0, SEEK_END) == 0 && pipe(ends) == 0);
    alarm(1100);
    gst_init(NULL, NULL);
    assert(spoolbuf_fd_source(&callback, ends[0], 1, &size) == 0);
    size = (uint64_t)ftell(file);
    rewind(file);
    buffer = sb_new(&callback, argc > 2 ? size : SB_SIZE_UNKNOWN, 65536);
    pipeline = play(&io, buffer);
    deliver(file, (long)size / 2, ends[1]);
    wait_for_stall(ends[1]);
    /* It may refuse, as long as it does not know what it plays, but it must return. */
    for (again = 0; again < 3; again++) {
        gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0);
        usleep(200000);
    }
    assert(stop(&io, pipeline) == SB_OK);
    pipeline = play(&io, buffer);
    deliver(file, (long)size, ends[1]);
    close(ends[1]);
    assert(end_of(pipeline, &warnings) == GST_MESSAGE_EOS && warnings == 0);
    assert(stop(&io, pipeline) == SB_OK);
    sb_free(buffer);
    fclose(file);
    puts("ok");
    return 0;
}
