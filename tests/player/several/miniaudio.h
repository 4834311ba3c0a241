/*
 * miniaudio decodes a sound.
 */
#define MINIAUDIO_IMPLEMENTATION
#define MA_NO_DEVICE_IO
#define MA_NO_ENGINE
#include <miniaudio.h>

#include "spoolbuf_miniaudio.h"

#define FAILED_SAYS "end"
#define GOES_ON 1
#define ONE_AT_A_TIME 0
#define BEGINS 1
/* Its MP3 decoder reads 64 KiB at a time, which is half of a small file. */
#define GOES_BACK (strstr(played, ".mp3") == NULL ? STANDS_STILL : GOES_THROUGH)
#define LOOKS_AHEAD

struct player {
    PLAYER;
    spoolbuf_miniaudio io;
};

static void player_open(player *self)
{
    if (self->buffer != NULL)
        assert(spoolbuf_miniaudio_open(&self->io, self->buffer) == SB_OK);
}

static void player_stop(player *self)
{
    spoolbuf_miniaudio_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_miniaudio_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_miniaudio_resume(&self->io);
}

static void player_close(player *self)
{
    if (self->buffer != NULL)
        spoolbuf_miniaudio_close(&self->io);
}

static void player_asks(player *self)
{
    unsigned char bytes[ODD];
    sb_reader_options options;
    spoolbuf_miniaudio other;
    ma_decoder decoder;
    size_t count = 1;

    memset(&decoder, 0, sizeof decoder);
    decoder.pUserData = &self->io;
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 0, &count) == MA_SUCCESS && count == 0);
    /* No seek from the end, or beyond the reach; for the dr_libs the end is found with the whole. */
    assert(spoolbuf_miniaudio_seek(&decoder, 0, ma_seek_origin_end) == MA_BAD_SEEK);
    assert(spoolbuf_miniaudio_move(&self->io, 0, SB_SEEK_END) == SB_ERR_UNKNOWN_SIZE);
    assert(spoolbuf_miniaudio_seek(&decoder, SB_REACH_AUTO + 1, ma_seek_origin_start) == MA_BAD_SEEK);
    /* Whole reads, whatever the source's chunks are; fewer bytes at the end, then none. */
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 900, NULL) == MA_SUCCESS);
    assert(bytes[899] == odd_byte(899));
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 900, &count) == MA_SUCCESS && count == 100);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_AT_END && count == 0);
    assert(spoolbuf_miniaudio_move(&self->io, -1, SB_SEEK_END) == ODD - 1);
    assert(spoolbuf_miniaudio_seek(&decoder, -1, ma_seek_origin_current) == MA_SUCCESS);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_SUCCESS);
    assert(bytes[0] == odd_byte(ODD - 2));
    assert(spoolbuf_miniaudio_seek(&decoder, -1, ma_seek_origin_start) == MA_INVALID_ARGS);
    assert(spoolbuf_miniaudio_seek(&decoder, 5000, ma_seek_origin_start) == MA_SUCCESS);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_AT_END);
    assert(player_status(self) == SB_OK);
    /* A stop stops although every byte is buffered. */
    spoolbuf_miniaudio_cancel(&self->io);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_CANCELLED);
    spoolbuf_miniaudio_resume(&self->io);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_SUCCESS && bytes[0] == odd_byte(0));
    sb_reader_options_init(&options, sizeof options);
    assert(spoolbuf_miniaudio_open_with(&other, self->buffer, &options) == SB_OK);
    assert(spoolbuf_miniaudio_move(&other, 5000, SB_SEEK_END) == ODD + 5000);
    spoolbuf_miniaudio_close(&other);
    options.flags = 77;
    assert(spoolbuf_miniaudio_open_with(&other, self->buffer, &options) == SB_ERR_INVALID);
    assert(spoolbuf_miniaudio_open(&other, NULL) == SB_ERR_INVALID);
    sb_free(self->buffer);
    assert(spoolbuf_miniaudio_read(&decoder, bytes, 1, &count) == MA_INVALID_ARGS && count == 0);
    assert(player_status(self) == SB_ERR_INVALID);
}

static int player_looks_ahead(player *self, int asks_size)
{
    (void)asks_size;
    return spoolbuf_miniaudio_move(&self->io, 0, SB_SEEK_END) >= 0;
}

static ma_result open_decoder(player *self, ma_decoder *decoder)
{
    ma_decoder_config how = ma_decoder_config_init(ma_format_s16, 2, 44100);

    if (self->buffer == NULL)
        return ma_decoder_init_file(self->file, &how, decoder);
    return ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &self->io, &how,
                           decoder);
}

static void player_play(player *self)
{
    ma_decoder decoder;
    ma_int16 samples[2 * 1000];
    ma_uint64 total = 0, count;
    ma_result opened = open_decoder(self, &decoder), result = opened;

    self->sum = 1;
    while (result == MA_SUCCESS) {
        result = ma_decoder_read_pcm_frames(&decoder, samples, 1000, &count);
        self->sum = sum_of(self->sum, samples, (size_t)count * 4);
        total += count;
        begin(&self->begun);
        if (result != MA_SUCCESS && self->goes_on > 0) {
            self->goes_on--;
            assert(player_status(self) == SB_ERR_SOURCE);
            sb_resume(self->buffer);
            ma_decoder_uninit(&decoder);
            player_resume(self);
            result = open_decoder(self, &decoder);
            assert(result == MA_SUCCESS);
            result = ma_decoder_seek_to_pcm_frame(&decoder, total);
        }
    }
    if (opened == MA_SUCCESS)
        ma_decoder_uninit(&decoder);
    /* It reports everything as an ordinary end: the adapter tells them apart. */
    self->says = self->buffer != NULL && player_status(self) == SB_ERR_CANCELED ? "stop"
        : result == MA_AT_END                                                   ? "end"
                                                                                : "error";
}

/* A second, and the same again. */
static void player_goes_back(player *self)
{
    static ma_int16 once[2 * 44100], again[2 * 44100];
    ma_decoder decoder;
    ma_uint64 count;

    assert(open_decoder(self, &decoder) == MA_SUCCESS);
    assert(ma_decoder_read_pcm_frames(&decoder, once, 44100, &count) == MA_SUCCESS && count == 44100);
    assert(ma_decoder_seek_to_pcm_frame(&decoder, 0) == MA_SUCCESS);
    assert(ma_decoder_read_pcm_frames(&decoder, again, 44100, &count) == MA_SUCCESS && count == 44100);
    assert(memcmp(once, again, sizeof once) == 0);
    ma_decoder_uninit(&decoder);
}
