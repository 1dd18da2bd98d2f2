import java.math.BigDecimal
import java.math.BigInteger
import java.math.RoundingMode
import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.roundToInt
import kotlin.math.sqrt

/** Correctly rounded functions (SPEC, sections 2 and 15), by integers alone. */
object Exact {
    fun exp(x: Double): Double = when {
        x.isNaN() -> x
        abs(x) < 1e-17 -> 1.0
        abs(x) > 800.0 -> if (x > 0.0) Double.POSITIVE_INFINITY else 0.0
        else -> {
            val k = (x / 0.6931471805599453).roundToInt()
            nearest(k) { bits ->
                val r = (fixed(x, bits) - k.big * ln2(bits)) shr HALVINGS
                val powers = series(one(bits), 1) { term, n -> (term * r shr bits) / n.big }
                (1..HALVINGS).fold(powers.sum()) { y, _ -> y * y shr bits }
            }
        }
    }

    fun log(x: Double): Double = when {
        x.isNaN() || x < 0.0 -> Double.NaN
        x == 0.0 -> Double.NEGATIVE_INFINITY
        x == 1.0 -> 0.0
        x == Double.POSITIVE_INFINITY -> x
        else -> {
            val (size, e) = split(x)
            val length = size.bitLength()
            val isLow = size < 3.big shl length - 2
            val k = if (isLow) e + length - 1 else e + length
            nearest { bits ->
                val m = size shl bits + e - k // from 3/4 to 3/2
                val z = (m - one(bits) shl bits) / (m + one(bits))
                (arc(z, z * z shr bits, bits) shl 1) + k.big * ln2(bits)
            }
        }
    }

    fun sin(x: Double): Double = if (x.isNaN() || abs(x) < 1e-8) x else wave(x, 0)

    fun cos(x: Double): Double = if (x.isNaN()) x else if (abs(x) < 1e-9) 1.0 else wave(x, 1)

    /** x to the integer or half-integer y. */
    fun pow(x: Double, y: Double): Double {
        val isWhole = y % 1.0 == 0.0
        val isOdd = abs(y % 2.0) == 1.0
        return when {
            y == 0.0 || x == 1.0 -> 1.0
            x.isNaN() || y == 1.0 -> x
            y == 2.0 -> x * x
            y == -1.0 -> 1.0 / x
            x == 0.0 || x.isInfinite() -> {
                val size = if ((x == 0.0) == (y > 0.0)) 0.0 else Double.POSITIVE_INFINITY
                if (isOdd) Math.copySign(size, x) else size
            }
            x < 0.0 -> if (!isWhole) Double.NaN else if (isOdd) -pow(-x, y) else pow(-x, y)
            y == 0.5 -> sqrt(x)
            else -> power(x, y, isWhole)
        }
    }

    /** Rounded once, from the exact value. */
    fun fourDecimals(x: Double): String {
        val sign = if (Math.copySign(1.0, x) < 0.0) "-" else ""
        return when {
            x.isNaN() -> "nan"
            x.isInfinite() -> sign + "inf"
            else -> sign + BigDecimal(abs(x)).setScale(4, RoundingMode.HALF_EVEN).toPlainString()
        }
    }

    private const val HALVINGS = 12

    private val Int.big: BigInteger get() = toBigInteger()
    private val BigInteger.isEven: Boolean get() = !testBit(0)

    /** A finite number as an integer times a power of two. */
    private fun split(x: Double): Pair<BigInteger, Int> {
        val e = max(Math.getExponent(x), -1022) - 52
        return Math.scalb(x, -e).toLong().toBigInteger() to e
    }

    /** The double nearest to m * 2^e, ties to even, rounded once at the last place that it has. */
    private fun round(m: BigInteger, e: Int): Double {
        val last = max(m.abs().bitLength() + e - 53, -1074)
        val drop = last - e
        if (last > 971) return m.signum() * Double.POSITIVE_INFINITY
        if (drop <= 0) return Math.scalb(m.toDouble(), e)
        val kept = m shr drop
        val side = (m - (kept shl drop)).compareTo(one(drop - 1))
        val isUp = side > 0 || side == 0 && !kept.isEven
        return Math.scalb((if (isUp) kept + 1.big else kept).toDouble(), last)
    }

