// A QNetworkReply pushes its bytes, and another thread reads and prints them: push_qt URL >FILE. Qt stops
// receiving while 64 KiB are unread in the reply: while 512 KiB are ahead of the reader, or memory is full.
#include <QtCore/QCoreApplication>
#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkReply>
#include <spoolbuf.h>
#include <thread>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    sb_buffer *buffer;
    sb_options options;
    sb_options_init(&options, sizeof options);
    options.ahead = 512 * 1024;
    if (argc != 2 || sb_new_push(&options, &buffer) != SB_OK)
        return 2;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(QUrl(argv[1])));
    reply->setReadBufferSize(64 * 1024);
    uint64_t received = 0, pauses = 0;
    sb_watch *watch = nullptr;
    auto on_space = [](void *reply, int64_t) { // an error, too, is returned by the next push
        QMetaObject::invokeMethod(static_cast<QObject *>(reply), "readyRead", Qt::QueuedConnection);
    };
    auto push = [&] {
        bool good = reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt() < 400;
        while (good && reply->bytesAvailable() > 0) {
            QByteArray piece = reply->peek(64 * 1024);
            int64_t accepted = sb_push(buffer, received, size_t(piece.size()), piece.constData(), 0);
            if (accepted == SB_ERR_TIMEOUT && pauses++ == 0)
                fputs("paused\n", stderr);
            sb_watch_free(watch);
            if (accepted > 0)
                received += uint64_t(reply->skip(accepted));
            else if (accepted != SB_ERR_TIMEOUT)
                good = false, reply->abort(); // finishes it
            else if (sb_when(buffer, SB_WHEN_WANTED, on_space, reply, &watch) == SB_ERR_TIMEOUT)
                return;
        }
        if (reply->isFinished()) // an end if the error is 0, else a failure
            sb_push_end(buffer, SB_SIZE_UNKNOWN, -int64_t(reply->error()));
    };
    QObject::connect(reply, &QNetworkReply::readyRead, &app, push);
    QObject::connect(reply, &QNetworkReply::finished, &app, push);

    int64_t count = 0;
    std::thread reader([&] {
        static char bytes[65536];
        for (uint64_t at = 0; (count = sb_read_some(buffer, at, sizeof bytes, bytes, -1)) > 0; at += count)
            fwrite(bytes, 1, size_t(count), stdout);
        QMetaObject::invokeMethod(&app, &QCoreApplication::quit);
    });
    app.exec();
    reader.join();
    sb_watch_free(watch);
    fprintf(stderr, "%s\n", sb_strerror(count));
    sb_free(buffer);
    return count < 0;
}
