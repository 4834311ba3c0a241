/*
 * No trace: the spool file has no name, only its owner can open it, an executed program does not
 * inherit it, and it is gone after a kill. After sb_free() no descriptor, thread or memory is left.
 */
#include "memory.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { SIZE = 1000000 };

static unsigned char bytes[SIZE];

/* The descriptor of a file in the temporary directory, and the number of such files. */
static int spool_descriptor(int *count)
{
    const char *folder = getenv("TMPDIR");
    char path[64], target[4096];
    int fd, found = -1;

    *count = 0;
    for (fd = 0; fd < 256; fd++) {
        ssize_t length;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = 0;
        if (strncmp(target, folder, strlen(folder)) == 0) {
            found = fd;
            ++*count;
        }
    }
    return found;
}

/* Run by execve(): none of the parent's spool files is open. */
static int as_child(void)
{
    int count;
    spool_descriptor(&count);
    CHECK_EQ(count, 0);
    return 0;
}

static void executed_child(const char *program)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execl(program, program, "as_child", (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void killed_child(void)
{
    int status, ready[2];
    char byte;
    pid_t child;

    CHECK_EQ(pipe(ready), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        stream source;
        sb_buffer *buffer;
        stream_init(&source, SIZE, 30000);
        buffer = stream_open(&source, SIZE, 0);
        CHECK_EQ(sb_read(buffer, 0, SIZE - 1, bytes), SIZE - 1);
        CHECK(stats_of(buffer).disk > 0);
        CHECK_EQ(write(ready[1], "x", 1), 1);
        for (;;)
            pause();
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(entries_in(getenv("TMPDIR")), 0);
    close(ready[0]);
    close(ready[1]);
}

static void once(const char *program)
{
    stream source;
    sb_buffer *buffer;
    sb_stats stats;
    char directory[4096];
    struct stat about;
    int fd, count, before;

    stream_init(&source, SIZE, 30000);
    before = descriptors();
    buffer = stream_open(&source, SIZE, 200000);
    /* None before the first spill. */
    CHECK_EQ(sb_read(buffer, 0, 200000, bytes), 200000);
    spool_descriptor(&count);
    CHECK_EQ(count, 0);
    CHECK_EQ(stats_of(buffer).spool, SB_SPOOL_NONE);
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), 0);
    CHECK_EQ(strlen(directory), 0);
    CHECK_EQ(sb_read(buffer, 0, SIZE - 1, bytes), SIZE - 1);
    fd = spool_descriptor(&count);
    CHECK_EQ(count, 1);
    CHECK_EQ(descriptors(), before + 1);
    CHECK_EQ(fstat(fd, &about), 0);
    CHECK_EQ(about.st_nlink, 0);
    CHECK_EQ(about.st_mode & 07777, 0600);
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(entries_in(getenv("TMPDIR")), 0);
    stats = stats_of(buffer);
    CHECK(stats.spool != SB_SPOOL_NONE);
    CHECK_EQ(sb_spool_dir(buffer, directory, sizeof directory), strlen(getenv("TMPDIR")));
    CHECK(strcmp(directory, getenv("TMPDIR")) == 0);
    executed_child(program);
    CHECK_EQ(sb_save(buffer, "saved"), SIZE);
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
    WAIT_UNTIL(threads() == 1);
    CHECK_EQ(descriptors(), before);
    CHECK_EQ(entries_in(getenv("TMPDIR")), 0);
}

int main(int count, char **arguments)
{
    int64_t held = 0;
    int round;

    if (count > 1)
        return as_child();
    /* The directory's mode and the process's umask do not matter. */
    umask(0);
    for (round = 0; round < 20; round++) {
        once(arguments[0]);
        /* By then everything exists that is allocated once per process, and what the C library keeps.
         * */
        if (round == 4)
            held = memory_live;
    }
    if (parking_lot())
        LEAVE_OUT("the memory that is left", "parking_lot's table of sleeping threads stays");
    else
        CHECK_EQ(memory_live, held);
    CHECK_EQ(memory_mapped, 0);
    killed_child();
    return 0;
}
