--- What `hyla report` makes of runs: the page, pictures for a paper, files for TensorBoard.
-- @module hyla.report.make
local drawing = require "hyla.report.drawing"
local engine = require "hyla.ffi"
local folder = require "hyla.run.folder"
local page = require "hyla.report.page"
local runs = require "hyla.report.runs"

local make = {}

make.PAGE = "report.html"

local function write(path, bytes)
  engine.check(engine.C.hyla_file_write(path, bytes, #bytes))
end

--- Writes the page of a run into its folder, as at the end of each run.
-- @tparam string path of its folder
-- @treturn string path of the page; an error where it cannot be made
function make.page(path)
  local list, message = runs.read { path }
  if not list then error(message, 0) end
  local out = ("%s/%s"):format(path, make.PAGE)
  write(out, page.html(list))
  return out
end

-- The title of a picture as a file's name that no other has: letters and digits, words apart by '-'.
local function file_name(title, used)
  local stem = title:gsub("|g|", "g"):gsub("[^%w]+", "-"):gsub("^-+", ""):gsub("-+$", "")
  if stem == "" then stem = "chart" end
  local name, count = stem, 1
  while used[name] do
    count = count + 1
    name = ("%s-%d"):format(stem, count)
  end
  used[name] = true
  return name
end

--- Writes each chart, matrix and sheet of images as a picture of its own.
-- @tparam {table,...} list runs
-- @tparam string where a folder, made when missing
-- @tparam string format "svg" or "png"
-- @treturn {string,...} paths of the pictures; an error where gnuplot fails or is not there
function make.figures(list, where, format)
  folder.make(where)
  local script, paths, used = {}, {}, {}
  for i, one in ipairs(page.pictures(list)) do
    paths[i] = ("%s/%s.%s"):format(where, file_name(one.title, used), format)
    script[i] = one.paper(paths[i])
  end
  if #paths == 0 then error("there is nothing to draw: nothing was recorded", 0) end
  drawing.run(table.concat(script, "\n"))
  return paths
end

local function say(...) io.stdout:write(string.format(...), "\n") end

--- Does what was asked.
-- @tparam {string,...} paths folders of runs
-- @tparam table asked out, figures, format, tensorboard: as the command's options
-- @treturn number exit code
-- @treturn string|nil what is wrong
function make.all(paths, asked)
  local list, message = runs.read(paths)
  if not list then return 1, message end
  if asked.figures then
    for _, path in ipairs(make.figures(list, asked.figures, asked.format or "svg")) do say("%s", path) end
  end
  if asked.tensorboard then
    for _, path in ipairs(require "hyla.report.tensorboard".write(list, asked.tensorboard)) do say("%s", path) end
  end
  if asked.out or not (asked.figures or asked.tensorboard) then
    local out = asked.out or (#list == 1 and ("%s/%s"):format(list[1].path, make.PAGE) or make.PAGE)
    write(out, page.html(list))
    say("%s", out)
  end
  return 0
end

return make
