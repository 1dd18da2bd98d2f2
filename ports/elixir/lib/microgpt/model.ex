defmodule Microgpt.Shape do
  @moduledoc "The shape of a model (SPEC, section 6). `attend` has the positions to which each position attends."
  defstruct [:layers, :heads, :embedding, :block, :vocabulary, :activation, :attend]

  @doc "Name, rows and columns of every matrix of parameters, in order."
  def matrices(%{embedding: e, vocabulary: vocabulary} = shape) do
    of_layer = [
      {"attn_wq", e, e},
      {"attn_wk", e, e},
      {"attn_wv", e, e},
      {"attn_wo", e, e},
      {"mlp_fc1", 4 * e, e},
      {"mlp_fc2", e, 4 * e}
    ]

    [{"wte", vocabulary, e}, {"wpe", shape.block, e}, {"lm_head", vocabulary, e}] ++
      for i <- 0..(shape.layers - 1), {name, rows, columns} <- of_layer, do: {"layer#{i}.#{name}", rows, columns}
  end
end

defmodule Microgpt.Model do
  @moduledoc "The model, its loss, and samples from it (SPEC, sections 6, 7 and 9)."

  alias Microgpt.{Exact, Graph, IEEE, Shape, Twister}

  defstruct [:shape, :leaves, :wte, :wpe, :lm_head, :layers]

  @doc "A model from the list of its parameters' values."
  def new(shape, parameters), do: with_leaves(shape, Enum.map(parameters, &Graph.leaf/1))

  @doc "The same leaves with other values."
  def update(model, parameters) do
    leaves = Enum.zip_with(model.leaves, parameters, fn leaf, value -> %{leaf | value: value} end)
    with_leaves(model.shape, leaves)
  end

  def parameters(model), do: Enum.map(model.leaves, & &1.value)

  defp with_leaves(shape, leaves) do
    {[wte, wpe, lm_head | weights], []} =
      Enum.map_reduce(Shape.matrices(shape), leaves, fn {_, rows, columns}, left ->
        {own, left} = Enum.split(left, rows * columns)
        {Enum.chunk_every(own, columns), left}
      end)

    %__MODULE__{
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
    Enum.map(x, &Graph.multiply(&1, scale))
  end

  defp softmax([first | others] = x) do
    top = Enum.reduce(others, first.value, &if(IEEE.greater?(&1.value, &2), do: &1.value, else: &2))
    exps = for a <- x, do: a |> Graph.shift(IEEE.negate(top)) |> Graph.exp()
    Graph.quotients(exps, Graph.sum(exps))
  end

  defp activate(a, :relu), do: Graph.relu(a)
  defp activate(a, :squared_relu), do: a |> Graph.relu() |> Graph.pow(2.0)

  # Shows an activation to whoever watches, and returns it.
  defp seen(nodes, watch, name) do
    watch.(name, nodes)
    nodes
  end

  defp within(watch, place), do: fn name, nodes -> watch.("#{place}.#{name}", nodes) end

  # The mixed values of one head. `attended` has key and value of each position that it attends to.
  defp attend(query, attended, watch) do
    root = Exact.pow(length(query) * 1.0, 0.5)
    {keys, values} = Enum.unzip(attended)
    scores = for key <- keys, do: Graph.dot(query, key) |> Graph.divide(root)
    weights = scores |> seen(watch, "scores") |> softmax() |> seen(watch, "weights")
    values |> Enum.zip_with(&Graph.dot(weights, &1)) |> seen(watch, "mixed")
  end

  # The output of a layer for the input x, and its cache, which has for each position key and value of each head.
  defp layer([wq, wk, wv, wo, fc1, fc2], x, cache, shape, position, watch) do
    heads = &Enum.chunk_every(&1, div(shape.embedding, shape.heads))
    normed = x |> rmsnorm() |> seen(watch, "attn_norm")
    q = normed |> linear(wq) |> seen(watch, "q")
    k = normed |> linear(wk) |> seen(watch, "k")
    v = normed |> linear(wv) |> seen(watch, "v")
    cache = Map.put(cache, position, Enum.zip(heads.(k), heads.(v)))
    attended = for p <- elem(shape.attend, position), do: cache[p]

    mixed =
      [heads.(q) | attended]
      |> Enum.zip_with(& &1)
      |> Enum.with_index(fn [query | attended], h -> attend(query, attended, within(watch, "head#{h}")) end)
      |> Enum.concat()

    x = mixed |> linear(wo) |> seen(watch, "attn_out") |> add(x) |> seen(watch, "attn_residual")
    hidden = x |> rmsnorm() |> seen(watch, "mlp_norm") |> linear(fc1) |> seen(watch, "hidden")
    activated = hidden |> Enum.map(&activate(&1, shape.activation)) |> seen(watch, "activated")
    x = activated |> linear(fc2) |> seen(watch, "mlp_out") |> add(x) |> seen(watch, "mlp_residual")
    {x, cache}
  end

  # The logits of what follows the token at the position, and the layers' caches with this position.
  defp logits(%{shape: shape} = model, token, position, caches, watch) do
    embedded = add(elem(model.wte, token), elem(model.wpe, position)) |> seen(watch, "embedded")

    {caches, x} =
      Enum.zip(model.layers, caches)
      |> Enum.with_index()
      |> Enum.map_reduce(embedded |> rmsnorm() |> seen(watch, "normed"), fn {{weights, cache}, i}, x ->
        {x, cache} = layer(weights, x, cache, shape, position, within(watch, "layer#{i}"))
        {cache, x}
      end)

    {x |> linear(model.lm_head) |> seen(watch, "logits"), caches}
  end

  defp empty_caches(shape), do: List.duplicate(%{}, shape.layers)
  defp nobody(_, _), do: :ok

  @doc "The node of the loss. `watch` is called with the name and the nodes of each activation."
  def loss(%{shape: shape} = model, tokens, watch \\ &nobody/2) do
    count = min(shape.block, length(tokens) - 1)

    {losses, _} =
      Enum.zip(tokens, tl(tokens))
      |> Enum.take(count)
      |> Enum.with_index()
      |> Enum.map_reduce(empty_caches(shape), fn {{token, next}, position}, caches ->
        watch = within(watch, "pos#{position}")
        {logits, caches} = logits(model, token, position, caches, watch)
        probabilities = logits |> softmax() |> seen(watch, "probabilities")
        loss = probabilities |> Enum.at(next) |> Graph.log() |> Graph.negate()
        seen([loss], watch, "loss")
        {loss, caches}
      end)

    losses |> Graph.sum() |> Graph.divide(count * 1.0)
  end

  @doc "What is drawn until BOS or the end of the block, as pairs of probabilities and token, and the generator."
  def sample(%{shape: shape} = model, temperature, twister),
    do: draw(model, temperature, twister, 0, shape.vocabulary - 1, empty_caches(shape))

  defp draw(%{shape: %{block: block}}, _, twister, block, _, _), do: {[], twister}

  defp draw(model, temperature, twister, position, token, caches) do
    {logits, caches} = logits(model, token, position, caches, &nobody/2)
    probabilities = logits |> Enum.map(&Graph.divide(&1, temperature)) |> softmax() |> Enum.map(& &1.value)
    {token, twister} = Twister.choice(twister, probabilities)

    {others, twister} =
      if token == model.shape.vocabulary - 1,
        do: {[], twister},
        else: draw(model, temperature, twister, position + 1, token, caches)

    {[{probabilities, token} | others], twister}
  end
end
