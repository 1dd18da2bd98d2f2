package microgpt

import java.io.{BufferedInputStream, ByteArrayOutputStream}
import java.nio.ByteBuffer
import java.nio.charset.{CharacterCodingException, StandardCharsets}

import scala.collection.immutable.ListMap
import scala.collection.mutable

/** microgpt in Scala (conformance/SPEC.md). Without arguments it answers requests, with a method for each verb
  * (section 12); `run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
  */
object Main {
  import Words._

  private val verbs: ListMap[String, (Request, Reply) => Unit] = ListMap(
    "hello" -> hello,
    "arith" -> arith,
    "math" -> functions,
    "random" -> random,
    "tokens" -> tokens,
    "graph" -> graph,
    "forward" -> forward,
    "backward" -> backward,
    "adam" -> update,
    "train" -> train,
    "sample" -> sample,
    "run" -> wholeRun
  )

  private def hello(request: Request, reply: Reply): Unit = {
    request.finish()
    reply.line("name", "scala")
    reply.line("protocol", 1)
    reply.line("verbs", verbs.keys.toSeq: _*)
    reply.line("math", "exact")
  }

  private def arith(request: Request, reply: Reply): Unit =
    for (line <- request) {
      val key = line.head
      line match {
        case List("add", Real(x), Real(y)) => reply.line(key, x + y)
        case List("sub", Real(x), Real(y)) => reply.line(key, x - y)
        case List("mul", Real(x), Real(y)) => reply.line(key, x * y)
        case List("div", Real(x), Real(y)) => reply.line(key, x / y)
        case List("sqrt", Real(x)) => reply.line(key, math.sqrt(x))
        case List("muladd", Real(x), Real(y), Real(z)) => reply.line(key, x * y + z)
        case "sum" :: Reals(xs) if xs.nonEmpty => reply.line(key, xs.foldLeft(0.0)(_ + _))
        case "dot" :: Reals(xs) if xs.nonEmpty && xs.length % 2 == 0 =>
          reply.line(key, xs.grouped(2).foldLeft(0.0) { case (total, Seq(x, y)) => total + x * y })
        case List("decimals", Real(x)) if x.isInfinite || !(x.abs > 9007199254740992.0) =>
          reply.line(key, Exact.fourDecimals(x).map(_.toInt): _*)
        case _ => throw new Refusal("expected an operation with its operands")
      }
    }

  private def functions(request: Request, reply: Reply): Unit = {
    request.math()
    for (line <- request) {
      val result = line match {
        case List("exp", Real(x)) => Exact.exp(x)
        case List("log", Real(x)) => Exact.log(x)
        case List("sin", Angle(x)) => Exact.sin(x)
        case List("cos", Angle(x)) => Exact.cos(x)
        case List("pow", Real(x), LargeExponent(y)) => Exact.pow(x, y)
        case _ => throw new Refusal("expected a function with arguments in its domain")
      }
      reply.line(line.head, result)
    }
  }

  private def unsigned(word: Int): String = Integer.toUnsignedString(word)

  private def random(request: Request, reply: Reply): Unit = {
    request.math()
    val twister = request.take("seed", 1) match {
      case List(Bits(seed)) => Twister.seeded(seed)
      case _ => throw new Refusal("expected a seed of 32 bits")
    }
    for (line <- request) {
      val key = line.head
      line match {
        case List("words", Draws(n)) => reply.line(key, Seq.fill(n)(unsigned(twister.word())): _*)
        case List("random", Draws(n)) => reply.line(key, Seq.fill(n)(twister.random()): _*)
        case List("gauss", Draws(n), Real(sigma)) => reply.line(key, Seq.fill(n)(twister.gauss(sigma)): _*)
        case List("shuffle", Length(n)) => reply.line(key, twister.shuffled(0 until n): _*)
        case "choices" :: Draws(n) :: Reals(weights) if 1 <= weights.length && weights.length <= 1000 =>
          reply.line(key, Seq.fill(n)(twister.choice(weights)): _*)
        case List("state") =>
          reply.line(key, twister.index +: twister.words.map(unsigned): _*)
          reply.line("kept", twister.kept.getOrElse("none"))
        case _ => throw new Refusal("expected something to draw with its values")
      }
    }
  }

