/* A libuv loop prints a stream whose reads block, as it arrives: ready_libuv <PIPE >COPY. The loop's thread never
 * waits for the stream: a thread of the library does, and calls uv_async_send() once there are bytes. */
#include <errno.h>
#include <spoolbuf.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

static sb_buffer *buffer;
static sb_watch *watch;
static uint64_t offset; /* of the next byte to print */
static int64_t result; /* of the watch: written before uv_async_send(); in the end, of the whole */

static int64_t read_stdin(void *opaque, void *out, size_t capacity)
{
    ssize_t count = read(*(int *)opaque, out, capacity);
    return count < 0 ? -errno : count;
}

static void on_ready(void *async, int64_t buffered) /* on any thread */
{
    result = buffered;
    uv_async_send(async);
}

static void print(uv_async_t *async) /* what has arrived */
{
    static char bytes[65536];
    int64_t count = result;
    sb_watch_free(watch);
    while (count > 0 && (count = sb_when(buffer, offset, on_ready, async, &watch)) > 0) {
        int64_t read = sb_read_some(buffer, offset, sizeof bytes, bytes, 0);
        offset += fwrite(bytes, 1, read > 0 ? (size_t)read : 0, stdout);
    }
    fflush(stdout);
    if (count != SB_ERR_TIMEOUT) /* or else on_ready() will be called */
        uv_stop(async->loop), result = count;
}

static void go_on(uv_timer_t *timer)
{
    fputs("the event loop goes on\n", timer->data);
}

int main(void)
{
    uv_async_t async;
    uv_timer_t timer;
    sb_callback source = { .read = read_stdin, .opaque = &(int){ STDIN_FILENO } };
    buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    uv_async_init(uv_default_loop(), &async, print);
    uv_timer_init(uv_default_loop(), &timer);
    timer.data = stderr;
    uv_timer_start(&timer, go_on, 10, 0);
    on_ready(&async, 1);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    fprintf(stderr, "%s\n", sb_strerror(result));
    sb_free(buffer);
    return result < 0;
}
