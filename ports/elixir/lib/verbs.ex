defmodule Verbs do
  @moduledoc "A function for each verb, from a request's lines to the lines of its reply."

  import Protocol.Request
  import Protocol.Reply, only: [line: 2, checksum: 2]
  alias Protocol.Reply

  def all do
    %{
      "hello" => &hello/1,
      "arith" => &arith/1,
      "math" => &math/1,
      "random" => &random/1,
      "tokens" => &tokens/1,
      "graph" => &graph/1,
      "forward" => &forward/1,
      "backward" => &backward/1,
      "adam" => &adam/1,
      "train" => &train/1,
      "sample" => &sample/1,
      "run" => &run/1
    }
  end

  defp hello(lines) do
    finish(lines)

    [
      line("name", ["elixir"]),
      line("protocol", [1]),
      line(
        "verbs",
        ~w(hello arith math random tokens graph forward backward adam train sample run)
      ),
      line("math", ["exact"])
    ]
  end

  defp arith(lines) do
    each_line(lines, fn [key | words] -> line(key, arith(key, Enum.map(words, &double/1))) end)
  end

  defp arith("add", [x, y]), do: [IEEE.add(x, y)]
  defp arith("sub", [x, y]), do: [IEEE.subtract(x, y)]
  defp arith("mul", [x, y]), do: [IEEE.multiply(x, y)]
  defp arith("div", [x, y]), do: [IEEE.divide(x, y)]
  defp arith("sqrt", [x]), do: [IEEE.sqrt(x)]
  defp arith("muladd", [x, y, z]), do: [x |> IEEE.multiply(y) |> IEEE.add(z)]
  defp arith("sum", [_ | _] = xs), do: [Enum.reduce(xs, 0.0, &IEEE.add(&2, &1))]
  defp arith("dot", [_ | _] = xs) when rem(length(xs), 2) == 0, do: [dot(xs, 0.0)]

  defp arith("decimals", [x]) when is_float(x) and abs(x) > 9_007_199_254_740_992.0,
    do: raise(Refused, "decimals takes |x| up to 2^53")

  defp arith("decimals", [x]), do: x |> Exact.decimals() |> String.to_charlist()
  defp arith(_, _), do: raise(Refused, "an unknown operation, or operands that it does not take")

  defp dot([x, y | others], sum), do: dot(others, IEEE.add(sum, IEEE.multiply(x, y)))
  defp dot([], sum), do: sum

  defp functions("exact"), do: :exact
  defp functions("native"), do: raise(Refused, "unsupported")
  defp functions(_), do: raise(Refused, "math is exact or native")

  defp math(lines) do
    {_, calls} = fields(lines, math: &functions/1)
    each_line(calls, fn [key | words] -> line(key, [function(key, words)]) end)
  end

  defp function("exp", [x]), do: x |> double() |> Exact.exp()
  defp function("log", [x]), do: x |> double() |> Exact.log()
  defp function("sin", [x]), do: x |> angle() |> Exact.sin()
  defp function("cos", [x]), do: x |> angle() |> Exact.cos()
  defp function("pow", [x, y]), do: x |> double() |> Exact.pow(exponent(y, 4096))

  defp function(_, _),
    do: raise(Refused, "an unknown function, or arguments that it does not take")

  defp angle(word) do
    case double(word) do
      x when x == :nan or abs(x) <= 8.0 -> x
      _ -> raise Refused, "sin and cos take |x| up to 8"
    end
  end

  defp random(lines) do
    {%{seed: seed}, draws} = fields(lines, math: &functions/1, seed: &integer(&1, 0..0xFFFFFFFF))
    if draws == [], do: raise(Refused, "the request ends too early")

    {reply, _} =
      Enum.map_reduce(draws, Twister.seeded(seed), fn draw, twister ->
        [key | words] = words(draw)
        draw(key, words, twister)
      end)

    reply
  end

  defp draw("words" = key, [n], twister), do: draws(key, n, twister, &Twister.word/1)
  defp draw("random" = key, [n], twister), do: draws(key, n, twister, &Twister.random/1)

  defp draw("gauss" = key, [n, sigma], twister) do
    sigma = double(sigma)
    draws(key, n, twister, &Twister.gauss(&1, sigma))
  end

  defp draw("shuffle" = key, [n], twister) do
    {items, twister} = Twister.shuffle(twister, Enum.to_list(0..(integer(n, 0..10000) - 1)//1))
    {line(key, items), twister}
  end

  defp draw("choices" = key, [n, _ | _] = [_ | weights], twister) when length(weights) <= 1000 do
    weights = Enum.map(weights, &double/1)
    draws(key, n, twister, &Twister.choice(&1, weights))
  end

  defp draw("state" = key, [], twister) do
    {[
       line(key, [twister.index | Twister.words(twister)]),
       line("kept", [twister.kept || "none"])
     ], twister}
  end

  defp draw(_, _, _), do: raise(Refused, "an unknown draw, or values that it does not take")

  defp draws(key, n, twister, draw) do
    {drawn, twister} =
      Enum.map_reduce(1..integer(n, 0..1000)//1, twister, fn _, twister -> draw.(twister) end)

    {line(key, drawn), twister}
  end

  # The last lines of a request.
  defp dataset(lines) do
    {dataset, lines} =
      all(lines, "line", fn points ->
        if length(points) > 10000,
          do: raise(Refused, "a line of text has up to 10000 code points")

        Enum.map(points, &code_point/1)
      end)

    finish(lines)
    dataset
  end

  defp tokens(lines) do
    documents = lines |> dataset() |> Run.documents()
    vocabulary = Run.vocabulary(documents)

    [
      line("documents", [length(documents)]),
      line("vocabulary", vocabulary),
      line("bos", [length(vocabulary)]),
      for(document <- documents, do: line("encoded", Run.encode(document, vocabulary)))
    ]
  end

  defp graph(lines) do
    {_, lines} = fields(lines, math: &functions/1)
    {nodes, root} = expressions(lines, %{})
    gradients = Graph.backward(root)
    all = for i <- 0..(map_size(nodes) - 1), do: nodes[i]

    [
      for(node <- all, do: line("value", [node.value])),
      for(node <- all, do: line("gradient", [Graph.gradient(gradients, node)]))
    ]
  end

  defp expressions([], _), do: raise(Refused, "the request ends too early")

  defp expressions([line | lines], nodes) do
    count = map_size(nodes)
    node = fn word -> Map.fetch!(nodes, integer(word, 0..(count - 1)//1)) end

    case words(line) do
      ["root", a] ->
        finish(lines)
        {nodes, node.(a)}

      [key | words] ->
        expressions(lines, Map.put(nodes, count, expression(key, words, node)))
    end
  end

  defp expression("leaf", [x], _), do: Graph.leaf(double(x))
  defp expression("add", [a, b], node), do: Graph.add(node.(a), node.(b))
  defp expression("sub", [a, b], node), do: Graph.add(node.(a), Graph.negate(node.(b)))
  defp expression("mul", [a, b], node), do: Graph.mul(node.(a), node.(b))
  defp expression("div", [a, b], node), do: Graph.mul(node.(a), Graph.pow(node.(b), -1.0))

  defp expression("sum", [a | bs], node),
    do: Enum.reduce(bs, Graph.shift(node.(a), 0.0), &Graph.add(&2, node.(&1)))

  defp expression("neg", [a], node), do: Graph.negate(node.(a))
  defp expression("exp", [a], node), do: Graph.exp(node.(a))
  defp expression("log", [a], node), do: Graph.log(node.(a))
  defp expression("relu", [a], node), do: Graph.relu(node.(a))
  defp expression("pow", [a, c], node), do: Graph.pow(node.(a), exponent(c, 1024))
  defp expression("add_number", [a, c], node), do: Graph.shift(node.(a), double(c))
  defp expression("sub_number", [a, c], node), do: Graph.shift(node.(a), IEEE.negate(double(c)))
  defp expression("mul_number", [a, c], node), do: Graph.scale(node.(a), double(c))
  defp expression("div_number", [a, c], node), do: Graph.divide(node.(a), double(c))

  defp expression("number_sub", [c, a], node),
    do: node.(a) |> Graph.negate() |> Graph.shift(double(c))

  defp expression("number_div", [c, a], node),
    do: node.(a) |> Graph.pow(-1.0) |> Graph.scale(double(c))

  defp expression(_, _, _),
    do: raise(Refused, "an unknown expression, or operands that it does not take")

  defp shape(lines) do
    {fields, lines} =
      fields(lines,
        math: &functions/1,
        layers: &integer(&1, 1..16),
        heads: &integer(&1, 1..64),
        embedding: &integer(&1, 1..512),
        block: &integer(&1, 1..1024),
        vocabulary: &integer(&1, 2..2048),
        activation: &choice(&1, %{"relu" => :relu, "squared_relu" => :squared_relu})
      )

    shape = struct!(Shape, Map.delete(fields, :math))

    if rem(shape.embedding, shape.heads) != 0,
      do: raise(Refused, "embedding must be a multiple of heads")

    {attention, lines} = Enum.map_reduce(0..(shape.block - 1), lines, &attention/2)
    {%{shape | attention: List.to_tuple(attention)}, lines}
  end

  defp attention(position, lines) do
    {words, lines} = values(lines, "attend")
    attended = Enum.map(words, &integer(&1, 0..position))

    unless increasing?(attended) and position in attended,
      do:
        raise(
          Refused,
          "position #{position} must attend to increasing positions, itself the last"
        )

    {attended, lines}
  end

  defp increasing?(integers), do: integers == integers |> Enum.sort() |> Enum.dedup()

  defp document(words, shape) do
    if length(words) < 2, do: raise(Refused, "a document has two or more tokens")
    Enum.map(words, &integer(&1, 0..(shape.vocabulary - 1)))
  end

  defp model_and_document(lines) do
    {shape, lines} = shape(lines)
    {words, lines} = values(lines, "tokens")
    document = document(words, shape)
    {parameters, lines} = matrices(lines, shape)
    finish(lines)
    {Model.new(shape, parameters), document}
  end

  # The activations are sent to this very process, and taken from its mailbox in their order.
  defp forward(lines) do
    {model, document} = model_and_document(lines)

    loss =
      Model.loss(model, document, fn name, nodes -> send(self(), {:activation, name, nodes}) end)

    [activations(), line("loss", [loss.value])]
  end

  defp activations do
    receive do
      {:activation, name, nodes} ->
        [Reply.tensor(name, 1, length(nodes), Enum.map(nodes, & &1.value)) | activations()]
    after
      0 -> []
    end
  end

  defp backward(lines) do
    {model, document} = model_and_document(lines)
    loss = Model.loss(model, document)
    by_id = Graph.backward(loss)
    gradients = Enum.map(model.leaves, &Graph.gradient(by_id, &1))
    [line("loss", [loss.value]), Reply.matrices(model.shape, "", gradients)]
  end

  defp settings(lines) do
    {fields, lines} =
      fields(lines,
        learning_rate: &double/1,
        beta1: &double/1,
        beta2: &double/1,
        epsilon: &double/1,
        schedule: &choice(&1, %{"linear" => :linear, "cosine" => :cosine}),
        steps: &integer(&1, 1..4096)
      )

    {struct!(Settings, fields), lines}
  end

  defp adam(lines) do
    {_, lines} = fields(lines, math: &functions/1)
    {settings, lines} = settings(lines)
    {%{step: step}, lines} = fields(lines, step: &integer(&1, 0..(settings.steps - 1)))
    {{parameters, rows, columns}, lines} = tensor(lines, "parameters")

    {[gradients, m, v], lines} =
      Enum.map_reduce(["gradients", "m", "v"], lines, fn name, lines ->
        {{doubles, _, _}, lines} = tensor(lines, name, {rows, columns})
        {doubles, lines}
      end)

    finish(lines)
    {rate, correction1, correction2} = Settings.rates(settings, step)
    {parameters, m, v} = Settings.update(settings, step, parameters, gradients, m, v)

    [
      line("rate", [rate]),
      line("correction1", [correction1]),
      line("correction2", [correction2]),
      Reply.tensor("m", rows, columns, m),
      Reply.tensor("v", rows, columns, v),
      Reply.tensor("parameters", rows, columns, parameters)
    ]
  end

  defp train(lines) do
    {shape, lines} = shape(lines)
    {%Settings{steps: steps} = settings, lines} = settings(lines)
    {%{from: from}, lines} = fields(lines, from: &integer(&1, 0..(steps - 1)))
    {%{count: count}, lines} = fields(lines, count: &integer(&1, 1..(steps - from)))
    {words, lines} = values(lines, "full")
    full = Enum.map(words, &integer(&1, from..(from + count - 1)))
    unless increasing?(full), do: raise(Refused, "the steps of full must increase")
    {documents, lines} = all(lines, "tokens", &document(&1, shape))
    if documents == [], do: raise(Refused, "expected a line tokens")
    {parameters, lines} = matrices(lines, shape)

    {[m, v], lines} =
      Enum.map_reduce(["m.", "v."], lines, fn
        _, lines when from == 0 -> {Enum.map(parameters, fn _ -> 0.0 end), lines}
        prefix, lines -> matrices(lines, shape, prefix)
      end)

    finish(lines)

    training = %Training{
      settings: settings,
      model: Model.new(shape, parameters),
      m: m,
      v: v,
      step: from
    }

    {reply, _} =
      documents
      |> Stream.cycle()
      |> Stream.drop(from)
      |> Stream.take(count)
      |> Enum.map_reduce(training, fn document, before ->
        training = Training.advance(before, document)
        {training |> step_lines(before.step, full) |> IO.iodata_to_binary(), training}
      end)

    reply
  end

  defp step_lines(training, step, full) do
    all = [
      {"gradients", training.gradients},
      {"m", training.m},
      {"v", training.v},
      {"parameters", Training.parameters(training)}
    ]

    [
      line("step", [step]),
      line("loss", [training.loss]),
      for({key, doubles} <- all, do: checksum(key, doubles)),
      for(
        {key, doubles} <- all,
        step in full,
        do: Reply.matrices(training.model.shape, key <> ".", doubles)
      )
    ]
  end

  defp sample(lines) do
    {shape, lines} = shape(lines)
    {fields, lines} = fields(lines, temperature: &double/1, samples: &integer(&1, 0..1000))
    {parameters, lines} = matrices(lines, shape)
    {state, lines} = values(lines, "state")
    unless length(state) == 625, do: raise(Refused, "state takes an index and 624 words")
    [index | words] = Enum.map(state, &integer(&1, 0..0xFFFFFFFF))
    if index > 624, do: raise(Refused, "the index of a state is at most 624")
    {%{kept: kept}, lines} = fields(lines, kept: &if(&1 == "none", do: nil, else: double(&1)))
    finish(lines)
    model = Model.new(shape, parameters)

    {reply, twister} =
      Enum.map_reduce(0..(fields.samples - 1)//1, Twister.restored(index, words, kept), fn number,
                                                                                           twister ->
        {drawn, twister} = Model.sample(model, fields.temperature, twister)

        draws =
          for {probabilities, token} <- drawn,
              do: [line("probabilities", probabilities), line("token", [token])]

        {[line("sample", [number]) | draws], twister}
      end)

    {word, _} = Twister.word(twister)
    [reply, line("word", [word])]
  end

  defp run(lines) do
    {fields, lines} =
      fields(lines,
        math: &functions/1,
        preset: &choice(&1, Run.presets()),
        steps: &integer(&1, 1..4096),
        samples: &integer(&1, 0..1000)
      )

    say = fn text -> send(self(), {:said, line("print", text)}) end

    {training, twister} =
      Run.whole(fields.preset, fields.steps, fields.samples, dataset(lines), say)

    {word, _} = Twister.word(twister)

    [
      said(),
      checksum("parameters", Training.parameters(training)),
      checksum("m", training.m),
      checksum("v", training.v),
      line("word", [word])
    ]
  end

  # What this process has told itself.
  defp said do
    receive do
      {:said, line} -> [line | said()]
    after
      0 -> []
    end
  end
end
