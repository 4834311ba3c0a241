// The program demo.c in C++, without an exception, so that it is compiled with and without them.
#include <spoolbuf.hpp>

#include <cstdio>

int main()
{
    std::error_code code;
    const auto from_stdin = [](void *out, std::size_t capacity) -> std::int64_t {
        const std::size_t count = std::fread(out, 1, capacity, stdin);
        return count == 0 && std::ferror(stdin) ? -1 : static_cast<std::int64_t>(count);
    };
    spoolbuf::buffer buffer(from_stdin, {}, code);
    char late[6], early[6];

    if (code || buffer.read(700000, late, code) != 6 || buffer.read(0, early, code) != 6)
        return 1;
    std::printf("%.6s, %.6s\n", late, early);
}
