/*
 * sb_reopen(): another source for the same bytes takes the place of one that expired, for every
 * waiting call and at once, even while a thread is stuck in the old one, and never mixes two
 * resources.
 */
#include "check.h"

#define SIZE 200000
#define EXPIRED -403

/* A source that may seek, may deliver another resource, and may do something inside `read`. */
typedef struct tank tank;
struct tank {
    stream stream; /* first: its callbacks get a pointer to it */
    uint64_t other_from, other_until; /* the bytes there are those of another resource */
    void (*inside)(tank *self); /* called in each read, once it is set */
    void (*at_cancel)(tank *self);
    sb_buffer *buffer;
    tank *next;
    int result;
    uint64_t seeks[64];
    int seek_count, seek_fails;
};

static void tank_init(tank *self, uint64_t size, uint64_t chunk)
{
    memset(self, 0, sizeof *self);
    stream_init(&self->stream, size, chunk);
}

static int64_t tank_read(void *opaque, void *out, size_t capacity)
{
    tank *self = opaque;
    unsigned char *bytes = out;
    int64_t result, index;
    uint64_t start;

    if (self->inside != NULL)
        self->inside(self);
    result = stream_read(&self->stream, out, capacity);
    if (result > 0) {
        pthread_mutex_lock(&self->stream.lock);
        start = self->stream.at - (uint64_t)result;
        pthread_mutex_unlock(&self->stream.lock);
        for (index = 0; index < result; index++)
            if (start + (uint64_t)index >= self->other_from
                && start + (uint64_t)index < self->other_until)
                bytes[index] ^= 0x55;
    }
    return result;
}

static int64_t tank_seek(void *opaque, uint64_t offset)
{
    tank *self = opaque;
    pthread_mutex_lock(&self->stream.lock);
    CHECK_EQ(self->stream.closes, 0);
    CHECK(self->seek_count < (int)COUNT_OF(self->seeks));
    self->seeks[self->seek_count++] = offset;
    if (!self->seek_fails) {
        self->stream.at = offset;
        self->stream.ended = 0;
    }
    pthread_mutex_unlock(&self->stream.lock);
    return self->seek_fails ? -5 : 0;
}

static int tank_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    tank *self = opaque;
    int64_t result;
    if (offset != self->stream.at)
        tank_seek(self, offset);
    result = tank_read(self, out, capacity);
    if (result < 0)
        return (int)result;
    *count = (size_t)result;
    return SB_OK;
}

static void tank_cancel(void *opaque)
{
    tank *self = opaque;
    CHECK_EQ(stream_get(&self->stream, &self->stream.closes), 0);
    if (self->at_cancel != NULL)
        self->at_cancel(self);
    stream_cancel(opaque);
}

typedef enum form { FORWARD, SEEKS, PULLS, PULLS_FORWARD } form;

static sb_callback tank_callback(tank *self, form how)
{
    sb_callback callback = { .opaque = self, .cancel = tank_cancel, .close = stream_close };
    if (how == PULLS || how == PULLS_FORWARD) {
        callback.pull = tank_pull;
        callback.flags = how == PULLS ? SB_SOURCE_SEEKS : 0;
    } else {
        callback.read = tank_read;
        callback.seek = how == SEEKS ? tank_seek : NULL;
    }
    return callback;
}

static sb_buffer *tank_open_with(tank *self, form how, uint64_t max, uint64_t size, uint32_t on_short)
{
    sb_callback callback = tank_callback(self, how);
    sb_options options;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = size;
    options.max_memory = max;
    options.read_granularity = 0;
    options.seek_gap = 0;
    options.on_short = on_short;
    CHECK_EQ(sb_new_with(&callback, &options, &self->buffer), SB_OK);
    return self->buffer;
}

static sb_buffer *tank_open(tank *self, form how)
{
    return tank_open_with(self, how, SB_MAX_DEFAULT, SB_SIZE_UNKNOWN, SB_SHORT_END);
}

static int reopen(sb_buffer *buffer, tank *next, form how)
{
    sb_callback callback = tank_callback(next, how);
    return sb_reopen(buffer, &callback, SB_SIZE_UNKNOWN);
}

static int closes(tank *self) { return stream_get(&self->stream, &self->stream.closes); }
static int reads(tank *self) { return stream_get(&self->stream, &self->stream.reads); }
static int cancels(tank *self) { return stream_get(&self->stream, &self->stream.cancels); }

