/* libcurl's write callback pushes, another thread reads and prints: push_curl URL >FILE. The transfer
 * pauses while 512 KiB are ahead of the reader, or while memory is full. */
#include <curl/curl.h>
#include <pthread.h>
#include <spoolbuf.h>

static sb_buffer *buffer;
static CURLM *multi;
static uint64_t received, pauses;

static size_t on_bytes(char *bytes, size_t one, size_t count, void *opaque)
{
    int64_t accepted = sb_push(buffer, received, one * count, bytes, 0);
    int pause = accepted < (int64_t)(one * count);
    (void)opaque;
    if (accepted < 0 && accepted != SB_ERR_TIMEOUT)
        return 0; /* ends the transfer */
    if (pause && pauses++ == 0)
        fputs("paused\n", stderr);
    received += pause ? 0 : one * count;
    return pause ? CURL_WRITEFUNC_PAUSE : one * count; /* after a pause, all of it comes again */
}

static void *transfer(void *easy)
{
    for (int running = 1; running; curl_multi_poll(multi, NULL, 0, 10, NULL)) { /* 10: for memory */
        sb_range wanted;
        if (sb_wanted(buffer, &wanted) == SB_OK && wanted.start < wanted.end)
            curl_easy_pause(easy, CURLPAUSE_CONT);
        curl_multi_perform(multi, &running);
    }
    sb_push_end(buffer, SB_SIZE_UNKNOWN, -(int64_t)curl_multi_info_read(multi, &(int){ 0 })->data.result);
    return NULL;
}

int main(int argc, char **argv)
{
    static char bytes[65536];
    sb_options options;
    sb_options_init(&options, sizeof options);
    options.ahead = 512 * 1024;
    if (argc != 2 || sb_new_push(&options, &buffer) != SB_OK)
        return 2;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_multi_add_handle(multi = curl_multi_init(), easy);
    pthread_t thread;
    pthread_create(&thread, NULL, transfer, easy);
    int64_t count;
    for (uint64_t at = 0; (count = sb_read_some(buffer, at, sizeof bytes, bytes, -1)) > 0; at += count) {
        fwrite(bytes, 1, (size_t)count, stdout);
        curl_multi_wakeup(multi); /* there is space now */
    }
    pthread_join(thread, NULL);
    fprintf(stderr, "%s\n", sb_strerror(count));
    sb_free(buffer);
    return count < 0;
}
