/// Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), in fixed point with 192 places. Results are
/// off by less than 2^17 units of the last place. No true value is known to come that near to the middle of two doubles,
/// unless it is one, as only a power can be.
module exact;

import core.bitop : bsr;
import std.algorithm : any, clamp, max;
import std.math : abs, floor, frexp, isFinite, isNaN, LN2, ldexp, nearbyint, PI_2, sqrt;
import std.range : retro, stride;
static import core.stdc.math;

/// Two's complement in limbs, the lowest first; the point stands below the highest one. Products are cut off.
private struct Fixed {
    enum places = 192;
    uint[7] limbs;

    this(uint[7] pattern) @safe pure { limbs = pattern; }

    /// For |x| < 2^31; what lies below the last place is lost.
    this(double x) @safe pure {
        int exponent;
        immutable significand = cast(ulong) ldexp(frexp(abs(x), exponent), 53);
        immutable shift = exponent + places - 53;
        if (significand == 0 || shift < 0) return;
        immutable low = (significand & uint.max) << shift % 32;
        immutable high = (low >> 32) + ((significand >> 32) << shift % 32);
        foreach (i, limb; [cast(uint) low, cast(uint) high, cast(uint)(high >> 32)])
            if (limb != 0) limbs[shift / 32 + i] = limb;
        if (x < 0) this = -this;
    }

    bool negative() const @safe pure { return limbs[$ - 1] >> 31 == 1; }
    Fixed magnitude() const @safe pure { return negative ? -this : this; }

    Fixed opUnary(string op : "-")() const @safe pure {
        Fixed flipped, unit;
        flipped.limbs[] = ~limbs[];
        unit.limbs[0] = 1;
        return flipped + unit;
    }

    Fixed opBinary(string op : "+")(Fixed other) const @safe pure {
        ulong carry;
        foreach (i, ref limb; other.limbs) {
            carry += ulong(limbs[i]) + limb;
            limb = cast(uint) carry;
            carry >>= 32;
        }
        return other;
    }

    Fixed opBinary(string op : "*")(Fixed other) const @safe pure {
        immutable a = magnitude, b = other.magnitude;
        uint[14] product;
        foreach (i, x; a.limbs) {
            ulong carry;
            foreach (j, y; b.limbs) {
                carry += ulong(x) * y + product[i + j];
                product[i + j] = cast(uint) carry;
                carry >>= 32;
            }
            product[i + 7] = cast(uint) carry;
        }
        Fixed result;
        result.limbs = product[6 .. 13];
        return negative != other.negative ? -result : result;
    }

    /// For a number >= 0.
    Fixed opBinary(string op : "/")(uint divisor) const @safe pure {
        Fixed quotient;
        ulong rest;
        foreach_reverse (i, limb; limbs) {
            rest = rest << 32 | limb;
            quotient.limbs[i] = cast(uint)(rest / divisor);
            rest %= divisor;
        }
        return quotient;
    }
}

private immutable ln2 = Fixed([0x7298b62d, 0x40f34326, 0x03f2f6af, 0xc9e3b398, 0xd1cf79ab, 0xb17217f7, 0]);
private immutable halfPi = Fixed([0x14cf98e8, 0x52049c11, 0x01b839a2, 0x898cc517, 0x42d18469, 0x921fb544, 1]);
private immutable Fixed[48] inverseFactorials;
private immutable Fixed[256] rootsOfTwo; // 2^(j/256)

shared static this() {
    inverseFactorials[0] = Fixed(1);
    foreach (uint k; 1 .. inverseFactorials.length) inverseFactorials[k] = inverseFactorials[k - 1] / k;
    foreach (j, ref root; rootsOfTwo) root = series(ln2 * Fixed(j / 256.0), inverseFactorials[]);
}

/// The first coefficient + the second * x + the third * x^2 ...
private Fixed series(R)(Fixed x, R coefficients) {
    Fixed sum;
    foreach (coefficient; coefficients.retro) sum = sum * x + coefficient;
    return sum;
}

@safe:

/// The double nearest to number * 2^exponent, rounded once, even if that is subnormal.
private double nearest(Fixed number, int exponent = 0) {
    Fixed slack;
    slack.limbs[0] = 1 << 17;
    auto limbs = (number.magnitude + slack).limbs;
    limbs[0] = limbs[0] >> 18 << 18;
    int top = limbs.length - 1;
    while (top > 0 && limbs[top] == 0) top--;
    if (limbs[top] == 0) return 0;

    ulong at(int i) { return i < 0 ? 0 : limbs[i]; }
    immutable leading = bsr(limbs[top]);
    immutable height = exponent + 32 * top + leading - Fixed.places; // the size is from 2^height to 2^(height + 1)
    immutable rest = at(top - 2) << 31 - leading;
    immutable window = (at(top) << 32 | at(top - 1)) << 31 - leading | rest >> 32;
    immutable isMore = cast(uint) rest != 0 || limbs[0 .. max(top - 2, 0)].any;

    immutable bits = clamp(53 + height + 1022, -1, 53); // fewer of a subnormal number
    immutable kept = window >> 2 | ((window & 3) != 0 || isMore), half = 1UL << 61 - bits;
    immutable fraction = kept & 2 * half - 1, below = kept >> 62 - bits;
    immutable rounded = below + (fraction > half || fraction == half && below % 2 == 1);
    immutable size = ldexp(cast(double) rounded, height + 1 - bits);
    return number.negative ? -size : size;
}

/// A number in fixed point times a power of two.
private struct Scaled {
    Fixed number;
    int exponent;
}

/// e^x = 2^(k/256) e^r with 0 <= r < 1/256.
private Scaled powerOfE(Fixed x) {
    immutable k = floor(nearest(x) * (256 / LN2));
    immutable r = x + ln2 * Fixed(-k / 256), count = cast(int) k;
    return Scaled(rootsOfTwo[count & 255] * series(r, inverseFactorials[0 .. 18]), count >> 8);
}

/// For 0 < x < infinity: y + log(1 + d) with the library's logarithm y and d = x e^-y - 1, which is below 2^-40.
private Fixed naturalLogarithm(double x) {
    immutable y = core.stdc.math.log(x), power = powerOfE(Fixed(-y));
    immutable d = Fixed(ldexp(x, power.exponent)) * power.number + Fixed(-1);
    return Fixed(y) + d * series(d, [Fixed(1), -(Fixed(1) / 2), Fixed(1) / 3, -(Fixed(1) / 4)]);
}

/// sin(x + quarters * pi/2) for |x| <= 8.
private double wave(double x, int quarters) {
    immutable k = nearbyint(x / PI_2), r = Fixed(x) + halfPi * Fixed(-k), quadrant = cast(int) k + quarters;
    immutable square = -(r * r);
    immutable value = quadrant % 2 == 0
        ? r * series(square, inverseFactorials[1 .. $].stride(2)) : series(square, inverseFactorials[].stride(2));
    return nearest((quadrant & 2) == 0 ? value : -value);
}

double exp(double x) {
    if (isNaN(x)) return x;
    auto power = powerOfE(Fixed(clamp(x, -800, 800)));
    return nearest(power.tupleof);
}

double log(double x) {
    return x > 0 && isFinite(x) ? nearest(naturalLogarithm(x)) : core.stdc.math.log(x); // IEEE 754 fixes the others
}

double sin(double x) { return abs(x) > 0x1p-26 ? wave(x, 0) : x; }
double cos(double x) { return abs(x) > 0x1p-27 ? wave(x, 1) : isNaN(x) ? x : 1; }

/// pow(x, 0.5): the square root but for -0.0 and -infinity.
double squareRoot(double x) { return x == -double.infinity ? -x : sqrt(x + 0.0); }

/// For an integer or half-integer y with |y| <= 4097. What is rounded only once anyway is done at once.
double pow(double x, double y) {
    if (y == -1) return 1 / x;
    if (y == 0.5) return squareRoot(x);
    if (y == 1) return x;
    if (y == 2) return x * x;
    if (x == 0 || y == 0 || !isFinite(x)) return core.stdc.math.pow(x, y); // IEEE 754 fixes these
    if (x < 0) return y != floor(y) ? double.nan : y % 2 == 0 ? pow(-x, y) : -pow(-x, y);
    auto power = powerOfE(naturalLogarithm(x) * Fixed(y));
    return nearest(power.tupleof);
}