static void read_is(sb_buffer *buffer, uint64_t offset, size_t length, int64_t expected)
{
    unsigned char *bytes = malloc(length);
    CHECK(bytes != NULL);
    CHECK_EQ(sb_read(buffer, offset, length, bytes), expected);
    if (expected > 0)
        CHECK_BYTES(bytes, offset, (uint64_t)expected);
    free(bytes);
}

/* ---- the plain case --------------------------------------------------------------------------- */

/* The source fails in the middle. What is buffered stays, the failure is cleared, and the new source
 * delivers the rest. */
static void expired(form old, form new, uint64_t max)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    buffer = tank_open_with(&first, old, max, SB_SIZE_UNKNOWN, SB_SHORT_END);
    read_is(buffer, 0, SIZE, 100000);
    read_is(buffer, 100000, 1, SB_ERR_SOURCE);
    CHECK_EQ(closes(&first), 0);
    CHECK_EQ(reopen(buffer, &second, new), SB_OK);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(cancels(&first), 0);
    CHECK_EQ(reads(&second), 0);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).seekable, new == SEEKS || new == PULLS);
    read_is(buffer, 0, 100000, 100000);
    CHECK_EQ(reads(&second), 0);
    read_is(buffer, 0, SIZE, SIZE);
    read_is(buffer, SIZE, 1, 0);
    CHECK_EQ(sb_size(buffer), SIZE);
    if (new == SEEKS || new == PULLS) {
        CHECK_EQ(second.seek_count, 1);
        CHECK_EQ(second.seeks[0], 100000 - 4096);
    }
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
}

/* ---- a thread inside the old source ----------------------------------------------------------- */

/* The old source ignores its cancel, and delivers another resource in the end. Every other call goes
 * on with the new source meanwhile, and nothing of the old one's bytes is kept. */
static void stuck(form how, int64_t limit, int has_cancel, uint64_t max)
{
    tank first, second;
    sb_buffer *buffer;
    sb_callback callback;
    call inside, waiting, later;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    first.other_from = 21000;
    first.other_until = NEVER;
    callback = tank_callback(&first, how);
    if (!has_cancel)
        callback.cancel = NULL;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, max);
    CHECK(buffer != NULL);
    call_start_some(&inside, buffer, 21000, 1000, limit, NULL);
    stream_await_stall(&first.stream);
    call_start(&waiting, buffer, 15000, SIZE, NULL);
    WAIT_UNTIL(stats_of(buffer).waits >= (limit < 0 ? 1 : 2));
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK_EQ(cancels(&first), has_cancel);
    CHECK_EQ(closes(&first), 0);
    CHECK_EQ(call_finish(&waiting), SIZE - 15000);
    call_start_some(&later, buffer, 0, SIZE, 60000, NULL);
    CHECK(call_finish(&later) > 0);
    /* Spills what can be spilled, and does not wait for the old source. */
    CHECK_EQ(sb_spill(buffer), SB_OK);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(stream_get(&first.stream, &first.stream.stalled), 1);
    CHECK_EQ(closes(&first), 0);
    stream_release(&first.stream, NEVER);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    read_is(buffer, 0, SIZE, SIZE);
    /* The segment that the old source wrote to can be spilled soon after. */
    WAIT_UNTIL(sb_spill(buffer) == SB_OK && stats_of(buffer).memory == 0);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 1);
}

/* The old source obeys its cancel: the call inside goes on with the new one. */
static void obeys(form how, int64_t limit)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    buffer = tank_open(&first, how);
    call_start_some(&inside, buffer, 21000, 1000, limit, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    CHECK_EQ(cancels(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    free_and_await_close(buffer, &second.stream);
    CHECK_EQ(closes(&first), 1);
}

static void await_the_next(tank *self)
{
    WAIT_UNTIL(reads(self->next) > 0);
}

/* The other calls go on with the new source even while `cancel` of the old one has not returned. */
static void slow_cancel(void)
{
    tank first, second;
    sb_buffer *buffer;
    call inside, waiting;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.at_cancel = await_the_next;
    first.next = &second;
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    call_start(&waiting, buffer, 0, SIZE, NULL);
    WAIT_UNTIL(stats_of(buffer).waits == 1);
    CHECK_EQ(reopen(buffer, &second, FORWARD), SB_OK);
    CHECK_EQ(call_finish(&waiting), SIZE);
    CHECK_EQ(call_finish(&inside), SIZE);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
}

/* What the old source returns at last concerns nobody: neither an error, nor an end. */
static void late_outcome(int64_t code, uint64_t size)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tank_init(&first, size, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    if (code != 0) {
        first.stream.fail_at = 21000;
        first.stream.code = code;
    }
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, FORWARD), SB_OK);
    stream_release(&first.stream, NEVER);
    CHECK_EQ(call_finish(&inside), SIZE);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(stats_of(buffer).source_error, 0);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    sb_free(buffer);
}

