/*
 * spoolbuf_qt.hpp - Qt reads from a buffer: a QIODevice over a position in it.
 *
 *     spoolbuf::qt_device device(buffer);
 *     if (!device.open(QIODevice::ReadOnly)) ...
 *     QImageReader(&device).read();             (or QDataStream, QTextStream, ...)
 *     if (device.status() < 0) ...
 *
 *   Qt requests          result
 *   bytes                as many as it asks for. The read blocks until they have arrived, since QDataStream
 *                        and others take fewer for the end
 *   the end              fewer, or 0; and atEnd() is true, for which it may have to wait
 *   an end too early     before the declared size: it is the end, or with SB_SHORT_ERROR an error. status()
 *                        is SB_ERR_SHORT in both cases
 *   an error             the bytes before it, then -1, and errorString() is the line of sb_error_text().
 *                        atEnd() is false. Most code on top of Qt turns an error into an ordinary end or an
 *                        error of its own. status() returns the library's code. To go on: sb_retry(), resume()
 *   no bytes yet         only with options, for code that handles it: with a timeout (0 never blocks) or
 *                        SB_READER_BUFFERED, a read returns the bytes that are there. If there are none, it
 *                        returns 0 if the device is sequential, and else -1. atEnd() is false, and status()
 *                        is SB_OK
 *   the size             as a file, if the size is a fact (see below). A declared size may be wrong
 *   a seek, the position cost nothing within the buffered bytes or if the source can seek. Otherwise a seek
 *                        beyond the reach fails. They work on a sequential device as well
 *   bytesAvailable()     of a sequential device: what can be read without blocking. Of another one: what is
 *                        left, as for a file
 *   readyRead()          of a sequential device, from the event loop of its thread, whenever more bytes have
 *                        arrived. readChannelFinished(): the end, an error or a cancel comes after them. If one
 *                        of the two is connected, a thread of the library calls the source (sb_when()), as fast
 *                        as the event loop turns
 *   waitForReadyRead()   waits for a byte at the position, however the device was opened
 *   a write              open() refuses it
 *   a blocked read       cancel(), from any thread, makes it and every later read and seek fail, until
 *                        resume()
 *   with a prefetch      (sb_prefetch(), the option `prefetch`) or a timeout, a thread of the library calls
 *                        the source, and a stop takes effect at once
 *   without one          the source is called on the thread that reads, and a stop takes effect when the
 *                        source returns: at once if it is SB_SOURCE_INTERRUPTIBLE. Else only sb_cancel()
 *                        makes it return; that cancels every blocked call, until sb_resume()
 *   lifetime             close or destroy it before sb_free()
 *
 * qt_device(buffer) means AUTO: a reach of SB_REACH_AUTO. qt_device(buffer, options) takes the options of a
 * reader, and so another reach, SB_REACH_WHOLE for example, or a timeout.
 *
 *   a source             the device, from open() to close()
 *   whose end is known   is random access, as a file is
 *   that can seek, with  the same, after one seek of the source to the declared end, which proves the size
 *   a size
 *   any other            is sequential, as a pipe is: one that cannot seek, whether a size is declared or
 *                        not, and one that can seek but has no size. Everything starts at once. Code that
 *                        accepts only random access refuses it
 *   with SB_REACH_WHOLE  is random access, once open() has fetched everything
 *
 * Where a sequential device does not do, open it again with the whole:
 *
 *     sb_reader_options whole;
 *     sb_reader_options_init(&whole, sizeof whole);         (its reach is SB_REACH_WHOLE)
 *     spoolbuf::qt_device device(buffer, whole);
 *
 * Qt Multimedia (QMediaPlayer, QAudioDecoder) needs the whole, unless the source can seek and has a size. Its GStreamer
 * backend takes the end of any sequential device for a pause, so that a FLAC or an Ogg never finishes. Its
 * FFmpeg backend (6.4) loses the sound that it has read to recognize the format.
 *
 * Bytes go from the buffer to the caller: the device is unbuffered (QIODevice::Unbuffered), since Qt's own
 * buffer would wait for 16 KiB where 4 bytes are requested.
 *
 *   parameter            meaning
 *   buffer               the buffer to read
 *   options              the options of a reader
 *   parent               the object that destroys the device, or none
 *   mode                 QIODevice::ReadOnly
 *   offset               the new position, in bytes from the start
 *   ms                   how long to wait at most, in milliseconds; -1: no limit
 *
 * Qt 6 or 5.15. C++17. No moc: the class adds no signal. Its functions belong to the device's thread, except
 * cancel() and status().
 */
