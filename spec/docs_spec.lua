-- The pages of docs/ that teach: their Lua blocks run as they stand, each after the first of its page.
local lfs = require "lfs"

local function read(path)
  local file = assert(io.open(path, "r"))
  local text = file:read "*a"
  file:close()
  return text
end

local function blocks(text)
  local list = {}
  for block in text:gmatch "\n```lua\n(.-)\n```" do list[#list + 1] = block end
  return list
end

describe("docs", function()
  for name in lfs.dir "docs" do
    if name:match "%.md$" then
      local list = blocks(read("docs/" .. name))
      for i = 2, #list do
        it(("%s, block %d runs"):format(name, i), function()
          local shown = {}
          local chunk = assert(loadstring(list[1] .. "\n" .. list[i], "=" .. name))
          setfenv(chunk, setmetatable({ print = function(...) shown[#shown + 1] = { ... } end }, { __index = _G }))
          chunk()
        end)
      end
    end
  end
end)