typedef struct switching {
    sb_buffer *buffer;
    tank *next;
    int has_close;
    const char *event;
    int result;
    pthread_t thread;
} switching;

static void *switching_run(void *opaque)
{
    switching *self = opaque;
    sb_callback callback = tank_callback(self->next, SEEKS);
    if (!self->has_close)
        callback.close = NULL;
    self->result = sb_reopen(self->buffer, &callback, SB_SIZE_UNKNOWN);
    if (self->event != NULL)
        note(self->event);
    return NULL;
}

static void switching_start(switching *self, sb_buffer *buffer, tank *next, int has_close,
                            const char *event)
{
    self->buffer = buffer;
    self->next = next;
    self->has_close = has_close;
    self->event = event;
    CHECK_EQ(pthread_create(&self->thread, NULL, switching_run, self), 0);
}

static int switching_finish(switching *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    return self->result;
}

/* Without a `close`, sb_reopen() waits until the old source has returned, even after a cancel. The
 * other calls do not wait. */
static void no_close(void)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;
    call inside;
    switching switching;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    callback = tank_callback(&first, FORWARD);
    callback.close = NULL;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    call_start(&inside, buffer, 21000, 1000, NULL);
    stream_await_stall(&first.stream);
    switching_start(&switching, buffer, &second, 1, "reopened");
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(noted("reopened"), 0);
    note("released");
    stream_release(&first.stream, NEVER);
    CHECK_EQ(switching_finish(&switching), SB_OK);
    CHECK_ORDER("released", "reopened");
    /* Whatever `opaque` pointed to may be gone now. */
    CHECK_EQ(first.stream.inside, 0);
    memset(&first, 0xff, sizeof first);
    call_finish(&inside);
    sb_free(buffer);
    CHECK_EQ(closes(&second), 1);
}

/* ---- from inside the source ------------------------------------------------------------------- */

static void reopen_from_inside(tank *self)
{
    self->inside = NULL;
    self->result = reopen(self->buffer, self->next, SEEKS);
}

/* With a `close`, the call returns at once and the running read is discarded. */
static void from_inside(form how, int64_t limit)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.inside = reopen_from_inside;
    first.next = &second;
    first.other_until = NEVER;
    first.result = 1;
    buffer = tank_open(&first, how);
    call_start_some(&inside, buffer, 0, SIZE, limit, NULL);
    CHECK(call_finish(&inside) > 0);
    WAIT_UNTIL(closes(&first) == 1);
    CHECK_EQ(first.result, SB_OK);
    CHECK_EQ(reads(&first), 1);
    CHECK_EQ(cancels(&first), 0);
    read_is(buffer, 0, SIZE, SIZE);
    free_and_await_close(buffer, &second.stream);
}

/* Without a `close`, it would wait for itself: the new source is closed, and nothing changes. */
static void from_inside_without_close(void)
{
    tank first, second;
    sb_callback callback;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.inside = reopen_from_inside;
    first.next = &second;
    callback = tank_callback(&first, FORWARD);
    callback.close = NULL;
    first.buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(first.buffer != NULL);
    read_is(first.buffer, 0, SIZE, SIZE);
    CHECK_EQ(first.result, SB_ERR_REENTRANT);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(reads(&second), 0);
    sb_free(first.buffer);
}

static sb_buffer *logged;
static tank *next_of_log;
static int result_of_log = 1;

static void reopen_from_log(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    if (strstr(message, "memory limit") != NULL)
        result_of_log = reopen(logged, next_of_log, SEEKS);
}

