/*
 * An error is never the end: a source that returns 0 right after a failure has not ended, whatever was
 * canceled, resumed or retried meanwhile. A source that obeyed a cancel without bytes has not failed.
 */
#include "script.h"

static unsigned char bytes[1000];

/* As recv() reports a connection that was reset: the error once, then 0. */
static void reset(form how, int by_retry)
{
    static const int64_t answers[] = { 100, -104, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    size_t again;

    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    for (again = 1; again < 4; again++) {
        CHECK_EQ(by_retry ? sb_retry(buffer) : sb_resume(buffer), SB_OK);
        CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
        CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
        CHECK_EQ(source.calls, 2 + again);
        CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_SOURCE);
        CHECK(access("saved", F_OK) != 0);
    }
    CHECK_EQ(stats_of(buffer).source_error, -104);
    CHECK(stats_of(buffer).final_size == SB_SIZE_UNKNOWN);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

/* Once it has delivered bytes, its 0 is believed again. */
static void recovers(form how)
{
    static const int64_t answers[] = { 100, -104, -110, 50, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 200, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -110);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 150);
    CHECK_BYTES(bytes, 0, 150);
    CHECK_EQ(sb_size(buffer), 150);
    CHECK_EQ(source.closes, 1);
    sb_free(buffer);
}

/* So is a 0 at the declared size. */
static void stands_at_its_size(form how)
{
    static const int64_t answers[] = { 100, -104, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, 100, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_read(buffer, 100, 200, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 200, bytes), 0);
    CHECK_EQ(stats_of(buffer).final_size, 100);
    sb_free(buffer);
}

/* A source that has no bytes yet and does not block returns SB_SOURCE_CANCELED; a 0 after that is the
 * end. */
static void nothing_yet(form how)
{
    static const int64_t answers[] = { 100, SB_SOURCE_CANCELED, SB_SOURCE_CANCELED, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    size_t again;

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    for (again = 0; again < 2; again++) {
        CHECK_EQ(sb_read(buffer, 100, 1, bytes), SB_ERR_SOURCE);
        CHECK_EQ(stats_of(buffer).source_error, SB_SOURCE_CANCELED);
        CHECK_EQ(sb_retry(buffer), SB_OK);
    }
    CHECK_EQ(sb_read(buffer, 100, 1, bytes), 0);
    CHECK_EQ(sb_size(buffer), 100);
    sb_free(buffer);
}

/* A successful seek shows that the source works. With `pull` only bytes show it, and a failure found by
 * a seek is the error of that read alone. */
static void elsewhere(form how)
{
    static const int64_t answers[] = { 100, -104, 0, 10, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);
    int believed = how == READ_SEEK;

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), believed ? 0 : SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).bound, believed ? 5000 : (int64_t)SB_SIZE_UNKNOWN);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK_EQ(stats_of(buffer).source_error, -104);
    CHECK_EQ(sb_read(buffer, 100, 20, bytes), 10);
    CHECK_EQ(sb_size(buffer), 110);
    sb_free(buffer);
}

/* After a retry, an end that was not believed is checked from buffered bytes: it is the end if it
 * follows these. A forward-only source cannot go back to any. */
static void looks_back(form how)
{
    static const int64_t answers[] = { 100, -104, 0, 30, -5, 70, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(source.calls, 3);
    /* It also fails on the way there. */
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, -5);
    CHECK_EQ(source.calls, 5);
    CHECK(stats_of(buffer).final_size == SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(source.calls, 7);
    CHECK_EQ(stats_of(buffer).seeks, 1);
    CHECK_EQ(sb_size(buffer), 100);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(sb_read(buffer, 0, 200, bytes), 100);
    CHECK_BYTES(bytes, 0, 100);
    sb_free(buffer);
}

/* Not by much: at most 64 KiB are requested again, and more bytes may follow instead of the end. */
static void looks_back_a_little(form how)
{
    enum { FAR = 100000, BACK = 65536 };
    static const int64_t answers[] = { FAR };
    static const int64_t then[] = { -104, 0, BACK, 20, 0 };
    static unsigned char far[FAR];
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, how, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, FAR, far), FAR);
    source.answers = then;
    source.count = COUNT_OF(then);
    source.calls = 0;
    CHECK_EQ(sb_read(buffer, FAR, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, FAR, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, FAR, 30, bytes), 20);
    CHECK_BYTES(bytes, FAR, 20);
    CHECK_EQ(source.calls, COUNT_OF(then));
    CHECK_EQ(sb_size(buffer), FAR + 20);
    sb_free(buffer);
}

/* A failed seek proves nothing about the end. */
static void tried_elsewhere(int64_t answer)
{
    const int64_t answers[] = { -104, answer, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, PULL_SEEKS, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK(sb_read(buffer, 1000, 10, bytes) < 0);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_SOURCE);
    CHECK(stats_of(buffer).final_size == SB_SIZE_UNKNOWN);
    sb_free(buffer);
}

