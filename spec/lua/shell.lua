-- For specs of commands: runs a line of sh and gives what came of it.
local shell = {}

--- Quotes a word for sh.
function shell.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Runs a line of sh.
-- @treturn table code, out, err (texts)
function shell.run(line)
  local err_path = os.tmpname()
  local pipe = io.popen(("{ %s\n} 2>%s; printf '\\n%%d' $?"):format(line, shell.quote(err_path)))
  local out, code = pipe:read "*a":match "^(.*)\n(%d+)$"
  pipe:close()
  local file = io.open(err_path)
  local err = file:read "*a"
  file:close()
  os.remove(err_path)
  return { code = tonumber(code), out = out, err = err }
end

--- Makes a folder of its own for a spec; the caller removes it with shell.remove.
function shell.folder()
  return (io.popen "mktemp -d":read "*l")
end

--- Removes a folder that shell.folder made.
function shell.remove(folder)
  shell.run("rm -rf " .. shell.quote(folder))
end

--- Writes a file.
function shell.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

return shell
