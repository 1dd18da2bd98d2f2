import groovy.transform.CompileStatic
import groovy.transform.Memoized
import java.math.RoundingMode

/** Correctly rounded functions (SPEC, sections 2 and 15), by integers alone. */
@CompileStatic
class Exact {
    static final int HALVINGS = 12

    static double exp(double x) {
        if (Double.isNaN(x)) return x
        if (Math.abs(x) < 1e-17d) return 1.0d
        if (Math.abs(x) > 800.0d) return x > 0.0d ? Double.POSITIVE_INFINITY : 0.0d
        int k = (int) Math.round(x / 0.6931471805599453d)
        nearest(k) { int bits ->
            BigInteger r = (fixed(x, bits) - (k as BigInteger) * ln2(bits)).shiftRight(HALVINGS)
            BigInteger y = 0G
            BigInteger term = one(bits)
            for (int n = 1; term.bitLength() > 1; n++) {
                y += term
                term = times(term, r, bits).divide(n as BigInteger)
            }
            HALVINGS.times { y = times(y, y, bits) }
            y
        }
    }

    static double log(double x) {
        if (Double.isNaN(x) || x < 0.0d) return Double.NaN
        if (x == 0.0d) return Double.NEGATIVE_INFINITY
        if (x == 1.0d) return 0.0d
        if (x == Double.POSITIVE_INFINITY) return x
        def number = new Dyadic(x)
        int length = number.size.bitLength()
        boolean isLow = number.size < 3G.shiftLeft(length - 2)
        int k = number.exponent + length - (isLow ? 1 : 0)
        nearest(0) { int bits ->
            BigInteger m = number.size.shiftLeft(bits + number.exponent - k) // from 3/4 to 3/2
            BigInteger z = (m - one(bits)).shiftLeft(bits).divide(m + one(bits))
            2G * arc(z, times(z, z, bits), bits) + (k as BigInteger) * ln2(bits)
        }
    }

    static double sin(double x) { Double.isNaN(x) || Math.abs(x) < 1e-8d ? x : wave(x, 0) }

    static double cos(double x) { Double.isNaN(x) ? x : Math.abs(x) < 1e-9d ? 1.0d : wave(x, 1) }

    /** x to the integer or half-integer y. */
    static double pow(double x, double y) {
        if (y == 0.0d || x == 1.0d) return 1.0d
        if (Double.isNaN(x) || y == 1.0d) return x
        if (y == 2.0d) return x * x
        if (y == -1.0d) return 1.0d / x
        boolean isWhole = y == Math.floor(y)
        boolean isOdd = Math.abs(y % 2.0d) == 1.0d
        if (x == 0.0d || Double.isInfinite(x)) {
            double size = (x == 0.0d) == (y > 0.0d) ? 0.0d : Double.POSITIVE_INFINITY
            return isOdd ? Math.copySign(size, x) : size
        }
        if (x < 0.0d) return !isWhole ? Double.NaN : isOdd ? -pow(-x, y) : pow(-x, y)
        y == 0.5d ? Math.sqrt(x) : power(x, y, isWhole)
    }

    /** Rounded once, from the exact value. */
    static String fourDecimals(double x) {
        String sign = Math.copySign(1.0d, x) < 0.0d ? '-' : ''
        if (Double.isNaN(x)) return 'nan'
        if (Double.isInfinite(x)) return sign + 'inf'
        sign + new BigDecimal(Math.abs(x)).setScale(4, RoundingMode.HALF_EVEN).toPlainString()
    }

    // Below, a number in fixed point is an integer that stands for itself / 2^bits.

    static BigInteger one(int bits) { 1G.shiftLeft(bits) }

    static BigInteger times(BigInteger a, BigInteger b, int bits) { (a * b).shiftRight(bits) }

    static BigInteger fixed(double x, int bits) {
        def number = new Dyadic(x)
        number.size.shiftLeft(number.exponent + bits)
    }

