require "./model"

# Adam with a learning rate that falls over a number of steps (SPEC, section 8).
record Adam, learning_rate : Float64, beta1 : Float64, beta2 : Float64, epsilon : Float64, schedule : Schedule,
  steps : Int32 do
  enum Schedule
    Linear
    Cosine
  end

  # The learning rate and the two corrections of a step.
  def factors(step : Int32) : {Float64, Float64, Float64}
    rate = case @schedule
           in .linear? then @learning_rate * (1.0 - step / @steps)
           in .cosine? then (@learning_rate * 0.5) * (1.0 + Exact.cos(Math::PI * step / @steps))
           end
    {rate, 1.0 - Exact.pow(@beta1, step + 1.0), 1.0 - Exact.pow(@beta2, step + 1.0)}
  end

  # Updates the first of the parameters *p*, as many as there are moments.
  def update(step : Int32, p : Array(Float64), g : Array(Float64), m : Array(Float64), v : Array(Float64)) : Nil
    rate, correction1, correction2 = factors(step)
    m.each_index do |i|
      m[i] = @beta1 * m[i] + (1.0 - @beta1) * g[i]
      v[i] = @beta2 * v[i] + (1.0 - @beta2) * (g[i] * g[i])
      p[i] -= rate * (m[i] / correction1) / (Exact.pow(v[i] / correction2, 0.5) + @epsilon)
    end
  end
end

# A training under way.
class Training
  getter model, m : Array(Float64), v : Array(Float64)

  def initialize(@model : Model, @adam : Adam, m = nil, v = nil)
    @m = m || Array.new(@model.parameters, 0.0)
    @v = v || Array.new(@model.parameters, 0.0)
  end

  # One step on one document; the loss.
  def step(step : Int32, tokens : Array(Int32)) : Float64
    tape = @model.tape
    root = @model.loss(tokens)
    loss = tape.value[root]
    tape.backward(root)
    @adam.update(step, tape.value, tape.gradient, @m, @v)
    loss
  end

  # What a step leaves, by name.
  def results : Hash(String, Array(Float64))
    count = @model.parameters
    {"gradients"  => @model.tape.gradient[0, count],
     "m"          => @m,
     "v"          => @v,
     "parameters" => @model.tape.value[0, count]}
  end
end

# Text as tokens (SPEC, section 4).
class Tokenizer
  getter characters : Array(Char)

  def initialize(documents : Array(String))
    @characters = documents.each_with_object(Set(Char).new) { |document, set| set.concat(document.each_char) }.to_a.sort!
    raise Refusal.new("the dataset has more than 2047 distinct characters") if @characters.size > 2047
    @tokens = Hash(Char, Int32).new(initial_capacity: @characters.size)
    @characters.each_with_index { |character, token| @tokens[character] = token }
  end

  # The stripped lines that are not empty.
  def self.documents(lines : Array(String)) : Array(String)
    documents = lines.map(&.strip(" \t\n\v\f\r")).reject(&.empty?)
    raise Refusal.new("the dataset has no documents") if documents.empty?
    documents
  end

  def bos : Int32
    @characters.size
  end

  def encode(document : String) : Array(Int32)
    [bos, *document.chars.map { |character| @tokens[character] }, bos]
  end

  def decode(tokens : Array(Int32)) : String
    tokens.join { |token| @characters[token] }
  end
end

# A whole run from seed 42 (SPEC, section 10).
record Preset, block : Int32, squared : Bool, sigma : Float64, output_sigma : Float64, adam : Adam do
  NAMED = {
    "seed"    => new(8, true, 0.02, 0.0, Adam.new(0.01, 0.9, 0.95, 1e-8, :cosine, 500)),
    "classic" => new(16, false, 0.08, 0.08, Adam.new(0.01, 0.85, 0.99, 1e-8, :linear, 1000)),
  }

  # Yields each line that is printed.
  def run(lines : Array(String), steps : Int32, samples : Int32, & : String ->) : {Training, Twister}
    twister = Twister.seeded(42)
    documents = Tokenizer.documents(lines)
    twister.shuffle(documents)
    tokenizer = Tokenizer.new(documents)
    shape = Shape.new(1, 4, 16, @block, tokenizer.bos + 1, @squared, Array.new(@block) { |t| (0..t).to_a })
    model = Model.new(shape, draw_parameters(shape, twister))
    yield "num docs: #{documents.size}"
    yield "vocab size: #{shape.vocabulary}"
    yield "num params: #{model.parameters}"
    training = Training.new(model, @adam.copy_with(steps: steps))
    steps.times do |step|
      loss = training.step(step, tokenizer.encode(documents[step % documents.size]))
      yield "step #{(step + 1).to_s.rjust(4)} / #{steps.to_s.rjust(4)} | loss #{Exact.decimals(loss)}"
    end
    yield ""
    yield "--- inference (new, hallucinated names) ---"
    samples.times do |i|
      tokens = model.sample(temperature: 0.5) { |probabilities| twister.choice(probabilities) }
      yield "sample #{(i + 1).to_s.rjust(2)}: #{tokenizer.decode(tokens)}"
    end
    {training, twister}
  end

  private def draw_parameters(shape, twister)
    shape.matrices.flat_map do |name, rows, columns|
      sigma = name.ends_with?("attn_wo") || name.ends_with?("mlp_fc2") ? @output_sigma : @sigma
      Array.new(rows * columns) { twister.gauss(sigma) }
    end
  end
end
