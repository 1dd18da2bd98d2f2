# What is wrong with a request, or with the command line.
class Refusal < Exception
end

# The lines of a request, which are read in their order (SPEC, section 11).
class Request
  LONGEST = 65536

  def initialize(@lines : Array(String))
    @next = 0
  end

  def any? : Bool
    @next < @lines.size
  end

  def size : Int32
    @lines.size
  end

  # The key and the values of the next line.
  def next : {String, Array(String)}
    line = @lines[@next]? || raise Refusal.new("the request ends too early")
    raise Refusal.new("a line is longer than #{LONGEST} bytes") if line.bytesize > LONGEST
    @next += 1
    words = line.split(' ')
    {words.shift, words}
  end

  # The values of the next line, which must have this key.
  def take(key : String) : Array(String)
    found, values = self.next
    raise Refusal.new("expected a line #{key}") if found != key
    values
  end

  # The one value of that line.
  def one(key : String) : String
    values = take(key)
    raise Refusal.new("#{key} takes 1 value") if values.size != 1
    values.first
  end

  # Yields key and values of all lines that are left; there must be one.
  def each(& : String, Array(String) ->) : Nil
    loop do
      key, values = self.next
      yield key, values
      break unless any?
    end
  end

  # What the block makes of the values of the next lines with this key; there must be one.
  def many(key : String, & : Array(String) -> T) : Array(T) forall T
    items = [yield take(key)]
    while any? && (@lines[@next] == key || @lines[@next].starts_with?("#{key} "))
      items << yield take(key)
    end
    items
  end

  def finish : Nil
    raise Refusal.new("expected the line end") if any?
  end

  def integer(key : String, range : Range) : Int32
    self.class.integer(one(key), range).to_i
  end

  def double(key : String) : Float64
    self.class.double(one(key))
  end

  def choice(key : String, choices : Hash(String, T)) : T forall T
    choices[one(key)]? || raise Refusal.new("#{key} is one of #{choices.keys.join(", ")}")
  end

  def math : Nil
    case one("math")
    when "exact"
    when "native" then raise Refusal.new("unsupported")
    else               raise Refusal.new("math is exact or native")
    end
  end

  # The doubles of a tensor, and its shape, which may be given.
  def tensor(name : String, rows = nil, columns = nil) : {Array(Float64), Int32, Int32}
    values = take("tensor")
    raise Refusal.new("expected the tensor #{name}") unless values.size == 3 && values[0] == name
    found = values[1..].map { |value| self.class.integer(value, 1..2048).to_i }
    raise Refusal.new("#{name} has the wrong shape") if rows && found != [rows, columns]
    doubles = Array(Float64).new(found.product)
    found[0].times do
      row = take("row")
      raise Refusal.new("a row of #{name} does not have #{found[1]} values") if row.size != found[1]
      row.each { |value| doubles << self.class.double(value) }
    end
    {doubles, found[0], found[1]}
  end

  # All matrices of a model in one array. Each name begins with the prefix.
  def matrices(shape : Shape, prefix = "") : Array(Float64)
    shape.matrices.flat_map { |name, rows, columns| tensor(prefix + name, rows, columns)[0] }
  end

  def self.integer(word : String, range : Range) : Int64
    decimal = !word.empty? && word.each_char.all?(&.ascii_number?)
    raise Refusal.new("expected an integer") if !decimal || word.size > 10 || word.size > 1 && word.starts_with?('0')
    value = word.to_i64
    raise Refusal.new("an integer is not from #{range.begin} to #{range.end}") unless range.includes?(value)
    value
  end

  # Every NaN becomes the one quiet NaN.
  def self.double(word : String) : Float64
    hex = word.each_char.all? { |c| '0' <= c <= '9' || 'a' <= c <= 'f' }
    raise Refusal.new("a double has 16 lower-case hex digits") unless hex && word.bytesize == 16
    x = word.to_u64(16).unsafe_as(Float64)
    x.nan? ? 0x7ff8000000000000_u64.unsafe_as(Float64) : x
  end

  def self.exponent(word : String, limit : Int32) : Float64
    y = double(word)
    fits = y.abs <= limit && (y * 2).round == y * 2
    fits ? y : raise Refusal.new("an exponent is an integer or half-integer up to #{limit}")
  end

  def self.text(words : Array(String)) : String
    raise Refusal.new("a line has up to 10000 code points") if words.size > 10000
    words.join do |word|
      point = integer(word, 0..0x10ffff)
      raise Refusal.new("a surrogate is not a code point") if 0xd800 <= point <= 0xdfff
      point.to_i.chr
    end
  end

  def self.increasing(words : Array(String), range : Range) : Array(Int32)
    items = words.map { |word| integer(word, range).to_i }
    raise Refusal.new("expected increasing integers") unless items.each_cons(2).all? { |(a, b)| a < b }
    items
  end
end

# A reply is collected before it is sent, since a request can be wrong at its last line.
class Reply
  @text = String::Builder.new

  def put(key : String, values : Enumerable) : Nil
    @text << key
    values.each { |value| write(@text << ' ', value) }
    @text << '\n'
  end

  def put(key : String, *values) : Nil
    put(key, values)
  end

  def text(key : String, text : String) : Nil
    put(key, text.each_char.map(&.ord))
  end

  def tensor(name : String, rows : Int32, columns : Int32, doubles : Array(Float64)) : Nil
    put("tensor", name, rows, columns)
    doubles.each_slice(columns, reuse: true) { |row| put("row", row) }
  end

  def matrices(shape : Shape, prefix : String, doubles : Array(Float64)) : Nil
    start = 0
    shape.matrices.each do |name, rows, columns|
      tensor(prefix + name, rows, columns, doubles[start, rows * columns])
      start += rows * columns
    end
  end

  # SPEC, section 13.
  def checksum(key : String, doubles : Array(Float64)) : Nil
    a, b = 1_u64, 0_u64
    doubles.each do |x|
      bits = bits(x)
      {bits >> 32, bits & 0xffffffff}.each do |half|
        a = (a + half) % 4294967291
        b = (b + a) % 4294967291
      end
    end
    put(key, a.to_s(16).rjust(8, '0'), b.to_s(16).rjust(8, '0'))
  end

  def to_s : String
    @text.to_s
  end

  private def bits(x : Float64) : UInt64
    x.nan? ? 0x7ff8000000000000_u64 : x.unsafe_as(UInt64)
  end

  private def write(io, value : Float64)
    hex = bits(value).to_s(16)
    (16 - hex.size).times { io << '0' }
    io << hex
  end

  private def write(io, value)
    io << value
  end
end
