/*
 * URLs that expire: spoolbuf_curl_renew(), and sb_reopen() with another URL.
 */
#include "resource.h"

/* What the function that renews a URL is to do, and what it saw. */
typedef struct fresh {
    const char *url;
    int limit; /* how many URLs it has */
    sb_buffer *buffer;
    CURL *easy; /* gets a fresh header instead of a fresh URL */
    struct curl_slist *headers;
    void (*during)(struct fresh *fresh);
    int asked, released;
    int64_t error;
    char text[256];
} fresh;

static fresh plan;

/* The URLs `?1`, `?2` and so on, all in the same place. */
static const char *renew(void *opaque, int64_t error)
{
    fresh *self = (fresh *)opaque;
    int number = ++self->asked;

    self->error = error;
    assert(self->released == 0);
    if (self->during != NULL)
        self->during(self);
    if (number > self->limit)
        return NULL;
    snprintf(self->text, sizeof self->text, "%s?%d", self->url, number);
    if (self->easy == NULL)
        return self->text;
    snprintf(self->text, sizeof self->text, "Authorization: Bearer %d", number);
    self->headers = curl_slist_append(NULL, self->text);
    curl_easy_setopt(self->easy, CURLOPT_HTTPHEADER, self->headers);
    return self->url;
}

static void release(void *opaque)
{
    __atomic_fetch_add(&((fresh *)opaque)->released, 1, __ATOMIC_SEQ_CST);
}

static sb_buffer *over(const char *url, int limit)
{
    sb_callback source;

    plan.url = url;
    plan.limit = limit;
    assert(spoolbuf_curl_source(&source, url, plan.easy) == 0);
    spoolbuf_curl_renew(&source, renew, &plan, release);
    plan.buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    assert(plan.buffer != NULL);
    return plan.buffer;
}

/* No read sees that the URL was renewed that many times, for that error. */
static void whole(const char *url, int asked, int64_t error)
{
    sb_buffer *buffer = over(url, asked);

    is_whole(buffer);
    assert(plan.asked == asked && plan.error == error && plan.released == 1);
    sb_free(buffer);
    assert(plan.released == 1);
}

/* The same in small reads, which together make up the sample. */
static void small(const char *url)
{
    sb_callback source;
    int64_t at, count;

    plan.url = url;
    plan.limit = 1;
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_renew(&source, renew, &plan, NULL);
    for (at = 0; (count = source.read(source.opaque, bytes, (size_t)(at % 1000 + 1))) > 0; at += count)
        assert(is(bytes, (uint64_t)at, count));
    assert(count == 0 && at == SIZE && plan.asked == 1);
    source.close(source.opaque);
}

/* The renewal of one of `limit` URLs does not help: an error at that offset, and the bytes before it stay. */
static void fails(const char *url, int limit, int64_t offset, int64_t error, int asked)
{
    sb_buffer *buffer = over(url, limit);

    fails_at(buffer, offset, error);
    assert(plan.asked == asked);
    /* A difference stays one, without a byte of the other resource. A refusal is asked about again. */
    sb_retry(buffer);
    fails_at(buffer, offset, error);
    assert(plan.asked == (error == SPOOLBUF_CURL_CHANGED ? asked : 2 * asked));
    is_part(buffer, offset);
    sb_free(buffer);
    assert(plan.released == 1);
}

/* A seek is refused. Under the new URL there is the same resource, or another one. */
static void jump(const char *url, int same)
{
    sb_buffer *buffer = over(url, 1);

    assert(sb_read(buffer, 0, 1000, bytes) == 1000);
    assert(sb_read(buffer, SIZE / 2, 1000, bytes) == (same ? 1000 : SB_ERR_SOURCE));
    assert(plan.asked == 1);
    if (same)
        assert(is(bytes, SIZE / 2, 1000));
    else
        assert(source_error(buffer) == SPOOLBUF_CURL_CHANGED && sb_buffered(buffer, SIZE / 2) == 0);
    if (same)
        is_whole(buffer);
    sb_free(buffer);
}

