/*
 * play: a file that arrives like a stream is played, jumped about in and saved, from one buffer.
 *
 * What to look at:
 *   network.c      a source: the callbacks that deliver the stream
 *   five_cases()   reads anywhere: where the bytes are makes no difference to the caller
 *   play(), scrub()  two threads, each with a reader of its own
 *   stop_on_signal() how Ctrl-C ends a read that waits
 *   save()         the whole resource in a file, with progress
 * Every byte that comes out of the buffer is compared with the file that went in.
 */

#define _POSIX_C_SOURCE 200809L

#include "spoolbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "play/network.h"
#include "play/options.h"
#include "play/screen.h"
#include "play/tune.h"

enum { PIECE = 64 * 1024, PIECE_IN_FLIGHT = 256 * 1024 };
#define MIB 1048576.0

/* What the threads tell each other. */
struct news {
    uint64_t played, scrubbed, jumps, checked;
    int failures;
    int over;    /* the player is done */
    int signal;  /* that stopped everything, or 0 */
    double stopped_at;
};

struct job {
    struct options options;
    int file;  /* what went in, to compare with */
    uint64_t size, max;
    sb_buffer *buffer;
    sb_reader *player, *scrubber;
    pthread_mutex_t lock;  /* of the news */
    struct news news;
};

static void fail(struct job *job, const char *what, uint64_t offset, int64_t answer)
{
    pthread_mutex_lock(&job->lock);
    job->news.failures++;
    pthread_mutex_unlock(&job->lock);
    screen_say("FAILED: %s at %llu: %lld (%s)", what, (unsigned long long)offset, (long long)answer,
               answer < 0 ? sb_strerror((int)answer) : "bytes");
    sb_cancel(job->buffer);
}

static struct news look(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    struct news news = job->news;
    pthread_mutex_unlock(&job->lock);
    return news;
}

static void nap(int milliseconds)
{
    struct timespec time = {0, milliseconds * 1000000L};
    nanosleep(&time, NULL);
}

/* Compares what was read at `offset` with the file. */
static int is_right(struct job *job, uint64_t offset, const unsigned char *bytes, int64_t count)
{
    unsigned char truth[PIECE];

    if (count < 0 || count > PIECE || pread(job->file, truth, (size_t)count, (off_t)offset) != count
        || memcmp(truth, bytes, (size_t)count) != 0) {
        fail(job, "wrong bytes", offset, count);
        return 0;
    }
    pthread_mutex_lock(&job->lock);
    job->news.checked += (uint64_t)count;
    pthread_mutex_unlock(&job->lock);
    return 1;
}

/* Reads at one place and says what happened. `size` is where the resource really ends. */
static void show_case(struct job *job, sb_buffer *buffer, uint64_t size, const char *name,
                      uint64_t off, size_t len)
{
    unsigned char bytes[PIECE];
    sb_stats before, after;
    uint64_t there = off < size ? size - off : 0;
    int64_t want = (int64_t)(there < len ? there : len);

    sb_stat(buffer, &before, sizeof before);
    int64_t count = sb_read(buffer, off, len, bytes);
    sb_stat(buffer, &after, sizeof after);
    if (count == SB_ERR_CANCELED && look(job).signal != 0)
        return;
    if (count != want) {
        fail(job, name, off, count);
        return;
    }
    int is_needed = off + len > before.frontier && before.final_size == SB_SIZE_UNKNOWN;
    int was_asked = after.pulls > before.pulls;
    if (is_needed != was_asked)
        fail(job, is_needed ? "the source was not asked" : "the source was asked", off, count);
    else if (is_right(job, off, bytes, count))
        screen_say("  %-37s %8llu %8lu -> %5lld   %8llu -> %-8llu %5llu   right", name,
                   (unsigned long long)off, (unsigned long)len, (long long)count,
                   (unsigned long long)before.frontier, (unsigned long long)after.frontier,
                   (unsigned long long)(after.pulls - before.pulls));
}

