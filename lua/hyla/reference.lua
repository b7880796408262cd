--- The reference: pages that LDoc makes of the comments in Hyla's own sources.
--
-- LDoc reads a copy of them, in which what it would not understand is said in its words: operations that are defined
-- by define("name", ...), modules whose header does not name them. The modules of the language come first; the rest of
-- the house is below "Parts inside".
-- @module hyla.reference
local file = require "hyla.file"
local folders = require "hyla.folders"
local lfs = require "lfs"
local stdlib = require "posix.stdlib"
local quote = require "hyla.quote"

local reference = {}

-- What recipes, specs and the prompt call.
local language = {}
for name in ([[hyla hyla.functions hyla.functions.elementwise hyla.tensor hyla.tensor.views hyla.tensor.elements
  hyla.model hyla.stream hyla.random hyla.constraint hyla.dynamics hyla.dynamics.optimizers hyla.hoag hyla.method
  hyla.auto hyla.implicit hyla.realtime hyla.problem hyla.improver hyla.trace hyla.custom hyla.weights hyla.recipe
  hyla.run.lab hyla.distribution hyla.data hyla.data.dataset hyla.data.svmlight hyla.check hyla.estimate hyla.spec
  hyla.spec.hypergradient hyla.spec.reaches hyla.spec.golden hyla.spec.series hyla.spec.run hyla.spec.data
  hyla.run.folder]]):gmatch "%S+" do
  language[name] = true
end

local config = [[
project = "Hyla"
title = "Hyla: reference"
description = "Hyperparameters learned by gradient: the Lua modules, from the comments in their sources"
format = "plain"
kind_names = { script = "Parts inside" }
]]

-- ---- sources as LDoc reads them ----

local function each_source(folder, prefix, visit)
  local entries = {}
  for entry in lfs.dir(folder) do
    if entry:sub(1, 1) ~= "." then entries[#entries + 1] = entry end
  end
  table.sort(entries)
  for _, entry in ipairs(entries) do
    local path = folder .. "/" .. entry
    if lfs.attributes(path, "mode") == "directory" then
      each_source(path, prefix .. entry .. ".", visit)
    elseif entry:match "%.lua$" then
      visit(path, (prefix .. entry:gsub("%.lua$", "")):gsub("%.init$", ""))
    end
  end
end

-- An operation's definition as a function of its name, a method as one of the word for its object, and what a module
-- returns as if it were no local: where it has a comment of three dashes it is public.
local function plain_definition(line, object)
  local name, arguments = line:match '^define%("([%w_]+)", function(%b())'
  if name then return ("function %s%s end"):format(name, arguments) end
  name = line:match '^define%("([%w_]+)"'
  if name then return "-- @function " .. name end
  arguments = line:match "^return function(%b())"
  if arguments then return ("function %s%s end"):format(object, arguments) end
  return (line:gsub("^local function ", "function "):gsub("^function methods([.:])", "function " .. object .. "%1"))
end

--- A source file's text for LDoc.
-- @tparam string text
-- @tparam string name of the module
-- @treturn string
function reference.prepared(text, name)
  local lines, header, tagged = {}, text:find "^%-%-%-", false
  local tag = ("-- @%s %s"):format(language[name] and "module" or "script", name)
  for line in (text:gsub("\n*$", "\n")):gmatch "(.-)\n" do
    if header and line:match "^%-%- @module" then
      line, tagged = tag, true
    elseif header and not line:match "^%-%-" then
      if not tagged then lines[#lines + 1] = tag end
      header = nil
    end
    lines[#lines + 1] = plain_definition(line, name:match "[^.]*$")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function prepare(folder)
  each_source(folders.modules, "hyla.", function(path, name)
    if name == "hyla.init" then name = "hyla" end
    assert(file.write(("%s/%s.lua"):format(folder, name), reference.prepared(assert(file.read(path)), name)))
  end)
  assert(file.write(folder .. "/config.ld", config))
end

-- ---- the command's work ----

local function succeeds(line)
  local status = os.execute(line)
  return status == 0 or status == true
end

local function is_free(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then return true end
  if mode ~= "directory" then return false end
  if lfs.attributes(path .. "/ldoc.css", "mode") then return true end       -- an earlier reference
  for entry in lfs.dir(path) do
    if entry ~= "." and entry ~= ".." then return false end
  end
  return true
end

--- Writes the reference as HTML.
-- @tparam string path of a folder: made where it is missing; one that holds other things is refused
-- @treturn boolean true; or nil and what went wrong
function reference.write(path)
  if not is_free(path) then return nil, ("%s exists and is no reference; name another folder"):format(path) end
  if not succeeds "command -v ldoc >/dev/null 2>&1" then
    return nil, "the reference is made by LDoc, which is not installed (Debian and Ubuntu: apt-get install lua-ldoc)"
  end
  local work = stdlib.mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/hyla-docs-XXXXXX")
  if not work then return nil, "no folder for the sources can be made in " .. (os.getenv "TMPDIR" or "/tmp") end
  local ok, message = pcall(prepare, work)
  if ok and not succeeds(("cd %s && ldoc --quiet --dir out . >log 2>&1"):format(quote(work))) then
    ok, message = nil, "ldoc failed:\n" .. assert(file.read(work .. "/log"))
  end
  if ok and not succeeds(("mkdir -p %s && cp -R %s/. %s"):format(quote(path), quote(work .. "/out"), quote(path))) then
    ok, message = nil, path .. ": cannot be written"
  end
  succeeds("rm -rf " .. quote(work))
  return ok or nil, message
end

return reference
