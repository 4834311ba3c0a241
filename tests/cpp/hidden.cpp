// The program beside a library that hides its symbols: both mean the same errors.
#include "check.hpp"

const std::error_category *category_elsewhere();

int main()
{
    CHECK(category_elsewhere() == &spoolbuf::category());
    std::puts("ok");
}
