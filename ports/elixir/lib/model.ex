defmodule Shape do
  @moduledoc "The shape of a model. `attention` has, for each position, the list of positions that it attends to."
  defstruct [:layers, :heads, :embedding, :block, :vocabulary, :activation, :attention]

  @doc "Name, rows and columns of every matrix of parameters, in order."
  def matrices(%Shape{embedding: e} = shape) do
    of_layers =
      for layer <- 0..(shape.layers - 1),
          {name, rows, columns} <- [
            {"attn_wq", e, e},
            {"attn_wk", e, e},
            {"attn_wv", e, e},
            {"attn_wo", e, e},
            {"mlp_fc1", 4 * e, e},
            {"mlp_fc2", e, 4 * e}
          ],
          do: {"layer#{layer}.#{name}", rows, columns}

    [
      {"wte", shape.vocabulary, e},
      {"wpe", shape.block, e},
      {"lm_head", shape.vocabulary, e} | of_layers
    ]
  end
end

defmodule Model do
  @moduledoc "The model, its loss, and samples from it."

  defstruct [:shape, :leaves, :wte, :wpe, :lm_head, :layers]

  @doc "A model from the flat list of its parameters' values."
  def new(shape, parameters), do: with_leaves(shape, Enum.map(parameters, &Graph.leaf/1))

  @doc "The same leaves with other values."
  def update(model, parameters) do
    leaves = Enum.zip_with(model.leaves, parameters, fn leaf, value -> %{leaf | value: value} end)
    with_leaves(model.shape, leaves)
  end

  defp with_leaves(shape, leaves) do
    {[wte, wpe, lm_head | weights], []} =
      Enum.map_reduce(Shape.matrices(shape), leaves, fn {_, rows, columns}, left ->
        {own, left} = Enum.split(left, rows * columns)
        {Enum.chunk_every(own, columns), left}
      end)

    %Model{
      shape: shape,
      leaves: leaves,
      wte: List.to_tuple(wte),
      wpe: List.to_tuple(wpe),
      lm_head: lm_head,
      layers: Enum.chunk_every(weights, 6)
    }
  end

  defp linear(x, matrix), do: Enum.map(matrix, &Graph.dot(&1, x))
  defp add(xs, ys), do: Enum.zip_with(xs, ys, &Graph.add/2)

  defp rmsnorm(x) do
    mean = Graph.divide(Graph.dot(x, x), length(x) * 1.0)
    scale = mean |> Graph.shift(0.00001) |> Graph.pow(-0.5)
    Enum.map(x, &Graph.mul(&1, scale))
  end

  defp softmax([first | others] = x) do
    top =
      Enum.reduce(others, first.value, &if(IEEE.greater?(&1.value, &2), do: &1.value, else: &2))

    exps = for a <- x, do: a |> Graph.shift(IEEE.negate(top)) |> Graph.exp()
    Graph.quotients(exps, Graph.sum(exps))
  end

  defp activate(a, :relu), do: Graph.relu(a)
  defp activate(a, :squared_relu), do: a |> Graph.relu() |> Graph.pow(2.0)

  defp split_heads(x, shape), do: Enum.chunk_every(x, div(shape.embedding, shape.heads))

  # Shows an activation to whoever watches, and returns it.
  defp seen(nodes, watch, name) do
    watch.(name, nodes)
    nodes
  end

  # The mixed values of one head. `attended` has key and value of each position that it attends to.
  defp attend(query, attended, watch) do
    root = Exact.pow(length(query) * 1.0, 0.5)
    {keys, values} = Enum.unzip(attended)
    scores = for key <- keys, do: Graph.dot(query, key) |> Graph.divide(root)
    weights = scores |> seen(watch, "scores") |> softmax() |> seen(watch, "weights")
    values |> Enum.zip_with(&Graph.dot(weights, &1)) |> seen(watch, "mixed")
  end

  # One layer: its output for the input x, and its cache, which has key and value of each head under each position.
  defp layer([wq, wk, wv, wo, fc1, fc2], x, cache, shape, position, watch) do
    normed = x |> rmsnorm() |> seen(watch, "attn_norm")
    q = normed |> linear(wq) |> seen(watch, "q")
    k = normed |> linear(wk) |> seen(watch, "k")
    v = normed |> linear(wv) |> seen(watch, "v")
    cache = Map.put(cache, position, Enum.zip(split_heads(k, shape), split_heads(v, shape)))
    attended = for p <- elem(shape.attention, position), do: cache[p]

    mixed =
      [split_heads(q, shape) | attended]
      |> Enum.zip_with(& &1)
      |> Enum.with_index(fn [query | attended], head ->
        attend(query, attended, fn name, nodes -> watch.("head#{head}.#{name}", nodes) end)
      end)

    x =
      mixed
      |> Enum.concat()
      |> linear(wo)
      |> seen(watch, "attn_out")
      |> add(x)
      |> seen(watch, "attn_residual")

    hidden = x |> rmsnorm() |> seen(watch, "mlp_norm") |> linear(fc1) |> seen(watch, "hidden")
    activated = hidden |> Enum.map(&activate(&1, shape.activation)) |> seen(watch, "activated")

    {activated |> linear(fc2) |> seen(watch, "mlp_out") |> add(x) |> seen(watch, "mlp_residual"),
     cache}
  end

  # The logits of what follows the token at the position, and the layers' caches with this position.
  defp logits(%Model{shape: shape} = model, token, position, caches, watch) do
    x =
      add(elem(model.wte, token), elem(model.wpe, position))
      |> seen(watch, "embedded")
      |> rmsnorm()
      |> seen(watch, "normed")

    {caches, x} =
      [model.layers, caches]
      |> Enum.zip()
      |> Enum.with_index()
      |> Enum.map_reduce(x, fn {{weights, cache}, i}, x ->
        watch_layer = fn name, nodes -> watch.("layer#{i}.#{name}", nodes) end
        {x, cache} = layer(weights, x, cache, shape, position, watch_layer)
        {cache, x}
      end)

    {x |> linear(model.lm_head) |> seen(watch, "logits"), caches}
  end

  defp empty_caches(shape), do: List.duplicate(%{}, shape.layers)

  @doc "The node of the loss: the mean of -log p(next token)."
  def loss(%Model{shape: shape} = model, tokens, watch \\ fn _, _ -> :ok end) do
    count = min(shape.block, length(tokens) - 1)

    {losses, _} =
      tokens
      |> Enum.zip(tl(tokens))
      |> Enum.take(count)
      |> Enum.with_index()
      |> Enum.map_reduce(empty_caches(shape), fn {{token, next}, position}, caches ->
        watch_position = fn name, nodes -> watch.("pos#{position}.#{name}", nodes) end
        {logits, caches} = logits(model, token, position, caches, watch_position)
        probabilities = logits |> softmax() |> seen(watch_position, "probabilities")
        loss = probabilities |> Enum.at(next) |> Graph.log() |> Graph.negate()
        seen([loss], watch_position, "loss")
        {loss, caches}
      end)

    losses |> Graph.sum() |> Graph.divide(count * 1.0)
  end

  @doc "What is drawn until BOS or the end of the block, as pairs of probabilities and token, and the generator."
  def sample(%Model{shape: shape} = model, temperature, twister) do
    draw(model, temperature, twister, 0, shape.vocabulary - 1, empty_caches(shape))
  end

  defp draw(%Model{shape: %Shape{block: block}}, _, twister, block, _, _), do: {[], twister}

  defp draw(model, temperature, twister, position, token, caches) do
    {logits, caches} = logits(model, token, position, caches, fn _, _ -> :ok end)

    probabilities =
      logits |> Enum.map(&Graph.divide(&1, temperature)) |> softmax() |> Enum.map(& &1.value)

    {token, twister} = Twister.choice(twister, probabilities)

    {others, twister} =
      if token == model.shape.vocabulary - 1,
        do: {[], twister},
        else: draw(model, temperature, twister, position + 1, token, caches)

    {[{probabilities, token} | others], twister}
  end
end
