/*
 * FFmpeg decodes the sound.
 */
#include <libavcodec/avcodec.h>

#include "spoolbuf_ffmpeg.h"

#define FAILED_SAYS "error"
#define GOES_ON 1
#define ONE_AT_A_TIME 0
#define BEGINS 1
#define GOES_BACK STANDS_STILL
#define LOOKS_AHEAD

struct player {
    PLAYER;
    spoolbuf_ffmpeg io;
};

static void player_open(player *self)
{
    if (self->buffer != NULL)
        assert(spoolbuf_ffmpeg_open(&self->io, self->buffer) == 0);
}

static void player_stop(player *self)
{
    spoolbuf_ffmpeg_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_ffmpeg_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_ffmpeg_resume(&self->io);
    assert(avio_seek(self->io.context, 0, SEEK_SET) == 0);
}

static void player_close(player *self)
{
    if (self->buffer != NULL)
        spoolbuf_ffmpeg_close(&self->io);
}

static spoolbuf_ffmpeg *resumed;

static void cancel_resumed(void)
{
    spoolbuf_ffmpeg_cancel(resumed);
}

/* A cancel that comes during a resume is not lost, wherever the next byte is. */
static void resumes_canceled(spoolbuf_ffmpeg *io, int64_t at, uint64_t frontier)
{
    uint8_t byte;

    resumed = io;
    spoolbuf_ffmpeg_resume(io);
    before_resume = after_resume = NULL;
    assert(spoolbuf_ffmpeg_seek(io, at, SEEK_SET) == at);
    assert(spoolbuf_ffmpeg_read(io, &byte, 1) == AVERROR_EXIT);
    assert(sb_buffered(sb_reader_buffer(io->reader), 0) == (int64_t)frontier);
    assert(spoolbuf_ffmpeg_status(io) == SB_ERR_CANCELED);
}

static void player_asks(player *self)
{
    AVIOContext *io = self->io.context;
    spoolbuf_ffmpeg other;
    sb_reader_options options;
    uint8_t bytes[ODD];

    /* No looks ahead at a source that cannot seek; by choice all the same, and once the end was seen. */
    assert(io->seekable == 0);
    sb_reader_options_init(&options, sizeof options);
    assert(spoolbuf_ffmpeg_open_with(&other, self->buffer, &options) == 0);
    assert(other.context->seekable & AVIO_SEEKABLE_NORMAL);
    spoolbuf_ffmpeg_close(&other);
    options.flags = SB_READER_BUFFERED;
    assert(spoolbuf_ffmpeg_open_with(&other, self->buffer, &options) == 0);
    assert(spoolbuf_ffmpeg_read(&other, bytes, 1) == AVERROR(EAGAIN));
    assert(spoolbuf_ffmpeg_status(&other) == SB_ERR_TIMEOUT);
    spoolbuf_ffmpeg_close(&other);
    options.struct_size = 1;
    assert(spoolbuf_ffmpeg_open_with(&other, self->buffer, &options) == AVERROR(EINVAL));
    /* Within the reach, and past it. */
    assert(spoolbuf_ffmpeg_seek(&self->io, SB_REACH_AUTO, SEEK_SET) == SB_REACH_AUTO);
    assert(spoolbuf_ffmpeg_seek(&self->io, SB_REACH_AUTO + 1, SEEK_SET) == AVERROR(ENOSYS));
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_SET) == 0);
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, AVSEEK_SIZE) == AVERROR(ENOSYS));
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, AVSEEK_SIZE | AVSEEK_FORCE) == AVERROR(ENOSYS));
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_END) == AVERROR(ENOSYS));
    assert(spoolbuf_ffmpeg_seek(&self->io, -1, SEEK_SET) == AVERROR(EINVAL));
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, 77) == AVERROR(EINVAL));
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, -1) == AVERROR(EINVAL));
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == 1 && bytes[0] == odd_byte(0));
    /* A program that allows seeks of its own sees the buffered bytes; the end is still another one. */
    io->seekable = AVIO_SEEKABLE_NORMAL;
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, AVSEEK_SIZE) == 100);
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_END) == AVERROR(ENOSYS));
    io->seekable = 0;
    /* Readable bytes after an error do not hide it; a resume clears it. */
    spoolbuf_ffmpeg_cancel(&self->io);
    assert(spoolbuf_ffmpeg_seek(&self->io, 500, SEEK_SET) == 500);
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == AVERROR_EXIT);
    /* What is buffered is not read after a cancel either, and not lost. */
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_SET) == 0);
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == AVERROR_EXIT);
    assert(player_status(self) == SB_ERR_CANCELED);
    after_resume = cancel_resumed;
    resumes_canceled(&self->io, 0, 100);
    before_resume = cancel_resumed;
    resumes_canceled(&self->io, 500, 100);
    spoolbuf_ffmpeg_resume(&self->io);
    assert(player_status(self) == SB_OK && spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_SET) == 0);
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == 1 && bytes[0] == odd_byte(0));
    /* An empty read is not the end. */
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 0) == 0);
    /* A seek past the end is not an error; the next read returns the end, never 0 bytes. */
    assert(spoolbuf_ffmpeg_seek(&self->io, 5000, SEEK_SET | AVSEEK_FORCE) == 5000);
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == AVERROR_EOF);
    assert(io->seekable & AVIO_SEEKABLE_NORMAL);
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, AVSEEK_SIZE) == ODD);
    assert(spoolbuf_ffmpeg_seek(&self->io, -1, SEEK_END) == ODD - 1);
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_SET) == 0);
    assert(avio_size(io) == ODD && avio_seek(io, 10, SEEK_SET) == 10);
    assert(avio_r8(io) == odd_byte(10) && avio_seek(io, 5000000, SEEK_SET) == 5000000);
    assert(avio_r8(io) == 0 && avio_feof(io) && io->error == 0);
    assert(player_status(self) == SB_OK);
    assert(spoolbuf_ffmpeg_open(&other, NULL) == AVERROR(EINVAL));
    spoolbuf_ffmpeg_close(&other);
    /* A freed buffer is an error. */
    sb_free(self->buffer);
    assert(spoolbuf_ffmpeg_read(&self->io, bytes, 1) == AVERROR(EINVAL));
    assert(spoolbuf_ffmpeg_seek(&self->io, 0, SEEK_SET) == AVERROR(EINVAL));
    assert(player_status(self) == SB_ERR_INVALID);
}

