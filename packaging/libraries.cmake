# Builds both libraries as they ship on Windows, where there need not be a shell: CMakeLists.txt runs it at every
# build. packaging/libraries.sh does the same for the other build systems.
#
#   cmake -DFOLDER=folder -DCARGO=program -DTARGET=triple -DSHARED=name -DIMPORT=name -DARCHIVE=name
#     [-DNM=program -DOBJCOPY=program] [-DFLAGS=list] -P packaging/libraries.cmake
#
# What cargo builds is in FOLDER/cargo, unless CARGO_TARGET_DIR says otherwise. A file that is current is not written
# again. With NM and OBJCOPY, which are mingw-w64's, the archive is without debug information, and the names of
# Rust are local in it, so that it can be in one program with other archives of Rust.
cmake_minimum_required(VERSION 3.16...3.30)

file(MAKE_DIRECTORY "${FOLDER}")
set(target "${FOLDER}/cargo")
if(NOT "$ENV{CARGO_TARGET_DIR}" STREQUAL "")
  get_filename_component(target "$ENV{CARGO_TARGET_DIR}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
endif()
execute_process(RESULT_VARIABLE ended COMMAND "${CARGO}" rustc --quiet --locked --release --lib
  --crate-type cdylib,staticlib --target-dir "${target}" --target "${TARGET}" ${FLAGS})
if(NOT ended EQUAL 0)
  message(FATAL_ERROR " spoolbuf: cargo failed: ${ended}")
endif()
set(built "${target}/${TARGET}/release")
set(archive "${built}/${ARCHIVE}")

# An archive of several objects that need each other's functions, as one without link-time optimization, is left as
# it is. The compiler's own functions have the same names everywhere, and the linker takes the first.
if(OBJCOPY)
  execute_process(RESULT_VARIABLE ended COMMAND "${OBJCOPY}" -D --wildcard --strip-debug
    -L "!*compiler_builtins*" -L "_ZN*" -L "_R*" -L "rust_*" -L "__rust*" "${archive}" "${FOLDER}/${ARCHIVE}.new")
  execute_process(COMMAND "${NM}" -g "${FOLDER}/${ARCHIVE}.new" OUTPUT_VARIABLE names ERROR_QUIET)
  string(REGEX REPLACE "[^\n]*compiler_builtins[^\n]*" "" names "${names}")
  if(ended EQUAL 0 AND names AND NOT names MATCHES " (_ZN|_R|rust_|__rust)")
    set(archive "${FOLDER}/${ARCHIVE}.new")
  else()
    message(STATUS "spoolbuf: ${ARCHIVE} keeps the symbols of Rust")
  endif()
endif()

configure_file("${built}/${SHARED}" "${FOLDER}/${SHARED}" COPYONLY)
configure_file("${built}/${IMPORT}" "${FOLDER}/${IMPORT}" COPYONLY)
configure_file("${archive}" "${FOLDER}/${ARCHIVE}" COPYONLY)
file(REMOVE "${FOLDER}/${ARCHIVE}.new")
