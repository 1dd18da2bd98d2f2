import static java.math.BigInteger.ONE;
import static java.math.BigInteger.TWO;
import static java.math.BigInteger.ZERO;

import java.math.BigInteger;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntFunction;

/** Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), by integers alone. */
final class Exact {
    private Exact() {}

    static double exp(double x) {
        if (Double.isNaN(x)) return x;
        if (Math.abs(x) < 0x1p-54) return 1.0;
        if (Math.abs(x) > 800.0) return x > 0.0 ? Double.POSITIVE_INFINITY : 0.0;
        var k = (int) Math.rint(x / Math.log(2.0));
        return nearest(k, bits -> {
            var r = fixed(x, bits).subtract(LN2.at(bits).multiply(BigInteger.valueOf(k))).shiftRight(HALVINGS);
            BigInteger sum = ZERO, term = one(bits);
            for (var n = 1; term.bitLength() > 1; n++) {
                sum = sum.add(term);
                term = term.multiply(r).shiftRight(bits).divide(BigInteger.valueOf(n));
            }
            for (var i = 0; i < HALVINGS; i++) sum = sum.multiply(sum).shiftRight(bits);
            return sum;
        });
    }

    static double log(double x) {
        if (!(x > 0.0 && x < Double.POSITIVE_INFINITY) || x == 1.0) return Math.log(x); // IEEE 754 fixes these
        var dyadic = Dyadic.of(x);
        var length = dyadic.number.bitLength();
        var k = length + dyadic.exponent - (dyadic.number.compareTo(BigInteger.valueOf(3).shiftLeft(length - 2)) < 0 ? 1 : 0);
        return nearest(0, bits -> { // 3/4 <= m < 3/2
            var m = dyadic.number.shiftLeft(bits + dyadic.exponent - k);
            var z = m.subtract(one(bits)).shiftLeft(bits).divide(m.add(one(bits)));
            return arc(z, z.multiply(z).shiftRight(bits), bits).shiftLeft(1).add(LN2.at(bits).multiply(BigInteger.valueOf(k)));
        });
    }

    /** For |x| <= 8 and NaN, as cos. */
    static double sin(double x) { return Math.abs(x) > 0x1p-26 ? wave(x, 0) : x; }
    static double cos(double x) { return Math.abs(x) > 0x1p-27 ? wave(x, 1) : Double.isNaN(x) ? x : 1.0; }

    /** For integer and half-integer y. What is rounded only once anyway is done at once. */
    static double pow(double x, double y) {
        if (y == -1.0) return 1.0 / x;
        if (y == 0.5) return squareRoot(x);
        if (y == 1.0) return x;
        if (y == 2.0) return x * x;
        if (x == 1.0 || x == 0.0 || y == 0.0 || !Double.isFinite(x)) return x == 1.0 ? x : Math.pow(x, y);
        if (x > 0.0) return power(x, y);
        if (y != Math.rint(y)) return Double.NaN;
        return y % 2.0 == 0.0 ? pow(-x, y) : -pow(-x, y);
    }

    static double squareRoot(double x) { return x == Double.NEGATIVE_INFINITY ? -x : Math.sqrt(x + 0.0); }

    /** A number times a power of two. */
    private record Dyadic(BigInteger number, int exponent) {
        static Dyadic of(double x) {
            var exponent = Math.max(Math.getExponent(x), Double.MIN_EXPONENT) - 52;
            return new Dyadic(BigInteger.valueOf((long) Math.scalb(x, -exponent)), exponent);
        }

        /** The nearest double, ties to even, rounded once at the last place that it has. */
        double rounded() {
            var size = number.abs();
            var last = Math.max(size.bitLength() + exponent - 53, Double.MIN_EXPONENT - 52);
            var drop = last - exponent;
            if (drop <= 0) return Math.scalb(number.doubleValue(), exponent);
            var kept = size.shiftRight(drop);
            if (size.testBit(drop - 1) && (kept.testBit(0) || size.getLowestSetBit() < drop - 1)) kept = kept.add(ONE);
            return Math.scalb(kept.doubleValue(), last) * number.signum();
        }
    }

    // Below, a number in fixed point is an integer that stands for itself / 2^bits.

