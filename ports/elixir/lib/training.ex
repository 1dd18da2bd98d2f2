defmodule Settings do
  @moduledoc "Adam with a learning rate that falls over a number of steps."
  defstruct [:learning_rate, :beta1, :beta2, :epsilon, :schedule, :steps]

  @doc "The rate and the two corrections of a step."
  def rates(%Settings{} = settings, step) do
    correction = fn beta -> IEEE.subtract(1.0, Exact.pow(beta, step + 1.0)) end

    rate =
      case settings.schedule do
        :linear ->
          IEEE.multiply(settings.learning_rate, 1.0 - step / settings.steps)

        :cosine ->
          angle = :math.pi() * step / settings.steps
          settings.learning_rate |> IEEE.multiply(0.5) |> IEEE.multiply(1.0 + Exact.cos(angle))
      end

    {rate, correction.(settings.beta1), correction.(settings.beta2)}
  end

  @doc "Parameters and moments after an update. All are lists of the same length."
  def update(%Settings{beta1: beta1, beta2: beta2} = settings, step, parameters, gradients, m, v) do
    {rate, correction1, correction2} = rates(settings, step)

    m = Enum.zip_with(m, gradients, &moment(beta1, &1, &2))
    v = Enum.zip_with(v, gradients, &moment(beta2, &1, IEEE.multiply(&2, &2)))

    parameters =
      Enum.zip_with([parameters, m, v], fn [p, m, v] ->
        divisor = v |> IEEE.divide(correction2) |> Exact.pow(0.5) |> IEEE.add(settings.epsilon)
        change = m |> IEEE.divide(correction1) |> IEEE.multiply(rate) |> IEEE.divide(divisor)
        IEEE.subtract(p, change)
      end)

    {parameters, m, v}
  end

  defp moment(beta, old, new),
    do: IEEE.add(IEEE.multiply(beta, old), IEEE.multiply(IEEE.subtract(1.0, beta), new))
end

defmodule Training do
  @moduledoc "A training under way, with what its last step has computed."

  defstruct [:settings, :model, :m, :v, :loss, :gradients, step: 0]

  def parameters(%Training{model: model}), do: Enum.map(model.leaves, & &1.value)

  @doc "One step on one document."
  def advance(%Training{} = training, tokens) do
    loss = Model.loss(training.model, tokens)
    by_id = Graph.backward(loss)
    gradients = Enum.map(training.model.leaves, &Graph.gradient(by_id, &1))

    {parameters, m, v} =
      Settings.update(
        training.settings,
        training.step,
        parameters(training),
        gradients,
        training.m,
        training.v
      )

    %{
      training
      | model: Model.update(training.model, parameters),
        m: m,
        v: v,
        loss: loss.value,
        gradients: gradients,
        step: training.step + 1
    }
  end
end

defmodule Run do
  @moduledoc "Datasets, and a whole run from seed 42. Text is a list of code points."

  defstruct [:shape, :settings, :sigma, :output_sigma]

  def presets do
    shape = %Shape{layers: 1, heads: 4, embedding: 16}
    settings = %Settings{learning_rate: 0.01, epsilon: 1.0e-8}

    %{
      "seed" => %Run{
        shape: %{shape | block: 8, activation: :squared_relu},
        settings: %{settings | beta1: 0.9, beta2: 0.95, schedule: :cosine, steps: 500},
        sigma: 0.02,
        output_sigma: 0.0
      },
      "classic" => %Run{
        shape: %{shape | block: 16, activation: :relu},
        settings: %{settings | beta1: 0.85, beta2: 0.99, schedule: :linear, steps: 1000},
        sigma: 0.08,
        output_sigma: 0.08
      }
    }
  end

  @doc "The stripped lines that are not empty."
  def documents(lines) do
    strip = fn line -> line |> Enum.drop_while(&(&1 == 32 or &1 in 9..13)) |> Enum.reverse() end

    case for line <- lines, [_ | _] = document <- [line |> strip.() |> strip.()], do: document do
      [] -> raise Refused, "the dataset has no documents"
      documents -> documents
    end
  end

  @doc "The distinct code points, in order."
  def vocabulary(documents) do
    points = documents |> Stream.concat() |> MapSet.new() |> Enum.sort()

    if length(points) > 2047,
      do: raise(Refused, "the dataset has more than 2047 distinct characters")

    points
  end

  @doc "The tokens of a document, with BOS at both ends."
  def encode(document, vocabulary) do
    tokens = vocabulary |> Enum.with_index() |> Map.new()
    bos = length(vocabulary)
    [bos] ++ Enum.map(document, &tokens[&1]) ++ [bos]
  end

  @doc "Says each line that is printed. Returns the training and the generator."
  def whole(%Run{settings: settings} = run, steps, samples, lines, say) do
    {documents, twister} = Twister.seeded(42) |> Twister.shuffle(documents(lines))
    vocabulary = vocabulary(documents)
    causal = for position <- 0..(run.shape.block - 1), do: Enum.to_list(0..position)
    shape = %{run.shape | vocabulary: length(vocabulary) + 1, attention: List.to_tuple(causal)}
    {parameters, twister} = draw_parameters(run, shape, twister)
    zeros = Enum.map(parameters, fn _ -> 0.0 end)

    training = %Training{
      settings: %{settings | steps: steps},
      model: Model.new(shape, parameters),
      m: zeros,
      v: zeros
    }

    say.(~c"num docs: #{length(documents)}")
    say.(~c"vocab size: #{shape.vocabulary}")
    say.(~c"num params: #{length(parameters)}")

    trained =
      documents
      |> Stream.cycle()
      |> Stream.take(steps)
      |> Enum.reduce(training, fn document, training ->
        training = Training.advance(training, encode(document, vocabulary))

        say.(
          ~c"step #{pad(training.step, 4)} / #{pad(steps, 4)} | loss #{Exact.decimals(training.loss)}"
        )

        training
      end)

    say.(~c"")
    say.(~c"--- inference (new, hallucinated names) ---")

    twister =
      Enum.reduce(1..samples//1, twister, fn number, twister ->
        {drawn, twister} = Model.sample(trained.model, 0.5, twister)
        text = for {_, token} <- drawn, token < length(vocabulary), do: Enum.at(vocabulary, token)
        say.(~c"sample #{pad(number, 2)}: " ++ text)
        twister
      end)

    {trained, twister}
  end

  defp pad(number, width), do: number |> Integer.to_string() |> String.pad_leading(width)

  defp draw_parameters(run, shape, twister) do
    sigmas =
      for {name, rows, columns} <- Shape.matrices(shape), _ <- 1..(rows * columns) do
        if name in ["layer0.attn_wo", "layer0.mlp_fc2"], do: run.output_sigma, else: run.sigma
      end

    Enum.map_reduce(sigmas, twister, &Twister.gauss(&2, &1))
  end
end
