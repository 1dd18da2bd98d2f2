import kotlin.math.min
import kotlin.math.sqrt

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
        if (isCosine) learningRate * 0.5 * (1.0 + Exact.cos(Math.PI * step / steps))
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
