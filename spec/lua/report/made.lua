-- For specs of reports: folders of runs as a run leaves them, made up or by a tiny recipe.
local lfs = require "lfs"
local fcntl = require "posix.fcntl"
local signal = require "posix.signal"
local unistd = require "posix.unistd"
local wait = require "posix.sys.wait"
local files = require "hyla.run.folder"
local json = require "hyla.report.json"
local runs = dofile "spec/lua/runs.lua"
local tensor = require "hyla.tensor"
local yaml = require "hyla.yaml"

local made = { runs = runs }

local children = {}   -- of made.live, which end with the spec

--- To be called after each spec.
function made.clean()
  for child in pairs(children) do
    signal.kill(child, signal.SIGKILL)
    wait.wait(child)
  end
  children = {}
  runs.clean()
end

local function csv(text) return '"' .. text:gsub('"', '""') .. '"' end

--- Metrics of a stage as lines of metrics.csv: figures is name -> function(iteration) -> number.
function made.metrics(stage, count, figures)
  local lines = {}
  for i = 0, count do
    for name, of in pairs(figures) do
      lines[#lines + 1] = ("%g,%s,%d,%s,%.17g"):format(i / 10, csv(stage), i, csv(name), of(i))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Makes the folder of a run.
-- @tparam table about recipe, options, data, status, message, metrics (text), results, columns, reference; images:
--   {name =, values =, captions =, marks =}; matrix: {name =, values =, names =}; charts: by name
-- @treturn string its path
function made.run(about)
  local path = runs.new_folder()
  assert(lfs.mkdir(path))
  assert(lfs.mkdir(path .. "/pictures"))
  runs.write(path .. "/config.yaml", yaml.text { recipe = about.recipe or "made",
    options = about.options or { seed = 1 }, versions = { hyla = "0" }, machine = { cpu = "none" }, data = about.data })
  runs.write(path .. "/recipe.lua", about.source or "return 1 < 2")
  runs.write(path .. "/status.json", json.encode { status = about.status or "done", message = about.message,
    began = "2026-11-25T22:38:30Z", seconds = 12, pid = 1 })
  runs.write(path .. "/metrics.csv", "seconds,stage,iteration,name,value\n" .. (about.metrics or ""))
  runs.write(path .. "/results.json", json.encode { results = json.list(about.results or {}),
    columns = json.list(about.columns or {}), reference = about.reference })
  local function picture(one, kind)
    if one.values then one.values:save(("%s/pictures/%s.npy"):format(path, one.name)) end
    local said = { kind = kind }
    for key, value in pairs(one) do said[key] = key ~= "values" and value or nil end
    runs.write(("%s/pictures/%s.json"):format(path, one.name), json.encode(said))
  end
  if about.images then picture(about.images, "images") end
  if about.matrix then picture(about.matrix, "matrix") end
  for name, chart in pairs(about.charts or {}) do
    chart.name = name
    picture(chart, "curves")
  end
  return path
end

--- A run that has a bit of everything, n hyper-iterations long.
function made.whole(n, seed)
  local values = tensor.zeros { 2, 4, 3 }
  values:set(1, 1, 2, 3)
  local chart = { title = "Discarded", unit = "examples", stacked = { "hits", "misses" }, left = {},
    right = { "valid_accuracy" }, right_unit = "accuracy" }
  return made.run {
    recipe = "whole", options = { seed = seed or 1, budget = { 1000, 1500 }, data = "digits" }, columns = { "method" },
    metrics = made.metrics("learn", n, {
      response = function(i) return (seed or 1) * math.exp(-i / n) end,
      ["|g|"] = function(i) return 10 ^ (-4 * i / n) end,
      valid_accuracy = function(i) return 0.5 + i / n / 4 end, hits = function(i) return 3 * i end,
      misses = function(i) return i end, rate = function(i) return 0.1 + i end,
      ["|g rate|"] = function(i) return i + 1 end,
    }) .. '9,final,2000,test_accuracy,0.75\n',
    results = { { method = "learn", accuracy = 0.75, count = 12 } },
    reference = { label = "paper", rows = json.list { { method = "learn", accuracy = 0.8 } } },
    images = { name = "suspects", title = "Suspects", values = values, captions = { "7", "1" },
      marks = { "wrong label", "right label" } },
    matrix = { name = "C", title = "Ties", values = tensor { { 0, 2 }, { 2, 0 } }, names = { "cat", "dog" } },
    charts = { discarded = chart },
  }
end

-- Says of a run what its status is, as this process, which is alive.
local function say_status(path, status)
  runs.write(path .. "/status.json", json.encode { status = status, began = "2026-11-25T22:38:30Z", seconds = 12,
    pid = unistd.getpid() })
end

--- A run that goes on: this process has its lock.
-- @tparam string path of its folder
-- @treturn function that lets it end
function made.going_on(path)
  local fd = assert(fcntl.open(path .. "/lock", fcntl.O_CREAT + fcntl.O_RDWR, tonumber("644", 8)))
  assert(fcntl.fcntl(fd, fcntl.F_SETLK, { l_type = fcntl.F_WRLCK, l_whence = unistd.SEEK_SET, l_start = 0, l_len = 0 }))
  local let_go = files.hold(path)
  say_status(path, "running")
  return function()
    say_status(path, "done")
    unistd.close(fd)
    let_go()
  end
end

--- `hyla report --live` on a run that goes on.
-- @tparam string path of its folder
-- @treturn table url; port; append(text): adds to its metrics; finish(): the run ends; wait(): the command's exit code;
--   signal(number)
function made.live(path)
  local live = { finish = made.going_on(path) }
  local from, to = unistd.pipe()
  local child = unistd.fork()
  if child == 0 then
    unistd.dup2(to, 1)
    unistd.dup2(assert(fcntl.open("/dev/null", fcntl.O_WRONLY)), 2)
    unistd.execp("./hyla", { [0] = "hyla", "report", path, "--live" })
    unistd._exit(127)
  end
  unistd.close(to)
  children[child] = true
  local line = unistd.read(from, 4096)
  live.url = line:match "^(http://%S+)"
  live.port = tonumber(live.url:match ":(%d+)/")
  function live.append(text)
    local file = assert(io.open(path .. "/metrics.csv", "ab"))
    file:write(text)
    file:close()
  end
  function live.signal(number) signal.kill(child, number) end
  function live.wait()
    local _, _, code = wait.wait(child)
    children[child] = nil
    unistd.close(from)
    return code
  end
  return live
end

return made