  private def dataset(request: Request): Seq[Dataset.Text] = {
    val lines = request.takeAll("line").map(request.checked(_, 0, 0x10ffff))
    request.finish()
    if (lines.exists(_.length > 10000)) throw new Refusal("expected at most 10000 code points in a line")
    if (lines.exists(_.exists(c => 0xd800 <= c && c < 0xe000))) throw new Refusal("expected no surrogates")
    lines
  }

  private def tokens(request: Request, reply: Reply): Unit = {
    val documents = Dataset.documents(dataset(request))
    val tokenizer = new Tokenizer(documents)
    reply.line("documents", documents.length)
    reply.line("vocabulary", tokenizer.characters: _*)
    reply.line("bos", tokenizer.bos)
    for (document <- documents) reply.line("encoded", tokenizer.encode(document): _*)
  }

  private def graph(request: Request, reply: Reply): Unit = {
    request.math()
    val nodes = mutable.ArrayBuffer.empty[Node]
    do nodes += expression(request.next(), nodes) while (!request.has("root"))
    val root = nodes(request.int("root", 0, nodes.length - 1))
    request.finish()
    root.backward()
    for (node <- nodes) reply.line("value", node.value)
    for (node <- nodes) reply.line("gradient", node.gradient)
  }

  private def expression(line: List[String], nodes: IndexedSeq[Node]): Node = {
    val A = new Whole(0, nodes.length - 1) // an earlier expression
    line match {
      case List("leaf", Real(x)) => Node.leaf(x)
      case List("add", A(a), A(b)) => nodes(a) + nodes(b)
      case List("sub", A(a), A(b)) => nodes(a) - nodes(b)
      case List("mul", A(a), A(b)) => nodes(a) * nodes(b)
      case List("div", A(a), A(b)) => nodes(a) / nodes(b)
      case "sum" :: words if words.nonEmpty =>
        Node.chained(words.map {
          case A(a) => nodes(a)
          case _ => throw new Refusal("expected earlier expressions")
        })
      case List("neg", A(a)) => -nodes(a)
      case List("exp", A(a)) => nodes(a).exp
      case List("log", A(a)) => nodes(a).log
      case List("relu", A(a)) => nodes(a).relu
      case List("pow", A(a), SmallExponent(c)) => nodes(a).pow(c)
      case List("add_number", A(a), Real(c)) => nodes(a) + c
      case List("sub_number", A(a), Real(c)) => nodes(a) - c
      case List("mul_number", A(a), Real(c)) => nodes(a) * c
      case List("div_number", A(a), Real(c)) => nodes(a) / c
      case List("number_sub", Real(c), A(a)) => c - nodes(a)
      case List("number_div", Real(c), A(a)) => c / nodes(a)
      case _ => throw new Refusal("expected an expression with its operands")
    }
  }

  private def isIncreasing(numbers: Seq[Int]) = (numbers, numbers.drop(1)).zipped.forall(_ < _)

  private def shape(request: Request): Shape = {
    request.math()
    val layers = request.int("layers", 1, 16)
    val heads = request.int("heads", 1, 64)
    val embedding = request.int("embedding", 1, 512)
    if (embedding % heads != 0) throw new Refusal("expected a multiple of heads as embedding")
    val block = request.int("block", 1, 1024)
    val vocabulary = request.int("vocabulary", 2, 2048)
    val isSquared = request.isSecond("activation", "relu", "squared_relu")
    val attention = Vector.tabulate(block) { t =>
      val positions = request.ints("attend", 0, t)
      if (!positions.lastOption.contains(t) || !isIncreasing(positions))
        throw new Refusal(s"expected increasing positions with $t as the last")
      positions
    }
    Shape(layers, heads, embedding, block, vocabulary, isSquared, attention)
  }