    // Below, a number in fixed point is an integer that stands for itself / 2^bits.

    private fun one(bits: Int): BigInteger = 1.big shl bits

    private fun fixed(x: Double, bits: Int): BigInteger = split(x).let { (m, e) -> m shl e + bits }

    /**
     * Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count).
     * If the ends of that interval do not round alike, it takes more bits (Ziv, 1991).
     */
    private fun nearest(scale: Int = 0, value: (Int) -> BigInteger): Double =
        generateSequence(192) { 2 * it }.mapNotNull { bits ->
            val y = value(bits)
            val low = round(y - one(24), scale - bits)
            val high = round(y + one(24), scale - bits)
            if (low == high) low else null
        }.first()

    /** The terms until they vanish; next(term, n) is the one after the term of n, and n grows by step. */
    private fun series(
        first: BigInteger, start: Int, step: Int = 1, next: (BigInteger, Int) -> BigInteger
    ): Sequence<BigInteger> =
        generateSequence(first to start) { (term, n) -> next(term, n) to n + step }
            .map { it.first }
            .takeWhile { it.bitLength() > 1 }

    private fun Sequence<BigInteger>.sum(): BigInteger = fold(BigInteger.ZERO, BigInteger::add)

    /** first + first * square / 3 + first * square^2 / 5 ... */
    private fun arc(first: BigInteger, square: BigInteger, bits: Int): BigInteger =
        series(first, 1) { term, _ -> term * square shr bits }
            .mapIndexed { i, term -> term / (2 * i + 1).big }
            .sum()

    /** artanh(1/n) for sign 1, arctan(1/n) for -1. */
    private fun inverseArc(n: Int, sign: Int, bits: Int): BigInteger =
        arc(one(bits) / n.big, one(bits) / (sign * n * n).big, bits)

    /** A constant, computed once for each number of bits, with 16 to spare. */
    private fun constant(compute: (Int) -> BigInteger): (Int) -> BigInteger {
        val known = HashMap<Int, BigInteger>()
        return { bits -> known.getOrPut(bits) { compute(bits + 16) shr 16 } }
    }

    private val ln2 = constant { bits -> inverseArc(3, 1, bits) shl 1 }
    private val halfPi = constant { bits -> (inverseArc(5, -1, bits) shl 3) - (inverseArc(239, -1, bits) shl 1) }

    /** sin(x + quarters * pi/2) for |x| <= 8. */
    private fun wave(x: Double, quarters: Int): Double {
        val k = (x / (PI / 2)).roundToInt()
        val quadrant = k + quarters and 3
        return nearest { bits ->
            val r = fixed(x, bits) - k.big * halfPi(bits)
            val square = r * r shr bits
            val (first, start) = if (quadrant % 2 == 0) r to 1 else one(bits) to 0
            val y = series(first, start, 2) { term, n -> (term * square shr bits) / -((n + 1) * (n + 2)).big }.sum()
            if (quadrant < 2) y else -y
        }
    }

    /** For x > 0, with a last bit that says whether anything was left over. */
    private fun power(x: Double, y: Double, isWhole: Boolean): Double {
        val t = (if (isWhole) y else 2.0 * y).toInt()
        val (m, q) = split(x)
        val zeros = m.lowestSetBit
        val n = (m shr zeros).pow(abs(t))
        val e = (q + zeros) * t
        var shift = if (t > 0) max(0, 132 - n.bitLength()) else 132 + n.bitLength()
        if (!isWhole) shift += e - shift and 1
        val (value, rest) = if (t > 0) arrayOf(n shl shift, BigInteger.ZERO) else one(shift).divideAndRemainder(n)
        val (root, left) = if (isWhole) arrayOf(value, rest) else value.sqrtAndRemainder()
        val sticky = (rest or left).signum()
        return round((root shl 1) + sticky.big, (if (isWhole) e - shift else (e - shift) / 2) - 1)
    }
}
