# frozen_string_literal: true

require_relative "microgpt"

# What the words of a request mean (SPEC, section 11).
module Words
  module_function

  def integer(word, range)
    number = word.to_i
    return number if word.match?(/\A(?:0|[1-9]\d{0,9})\z/) && range.cover?(number)

    raise Refused, "expected an integer from #{range.begin} to #{range.end}"
  end

  def doubles(words)
    raise Refused, "a double has 16 lower-case hex digits" unless words.all? { |word| word.match?(/\A[0-9a-f]{16}\z/) }

    [words.join].pack("H*").unpack("G*").map { |x| x.nan? ? Float::NAN : x }
  end

  def double(word) = doubles([word]).first

  # An integer or half-integer up to a limit.
  def exponent(word, limit)
    c = double(word)
    return c if c.abs <= limit && (2.0 * c) == (2.0 * c).floor

    raise Refused, "an exponent is an integer or half-integer up to #{limit}"
  end

  def angle(word)
    x = double(word)
    x.abs > 8.0 ? raise(Refused, "sin and cos take numbers from -8 to 8") : x
  end

  def choice(word, choices)
    choices.include?(word) ? word : raise(Refused, "expected #{choices.join(' or ')}")
  end

  def text(words)
    raise Refused, "a line of text has more than 10000 characters" if words.size > 10_000

    points = words.map { |word| integer(word, 0..0x10ffff) }
    raise Refused, "a surrogate is no character" if points.any?(0xd800..0xdfff)

    points.pack("U*")
  end

  def increasing?(numbers) = numbers.each_cons(2).all? { |a, b| a < b }
end

# The lines of a request that are still to be read.
class Request
  LONGEST = 65_536

  def initialize(lines)
    @lines = lines
    @next = 0
  end

  def over? = @next == @lines.size
  def next?(key) = !over? && @lines[@next][/\A[^ ]*/] == key

  # The key and the values of the next line.
  def next
    raise Refused, "the request ends too early" if over?

    line = @lines[@next]
    @next += 1
    raise Refused, "a line is longer than #{LONGEST} bytes" if line.bytesize > LONGEST

    key, *values = line.split(/ /, -1)
    [key, values]
  end

  # The values of the next line, which must have this key.
  def take(key)
    raise Refused, "expected the line #{key}" unless next?(key)

    self.next.last
  end

  # The only value of that line.
  def one(key)
    values = take(key)
    values.size == 1 ? values.first : raise(Refused, "#{key} takes 1 value and not #{values.size}")
  end

  def integer(key, range) = Words.integer(one(key), range)
  def double(key) = Words.double(one(key))

  # The values of one or more lines with this key.
  def while_key(key)
    lines = [take(key)]
    lines << take(key) while next?(key)
    lines
  end

  # Yields the key and the values of the lines that are left, one or more.
  def each
    yield self.next
    yield self.next until over?
  end

  def finish
    raise Refused, "expected the end" unless over?
  end

  def math
    raise Refused, "unsupported" if Words.choice(one("math"), %w[exact native]) == "native"
  end

  def shape
    math
    layers, heads, embedding = integer("layers", 1..16), integer("heads", 1..64), integer("embedding", 1..512)
    raise Refused, "embedding must be a multiple of heads" unless (embedding % heads).zero?

    block, vocabulary = integer("block", 1..1024), integer("vocabulary", 2..2048)
    squared = Words.choice(one("activation"), %w[relu squared_relu]) == "squared_relu"
    Shape.new(layers, heads, embedding, block, vocabulary, squared, Array.new(block) { |t| attend(t) })
  end

  def attend(t)
    positions = take("attend").map { |word| Words.integer(word, 0..t) }
    return positions if Words.increasing?(positions) && positions.last == t

    raise Refused, "position #{t} must attend to increasing positions and last to itself"
  end

  def document(shape, words = take("tokens"))
    raise Refused, "a document has two or more tokens" if words.size < 2

    words.map { |word| Words.integer(word, 0..(shape.vocabulary - 1)) }
  end

  def adam
    numbers = %w[learning_rate beta1 beta2 epsilon].map { |key| double(key) }
    Adam.new(*numbers, Words.choice(one("schedule"), %w[linear cosine]), integer("steps", 1..4096))
  end

  # The shape and the values of a tensor.
  def tensor(name, shape = nil)
    found, *size = take("tensor")
    raise Refused, "expected the tensor #{name} with rows and columns" unless found == name && size.size == 2

    size.map! { |word| Words.integer(word, 1..2048) }
    raise Refused, "the tensor #{name} has the wrong shape" unless [nil, size].include?(shape)

    rows, columns = size
    values = Array.new(rows) do
      row = Words.doubles(take("row"))
      row.size == columns ? row : raise(Refused, "a row of #{name} has #{row.size} values")
    end
    [size, values.flatten]
  end

  # The values of all matrices of a model.
  def matrices(shape, prefix = "")
    shape.matrices.flat_map { |name, rows, columns| tensor(prefix + name, [rows, columns]).last }
  end

  def lines_of_text = while_key("line").map { |words| Words.text(words) }
end

# The lines of a reply.
class Reply
  attr_reader :lines

  def initialize
    @lines = []
  end

  def put(key, *values)
    lines << [key, *values].join(" ")
  end

  def put_doubles(key, *xs)
    put(key, *Reply.hex(xs))
  end

  def put_tensor(name, rows, columns, xs)
    put("tensor", name, rows, columns)
    xs.each_slice(columns) { |row| put_doubles("row", *row) }
  end

  def put_matrices(shape, prefix, xs)
    first = 0
    shape.matrices.each do |name, rows, columns|
      put_tensor(prefix + name, rows, columns, xs[first, rows * columns])
      first += rows * columns
    end
  end

  def put_checksum(key, xs)
    a, b = 1, 0
    Reply.packed(xs).unpack("N*").each do |half|
      a = (a + half) % 4_294_967_291
      b = (b + a) % 4_294_967_291
    end
    put(key, format("%08x", a), format("%08x", b))
  end

  def self.packed(xs) = xs.map { |x| x.nan? ? Float::NAN : x }.pack("G*")
  def self.hex(xs) = packed(xs).unpack1("H*").scan(/.{16}/)
end
