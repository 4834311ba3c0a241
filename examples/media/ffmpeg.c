/*
 * Decodes a file, or what a pipe brings, with FFmpeg, and tells what came out.
 *
 *     ffmpeg film.mp4
 *     curl -s https://example.com/film.mp4 | ffmpeg -
 *
 * Ctrl-C stops at once, also while nothing comes.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavutil/adler32.h>

#include "resource.h"
#include "spoolbuf_ffmpeg.h"

/* Samples in the order in which they are heard, so that the sum is that of interleaved PCM. */
static uint32_t sum_of(uint32_t sum, const AVFrame *frame, int channels)
{
    int size = av_get_bytes_per_sample(frame->format), at, channel;

    if (!av_sample_fmt_is_planar(frame->format))
        return av_adler32_update(sum, frame->data[0], frame->nb_samples * channels * size);
    for (at = 0; at < frame->nb_samples; at++)
        for (channel = 0; channel < channels; channel++)
            sum = av_adler32_update(sum, frame->extended_data[channel] + at * size, size);
    return sum;
}

static void stop(void *io)
{
    spoolbuf_ffmpeg_stop(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    AVFormatContext *format = avformat_alloc_context();
    AVCodecContext *decoders[8] = { NULL };
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    int64_t pictures = 0, samples = 0;
    uint32_t sum = 1;
    spoolbuf_ffmpeg io;
    unsigned at;
    int status, failed;

    if (buffer == NULL || spoolbuf_ffmpeg_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    format->pb = io.context;
    status = avformat_open_input(&format, NULL, NULL, NULL);
    if (status >= 0)
        status = avformat_find_stream_info(format, NULL);
    for (at = 0; status >= 0 && at < format->nb_streams && at < 8; at++) {
        const AVCodec *codec = avcodec_find_decoder(format->streams[at]->codecpar->codec_id);
        decoders[at] = avcodec_alloc_context3(codec);
        avcodec_parameters_to_context(decoders[at], format->streams[at]->codecpar);
        decoders[at]->pkt_timebase = format->streams[at]->time_base;
        status = avcodec_open2(decoders[at], codec, NULL);
    }
    while (status >= 0) {
        AVCodecContext *decoder;
        status = av_read_frame(format, packet);
        /* After the last packet each decoder is emptied. */
        for (at = 0; at < format->nb_streams && at < 8; at++) {
            decoder = decoders[at];
            if (status >= 0 && packet->stream_index != (int)at)
                continue;
            avcodec_send_packet(decoder, status >= 0 ? packet : NULL);
            while (avcodec_receive_frame(decoder, frame) >= 0) {
                if (decoder->codec_type == AVMEDIA_TYPE_AUDIO) {
                    samples += frame->nb_samples;
                    sum = sum_of(sum, frame, decoder->ch_layout.nb_channels);
                } else {
                    pictures++;
                }
            }
        }
        av_packet_unref(packet);
    }
    /* FFmpeg makes "invalid data" or an ordinary end of many an error: ask the adapter first. */
    failed = spoolbuf_ffmpeg_status(&io);
    printf("frames %" PRId64 "\nsamples %" PRId64 "\nsum 0x%08" PRIx32 "\nduration %.2f\n%s\n",
           pictures, samples, sum, format != NULL ? format->duration / 1e6 : 0,
           failed == SB_ERR_CANCELED ? "stopped"
               : failed < 0          ? sb_strerror(failed)
               : status != AVERROR_EOF ? av_err2str(status)
                                       : "ended");
    for (at = 0; at < 8; at++)
        avcodec_free_context(&decoders[at]);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avformat_close_input(&format);
    spoolbuf_ffmpeg_close(&io);
    sb_free(buffer);
    return status != AVERROR_EOF || failed < 0;
}
