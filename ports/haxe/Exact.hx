import haxe.ds.Vector;
import haxe.io.FPHelper;

/**
	A number in fixed point: its whole part, of either sign, then fractions of 24 bits each. They are floats, in which
	the products of such limbs, and sums of 32 of these, are exact. A unit is the last bit of the last limb; products
	and quotients are rounded down.
**/
private abstract Fixed(Vector<Float>) {
	static inline final BITS = 24;
	static inline final BASE = 16777216.0;

	public var size(get, never):Int;

	public function new(size:Int) {
		this = new Vector(size);
		for (i in 0...size)
			this[i] = 0.0;
	}

	/** x, cut off. **/
	public static function of(x:Float, size:Int):Fixed {
		final number = new Fixed(size);
		var rest = Math.abs(x);
		for (i in 0...size) {
			number[i] = Math.ffloor(rest);
			rest = (rest - number[i]) * BASE;
		}
		return x < 0 ? number.negated() : number;
	}

	public static function units(count:Float, size:Int):Fixed {
		final number = new Fixed(size);
		number[size - 1] = count;
		return number;
	}

	/** This number plus `factor * other`. **/
	public function plus(other:Fixed, factor = 1.0):Fixed {
		final sum = new Fixed(size);
		var carry = 0.0;
		var i = size;
		while (--i > 0) {
			final limb = carry + this[i] + factor * other[i];
			carry = Math.ffloor(limb / BASE);
			sum[i] = limb - carry * BASE;
		}
		sum[0] = carry + this[0] + factor * other[0];
		return sum;
	}

	public function negated():Fixed
		return new Fixed(size).plus(cast this, -1);

	@:op(A + B) inline function add(other:Fixed):Fixed
		return plus(other);

	@:op(A - B) inline function subtract(other:Fixed):Fixed
		return plus(other, -1);

	@:op(A * B) function multiply(other:Fixed):Fixed {
		final product = new Fixed(size), a = this, last = size - 1;
		var carry = 0.0;
		var place = 2 * size - 1;
		while (--place >= 0) {
			var limb = carry;
			for (i in (place > last ? place - last : 0)...(place > last ? last : place) + 1)
				limb += a[i] * other[place - i];
			carry = Math.ffloor(limb / BASE);
			if (place <= last)
				product[place] = place > 0 ? limb - carry * BASE : limb;
		}
		return product;
	}

	@:op(A / B) function divide(divisor:Int):Fixed {
		final quotient = new Fixed(size);
		var rest = 0.0;
		for (i in 0...size) {
			final limb = rest * BASE + this[i];
			quotient[i] = Math.ffloor(limb / divisor);
			rest = limb - quotient[i] * divisor;
		}
		return quotient;
	}

	public function isZero():Bool {
		for (i in 0...size)
			if (this[i] != 0)
				return false;
		return true;
	}

	/** The first limbs. **/
	public function cut(size:Int):Fixed {
		final number = new Fixed(size);
		for (i in 0...size)
			number[i] = this[i];
		return number;
	}

	/** The double nearest to this times 2^exponent, ties to even; rounded once, even if it is subnormal. **/
	public function nearest(exponent:Int):Float {
		if (isZero())
			return 0.0;
		if (this[0] < 0)
			return -1.0 * negated().nearest(exponent);
		var first = 0;
		while (this[first] == 0)
			first++;
		var top = exponent - BITS * first;
		var limb = this[first];
		while (limb >= 1) {
			limb /= 2;
			top++;
		}
		if (top > 1024)
			return Math.POSITIVE_INFINITY;
		if (top < -1074)
			return 0.0;
		final last = top > -1021 ? top - 53 : -1074;
		// What is cut off, in quarters of the last place: 2 for a tie. An odd number also stands for all below it.
		var kept = 0.0, quarters = 0.0;
		var isExact = true;
		for (i in first...size) {
			final scaled = this[i] * Exact.powerOfTwo(exponent - BITS * i - last + 2);
			final whole = Math.ffloor(scaled / 4), part = Math.ffloor(scaled) - 4 * whole;
			kept += whole;
			quarters += part;
			isExact = isExact && Math.ffloor(scaled) == scaled;
		}
		final isUp = quarters == 2 && isExact ? kept % 2 == 1 : quarters >= 2;
		return (isUp ? kept + 1 : kept) * Exact.powerOfTwo(last);
	}

	@:op([]) inline function get(i:Int):Float
		return this[i];

	@:op([]) inline function set(i:Int, limb:Float):Float
		return this[i] = limb;

	inline function get_size():Int
		return this.length;
}