#ifndef SPOOLBUF_QT_HPP
#define SPOOLBUF_QT_HPP

#include <QtCore/QIODevice>
#include <QtCore/QMetaMethod>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "spoolbuf.h"

namespace spoolbuf {

/// A read-only QIODevice over a buffer.
class qt_device : public QIODevice {
public:
    /// A device that is not open yet, with AUTO.
    explicit qt_device(sb_buffer *buffer, QObject *parent = nullptr) : QIODevice(parent), buffer_(buffer)
    {
        sb_reader_options_init(&options_, sizeof options_);
        options_.reach = SB_REACH_AUTO;
    }

    /// A device that is not open yet, with the options of a reader.
    qt_device(sb_buffer *buffer, const sb_reader_options &options, QObject *parent = nullptr)
        : QIODevice(parent), buffer_(buffer), options_(options)
    {
    }

    ~qt_device() override { close(); }

    /// Opens it at the start of the buffer. Returns false on an error, and errorString() says why.
    bool open(OpenMode mode) override
    {
        if (isOpen() || (mode & (WriteOnly | Append | Truncate | NewOnly)) || !(mode & ReadOnly))
            return fails(SB_ERR_UNSUPPORTED);
        sb_reader *reader = nullptr;
        int made = sb_reader_new_with(buffer_, &options_, &reader);
        if (made < 0)
            return fails(made);
        reader_ = reader;
        int64_t size = find_size();
        /* A source may turn out to be unable to seek. */
        if (size < 0 && size != SB_ERR_UNKNOWN_SIZE && size != SB_ERR_UNSUPPORTED && size != SB_ERR_TIMEOUT) {
            note(size);
            fails(size);
            drop();
            return false;
        }
        size_ = size < 0 ? -1 : size;
        QIODevice::open(mode | Unbuffered);
        watch();
        return true;
    }

    /// Closes it; the buffer stays open.
    void close() override
    {
        if (isOpen())
            QIODevice::close();
        drop();
    }

    /// Whether it is sequential, as the table says. Fixed while the device is open.
    bool isSequential() const override { return size_ < 0; }

    /// The size; of a sequential device, what can be read without blocking.
    qint64 size() const override { return size_ < 0 ? bytesAvailable() : size_; }

    /// The position, in bytes from the start, of a sequential device too.
    qint64 pos() const override
    {
        return isSequential() && isOpen() ? place() - QIODevice::bytesAvailable() : QIODevice::pos();
    }

    /// Moves the position. Returns false on an error, and errorString() says why.
    bool seek(qint64 offset) override
    {
        if (!isOpen() || offset < 0)
            return false;
        int64_t found = move(offset);
        if (found == SB_ERR_CANCELED)
            note(found);
        if (found < 0)
            return fails(found);
        if (!isSequential())
            return QIODevice::seek(offset);
        /* Bytes that Qt keeps, of a peek or a transaction. */
        if (isTransactionStarted())
            rollbackTransaction();
        QIODevice::skip(QIODevice::bytesAvailable());
        sb_reader_seek(reader_, offset, SB_SEEK_SET);
        watch();
        return true;
    }

