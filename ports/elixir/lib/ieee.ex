defmodule IEEE do
  @moduledoc """
  All values of IEEE 754 doubles. Elixir's floats are the finite ones; the other three are atoms, and where a
  float operation raises ArithmeticError, its result is one of them.
  """

  import Bitwise

  @type double :: float | :infinity | :minus_infinity | :nan

  @spec from_bits(non_neg_integer) :: double
  def from_bits(bits) do
    case <<bits::64>> do
      <<x::float>> -> x
      <<0::1, _::11, 0::52>> -> :infinity
      <<1::1, _::11, 0::52>> -> :minus_infinity
      _ -> :nan
    end
  end

  @spec to_bits(double) :: non_neg_integer
  def to_bits(:infinity), do: 0x7FF0000000000000
  def to_bits(:minus_infinity), do: 0xFFF0000000000000
  def to_bits(:nan), do: 0x7FF8000000000000

  def to_bits(x) do
    <<bits::64>> = <<x::float>>
    bits
  end

  @doc "Whether the sign bit is set."
  @spec negative?(double) :: boolean
  def negative?(x), do: to_bits(x) >>> 63 == 1

  @spec negate(double) :: double
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

  @spec subtract(double, double) :: double
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

  def divide(a, b) when a == :nan or b == :nan, do: :nan
  def divide(a, b) when is_atom(a) and is_atom(b), do: :nan
  def divide(a, b) when is_atom(a), do: signed(:infinity, negative?(a) != negative?(b))
  def divide(a, b), do: signed(0.0, negative?(a) != negative?(b))

  defp signed(:infinity, true), do: :minus_infinity
  defp signed(:infinity, false), do: :infinity
  defp signed(zero, true), do: zero * -1.0
  defp signed(zero, false), do: zero

  @spec sqrt(double) :: double
  def sqrt(:infinity), do: :infinity
  def sqrt(x) when is_float(x) and x >= 0.0, do: :math.sqrt(x)
  def sqrt(_), do: :nan

  @doc "a > b, which is false when either is NaN."
  @spec greater?(double, double) :: boolean
  def greater?(a, b) when is_float(a) and is_float(b), do: a > b
  def greater?(a, b) when a == :nan or b == :nan, do: false
  def greater?(:infinity, b), do: b != :infinity
  def greater?(:minus_infinity, _), do: false
  def greater?(_, b), do: b == :minus_infinity
end
