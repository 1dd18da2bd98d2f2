require "./tape"

# The shape of a model (SPEC, section 6).
record Shape, layers : Int32, heads : Int32, embedding : Int32, block : Int32, vocabulary : Int32,
  squared : Bool, attend : Array(Array(Int32)) do
  # Name, rows and columns of every matrix, in order.
  def matrices : Array({String, Int32, Int32})
    e = embedding
    [{"wte", vocabulary, e}, {"wpe", block, e}, {"lm_head", vocabulary, e}] +
      (0...layers).flat_map do |i|
        [{"attn_wq", e, e}, {"attn_wk", e, e}, {"attn_wv", e, e}, {"attn_wo", e, e},
         {"mlp_fc1", 4 * e, e}, {"mlp_fc2", e, 4 * e}].map { |name, rows, columns| {"layer#{i}.#{name}", rows, columns} }
      end
  end
end

# The model: its parameters are the first nodes of the tape.
class Model
  alias Vector = Tape::Vector
  alias Matrix = Array(Vector)
  # Is told the name and the nodes of every activation.
  alias Watch = String, Vector ->

  getter shape, tape = Tape.new
  getter parameters : Int32
  @matrices = {} of String => Matrix
  @keys : Array(Array(Vector))
  @values : Array(Array(Vector))

  def initialize(@shape : Shape, parameters : Array(Float64))
    @parameters = parameters.size
    parameters.each { |x| @tape.leaf(x) }
    nodes = (0...@parameters).each
    @shape.matrices.each do |name, rows, columns|
      @matrices[name] = Array.new(rows) { nodes.first(columns).to_a }
    end
    @keys, @values = {0, 0}.map { Array.new(@shape.layers) { Array.new(@shape.block) { Vector.new } } }
  end

  # The node of a document's loss, on an otherwise empty tape.
  def loss(tokens : Array(Int32), watch : Watch? = nil) : Tape::Node
    @tape.truncate(@parameters)
    count = Math.min(@shape.block, tokens.size - 1)
    losses = (0...count).map do |t|
      probabilities = softmax(logits(t, tokens[t], watch))
      watch.try &.call("pos#{t}.probabilities", probabilities)
      loss = @tape.negate(@tape.log(probabilities[tokens[t + 1]]))
      watch.try &.call("pos#{t}.loss", [loss])
      loss
    end
    @tape.divide(@tape.sum(losses), count.to_f)
  end

  # Yields what each token is drawn from and the token, until BOS or the end of the block. The block draws.
  def sample(temperature : Float64, & : Array(Float64) -> Int32) : Array(Int32)
    @tape.truncate(@parameters)
    bos = token = @shape.vocabulary - 1
    drawn = [] of Int32
    @shape.block.times do |t|
      scaled = logits(t, token).map { |x| @tape.divide(x, temperature) }
      token = yield softmax(scaled).map { |p| @tape.value[p] }
      break if token == bos
      drawn << token
    end
    drawn
  end

  private def logits(t, token, watch = nil)
    x = add(@matrices["wte"][token], @matrices["wpe"][t])
    watch.try &.call("pos#{t}.embedded", x)
    x = rmsnorm(x)
    watch.try &.call("pos#{t}.normed", x)
    @shape.layers.times { |i| x = layer(i, x, t, watch) }
    logits = linear(x, @matrices["lm_head"])
    watch.try &.call("pos#{t}.logits", logits)
    logits
  end

  private def layer(i, x, t, watch)
    note = ->(name : String, nodes : Vector) do
      watch.try &.call("pos#{t}.layer#{i}.#{name}", nodes)
      nodes
    end
    weights = ->(name : String) { @matrices["layer#{i}.#{name}"] }
    normed = note.call("attn_norm", rmsnorm(x))
    q = note.call("q", linear(normed, weights.call("attn_wq")))
    @keys[i][t] = note.call("k", linear(normed, weights.call("attn_wk")))
    @values[i][t] = note.call("v", linear(normed, weights.call("attn_wv")))
    mixed = (0...@shape.heads).flat_map { |h| attention(i, h, q, t, note) }
    x = add(note.call("attn_out", linear(mixed, weights.call("attn_wo"))), x)
    note.call("attn_residual", x)
    hidden = note.call("hidden", linear(note.call("mlp_norm", rmsnorm(x)), weights.call("mlp_fc1")))
    activated = note.call("activated", hidden.map { |a| activate(a) })
    x = add(note.call("mlp_out", linear(activated, weights.call("mlp_fc2"))), x)
    note.call("mlp_residual", x)
  end

  private def attention(i, h, q, t, note)
    size = @shape.embedding // @shape.heads
    part = h * size...(h + 1) * size
    attended = @shape.attend[t]
    root = Math.sqrt(size.to_f)
    scores = attended.map { |s| @tape.divide(@tape.dot(q[part], @keys[i][s][part]), root) }
    weights = softmax(note.call("head#{h}.scores", scores))
    note.call("head#{h}.weights", weights)
    note.call("head#{h}.mixed", part.map { |j| @tape.dot(weights, attended.map { |s| @values[i][s][j] }) })
  end

  private def activate(a)
    a = @tape.relu(a)
    @shape.squared ? @tape.pow(a, 2.0) : a
  end

  private def add(a : Vector, b : Vector)
    a.zip(b).map { |x, y| @tape.add(x, y) }
  end

  private def linear(x, matrix)
    matrix.map { |row| @tape.dot(row, x) }
  end

  private def rmsnorm(x)
    mean = @tape.divide(@tape.dot(x, x), x.size.to_f)
    scale = @tape.pow(@tape.add(mean, 0.00001), -0.5)
    x.map { |a| @tape.multiply(a, scale) }
  end

  private def softmax(x)
    top = x.reduce(@tape.value[x.first]) { |top, a| @tape.value[a] > top ? @tape.value[a] : top }
    exps = x.map { |a| @tape.exp(@tape.add(a, -1.0 * top)) }
    @tape.quotients(exps, @tape.sum(exps))
  end
end