    /// Whether it is at the end: it waits until that is known. False after an error.
    bool atEnd() const override
    {
        char byte;

        if (!isOpen())
            return true;
        if (!isSequential())
            return pos() >= size_;
        if (QIODevice::bytesAvailable() > 0)
            return false;
        int64_t count = take(&byte, 1);
        if (count > 0)
            sb_reader_seek(reader_, -count, SB_SEEK_CUR);
        return count == 0;
    }

    /// The number of bytes that can be read without blocking; of a random access device, what is left.
    qint64 bytesAvailable() const override
    {
        if (!isSequential() || !isOpen())
            return QIODevice::bytesAvailable();
        int64_t count = sb_buffered(buffer_, uint64_t(place()));
        return QIODevice::bytesAvailable() + (count < 0 ? 0 : count);
    }

    /// Whether a whole line can be read without blocking.
    bool canReadLine() const override
    {
        char bytes[256];
        int64_t count;

        if (QIODevice::canReadLine())
            return true;
        for (uint64_t at = uint64_t(isSequential() ? place() : pos());; at += uint64_t(count)) {
            count = sb_read_some(buffer_, at, sizeof bytes, bytes, 0);
            if (count <= 0 || std::memchr(bytes, '\n', size_t(count)) != nullptr)
                return count > 0;
        }
    }

    /// Waits for a byte at the position. Returns false at the end, after an error or a cancel, and if none came in time.
    bool waitForReadyRead(int ms) override
    {
        sb_reader_options options = options_;
        sb_reader *waiter = nullptr;
        char byte;

        if (!isOpen() || stopped_)
            return false;
        /* Without a timeout, a reader that never calls the source would not wait. */
        options.timeout_ms = ms < 0 && (options.flags & SB_READER_BUFFERED) != 0 ? INT64_MAX : ms;
        if (sb_reader_new_with(buffer_, &options, &waiter) < 0)
            return false;
        waiter_ = waiter;
        sb_reader_seek(waiter, isSequential() ? place() : pos(), SB_SEEK_SET);
        /* The cancel may have come before `waiter_` was set. */
        int64_t count = stopped_ ? int64_t(SB_ERR_CANCELED) : sb_reader_read(waiter, 1, &byte);
        waiter_ = nullptr;
        sb_reader_free(waiter);
        return count > 0;
    }

    /// Makes the blocked read, and every later read and seek, fail. From any thread, while it is open.
    void cancel()
    {
        stopped_ = true;
        sb_reader_cancel(reader_);
        sb_reader_cancel(waiter_);
    }

    /// Lets it go on. Not while a read is running.
    void resume()
    {
        status_ = SB_OK;
        stopped_ = false;
        sb_reader_resume(reader_);
        watch();
    }

    /// Tells the first error since the construction or the last resume(). From any thread. Returns SB_OK or the
    /// library's code; also SB_ERR_SHORT once the source has ended before the declared size.
    int status() const
    {
        int status = status_;
        sb_stats facts;

        if (status == SB_OK && sb_stat(buffer_, &facts, sizeof facts) == SB_OK && facts.ended_short)
            return SB_ERR_SHORT;
        return status;
    }

protected:
    qint64 readData(char *out, qint64 wanted) override
    {
        qint64 done = 0;
        int64_t count = 0;

        if (!isSequential() && (count = sb_reader_seek(reader_, pos(), SB_SEEK_SET)) > 0)
            count = 0;
        while (count >= 0 && done < wanted && (count = take(out + done, wanted - done)) > 0)
            done += count;
        if (count < 0 && count != SB_ERR_TIMEOUT)
            note(count);
        if (done > 0 || count == 0 || (count == SB_ERR_TIMEOUT && isSequential()))
            return done;
        fails(count);
        return -1;
    }

    qint64 writeData(const char *, qint64) override { return -1; }

    void connectNotify(const QMetaMethod &) override { look_soon(); }

private:
    /* From any thread. No exception may leave it. */
    static void on_ready(void *opaque, int64_t)
    {
        auto self = static_cast<qt_device *>(opaque);

        QT_TRY {
            self->look_soon();
        } QT_CATCH (...) {
            self->note(SB_ERR_NO_MEMORY);
        }
    }

