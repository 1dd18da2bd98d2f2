defmodule Microgpt.Refused do
  @moduledoc "What is wrong with a request, or with the command line: its message says."
  defexception [:message]
end

defmodule Microgpt.Request do
  @moduledoc """
  Reading a request: a verb lists its fields in their order, each with a reader. Readers are made by `one`, `line`,
  `many`, `tensor`, `matrices` and `rest`. They may look at the fields before theirs.
  """

  alias Microgpt.{IEEE, Refused, Shape}

  @longest 65536
  def longest, do: @longest

  @doc "A map of the fields. Nothing may be left of the lines."
  def read(lines, fields) do
    {request, left} =
      Enum.reduce(fields, {%{}, lines}, fn {name, reader}, {request, lines} ->
        {value, lines} = reader.(Atom.to_string(name), lines, request)
        {Map.put(request, name, value), lines}
      end)

    if left != [], do: raise(Refused, "expected the line end")
    request
  end

  defp words(line) when byte_size(line) > @longest,
    do: raise(Refused, "a line is longer than #{@longest} bytes")

  defp words(line), do: String.split(line, " ")

  defp take(key, [line | lines]) do
    case words(line) do
      [^key | values] -> {values, lines}
      _ -> raise Refused, "expected a line #{key}"
    end
  end

  defp take(key, []), do: raise(Refused, "the request ends before its line #{key}")

  defp apply_to(request, value, read) when is_function(read, 2), do: read.(value, request)
  defp apply_to(_, value, read), do: read.(value)

  @doc "A line with one value."
  def one(read) do
    fn key, lines, request ->
      case take(key, lines) do
        {[value], lines} -> {apply_to(request, value, read), lines}
        _ -> raise Refused, "#{key} takes 1 value"
      end
    end
  end

  @doc "A line with any number of values."
  def line(read) do
    fn key, lines, request ->
      {values, lines} = take(key, lines)
      {apply_to(request, values, read), lines}
    end
  end

  @doc "All lines with this key; there must be one."
  def many(key, read) do
    fn _, lines, request ->
      case Enum.split_while(lines, &match?([^key | _], words(&1))) do
        {[], _} -> raise Refused, "expected a line #{key}"
        {own, others} -> {for(line <- own, do: apply_to(request, line |> words() |> tl(), read)), others}
      end
    end
  end

  @doc "The words of all lines that are left; there must be one."
  def rest(read) do
    fn
      _, [], _ -> raise Refused, "the request ends too early"
      _, lines, request -> {apply_to(request, Enum.map(lines, &words/1), read), []}
    end
  end

  @doc "One line for each of the numbers, which are found in the request so far."
  def each(key, numbers, read) do
    fn _, lines, request ->
      Enum.map_reduce(numbers.(request), lines, fn number, lines ->
        {values, lines} = take(key, lines)
        {read.(values, number), lines}
      end)
    end
  end

  @doc "A tensor as {rows, columns, doubles}, in the shape of another if that is named."
  def tensor(like \\ nil) do
    fn name, lines, request ->
      expected = if like, do: Tuple.delete_at(request[like], 2)
      {{rows, columns}, lines} = shape(name, lines, expected)
      {doubles, lines} = rows(name, rows, columns, lines)
      {{rows, columns, doubles}, lines}
    end
  end

  @doc "The doubles of all matrices of the model. Each tensor's name begins with the prefix."
  def matrices(prefix \\ "") do
    fn _, lines, request ->
      {matrices, lines} =
        Enum.map_reduce(Shape.matrices(request), lines, fn {name, rows, columns}, lines ->
          {_, lines} = shape(prefix <> name, lines, {rows, columns})
          rows(prefix <> name, rows, columns, lines)
        end)

      {Enum.concat(matrices), lines}
    end
  end

  defp shape(name, lines, expected) do
    case take("tensor", lines) do
      {[^name, rows, columns], lines} ->
        found = {integer(rows, 1..2048), integer(columns, 1..2048)}
        if expected not in [nil, found], do: raise(Refused, "#{name} has the wrong shape")
        {found, lines}

      _ ->
        raise Refused, "expected the tensor #{name}"
    end
  end

  defp rows(name, rows, columns, lines) do
    {rows, lines} =
      Enum.map_reduce(1..rows, lines, fn _, lines ->
        {row, lines} = take("row", lines)
        if length(row) != columns, do: raise(Refused, "a row of #{name} does not have #{columns} values")
        {Enum.map(row, &double/1), lines}
      end)

    {Enum.concat(rows), lines}
  end

  # Readers of words.

  def integer(word, low..high//_) do
    if not (word =~ ~r/\A(0|[1-9][0-9]{0,9})\z/), do: raise(Refused, "expected an integer")
    n = String.to_integer(word)
    if low <= n and n <= high, do: n, else: raise(Refused, "an integer is not from #{low} to #{high}")
  end

  def increasing(words, range) do
    integers = Enum.map(words, &integer(&1, range))
    if integers == integers |> Enum.sort() |> Enum.dedup(), do: integers, else: raise(Refused, "expected an order")
  end

  def double(word) do
    with <<_::128>> <- word, {:ok, bits} <- Base.decode16(word, case: :lower) do
      IEEE.from_bits(bits)
    else
      _ -> raise Refused, "a double has 16 lower-case hex digits"
    end
  end

  def exponent(word, limit) do
    case double(word) do
      c when is_float(c) and abs(c) <= limit and 2 * c == trunc(2 * c) -> c
      _ -> raise Refused, "an exponent is an integer or half-integer up to #{limit}"
    end
  end

  def code_points(words) when length(words) > 10000, do: raise(Refused, "a line has up to 10000 code points")

  def code_points(words) do
    for word <- words do
      point = integer(word, 0..0x10FFFF)
      if point in 0xD800..0xDFFF, do: raise(Refused, "a surrogate is not a code point"), else: point
    end
  end

  def choice(word, choices) do
    case choices do
      %{^word => choice} -> choice
      _ -> raise Refused, "expected one of #{choices |> Map.keys() |> Enum.join(", ")}"
    end
  end
end

defmodule Microgpt.Reply do
  @moduledoc "The lines of a reply, as iodata."

  alias Microgpt.{IEEE, Shape}

  @doc "A key and its values: integers, text, and doubles, which are floats and atoms."
  def line(key, values), do: [key, Enum.map(values, &[?\s, value(&1)]), ?\n]

  defp value(value) when is_integer(value), do: Integer.to_string(value)
  defp value(value) when is_float(value) or is_atom(value), do: value |> IEEE.to_bits() |> hex()
  defp value(value), do: value

  defp hex(bytes), do: Base.encode16(bytes, case: :lower)

  def tensor(name, {rows, columns, doubles}) do
    [line("tensor", [name, rows, columns]) | doubles |> Enum.chunk_every(columns) |> Enum.map(&line("row", &1))]
  end

  def matrices(shape, prefix, doubles) do
    {lines, []} =
      Enum.map_reduce(Shape.matrices(shape), doubles, fn {name, rows, columns}, doubles ->
        {own, others} = Enum.split(doubles, rows * columns)
        {tensor(prefix <> name, {rows, columns, own}), others}
      end)

    lines
  end

  def checksum(key, doubles) do
    add = fn half, {a, b} ->
      a = rem(a + half, 4_294_967_291)
      {a, rem(b + a, 4_294_967_291)}
    end

    {a, b} =
      Enum.reduce(doubles, {1, 0}, fn x, sums ->
        <<high::32, low::32>> = IEEE.to_bits(x)
        add.(low, add.(high, sums))
      end)

    line(key, [hex(<<a::32>>), hex(<<b::32>>)])
  end
end
