--- The engine as Lua sees it: the declarations of hyla.h, the shared library, and its failures as errors.
--
-- hyla.h is read, never copied. It lies beside this file in an installation and in engine/ of a source tree. The
-- library is the one that HYLA_LIB names, or build/libhyla.so of the source tree, or one where Lua looks for C modules
-- (an installation has it in lib/lua/5.1), or the system's.
-- @module hyla.ffi
require "hyla.compiler"
local ffi = require "ffi"

-- C declarations live as long as the process, modules only as long as package.loaded has them (busted forgets them
-- between files): a second load gets what the first one made.
local registry = debug.getregistry()
if registry["hyla.ffi"] then return registry["hyla.ffi"] end

local here = debug.getinfo(1, "S").source:match "^@(.*)ffi%.lua$" or "./"

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function read_header()
  local places = { here .. "hyla.h", here .. "../../engine/hyla.h" }
  for _, path in ipairs(places) do
    local file = io.open(path, "r")
    if file then
      local text = file:read "*a"
      file:close()
      return text
    end
  end
  error("hyla: hyla.h is missing: expected " .. table.concat(places, " or "), 0)
end

-- C declarations alone: what is for C++ goes, then every directive. Lines stay where they are, for ffi.cdef's messages.
local function declarations(header)
  local lines, cplusplus = {}, false
  for line in (header .. "\n"):gmatch "(.-)\n" do
    if line:find "^#ifdef __cplusplus" then cplusplus = true end
    lines[#lines + 1] = (cplusplus or line:find "^#") and "" or line
    if line:find "^#endif" then cplusplus = false end
  end
  return table.concat(lines, "\n")
end

local function load_library()
  local named = os.getenv "HYLA_LIB"
  if named and named ~= "" then return ffi.load(named) end
  local built = here .. "../../build/libhyla.so"
  return ffi.load(exists(built) and built or package.searchpath("libhyla", package.cpath) or "hyla")
end

ffi.cdef(declarations(read_header()))

local engine = {}

--- The library: every function and constant of hyla.h.
engine.C = load_library()

local failure = { status = 0, words = "" }             -- the last one that was raised

--- Passes a status on, or raises the engine's words for a failed one. They name their place themselves, so no
-- position is put in front.
-- @tparam number status what a function of the library returned
-- @treturn number status, when it is not negative
function engine.check(status)
  if status >= 0 then return status end
  failure.status, failure.words = status, ffi.string(engine.C.hyla_error())
  error(failure.words, 0)
end

--- The status behind an error that was caught, where it is the last failure of the engine.
-- @param message what pcall gave
-- @treturn number|nil
function engine.status_of(message)
  if message == failure.words then return failure.status end
end

engine.check(engine.C.hyla_threads(0))  -- a wrong HYLA_THREADS is told at once

-- The engine passes over kernels that the CPU lacks; who asked for them by name is told instead.
local asked, chosen = os.getenv "HYLA_KERNELS", ffi.string(engine.C.hyla_kernel_variant())
if asked and asked ~= "" and asked ~= chosen then
  error(('HYLA_KERNELS: expected "generic", "avx2" or "avx512", one that this CPU has (its best is "%s"), got "%s"')
    :format(chosen, asked), 0)
end

-- Lua's collector does not see the engine's memory, so a small heap of handles may hold gigabytes.
local PRESSURE = 64 * 2 ^ 20  -- bytes
local seen = 0

--- Tells the collector that handles were made: when the engine's memory has grown by 64 MiB and by half since the
-- last collection, one is done now.
function engine.relieve()
  local now = engine.C.hyla_memory_current()
  if now < seen then seen = now end
  if now - seen < math.max(PRESSURE, seen / 2) then return end
  collectgarbage()
  seen = engine.C.hyla_memory_current()
end

registry["hyla.ffi"] = engine
return engine
