/*
 * exit() while readers wait, while one is inside a source that never returns, and while a helper is:
 * the process ends with its exit code, after the host's own exit handlers.
 */
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

enum { SIZE = 100000 };

/* Registered before the library is used, so that it runs after any handler of the library. The process
 * ends with the expected code only if it runs. */
static int code;

static void at_exit(void)
{
    _exit(code);
}

static void leave(int how)
{
    static stream source, other;
    static call inside, waiting, limited;
    sb_buffer *buffer, *second;

    CHECK_EQ(atexit(at_exit), 0);
    stream_init(&source, SIZE, 1000);
    source.stall_at = 0;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    call_start(&inside, buffer, 0, 10, NULL);
    stream_await_stall(&source);
    call_start(&waiting, buffer, 5000, 10, NULL);
    call_start_some(&limited, buffer, 0, 10, 600000, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 2);
    stream_init(&other, SIZE, 1000);
    other.stall_at = 5000;
    other.obeys_cancel = 0;
    second = stream_open(&other, SIZE, 0);
    CHECK_EQ(sb_prefetch(second, SB_PREFETCH_ALL), SB_OK);
    stream_await_stall(&other);
    if (how == 1)
        sb_free(buffer);
    if (how == 2)
        sb_cancel(buffer);
    if (how == 3)
        sb_free(second);
    code = 42 + how;
    exit(1);
}

int main(void)
{
    int how, status;

    for (how = 0; how < 4; how++) {
        int64_t deadline = now_ms() + 60000;
        pid_t ended, child = fork();
        CHECK(child >= 0);
        if (child == 0)
            leave(how);
        while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
            if (now_ms() > deadline) {
                kill(child, SIGKILL);
                CHECK(!"exit() does not hang");
            }
            pause_ms(1);
        }
        CHECK(ended == child);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 42 + how);
    }
    return 0;
}
