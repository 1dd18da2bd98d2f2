defmodule Microgpt.Verbs do
  @moduledoc "A function for each verb, from a request's lines to the lines of its reply (SPEC, section 12)."

  import Microgpt.Request
  import Microgpt.Reply, except: [matrices: 3, tensor: 2, line: 2]
  alias Microgpt.{Adam, Exact, Graph, IEEE, Model, Refused, Reply, Run, Shape, Tokenizer, Training, Twister}

  @verbs ~w(hello arith math random tokens graph forward backward adam train sample run)a

  @doc "The lines of the reply, or nil if there is no such verb."
  def reply(verb, lines) do
    if name = Enum.find(@verbs, &(Atom.to_string(&1) == verb)), do: apply(__MODULE__, name, [lines])
  end

  defp put(key, values), do: Reply.line(key, values)

  def hello(lines) do
    read(lines, [])

    [
      put("name", ["elixir"]),
      put("protocol", [1]),
      put("verbs", Enum.map(@verbs, &Atom.to_string/1)),
      put("math", ["exact"])
    ]
  end

  def arith(lines) do
    %{operations: operations} = read(lines, operations: rest(& &1))
    for [key | words] <- operations, do: put(key, arith(key, Enum.map(words, &double/1)))
  end

  defp arith("add", [x, y]), do: [IEEE.add(x, y)]
  defp arith("sub", [x, y]), do: [IEEE.subtract(x, y)]
  defp arith("mul", [x, y]), do: [IEEE.multiply(x, y)]
  defp arith("div", [x, y]), do: [IEEE.divide(x, y)]
  defp arith("sqrt", [x]), do: [IEEE.sqrt(x)]
  defp arith("muladd", [x, y, z]), do: [x |> IEEE.multiply(y) |> IEEE.add(z)]
  defp arith("sum", [_ | _] = xs), do: [IEEE.sum(xs)]

  defp arith("dot", [_ | _] = xs) when rem(length(xs), 2) == 0,
    do: [xs |> Enum.chunk_every(2) |> Enum.map(fn [x, y] -> IEEE.multiply(x, y) end) |> IEEE.sum()]

  defp arith("decimals", [x]) when is_float(x) and abs(x) > 9_007_199_254_740_992.0,
    do: raise(Refused, "decimals takes |x| up to 2^53")

  defp arith("decimals", [x]), do: x |> Exact.decimals() |> String.to_charlist()
  defp arith(_, _), do: raise(Refused, "an unknown operation, or operands that it does not take")

  defp functions do
    one(fn
      "exact" -> :exact
      "native" -> raise Refused, "unsupported"
      _ -> raise Refused, "math is exact or native"
    end)
  end

  def math(lines) do
    %{calls: calls} = read(lines, math: functions(), calls: rest(& &1))
    for [key | words] <- calls, do: put(key, [function(key, words)])
  end

  defp function("exp", [x]), do: x |> double() |> Exact.exp()
  defp function("log", [x]), do: x |> double() |> Exact.log()
  defp function("sin", [x]), do: x |> angle() |> Exact.sin()
  defp function("cos", [x]), do: x |> angle() |> Exact.cos()
  defp function("pow", [x, y]), do: x |> double() |> Exact.pow(exponent(y, 4096))
  defp function(_, _), do: raise(Refused, "an unknown function, or arguments that it does not take")

  defp angle(word) do
    case double(word) do
      x when x == :nan or abs(x) <= 8.0 -> x
      _ -> raise Refused, "sin and cos take |x| up to 8"
    end
  end

  def random(lines) do
    %{seed: seed, draws: draws} =
      read(lines, math: functions(), seed: one(&integer(&1, 0..0xFFFFFFFF)), draws: rest(& &1))

    {reply, _} =
      Enum.map_reduce(draws, Twister.seeded(seed), fn [key | words], twister -> draw(key, words, twister) end)

    reply
  end

  defp draw("words", [n], twister), do: draws("words", n, twister, &Twister.word/1)
  defp draw("random", [n], twister), do: draws("random", n, twister, &Twister.random/1)

  defp draw("gauss", [n, sigma], twister) do
    sigma = double(sigma)
    draws("gauss", n, twister, &Twister.gauss(&1, sigma))
  end

  defp draw("shuffle", [n], twister) do
    {items, twister} = Twister.shuffle(twister, Enum.to_list(0..(integer(n, 0..10000) - 1)//1))
    {put("shuffle", items), twister}
  end

  defp draw("choices", [n | [_ | _] = weights], twister) when length(weights) <= 1000 do
    weights = Enum.map(weights, &double/1)
    draws("choices", n, twister, &Twister.choice(&1, weights))
  end

  defp draw("state", [], twister) do
    state = put("state", [twister.index | Twister.words(twister)])
    {[state, put("kept", [twister.kept || "none"])], twister}
  end

  defp draw(_, _, _), do: raise(Refused, "an unknown draw, or values that it does not take")

  defp draws(key, n, twister, draw) do
    {drawn, twister} = Enum.map_reduce(1..integer(n, 0..1000)//1, twister, fn _, twister -> draw.(twister) end)
    {put(key, drawn), twister}
  end

  def tokens(lines) do
    %{lines: lines} = read(lines, lines: many("line", &code_points/1))
    documents = Tokenizer.documents(lines)
    tokenizer = Tokenizer.new(documents)

    [
      put("documents", [length(documents)]),
      put("vocabulary", tokenizer.points),
      put("bos", [tokenizer.bos]),
      for(document <- documents, do: put("encoded", Tokenizer.encode(tokenizer, document)))
    ]
  end

  def graph(lines) do
    %{graph: {nodes, root}} = read(lines, math: functions(), graph: rest(&expressions(&1, %{})))
    gradients = Graph.backward(root)
    nodes = for i <- 0..(map_size(nodes) - 1), do: nodes[i]

    [
      for(node <- nodes, do: put("value", [node.value])),
      for(node <- nodes, do: put("gradient", [Graph.gradient(gradients, node)]))
    ]
  end

  defp expressions([[key | words] | others], nodes) do
    count = map_size(nodes)
    node = fn word -> Map.fetch!(nodes, integer(word, 0..(count - 1)//1)) end

    case {key, words, others} do
      {"root", [a], []} -> {nodes, node.(a)}
      {"root", _, _} -> raise Refused, "root takes 1 node and is the last line"
      _ -> expressions(others, Map.put(nodes, count, expression(key, words, node)))
    end
  end

  defp expressions([], _), do: raise(Refused, "expected a line root")

  defp expression("leaf", [x], _), do: Graph.leaf(double(x))
  defp expression("add", [a, b], node), do: Graph.add(node.(a), node.(b))
  defp expression("sub", [a, b], node), do: Graph.add(node.(a), Graph.negate(node.(b)))
  defp expression("mul", [a, b], node), do: Graph.multiply(node.(a), node.(b))
  defp expression("div", [a, b], node), do: Graph.multiply(node.(a), Graph.pow(node.(b), -1.0))

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
  defp expression("number_sub", [c, a], node), do: node.(a) |> Graph.negate() |> Graph.shift(double(c))
  defp expression("number_div", [c, a], node), do: node.(a) |> Graph.pow(-1.0) |> Graph.scale(double(c))
  defp expression(_, _, _), do: raise(Refused, "an unknown expression, or operands that it does not take")

  defp shape do
    [
      math: functions(),
      layers: one(&integer(&1, 1..16)),
      heads: one(&integer(&1, 1..64)),
      embedding: one(&embedding/2),
      block: one(&integer(&1, 1..1024)),
      vocabulary: one(&integer(&1, 2..2048)),
      activation: one(&choice(&1, %{"relu" => :relu, "squared_relu" => :squared_relu})),
      attend: each("attend", &(0..(&1.block - 1)), &attended/2)
    ]
  end

  defp embedding(word, %{heads: heads}) do
    embedding = integer(word, 1..512)
    if rem(embedding, heads) == 0, do: embedding, else: raise(Refused, "embedding must be a multiple of heads")
  end

  defp attended(words, position) do
    attended = increasing(words, 0..position)
    if position in attended, do: attended, else: raise(Refused, "position #{position} must attend to itself")
  end

  defp document(words, %{vocabulary: vocabulary}) do
    if length(words) < 2, do: raise(Refused, "a document has two or more tokens")
    Enum.map(words, &integer(&1, 0..(vocabulary - 1)))
  end

  defp model(request) do
    shape = struct(Shape, %{request | attend: List.to_tuple(request.attend)})
    Model.new(shape, request.parameters)
  end

  defp model_and_document(lines) do
    request = read(lines, shape() ++ [tokens: Microgpt.Request.line(&document/2), parameters: matrices()])
    {model(request), request.tokens}
  end

  # What this process tells itself waits in its mailbox until it is asked for.
  defp tell(lines), do: send(self(), {:told, lines})

  defp told do
    receive do
      {:told, lines} -> [lines | told()]
    after
      0 -> []
    end
  end

  def forward(lines) do
    {model, document} = model_and_document(lines)

    loss =
      Model.loss(model, document, fn name, nodes ->
        tell(Reply.tensor(name, {1, length(nodes), Enum.map(nodes, & &1.value)}))
      end)

    [told(), put("loss", [loss.value])]
  end

  def backward(lines) do
    {model, document} = model_and_document(lines)
    loss = Model.loss(model, document)
    by_id = Graph.backward(loss)
    gradients = Enum.map(model.leaves, &Graph.gradient(by_id, &1))
    [put("loss", [loss.value]), Reply.matrices(model.shape, "", gradients)]
  end

  defp settings do
    [
      learning_rate: one(&double/1),
      beta1: one(&double/1),
      beta2: one(&double/1),
      epsilon: one(&double/1),
      schedule: one(&choice(&1, %{"linear" => :linear, "cosine" => :cosine})),
      steps: one(&integer(&1, 1..4096))
    ]
  end

  def adam(lines) do
    request =
      read(
        lines,
        [math: functions()] ++
          settings() ++
          [step: one(&integer(&1, 0..(&2.steps - 1))), parameters: tensor()] ++
          for(name <- [:gradients, :m, :v], do: {name, tensor(:parameters)})
      )

    adam = struct(Adam, request)
    {rate, correction1, correction2} = Adam.rates(adam, request.step)

    [{rows, columns, p}, {_, _, g}, {_, _, m}, {_, _, v}] =
      for key <- [:parameters, :gradients, :m, :v], do: request[key]

    {p, m, v} = Adam.update(adam, request.step, p, g, m, v)

    [
      put("rate", [rate]),
      put("correction1", [correction1]),
      put("correction2", [correction2]),
      for(
        {name, doubles} <- [{"m", m}, {"v", v}, {"parameters", p}],
        do: Reply.tensor(name, {rows, columns, doubles})
      )
    ]
  end

  def train(lines) do
    moments = fn prefix ->
      fn
        _, lines, %{from: 0, parameters: parameters} -> {Enum.map(parameters, fn _ -> 0.0 end), lines}
        key, lines, request -> matrices(prefix).(key, lines, request)
      end
    end

    request =
      read(
        lines,
        shape() ++
          settings() ++
          [
            from: one(&integer(&1, 0..(&2.steps - 1))),
            count: one(&integer(&1, 1..(&2.steps - &2.from))),
            full: Microgpt.Request.line(&increasing(&1, &2.from..(&2.from + &2.count - 1))),
            documents: many("tokens", &document/2),
            parameters: matrices(),
            m: moments.("m."),
            v: moments.("v.")
          ]
      )

    training = %Training{
      adam: struct(Adam, request),
      model: model(request),
      m: request.m,
      v: request.v,
      step: request.from
    }

    {reply, _} =
      request.documents
      |> Stream.cycle()
      |> Stream.drop(request.from)
      |> Stream.take(request.count)
      |> Enum.map_reduce(training, fn document, before ->
        training = Training.advance(before, document)
        {training |> step_lines(before.step, request.full) |> IO.iodata_to_binary(), training}
      end)

    reply
  end

  defp step_lines(%{model: model} = training, step, full) do
    parts = [
      {"gradients", training.gradients},
      {"m", training.m},
      {"v", training.v},
      {"parameters", Model.parameters(model)}
    ]

    [
      put("step", [step]),
      put("loss", [training.loss]),
      for({key, doubles} <- parts, do: checksum(key, doubles)),
      for({key, doubles} <- parts, step in full, do: Reply.matrices(model.shape, key <> ".", doubles))
    ]
  end

  def sample(lines) do
    request =
      read(
        lines,
        shape() ++
          [
            temperature: one(&double/1),
            samples: one(&integer(&1, 0..1000)),
            parameters: matrices(),
            state: Microgpt.Request.line(&state/1),
            kept: one(&if(&1 == "none", do: nil, else: double(&1)))
          ]
      )

    {index, words} = request.state
    twister = Twister.restored(index, words, request.kept)

    {reply, twister} =
      Enum.map_reduce(0..(request.samples - 1)//1, twister, fn number, twister ->
        {drawn, twister} = Model.sample(model(request), request.temperature, twister)

        draws =
          for {probabilities, token} <- drawn, do: [put("probabilities", probabilities), put("token", [token])]

        {[put("sample", [number]) | draws], twister}
      end)

    {word, _} = Twister.word(twister)
    [reply, put("word", [word])]
  end

  defp state([index | words]) when length(words) == 624,
    do: {integer(index, 0..624), Enum.map(words, &integer(&1, 0..0xFFFFFFFF))}

  defp state(_), do: raise(Refused, "state takes an index and 624 words")

  def run(lines) do
    request =
      read(lines,
        math: functions(),
        preset: one(&choice(&1, Run.presets())),
        steps: one(&integer(&1, 1..4096)),
        samples: one(&integer(&1, 0..1000)),
        lines: many("line", &code_points/1)
      )

    {training, twister} =
      Run.run(request.preset, request.steps, request.samples, request.lines, &tell(put("print", &1)))

    {word, _} = Twister.word(twister)

    [
      told(),
      checksum("parameters", Model.parameters(training.model)),
      checksum("m", training.m),
      checksum("v", training.v),
      put("word", [word])
    ]
  end
end
