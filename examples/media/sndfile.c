/*
 * Decodes a sound file, or what a pipe brings, with libsndfile, and tells what came out.
 *
 *     sndfile song.flac
 *     curl -s https://example.com/song.flac | sndfile -
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include "resource.h"
#include "spoolbuf_sndfile.h"

/* Adler-32, as the sums of ffmpeg's `crc` format. */
static uint32_t sum_of(uint32_t sum, const unsigned char *bytes, size_t count)
{
    uint32_t low = sum & 0xffff, high = sum >> 16;
    size_t at;

    for (at = 0; at < count; at++) {
        low = (low + bytes[at]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

static void stop(void *io)
{
    spoolbuf_sndfile_stop(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    short samples[4096];
    SF_INFO info = { 0 };
    spoolbuf_sndfile io;
    sf_count_t total = 0, count;
    uint32_t sum = 1;
    SNDFILE *sound;
    int status;

    if (buffer == NULL || spoolbuf_sndfile_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    sound = sf_open_virtual(&io.calls, SFM_READ, &info, &io);
    while (sound != NULL
           && (count = sf_readf_short(sound, samples, 4096 / info.channels)) > 0) {
        total += count;
        sum = sum_of(sum, (unsigned char *)samples, sizeof(short) * count * info.channels);
    }
    /* libsndfile makes an ordinary end of any error. */
    status = spoolbuf_sndfile_status(&io);
    printf("samples %lld\nduration %.2f\nsum 0x%08x\n%s\n", (long long)total,
           info.samplerate > 0 ? (double)total / info.samplerate : 0, sum,
           status == SB_ERR_CANCELED ? "stopped"
               : status < 0          ? sb_strerror(status)
               : sound == NULL       ? sf_strerror(NULL)
                                     : "ended");
    if (sound != NULL)
        sf_close(sound);
    spoolbuf_sndfile_close(&io);
    sb_free(buffer);
    return status < 0 || sound == NULL;
}
