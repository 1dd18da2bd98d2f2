/**
 * microgpt in Kotlin (conformance/SPEC.md). Without arguments it answers requests, with a function for each verb
 * (section 12); `run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
 */
import java.io.InputStream
import java.io.PrintStream
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import kotlin.math.abs
import kotlin.math.sqrt
import kotlin.system.exitProcess

private val verbs: Map<String, (Request, Reply) -> Unit> = mapOf(
    "hello" to ::hello,
    "arith" to ::arith,
    "math" to ::functions,
    "random" to ::random,
    "tokens" to ::tokens,
    "graph" to ::graph,
    "forward" to ::forward,
    "backward" to ::backward,
    "adam" to ::update,
    "train" to ::train,
    "sample" to ::sample,
    "run" to ::wholeRun
)

private fun hello(request: Request, reply: Reply) {
    request.finish()
    reply.put("name", "kotlin")
    reply.put("protocol", 1)
    reply.put("verbs", verbs.keys)
    reply.put("math", "exact")
}

private fun arith(request: Request, reply: Reply) = request.forEach { key, values ->
    val x = values.asDoubles()
    when {
        key == "sum" && x.isNotEmpty() -> reply.put(key, x.fold(0.0, Double::plus))
        key == "dot" && x.isNotEmpty() && x.size % 2 == 0 ->
            reply.put(key, x.chunked(2).fold(0.0) { sum, (a, b) -> sum + a * b })
        else -> when (key to x.size) {
            "add" to 2 -> reply.put(key, x[0] + x[1])
            "sub" to 2 -> reply.put(key, x[0] - x[1])
            "mul" to 2 -> reply.put(key, x[0] * x[1])
            "div" to 2 -> reply.put(key, x[0] / x[1])
            "sqrt" to 1 -> reply.put(key, sqrt(x[0]))
            "muladd" to 3 -> reply.put(key, x[0] * x[1] + x[2])
            "decimals" to 1 -> {
                if (x[0].isFinite() && abs(x[0]) > 9007199254740992.0) refuse("expected a number up to 2^53")
                reply.put(key, Exact.fourDecimals(x[0]).map(Char::toInt))
            }
            else -> refuse("expected an operation with its operands")
        }
    }
}

private fun functions(request: Request, reply: Reply) {
    request.math()
    request.forEach { key, values ->
        val x = values.asDoubles()
        val result = when (key to x.size) {
            "exp" to 1 -> Exact.exp(x[0])
            "log" to 1 -> Exact.log(x[0])
            "sin" to 1 -> Exact.sin(angle(x[0]))
            "cos" to 1 -> Exact.cos(angle(x[0]))
            "pow" to 2 -> Exact.pow(x[0], exponent(x[1], 4096.0))
            else -> refuse("expected a function with its arguments")
        }
        reply.put(key, result)
    }
}

private fun angle(x: Double) = if (abs(x) > 8.0) refuse("expected an angle up to 8") else x

private fun exponent(y: Double, limit: Double) =
    if (abs(y) <= limit && 2.0 * y % 1.0 == 0.0) y else refuse("expected an integer or half-integer up to $limit")

private fun random(request: Request, reply: Reply) {
    request.math()
    val twister = Twister(request.take("seed", 1).single().asWord())
    request.forEach { key, values ->
        fun <T : Any> draw(one: () -> T) = reply.put(key, List(values[0].asInt(0..1000)) { one() })
        when {
            key == "choices" && values.size in 2..1001 -> {
                val weights = values.drop(1).asDoubles()
                draw { twister.choice(weights) }
            }
            else -> when (key to values.size) {
                "words" to 1 -> draw { Integer.toUnsignedString(twister.word()) }
                "random" to 1 -> draw(twister::random)
                "gauss" to 2 -> {
                    val sigma = values[1].asDouble()
                    draw { twister.gauss(sigma) }
                }
                "shuffle" to 1 -> reply.put(key, MutableList(values[0].asInt(0..10000)) { it }.also(twister::shuffle))
                "state" to 0 -> {
                    reply.put(key, listOf(twister.index) + twister.words.map(Integer::toUnsignedString))
                    reply.put("kept", twister.kept ?: "none")
                }
                else -> refuse("expected something to draw with its values")
            }
        }
    }
}

private fun dataset(request: Request): List<Text> {
    val lines = request.takeAll("line").map { it.asInts(0..0x10ffff) }
    request.finish()
    if (lines.any { it.size > 10000 }) refuse("expected at most 10000 code points in a line")
    if (lines.any { line -> line.any { it in 0xd800..0xdfff } }) refuse("expected code points without surrogates")
    return lines
}

private fun tokens(request: Request, reply: Reply) {
    val documents = documents(dataset(request))
    val tokenizer = Tokenizer(documents)
    reply.put("documents", documents.size)
    reply.put("vocabulary", tokenizer.characters)
    reply.put("bos", tokenizer.bos)
    for (document in documents) reply.put("encoded", tokenizer.encode(document))
}

