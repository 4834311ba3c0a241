# Runs the port packaging/vcpkg without vcpkg, by functions that do what those of vcpkg do:
#
#     cmake -DLINKAGE=static|dynamic -DFOLDER=folder -P .ci/vcpkg.cmake
cmake_minimum_required(VERSION 3.16)

set(PORT spoolbuf)
get_filename_component(CURRENT_PORT_DIR "${CMAKE_CURRENT_LIST_DIR}/../packaging/vcpkg" ABSOLUTE)
get_filename_component(FOLDER "${FOLDER}" ABSOLUTE)
set(CURRENT_PACKAGES_DIR "${FOLDER}/package")
set(VCPKG_LIBRARY_LINKAGE "${LINKAGE}")
file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${CURRENT_PACKAGES_DIR}")

function(do)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${result}: ${ARGN}")
  endif()
endfunction()

# As with the real one, what CMake says is in a file alone.
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  set(shared ON)
  if(LINKAGE STREQUAL "static")
    set(shared OFF)
  endif()
  set(log "${FOLDER}/config.log")
  do("${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${FOLDER}/build" -DCMAKE_BUILD_TYPE=Release
    "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" "-DBUILD_SHARED_LIBS=${shared}"
    -DCMAKE_INSTALL_LIBDIR:STRING=lib -DCMAKE_INSTALL_BINDIR:STRING=bin ${arg_OPTIONS}
    OUTPUT_FILE "${log}" ERROR_FILE "${log}")
endfunction()

function(vcpkg_cmake_install)
  do("${CMAKE_COMMAND}" --build "${FOLDER}/build" --target install)
endfunction()

# The real one checks the file, and moves Libs.private to Libs where the library is static.
function(vcpkg_fixup_pkgconfig)
  set(ENV{PKG_CONFIG_PATH} "${CURRENT_PACKAGES_DIR}/lib/pkgconfig")
  do(pkg-config --print-errors --exists "${PORT}")
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  foreach(file IN LISTS arg_FILE_LIST)
    file(READ "${file}" text)
    file(APPEND "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright" "${text}")
  endforeach()
endfunction()

include("${CURRENT_PORT_DIR}/portfile.cmake")

# What vcpkg refuses a package for.
function(none what)
  if(ARGN)
    message(FATAL_ERROR "${what}: ${ARGN}")
  endif()
endfunction()
foreach(file IN ITEMS include/spoolbuf.h lib/pkgconfig/spoolbuf.pc share/man/man3/sb_read.3
    share/spoolbuf/copyright share/spoolbuf/usage)
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${file}")
    message(FATAL_ERROR "There is no ${file}")
  endif()
endforeach()
file(GLOB shared "${CURRENT_PACKAGES_DIR}/lib/*.so*")
file(GLOB static "${CURRENT_PACKAGES_DIR}/lib/*.a")
file(GLOB misplaced "${CURRENT_PACKAGES_DIR}/lib/cmake" "${CURRENT_PACKAGES_DIR}/cmake"
  "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/share/doc")
none("Misplaced" ${misplaced})
if(LINKAGE STREQUAL "static")
  none("Shared libraries in a static package" ${shared})
else()
  none("Static libraries in a shared package" ${static})
endif()
