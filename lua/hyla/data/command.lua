--- `hyla data list | get NAME | check NAME`.
-- @module hyla.data.command
local unistd = require "posix.unistd"
local descriptor = require "hyla.data.descriptor"
local fetch = require "hyla.data.fetch"
local files = require "hyla.data.files"
local folders = require "hyla.folders"
local formats = require "hyla.data.formats"

local command = {}

local DONE, FAILED, USAGE = 0, 1, 2
local USAGE_TEXT = "usage: hyla data list\n       hyla data get NAME\n       hyla data check NAME"

local function print_line(text) io.stdout:write(text, "\n") end
local function print_error(text) io.stderr:write(text, "\n") end

-- Of a set of many files, what tells its folder and what it lacks; nil for sets that are listed file by file.
local function missing_of(d)
  local format = formats[d.format]
  return format and format.missing
end

-- How a set stands on this machine, and the folder of its first file.
local function state(d)
  local missing_in = missing_of(d)
  if missing_in then
    local folder, lines = missing_in(d)
    return not folder and "missing" or #lines == 0 and "here" or "incomplete", folder
  end
  if #d.files == 0 then return "built in" end
  local missing, folder = 0, nil
  for _, file in ipairs(d.files) do
    local path = files.find(d, file.name)
    if not path then missing = missing + 1 end
    folder = folder or path and path:match "^(.*)/"
  end
  if missing == 0 then return "here", folder end
  return missing == #d.files and "missing" or ("%d of %d files missing"):format(missing, #d.files), folder
end

-- Reads a descriptor for a command; says what is wrong.
local function known(name, err)
  local d, problem = descriptor.read(name)
  if not d then err("hyla data: " .. problem) end
  return d
end

--- Lists every data set, whether it is here, and where it was looked for.
-- @tparam[opt] function out takes a line
-- @tparam[opt] function err takes a line about a failure
-- @treturn number exit code
function command.list(out, err)
  out, err = out or print_line, err or print_error
  local code = DONE
  for _, name in ipairs(descriptor.names()) do
    local d = known(name, err)
    if d then
      local how, folder = state(d)
      out(("%-14s %-22s %s%s"):format(name, how, d.about, folder and " (" .. folder .. ")" or ""))
    else
      code = FAILED
    end
  end
  out("looked in:   " .. table.concat(folders.data(), ", "))
  out("descriptors: " .. table.concat(folders.descriptors(), ", "))
  return code
end

-- A progress line on a terminal, rewritten at each per cent or MB; nothing elsewhere.
local function progress_line(name)
  if unistd.isatty(2) ~= 1 then return function() end, function() end end
  local last
  local function show(bytes, total)
    local text = total and total > 0 and ("%3d %% of %.1f MB"):format(100 * bytes / total, total / 1e6)
      or ("%.0f MB"):format(bytes / 1e6)
    if text == last then return end
    last = text
    io.stderr:write(("\r%s: %s "):format(name, text))
  end
  return show, function() if last then io.stderr:write("\r\27[K") end end
end

-- A file that is there already and right, or false; one that is wrong is put aside, so that it hides no new one.
local function present(d, file, out)
  local path = files.find(d, file.name)
  if not path then return false end
  local right, problem = files.verify(path, file)
  if right then return path end
  local aside, refused = os.rename(path, path .. ".damaged")
  if not aside then return nil, ("%s; it cannot be replaced: %s"):format(problem, refused) end
  out(("%s; kept as %s.damaged"):format(problem, path))
  return present(d, file, out)
end

local function get_file(d, file, out)
  local path, problem = present(d, file, out)
  if path then
    out(("%s: is here"):format(path))
    return true
  end
  if path == nil then return nil, problem end
  local show, clear = progress_line(file.name)
  local unbroken
  unbroken, path, problem = pcall(fetch, d, file, show)
  clear()
  if not unbroken then error(path, 0) end     -- Ctrl-C: what has come stays for the next time
  if not path then return nil, problem end
  out(("%s: fetched"):format(path))
  return true
end

--- Fetches the files of a data set that are missing or damaged.
-- @tparam string name
-- @tparam[opt] function out takes a line
-- @tparam[opt] function err takes a line about a failure
-- @treturn number exit code
function command.get(name, out, err)
  out, err = out or print_line, err or print_error
  local d = known(name, err)
  if not d then return FAILED end
  if missing_of(d) then
    err(("hyla data: %s cannot be fetched: bring a copy: %s"):format(name, d.source))
    return FAILED
  end
  if #d.files == 0 then out(("%s is built in: there is nothing to fetch"):format(name)) end
  for _, file in ipairs(d.files) do
    local ok, problem = get_file(d, file, out)
    if not ok then
      err(("hyla data: %s cannot be fetched:\n%s"):format(file.name, problem))
      return FAILED
    end
  end
  return DONE
end

-- What is missing of a set of many files.
local function check_folder(d, missing_in, out, err)
  local folder, lines = missing_in(d)
  if not folder then
    err("hyla data: " .. lines)
    return FAILED
  end
  for _, line in ipairs(lines) do err("hyla data: " .. line) end
  if #lines == 0 then out(("%s: all is there"):format(folder)) end
  return #lines == 0 and DONE or FAILED
end

--- Compares the files of a data set with their checksums; of one with very many files, says which are missing.
-- @tparam string name
-- @tparam[opt] function out takes a line
-- @tparam[opt] function err takes a line about a failure
-- @treturn number exit code
function command.check(name, out, err)
  out, err = out or print_line, err or print_error
  local d = known(name, err)
  if not d then return FAILED end
  local missing_in = missing_of(d)
  if missing_in then return check_folder(d, missing_in, out, err) end
  if #d.files == 0 then out(("%s is built in: there is nothing to check"):format(name)) end
  local code = DONE
  for _, file in ipairs(d.files) do
    local path, problem = files.find(d, file.name)
    local right
    if path then right, problem = files.verify(path, file) end
    if right then
      out(("%s: %s"):format(path, file.sha256 and "right" or "is here; its descriptor has no checksum"))
    else
      err("hyla data: " .. problem)
    end
    code = right and code or FAILED
  end
  return code
end

-- Subcommands and the number of words that they take.
local words_of = { list = 0, get = 1, check = 1 }

--- Runs `hyla data ARGS`.
-- @tparam {string,...} args
-- @tparam[opt] function out takes a line
-- @tparam[opt] function err takes a line about a failure
-- @treturn number exit code: 0 done, 1 failed, 2 wrong usage
function command.run(args, out, err)
  local verb = args[1]
  if not words_of[verb] or #args ~= 1 + words_of[verb] then
    (err or print_error)(USAGE_TEXT)
    return USAGE
  end
  if verb == "list" then return command.list(out, err) end
  return command[verb](args[2], out, err)
end

return command