    /**
     * Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count).
     * If the ends of that interval do not round alike, it takes more bits (Ziv, 1991).
     */
    static double nearest(int scale, Closure<BigInteger> value) {
        for (int bits = 192; ; bits *= 2) {
            BigInteger y = value(bits)
            double low = new Dyadic(y - one(24), scale - bits).rounded()
            double high = new Dyadic(y + one(24), scale - bits).rounded()
            if (low == high) return low
        }
    }

    /** first + first * square / 3 + first * square^2 / 5 ... */
    static BigInteger arc(BigInteger first, BigInteger square, int bits) {
        BigInteger sum = 0G
        for (int n = 1; first.bitLength() > 1; n += 2) {
            sum += first.divide(n as BigInteger)
            first = times(first, square, bits)
        }
        sum
    }

    /** artanh(1/n) for sign 1, arctan(1/n) for -1. */
    static BigInteger inverseArc(int n, int sign, int bits) {
        arc(one(bits).divide(n as BigInteger), one(bits).divide((sign * n * n) as BigInteger), bits)
    }

    // The constants have 16 bits to spare while they are computed.

    @Memoized
    static BigInteger ln2(int bits) { (2G * inverseArc(3, 1, bits + 16)).shiftRight(16) }

    @Memoized
    static BigInteger halfPi(int bits) {
        (8G * inverseArc(5, -1, bits + 16) - 2G * inverseArc(239, -1, bits + 16)).shiftRight(16)
    }

    /** sin(x + quarters * pi/2) for |x| <= 8. */
    static double wave(double x, int quarters) {
        int k = (int) Math.round(x / 1.5707963267948966d)
        int quadrant = (k + quarters) & 3
        nearest(0) { int bits ->
            BigInteger r = fixed(x, bits) - (k as BigInteger) * halfPi(bits)
            BigInteger square = times(r, r, bits)
            BigInteger y = 0G
            BigInteger term = quadrant % 2 == 0 ? r : one(bits)
            for (int n = 1 - quadrant % 2; term.bitLength() > 1; n += 2) {
                y += term
                term = times(term, square, bits).divide((-(n + 1) * (n + 2)) as BigInteger)
            }
            quadrant < 2 ? y : -y
        }
    }

    /** For x > 0, with a last bit that says whether anything was left over. */
    static double power(double x, double y, boolean isWhole) {
        int t = (int) (isWhole ? y : 2.0d * y)
        def number = new Dyadic(x)
        int zeros = number.size.lowestSetBit
        BigInteger n = number.size.shiftRight(zeros).pow(Math.abs(t))
        int e = (number.exponent + zeros) * t
        int shift = t > 0 ? Math.max(0, 132 - n.bitLength()) : 132 + n.bitLength()
        if (!isWhole) shift += (e - shift) & 1
        BigInteger[] parts = t > 0 ? [n.shiftLeft(shift), 0G] as BigInteger[] : one(shift).divideAndRemainder(n)
        BigInteger root = isWhole ? parts[0] : parts[0].sqrt()
        boolean isExact = parts[1] == 0G && (isWhole || root * root == parts[0])
        new Dyadic(2G * root + (isExact ? 0G : 1G), (isWhole ? e - shift : (e - shift) >> 1) - 1).rounded()
    }
}

/** size * 2^exponent */
@CompileStatic
class Dyadic {
    final BigInteger size
    final int exponent

    Dyadic(BigInteger size, int exponent) {
        this.size = size
        this.exponent = exponent
    }

    Dyadic(double x) {
        exponent = Math.max(Math.getExponent(x), -1022) - 52
        size = BigInteger.valueOf((long) Math.scalb(x, -exponent))
    }

    /** The nearest double, ties to even, rounded once at the last place that it has. */
    double rounded() {
        int last = Math.max(size.abs().bitLength() + exponent - 53, -1074)
        int drop = last - exponent
        if (last > 971) return size.signum() * Double.POSITIVE_INFINITY
        if (drop <= 0) return Math.scalb(size.doubleValue(), exponent)
        BigInteger kept = size.shiftRight(drop)
        int side = (size - kept.shiftLeft(drop)) <=> 1G.shiftLeft(drop - 1)
        if (side > 0 || side == 0 && kept.testBit(0)) kept += 1G
        Math.scalb(kept.doubleValue(), last)
    }
}