/** A finite positive double as `odd * 2^exponent`. **/
private typedef Parts = {odd:Float, exponent:Int};

/** The double `high`, and what it lacks. **/
private typedef Pair = {high:Float, low:Float};

/**
	Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), in fixed point with ever more limbs, until
	rounding cannot go two ways (Ziv, 1991). Training calls exp and pow so often that pairs of doubles decide most of
	these calls. Of doubles, only `+ - * /` and the square root are relied on: Math.log gives no more than a guess.
**/
class Exact {
	static final LN2 = arc(2, 3, 1);
	static final HALF_PI = arc(8, 5, -1) - arc(2, 239, -1); // Machin, 1706

	/** ln 2 / 128 in two parts; whole multiples of the first are exact. **/
	static final STEP_HIGH = Math.ffloor(LN2.nearest(35)) * powerOfTwo(-42);

	static final STEP_LOW = (LN2 / 128 - Fixed.of(STEP_HIGH, LN2.size)).nearest(0);

	/** 2^(i/128). **/
	static final POWERS = [for (i in 0...128) pairOf(expSeries(new Fixed(8).plus(LN2.cut(8), i) / 128))];

	static final QUICK_SLACK = powerOfTwo(-66);

	public static function powerOfTwo(n:Int):Float
		return n < -1022 ? powerOfTwo(n + 1022) * powerOfTwo(-1022) : FPHelper.i64ToDouble(0, (n + 1023) << 20);

	static function partsOf(x:Float):Parts {
		var odd = x, exponent = 0;
		while (odd < 4503599627370496) {
			odd *= 2;
			exponent--;
		}
		while (odd % 2 == 0) {
			odd /= 2;
			exponent++;
		}
		return {odd: odd, exponent: exponent};
	}

	static function pairOf(number:Fixed):Pair {
		final high = number.nearest(0);
		return {high: high, low: (number - Fixed.of(high, number.size)).nearest(0)};
	}

	/**
		Rounds what `compute` makes with so many limbs, times 2^scale. It is off by less than `slack` units: 2,200 come
		from the constants, and three from each term of a series.
	**/
	static function settled(compute:(size:Int) -> Fixed, scale = 0, slack = 8192.0):Float {
		var size = 8;
		while (true) {
			final number = compute(size), error = Fixed.units(slack, size);
			final low = (number - error).nearest(scale);
			if (low == (number + error).nearest(scale))
				return low;
			size *= 2;
		}
	}

	/** `first * (1 + x/d(1) * (1 + x/d(2) * …))`. **/
	static function series(first:Fixed, x:Fixed, divisor:(k:Int) -> Int):Fixed {
		var total = first, term = first, k = 1;
		while (!term.isZero()) {
			term = term * x / divisor(k++);
			total += term;
		}
		return total;
	}

	/** `whole/n + sign * whole/(3 n^3) + whole/(5 n^5) + …`, with more digits than any argument is known to need. **/
	static function arc(whole:Int, n:Int, sign:Int):Fixed {
		var power = Fixed.of(whole, 32) / n, total = power, k = 1;
		while (!power.isZero()) {
			power /= n * n;
			k += 2;
			total = total.plus(power / k, k % 4 == 3 ? sign : 1);
		}
		return total;
	}

