/*
 * sb_set_log(): what it is told and when, that no lock is held meanwhile, that nothing is called any
 * more once it has been replaced, and that it is off by default and in a forked child.
 */
#include "check.h"
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SIZE = 1000000 };

static unsigned char bytes[SIZE];

typedef struct told {
    pthread_mutex_t lock;
    char text[16384]; /* "W message\n" for each */
    int count;
    sb_buffer *buffer; /* called from inside, if not NULL */
    int refused;       /* a read that missed bytes was refused there */
} told;

static void told_init(told *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->lock, NULL);
}

static void tell(void *opaque, uint32_t level, const char *message)
{
    told *self = opaque;
    char line[1100];
    sb_buffer *buffer;

    CHECK(level >= SB_LOG_ERROR && level <= SB_LOG_DEBUG);
    CHECK(strlen(message) > 9 && strlen(message) < 1024 && strncmp(message, "buffer ", 7) == 0);
    CHECK(strchr(message, '\n') == NULL);
    snprintf(line, sizeof line, "%c %s\n", "-EWID"[level], message);
    pthread_mutex_lock(&self->lock);
    CHECK(strlen(self->text) + strlen(line) < sizeof self->text);
    strcat(self->text, line);
    self->count++;
    buffer = self->buffer;
    pthread_mutex_unlock(&self->lock);
    if (buffer != NULL) {
        /* Each takes one of the library's locks; with it held, this would never return. */
        sb_stats stats;
        int64_t count;
        if (sb_stat(buffer, &stats, sizeof stats) == SB_OK) {
            CHECK(sb_buffered(buffer, 0) >= 0);
            (void)sb_spill(buffer);
            count = sb_read(buffer, SIZE + stats.frontier, 1, line);
            CHECK(count <= 0);
            if (count == SB_ERR_REENTRANT)
                self->refused = 1;
        }
    }
}

static int was_told(told *self, const char *what)
{
    int was;
    pthread_mutex_lock(&self->lock);
    was = strstr(self->text, what) != NULL;
    pthread_mutex_unlock(&self->lock);
    return was;
}

#define CHECK_TOLD(told, what)                          \
    do {                                                \
        if (!was_told(told, what))                      \
            fprintf(stderr, "%s", (told)->text);        \
        CHECK(was_told(told, what));                    \
    } while (0)

/* Two messages. */
static void open_and_free(void)
{
    stream source;
    stream_init(&source, 1000, 0);
    sb_free(stream_open(&source, 1000, 0));
}

/* The life of a buffer, at each level. */
static void levels(void)
{
    uint32_t level;
    for (level = SB_LOG_OFF; level <= SB_LOG_DEBUG; level++) {
        told log;
        stream source;
        sb_buffer *buffer;

        told_init(&log);
        CHECK_EQ(sb_set_log(tell, &log, level), SB_OK);
        stream_init(&source, SIZE, 30000);
        buffer = stream_open(&source, 2 * SIZE, 100000);
        CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
        CHECK_EQ(sb_read(buffer, SIZE, 1, bytes), 0);
        CHECK_EQ(sb_set_max_memory(buffer, 50000), SB_OK);
        sb_free(buffer);
        CHECK_EQ(was_told(&log, "E "), 0);
        CHECK_EQ(was_told(&log, "W "), level >= SB_LOG_WARN);
        CHECK_EQ(was_told(&log, "I "), level >= SB_LOG_INFO);
        CHECK_EQ(was_told(&log, "D "), level >= SB_LOG_DEBUG);
        CHECK_EQ(was_told(&log, "the source ended at 1000000, before the declared size 2000000"),
                 level >= SB_LOG_WARN);
        CHECK_EQ(was_told(&log, ": the memory limit becomes 50000 bytes"), level >= SB_LOG_INFO);
        CHECK_EQ(was_told(&log, ": opened: 100000 bytes of memory"), level >= SB_LOG_DEBUG);
        CHECK_EQ(was_told(&log, ": freed"), level >= SB_LOG_DEBUG);
        CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_DEBUG), SB_OK);
    }
    CHECK_EQ(sb_set_log(tell, NULL, SB_LOG_DEBUG + 1), SB_ERR_INVALID);
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_DEBUG + 1), SB_ERR_INVALID);
}

