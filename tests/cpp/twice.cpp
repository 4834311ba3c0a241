// The second file of a program, or a library of its own, that includes the header: no symbol is defined
// twice, and the category is the same object, also where all else is hidden.
#include <spoolbuf.hpp>

__attribute__((visibility("default"))) const std::error_category *category_elsewhere()
{
    return &spoolbuf::category();
}
