--- For specs of runs: folders that go with the spec, recipes in them, sessions that keep their words to themselves.
local lfs = require "lfs"
local progress = require "hyla.report.progress"
local recipe = require "hyla.recipe"
local session = require "hyla.run.session"

local runs = {}

local folders = {}

--- A path at which nothing is; what is made there goes with runs.clean.
function runs.new_folder()
  local path = os.tmpname()
  os.remove(path)
  folders[#folders + 1] = path
  return path
end

--- Removes a folder of files and of such folders, where there is one.
function runs.remove_folder(path)
  if lfs.attributes(path, "mode") ~= "directory" then return end
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then
      runs.remove_folder(path .. "/" .. name)
      os.remove(path .. "/" .. name)
    end
  end
  lfs.rmdir(path)
end

--- To be called after each spec.
function runs.clean()
  for _, path in ipairs(folders) do runs.remove_folder(path) end
  folders = {}
end

function runs.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

function runs.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

--- Expects a call to fail with words in its message.
function runs.fails(words, work, ...)
  local ok, message = pcall(work, ...)
  if ok then error(("expected a failure with '%s', but the call succeeded"):format(words), 2) end
  if not tostring(message):find(words, 1, true) then
    error(("expected a failure with '%s', got '%s'"):format(words, tostring(message)), 2)
  end
end

--- A recipe's text as a file, stages.lua; its path.
function runs.new_recipe(text)
  local folder = runs.new_folder()
  assert(lfs.mkdir(folder))
  runs.write(folder .. "/stages.lua", text)
  return folder .. "/stages.lua"
end

--- What a session shows its user, for sessions that say nothing.
runs.silent = { progress = progress.new { quiet = true }, print = function() end }

--- A session of the recipe in a file.
function runs.start(path, overrides, out)
  local loaded = recipe.load(path)
  local made = session.start(loaded, loaded:resolve(overrides), out, runs.silent)
  return made
end

--- Runs a recipe in a process of its own, which gets a signal after its n-th checkpoint, each being written.
-- @treturn number exit code
-- @treturn string what it wrote
function runs.with_signal(path, out, signal, n)
  return runs.in_process(path, out, ([[
require("hyla.run.pace").share.checkpoints = math.huge
local store, saves = require "hyla.run.store", 0
local save = store.save
function store.save(...)
  save(...)
  saves = saves + 1
  if saves == %d then signal.kill(unistd.getpid(), signal.%s) end
end
]]):format(n, signal))
end

--- Runs a recipe in a process of its own, after some Lua that has signal and unistd.
-- @treturn number exit code
-- @treturn string what it wrote
function runs.in_process(path, out, code)
  local script = runs.new_folder()
  assert(lfs.mkdir(script))
  runs.write(script .. "/child.lua", ([[
package.path = %q
local signal, unistd = require "posix.signal", require "posix.unistd"
%s
local one = require("hyla.run.sweep").expand({ %q })[1]
os.exit(require("hyla.run").main(one, { out = %q, json = true }))
]]):format(package.path, code, path, out))
  local pipe = assert(io.popen(("luajit %s/child.lua 2>&1; echo code $?"):format(script)))
  local text = pipe:read("*a")
  pipe:close()
  return tonumber(text:match("code (%d+)")), text
end

return runs
