-- The protocol (conformance/SPEC.md, sections 11 to 13): from the lines of a request to the text of its reply.

local gpt = require("microgpt")
local refuse = gpt.refuse

local LONGEST_LINE <const>, WORD <const>, MANY <const> = 65536, 0xffffffff, math.maxinteger

-- Readers: from a word to a value, or to nil if the word is not taken

local function double(word)
  if #word ~= 16 or word:find("[^0-9a-f]") then return nil end
  local x = string.unpack("<d", string.pack("<i8", tonumber(word, 16)))
  return x == x and x or 0.0 / 0.0
end

-- What another reader takes, if it is right.
local function only(read, is_right)
  return function(word)
    local value = read(word)
    return value and is_right(value) and value
  end
end

local function integer(low, high)
  return only(function(word) return #word <= 10 and (word == "0" or word:find("^[1-9]%d*$")) and tonumber(word) end,
    function(n) return n >= low and n <= high end)
end

local function exponent(limit)
  return only(double, function(y) return math.abs(y) <= limit and 2.0 * y % 1.0 == 0.0 end)
end

local function anything(word) return word end
local function one_of(choices) return function(word) return choices[word] end end

local angle = only(double, function(x) return not (math.abs(x) > 8.0) end)
local printable = only(double, function(x) return not (math.abs(x) > 0x1p53) or x - x ~= 0.0 end)
local code_point = only(integer(0, 0x10ffff), function(point) return point < 0xd800 or point > 0xdfff end)
local functions, draws, steps = one_of(gpt.functions), integer(0, 1000), integer(1, 4096)

-- The lines of a request, each read by one of these or refused

local Request = { place = 1 }
Request.__index = Request

-- The key of the next line, which is left to be read.
function Request:key() return self[self.place] and self[self.place]:match("^[^ ]*") or "(the end)" end