/* A buffer whose declared size is wrong, read around that size and around the real end. */
static void show_lie(struct job *job, const char *name, uint64_t size, uint64_t declared, size_t len)
{
    const struct pace at_once = {0, UINT64_MAX, 0};
    sb_callback callback;

    if (network_open(&callback, job->file, size, &at_once) != 0) {
        fail(job, "no source", 0, SB_ERR_NO_MEMORY);
        return;
    }
    sb_buffer *buffer = sb_new(&callback, declared, job->max);
    show_case(job, buffer, size, name, declared - (declared < len ? declared : len / 2), len);
    show_case(job, buffer, size, "    and across the real end", size - (size < len ? size : len / 2),
              len);
    if (sb_size(buffer) != (int64_t)size)
        fail(job, "the final size", size, sb_size(buffer));
    sb_free(buffer);
}

static void five_cases(struct job *job)
{
    size_t len = job->size / 32 < PIECE ? (size_t)(job->size / 32) + 1 : PIECE;
    uint64_t short_size = job->size < 1 << 20 ? job->size : 1 << 20;
    sb_stats stats;

    screen_say("Five places to read at:                       offset    bytes -> count   frontier"
               "             asked");
    sb_stat(job->buffer, &stats, sizeof stats);
    show_case(job, job->buffer, job->size, "   (nothing is there yet)", 0, len);
    show_case(job, job->buffer, job->size, "1  wholly buffered", 0, len);
    sb_stat(job->buffer, &stats, sizeof stats);
    show_case(job, job->buffer, job->size, "2  starting at the frontier", stats.frontier, len);
    sb_stat(job->buffer, &stats, sizeof stats);
    show_case(job, job->buffer, job->size, "3  past the frontier", stats.frontier + len, len);
    sb_stat(job->buffer, &stats, sizeof stats);
    show_case(job, job->buffer, job->size, "4  straddling the frontier",
              stats.frontier - (stats.frontier < len / 2 ? stats.frontier : len / 2), len);
    show_lie(job, "5  across a declared size, too small", short_size, short_size / 2, len);
    show_lie(job, "   past the end, declared too large", short_size, short_size * 2 + 1, len);
}

/* Reads in order, at the player's pace. */
static void *play(void *opaque)
{
    struct job *job = opaque;
    unsigned char bytes[PIECE];
    double start = now(), asked_at = start;
    double pace = job->options.play * MIB;
    uint64_t at = 0;
    int64_t count;

    for (;;) {
        /* After a stop it plays on without a pace, until nothing is left that is buffered. */
        if (pace > 0 && (double)at > (now() - start) * pace && look(job).signal == 0) {
            nap(5);
            continue;
        }
        asked_at = now();
        count = sb_reader_read(job->player, sizeof bytes, bytes);
        if (count <= 0 || !is_right(job, at, bytes, count))
            break;
        at += (uint64_t)count;
        pthread_mutex_lock(&job->lock);
        job->news.played = at;
        pthread_mutex_unlock(&job->lock);
    }
    struct news stopped = look(job);
    if (count == SB_ERR_CANCELED && stopped.signal != 0)
        screen_say("Stopped: the player's read, %.0f ms after it began to wait, answered \"%s\"; "
                   "%.1f ms after the signal",
                   (now() - asked_at) * 1e3, sb_strerror((int)count),
                   (now() - stopped.stopped_at) * 1e3);
    else if (count < 0 && stopped.failures == 0)
        fail(job, "the player's read", at, count);
    else if (count == 0 && at != job->size)
        fail(job, "the player came to a false end", at, count);
    pthread_mutex_lock(&job->lock);
    job->news.over = 1;
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

/* Jumps back and forth: to any place that has come, and a little past it. */
static void *scrub(void *opaque)
{
    struct job *job = opaque;
    unsigned char bytes[PIECE];
    uint64_t chance = 1;

    for (;;) {
        struct news seen = look(job);
        if (seen.signal != 0 || (seen.over && (seen.jumps >= 32 || seen.failures > 0)))
            break;
        sb_stats stats;
        sb_stat(job->buffer, &stats, sizeof stats);
        uint64_t most = stats.frontier + (512 << 10) < job->size ? stats.frontier + (512 << 10)
                                                                 : job->size;
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = (chance >> 20) % (most + 1);
        int64_t place = sb_reader_seek(job->scrubber, (int64_t)at, SB_SEEK_SET);
        int64_t count = sb_reader_read(job->scrubber, sizeof bytes, bytes);
        if (place != (int64_t)at)
            fail(job, "the scrubber's jump", at, place);
        if (count == SB_ERR_CANCELED)
            break;  /* by a signal, or because something failed */
        if (count < 0 || (count == 0) != (at == job->size))
            fail(job, "the scrubber's read", at, count);
        else if (!is_right(job, at, bytes, count))
            break;
        pthread_mutex_lock(&job->lock);
        job->news.jumps++;
        job->news.scrubbed = at;
        pthread_mutex_unlock(&job->lock);
        nap(10);
    }
    return NULL;
}

/* Those that stop the program, and SIGUSR1, by which it tells the thread below that it is over. */
static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    return signals;
}

