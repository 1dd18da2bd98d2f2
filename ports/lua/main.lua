-- The program around microgpt.lua and protocol.lua: standard input, standard output, the command line.

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local gpt = require("microgpt")
local answer = require("protocol")

local function answer_requests()
  io.stdout:setvbuf("full")
  local lines = {}
  for line in io.lines() do
    lines[#lines + 1] = line ~= "end" and line or nil
    if line == "end" then
      io.write(answer(lines, true))
      io.flush()
      lines = {}
    end
  end
  if #lines > 0 then io.write(answer(lines, false)) end
end

local function train_and_sample(preset)
  io.stdout:setvbuf("line")
  local lines = {}
  for text in io.lines() do
    local line = {}
    if not utf8.len(text) then gpt.refuse("expected UTF-8, and line %d is not", #lines + 1) end
    for _, code_point in utf8.codes(text) do line[#line + 1] = code_point end
    lines[#lines + 1] = line
  end
  gpt.run(preset, lines, gpt.functions.exact, print)
end

local command, name = ...
local preset = gpt.presets[name or "seed"]
local is_right, fault = pcall(function()
  if not command then return answer_requests() end
  if command == "run" and preset and #arg <= 2 then return train_and_sample(preset) end
  gpt.refuse("expected no arguments, or run [seed|classic] < names.txt")
end)
if not is_right then
  io.stderr:write("microgpt: ", fault.reason or fault, "\n")
  os.exit(1)
end
