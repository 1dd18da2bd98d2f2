-- microgpt in Lua: a small GPT that trains on a list of names and makes up new ones, bit for bit as the specification
-- of this project says (conformance/SPEC.md). Standard library only; the exact functions are in exact.lua.
--
--   lua5.4 microgpt.lua                                     answers requests on standard input
--   lua5.4 microgpt.lua run [seed|classic] < names.txt      trains and prints samples
--
-- Contents: functions, random numbers, text, the tape (autograd), the model, training, sampling, a whole run,
-- the protocol, its verbs, the command line.

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local exact = require("exact")

local NAME <const> = "lua"
local PROTOCOL <const> = "1"

-- The kinds of `math` that a request may ask for.
local FUNCTIONS = {
  exact = exact,
  native = {
    exp = math.exp,
    log = math.log,
    sin = math.sin,
    cos = math.cos,
    pow = function(x, y) return x ^ y end,
  },
}

-- What is wrong with an input; everything else that is raised is a fault of this program.
local function refuse(form, ...)
  error({ reason = form:format(...) })
end

---------------------------------------------------------------------------------------------------------------------
-- Random numbers: the Mersenne Twister MT19937

local WORD <const> = 0xffffffff

local Generator = {}
Generator.__index = Generator

-- A generator seeded with one word, as init_by_array does it. `functions` has the log, sin and cos of gauss.
function Generator.new(seed, functions)
  local words = { [0] = 19650218 }
  for i = 1, 623 do
    words[i] = 1812433253 * (words[i - 1] ~ words[i - 1] >> 30) + i & WORD
  end
  local i = 1
  local function mix(factor, amount)
    words[i] = (words[i] ~ (words[i - 1] ~ words[i - 1] >> 30) * factor) + amount & WORD
    i = i + 1
    if i == 624 then words[0], i = words[623], 1 end
  end
  for _ = 1, 624 do mix(1664525, seed) end
  for _ = 1, 623 do mix(1566083941, -i) end
  words[0] = 0x80000000
  return Generator.restore(words, 624, nil, functions)
end

-- A generator in a given state: words 0 to 623, the number of words used, the value kept by gauss or nil.
function Generator.restore(words, index, kept, functions)
  return setmetatable({ words = words, index = index, kept = kept, functions = functions }, Generator)
end

function Generator:word()
  local words = self.words
  if self.index == 624 then
    for i = 0, 623 do
      local y = words[i] & 0x80000000 | words[(i + 1) % 624] & 0x7fffffff
      words[i] = words[(i + 397) % 624] ~ y >> 1 ~ (y & 1) * 0x9908b0df
    end
    self.index = 0
  end
  local y = words[self.index]
  self.index = self.index + 1
  y = y ~ y >> 11
  y = y ~ y << 7 & 0x9d2c5680
  y = y ~ y << 15 & 0xefc60000
  return y ~ y >> 18
end

-- From 0 to 1, 1 excluded.
function Generator:random()
  local a, b = self:word() >> 5, self:word() >> 6
  return (a * 67108864.0 + b) / 9007199254740992.0
end

function Generator:gauss(sigma)
  local z = self.kept
  self.kept = nil
  if not z then
    local functions = self.functions
    local x = self:random() * 6.283185307179586
    local r = math.sqrt(-2.0 * functions.log(1.0 - self:random()))
    z, self.kept = functions.cos(x) * r, functions.sin(x) * r
  end
  return 0.0 + z * sigma
end

-- A whole number from 0 to n - 1.
function Generator:below(n)
  local bits = 0
  while n >> bits > 0 do bits = bits + 1 end
  local word
  repeat word = self:word() >> 32 - bits until word < n
  return word
end

function Generator:shuffle(list)
  for i = #list, 2, -1 do
    local j = self:below(i) + 1
    list[i], list[j] = list[j], list[i]
  end
end

-- A number from 0 to n - 1, drawn with the n weights that begin at weights[first].
function Generator:choice(weights, first, n)
  local cumulative, total = {}, 0.0
  for i = 0, n - 1 do
    total = i == 0 and weights[first] or total + weights[first + i]
    cumulative[i] = total
  end
  total = total + 0.0
  if not (total > 0.0 and total < math.huge) then
    local sum = total == total and total or "not a number"
    refuse("expected weights with a finite sum above 0, and the sum is %s", sum)
  end
  local u = self:random() * total
  local low, high = 0, n - 1
  while low < high do
    local middle = (low + high) // 2
    if u < cumulative[middle] then high = middle else low = middle + 1 end
  end
  return low
end

---------------------------------------------------------------------------------------------------------------------
-- Text: a line is a list of code points

local function is_space(code_point)
  return code_point >= 9 and code_point <= 13 or code_point == 32
end

