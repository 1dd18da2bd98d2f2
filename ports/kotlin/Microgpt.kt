import kotlin.math.PI
import kotlin.math.min
import kotlin.math.sqrt

/** Whatever cannot be done, and why. */
class Refusal(reason: String) : Exception(reason)

fun refuse(reason: String): Nothing = throw Refusal(reason)

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), and what is drawn from it. */
class Twister(val words: IntArray, index: Int, kept: Double?) {
    var index = index
        private set
    var kept = kept
        private set

    constructor(seed: Int) : this(seeded(seed), SIZE, null)

    fun word(): Int {
        if (index == SIZE) renew()
        var y = words[index++]
        y = y xor (y ushr 11)
        y = y xor (y shl 7 and 0x9d2c5680.toInt())
        y = y xor (y shl 15 and 0xefc60000.toInt())
        return y xor (y ushr 18)
    }

    private fun renew() {
        for (i in 0 until SIZE) {
            val y = (words[i] and Int.MIN_VALUE) or (words[(i + 1) % SIZE] and Int.MAX_VALUE)
            words[i] = words[(i + 397) % SIZE] xor (y ushr 1) xor if (y % 2 == 0) 0 else 0x9908b0df.toInt()
        }
        index = 0
    }

    fun random(): Double {
        val a = word() ushr 5
        val b = word() ushr 6
        return (a * 67108864.0 + b) / 9007199254740992.0
    }

    /** Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept. */
    fun gauss(sigma: Double): Double {
        val z = kept
        if (z != null) {
            kept = null
            return 0.0 + z * sigma
        }
        val angle = random() * (2.0 * PI)
        val radius = sqrt(-2.0 * Exact.log(1.0 - random()))
        kept = Exact.sin(angle) * radius
        return 0.0 + Exact.cos(angle) * radius * sigma
    }

    fun <T> shuffle(items: MutableList<T>) {
        for (i in items.lastIndex downTo 1) {
            val j = below(i + 1)
            items[i] = items.set(j, items[i])
        }
    }

    private fun below(n: Int): Int {
        val shift = Integer.numberOfLeadingZeros(n)
        return generateSequence { word() ushr shift }.first { it < n }
    }

    fun choice(weights: List<Double>): Int {
        val cumulative = weights.toDoubleArray()
        for (i in 1..weights.lastIndex) cumulative[i] += cumulative[i - 1]
        val total = cumulative.last() + 0.0
        if (!(total > 0.0 && total.isFinite())) refuse("expected weights that add up to a finite number above 0")
        val u = random() * total
        var low = 0
        var high = weights.lastIndex
        while (low < high) {
            val middle = (low + high) / 2
            if (u < cumulative[middle]) high = middle else low = middle + 1
        }
        return low
    }

    companion object {
        const val SIZE = 624

        private fun seeded(seed: Int): IntArray {
            val mt = IntArray(SIZE)
            fun scrambled(i: Int, factor: Int) = (mt[i] xor (mt[i] ushr 30)) * factor
            mt[0] = 19650218
            for (i in 1 until SIZE) mt[i] = scrambled(i - 1, 1812433253) + i
            for (step in 0 until 2 * SIZE - 1) {
                val i = step % (SIZE - 1) + 1
                mt[i] =
                    if (step < SIZE) (mt[i] xor scrambled(i - 1, 1664525)) + seed
                    else (mt[i] xor scrambled(i - 1, 1566083941)) - i
                if (i == SIZE - 1) mt[0] = mt[i]
            }
            mt[0] = Int.MIN_VALUE
            return mt
        }
    }
}

typealias Vector = List<Node>
typealias Matrix = List<Vector>

/** Told the name and the nodes of every intermediate result, in order. */
typealias Note = (String, Vector) -> Unit

data class MatrixShape(val name: String, val rows: Int, val columns: Int) {
    val isOutput: Boolean get() = name.endsWith("attn_wo") || name.endsWith("mlp_fc2")
}

/** The shape of a model; [attention] has, for each position, those that it attends to. */
class Shape(
    val layers: Int,
    val heads: Int,
    val embedding: Int,
    val block: Int,
    val vocabulary: Int,
    val isSquared: Boolean,
    val attention: List<List<Int>>
) {
    val matrices: List<MatrixShape> = ArrayList<MatrixShape>().apply {
        val e = embedding
        for ((name, rows) in listOf("wte" to vocabulary, "wpe" to block, "lm_head" to vocabulary)) {
            add(MatrixShape(name, rows, e))
        }
        for (layer in 0 until layers) {
            for (name in listOf("wq", "wk", "wv", "wo")) add(MatrixShape("layer$layer.attn_$name", e, e))
            add(MatrixShape("layer$layer.mlp_fc1", 4 * e, e))
            add(MatrixShape("layer$layer.mlp_fc2", e, 4 * e))
        }
    }
}