  private def document(request: Request, words: List[String], shape: Shape): Seq[Int] = {
    if (words.length < 2) throw new Refusal("expected two tokens or more")
    request.checked(words, 0, shape.vocabulary - 1)
  }

  private def modelAndDocument(request: Request): (Model, Seq[Int]) = {
    val form = shape(request)
    val tokens = document(request, request.take("tokens"), form)
    val model = new Model(form, request.tensors(form))
    request.finish()
    (model, tokens)
  }

  private def forward(request: Request, reply: Reply): Unit = {
    val (model, document) = modelAndDocument(request)
    val loss = model.loss(document)((name, nodes) => reply.tensor(name, 1, nodes.length, nodes.map(_.value)))
    reply.line("loss", loss.value)
  }

  private def backward(request: Request, reply: Reply): Unit = {
    val (model, document) = modelAndDocument(request)
    val loss = model.loss(document)(Model.silent)
    loss.backward()
    reply.line("loss", loss.value)
    reply.tensors("", model.shape, model.parameters.map(_.gradient))
  }

  private def settings(request: Request): Adam =
    Adam(
      request.real("learning_rate"),
      request.real("beta1"),
      request.real("beta2"),
      request.real("epsilon"),
      request.isSecond("schedule", "linear", "cosine"),
      request.int("steps", 1, 4096)
    )

  private def update(request: Request, reply: Reply): Unit = {
    request.math()
    val adam = settings(request)
    val step = request.int("step", 0, adam.steps - 1)
    val (rows, columns) = request.tensorSize
    val parameters = request.tensor("parameters", rows, columns).map(Node.leaf).toArray
    for ((p, g) <- parameters zip request.tensor("gradients", rows, columns)) p.gradient = g
    val m = request.tensor("m", rows, columns).toArray
    val v = request.tensor("v", rows, columns).toArray
    request.finish()
    adam.update(step, parameters, m, v)
    reply.line("rate", adam.rate(step))
    reply.line("correction1", adam.correction(adam.beta1, step))
    reply.line("correction2", adam.correction(adam.beta2, step))
    reply.tensor("m", rows, columns, m)
    reply.tensor("v", rows, columns, v)
    reply.tensor("parameters", rows, columns, parameters.map(_.value))
  }

  private def train(request: Request, reply: Reply): Unit = {
    val form = shape(request)
    val adam = settings(request)
    val from = request.int("from", 0, adam.steps - 1)
    val count = request.int("count", 1, adam.steps - from)
    val full = request.ints("full", from, from + count - 1)
    if (!isIncreasing(full)) throw new Refusal("expected increasing steps in full")
    val documents = request.takeAll("tokens").map(document(request, _, form))
    val model = new Model(form, request.tensors(form))
    val training =
      if (from == 0) new Training(adam, model)
      else new Training(adam, model, request.tensors(form, "m.").toArray, request.tensors(form, "v.").toArray)
    request.finish()
    for (step <- from until from + count) {
      reply.line("step", step)
      reply.line("loss", training.advance(step, documents(step % documents.length)))
      val parts = Seq(
        "gradients" -> model.parameters.map(_.gradient),
        "m" -> training.m,
        "v" -> training.v,
        "parameters" -> model.parameters.map(_.value)
      )
      for ((name, part) <- parts) reply.checksum(name, part)
      if (full.contains(step)) for ((name, part) <- parts) reply.tensors(s"$name.", form, part)
    }
  }

  private def sample(request: Request, reply: Reply): Unit = {
    val form = shape(request)
    val temperature = request.real("temperature")
    val samples = request.int("samples", 0, 1000)
    val model = new Model(form, request.tensors(form))
    val index :: words = request.take("state", 1 + Twister.size)
    val state = words.collect { case Bits(word) => word }.toArray
    if (state.length != Twister.size) throw new Refusal("expected a state of words of 32 bits")
    val kept = request.take("kept", 1) match {
      case List("none") => None
      case List(Real(z)) => Some(z)
      case _ => throw new Refusal("expected a kept double or none")
    }
    val twister = new Twister(state, request.checked(List(index), 0, Twister.size).head, kept)
    request.finish()
    for (number <- 0 until samples) {
      reply.line("sample", number)
      for ((probabilities, token) <- model.sample(temperature, twister)) {
        reply.line("probabilities", probabilities: _*)
        reply.line("token", token)
      }
    }
    reply.line("word", unsigned(twister.word()))
  }

