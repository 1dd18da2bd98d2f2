-- The protocol (conformance/SPEC.md, sections 11 to 13): from the lines of a request to the text of its reply.

local gpt = require("microgpt")
local refuse = gpt.refuse

local LONGEST_LINE <const>, WORD <const>, MANY <const> = 65536, 0xffffffff, math.maxinteger

-- Words: a reader takes a word and its key and returns a value, or refuses the word

-- What came, fit for a reason.
local function quoted(text) return "'" .. text:sub(1, 40):gsub("[^\33-\126]+", "?") .. "'" end

local function double(word, key)
  if #word ~= 16 or word:find("[^0-9a-f]") then
    refuse("%s takes doubles of 16 lower-case hex digits, not %s", key, quoted(word))
  end
  local x = string.unpack("<d", string.pack("<i8", tonumber(word, 16)))
  return x == x and x or 0.0 / 0.0
end

local function integer(low, high)
  return function(word, key)
    local n = #word <= 10 and (word == "0" or word:find("^[1-9]%d*$")) and math.tointeger(tonumber(word))
    if n and n >= low and n <= high then return n end
    refuse("%s takes integers from %d to %d, not %s", key, low, high, quoted(word))
  end
end

local function double_that(wants, is_right)
  return function(word, key)
    local x = double(word, key)
    return is_right(x) and x or refuse("%s takes %s, not %g", key, wants, x)
  end
end

local function exponent(limit)
  return double_that("integers and half-integers up to " .. limit, function(y)
    return y >= -limit and y <= limit and 2.0 * y % 1.0 == 0.0
  end)
end

local angle = double_that("doubles from -8 to 8", function(x) return not (x < -8.0 or x > 8.0) end)
local printable = double_that("doubles from -2^53 to 2^53", function(x)
  return not (x < -0x1p53 or x > 0x1p53) or x == math.huge or x == -math.huge
end)

local function one_of(choices)
  return function(word, key) return choices[word] or refuse("%s does not take %s", key, quoted(word)) end
end

local function code_point(word, key)
  local point = integer(0, 0x10ffff)(word, key)
  if point >= 0xd800 and point <= 0xdfff then refuse("%s takes code points, and surrogates are none", key) end
  return point
end

local function anything(word) return word end

local functions = one_of(gpt.functions)
local draws = integer(0, 1000)
local MODEL = {
  { "layers", integer(1, 16) }, { "heads", integer(1, 64) }, { "embedding", integer(1, 512) },
  { "block", integer(1, 1024) }, { "vocabulary", integer(2, 2048) },
  { "activation", one_of({ relu = "relu", squared_relu = "squared_relu" }) },
}
local OPTIMIZER = {
  { "learning_rate", double }, { "beta1", double }, { "beta2", double }, { "epsilon", double },
  { "schedule", one_of({ linear = "linear", cosine = "cosine" }) }, { "steps", integer(1, 4096) },
}

-- The lines of a request, each read by one of these or refused

local Request = {}
Request.__index = Request

-- The key of the next line, which is left to be read.
function Request:key()
  local line = self[self.place]
  return line and line:match("^[^ ]*") or "(the end)"
end

