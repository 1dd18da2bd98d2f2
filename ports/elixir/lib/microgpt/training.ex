defmodule Microgpt.Adam do
  @moduledoc "Adam with a learning rate that falls over a number of steps (SPEC, section 8)."

  alias Microgpt.{Exact, IEEE}

  defstruct [:learning_rate, :beta1, :beta2, :epsilon, :schedule, :steps]

  @doc "The rate and the two corrections of a step."
  def rates(adam, step) do
    correction = fn beta -> IEEE.subtract(1.0, Exact.pow(beta, step + 1.0)) end
    {rate(adam.schedule, adam.learning_rate, step, adam.steps), correction.(adam.beta1), correction.(adam.beta2)}
  end

  defp rate(:linear, first, step, steps), do: IEEE.multiply(first, 1.0 - step / steps)

  defp rate(:cosine, first, step, steps),
    do: first |> IEEE.multiply(0.5) |> IEEE.multiply(1.0 + Exact.cos(:math.pi() * step / steps))

  @doc "Parameters and moments after an update. All are lists of the same length."
  def update(adam, step, parameters, gradients, m, v) do
    {rate, correction1, correction2} = rates(adam, step)
    m = Enum.zip_with(m, gradients, &moment(adam.beta1, &1, &2))
    v = Enum.zip_with(v, gradients, &moment(adam.beta2, &1, IEEE.multiply(&2, &2)))

    parameters =
      Enum.zip_with([parameters, m, v], fn [p, m, v] ->
        divisor = v |> IEEE.divide(correction2) |> Exact.pow(0.5) |> IEEE.add(adam.epsilon)
        change = m |> IEEE.divide(correction1) |> IEEE.multiply(rate) |> IEEE.divide(divisor)
        IEEE.subtract(p, change)
      end)

    {parameters, m, v}
  end

  defp moment(beta, old, new),
    do: IEEE.add(IEEE.multiply(beta, old), IEEE.multiply(IEEE.subtract(1.0, beta), new))
end

defmodule Microgpt.Training do
  @moduledoc "A training under way, with what its last step has computed."

  alias Microgpt.{Adam, Graph, Model}

  defstruct [:adam, :model, :m, :v, :loss, :gradients, step: 0]

  @doc "A training that begins; the moments are zero."
  def new(adam, model) do
    zeros = Enum.map(model.leaves, fn _ -> 0.0 end)
    %__MODULE__{adam: adam, model: model, m: zeros, v: zeros}
  end

  @doc "One step on one document."
  def advance(%__MODULE__{model: model, adam: adam, step: step} = training, tokens) do
    loss = Model.loss(model, tokens)
    by_id = Graph.backward(loss)
    gradients = Enum.map(model.leaves, &Graph.gradient(by_id, &1))
    {parameters, m, v} = Adam.update(adam, step, Model.parameters(model), gradients, training.m, training.v)
    model = Model.update(model, parameters)
    %{training | model: model, m: m, v: v, loss: loss.value, gradients: gradients, step: step + 1}
  end
end

defmodule Microgpt.Tokenizer do
  @moduledoc "Text as code points, and as tokens (SPEC, section 4)."

  alias Microgpt.Refused

  defstruct [:points, :tokens, :bos]

  @doc "The stripped lines that are not empty."
  def documents(lines) do
    strip = fn line -> line |> Enum.drop_while(&(&1 == 32 or &1 in 9..13)) |> Enum.reverse() end

    case for line <- lines, [_ | _] = document <- [line |> strip.() |> strip.()], do: document do
      [] -> raise Refused, "the dataset has no documents"
      documents -> documents
    end
  end

  def new(documents) do
    points = for document <- documents, point <- document, into: MapSet.new(), do: point
    points = Enum.sort(points)
    if length(points) > 2047, do: raise(Refused, "the dataset has more than 2047 distinct characters")
    %__MODULE__{points: points, tokens: points |> Enum.with_index() |> Map.new(), bos: length(points)}
  end

  def encode(%{tokens: tokens, bos: bos}, document), do: [bos] ++ Enum.map(document, &tokens[&1]) ++ [bos]
  def decode(tokenizer, tokens), do: Enum.map(tokens, &Enum.at(tokenizer.points, &1))
end

defmodule Microgpt.Run do
  @moduledoc "A whole run from seed 42 (SPEC, section 10)."

  alias Microgpt.{Adam, Exact, Model, Shape, Tokenizer, Training, Twister}

  defstruct [:shape, :adam, :sigma, :output_sigma]

  def presets do
    shape = %Shape{layers: 1, heads: 4, embedding: 16}
    adam = %Adam{learning_rate: 0.01, epsilon: 1.0e-8}

    %{
      "seed" => %__MODULE__{
        shape: %{shape | block: 8, activation: :squared_relu},
        adam: %{adam | beta1: 0.9, beta2: 0.95, schedule: :cosine, steps: 500},
        sigma: 0.02,
        output_sigma: 0.0
      },
      "classic" => %__MODULE__{
        shape: %{shape | block: 16, activation: :relu},
        adam: %{adam | beta1: 0.85, beta2: 0.99, schedule: :linear, steps: 1000},
        sigma: 0.08,
        output_sigma: 0.08
      }
    }
  end

  @doc "Says each printed line, as code points. Returns the training and the generator."
  def run(preset, steps, samples, lines, say) do
    {documents, twister} = Twister.seeded(42) |> Twister.shuffle(Tokenizer.documents(lines))
    tokenizer = Tokenizer.new(documents)
    causal = for position <- 0..(preset.shape.block - 1), do: Enum.to_list(0..position)
    shape = %{preset.shape | vocabulary: tokenizer.bos + 1, attend: List.to_tuple(causal)}
    {parameters, twister} = draw_parameters(preset, shape, twister)
    say.(~c"num docs: #{length(documents)}")
    say.(~c"vocab size: #{shape.vocabulary}")
    say.(~c"num params: #{length(parameters)}")

    training =
      documents
      |> Stream.cycle()
      |> Stream.take(steps)
      |> Enum.reduce(Training.new(%{preset.adam | steps: steps}, Model.new(shape, parameters)), fn document,
                                                                                                   before ->
        training = Training.advance(before, Tokenizer.encode(tokenizer, document))
        say.(~c"step #{pad(training.step, 4)} / #{pad(steps, 4)} | loss #{Exact.decimals(training.loss)}")
        training
      end)

    say.(~c"")
    say.(~c"--- inference (new, hallucinated names) ---")

    twister =
      Enum.reduce(1..samples//1, twister, fn number, twister ->
        {drawn, twister} = Model.sample(training.model, 0.5, twister)
        tokens = for {_, token} <- drawn, token != tokenizer.bos, do: token
        say.(~c"sample #{pad(number, 2)}: " ++ Tokenizer.decode(tokenizer, tokens))
        twister
      end)

    {training, twister}
  end

  defp pad(number, width), do: number |> Integer.to_string() |> String.pad_leading(width)

  defp draw_parameters(preset, shape, twister) do
    sigmas =
      for {name, rows, columns} <- Shape.matrices(shape), _ <- 1..(rows * columns) do
        if String.ends_with?(name, ["attn_wo", "mlp_fc2"]), do: preset.output_sigma, else: preset.sigma
      end

    Enum.map_reduce(sigmas, twister, &Twister.gauss(&2, &1))
  end
end
