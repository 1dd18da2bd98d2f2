require "bit_array"
require "./protocol"
require "./exact"
require "./twister"
require "./training"

# A method for each verb, from a request to its reply (SPEC, section 12).
module Verbs
  extend self

  NAMES = %w(hello arith math random tokens graph forward backward adam train sample run)

  # Whether there is such a verb.
  def answer(verb : String, request : Request, reply : Reply) : Bool
    {% begin %}
      case verb
      {% for name in NAMES %}
      when {{name}} then {{name.id}}(request, reply)
      {% end %}
      else return false
      end
    {% end %}
    true
  end

  private def refuse(reason : String) : NoReturn
    raise Refusal.new(reason)
  end

  private def hello(request, reply)
    request.finish
    reply.put("name", "crystal")
    reply.put("protocol", 1)
    reply.put("verbs", NAMES)
    reply.put("math", "exact")
  end

  private def arith(request, reply)
    request.each do |key, values|
      x = values.map { |value| Request.double(value) }
      if key == "decimals" && x.size == 1
        refuse("decimals takes |x| up to 2^53") if x[0].finite? && x[0].abs > 2.0 ** 53
        next reply.text(key, Exact.decimals(x[0]))
      end
      result =
        case {key, x.size}
        when {"add", 2}    then x[0] + x[1]
        when {"sub", 2}    then x[0] - x[1]
        when {"mul", 2}    then x[0] * x[1]
        when {"div", 2}    then x[0] / x[1]
        when {"sqrt", 1}   then Math.sqrt(x[0])
        when {"muladd", 3} then x[0] * x[1] + x[2]
        when {"sum", 1..}  then x.reduce(0.0) { |sum, y| sum + y }
        when {"dot", 2..}
          refuse("dot takes pairs") if x.size.odd?
          x.each_slice(2).reduce(0.0) { |sum, (y, z)| sum + y * z }
        else refuse("an unknown operation, or operands that it does not take")
        end
      reply.put(key, result)
    end
  end

  private def math(request, reply)
    request.math
    request.each do |key, values|
      x = values.empty? ? refuse("expected an argument") : Request.double(values[0])
      result =
        case {key, values.size}
        when {"exp", 1} then Exact.exp(x)
        when {"log", 1} then Exact.log(x)
        when {"sin", 1} then x.abs > 8 ? refuse("sin takes |x| up to 8") : Exact.sin(x)
        when {"cos", 1} then x.abs > 8 ? refuse("cos takes |x| up to 8") : Exact.cos(x)
        when {"pow", 2} then Exact.pow(x, Request.exponent(values[1], 4096))
        else                 refuse("an unknown function, or arguments that it does not take")
        end
      reply.put(key, result)
    end
  end

  private def random(request, reply)
    request.math
    twister = Twister.seeded(Request.integer(request.one("seed"), 0..UInt32::MAX).to_u32)
    request.each do |key, values|
      count = ->(limit : Int32) { Request.integer(values[0], 0..limit).to_i }
      case {key, values.size}
      when {"words", 1}  then reply.put(key, Array.new(count.call(1000)) { twister.word })
      when {"random", 1} then reply.put(key, Array.new(count.call(1000)) { twister.random })
      when {"gauss", 2}
        sigma = Request.double(values[1])
        reply.put(key, Array.new(count.call(1000)) { twister.gauss(sigma) })
      when {"shuffle", 1}
        items = (0...count.call(10000)).to_a
        twister.shuffle(items)
        reply.put(key, items)
      when {"choices", 2..1001}
        weights = values[1..].map { |value| Request.double(value) }
        reply.put(key, Array.new(count.call(1000)) { twister.choice(weights) })
      when {"state", 0}
        reply.put(key, [twister.index, *twister.words])
        reply.put("kept", twister.kept || "none")
      else refuse("an unknown draw, or values that it does not take")
      end
    end
  end

  private def tokens(request, reply)
    documents = Tokenizer.documents(dataset(request))
    tokenizer = Tokenizer.new(documents)
    reply.put("documents", documents.size)
    reply.put("vocabulary", tokenizer.characters.map(&.ord))
    reply.put("bos", tokenizer.bos)
    documents.each { |document| reply.put("encoded", tokenizer.encode(document)) }
  end

  # The last lines of a request.
  private def dataset(request)
    lines = request.many("line") { |values| Request.text(values) }
    request.finish
    lines
  end

  private def graph(request, reply)
    request.math
    tape = Tape.new
    nodes = Tape::Vector.new(request.size)
    root = nil
    until root
      key, values = request.next
      a = ->(i : Int32) { nodes[Request.integer(values[i], 0...nodes.size)] }
      if key == "root" && values.size == 1
        root = a.call(0)
      else
        nodes << expression(tape, key, values, a)
      end
    end
    request.finish
    tape.backward(root)
    nodes.each { |node| reply.put("value", tape.value[node]) }
    nodes.each { |node| reply.put("gradient", tape.gradient[node]) }
  end

  # The node of an expression; *a* gives the node that value number i names.
  private def expression(tape, key, values, a)
    c = ->(i : Int32) { Request.double(values[i]) }
    case {key, values.size}
    when {"leaf", 1} then tape.leaf(c.call(0))
    when {"add", 2}  then tape.add(a.call(0), a.call(1))
    when {"sub", 2}  then tape.add(a.call(0), tape.negate(a.call(1)))
    when {"mul", 2}  then tape.multiply(a.call(0), a.call(1))
    when {"div", 2}  then tape.multiply(a.call(0), tape.pow(a.call(1), -1.0))
    when {"sum", 1..}
      (1...values.size).reduce(tape.add(a.call(0), 0.0)) { |sum, i| tape.add(sum, a.call(i)) }
    when {"neg", 1}        then tape.negate(a.call(0))
    when {"exp", 1}        then tape.exp(a.call(0))
    when {"log", 1}        then tape.log(a.call(0))
    when {"relu", 1}       then tape.relu(a.call(0))
    when {"pow", 2}        then tape.pow(a.call(0), Request.exponent(values[1], 1024))
    when {"add_number", 2} then tape.add(a.call(0), c.call(1))
    when {"sub_number", 2} then tape.add(a.call(0), -1.0 * c.call(1))
    when {"mul_number", 2} then tape.multiply(a.call(0), c.call(1))
    when {"div_number", 2} then tape.divide(a.call(0), c.call(1))
    when {"number_sub", 2} then tape.add(tape.negate(a.call(1)), c.call(0))
    when {"number_div", 2} then tape.multiply(tape.pow(a.call(1), -1.0), c.call(0))
    else                        refuse("an unknown expression, or operands that it does not take")
    end
  end

  private def shape(request)
    request.math
    layers = request.integer("layers", 1..16)
    heads = request.integer("heads", 1..64)
    embedding = request.integer("embedding", 1..512)
    refuse("embedding must be a multiple of heads") unless embedding.divisible_by?(heads)
    block = request.integer("block", 1..1024)
    vocabulary = request.integer("vocabulary", 2..2048)
    squared = request.one("activation")
    refuse("activation is relu or squared_relu") unless squared.in?("relu", "squared_relu")
    attend = Array.new(block) do |t|
      positions = Request.increasing(request.take("attend"), 0..t)
      positions.last? == t ? positions : refuse("position #{t} must attend to itself")
    end
    Shape.new(layers, heads, embedding, block, vocabulary, squared == "squared_relu", attend)
  end

  private def document(shape, values)
    refuse("a document has two or more tokens") if values.size < 2
    values.map { |value| Request.integer(value, 0...shape.vocabulary).to_i }
  end

  private def model_and_document(request)
    shape = shape(request)
    document = document(shape, request.take("tokens"))
    model = Model.new(shape, request.matrices(shape))
    request.finish
    {model, document}
  end

  private def forward(request, reply)
    model, document = model_and_document(request)
    value = model.tape.value
    watch = Model::Watch.new { |name, nodes| reply.tensor(name, 1, nodes.size, nodes.map { |node| value[node] }) }
    reply.put("loss", value[model.loss(document, watch)])
  end

  private def backward(request, reply)
    model, document = model_and_document(request)
    loss = model.loss(document)
    model.tape.backward(loss)
    reply.put("loss", model.tape.value[loss])
    reply.matrices(model.shape, "", model.tape.gradient)
  end

  private def settings(request)
    rate, beta1, beta2, epsilon = {"learning_rate", "beta1", "beta2", "epsilon"}.map { |key| request.double(key) }
    schedule = request.choice("schedule", {"linear" => Adam::Schedule::Linear, "cosine" => Adam::Schedule::Cosine})
    {Adam.new(rate, beta1, beta2, epsilon, schedule, steps = request.integer("steps", 1..4096)), steps}
  end

  private def adam(request, reply)
    request.math
    adam, steps = settings(request)
    step = request.integer("step", 0...steps)
    p, rows, columns = request.tensor("parameters")
    g, m, v = {"gradients", "m", "v"}.map { |name| request.tensor(name, rows, columns)[0] }
    request.finish
    adam.update(step, p, g, m, v)
    {"rate", "correction1", "correction2"}.zip(adam.factors(step)) { |key, factor| reply.put(key, factor) }
    {"m", "v", "parameters"}.zip({m, v, p}) { |name, doubles| reply.tensor(name, rows, columns, doubles) }
  end

  private def train(request, reply)
    shape = shape(request)
    adam, steps = settings(request)
    from = request.integer("from", 0...steps)
    count = request.integer("count", 1..steps - from)
    full = Request.increasing(request.take("full"), from...from + count)
    documents = request.many("tokens") { |values| document(shape, values) }
    model = Model.new(shape, request.matrices(shape))
    m, v = {"m.", "v."}.map { |prefix| request.matrices(shape, prefix) if from > 0 }
    request.finish
    training = Training.new(model, adam, m, v)
    (from...from + count).each do |step|
      loss = training.step(step, documents[step % documents.size])
      reply.put("step", step)
      reply.put("loss", loss)
      training.results.each { |name, doubles| reply.checksum(name, doubles) }
      next unless full.includes?(step)
      training.results.each { |name, doubles| reply.matrices(shape, "#{name}.", doubles) }
    end
  end

  private def sample(request, reply)
    shape = shape(request)
    temperature = request.double("temperature")
    samples = request.integer("samples", 0..1000)
    model = Model.new(shape, request.matrices(shape))
    state = request.take("state")
    refuse("state takes an index and #{Twister::SIZE} words") if state.size != 1 + Twister::SIZE
    index = Request.integer(state.shift, 0..Twister::SIZE).to_i
    words = state.map { |word| Request.integer(word, 0..UInt32::MAX).to_u32 }
    kept = request.one("kept")
    twister = Twister.new(words, index, kept == "none" ? nil : Request.double(kept))
    request.finish
    samples.times do |i|
      reply.put("sample", i)
      model.sample(temperature) do |probabilities|
        token = twister.choice(probabilities)
        reply.put("probabilities", probabilities)
        reply.put("token", token)
        token
      end
    end
    reply.put("word", twister.word)
  end

  private def run(request, reply)
    request.math
    preset = request.choice("preset", Preset::NAMED)
    steps = request.integer("steps", 1..4096)
    samples = request.integer("samples", 0..1000)
    training, twister = preset.run(dataset(request), steps, samples) { |line| reply.text("print", line) }
    results = training.results
    {"parameters", "m", "v"}.each { |name| reply.checksum(name, results[name]) }
    reply.put("word", twister.word)
  end
