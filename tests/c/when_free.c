/*
 * Readiness: a watch can be freed at any time, and so can its buffer; a cancel ends a watch.
 */
#include "when.h"

/* A cancel and a free end what waits, even while the source is stuck; `ready` is called by them. */
static void cancellation(int frees)
{
    stream source;
    sb_buffer *buffer;
    watcher self, wanted;

    stream_init(&source, SIZE, 1000);
    source.stall_at = 5000;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watch(&self, buffer, 9000);
    stream_await_stall(&source);
    if (frees) {
        sb_free(buffer);
    } else {
        CHECK_EQ(sb_cancel(buffer), SB_OK);
        at_once(buffer, 9000, SB_ERR_CANCELED);
        at_once(buffer, 0, 5000);
    }
    CHECK_EQ(self.calls, 1);
    CHECK(pthread_equal(self.thread, pthread_self()));
    /* The buffer may be freed before. */
    CHECK_EQ(finish(&self), SB_ERR_CANCELED);
    stream_release(&source, NEVER);
    if (frees) {
        WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    } else {
        CHECK_EQ(sb_resume(buffer), SB_OK);
        watcher_init(&self);
        watch(&self, buffer, 9000);
        CHECK(finish(&self) > 0);
        free_and_await_close(buffer, &source);
    }

    buffer = open_push(SB_MAX_DEFAULT, 10);
    CHECK_EQ(push(buffer, 0, 20), 10);
    watcher_init(&self);
    watcher_init(&wanted);
    watch(&wanted, buffer, SB_WHEN_WANTED);
    if (frees) {
        sb_free(buffer);
    } else {
        watch(&self, buffer, 10);
        /* That was a wish. */
        CHECK(finish(&wanted) > 0);
        CHECK_EQ(sb_cancel(buffer), SB_OK);
        CHECK_EQ(finish(&self), SB_ERR_CANCELED);
        at_once(buffer, SB_WHEN_WANTED, SB_ERR_CANCELED);
        sb_free(buffer);
        return;
    }
    CHECK_EQ(finish(&wanted), SB_ERR_CANCELED);
}

static void *cancel_run(void *opaque)
{
    CHECK_EQ(sb_cancel(opaque), SB_OK);
    return NULL;
}

static void *free_run(void *opaque)
{
    watcher *self = opaque;
    sb_watch_free(self->watch);
    note("freed");
    return NULL;
}

/* A free waits for the function that is running, and one that came first prevents the call. */
static void watch_free(void)
{
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    watcher held, never;
    pthread_t canceler, freer;
    call reader;

    watcher_init(&never);
    watch(&never, buffer, 0);
    sb_watch_free(never.watch);
    sb_watch_free(never.watch);
    watcher_init(&held);
    held.holds = 1;
    watch(&held, buffer, 1000);
    /* A thread that cancels is inside the function. */
    call_start(&reader, buffer, 0, 10, NULL);
    CHECK_EQ(pthread_create(&canceler, NULL, cancel_run, buffer), 0);
    WAIT_UNTIL(get(&held, &held.inside));
    CHECK(call_finish(&reader) == SB_ERR_CANCELED);
    CHECK_EQ(pthread_create(&freer, NULL, free_run, &held), 0);
    pause_ms(30);
    CHECK_EQ(noted("freed"), 0);
    note("let go");
    let_go(&held);
    CHECK_EQ(pthread_join(freer, NULL), 0);
    CHECK_ORDER("let go", "freed");
    CHECK_EQ(held.ended, 1);
    CHECK_EQ(pthread_join(canceler, NULL), 0);
    CHECK_EQ(held.calls, 1);
    CHECK_EQ(never.calls, 0);
    sb_watch_free(held.watch);
    sb_free(buffer);
    sb_watch_free(held.watch);
}

static void frees_itself(watcher *self)
{
    sb_watch_free(self->watch);
    sb_watch_free(self->watch);
}

static void frees_other(watcher *self)
{
    sb_watch_free(self->other->watch);
}

static void frees_buffer(watcher *self)
{
    sb_watch *none;

    sb_free(self->buffer);
    /* Not into its own, which watch() may still be looking at. */
    CHECK_EQ(sb_when(self->buffer, 0, on_ready, self, &none), SB_ERR_INVALID);
    CHECK(none == NULL);
}

