package microgpt

import scala.collection.mutable

/** Whatever cannot be done, and why. */
final class Refusal(reason: String) extends Exception(reason)

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), and what is drawn from it. */
final class Twister(val words: Array[Int], private var position: Int, private var spare: Option[Double]) {
  import Twister.size

  def index: Int = position

  /** What `gauss` has kept for its next call. */
  def kept: Option[Double] = spare

  def word(): Int = {
    if (position == size) renew()
    val y0 = words(position)
    val y1 = y0 ^ y0 >>> 11
    val y2 = y1 ^ y1 << 7 & 0x9d2c5680
    val y3 = y2 ^ y2 << 15 & 0xefc60000
    position += 1
    y3 ^ y3 >>> 18
  }

  private def renew(): Unit = {
    for (i <- 0 until size) {
      val y = words(i) & Int.MinValue | words((i + 1) % size) & Int.MaxValue
      words(i) = words((i + 397) % size) ^ y >>> 1 ^ (y & 1) * 0x9908b0df
    }
    position = 0
  }

  def random(): Double = {
    val a = word() >>> 5
    val b = word() >>> 6
    (a * 67108864.0 + b) / 9007199254740992.0
  }

  /** Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept. */
  def gauss(sigma: Double): Double = {
    val z = spare match {
      case Some(kept) =>
        spare = None
        kept
      case None =>
        val angle = random() * (2.0 * math.Pi)
        val radius = math.sqrt(-2.0 * Exact.log(1.0 - random()))
        spare = Some(Exact.sin(angle) * radius)
        Exact.cos(angle) * radius
    }
    0.0 + z * sigma
  }

  private def below(n: Int): Int = Iterator.continually(word() >>> Integer.numberOfLeadingZeros(n)).find(_ < n).get

  def shuffled[A](items: Seq[A]): IndexedSeq[A] = {
    val result = items.toBuffer
    for (i <- (1 until result.length).reverse) {
      val j = below(i + 1)
      val item = result(i)
      result(i) = result(j)
      result(j) = item
    }
    result.toIndexedSeq
  }

  def choice(weights: Seq[Double]): Int = {
    val cumulative = weights.tail.scanLeft(weights.head)(_ + _).toArray
    val total = cumulative.last + 0.0
    if (!(total > 0.0 && total < Double.PositiveInfinity))
      throw new Refusal("expected weights that add up to a finite number above 0")
    val u = random() * total
    var (low, high) = (0, cumulative.length - 1)
    while (low < high) {
      val middle = (low + high) / 2
      if (u < cumulative(middle)) high = middle else low = middle + 1
    }
    low
  }
}

object Twister {
  val size = 624

  def seeded(seed: Int): Twister = {
    val mt = Array.fill(size)(19650218)
    def scrambled(i: Int, factor: Int) = (mt(i) ^ mt(i) >>> 30) * factor
    for (i <- 1 until size) mt(i) = scrambled(i - 1, 1812433253) + i
    for (step <- 0 until 2 * size - 1) {
      val i = step % (size - 1) + 1
      mt(i) =
        if (step < size) (mt(i) ^ scrambled(i - 1, 1664525)) + seed
        else (mt(i) ^ scrambled(i - 1, 1566083941)) - i
      if (i == size - 1) mt(0) = mt(i)
    }
    mt(0) = Int.MinValue
    new Twister(mt, size, None)
  }
}

object Dataset {
  /** A line or a document: its code points. */
  type Text = IndexedSeq[Int]

  private def isWhiteSpace(c: Int) = 9 <= c && c <= 13 || c == 32

  private def stripped(line: Text): Text = {
    val rest = line.dropWhile(isWhiteSpace)
    rest.take(rest.lastIndexWhere(!isWhiteSpace(_)) + 1)
  }

  /** The stripped lines that are not empty; there must be one. */
  def documents(lines: Seq[Text]): Seq[Text] = {
    val documents = lines.map(stripped).filter(_.nonEmpty)
    if (documents.isEmpty) throw new Refusal("the dataset has no documents: every line is empty")
    documents
  }
}

final class Tokenizer(documents: Seq[Dataset.Text]) {
  import Dataset.Text

  val characters: Text = documents.iterator.flatten.toSet.toArray.sorted
  val bos: Int = characters.length
  private val tokens = characters.zipWithIndex.toMap

  if (bos > 2047) throw new Refusal("the dataset has more than 2047 distinct characters")

  def encode(document: Text): Text = bos +: document.map(tokens) :+ bos

  def decode(sample: Seq[Int]): Text = sample.filter(_ != bos).map(characters).toIndexedSeq
}

final case class MatrixShape(name: String, rows: Int, columns: Int) {
  def size: Int = rows * columns
  def isOutput: Boolean = name.endsWith("attn_wo") || name.endsWith("mlp_fc2")
}

