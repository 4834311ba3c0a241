# Finds a cargo that is new enough: the one that SPOOLBUF_CARGO names, else that of the environment's CARGO, else
# the one in PATH, else rustup's at home, which PATH need not have. packaging/cargo.sh does the same where there is
# no CMake. CMakeLists.txt includes this, and the port for vcpkg.
get_filename_component(spoolbuf_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
file(STRINGS "${spoolbuf_root}/Cargo.toml" spoolbuf_rust REGEX "^rust-version = ")
string(REGEX REPLACE "^[^\"]*\"([0-9.]+)\".*" "\\1" spoolbuf_rust "${spoolbuf_rust}")

set(spoolbuf_homes "$ENV{CARGO_HOME}" "$ENV{HOME}/.cargo" "$ENV{USERPROFILE}/.cargo")
# Without those whose variable is not set: /bin may have an old one.
list(REMOVE_ITEM spoolbuf_homes "" "/.cargo")
list(TRANSFORM spoolbuf_homes APPEND "/bin")
set(spoolbuf_named "${SPOOLBUF_CARGO}")
if(NOT spoolbuf_named)
  set(spoolbuf_named "$ENV{CARGO}")
endif()
if(spoolbuf_named)
  set(spoolbuf_why "there is no ${spoolbuf_named}")
  find_program(SPOOLBUF_CARGO "${spoolbuf_named}" DOC "The program cargo")
else()
  set(spoolbuf_why "there is no cargo in PATH")
  find_program(SPOOLBUF_CARGO cargo PATHS ${spoolbuf_homes} DOC "The program cargo")
endif()

# Indented: CMake does not wrap such lines.
set(spoolbuf_needs " spoolbuf needs Rust ${spoolbuf_rust} or newer (https://rustup.rs)")
if(NOT SPOOLBUF_CARGO)
  message(FATAL_ERROR "${spoolbuf_needs}: ${spoolbuf_why}")
endif()

# refusal CARGO RESULT: why it cannot be taken; empty if it can.
function(spoolbuf_refusal cargo result)
  execute_process(COMMAND "${cargo}" --version WORKING_DIRECTORY "${spoolbuf_root}" RESULT_VARIABLE ended
    OUTPUT_VARIABLE said ERROR_VARIABLE complaint OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT said)
    string(STRIP "${complaint}" said)
  endif()
  # The first line.
  string(REGEX REPLACE "\n.*" "" said "${said}")
  set(refusal "")
  if(ended MATCHES "[Nn]o such file")
    set(refusal "there is no ${cargo}")
  elseif(NOT said MATCHES "^cargo ([0-9.]+)")
    set(refusal "${cargo} says \"${said}\"")
  elseif(CMAKE_MATCH_1 VERSION_LESS spoolbuf_rust)
    set(refusal "${cargo} is version ${CMAKE_MATCH_1}")
  endif()
  set(${result} "${refusal}" PARENT_SCOPE)
endfunction()

spoolbuf_refusal("${SPOOLBUF_CARGO}" spoolbuf_refused)
if(spoolbuf_refused AND NOT spoolbuf_named)
  # An old one in PATH hides a newer one at home.
  find_program(spoolbuf_newer cargo PATHS ${spoolbuf_homes} NO_DEFAULT_PATH)
  if(spoolbuf_newer)
    spoolbuf_refusal("${spoolbuf_newer}" spoolbuf_again)
    if(NOT spoolbuf_again)
      set(SPOOLBUF_CARGO "${spoolbuf_newer}" CACHE FILEPATH "The program cargo" FORCE)
      set(spoolbuf_refused "")
    endif()
  endif()
  unset(spoolbuf_newer CACHE)
endif()
if(spoolbuf_refused)
  # Looked for again, once another one is installed.
  unset(SPOOLBUF_CARGO CACHE)
  message(FATAL_ERROR "${spoolbuf_needs}: ${spoolbuf_refused}")
endif()