end

# The reply to the lines of one request.
def answer(lines : Array(String), complete : Bool) : String
  verb, id = header(lines.shift? || "") || return "error - expected a verb and an id\n"
  begin
    raise Refusal.new("the input ended before the line end") unless complete
    reply = Reply.new
    reply.put("ok", id)
    raise Refusal.new("unsupported") unless Verbs.answer(verb, Request.new(lines), reply)
    reply.to_s
  rescue refusal : Refusal
    "error #{id} #{refusal.message}\n"
  end
end

# Verb and id of a request, if they are well formed.
def header(line : String) : {String, String}?
  words = line.split(' ')
  return if line.bytesize > Request::LONGEST || words.size != 2
  verb, id = words
  return if verb.empty? || !verb.each_char.all?(&.in?('!'..'~'))
  return if !id.size.in?(1..64) || !id.each_char.all? { |c| c.ascii_alphanumeric? || c.in?('.', '_', '-') }
  {verb, id}
end

def serve : Nil
  lines = [] of String
  STDIN.each_line(chomp: false) do |line|
    line = line.rchop('\n')
    if line == "end"
      STDOUT << answer(lines, true) << "end\n"
      STDOUT.flush
      lines = [] of String
    else
      lines << line
    end
  end
  STDOUT << answer(lines, false) << "end\n" unless lines.empty?
end

# The command for people.
def run(name : String) : Nil
  preset = Preset::NAMED[name]? || raise Refusal.new("the presets are #{Preset::NAMED.keys.join(" and ")}")
  lines = STDIN.each_line(chomp: false).map(&.rchop('\n')).to_a
  raise Refusal.new("the input is not UTF-8") unless lines.all?(&.valid_encoding?)
  preset.run(lines, preset.adam.steps, samples: 20) do |line|
    STDOUT.puts(line)
    STDOUT.flush
  end
end

begin
  case {ARGV[0]?, ARGV.size}
  when {nil, 0}   then serve
  when {"run", 1} then run("seed")
  when {"run", 2} then run(ARGV[1])
  else                 raise Refusal.new("usage: microgpt [run [seed|classic]]")
  end
rescue refusal : Refusal
  STDERR.puts(refusal.message)
  exit 1
end
