import Protocol.Refusal;
import haxe.ds.Vector;

/** MT19937 and what is drawn from it (SPEC, section 3). Words are integers of 32 bits, whose sign counts as a bit. **/
class Twister {
	static inline final SIZE = 624;

	public final words:Vector<Int>;
	public var index(default, null):Int;

	/** What `gauss` keeps for the next call. **/
	public var kept(default, null):Null<Float>;

	public function new(words:Vector<Int>, index:Int, kept:Null<Float>) {
		this.words = words;
		this.index = index;
		this.kept = kept;
	}

	public static function seeded(seed:Int):Twister {
		final mt = new Vector(SIZE);
		inline function mixed(i:Int):Int
			return mt[i - 1] ^ (mt[i - 1] >>> 30);
		mt[0] = 19650218;
		for (i in 1...SIZE)
			mt[i] = 1812433253 * mixed(i) + i;
		var i = 1;
		function stir(count:Int, factor:Int, term:(i:Int) -> Int) {
			for (_ in 0...count) {
				mt[i] = (mt[i] ^ mixed(i) * factor) + term(i);
				if (++i == SIZE) {
					mt[0] = mt[SIZE - 1];
					i = 1;
				}
			}
		}
		stir(SIZE, 1664525, _ -> seed);
		stir(SIZE - 1, 1566083941, i -> -i);
		mt[0] = 0x80000000;
		return new Twister(mt, SIZE, null);
	}

	function renew() {
		for (i in 0...SIZE) {
			final y = (words[i] & 0x80000000) | (words[(i + 1) % SIZE] & 0x7fffffff);
			words[i] = words[(i + 397) % SIZE] ^ (y >>> 1) ^ (y & 1 == 1 ? 0x9908b0df : 0);
		}
		index = 0;
	}

	public function word():Int {
		if (index == SIZE)
			renew();
		var y = words[index++];
		y ^= y >>> 11;
		y ^= (y << 7) & 0x9d2c5680;
		y ^= (y << 15) & 0xefc60000;
		return y ^ (y >>> 18);
	}

	public function random():Float {
		final a = word() >>> 5, b = word() >>> 6;
		return (a * 67108864.0 + b) / 9007199254740992.0;
	}

	public function gauss(sigma:Float):Float {
		var z = kept;
		if (z == null) {
			final x = random() * 6.283185307179586, r = Math.sqrt(-2 * Exact.log(1 - random()));
			z = Exact.cos(x) * r;
			kept = Exact.sin(x) * r;
		} else {
			kept = null;
		}
		var result = 0.0; // Haxe takes 0.0 + x for x, and -0.0 would keep its sign.
		result += z * sigma;
		return result;
	}

	function below(n:Int):Int {
		var bits = 1;
		while (n >> bits > 0)
			bits++;
		while (true) {
			final value = word() >>> 32 - bits;
			if (value < n)
				return value;
		}
	}

	public function shuffle<T>(items:Array<T>) {
		var i = items.length;
		while (--i > 0) {
			final j = below(i + 1), item = items[i];
			items[i] = items[j];
			items[j] = item;
		}
	}

	public function choice(weights:Array<Float>):Int {
		final cumulative = [];
		var total = 0.0;
		for (weight in weights)
			cumulative.push(total += weight);
		if (!(total > 0 && total < Math.POSITIVE_INFINITY))
			throw new Refusal("the weights must add up to a finite number above 0");
		final u = random() * total;
		var low = 0, high = weights.length - 1;
		while (low < high) {
			final middle = low + high >> 1;
			if (u < cumulative[middle])
				high = middle;
			else
				low = middle + 1;
		}
		return low;
	}
}
