--- For specs of a recipe's mistakes: the message of a call that must fail, at the line where the call's function
-- begins. A function on one line is thus a recipe of one line. (Without `return f()`: a tail call leaves no line.)
-- @tparam function call
-- @treturn string the message after "file:line: "
return function(call)
  local done, message = pcall(call)
  if done then error("expected a mistake, but the call succeeded", 2) end
  local info = debug.getinfo(call, "S")
  local place = ("%s:%d: "):format(info.source:match "^@(.*)$", info.linedefined)
  if message:sub(1, #place) ~= place then
    error(("expected a message that begins with '%s', got '%s'"):format(place, tostring(message)), 2)
  end
  return message:sub(#place + 1)
end