-- The values of the next line. The last reader also reads what comes after its word.
function Request:take(key, readers, least, most)
  least, most = least or #readers, most or #readers
  if self:key() ~= key then refuse("expected a line %s, not %s", key, quoted(self:key())) end
  local values = {}
  for word in self[self.place]:gmatch(" ([^ ]+)") do
    local n = #values + 1
    if n > most then refuse("%s takes at most %d values", key, most) end
    values[n] = (readers[n] or readers[#readers])(word, key)
  end
  if #values < least then refuse("%s takes %d or more values, not %d", key, least, #values) end
  self.place = self.place + 1
  return values
end

function Request:one(key, reader) return self:take(key, { reader })[1] end

-- The values of lines with one value each, by key.
function Request:fields(readers)
  local fields = {}
  for _, field in ipairs(readers) do fields[field[1]] = self:one(field[1], field[2]) end
  return fields
end

-- The values of one or more lines with this key.
function Request:block(key, reader, least, most)
  local lines = {}
  repeat lines[#lines + 1] = self:take(key, { reader }, least, most) until self:key() ~= key
  return lines
end

-- Calls act(key, the key's item of the table) for each line up to the end, one at least.
function Request:each(known, act)
  repeat
    local key = self:key()
    if not known[key] then refuse("expected another line than %s", quoted(key)) end
    act(key, known[key])
  until self.place > #self
end

function Request:finish() if self.place <= #self then refuse("expected the end, not %s", quoted(self:key())) end end

-- Appends the elements of a tensor of this name and shape to a list.
function Request:tensor(name, rows, columns, list)
  local came, wanted = table.concat(self:take("tensor", { anything }, 3, 3), " "), name .. " " .. rows .. " " .. columns
  if came ~= wanted then refuse("expected tensor %s, not %s", wanted, quoted(came)) end
  for _ = 1, rows do table.move(self:take("row", { double }, columns, columns), 1, columns, #list + 1, list) end
  return list
end

-- A tensor for each matrix, its name after a prefix, as one list.
function Request:tensors(matrices, prefix)
  local list = {}
  for _, matrix in ipairs(matrices) do self:tensor(prefix .. matrix.name, matrix.rows, matrix.columns, list) end
  return list
end

local function is_increasing(list)
  for i = 2, #list do if list[i] <= list[i - 1] then return false end end
  return true
end

-- The functions and the shape of a model, its matrices, and a reader of its tokens.
function Request:model()
  local its_functions, shape = self:one("math", functions), self:fields(MODEL)
  if shape.embedding % shape.heads ~= 0 then refuse("embedding takes a multiple of heads") end
  shape.attend = {}
  for t = 1, shape.block do
    local positions = self:take("attend", { integer(0, t - 1) }, 1, MANY)
    if not is_increasing(positions) or positions[#positions] ~= t - 1 then
      refuse("expected an attend line of increasing positions that end with %d", t - 1)
    end
    for i, position in ipairs(positions) do positions[i] = position + 1 end
    shape.attend[t] = positions
  end
  return its_functions, shape, gpt.matrices_of(shape), integer(0, shape.vocabulary - 1)
end

-- All that forward and backward take: a model, its matrices and a document.
function Request:document()
  local its_functions, shape, matrices, token = self:model()
  local tokens = self:take("tokens", { token }, 2, MANY)
  local model = gpt.new_model(shape, self:tensors(matrices, ""), its_functions)
  self:finish()
  return model, matrices, tokens
end

-- The lines of a reply

local function bits(x) return x ~= x and 0x7ff8000000000000 or string.unpack("<i8", string.pack("<d", x)) end
local function hex(x) return ("%016x"):format(bits(x)) end

local Reply = {}
Reply.__index = Reply

function Reply:line(...) self[#self + 1] = table.concat({ ... }, " ") end
function Reply:list(key, list) self[#self + 1] = #list > 0 and key .. " " .. table.concat(list, " ") or key end

-- `length` doubles, from list[first] on.
function Reply:doubles(key, list, first, length)
  local words = { key }
  for i = first, first + length - 1 do words[#words + 1] = hex(list[i]) end
  self[#self + 1] = table.concat(words, " ")
end

function Reply:tensor(name, list, first, rows, columns)
  self:line("tensor", name, rows, columns)
  for row = 0, rows - 1 do self:doubles("row", list, first + row * columns, columns) end
end

function Reply:tensors(matrices, prefix, list)
  for _, matrix in ipairs(matrices) do
    self:tensor(prefix .. matrix.name, list, matrix.first, matrix.rows, matrix.columns)
  end
end

function Reply:checksum(key, list, length)
  local a, b = 1, 0
  for i = 1, length do
    local pattern = bits(list[i])
    a = (a + (pattern >> 32)) % 4294967291
    b = (b + a) % 4294967291
    a = (a + (pattern & WORD)) % 4294967291
    b = (b + a) % 4294967291
  end
  self:line(key, ("%08x %08x"):format(a, b))
end

-- The verbs: each takes a request and fills a reply

local answer = {}

function answer.hello(request, reply)
  request:finish()
  reply:line("name lua\nprotocol 1")
  reply:line("verbs hello arith math random tokens graph forward backward adam train sample run")
  reply:line("math exact native")
end

-- The sum of term(i) for every first one of `step` items.
local function total(items, step, term)
  if #items % step > 0 then refuse("dot takes pairs, not %d doubles", #items) end
  local sum = 0.0
  for i = 1, #items, step do sum = sum + term(i) end
  return sum
end

-- How many doubles a line takes at least and at most, and its result.
local ARITHMETIC = {
  add = { 2, 2, function(x) return x[1] + x[2] end },
  sub = { 2, 2, function(x) return x[1] - x[2] end },
  mul = { 2, 2, function(x) return x[1] * x[2] end },
  div = { 2, 2, function(x) return x[1] / x[2] end },
  sqrt = { 1, 1, function(x) return math.sqrt(x[1]) end },
  muladd = { 3, 3, function(x) return x[1] * x[2] + x[3] end },
  sum = { 1, MANY, function(x) return total(x, 1, function(i) return x[i] end) end },
  dot = { 2, MANY, function(x) return total(x, 2, function(i) return x[i] * x[i + 1] end) end },
  decimals = { 1, 1 },
}

function answer.arith(request, reply)
  request:each(ARITHMETIC, function(key, operation)
    if key == "decimals" then
      return reply:list(key, { gpt.four_decimals(request:one(key, printable)):byte(1, -1) })
    end
    local least, most, compute = table.unpack(operation)
    reply:line(key, hex(compute(request:take(key, { double }, least, most))))
  end)
end

local FUNCTIONS = {
  exp = { double }, log = { double }, sin = { angle }, cos = { angle }, pow = { double, exponent(4096) },
}

function answer.math(request, reply)
  local its_functions = request:one("math", functions)
  request:each(FUNCTIONS, function(key, readers)
    reply:line(key, hex(its_functions[key](table.unpack(request:take(key, readers)))))
  end)
end

-- What a line of `random` takes, and what it does with that.
local DRAWS = {
  words = { { draws }, function(generator) return generator:word() end },
  random = { { draws }, function(generator) return hex(generator:random()) end },
  gauss = { { draws, double }, function(generator, values) return hex(generator:gauss(values[2])) end },
  choices = { { draws, double }, function(generator, values) return generator:choice(values, 2, #values - 1) end },
  shuffle = { { integer(0, 10000) } },
  state = { {} },
}

function answer.random(request, reply)
  local its_functions = request:one("math", functions)
  local generator = gpt.Generator.new(request:one("seed", integer(0, WORD)), its_functions)
  request:each(DRAWS, function(key, draw)
    local values, list = request:take(key, draw[1], #draw[1], key == "choices" and 1001 or nil), {}
    if key == "state" then
      reply:line("state", generator.index, table.concat(generator.words, " ", 0, 623))
      return reply:line("kept", generator.kept and hex(generator.kept) or "none")
    end
    for i = 1, values[1] do list[i] = draw[2] and draw[2](generator, values) or i - 1 end
    if key == "shuffle" then generator:shuffle(list) end
    reply:list(key, list)
  end)
end

function answer.tokens(request, reply)
  local lines = request:block("line", code_point, 0, 10000)
  request:finish()
  local vocabulary, documents = gpt.tokenized(gpt.documents_of(lines))
  reply:line("documents", #documents)
  reply:list("vocabulary", vocabulary)
  reply:line("bos", #vocabulary)
  for _, tokens in ipairs(documents) do reply:list("encoded", tokens) end
end

-- The operands of an expression (n a node, x a number, c an exponent), and how the node is made of them.
local EXPRESSIONS = {
  leaf = { "x", function(tape, x) return tape.leaf(x) end },
  add = { "nn", function(tape, a, b) return tape.add(a, b) end },
  sub = { "nn", function(tape, a, b) return tape.add(a, tape.mul_number(b, -1.0)) end },
  mul = { "nn", function(tape, a, b) return tape.mul(a, b) end },
  div = { "nn", function(tape, a, b) return tape.mul(a, tape.pow(b, -1.0)) end },
  neg = { "n", function(tape, a) return tape.mul_number(a, -1.0) end },
  pow = { "nc", function(tape, a, c) return tape.pow(a, c) end },
  exp = { "n", function(tape, a) return tape.exp(a) end },
  log = { "n", function(tape, a) return tape.log(a) end },
  relu = { "n", function(tape, a) return tape.relu(a) end },
  sum = { "n", function(tape, a, ...)
    local total = tape.add_number(a, 0.0)
    for _, b in ipairs({ ... }) do total = tape.add(total, b) end
    return total
  end },
  add_number = { "nx", function(tape, a, x) return tape.add_number(a, x) end },
  sub_number = { "nx", function(tape, a, x) return tape.add_number(a, -x) end },
  mul_number = { "nx", function(tape, a, x) return tape.mul_number(a, x) end },
  div_number = { "nx", function(tape, a, x) return tape.mul_number(a, tape.functions.pow(x, -1.0)) end },
  number_sub = { "xn", function(tape, x, a) return tape.add_number(tape.mul_number(a, -1.0), x) end },
  number_div = { "xn", function(tape, x, a) return tape.mul_number(tape.pow(a, -1.0), x) end },
  root = { "n" },
}

function answer.graph(request, reply)
  local its_functions = request:one("math", functions)
  local tape, nodes, root = gpt.new_tape(its_functions), {}, nil
  local function node(word, key) return nodes[integer(0, #nodes - 1)(word, key) + 1] end
  local reader = { n = node, x = double, c = exponent(1024) }
  request:each(EXPRESSIONS, function(key, expression)
    if root then refuse("expected the end after root, not %s", key) end
    local kinds, make = table.unpack(expression)
    local readers = { reader[kinds:sub(1, 1)], reader[kinds:sub(2)] }
    local operands = request:take(key, readers, #kinds, key == "sum" and MANY or #kinds)
    if key == "root" then root = operands[1] else nodes[#nodes + 1] = make(tape, table.unpack(operands)) end
  end)
  if not root then refuse("expected a line root, and the request ended") end
  tape.backward(root)
  for _, one in ipairs(nodes) do reply:line("value", hex(tape.value[one])) end
  for _, one in ipairs(nodes) do reply:line("gradient", hex(tape.gradient[one])) end
end

function answer.forward(request, reply)
  local model, _, tokens = request:document()
  local loss = model.loss(tokens, function(prefix, length, ...)
    local vectors = { ... }
    for i = 1, #vectors, 2 do reply:tensor(prefix .. vectors[i], model.tape.value, vectors[i + 1], 1, length) end
  end)
  reply:line("loss", hex(model.tape.value[loss]))
end

function answer.backward(request, reply)
  local model, matrices, tokens = request:document()
  local loss = model.loss(tokens)
  model.tape.backward(loss)
  reply:line("loss", hex(model.tape.value[loss]))
  reply:tensors(matrices, "", model.gradients)
end

function answer.adam(request, reply)
  local its_functions, options = request:one("math", functions), request:fields(OPTIMIZER)
  local step = request:one("step", integer(0, options.steps - 1))
  local shape = request:take("tensor", { anything, integer(1, 2048) }, 3, 3)
  request.place = request.place - 1 -- back to the tensor itself
  local lists = {}
  for _, name in ipairs({ "parameters", "gradients", "m", "v" }) do
    lists[name] = request:tensor(name, shape[2], shape[3], {})
  end
  request:finish()
  local factors = { gpt.adam_factors(options, step, its_functions) }
  for i, name in ipairs({ "rate", "correction1", "correction2" }) do reply:line(name, hex(factors[i])) end
  gpt.adam(options, step, lists.parameters, lists.gradients, lists.m, lists.v, its_functions)
  for _, name in ipairs({ "m", "v", "parameters" }) do reply:tensor(name, lists[name], 1, shape[2], shape[3]) end
end

function answer.train(request, reply)
  local its_functions, shape, matrices, token = request:model()
  local options = request:fields(OPTIMIZER)
  local from = request:one("from", integer(0, options.steps - 1))
  local last = from + request:one("count", integer(1, options.steps - from)) - 1
  local full, is_full = request:take("full", { integer(from, last) }, 0, MANY), {}
  if not is_increasing(full) then refuse("full takes steps in increasing order") end
  for _, step in ipairs(full) do is_full[step] = true end
  local documents = request:block("tokens", token, 2, MANY)
  local model = gpt.new_model(shape, request:tensors(matrices, ""), its_functions)
  local m = from == 0 and gpt.zeros(model.size) or request:tensors(matrices, "m.")
  local v = from == 0 and gpt.zeros(model.size) or request:tensors(matrices, "v.")
  request:finish()
  local lists = { { "gradients", model.gradients }, { "m", m }, { "v", v }, { "parameters", model.parameters } }
  for step = from, last do
    local loss = gpt.train_step(model, options, step, documents[step % #documents + 1], m, v, its_functions)
    reply:line("step", step)
    reply:line("loss", hex(loss))
    for _, list in ipairs(lists) do reply:checksum(list[1], list[2], model.size) end
    for _, list in ipairs(is_full[step] and lists or {}) do reply:tensors(matrices, list[1] .. ".", list[2]) end
  end
end

function answer.sample(request, reply)
  local its_functions, shape, matrices = request:model()
  local temperature, samples = request:one("temperature", double), request:one("samples", draws)
  local model = gpt.new_model(shape, request:tensors(matrices, ""), its_functions)
  local generator = gpt.Generator.new(0, its_functions)
  local state = request:take("state", { integer(0, 624), integer(0, WORD) }, 625, 625)
  generator.index = state[1]
  table.move(state, 2, 625, 0, generator.words)
  generator.kept = request:one("kept", function(word, key) return word ~= "none" and double(word, key) end) or nil
  request:finish()
  for number = 0, samples - 1 do
    reply:line("sample", number)
    model.sample(temperature, generator, function(probabilities, token)
      reply:doubles("probabilities", model.tape.value, probabilities, shape.vocabulary)
      reply:line("token", token)
    end)
  end
  reply:line("word", generator:word())
end

function answer.run(request, reply)
  local its_functions, preset = request:one("math", functions), request:one("preset", one_of(gpt.presets))
  local sizes = request:fields({ { "steps", integer(1, 4096) }, { "samples", draws } })
  local lines = request:block("line", code_point, 0, 10000)
  request:finish()
  local shown = setmetatable(sizes, { __index = preset })
  local model, m, v, generator = gpt.run(shown, lines, its_functions, function(text)
    reply:list("print", { utf8.codepoint(text, 1, -1) })
  end)
  reply:checksum("parameters", model.parameters, model.size)
  reply:checksum("m", m, model.size)
  reply:checksum("v", v, model.size)
  reply:line("word", generator:word())
end

local function check_lines(lines)
  for _, line in ipairs(lines) do
    if #line > LONGEST_LINE then refuse("a line has at most %d bytes", LONGEST_LINE) end
    if line:find("[^\32-\126]") or (" " .. line .. " "):find("  ", 1, true) then
      refuse("expected words with single spaces between them, not %s", quoted(line))
    end
  end
end

local function reply_to(lines, is_complete)
  local first = table.remove(lines, 1) or "end"
  local verb, id = first:match("^([\33-\126]+) ([%w._-]+)$")
  if not id or #id > 64 or #first > LONGEST_LINE then return "-", "expected a verb and an id, not " .. quoted(first) end
  if not is_complete then return id, "the input ended before the line end" end
  if not answer[verb] then return id, "unsupported" end
  local reply = setmetatable({}, Reply)
  local is_right, fault = pcall(function()
    check_lines(lines)
    lines.place = 1
    answer[verb](setmetatable(lines, Request), reply)
  end)
  if is_right then return id, nil, reply end
  if type(fault) == "table" then return id, fault.reason end
  io.stderr:write(tostring(fault), "\n")
  return id, "a fault of this port; its standard error says more"
end

-- The text of the reply to the lines of a request without its `end`.
local function reply_text(lines, is_complete)
  local id, reason, reply = reply_to(lines, is_complete)
  if reason then return ("error %s %s\nend\n"):format(id, reason) end
  return "ok " .. id .. "\n" .. table.concat(reply, "\n") .. "\nend\n"
end

return { answer = reply_text }
