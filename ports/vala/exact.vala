/* Doubles, and functions that give the double nearest to the true value (SPEC, section 2). */
namespace Exact {
    public uint64 bits_of (double x) { /* all NaNs count as one */
        uint64 bits = 0;
        Memory.copy (&bits, &x, sizeof (double));
        return x.is_nan () ? 0x7ff8000000000000 : bits;
    }

    public double double_of (uint64 bits) {
        double x = 0.0;
        Memory.copy (&x, &bits, sizeof (double));
        return x.is_nan () ? double.NAN : x;
    }

    public bool is_finite (double x) { return x.is_infinity () == 0 && !x.is_nan (); }

    /* A number in fixed point has a signed integer and then limbs of 28 bits after the point, all of them >= 0. FEW limbs
       decide nearly every call, MOST every one that anybody has found (reference/EXACT.md). */
    const int BITS = 28;
    const int64 MASK = (1 << 28) - 1;
    const double BASE = 268435456.0;
    const int FEW = 5;
    const int MOST = 9;
    const int TERMS = 64;
    const int HALVINGS = 8;
    const int64 LN2[] = { 0, 0xb17217f, 0x7d1cf79, 0xabc9e3b, 0x39803f2, 0xf6af40f, 0x3432672, 0x98b62d8, 0xa0d175b,
                          0x8baafa2 };
    const int64 HALF_PI[] = { 1, 0x921fb54, 0x442d184, 0x69898cc, 0x51701b8, 0x39a2520, 0x49c1114, 0xcf98e80,
                              0x4177d4c, 0x7627364 };
    int64[,] inverse_factorials = null;

    struct Fixed {
        public int64 limb[10];
        public int last;

        public Fixed (int last) {
            this.last = last;
            for (int i = 0; i <= MOST; i++) limb[i] = 0;
        }

        public Fixed.from (double x, int last) {
            this (last);
            double rest = x.abs ();
            for (int i = 0; i <= last; i++) {
                limb[i] = (int64) rest;
                rest = (rest - (double) limb[i]) * BASE;
            }
            if (x < 0.0) negate ();
        }

        public Fixed.constant (int64[] limbs, int last) {
            this (last);
            for (int i = 0; i <= last; i++) limb[i] = limbs[i];
        }

        public Fixed.inverse_factorial (int i, int last) {
            this (last);
            for (int j = 0; j <= last; j++) limb[j] = inverse_factorials[i, j];
        }

        void carry () {
            for (int i = last; i > 0; i--) {
                limb[i - 1] += limb[i] >> BITS;
                limb[i] &= MASK;
            }
        }

        public void negate () {
            for (int i = 0; i <= last; i++) limb[i] = -limb[i];
            carry ();
        }

        public Fixed plus (int k, Fixed b) { /* this + k * b */
            var sum = Fixed (last);
            for (int i = 0; i <= last; i++) sum.limb[i] = limb[i] + k * b.limb[i];
            sum.carry ();
            return sum;
        }

        /* The column after the last counts for what it carries; those beyond it are cut off. */
        public Fixed times (Fixed b) {
            var product = Fixed (last);
            int64 beyond = 0;
            for (int j = 1; j <= last; j++) beyond += limb[j] * b.limb[last + 1 - j];
            product.limb[last] = beyond >> BITS;
            for (int i = 0; i <= last; i++)
                for (int j = 0; j <= i; j++) product.limb[i] += limb[j] * b.limb[i - j];
            product.carry ();
            return product;
        }

        public Fixed halved (int places) { /* this / 2^places */
            var half = Fixed (last);
            half.limb[0] = limb[0] >> places;
            for (int i = 1; i <= last; i++)
                half.limb[i] = (limb[i] >> places) + ((limb[i - 1] << (BITS - places)) & MASK);
            return half;
        }

        /* The double nearest to this * 2^exponent, if this is > 0; ties to even, rounded once at the last place. */
        public double rounded (int exponent) {
            int i = 0;
            while (limb[i] == 0) i++;
            uint64 top = (uint64) limb[i]; /* it gets 62 bits */
            int room = 0;
            while (top >> (61 - room) == 0) room++;
            int place = exponent - BITS * i - room;
            uint64 sticky = 0;
            while (i < last || room > 0) {
                i++;
                uint64 next = i <= last ? (uint64) limb[i] : 0;
                int take = int.min (room, BITS);
                top = (top << take) | (next >> (BITS - take));
                sticky |= next & ((uint64) MASK >> take);
                room -= take;
            }
            int drop = int.max (9, -1074 - place);
            if (drop > 62) return 0.0;
            uint64 half = (uint64) 1 << (drop - 1);
            uint64 rest = top & (2 * half - 1);
            top >>= drop;
            if (rest > half || (rest == half && (sticky > 0 || top % 2 == 1))) top++;
            place += drop + 1074;
            if (place >= 2047) return double.INFINITY;
            uint64 pattern = ((uint64) place << 52) + top; /* a carry makes the exponent greater, as it should */
            return double_of (uint64.min (pattern, 0x7ff0000000000000));
        }
    }

    void make_inverse_factorials () {
        inverse_factorials = new int64[TERMS, MOST + 1];
        inverse_factorials[0, 0] = 1;
        for (int i = 1; i < TERMS; i++) {
            int64 rest = 0;
            for (int j = 0; j <= MOST; j++) {
                rest = (rest << BITS) + inverse_factorials[i - 1, j];
                inverse_factorials[i, j] = rest / i;
                rest %= i;
            }
        }
    }

