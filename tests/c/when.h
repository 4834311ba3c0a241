/* Functions that are called when bytes are there, for the programs about sb_when(). */
#ifndef WHEN_H
#define WHEN_H

#include "check.h"

enum { SIZE = 3000000, SEGMENT = 262144 };

static unsigned char bytes[SIZE], whole[SIZE];

/* What a function is called with, and what it does then. */
typedef struct watcher {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls, ended, holds, inside;
    int64_t result;
    pthread_t thread;
    sb_watch *watch;
    void (*act)(struct watcher *);
    sb_buffer *buffer;
    struct watcher *other;
} watcher;

static inline void watcher_init(watcher *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->result = 12345;
}

static inline void on_ready(void *opaque, int64_t buffered)
{
    watcher *self = opaque;
    void (*act)(watcher *);

    pthread_mutex_lock(&self->lock);
    self->calls++;
    self->inside = 1;
    self->result = buffered;
    self->thread = pthread_self();
    act = self->act;
    pthread_cond_broadcast(&self->changed);
    while (self->holds)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
    if (act != NULL)
        act(self);
    pthread_mutex_lock(&self->lock);
    self->ended++;
    self->inside = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static inline int get(watcher *self, const int *member)
{
    int value;
    pthread_mutex_lock(&self->lock);
    value = *member;
    pthread_mutex_unlock(&self->lock);
    return value;
}

static inline void let_go(watcher *self)
{
    pthread_mutex_lock(&self->lock);
    self->holds = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Leaves a watch. It is set before the function can be called. */
static inline void watch(watcher *self, sb_buffer *buffer, uint64_t off)
{
    self->buffer = buffer;
    CHECK_EQ(sb_when(buffer, off, on_ready, self, &self->watch), SB_ERR_TIMEOUT);
    CHECK(self->watch != NULL);
}

/* Checks the result that is there at once. */
static inline void at_once(sb_buffer *buffer, uint64_t off, int64_t result)
{
    watcher self;
    sb_watch *out = (sb_watch *)bytes;
    watcher_init(&self);
    CHECK_EQ(sb_when(buffer, off, on_ready, &self, &out), result);
    CHECK(out == NULL);
    CHECK_EQ(self.calls, 0);
}

static inline int64_t finish(watcher *self)
{
    WAIT_UNTIL(get(self, &self->ended) == 1);
    sb_watch_free(self->watch);
    CHECK_EQ(self->calls, 1);
    return self->result;
}

/* The result, at once or by a call. */
static inline int64_t result_of(sb_buffer *buffer, uint64_t off)
{
    watcher self;
    int64_t now;
    watcher_init(&self);
    now = sb_when(buffer, off, on_ready, &self, &self.watch);
    CHECK((now == SB_ERR_TIMEOUT) == (self.watch != NULL));
    return now == SB_ERR_TIMEOUT ? finish(&self) : now;
}

static inline int64_t push(sb_buffer *buffer, uint64_t off, uint64_t len)
{
    return sb_push(buffer, off, (size_t)len, whole + off, 0);
}

static inline sb_buffer *open_push(uint64_t max_memory, uint64_t ahead)
{
    sb_options options;
    sb_buffer *buffer = NULL;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = max_memory;
    options.ahead = ahead;
    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    return buffer;
}

/* Sets `whole`, from which push() takes. */
static inline void whole_init(void)
{
    uint64_t at;
    for (at = 0; at < SIZE; at++)
        whole[at] = byte_at(at);
}

#endif
