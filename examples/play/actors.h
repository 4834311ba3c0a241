/* The readers: the same threads do the same on each side of the comparison. */

#ifndef ACTORS_H
#define ACTORS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

enum { PIECE = 64 * 1024, MOST_EPISODES = 64 };
enum actor { PLAYER, JUMPER, SEEKER, ACTORS };

/* What happened on one side while the network was silent, or while somebody waited for the end. */
struct episode {
    uint64_t played;   /* bytes */
    unsigned jumps;    /* completed by its end */
    double longest;    /* seconds of the longest jump */
};

/* The reports of the threads of one side. */
struct progress {
    uint64_t played, compared;
    uint64_t jumped_to;
    unsigned jumps;
    double waiting_since[ACTORS];  /* 0: not inside a read */
    struct episode silences[MOST_EPISODES];
    struct episode seek;
    double seek_begin, seek_end;   /* 0: not yet */
    int is_over;                   /* the player is done */
    int is_stopped;                /* from outside */
    int64_t stopped_by;            /* the result of the read that the stop ended, or 0 */
    double stopped_wait, stopped_at;
    int failures;
    char failure[400];             /* the first one, in words */
};

/* One side: a buffer, how to read it, and the file to compare its bytes with. */
struct side {
    const char *name;
    void *buffer;
    int64_t (*read)(void *buffer, uint64_t off, size_t len, void *out);
    void (*explain)(void *buffer, int64_t error, char *out, size_t size);
    struct server *server;
    int file;      /* the file that was sent */
    uint64_t size;
    double pace;   /* of the player, bytes a second; 0: none */
    pthread_t threads[ACTORS];
    int is_running[ACTORS];
    pthread_mutex_t lock;
    struct progress progress;
};

/* Starts a thread of a side. Returns 0 or an errno. */
int side_start(struct side *side, enum actor actor);
/* Waits for the threads that were started. */
void side_join(struct side *side);
/* Makes them end at their next read. The caller also has to end the blocked read. */
void side_stop(struct side *side);
struct progress side_look(struct side *side);
/* Records a failure: `what`, and the result of the call at `off`. */
void side_fail(struct side *side, const char *what, uint64_t off, int64_t result);
/* The same, in words. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void side_fail_because(struct side *side, const char *format, ...);
/* Compares the bytes read at `off` with the file that was sent; records a failure. */
int side_is_right(struct side *side, uint64_t off, const void *bytes, int64_t count);
/* Compares a file with the one that was sent. */
int side_is_same(struct side *side, const char *path);
void nap(int milliseconds);

#endif