static int64_t cannot_seek(void *opaque, uint64_t offset)
{
    (void)opaque;
    (void)offset;
    return SB_SOURCE_UNSUPPORTED;
}

/* What goes wrong, with the reason; the log function calls the library meanwhile. */
static void reasons(int inside)
{
    told log;
    stream source;
    sb_callback callback;
    sb_options options;
    sb_save_options saving;
    sb_buffer *buffer;

    told_init(&log);
    CHECK_EQ(sb_set_log(tell, &log, SB_LOG_DEBUG), SB_OK);
    stream_init(&source, SIZE, 30000);
    callback = stream_callback(&source);
    callback.seek = cannot_seek;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 0;
    options.spool_dir = "not-yet";
    options.seek_gap = 0;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    if (inside)
        log.buffer = buffer;
    CHECK(sb_read(buffer, 0, SIZE, bytes) > 0);
    CHECK_TOLD(&log, "E ");
    CHECK_TOLD(&log, ": cannot spill to not-yet: a file operation failed (system error 2)");
    CHECK_EQ(was_told(&log, "takes bytes again"), 0);
    CHECK_EQ(mkdir("not-yet", 0700), 0);
    CHECK_EQ(sb_read(buffer, SIZE / 2, 10, bytes), 10);
    CHECK_TOLD(&log, ": not-yet takes bytes again");
    CHECK_TOLD(&log, ": the spool file is in not-yet");
    CHECK_TOLD(&log, ": the source cannot seek; it is only read forward from now on");
    pthread_mutex_lock(&source.lock);
    source.fail_at = source.at;
    source.code = -42;
    pthread_mutex_unlock(&source.lock);
    CHECK_EQ(sb_read(buffer, SIZE - 10, 10, bytes), SB_ERR_SOURCE);
    CHECK_TOLD(&log, ": the source failed with code -42");
    pthread_mutex_lock(&source.lock);
    source.fail_at = NEVER;
    pthread_mutex_unlock(&source.lock);
    CHECK_EQ(sb_resume(buffer), SB_OK);
    CHECK_EQ(sb_prefetch(buffer, SB_PREFETCH_ALL), SB_OK);
    CHECK_TOLD(&log, ": the prefetch keeps 18446744073709551615 bytes ahead");
    WAIT_UNTIL(stats_of(buffer).state == SB_STATE_ENDED);
    WAIT_UNTIL(was_told(&log, ": the source ended at 1000000\n"));
    WAIT_UNTIL(was_told(&log, ": the helper thread begins"));
    /* Another file system, where there is one. */
    if (access("/dev/shm", W_OK) == 0) {
        CHECK_EQ(sb_save_options_init(&saving, sizeof saving), SB_OK);
        saving.path = "/dev/shm/spoolbuf-log-test";
        saving.flags = SB_SAVE_LINK;
        CHECK_EQ(sb_save_with(buffer, &saving), SIZE);
        CHECK_EQ(unlink("/dev/shm/spoolbuf-log-test"), 0);
        CHECK_TOLD(&log, ": a save copies instead of linking: ");
    }
    sb_free(buffer);
    /* Not yet if it is writing the spool file. */
    CHECK(was_told(&log, ": the helper thread has ended") || was_told(&log, ": the helper thread ends later"));
    CHECK_TOLD(&log, ": freed");
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    CHECK_EQ(log.refused, inside);
    CHECK_EQ(rmdir("not-yet"), 0);
}

