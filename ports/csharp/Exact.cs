using System;
using System.Collections.Generic;
using System.Numerics;

namespace Microgpt
{
    /// <summary>Correctly rounded functions (SPEC, sections 2 and 15), by integers alone.</summary>
    static class Exact
    {
        const int Halvings = 12;

        public static double Exp(double x)
        {
            if (double.IsNaN(x)) return x;
            if (Math.Abs(x) < Math.Pow(2, -54)) return 1;
            if (Math.Abs(x) > 800) return x > 0 ? double.PositiveInfinity : 0;
            var k = (int)Math.Round(x / Math.Log(2));
            return Nearest(k, bits =>
            {
                var r = (Fixed(x, bits) - k * Ln2(bits)) >> Halvings;
                BigInteger sum = 0, term = One(bits);
                for (var n = 1; !Vanishes(term); n++)
                {
                    sum += term;
                    term = (term * r >> bits) / n;
                }
                for (var i = 0; i < Halvings; i++) sum = sum * sum >> bits;
                return sum;
            });
        }

        public static double Log(double x)
        {
            if (!(x > 0 && x < double.PositiveInfinity) || x == 1) return Math.Log(x); // IEEE 754 fixes these
            var number = Dyadic.Of(x);
            var length = Length(number.Size);
            var k = number.Exponent + length;
            if (number.Size < (BigInteger)3 << length - 2) k--;
            return Nearest(0, bits =>
            {
                var m = Shift(number.Size, bits + number.Exponent - k); // from 3/4 to 3/2
                var z = (m - One(bits) << bits) / (m + One(bits));
                return 2 * Arc(z, z * z >> bits, bits) + k * Ln2(bits);
            });
        }

        /// <summary>For |x| up to 8 and NaN, as Cos.</summary>
        public static double Sin(double x) => Math.Abs(x) > Math.Pow(2, -26) ? Wave(x, 0) : x;

        public static double Cos(double x) => Math.Abs(x) > Math.Pow(2, -27) ? Wave(x, 1) : double.IsNaN(x) ? x : 1;

        /// <summary>x to the 1/2: the square root but for -0.0 and -infinity.</summary>
        public static double SquareRoot(double x) =>
            double.IsNegativeInfinity(x) ? -x : Math.Sqrt(WithoutMinusZero(x));

        /// <summary>x + 0.0, which the compiler would take for x.</summary>
        public static double WithoutMinusZero(double x) => x == 0 ? 0 : x;

        /// <summary>For integers and half-integers y. What is rounded only once anyway is done at once.</summary>
        public static double Pow(double x, double y)
        {
            if (y == 0 || x == 1) return 1;
            if (y == -1) return 1 / x;
            if (y == 0.5) return SquareRoot(x);
            if (y == 1) return x;
            if (y == 2) return x * x;
            if (double.IsNaN(x)) return x;
            var odd = Math.Abs(y % 2) == 1;
            if (x == 0 || double.IsInfinity(x))
            {
                var size = x == 0 == y > 0 ? 0 : double.PositiveInfinity;
                return odd && 1 / x < 0 || odd && x < 0 ? -size : size;
            }
            if (x > 0) return Power(x, y);
            return y != Math.Floor(y) ? double.NaN : odd ? -Pow(-x, y) : Pow(-x, y);
        }

        /// <summary>Rounded once from the exact value: the library's "F4" has only fifteen digits.</summary>
        public static string FourDecimals(double x)
        {
            if (double.IsNaN(x)) return "nan";
            var sign = BitConverter.DoubleToInt64Bits(x) < 0 ? "-" : "";
            if (double.IsInfinity(x)) return sign + "inf";
            var number = Dyadic.Of(Math.Abs(x));
            var n = RoundedShift(10000 * number.Size, -number.Exponent);
            return $"{sign}{n / 10000}.{(int)(n % 10000):D4}";
        }

        /// <summary>A number times a power of two.</summary>
        struct Dyadic
        {
            public BigInteger Size;
            public int Exponent;

            public static Dyadic Of(double x)
            {
                var pattern = BitConverter.DoubleToInt64Bits(x);
                var biased = (int)(pattern >> 52 & 0x7ff);
                var size = (pattern & (1L << 52) - 1) + (biased > 0 ? 1L << 52 : 0);
                return new Dyadic { Size = x < 0 ? -size : size, Exponent = Math.Max(biased, 1) - 1075 };
            }

            /// <summary>The product, cut to its first bits.</summary>
            public Dyadic Times(Dyadic other, int bits)
            {
                var size = Size * other.Size;
                var cut = Math.Max(0, Length(size) - bits);
                return new Dyadic { Size = size >> cut, Exponent = Exponent + other.Exponent + cut };
            }

            /// <summary>The nearest double, ties to even, rounded once at the last place that it has.</summary>
            public double Rounded()
            {
                var size = BigInteger.Abs(Size);
                var last = Math.Max(Length(size) + Exponent - 53, -1074);
                if (last > 971) return Size.Sign * double.PositiveInfinity;
                // The first bit of a normal number adds one to the exponent, and so does a carry.
                var pattern = ((long)(last + 1074) << 52) + (long)RoundedShift(size, last - Exponent);
                return Size.Sign * BitConverter.Int64BitsToDouble(pattern);
            }
        }

        // Below, a number in fixed point is an integer that stands for itself / 2^bits.

