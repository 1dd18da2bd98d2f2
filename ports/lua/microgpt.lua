-- microgpt: a small GPT with its own autograd, optimizer and random numbers, as conformance/SPEC.md has it. What is
-- wrong with an input is raised as a table with a reason; everything else that is raised is a fault of this program.

local exact = require("exact")

-- functions: the kinds of exp, log, sin, cos and pow
local native = { exp = math.exp, log = math.log, sin = math.sin, cos = math.cos, pow = function(x, y) return x ^ y end }
local gpt = { functions = { exact = exact, native = native } }

local function refuse(form, ...) error({ reason = form:format(...) }) end
gpt.refuse = refuse

-- make(i) for i from 1 to the length
local function list(length, make)
  local items = {}
  for i = 1, length do items[i] = make(i) end
  return items
end
gpt.list = list

-- Random numbers (SPEC, section 3)

local Generator = {}
gpt.Generator, Generator.__index = Generator, Generator

function Generator.new(seed, functions)
  local words = { [0] = 19650218 }
  local function mixed(i, factor) return (words[i - 1] ~ words[i - 1] >> 30) * factor end
  for i = 1, 623 do words[i] = mixed(i, 1812433253) + i & 0xffffffff end
  local i = 1
  for k = 1, 1247 do
    local factor, term = 1664525, seed
    if k > 624 then factor, term = 1566083941, -i end
    words[i] = (words[i] ~ mixed(i, factor)) + term & 0xffffffff
    i = i + 1
    if i == 624 then words[0], i = words[623], 1 end
  end
  words[0] = 0x80000000
  return setmetatable({ words = words, index = 624, functions = functions }, Generator)
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

function Generator:shuffle(items)
  for i = #items, 2, -1 do
    local bits, j = 0, nil
    while i >> bits > 0 do bits = bits + 1 end
    repeat j = (self:word() >> 32 - bits) + 1 until j <= i
    items[i], items[j] = items[j], items[i]
  end
end

-- A number from 0 to n - 1, drawn with the n weights from weights[first] on.
function Generator:choice(weights, first, n)
  local cumulative, sum = {}, -0.0
  for i = 0, n - 1 do
    sum = sum + weights[first + i]
    cumulative[i] = sum
  end
  if not (sum > 0.0 and sum < math.huge) then refuse("expected weights with a finite sum above 0") end
  local u, low, high = self:random() * sum, 0, n - 1
  while low < high do
    local middle = (low + high) // 2
    if u < cumulative[middle] then high = middle else low = middle + 1 end
  end
  return low
end

-- Text (SPEC, section 4): a line is a list of code points

local function is_space(code_point) return code_point >= 9 and code_point <= 13 or code_point == 32 end

