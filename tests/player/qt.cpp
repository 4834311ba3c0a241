/*
 * What Qt asks of a device: positions and ends of both kinds of it, errors, stops; images, data streams and
 * text; and copies made by the event loop. The resource is a function of the offset.
 */
#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

#include <QtCore/QBuffer>
#include <QtCore/QCoreApplication>
#include <QtCore/QDataStream>
#include <QtCore/QTextStream>
#include <QtCore/QTimer>
#include <QtGui/QImage>
#include <QtGui/QImageReader>

#include "spoolbuf_qt.hpp"

using spoolbuf::qt_device;

enum { ODD = 1000 };

/* Whether this thread is out of memory. */
static thread_local bool starved;

void *operator new(size_t size)
{
    void *memory = starved ? nullptr : std::malloc(size);

    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

void operator delete(void *memory) noexcept { std::free(memory); }

void operator delete(void *memory, size_t) noexcept { std::free(memory); }

static QByteArray odd_bytes(int count = ODD)
{
    QByteArray bytes;

    for (int at = 0; at < count; at++)
        bytes.append(char((uint64_t(at) + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56));
    return bytes;
}

/* Delivers `bytes`, at most 100 at once, and then ends, or fails with -5 at `fails_at`. */
struct source {
    QByteArray bytes = odd_bytes();
    qint64 at = 0;
    qint64 fails_at = -1;
    bool seeks = false;
    bool refuses = false; /* when it is to seek */
    uint64_t declared = SB_SIZE_UNKNOWN;
    uint64_t prefetch = 0;

    static int64_t read(void *opaque, void *out, size_t capacity)
    {
        auto self = static_cast<source *>(opaque);
        qint64 count = qMin(qMin(qint64(capacity), qint64(100)), self->bytes.size() - self->at);

        if (self->fails_at == self->at) {
            self->fails_at = -1;
            return -5;
        }
        if (self->fails_at > self->at)
            count = qMin(count, self->fails_at - self->at);
        if (count > 0)
            memcpy(out, self->bytes.constData() + self->at, size_t(count));
        self->at += qMax(qint64(0), count);
        return qMax(qint64(0), count);
    }

    static int64_t seek(void *opaque, uint64_t offset)
    {
        auto self = static_cast<source *>(opaque);
        if (self->refuses)
            return SB_SOURCE_UNSUPPORTED;
        self->at = qint64(offset);
        return 0;
    }

    sb_buffer *open()
    {
        sb_callback callback = {};
        sb_options options;
        sb_buffer *buffer = nullptr;

        callback.read = read;
        callback.opaque = this;
        callback.seek = seeks ? seek : nullptr;
        sb_options_init(&options, sizeof options);
        options.size = declared;
        options.prefetch = prefetch;
        options.read_granularity = 0;
        assert(sb_new_with(&callback, &options, &buffer) == SB_OK);
        return buffer;
    }
};

/* A forward-only source is a pipe to Qt, in which one can go back. */
static void sequential()
{
    source source;
    source.declared = 77;
    sb_buffer *buffer = source.open();
    qt_device device(buffer);
    QByteArray bytes = odd_bytes();

    assert(!device.open(QIODevice::ReadWrite) && !device.open(QIODevice::WriteOnly) && !device.isOpen());
    assert(device.open(QIODevice::ReadOnly) && device.isSequential() && !device.open(QIODevice::ReadOnly));
    assert(device.size() == 0 && device.bytesAvailable() == 0 && !device.atEnd());
    assert(device.bytesAvailable() == 1 || device.bytesAvailable() == 100);
    assert(device.peek(10) == bytes.first(10) && device.pos() == 0 && device.bytesAvailable() >= 10);
    assert(device.read(4) == bytes.first(4) && device.pos() == 4);
    assert(device.read(300) == bytes.mid(4, 300) && device.pos() == 304);
    assert(device.seek(20) && device.pos() == 20 && device.peek(7) == bytes.mid(20, 7));
    assert(device.seek(15) && device.read(10) == bytes.mid(15, 10) && device.bytesAvailable() >= 275);
    device.ungetChar('x');
    char got = 0;
    assert(device.pos() == 24 && device.getChar(&got) && got == 'x' && device.pos() == 25);
    device.startTransaction();
    assert(device.read(50) == bytes.mid(25, 50));
    device.rollbackTransaction();
    assert(device.read(50) == bytes.mid(25, 50) && device.pos() == 75);
    device.startTransaction();
    assert(device.read(50).size() == 50 && device.seek(1) && !device.isTransactionStarted());
    assert(device.skip(9) == 9 && device.read(1) == bytes.mid(10, 1));
    assert(!device.seek(-1) && !device.seek(3 * SB_REACH_AUTO) && !device.errorString().isEmpty());
    assert(device.read(1) == bytes.mid(11, 1) && device.status() == SB_OK);
    assert(device.readAll() == bytes.mid(12) && device.atEnd() && device.read(1).isEmpty());
    assert(device.bytesAvailable() == 0 && !device.waitForReadyRead(-1));
    assert(device.status() == SB_OK && device.isSequential() && device.write("x") < 0);
    /* The end is known: the next one is a file. */
    device.close();
    assert(!device.isOpen() && device.open(QIODevice::ReadOnly) && !device.isSequential());
    assert(device.size() == ODD && device.bytesAvailable() == ODD && device.readAll() == bytes);
    sb_free(buffer);
    assert(!device.seek(0) && device.read(1).isEmpty() && device.status() == SB_ERR_INVALID);
}

/* What has a size, which was looked for if it was declared, is a file. */
static void random_access(bool whole)
{
    source source;
    source.seeks = !whole;
    source.declared = ODD - 1;
    sb_buffer *buffer = source.open();
    sb_reader_options options;
    sb_reader_options_init(&options, sizeof options);
    if (!whole)
        options.reach = SB_REACH_AUTO;
    qt_device device(buffer, options);
    QByteArray bytes = odd_bytes();

    assert(device.open(QIODevice::ReadOnly) && !device.isSequential() && device.size() == ODD);
    assert(device.bytesAvailable() == ODD && !device.atEnd() && device.peek(3) == bytes.first(3));
    assert(device.seek(ODD - 1) && !device.atEnd() && device.bytesAvailable() == 1);
    assert(device.read(9) == bytes.last(1) && device.atEnd() && device.pos() == ODD);
    assert(device.seek(5000) && device.atEnd() && device.read(1).isEmpty() && device.seek(3));
    device.ungetChar('x');
    assert(device.read(3) == "x" + bytes.mid(3, 2) && device.reset() && device.readAll() == bytes);
    device.startTransaction();
    device.rollbackTransaction();
    assert(device.seek(7) && device.canReadLine() == bytes.mid(7).contains('\n'));
    /* A stop stops although every byte is buffered. */
    device.cancel();
    assert(!device.seek(0) && device.status() == SB_ERR_CANCELED && device.read(1).isEmpty());
    assert(device.errorString().contains("cancel"));
    device.resume();
    assert(device.status() == SB_OK && device.read(1) == bytes.mid(7, 1));
    sb_free(buffer);
    char byte;
    assert(device.read(&byte, 1) == -1 && device.status() == SB_ERR_INVALID);
}

/* After a cancel, opening does not look for the size. */
static void opened_canceled()
{
    source source;
    sb_buffer *buffer = source.open();
    sb_reader_options options;
    sb_reader_options_init(&options, sizeof options);
    qt_device device(buffer, options);

    device.cancel();
    assert(!device.open(QIODevice::ReadOnly) && device.status() == SB_ERR_CANCELED && source.at == 0);
    assert(device.errorString().contains("cancel"));
    device.resume();
    assert(device.open(QIODevice::ReadOnly) && device.size() == ODD && device.status() == SB_OK);
    device.close();
    sb_free(buffer);
}

/* A source that turns out to be unable to seek is a pipe. */
static void refused()
{
    source source;
    source.bytes = odd_bytes(1000000);
    source.seeks = source.refuses = true;
    source.declared = 1000000;
    sb_buffer *buffer = source.open();
    qt_device device(buffer);

    assert(device.open(QIODevice::ReadOnly) && device.isSequential() && device.status() == SB_OK);
    assert(device.readAll() == source.bytes && device.status() == SB_OK);
    device.close();
    sb_free(buffer);
}

/* The bytes before an error, then the error, which is no end. */
static void error()
{
    source source;
    source.fails_at = 250;
    sb_buffer *buffer = source.open();
    qt_device device(buffer);
    char bytes[ODD];

    assert(device.open(QIODevice::ReadOnly) && device.read(bytes, ODD) == 250);
    assert(device.read(bytes, ODD) == -1 && !device.atEnd() && device.status() == SB_ERR_SOURCE);
    assert(device.errorString().contains("-5") && !device.waitForReadyRead(-1));
    sb_retry(buffer);
    device.resume();
    assert(device.read(bytes, ODD) == ODD - 250 && bytes[0] == odd_bytes()[250] && device.atEnd());
    device.close();
    sb_free(buffer);
}

/* One that never blocks: no bytes yet is neither an error nor the end. */
static void timeouts()
{
    sb_buffer *buffer = nullptr;
    sb_reader_options options;
    char bytes[ODD];

    assert(sb_new_push(nullptr, &buffer) == SB_OK);
    sb_reader_options_init(&options, sizeof options);
    options.timeout_ms = 0;
    options.reach = SB_REACH_AUTO;
    qt_device device(buffer, options);
    assert(device.open(QIODevice::ReadOnly) && device.isSequential());
    assert(device.read(bytes, ODD) == 0 && !device.atEnd() && !device.waitForReadyRead(1));
    assert(!device.canReadLine() && sb_push(buffer, 0, 6, "ab\ncde", -1) == 6);
    assert(device.waitForReadyRead(-1) && device.bytesAvailable() == 6 && device.canReadLine());
    assert(device.readLine() == "ab\n" && !device.canReadLine() && device.read(bytes, ODD) == 3);
    assert(device.read(bytes, ODD) == 0 && !device.atEnd() && device.status() == SB_OK);
    std::thread stop([&device] { device.cancel(); });
    assert(!device.waitForReadyRead(-1));
    stop.join();
    assert(device.read(bytes, ODD) == -1 && device.status() == SB_ERR_CANCELED);
    device.resume();
    assert(sb_push_end(buffer, SB_SIZE_UNKNOWN, 0) == SB_OK && device.atEnd());
    device.close();
    sb_free(buffer);
}

/* Qt's own readers get the same from the device as from memory. */
static void images()
{
    QImage picture(320, 200, QImage::Format_RGB32);
    for (int y = 0; y < 200; y++)
        for (int x = 0; x < 320; x++)
            picture.setPixel(x, y, qRgb(x * 7 % 256, y * 5 % 256, x * y % 251));
    for (const char *format : { "PNG", "BMP", "PPM", "JPG" })
        for (int64_t off : { -2, -1, 0, 1, 2, 3 })
            for (bool seeks : { false, true }) {
                QBuffer memory;
                source source;
                assert(memory.open(QIODevice::ReadWrite) && picture.save(&memory, format));
                source.bytes = memory.data();
                uint64_t size = uint64_t(source.bytes.size());
                source.seeks = seeks;
                /* Half, one less, right, one more, double, 2^40. */
                source.declared = off == -2 ? size / 2
                    : off == 2              ? size * 2
                    : off == 3              ? uint64_t(1) << 40
                                            : size + uint64_t(off);
                sb_buffer *buffer = source.open();
                qt_device device(buffer);
                memory.seek(0);
                assert(device.open(QIODevice::ReadOnly) && device.isSequential() == !seeks);
                QImage direct = QImageReader(&memory).read(), image = QImageReader(&device).read();
                assert(!image.isNull() && image == direct);
                assert(device.status() == SB_OK || (device.status() == SB_ERR_SHORT && off > 0));
                /* Once more. */
                assert(device.seek(0) && QImageReader(&device, format).read() == direct);
                device.close();
                sb_free(buffer);
            }
}

static void streams()
{
    source source;
    source.bytes.clear();
    QDataStream out(&source.bytes, QIODevice::WriteOnly);
    for (int at = 0; at < 500; at++)
        out << qint32(at) << QString::number(at) << double(at);
    sb_buffer *buffer = source.open();
    qt_device device(buffer);
    assert(device.open(QIODevice::ReadOnly));
    QDataStream in(&device);
    for (int at = 0; at < 500; at++) {
        qint32 number;
        QString text;
        double real;
        in >> number >> text >> real;
        assert(in.status() == QDataStream::Ok && number == at && text == QString::number(at) && real == at);
    }
    assert(in.atEnd() && device.status() == SB_OK);
    device.close();
    sb_free(buffer);

    class source lines;
    lines.bytes = "one\ntwo\r\nthree";
    buffer = lines.open();
    qt_device text(buffer);
    assert(text.open(QIODevice::ReadOnly | QIODevice::Text));
    QTextStream words(&text);
    assert(words.readLine() == "one" && words.readLine() == "two" && words.readLine() == "three");
    assert(words.atEnd());
    text.close();
    sb_free(buffer);
}

/* The event loop is told of each byte, also of one that comes while the ones before are not read. */
static void events(bool blocks)
{
    sb_buffer *buffer = nullptr;
    sb_reader_options options;
    QByteArray bytes = odd_bytes(200000), copy;
    int calls = 0, ends = 0;

    assert(sb_new_push(nullptr, &buffer) == SB_OK);
    sb_reader_options_init(&options, sizeof options);
    options.reach = SB_REACH_AUTO;
    options.timeout_ms = blocks ? -1 : 0;
    qt_device device(buffer, options);
    QEventLoop loop;
    assert(sb_push(buffer, 0, 500, bytes.constData(), -1) == 500);
    assert(device.open(QIODevice::ReadOnly));
    QObject::connect(&device, &QIODevice::readyRead, &loop, [&] {
        assert(device.bytesAvailable() > 0);
        /* Every third time it leaves everything, or a part. */
        if (calls % 3 == 1)
            copy += device.read(qMin(qint64(70), device.bytesAvailable()));
        else if (calls % 3 == 2)
            copy += device.read(device.bytesAvailable());
        calls++;
    });
    QObject::connect(&device, &QIODevice::readChannelFinished, &loop, [&] {
        ends++;
        copy += device.readAll();
        assert(device.atEnd());
        loop.quit();
    });
    std::thread pusher([&] {
        for (qint64 at = 500; at < bytes.size();) {
            qint64 count = qMin(qint64(3001), bytes.size() - at);
            at += sb_push(buffer, uint64_t(at), size_t(count), bytes.constData() + at, -1);
            if (at % 7 == 0)
                std::this_thread::yield();
        }
        sb_push_end(buffer, SB_SIZE_UNKNOWN, 0);
    });
    loop.exec();
    pusher.join();
    assert(copy == bytes && ends == 1 && calls > 0 && device.status() == SB_OK);
    /* Back at the start, everything is reported anew. */
    copy.clear();
    calls = 2;
    assert(device.seek(0));
    loop.exec();
    assert(copy == bytes && ends == 2);
    device.close();
    sb_free(buffer);
}

/* Nothing is reported after a close, and nothing is used. */
static void closed_while_watched()
{
    for (int round = 0; round < 200; round++) {
        sb_buffer *buffer = nullptr;
        assert(sb_new_push(nullptr, &buffer) == SB_OK);
        auto device = new qt_device(buffer);
        assert(device->open(QIODevice::ReadOnly));
        QObject::connect(device, &QIODevice::readyRead, [] { std::abort(); });
        QCoreApplication::processEvents();
        std::thread pusher([&] { sb_push(buffer, 0, 4, "abcd", -1); });
        if (round % 2)
            device->close();
        delete device;
        pusher.join();
        QCoreApplication::processEvents();
        sb_free(buffer);
    }
}

/* A report for which there is no memory is an error, on whatever thread. */
static void starved_report()
{
    sb_buffer *buffer = nullptr;
    assert(sb_new_push(nullptr, &buffer) == SB_OK);
    qt_device device(buffer);
    assert(device.open(QIODevice::ReadOnly));
    QObject::connect(&device, &QIODevice::readyRead, [] {});
    QCoreApplication::processEvents();
    std::thread pusher([&] {
        starved = true;
        sb_push(buffer, 0, 4, "abcd", -1);
        starved = false;
    });
    pusher.join();
    assert(device.status() == SB_ERR_NO_MEMORY && device.read(4) == "abcd");
    device.close();
    sb_free(buffer);
}

/* A device that never calls a source waits without a limit for what others bring. */
static void waits_for_others()
{
    sb_buffer *buffer = nullptr;
    sb_reader_options options;
    assert(sb_new_push(nullptr, &buffer) == SB_OK);
    sb_reader_options_init(&options, sizeof options);
    options.flags = SB_READER_BUFFERED;
    qt_device device(buffer, options);
    assert(device.open(QIODevice::ReadOnly) && !device.waitForReadyRead(0));
    sb_stats stats;
    assert(sb_stat(buffer, &stats, sizeof stats) == SB_OK);
    uint64_t before = stats.waits;
    std::thread pusher([&] {
        while (sb_stat(buffer, &stats, sizeof stats) == SB_OK && stats.waits == before)
            std::this_thread::yield();
        sb_push(buffer, 0, 4, "abcd", -1);
    });
    bool ready = device.waitForReadyRead(-1);
    if (!ready)
        sb_free(buffer);
    pusher.join();
    assert(ready && device.read(4) == "abcd");
    device.close();
    sb_free(buffer);
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);

    sequential();
    random_access(false);
    random_access(true);
    opened_canceled();
    refused();
    error();
    timeouts();
    images();
    streams();
    events(true);
    events(false);
    closed_while_watched();
    starved_report();
    waits_for_others();
    puts("ok");
    return 0;
}