/* Nor does a log function block. */
static void from_log(void)
{
    tank first, second;
    sb_callback callback;
    call inside;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    callback = tank_callback(&first, FORWARD);
    callback.close = NULL;
    logged = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    next_of_log = &second;
    CHECK(logged != NULL);
    call_start(&inside, logged, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(sb_set_log(reopen_from_log, NULL, SB_LOG_INFO), SB_OK);
    CHECK_EQ(sb_set_max_memory(logged, 1), SB_OK);
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    CHECK_EQ(result_of_log, SB_ERR_REENTRANT);
    CHECK_EQ(closes(&second), 1);
    stream_release(&first.stream, NEVER);
    CHECK_EQ(call_finish(&inside), SIZE);
    sb_free(logged);
}

static void reopen_from_cancel(tank *self)
{
    self->at_cancel = NULL;
    self->result = reopen(self->buffer, self->next, SEEKS);
}

/* From `cancel`: the source is closed after both its read and its cancel have returned. */
static void from_cancel(int has_close)
{
    tank first, second;
    sb_callback callback;
    call inside;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.at_cancel = reopen_from_cancel;
    first.next = &second;
    first.result = 1;
    callback = tank_callback(&first, FORWARD);
    if (!has_close)
        callback.close = NULL;
    first.buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(first.buffer != NULL);
    call_start(&inside, first.buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    CHECK_EQ(sb_cancel(first.buffer), SB_OK);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(first.result, has_close ? SB_OK : SB_ERR_REENTRANT);
    CHECK_EQ(cancels(&first), 1);
    CHECK_EQ(closes(&first), has_close);
    CHECK_EQ(closes(&second), !has_close);
    if (!has_close)
        stream_release(&first.stream, NEVER);
    CHECK_EQ(sb_resume(first.buffer), SB_OK);
    read_is(first.buffer, 0, SIZE, SIZE);
    sb_free(first.buffer);
}

/* ---- which source wins ------------------------------------------------------------------------ */

/* The last call wins. A source that was never used is closed at once. */
static void last_wins(void)
{
    tank tanks[4];
    sb_buffer *buffer;
    call inside;
    int index;

    for (index = 0; index < 4; index++)
        tank_init(&tanks[index], SIZE, 7000);
    tanks[0].stream.stall_at = 21000;
    tanks[0].stream.obeys_cancel = 0;
    buffer = tank_open(&tanks[0], SEEKS);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&tanks[0].stream);
    for (index = 1; index < 4; index++) {
        CHECK_EQ(reopen(buffer, &tanks[index], SEEKS), SB_OK);
        CHECK_EQ(closes(&tanks[index - 1]), index > 1);
    }
    CHECK_EQ(cancels(&tanks[0]), 1);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(closes(&tanks[0]), 0);
    stream_release(&tanks[0].stream, NEVER);
    CHECK_EQ(call_finish(&inside), SIZE);
    CHECK_EQ(closes(&tanks[0]), 1);
    CHECK_EQ(reads(&tanks[1]) + reads(&tanks[2]), 0);
    sb_free(buffer);
    CHECK_EQ(closes(&tanks[3]), 1);
}

/* Two calls race, while a thread is stuck in the old source and others read. */
static void two_at_once(int has_close)
{
    int round;
    for (round = 0; round < 50; round++) {
        tank first, second, third;
        sb_buffer *buffer;
        switching left, right;
        call inside, waiting;
        sb_callback callback;

        tank_init(&first, SIZE, 7000);
        tank_init(&second, SIZE, 9000);
        tank_init(&third, SIZE, 8000);
        first.stream.stall_at = 21000;
        first.stream.obeys_cancel = round % 2;
        callback = tank_callback(&first, FORWARD);
        if (!has_close)
            callback.close = NULL;
        buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 30000);
        CHECK(buffer != NULL);
        call_start(&inside, buffer, 0, SIZE, NULL);
        stream_await_stall(&first.stream);
        call_start(&waiting, buffer, 50000, 1000, NULL);
        switching_start(&left, buffer, &second, 1, NULL);
        switching_start(&right, buffer, &third, 1, NULL);
        CHECK_EQ(call_finish(&waiting), 1000);
        stream_release(&first.stream, NEVER);
        CHECK_EQ(switching_finish(&left), SB_OK);
        CHECK_EQ(switching_finish(&right), SB_OK);
        CHECK_EQ(call_finish(&inside), SIZE);
        read_is(buffer, 0, SIZE, SIZE);
        CHECK_EQ(closes(&first), has_close);
        sb_free(buffer);
        WAIT_UNTIL(closes(&second) == 1 && closes(&third) == 1);
    }
}

