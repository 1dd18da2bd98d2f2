package microgpt

import scala.annotation.tailrec
import scala.collection.mutable
import scala.math.BigDecimal.RoundingMode

/** Correctly rounded functions (SPEC, sections 2 and 15), by integers alone. */
object Exact {
  def exp(x: Double): Double =
    if (x.isNaN) x
    else if (x.abs < 1e-17) 1.0
    else if (x.abs > 800.0) if (x > 0.0) Double.PositiveInfinity else 0.0
    else {
      val k = (x / 0.6931471805599453).round.toInt
      nearest(k) { bits =>
        val r = (fixed(x, bits) - k * ln2(bits)) >> halvings
        val y = series(one(bits), 1)((term, n) => (term * r >> bits) / n).sum
        Iterator.iterate(y)(y => y * y >> bits).drop(halvings).next
      }
    }

  def log(x: Double): Double =
    if (x.isNaN || x < 0.0) Double.NaN
    else if (x == 0.0) Double.NegativeInfinity
    else if (x == 1.0) 0.0
    else if (x.isInfinite) x
    else {
      val Dyadic(size, e) = Dyadic(x)
      val length = size.bitLength
      val k = if (size < (BigInt(3) << length - 2)) e + length - 1 else e + length
      nearest() { bits =>
        val m = size << bits + e - k // from 3/4 to 3/2
        val z = (m - one(bits) << bits) / (m + one(bits))
        (arc(z, z * z >> bits, bits) << 1) + k * ln2(bits)
      }
    }

  def sin(x: Double): Double = if (x.isNaN || x.abs < 1e-8) x else wave(x, 0)

  def cos(x: Double): Double = if (x.isNaN) x else if (x.abs < 1e-9) 1.0 else wave(x, 1)

  /** x to the integer or half-integer y. */
  def pow(x: Double, y: Double): Double = {
    val isOdd = (y % 2.0).abs == 1.0
    if (y == 0.0 || x == 1.0) 1.0
    else if (x.isNaN || y == 1.0) x
    else if (y == 2.0) x * x
    else if (y == -1.0) 1.0 / x
    else if (x == 0.0 || x.isInfinite) {
      val size = if ((x == 0.0) == (y > 0.0)) 0.0 else Double.PositiveInfinity
      if (isOdd) Math.copySign(size, x) else size
    }
    else if (x < 0.0) if (!y.isWhole) Double.NaN else if (isOdd) -pow(-x, y) else pow(-x, y)
    else if (y == 0.5) math.sqrt(x)
    else power(x, y)
  }

  /** Rounded once, from the exact value. */
  def fourDecimals(x: Double): String = {
    val sign = if (Math.copySign(1.0, x) < 0.0) "-" else ""
    if (x.isNaN) "nan"
    else if (x.isInfinite) sign + "inf"
    else sign + BigDecimal.exact(x.abs).setScale(4, RoundingMode.HALF_EVEN).bigDecimal.toPlainString
  }

  private val halvings = 12

  /** size * 2^exponent */
  private case class Dyadic(size: BigInt, exponent: Int) {
    /** The nearest double, ties to even, rounded once at the last place that it has. */
    def rounded: Double = {
      val last = (size.bitLength + exponent - 53) max -1074
      val drop = last - exponent
      if (last > 971) size.signum * Double.PositiveInfinity
      else if (drop <= 0) Math.scalb(size.toDouble, exponent)
      else {
        val kept = size >> drop
        val side = (size - (kept << drop)) compare one(drop - 1)
        val isUp = side > 0 || side == 0 && kept.testBit(0)
        Math.scalb((if (isUp) kept + 1 else kept).toDouble, last)
      }
    }
  }

  private object Dyadic {
    def apply(x: Double): Dyadic = {
      val e = (Math.getExponent(x) max -1022) - 52
      Dyadic(BigInt(Math.scalb(x, -e).toLong), e)
    }
  }

  // Below, a number in fixed point is an integer that stands for itself / 2^bits.

  private def one(bits: Int): BigInt = BigInt(1) << bits

  private def fixed(x: Double, bits: Int): BigInt = {
    val Dyadic(size, e) = Dyadic(x)
    size << e + bits
  }

  /** Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count).
    * If the ends of that interval do not round alike, it takes more bits (Ziv, 1991).
    */
  @tailrec private def nearest(scale: Int = 0, bits: Int = 192)(value: Int => BigInt): Double = {
    val y = value(bits)
    val low = Dyadic(y - one(24), scale - bits).rounded
    val high = Dyadic(y + one(24), scale - bits).rounded
    if (low == high) low else nearest(scale, 2 * bits)(value)
  }

  /** The terms until they vanish; next(term, n) is the one after the term of n, and n grows by step. */
  private def series(first: BigInt, start: Int, step: Int = 1)(next: (BigInt, Int) => BigInt): Iterator[BigInt] =
    Iterator
      .iterate((first, start)) { case (term, n) => (next(term, n), n + step) }
      .map(_._1)
      .takeWhile(_.bitLength > 1)

  /** first + first * square / 3 + first * square^2 / 5 ... */
  private def arc(first: BigInt, square: BigInt, bits: Int): BigInt =
    series(first, 1)((term, _) => term * square >> bits).zipWithIndex.map { case (term, i) => term / (2 * i + 1) }.sum

  /** artanh(1/n) for sign 1, arctan(1/n) for -1. */
  private def inverseArc(n: Int, sign: Int, bits: Int): BigInt =
    arc(one(bits) / n, one(bits) / (sign * n * n), bits)

  /** A constant, computed once for each number of bits, with 16 to spare. */
  private def constant(compute: Int => BigInt): Int => BigInt = {
    val known = mutable.Map.empty[Int, BigInt]
    bits => known.getOrElseUpdate(bits, compute(bits + 16) >> 16)
  }

  private val ln2 = constant(bits => inverseArc(3, 1, bits) << 1)
  private val halfPi = constant(bits => (inverseArc(5, -1, bits) << 3) - (inverseArc(239, -1, bits) << 1))

  /** sin(x + quarters * pi/2) for |x| <= 8. */
  private def wave(x: Double, quarters: Int): Double = {
    val k = (x / (math.Pi / 2)).round.toInt
    val quadrant = k + quarters & 3
    nearest() { bits =>
      val r = fixed(x, bits) - k * halfPi(bits)
      val square = r * r >> bits
      val (first, start) = if (quadrant % 2 == 0) (r, 1) else (one(bits), 0)
      val y = series(first, start, 2)((term, n) => (term * square >> bits) / (-(n + 1) * (n + 2))).sum
      if (quadrant < 2) y else -y
    }
  }

  /** For x > 0, with a last bit that says whether anything was left over. */
  private def power(x: Double, y: Double): Double = {
    val degree = if (y.isWhole) 1 else 2
    val t = (degree * y).toInt
    val Dyadic(size, q) = Dyadic(x)
    val zeros = size.lowestSetBit
    val n = (size >> zeros) pow t.abs
    val e = (q + zeros) * t
    val enough = if (t > 0) 0 max 132 - n.bitLength else 132 + n.bitLength
    val shift = enough + (e - enough & degree - 1)
    val (value, rest) = if (t > 0) (n << shift, BigInt(0)) else one(shift) /% n
    val root = if (degree == 1) value else BigInt(value.bigInteger.sqrt)
    val isExact = rest == 0 && (degree == 1 || root * root == value)
    Dyadic((root << 1) + (if (isExact) 0 else 1), (e - shift) / degree - 1).rounded
  }
}
