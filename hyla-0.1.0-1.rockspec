-- For `luarocks --lua-version 5.1 make` in a clone or an unpacked release. Needs LuaJIT, CMake, OpenBLAS and SLEEF
-- (Debian: luajit cmake libopenblas-dev libsleef-dev).
rockspec_format = "3.0"
package = "hyla"
version = "0.1.0-1"
source = { url = "file://." }
description = {
  summary = "Differentiates through training: learns hyperparameters by gradient",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua == 5.1", "lyaml", "argparse", "lua-cjson", "luafilesystem", "luaposix", "luasocket", "busted",
}
build = {
  type = "cmake",
  variables = {
    HYLA_ROCK = "ON",
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    CMAKE_INSTALL_BINDIR = "$(BINDIR)",
    HYLA_LUA_DIR = "$(LUADIR)",
    HYLA_LUA_CDIR = "$(LIBDIR)",
  },
}