typedef struct canceling {
    sb_buffer *buffer;
    int stop;
    pthread_mutex_t lock;
    pthread_t thread;
} canceling;

static void *canceling_run(void *opaque)
{
    canceling *self = opaque;
    int stop = 0;
    while (!stop) {
        CHECK_EQ(sb_cancel(self->buffer), SB_OK);
        CHECK_EQ(sb_resume(self->buffer), SB_OK);
        pthread_mutex_lock(&self->lock);
        stop = self->stop;
        pthread_mutex_unlock(&self->lock);
    }
    return NULL;
}

/* No `cancel` comes after its source's `close`, whatever races. */
static void cancel_against_reopen(void)
{
    enum { ROUNDS = 300 };
    static tank tanks[ROUNDS + 1];
    canceling canceling = { .lock = PTHREAD_MUTEX_INITIALIZER };
    sb_buffer *buffer;
    int index;

    for (index = 0; index <= ROUNDS; index++) {
        tank_init(&tanks[index], SIZE, 100);
        tanks[index].stream.stall_at = 1000;
    }
    buffer = tank_open(&tanks[0], FORWARD);
    canceling.buffer = buffer;
    CHECK_EQ(pthread_create(&canceling.thread, NULL, canceling_run, &canceling), 0);
    for (index = 1; index <= ROUNDS; index++) {
        call inside;
        int64_t result;
        call_start(&inside, buffer, 500, 5000, NULL);
        CHECK_EQ(reopen(buffer, &tanks[index], FORWARD), SB_OK);
        result = call_finish(&inside);
        CHECK(result == SB_ERR_CANCELED || result > 0);
    }
    pthread_mutex_lock(&canceling.lock);
    canceling.stop = 1;
    pthread_mutex_unlock(&canceling.lock);
    CHECK_EQ(pthread_join(canceling.thread, NULL), 0);
    sb_free(buffer);
    for (index = 0; index <= ROUNDS; index++)
        CHECK_EQ(closes(&tanks[index]), 1);
}

/* ---- sizes, and calls that do nothing --------------------------------------------------------- */

static void sizes(void)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;

    /* A known end, with a hole before it. */
    tank_init(&first, SIZE, 0);
    buffer = tank_open_with(&first, SEEKS, SB_MAX_DEFAULT, SIZE, SB_SHORT_END);
    read_is(buffer, 0, 1000, 1000);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK(stats_of(buffer).frontier < SIZE);
    tank_init(&second, SIZE, 0);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE + 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(closes(&first), 0);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE - 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);

    /* Below what is buffered. Then a size that becomes the declared one, and one that does not. */
    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, SEEKS);
    read_is(buffer, 0, 1000, 1000);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, 999), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(sb_size(buffer), SIZE);
    tank_init(&first, SIZE, 0);
    callback = tank_callback(&first, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE + 1), SB_OK);
    CHECK_EQ(sb_size(buffer), SIZE);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

static void complete(void)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, FORWARD);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK_EQ(closes(&first), 1);
    callback = tank_callback(&second, SEEKS);
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE), SB_OK);
    CHECK_EQ(closes(&second), 1);
    second.stream.closes = 0;
    CHECK_EQ(sb_reopen(buffer, &callback, SIZE - 1), SB_ERR_SIZE);
    CHECK_EQ(closes(&second), 1);
    CHECK_EQ(reads(&second), 0);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
    CHECK_EQ(closes(&first), 1);
}

/* ---- two resources are not mixed -------------------------------------------------------------- */

static void is_mismatch(sb_buffer *buffer, uint64_t offset)
{
    char text[300];
    unsigned char byte;
    sb_reader *reader = sb_reader_new(buffer);
    sb_error error;

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, (int64_t)offset, SB_SEEK_SET), (int64_t)offset);
    CHECK_EQ(sb_reader_read(reader, 1, &byte), SB_ERR_SOURCE);
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK_EQ(error.source, SB_SOURCE_MISMATCH);
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strstr(text, "another resource") != NULL);
    CHECK_EQ(stats_of(buffer).source_error, SB_SOURCE_MISMATCH);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_FAILED);
    sb_reader_free(reader);
}

/* The new source delivers one other byte where bytes are compared. Nothing of it is kept, until a
 * source of the right resource comes. */
