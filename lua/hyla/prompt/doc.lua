--- The comments of source files as LDoc reads them: what help shows is written in one place.
-- @module hyla.prompt.doc
local doc = {}

-- What a line of code names, and its arguments: patterns in order, each with captures name, (arguments).
local definitions = {
  "^%s*local%s+function%s+([%w_]+)%s*(%b())",
  "^%s*function%s+[%w_.:]-([%w_]+)%s*(%b())",
  "^%s*define%(%s*\"([%w_]+)\"%s*,%s*function%s*(%b())",
  "^%s*define%(%s*\"([%w_]+)\"",
  "^%s*[%w_.]-([%w_]+)%s*=%s*function%s*(%b())",
  "^%s*[%w_.]-([%w_]+)%s*=[^=]",
}

local function name_in(code)
  for _, pattern in ipairs(definitions) do
    local name, arguments = code:match(pattern)
    if name then return name, arguments end
  end
end

-- A tag's line, such as "tparam[opt=1] number n how many", in parts.
local function read_tag(line)
  local kind, modifier, rest = line:match "^@(%w+)(%b[])%s*(.*)$"
  if not kind then kind, rest = line:match "^@(%w+)%s*(.*)$" end
  local tag = { kind = kind, optional = modifier and modifier:match "^%[opt" ~= nil }
  tag.default = modifier and modifier:match "^%[opt=(.-)%]$"
  if kind == "tparam" then
    tag.type, tag.name, tag.text = rest:match "^(%S+)%s+(%S+)%s*(.*)$"
  elseif kind == "param" or kind == "field" then
    tag.name, tag.text = rest:match "^(%S+)%s*(.*)$"
  elseif kind == "treturn" then
    tag.type, tag.text = rest:match "^(%S+)%s*(.*)$"
  else
    tag.text = rest
  end
  return tag
end

-- An entry from the lines of a comment, their dashes taken off, and the line of code after it.
local function read_entry(lines, code)
  local entry, last = { lines = {}, tags = {} }, nil
  for _, line in ipairs(lines) do
    if line:find "^@" then
      last = read_tag(line)
      entry.tags[#entry.tags + 1] = last
      if last.kind == "function" or last.kind == "module" or last.kind == "type" then entry.name = last.text end
      if last.kind == "module" then entry.is_module = true end
    elseif last then
      last.text = (last.text or "") .. " " .. line:gsub("^%s+", "")
    else
      entry.lines[#entry.lines + 1] = line
    end
  end
  local name, arguments = name_in(code or "")
  entry.arguments = not entry.name and arguments or nil
  entry.name = entry.name or name
  return entry
end

local files = {}

--- The comments of a file that are for its users, those that begin with three dashes.
-- @tparam string path
-- @treturn table module: the entry of the file's first comment, or nil; by_line: the line of code that follows a
--   comment -> its entry; by_name: what it names -> its entry. An entry has name, lines (of its description),
--   arguments (as in the code, "(x, y)") and tags (each kind, type, name, text, optional, default, where it has them)
function doc.read(path)
  if files[path] then return files[path] end
  local found = { by_line = {}, by_name = {} }
  local file, number, open = io.open(path, "r"), 0, nil
  local function close(code)
    local entry, first = read_entry(open, code), open.at == 1
    open = nil
    if entry.is_module or first and not code then
      found.module = found.module or entry
    else
      if code then found.by_line[number] = entry end
      if entry.name and not found.by_name[entry.name] then found.by_name[entry.name] = entry end
    end
  end
  for line in file and file:lines() or function() end do
    number = number + 1
    local first = line:match "^%s*%-%-%-%s?(.*)$"
    local further = open and not first and line:match "^%s*%-%-%s?(.*)$"
    if first then
      if open then close() end
      open = { first, at = number }
    elseif further then
      open[#open + 1] = further
    elseif open then
      close(line:find "%S" and line or nil)
    end
  end
  if file then file:close() end
  files[path] = found
  return found
end

--- The entry above a function's own lines.
-- @tparam function f
-- @treturn table|nil the entry
-- @treturn string|nil path of the function's file
function doc.of_function(f)
  local info = debug.getinfo(f, "S")
  local path = info.source:match "^@(.*)$"
  if not path or info.what == "C" then return nil end
  return doc.read(path).by_line[info.linedefined], path
end

--- The first sentence of an entry.
-- @tparam table entry
-- @treturn string
function doc.summary(entry)
  local text = table.concat(entry.lines, " "):gsub("%s+", " ")
  return text:match "^(.-[^%.]%.)%s" or text
end

return doc
