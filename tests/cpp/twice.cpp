// The second file of a program that includes the header in two: no symbol is defined twice.
#include <spoolbuf.hpp>

const std::error_category *category_elsewhere() { return &spoolbuf::category(); }