static void mixture(form how, uint64_t other, uint64_t max)
{
    tank first, second, third;
    sb_buffer *buffer;
    int calls;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    tank_init(&third, SIZE, 9000);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    second.other_from = other;
    second.other_until = other + 1;
    buffer = tank_open_with(&first, how, max, SB_SIZE_UNKNOWN, SB_SHORT_END);
    read_is(buffer, 0, SIZE, 100000);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    read_is(buffer, 100000, 1, SB_ERR_SOURCE);
    is_mismatch(buffer, 100000);
    CHECK_EQ(stats_of(buffer).frontier, 100000);
    read_is(buffer, 0, 100000, 100000);
    /* Asking the same source again would prove nothing. */
    calls = reads(&second);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    is_mismatch(buffer, 100000);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    is_mismatch(buffer, 150000);
    CHECK_EQ(reads(&second), calls);
    CHECK_EQ(reopen(buffer, &third, how), SB_OK);
    CHECK_EQ(closes(&second), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* A source that can seek is compared once at each gap: before it or, at the start, behind it. */
static void each_gap_once(form how)
{
    static const uint64_t expected[] = {
        60000 - 4096, /* compared before the gap */
        90000,        /* the middle of that gap */
        70000,        /* the same gap: not compared again */
        71000,
        160000,       /* a short run of bytes: compared whole, and read on from there */
        50000,        /* nothing is held before the gap at the start: compared behind it */
        0,
    };
    tank first, second;
    sb_buffer *buffer;
    int index;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, how);
    read_is(buffer, 50000, 10000, 10000);
    read_is(buffer, 160000, 100, 100);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    read_is(buffer, 90000, 10, 10);
    read_is(buffer, 70000, 10, 10);
    read_is(buffer, 71000, 10, 10);
    read_is(buffer, 160050, 100, 100);
    read_is(buffer, 0, 10, 10);
    CHECK_EQ(second.seek_count, COUNT_OF(expected));
    for (index = 0; index < second.seek_count; index++)
        CHECK_EQ(second.seeks[index], expected[index]);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* The bytes behind a gap at the start differ. */
static void mixture_behind(form how)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    second.other_from = 50000;
    second.other_until = 50001;
    buffer = tank_open(&first, how);
    read_is(buffer, 50000, 10000, 10000);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    is_mismatch(buffer, 0);
    CHECK_EQ(stats_of(buffer).frontier, 0);
    sb_free(buffer);
}

/* A source may find by itself that it delivers another resource. */
static void told_by_the_source(void)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open(&first, PULLS);
    read_is(buffer, 0, 10, 10);
    second.stream.fail_at = 0;
    second.stream.code = SB_SOURCE_MISMATCH;
    CHECK_EQ(reopen(buffer, &second, PULLS), SB_OK);
    is_mismatch(buffer, 10);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    is_mismatch(buffer, 10);
    sb_free(buffer);
}

/* ---- failures, cancels, short ends ------------------------------------------------------------ */

static void keeps_a_cancel(void)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, SIZE, 0);
    first.stream.fail_at = 1000;
    first.stream.code = EXPIRED;
    buffer = tank_open(&first, SEEKS);
    read_is(buffer, 0, SIZE, 1000);
    read_is(buffer, 1000, 1, SB_ERR_SOURCE);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    read_is(buffer, 1000, 1, SB_ERR_CANCELED);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_CANCELED);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

static void short_end(form how)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, 1000, 0);
    tank_init(&second, SIZE, 0);
    buffer = tank_open_with(&first, how, SB_MAX_DEFAULT, SIZE, SB_SHORT_ERROR);
    read_is(buffer, 0, SIZE, 1000);
    read_is(buffer, 1000, 1, SB_ERR_SHORT);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* The new source ends below the bytes that are held: it delivers another resource or, where an end below
 * the declared size is an error, was cut there. */
static void ends_below_held(form how, uint64_t size, uint32_t on_short)
{
    int is_cut = on_short == SB_SHORT_ERROR && size != SB_SIZE_UNKNOWN;
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 0);
    tank_init(&second, 60000, 0);
    first.stream.fail_at = 100000;
    first.stream.code = EXPIRED;
    buffer = tank_open_with(&first, how, SB_MAX_DEFAULT, size, on_short);
    read_is(buffer, 0, SIZE, 100000);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    if (is_cut) {
        read_is(buffer, 100000, 1, SB_ERR_SHORT);
        CHECK_EQ(stats_of(buffer).ended_short, 1);
        CHECK_EQ(sb_size(buffer), SIZE);
        second.stream.size = SIZE;
        second.stream.ended = 0;
        CHECK_EQ(sb_retry(buffer), SB_OK);
    } else {
        is_mismatch(buffer, 100000);
        CHECK_EQ(sb_retry(buffer), SB_OK);
        is_mismatch(buffer, 100000);
        tank_init(&first, SIZE, 0);
        CHECK_EQ(reopen(buffer, &first, how), SB_OK);
    }
    read_is(buffer, 0, SIZE, SIZE);
    sb_free(buffer);
}

