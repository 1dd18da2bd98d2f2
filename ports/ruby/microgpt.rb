# frozen_string_literal: true

require_relative "exact"
require_relative "graph"

# What is wrong with the input, as a sentence.
class Refused < StandardError; end

# The random numbers of SPEC's section 3: MT19937 and what is drawn from it.
class Generator
  SIZE = 624
  MASK = 0xffffffff

  attr_reader :words, :index, :kept

  def self.seeded(seed)
    words = [19_650_218]
    mixed = ->(i) { words[i - 1] ^ (words[i - 1] >> 30) }
    (1...SIZE).each { |i| words[i] = ((1_812_433_253 * mixed[i]) + i) & MASK }
    i = 1
    stir = lambda do |&value|
      words[i] = value[words[i], mixed[i]] & MASK
      i += 1
      words[0], i = words.last, 1 if i == SIZE
    end
    624.times { stir.call { |word, other| (word ^ (other * 1_664_525)) + seed } }
    623.times { stir.call { |word, other| (word ^ (other * 1_566_083_941)) - i } }
    words[0] = 0x80000000
    new(SIZE, words, nil)
  end

  def initialize(index, words, kept)
    @index = index
    @words = words
    @kept = kept
  end

  def word
    renew if @index == SIZE
    y = @words[@index]
    @index += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    y ^ (y >> 18)
  end

  def random
    a = word >> 5
    b = word >> 6
    ((a * 67_108_864) + b) / 9_007_199_254_740_992.0
  end

  def gauss(sigma)
    z, @kept = @kept, nil
    unless z
      angle = random * 6.283185307179586
      radius = Math.sqrt(-2.0 * Exact.log(1.0 - random))
      z = Exact.cos(angle) * radius
      @kept = Exact.sin(angle) * radius
    end
    0.0 + (z * sigma)
  end

  def below(limit)
    shift = 32 - limit.bit_length
    loop do
      drawn = word >> shift
      return drawn if drawn < limit
    end
  end

  def shuffle!(items)
    (items.size - 1).downto(1) do |i|
      j = below(i + 1)
      items[i], items[j] = items[j], items[i]
    end
    items
  end

  def choice(weights)
    total = 0.0
    cumulative = weights.each_with_index.map { |weight, i| total = i.zero? ? weight : total + weight }
    total += 0.0
    raise Refused, "the weights must have a finite sum above 0" unless total.positive? && total.finite?

    u = random * total
    cumulative[0...-1].bsearch_index { |sum| u < sum } || (cumulative.size - 1)
  end

  private

  def renew
    SIZE.times do |i|
      y = (@words[i] & 0x80000000) | (@words[(i + 1) % SIZE] & 0x7fffffff)
      @words[i] = @words[(i + 397) % SIZE] ^ (y >> 1) ^ (y.odd? ? 0x9908b0df : 0)
    end
    @index = 0
  end
end

# Documents and their tokens (section 4).
class Tokenizer
  attr_reader :documents, :characters

  # The lines without white space at their ends; empty ones are left out.
  def self.documents(lines)
    documents = lines.filter_map { |line| line[/[^\t-\r ](?:.*[^\t-\r ])?/m] }
    raise Refused, "the dataset has no documents: every line is empty" if documents.empty?

    documents
  end

  def initialize(documents)
    @documents = documents
    @characters = documents.flat_map(&:chars).uniq.sort_by(&:ord)
    raise Refused, "the dataset has #{bos} distinct characters, and 2047 is the most" if bos > 2047

    @tokens = @characters.each_with_index.to_h
  end

  def bos = characters.size
  def encode(document) = [bos, *@tokens.values_at(*document.chars), bos]
  def decode(tokens) = characters.values_at(*tokens).join
end

Shape = Struct.new(:layers, :heads, :embedding, :block, :vocabulary, :squared, :attend) do
  def head_size = embedding / heads

  # Name, rows and columns of each parameter matrix, in order.
  def matrices
    e = embedding
    [["wte", vocabulary, e], ["wpe", block, e], ["lm_head", vocabulary, e]] + Array.new(layers) do |i|
      %w[attn_wq attn_wk attn_wv attn_wo].map { |name| ["layer#{i}.#{name}", e, e] } +
        [["layer#{i}.mlp_fc1", 4 * e, e], ["layer#{i}.mlp_fc2", e, 4 * e]]
    end.flatten(1)
  end
