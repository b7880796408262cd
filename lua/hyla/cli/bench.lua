--- The command `bench`: measures workloads of bench/, alone or beside their peers.
-- @module hyla.cli.bench
local json = require "hyla.report.json"
local workload = require "hyla.cli.bench.workload"

-- Loaded when they are used.
local function peers() return require "hyla.cli.bench.peers" end
local function compare() return require "hyla.cli.bench.compare" end

local function list()
  for _, name in ipairs(workload.names()) do
    io.stdout:write(("%-12s %s\n"):format(name, workload.load(name).about))
  end
  return 0
end

-- Names come first, then options: the words with a "=".
local function split(words)
  local names, options = {}, {}
  for _, word in ipairs(words) do
    local into = word:find("=", 1, true) and options or names
    into[#into + 1] = word
  end
  for _, name in ipairs(names) do
    local problem = workload.unknown(name)
    if problem then return nil, problem end
  end
  return names, options
end

local function one(name, words, a)
  local options, problem = workload.options(name, words)
  if not options then return 2, problem end
  if a.serve then
    if not workload.load(name).open then return 2, ("bench %s: nothing to serve: it has no peers"):format(name) end
    workload.serve(name, options)
    return 0
  end
  local result = workload.measure(name, options)
  if a.json then io.stdout:write(json.encode(result, name, workload.leading), "\n") else workload.show(result) end
  return 0
end

local function setup_peers(a)
  return peers().setup { folder = peers().folder(a.peers_dir), torch = a.torch, dry = a.dry_run }
end

local function run(a)
  if a.list then return list() end
  if a.setup_peers then return setup_peers(a) end
  local names, options = split(a.words)
  if not names then return 2, options end
  if a.peers then
    return compare().beside { names = names, options = options, folder = peers().folder(a.peers_dir),
                              rounds = a.rounds, seconds = a.seconds, json = a.json, report = a.report }
  end
  if a.report then return 2, "bench: --report goes with --peers" end
  if #names == 1 then return one(names[1], options, a) end
  if a.serve then return 2, "bench: --serve wants one workload" end
  return compare().alone { names = names, options = options, json = a.json }
end

local function whole_number(least)
  return function(word)
    local n = tonumber(word)
    if n and n >= least and n % 1 == 0 then return n end
    return nil, ("expected a whole number of at least %d, got '%s'"):format(least, word)
  end
end

--- Declares the command.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "bench"
    :summary "Measure workloads: those named, or all, each in a process of its own."
  command:argument "words":args "*":argname "WORKLOAD|key=value":description "workloads, and options of them"
  command:flag "--list":description "List the workloads."
  command:flag "--json":description "Print one JSON object a workload."
  command:flag "--peers":description "Measure JAX, numpy and PyTorch beside, and compare their results with ours."
  command:option "--rounds":argname "N":default "3":convert(whole_number(1))
    :description "How often each side is measured under --peers, in turns, at least."
  command:option "--seconds":argname "N":default "30":convert(whole_number(0))
    :description "How long a peer and ours take turns, at least: short measurements are repeated more often."
  command:option "--report":argname "FILE":description "Write the table and the plots of --peers into a page."
  command:flag "--setup-peers":description "Install the peers from PyPI into a folder of their own."
  command:flag "--torch":description "With --setup-peers: PyTorch, too (several GB)."
  command:flag "--dry-run":description "With --setup-peers: show the commands, run none."
  command:option "--peers-dir":argname "DIR":description "Where the peers are; HYLA_PEERS, or the user's cache."
  command:flag "--serve":description "Measure a round for every line `go` of standard input, in lines of JSON."
  return { bench = run }
end