static int player_looks_ahead(player *self, int asks_size)
{
    return spoolbuf_ffmpeg_seek(&self->io, asks_size ? 0 : LOOK, asks_size ? AVSEEK_SIZE : SEEK_SET) >= 0;
}

/* Decodes a packet, or the rest if there is none. */
static void decode(player *self, AVCodecContext *decoder, const AVPacket *packet, AVFrame *frame)
{
    int planes = 1, plane, size;

    avcodec_send_packet(decoder, packet);
    while (avcodec_receive_frame(decoder, frame) >= 0) {
        if (av_sample_fmt_is_planar(decoder->sample_fmt))
            planes = decoder->ch_layout.nb_channels;
        size = av_samples_get_buffer_size(NULL, decoder->ch_layout.nb_channels, frame->nb_samples,
                                          decoder->sample_fmt, 1);
        for (plane = 0; plane < planes; plane++)
            self->sum = sum_of(self->sum, frame->extended_data[plane], (size_t)(size / planes));
        begin(&self->begun);
    }
}

static void player_play(player *self)
{
    AVFormatContext *format = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    AVCodecContext *decoder = NULL;
    const AVCodec *codec;
    int64_t last = INT64_MIN;
    int status, sound = -1;

    self->sum = 1;
    if (self->buffer != NULL)
        format->pb = self->io.context;
    status = avformat_open_input(&format, self->buffer != NULL ? NULL : self->file, NULL, NULL);
    if (status >= 0)
        status = sound = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
    if (status >= 0) {
        decoder = avcodec_alloc_context3(codec);
        avcodec_parameters_to_context(decoder, format->streams[sound]->codecpar);
        status = avcodec_open2(decoder, codec, NULL);
    }
    while (status >= 0) {
        status = av_read_frame(format, packet);
        /* A packet with an error arrives truncated. */
        if (status >= 0 && packet->stream_index == sound && packet->pts > last
            && !(packet->flags & AV_PKT_FLAG_CORRUPT)) {
            decode(self, decoder, packet, frame);
            last = packet->pts;
        }
        av_packet_unref(packet);
        if (status < 0 && self->goes_on > 0) {
            self->goes_on--;
            assert(status == AVERROR(EIO) && player_status(self) == SB_ERR_SOURCE);
            sb_retry(self->buffer);
            spoolbuf_ffmpeg_resume(&self->io);
            status = av_seek_frame(format, sound, last, AVSEEK_FLAG_BACKWARD);
        }
    }
    if (decoder != NULL)
        decode(self, decoder, NULL, frame);
    self->says = status == AVERROR_EOF ? "end" : status == AVERROR_EXIT ? "stop" : "error";
    avcodec_free_context(&decoder);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avformat_close_input(&format);
}

/* The sum of the next packets of the sound, of about half a second, and the time of the first one. */
static uint32_t sum_of_packets(AVFormatContext *format, AVPacket *packet, int sound, int64_t *first)
{
    uint32_t sum = 1;
    int count = 0;

    while (count < 20) {
        assert(av_read_frame(format, packet) == 0);
        if (packet->stream_index == sound) {
            sum = sum_of(sum, packet->data, (size_t)packet->size);
            if (count++ == 0)
                *first = packet->pts;
        }
        av_packet_unref(packet);
    }
    return sum;
}

static void player_goes_back(player *self)
{
    AVFormatContext *format = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    int64_t first, ignored;
    uint32_t once;
    int sound;

    format->pb = self->io.context;
    assert(avformat_open_input(&format, NULL, NULL, NULL) == 0);
    sound = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    assert(sound >= 0);
    once = sum_of_packets(format, packet, sound, &first);
    /* An AAC begins before zero. */
    assert(av_seek_frame(format, sound, first, AVSEEK_FLAG_BACKWARD) >= 0);
    assert(sum_of_packets(format, packet, sound, &ignored) == once);
    av_packet_free(&packet);
    avformat_close_input(&format);
}