/** The shape of a model; `attention` has, for each position, those that it attends to. */
final case class Shape(
    layers: Int, heads: Int, embedding: Int, block: Int, vocabulary: Int, isSquared: Boolean,
    attention: IndexedSeq[Seq[Int]]
) {
  val matrices: Seq[MatrixShape] = {
    val e = embedding
    val shared = Seq("wte" -> vocabulary, "wpe" -> block, "lm_head" -> vocabulary)
    shared.map { case (name, rows) => MatrixShape(name, rows, e) } ++ (0 until layers).flatMap { layer =>
      Seq("wq", "wk", "wv", "wo").map(name => MatrixShape(s"layer$layer.attn_$name", e, e)) ++
        Seq(MatrixShape(s"layer$layer.mlp_fc1", 4 * e, e), MatrixShape(s"layer$layer.mlp_fc2", e, 4 * e))
    }
  }
}

final class Model(val shape: Shape, initial: Seq[Double]) {
  import Model._

  val parameters: Array[Node] = initial.map(Node.leaf).toArray

  private val weights: Map[String, Matrix] = {
    val next = parameters.iterator
    shape.matrices.map(m => m.name -> Array.fill(m.rows, m.columns)(next.next())).toMap
  }

  /** The mean over a document's positions of -log p(next token). */
  def loss(tokens: Seq[Int])(note: Note): Node = {
    val caches = emptyCaches
    val losses = for ((Seq(token, target), t) <- tokens.sliding(2).take(shape.block).zipWithIndex) yield {
      val probabilities = softmax(logits(t, token, caches, note))
      val loss = -probabilities(target).log
      note(s"pos$t.probabilities", probabilities)
      note(s"pos$t.loss", Array(loss))
      loss
    }
    val all = losses.toArray
    Node.sum(all) * (1.0 / all.length)
  }

  /** One sample, BOS at its end included: each draw's probabilities and token. */
  def sample(temperature: Double, twister: Twister): Seq[(Array[Double], Int)] = {
    val bos = shape.vocabulary - 1
    val caches = emptyCaches
    val draws = mutable.ArrayBuffer.empty[(Array[Double], Int)]
    var token = bos
    do {
      val cooled = logits(draws.length, token, caches, silent).map(_ / temperature)
      val probabilities = softmax(cooled).map(_.value)
      token = twister.choice(probabilities)
      draws += probabilities -> token
    } while (token != bos && draws.length < shape.block)
    draws
  }

  private def emptyCaches = Seq.fill(shape.layers)(new Cache)

  private def logits(t: Int, token: Int, caches: Seq[Cache], note: Note): Vector = {
    def noted(name: String)(x: Vector) = {
      note(s"pos$t.$name", x)
      x
    }
    val embedded = noted("embedded")(add(weights("wte")(token), weights("wpe")(t)))
    val last = caches.zipWithIndex.foldLeft(noted("normed")(normalized(embedded))) { case (x, (cache, i)) =>
      def here(name: String)(x: Vector) = noted(s"layer$i.$name")(x)
      def linear(x: Vector, name: String) = weights(s"layer$i.$name").map(Node.dot(_, x))

      val normed = here("attn_norm")(normalized(x))
      val q = here("q")(linear(normed, "attn_wq"))
      cache.keys += here("k")(linear(normed, "attn_wk"))
      cache.values += here("v")(linear(normed, "attn_wv"))
      val mixed = attend(q, cache, shape.attention(t), (name, x) => here(name)(x))
      val residual = here("attn_residual")(add(here("attn_out")(linear(mixed, "attn_wo")), x))
      val hidden = here("hidden")(linear(here("mlp_norm")(normalized(residual)), "mlp_fc1"))
      val relu = hidden.map(_.relu)
      val activated = here("activated")(if (shape.isSquared) relu.map(_.pow(2.0)) else relu)
      here("mlp_residual")(add(here("mlp_out")(linear(activated, "mlp_fc2")), residual))
    }
    noted("logits")(weights("lm_head").map(Node.dot(_, last)))
  }

  /** Multi-head attention of the query q; the heads' results side by side. */
  private def attend(q: Vector, cache: Cache, positions: Seq[Int], note: Note): Vector = {
    val size = shape.embedding / shape.heads
    Array.range(0, shape.heads).flatMap { head =>
      def part(x: Vector) = x.slice(head * size, (head + 1) * size)
      val keys = positions.map(s => part(cache.keys(s)))
      val values = positions.map(s => part(cache.values(s)))
      val scores = keys.map(Node.dot(part(q), _) / math.sqrt(size)).toArray
      val weights = softmax(scores)
      val mixed = Array.tabulate(size)(j => Node.dot(weights, values.map(_(j)).toArray))
      note(s"head$head.scores", scores)
      note(s"head$head.weights", weights)
      note(s"head$head.mixed", mixed)
      mixed
    }
  }
}

object Model {
  type Vector = Array[Node]
  type Matrix = Array[Vector]

  /** Told the name and the nodes of every intermediate result, in order. */
  type Note = (String, Vector) => Unit
  val silent: Note = (_, _) => ()

  /** The keys and values of one layer, for each position so far. */
  private final class Cache {
    val keys = mutable.ArrayBuffer.empty[Vector]
    val values = mutable.ArrayBuffer.empty[Vector]
  }

