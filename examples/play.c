/*
 * play: a file arrives over a network that falls silent now and then. Meanwhile two sides play it and
 * jump back in it: one keeps it in a temporary file behind a mutex, the other in spoolbuf.
 *
 * What to copy:
 *   make_spoolbuf()   a buffer over a source, with a prefetch
 *   spoolbuf_read()   a read at any offset, from any thread
 *   play/network.c    the source: the callbacks that deliver the stream
 *   stop_on_signal()  how Ctrl-C ends blocked reads
 *   save()            saves the whole file to a path, with progress
 * What not to copy: play/mutexed.c. The reading threads are in play/actors.c, and are the same for both.
 * Every byte read is compared with the file that was sent.
 */

#define _POSIX_C_SOURCE 200809L

#include "spoolbuf.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "play/actors.h"
#include "play/files.h"
#include "play/mutexed.h"
#include "play/options.h"
#include "play/report.h"
#include "play/tune.h"

enum { PIECE_IN_FLIGHT = 256 * 1024 };
#define MIB 1048576.0

struct show {
    struct options options;
    int file;                /* the file that is sent */
    uint64_t size, max, ahead;
    struct server *server;
    struct network *net;     /* of the mutexed side */
    struct mutexed *spool;
    sb_buffer *buffer;
    struct side mutexed, spoolbuf;
    pthread_mutex_t lock;    /* of what follows */
    int signal;              /* that stopped everything, or 0 */
};

static void give_up(const char *what, int error)
{
    screen_close();
    fprintf(stderr, "play: %s: %s\n", what, strerror(error));
    exit(1);
}

static int64_t spoolbuf_read(void *buffer, uint64_t off, size_t len, void *out)
{
    return sb_read(buffer, off, len, out);
}

static void spoolbuf_explain(void *buffer, int64_t error, char *out, size_t size)
{
    sb_stats stats;
    char directory[200] = "";
    sb_stat(buffer, &stats, sizeof stats);
    sb_spool_dir(buffer, directory, sizeof directory);
    int is_of_source = error == SB_ERR_SOURCE && stats.source_error > -4096;
    int is_of_system = error == SB_ERR_IO || error == SB_ERR_DISK_FULL;

    if (is_of_source)
        snprintf(out, size, "%s: %s", sb_strerror(error), strerror((int)-stats.source_error));
    else if (is_of_system && stats.system_error != 0)
        snprintf(out, size, "the file in %s: %s", directory, strerror(stats.system_error));
    else
        snprintf(out, size, "%s", sb_strerror(error));
}

static void make_spoolbuf(struct show *show)
{
    struct network *net = network_open(server_connect(show->server), show->size);
    if (net == NULL)
        give_up("a connection", errno);
    sb_callback callback = {0};
    callback.read = network_read;
    callback.cancel = network_cancel;
    callback.close = network_close;
    callback.opaque = net;  /* owned by the buffer from here on */
    sb_options options;
    sb_options_init(&options, sizeof options);
    options.size = show->size;
    options.max_memory = show->max;
    options.on_short = SB_SHORT_ERROR;
    options.prefetch = show->ahead;
    int status = sb_new_with(&callback, &options, &show->buffer);
    if (status != SB_OK) {
        fprintf(stderr, "play: a buffer: %s\n", sb_strerror(status));
        exit(1);
    }
    show->spoolbuf.name = "spoolbuf";
    show->spoolbuf.buffer = show->buffer;
    show->spoolbuf.read = spoolbuf_read;
    show->spoolbuf.explain = spoolbuf_explain;
}

static void make_mutexed(struct show *show)
{
    show->net = network_open(server_connect(show->server), show->size);
    if (show->net == NULL)
        give_up("a connection", errno);
    show->spool = mutexed_open(show->net, files_temporary());
    if (show->spool == NULL)
        give_up("a buffer", ENOMEM);
    show->mutexed.name = "mutex";
    show->mutexed.buffer = show->spool;
    show->mutexed.read = mutexed_read;
    show->mutexed.explain = mutexed_explain;
}

