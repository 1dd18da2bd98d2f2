import kotlin.math.PI
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