/** The keys and values of one layer, for each position so far. */
private class Cache(val keys: MutableList<Vector> = ArrayList(), val values: MutableList<Vector> = ArrayList())

/** What was drawn at one position of a sample. */
class Draw(val probabilities: List<Double>, val token: Int)

class Model(val shape: Shape, initial: List<Double>) {
    val parameters: List<Node.Leaf> = initial.map(Node::Leaf)

    private val weights: Map<String, Matrix> = parameters.iterator().let { next ->
        shape.matrices.associate { (name, rows, columns) -> name to List(rows) { List(columns) { next.next() } } }
    }

    /** The mean over a document's positions of -log p(next token). */
    fun loss(tokens: List<Int>, note: Note = { _, _ -> }): Node {
        val caches = caches()
        val count = min(shape.block, tokens.size - 1)
        val losses = List(count) { t ->
            val probabilities = logits(t, tokens[t], caches, note).softmax()
            note("pos$t.probabilities", probabilities)
            (-probabilities[tokens[t + 1]].log()).also { note("pos$t.loss", listOf(it)) }
        }
        return losses.sum() * (1.0 / count)
    }

    /** One sample, drawn when it is asked for, BOS at its end included. */
    fun sample(temperature: Double, twister: Twister): Sequence<Draw> = sequence {
        val caches = caches()
        val bos = shape.vocabulary - 1
        var token = bos
        for (t in 0 until shape.block) {
            val cooled = logits(t, token, caches) { _, _ -> }.map { it / temperature }
            val probabilities = cooled.softmax().map { it.value }
            token = twister.choice(probabilities)
            yield(Draw(probabilities, token))
            if (token == bos) break
        }
    }

    private fun caches() = List(shape.layers) { Cache() }

    private fun logits(t: Int, token: Int, caches: List<Cache>, note: Note): Vector {
        fun Vector.noted(name: String) = also { note("pos$t.$name", it) }

        val embedded = (weights.getValue("wte")[token] + weights.getValue("wpe")[t]).noted("embedded")
        val last = caches.foldIndexed(embedded.normed().noted("normed")) { i, x, cache ->
            fun Vector.noted(name: String) = also { note("pos$t.layer$i.$name", it) }
            fun Vector.linear(name: String) = times(weights.getValue("layer$i.$name"))

            val normed = x.normed().noted("attn_norm")
            val q = normed.linear("attn_wq").noted("q")
            cache.keys += normed.linear("attn_wk").noted("k")
            cache.values += normed.linear("attn_wv").noted("v")
            val mixed = attend(q, cache, shape.attention[t]) { name, nodes -> nodes.noted(name) }
            val residual = (mixed.linear("attn_wo").noted("attn_out") + x).noted("attn_residual")
            val hidden = residual.normed().noted("mlp_norm").linear("mlp_fc1").noted("hidden")
            val activated = hidden.map { it.relu() }.map { if (shape.isSquared) it.pow(2.0) else it }.noted("activated")
            (activated.linear("mlp_fc2").noted("mlp_out") + residual).noted("mlp_residual")
        }
        return (last * weights.getValue("lm_head")).noted("logits")
    }

    /** Multi-head attention of the query [q] to [positions]; the heads' results side by side. */
    private fun attend(q: Vector, cache: Cache, positions: List<Int>, note: Note): Vector {
        val size = shape.embedding / shape.heads
        return List(shape.heads) { head ->
            fun Vector.noted(name: String) = also { note("head$head.$name", it) }
            fun Vector.part() = subList(head * size, (head + 1) * size)

            val query = q.part()
            val values = positions.map { cache.values[it].part() }
            val scores = positions.map { (query dot cache.keys[it].part()) / sqrt(size.toDouble()) }.noted("scores")
            val weights = scores.softmax().noted("weights")
            List(size) { j -> weights dot values.map { it[j] } }.noted("mixed")
        }.flatten()
    }
}

private operator fun Vector.plus(other: Vector): Vector = zip(other, Node::plus)

private operator fun Vector.times(rows: Matrix): Vector = rows.map { it dot this }

/** Over its root mean square, without a gain (Zhang and Sennrich, 2019). */
private fun Vector.normed(): Vector {
    val scale = ((this dot this) / size.toDouble() + 0.00001).pow(-0.5)
    return map { it * scale }
}

private fun Vector.softmax(): Vector {
    val top = map { it.value }.reduce { most, x -> if (x > most) x else most }
    val exps = map { (it - top).exp() }
    val inverse = exps.sum().pow(-1.0)
    return exps.map { it * inverse.twin() }
}

