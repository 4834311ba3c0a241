# Rust's name of the target on Windows, in spoolbuf_triple. It is named to cargo always: cargo's configuration,
# which may be that of a folder above, can name another one.
set(spoolbuf_triple "${SPOOLBUF_RUST_TARGET}")
if(NOT spoolbuf_triple)
  set(spoolbuf_triple "$ENV{CARGO_BUILD_TARGET}")
endif()
set(spoolbuf_named "${spoolbuf_triple}")
if(NOT spoolbuf_triple)
  execute_process(COMMAND "${SPOOLBUF_CARGO}" -vV WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE spoolbuf_triple)
  string(REGEX REPLACE ".*\nhost: ([^\r\n]+).*" "\\1" spoolbuf_triple "${spoolbuf_triple}")
endif()

# The library is for the compiler of this build, which need not be the one that Rust was installed for.
if(SPOOLBUF_MSVC)
  set(spoolbuf_compiler "msvc")
else()
  set(spoolbuf_compiler "gnu")
endif()
if(spoolbuf_triple MATCHES "-windows-(msvc|gnu)" AND NOT CMAKE_MATCH_1 STREQUAL spoolbuf_compiler)
  if(spoolbuf_named)
    # Indented: CMake does not wrap such lines.
    message(FATAL_ERROR " spoolbuf for ${spoolbuf_triple} can't be linked by ${CMAKE_C_COMPILER}")
  endif()
  string(REGEX REPLACE "-windows-.*" "-windows-${spoolbuf_compiler}" spoolbuf_triple "${spoolbuf_triple}")
  # Rust has no aarch64-pc-windows-gnu.
  string(REGEX REPLACE "^aarch64-pc-windows-gnu$" "aarch64-pc-windows-gnullvm" spoolbuf_triple "${spoolbuf_triple}")
endif()
# Visual Studio has a compiler for each machine, on each.
if(SPOOLBUF_MSVC AND NOT spoolbuf_named)
  foreach(spoolbuf_machine IN ITEMS ARM64:aarch64 X86:i686 x64:x86_64)
    if(spoolbuf_machine MATCHES "^${CMAKE_C_COMPILER_ARCHITECTURE_ID}:(.*)")
      string(REGEX REPLACE "^[^-]*-(.*)" "${CMAKE_MATCH_1}-\\1" spoolbuf_triple "${spoolbuf_triple}")
    endif()
  endforeach()
endif()
if(CMAKE_SIZEOF_VOID_P EQUAL 4 AND NOT spoolbuf_named)
  string(REGEX REPLACE "^x86_64-(.*-windows-)" "i686-\\1" spoolbuf_triple "${spoolbuf_triple}")
endif()
