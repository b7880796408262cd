--- libcurl: one HTTP download at a time, into a file. It is driven from Lua by the multi interface, so no callback
-- comes back from C; libcurl writes with its own fwrite.
-- @module hyla.lib.curl
local ffi = require "ffi"

ffi.cdef [[
void *curl_easy_init(void);
int curl_easy_setopt(void *easy, int option, ...);
int curl_easy_getinfo(void *easy, int info, ...);
const char *curl_easy_strerror(int code);
void curl_easy_cleanup(void *easy);
void *curl_multi_init(void);
int curl_multi_add_handle(void *multi, void *easy);
int curl_multi_remove_handle(void *multi, void *easy);
int curl_multi_perform(void *multi, int *running);
int curl_multi_poll(void *multi, void *extra, unsigned extra_count, int timeout_ms, int *ready);
void *curl_multi_info_read(void *multi, int *left);
const char *curl_multi_strerror(int code);
int curl_multi_cleanup(void *multi);
]]
local C = require "hyla.lib.load"("libcurl.so.4", "libcurl4")

-- Not declared by name, so that this file may be loaded twice in one process.
local message_type = ffi.typeof "struct { int kind; void *easy; union { void *any; int code; } data; } *"

-- From curl/curl.h, whose ABI fixes them: the argument's kind (0 long, 10000 pointer, 30000 curl_off_t) + a number.
local OPT = {
  WRITEDATA = 10001, URL = 10002, ERRORBUFFER = 10010, USERAGENT = 10018, PROTOCOLS_STR = 10318,
  REDIR_PROTOCOLS_STR = 10319, LOW_SPEED_LIMIT = 19, LOW_SPEED_TIME = 20, FAILONERROR = 45, FOLLOWLOCATION = 52,
  MAXREDIRS = 68, CONNECTTIMEOUT = 78, NOSIGNAL = 99, RESUME_FROM_LARGE = 30116,
}
local INFO = { SIZE_DOWNLOAD = 0x600000 + 8, CONTENT_LENGTH = 0x600000 + 15 }
local REASON = { [22] = "refused", [23] = "disk", [33] = "range" }     -- libcurl's codes; others are "broken"
local ERROR_SIZE = 256

local function setopt(easy, option, value)
  if type(value) == "number" then value = ffi.cast(option >= 30000 and "int64_t" or "long", value) end
  local code = C.curl_easy_setopt(easy, option, value)
  if code ~= 0 then error("libcurl: " .. ffi.string(C.curl_easy_strerror(code)), 0) end
end

local function off_info(easy, info)
  local value = ffi.new "int64_t[1]"
  C.curl_easy_getinfo(easy, info, value)
  return tonumber(value[0])
end

-- Runs one transfer to its end; returns libcurl's code for it.
local function drive(multi, easy, start, progress)
  local running, left = ffi.new "int[1]", ffi.new "int[1]"
  repeat
    local code = C.curl_multi_perform(multi, running)
    if code == 0 and running[0] > 0 then code = C.curl_multi_poll(multi, nil, 0, 200, nil) end
    if code ~= 0 then error("libcurl: " .. ffi.string(C.curl_multi_strerror(code)), 0) end
    local length = off_info(easy, INFO.CONTENT_LENGTH)
    progress(start + off_info(easy, INFO.SIZE_DOWNLOAD), length >= 0 and start + length or nil)
  until running[0] == 0
  local message = C.curl_multi_info_read(multi, left)
  return ffi.cast(message_type, message).data.code
end

jit.off(drive)     -- Ctrl-C comes as a hook, which does not stop a compiled loop

local function configure(easy, url, file, start, words)
  setopt(easy, OPT.ERRORBUFFER, words)
  setopt(easy, OPT.URL, url)
  setopt(easy, OPT.PROTOCOLS_STR, "http,https")
  setopt(easy, OPT.REDIR_PROTOCOLS_STR, "http,https")
  setopt(easy, OPT.USERAGENT, "hyla")
  setopt(easy, OPT.FOLLOWLOCATION, 1)
  setopt(easy, OPT.MAXREDIRS, 5)
  setopt(easy, OPT.FAILONERROR, 1)
  setopt(easy, OPT.NOSIGNAL, 1)
  setopt(easy, OPT.CONNECTTIMEOUT, 20)
  setopt(easy, OPT.LOW_SPEED_LIMIT, 100)     -- bytes a second over ...
  setopt(easy, OPT.LOW_SPEED_TIME, 30)       -- ... seconds: below that the mirror counts as dead
  setopt(easy, OPT.WRITEDATA, ffi.cast("void *", file))
  if start > 0 then setopt(easy, OPT.RESUME_FROM_LARGE, start) end
end

--- Downloads a URL to the end of an open file. Errors are raised for what is no fault of the server (an interrupt).
-- @tparam string url http or https
-- @tparam file file open for appending or writing
-- @tparam number start bytes that are there already and are not asked for again
-- @tparam function progress called with (bytes so far, bytes in all or nil) a few times a second
-- @treturn boolean true; or nil, a message, and a reason: "range" when the server cannot resume (nothing was
-- written), "refused" when it answered with an HTTP error, "disk" when the file could not be written, "broken" for
-- everything else, when part may have come
local function download(url, file, start, progress)
  local easy = ffi.gc(C.curl_easy_init(), C.curl_easy_cleanup)
  local multi = ffi.gc(C.curl_multi_init(), C.curl_multi_cleanup)
  local words = ffi.new("char[?]", ERROR_SIZE)
  local configured, problem = pcall(configure, easy, url, file, start, words)
  local ran, code = configured, problem
  if configured then
    C.curl_multi_add_handle(multi, easy)
    ran, code = pcall(drive, multi, easy, start, progress)
    C.curl_multi_remove_handle(multi, easy)
  end
  C.curl_multi_cleanup(ffi.gc(multi, nil))
  C.curl_easy_cleanup(ffi.gc(easy, nil))
  if not ran then error(code, 0) end
  if code == 0 then return true end
  return nil, words[0] ~= 0 and ffi.string(words) or ffi.string(C.curl_easy_strerror(code)), REASON[code] or "broken"
end

return { download = download }
