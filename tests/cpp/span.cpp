// C++20: spans in and out.
#include "check.hpp"

#include <array>
#include <span>

#ifdef ELSEWHERE // twice.cpp is there as well.
const std::error_category *category_elsewhere();
#endif

int main()
{
#ifdef ELSEWHERE
    CHECK(category_elsewhere() == &spoolbuf::category());
#endif
    spoolbuf::buffer buffer([inner = stream{1000}](std::span<std::byte> room) mutable {
        return inner(room.data(), room.size());
    });
    std::array<unsigned char, 300> bytes;
    auto filled = buffer.read(100, std::span(bytes));
    CHECK(filled.size() == 300 && is_resource(100, filled.data(), filled.size()));
    filled = buffer.read(900, std::span(bytes));
    CHECK(filled.size() == 100 && filled.data() == bytes.data());
    CHECK(!buffer.read_some(0, std::span(bytes).first<20>()).empty());

    struct member {
        stream inner{10};
        std::size_t read(std::span<std::byte> room) { return inner(room.data(), room.size()); }
    };
    spoolbuf::buffer other(member{});
    spoolbuf::reader reader(other);
    CHECK(reader.read(std::span(bytes)).size() == 10);
    CHECK(reader.read(std::span(bytes)).empty());
    std::puts("ok");
}