/* Reads ahead in the mutexed side, as far as spoolbuf does by itself. */
static void *read_ahead(void *opaque)
{
    struct show *show = opaque;

    for (;;) {
        struct progress seen = side_look(&show->mutexed);
        if (seen.is_stopped || seen.is_over)
            return NULL;
        if (mutexed_fetch(show->spool, seen.played + show->ahead) < 0)
            return NULL;  /* the player meets the same error */
        nap(1);  /* otherwise this thread would take the mutex again before any other */
    }
}

static int stopped_by(struct show *show)
{
    pthread_mutex_lock(&show->lock);
    int number = show->signal;
    pthread_mutex_unlock(&show->lock);
    return number;
}

/* The signals that stop the program, and SIGUSR1, which tells the thread below that the program is done. */
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
    struct show *show = opaque;
    sigset_t signals = stop_signals();
    int number;

    if (sigwait(&signals, &number) != 0 || number == SIGUSR1)
        return NULL;
    pthread_mutex_lock(&show->lock);
    show->signal = number;
    pthread_mutex_unlock(&show->lock);
    side_stop(&show->spoolbuf);
    side_stop(&show->mutexed);
    sb_cancel(show->buffer);  /* every blocked read returns */
    network_cancel(show->net);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);  /* a second Ctrl-C kills the program */
    return NULL;
}

static void start(struct side *side, enum actor actor)
{
    int error = side_start(side, actor);
    if (error != 0)
        give_up("a thread", error);
}

/* Runs until spoolbuf's player is done. Prints events as they happen. */
static void watch(struct show *show, struct report *report)
{
    int is_seeking = 0;

    report_begin(report, &show->mutexed, &show->spoolbuf, show->spool, show->buffer);
    for (;;) {
        struct progress ours = side_look(&show->spoolbuf);
        struct progress theirs = side_look(&show->mutexed);
        sb_stats stats;

        report_draw(report);
        if (ours.is_over || ours.failures > 0 || theirs.failures > 0)
            break;
        sb_stat(show->buffer, &stats, sizeof stats);
        if (stats.memory > show->max + PIECE_IN_FLIGHT)
            side_fail(&show->spoolbuf, "memory past its limit", stats.frontier,
                      (int64_t)stats.memory);
        report_silences(report);
        report_seek(report, 0);
        if (!is_seeking && ours.played > show->size / 10 * 7) {
            is_seeking = 1;
            start(&show->mutexed, SEEKER);
            start(&show->spoolbuf, SEEKER);
        }
        nap(screen_is_live() ? 40 : 20);
    }
}

static int save_progress(void *opaque, uint64_t done, uint64_t total)
{
    (void)done;  /* of `total`; your program may show them */
    (void)total;
    return stopped_by(opaque) != 0;
}

static void save(struct show *show)
{
    char path[PATH_MAX];
    const char *out = show->options.out;

    if (out != NULL)
        snprintf(path, sizeof path, "%s", out);
    else
        files_make_target(path, sizeof path);
    sb_error error;
    sb_error_init(&error, sizeof error);
    sb_save_options options;
    sb_save_options_init(&options, sizeof options);
    options.path = path;
    options.progress = save_progress;
    options.opaque = show;
    options.error = &error;
    double begin = now();
    int64_t saved = sb_save_with(show->buffer, &options);
    double took = now() - begin;
    if (saved == SB_ERR_CANCELED && stopped_by(show) != 0) {
        screen_say("Stopped while saving: no file was left behind");
    } else if (saved < 0) {
        char why[512];
        sb_error_text(&error, why, sizeof why);
        side_fail_because(&show->spoolbuf, "saving %s: %s", path, why);
    } else if (saved != (int64_t)show->size || !side_is_same(&show->spoolbuf, path)) {
        side_fail(&show->spoolbuf, "the saved file is not the one that was sent", 0, saved);
    } else {
        screen_say("Saved %lld bytes from spoolbuf in %.0f ms: the same as sent, byte for byte%s",
                   (long long)saved, took * 1e3, out != NULL ? "," : "");
        if (out != NULL)
            screen_say("  in %s", out);
    }
    if (out == NULL)
        files_remove_target(path);
}

