/*
 * Decodes a sound, from a file or what a pipe brings, with miniaudio, and tells what came out.
 *
 *     miniaudio song.flac
 *     curl -s https://example.com/song.flac | miniaudio -
 *
 * Needs miniaudio.h, one file from https://miniaud.io. Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#define MINIAUDIO_IMPLEMENTATION
#define MA_NO_DEVICE_IO
#include <miniaudio.h>

#include "resource.h"
#include "spoolbuf_miniaudio.h"

static void stop(void *io)
{
    spoolbuf_miniaudio_stop(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    ma_decoder_config how = ma_decoder_config_init(ma_format_s16, 2, 44100);
    ma_uint64 total = 0, count = 0, at;
    uint32_t low = 1, high = 0;
    ma_int16 samples[2 * 4096];
    spoolbuf_miniaudio io;
    ma_decoder decoder;
    ma_result result;
    int status;

    if (buffer == NULL || spoolbuf_miniaudio_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    result = ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &io, &how, &decoder);
    while (result == MA_SUCCESS) {
        result = ma_decoder_read_pcm_frames(&decoder, samples, 4096, &count);
        for (at = 0; at < count * 4; at++) {
            low = (low + ((unsigned char *)samples)[at]) % 65521;
            high = (high + low) % 65521;
        }
        total += count;
    }
    if (total > 0)
        ma_decoder_uninit(&decoder);
    /* miniaudio makes an ordinary end, or a file of no known kind, of any error. */
    status = spoolbuf_miniaudio_status(&io);
    printf("samples %llu\nsum 0x%08x\n%s\n", (unsigned long long)total, high << 16 | low,
           status == SB_ERR_CANCELED ? "stopped"
               : status < 0          ? sb_strerror(status)
               : result == MA_AT_END ? "ended"
                                     : ma_result_description(result));
    spoolbuf_miniaudio_close(&io);
    sb_free(buffer);
    return result != MA_AT_END || status < 0;
}