	static function expSeries(r:Fixed):Fixed
		return series(Fixed.of(1, r.size), r, k -> k);

	/** The k for which e^x is 2^k times a number from 1 to 2, or one less. **/
	static function scaleOf(x:Float):Int
		return Math.floor(x * 1.4426950408889634 - 1e-12);

	static function fixedExp(x:Fixed, scale:Int):Fixed
		return expSeries(x.plus(LN2.cut(x.size), -scale));

	/** log x = y + log(x e^-y) for any guess y; if it is a little too small, the last argument is a little above 1. **/
	static function fixedLog(x:Float, size:Int):Fixed {
		final guess = Math.log(x) - 1e-12, scale = scaleOf(-guess);
		var parts = partsOf(x), m = parts.odd, exponent = parts.exponent;
		while (m >= 2) {
			m /= 2;
			exponent++;
		}
		final inverse = fixedExp(Fixed.of(-guess, size), scale), one = Fixed.of(1, size);
		final z = Fixed.of(m, size) * inverse / (1 << -(exponent + scale)) - one;
		var total = Fixed.of(guess, size), power = z, k = 1;
		while (!power.isZero()) {
			total = total.plus(power / k, k % 2 == 1 ? 1 : -1);
			power *= z;
			k++;
		}
		return total;
	}

	public static function log(x:Float):Float {
		if (x == 0)
			return Math.NEGATIVE_INFINITY;
		if (!(x > 0))
			return Math.NaN;
		if (x == Math.POSITIVE_INFINITY)
			return x;
		return x == 1 ? 0.0 : settled(size -> fixedLog(x, size));
	}

	/** sin(x + quarters pi/2) for |x| <= 8. **/
	static function wave(x:Float, quarters:Int):Float {
		final turns = Math.round(x * 0.6366197723675814);
		final quadrant = turns + quarters;
		final isSine = quadrant & 1 == 0, odd = isSine ? 1 : -1;
		return settled(size -> {
			final r = Fixed.of(x, size).plus(HALF_PI.cut(size), -turns);
			final y = series(isSine ? r : Fixed.of(1, size), (r * r).negated(), k -> 2 * k * (2 * k + odd));
			return quadrant & 2 == 0 ? y : y.negated();
		});
	}

	/** For |x| <= 8, as is `cos`; below 1e-8, x^3/6 and x^2/2 are too small to count. **/
	public static function sin(x:Float):Float
		return Math.abs(x) > 7e-9 ? wave(x, 0) : x;

	public static function cos(x:Float):Float {
		if (Math.isNaN(x))
			return x;
		return Math.abs(x) > 7e-9 ? wave(x, 1) : 1.0;
	}

	/** For the quick phase: a product and its error (Dekker, Veltkamp). **/
	public static inline function exactProduct(a:Float, b:Float):Pair {
		final p = a * b, s = a * 134217729.0, t = b * 134217729.0;
		final a1 = s - (s - a), b1 = t - (t - b);
		final a2 = a - a1, b2 = b - b1;
		return {high: p, low: ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2};
	}

	static function product(a:Pair, b:Pair):Pair {
		final p = exactProduct(a.high, b.high);
		final low = p.low + (a.high * b.low + a.low * b.high);
		final high = p.high + low;
		return {high: high, low: low - (high - p.high)};
	}