static int64_t free_in_ready(void (*act)(watcher *))
{
    sb_buffer *buffer = open_push(UINT64_MAX, 0);
    watcher self, other;

    watcher_init(&self);
    watcher_init(&other);
    self.act = act;
    self.other = &other;
    watch(&self, buffer, 0);
    watch(&other, buffer, 1);
    CHECK_EQ(push(buffer, 0, 10), 10);
    WAIT_UNTIL(get(&self, &self.ended) == 1);
    sb_watch_free(self.watch);
    sb_watch_free(other.watch);
    sb_free(buffer);
    CHECK_EQ(self.calls, 1);
    return other.calls == 1 ? other.result : -1000 - other.calls;
}

/* From inside any function, a watch can be freed: its own, and another one, which then is not called if
 * it was not running. So can the buffer. */
static void free_inside(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self;

    CHECK_EQ(free_in_ready(frees_itself), 9);
    CHECK_EQ(free_in_ready(frees_other), -1000);
    CHECK_EQ(free_in_ready(frees_buffer), 9);
    /* On the helper thread, which ends the buffer then. */
    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    self.act = frees_buffer;
    watch(&self, buffer, 5000);
    WAIT_UNTIL(get(&self, &self.ended) == 1);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    CHECK(self.result > 0);
    WAIT_UNTIL(threads() == 1);
}

static void waits_for_other(watcher *self)
{
    /* Whoever frees the buffer does not wait for this function. */
    pthread_mutex_lock(&self->other->lock);
    while (!self->other->ended)
        pthread_cond_wait(&self->other->changed, &self->other->lock);
    pthread_mutex_unlock(&self->other->lock);
    CHECK_EQ(sb_read(self->buffer, 0, 1, bytes), SB_ERR_INVALID);
}

/* sb_free() waits for no function that the helper thread is inside. */
static void free_beside_ready(void)
{
    stream source;
    sb_buffer *buffer;
    watcher self, signal;

    stream_init(&source, SIZE, 1000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    watcher_init(&self);
    watcher_init(&signal);
    self.act = waits_for_other;
    self.other = &signal;
    watch(&self, buffer, 5000);
    WAIT_UNTIL(get(&self, &self.inside));
    sb_free(buffer);
    pthread_mutex_lock(&signal.lock);
    signal.ended = 1;
    pthread_cond_broadcast(&signal.changed);
    pthread_mutex_unlock(&signal.lock);
    CHECK(finish(&self) > 0);
    WAIT_UNTIL(stream_get(&source, &source.closes) == 1);
    WAIT_UNTIL(threads() == 1);
}

typedef struct racer {
    sb_buffer *buffer;
    unsigned turns;
    pthread_t thread;
} racer;

static void *racer_run(void *opaque)
{
    racer *self = opaque;
    uint64_t seed = self->turns;
    unsigned turn;

    for (turn = 0; turn < 3000; turn++) {
        watcher watched;
        uint64_t off = random_next(&seed) % (SIZE + 1000);
        int64_t result;
        watcher_init(&watched);
        result = sb_when(self->buffer, off, on_ready, &watched, &watched.watch);
        if (result == SB_ERR_TIMEOUT && turn % 2)
            WAIT_UNTIL(get(&watched, &watched.ended) == 1);
        sb_watch_free(watched.watch);
        CHECK(watched.calls == watched.ended && watched.calls <= 1);
        if (watched.calls == 1)
            result = watched.result;
        if (off >= SIZE)
            CHECK(result == 0 || result == SB_ERR_TIMEOUT);
        else
            CHECK(result > 0 || result == SB_ERR_TIMEOUT);
        pthread_mutex_destroy(&watched.lock);
    }
    return NULL;
}

/* Arrival and free at the same time: each function is called at most once, and never after. */
static void storm(int pushed)
{
    stream source;
    sb_buffer *buffer;
    racer racers[4];
    unsigned place;
    uint64_t at;

    stream_init(&source, SIZE, 3000);
    buffer = pushed ? open_push(200000, 0) : stream_open(&source, SIZE, 200000);
    for (place = 0; place < 4; place++) {
        racers[place].buffer = buffer;
        racers[place].turns = place + 1;
        CHECK_EQ(pthread_create(&racers[place].thread, NULL, racer_run, &racers[place]), 0);
    }
    for (at = 0; pushed && at < SIZE; at += 3000)
        CHECK_EQ(sb_push(buffer, at, 3000, whole + at, -1), 3000);
    if (pushed)
        CHECK_EQ(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0), SB_OK);
    for (place = 0; place < 4; place++)
        CHECK_EQ(pthread_join(racers[place].thread, NULL), 0);
    sb_free(buffer);
}

int main(void)
{
    whole_init();
    cancellation(0);
    cancellation(1);
    watch_free();
    free_inside();
    free_beside_ready();
    storm(0);
    storm(1);
    return 0;
}
