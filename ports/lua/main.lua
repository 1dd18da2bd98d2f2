-- The program around microgpt.lua and protocol.lua: standard input, standard output, the command line.
--
--   lua5.4 main.lua                                     answers requests on standard input
--   lua5.4 main.lua run [seed|classic] < names.txt      trains and prints samples

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local gpt = require("microgpt")
local answer = require("protocol")

local function answer_requests()
  io.stdout:setvbuf("full")
  local lines = {}
  for line in io.lines() do
    if line == "end" then
      io.write(answer(lines, true))
      io.flush()
      lines = {}
    else
      lines[#lines + 1] = line
    end
  end
  if #lines > 0 then io.write(answer(lines, false)) end
end

local function train_and_sample(preset)
  local lines = {}
  for text in io.lines() do
    if not utf8.len(text) then gpt.refuse("expected UTF-8, and line %d is not", #lines + 1) end
    local line = {}
    for _, code_point in utf8.codes(text) do line[#line + 1] = code_point end
    lines[#lines + 1] = line
  end
  gpt.run(preset, lines, gpt.functions.exact, function(text)
    io.write(text, "\n")
    io.flush()
  end)
end

local function fail(sentence)
  io.stderr:write("microgpt: ", sentence, "\n")
  os.exit(1)
end

local command, name = ...
local preset = gpt.presets[name or "seed"]
if not command then
  answer_requests()
elseif command ~= "run" or not preset or #arg > 2 then
  fail("expected no arguments, or run [seed|classic] < names.txt")
else
  local is_right, fault = pcall(train_and_sample, preset)
  if not is_right then fail(type(fault) == "table" and fault.reason or fault) end
end