/** Adam (Kingma and Ba, 2015) with a learning rate that falls to zero. */
data class Adam(
    val learningRate: Double,
    val beta1: Double,
    val beta2: Double,
    val epsilon: Double,
    val isCosine: Boolean,
    val steps: Int
) {
    fun rate(step: Int): Double =
        if (isCosine) learningRate * 0.5 * (1.0 + Exact.cos(PI * step / steps))
        else learningRate * (1.0 - step.toDouble() / steps)

    /** What m is divided by, or v for [beta2], since they begin at zero. */
    fun correction(beta: Double, step: Int): Double = 1.0 - Exact.pow(beta, step + 1.0)

    fun update(step: Int, parameters: List<Node.Leaf>, m: DoubleArray, v: DoubleArray) {
        val rate = rate(step)
        val correction1 = correction(beta1, step)
        val correction2 = correction(beta2, step)
        parameters.forEachIndexed { i, p ->
            val g = p.gradient
            m[i] = beta1 * m[i] + (1.0 - beta1) * g
            v[i] = beta2 * v[i] + (1.0 - beta2) * (g * g)
            p.set(p.value - rate * (m[i] / correction1) / (Exact.pow(v[i] / correction2, 0.5) + epsilon))
        }
    }
}

class Training(val adam: Adam, val model: Model, val m: DoubleArray, val v: DoubleArray) {
    constructor(adam: Adam, model: Model) :
        this(adam, model, DoubleArray(model.parameters.size), DoubleArray(model.parameters.size))

    /** One step on one document; its loss before the update. */
    fun advance(step: Int, tokens: List<Int>): Double {
        for (p in model.parameters) p.gradient = 0.0
        val loss = model.loss(tokens)
        loss.backward()
        adam.update(step, model.parameters, m, v)
        return loss.value
    }
}

/** A line or a document: its code points. */
typealias Text = List<Int>

private fun isWhiteSpace(c: Int) = c in 9..13 || c == 32

/** The stripped lines that are not empty; there must be one. */
fun documents(lines: List<Text>): List<Text> =
    lines.map { it.dropWhile(::isWhiteSpace).dropLastWhile(::isWhiteSpace) }
        .filter { it.isNotEmpty() }
        .ifEmpty { refuse("the dataset has no documents: every line is empty") }

class Tokenizer(documents: List<Text>) {
    val characters: Text = documents.flatten().toSortedSet().toList()
    val bos: Int get() = characters.size
    private val tokens = characters.withIndex().associate { (token, c) -> c to token }

    init {
        if (bos > 2047) refuse("the dataset has more than 2047 distinct characters")
    }

    fun encode(document: Text): List<Int> = listOf(bos) + document.map(tokens::getValue) + bos

    fun decode(sample: List<Int>): Text = sample.filter { it != bos }.map(characters::get)
}

enum class Preset(
    val block: Int, val sigma: Double, val outputSigma: Double, val isSquared: Boolean, val adam: Adam
) {
    SEED(8, 0.02, 0.0, true, Adam(0.01, 0.9, 0.95, 1e-8, true, 500)),
    CLASSIC(16, 0.08, 0.08, false, Adam(0.01, 0.85, 0.99, 1e-8, false, 1000));

    companion object {
        fun named(name: String): Preset = when (name) {
            "seed" -> SEED
            "classic" -> CLASSIC
            else -> refuse("expected the preset seed or classic")
        }
    }
}

/** A whole run, from seed 42 to samples. */
class Run(preset: Preset, private val samples: Int, steps: Int, lines: List<Text>) {
    val twister = Twister(42)
    private val documents = documents(lines).toMutableList().also(twister::shuffle)
    private val tokenizer = Tokenizer(documents)
    val training: Training

    init {
        val attention = List(preset.block) { t -> (0..t).toList() }
        val shape = Shape(1, 4, 16, preset.block, tokenizer.bos + 1, preset.isSquared, attention)
        val initial = shape.matrices.flatMap { matrix ->
            val sigma = if (matrix.isOutput) preset.outputSigma else preset.sigma
            List(matrix.rows * matrix.columns) { twister.gauss(sigma) }
        }
        training = Training(preset.adam.copy(steps = steps), Model(shape, initial))
    }

    /** The lines to print. Each is made when it is asked for. */
    fun print(): Sequence<Text> = sequence {
        val steps = training.adam.steps
        yield("num docs: ${documents.size}".points())
        yield("vocab size: ${tokenizer.bos + 1}".points())
        yield("num params: ${training.model.parameters.size}".points())
        for (step in 0 until steps) {
            val loss = training.advance(step, tokenizer.encode(documents[step % documents.size]))
            yield("step ${pad(step + 1, 4)} / ${pad(steps, 4)} | loss ${Exact.fourDecimals(loss)}".points())
        }
        yield("".points())
        yield("--- inference (new, hallucinated names) ---".points())
        for (number in 1..samples) {
            val sample = training.model.sample(0.5, twister).map { it.token }.toList()
            yield("sample ${pad(number, 2)}: ".points() + tokenizer.decode(sample))
        }
    }

    private fun pad(n: Int, width: Int) = n.toString().padStart(width)

    private fun String.points(): Text = map(Char::toInt)
}