/* A server without ranges breaks off. What it sends under the new URL is compared and skipped. */
static void forward(const char *url, int64_t offset, int64_t error)
{
    sb_buffer *buffer = over(url, 1);

    assert(sb_read(buffer, 0, SIZE + 1, bytes) == offset);
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE && plan.asked == 0);
    sb_retry(buffer);
    if (error == 0)
        is_whole(buffer);
    else
        assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE && source_error(buffer) == error);
    assert(plan.asked == 1);
    sb_free(buffer);
}

/* The first URL has expired already, and there is no buffer yet. */
static void declares(const char *url)
{
    sb_callback source;
    sb_options options;

    plan.url = url;
    plan.limit = 1;
    sb_options_init(&options, sizeof options);
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_renew(&source, renew, &plan, release);
    assert(spoolbuf_curl_declare(&source, &options) == SIZE && options.size == SIZE);
    assert(plan.asked == 1 && plan.error == -1403);
    assert(sb_new_with(&source, &options, &plan.buffer) == SB_OK);
    is_whole(plan.buffer);
    assert(plan.asked == 1);
    sb_free(plan.buffer);
}

/* The URL stays, and its password changes. */
static void token(const char *url)
{
    plan.easy = curl_easy_init();
    whole(url, 1, -1401);
    curl_slist_free_all(plan.headers);
}

/* The source is inside the renewal: buffered bytes are returned, and others are an error. */
static void reads(fresh *self)
{
    unsigned char byte;

    assert(sb_read(self->buffer, 0, 1, &byte) == 1 && is(&byte, 0, 1));
    assert(sb_read(self->buffer, SIZE - 1, 1, &byte) == SB_ERR_REENTRANT);
}

static void *cancels(void *buffer)
{
    sb_cancel((sb_buffer *)buffer);
    return NULL;
}

/* Another thread cancels meanwhile. */
static void cancel(fresh *self)
{
    pthread_t thread;

    self->during = NULL;
    pthread_create(&thread, NULL, cancels, self->buffer);
    pthread_join(thread, NULL);
}

/* The read is canceled, whether there is a new URL or not; that is no failure, and a new URL is kept. */
static void stop(const char *url, int limit)
{
    sb_buffer *buffer = over(url, limit);

    plan.during = cancel;
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == SB_ERR_CANCELED);
    assert(plan.asked == 1 && source_error(buffer) == 0);
    plan.limit = 2;
    sb_resume(buffer);
    is_whole(buffer);
    assert(plan.asked == (limit > 0 ? 1 : 2));
    sb_free(buffer);
}

static int inside, freed;

static void until_freed(fresh *self)
{
    (void)self;
    __atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
    await(&freed, 1);
}

static void *reads_all(void *buffer)
{
    assert(sb_read((sb_buffer *)buffer, 0, SIZE + 1, bytes) == SB_ERR_CANCELED);
    return NULL;
}