-- The values of the next line. The last reader also reads what comes after its word.
function Request:take(key, readers, least, most)
  least, most = least or #readers, most or #readers
  if self:key() ~= key then refuse("expected a line %s, not %s", key, self:key()) end
  local values = {}
  for word in self[self.place]:gmatch(" ([^ ]+)") do
    local n = #values + 1
    if n > most then refuse("%s takes at most %d values", key, most) end
    values[n] = (readers[n] or readers[#readers])(word) or refuse("%s does not take %s", key, word)
  end
  if #values < least then refuse("%s takes %d or more values", key, least) end
  self.place = self.place + 1
  return values
end

-- Lines with one value each, put into a table by their keys: fill({}, "layers", integer(1, 16), "heads", ...)
function Request:fill(values, key, reader, ...)
  values[key] = self:take(key, { reader })[1]
  return ... and self:fill(values, ...) or values
end

-- The values of one or more lines with this key.
function Request:many(key, reader, least, most)
  local lines = {}
  repeat lines[#lines + 1] = self:take(key, { reader }, least, most) until self:key() ~= key
  return lines
end

-- Values from low to high, each greater than the one before.
function Request:increasing(key, low, high)
  local list = self:take(key, { integer(low, high) }, 0, MANY)
  for i = 2, #list do if list[i] <= list[i - 1] then refuse("%s takes increasing values", key) end end
  return list
end

-- Calls act(key, values, the table's function for that key) for one or more lines, up to the end or a line `last`. An
-- entry of the table has readers, that function, and how many values there may be.
function Request:each(known, act, last)
  repeat
    local key = self:key()
    local readers, make, most = table.unpack(known[key] or refuse("expected another line than %s", key))
    act(key, self:take(key, readers, nil, most), make)
  until self.place > #self or self:key() == last
end

-- Appends the elements of a tensor of this name and shape to a list.
function Request:tensor(name, rows, columns, list)
  local came, wanted = table.concat(self:take("tensor", { anything }, 3, 3), " "), name .. " " .. rows .. " " .. columns
  if came ~= wanted then refuse("expected tensor %s, not %s", wanted, came) end
  for _ = 1, rows do table.move(self:take("row", { double }, columns, columns), 1, columns, #list + 1, list) end
  return list
end

-- A tensor for each matrix, its name after a prefix, as one list.
function Request:tensors(settings, prefix)
  local list = {}
  for _, matrix in ipairs(gpt.matrices_of(settings)) do
    self:tensor(prefix .. matrix.name, matrix.rows, matrix.columns, list)
  end
  return list
end

-- The settings that make a model, and a reader of its tokens.
function Request:model()
  local settings = self:fill({},
    "math", functions, "layers", integer(1, 16), "heads", integer(1, 64), "embedding", integer(1, 512),
    "block", integer(1, 1024), "vocabulary", integer(2, 2048),
    "activation", one_of({ relu = "relu", squared_relu = "squared_relu" }))
  if settings.embedding % settings.heads ~= 0 then refuse("embedding takes a multiple of heads") end
  settings.attend = gpt.list(settings.block, function(t)
    local positions = self:increasing("attend", 0, t - 1)
    return positions[#positions] == t - 1 and positions or refuse("expected attend to end with %d", t - 1)
  end)
  return settings, integer(0, settings.vocabulary - 1)
end

-- All that forward and backward take.
function Request:model_and_document()
  local settings, token = self:model()
  local tokens = self:take("tokens", { token }, 2, MANY)
  return settings, gpt.new_model(settings, self:tensors(settings, "")), tokens
end

-- The settings that training needs besides.
function Request:options(settings)
  return self:fill(settings, "learning_rate", double, "beta1", double, "beta2", double, "epsilon", double,
    "schedule", one_of({ linear = "linear", cosine = "cosine" }), "steps", steps)
end

-- The lines of a reply

local function bits(x) return x ~= x and 0x7ff8000000000000 or string.unpack("<i8", string.pack("<d", x)) end
local function hex(x) return ("%016x"):format(bits(x)) end

local Reply = {}
Reply.__index = Reply

function Reply:line(key, words) self[#self + 1] = #words > 0 and key .. " " .. table.concat(words, " ") or key end

-- `length` doubles, from list[first] on.
function Reply:doubles(key, list, first, length)
  self:line(key, gpt.list(length, function(i) return hex(list[first + i - 1]) end))
end

function Reply:tensor(name, list, first, rows, columns)
  self:line("tensor", { name, rows, columns })
  for row = 0, rows - 1 do self:doubles("row", list, first + row * columns, columns) end
end

function Reply:tensors(settings, prefix, list)
  for _, matrix in ipairs(gpt.matrices_of(settings)) do
    self:tensor(prefix .. matrix.name, list, matrix.first, matrix.rows, matrix.columns)
  end
end

function Reply:checksum(key, list, length)
  local a, b = 1, 0
  for i = 1, 2 * length do
    local pattern = bits(list[i + 1 >> 1])
    a = (a + (i & 1 == 1 and pattern >> 32 or pattern & WORD)) % 4294967291
    b = (b + a) % 4294967291
  end
  self:line(key, { ("%08x %08x"):format(a, b) })
end

-- Tables for Request.each

-- The sum of term(i) for every first one of `step` items.
local function total(items, step, term)
  local sum = #items % step == 0 and 0.0 or refuse("dot takes pairs, not %d doubles", #items)
  for i = 1, #items, step do sum = sum + term(i) end
  return sum
end

local ARITHMETIC = {
  add = { { double, double }, function(x) return x[1] + x[2] end },
  sub = { { double, double }, function(x) return x[1] - x[2] end },
  mul = { { double, double }, function(x) return x[1] * x[2] end },
  div = { { double, double }, function(x) return x[1] / x[2] end },
  sqrt = { { double }, function(x) return math.sqrt(x[1]) end },
  muladd = { { double, double, double }, function(x) return x[1] * x[2] + x[3] end },
  sum = { { double }, function(x) return total(x, 1, function(i) return x[i] end) end, MANY },
  dot = { { double, double }, function(x) return total(x, 2, function(i) return x[i] * x[i + 1] end) end, MANY },
  decimals = { { printable }, function(x) return gpt.four_decimals(x[1]) end },
}
local FUNCTIONS = { exp = { { double } }, log = { { double } }, sin = { { angle } }, cos = { { angle } },
  pow = { { double, exponent(4096) } } }
local DRAWS = {
  words = { { draws }, function(generator) return generator:word() end },
  random = { { draws }, function(generator) return hex(generator:random()) end },
  gauss = { { draws, double }, function(generator, values) return hex(generator:gauss(values[2])) end },
  choices = { { draws, double }, function(generator, drawn) return generator:choice(drawn, 2, #drawn - 1) end, 1001 },
  shuffle = { { integer(0, 10000) } },
  state = { {} },
}

local function expressions(tape, node)
  local add, mul, add_number, mul_number, pow = tape.add, tape.mul, tape.add_number, tape.mul_number, tape.pow
  return {
    leaf = { { double }, tape.leaf }, exp = { { node }, tape.exp }, log = { { node }, tape.log },
    relu = { { node }, tape.relu }, add = { { node, node }, add }, mul = { { node, node }, mul },
    pow = { { node, exponent(1024) }, pow },
    sub = { { node, node }, function(a, b) return add(a, mul_number(b, -1.0)) end },
    div = { { node, node }, function(a, b) return mul(a, pow(b, -1.0)) end },
    neg = { { node }, function(a) return mul_number(a, -1.0) end },
    sum = { { node }, function(a, ...)
      local sum = add_number(a, 0.0)
      for _, b in ipairs({ ... }) do sum = add(sum, b) end
      return sum
    end, MANY },
    add_number = { { node, double }, add_number },
    sub_number = { { node, double }, function(a, c) return add_number(a, -c) end },
    mul_number = { { node, double }, mul_number },
    div_number = { { node, double }, function(a, c) return mul_number(a, tape.functions.pow(c, -1.0)) end },
    number_sub = { { double, node }, function(c, a) return add_number(mul_number(a, -1.0), c) end },
    number_div = { { double, node }, function(c, a) return mul_number(pow(a, -1.0), c) end },
  }
end

-- The verbs: each takes a request and fills a reply

local verbs = {}

function verbs.hello(_, reply)
  reply:line("name", { "lua\nprotocol 1" })
  reply:line("verbs", { "hello arith math random tokens graph forward backward adam train sample run" })
  reply:line("math", { "exact native" })
end

function verbs.arith(request, reply)
  request:each(ARITHMETIC, function(key, operands, compute)
    local result = compute(operands)
    reply:line(key, key == "decimals" and { result:byte(1, -1) } or { hex(result) })
  end)
end

function verbs.math(request, reply)
  local given = request:fill({}, "math", functions)
  request:each(FUNCTIONS, function(key, values) reply:line(key, { hex(given.math[key](table.unpack(values))) }) end)
end

function verbs.random(request, reply)
  local given = request:fill({}, "math", functions, "seed", integer(0, WORD))
  local generator = gpt.Generator.new(given.seed, given.math)
  request:each(DRAWS, function(key, values, draw)
    if key == "state" then
      reply:line("state", { generator.index, table.concat(generator.words, " ", 0, 623) })
      return reply:line("kept", { generator.kept and hex(generator.kept) or "none" })
    end
    local list = gpt.list(values[1], function(i) return draw and draw(generator, values) or i - 1 end)
    if key == "shuffle" then generator:shuffle(list) end
    reply:line(key, list)
  end)
end

function verbs.tokens(request, reply)
  local vocabulary, documents = gpt.tokenize(request:many("line", code_point, 0, 10000))
  reply:line("documents", { #documents })
  reply:line("vocabulary", vocabulary)
  reply:line("bos", { #vocabulary })
  for _, tokens in ipairs(documents) do reply:line("encoded", tokens) end
end

function verbs.graph(request, reply)
  local tape, nodes = gpt.new_tape(request:fill({}, "math", functions).math), {}
  local function node(word) return nodes[(integer(0, #nodes - 1)(word) or -1) + 1] end
  local function append(_, operands, make) nodes[#nodes + 1] = make(table.unpack(operands)) end
  request:each(expressions(tape, node), append, "root")
  tape.backward(request:fill({}, "root", node).root)
  for _, one in ipairs(nodes) do reply:doubles("value", tape.value, one, 1) end
  for _, one in ipairs(nodes) do reply:doubles("gradient", tape.gradient, one, 1) end
end

function verbs.forward(request, reply)
  local _, model, tokens = request:model_and_document()
  function model.watch(name, vector, length) reply:tensor(name, model.tape.value, vector, 1, length) end
  reply:doubles("loss", model.tape.value, model.loss(tokens), 1)
end

function verbs.backward(request, reply)
  local settings, model, tokens = request:model_and_document()
  local loss = model.loss(tokens)
  model.tape.backward(loss)
  reply:doubles("loss", model.tape.value, loss, 1)
  reply:tensors(settings, "", model.gradients)
end

function verbs.adam(request, reply)
  local settings = request:options(request:fill({}, "math", functions))
  request:fill(settings, "step", integer(0, settings.steps - 1))
  local _, rows, columns = table.unpack(request:take("tensor", { anything, integer(1, 2048) }, 3, 3))
  request.place = request.place - 1 -- back to the tensor itself
  local function tensor(name) return request:tensor(name, rows, columns, {}) end
  local parameters, gradients, m, v = tensor("parameters"), tensor("gradients"), tensor("m"), tensor("v")
  local factors = { gpt.adam(settings, settings.step, parameters, gradients, m, v) }
  for i, name in ipairs({ "rate", "correction1", "correction2" }) do reply:doubles(name, factors, i, 1) end
  reply:tensor("m", m, 1, rows, columns)
  reply:tensor("v", v, 1, rows, columns)
  reply:tensor("parameters", parameters, 1, rows, columns)
end

function verbs.train(request, reply)
  local settings, token = request:model()
  request:fill(request:options(settings), "from", integer(0, settings.steps - 1))
  request:fill(settings, "count", integer(1, settings.steps - settings.from))
  local first, last, is_full = settings.from, settings.from + settings.count - 1, {}
  for _, step in ipairs(request:increasing("full", first, last)) do is_full[step] = true end
  local documents = request:many("tokens", token, 2, MANY)
  local model = gpt.new_model(settings, request:tensors(settings, ""))
  if first > 0 then model.m, model.v = request:tensors(settings, "m."), request:tensors(settings, "v.") end
  for step = first, last do
    local loss = model.train(step, documents[step % #documents + 1])
    reply:line("step", { step })
    reply:line("loss", { hex(loss) })
    local names = { "gradients", "m", "v", "parameters" }
    for _, name in ipairs(names) do reply:checksum(name, model[name], model.size) end
    for _, name in ipairs(is_full[step] and names or {}) do reply:tensors(settings, name .. ".", model[name]) end
  end
end

function verbs.sample(request, reply)
  local settings = request:fill(request:model(), "temperature", double, "samples", draws)
  local model = gpt.new_model(settings, request:tensors(settings, ""))
  local generator = gpt.Generator.new(0, settings.math)
  local state = request:take("state", { integer(0, 624), integer(0, WORD) }, 625, 625)
  generator.index = state[1]
  table.move(state, 2, 625, 0, generator.words)
  local kept = request:take("kept", { function(word) return word == "none" and word or double(word) end })[1]
  generator.kept = kept ~= "none" and kept or nil
  for number = 0, settings.samples - 1 do
    reply:line("sample", { number })
    model.sample(settings.temperature, generator, function(probabilities, token)
      reply:doubles("probabilities", model.tape.value, probabilities, settings.vocabulary)
      reply:line("token", { token })
    end)
  end
  reply:line("word", { generator:word() })
end

function verbs.run(request, reply)
  local given = request:fill({}, "math", functions, "preset", one_of(gpt.presets), "steps", steps, "samples", draws)
  local lines = request:many("line", code_point, 0, 10000)
  local function show(text) reply:line("print", { utf8.codepoint(text, 1, -1) }) end
  local model, generator = gpt.run(setmetatable(given, { __index = given.preset }), lines, given.math, show)
  for _, name in ipairs({ "parameters", "m", "v" }) do reply:checksum(name, model[name], model.size) end
  reply:line("word", { generator:word() })
end

local function refusal(id, reason)
  return ("error %s %s\nend\n"):format(id, reason:gsub("[^\33-\126]+", " "):sub(1, 200):gsub(" $", ""))
end

-- The text of the reply to the lines of a request without its `end`.
return function(lines, is_complete)
  local first = table.remove(lines, 1) or "end"
  local verb, id = first:match("^([\33-\126]+) ([%w._-]+)$")
  if not id or #id > 64 or #first > LONGEST_LINE then return refusal("-", "expected a verb and an id") end
  if not is_complete then return refusal(id, "the input ended before the line end") end
  if not verbs[verb] then return refusal(id, "unsupported") end
  local request, reply = setmetatable(lines, Request), setmetatable({}, Reply)
  local is_right, fault = pcall(function()
    for _, line in ipairs(request) do
      local is_plain = #line <= LONGEST_LINE and not line:find("[^\32-\126]")
      if not is_plain or (" " .. line .. " "):find("  ", 1, true) then refuse("expected words with single spaces") end
    end
    verbs[verb](request, reply)
    if request.place <= #request then refuse("expected the end, not %s", request:key()) end
  end)
  if is_right then return "ok " .. id .. "\n" .. table.concat(reply, "\n") .. "\nend\n" end
  return refusal(id, type(fault) == "table" and fault.reason or "a fault of this port: " .. tostring(fault))
end