    /* From any thread. */
    void look_soon()
    {
        QMetaObject::invokeMethod(this, [this] { look(); }, Qt::QueuedConnection);
    }

    bool is_heard() const
    {
        return isSignalConnected(QMetaMethod::fromSignal(&QIODevice::readyRead))
            || isSignalConnected(QMetaMethod::fromSignal(&QIODevice::readChannelFinished));
    }

    /* Reports what has arrived since the last report, and has the next byte reported. From the event loop of
     * the device's thread. */
    void look()
    {
        if (!isOpen() || !isSequential() || !is_heard())
            return;
        unwatch();
        int64_t count = sb_when(buffer_, uint64_t(reported_), on_ready, this, &watch_);
        if (count > 0) {
            reported_ += count;
            look_soon();
            /* A slot may have read more than had been reported to it. */
            if (bytesAvailable() > 0)
                Q_EMIT readyRead();
        } else if (count != SB_ERR_TIMEOUT && !finished_) {
            finished_ = true;
            Q_EMIT readChannelFinished();
        }
    }

    /* Reports the buffered bytes from the position on, also those that were reported before. */
    void watch()
    {
        reported_ = place();
        finished_ = false;
        if (is_heard())
            look_soon();
    }

    void unwatch()
    {
        sb_watch_free(watch_);
        watch_ = nullptr;
    }

    /* The size if it is a fact, or becomes one at the cost of a seek of the source. */
    int64_t find_size()
    {
        int64_t size = sb_known_size(buffer_);
        sb_stats facts;

        if (size != SB_ERR_UNKNOWN_SIZE)
            return size;
        if (options_.reach == SB_REACH_WHOLE
            || (sb_stat(buffer_, &facts, sizeof facts) == SB_OK && facts.seekable && sb_size(buffer_) >= 0))
            return stopped_ ? int64_t(SB_ERR_CANCELED) : sb_reader_find_size(reader_);
        return size;
    }

    int64_t place() const { return sb_reader_seek(reader_, 0, SB_SEEK_CUR); }

    int64_t move(int64_t offset)
    {
        return stopped_ ? int64_t(SB_ERR_CANCELED) : sb_reader_seek(reader_, offset, SB_SEEK_SET);
    }

    /* Buffered bytes would hide the cancel. */
    int64_t take(char *out, qint64 wanted) const
    {
        auto most = uint64_t(SIZE_MAX / 2);
        auto length = size_t(uint64_t(wanted) < most ? uint64_t(wanted) : most);
        return stopped_ ? int64_t(SB_ERR_CANCELED) : sb_reader_read(reader_, length, out);
    }

    void note(int64_t result)
    {
        int none = SB_OK;
        status_.compare_exchange_strong(none, int(result));
    }

    /* Explains it. */
    bool fails(int64_t result)
    {
        char path[1024], text[1536];
        sb_error error;

        sb_error_init(&error, sizeof error);
        error.path = path;
        error.path_cap = sizeof path;
        if (sb_reader_error(reader_, &error) == SB_OK && error.status == result
            && sb_error_text(&error, text, sizeof text) >= 0)
            setErrorString(QString::fromUtf8(text));
        else
            setErrorString(QString::fromUtf8(sb_strerror(result)));
        return false;
    }

    void drop()
    {
        unwatch();
        sb_reader_free(reader_);
        reader_ = nullptr;
        size_ = -1;
    }

    sb_buffer *buffer_;
    sb_reader_options options_;
    std::atomic<sb_reader *> reader_{ nullptr };
    std::atomic<sb_reader *> waiter_{ nullptr };
    sb_watch *watch_ = nullptr;
    int64_t reported_ = 0; /* how far readyRead() has been emitted for */
    bool finished_ = false;
    qint64 size_ = -1;
    std::atomic<int> status_{ SB_OK };
    std::atomic<bool> stopped_{ false };
};

} // namespace spoolbuf

#endif