/* Waits for Ctrl-C. A handler may not lock, so it may not call sb_cancel(); a thread may. */
static void *stop_on_signal(void *opaque)
{
    struct job *job = opaque;
    sigset_t signals = stop_signals();
    int number;

    if (sigwait(&signals, &number) != 0 || number == SIGUSR1)
        return NULL;
    pthread_mutex_lock(&job->lock);
    job->news.signal = number;
    job->news.stopped_at = now();
    pthread_mutex_unlock(&job->lock);
    sb_cancel(job->buffer);  /* every read that waits returns */
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);  /* a second Ctrl-C ends the program the hard way */
    return NULL;
}

/* Draws until the player is done, and sees that memory stays within its limit. */
static void watch(struct job *job)
{
    for (;;) {
        struct news seen = look(job);
        struct view view = {"played", seen.played, job->size, seen.scrubbed};
        sb_stats stats;
        screen_draw(job->buffer, &view);
        if (seen.over)
            return;
        sb_stat(job->buffer, &stats, sizeof stats);
        if (stats.memory > job->max + PIECE_IN_FLIGHT)
            fail(job, "memory past its limit", stats.frontier, (int64_t)stats.memory);
        nap(20);
    }
}

static int save_progress(void *opaque, uint64_t done, uint64_t total)
{
    struct job *job = opaque;
    struct view view = {"saved", done, job->size, SB_SIZE_UNKNOWN};
    (void)total;
    screen_draw(job->buffer, &view);
    return look(job).signal != 0;
}

/* Compares the saved file with the one that went in. */
static int is_same(struct job *job, const char *path)
{
    unsigned char bytes[PIECE];
    ssize_t count = -1;
    uint64_t at = 0;
    int saved = open(path, O_RDONLY | O_CLOEXEC);

    while (saved >= 0 && (count = read(saved, bytes, sizeof bytes)) > 0) {
        if (!is_right(job, at, bytes, count))
            break;
        at += (uint64_t)count;
    }
    if (saved >= 0)
        close(saved);
    return count == 0 && at == job->size;
}

static void save(struct job *job)
{
    char directory[PATH_MAX - 16], path[PATH_MAX];
    const char *temporary = getenv("TMPDIR");

    snprintf(directory, sizeof directory, "%s/spoolbuf-play-XXXXXX",
             temporary != NULL && *temporary != '\0' ? temporary : "/tmp");
    if (job->options.out == NULL && mkdtemp(directory) == NULL) {
        fail(job, "no directory to save in", 0, SB_ERR_IO);
        return;
    }
    if (job->options.out != NULL)
        snprintf(path, sizeof path, "%s", job->options.out);
    else
        snprintf(path, sizeof path, "%s/saved", directory);
    int64_t saved = sb_save_with(job->buffer, path, -1, 0, save_progress, job);
    if (saved == SB_ERR_CANCELED && look(job).signal != 0)
        screen_say("Stopped while saving: no file was left behind");
    else if (saved != (int64_t)job->size)
        fail(job, "the save", 0, saved);
    else if (!is_same(job, path))
        fail(job, "the saved file is not the one that went in", 0, saved);
    else
        screen_say("Saved %lld bytes%s%s: the same as went in, byte for byte", (long long)saved,
                   job->options.out != NULL ? " to " : "",
                   job->options.out != NULL ? job->options.out : "");
    if (job->options.out == NULL) {
        unlink(path);
        rmdir(directory);
    }
}