/* An end that is not believed, one that came short, and a disk that is passed over. */
static void ends(void)
{
    told log;
    stream source;
    sb_callback callback;
    sb_options options;
    sb_buffer *buffer;

    told_init(&log);
    CHECK_EQ(sb_set_log(tell, &log, SB_LOG_WARN), SB_OK);
    stream_init(&source, SIZE / 2, 30000);
    callback = stream_callback(&source);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = SIZE;
    options.on_short = SB_SHORT_ERROR;
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, SIZE - 10, 10, bytes), SB_ERR_SHORT);
    CHECK_TOLD(&log, ": the source ended before the declared size 1000000, which is an error");
    sb_free(buffer);

    stream_init(&source, SIZE, 30000);
    source.fail_at = 60000;
    source.code = -104;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 60000, 10, bytes), SB_ERR_SOURCE);
    source.size = 60000;
    source.fail_at = NEVER;
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 60000, 10, bytes), SB_ERR_SOURCE);
    CHECK_TOLD(&log, "W ");
    CHECK_TOLD(&log, ": the source reported its end at 60000 right after an error, which is not believed");
    sb_free(buffer);
    CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
}

/* Once it has been replaced, it is not running, and is not called any more. */
typedef struct gone {
    atomic_int running, over, calls;
} gone;

static void may_be_gone(void *opaque, uint32_t level, const char *message)
{
    gone *self = opaque;
    (void)level;
    (void)message;
    CHECK(!self->over);
    self->running++;
    self->calls++;
    sched_yield();
    CHECK(!self->over);
    self->running--;
}

static atomic_int stop;

static void *busy(void *opaque)
{
    while (!stop) {
        stream source;
        sb_buffer *buffer;
        unsigned char own[10];
        stream_init(&source, 1000, 0);
        buffer = stream_open(&source, 1000, 0);
        CHECK_EQ(sb_read(buffer, 0, sizeof own, own), sizeof own);
        sb_free(buffer);
    }
    return opaque;
}

static void replaced(void)
{
    static gone each[500];
    pthread_t threads[3];
    size_t index;

    for (index = 0; index < COUNT_OF(threads); index++)
        CHECK_EQ(pthread_create(&threads[index], NULL, busy, NULL), 0);
    for (index = 0; index < COUNT_OF(each); index++) {
        CHECK_EQ(sb_set_log(may_be_gone, &each[index], SB_LOG_DEBUG), SB_OK);
        if (index % 50 == 0)
            WAIT_UNTIL(each[index].calls > 0);
        if (index > 0) {
            CHECK_EQ(each[index - 1].running, 0);
            each[index - 1].over = 1;
        }
    }
    CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
    CHECK_EQ(each[COUNT_OF(each) - 1].running, 0);
    each[COUNT_OF(each) - 1].over = 1;
    stop = 1;
    for (index = 0; index < COUNT_OF(threads); index++)
        pthread_join(threads[index], NULL);
}

/* From inside: it does not wait for itself. */
static atomic_int first_calls, second_calls;

static void second(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    (void)message;
    second_calls++;
}

static void first(void *opaque, uint32_t level, const char *message)
{
    (void)opaque;
    (void)level;
    (void)message;
    first_calls++;
    CHECK_EQ(sb_set_log(second, NULL, SB_LOG_DEBUG), SB_OK);
}

static void from_inside(void)
{
    int round;
    for (round = 1; round <= 3; round++) {
        CHECK_EQ(sb_set_log(first, NULL, SB_LOG_DEBUG), SB_OK);
        second_calls = 0;
        open_and_free();
        CHECK_EQ(first_calls, round);
        CHECK_EQ(second_calls, 1);
    }
    CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
}