/* ---- freed meanwhile -------------------------------------------------------------------------- */

static void *free_run(void *buffer)
{
    sb_free(buffer);
    note("freed");
    return NULL;
}

/* The buffer is freed while a thread is still inside the old source. */
static void freed(int has_close)
{
    tank first, second;
    sb_callback callback;
    sb_buffer *buffer;
    call inside;
    switching switching;
    pthread_t freeing;

    events_count = 0;
    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    callback = tank_callback(&first, FORWARD);
    if (!has_close)
        callback.close = NULL;
    buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK(buffer != NULL);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    switching_start(&switching, buffer, &second, 1, "reopened");
    if (has_close)
        CHECK_EQ(switching_finish(&switching), SB_OK);
    else
        read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(pthread_create(&freeing, NULL, free_run, buffer), 0);
    if (has_close)
        CHECK_EQ(pthread_join(freeing, NULL), 0);
    WAIT_UNTIL(closes(&second) == 1);
    CHECK_EQ(stream_get(&first.stream, &first.stream.stalled), 1);
    CHECK_EQ(closes(&first), 0);
    note("released");
    stream_release(&first.stream, NEVER);
    if (!has_close) {
        CHECK_EQ(switching_finish(&switching), SB_OK);
        CHECK_EQ(pthread_join(freeing, NULL), 0);
        CHECK_ORDER("released", "reopened");
        CHECK_ORDER("released", "freed");
    }
    CHECK(has_close ? call_finish(&inside) == SB_ERR_CANCELED : call_finish(&inside) != 0);
    CHECK_EQ(closes(&first), has_close);
    CHECK_EQ(cancels(&first), 1);
}

static void reopen_then_stall(tank *self)
{
    reopen_from_inside(self);
    stream_release(&self->stream, 0);
}

/* A source that was replaced from inside its own read, and blocks after that, is canceled by the next
 * sb_cancel() or sb_free(), once. */
static void orphan_is_canceled(int cancels_first)
{
    tank first, second;
    sb_buffer *buffer;
    call inside;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.inside = reopen_then_stall;
    first.next = &second;
    buffer = tank_open(&first, FORWARD);
    call_start(&inside, buffer, 0, SIZE, NULL);
    stream_await_stall(&first.stream);
    read_is(buffer, 0, 5000, 5000);
    CHECK_EQ(cancels(&first), 0);
    if (cancels_first)
        CHECK_EQ(sb_cancel(buffer), SB_OK);
    sb_free(buffer);
    CHECK_EQ(call_finish(&inside), SB_ERR_CANCELED);
    CHECK_EQ(cancels(&first), 1);
    CHECK_EQ(closes(&first), 1);
    CHECK_EQ(closes(&second), 1);
}

/* ---- the prefetch ----------------------------------------------------------------------------- */

static pthread_mutex_t hooks_lock = PTHREAD_MUTEX_INITIALIZER;
static int begun, ended;

static void count_up(int *counter)
{
    pthread_mutex_lock(&hooks_lock);
    ++*counter;
    pthread_mutex_unlock(&hooks_lock);
}

static int count_of(const int *counter)
{
    int value;
    pthread_mutex_lock(&hooks_lock);
    value = *counter;
    pthread_mutex_unlock(&hooks_lock);
    return value;
}

static void on_begin(void *opaque) { count_up(opaque == NULL ? &begun : &ended); }
static void on_end(void *opaque) { count_up(opaque == NULL ? &ended : &begun); }

/* The helper is stuck in the old source. Another one goes on with the new source, and the first exits
 * when it returns. */