-- The lines, stripped of ASCII white space at both ends, without the empty ones.
local function documents_of(lines)
  local documents = {}
  for _, line in ipairs(lines) do
    local first, last = 1, #line
    while first <= last and is_space(line[first]) do first = first + 1 end
    while first <= last and is_space(line[last]) do last = last - 1 end
    if first <= last then documents[#documents + 1] = table.move(line, first, last, 1, {}) end
  end
  if #documents == 0 then refuse("expected a line that is not empty, and there is none") end
  return documents
end

local MOST_CHARACTERS <const> = 2047

-- The distinct code points in order: the token n is vocabulary[n + 1]; BOS is the token #vocabulary.
local function vocabulary_of(documents)
  local seen, vocabulary = {}, {}
  for _, document in ipairs(documents) do
    for _, code_point in ipairs(document) do
      if not seen[code_point] then
        seen[code_point] = true
        vocabulary[#vocabulary + 1] = code_point
      end
    end
  end
  if #vocabulary > MOST_CHARACTERS then
    refuse("expected at most %d distinct characters, and there are %d", MOST_CHARACTERS, #vocabulary)
  end
  table.sort(vocabulary)
  return vocabulary
end

-- The documents as lists of tokens, with BOS at both ends.
local function encoded(documents, vocabulary)
  local token, bos = {}, #vocabulary
  for i, code_point in ipairs(vocabulary) do token[code_point] = i - 1 end
  local lists = {}
  for i, document in ipairs(documents) do
    local list = { bos }
    for _, code_point in ipairs(document) do list[#list + 1] = token[code_point] end
    list[#list + 1] = bos
    lists[i] = list
  end
  return lists
end

---------------------------------------------------------------------------------------------------------------------
-- The tape: nodes by number, each in one place of several flat lists. Nodes that are computed anew write over those
-- of the last step, so that training makes no garbage.
--
-- A plain number needs no node: nobody asks for its gradient. A sum and a dot product are one node each; their
-- children stand in a row, and every child receives the same additions in the same order as from single additions
-- and multiplications.

local LEAF <const>, ADD <const>, MUL <const>, DOT <const>, SUM <const> = 0, 1, 2, 3, 4
local ADD_NUMBER <const>, MUL_NUMBER <const>, POW <const>, LOG <const>, EXP <const>, RELU <const> = 5, 6, 7, 8, 9, 10

local function new_tape(functions)
  local exp, log, pow = functions.exp, functions.log, functions.pow
  local value, gradient = {}, {}
  local kind, left, right = {}, {}, {} -- a node with one child has it on both sides
  local number = {} -- a plain number, or how many children (SUM) or pairs of children (DOT) there are
  local seen = {} -- by backward; leaves always are
  local order, stack, cursor = {}, {}, {}
  local size = 0

  local tape = { value = value, gradient = gradient }

  local function put(node, its_kind, its_value, its_left, its_right, its_number)
    kind[node], value[node], gradient[node], seen[node] = its_kind, its_value, 0.0, its_kind == LEAF
    left[node], right[node], number[node] = its_left, its_right, its_number
    return node
  end

  local function new(its_kind, its_value, its_left, its_right, its_number)
    size = size + 1
    return put(size, its_kind, its_value, its_left, its_right, its_number)
  end

  -- Drops all nodes after the first `count`, and sets the gradients of these to 0.
  function tape.rewind(count)
    size = count
    for i = 1, count do gradient[i] = 0.0 end
  end

  -- The number of the node that will be made next.
  function tape.next()
    return size + 1
  end

  -- Makes room for a row of nodes that are made later, and returns the first.
  function tape.reserve(count)
    size = size + count
    return size - count + 1
  end

  function tape.leaf(x) return new(LEAF, x, 0, 0, 0) end
  function tape.add(a, b) return new(ADD, value[a] + value[b], a, b, 0) end
  function tape.mul(a, b) return new(MUL, value[a] * value[b], a, b, 0) end
  function tape.add_number(a, c) return new(ADD_NUMBER, value[a] + c, a, a, c) end
  function tape.mul_number(a, c) return new(MUL_NUMBER, value[a] * c, a, a, c) end
  function tape.pow(a, c) return new(POW, pow(value[a], c), a, a, c) end
  function tape.log(a) return new(LOG, log(value[a]), a, a, 0) end
  function tape.exp(a) return new(EXP, exp(value[a]), a, a, 0) end

  function tape.relu(a)
    local x = value[a]
    return new(RELU, x > 0.0 and x or 0.0, a, a, 0)
  end

  -- The sum of a row of nodes, in a place that was reserved or in a new one.
  function tape.sum(first, count, place)
    local total = 0.0
    for i = first, first + count - 1 do total = total + value[i] end
    if not place then place = tape.reserve(1) end
    return put(place, SUM, total, first, first, count)
  end

  -- The sum of mul(a, b), mul(a + 1, b + 1) and so on.
  function tape.dot(a, b, count)
    local total = 0.0
    for i = 0, count - 1 do total = total + value[a + i] * value[b + i] end
    return new(DOT, total, a, b, count)
  end

  -- The dot product of x with each row of the matrix at w; returns the first.
  function tape.linear(w, x, rows, columns)
    local value = value
    local first = size + 1
    for row = w, w + (rows - 1) * columns, columns do
      local total, offset = 0.0, row - x
      for i = x, x + columns - 1 do total = total + value[offset + i] * value[i] end
      new(DOT, total, row, x, columns)
    end
    return first
  end

  -- The first child of a node that backward has not seen, or nil. `top` is the node's place on the stack.
  local function unseen_child(node, top)
    local a, b, its_kind = left[node], right[node], kind[node]
    if its_kind ~= DOT and its_kind ~= SUM then
      return not seen[a] and a or not seen[b] and b or nil
    end
    local i, count = cursor[top], number[node]
    if its_kind == DOT then
      while i < count and seen[a + i] and seen[b + i] do i = i + 1 end
    else
      while i < count and seen[a + i] do i = i + 1 end
    end
    cursor[top] = i
    if i < count then return seen[a + i] and b + i or a + i end
  end

  -- Lists the nodes below the root in depth-first post-order, leaves left out. Returns how many there are.
  local function sort(root)
    if kind[root] == LEAF then return 0 end
    local count, top = 0, 1
    stack[1], cursor[1], seen[root] = root, 0, true
    while top > 0 do
      local node = stack[top]
      local child = unseen_child(node, top)
      if child then
        top = top + 1
        stack[top], cursor[top], seen[child] = child, 0, true
      else
        count = count + 1
        order[count] = node
        top = top - 1
      end
    end
    return count
  end

  -- Adds to each node's gradient what the root owes to it.
  function tape.backward(root)
    local kind, left, right, number, value, gradient = kind, left, right, number, value, gradient
    gradient[root] = 1.0
    for i = sort(root), 1, -1 do
      local node = order[i]
      local its_kind, a, b, g = kind[node], left[node], right[node], gradient[node]
      if its_kind == DOT then
        local offset = a - b
        for x = b, b + number[node] - 1 do
          local w = offset + x
          gradient[w] = gradient[w] + value[x] * g
          gradient[x] = gradient[x] + value[w] * g
        end
      elseif its_kind == ADD then
        gradient[a] = gradient[a] + g
        gradient[b] = gradient[b] + g
      elseif its_kind == MUL then
        gradient[a] = gradient[a] + value[b] * g
        gradient[b] = gradient[b] + value[a] * g
      elseif its_kind == SUM then
        for x = a, a + number[node] - 1 do gradient[x] = gradient[x] + g end
      elseif its_kind == RELU then
        gradient[a] = gradient[a] + (value[a] > 0.0 and 1.0 or 0.0) * g
      elseif its_kind == ADD_NUMBER then
        gradient[a] = gradient[a] + g
      elseif its_kind == MUL_NUMBER then
        gradient[a] = gradient[a] + number[node] * g
      elseif its_kind == EXP then
        gradient[a] = gradient[a] + value[node] * g
      elseif its_kind == POW then
        local c = number[node]
        gradient[a] = gradient[a] + (c * pow(value[a], c - 1.0)) * g
      else -- LOG
        gradient[a] = gradient[a] + (1.0 / value[a]) * g
      end
    end
  end

  return tape
end

---------------------------------------------------------------------------------------------------------------------
-- The model
--
-- A shape has layers, heads, embedding, block, vocabulary, activation, and attend: for each position, from 1, the
-- list of those that it looks at.

local function causal_attention(block)
  local attend = {}
  for t = 1, block do
    attend[t] = {}
    for s = 1, t do attend[t][s] = s end
  end
  return attend
end

-- The parameter matrices in their order, each with name, rows and columns.
local function matrices_of(shape)
  local embedding, list = shape.embedding, {}
  local function matrix(name, rows, columns)
    list[#list + 1] = { name = name, rows = rows, columns = columns }
  end
  matrix("wte", shape.vocabulary, embedding)
  matrix("wpe", shape.block, embedding)
  matrix("lm_head", shape.vocabulary, embedding)
  for i = 0, shape.layers - 1 do
    local layer = ("layer%d."):format(i)
    for _, name in ipairs({ "attn_wq", "attn_wk", "attn_wv", "attn_wo" }) do
      matrix(layer .. name, embedding, embedding)
    end
    matrix(layer .. "mlp_fc1", 4 * embedding, embedding)
    matrix(layer .. "mlp_fc2", embedding, 4 * embedding)
  end
  return list
end

local function no_trace() end

-- `parameters` is the list of all parameters, in order.
local function new_model(shape, parameters, functions)
  local embedding, heads, vocabulary = shape.embedding, shape.heads, shape.vocabulary
  local head_size = embedding // heads
  local tape = new_tape(functions)
  local value = tape.value
  local inverse_embedding = functions.pow(embedding + 0.0, -1.0)
  local inverse_root = functions.pow(functions.pow(head_size + 0.0, 0.5), -1.0)

  for _, parameter in ipairs(parameters) do tape.leaf(parameter) end
  local first, place = {}, 1 -- by name: the number of a matrix's first node
  for _, matrix in ipairs(matrices_of(shape)) do
    first[matrix.name] = place
    place = place + matrix.rows * matrix.columns
  end
  local layers = {}
  for i = 1, shape.layers do
    local name = ("layer%d."):format(i - 1)
    layers[i] = {
      attn_wq = first[name .. "attn_wq"],
      attn_wk = first[name .. "attn_wk"],
      attn_wv = first[name .. "attn_wv"],
      attn_wo = first[name .. "attn_wo"],
      mlp_fc1 = first[name .. "mlp_fc1"],
      mlp_fc2 = first[name .. "mlp_fc2"],
      keys = {}, -- for each position, the first node of its key
      values = {},
    }
  end

  -- All vectors below are rows of nodes, named by the first.

  local function added(a, b)
    local result = tape.add(a, b)
    for i = 1, embedding - 1 do tape.add(a + i, b + i) end
    return result
  end

  local function rmsnorm(x)
    local mean = tape.mul_number(tape.dot(x, x, embedding), inverse_embedding)
    local scale = tape.pow(tape.add_number(mean, 0.00001), -0.5)
    for i = 0, embedding - 1 do tape.mul(x + i, scale) end
    return scale + 1
  end

  local function softmax(x, count)
    local last = x + count - 1
    local top = value[x]
    for i = x + 1, last do
      if value[i] > top then top = value[i] end
    end
    local shifted = tape.next()
    for i = x, last do tape.add_number(i, -top) end
    local powers = tape.next()
    for i = shifted, powers - 1 do tape.exp(i) end
    local total = tape.sum(powers, count)
    for _ = 1, count do tape.pow(total, -1.0) end
    local result = tape.next()
    for i = 0, count - 1 do tape.mul(powers + i, total + 1 + i) end
    return result
  end

  local function attention(i, query, t, trace)
    local layer = layers[i]
    local positions = shape.attend[t]
    local count = #positions
    local mixed = tape.reserve(embedding)
    for head = 1, heads do
      local part = (head - 1) * head_size
      local dots = tape.next()
      for _, s in ipairs(positions) do tape.dot(query + part, layer.keys[s] + part, head_size) end
      local scores = tape.next()
      for i = dots, scores - 1 do tape.mul_number(i, inverse_root) end
      local weights = softmax(scores, count)
      for j = part, part + head_size - 1 do
        local products = tape.next()
        for n = 1, count do tape.mul(weights + n - 1, layer.values[positions[n]] + j) end
        tape.sum(products, count, mixed + j)
      end
      trace("scores", scores, count, t, i, head)
      trace("weights", weights, count, t, i, head)
      trace("mixed", mixed + part, head_size, t, i, head)
    end
    return mixed
  end

  local function activated(x)
    local result = tape.relu(x)
    for i = 1, 4 * embedding - 1 do tape.relu(x + i) end
    if shape.activation == "relu" then return result end
    local square = tape.pow(result, 2.0)
    for i = 1, 4 * embedding - 1 do tape.pow(result + i, 2.0) end
    return square
  end

  local model = {
    tape = tape,
    shape = shape,
    parameter_count = #parameters,
    parameters = value, -- the first parameter_count of them
    gradients = tape.gradient,
  }

  -- Forgets the last document.
  function model.rewind()
    tape.rewind(#parameters)
  end

  -- The logits of the token at position t, from 1; the positions before it must have been computed.
  -- trace(name, first, count, t, layer, head) is told of each activation.
  function model.position(token, t, trace)
    trace = trace or no_trace
    local embedded = added(first.wte + token * embedding, first.wpe + (t - 1) * embedding)
    local x = rmsnorm(embedded)
    trace("embedded", embedded, embedding, t)
    trace("normed", x, embedding, t)
    for i, layer in ipairs(layers) do
      local norm = rmsnorm(x)
      local query = tape.linear(layer.attn_wq, norm, embedding, embedding)
      local key = tape.linear(layer.attn_wk, norm, embedding, embedding)
      local values = tape.linear(layer.attn_wv, norm, embedding, embedding)
      layer.keys[t], layer.values[t] = key, values
      trace("attn_norm", norm, embedding, t, i)
      trace("q", query, embedding, t, i)
      trace("k", key, embedding, t, i)
      trace("v", values, embedding, t, i)

      local mixed = attention(i, query, t, trace)
      local attended = tape.linear(layer.attn_wo, mixed, embedding, embedding)
      x = added(attended, x)
      trace("attn_out", attended, embedding, t, i)
      trace("attn_residual", x, embedding, t, i)

      norm = rmsnorm(x)
      local hidden = tape.linear(layer.mlp_fc1, norm, 4 * embedding, embedding)
      local active = activated(hidden)
      local out = tape.linear(layer.mlp_fc2, active, embedding, 4 * embedding)
      x = added(out, x)
      trace("mlp_norm", norm, embedding, t, i)
      trace("hidden", hidden, 4 * embedding, t, i)
      trace("activated", active, 4 * embedding, t, i)
      trace("mlp_out", out, embedding, t, i)
      trace("mlp_residual", x, embedding, t, i)
    end
    local logits = tape.linear(first.lm_head, x, vocabulary, embedding)
    trace("logits", logits, vocabulary, t)
    return logits
  end

  -- The probabilities of the tokens, by logits divided by a temperature.
  function model.probabilities(logits, temperature)
    local scaled, inverse = tape.next(), functions.pow(temperature, -1.0)
    for i = logits, logits + vocabulary - 1 do tape.mul_number(i, inverse) end
    return softmax(scaled, vocabulary)
  end

  -- The loss of a document, as a node.
  function model.loss(tokens, trace)
    trace = trace or no_trace
    model.rewind()
    local count = math.min(shape.block, #tokens - 1)
    local total
    for t = 1, count do
      local probabilities = softmax(model.position(tokens[t], t, trace), vocabulary)
      local loss = tape.mul_number(tape.log(probabilities + tokens[t + 1]), -1.0)
      trace("probabilities", probabilities, vocabulary, t)
      trace("loss", loss, 1, t)
      total = total and tape.add(total, loss) or tape.add_number(loss, 0.0)
    end
    return tape.mul_number(total, 1.0 / count)
  end

  return model
end

---------------------------------------------------------------------------------------------------------------------
-- Training
--
-- Options are learning_rate, beta1, beta2, epsilon, schedule ("linear" or "cosine") and steps.

-- The rate and the two corrections at a step, from 0.
local function adam_factors(options, step, functions)
  local rate = options.learning_rate
  if options.schedule == "linear" then
    rate = rate * (1.0 - step / options.steps)
  else
    rate = (rate * 0.5) * (1.0 + functions.cos((math.pi * step) / options.steps))
  end
  return rate, 1.0 - functions.pow(options.beta1, step + 1.0), 1.0 - functions.pow(options.beta2, step + 1.0)
end

-- Updates the first `count` parameters and their moments m and v.
local function adam_update(options, step, count, parameters, gradients, m, v, functions)
  local pow = functions.pow
  local beta1, beta2, epsilon = options.beta1, options.beta2, options.epsilon
  local rest1, rest2 = 1.0 - beta1, 1.0 - beta2
  local rate, correction1, correction2 = adam_factors(options, step, functions)
  for i = 1, count do
    local g = gradients[i]
    local first = beta1 * m[i] + rest1 * g
    local second = beta2 * v[i] + rest2 * pow(g, 2.0)
    m[i], v[i] = first, second
    parameters[i] = parameters[i] - (rate * (first / correction1)) / (pow(second / correction2, 0.5) + epsilon)
  end
end

local function zeros(count)
  local list = {}
  for i = 1, count do list[i] = 0.0 end
  return list
end

-- One step of training on a document; returns its loss.
local function train_step(model, options, step, tokens, m, v, functions)
  local loss = model.loss(tokens)
  model.tape.backward(loss)
  adam_update(options, step, model.parameter_count, model.parameters, model.gradients, m, v, functions)
  return model.tape.value[loss]
end

---------------------------------------------------------------------------------------------------------------------
-- Sampling

-- The tokens of one sample; tell(probabilities, token) hears of each draw, the ending BOS included.
local function sample(model, temperature, generator, tell)
  local bos = model.shape.vocabulary - 1
  local token, tokens = bos, {}
  model.rewind()
  for t = 1, model.shape.block do
    local probabilities = model.probabilities(model.position(token, t), temperature)
    token = generator:choice(model.tape.value, probabilities, model.shape.vocabulary)
    if tell then tell(probabilities, token) end
    if token == bos then break end
    tokens[t] = token
  end
  return tokens
end

---------------------------------------------------------------------------------------------------------------------
-- A whole run

local PRESETS = {
  seed = {
    layers = 1, heads = 4, embedding = 16, block = 8, activation = "squared_relu",
    sigma = 0.02, output_sigma = 0.0,
    learning_rate = 0.01, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, schedule = "cosine",
    steps = 500, samples = 20, temperature = 0.5,
  },
  classic = {
    layers = 1, heads = 4, embedding = 16, block = 16, activation = "relu",
    sigma = 0.08, output_sigma = 0.08,
    learning_rate = 0.01, beta1 = 0.85, beta2 = 0.99, epsilon = 1e-8, schedule = "linear",
    steps = 1000, samples = 20, temperature = 0.5,
  },
}

local function draw_parameters(shape, preset, generator)
  local parameters = {}
  for _, matrix in ipairs(matrices_of(shape)) do
    local is_output = matrix.name:find("attn_wo$") or matrix.name:find("mlp_fc2$")
    local sigma = is_output and preset.output_sigma or preset.sigma
    for _ = 1, matrix.rows * matrix.columns do parameters[#parameters + 1] = generator:gauss(sigma) end
  end
  return parameters
end

local function four_decimals(x)
  if x ~= x then return "nan" end
  if x == math.huge then return "inf" end
  if x == -math.huge then return "-inf" end
  return ("%.4f"):format(x)
end

-- Trains on the lines and samples, and prints to tell(text), line by line. Returns the model, m, v and the generator.
local function whole_run(preset, steps, samples, lines, functions, tell)
  local documents = documents_of(lines)
  local generator = Generator.new(42, functions)
  generator:shuffle(documents)
  local vocabulary = vocabulary_of(documents)
  local lists = encoded(documents, vocabulary)
  local shape = {
    layers = preset.layers, heads = preset.heads, embedding = preset.embedding, block = preset.block,
    vocabulary = #vocabulary + 1, activation = preset.activation, attend = causal_attention(preset.block),
  }
  local model = new_model(shape, draw_parameters(shape, preset, generator), functions)
  local options = {
    learning_rate = preset.learning_rate, beta1 = preset.beta1, beta2 = preset.beta2, epsilon = preset.epsilon,
    schedule = preset.schedule, steps = steps,
  }
  local m, v = zeros(model.parameter_count), zeros(model.parameter_count)

  tell(("num docs: %d"):format(#documents))
  tell(("vocab size: %d"):format(shape.vocabulary))
  tell(("num params: %d"):format(model.parameter_count))
  for step = 0, steps - 1 do
    local loss = train_step(model, options, step, lists[step % #lists + 1], m, v, functions)
    tell(("step %4d / %4d | loss %s"):format(step + 1, steps, four_decimals(loss)))
  end
  tell("")
  tell("--- inference (new, hallucinated names) ---")
  for number = 1, samples do
    local text = {}
    for i, token in ipairs(sample(model, preset.temperature, generator)) do
      text[i] = utf8.char(vocabulary[token + 1])
    end
    tell(("sample %2d: %s"):format(number, table.concat(text)))
  end
  return model, m, v, generator
end

---------------------------------------------------------------------------------------------------------------------
-- The protocol: reading a request line by line

local LONGEST_LINE <const> = 65536

-- A double as 16 hex digits; all NaNs are one.
local function hex(x)
  if x ~= x then return "7ff8000000000000" end
  return ("%016x"):format(string.unpack("<i8", string.pack("<d", x)))
end

-- What came, fit for a reason: printable, single spaces, not too long.
local function quoted(text)
  text = text:gsub("[^\33-\126]+", " "):gsub("^ ", ""):gsub(" $", "")
  if #text > 60 then text = text:sub(1, 57) .. "..." end
  return "'" .. text .. "'"
end

-- What no line may have.
local FLAWS = {
  { "^$", "is empty" },
  { "[^\32-\126]", "has a character that is not printable ASCII" },
  { "^ ", "begins with a space" },
  { " $", "ends with a space" },
  { "  ", "has two spaces together" },
}

local Request = {}
Request.__index = Request

-- The next line's key, or nil at the end.
function Request:key()
  local line = self.lines[self.place]
  return line and line:match("^[^ ]*")
end

-- The words of the next line, which must have this key, or any key if none is given.
function Request:words(key)
  local line = self.lines[self.place]
  if not line then
    refuse("expected %s, and the request ended", key and "a line '" .. key .. "'" or "one more line")
  end
  for _, flaw in ipairs(FLAWS) do
    if line:find(flaw[1]) then refuse("line %d, %s, %s", self.place + 1, quoted(line), flaw[2]) end
  end
  if #line > LONGEST_LINE then
    refuse("line %d has %d bytes, and %d are the most", self.place + 1, #line, LONGEST_LINE)
  end
  local found, rest = line:match("^([^ ]+) ?(.*)$")
  local words = {}
  for word in rest:gmatch("[^ ]+") do words[#words + 1] = word end
  if key and found ~= key then
    refuse("expected a line '%s', and line %d begins with %s", key, self.place + 1, quoted(found))
  end
  self.place = self.place + 1
  return words, found
end

-- The one word of the next line, which must have this key.
function Request:word(key)
  local words = self:words(key)
  if #words ~= 1 then refuse("%s takes one value, and %d came", key, #words) end
  return words[1]
end

function Request:one_of(key, ...)
  local word = self:word(key)
  for _, choice in ipairs({ ... }) do
    if word == choice then return word end
  end
  return refuse("%s takes %s, and %s came", key, table.concat({ ... }, " or "), quoted(word))
end

local function double(word, key)
  if #word ~= 16 or word:find("[^0-9a-f]") then
    refuse("%s takes doubles of 16 lower-case hex digits, and %s came", key, quoted(word))
  end
  return string.unpack("<d", string.pack("<i8", tonumber(word, 16)))
end

local function integer(word, key, low, high)
  if #word > 10 or not (word:find("^[1-9]%d*$") or word == "0") then
    refuse("%s takes decimal integers without sign and leading zeros, and %s came", key, quoted(word))
  end
  local n = math.tointeger(tonumber(word))
  if n < low or n > high then refuse("%s takes integers from %d to %d, and %d came", key, low, high, n) end
  return n
end

function Request:double(key)
  return double(self:word(key), key)
end

function Request:integer(key, low, high)
  return integer(self:word(key), key, low, high)
end

-- The words of a line as doubles or integers, from words[first] on.
local function doubles(words, key, first)
  local list = {}
  for i = first or 1, #words do list[#list + 1] = double(words[i], key) end
  return list
end

local function integers(words, key, low, high, first)
  local list = {}
  for i = first or 1, #words do list[#list + 1] = integer(words[i], key, low, high) end
  return list
end

-- The functions that the line `math` asks for.
function Request:functions()
  local word = self:word("math")
  return FUNCTIONS[word] or refuse("math takes exact or native, and %s came", quoted(word))
end

function Request:done()
  if self.place <= #self.lines then
    refuse("expected the end, and line %d is %s", self.place + 1, quoted(self.lines[self.place]))
  end
end

-- The lines of a text, as lists of code points; one or more, up to the end.
function Request:text()
  local lines = {}
  repeat
    local words = self:words("line")
    if #words > 10000 then refuse("line takes at most 10000 code points, and %d came", #words) end
    local line = integers(words, "line", 0, 0x10ffff)
    for _, code_point in ipairs(line) do
      if code_point >= 0xd800 and code_point <= 0xdfff then
        refuse("line takes code points, and the surrogate %d came", code_point)
      end
    end
    lines[#lines + 1] = line
  until self.place > #self.lines
  return lines
end

-- Appends the elements of a tensor of this name and shape to a list.
function Request:tensor(name, rows, columns, list)
  local words = self:words("tensor")
  if #words ~= 3 or words[1] ~= name or words[2] ~= tostring(rows) or words[3] ~= tostring(columns) then
    refuse("expected tensor %s %d %d, and tensor %s came", name, rows, columns, quoted(table.concat(words, " ")))
  end
  for row = 1, rows do
    words = self:words("row")
    if #words ~= columns then
      refuse("row %d of tensor %s takes %d doubles, and %d came", row, name, columns, #words)
    end
    for i = 1, columns do list[#list + 1] = double(words[i], name) end
  end
  return list
end

-- A tensor for each matrix, its name after a prefix, as one list.
function Request:tensors(matrices, prefix)
  local list = {}
  for _, matrix in ipairs(matrices) do self:tensor(prefix .. matrix.name, matrix.rows, matrix.columns, list) end
  return list
end

-- The lines that describe a model: its shape and functions.
function Request:model_lines()
  local functions = self:functions()
  local shape = {
    layers = self:integer("layers", 1, 16),
    heads = self:integer("heads", 1, 64),
    embedding = self:integer("embedding", 1, 512),
    block = self:integer("block", 1, 1024),
    vocabulary = self:integer("vocabulary", 2, 2048),
    activation = self:one_of("activation", "relu", "squared_relu"),
    attend = {},
  }
  if shape.embedding % shape.heads ~= 0 then
    refuse("embedding takes a multiple of heads, and %d is not a multiple of %d", shape.embedding, shape.heads)
  end
  for t = 1, shape.block do
    local positions = integers(self:words("attend"), "attend", 0, t - 1)
    for i = 1, #positions do
      positions[i] = positions[i] + 1
      if i > 1 and positions[i] <= positions[i - 1] then
        refuse("attend takes positions in increasing order, and those of position %d are not", t - 1)
      end
    end
    if positions[#positions] ~= t then
      refuse("expected the attend line of position %d to end with this position, and it does not", t - 1)
    end
    shape.attend[t] = positions
  end
  return shape, functions
end

function Request:document(shape)
  local tokens = integers(self:words("tokens"), "tokens", 0, shape.vocabulary - 1)
  if #tokens < 2 then refuse("tokens takes two or more tokens, and %d came", #tokens) end
  return tokens
end

function Request:optimizer()
  return {
    learning_rate = self:double("learning_rate"),
    beta1 = self:double("beta1"),
    beta2 = self:double("beta2"),
    epsilon = self:double("epsilon"),
    schedule = self:one_of("schedule", "linear", "cosine"),
    steps = self:integer("steps", 1, 4096),
  }
end

---------------------------------------------------------------------------------------------------------------------
-- The protocol: writing a reply

local Reply = {}
Reply.__index = Reply

function Reply.new()
  return setmetatable({}, Reply)
end

-- A line of a key and values that need no conversion.
function Reply:line(key, ...)
  self[#self + 1] = table.concat({ key, ... }, " ")
end

-- A line of a key and a list.
function Reply:list(key, list)
  self[#self + 1] = #list > 0 and key .. " " .. table.concat(list, " ") or key
end

-- A line of a key and `count` doubles from list[first] on.
function Reply:doubles(key, list, first, count)
  local words = { key }
  for i = first, first + count - 1 do words[#words + 1] = hex(list[i]) end
  self[#self + 1] = table.concat(words, " ")
end

function Reply:double(key, x)
  self:line(key, hex(x))
end

function Reply:tensor(name, list, first, rows, columns)
  self:line("tensor", name, rows, columns)
  for row = 0, rows - 1 do self:doubles("row", list, first + row * columns, columns) end
end

-- A tensor for each matrix, its name after a prefix, from one list.
function Reply:tensors(matrices, prefix, list)
  local first = 1
  for _, matrix in ipairs(matrices) do
    self:tensor(prefix .. matrix.name, list, first, matrix.rows, matrix.columns)
    first = first + matrix.rows * matrix.columns
  end
end

-- The checksum of the first `count` doubles of a list.
function Reply:checksum(key, list, count)
  local a, b = 1, 0
  for i = 1, count do
    local x = list[i]
    local bits = x ~= x and 0x7ff8000000000000 or string.unpack("<i8", string.pack("<d", x))
    a = (a + (bits >> 32)) % 4294967291
    b = (b + a) % 4294967291
    a = (a + (bits & WORD)) % 4294967291
    b = (b + a) % 4294967291
  end
  self:line(key, ("%08x %08x"):format(a, b))
end

---------------------------------------------------------------------------------------------------------------------
-- The verbs: each takes a request and fills a reply

local VERBS = {
  "hello", "arith", "math", "random", "tokens", "graph", "forward", "backward", "adam", "train", "sample", "run",
}
local answer = {}

-- Calls act(key, words) for each line up to the end, one or more.
local function each_line(request, act)
  repeat
    local words, key = request:words()
    act(key, words)
  until request.place > #request.lines
end

local function expect_count(key, words, count)
  if #words ~= count then
    refuse("%s takes %d value%s, and %d came", key, count, count == 1 and "" or "s", #words)
  end
end

function answer.hello(request, reply)
  request:done()
  reply:line("name", NAME)
  reply:line("protocol", PROTOCOL)
  reply:list("verbs", VERBS)
  reply:line("math", "exact", "native")
end

-- By key: how many doubles it takes, and what to do with them.
local ARITHMETIC = {
  add = { 2, function(x) return x[1] + x[2] end },
  sub = { 2, function(x) return x[1] - x[2] end },
  mul = { 2, function(x) return x[1] * x[2] end },
  div = { 2, function(x) return x[1] / x[2] end },
  sqrt = { 1, function(x) return math.sqrt(x[1]) end },
  muladd = { 3, function(x) return x[1] * x[2] + x[3] end },
  sum = { "many", function(x)
    local total = 0.0
    for i = 1, #x do total = total + x[i] end
    return total
  end },
  dot = { "pairs", function(x)
    local total = 0.0
    for i = 1, #x, 2 do total = total + x[i] * x[i + 1] end
    return total
  end },
}

function answer.arith(request, reply)
  each_line(request, function(key, words)
    local operation = ARITHMETIC[key]
    if not operation then
      refuse("expected add, sub, mul, div, sqrt, muladd, sum or dot, and %s came", quoted(key))
    end
    local count, compute = operation[1], operation[2]
    if count == "many" or count == "pairs" then
      if #words == 0 then refuse("%s takes one or more values, and none came", key) end
      if count == "pairs" and #words % 2 == 1 then refuse("%s takes pairs, and %d values came", key, #words) end
    else
      expect_count(key, words, count)
    end
    reply:double(key, compute(doubles(words, key)))
  end)
end

function answer.math(request, reply)
  local functions = request:functions()
  each_line(request, function(key, words)
    local compute = functions[key]
    if not compute then refuse("expected exp, log, sin, cos or pow, and %s came", quoted(key)) end
    expect_count(key, words, key == "pow" and 2 or 1)
    local x, y = table.unpack(doubles(words, key))
    if (key == "sin" or key == "cos") and (x < -8.0 or x > 8.0) then
      refuse("%s takes numbers from -8 to 8, and %.17g came", key, x)
    end
    if y and not (y >= -4096.0 and y <= 4096.0 and 2.0 * y % 1.0 == 0.0) then
      refuse("pow takes integers and half-integers from -4096 to 4096 as exponents, and %g came", y)
    end
    reply:double(key, compute(x, y))
  end)
end

-- By key: what to do with the generator, the words of the line, and the reply.
local DRAWS = {}

local function draw_count(key, words)
  if #words == 0 then refuse("%s takes a number of draws, and nothing came", key) end
  return integer(words[1], key, 0, 1000)
end

function DRAWS.words(generator, words, reply)
  expect_count("words", words, 1)
  local list = {}
  for i = 1, draw_count("words", words) do list[i] = generator:word() end
  reply:list("words", list)
end

function DRAWS.random(generator, words, reply)
  expect_count("random", words, 1)
  local list = {}
  for i = 1, draw_count("random", words) do list[i] = generator:random() end
  reply:doubles("random", list, 1, #list)
end

function DRAWS.gauss(generator, words, reply)
  expect_count("gauss", words, 2)
  local list, sigma = {}, double(words[2], "gauss")
  for i = 1, draw_count("gauss", words) do list[i] = generator:gauss(sigma) end
  reply:doubles("gauss", list, 1, #list)
end

function DRAWS.shuffle(generator, words, reply)
  expect_count("shuffle", words, 1)
  local list = {}
  for i = 1, integer(words[1], "shuffle", 0, 10000) do list[i] = i - 1 end
  generator:shuffle(list)
  reply:list("shuffle", list)
end

function DRAWS.choices(generator, words, reply)
  local count, weights, list = draw_count("choices", words), doubles(words, "choices", 2), {}
  if #weights < 1 or #weights > 1000 then refuse("choices takes 1 to 1000 weights, and %d came", #weights) end
  for i = 1, count do list[i] = generator:choice(weights, 1, #weights) end
  reply:list("choices", list)
end

function DRAWS.state(generator, words, reply)
  expect_count("state", words, 0)
  reply:line("state", generator.index, table.concat(generator.words, " ", 0, 623))
  reply:line("kept", generator.kept and hex(generator.kept) or "none")
end

function answer.random(request, reply)
  local functions = request:functions()
  local generator = Generator.new(request:integer("seed", 0, WORD), functions)
  each_line(request, function(key, words)
    local draw = DRAWS[key]
    if not draw then
      refuse("expected words, random, gauss, shuffle, choices or state, and %s came", quoted(key))
    end
    draw(generator, words, reply)
  end)
end

function answer.tokens(request, reply)
  local documents = documents_of(request:text())
  local vocabulary = vocabulary_of(documents)
  reply:line("documents", #documents)
  reply:list("vocabulary", vocabulary)
  reply:line("bos", #vocabulary)
  for _, list in ipairs(encoded(documents, vocabulary)) do reply:list("encoded", list) end
end

-- By key: the operands (n a node, x a number, c an exponent, + one or more nodes), and how the node is made of them.
local EXPRESSIONS = {
  leaf = { "x", function(tape, o) return tape.leaf(o[1]) end },
  add = { "nn", function(tape, o) return tape.add(o[1], o[2]) end },
  sub = { "nn", function(tape, o) return tape.add(o[1], tape.mul_number(o[2], -1.0)) end },
  mul = { "nn", function(tape, o) return tape.mul(o[1], o[2]) end },
  div = { "nn", function(tape, o) return tape.mul(o[1], tape.pow(o[2], -1.0)) end },
  neg = { "n", function(tape, o) return tape.mul_number(o[1], -1.0) end },
  pow = { "nc", function(tape, o) return tape.pow(o[1], o[2]) end },
  exp = { "n", function(tape, o) return tape.exp(o[1]) end },
  log = { "n", function(tape, o) return tape.log(o[1]) end },
  relu = { "n", function(tape, o) return tape.relu(o[1]) end },
  sum = { "+", function(tape, o)
    local total = tape.add_number(o[1], 0.0)
    for i = 2, #o do total = tape.add(total, o[i]) end
    return total
  end },
  add_number = { "nx", function(tape, o) return tape.add_number(o[1], o[2]) end },
  sub_number = { "nx", function(tape, o) return tape.add_number(o[1], -o[2]) end },
  mul_number = { "nx", function(tape, o) return tape.mul_number(o[1], o[2]) end },
  div_number = { "nx", function(tape, o, functions) return tape.mul_number(o[1], functions.pow(o[2], -1.0)) end },
  number_sub = { "nx", function(tape, o) return tape.add_number(tape.mul_number(o[1], -1.0), o[2]) end },
  number_div = { "nx", function(tape, o) return tape.mul_number(tape.pow(o[1], -1.0), o[2]) end },
}

-- The operands of an expression: `nodes` lists the nodes of the expressions before it.
local function operands_of(key, kinds, words, nodes)
  if kinds == "+" then
    if #words == 0 then refuse("%s takes one or more expressions, and none came", key) end
    kinds = ("n"):rep(#words)
  end
  expect_count(key, words, #kinds)
  local operands = {}
  for i, word in ipairs(words) do
    local kind = kinds:sub(i, i)
    if kind == "n" then
      if #nodes == 0 then refuse("%s takes an expression, and there is none before it", key) end
      operands[i] = nodes[integer(word, key, 0, #nodes - 1) + 1]
    else
      local x = double(word, key)
      if kind == "c" and not (x >= -1024.0 and x <= 1024.0 and 2.0 * x % 1.0 == 0.0) then
        refuse("%s takes integers and half-integers from -1024 to 1024 as exponents, and %g came", key, x)
      end
      operands[i] = x
    end
  end
  return operands
end

function answer.graph(request, reply)
  local functions = request:functions()
  local tape, nodes = new_tape(functions), {}
  while request:key() ~= "root" do
    local words, key = request:words()
    local expression = EXPRESSIONS[key]
    if not expression then refuse("expected an operation or root, and %s came", quoted(key)) end
    local kinds, make = expression[1], expression[2]
    nodes[#nodes + 1] = make(tape, operands_of(key, kinds, words, nodes), functions)
  end
  tape.backward(operands_of("root", "n", request:words("root"), nodes)[1])
  request:done()
  for _, node in ipairs(nodes) do reply:double("value", tape.value[node]) end
  for _, node in ipairs(nodes) do reply:double("gradient", tape.gradient[node]) end
end

-- What forward and backward take: the model, its matrices, and a document.
local function model_and_document(request)
  local shape, functions = request:model_lines()
  local tokens, matrices = request:document(shape), matrices_of(shape)
  local model = new_model(shape, request:tensors(matrices, ""), functions)
  request:done()
  return model, matrices, tokens
end

function answer.forward(request, reply)
  local model, _, tokens = model_and_document(request)
  local value = model.tape.value
  local loss = model.loss(tokens, function(name, first, count, t, layer, head)
    local place = ("pos%d."):format(t - 1)
    if layer then place = place .. ("layer%d."):format(layer - 1) end
    if head then place = place .. ("head%d."):format(head - 1) end
    reply:tensor(place .. name, value, first, 1, count)
  end)
  reply:double("loss", value[loss])
end

function answer.backward(request, reply)
  local model, matrices, tokens = model_and_document(request)
  local loss = model.loss(tokens)
  model.tape.backward(loss)
  reply:double("loss", model.tape.value[loss])
  reply:tensors(matrices, "", model.gradients)
end

function answer.adam(request, reply)
  local functions = request:functions()
  local options = request:optimizer()
  local step = request:integer("step", 0, options.steps - 1)
  local words = request:words("tensor")
  request.place = request.place - 1
  if #words ~= 3 then refuse("tensor takes a name, rows and columns, and %d values came", #words) end
  local rows, columns = integer(words[2], "rows of tensor", 1, 2048), integer(words[3], "columns of tensor", 1, 2048)
  local parameters = request:tensor("parameters", rows, columns, {})
  local gradients = request:tensor("gradients", rows, columns, {})
  local m = request:tensor("m", rows, columns, {})
  local v = request:tensor("v", rows, columns, {})
  request:done()

  adam_update(options, step, #parameters, parameters, gradients, m, v, functions)
  local rate, correction1, correction2 = adam_factors(options, step, functions)
  reply:double("rate", rate)
  reply:double("correction1", correction1)
  reply:double("correction2", correction2)
  reply:tensor("m", m, 1, rows, columns)
  reply:tensor("v", v, 1, rows, columns)
  reply:tensor("parameters", parameters, 1, rows, columns)
end

function answer.train(request, reply)
  local shape, functions = request:model_lines()
  local options = request:optimizer()
  local from = request:integer("from", 0, options.steps - 1)
  local count = request:integer("count", 1, options.steps - from)
  local full, last = {}, -1
  for _, step in ipairs(integers(request:words("full"), "full", from, from + count - 1)) do
    if step <= last then refuse("full takes steps in increasing order, and %d comes after %d", step, last) end
    full[step], last = true, step
  end
  local documents = {}
  repeat documents[#documents + 1] = request:document(shape) until request:key() ~= "tokens"
  local matrices = matrices_of(shape)
  local model = new_model(shape, request:tensors(matrices, ""), functions)
  local size = model.parameter_count
  local m = from == 0 and zeros(size) or request:tensors(matrices, "m.")
  local v = from == 0 and zeros(size) or request:tensors(matrices, "v.")
  request:done()

  for step = from, from + count - 1 do
    local loss = train_step(model, options, step, documents[step % #documents + 1], m, v, functions)
    reply:line("step", step)
    reply:double("loss", loss)
    reply:checksum("gradients", model.gradients, size)
    reply:checksum("m", m, size)
    reply:checksum("v", v, size)
    reply:checksum("parameters", model.parameters, size)
    if full[step] then
      reply:tensors(matrices, "gradients.", model.gradients)
      reply:tensors(matrices, "m.", m)
      reply:tensors(matrices, "v.", v)
      reply:tensors(matrices, "parameters.", model.parameters)
    end
  end
end

function answer.sample(request, reply)
  local shape, functions = request:model_lines()
  local temperature = request:double("temperature")
  local samples = request:integer("samples", 0, 1000)
  local model = new_model(shape, request:tensors(matrices_of(shape), ""), functions)
  local state = request:words("state")
  expect_count("state", state, 625)
  local index = integer(state[1], "state", 0, 624)
  local words = integers(state, "state", 0, WORD, 2)
  local kept = request:word("kept")
  request:done()

  words = table.move(words, 1, 624, 0, {})
  kept = kept ~= "none" and double(kept, "kept") or nil
  local generator = Generator.restore(words, index, kept, functions)
  for number = 0, samples - 1 do
    reply:line("sample", number)
    sample(model, temperature, generator, function(probabilities, token)
      reply:doubles("probabilities", model.tape.value, probabilities, shape.vocabulary)
      reply:line("token", token)
    end)
  end
  reply:line("word", generator:word())
end

function answer.run(request, reply)
  local functions = request:functions()
  local preset = PRESETS[request:one_of("preset", "seed", "classic")]
  local steps = request:integer("steps", 1, 4096)
  local samples = request:integer("samples", 0, 1000)
  local lines = request:text()
  local model, m, v, generator = whole_run(preset, steps, samples, lines, functions, function(text)
    reply:list("print", { utf8.codepoint(text, 1, -1) })
  end)
  reply:checksum("parameters", model.parameters, model.parameter_count)
  reply:checksum("m", m, #m)
  reply:checksum("v", v, #v)
  reply:line("word", generator:word())
end

---------------------------------------------------------------------------------------------------------------------
-- The loop over requests

-- The lines up to "end", the first one apart, and whether "end" came; nothing at the end of the input.
local function read_request()
  local lines = {}
  for line in io.lines() do
    if line == "end" then return table.remove(lines, 1) or "", lines, true end
    lines[#lines + 1] = line
  end
  if #lines > 0 then return table.remove(lines, 1), lines, false end
end

-- The id and the lines of the answer to a request, or the id, nothing, and the reason why there is none.
local function reply_to(first, lines, is_complete)
  local verb, id = first:match("^([\33-\126]+) ([%w._-]+)$")
  if not id or #id > 64 then
    return "-", nil, "expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens, and "
      .. quoted(first) .. " came"
  end
  if not is_complete then return id, nil, "the input ended within the request, before its line end" end
  if not answer[verb] then return id, nil, "unsupported" end
  local reply = Reply.new()
  local is_right, fault = xpcall(answer[verb], function(fault)
    return type(fault) == "table" and fault or debug.traceback(fault)
  end, setmetatable({ lines = lines, place = 1 }, Request), reply)
  if is_right then return id, reply end
  if fault.reason then return id, nil, fault.reason end
  io.stderr:write(fault, "\n")
  return id, nil, "a fault of this port; its standard error says more"
end

local function answer_requests()
  io.stdout:setvbuf("full")
  for first, lines, is_complete in read_request do
    local id, reply, reason = reply_to(first, lines, is_complete)
    if reply then
      io.write("ok ", id, "\n", table.concat(reply, "\n"), "\nend\n")
    else
      io.write("error ", id, " ", reason, "\nend\n")
    end
    io.flush()
  end
end

---------------------------------------------------------------------------------------------------------------------
-- The command line

local USAGE <const> = "usage: lua5.4 microgpt.lua run [seed|classic] < names.txt\n"
  .. "       lua5.4 microgpt.lua < requests\n"

local function run_for_people(preset)
  local lines = {}
  for line in io.lines() do
    local length, place = utf8.len(line)
    if not length then refuse("expected UTF-8, and line %d has a wrong byte at %d", #lines + 1, place) end
    lines[#lines + 1] = { utf8.codepoint(line, 1, -1) }
  end
  whole_run(preset, preset.steps, preset.samples, lines, exact, function(text)
    print(text)
    io.flush()
  end)
end

local function main(command, name, ...)
  if not command then return answer_requests() end
  local preset = PRESETS[name or "seed"]
  if command ~= "run" or not preset or ... then
    io.stderr:write(USAGE)
    os.exit(2)
  end
  local is_right, fault = pcall(run_for_people, preset)
  if not is_right then
    io.stderr:write("microgpt: ", type(fault) == "table" and fault.reason or fault, "\n")
    os.exit(1)
  end
end

main(...)
