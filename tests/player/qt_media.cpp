/*
 * Qt Multimedia decodes a sound: qt_media FILE [KIND DECLARED]. Without a kind from the file itself; `pipe` is a
 * buffer over a source that cannot seek, which is fetched first; `seek` is one that can seek. Prints the sum of
 * the samples, and the status.
 */
#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <QtCore/QCoreApplication>
#include <QtCore/QFile>
#include <QtCore/QTimer>
#include <QtMultimedia/QAudioBuffer>
#include <QtMultimedia/QAudioDecoder>
#include <QtMultimedia/QAudioFormat>

#include "spoolbuf_qt.hpp"

static QFile film;

static int64_t read_film(void *, void *out, size_t capacity)
{
    return film.read(static_cast<char *>(out), qint64(capacity < 10007 ? capacity : 10007));
}

static int64_t seek_film(void *, uint64_t offset)
{
    return film.seek(qint64(offset)) ? 0 : -1;
}

static sb_buffer *open_buffer(bool seeks, const char *declared)
{
    sb_callback callback = {};
    callback.read = read_film;
    callback.seek = seeks ? seek_film : nullptr;
    return sb_new(&callback, strtoull(declared, nullptr, 10), 65536);
}

static uint32_t low = 1, high;

static void add(const QAudioBuffer &sound)
{
    auto next = sound.constData<unsigned char>();
    for (qsizetype at = 0; at < sound.byteCount(); at++) {
        low = (low + next[at]) % 65521;
        high = (high + low) % 65521;
    }
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    assert(argc == 2 || argc == 4);
    film.setFileName(QString::fromUtf8(argv[1]));
    assert(film.open(QIODevice::ReadOnly));
    bool seeks = argc == 4 && strcmp(argv[2], "seek") == 0;
    sb_buffer *buffer = argc == 4 ? open_buffer(seeks, argv[3]) : nullptr;
    sb_reader_options options;
    sb_reader_options_init(&options, sizeof options);
    options.reach = seeks ? SB_REACH_AUTO : SB_REACH_WHOLE;
    spoolbuf::qt_device device(buffer, options);
    QAudioFormat format;
    format.setSampleRate(44100);
    format.setChannelCount(2);
    format.setSampleFormat(QAudioFormat::Int16);

    QAudioDecoder decoder;
    decoder.setAudioFormat(format);
    if (buffer != nullptr)
        assert(device.open(QIODevice::ReadOnly));
    decoder.setSourceDevice(buffer != nullptr ? static_cast<QIODevice *>(&device) : &film);
    QObject::connect(&decoder, &QAudioDecoder::bufferReady, [&] { add(decoder.read()); });
    QObject::connect(&decoder, &QAudioDecoder::finished, &app, &QCoreApplication::quit);
    QObject::connect(&decoder, qOverload<QAudioDecoder::Error>(&QAudioDecoder::error), [&] {
        printf("error %s\n", qPrintable(decoder.errorString()));
        app.exit(1);
    });
    decoder.start();
    int code = app.exec();
    printf("sum 0x%08x\nstatus %s\n", high << 16 | low, buffer == nullptr ? "none" : sb_strerror(device.status()));
    device.close();
    sb_free(buffer);
    return code;
}