  private def wholeRun(request: Request, reply: Reply): Unit = {
    request.math()
    val preset = Preset.named(request.take("preset", 1).head)
    val steps = request.int("steps", 1, 4096)
    val samples = request.int("samples", 0, 1000)
    val run = new Run(preset, steps, samples, dataset(request))
    for (line <- run.print) reply.line("print", line: _*)
    reply.checksum("parameters", run.training.model.parameters.map(_.value))
    reply.checksum("m", run.training.m)
    reply.checksum("v", run.training.v)
    reply.line("word", unsigned(run.twister.word()))
  }

  private val Header = "([!-~]+) ([A-Za-z0-9._-]{1,64})".r

  /** The reply is complete before it is written: a request can turn out to be wrong at its last line. */
  private def answer(lines: Seq[String], isComplete: Boolean): String =
    lines.headOption.getOrElse("") match {
      case header @ Header(verb, id) if header.length <= longestLine =>
        try {
          if (!isComplete) throw new Refusal("the input ended before the line end")
          val reply = new Reply
          verbs.getOrElse(verb, throw new Refusal("unsupported"))(new Request(lines.iterator.drop(1)), reply)
          s"ok $id\n${reply}end\n"
        } catch {
          case refusal: Refusal => s"error $id ${refusal.getMessage}\nend\n"
        }
      case _ => "error - expected a verb and an id\nend\n"
    }

  /** The lines of standard input, each of which only LF ends. */
  private def input: Iterator[Array[Byte]] = {
    val stream = new BufferedInputStream(System.in)
    def nextLine(): Option[Array[Byte]] = {
      val first = stream.read()
      if (first < 0) None
      else {
        val line = new ByteArrayOutputStream
        Iterator.iterate(first)(_ => stream.read()).takeWhile(byte => byte >= 0 && byte != '\n').foreach(line.write)
        Some(line.toByteArray)
      }
    }
    Iterator.continually(nextLine()).takeWhile(_.isDefined).flatten
  }

  private def send(text: String): Unit = {
    System.out.write(text.getBytes(StandardCharsets.UTF_8))
    System.out.flush()
  }

  private def serve(): Unit = {
    val request = mutable.ArrayBuffer.empty[String]
    for (line <- input.map(new String(_, StandardCharsets.ISO_8859_1))) {
      if (line == "end") {
        send(answer(request, isComplete = true))
        request.clear()
      } else request += line
    }
    if (request.nonEmpty) send(answer(request, isComplete = false))
  }

  private def runForPeople(name: String): Unit = {
    val preset = Preset.named(name)
    val lines = input.map { line =>
      StandardCharsets.UTF_8.newDecoder.decode(ByteBuffer.wrap(line)).codePoints.toArray: Dataset.Text
    }
    for (line <- new Run(preset, preset.adam.steps, 20, lines.toVector).print)
      send(new String(line.toArray, 0, line.length) + "\n")
  }

  def main(arguments: Array[String]): Unit =
    try arguments match {
      case Array() => serve()
      case Array("run") => runForPeople("seed")
      case Array("run", name) => runForPeople(name)
      case _ => throw new Refusal("usage: microgpt, or microgpt run [seed|classic] < names.txt")
    } catch {
      case refusal: Refusal => complain(refusal.getMessage)
      case _: CharacterCodingException => complain("the input is not UTF-8")
    }

  private def complain(problem: String): Unit = {
    Console.err.println(s"microgpt: $problem")
    sys.exit(1)
  }
}
