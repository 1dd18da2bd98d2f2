require "big"

# `exp`, `log`, `sin`, `cos` and `pow`: the double nearest to the true value, found with integers alone.
#
# Here and elsewhere `-1.0 * x` stands for `-x`, which Crystal computes as `0 - x`, without the sign of zero.
module Exact
  extend self

  LN2     = Constant.new { |bits| inverse_arc(3, 1, bits) * 2 }
  HALF_PI = Constant.new { |bits| inverse_arc(5, -1, bits) * 8 - inverse_arc(239, -1, bits) * 2 }

  def exp(x : Float64) : Float64
    return x if x.nan? || x == Float64::INFINITY
    return Float64::INFINITY if x > 710
    return 0.0 if x < -746
    return 1.0 if x.abs < 2.0 ** -54
    k = (x / 0.6931471805599453).round.to_i
    halvings = 12
    nearest(scale: k) do |bits|
      r = (fixed(x, bits) - LN2[bits] * k) >> halvings
      term = y = one(bits)
      1.step do |n|
        term = (term * r >> bits).tdiv(n)
        break if term == 0
        y += term
      end
      halvings.times { y = y * y >> bits }
      y
    end
  end

  def log(x : Float64) : Float64
    return Float64::NAN if x.nan? || x < 0
    return -Float64::INFINITY if x == 0
    return x if x == Float64::INFINITY
    return 0.0 if x == 1
    m, e = Math.frexp(x)
    m, e = m * 2, e - 1 if m < 0.75
    nearest do |bits|
      y = fixed(m, bits)
      z = ((y - one(bits)) << bits) // (y + one(bits))
      artanh(z, bits) * 2 + LN2[bits] * e
    end
  end

  # For |x| <= 8.
  def sin(x : Float64) : Float64
    return x if x.nan? || x.abs < 2.0 ** -26
    wave(x, 0)
  end

  # For |x| <= 8.
  def cos(x : Float64) : Float64
    return x if x.nan?
    return 1.0 if x.abs < 2.0 ** -27
    wave(x, 1)
  end

  # For integers and half-integers *y*.
  def pow(x : Float64, y : Float64) : Float64
    whole = y == y.floor
    odd = whole && y.abs % 2 == 1
    case
    when y == 0 || x == 1 then 1.0
    when x.nan?           then Float64::NAN
    when y == 1           then x
    when y == 2           then x * x
    when y == -1          then 1.0 / x
    when x == 0 || x.abs == Float64::INFINITY
      size = (x == 0) == (y > 0) ? 0.0 : Float64::INFINITY
      odd ? Math.copysign(size, x) : size
    when x < 0 && !whole then Float64::NAN
    when x < 0           then odd ? -1.0 * pow(-x, y) : pow(-x, y)
    when y == 0.5        then Math.sqrt(x)
    else                      power(x, (y * 2).to_i)
    end
  end

  # *x* with four decimals, ties to even.
  def decimals(x : Float64) : String
    return "nan" if x.nan?
    return x > 0 ? "inf" : "-inf" if x.infinite?
    m, e = split(x.abs)
    ten_thousandths = shift(m * 10000, e)
    "#{'-' if Math.copysign(1.0, x) < 0}#{ten_thousandths // 10000}.#{(ten_thousandths % 10000).to_s.rjust(4, '0')}"
  end

  # A finite x as an integer and a power of two.
  private def split(x)
    fraction, e = Math.frexp(x)
    {BigInt.new(Math.ldexp(fraction, 53)), e - 53}
  end

  # m * 2^places for m >= 0, rounded to an integer, ties to even.
  private def shift(m : BigInt, places) : BigInt
    return m << places if places >= 0
    kept = m >> -places
    side = (m - (kept << -places)) <=> (one(-places - 1))
    side > 0 || side == 0 && kept.odd? ? kept + 1 : kept
  end

  # m * 2^e, rounded once, at the last place that the result has.
  private def round(m : BigInt, e) : Float64
    return -1.0 * round(-m, e) if m < 0
    top = m.bit_length + e
    return Float64::INFINITY if top > 1024
    return 0.0 if top < -1074
    last = Math.max(top - 53, -1074)
    Math.ldexp(shift(m, e - last).to_f, last)
  end

  # Below, a number in fixed point is an integer that stands for itself / 2^bits.

  protected def one(bits)
    BigInt.new(1) << bits
  end

  private def fixed(x, bits)
    m, e = split(x)
    e + bits < 0 ? m >> -(e + bits) : m << (e + bits)
  end

  # What the block gives for a number of bits, times 2^scale. It is off by less than 2^24 units of its last place
  # (2^17, by a generous count). While the ends of that interval do not round alike, it is asked for more bits.
  private def nearest(scale = 0, & : Int32 -> BigInt) : Float64
    bits = 192
    loop do
      y = yield bits
      low, high = {y - one(24), y + one(24)}.map { |bound| round(bound, scale - bits) }
      return low if low == high
      bits *= 2
    end
  end

  private def artanh(z, bits)
    square = z * z >> bits
    sum = term = z
    3.step(by: 2) do |n|
      term = term * square >> bits
      break if -1 <= term <= 0
      sum += term.tdiv(n)
    end
    sum
  end

  # artanh(1/n) for the sign 1, arctan(1/n) for -1.
  protected def inverse_arc(n, sign, bits)
    sum = term = one(bits) // n
    3.step(by: 2) do |k|
      term = term.tdiv(sign * n * n)
      break if term == 0
      sum += term.tdiv(k)
    end
    sum
  end

  # sin(x + quarters * pi/2)
  private def wave(x, quarters)
    q = (x / 1.5707963267948966).round.to_i
    quadrant = (q + quarters) & 3
    nearest do |bits|
      r = fixed(x, bits) - HALF_PI[bits] * q
      square = r * r >> bits
      term, n = quadrant.even? ? {r, 1} : {one(bits), 0}
      y = term
      n.step(by: 2) do |k|
        term = (term * square >> bits).tdiv(-(k + 1) * (k + 2))
        break if term == 0
        y += term
      end
      quadrant < 2 ? y : -y
    end
  end

  # x^(t/2) for x > 0, with a last bit that says whether anything was left over.
  private def power(x, t)
    m, q = split(x)
    m, q = m >> m.trailing_zeros_count, q + m.trailing_zeros_count
    whole = t.even?
    t //= 2 if whole
    n, e = m ** t.abs, q * t
    shift = t > 0 ? Math.max(0, 132 - n.bit_length) : 132 + n.bit_length
    shift += (e - shift) % 2 unless whole
    value, rest = t > 0 ? {n << shift, BigInt.new} : one(shift).divmod(n)
    root = whole ? value : integer_root(value)
    sticky = rest > 0 || !whole && root * root < value ? 1 : 0
    round(root * 2 + sticky, (whole ? e - shift : (e - shift) // 2) - 1)
  end

  # By Newton's method, from above.
  private def integer_root(n)
    root = one((n.bit_length + 1) // 2)
    loop do
      better = (root + n // root) >> 1
      return root if better >= root
      root = better
    end
  end

  # A number in fixed point, computed once for each precision, with 16 bits to spare.
  private class Constant
    @known = {} of Int32 => BigInt

    def initialize(&@compute : Int32 -> BigInt)
    end

    def [](bits)
      @known[bits] ||= @compute.call(bits + 16) >> 16
    end
  end
end
