defmodule Microgpt.Exact do
  @moduledoc "exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone."

  import Bitwise
  alias Microgpt.IEEE

  # n * 2^places, rounded to an integer, ties to even.
  defp shift(n, places) when places >= 0, do: n <<< places

  defp shift(n, places) do
    kept = n >>> -places
    twice = (n - (kept <<< -places)) * 2
    unit = 1 <<< -places
    if twice > unit or (twice == unit and odd?(kept)), do: kept + 1, else: kept
  end

  defp odd?(n), do: (n &&& 1) == 1

  defp bit_length(0), do: 0

  defp bit_length(n) do
    <<first, rest::binary>> = :binary.encode_unsigned(abs(n))
    bit_size(rest) + length(Integer.digits(first, 2))
  end

  # m * 2^e, rounded once at the last place that the result has. The bits of doubles are in the order of their
  # sizes, so a fraction that rounds up to 2^53 carries into the exponent, even to infinity.
  defp nearest_double(m, e) when m < 0, do: IEEE.negate(nearest_double(-m, e))

  defp nearest_double(m, e) do
    top = bit_length(m) + e
    last = max(top - 53, -1074)

    cond do
      top > 1024 -> :infinity
      top < -1074 -> 0.0
      true -> IEEE.from_bits(<<((last + 1074) <<< 52) + shift(m, e - last)::64>>)
    end
  end

  # A finite x without its sign, as an integer and a power of two.
  defp split(x) do
    case <<x::float>> do
      <<_::1, 0::11, fraction::52>> -> {fraction, -1074}
      <<_::1, exponent::11, fraction::52>> -> {fraction + (1 <<< 52), exponent - 1075}
    end
  end

  # Below, a number in fixed point is an integer that stands for itself / 2^bits.
  defp one(bits), do: 1 <<< bits
  defp times(bits, a, b), do: (a * b) >>> bits

  defp fixed(bits, x) do
    {m, e} = split(x)
    if x < 0.0, do: -shift(m, e + bits), else: shift(m, e + bits)
  end

  # Rounds value.(bits) * 2^scale. It is off by less than 2^24 units of its last place (2^17, by a generous count).
  # While the ends of that interval do not round alike, it is given more bits.
  defp settle(scale, value, bits \\ 192) do
    y = value.(bits)
    low = nearest_double(y - (1 <<< 24), scale - bits)
    high = nearest_double(y + (1 <<< 24), scale - bits)
    if low == high, do: low, else: settle(scale, value, 2 * bits)
  end

  # Adds what part.(term, n) makes of the terms until they vanish. next.(term, n) is the term after number n.
  defp series(term, n, step, part, next, sum \\ 0)
  defp series(term, _, _, _, _, sum) when term in -1..1, do: sum

  defp series(term, n, step, part, next, sum),
    do: series(next.(term, n), n + step, step, part, next, sum + part.(term, n))

  defp whole(term, _), do: term

  # artanh of 1/n for the sign 1, arctan of 1/n for -1.
  defp inverse_arc(bits, sign, n),
    do: series(div(one(bits), n), 1, 2, &div/2, fn term, _ -> div(term, sign * n * n) end)

  defp ln2(bits), do: constant(:ln2, bits, &(2 * inverse_arc(&1, 1, 3)))

  defp half_pi(bits),
    do: constant(:half_pi, bits, &(8 * inverse_arc(&1, -1, 5) - 2 * inverse_arc(&1, -1, 239)))

  # Computed once for each precision, with 16 bits to spare.
  defp constant(name, bits, compute) do
    key = {__MODULE__, name, bits}

    with nil <- :persistent_term.get(key, nil) do
      value = compute.(bits + 16) >>> 16
      :persistent_term.put(key, value)
      value
    end
  end

  @spec exp(IEEE.double()) :: IEEE.double()
  def exp(:nan), do: :nan
  def exp(:infinity), do: :infinity
  def exp(:minus_infinity), do: 0.0
  def exp(x) when x > 710.0, do: :infinity
  def exp(x) when x < -746.0, do: 0.0
  def exp(x) when abs(x) < 5.0e-17, do: 1.0

  def exp(x) do
    k = round(x / 0.6931471805599453)
    halvings = 12

    settle(k, fn bits ->
      r = (fixed(bits, x) - k * ln2(bits)) >>> halvings
      root = series(one(bits), 1, 1, &whole/2, fn term, n -> div(times(bits, term, r), n) end)
      Enum.reduce(1..halvings, root, fn _, y -> times(bits, y, y) end)
    end)
  end

  @spec log(IEEE.double()) :: IEEE.double()
  def log(:infinity), do: :infinity
  def log(x) when is_atom(x) or x < 0.0, do: :nan
  def log(x) when x == 0.0, do: :minus_infinity
  def log(x) when x == 1.0, do: 0.0

  def log(x) do
    {m, e} = split(x)
    size = bit_length(m)
    # x / 2^k lies from 3/4 to 3/2.
    k = if 4 * m < 3 <<< size, do: e + size - 1, else: e + size

    settle(0, fn bits ->
      y = shift(m, e - k + bits)
      z = div((y - one(bits)) <<< bits, y + one(bits))
      square = times(bits, z, z)
      2 * series(z, 1, 2, &div/2, fn term, _ -> times(bits, term, square) end) + k * ln2(bits)
    end)
  end

  @spec sin(IEEE.double()) :: IEEE.double()
  def sin(x) when is_atom(x), do: :nan
  def sin(x) when abs(x) < 1.0e-8, do: x
  def sin(x), do: wave(0, x)

  @spec cos(IEEE.double()) :: IEEE.double()
  def cos(x) when is_atom(x), do: :nan
  def cos(x) when abs(x) < 7.0e-9, do: 1.0
  def cos(x), do: wave(1, x)

  # sin(x + quarters * pi/2) for |x| <= 8.
  defp wave(quarters, x) do
    q = round(x / 1.5707963267948966)
    quadrant = q + quarters &&& 3

    settle(0, fn bits ->
      r = fixed(bits, x) - q * half_pi(bits)
      square = times(bits, r, r)
      {first, n} = if odd?(quadrant), do: {one(bits), 0}, else: {r, 1}
      y = series(first, n, 2, &whole/2, &div(times(bits, &1, square), -(&2 + 1) * (&2 + 2)))
      if quadrant < 2, do: y, else: -y
    end)
  end

  @doc "x to the power y, an integer or half-integer."
  @spec pow(IEEE.double(), float) :: IEEE.double()
  def pow(_, y) when y == 0.0, do: 1.0
  def pow(x, _) when x == 1.0, do: 1.0
  def pow(:nan, _), do: :nan
  def pow(x, y) when y == 1.0, do: x
  def pow(x, y) when y == 2.0, do: IEEE.multiply(x, x)
  def pow(x, y) when y == -1.0, do: IEEE.divide(1.0, x)

  def pow(x, y) when x == 0.0 or is_atom(x) do
    size = if x == 0.0 == y > 0.0, do: 0.0, else: :infinity
    if odd_integer?(y) and IEEE.negative?(x), do: IEEE.negate(size), else: size
  end

  def pow(x, y) when x > 0.0 and y == 0.5, do: :math.sqrt(x)
  def pow(x, y) when x > 0.0, do: power(x, trunc(2.0 * y))

  def pow(x, y) do
    cond do
      odd_integer?(y) -> IEEE.negate(pow(-x, y))
      y == trunc(y) -> pow(-x, y)
      true -> :nan
    end
  end

  defp odd_integer?(y), do: y == trunc(y) and odd?(trunc(y))

  # x to t/2 for x > 0. The last bit is sticky: it says whether anything was left over.
  defp power(x, t) do
    {m, q} = x |> split() |> odd_part()
    root? = odd?(t)
    exponent = if root?, do: t, else: div(t, 2)
    n = Integer.pow(m, abs(exponent))
    e = q * exponent
    size = bit_length(n)
    least = if t > 0, do: max(0, 132 - size), else: 132 + size
    shift = if root? and odd?(e - least), do: least + 1, else: least
    {value, rest} = if t > 0, do: {n <<< shift, 0}, else: {div(one(shift), n), rem(one(shift), n)}
    {root, left} = if root?, do: integer_root(value), else: {value, 0}
    sticky = if rest == 0 and left == 0, do: 0, else: 1
    nearest_double(2 * root + sticky, if(root?, do: div(e - shift, 2), else: e - shift) - 1)
  end

  defp odd_part({m, e}) when (m &&& 1) == 1, do: {m, e}
  defp odd_part({m, e}), do: odd_part({m >>> 1, e + 1})

  # The integer square root and what is left, by Newton's method from above.
  defp integer_root(n, guess \\ nil)
  defp integer_root(n, nil), do: integer_root(n, 1 <<< div(bit_length(n) + 1, 2))

  defp integer_root(n, guess) do
    better = (guess + div(n, guess)) >>> 1
    if better < guess, do: integer_root(n, better), else: {guess, n - guess * guess}
  end

  @doc "x with four decimals, rounded from its exact value."
  @spec decimals(IEEE.double()) :: String.t()
  def decimals(:nan), do: "nan"
  def decimals(:infinity), do: "inf"
  def decimals(:minus_infinity), do: "-inf"

  def decimals(x) do
    {m, e} = split(x)
    n = shift(10000 * m, e)
    fraction = n |> rem(10000) |> Integer.to_string() |> String.pad_leading(4, "0")
    "#{if IEEE.negative?(x), do: "-"}#{div(n, 10000)}.#{fraction}"
  end
end