static int finish(struct show *show)
{
    struct progress ours = side_look(&show->spoolbuf), theirs = side_look(&show->mutexed);
    int failures = ours.failures + theirs.failures, number = stopped_by(show);

    if (number != 0 && ours.stopped_by == SB_ERR_CANCELED)
        screen_say("The player's read had waited %.0f ms; it returned \"%s\" %.1f ms after the signal",
                   ours.stopped_wait * 1e3, sb_strerror(ours.stopped_by), ours.stopped_at * 1e3);
    if (failures > 0)
        fprintf(stderr, "play: %s\n", ours.failures > 0 ? ours.failure : theirs.failure);
    screen_say("%s: %llu bytes were read and compared, %d failure%s",
               failures > 0 ? "FAILED" : number != 0 ? "Stopped" : "Done",
               (unsigned long long)(ours.compared + theirs.compared), failures,
               failures == 1 ? "" : "s");
    screen_close();
    return failures > 0 ? 1 : number != 0 ? 128 + number : 0;
}

int main(int argc, char **argv)
{
    static struct show show;
    struct options *options = &show.options;
    sigset_t signals = stop_signals();
    pthread_t stopper, reader;
    struct report report;

    signal(SIGPIPE, SIG_IGN);
    *options = options_read(argc, argv);
    if (options->out != NULL)
        files_check_target(options->out);
    show.file = files_open(options->file, &show.size);
    show.max = (uint64_t)(options->max * MIB);
    show.ahead = (uint64_t)(options->ahead * MIB);
    struct line line = {options->rate * MIB, options->silence / 1e3};
    show.server = server_start(show.file, show.size, &line);
    if (show.server == NULL)
        give_up("a server", errno);

    pthread_sigmask(SIG_BLOCK, &signals, NULL);  /* in every thread that is created from here on */
    pthread_mutex_init(&show.lock, NULL);
    make_mutexed(&show);
    make_spoolbuf(&show);
    struct side *sides[] = {&show.mutexed, &show.spoolbuf};
    for (int i = 0; i < 2; i++) {
        sides[i]->server = show.server;
        sides[i]->file = show.file;
        sides[i]->size = show.size;
        sides[i]->pace = options->play * MIB;
        pthread_mutex_init(&sides[i]->lock, NULL);
    }
    screen_open(options->plain);
    report_title(options->file, show.size, &line);
    int error = pthread_create(&stopper, NULL, stop_on_signal, &show);
    if (error == 0)
        error = pthread_create(&reader, NULL, read_ahead, &show);
    if (error == 0)
        error = server_send(show.server);
    if (error != 0)
        give_up("a thread", error);
    for (int i = 0; i < 2; i++) {
        start(sides[i], PLAYER);
        start(sides[i], JUMPER);
    }
    watch(&show, &report);

    /* The other side is stopped wherever it is. */
    side_stop(&show.mutexed);
    network_cancel(show.net);
    pthread_join(reader, NULL);
    side_join(&show.mutexed);
    if (side_look(&show.spoolbuf).failures > 0 || side_look(&show.mutexed).failures > 0) {
        side_stop(&show.spoolbuf);
        sb_cancel(show.buffer);
    }
    side_join(&show.spoolbuf);
    report_end(&report);
    if (stopped_by(&show) == 0 && side_look(&show.spoolbuf).failures == 0)
        save(&show);

    if (stopped_by(&show) == 0)
        pthread_kill(stopper, SIGUSR1);
    pthread_join(stopper, NULL);
    sb_free(show.buffer);
    mutexed_close(show.spool);
    server_stop(show.server);
    return finish(&show);
}
