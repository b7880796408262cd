--- The command `hyla report`.
-- @module hyla.cli.report
-- What is wrong with a combination of options, or nil.
local function problem_of(a)
  if a.live and #a.runs > 1 then return "--live: follows one run, got " .. #a.runs end
  if a.live and (a.out or a.figures or a.tensorboard) then
    return "--live: goes without --out, --figures and --tensorboard"
  end
  if a.port and not a.live then return "--port: goes with --live" end
  if a.format and not a.figures then return "--format: goes with --figures DIR" end
end

local function report(a)
  local problem = problem_of(a)
  if problem then return 2, problem end
  local paths = {}
  for i, word in ipairs(a.runs) do paths[i] = require "hyla.run.folder".find(word) end
  if a.live then return require "hyla.report.live".serve(paths[1], a.port) end
  return require "hyla.report.make".all(paths, { out = a.out, figures = a.figures, format = a.format,
    tensorboard = a.tensorboard })
end

local function port(word)
  local n = tonumber(word)
  if n and n % 1 == 0 and n >= 0 and n <= 65535 then return n end
  return nil, ("expected a port from 0 to 65535, got '%s'"):format(word)
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "report"
    :summary "Make a page of one run, or of several side by side; pictures for a paper; files for TensorBoard."
  command:argument "runs":args "+":argname "RUN":description "its folder, or its name in runs/"
  command:option "--out":argname "FILE.html"
    :description "Where the page goes: by default report.html, of one run in its folder, of several here."
  command:option "--figures":argname "DIR":description "Write each picture of the page there, for a paper; no page."
  command:option "--format":argname "FORMAT":choices { "svg", "png" }:description "Of these pictures; svg by default."
  command:option "--tensorboard":argname "DIR":description "Write event files for TensorBoard there, no page."
  command:flag "--live"
    :description "Serve the page of a run that goes on, until it has ended, at an address of this machine."
  command:option "--port":argname "N":convert(port):description "For --live; by default any that is free."
  return { report = report }
end
