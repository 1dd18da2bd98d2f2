defmodule Microgpt.IEEE do
  @moduledoc """
  All values of IEEE 754 doubles. Elixir's floats are the finite ones; the other three are atoms. Where arithmetic
  with floats raises ArithmeticError, its result is one of those.
  """

  @type double :: float | :infinity | :minus_infinity | :nan

  @spec from_bits(<<_::64>>) :: double
  def from_bits(<<x::float>>), do: x
  def from_bits(<<0::1, _::11, 0::52>>), do: :infinity
  def from_bits(<<1::1, _::11, 0::52>>), do: :minus_infinity
  def from_bits(<<_::64>>), do: :nan

  @spec to_bits(double) :: <<_::64>>
  def to_bits(:infinity), do: <<0x7FF0000000000000::64>>
  def to_bits(:minus_infinity), do: <<0xFFF0000000000000::64>>
  def to_bits(:nan), do: <<0x7FF8000000000000::64>>
  def to_bits(x), do: <<x::float>>

  @doc "Whether the sign bit is set."
  def negative?(x), do: match?(<<1::1, _::63>>, to_bits(x))

  def negate(x), do: multiply(x, -1.0)

  @spec add(double, double) :: double
  def add(a, b) when is_float(a) and is_float(b) do
    a + b
  rescue
    ArithmeticError -> signed(:infinity, negative?(a))
  end

  def add(a, b) when a == :nan or b == :nan, do: :nan
  def add(a, b) when is_float(b) or a == b, do: a
  def add(a, b) when is_float(a), do: b
  def add(_, _), do: :nan

  def subtract(a, b), do: add(a, negate(b))

  @spec multiply(double, double) :: double
  def multiply(a, b) when is_float(a) and is_float(b) do
    a * b
  rescue
    ArithmeticError -> signed(:infinity, negative?(a) != negative?(b))
  end

  def multiply(a, b) when a == :nan or b == :nan or a == 0.0 or b == 0.0, do: :nan
  def multiply(a, b), do: signed(:infinity, negative?(a) != negative?(b))

  @spec divide(double, double) :: double
  def divide(a, b) when a == 0.0 and b == 0.0, do: :nan

  def divide(a, b) when is_float(a) and is_float(b) do
    a / b
  rescue
    ArithmeticError -> signed(:infinity, negative?(a) != negative?(b))
  end

  def divide(a, b) when a == :nan or b == :nan or (is_atom(a) and is_atom(b)), do: :nan
  def divide(a, b) when is_atom(a), do: signed(:infinity, negative?(a) != negative?(b))
  def divide(a, b), do: signed(0.0, negative?(a) != negative?(b))

  defp signed(:infinity, negative?), do: if(negative?, do: :minus_infinity, else: :infinity)
  defp signed(zero, negative?), do: if(negative?, do: zero * -1.0, else: zero)

  @spec sqrt(double) :: double
  def sqrt(:infinity), do: :infinity
  def sqrt(x) when is_float(x) and x >= 0.0, do: :math.sqrt(x)
  def sqrt(_), do: :nan

  @doc "Whether a > b, which is false if either is NaN."
  def greater?(a, b) when is_float(a) and is_float(b), do: a > b
  def greater?(:infinity, b), do: b not in [:infinity, :nan]
  def greater?(a, :minus_infinity), do: is_float(a)
  def greater?(_, _), do: false

  @doc "The sum from the left, starting with +0.0."
  def sum(xs), do: Enum.reduce(xs, 0.0, &add(&2, &1))
end