    private static final int HALVINGS = 12;

    private static BigInteger one(int bits) { return ONE.shiftLeft(bits); }

    private static BigInteger fixed(double x, int bits) {
        var dyadic = Dyadic.of(x);
        return dyadic.number.shiftLeft(dyadic.exponent + bits);
    }

    /**
     * Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count).
     * If the two ends of that interval do not round alike, it takes more bits (Ziv, 1991).
     */
    private static double nearest(int scale, IntFunction<BigInteger> value) {
        for (var bits = 192; ; bits *= 2) {
            var y = value.apply(bits);
            var low = new Dyadic(y.subtract(one(24)), scale - bits).rounded();
            if (low == new Dyadic(y.add(one(24)), scale - bits).rounded()) return low;
        }
    }

    /** first + first * square / 3 + first * square^2 / 5 ... */
    private static BigInteger arc(BigInteger first, BigInteger square, int bits) {
        var sum = ZERO;
        for (int n = 1; first.bitLength() > 1; n += 2) {
            sum = sum.add(first.divide(BigInteger.valueOf(n)));
            first = first.multiply(square).shiftRight(bits);
        }
        return sum;
    }

    /** artanh(1/n) for sign 1, arctan(1/n) for -1. */
    private static BigInteger inverseArc(int n, int sign, int bits) {
        var first = one(bits).divide(BigInteger.valueOf(n));
        return arc(first, one(bits).divide(BigInteger.valueOf((long) n * n * sign)), bits);
    }

    /** Computed once for each number of bits, with 16 to spare. */
    private record Constant(IntFunction<BigInteger> compute, Map<Integer, BigInteger> known) {
        BigInteger at(int bits) { return known.computeIfAbsent(bits, b -> compute.apply(b + 16).shiftRight(16)); }
    }

    private static final Constant LN2 = new Constant(bits -> inverseArc(3, 1, bits).shiftLeft(1), new HashMap<>());
    private static final Constant HALF_PI = new Constant( // Machin, 1706
            bits -> inverseArc(5, -1, bits).shiftLeft(3).subtract(inverseArc(239, -1, bits).shiftLeft(1)), new HashMap<>());

    /** sin(x + quarters * pi/2). */
    private static double wave(double x, int quarters) {
        var k = (int) Math.rint(x / (Math.PI / 2.0));
        var quadrant = k + quarters & 3;
        return nearest(0, bits -> {
            var r = fixed(x, bits).subtract(HALF_PI.at(bits).multiply(BigInteger.valueOf(k)));
            var square = r.multiply(r).shiftRight(bits);
            var sum = ZERO;
            var term = quadrant % 2 == 0 ? r : one(bits);
            for (int n = 1 - quadrant % 2; term.bitLength() > 1; n += 2) {
                sum = sum.add(term);
                term = term.multiply(square).shiftRight(bits).divide(BigInteger.valueOf(-(n + 1) * (n + 2)));
            }
            return quadrant < 2 ? sum : sum.negate();
        });
    }

    /** For x > 0, with a last bit that says whether anything was left over. */
    private static double power(double x, double y) {
        var whole = y == Math.rint(y);
        var t = (int) (whole ? y : 2.0 * y);
        var dyadic = Dyadic.of(x);
        var zeros = dyadic.number.getLowestSetBit();
        var n = dyadic.number.shiftRight(zeros).pow(Math.abs(t));
        var e = (dyadic.exponent + zeros) * t;
        var shift = t > 0 ? Math.max(0, 132 - n.bitLength()) : 132 + n.bitLength();
        if (!whole) shift += e - shift & 1;
        var quotient = t > 0 ? new BigInteger[] {n.shiftLeft(shift), ZERO} : one(shift).divideAndRemainder(n);
        var root = whole ? new BigInteger[] {quotient[0], ZERO} : quotient[0].sqrtAndRemainder();
        var exact = quotient[1].signum() == 0 && root[1].signum() == 0;
        var sticky = root[0].multiply(TWO).add(exact ? ZERO : ONE);
        return new Dyadic(sticky, (whole ? e - shift : (e - shift) / 2) - 1).rounded();
    }
}
