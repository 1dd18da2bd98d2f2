# frozen_string_literal: true

# The port ruby of microgpt (conformance/SPEC.md). Without arguments it answers requests, with a method for each verb;
# `main.rb run [seed|classic] < names.txt` trains on the names and makes new ones.

require_relative "protocol"

# The verbs (section 12): each reads a request, and puts the lines of its reply.
module Verbs
  ALL = %w[hello arith math random tokens graph forward backward adam train sample run].freeze

  # The kinds of the operands, and what to do with them.
  ARITH = {
    "add" => ["xx", ->(x, y) { x + y }],
    "sub" => ["xx", ->(x, y) { x - y }],
    "mul" => ["xx", ->(x, y) { x * y }],
    "div" => ["xx", ->(x, y) { x / y }],
    "sqrt" => ["x", ->(x) { Exact.sqrt(x) }],
    "muladd" => ["xxx", ->(x, y, z) { (x * y) + z }]
  }.freeze
  MATH = {
    "exp" => ["x", Exact.method(:exp)],
    "log" => ["x", Exact.method(:log)],
    "sin" => ["a", Exact.method(:sin)],
    "cos" => ["a", Exact.method(:cos)],
    "pow" => ["xc", Exact.method(:pow)]
  }.freeze
  GRAPH = {
    "leaf" => ["x", ->(x) { Node.new(x) }],
    "add" => ["nn", ->(a, b) { a + b }],
    "sub" => ["nn", ->(a, b) { a - b }],
    "mul" => ["nn", ->(a, b) { a * b }],
    "div" => ["nn", ->(a, b) { a / b }],
    "neg" => ["n", :-@.to_proc],
    "exp" => ["n", :exp.to_proc],
    "log" => ["n", :log.to_proc],
    "relu" => ["n", :relu.to_proc],
    "pow" => ["nc", ->(a, c) { a**c }],
    "add_number" => ["nx", ->(a, c) { a + c }],
    "sub_number" => ["nx", ->(a, c) { a - c }],
    "mul_number" => ["nx", ->(a, c) { a * c }],
    "div_number" => ["nx", ->(a, c) { a / c }],
    "number_sub" => ["xn", ->(c, a) { -a + c }],
    "number_div" => ["xn", ->(c, a) { a**-1.0 * c }]
  }.freeze

  module_function

  # Applies a function of the table to the words of a line; the block reads a word of some kind.
  def calculate(table, key, words)
    kinds, function = table[key]
    unless function && kinds.size == words.size
      raise Refused, "an unknown operation, or operands that it does not take"
    end

    function.call(*kinds.each_char.zip(words).map { |kind, word| yield kind, word })
  end

  def hello(request, reply)
    request.finish
    reply.put("name", "ruby")
    reply.put("protocol", 1)
    reply.put("verbs", *ALL)
    reply.put("math", "exact")
  end

  def arith(request, reply)
    request.each do |key, words|
      xs = Words.doubles(words)
      if key == "decimals" && xs.size == 1 && !(xs[0].finite? && xs[0].abs > 2.0**53)
        reply.put(key, *Run.decimals(xs[0]).codepoints)
      elsif key == "sum" && xs.any?
        reply.put_doubles(key, xs.reduce(0.0) { |total, x| total + x })
      elsif key == "dot" && xs.any? && xs.size.even?
        reply.put_doubles(key, xs.each_slice(2).reduce(0.0) { |total, (x, y)| total + (x * y) })
      else
        reply.put_doubles(key, calculate(ARITH, key, words) { |_, word| Words.double(word) })
      end
    end
  end

  def math(request, reply)
    request.math
    request.each do |key, words|
      result = calculate(MATH, key, words) do |kind, word|
        case kind
        when "a" then Words.angle(word)
        when "c" then Words.exponent(word, 4096)
        else Words.double(word)
        end
      end
      reply.put_doubles(key, result)
    end
  end

  def random(request, reply)
    request.math
    generator = Generator.seeded(request.integer("seed", 0..Generator::MASK))
    request.each do |key, words|
      if key == "state" && words.empty?
        put_state(generator, reply)
      else
        reply.put(key, *draw(generator, key, words))
      end
    end
  end

  def put_state(generator, reply)
    reply.put("state", generator.index, *generator.words)
    reply.put("kept", *(generator.kept ? Reply.hex([generator.kept]) : "none"))
  end

  def draw(generator, key, words)
    count, *rest = words
    times = ->(&draw) { Array.new(Words.integer(count, 0..1000), &draw) }
    case [key, words.size, rest.size]
    in ["words", 1, _] then times.call { generator.word }
    in ["random", 1, _] then Reply.hex(times.call { generator.random })
    in ["gauss", 2, _]
      sigma = Words.double(rest[0])
      Reply.hex(times.call { generator.gauss(sigma) })
    in ["shuffle", 1, _] then generator.shuffle!([*0...Words.integer(count, 0..10_000)])
    in ["choices", _, 1..1000]
      weights = Words.doubles(rest)
      times.call { generator.choice(weights) }
    else raise Refused, "an unknown draw, or values that it does not take"
    end
  end

  def tokens(request, reply)
    lines = request.lines_of_text
    request.finish
    tokenizer = Tokenizer.new(Tokenizer.documents(lines))
    reply.put("documents", tokenizer.documents.size)
    reply.put("vocabulary", *tokenizer.characters.map(&:ord))
    reply.put("bos", tokenizer.bos)
    tokenizer.documents.each { |document| reply.put("encoded", *tokenizer.encode(document)) }
  end

  def graph(request, reply)
    request.math
    nodes = []
    node = ->(word) { nodes[Words.integer(word, 0..(nodes.size - 1))] }
    until request.next?("root")
      key, words = request.next
      nodes <<
        if key == "sum" && words.any?
          first, *rest = words.map(&node)
          rest.reduce(first + 0.0) { |total, other| total + other }
        else
          calculate(GRAPH, key, words) do |kind, word|
            case kind
            when "n" then node[word]
            when "c" then Words.exponent(word, 1024)
            else Words.double(word)
            end
          end
        end
    end
    root = node[request.one("root")]
    request.finish
    root.backward
    nodes.each { |each| reply.put_doubles("value", each.value) }
    nodes.each { |each| reply.put_doubles("gradient", each.gradient) }
  end

  def model_and_document(request)
    shape = request.shape
    document = request.document(shape)
    model = Model.new(shape, request.matrices(shape))
    request.finish
    [model, document]
  end

  def forward(request, reply)
    model, document = model_and_document(request)
    loss = model.loss(document) { |name, nodes| reply.put_tensor(name, 1, nodes.size, nodes.map(&:value)) }
    reply.put_doubles("loss", loss.value)
  end

  def backward(request, reply)
    model, document = model_and_document(request)
    loss = model.loss(document)
    loss.backward
    reply.put_doubles("loss", loss.value)
    reply.put_matrices(model.shape, "", model.parameters.map(&:gradient))
  end

  def adam(request, reply)
    request.math
    adam = request.adam
    step = request.integer("step", 0..(adam.steps - 1))
    shape, parameters = request.tensor("parameters")
    gradients, m, v = %w[gradients m v].map { |name| request.tensor(name, shape).last }
    request.finish
    %w[rate correction1 correction2].zip(adam.factors(step)) { |key, x| reply.put_doubles(key, x) }
    parameters = adam.update(step, parameters, gradients, m, v)
    { "m" => m, "v" => v, "parameters" => parameters }.each { |name, xs| reply.put_tensor(name, *shape, xs) }
  end

  def train(request, reply)
    shape = request.shape
    adam = request.adam
    first = request.integer("from", 0..(adam.steps - 1))
    steps = first...(first + request.integer("count", 1..(adam.steps - first)))
    full = request.take("full").map { |word| Words.integer(word, steps) }
    raise Refused, "the steps of full must increase" unless Words.increasing?(full)

    documents = request.while_key("tokens").map { |words| request.document(shape, words) }
    model = Model.new(shape, request.matrices(shape))
    moments = %w[m. v.].map { |prefix| request.matrices(shape, prefix) } if first.positive?
    request.finish
    training = Training.new(model, adam, *moments)
    steps.each do |step|
      loss = training.step(step, documents[step % documents.size])
      reply.put("step", step)
      reply.put_doubles("loss", loss)
      put_training(training, full.include?(step), reply)
    end
  end

  def put_training(training, full, reply)
    kinds = { "gradients" => training.gradients, "m" => training.m, "v" => training.v,
              "parameters" => training.parameters }
    kinds.each { |key, xs| reply.put_checksum(key, xs) }
    kinds.each { |key, xs| reply.put_matrices(training.model.shape, "#{key}.", xs) } if full
  end

  def sample(request, reply)
    shape = request.shape
    temperature = request.double("temperature")
    samples = request.integer("samples", 0..1000)
    model = Model.new(shape, request.matrices(shape))
    index, *words = request.take("state")
    raise Refused, "state takes an index and 624 words" unless words.size == Generator::SIZE

    index = Words.integer(index, 0..Generator::SIZE)
    words.map! { |word| Words.integer(word, 0..Generator::MASK) }
    kept = request.one("kept")
    generator = Generator.new(index, words, kept == "none" ? nil : Words.double(kept))
    request.finish
    samples.times do |number|
      reply.put("sample", number)
      model.sample(temperature, generator) do |token, probabilities|
        reply.put_doubles("probabilities", *probabilities)
        reply.put("token", token)
      end
    end
    reply.put("word", generator.word)
  end

  def run(request, reply)
    request.math
    preset = Run::PRESETS[Words.choice(request.one("preset"), Run::PRESETS.keys)]
    steps = request.integer("steps", 1..4096)
    samples = request.integer("samples", 0..1000)
    lines = request.lines_of_text
    request.finish
    run = Run.new(preset, lines, steps: steps, samples: samples)
    run.text { |line| reply.put("print", *line.codepoints) }
    training = run.training
    { "parameters" => training.parameters, "m" => training.m, "v" => training.v }
      .each { |key, xs| reply.put_checksum(key, xs) }
    reply.put("word", run.generator.word)
  end