    /* 1/first! + x/(first + step)! + x^2/(first + 2 step)! + ..., or the same with alternating signs. */
    Fixed series (Fixed x, int first, int step, int count, int sign) {
        var sum = Fixed.inverse_factorial (first + step * (count - 1), x.last);
        for (int i = count - 2; i >= 0; i--)
            sum = Fixed.inverse_factorial (first + step * i, x.last).plus (sign, sum.times (x));
        return sum;
    }

    /* e^p = the result * 2^exponent */
    Fixed exponential (Fixed p, out int exponent) {
        exponent = (int) Math.lrint (((double) p.limb[0] + (double) p.limb[1] / BASE) / Math.LN2);
        var r = p.plus (-exponent, Fixed.constant (LN2, p.last));
        var power = series (r.halved (HALVINGS), 0, 1, 4 + 2 * p.last, 1);
        for (int i = 0; i < HALVINGS; i++) power = power.times (power);
        return power;
    }

    [CCode (has_target = false)]
    delegate Fixed Evaluation (double x, int k, int last, out int exponent);

    Fixed power_of_e (double x, int k, int last, out int exponent) {
        return exponential (Fixed.from (x, last + k), out exponent);
    }

    /* log m = y + d - d^2/2 + d^3/3 - ..., with d = m e^-y - 1. The library's y is good to 2^-52, the next to 2^-150. */
    Fixed logarithm (double x, int k, int last, out int exponent) {
        int size, shift;
        double m = Math.frexp (x, out size);
        if (m < 0.75) {
            m *= 2.0;
            size--;
        }
        var y = Fixed.from (Math.log (m), last);
        for (int n = FEW; n <= last; n += MOST - FEW) {
            y.last = n;
            var minus_y = y;
            minus_y.negate ();
            var power = exponential (minus_y, out shift);
            var one = Fixed (n);
            one.limb[0] = 1;
            var d = power.times (Fixed.from (Math.ldexp (m, shift), n)).plus (-1, one);
            y = y.plus (1, d).plus (-1, d.times (d).halved (1));
        }
        exponent = k;
        return y.plus (size, Fixed.constant (LN2, last));
    }

    Fixed wave (double x, int quarters, int last, out int exponent) { /* sin (x + quarters * pi/2) */
        int turns = (int) Math.lrint (x / (Math.PI / 2.0)), quadrant = (turns + quarters) & 3;
        bool is_sine = quadrant % 2 == 0;
        var r = Fixed.from (x, last).plus (-turns, Fixed.constant (HALF_PI, last));
        var y = series (r.times (r), is_sine ? 1 : 0, 2, 6 + 5 * last / 2, -1);
        if (is_sine) y = r.times (y);
        if (quadrant >= 2) y.negate ();
        exponent = 0;
        return y;
    }

    Fixed power (double x, int twice, int last, out int exponent) { /* x^(twice/2) */
        var zero = Fixed (last);
        return exponential (zero.plus (twice, logarithm (x, 0, last, out exponent)).halved (1), out exponent);
    }

    /* The value is off by less than the slack. With MOST limbs, what lies within the slack of a double, or of the middle
       between two, is that: a power of a short number may be. */
    double nearest (Evaluation evaluate, double x, int k) {
        if (inverse_factorials == null) make_inverse_factorials ();
        for (int last = FEW;; last = MOST) {
            int exponent;
            var value = evaluate (x, k, last, out exponent);
            bool is_negative = value.limb[0] < 0;
            if (is_negative) value.negate ();
            var slack = Fixed (last);
            slack.limb[last - 1] = 1 << 14;
            var above = value.plus (1, slack), below = value.plus (-1, slack);
            if (last == MOST) {
                above.limb[last] = 0;
                above.limb[last - 1] &= ~0x7fff;
            }
            double result = above.rounded (exponent);
            if (last == MOST || result == below.rounded (exponent)) return is_negative ? -result : result;
        }
    }

    public double exp (double x) {
        return x.is_nan () ? double.NAN : nearest (power_of_e, x.clamp (-800.0, 800.0), 0);
    }

    public double log (double x) {
        if (x.is_nan () || x < 0.0) return double.NAN;
        if (x == 0.0) return -double.INFINITY;
        if (x == 1.0) return 0.0;
        return x == double.INFINITY ? x : nearest (logarithm, x, 0);
    }

    public double sin (double x) { /* for small x, x - x^3/6 rounds to x */
        if (x.is_nan ()) return double.NAN;
        return x.abs () < 1e-8 ? x : nearest (wave, x, 0);
    }

    public double cos (double x) { return x.is_nan () ? double.NAN : nearest (wave, x, 1); }

    /* y is an integer or half-integer. */
    public double pow (double x, double y) {
        bool is_whole = Math.floor (y) == y, is_odd = is_whole && Math.fmod (y, 2.0) != 0.0;
        if (y == 0.0 || x == 1.0) return 1.0;
        if (x.is_nan ()) return double.NAN;
        if (y == 1.0) return x;
        if (y == 2.0) return x * x;
        if (y == -1.0) return 1.0 / x;
        if (x == 0.0 || !is_finite (x)) {
            double size = (x == 0.0) == (y > 0.0) ? 0.0 : double.INFINITY;
            return is_odd ? Math.copysign (size, x) : size;
        }
        if (x < 0.0) return !is_whole ? double.NAN : is_odd ? -pow (-x, y) : pow (-x, y);
        if (y == 0.5) return Math.sqrt (x);
        if ((Math.log (x) * y).abs () > 800.0) return Math.log (x) * y > 0.0 ? double.INFINITY : 0.0;
        return nearest (power, x, (int) (2.0 * y));
    }
}
