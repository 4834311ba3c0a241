/*
 * What players of every library are put through. One program for each: PLAYER_FILE, of the folder
 * `several`, is the player. It has
 *
 *     struct player    what one of them is, beginning with PLAYER
 *     player_open      ready to play `buffer`, or, where that is NULL, the file by the library itself
 *     player_play      plays to the end, on a thread of its own: sets `sum` and `says`
 *     player_stop      from any thread; returns at once
 *     player_status    what the adapter says of the last play
 *     player_resume    after a stop or an error, so that it can be played again from the start; the
 *                      status is SB_OK then, or with KEEPS_STATUS once it plays
 *     player_close
 *     player_asks      asks the adapter what is seldom asked, of ODD bytes of unknown size
 *
 * and FAILED_SAYS, what the library itself says of a source that fails in mid-file; whether it
 * GOES_ON from where it was after that, and whether it plays but ONE_AT_A_TIME. With STOPS_ONLY_PLAY, a
 * stop before a play does not affect it. One that BEGINS before everything has come calls begin() for its
 * first sound, and is played with wrong sizes as well. What is heard of a pipe is not always what is heard
 * of a file: with PIPED the direct player has that to do.
 * With LOOKS_AHEAD, player_looks_ahead() looks at LOOK, or asks for the size: whether that is found. A resume
 * RESUMES_A_READER, unless that is 0.
 * With GOES_BACK, player_goes_back() plays a while, seeks back to the start, and compares. GOES_BACK is
 * what the source does meanwhile: STANDS_STILL where the player goes no further than it is told.
 *
 * Nothing here goes by a clock but the watchdog: what has to come first is waited for.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spoolbuf.h"

#define PLAYER                                                                                     \
    sb_buffer *buffer;                                                                             \
    const char *file; /* the media */                                                         \
    char output[256]; /* where the sound is written, by a library that writes it */                \
    uint32_t sum;     /* the sum of the sound */                                                           \
    const char *says; /* the library's own result */                                \
    int goes_on;      /* the number of errors after which it continues */                 \
    int begun;        /* the first sound was heard */                                             \
    int piped;        /* the file is to be played as a pipe is */                                 \
    pthread_t thread

typedef struct player player;