static void prefetch(form how)
{
    tank first, second;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;

    begun = ended = 0;
    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.stall_at = 21000;
    first.stream.obeys_cancel = 0;
    first.other_from = 21000;
    first.other_until = NEVER;
    callback = tank_callback(&first, how);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.prefetch = SB_PREFETCH_ALL;
    options.thread_begin = on_begin;
    options.thread_end = on_end;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    stream_await_stall(&first.stream);
    CHECK_EQ(reopen(buffer, &second, how), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(count_of(&begun), 2);
    CHECK_EQ(count_of(&ended), 0);
    stream_release(&first.stream, NEVER);
    WAIT_UNTIL(count_of(&ended) == 1);
    CHECK_EQ(closes(&first), 1);
    read_is(buffer, 0, SIZE, SIZE);
    CHECK_EQ(stats_of(buffer).helper, 1);
    sb_free(buffer);
    WAIT_UNTIL(count_of(&ended) == 2);
}

/* A prefetch that an error has stopped continues. */
static void prefetch_after_failure(void)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    first.stream.fail_at = 21000;
    first.stream.code = EXPIRED;
    buffer = tank_open(&first, SEEKS);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_FAILED);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    WAIT_UNTIL(closes(&second) == 1);
    sb_free(buffer);
}

/* The same for one that was paused, since the old source could not seek this time. */
static void prefetch_after_failed_seek(void)
{
    tank first, second;
    sb_buffer *buffer;

    tank_init(&first, SIZE, 7000);
    tank_init(&second, SIZE, 9000);
    buffer = tank_open(&first, SEEKS);
    read_is(buffer, 50000, 1000, 1000);
    first.seek_fails = 1;
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    WAIT_UNTIL(stats_of(buffer).source_error == -5);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_ENDED);
    CHECK_EQ(reopen(buffer, &second, SEEKS), SB_OK);
    WAIT_UNTIL(stats_of(buffer).frontier == SIZE);
    WAIT_UNTIL(closes(&second) == 1);
    CHECK_EQ(closes(&first), 1);
    sb_free(buffer);
}

int main(void)
{
    static const form forms[] = { FORWARD, SEEKS, PULLS, PULLS_FORWARD };
    static const uint64_t limits[] = { SB_MAX_DEFAULT, 0, 50000 };
    static const int64_t waits[] = { NO_SOME, -1, 60000 };
    size_t old, new, index;

    for (old = 0; old < COUNT_OF(forms); old++)
        for (new = 0; new < COUNT_OF(forms); new++)
            for (index = 0; index < COUNT_OF(limits); index++)
                expired(forms[old], forms[new], limits[index]);
    for (old = 0; old < COUNT_OF(forms); old++) {
        for (index = 0; index < COUNT_OF(waits); index++) {
            for (new = 0; new < COUNT_OF(limits); new++) {
                stuck(forms[old], waits[index], 1, limits[new]);
                stuck(forms[old], waits[index], 0, limits[new]);
            }
            obeys(forms[old], waits[index]);
            from_inside(forms[old], waits[index]);
        }
        prefetch(forms[old]);
        short_end(forms[old]);
        ends_below_held(forms[old], SB_SIZE_UNKNOWN, SB_SHORT_END);
        ends_below_held(forms[old], SB_SIZE_UNKNOWN, SB_SHORT_ERROR);
        ends_below_held(forms[old], SIZE, SB_SHORT_END);
        ends_below_held(forms[old], SIZE, SB_SHORT_ERROR);
    }
    slow_cancel();
    late_outcome(-5, SIZE);
    late_outcome(0, 21000);
    no_close();
    from_inside_without_close();
    from_log();
    from_cancel(0);
    from_cancel(1);
    last_wins();
    two_at_once(0);
    two_at_once(1);
    cancel_against_reopen();
    sizes();
    complete();
    for (index = 0; index < COUNT_OF(limits); index++) {
        mixture(FORWARD, 99999, limits[index]);
        mixture(FORWARD, 0, limits[index]);
        mixture(PULLS_FORWARD, 70000, limits[index]);
        mixture(SEEKS, 99999, limits[index]);
        mixture(SEEKS, 100000 - 4096, limits[index]);
        mixture(PULLS, 99000, limits[index]);
    }
    each_gap_once(SEEKS);
    each_gap_once(PULLS);
    mixture_behind(SEEKS);
    mixture_behind(PULLS);
    told_by_the_source();
    keeps_a_cancel();
    freed(1);
    freed(0);
    orphan_is_canceled(0);
    orphan_is_canceled(1);
    prefetch_after_failure();
    prefetch_after_failed_seek();
    return 0;
}
