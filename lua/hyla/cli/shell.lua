--- Commands for the shell: completion, what completion asks for, and the manual page.
-- @module hyla.cli.shell
local file = require "hyla.file"
local folders = require "hyla.folders"

local function script(a)
  io.stdout:write(assert(file.read(("%s/cli/completion/hyla.%s"):format(folders.modules, a.shell))))
  return 0
end

-- A line a word: the word, a tab, what it is. A line that begins with ":" asks the shell for paths besides.
local function complete_with(parser)
  return function(a)
    local list, paths = require "hyla.cli.complete".words(parser, a.words)
    if paths then io.stdout:write(paths, "\n") end
    for _, one in ipairs(list) do
      io.stdout:write(one[1], "\t", one[2] and one[2]:match "^[^\n]*" or "", "\n")
    end
    return 0
  end
end

--- Declares the commands.
-- @param parser argparse's
-- @treturn table command -> function(arguments) -> exit code, message
return function(parser)
  local command = parser:command "completion":summary "Print a shell's completion, for it to read."
    :description [[An installation has it in place. In a clone:
   bash   source <(./hyla completion bash)
   zsh    source <(./hyla completion zsh)      after compinit
   fish   ./hyla completion fish | source]]
  command:argument "shell":choices { "bash", "zsh", "fish" }:description "the shell"

  command = parser:command "complete":hidden(true):summary "Print what may come next on a command line."
  command:handle_options(false)
  command:argument "words":args "*"

  parser:command "man":summary "Print the manual page; `hyla man | man -l -` shows it."
  return {
    completion = script,
    complete = complete_with(parser),
    man = function()
      io.stdout:write(require "hyla.cli.man"(parser))
      return 0
    end,
  }
end
