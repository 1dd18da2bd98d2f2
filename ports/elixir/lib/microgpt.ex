defmodule Microgpt do
  @moduledoc "The session that answers requests, each in a task of its own, and the command for people."

  alias Microgpt.{Refused, Reply, Request, Run, Verbs}

  def main(arguments) do
    case arguments do
      [] -> serve(standard_io())
      ["run"] -> command("seed")
      ["run", name] -> command(name)
      _ -> raise Refused, "usage: microgpt [run [seed|classic]]"
    end
  rescue
    refused in Refused ->
      IO.puts(:stderr, refused.message)
      System.halt(1)
  end

  # Standard input and output as a port: the language's own reader would take CR LF for LF.
  defp standard_io, do: Port.open({:fd, 0, 1}, [:binary, :eof])

  # The lines of bytes that the port sends. Only LF ends one.
  defp lines(port) do
    Stream.resource(fn -> [] end, &receive_lines(port, &1), fn _ -> :ok end)
  end

  defp receive_lines(_, :eof), do: {:halt, :eof}

  defp receive_lines(port, begun) do
    receive do
      {^port, {:data, data}} ->
        [first | others] = :binary.split(data, "\n", [:global])

        case Enum.reverse([[begun, first] | others]) do
          [unfinished] -> {[], unfinished}
          [unfinished | lines] -> {lines |> Enum.reverse() |> Enum.map(&IO.iodata_to_binary/1), unfinished}
        end

      {^port, :eof} ->
        {for(line <- [IO.iodata_to_binary(begun)], line != "", do: line), :eof}
    end
  end

  defp serve(port) do
    unfinished =
      Enum.reduce(lines(port), [], fn
        "end", reversed ->
          send_reply(port, reversed, true)
          []

        line, reversed ->
          [line | reversed]
      end)

    if unfinished != [], do: send_reply(port, unfinished, false)
  end

  # When the task ends, so does all that the request has used.
  defp send_reply(port, reversed, complete?) do
    reply = Task.async(fn -> reversed |> Enum.reverse() |> answer(complete?) end) |> Task.await(:infinity)
    Port.command(port, [reply, "end\n"])
  end

  defp answer(lines, complete?) do
    first = List.first(lines, "")

    case Regex.run(~r/\A([!-~]+) ([A-Za-z0-9._-]{1,64})\z/, first) do
      [_, verb, id] when byte_size(first) <= 65536 -> answer(verb, id, tl(lines), complete?)
      _ -> "error - expected a verb and an id\n"
    end
  end

  defp answer(verb, id, lines, complete?) do
    if not complete?, do: raise(Refused, "the input ended before the line end")
    lines = Verbs.reply(verb, lines) || raise Refused, "unsupported"
    IO.iodata_to_binary([Reply.line("ok", [id]), lines])
  rescue
    refused in Refused -> "error #{id} #{refused.message}\n"
  end

  defp command(name) do
    preset = Request.choice(name, Run.presets())
    port = standard_io()
    lines = Enum.map(lines(port), &code_points/1)
    Run.run(preset, preset.adam.steps, 20, lines, &Port.command(port, [List.to_string(&1), ?\n]))
  end

  defp code_points(line) do
    if String.valid?(line), do: String.to_charlist(line), else: raise(Refused, "the input is not UTF-8")
  end
end