-- The distinct code points of a dataset in order (the token n is the item n + 1, and BOS is their number), and each
-- document as a list of tokens with BOS at both ends.
function gpt.tokenize(lines)
  local vocabulary, documents, token = {}, {}, {}
  for _, line in ipairs(lines) do
    local first, last = 1, #line
    while first <= last and is_space(line[first]) do first = first + 1 end
    while first <= last and is_space(line[last]) do last = last - 1 end
    if first <= last then documents[#documents + 1] = table.move(line, first, last, 2, { false }) end
    for i = first, last do
      if not token[line[i]] then token[line[i]], vocabulary[#vocabulary + 1] = true, line[i] end
    end
  end
  local bos = #vocabulary
  if bos < 1 or bos > 2047 then refuse("expected 1 to 2047 distinct characters, and there are %d", bos) end
  table.sort(vocabulary)
  for i, code_point in ipairs(vocabulary) do token[code_point] = i - 1 end
  for _, document in ipairs(documents) do
    for i = 2, #document do document[i] = token[document[i]] end
    document[1], document[#document + 1] = bos, bos
  end
  return vocabulary, documents
end

-- The graph (SPEC, section 5): nodes by number, each in one place of several flat lists. Nodes that are computed anew
-- write over those of the last step, so that training makes no garbage. A vector is named by its first node; its
-- elements follow. A plain number needs no node: nobody asks for its gradient. A node is a dot product of two vectors,
-- or a sum of nodes at even distances that all have the same slope, their local gradient. Elements of a vector do not
-- depend on each other (SPEC, "Taking nodes together").

function gpt.new_tape(functions)
  local exp, log, pow = functions.exp, functions.log, functions.pow
  local value, gradient, slope = {}, {}, {}
  local left, stride, right = {}, {}, {} -- children are left, left + right, left + stride, left + stride + right, ...
  local count = {} -- of such pairs: none for a leaf. Of a sum, right is 0 and both are one child.
  local seen = {} -- by the search; a leaf always is, since nothing lies below it
  local order, path, size = {}, {}, 0
  local tape = { value = value, gradient = gradient, functions = functions }
  local function put(node, its_value, its_count, a, its_stride, b, its_slope)
    value[node], gradient[node], slope[node], seen[node] = its_value, 0.0, its_slope, its_count == 0
    count[node], left[node], stride[node], right[node] = its_count, a, its_stride, b
    size = node > size and node or size
    return node
  end
  function tape.leaf(x) return put(size + 1, x, 0, 0, 0, 0) end
  function tape.unary(a, its_value, its_slope) return put(size + 1, its_value, 1, a, 0, 0, its_slope) end
  function tape.add(a, b) return put(size + 1, value[a] + value[b], 2, a, b - a, 0, 1.0) end
  function tape.mul(a, b) return put(size + 1, value[a] * value[b], 1, a, 1, b - a) end
  function tape.add_number(a, c) return tape.unary(a, value[a] + c, 1.0) end
  function tape.mul_number(a, c) return tape.unary(a, value[a] * c, c) end
  function tape.pow(a, c) return tape.unary(a, pow(value[a], c), c * pow(value[a], c - 1.0)) end
  function tape.log(a) return tape.unary(a, log(value[a]), 1.0 / value[a]) end
  function tape.relu(a) return tape.unary(a, value[a] > 0.0 and value[a] or 0.0, value[a] > 0.0 and 1.0 or 0.0) end
  function tape.exp(a)
    local power = exp(value[a])
    return tape.unary(a, power, power)
  end
  -- The sum of a vector, in the place of a leaf if there is one.
  function tape.sum(first, length, place)
    local total = 0.0
    for i = first, first + length - 1 do total = total + value[i] end
    return put(place or size + 1, total, length, first, 1, 0, 1.0)
  end
  function tape.dot(w, x, length)
    local value, total, offset = value, 0.0, x - w
    for i = w, w + length - 1 do total = total + value[i] * value[i + offset] end
    return put(size + 1, total, length, w, 1, offset)
  end
  -- A vector of `length` nodes, each made by make(i), i from 0, which makes no other.
  function tape.vector(length, make)
    local first = size + 1
    for i = 0, length - 1 do make(i) end
    return first
  end
  -- Keeps the first `length` nodes.
  function tape.rewind(length)
    size = length
    for i = 1, length do gradient[i] = 0.0 end
  end
  -- Lists what the root depends on, depth first, children before parents; returns how many nodes. On the path, -node is
  -- one whose children have been listed.
  local function sort(root)
    local found, top = 0, 1
    path[1] = root
    while top > 0 do
      local node = path[top]
      if node < 0 then
        found, top = found + 1, top - 1
        order[found] = -node
      elseif seen[node] then
        top = top - 1
      else
        seen[node], path[top] = true, -node
        local step, offset = stride[node], right[node]
        local a = left[node] + count[node] * step
        for _ = 1, count[node] do
          a = a - step
          if not seen[a + offset] then path[top + 1], top = a + offset, top + 1 end
          if not seen[a] then path[top + 1], top = a, top + 1 end
        end
      end
    end
    return found
  end
  -- Adds to each node's gradient what the root owes to it.
  function tape.backward(root)
    local value, gradient = value, gradient
    gradient[root] = 1.0
    for i = sort(root), 1, -1 do
      local node = order[i]
      local a, offset, step, g, its_slope = left[node], right[node], stride[node], gradient[node], slope[node]
      for _ = 1, count[node] do
        if its_slope then
          gradient[a] = gradient[a] + its_slope * g
        else
          local b = a + offset
          gradient[a] = gradient[a] + value[b] * g
          gradient[b] = gradient[b] + value[a] * g
        end
        a = a + step
      end
    end
  end
  return tape
end

-- The model (SPEC, sections 6 and 7). Settings have math, layers, heads, embedding, block, vocabulary,
-- activation, and attend: for each position t the list of those that it looks at, attend[t + 1].

-- The parameter matrices in their order, each with the place of its first number among all, from 1.
function gpt.matrices_of(settings)
  local embedding, matrices, first = settings.embedding, {}, 1
  local function matrix(name, rows, columns)
    matrices[#matrices + 1] = { name = name, rows = rows, columns = columns, first = first }
    first = first + rows * columns
  end
  matrix("wte", settings.vocabulary, embedding)
  matrix("wpe", settings.block, embedding)
  matrix("lm_head", settings.vocabulary, embedding)
  for i = 0, settings.layers - 1 do
    for name in ("qkvo"):gmatch(".") do matrix("layer" .. i .. ".attn_w" .. name, embedding, embedding) end
    matrix("layer" .. i .. ".mlp_fc1", 4 * embedding, embedding)
    matrix("layer" .. i .. ".mlp_fc2", embedding, 4 * embedding)
  end
  return matrices
end

-- `parameters` is the list of all parameters, in order; the numbers of the tape begin with them.
function gpt.new_model(settings, parameters)
  local embedding, heads, vocabulary, size = settings.embedding, settings.heads, settings.vocabulary, #parameters
  local head_size, pow = embedding // heads, settings.math.pow
  local tape = gpt.new_tape(settings.math)
  local value, add, mul, vector = tape.value, tape.add, tape.mul, tape.vector
  local inverse_embedding, inverse_root = pow(embedding + 0.0, -1.0), pow(pow(head_size + 0.0, 0.5), -1.0)
  local matrix, keys, values = {}, {}, {} -- keys and values: for each layer and position, a vector
  for _, parameter in ipairs(parameters) do tape.leaf(parameter) end
  for _, one in ipairs(gpt.matrices_of(settings)) do matrix[one.name] = one end
  local function zeros() return list(size, function() return 0.0 end) end
  local model = { tape = tape, size = size, parameters = value, gradients = tape.gradient, m = zeros(), v = zeros() }
  -- Names a vector for model.watch(name, vector, length), if there is one, and passes it on.
  local function note(place, name, x, length)
    if model.watch then model.watch(place .. name, x, length or embedding) end
    return x
  end
  local function linear(name, x)
    local first, rows, columns = matrix[name].first, matrix[name].rows, matrix[name].columns
    return vector(rows, function(row) tape.dot(first + row * columns, x, columns) end)
  end
  local function added(a, b) return vector(embedding, function(i) add(a + i, b + i) end) end
  local function rmsnorm(x)
    local mean = tape.mul_number(tape.dot(x, x, embedding), inverse_embedding)
    local scale = tape.pow(tape.add_number(mean, 0.00001), -0.5)
    return vector(embedding, function(i) mul(x + i, scale) end)
  end
  local function softmax(x, length)
    local top = value[x]
    for i = x + 1, x + length - 1 do if value[i] > top then top = value[i] end end
    local shifted = vector(length, function(i) tape.add_number(x + i, -top) end)
    local powers = vector(length, function(i) tape.exp(shifted + i) end)
    local total = tape.sum(powers, length)
    local inverse, slope = pow(value[total], -1.0), -1.0 * pow(value[total], -2.0)
    local inverses = vector(length, function() tape.unary(total, inverse, slope) end)
    return vector(length, function(i) mul(powers + i, inverses + i) end)
  end
  local function attention(layer, place, x, t)
    local q = note(place, "q", linear("layer" .. layer .. ".attn_wq", x))
    keys[layer][t] = note(place, "k", linear("layer" .. layer .. ".attn_wk", x))
    values[layer][t] = note(place, "v", linear("layer" .. layer .. ".attn_wv", x))
    local positions = settings.attend[t + 1]
    local length, mixed = #positions, vector(embedding, function() tape.leaf(0.0) end)
    for head = 0, heads - 1 do
      local part, here = head * head_size, place .. "head" .. head .. "."
      local dots = vector(length, function(i) tape.dot(q + part, keys[layer][positions[i + 1]] + part, head_size) end)
      local scores = vector(length, function(i) tape.mul_number(dots + i, inverse_root) end)
      local weights = note(here, "weights", softmax(note(here, "scores", scores, length), length), length)
      for j = part, part + head_size - 1 do
        local products = vector(length, function(i) mul(weights + i, values[layer][positions[i + 1]] + j) end)
        tape.sum(products, length, mixed + j)
      end
      note(here, "mixed", mixed + part, head_size)
    end
    return mixed
  end
  -- The logits of the token at position t, after those before it.
  local function logits_of(token, t, place)
    local x = note(place, "embedded", added(matrix.wte.first + token * embedding, matrix.wpe.first + t * embedding))
    x = note(place, "normed", rmsnorm(x))
    for i = 0, settings.layers - 1 do
      local layer = "layer" .. i .. "."
      local here = place .. layer
      local mixed = attention(i, here, note(here, "attn_norm", rmsnorm(x)), t)
      x = note(here, "attn_residual", added(note(here, "attn_out", linear(layer .. "attn_wo", mixed)), x))
      local hidden = linear(layer .. "mlp_fc1", note(here, "mlp_norm", rmsnorm(x)))
      note(here, "hidden", hidden, 4 * embedding)
      local active = vector(4 * embedding, function(j) tape.relu(hidden + j) end)
      if settings.activation == "squared_relu" then
        local positive = active
        active = vector(4 * embedding, function(j) tape.pow(positive + j, 2.0) end)
      end
      local out = linear(layer .. "mlp_fc2", note(here, "activated", active, 4 * embedding))
      x = note(here, "mlp_residual", added(note(here, "mlp_out", out), x))
    end
    return note(place, "logits", linear("lm_head", x), vocabulary)
  end
  -- Forgets the last document.
  local function begin()
    tape.rewind(size)
    for layer = 0, settings.layers - 1 do keys[layer], values[layer] = {}, {} end
  end
  -- The loss of a document, as a node.
  function model.loss(tokens)
    begin()
    local length, total = math.min(settings.block, #tokens - 1), nil
    for t = 0, length - 1 do
      local place = "pos" .. t .. "."
      local probabilities = softmax(logits_of(tokens[t + 1], t, place), vocabulary)
      note(place, "probabilities", probabilities, vocabulary)
      local loss = note(place, "loss", tape.mul_number(tape.log(probabilities + tokens[t + 2]), -1.0), 1)
      total = total and add(total, loss) or tape.add_number(loss, 0.0)
    end
    return tape.mul_number(total, 1.0 / length)
  end
  -- Draws one sample (SPEC, section 9); tell(probabilities, token) hears of each draw, the ending BOS included.
  function model.sample(temperature, generator, tell)
    local token, t, inverse = vocabulary - 1, 0, pow(temperature, -1.0)
    begin()
    repeat
      local logits = logits_of(token, t, "")
      local scaled = vector(vocabulary, function(i) tape.mul_number(logits + i, inverse) end)
      local probabilities = softmax(scaled, vocabulary)
      token, t = generator:choice(value, probabilities, vocabulary), t + 1
      tell(probabilities, token)
    until token == vocabulary - 1 or t == settings.block
  end
  -- One step of training on a document; returns its loss.
  function model.train(step, tokens)
    local loss = model.loss(tokens)
    tape.backward(loss)
    gpt.adam(settings, step, value, tape.gradient, model.m, model.v)
    return value[loss]
  end
  return model
end

-- One update at a step, from 0, of parameters and their moments m and v (SPEC, section 8). Settings have math,
-- learning_rate, beta1, beta2, epsilon, schedule and steps. Returns the rate and the two corrections.
function gpt.adam(settings, step, parameters, gradients, m, v)
  local pow, beta1, beta2, epsilon = settings.math.pow, settings.beta1, settings.beta2, settings.epsilon
  local rate, rest1, rest2 = settings.learning_rate * (1.0 - step / settings.steps), 1.0 - beta1, 1.0 - beta2
  if settings.schedule == "cosine" then
    rate = (settings.learning_rate * 0.5) * (1.0 + settings.math.cos((math.pi * step) / settings.steps))
  end
  local correction1, correction2 = 1.0 - pow(beta1, step + 1.0), 1.0 - pow(beta2, step + 1.0)
  for i = 1, #m do
    local g = gradients[i]
    local first, second = beta1 * m[i] + rest1 * g, beta2 * v[i] + rest2 * pow(g, 2.0)
    m[i], v[i] = first, second
    parameters[i] = parameters[i] - (rate * (first / correction1)) / (pow(second / correction2, 0.5) + epsilon)
  end
  return rate, correction1, correction2
end

-- A whole run (SPEC, section 10)

local function preset(settings) return setmetatable(settings, { __index = {
  layers = 1, heads = 4, embedding = 16, learning_rate = 0.01, epsilon = 1e-8, samples = 20, temperature = 0.5,
} }) end

gpt.presets = {
  seed = preset({ block = 8, activation = "squared_relu", sigma = 0.02, output_sigma = 0.0,
    beta1 = 0.9, beta2 = 0.95, schedule = "cosine", steps = 500 }),
  classic = preset({ block = 16, activation = "relu", sigma = 0.08, output_sigma = 0.08,
    beta1 = 0.85, beta2 = 0.99, schedule = "linear", steps = 1000 }),
}

-- As C's "%.4f" has it, which rounds the exact value.
function gpt.four_decimals(x) return x ~= x and "nan" or ("%.4f"):format(x) end

-- Trains on the lines and samples; tell(text) hears of each printed line. Returns the model and the generator.
function gpt.run(preset, lines, functions, tell)
  local generator = Generator.new(42, functions)
  local vocabulary, documents = gpt.tokenize(lines)
  generator:shuffle(documents)
  local settings = setmetatable({ vocabulary = #vocabulary + 1, math = functions }, { __index = preset })
  settings.attend = list(preset.block, function(t) return list(t, function(i) return i - 1 end) end)
  local parameters = {}
  for _, matrix in ipairs(gpt.matrices_of(settings)) do
    local is_output = matrix.name:find("attn_wo") or matrix.name:find("mlp_fc2")
    local sigma = is_output and preset.output_sigma or preset.sigma
    for _ = 1, matrix.rows * matrix.columns do parameters[#parameters + 1] = generator:gauss(sigma) end
  end
  local model = gpt.new_model(settings, parameters)
  tell("num docs: " .. #documents)
  tell("vocab size: " .. settings.vocabulary)
  tell("num params: " .. model.size)
  for step = 0, preset.steps - 1 do
    local loss = gpt.four_decimals(model.train(step, documents[step % #documents + 1]))
    tell(("step %4d / %4d | loss %s"):format(step + 1, preset.steps, loss))
  end
  tell("")
  tell("--- inference (new, hallucinated names) ---")
  for number = 1, preset.samples do
    local text = ("sample %2d: "):format(number)
    model.sample(preset.temperature, generator, function(_, token)
      if vocabulary[token + 1] then text = text .. utf8.char(vocabulary[token + 1]) end
    end)
    tell(text)
  end
  return model, generator
end

return gpt