	/** x is k ln 2 / 128 + d - w, where d has no error. All in all, less than 2^-67 is lost. **/
	public static function exp(x:Float):Float {
		if (Math.isNaN(x))
			return x;
		if (x > 710)
			return Math.POSITIVE_INFINITY;
		if (x < -746)
			return 0.0;
		if (Math.abs(x) < 700) {
			final k = Math.round(x * 184.6649652337873);
			final d = x - k * STEP_HIGH, w = k * STEP_LOW, power = POWERS[k & 127];
			final r = d - w;
			final higher = 1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)));
			final tail = r * r * (1 / 2 + r * (1 / 6 + r * higher)) - w;
			final p = exactProduct(power.high, d);
			final y = power.high + p.high;
			final rest = (p.high - (y - power.high)) + (p.low + (power.high * tail + power.low * (1 + (d + tail))));
			final low = y + (rest - QUICK_SLACK);
			if (low == y + (rest + QUICK_SLACK))
				return low * powerOfTwo(k >> 7);
		}
		final scale = scaleOf(x);
		return settled(size -> fixedExp(Fixed.of(x, size), scale), scale);
	}

	/**
		x^(n/2) for a finite x > 0, or null if that may round two ways. The power by squaring, then the root and the
		inverse, corrected once (Newton). An nth power loses less than 16 n 2^-106 of itself, the corrections 20 2^-106.
	**/
	static function quickPower(x:Float, n:Int):Null<Float> {
		var whole = Std.int(Math.abs(n)) >> 1;
		final slack = (whole + 8) * powerOfTwo(-100);
		if (Math.abs(Math.log(x)) * (whole + 1) > 600)
			return null;
		var power = {high: 1.0, low: 0.0}, base = {high: x, low: 0.0};
		if (n & 1 == 1) {
			final root = Math.sqrt(x), square = exactProduct(root, root);
			power = {high: root, low: ((x - square.high) - square.low) / (2 * root)};
		}
		while (whole > 0) {
			if (whole & 1 == 1)
				power = product(power, base);
			base = product(base, base);
			whole >>= 1;
		}
		if (n < 0) {
			final inverse = 1 / power.high, one = exactProduct(inverse, power.high);
			power = {high: inverse, low: inverse * (((1 - one.high) - one.low) - inverse * power.low)};
		}
		final low = power.high + (power.low - power.high * slack);
		return low == power.high + (power.low + power.high * slack) ? low : null;
	}

	/**
		x^(n/2) for a finite x > 0. Only whole numbers of at most 54 bits, times a power of two, can be doubles or
		half-way between two; they are computed without an error.
	**/
	static function accuratePower(x:Float, n:Int):Float {
		final parts = partsOf(x);
		var base = parts.odd, exponent = parts.exponent, count = n;
		var isRational = true;
		if (n & 1 == 0) {
			count = n >> 1;
		} else {
			base = Math.sqrt(base);
			isRational = Math.ffloor(base) == base && base * base == parts.odd && exponent & 1 == 0;
			exponent >>= 1;
		}
		if (isRational && (base == 1 || count > 0 && count * Math.log(base) < 37.5)) {
			var length = 0;
			while (base >= 2) {
				base /= 2;
				length++;
			}
			var power = Fixed.of(1, 8);
			if (base > 1)
				for (_ in 0...count)
					power *= Fixed.of(base, 8);
			return power.nearest((exponent + length) * count);
		}
		final scale = scaleOf(Math.log(x) * n / 2);
		final slack = 16384 * (Math.abs(n) + 1);
		return settled(size -> fixedExp(new Fixed(size).plus(fixedLog(x, size), n) / 2, scale), scale, slack);
	}

	/** For a whole or half y. **/
	public static function pow(x:Float, y:Float):Float {
		if (y == 2)
			return x * x;
		if (y == 1)
			return x;
		if (y == -1)
			return 1 / x;
		if (y == 0 || x == 1)
			return 1.0;
		if (y == 0.5 && x > 0)
			return Math.sqrt(x);
		if (Math.isNaN(x))
			return x;
		final size = Math.abs(x), n = Std.int(2 * y);
		var power;
		if (size == 0 || size == Math.POSITIVE_INFINITY) {
			power = (size == 0) == (y > 0) ? 0.0 : Math.POSITIVE_INFINITY;
		} else if (x < 0 && n & 1 == 1) {
			return Math.NaN;
		} else {
			final quick = quickPower(size, n);
			power = quick == null ? accuratePower(size, n) : quick;
		}
		return n & 3 == 2 && (x < 0 || 1 / x < 0) ? -1.0 * power : power;
	}
}
