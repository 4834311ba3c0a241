// The functions of several/qt.h.
#include <QtCore/QFile>

#include "spoolbuf_qt.hpp"

static QIODevice *device(void *file)
{
    return static_cast<QIODevice *>(file);
}

static spoolbuf::qt_device *ours(void *file)
{
    return static_cast<spoolbuf::qt_device *>(device(file));
}

extern "C" {

void *qt_file_open(sb_buffer *buffer, const char *name)
{
    QIODevice *file = buffer != nullptr ? static_cast<QIODevice *>(new spoolbuf::qt_device(buffer))
                                        : new QFile(QString::fromUtf8(name));

    return file->open(QIODevice::ReadOnly) ? file : nullptr;
}

int64_t qt_file_read(void *file, char *out, int64_t wanted)
{
    return device(file)->read(out, wanted);
}

int qt_file_at_end(void *file)
{
    return device(file)->atEnd();
}

int qt_file_seek(void *file, int64_t offset)
{
    return device(file)->seek(offset);
}

void qt_file_cancel(void *file)
{
    ours(file)->cancel();
}

void qt_file_resume(void *file)
{
    ours(file)->resume();
}

int qt_file_status(void *file)
{
    return ours(file)->status();
}

void qt_file_close(void *file)
{
    delete device(file);
}
}