/* Adler-32; begins with 1. */
static uint32_t sum_of(uint32_t sum, const void *bytes, size_t count)
{
    uint32_t low = sum & 0xffff, high = sum >> 16;
    size_t at;

    for (at = 0; at < count; at++) {
        low = (low + ((const unsigned char *)bytes)[at]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

/* A whole file, which the caller frees. */
static unsigned char *file_read(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    unsigned char *bytes;
    long end;

    assert(file != NULL && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0);
    bytes = (unsigned char *)malloc((size_t)end);
    rewind(file);
    *size = (size_t)end;
    assert(bytes != NULL && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

static inline uint32_t sum_of_file(const char *name)
{
    size_t size;
    unsigned char *bytes = file_read(name, &size);
    uint32_t sum = sum_of(1, bytes, size);

    free(bytes);
    return sum;
}

/* A resource of that many bytes, each a function of its offset, to test the adapters' functions
 * themselves. */
enum { ODD = 1000 };

static inline unsigned char odd_byte(size_t offset)
{
    return (unsigned char)((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* Where players look for what is at the end. */
enum { LOOK = 1 << 20 };

/* Called by a player for its first sound, and for others if it likes. */
static inline void begin(int *begun)
{
    __atomic_store_n(begun, 1, __ATOMIC_SEQ_CST);
}

#include "resume_hook.h"
#include PLAYER_FILE

#ifndef KEEPS_STATUS
#define KEEPS_STATUS 0
#endif
#ifndef STOPS_ONLY_PLAY
#define STOPS_ONLY_PLAY 0
#endif
#ifndef RESUMES_A_READER
#define RESUMES_A_READER 1
#endif

/* A forward-only source that stalls at `gate` until it is opened, fails once, and ends once before its
 * end. */
typedef struct source {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned char *bytes;
    size_t size, position, gate, fails_at, ends_at;
    int stalled, canceled, cancels;
    int fails_at_cancel; /* instead of obeying it */
} source;

static int64_t source_read(void *opaque, void *out, size_t capacity)
{
    source *self = (source *)opaque;
    size_t count = self->size - self->position;
    int canceled;

    if (self->fails_at == self->position) {
        self->fails_at = SIZE_MAX;
        return -5;
    }
    if (self->ends_at == self->position) {
        self->ends_at = SIZE_MAX;
        return 0;
    }
    pthread_mutex_lock(&self->lock);
    self->stalled = self->position == self->gate;
    pthread_cond_broadcast(&self->changed);
    while (self->position == self->gate && !self->canceled)
        pthread_cond_wait(&self->changed, &self->lock);
    if (count > self->gate - self->position && self->position < self->gate)
        count = self->gate - self->position;
    canceled = self->canceled;
    self->stalled = 0;
    pthread_mutex_unlock(&self->lock);
    if (canceled)
        return self->fails_at_cancel ? -5 : SB_SOURCE_CANCELED;
    if (count > self->fails_at - self->position)
        count = self->fails_at - self->position;
    if (count > self->ends_at - self->position)
        count = self->ends_at - self->position;
    if (count > capacity)
        count = capacity;
    if (count > 10007)
        count = 10007;
    memcpy(out, self->bytes + self->position, count);
    self->position += count;
    return (int64_t)count;
}

static int64_t source_seek(void *opaque, uint64_t offset)
{
    source *self = (source *)opaque;

    self->position = offset < self->size ? (size_t)offset : self->size;
    return 0;
}

static void source_cancel(void *opaque)
{
    source *self = (source *)opaque;

    pthread_mutex_lock(&self->lock);
    self->canceled = 1;
    self->cancels++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void source_open_gate(source *self)
{
    pthread_mutex_lock(&self->lock);
    self->gate = SIZE_MAX;
    self->canceled = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void source_wait_for_stall(source *self)
{
    pthread_mutex_lock(&self->lock);
    while (!self->stalled)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static uint64_t waits_of(sb_buffer *buffer)
{
    sb_stats stats;

    assert(sb_stat(buffer, &stats, sizeof stats) == SB_OK);
    return stats.waits;
}

/* Waits until one more call sleeps for missing bytes. */
static void wait_for_a_waiter(sb_buffer *buffer, uint64_t waits)
{
    while (waits_of(buffer) <= waits)
        usleep(1000);
}

/* Whether it is stalled and was not canceled. */
static int source_stands(source *self)
{
    int stands;

    pthread_mutex_lock(&self->lock);
    stands = self->stalled && self->cancels == 0;
    pthread_mutex_unlock(&self->lock);
    return stands;
}

/* The buffer of a test keeps little in memory, so that most bytes go through the spool file. */
typedef struct stage {
    source source;
    sb_buffer *buffer;
    player players[3];
    const char *name;
} stage;

static int64_t odd_read(void *position, void *out, size_t capacity)
{
    size_t done = 0;

    /* At most 100 at once, so that a short read is not the end. */
    for (; done < capacity && done < 100 && *(size_t *)position < ODD; done++)
        ((unsigned char *)out)[done] = odd_byte((*(size_t *)position)++);
    return (int64_t)done;
}

static const char *played, *written;
static uint32_t expected, expected_of_pipe;
/* What stage_set() declares, if it is not -1, and whether the source can seek. */
static int64_t declared = -1;
static int seeks;

/* Faults of the source in the middle, at the start, or at the last byte. */
enum fate { GOES_THROUGH, STANDS_STILL, FAILS, FAILS_FIRST, FAILS_LAST, ENDS_SHORT, FAILS_SHORT };

static void stage_set(stage *self, const char *name, int prefetch, enum fate fate)
{
    sb_callback callback = { .read = source_read, .cancel = source_cancel };
    sb_options options;
    size_t at;

    fprintf(stderr, "%s%s\n", name, prefetch ? ", with a prefetch" : "");
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->source.lock, NULL);
    pthread_cond_init(&self->source.changed, NULL);
    self->source.bytes = file_read(played, &self->source.size);
    self->source.gate = fate == STANDS_STILL ? self->source.size / 2 : SIZE_MAX;
    self->source.fails_at = fate == FAILS   ? self->source.size / 2
        : fate == FAILS_FIRST               ? 0
        : fate == FAILS_LAST                ? self->source.size - 1
                                            : SIZE_MAX;
    self->source.ends_at = fate >= ENDS_SHORT ? self->source.size / 2 : SIZE_MAX;
    callback.opaque = &self->source;
    sb_options_init(&options, sizeof options);
    options.size = declared < 0 ? self->source.size : (uint64_t)declared;
    callback.seek = seeks ? source_seek : NULL;
    options.max_memory = 65536;
    options.prefetch = prefetch ? SB_PREFETCH_ALL : 0;
    options.on_short = fate == FAILS_SHORT ? SB_SHORT_ERROR : SB_SHORT_END;
    assert(sb_new_with(&callback, &options, &self->buffer) == SB_OK);
    for (at = 0; at < 3; at++) {
        self->players[at].buffer = self->buffer;
        self->players[at].file = played;
        snprintf(self->players[at].output, sizeof self->players[at].output, "%s.%d", written, (int)at);
        player_open(&self->players[at]);
    }
}

static void *play(void *opaque)
{
    player *self = (player *)opaque;

    self->sum = 0;
    self->says = "nothing";
    remove(self->output);
    player_play(self);
    return NULL;
}

static void start(player *self)
{
    assert(pthread_create(&self->thread, NULL, play, self) == 0);
}

static void finish(player *self)
{
    assert(pthread_join(self->thread, NULL) == 0);
}

static int still_plays(player *self)
{
    return pthread_tryjoin_np(self->thread, NULL) == EBUSY;
}

static void expect(const player *self, const char *says, int status)
{
    int patience = 300000;

    /* A library may report its end before its read, on another thread, has returned. */
    while (status != SB_OK && player_status((player *)self) == SB_OK && patience-- > 0)
        usleep(1000);
    if (strcmp(self->says, says) != 0 || player_status((player *)self) != status) {
        fprintf(stderr, "the library says \"%s\" for \"%s\", the adapter \"%s\" for \"%s\"\n",
                self->says, says, sb_strerror(player_status((player *)self)), sb_strerror(status));
        abort();
    }
}

static void expect_all(const player *self)
{
    expect(self, "end", SB_OK);
    if (self->sum != expected && self->sum != expected_of_pipe) {
        fprintf(stderr, "the sum is %08x for %08x\n", self->sum, expected);
        abort();
    }
}

/* After it everything is as after opening. */
static void resume(player *self)
{
    player_resume(self);
    assert(KEEPS_STATUS || player_status(self) == SB_OK);
}

static void play_all(player *self)
{
    start(self);
    finish(self);
    expect_all(self);
}

static void stage_strike(stage *self)
{
    size_t at;

    for (at = 0; at < 3; at++) {
        player_close(&self->players[at]);
        remove(self->players[at].output);
    }
    sb_free(self->buffer);
    free(self->source.bytes);
}

/* One player plays to the end. */
static void alone(int prefetch)
{
    stage stage;

    stage_set(&stage, "one alone", prefetch, GOES_THROUGH);
    play_all(&stage.players[0]);
    stage_strike(&stage);
}

/* Three players at once. The source stalls in the middle. One player is canceled and returns meanwhile;
 * the others continue when the source does. Then the canceled one plays. */
static void together(void)
{
    stage stage;
    size_t at;

    stage_set(&stage, "three at once", 1, STANDS_STILL);
    for (at = 0; at < 3; at++)
        start(&stage.players[at]);
    source_wait_for_stall(&stage.source);
    /* Each player sleeps once it has played the received bytes. A slower one is canceled before its
     * stall, which works as well. */
    while (waits_of(stage.buffer) < 3)
        usleep(1000);
    usleep(300000);
    player_stop(&stage.players[1]);
    finish(&stage.players[1]);
    expect(&stage.players[1], "stop", SB_ERR_CANCELED);
    assert(source_stands(&stage.source));
    assert(still_plays(&stage.players[0]) && still_plays(&stage.players[2]));
    source_open_gate(&stage.source);
    finish(&stage.players[0]);
    finish(&stage.players[2]);
    expect_all(&stage.players[0]);
    expect_all(&stage.players[2]);
    resume(&stage.players[1]);
    play_all(&stage.players[1]);
    stage_strike(&stage);
}

/* Without a prefetch: one player's thread is inside the stalled source. Another one, which waits for
 * the same bytes, is canceled and returns; the first one and the source do not notice. */
static void stop_beside_the_source(void)
{
    stage stage;
    uint64_t waits;

    stage_set(&stage, "a stop beside the source", 0, STANDS_STILL);
    start(&stage.players[0]);
    source_wait_for_stall(&stage.source);
    waits = waits_of(stage.buffer);
    start(&stage.players[1]);
    wait_for_a_waiter(stage.buffer, waits);
    player_stop(&stage.players[1]);
    finish(&stage.players[1]);
    expect(&stage.players[1], "stop", SB_ERR_CANCELED);
    assert(source_stands(&stage.source));
    source_open_gate(&stage.source);
    finish(&stage.players[0]);
    expect_all(&stage.players[0]);
    stage_strike(&stage);
}

/* Without a prefetch: the player inside the source is canceled. sb_cancel() makes it return. */
static void stop_inside_the_source(void)
{
    stage stage;

    stage_set(&stage, "a stop inside the source", 0, STANDS_STILL);
    start(&stage.players[0]);
    source_wait_for_stall(&stage.source);
    player_stop(&stage.players[0]);
    assert(source_stands(&stage.source));
    assert(sb_cancel(stage.buffer) == SB_OK);
    finish(&stage.players[0]);
    expect(&stage.players[0], "stop", SB_ERR_CANCELED);
    assert(stage.source.cancels > 0);
    source_open_gate(&stage.source);
    sb_resume(stage.buffer);
    play_all(&stage.players[1]);
    resume(&stage.players[0]);
    play_all(&stage.players[0]);
    stage_strike(&stage);
}

/* Every byte is buffered, and nothing would ever block. A stop ends the play all the same: of the player
 * that was stopped, and of no other. */
static void stop_in_a_whole(void)
{
    stage stage;

    stage_set(&stage, "a stop although every byte is buffered", 0, GOES_THROUGH);
    assert(sb_find_size(stage.buffer, -1) == (int64_t)stage.source.size);
    player_stop(&stage.players[0]);
    start(&stage.players[0]);
    finish(&stage.players[0]);
    /* The library may say what it makes of a file of which it gets no byte. */
    assert(player_status(&stage.players[0]) == SB_ERR_CANCELED && strcmp(stage.players[0].says, "end") != 0);
    play_all(&stage.players[1]);
    resume(&stage.players[0]);
    play_all(&stage.players[0]);
    stage_strike(&stage);
}

/* The source fails in the middle. That is not the end; if the library knows nothing else, the adapter
 * tells it apart. After sb_resume() everything plays, and no byte is requested twice. */
static void failing(int prefetch)
{
    stage stage;
    sb_stats stats;

    stage_set(&stage, "a source that fails", prefetch, FAILS);
    start(&stage.players[0]);
    finish(&stage.players[0]);
    expect(&stage.players[0], FAILED_SAYS, SB_ERR_SOURCE);
    sb_stat(stage.buffer, &stats, sizeof stats);
    assert(stats.source_error == -5 && stats.frontier == stage.source.size / 2);
    sb_resume(stage.buffer);
    resume(&stage.players[0]);
    play_all(&stage.players[0]);
    stage_strike(&stage);
}

/* It fails at its first call, or at its last byte. Whatever the library makes of that, nobody can
 * believe to have played everything. */
static void failing_at_an_end(enum fate fate, int prefetch)
{
    stage stage;
    player *self = &stage.players[0];

    stage_set(&stage, fate == FAILS_FIRST ? "a first call that fails" : "a last byte that fails", prefetch,
              fate);
    start(self);
    finish(self);
    if (player_status(self) == SB_OK) /* It does not need the last byte. */
        assert(fate == FAILS_LAST && strcmp(self->says, "end") == 0 && self->sum == expected);
    else
        assert(player_status(self) == SB_ERR_SOURCE);
    sb_retry(stage.buffer);
    resume(self);
    play_all(self);
    stage_strike(&stage);
}

/* The source fails while it is canceled, instead of obeying: the call is canceled all the same, and the
 * resume clears both. */
static void failing_in_a_stop(void)
{
    stage stage;
    sb_stats stats;

    stage_set(&stage, "a source that fails in a stop", 0, STANDS_STILL);
    stage.source.fails_at_cancel = 1;
    start(&stage.players[0]);
    source_wait_for_stall(&stage.source);
    player_stop(&stage.players[0]);
    assert(sb_cancel(stage.buffer) == SB_OK);
    finish(&stage.players[0]);
    expect(&stage.players[0], "stop", SB_ERR_CANCELED);
    /* The helper may return from the source later than the player, and its error is one after a resume. */
    do {
        usleep(1000);
        sb_stat(stage.buffer, &stats, sizeof stats);
    } while (stats.source_error != -5);
    source_open_gate(&stage.source);
    sb_resume(stage.buffer);
    resume(&stage.players[0]);
    play_all(&stage.players[0]);
    stage_strike(&stage);
}

/* The source ends below the declared size, as a cut connection does. The adapter reports that, whatever
 * the library reports; if it is an error, a retry continues. */
static void ending_short(int error)
{
    stage stage;
    player *self = &stage.players[0];

    stage_set(&stage, error ? "a short end that is an error" : "a short end", 0,
              error ? FAILS_SHORT : ENDS_SHORT);
    start(self);
    finish(self);
    if (player_status(self) != SB_ERR_SHORT) {
        fprintf(stderr, "the adapter says \"%s\"\n", sb_strerror(player_status(self)));
        abort();
    }
    if (error) {
        sb_retry(stage.buffer);
        resume(self);
        play_all(self);
    }
    stage_strike(&stage);
}

/* As before, and the library continues where it was: no byte is missing, and none comes twice. */
static void going_on(void)
{
    stage stage;

    stage_set(&stage, "going on after an error", 1, FAILS);
    stage.players[0].goes_on = 1;
    play_all(&stage.players[0]);
    assert(stage.players[0].goes_on == 0);
    stage_strike(&stage);
}

#ifdef BEGINS
/* Three quarters of a resource that cannot seek have come, and then nothing: the sound begins. */
static void beginning(int64_t size)
{
    stage stage;
    player *self = &stage.players[0];

    declared = size;
    stage_set(&stage, size < 0 ? "the beginning" : "the beginning, with a wrong size", 0, STANDS_STILL);
    stage.source.gate = stage.source.size / 4 * 3;
    start(self);
    source_wait_for_stall(&stage.source);
    while (!__atomic_load_n(&self->begun, __ATOMIC_SEQ_CST))
        usleep(1000);
    source_open_gate(&stage.source);
    finish(self);
    if (size < 0)
        expect_all(self);
    stage_strike(&stage);
    declared = -1;
}

/* A size that is not true changes nothing that is heard, or the status tells. */
static void wrong_size(int64_t size)
{
    stage stage;
    player *self = &stage.players[0];

    declared = size;
    stage_set(&stage, "a wrong size", 0, GOES_THROUGH);
    fprintf(stderr, "%lld instead of %lld, seeks: %d\n", (long long)size, (long long)stage.source.size, seeks);
    start(self);
    finish(self);
    if (player_status(self) == SB_OK)
        expect_all(self);
    else
        assert(player_status(self) == SB_ERR_SHORT && size > (int64_t)stage.source.size);
    assert(self->sum == expected || self->sum == expected_of_pipe);
    stage_strike(&stage);
    declared = -1;
}

static void wrong_sizes(void)
{
    size_t size;

    free(file_read(played, &size));
    for (seeks = 0; seeks < 2; seeks++) {
        wrong_size((int64_t)size - 1);
        wrong_size((int64_t)size + 1);
        wrong_size((int64_t)size / 2);
        wrong_size((int64_t)size * 2);
        wrong_size(0);
        wrong_size(INT64_C(1) << 40);
    }
    seeks = 0;
    if (BEGINS) {
        beginning(-1);
        beginning(INT64_C(1) << 40);
    }
}
#endif

#ifdef GOES_BACK
/* During play, a player goes back to what is buffered, and hears the same; nothing is fetched for that. */
static void going_back(void)
{
    stage stage;
    sb_stats stats;

    stage_set(&stage, "going back", 0, GOES_BACK);
    player_goes_back(&stage.players[0]);
    sb_stat(stage.buffer, &stats, sizeof stats);
    assert(GOES_BACK != STANDS_STILL || stats.frontier < stage.source.size);
    assert(player_status(&stage.players[0]) == SB_OK);
    stage_strike(&stage);
}
#endif

#ifdef LOOKS_AHEAD
/* LOOK zeros and one more. After its first 100 it fails with -5, or cannot be sought. */
typedef struct brief {
    uint64_t position;
    int64_t code;
} brief;

static int64_t brief_read(void *opaque, void *out, size_t capacity)
{
    brief *self = (brief *)opaque;
    uint64_t end = self->code == -5 ? 100 : LOOK + 1, count = end - self->position;

    if (self->position >= end)
        return self->code == -5 ? -5 : 0;
    count = count < capacity ? count : capacity;
    memset(out, 0, (size_t)count);
    self->position += count;
    return (int64_t)count;
}

static int64_t brief_seek(void *opaque, uint64_t offset)
{
    brief *self = (brief *)opaque;

    if (self->code == SB_SOURCE_UNSUPPORTED)
        return SB_SOURCE_UNSUPPORTED;
    self->position = offset;
    return 0;
}

/* The library takes a look that failed for a damaged file: only the status tells. That a source turns out to
 * be unable to seek is not an error. */
static void looking_ahead(int asks_size, int64_t code, int status)
{
    brief brief = { 0, code };
    sb_callback callback = { .read = brief_read, .seek = brief_seek };
    player self;

    fprintf(stderr, "a look at the %s, %s\n", asks_size ? "size" : "end", sb_strerror(status));
    callback.opaque = &brief;
    memset(&self, 0, sizeof self);
    self.file = played;
    snprintf(self.output, sizeof self.output, "%s.looking", written);
    self.buffer = sb_new(&callback, LOOK + 1, SB_MAX_DEFAULT);
    player_open(&self);
    assert(!player_looks_ahead(&self, asks_size) || status == SB_OK);
    assert(player_status(&self) == status);
    player_resume(&self);
    assert(KEEPS_STATUS || player_status(&self) == SB_OK);
    player_close(&self);
    sb_free(self.buffer);
}

static player *resuming;

static void stop_resumed(void)
{
    before_resume = NULL;
    player_stop(resuming);
}

/* A stop that comes during a resume is not lost: no look calls the source. */
static void stopped_in_a_resume(int asks_size)
{
    brief brief = { 0, 0 };
    sb_callback callback = { .read = brief_read, .seek = brief_seek };
    player self;

    fprintf(stderr, "a stop during a resume, before a look at the %s\n", asks_size ? "size" : "end");
    callback.opaque = &brief;
    memset(&self, 0, sizeof self);
    self.file = played;
    snprintf(self.output, sizeof self.output, "%s.looking", written);
    self.buffer = sb_new(&callback, LOOK + 1, SB_MAX_DEFAULT);
    player_open(&self);
    resuming = &self;
    before_resume = stop_resumed;
    player_resume(&self);
    assert(before_resume == NULL);
    assert(!player_looks_ahead(&self, asks_size) && brief.position == 0);
    assert(player_status(&self) == SB_ERR_CANCELED);
    player_close(&self);
    sb_free(self.buffer);
}

static void looks_ahead(void)
{
    int asks_size;

    for (asks_size = 0; asks_size < 2; asks_size++) {
        looking_ahead(asks_size, -5, SB_ERR_SOURCE);
        looking_ahead(asks_size, SB_SOURCE_UNSUPPORTED, SB_OK);
        if (RESUMES_A_READER)
            stopped_in_a_resume(asks_size);
    }
}
#endif

static void asking(void)
{
    size_t position = 0;
    sb_callback callback = { .read = odd_read };
    player self;

    fprintf(stderr, "what is seldom asked\n");
    callback.opaque = &position;
    memset(&self, 0, sizeof self);
    self.file = played;
    snprintf(self.output, sizeof self.output, "%s.asking", written);
    self.buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    player_open(&self);
    player_asks(&self);
    player_close(&self);
    sb_free(self.buffer);
}

/* Plays the file by the library itself. Returns its sum. */
static uint32_t play_directly(int piped)
{
    player direct;

    memset(&direct, 0, sizeof direct);
    direct.file = played;
    direct.piped = piped;
    snprintf(direct.output, sizeof direct.output, "%s.direct", written);
    player_open(&direct);
    start(&direct);
    finish(&direct);
    assert(strcmp(direct.says, "end") == 0);
    player_close(&direct);
    remove(direct.output);
    return direct.sum;
}

int main(int argc, char **argv)
{
    assert(argc == 3);
    played = argv[1];
    written = argv[2];
    /* Kills a player that hangs, with a core of all threads if one is wanted. */
    alarm(1100);
    expected = expected_of_pipe = play_directly(0);
#ifdef PIPED
    expected_of_pipe = play_directly(1);
#endif
    asking();
#ifdef LOOKS_AHEAD
    looks_ahead();
#endif
#ifdef BEGINS
    wrong_sizes();
#endif
#ifdef GOES_BACK
    going_back();
#endif
    alone(0);
    alone(1);
    if (!ONE_AT_A_TIME) {
        together();
        stop_beside_the_source();
    }
    stop_inside_the_source();
    if (!STOPS_ONLY_PLAY)
        stop_in_a_whole();
    failing(0);
    failing(1);
    failing_at_an_end(FAILS_FIRST, 0);
    failing_at_an_end(FAILS_FIRST, 1);
    failing_at_an_end(FAILS_LAST, 0);
    failing_at_an_end(FAILS_LAST, 1);
    failing_in_a_stop();
    ending_short(0);
    ending_short(1);
    if (GOES_ON)
        going_on();
    printf("sum 0x%08x\nok\n", expected);
    return 0;
}