private fun graph(request: Request, reply: Reply) {
    request.math()
    val nodes = ArrayList<Node>()
    fun node(word: String) = nodes[word.asInt(nodes.indices)]
    while (request.key != "root") {
        val words = request.next()
        nodes += expression(words.first(), words.drop(1), ::node)
    }
    val root = node(request.take("root", 1).single())
    request.finish()
    root.backward()
    for (node in nodes) reply.put("value", node.value)
    for (node in nodes) reply.put("gradient", node.gradient)
}

private fun expression(key: String, words: List<String>, node: (String) -> Node): Node {
    fun a(i: Int) = node(words[i])
    fun c(i: Int) = words[i].asDouble()
    if (key == "sum" && words.isNotEmpty()) return words.map(node).chained()
    return when (key to words.size) {
        "leaf" to 1 -> Node.Leaf(c(0))
        "add" to 2 -> a(0) + a(1)
        "sub" to 2 -> a(0) - a(1)
        "mul" to 2 -> a(0) * a(1)
        "div" to 2 -> a(0) / a(1)
        "neg" to 1 -> -a(0)
        "exp" to 1 -> a(0).exp()
        "log" to 1 -> a(0).log()
        "relu" to 1 -> a(0).relu()
        "pow" to 2 -> a(0).pow(exponent(c(1), 1024.0))
        "add_number" to 2 -> a(0) + c(1)
        "sub_number" to 2 -> a(0) - c(1)
        "mul_number" to 2 -> a(0) * c(1)
        "div_number" to 2 -> a(0) / c(1)
        "number_sub" to 2 -> c(0) - a(1)
        "number_div" to 2 -> c(0) / a(1)
        else -> refuse("expected an expression with its operands")
    }
}

private fun isIncreasing(numbers: List<Int>) = numbers.zip(numbers.drop(1)).all { (a, b) -> a < b }

private fun shape(request: Request): Shape {
    request.math()
    val layers = request.int("layers", 1..16)
    val heads = request.int("heads", 1..64)
    val embedding = request.int("embedding", 1..512)
    if (embedding % heads != 0) refuse("expected a multiple of heads as embedding")
    val block = request.int("block", 1..1024)
    val vocabulary = request.int("vocabulary", 2..2048)
    val isSquared = request.isSecond("activation", "relu", "squared_relu")
    val attention = List(block) { t ->
        request.take("attend").asInts(0..t).also {
            if (it.lastOrNull() != t || !isIncreasing(it)) refuse("expected increasing positions with $t as the last")
        }
    }
    return Shape(layers, heads, embedding, block, vocabulary, isSquared, attention)
}

private fun document(words: List<String>, shape: Shape): List<Int> =
    if (words.size < 2) refuse("expected two tokens or more") else words.asInts(0 until shape.vocabulary)

private fun modelAndDocument(request: Request): Pair<Model, List<Int>> {
    val shape = shape(request)
    val document = document(request.take("tokens"), shape)
    val model = Model(shape, request.tensors(shape))
    request.finish()
    return model to document
}

private fun forward(request: Request, reply: Reply) {
    val (model, document) = modelAndDocument(request)
    val loss = model.loss(document) { name, nodes -> reply.tensor(name, 1, nodes.size, nodes.values) }
    reply.put("loss", loss.value)
}

private fun backward(request: Request, reply: Reply) {
    val (model, document) = modelAndDocument(request)
    val loss = model.loss(document)
    loss.backward()
    reply.put("loss", loss.value)
    reply.tensors("", model.shape, model.parameters.gradients)
}

private val List<Node>.values get() = map { it.value }
private val List<Node>.gradients get() = map { it.gradient }

private fun adam(request: Request) = Adam(
    request.double("learning_rate"),
    request.double("beta1"),
    request.double("beta2"),
    request.double("epsilon"),
    request.isSecond("schedule", "linear", "cosine"),
    request.int("steps", 1..4096)
)

private fun update(request: Request, reply: Reply) {
    request.math()
    val adam = adam(request)
    val step = request.int("step", 0 until adam.steps)
    val (rows, columns) = request.tensorSize()
    val parameters = request.tensor("parameters", rows, columns).map(Node::Leaf)
    request.tensor("gradients", rows, columns).forEachIndexed { i, g -> parameters[i].gradient = g }
    val m = request.tensor("m", rows, columns).toDoubleArray()
    val v = request.tensor("v", rows, columns).toDoubleArray()
    request.finish()
    adam.update(step, parameters, m, v)
    reply.put("rate", adam.rate(step))
    reply.put("correction1", adam.correction(adam.beta1, step))
    reply.put("correction2", adam.correction(adam.beta2, step))
    reply.tensor("m", rows, columns, m.asList())
    reply.tensor("v", rows, columns, v.asList())
    reply.tensor("parameters", rows, columns, parameters.values)
}

