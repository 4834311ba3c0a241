/*
 * Decodes a sound, from a file or a pipe, with miniaudio, one header from https://miniaud.io.
 *
 *     miniaudio song.flac
 *     curl -s https://example.com/song.flac | miniaudio -
 */
#define MINIAUDIO_IMPLEMENTATION
#define MA_NO_DEVICE_IO
#include "resource.h"
#include <miniaudio.h>

#include "spoolbuf_miniaudio.h"

static void stop(void *io)
{
    spoolbuf_miniaudio_cancel(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    ma_decoder_config how = ma_decoder_config_init(ma_format_s16, 2, 44100);
    ma_uint64 total = 0, count = 0;
    ma_int16 samples[2 * 4096];
    spoolbuf_miniaudio io;
    ma_decoder decoder;
    ma_result result;
    uint32_t sum = 1;
    int status;

    if (buffer == NULL || spoolbuf_miniaudio_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    result = ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &io, &how, &decoder);
    if (result == MA_SUCCESS) {
        for (; result == MA_SUCCESS; total += count) {
            result = ma_decoder_read_pcm_frames(&decoder, samples, 4096, &count);
            sum = resource_sum(sum, samples, (size_t)count * 4);
        }
        ma_decoder_uninit(&decoder);
    }
    printf("samples %llu\nsum 0x%08x\n", (unsigned long long)total, sum);
    status = resource_end(spoolbuf_miniaudio_status(&io),
                          result == MA_AT_END ? NULL : ma_result_description(result));
    spoolbuf_miniaudio_close(&io);
    sb_free(buffer);
    return status;
}
