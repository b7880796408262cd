# What `cmake --install` lays down:
#   bin/hyla                          the command; it finds the rest from where it lies
#   lib/libhyla.so                    the engine
#   lib/lua/5.1/libhyla.so            a link to it, where Lua looks for C modules
#   include/hyla.h                    its public header
#   lib/pkgconfig/hyla.pc
#   share/lua/5.1/hyla/               the Lua modules, with the header that they read through the FFI
#   share/hyla/{recipes,datasets,bench}/
#   share/doc/hyla/                   README, licence, docs
#   share/man/man1/hyla.1             and the completion of bash, zsh and fish, each where its shell looks
# `cmake --build build --target uninstall` takes it away again. As a rock (HYLA_ROCK, see the rockspec) Hyla is the
# command, the modules, the library in the place of the link, and share/lua/5.1/hyla.d in the place of share/hyla.
include(GNUInstallDirs)
option(HYLA_ROCK "Install for LuaRocks: what it deploys, where it looks" OFF)
if(HYLA_ROCK)                                   # which gives HYLA_LUA_DIR and HYLA_LUA_CDIR, too
  set(HYLA_SHARE ${HYLA_LUA_DIR}/hyla.d)
else()
  set(HYLA_LUA_DIR ${CMAKE_INSTALL_DATADIR}/lua/5.1)
  set(HYLA_LUA_CDIR lib/lua/5.1)
  set(HYLA_SHARE ${CMAKE_INSTALL_DATADIR}/hyla)
endif()
set(HYLA_MAN ${CMAKE_INSTALL_MANDIR}/man1)
set(HYLA_BASH ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
set(HYLA_ZSH ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
set(HYLA_FISH ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# First of all: which folders are not there yet, for uninstall.
configure_file(cmake/folders.cmake.in folders.cmake @ONLY)
install(SCRIPT ${CMAKE_CURRENT_BINARY_DIR}/folders.cmake)

install(PROGRAMS hyla DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY lua/hyla DESTINATION ${HYLA_LUA_DIR} FILES_MATCHING PATTERN "*.lua" PATTERN "completion/*")
install(FILES engine/hyla.h DESTINATION ${HYLA_LUA_DIR}/hyla)
install(DIRECTORY recipes DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY datasets DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY bench DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.lua" PATTERN "*.py" PATTERN "*.txt"
  PATTERN "*.gp" PATTERN "stream.c" PATTERN kernels EXCLUDE)

if(HYLA_ROCK)
  install(FILES $<TARGET_FILE:hyla> DESTINATION ${HYLA_LUA_CDIR} RENAME libhyla.so)
  return()
endif()

install(TARGETS hyla LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
file(RELATIVE_PATH HYLA_LIBRARY_FROM_LUA /prefix/${HYLA_LUA_CDIR} /prefix/${CMAKE_INSTALL_LIBDIR}/libhyla.so)
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/link)
file(CREATE_LINK ${HYLA_LIBRARY_FROM_LUA} ${CMAKE_CURRENT_BINARY_DIR}/link/libhyla.so SYMBOLIC)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/link/libhyla.so DESTINATION ${HYLA_LUA_CDIR})
install(FILES engine/hyla.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The pkg-config file names its prefix by where it lies itself, so that an installation may be moved.
file(RELATIVE_PATH HYLA_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(hyla.pc.in hyla.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hyla.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The manual page is written by the command, from what --help shows: now, so that it is never older than the modules.
if(NOT CMAKE_CROSSCOMPILING)
  install(CODE "execute_process(COMMAND ${CMAKE_COMMAND} -E env \"HYLA_LIB=$<TARGET_FILE:hyla>\"
      \"${CMAKE_CURRENT_SOURCE_DIR}/hyla\" man OUTPUT_FILE \"${CMAKE_CURRENT_BINARY_DIR}/hyla.1\" RESULT_VARIABLE code)
    if(NOT code EQUAL 0)
      message(FATAL_ERROR \"hyla man failed: the manual page cannot be installed\")
    endif()")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hyla.1 DESTINATION ${HYLA_MAN})
endif()
install(FILES lua/hyla/cli/completion/hyla.bash DESTINATION ${HYLA_BASH} RENAME hyla)
install(FILES lua/hyla/cli/completion/hyla.zsh DESTINATION ${HYLA_ZSH} RENAME _hyla)
install(FILES lua/hyla/cli/completion/hyla.fish DESTINATION ${HYLA_FISH})
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/uninstall.cmake)