private fun train(request: Request, reply: Reply) {
    val shape = shape(request)
    val adam = adam(request)
    val from = request.int("from", 0 until adam.steps)
    val steps = from until from + request.int("count", 1..adam.steps - from)
    val full = request.take("full").asInts(steps)
    if (!isIncreasing(full)) refuse("expected increasing steps in full")
    val documents = request.takeAll("tokens").map { document(it, shape) }
    val model = Model(shape, request.tensors(shape))
    val training =
        if (from == 0) Training(adam, model)
        else Training(
            adam, model, request.tensors(shape, "m.").toDoubleArray(), request.tensors(shape, "v.").toDoubleArray()
        )
    request.finish()
    for (step in steps) {
        val loss = training.advance(step, documents[step % documents.size])
        val parts = mapOf(
            "gradients" to model.parameters.gradients,
            "m" to training.m.asList(),
            "v" to training.v.asList(),
            "parameters" to model.parameters.values
        )
        reply.put("step", step)
        reply.put("loss", loss)
        for ((name, part) in parts) reply.checksum(name, part)
        if (step in full) for ((name, part) in parts) reply.tensors("$name.", shape, part)
    }
}

private fun sample(request: Request, reply: Reply) {
    val shape = shape(request)
    val temperature = request.double("temperature")
    val samples = request.int("samples", 0..1000)
    val model = Model(shape, request.tensors(shape))
    val state = request.take("state", 1 + Twister.SIZE)
    val index = state.first().asInt(0..Twister.SIZE)
    val words = state.drop(1).map(String::asWord).toIntArray()
    val kept = request.take("kept", 1).single()
    val twister = Twister(words, index, if (kept == "none") null else kept.asDouble())
    request.finish()
    for (number in 0 until samples) {
        reply.put("sample", number)
        for (draw in model.sample(temperature, twister)) {
            reply.put("probabilities", draw.probabilities)
            reply.put("token", draw.token)
        }
    }
    reply.put("word", Integer.toUnsignedString(twister.word()))
}

private fun wholeRun(request: Request, reply: Reply) {
    request.math()
    val preset = Preset.named(request.take("preset", 1).single())
    val steps = request.int("steps", 1..4096)
    val samples = request.int("samples", 0..1000)
    val run = Run(preset, samples, steps, dataset(request))
    for (line in run.print()) reply.put("print", line)
    reply.checksum("parameters", run.training.model.parameters.values)
    reply.checksum("m", run.training.m.asList())
    reply.checksum("v", run.training.v.asList())
    reply.put("word", Integer.toUnsignedString(run.twister.word()))
}

private val header = Regex("([!-~]+) ([A-Za-z0-9._-]{1,64})")

/** The reply is complete before it is written: a request can turn out to be wrong at its last line. */
private fun answer(lines: List<String>, isComplete: Boolean): String {
    val match = header.matchEntire(lines.firstOrNull().orEmpty())
    if (match == null || lines.first().length > LONGEST_LINE) return "error - expected a verb and an id\nend\n"
    val (verb, id) = match.destructured
    return try {
        if (!isComplete) refuse("the input ended before the line end")
        val reply = Reply()
        val answer = verbs[verb] ?: refuse("unsupported")
        answer(Request(lines.drop(1)), reply)
        "ok $id\n${reply}end\n"
    } catch (refusal: Refusal) {
        "error $id ${refusal.message}\nend\n"
    }
}

/** Only LF ends a line. */
private fun InputStream.lines(): Sequence<ByteArray> = sequence {
    val input = buffered()
    while (true) {
        val line = java.io.ByteArrayOutputStream()
        var byte = input.read()
        if (byte < 0) break
        while (byte >= 0 && byte != '\n'.toInt()) {
            line.write(byte)
            byte = input.read()
        }
        yield(line.toByteArray())
    }
}

private fun PrintStream.send(text: String) {
    write(text.toByteArray())
    flush()
}

private fun serve() {
    val request = ArrayList<String>()
    for (line in System.`in`.lines().map { it.toString(Charsets.ISO_8859_1) }) {
        if (line == "end") {
            System.out.send(answer(request, true))
            request.clear()
        } else {
            request += line
        }
    }
    if (request.isNotEmpty()) System.out.send(answer(request, false))
}

private fun runForPeople(preset: Preset) {
    val lines = System.`in`.lines().map { line ->
        Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(line)).codePoints().toArray().asList()
    }
    for (line in Run(preset, 20, preset.adam.steps, lines.toList()).print()) {
        System.out.send(line.joinToString("") { String(Character.toChars(it)) } + "\n")
    }
}

fun main(arguments: Array<String>) {
    try {
        when {
            arguments.isEmpty() -> serve()
            arguments[0] == "run" && arguments.size <= 2 -> runForPeople(Preset.named(arguments.getOrElse(1) { "seed" }))
            else -> refuse("usage: microgpt, or microgpt run [seed|classic] < names.txt")
        }
    } catch (problem: Refusal) {
        complain(problem.message)
    } catch (problem: CharacterCodingException) {
        complain("the input is not UTF-8")
    }
}

private fun complain(problem: String?): Nothing {
    System.err.println("microgpt: $problem")
    exitProcess(1)
}