        static BigInteger One(int bits) => BigInteger.One << bits;
        static BigInteger Shift(BigInteger n, int left) => left >= 0 ? n << left : n >> -left;
        static bool Vanishes(BigInteger term) => term.IsZero || term == BigInteger.MinusOne; // >> rounds down
        static BigInteger Fixed(double x, int bits) => Shift(Dyadic.Of(x).Size, Dyadic.Of(x).Exponent + bits);

        /// <summary>The number of bits of n >= 0.</summary>
        static int Length(BigInteger n)
        {
            var bytes = n.ToByteArray(); // the lowest first, with room for the sign
            var length = 8 * bytes.Length;
            while (length > 0 && (bytes[(length - 1) / 8] >> (length - 1) % 8 & 1) == 0) length--;
            return length;
        }

        /// <summary>n / 2^right for n >= 0, to nearest, ties to even.</summary>
        static BigInteger RoundedShift(BigInteger n, int right)
        {
            if (right <= 0) return n << -right;
            var kept = n >> right;
            var side = (n - (kept << right)).CompareTo(One(right - 1));
            return side > 0 || side == 0 && !kept.IsEven ? kept + 1 : kept;
        }

        /// <summary>
        /// Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous
        /// count). If the ends of that interval do not round alike, it takes more bits (Ziv, 1991).
        /// </summary>
        static double Nearest(int scale, Func<int, BigInteger> value)
        {
            for (var bits = 192; ; bits *= 2)
            {
                var y = value(bits);
                var low = new Dyadic { Size = y - One(24), Exponent = scale - bits }.Rounded();
                var high = new Dyadic { Size = y + One(24), Exponent = scale - bits }.Rounded();
                if (low == high) return low;
            }
        }

        /// <summary>first + first * square / 3 + first * square^2 / 5 ...</summary>
        static BigInteger Arc(BigInteger first, BigInteger square, int bits)
        {
            BigInteger sum = 0;
            for (var n = 1; !Vanishes(first); n += 2)
            {
                sum += first / n;
                first = first * square >> bits;
            }
            return sum;
        }

        /// <summary>artanh(1/n) for sign 1, arctan(1/n) for -1.</summary>
        static BigInteger InverseArc(int n, int sign, int bits) => Arc(One(bits) / n, One(bits) / (sign * n * n), bits);

        /// <summary>A constant that is computed once for each number of bits, with 16 to spare.</summary>
        static Func<int, BigInteger> Constant(Func<int, BigInteger> compute)
        {
            var known = new Dictionary<int, BigInteger>();
            return bits => known.TryGetValue(bits, out var value) ? value : known[bits] = compute(bits + 16) >> 16;
        }

        static readonly Func<int, BigInteger> Ln2 = Constant(bits => 2 * InverseArc(3, 1, bits));
        static readonly Func<int, BigInteger> HalfPi = // Machin, 1706
            Constant(bits => 8 * InverseArc(5, -1, bits) - 2 * InverseArc(239, -1, bits));

        /// <summary>sin(x + quarters * pi/2).</summary>
        static double Wave(double x, int quarters)
        {
            var k = (int)Math.Round(x / (Math.PI / 2));
            var quadrant = k + quarters & 3;
            return Nearest(0, bits =>
            {
                var r = Fixed(x, bits) - k * HalfPi(bits);
                var square = r * r >> bits;
                BigInteger sum = 0, term = quadrant % 2 == 0 ? r : One(bits);
                for (var n = 1 - quadrant % 2; !Vanishes(term); n += 2)
                {
                    sum += term;
                    term = (term * square >> bits) / (-(n + 1) * (n + 2));
                }
                return quadrant < 2 ? sum : -sum;
            });
        }

        /// <summary>For x > 0. Products are cut to so many bits that the result rounds alike either way.</summary>
        static double Power(double x, double y)
        {
            var degree = y == Math.Floor(y) ? 1 : 2;
            var t = (int)(degree * y);
            var number = Dyadic.Of(x);
            for (; number.Size.IsEven; number.Exponent++) number.Size /= 2;
            for (var bits = 192; ; bits *= 2)
            {
                var power = new Dyadic { Size = 1 };
                for (var bit = 1 << 13; bit > 0; bit >>= 1)
                {
                    power = power.Times(power, bits);
                    if ((Math.Abs(t) & bit) != 0) power = power.Times(number, bits);
                }
                var low = Root(power, degree, t < 0);
                if (Length(power.Size) >= bits) power.Size += One(24); // cut by less than that, or not at all
                if (Root(power, degree, t < 0) == low) return low;
            }
        }

        /// <summary>The root of degree 1 or 2, or 1 over it. The last bit before rounding says if anything was left.</summary>
        static double Root(Dyadic power, int degree, bool inverse)
        {
            var length = Length(power.Size);
            var shift = inverse ? 132 + length : Math.Max(0, 132 - length);
            var e = inverse ? -power.Exponent : power.Exponent;
            if (degree == 2) shift += e - shift & 1;
            BigInteger rest = 0;
            var root = inverse ? BigInteger.DivRem(One(shift), power.Size, out rest) : power.Size << shift;
            if (degree == 2)
            {
                var square = root;
                root = IntegerRoot(square);
                rest += square - root * root;
            }
            return new Dyadic { Size = 2 * root + (rest.IsZero ? 0 : 1), Exponent = (e - shift) / degree - 1 }.Rounded();
        }

        /// <summary>Newton's method from above.</summary>
        static BigInteger IntegerRoot(BigInteger n)
        {
            var root = One((Length(n) + 1) / 2);
            while (true)
            {
                var next = root + n / root >> 1;
                if (next >= root) return root;
                root = next;
            }
        }
    }
}
