defmodule Microgpt.Graph do
  @moduledoc """
  The autograd (SPEC, section 5). A node never changes and knows what it was made from. A backward pass makes a map
  from the ids of nodes to their gradients.
  """

  alias Microgpt.{Exact, IEEE}

  defstruct [:id, :value, parents: :none]

  @typedoc "The parents: none; one and its local gradient; nodes to be added up; pairs to be multiplied and added up."
  @type t :: %__MODULE__{
          id: integer,
          value: IEEE.double(),
          parents: :none | {:local, t, IEEE.double()} | {:sum, [t]} | {:dot, [t], [t]}
        }

  defp node(value, parents), do: %__MODULE__{id: System.unique_integer(), value: value, parents: parents}
  defp unary(value, a, local), do: node(value, {:local, a, local})

  def leaf(value), do: node(value, :none)
  def add(a, b), do: node(IEEE.add(a.value, b.value), {:sum, [a, b]})
  def multiply(a, b), do: node(IEEE.multiply(a.value, b.value), {:dot, [a], [b]})
  def negate(a), do: scale(a, -1.0)

  @doc "a + c for a plain number c."
  def shift(a, c), do: unary(IEEE.add(a.value, c), a, 1.0)

  @doc "a * c for a plain number c."
  def scale(a, c), do: unary(IEEE.multiply(a.value, c), a, c)

  @doc "a / c for a plain number c."
  def divide(a, c), do: scale(a, Exact.pow(c, -1.0))

  def pow(a, c), do: unary(Exact.pow(a.value, c), a, IEEE.multiply(c, Exact.pow(a.value, c - 1.0)))
  def log(a), do: unary(Exact.log(a.value), a, IEEE.divide(1.0, a.value))

  def exp(a) do
    y = Exact.exp(a.value)
    unary(y, a, y)
  end

  def relu(a),
    do: if(IEEE.greater?(a.value, 0.0), do: unary(a.value, a, 1.0), else: unary(0.0, a, 0.0))

  # Sums and dot products as one node. No operand occurs twice, save as its own factor; none lies below another.

  def sum(xs), do: node(xs |> Enum.map(& &1.value) |> IEEE.sum(), {:sum, xs})
  def dot(ws, xs), do: node(dot(ws, xs, 0.0), {:dot, ws, xs})

  defp dot([w | ws], [x | xs], sum), do: dot(ws, xs, IEEE.add(sum, IEEE.multiply(w.value, x.value)))
  defp dot([], [], sum), do: sum

  @doc "Every x over a. Each division has a power node of its own; value and local gradient are the same."
  def quotients(xs, a) do
    inverse = IEEE.divide(1.0, a.value)
    local = IEEE.negate(Exact.pow(a.value, -2.0))
    Enum.map(xs, &multiply(&1, unary(inverse, a, local)))
  end

  @doc "How the value of the root changes with each node below it, by the nodes' ids."
  @spec backward(t) :: %{integer => IEEE.double()}
  def backward(root) do
    {order, zeros} = visit(children(root), root, [], [], %{root.id => 0.0})
    Enum.reduce(order, %{zeros | root.id => 1.0}, &spread/2)
  end

  def gradient(gradients, node), do: Map.get(gradients, node.id, 0.0)

  defp children(%{parents: :none}), do: []
  defp children(%{parents: {:local, a, _}}), do: [a]
  defp children(%{parents: {:sum, xs}}), do: xs
  defp children(%{parents: {:dot, ws, xs}}), do: Enum.zip_with(ws, xs, &[&1, &2]) |> Enum.concat()

  # Depth-first post-order, the last node first, with a gradient of 0.0 for every node seen. The path to the node is a
  # list of its ancestors, each with the children that are still to be visited.
  defp visit([child | others], node, path, order, seen) when is_map_key(seen, child.id),
    do: visit(others, node, path, order, seen)

  defp visit([child | others], node, path, order, seen),
    do: visit(children(child), child, [{others, node} | path], order, Map.put(seen, child.id, 0.0))

  defp visit([], node, [{others, parent} | path], order, seen),
    do: visit(others, parent, path, [node | order], seen)

  defp visit([], root, [], order, seen), do: {[root | order], seen}

  defp spread(node, gradients), do: spread(node.parents, Map.fetch!(gradients, node.id), gradients)

  defp spread(:none, _, gradients), do: gradients
  defp spread({:local, a, local}, g, gradients), do: give(gradients, a, IEEE.multiply(local, g))
  defp spread({:sum, xs}, g, gradients), do: Enum.reduce(xs, gradients, &give(&2, &1, g))
  defp spread({:dot, [], []}, _, gradients), do: gradients

  defp spread({:dot, [w | ws], [x | xs]}, g, gradients) do
    gradients = gradients |> give(w, IEEE.multiply(x.value, g)) |> give(x, IEEE.multiply(w.value, g))
    spread({:dot, ws, xs}, g, gradients)
  end

  defp give(gradients, %{id: id}, share) do
    %{^id => gradient} = gradients
    %{gradients | id => IEEE.add(gradient, share)}
  end
end
