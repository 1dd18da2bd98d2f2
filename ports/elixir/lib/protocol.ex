defmodule Refused do
  @moduledoc "What is wrong with a request, or with the command line: its message says."
  defexception [:message]
end

defmodule Protocol.Request do
  @moduledoc "Readers of a request. Each takes lines, and returns what it read and the lines that are left."

  @longest 65536

  def longest, do: @longest

  def words(line) when byte_size(line) > @longest,
    do: raise(Refused, "a line is longer than #{@longest} bytes")

  def words(line), do: String.split(line, " ")

  @doc "The values of the first line, which must have this key."
  def values([], _), do: raise(Refused, "the request ends too early")

  def values([line | lines], key) do
    case words(line) do
      [^key | values] -> {values, lines}
      _ -> raise Refused, "expected a line #{key}"
    end
  end

  @doc "A map of the keys of the first lines to what the readers make of their one value each."
  def fields(lines, readers) do
    {fields, lines} =
      Enum.map_reduce(readers, lines, fn {key, read}, lines ->
        case values(lines, Atom.to_string(key)) do
          {[value], lines} -> {{key, read.(value)}, lines}
          _ -> raise Refused, "#{key} takes 1 value"
        end
      end)

    {Map.new(fields), lines}
  end

  @doc "What the reader makes of the values of each line as long as they have this key."
  def all(lines, key, read) do
    {own, others} = Enum.split_while(lines, &match?([^key | _], words(&1)))
    {Enum.map(own, fn line -> line |> words() |> tl() |> read.() end), others}
  end

  def finish([]), do: :ok
  def finish(_), do: raise(Refused, "expected the end")

  @doc "Hands the words of every line that is left to the function; there must be one."
  def each_line([], _), do: raise(Refused, "the request ends too early")
  def each_line(lines, function), do: Enum.map(lines, &(&1 |> words() |> function.()))

  @doc "The tensor's doubles in one list, with its rows and columns. A shape may be nil."
  def tensor(lines, name, shape \\ nil) do
    case values(lines, "tensor") do
      {[^name, rows, columns], lines} ->
        {rows, columns} = {integer(rows, 1..2048), integer(columns, 1..2048)}
        unless shape in [nil, {rows, columns}], do: raise(Refused, "#{name} has the wrong shape")

        {doubles, lines} =
          Enum.map_reduce(1..rows, lines, fn _, lines ->
            {row, lines} = values(lines, "row")

            unless length(row) == columns,
              do: raise(Refused, "a row of #{name} does not have #{columns} values")

            {Enum.map(row, &double/1), lines}
          end)

        {{Enum.concat(doubles), rows, columns}, lines}

      _ ->
        raise Refused, "expected the tensor #{name}"
    end
  end

  @doc "The doubles of all matrices of a model in one list. Each tensor's name begins with the prefix."
  def matrices(lines, shape, prefix \\ "") do
    {matrices, lines} =
      Enum.map_reduce(Shape.matrices(shape), lines, fn {name, rows, columns}, lines ->
        {{doubles, _, _}, lines} = tensor(lines, prefix <> name, {rows, columns})
        {doubles, lines}
      end)

    {Enum.concat(matrices), lines}
  end

  # Readers of one word.

  def integer(word, low..high//_) do
    unless word =~ ~r/\A(0|[1-9][0-9]{0,9})\z/, do: raise(Refused, "expected an integer")
    n = String.to_integer(word)

    if n >= low and n <= high,
      do: n,
      else: raise(Refused, "an integer is not in the range from #{low} to #{high}")
  end

  def double(word) do
    with <<_::128>> <- word, {:ok, <<bits::64>>} <- Base.decode16(word, case: :lower) do
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

  def code_point(word) do
    point = integer(word, 0..0x10FFFF)
    if point in 0xD800..0xDFFF, do: raise(Refused, "a surrogate is not a code point"), else: point
  end

  @doc "What the word stands for."
  def choice(word, choices) do
    case choices do
      %{^word => choice} -> choice
      _ -> raise Refused, "expected one of #{choices |> Map.keys() |> Enum.join(" ")}"
    end
  end
end

defmodule Protocol.Reply do
  @moduledoc "The lines of a reply, as iodata."

  @doc "A key and its values. Doubles are floats and atoms."
  def line(key, values), do: [key, Enum.map(values, &[?\s, value(&1)]), ?\n]

  defp value(value) when is_integer(value), do: Integer.to_string(value)
  defp value(value) when is_float(value) or is_atom(value), do: hex(<<IEEE.to_bits(value)::64>>)
  defp value(value), do: value

  defp hex(bytes), do: Base.encode16(bytes, case: :lower)

  def tensor(name, rows, columns, doubles) do
    [
      line("tensor", [name, rows, columns]),
      doubles |> Enum.chunk_every(columns) |> Enum.map(&line("row", &1))
    ]
  end

  def matrices(shape, prefix, doubles) do
    {lines, []} =
      Enum.map_reduce(Shape.matrices(shape), doubles, fn {name, rows, columns}, doubles ->
        {own, others} = Enum.split(doubles, rows * columns)
        {tensor(prefix <> name, rows, columns, own), others}
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
        <<high::32, low::32>> = <<IEEE.to_bits(x)::64>>
        add.(low, add.(high, sums))
      end)

    line(key, [hex(<<a::32>>), hex(<<b::32>>)])
  end
end