/* FILE, or without one a tune in a file that has no name. */
static int open_file(const char *path, uint64_t *size)
{
    struct stat status;
    FILE *made = NULL;
    int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (path == NULL && (made = tmpfile()) != NULL && tune_write(made) == 0)
        file = fileno(made);  /* open until the program ends */
    if (file < 0 || fstat(file, &status) != 0) {
        fprintf(stderr, "play: %s: %s\n", path != NULL ? path : "making a file", strerror(errno));
        exit(1);
    }
    if (!S_ISREG(status.st_mode)) {
        fprintf(stderr, "play: %s: not a regular file, so nothing to compare with\n", path);
        exit(1);
    }
    *size = (uint64_t)status.st_size;
    return file;
}

static void start(pthread_t *thread, void *(*body)(void *), struct job *job)
{
    int error = pthread_create(thread, NULL, body, job);
    if (error != 0) {
        fprintf(stderr, "play: no thread: %s\n", strerror(error));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static struct job job = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct options *options = &job.options;
    pthread_t player, scrubber, stopper;
    sigset_t signals = stop_signals();
    sb_callback callback;

    *options = options_read(argc, argv);
    job.file = open_file(options->file, &job.size);
    job.max = (uint64_t)(options->max * MIB);
    struct pace pace = {options->rate * MIB, (uint64_t)(options->burst * 1024), options->stall / 1e3};
    int error = network_open(&callback, job.file, job.size, &pace);
    job.buffer = error == 0 ? sb_new(&callback, job.size, job.max) : NULL;
    job.player = sb_reader_new(job.buffer);
    job.scrubber = sb_reader_new(job.buffer);
    if (job.player == NULL || job.scrubber == NULL) {
        fprintf(stderr, "play: no buffer: %s\n", strerror(error != 0 ? error : ENOMEM));
        return 1;
    }

    pthread_sigmask(SIG_BLOCK, &signals, NULL);  /* in every thread that is made from here on */
    screen_open(options->plain);
    screen_say("%s: %llu bytes, at %g MiB/s with a stall of %g ms every 4 MiB; %g MiB stay in memory",
               options->file != NULL ? options->file : "Bach, BWV 846 (WAV)",
               (unsigned long long)job.size, options->rate, options->stall, options->max);
    start(&stopper, stop_on_signal, &job);

    five_cases(&job);
    screen_say("The bar: = on disk  # in memory  . to come  P player  S scrubber");
    if (options->ahead > 0 && look(&job).failures == 0)
        sb_prefetch(job.buffer, (uint64_t)(options->ahead * MIB));
    start(&player, play, &job);
    start(&scrubber, scrub, &job);
    watch(&job);
    sb_reader_cancel(job.scrubber);
    pthread_join(player, NULL);
    pthread_join(scrubber, NULL);

    struct news seen = look(&job);
    screen_say("Played %llu of %llu bytes in order, jumped %llu times in between",
               (unsigned long long)seen.played, (unsigned long long)job.size,
               (unsigned long long)seen.jumps);
    if (seen.signal == 0 && seen.failures == 0)
        save(&job);

    sb_reader_free(job.player);
    sb_reader_free(job.scrubber);
    sb_free(job.buffer);
    seen = look(&job);
    if (seen.signal == 0)
        pthread_kill(stopper, SIGUSR1);
    pthread_join(stopper, NULL);
    screen_say("%s: %llu bytes compared, %d failures", seen.failures != 0 ? "FAILED"
               : seen.signal != 0 ? "Stopped" : "Done",
               (unsigned long long)seen.checked, seen.failures);
    screen_close();
    return seen.failures != 0 ? 1 : seen.signal != 0 ? 128 + seen.signal : 0;
}
