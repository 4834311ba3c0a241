/* libcurl's write callback pushes, another thread reads and prints: push_curl URL >FILE. Nothing polls. */
#include <curl/curl.h>
#include <pthread.h>
#include <spoolbuf.h>

static sb_buffer *buffer;
static CURLM *multi;
static sb_watch *watch; /* of the last pause */
static uint64_t received, pauses;

static void on_space(void *opaque, int64_t space) /* on any thread; an error is returned by the next push, too */
{
    (void)opaque, (void)space;
    curl_multi_wakeup(multi);
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *opaque)
{
    int64_t accepted = sb_push(buffer, received, one * count, bytes, 0);
    int pause = accepted == SB_ERR_TIMEOUT || (accepted > 0 && accepted < (int64_t)(one * count));
    if (pause && sb_when(buffer, SB_WHEN_WANTED, on_space, opaque, &watch) != SB_ERR_TIMEOUT)
        curl_multi_wakeup(multi); /* there is space already */
    fputs(pause && pauses++ == 0 ? "paused\n" : "", stderr);
    received += pause ? 0 : one * count; /* after a pause, all of it comes again */
    return pause ? CURL_WRITEFUNC_PAUSE : accepted < 0 ? 0 : one * count; /* 0 ends the transfer */
}

static void *transfer(void *easy)
{
    int running;
    while (!curl_multi_perform(multi, &running) && running && !curl_multi_poll(multi, NULL, 0, 3600000, NULL))
        sb_watch_free(watch), curl_easy_pause(easy, CURLPAUSE_CONT); /* calls on_bytes() after a pause */
    CURLMsg *end = curl_multi_info_read(multi, &running);
    sb_push_end(buffer, SB_SIZE_UNKNOWN, -(int64_t)(end != NULL ? end->data.result : CURLE_OUT_OF_MEMORY));
    return NULL;
}

int main(int argc, char **argv)
{
    static char bytes[65536];
    int64_t count;
    pthread_t thread;
    sb_options options;
    sb_options_init(&options, sizeof options);
    options.ahead = 512 * 1024; /* the transfer pauses while that much is unread, or while memory is full */
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    if (argc != 2 || sb_new_push(&options, &buffer) != SB_OK || (multi = curl_multi_init()) == NULL
        || curl_multi_add_handle(multi, easy) != CURLM_OK || pthread_create(&thread, NULL, transfer, easy) != 0)
        return 2;
    for (uint64_t at = 0; (count = sb_read_some(buffer, at, sizeof bytes, bytes, -1)) > 0; at += (uint64_t)count)
        fwrite(bytes, 1, (size_t)count, stdout);
    sb_free(buffer); /* ends the transfer, if this loop failed */
    pthread_join(thread, NULL);
    sb_watch_free(watch);
    fprintf(stderr, "%s\n", sb_strerror(count));
    return count < 0;
}