end

# The model of sections 6 and 7. Every method that takes a block gives it the intermediate results with their names.
class Model
  Cache = Struct.new(:keys, :values)

  attr_reader :shape, :parameters

  # Takes the values of all parameters, in order.
  def initialize(shape, values)
    @shape = shape
    @parameters = values.map { |value| Node.new(value) }
    first = 0
    @matrices = shape.matrices.to_h do |name, rows, columns|
      matrix = @parameters[first, rows * columns].each_slice(columns).to_a
      first += rows * columns
      [name, matrix]
    end
  end

  # The node of a document's loss.
  def loss(document, &watch)
    n = [shape.block, document.size - 1].min
    caches = new_caches
    losses = Array.new(n) do |t|
      note = noting("pos#{t}.", watch)
      probabilities = note.call("probabilities", softmax(logits(document[t], t, caches, note)))
      note.call("loss", [-probabilities[document[t + 1]].log]).first
    end
    Node.sum(losses) * (1.0 / n)
  end

  # Tokens up to BOS, which is left out, or the end of the block. The block is given each with the probabilities of all.
  def sample(temperature, generator)
    bos = token = shape.vocabulary - 1
    caches = new_caches
    (0...shape.block).each_with_object([]) do |t, tokens|
      scaled = logits(token, t, caches, noting("", nil)).map { |logit| logit / temperature }
      probabilities = softmax(scaled).map(&:value)
      token = generator.choice(probabilities)
      yield token, probabilities if block_given?
      return tokens if token == bos

      tokens << token
    end
  end

  private

  def new_caches = Array.new(shape.layers) { Cache.new([], []) }

  # A function that shows nodes to the watch, if there is one, and returns them.
  def noting(prefix, watch)
    lambda do |name, nodes|
      watch&.call(prefix + name, nodes)
      nodes
    end
  end

  def linear(x, name) = @matrices[name].map { |row| Node.dot(row, x) }
  def added(xs, ys) = xs.zip(ys).map { |x, y| x + y }

  def rmsnorm(x)
    scale = ((Node.dot(x, x) / x.size.to_f) + 1e-5)**-0.5
    x.map { |node| node * scale }
  end

  def softmax(x)
    top = x.map(&:value).reduce { |most, value| value > most ? value : most }
    powers = x.map { |node| (node - top).exp }
    total = Node.sum(powers)
    # A pow node for each division. They differ in nothing but their place.
    inverse, slope = 1.0 / total.value, -1.0 * Exact.pow(total.value, -2.0)
    powers.map { |power| power * Unary.new(inverse, total, slope) }
  end

  def logits(token, t, caches, note)
    x = note.call("embedded", added(@matrices["wte"][token], @matrices["wpe"][t]))
    x = note.call("normed", rmsnorm(x))
    caches.each_with_index do |cache, i|
      x = layer("layer#{i}.", x, t, cache, noting("layer#{i}.", note))
    end
    note.call("logits", linear(x, "lm_head"))
  end

  def layer(prefix, x, t, cache, note)
    normed = note.call("attn_norm", rmsnorm(x))
    q, k, v = %w[q k v].map { |name| note.call(name, linear(normed, "#{prefix}attn_w#{name}")) }
    cache.keys << k
    cache.values << v
    out = note.call("attn_out", linear(attention(q, cache, shape.attend[t], note), "#{prefix}attn_wo"))
    x = note.call("attn_residual", added(out, x))
    hidden = note.call("hidden", linear(note.call("mlp_norm", rmsnorm(x)), "#{prefix}mlp_fc1"))
    activated = hidden.map { |node| shape.squared ? node.relu**2.0 : node.relu }
    out = note.call("mlp_out", linear(note.call("activated", activated), "#{prefix}mlp_fc2"))
    note.call("mlp_residual", added(out, x))
  end

  def attention(q, cache, positions, note)
    size = shape.head_size
    Array.new(shape.heads) do |head|
      first = head * size
      own = q[first, size]
      scores = positions.map { |s| Node.dot(own, cache.keys[s][first, size]) / Math.sqrt(size) }
      weights = note.call("head#{head}.weights", softmax(note.call("head#{head}.scores", scores)))
      columns = positions.map { |s| cache.values[s][first, size] }.transpose
      note.call("head#{head}.mixed", columns.map { |column| Node.dot(weights, column) })
    end.flatten
  end
