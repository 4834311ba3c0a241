/*
 * What the library adds to a pread() of the very same bytes: reads 4 KiB at random offsets of a resource
 * on disk, by sb_read() and from the spool file's own descriptor, in turn.
 *
 *     cargo build --release
 *     cc -O2 -Iinclude bench/same_file.c -o same_file target/release/libspoolbuf.a -lpthread -ldl -lm
 *     ./same_file 256 && ./same_file 4096          # MiB
 *
 * The spool file is where TMPDIR says. Linux only.
 */
#define _GNU_SOURCE
#include "spoolbuf.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EACH = 4096, ROUNDS = 200, READS = 5000 };

static uint64_t left;

static int64_t pattern(void *opaque, void *out, size_t capacity)
{
    size_t count = capacity < left ? capacity : (size_t)left;
    (void)opaque;
    memset(out, 7, count);
    left -= count;
    return (int64_t)count;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_value(const void *left_one, const void *right_one)
{
    double one = *(const double *)left_one, other = *(const double *)right_one;
    return (one > other) - (one < other);
}

/* The one file that is open and has no name. */
static int spool_file(void)
{
    struct stat about;
    int fd;
    for (fd = 3; fd < 64; fd++)
        if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 0)
            return fd;
    return -1;
}

int main(int count, char **arguments)
{
    sb_callback source = { .read = pattern };
    static unsigned char bytes[EACH];
    static double times[2][ROUNDS];
    uint64_t random = 88172645463325252u, size;
    int round, way, place, fd;
    sb_buffer *buffer;

    size = (count > 1 ? strtoull(arguments[1], NULL, 10) : 256) << 20;
    left = size;
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    if (buffer == NULL || size < 32 << 20 || sb_read(buffer, size - 1, 1, bytes) != 1)
        return fprintf(stderr, "no resource of %" PRIu64 " bytes\n", size), 1;
    fd = spool_file();
    for (round = 0; round < ROUNDS; round++) {
        for (way = 0; way < 2; way++) {
            double begun = now();
            for (place = 0; place < READS; place++) {
                int64_t got;
                uint64_t offset;
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                /* Not an offset that is still in memory. */
                offset = random % (size - (16 << 20));
                got = way == 0 ? sb_read(buffer, offset, EACH, bytes)
                               : pread(fd, bytes, EACH, (off_t)offset);
                if (got != EACH || bytes[0] != 7)
                    return fprintf(stderr, "wrong bytes at %" PRIu64 "\n", offset), 1;
            }
            times[way][round] = (now() - begun) / READS;
        }
    }
    sb_free(buffer);
    for (way = 0; way < 2; way++)
        qsort(times[way], ROUNDS, sizeof(double), by_value);
    printf("%" PRIu64 " MiB: sb_read %.0f ns, pread %.0f ns\n", size >> 20, times[0][ROUNDS / 2],
           times[1][ROUNDS / 2]);
    return 0;
}