  private def add(x: Vector, y: Vector): Vector = (x, y).zipped.map(_ + _)

  /** x over its root mean square, without a gain (Zhang and Sennrich, 2019). */
  private def normalized(x: Vector): Vector = {
    val scale = (Node.dot(x, x) / x.length.toDouble + 0.00001).pow(-0.5)
    x.map(_ * scale)
  }

  private def softmax(x: Vector): Vector = {
    val top = x.map(_.value).reduceLeft((most, y) => if (y > most) y else most)
    val exps = x.map(a => (a - top).exp)
    val inverse = Node.sum(exps).pow(-1.0)
    exps.map(_ * inverse.twin)
  }
}

/** Adam (Kingma and Ba, 2015) with a learning rate that falls to zero. */
final case class Adam(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, isCosine: Boolean, steps: Int
) {
  def rate(step: Int): Double =
    if (isCosine) learningRate * 0.5 * (1.0 + Exact.cos(math.Pi * step / steps))
    else learningRate * (1.0 - step.toDouble / steps)

  /** What m is divided by, or v for beta2, since they begin at zero. */
  def correction(beta: Double, step: Int): Double = 1.0 - Exact.pow(beta, step + 1.0)

  def update(step: Int, parameters: Array[Node], m: Array[Double], v: Array[Double]): Unit = {
    val factor = rate(step)
    val correction1 = correction(beta1, step)
    val correction2 = correction(beta2, step)
    for (i <- parameters.indices) {
      val p = parameters(i)
      val g = p.gradient
      m(i) = beta1 * m(i) + (1.0 - beta1) * g
      v(i) = beta2 * v(i) + (1.0 - beta2) * (g * g)
      p.value -= factor * (m(i) / correction1) / (Exact.pow(v(i) / correction2, 0.5) + epsilon)
    }
  }
}

final class Training(val adam: Adam, val model: Model, val m: Array[Double], val v: Array[Double]) {
  def this(adam: Adam, model: Model) =
    this(adam, model, new Array(model.parameters.length), new Array(model.parameters.length))

  /** One step on one document; its loss before the update. */
  def advance(step: Int, tokens: Seq[Int]): Double = {
    for (p <- model.parameters) p.gradient = 0.0
    val loss = model.loss(tokens)(Model.silent)
    loss.backward()
    adam.update(step, model.parameters, m, v)
    loss.value
  }
}

final case class Preset(block: Int, sigma: Double, outputSigma: Double, isSquared: Boolean, adam: Adam)

object Preset {
  private val all = Map(
    "seed" -> Preset(8, 0.02, 0.0, isSquared = true, Adam(0.01, 0.9, 0.95, 1e-8, isCosine = true, 500)),
    "classic" -> Preset(16, 0.08, 0.08, isSquared = false, Adam(0.01, 0.85, 0.99, 1e-8, isCosine = false, 1000))
  )

  def named(name: String): Preset = all.getOrElse(name, throw new Refusal("expected the preset seed or classic"))
}

/** A whole run, from seed 42 to samples. */
final class Run(preset: Preset, steps: Int, samples: Int, lines: Seq[Dataset.Text]) {
  val twister: Twister = Twister.seeded(42)
  private val documents = twister.shuffled(Dataset.documents(lines))
  private val tokenizer = new Tokenizer(documents)

  val training: Training = {
    val attention = (0 until preset.block).map(0 to _)
    val shape = Shape(1, 4, 16, preset.block, tokenizer.bos + 1, preset.isSquared, attention)
    val initial = shape.matrices.flatMap { matrix =>
      Seq.fill(matrix.size)(twister.gauss(if (matrix.isOutput) preset.outputSigma else preset.sigma))
    }
    new Training(preset.adam.copy(steps = steps), new Model(shape, initial))
  }

  /** The lines to print. Each is made when it is asked for. */
  def print: Iterator[Seq[Int]] = {
    val counts = Iterator(
      s"num docs: ${documents.length}",
      s"vocab size: ${tokenizer.bos + 1}",
      s"num params: ${training.model.parameters.length}"
    )
    val losses = for (step <- Iterator.range(0, steps)) yield {
      val loss = training.advance(step, tokenizer.encode(documents(step % documents.length)))
      s"step ${padded(step + 1, 4)} / ${padded(steps, 4)} | loss ${Exact.fourDecimals(loss)}"
    }
    val heading = Iterator("", "--- inference (new, hallucinated names) ---")
    val names = for (number <- Iterator.range(1, samples + 1)) yield {
      val sample = training.model.sample(0.5, twister).map { case (_, token) => token }
      points(s"sample ${padded(number, 2)}: ") ++ tokenizer.decode(sample)
    }
    (counts ++ losses ++ heading).map(points) ++ names
  }

  private def points(ascii: String): Seq[Int] = ascii.map(_.toInt)

  private def padded(n: Int, width: Int) = n.toString.reverse.padTo(width, ' ').reverse
}
