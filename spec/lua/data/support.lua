-- What the specs of data share: a temporary folder, the environment, files, the server.
local lfs = require "lfs"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"

local support = {}
local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

function support.folder() return assert(stdlib.mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/hyla-spec-XXXXXX")) end

function support.remove(folder) os.execute(("rm -rf '%s'"):format(folder)) end

-- Sets variables (false: unset); returns what puts the old values back.
function support.environment(values)
  local old = {}
  for name, value in pairs(values) do
    old[name] = os.getenv(name) or false
    stdlib.setenv(name, value or nil)
  end
  return function() for name, value in pairs(old) do stdlib.setenv(name, value or nil) end end
end

function support.write(path, text)
  os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/"))
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

function support.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

function support.gzip(path) assert(os.execute(("gzip -nf '%s'"):format(path)) == 0) return path .. ".gz" end

function support.exists(path) return lfs.attributes(path) ~= nil end

-- IDX of unsigned bytes; dimensions below 65,536.
function support.idx(shape, bytes)
  local words = { string.char(0, 0, 8, #shape) }
  for _, n in ipairs(shape) do words[#words + 1] = string.char(0, 0, math.floor(n / 256), n % 256) end
  return table.concat(words) .. bytes
end

-- A folder served over HTTP: { address =, requests = function() -> text, stop = }.
function support.serve(root)
  local pipe = assert(io.popen(("exec luajit '%sserver.lua' '%s'"):format(here, root)))
  local port, pid = assert(pipe:read "*l"):match "^(%d+) (%d+)$"
  return {
    address = "http://127.0.0.1:" .. port,
    requests = function() return support.read(root .. "/requests") or "" end,
    stop = function()
      signal.kill(tonumber(pid), signal.SIGTERM)
      pipe:close()
    end,
  }
end

return support