end

# The optimizer (section 8).
Adam = Struct.new(:learning_rate, :beta1, :beta2, :epsilon, :schedule, :steps) do
  # The rate of a step, counted from 0, and the two corrections.
  def factors(step)
    rate =
      if schedule == "linear" then learning_rate * (1.0 - (step.to_f / steps))
      else (learning_rate * 0.5) * (1.0 + Exact.cos((3.141592653589793 * step) / steps))
      end
    [rate, 1.0 - Exact.pow(beta1, step + 1.0), 1.0 - Exact.pow(beta2, step + 1.0)]
  end

  # Changes the moments, and returns the new parameters.
  def update(step, ps, gs, ms, vs)
    rate, correction1, correction2 = factors(step)
    ps.each_with_index.map do |p, i|
      g = gs[i]
      m = ms[i] = (beta1 * ms[i]) + ((1.0 - beta1) * g)
      v = vs[i] = (beta2 * vs[i]) + ((1.0 - beta2) * (g * g))
      p - ((rate * (m / correction1)) / (Exact.pow(v / correction2, 0.5) + epsilon))
    end
  end
end

# A model that is trained, with its moments.
class Training
  attr_reader :model, :m, :v

  def initialize(model, adam, m = nil, v = nil)
    @model = model
    @adam = adam
    @m = m || Array.new(model.parameters.size, 0.0)
    @v = v || Array.new(model.parameters.size, 0.0)
  end

  # One step on a document; the loss before the update.
  def step(step, document)
    model.parameters.each { |node| node.gradient = 0.0 }
    loss = model.loss(document)
    loss.backward
    updated = @adam.update(step, parameters, gradients, m, v)
    model.parameters.each_with_index { |node, i| node.value = updated[i] }
    loss.value
  end

  def parameters = model.parameters.map(&:value)
  def gradients = model.parameters.map(&:gradient)
end

# A whole run from seed 42 (section 10).
class Run
  Preset = Struct.new(:block, :sigma, :sigma_out, :squared, :adam)
  PRESETS = {
    "seed" => Preset.new(8, 0.02, 0.0, true, Adam.new(0.01, 0.9, 0.95, 1e-8, "cosine", 500)),
    "classic" => Preset.new(16, 0.08, 0.08, false, Adam.new(0.01, 0.85, 0.99, 1e-8, "linear", 1000))
  }.freeze

  attr_reader :generator, :training

  # Four decimals, rounded once from the exact value: format("%.4f") does not look beyond some digits.
  def self.decimals(x)
    return "nan" if x.nan?

    sign = Exact.minus?(x) ? "-" : ""
    return "#{sign}inf" if x.infinite?

    units, decimals = (x.abs.to_r * 10_000).round(half: :even).divmod(10_000)
    format("%s%d.%04d", sign, units, decimals)
  end

  def initialize(preset, lines, steps: preset.adam.steps, samples: 20)
    @steps = steps
    @samples = samples
    @generator = Generator.seeded(42)
    @tokenizer = Tokenizer.new(generator.shuffle!(Tokenizer.documents(lines)))
    attend = Array.new(preset.block) { |t| (0..t).to_a }
    shape = Shape.new(1, 4, 16, preset.block, @tokenizer.bos + 1, preset.squared, attend)
    parameters = shape.matrices.flat_map do |name, rows, columns|
      sigma = %w[layer0.attn_wo layer0.mlp_fc2].include?(name) ? preset.sigma_out : preset.sigma
      Array.new(rows * columns) { generator.gauss(sigma) }
    end
    adam = preset.adam.dup
    adam.steps = steps
    @training = Training.new(Model.new(shape, parameters), adam)
  end

  # Trains and samples; yields each line of text when it is known.
  def text
    documents, model = @tokenizer.documents, training.model
    yield "num docs: #{documents.size}"
    yield "vocab size: #{model.shape.vocabulary}"
    yield "num params: #{model.parameters.size}"
    @steps.times do |step|
      loss = training.step(step, @tokenizer.encode(documents[step % documents.size]))
      yield format("step %4d / %4d | loss %s", step + 1, @steps, Run.decimals(loss))
    end
    yield ""
    yield "--- inference (new, hallucinated names) ---"
    1.upto(@samples) do |number|
      yield format("sample %2d: ", number) + @tokenizer.decode(model.sample(0.5, generator))
    end
  end
end