end

# The reply's lines, which are all known before one is written.
def answer(header, lines, complete)
  verb, id = /\A([!-~]+) ([A-Za-z0-9._-]{1,64})\z/.match(header)&.captures
  return ["error - expected a verb and an id"] if verb.nil? || header.bytesize > Request::LONGEST
  raise Refused, "the input ended before the line end" unless complete
  raise Refused, "unsupported" unless Verbs::ALL.include?(verb)

  reply = Reply.new
  Verbs.public_send(verb, Request.new(lines), reply)
  ["ok #{id}", *reply.lines]
rescue Refused => e
  ["error #{id} #{e.message}"]
end

def serve
  lines = []
  reply = ->(complete) { $stdout.puts(answer(lines.first.to_s, lines.drop(1), complete), "end") }
  $stdin.each_line do |line|
    lines << line.delete_suffix("\n")
    next if lines.last != "end"

    lines.pop
    reply[true]
    lines.clear
  end
  reply[false] if lines.any?
end

def train(preset)
  text = $stdin.read.force_encoding(Encoding::UTF_8)
  raise Refused, "the input is not UTF-8" unless text.valid_encoding?

  Run.new(preset, text.split("\n", -1)).text { |line| $stdout.puts(line) }
end

$stdin.binmode
$stdout.sync = true
begin
  case ARGV
  in [] then serve
  in ["run"] then train(Run::PRESETS["seed"])
  in ["run", "seed" | "classic" => name] then train(Run::PRESETS[name])
  else abort "microgpt: expected nothing, or: run [seed|classic] < names.txt"
  end
rescue Refused => e
  abort "microgpt: #{e.message}"
end
