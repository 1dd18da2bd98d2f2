defmodule Microgpt do
  @moduledoc "The session that answers requests, each in a task of its own, and the command for people."

  alias Protocol.{Reply, Request}

  def main(arguments) do
    :io.setopts(:standard_io, encoding: :latin1, binary: true)

    try do
      case arguments do
        [] -> serve()
        ["run"] -> command("seed")
        ["run", name] -> command(name)
        _ -> raise Refused, "usage: microgpt [run [seed|classic]]"
      end
    rescue
      refused in Refused ->
        IO.puts(:stderr, refused.message)
        System.halt(1)
    end
  end

  defp serve do
    unfinished =
      Enum.reduce(lines(), [], fn
        "end", request ->
          send_reply(request, true)
          []

        line, request ->
          [line | request]
      end)

    if unfinished != [], do: send_reply(unfinished, false)
  end

  # Lines of bytes, each read as a character of Latin-1. Only LF ends one.
  defp lines do
    :stdio
    |> IO.stream(:line)
    |> Stream.map(fn line -> line |> :unicode.characters_to_binary(:utf8, :latin1) |> String.trim_trailing("\n") end)
  end

  # The task takes all that the request has used along when it ends.
  defp send_reply(reversed, complete?) do
    reply =
      Task.async(fn -> reversed |> Enum.reverse() |> answer(complete?) end)
      |> Task.await(:infinity)

    IO.binwrite([reply, "end\n"])
  end

  defp answer([first | lines], complete?) when byte_size(first) <= 65536 do
    case Regex.run(~r/\A([!-~]+) ([A-Za-z0-9._-]{1,64})\z/, first) do
      [_, verb, id] -> answer(verb, id, lines, complete?)
      nil -> "error - expected a verb and an id\n"
    end
  end

  defp answer(_, _), do: "error - expected a verb and an id\n"

  defp answer(verb, id, lines, complete?) do
    unless complete?, do: raise(Refused, "the input ended before the line end")
    verbs = Verbs.all()
    unless is_map_key(verbs, verb), do: raise(Refused, "unsupported")
    IO.iodata_to_binary([Reply.line("ok", [id]), verbs[verb].(lines)])
  rescue
    refused in Refused -> "error #{id} #{refused.message}\n"
  end

  defp command(name) do
    run = Request.choice(name, Run.presets())
    lines = Enum.map(lines(), &code_points/1)
    say = fn line -> IO.binwrite([List.to_string(line), ?\n]) end
    Run.whole(run, run.settings.steps, 20, lines, say)
  end

  defp code_points(line) do
    if String.valid?(line),
      do: String.to_charlist(line),
      else: raise(Refused, "the input is not UTF-8")
  end
end
