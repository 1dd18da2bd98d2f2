# frozen_string_literal: true

# exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone (SPEC, section 2).
# A number in fixed point is an integer that stands for itself / 2**bits.
module Exact
  NAN = Float::NAN
  INFINITY = Float::INFINITY
  SLACK = 1 << 24 # units of the last place by which a value below may be off; 2**17 is a generous count

  module_function

  # A finite x as an integer and the exponent of a power of two.
  def split(x)
    fraction, exponent = Math.frexp(x)
    [Math.ldexp(fraction, 53).to_i, exponent - 53]
  end

  # n * 2**e, rounded once, ties to even, at the last place that such a double has.
  def rounded(n, e)
    drop = [n.bit_length - 53, -1074 - e].max
    return Math.ldexp(n, e) if drop <= 0
    return 0.0 if drop > n.bit_length + 1

    kept, rest = n.divmod(1 << drop)
    half = 1 << (drop - 1)
    kept += 1 if rest > half || (rest == half && kept.odd?)
    Math.ldexp(kept, e + drop)
  end

  # Rounds n * 2**e, which the block makes from a number of bits: more of them, until both bounds agree.
  def nearest(bits = 192)
    n, e = yield bits
    low, high = [n - SLACK, n + SLACK].map { |bound| rounded(bound, e) }
    low == high ? low : nearest(2 * bits) { |more| yield more }
  end

  def fixed(x, bits)
    n, e = split(x)
    n << (e + bits)
  end

  # artanh(1/n) for the sign 1, arctan(1/n) for -1.
  def inverse_arc(sign, n, bits)
    total, power, k, factor = 0, (1 << bits) / n, 1, 1
    while power.positive?
      total += factor * (power / k)
      power, k, factor = power / (n * n), k + 2, factor * sign
    end
    total
  end

  LN2 = Hash.new { |known, bits| known[bits] = (2 * inverse_arc(1, 3, bits + 16)) >> 16 }
  HALF_PI = Hash.new do |known, bits|
    known[bits] = ((8 * inverse_arc(-1, 5, bits + 16)) - (2 * inverse_arc(-1, 239, bits + 16))) >> 16
  end

  def exp(x)
    return x if x.nan?
    return x.positive? ? INFINITY : 0.0 if x.abs > 746.0
    return 1.0 if x.abs < 2.0**-54

    nearest do |bits|
      k, r = fixed(x, bits).divmod(LN2[bits])
      r >>= 12
      total = term = 1 << bits
      n = 0
      total += term = ((term * r) >> bits) / (n += 1) while term.positive?
      12.times { total = (total * total) >> bits }
      [total, k - bits]
    end
  end

  def log(x)
    return NAN if x.nan? || x.negative?
    return x.zero? ? -INFINITY : INFINITY if x.zero? || x.infinite?
    return 0.0 if x == 1.0

    m, e = Math.frexp(x)
    m, e = 2.0 * m, e - 1 if m < 0.75
    nearest do |bits|
      one, n = 1 << bits, fixed(m, bits)
      z = ((n - one).abs << bits) / (n + one)
      square = (z * z) >> bits
      total, k = 0, 1
      while z.positive?
        total += z / k
        z, k = (z * square) >> bits, k + 2
      end
      [(e * LN2[bits]) + (n > one ? 2 * total : -2 * total), -bits]
    end
  end

  def sin(x)
    return x if x.nan? || x.abs < 2.0**-26

    x.positive? ? wave(x, 0) : -wave(-x, 0)
  end

  def cos(x)
    return x if x.nan?

    x.abs < 2.0**-27 ? 1.0 : wave(x.abs, 1)
  end

  # sin(x + quarters * pi/2) for x > 0.
  def wave(x, quarters)
    nearest do |bits|
      q, r = fixed(x, bits).divmod(HALF_PI[bits])
      quadrant = q + quarters
      term, n = quadrant.odd? ? [1 << bits, 0] : [r, 1]
      square = (r * r) >> bits
      total = 0
      while term.positive?
        total += n[1].zero? ? term : -term
        term = ((term * square) >> bits) / ((n + 1) * (n + 2))
        n += 2
      end
      [quadrant[1].zero? ? total : -total, -bits]
    end
  end

  # Whether the sign bit is set, also of zero.
  def minus?(x) = x.negative? || (1.0 / x).negative?

  # x**y for an integer or half-integer y.
  def pow(x, y)
    return 1.0 if y.zero? || x == 1.0
    return NAN if x.nan?
    return x if y == 1.0
    return x * x if y == 2.0

    whole = y == y.floor
    size =
      if x.zero? || x.infinite? then x.zero? == y.positive? ? 0.0 : INFINITY
      elsif x.negative? && !whole then return NAN
      elsif y == -1.0 then 1.0 / x.abs
      elsif y == 0.5 then Math.sqrt(x)
      else power(x.abs, y, whole)
      end
    whole && y.to_i.odd? && minus?(x) ? -size : size
  end

  # x**y for a finite x > 0: integers, their quotient or root, and a sticky bit for what is left over.
  def power(x, y, whole)
    m, q = split(x)
    zeros = (m & -m).bit_length - 1
    t = (whole ? y : 2.0 * y).to_i
    n, e = (m >> zeros)**t.abs, (q + zeros) * t
    shift = t.positive? ? [0, 132 - n.bit_length].max : 132 + n.bit_length
    shift += (e - shift) % 2 unless whole
    value, rest = t.positive? ? [n << shift, 0] : (1 << shift).divmod(n)
    e -= shift
    unless whole
      square, value = value, Integer.sqrt(value)
      rest, e = rest + square - (value * value), e / 2
    end
    rounded((2 * value) + (rest.zero? ? 0 : 1), e - 1)
  end

  # The square root, where Math.sqrt loses the sign of zero and raises an error below it.
  def sqrt(x)
    return x if x.zero?

    x.negative? ? NAN : Math.sqrt(x)
  end
end
