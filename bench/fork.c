/*
 * Forks while four threads sleep and wake in the library, and has each child sleep and wake in a
 * buffer of its own. Counts the children that crash and those that hang, which depends on whose
 * locks the library has.
 *
 *     cargo rustc --release --lib --crate-type staticlib            # --features parking_lot
 *     cc -O2 -Iinclude -Itests/c bench/fork.c -o fork target/release/libspoolbuf.a -lpthread -ldl -lm
 *     ./fork 3000
 */
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

enum { SIZE = 400000, LIMIT_MS = 8000 };

static unsigned char bytes[SIZE];

static void *sleeps(void *opaque)
{
    for (;;) {
        stream source;
        sb_buffer *buffer;
        unsigned char piece[100];
        uint64_t at;

        stream_init(&source, SIZE, 1000);
        buffer = stream_open(&source, SB_SIZE_UNKNOWN, UINT64_MAX);
        for (at = 0; at + 1000 < SIZE; at += 1000)
            CHECK(sb_read_some(buffer, at, sizeof piece, piece, 600000) > 0);
        sb_free(buffer);
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    }
    return opaque;
}

static void in_child(void)
{
    int round;

    for (round = 0; round < 3; round++) {
        stream source;
        sb_buffer *buffer;

        stream_init(&source, SIZE, 9000);
        buffer = stream_open(&source, SB_SIZE_UNKNOWN, 100000);
        CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
        CHECK_EQ(sb_read_some(buffer, 300000, 10, bytes, 600000), 10);
        CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
        sb_free(buffer);
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    }
}

/* The child's status; -1 if it hangs. */
static int forked(void)
{
    int status;
    int64_t deadline = now_ms() + LIMIT_MS;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        in_child();
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now_ms() > deadline) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        pause_ms(1);
    }
    return status;
}

int main(int count, char **arguments)
{
    int children = count > 1 ? atoi(arguments[1]) : 1000, crashed = 0, hung = 0, round;
    pthread_t thread;

    for (round = 0; round < 4; round++)
        CHECK_EQ(pthread_create(&thread, NULL, sleeps, NULL), 0);
    for (round = 0; round < children; round++) {
        int status = forked();
        crashed += status > 0;
        hung += status < 0;
    }
    printf("of %d children, %d crashed and %d hung\n", children, crashed, hung);
    fflush(stdout);
    _exit(0);
}
