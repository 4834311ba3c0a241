/* An event loop prints a stream whose reads block, as it arrives: ready_eventfd <PIPE >COPY. The loop's thread
 * never waits for the stream: a thread of the library does, and writes to an eventfd once there are bytes. */
#include <errno.h>
#include <poll.h>
#include <spoolbuf.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static sb_buffer *buffer;
static sb_watch *watch;
static int event;
static uint64_t offset;
static int64_t result; /* of the watch: written before the eventfd, read after it */

static int64_t read_stdin(void *opaque, void *out, size_t capacity)
{
    ssize_t count = read(*(int *)opaque, out, capacity);
    return count < 0 ? -errno : count;
}

static void on_ready(void *opaque, int64_t buffered) /* on any thread */
{
    (void)opaque;
    result = buffered;
    eventfd_write(event, 1);
}

static int64_t print(void) /* what has arrived; SB_ERR_TIMEOUT: on_ready() will be called */
{
    static char bytes[65536];
    int64_t count;
    while ((count = sb_when(buffer, offset, on_ready, NULL, &watch)) > 0) {
        count = sb_read_some(buffer, offset, sizeof bytes, bytes, 0);
        offset += fwrite(bytes, 1, count > 0 ? (size_t)count : 0, stdout);
    }
    fflush(stdout);
    return count;
}

int main(void)
{
    sb_callback source = { .read = read_stdin, .opaque = &(int){ STDIN_FILENO } };
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    event = eventfd(0, EFD_CLOEXEC);
    int64_t count = print();
    for (int idle = 0; count == SB_ERR_TIMEOUT;) {
        struct pollfd events[] = { { event, POLLIN, 0 } }; /* and those of the rest of the program */
        if (poll(events, 1, 10) == 0 && idle++ == 0)
            fputs("the event loop goes on\n", stderr);
        if (events[0].revents && eventfd_read(event, &(eventfd_t){ 0 }) == 0) {
            sb_watch_free(watch);
            count = result < 0 ? result : print();
        }
    }
    fprintf(stderr, "%s\n", sb_strerror(count));
    sb_free(buffer);
    return count < 0;
}
