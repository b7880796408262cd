--- The manual page, in roff: what --help shows of every command, and what hangs on the environment.
-- @module hyla.cli.man

-- { name, what it does }, by name.
local environment = {
  { "HYLA_DATA", "a folder in which data sets are looked for, each in a folder of its name, before the user's" },
  { "HYLA_DATASETS", "folders of descriptors of data sets, separated by colons, before Hyla's own" },
  { "HYLA_KERNELS", "generic, avx2 or avx512: the kernels to use; the best that the processor has otherwise" },
  { "HYLA_LIB", "the engine's library to load" },
  { "HYLA_PEERS", "the folder of the peers that bench measures beside" },
  { "HYLA_THREADS", "threads to use where --threads does not say; all processors otherwise" },
  { "HYLA_TRACEBACK", "when set, every error tells the way to it" },
  { "OPENBLAS_CORETYPE", "OpenBLAS's name of a processor whose kernels it is to use" },
}

local files = {
  { "./recipes/, $XDG_DATA_HOME/hyla/recipes/", "recipes of one's own, found by name before Hyla's" },
  { "$XDG_DATA_HOME/hyla/", "data sets; ~/.local/share/hyla where the variable is not set" },
  { "$XDG_CACHE_HOME/hyla/", "what can be made anew; ~/.cache/hyla where the variable is not set" },
  { "$XDG_STATE_HOME/hyla/history", "lines of the prompt; ~/.local/state/hyla where the variable is not set" },
}

local exits = {
  { "0", "done" }, { "1", "failed" }, { "2", "wrong usage" }, { "130", "interrupted" },
}

local function escaped(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-")
  return (text:gsub("^([.'])", "\\&%1"))
end

-- Lines that begin with a space stand as they are.
local function paragraphs(out, text)
  local kept = false
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local as_is = line:match "^%s" ~= nil
    if as_is ~= kept then out[#out + 1] = as_is and ".nf" or ".fi" end
    kept = as_is
    out[#out + 1] = line == "" and ".PP" or escaped(line)
  end
  if kept then out[#out + 1] = ".fi" end
end

local function entry(out, label, text)
  out[#out + 1] = ".TP"
  out[#out + 1] = "\\fB" .. escaped(label) .. "\\fR"
  paragraphs(out, text)
end

local function entries(out, title, list)
  out[#out + 1] = ".SH " .. title
  for _, one in ipairs(list) do entry(out, one[1], one[2]) end
end

-- As --help names an argument or option: "--threads N".
local function label(element) return table.concat(element:_get_label_lines(), ", ") end

local function elements(out, list)
  for _, element in ipairs(list) do
    local text = element:_get_description()
    if not element._hidden and text ~= "" then entry(out, label(element), text) end
  end
end

local function usage(out, parser)
  out[#out + 1] = ".nf"
  for line in parser:get_usage():gsub("^Usage: ", ""):gmatch "[^\n]+" do out[#out + 1] = escaped(line) end
  out[#out + 1] = ".fi"
end

local function command_section(out, command)
  out[#out + 1] = ".SS hyla " .. escaped(command._name)
  paragraphs(out, command:_get_description())
  if command._description then paragraphs(out, command._description) end
  out[#out + 1] = ".PP"
  usage(out, command)
  elements(out, command._arguments)
  elements(out, command._options)
  for _, inner in ipairs(command._commands) do command_section(out, inner) end
end

-- The day it is written; that of SOURCE_DATE_EPOCH where packages are to come out the same each time.
local function day() return os.date("!%Y-%m-%d", tonumber(os.getenv "SOURCE_DATE_EPOCH")) end

--- @param parser argparse's, with every command declared
-- @treturn string
return function(parser)
  local version = require "ffi".string(require "hyla.ffi".C.hyla_version())
  local out = {
    ('.TH HYLA 1 "%s" "hyla %s" "Hyla"'):format(day(), version),
    ".SH NAME", "hyla \\- learn hyperparameters by gradient",
    ".SH SYNOPSIS",
  }
  usage(out, parser)
  out[#out + 1] = ".SH DESCRIPTION"
  paragraphs(out, parser._description)
  out[#out + 1] = ".PP"
  paragraphs(out, parser._epilog)
  out[#out + 1] = ".SH OPTIONS"
  elements(out, parser._options)
  out[#out + 1] = ".SH COMMANDS"
  for _, command in ipairs(parser._commands) do
    if not command._hidden then command_section(out, command) end
  end
  entries(out, "ENVIRONMENT", environment)
  entries(out, "FILES", files)
  entries(out, '"EXIT STATUS"', exits)
  return table.concat(out, "\n") .. "\n"
end
