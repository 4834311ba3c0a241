/*
 * Decodes the sound and the pictures of a file, or of a pipe, with FFmpeg.
 *
 *     ffmpeg film.mp4
 *     curl -s https://example.com/film.mp4 | ffmpeg -
 */
#include "taken.h"
#include "spoolbuf_ffmpeg.h"

static void stop(void *io)
{
    spoolbuf_ffmpeg_cancel(io);
}

int main(int argc, char **argv)
{
    const enum AVMediaType kinds[2] = { AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_VIDEO };
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    AVFormatContext *format = avformat_alloc_context();
    AVCodecContext *decoders[2] = { NULL };
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    int status, streams[2], at;
    struct taken taken = { 1, 0, 0 };
    spoolbuf_ffmpeg io;
    const AVCodec *codec;

    if (buffer == NULL || spoolbuf_ffmpeg_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    format->pb = io.context;
    if ((status = avformat_open_input(&format, NULL, NULL, NULL)) >= 0)
        status = avformat_find_stream_info(format, NULL);
    for (at = 0; status >= 0 && at < 2; at++) {
        if ((streams[at] = av_find_best_stream(format, kinds[at], -1, -1, &codec, 0)) < 0)
            continue;
        decoders[at] = avcodec_alloc_context3(codec);
        avcodec_parameters_to_context(decoders[at], format->streams[streams[at]]->codecpar);
        decoders[at]->pkt_timebase = format->streams[streams[at]]->time_base;
        status = avcodec_open2(decoders[at], codec, NULL);
    }
    for (; status >= 0; av_packet_unref(packet)) {
        status = av_read_frame(format, packet); /* After the last packet each decoder is drained. */
        for (at = 0; at < 2; at++)
            if (decoders[at] != NULL && (status < 0 || packet->stream_index == streams[at]))
                for (avcodec_send_packet(decoders[at], status < 0 ? NULL : packet);
                     avcodec_receive_frame(decoders[at], frame) >= 0;)
                    take(&taken, frame);
    }
    printf("frames %u\nsamples %u\nsum 0x%08x\n", taken.pictures, taken.samples, taken.sum);
    status = resource_end(spoolbuf_ffmpeg_status(&io), status == AVERROR_EOF ? NULL : av_err2str(status));
    for (at = 0; at < 2; at++)
        avcodec_free_context(&decoders[at]);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avformat_close_input(&format);
    spoolbuf_ffmpeg_close(&io);
    sb_free(buffer);
    return status;
}
