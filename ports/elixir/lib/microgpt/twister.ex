defmodule Microgpt.Twister do
  @moduledoc "MT19937 and what is drawn from it. Each draw returns what it drew and the next generator."

  import Bitwise
  alias Microgpt.{Exact, IEEE, Refused}

  defstruct [:words, index: 624, kept: nil]

  @mask 0xFFFFFFFF

  def seeded(seed) do
    words =
      [19_650_218 | Enum.to_list(1..623)]
      |> Enum.scan(fn i, word -> 1_812_433_253 * mixed(word) + i &&& @mask end)
      |> indexed()

    stirred =
      {words, 1}
      |> stir(624, 1_664_525, fn _ -> seed end)
      |> stir(623, 1_566_083_941, fn i -> -i end)
      |> elem(0)

    %__MODULE__{words: %{stirred | 0 => 0x80000000}}
  end

  def restored(index, words, kept), do: %__MODULE__{words: indexed(words), index: index, kept: kept}

  def words(twister), do: for(i <- 0..623, do: twister.words[i])

  defp indexed(items), do: items |> Enum.with_index() |> Map.new(fn {item, i} -> {i, item} end)
  defp mixed(word), do: bxor(word, word >>> 30)

  defp stir(state, 0, _, _), do: state

  defp stir({words, i}, count, factor, plus) do
    word = bxor(words[i], mixed(words[i - 1]) * factor) + plus.(i) &&& @mask
    words = %{words | i => word}
    next = if i == 623, do: {%{words | 0 => word}, 1}, else: {words, i + 1}
    stir(next, count - 1, factor, plus)
  end

  def word(%__MODULE__{words: words, index: 624} = twister),
    do: word(%{twister | words: Enum.reduce(0..623, words, &renew/2), index: 0})

  def word(%__MODULE__{words: words, index: index} = twister) do
    y = words[index]
    y = bxor(y, y >>> 11)
    y = bxor(y, y <<< 7 &&& 2_636_928_640)
    y = bxor(y, y <<< 15 &&& 4_022_730_752)
    {bxor(y, y >>> 18), %{twister | index: index + 1}}
  end

  defp renew(i, words) do
    y = (words[i] &&& 0x80000000) ||| (words[rem(i + 1, 624)] &&& 0x7FFFFFFF)
    far = words[rem(i + 397, 624)]
    %{words | i => far |> bxor(y >>> 1) |> bxor((y &&& 1) * 2_567_483_615)}
  end

  def random(twister) do
    {a, twister} = word(twister)
    {b, twister} = word(twister)
    {((a >>> 5) * 67_108_864 + (b >>> 6)) / 9_007_199_254_740_992, twister}
  end

  def gauss(%__MODULE__{kept: nil} = twister, sigma) do
    {u, twister} = random(twister)
    {v, twister} = random(twister)
    angle = u * 6.283185307179586
    radius = :math.sqrt(-2.0 * Exact.log(1.0 - v))
    {scaled(Exact.cos(angle) * radius, sigma), %{twister | kept: Exact.sin(angle) * radius}}
  end

  def gauss(%__MODULE__{kept: z} = twister, sigma), do: {scaled(z, sigma), %{twister | kept: nil}}

  defp scaled(z, sigma), do: IEEE.add(0.0, IEEE.multiply(z, sigma))

  defp below(twister, n) do
    {word, twister} = word(twister)

    case word >>> (32 - length(Integer.digits(n, 2))) do
      small when small < n -> {small, twister}
      _ -> below(twister, n)
    end
  end

  def shuffle(twister, items) do
    last = length(items) - 1

    {items, twister} =
      Enum.reduce(last..1//-1, {indexed(items), twister}, fn i, {items, twister} ->
        {j, twister} = below(twister, i + 1)
        %{^i => a, ^j => b} = items
        {%{items | i => b, j => a}, twister}
      end)

    {for(i <- 0..last//1, do: items[i]), twister}
  end

  @doc "The index of a weight."
  def choice(twister, weights) do
    cumulative = Enum.scan(weights, &IEEE.add(&2, &1))
    total = List.last(cumulative)

    if not (is_float(total) and total > 0.0),
      do: raise(Refused, "the weights must add up to a finite number above 0")

    {u, twister} = random(twister)
    {search(List.to_tuple(cumulative), IEEE.multiply(u, total), 0, length(weights) - 1), twister}
  end

  defp search(_, _, low, low), do: low

  defp search(cumulative, u, low, high) do
    middle = div(low + high, 2)

    if IEEE.greater?(elem(cumulative, middle), u),
      do: search(cumulative, u, low, middle),
      else: search(cumulative, u, middle + 1, high)
  end
end
