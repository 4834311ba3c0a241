# The version for find_package(). Within one major version, which is that of the SONAME, a newer library
# runs what was compiled for an older one.
set(PACKAGE_VERSION "0.1.0")
string(REGEX MATCH "^[0-9]+" _spoolbuf_major "${PACKAGE_VERSION}")
set(PACKAGE_VERSION_EXACT FALSE)
set(PACKAGE_VERSION_COMPATIBLE FALSE)
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
if(PACKAGE_FIND_VERSION_RANGE)
  if(PACKAGE_FIND_VERSION_MIN_MAJOR EQUAL _spoolbuf_major
      AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN
      AND (PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX
        OR (PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE"
          AND PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX)))
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
elseif(NOT PACKAGE_FIND_VERSION OR (PACKAGE_FIND_VERSION_MAJOR EQUAL _spoolbuf_major
    AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION))
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()

# A program of 32 bits can't use a library of 64. CMakeLists.txt puts a line before this that says how large
# a pointer is. For cargo-c, the library says so, where it is an ELF file.
if(NOT DEFINED _spoolbuf_pointer)
  set(_spoolbuf_pointer "")
  foreach(_spoolbuf_name "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib32 lib)
    set(_spoolbuf_file "${CMAKE_CURRENT_LIST_DIR}/../../../${_spoolbuf_name}/libspoolbuf.so")
    if(NOT _spoolbuf_pointer AND EXISTS "${_spoolbuf_file}")
      file(READ "${_spoolbuf_file}" _spoolbuf_file LIMIT 5 HEX)
      if(_spoolbuf_file MATCHES "^7f454c460([12])$")
        math(EXPR _spoolbuf_pointer "4 * ${CMAKE_MATCH_1}")
      endif()
    endif()
  endforeach()
endif()
# Unknown to a project without a language.
if(_spoolbuf_pointer AND CMAKE_SIZEOF_VOID_P AND NOT _spoolbuf_pointer EQUAL CMAKE_SIZEOF_VOID_P)
  math(EXPR _spoolbuf_pointer "8 * ${_spoolbuf_pointer}")
  set(PACKAGE_VERSION "${PACKAGE_VERSION} (${_spoolbuf_pointer}bit)")
  set(PACKAGE_VERSION_UNSUITABLE TRUE)
endif()
foreach(_spoolbuf_name major pointer file)
  unset(_spoolbuf_${_spoolbuf_name})
endforeach()
unset(_spoolbuf_name)