/* sb_free() does not wait for the renewal, and its object is released only after it. */
static void frees(const char *url)
{
    sb_buffer *buffer = over(url, 1);
    pthread_t thread;

    plan.during = until_freed;
    pthread_create(&thread, NULL, reads_all, buffer);
    await(&inside, 1);
    sb_free(buffer);
    assert(__atomic_load_n(&plan.released, __ATOMIC_SEQ_CST) == 0);
    __atomic_store_n(&freed, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    await(&plan.released, 1);
}

/* Another source is refused during the renewal. */
static void refuses(fresh *self)
{
    sb_callback source;

    assert(spoolbuf_curl_source(&source, self->url, NULL) == 0);
    assert(sb_reopen(self->buffer, &source, SB_SIZE_UNKNOWN) == SB_ERR_UNSUPPORTED);
}

/* A buffer whose source cannot be replaced. */
static void window(const char *url)
{
    sb_callback source;
    sb_options options;

    plan.url = url;
    plan.limit = 1;
    plan.during = refuses;
    sb_options_init(&options, sizeof options);
    options.window = SIZE;
    assert(spoolbuf_curl_source(&source, url, NULL) == 0);
    spoolbuf_curl_renew(&source, renew, &plan, release);
    assert(sb_new_with(&source, &options, &plan.buffer) == SB_OK);
    is_whole(plan.buffer);
    assert(plan.asked == 1);
    sb_free(plan.buffer);
}

/* An opener; the key is the URL. */
static int opens(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    (void)opaque;
    (void)key_size;
    (void)old_tag;
    assert(spoolbuf_curl_source(&out->source, (const char *)key, NULL) == 0);
    spoolbuf_curl_renew(&out->source, renew, &plan, release);
    return 0;
}

/* The buffer of a cache's entry, whose source cannot be replaced either. */
static void cached(const char *url)
{
    sb_cache_options options;
    sb_cache *cache;
    sb_reader *reader;

    plan.url = url;
    plan.limit = 1;
    plan.during = refuses;
    sb_cache_options_init(&options, sizeof options);
    options.open = opens;
    assert(sb_cache_new(&options, &cache) == SB_OK);
    assert(sb_cache_open(cache, url, strlen(url) + 1, NULL, &reader) == SB_OK);
    plan.buffer = sb_reader_buffer(reader);
    is_whole(plan.buffer);
    assert(plan.asked == 1);
    sb_reader_free(reader);
    sb_cache_free(cache);
    assert(plan.released == 1);
}

static void *replaces(void *url)
{
    sb_callback source;
    char text[256];

    snprintf(text, sizeof text, "%s?9", (const char *)url);
    assert(spoolbuf_curl_source(&source, text, NULL) == 0);
    assert(sb_reopen(plan.buffer, &source, SB_SIZE_UNKNOWN) == SB_OK);
    return NULL;
}

/* The function itself replaces the source, and returns no URL. */
static void replace(fresh *self)
{
    replaces((void *)self->url);
    self->limit = 0;
}

/* Another thread replaces the source meanwhile. */
static void replace_elsewhere(fresh *self)
{
    pthread_t thread;

    pthread_create(&thread, NULL, replaces, (void *)self->url);
    pthread_join(thread, NULL);
}

/* Without that function: the program learns of the refusal, and replaces the source. */
static void reopens(const char *url, int64_t offset, int same)
{
    sb_buffer *buffer = over(url, 0);
    sb_callback source;
    char text[256];

    fails_at(buffer, offset, -1403);
    snprintf(text, sizeof text, "%s?1", url);
    assert(spoolbuf_curl_source(&source, text, NULL) == 0);
    assert(sb_reopen(buffer, &source, SB_SIZE_UNKNOWN) == SB_OK && plan.released == 1);
    if (same) {
        is_whole(buffer);
    } else {
        fails_at(buffer, offset, SB_SOURCE_MISMATCH);
        is_part(buffer, offset);
    }
    sb_free(buffer);
}

int main(int argc, char **argv)
{
    const char *what = begin(argc, argv), *url = argv[2];

    if (strcmp(what, "whole") == 0) {
        whole(url, (int)given[0], given[1]);
    } else if (strcmp(what, "small") == 0) {
        small(url);
    } else if (strcmp(what, "fails") == 0) {
        fails(url, (int)given[0], given[1], given[2], (int)given[3]);
    } else if (strcmp(what, "jump") == 0) {
        jump(url, (int)given[0]);
    } else if (strcmp(what, "forward") == 0) {
        forward(url, given[0], given[1]);
    } else if (strcmp(what, "declare") == 0) {
        declares(url);
    } else if (strcmp(what, "token") == 0) {
        token(url);
    } else if (strcmp(what, "reads") == 0) {
        plan.during = reads;
        whole(url, 1, -1403);
    } else if (strcmp(what, "stop") == 0) {
        stop(url, (int)given[0]);
    } else if (strcmp(what, "free") == 0) {
        frees(url);
    } else if (strcmp(what, "window") == 0) {
        window(url);
    } else if (strcmp(what, "cache") == 0) {
        cached(url);
    } else if (strcmp(what, "replace") == 0) {
        plan.during = given[0] ? replace_elsewhere : replace;
        whole(url, 1, -1403);
    } else if (strcmp(what, "reopen") == 0) {
        reopens(url, given[0], (int)given[1]);
    } else {
        return 2;
    }
    puts("ok");
    return 0;
}
