/*
 * The threads of one side. A player reads in order, at its pace. A jumper reads anywhere in the part that
 * has been played, so its bytes have always arrived already: it should never wait. A seeker reads the end
 * of the file once, before it has arrived.
 */

#define _POSIX_C_SOURCE 200809L

#include "actors.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void nap(int milliseconds)
{
    struct timespec time = {0, milliseconds * 1000000L};
    nanosleep(&time, NULL);
}

struct progress side_look(struct side *side)
{
    pthread_mutex_lock(&side->lock);
    struct progress progress = side->progress;
    pthread_mutex_unlock(&side->lock);
    return progress;
}

void side_stop(struct side *side)
{
    pthread_mutex_lock(&side->lock);
    side->progress.is_stopped = 1;
    side->progress.stopped_at = now();
    pthread_mutex_unlock(&side->lock);
}

void side_fail_because(struct side *side, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&side->lock);
    if (side->progress.failures++ == 0)
        vsnprintf(side->progress.failure, sizeof side->progress.failure, format, arguments);
    pthread_mutex_unlock(&side->lock);
    va_end(arguments);
}

void side_fail(struct side *side, const char *what, uint64_t off, int64_t result)
{
    char reason[300] = "";

    if (result < 0)
        side->explain(side->buffer, result, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "%lld bytes", (long long)result);
    side_fail_because(side, "%s, byte %llu: %s: %s", side->name, (unsigned long long)off, what,
                      reason);
}

int side_is_right(struct side *side, uint64_t off, const void *bytes, int64_t count)
{
    char truth[PIECE];

    if (count < 0 || count > PIECE || pread(side->file, truth, (size_t)count, (off_t)off) != count
        || memcmp(truth, bytes, (size_t)count) != 0) {
        side_fail(side, "not what was sent", off, count);
        return 0;
    }
    pthread_mutex_lock(&side->lock);
    side->progress.compared += (uint64_t)count;
    pthread_mutex_unlock(&side->lock);
    return 1;
}

int side_is_same(struct side *side, const char *path)
{
    char bytes[PIECE];
    ssize_t count = -1;
    uint64_t at = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    while (file >= 0 && (count = read(file, bytes, sizeof bytes)) > 0) {
        if (!side_is_right(side, at, bytes, count))
            break;
        at += (uint64_t)count;
    }
    if (file >= 0)
        close(file);
    return count == 0 && at == side->size;
}

/* A read from `begin` to `end` was part of an episode. */
static void note(struct episode *episode, enum actor actor, int64_t count, double took, int in_time)
{
    if (actor == JUMPER && took > episode->longest)
        episode->longest = took;
    if (actor == JUMPER && in_time)
        episode->jumps++;
    if (actor == PLAYER && in_time && count > 0)
        episode->played += (uint64_t)count;
}

static int64_t timed_read(struct side *side, enum actor actor, uint64_t off, size_t len, void *out)
{
    struct progress *progress = &side->progress;
    struct silence silence;
    double begin = now();

    pthread_mutex_lock(&side->lock);
    progress->waiting_since[actor] = begin;
    pthread_mutex_unlock(&side->lock);
    int64_t count = side->read(side->buffer, off, len, out);
    double end = now();
    pthread_mutex_lock(&side->lock);
    progress->waiting_since[actor] = 0;
    for (int i = 0; i < MOST_EPISODES && server_silence(side->server, i, &silence); i++)
        if (begin < silence.end && end > silence.begin)
            note(&progress->silences[i], actor, count, end - begin, end <= silence.end);
    if (progress->seek_begin > 0 && end > progress->seek_begin
        && (progress->seek_end == 0 || begin < progress->seek_end))
        note(&progress->seek, actor, count, end - begin, progress->seek_end == 0);
    if (count < 0 && progress->is_stopped && progress->stopped_by == 0) {
        progress->stopped_by = count;
        progress->stopped_wait = end - begin;
        progress->stopped_at = end - progress->stopped_at;
    }
    pthread_mutex_unlock(&side->lock);
    return count;
}

