/*
 * sb_reopen() against itself and against sb_cancel(): the last source wins, and each is closed once.
 */
#include "reopen.h"

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

        tanks_init(&first, &second);
        tank_init(&third, SIZE, 8000);
        first.stream.stall_at = 21000;
        first.stream.obeys_cancel = round % 2;
        buffer = tank_open_closing(&first, has_close, 30000);
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

int main(void)
{
    last_wins();
    two_at_once(0);
    two_at_once(1);
    cancel_against_reopen();
    return 0;
}