/* A failed seek is an error too, and never the end. */
static void failed_seek_then_nothing(void)
{
    static const int64_t answers[] = { 100, 0, 100, 0 };
    static const int64_t seeks[] = { -5, -5 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, READ_SEEK, SB_SIZE_UNKNOWN, SB_SHORT_END);

    source.seeks = seeks;
    source.seeks_count = COUNT_OF(seeks);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK(stats_of(buffer).final_size == SB_SIZE_UNKNOWN);
    /* It cannot go back: an error again. Then it can. */
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(source.calls, 2);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 0);
    CHECK_EQ(sb_size(buffer), 100);
    sb_free(buffer);
}

/* The same with `pull`, whose seek shows in its bytes. */
static void failed_pull_elsewhere_then_nothing(void)
{
    static const int64_t answers[] = { 100, -5, 0, 0, 100, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, PULL_SEEKS, SB_SIZE_UNKNOWN, SB_SHORT_END);

    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    /* No other read gets that error. */
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
    CHECK(stats_of(buffer).bound == SB_SIZE_UNKNOWN);
    /* It has no bytes where it had some before: an error. Then it has them again. */
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).state, SB_STATE_FAILED);
    CHECK(stats_of(buffer).bound == SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), 0);
    CHECK_EQ(stats_of(buffer).bound, 5000);
    sb_free(buffer);
}

/* A cancel and a failure in one call: the call was canceled, and the source has failed too. */
typedef struct late {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, go, calls, cancels;
    int64_t code;
} late;

static int64_t late_read(void *opaque, void *out, size_t capacity)
{
    late *self = opaque;
    int64_t answer = 0;
    size_t index;

    pthread_mutex_lock(&self->lock);
    self->calls++;
    if (self->calls == 1) {
        for (index = 0; index < 100 && index < capacity; index++)
            ((unsigned char *)out)[index] = byte_at(index);
        answer = 100;
    } else if (self->calls == 2) {
        self->inside = 1;
        pthread_cond_broadcast(&self->changed);
        while (!self->go)
            pthread_cond_wait(&self->changed, &self->lock);
        answer = self->code;
    }
    pthread_mutex_unlock(&self->lock);
    return answer;
}

static void late_cancel(void *opaque)
{
    late *self = opaque;
    pthread_mutex_lock(&self->lock);
    self->cancels++;
    pthread_mutex_unlock(&self->lock);
}

static void late_set(late *self, int *member)
{
    pthread_mutex_lock(&self->lock);
    *member = 1;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void failure_in_a_stop(int hears, int resumes_before, int64_t code)
{
    late self = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0 };
    sb_callback callback = { .read = late_read, .opaque = &self };
    int obeyed = code == SB_SOURCE_CANCELED;
    sb_options options;
    sb_buffer *buffer;
    call reader;

    self.code = code;
    if (hears)
        callback.cancel = late_cancel;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.read_granularity = 0;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    call_start(&reader, buffer, 100, 10, NULL);
    pthread_mutex_lock(&self.lock);
    while (!self.inside)
        pthread_cond_wait(&self.changed, &self.lock);
    pthread_mutex_unlock(&self.lock);
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(self.cancels, hears);
    if (resumes_before)
        CHECK_EQ(sb_resume(buffer), SB_OK);
    late_set(&self, &self.go);
    CHECK_EQ(call_finish(&reader), SB_ERR_CANCELED);
    if (!resumes_before) {
        /* A retry leaves the cancel; a resume clears both. */
        CHECK_EQ(sb_retry(buffer), SB_OK);
        CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_CANCELED);
        CHECK_EQ(sb_resume(buffer), SB_OK);
    } else if (!obeyed) {
        CHECK_EQ(self.calls, 2);
        CHECK_EQ(sb_read(buffer, 100, 10, bytes), SB_ERR_SOURCE);
        CHECK_EQ(self.calls, 2);
        CHECK_EQ(sb_retry(buffer), SB_OK);
    }
    /* It returns 0 now. */
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), obeyed ? 0 : SB_ERR_SOURCE);
    CHECK_EQ(stats_of(buffer).source_error, obeyed ? 0 : code);
    sb_free(buffer);
}

int main(void)
{
    form how;
    int hears, resumes;
    for (how = READ; how < FORMS; how++) {
        reset(how, 0);
        reset(how, 1);
        recovers(how);
        stands_at_its_size(how);
        nothing_yet(how);
    }
    elsewhere(READ_SEEK);
    elsewhere(PULL_SEEKS);
    looks_back(READ_SEEK);
    looks_back(PULL_SEEKS);
    looks_back_a_little(READ_SEEK);
    looks_back_a_little(PULL_SEEKS);
    tried_elsewhere(SB_SOURCE_UNSUPPORTED);
    tried_elsewhere(SB_SOURCE_CANCELED);
    tried_elsewhere(-5);
    tried_elsewhere(0);
    failed_seek_then_nothing();
    failed_pull_elsewhere_then_nothing();
    for (hears = 0; hears < 2; hears++)
        for (resumes = 0; resumes < 2; resumes++) {
            failure_in_a_stop(hears, resumes, -104);
            failure_in_a_stop(hears, resumes, SB_SOURCE_CANCELED);
        }
    return 0;
}