static void *play(void *opaque)
{
    struct side *side = opaque;
    char bytes[PIECE];
    double due = now();
    uint64_t at = 0;

    while (at < side->size && !side_look(side).is_stopped) {
        if (side->pace > 0 && now() < due) {
            nap(2);
            continue;
        }
        int64_t count = timed_read(side, PLAYER, at, sizeof bytes, bytes);
        if (count < 0 && side_look(side).is_stopped)
            break;
        if (count <= 0)
            side_fail(side, "the player's read", at, count);
        if (count <= 0 || !side_is_right(side, at, bytes, count))
            break;
        at += (uint64_t)count;
        if (side->pace > 0)  /* a player that was held up goes on at its pace from there */
            due = (due > now() - 0.1 ? due : now()) + (double)count / side->pace;
        pthread_mutex_lock(&side->lock);
        side->progress.played = at;
        pthread_mutex_unlock(&side->lock);
    }
    if (at == side->size) {
        int64_t count = timed_read(side, PLAYER, at, sizeof bytes, bytes);
        if (count != 0 && !(count < 0 && side_look(side).is_stopped))
            side_fail(side, "the read at the end", at, count);
    }
    pthread_mutex_lock(&side->lock);
    side->progress.is_over = 1;
    pthread_mutex_unlock(&side->lock);
    return NULL;
}

static void *jump(void *opaque)
{
    struct side *side = opaque;
    char bytes[PIECE];
    uint64_t chance = 1;

    for (;;) {
        struct progress seen = side_look(side);
        if (seen.is_stopped || seen.failures > 0 || (seen.is_over && seen.jumps >= 32)
            || (seen.is_over && seen.played == 0))
            return NULL;
        nap(10);
        if (seen.played == 0)
            continue;
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = (chance >> 20) % seen.played;
        size_t len = seen.played - at < PIECE ? (size_t)(seen.played - at) : PIECE;
        pthread_mutex_lock(&side->lock);
        side->progress.jumped_to = at;
        pthread_mutex_unlock(&side->lock);
        int64_t count = timed_read(side, JUMPER, at, len, bytes);
        if (count < 0 && side_look(side).is_stopped)
            return NULL;
        if (count != (int64_t)len)
            side_fail(side, "the jumper's read", at, count);
        else if (side_is_right(side, at, bytes, count)) {
            pthread_mutex_lock(&side->lock);
            side->progress.jumps++;
            pthread_mutex_unlock(&side->lock);
        }
    }
}

static void *seek(void *opaque)
{
    struct side *side = opaque;
    char bytes[PIECE];
    size_t len = side->size < PIECE ? (size_t)side->size : PIECE;
    uint64_t at = side->size - len;

    pthread_mutex_lock(&side->lock);
    side->progress.seek_begin = now();
    pthread_mutex_unlock(&side->lock);
    int64_t count = timed_read(side, SEEKER, at, len, bytes);
    pthread_mutex_lock(&side->lock);
    side->progress.seek_end = now();
    pthread_mutex_unlock(&side->lock);
    if (count < 0 && side_look(side).is_stopped)
        return NULL;
    if (count != (int64_t)len)
        side_fail(side, "the read of the end", at, count);
    else
        side_is_right(side, at, bytes, count);
    return NULL;
}

int side_start(struct side *side, enum actor actor)
{
    void *(*bodies[ACTORS])(void *) = {play, jump, seek};
    int error = pthread_create(&side->threads[actor], NULL, bodies[actor], side);
    side->is_running[actor] = error == 0;
    return error;
}

void side_join(struct side *side)
{
    for (int actor = 0; actor < ACTORS; actor++)
        if (side->is_running[actor])
            pthread_join(side->threads[actor], NULL);
}
