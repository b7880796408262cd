--- libedit: editing a line at a terminal, with history and completion. The one place where C calls back into Lua.
--
-- A line is read a character at a time (libedit's callback interface) with poll() between them, because poll comes
-- back when a signal arrives while libedit's own loop would go on reading: so Ctrl-C can clear the line.
-- @module hyla.lib.edit
local ffi = require "ffi"

ffi.cdef [[
extern char *rl_line_buffer;
extern int rl_point;
extern const char *rl_basic_word_break_characters;
extern int rl_completion_append_character;
extern int rl_catch_signals;
extern char *(*rl_completion_entry_function)(const char *, int);
extern char **(*rl_attempted_completion_function)(const char *, int, int);
int rl_initialize(void);
void rl_callback_handler_install(const char *, void (*)(char *));
void rl_callback_read_char(void);
void rl_callback_handler_remove(void);
void using_history(void);
int add_history(const char *);

char *strdup(const char *);
void free(void *);
int isatty(int);
struct hyla_pollfd { int fd; short events, revents; };
int poll(struct hyla_pollfd *, unsigned long, int);
]]
local edit = {}

local EINTR, POLLIN, POLLGONE = 4, 1, 8 + 16 + 32   -- the last: error, hang-up, closed
-- A signal that comes just before poll() does not end it; so it ends by itself now and then.
local patience = 100   -- milliseconds

--- True when both ends of a conversation are terminals.
-- @treturn boolean
function edit.is_terminal()
  return ffi.C.isatty(0) == 1 and ffi.C.isatty(1) == 1
end

local Editor = {}
Editor.__index = Editor

-- Candidates one after another, as libedit asks for them: state 0 begins, NULL ends. libedit frees each.
local function entry_function(C, complete)
  local list, position
  return function(word, state)
    if state == 0 then
      local done, found = pcall(complete, ffi.string(word), ffi.string(C.rl_line_buffer, C.rl_point))
      list, position = done and found or {}, 0
    end
    position = position + 1
    return list[position] and ffi.C.strdup(list[position]) or nil
  end
end

-- Letters beyond ASCII need a locale that has them; the environment's, or, where it names none or one that is not
-- there, the one every system brings.
local function know_letters()
  local set = os.setlocale("", "ctype")
  if not set or set == "C" or set == "POSIX" then os.setlocale("C.UTF-8", "ctype") end
end

--- Opens the terminal's editor; there is one a process.
-- @tparam function complete function(word before the cursor (letters, digits, _ . :), line before the cursor) -> list
--   of words to put in the word's place
-- @tparam {string,...} lines earlier ones, to be recalled
-- @treturn Editor
function edit.open(complete, lines)
  local C = require "hyla.lib.load"("libedit.so.2", "libedit2")
  local self = setmetatable({ C = C, anchors = {} }, Editor)
  know_letters()
  C.rl_initialize()
  C.using_history()
  for _, line in ipairs(lines) do C.add_history(line) end
  self.anchors.breaks = ffi.new("char[64]", " \t\n\"\\'`@$><=;|&{}()[]+-*/^%#~,")
  C.rl_basic_word_break_characters = self.anchors.breaks
  C.rl_completion_append_character = 0
  C.rl_catch_signals = 0
  self.anchors.complete = ffi.cast("char *(*)(const char *, int)", entry_function(C, complete))
  C.rl_completion_entry_function = self.anchors.complete
  -- Without one libedit takes words for names of files, and puts backslashes into them.
  self.anchors.attempt = ffi.cast("char **(*)(const char *, int, int)", function() return nil end)
  C.rl_attempted_completion_function = self.anchors.attempt
  self.anchors.finish = ffi.cast("void (*)(char *)", function(line)
    self.finished = true
    if line ~= nil then
      self.line = ffi.string(line)
      ffi.C.free(line)
    end
  end)
  return self
end

--- Reads a line.
-- @tparam string prompt
-- @tparam function interrupted () -> true once Ctrl-C was pressed
-- @treturn string line; or nil at the end of input (Ctrl-D, or a terminal that has gone);
--   or false when Ctrl-C cleared the line
function Editor:read(prompt, interrupted)
  local C = self.C
  local input = ffi.new("struct hyla_pollfd", 0, POLLIN)
  self.finished, self.line = false, nil
  C.rl_callback_handler_install(prompt, self.anchors.finish)
  while not self.finished do
    local ready = ffi.C.poll(input, 1, patience)
    if ready < 0 and ffi.errno() ~= EINTR or ready > 0 and bit.band(input.revents, POLLGONE) ~= 0 then break end
    if ready > 0 then C.rl_callback_read_char() end
    if interrupted() then
      self.finished, self.line = true, false
    end
  end
  C.rl_callback_handler_remove()
  return self.line
end
jit.off(Editor.read)   -- compiled code must not be what a callback comes back through

--- Adds a line to those that can be recalled.
-- @tparam string line
function Editor:remember(line) self.C.add_history(line) end

return edit
