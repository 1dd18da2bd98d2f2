# MT19937, and what is drawn from it.
class Twister
  SIZE = 624

  property index : Int32
  property kept : Float64?
  getter words : Array(UInt32)

  def initialize(@words, @index, @kept = nil)
  end

  def self.seeded(seed : UInt32)
    words = Array.new(SIZE, 19650218_u32)
    mixed = ->(i : Int32) { words[i - 1] ^ (words[i - 1] >> 30) }
    (1...SIZE).each { |i| words[i] = mixed.call(i) &* 1812433253_u32 &+ i }
    i = 1
    stir = ->(count : Int32, factor : UInt32, plus : Int32 -> UInt32) do
      count.times do
        words[i] = (words[i] ^ (mixed.call(i) &* factor)) &+ plus.call(i)
        i += 1
        if i == SIZE
          words[0] = words[SIZE - 1]
          i = 1
        end
      end
    end
    stir.call(SIZE, 1664525_u32, ->(_i : Int32) { seed })
    stir.call(SIZE - 1, 1566083941_u32, ->(n : Int32) { 0_u32 &- n })
    words[0] = 2147483648_u32
    new(words, SIZE)
  end

  private def renew
    SIZE.times do |i|
      y = (@words[i] & 0x80000000_u32) | (@words[(i + 1) % SIZE] & 0x7fffffff_u32)
      @words[i] = @words[(i + 397) % SIZE] ^ (y >> 1) ^ (y.odd? ? 2567483615_u32 : 0_u32)
    end
    @index = 0
  end

  def word : UInt32
    renew if @index == SIZE
    y = @words[@index]
    @index += 1
    y ^= y >> 11
    y ^= (y << 7) & 2636928640_u32
    y ^= (y << 15) & 4022730752_u32
    y ^ (y >> 18)
  end

  def random : Float64
    a = word >> 5
    b = word >> 6
    (a.to_f * 67108864 + b) / 9007199254740992
  end

  def gauss(sigma : Float64) : Float64
    if z = @kept
      @kept = nil
    else
      angle = random * 6.283185307179586
      radius = Math.sqrt(-2.0 * Exact.log(1.0 - random))
      z = Exact.cos(angle) * radius
      @kept = Exact.sin(angle) * radius
    end
    0.0 + z * sigma
  end

  private def below(n : Int32) : Int32
    shift = 32 - n.bit_length
    loop do
      value = word >> shift
      return value.to_i if value < n
    end
  end

  def shuffle(items : Array) : Nil
    (items.size - 1).downto(1) { |i| items.swap(i, below(i + 1)) }
  end

  # The index of one of the *weights*.
  def choice(weights : Array(Float64)) : Int32
    total = 0.0
    cumulative = weights.map_with_index { |weight, i| total = i == 0 ? weight : total + weight }
    total += 0.0
    raise Refusal.new("the weights must add up to a finite number above 0") unless total.finite? && total > 0
    u = random * total
    low, high = 0, weights.size - 1
    while low < high
      middle = (low + high) // 2
      u < cumulative[middle] ? (high = middle) : (low = middle + 1)
    end
    low
  end
end