/* A forked child has no log, even if threads of its parent are inside one, and can set its own. */
static void in_a_child(void)
{
    told log;
    pthread_t threads[2];
    size_t index;
    int round, status;

    stop = 0;
    told_init(&log);
    for (index = 0; index < COUNT_OF(threads); index++)
        CHECK_EQ(pthread_create(&threads[index], NULL, busy, NULL), 0);
    for (round = 0; round < 20; round++) {
        static gone parents;
        pid_t child;
        CHECK_EQ(sb_set_log(may_be_gone, &parents, SB_LOG_DEBUG), SB_OK);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            parents.over = 1;
            open_and_free();
            CHECK_EQ(sb_set_log(tell, &log, SB_LOG_DEBUG), SB_OK);
            open_and_free();
            CHECK_EQ(log.count, 2);
            CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
            open_and_free();
            CHECK_EQ(log.count, 2);
            _exit(0);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stop = 1;
    for (index = 0; index < COUNT_OF(threads); index++)
        pthread_join(threads[index], NULL);
    CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
}

/* The helper, for which sb_free() waits, does not log its end: the log function may wait for the caller. */
static pthread_mutex_t recursive;

static void tell_locked(void *opaque, uint32_t level, const char *message)
{
    pthread_mutex_lock(&recursive);
    tell(opaque, level, message);
    pthread_mutex_unlock(&recursive);
}

static void freed_with_a_lock(void)
{
    told log;
    stream source;
    sb_buffer *buffer;
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attributes);
    told_init(&log);
    CHECK_EQ(sb_set_log(tell_locked, &log, SB_LOG_DEBUG), SB_OK);
    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_prefetch(buffer, 20000), SB_OK);
    WAIT_UNTIL(was_told(&log, ": the helper thread begins"));
    WAIT_UNTIL(sb_buffered(buffer, 0) >= 20000);
    pthread_mutex_lock(&recursive);
    sb_free(buffer);
    pthread_mutex_unlock(&recursive);
    CHECK_TOLD(&log, ": the helper thread ");
    CHECK_TOLD(&log, ": freed");
    CHECK_EQ(sb_set_log(NULL, NULL, 0), SB_OK);
}

static stream entry;

static int open_entry(void *opaque, const void *key, size_t key_size, uint64_t tag, sb_opened *out)
{
    (void)opaque;
    (void)key;
    (void)key_size;
    (void)tag;
    out->source = stream_callback(&entry);
    return 0;
}

/* What is spilled for the budget of a cache is told, too. */
static void budget(void)
{
    told log;
    sb_cache_options options;
    sb_cache *cache;
    sb_reader *reader;

    told_init(&log);
    CHECK_EQ(sb_set_log(tell, &log, SB_LOG_DEBUG), SB_OK);
    stream_init(&entry, SIZE, 30000);
    CHECK_EQ(sb_cache_options_init(&options, sizeof options), SB_OK);
    options.open = open_entry;
    options.max_memory = 0;
    options.spool_dir = "not-there";
    CHECK_EQ(sb_cache_new(&options, &cache), SB_OK);
    CHECK_EQ(sb_cache_open(cache, "a", 1, NULL, &reader), SB_OK);
    log.buffer = sb_reader_buffer(reader);
    CHECK(sb_read(log.buffer, 0, SIZE, bytes) > 0);
    CHECK_TOLD(&log, ": cannot spill to not-there: a file operation failed (system error 2)");
    CHECK_EQ(was_told(&log, "takes bytes again"), 0);
    CHECK_EQ(mkdir("not-there", 0700), 0);
    CHECK_EQ(sb_read(log.buffer, 0, SIZE, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_TOLD(&log, ": not-there takes bytes again");
    CHECK_TOLD(&log, ": the spool file is in not-there");
    sb_reader_free(reader);
    sb_cache_free(cache);
    CHECK_EQ(sb_set_log(NULL, NULL, SB_LOG_OFF), SB_OK);
    CHECK_EQ(rmdir("not-there"), 0);
}

int main(void)
{
    levels();
    reasons(0);
    reasons(1);
    budget();
    ends();
    replaced();
    from_inside();
    in_a_child();
    freed_with_a_lock();
    return 0;
}
