# What `cmake --install` lays down:
#   bin/hyla                      the command; it finds the rest from where it lies
#   lib/libhyla.so                the engine
#   include/hyla.h                its public header
#   lib/pkgconfig/hyla.pc
#   share/hyla/lua/hyla/          the Lua modules, with the header that they read through the FFI
#   share/hyla/{recipes,datasets,bench}/
include(GNUInstallDirs)

# The pkg-config file names its prefix by where it lies itself, so that an installation may be moved.
file(RELATIVE_PATH HYLA_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(hyla.pc.in hyla.pc @ONLY)
install(TARGETS hyla LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES engine/hyla.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hyla.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(PROGRAMS hyla DESTINATION ${CMAKE_INSTALL_BINDIR})
set(HYLA_SHARE ${CMAKE_INSTALL_DATADIR}/hyla)
install(DIRECTORY lua/hyla DESTINATION ${HYLA_SHARE}/lua FILES_MATCHING PATTERN "*.lua")
install(FILES engine/hyla.h DESTINATION ${HYLA_SHARE}/lua/hyla)
install(DIRECTORY recipes DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY datasets DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY bench DESTINATION ${HYLA_SHARE} FILES_MATCHING PATTERN "*.lua" PATTERN "*.py" PATTERN "*.txt"
  PATTERN "*.gp" PATTERN "stream.c" PATTERN kernels EXCLUDE)
