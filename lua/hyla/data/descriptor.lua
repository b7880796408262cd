--- Descriptors: what a data set is and where to get it, one YAML file a set (datasets/NAME.yaml).
-- @module hyla.data.descriptor
local lfs = require "lfs"
local folders = require "hyla.folders"
local yaml = require "hyla.yaml"

local descriptor = {}

-- One file of a set. `sha256` and `bytes` are of its unpacked contents: the same contents circulate in differently
-- compressed files. With `packed` mirrors have it as NAME.gz; here it may be either. A name that ends in .gz is that of
-- the packed file itself. Files that are not fetched need neither; formats whose files have no header need shapes.
local file_type = yaml.map({ name = "text" },
                           { bytes = "integer", sha256 = "text", shape = yaml.list "integer", packed = "boolean" })
-- A part of a set: which files are its examples and its labels.
local part_type = yaml.map { name = "text", x = "text", y = "text" }

local document_type = yaml.map({
  name = "text", about = "text", licence = "text", source = "text",
  format = "text",                             -- which reader of hyla.data.formats it takes
  classes = yaml.list "text",                  -- their names, in the order of the labels 0, 1, ...
}, {
  image = yaml.list "integer",                 -- height, width; or
  features = "integer",                        -- how many, of examples that are no pictures
  rate = "integer",                            -- of speech: samples a second
  groups = yaml.list "integer",                -- of each class: alike for classes that belong together
  folder = "text",                             -- where its files are, if in none of its name
  parts = yaml.list(part_type),                -- the first is the default
  files = yaml.list(file_type),
  mirrors = yaml.list "text",                  -- address = mirror .. file's name [.. ".gz"]
})

-- Names become paths and parts of addresses, so they keep to letters that cannot lead elsewhere.
local function plain(name) return name:match "^[%w][%w._-]*$" ~= nil end

local function check_file(file)
  if not plain(file.name) then return ("files: '%s' is no plain file name"):format(file.name) end
  if (file.bytes == nil) ~= (file.sha256 == nil) then
    return ("%s: bytes and sha256 go together"):format(file.name)
  end
  if not file.bytes then return nil end
  if file.bytes < 0 then return ("%s: bytes is negative"):format(file.name) end
  if not (#file.sha256 == 64 and file.sha256:match "^%x+$") then
    return ("%s: sha256 must have 64 hexadecimal digits, got '%s'"):format(file.name, file.sha256)
  end
  return nil
end

local function check_part(part, files, image)
  local x, y = files[part.x], files[part.y]
  for key, file in pairs { x = x or false, y = y or false } do
    if not file then return ("part '%s': %s: '%s' is none of the files"):format(part.name, key, part[key]) end
  end
  if not image then return nil end
  if not (x.shape and y.shape) then
    return ("part '%s': expected the shapes of %s and %s"):format(part.name, part.x, part.y)
  end
  if not (#x.shape == 3 and x.shape[2] == image[1] and x.shape[3] == image[2]) then
    return ("%s: shape: expected [examples, %d, %d]"):format(x.name, image[1], image[2])
  end
  if not (#y.shape == 1 and y.shape[1] == x.shape[1]) then
    return ("%s: shape: expected [%d], a label for each image"):format(y.name, x.shape[1])
  end
  return nil
end

-- What the types cannot say. Returns words, or nil when all is well.
local function inconsistency(d, name)
  if d.name ~= name then return ("name is '%s', the file's name says '%s'"):format(d.name, name) end
  if (d.image == nil) == (d.features == nil) then return "expected either image or features" end
  if d.features and d.features < 1 then return "features: expected at least 1" end
  if d.groups and #d.groups ~= #d.classes then
    return ("groups: expected %d, one a class, got %d"):format(#d.classes, #d.groups)
  end
  if d.folder and not plain(d.folder) then return ("folder: '%s' is no plain name"):format(d.folder) end
  if d.image and #d.image ~= 2 then return ("image: expected height and width, got %d numbers"):format(#d.image) end
  local by_name = {}
  for _, file in ipairs(d.files or {}) do
    local problem = check_file(file)
    if problem then return problem end
    if d.mirrors and not file.sha256 then return ("%s: with mirrors it needs bytes and sha256"):format(file.name) end
    by_name[file.name] = file
  end
  for _, part in ipairs(d.parts or {}) do
    local problem = check_part(part, by_name, d.image)
    if problem then return problem end
  end
  return nil
end

--- Names of all data sets with a descriptor, sorted.
-- @treturn {string,...}
function descriptor.names()
  local seen, names = {}, {}
  for _, folder in ipairs(folders.descriptors()) do
    if lfs.attributes(folder, "mode") == "directory" then
      for entry in lfs.dir(folder) do
        local name = entry:match "^(.+)%.yaml$"
        if name and plain(name) and not seen[name] then
          seen[name] = true
          names[#names + 1] = name
        end
      end
    end
  end
  table.sort(names)
  return names
end

--- Reads the descriptor of a data set.
-- @tparam string name
-- @treturn table its fields; `path` is the file. Or nil and a message
function descriptor.read(name)
  for _, folder in ipairs(folders.descriptors()) do
    local path = ("%s/%s.yaml"):format(folder, name)
    if plain(name) and lfs.attributes(path, "mode") == "file" then
      local d, problem = yaml.read(path, document_type)
      if not d then return nil, problem end
      problem = inconsistency(d, name)
      if problem then return nil, ("%s: %s"):format(path, problem) end
      d.files, d.parts, d.mirrors, d.path = d.files or {}, d.parts or {}, d.mirrors or {}, path
      d.folder = d.folder or name
      return d
    end
  end
  return nil, ("there is no data set '%s'; known are: %s"):format(name, table.concat(descriptor.names(), ", "))
end

--- The file of a descriptor with a given name.
-- @tparam table d
-- @tparam string name
-- @treturn table
function descriptor.file(d, name)
  for _, file in ipairs(d.files) do
    if file.name == name then return file end
  end
  error(("%s has no file '%s'"):format(d.path, name), 2)
end

return descriptor
