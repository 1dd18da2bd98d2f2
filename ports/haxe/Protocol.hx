import Gpt.Matrix;
import haxe.Exception;
import haxe.ds.Vector;
import haxe.io.FPHelper;

using StringTools;

/** What is wrong with a request or a dataset, in printable ASCII. **/
class Refusal extends Exception {}

typedef Line = {key:String, values:Array<String>}

/** The lines of one request that are still to be read. **/
class Request {
	public static inline final LONGEST = 65536;

	final lines:Array<String>;
	var place = 0;

	public function new(lines:Array<String>)
		this.lines = lines;

	public function isEmpty():Bool
		return place == lines.length;

	public function next():Line {
		if (isEmpty())
			throw new Refusal("the request ends too early");
		final line = lines[place++];
		if (line.length > LONGEST)
			throw new Refusal("a line is too long");
		final words = line.split(" ");
		return {key: words[0], values: words.slice(1)};
	}

	/** The values of the next line, which must have this key. **/
	public function take(key:String):Array<String> {
		final line = next();
		if (line.key != key)
			throw new Refusal('expected a line $key');
		return line.values;
	}

	/** The one value of that line. **/
	public function one(key:String):String {
		final values = take(key);
		if (values.length != 1)
			throw new Refusal('$key takes 1 value, not ${values.length}');
		return values[0];
	}

	/** The values of each of the next lines with this key; there must be one. **/
	public function all(key:String):Array<Array<String>> {
		final found = [take(key)];
		while (!isEmpty() && (lines[place] == key || lines[place].startsWith('$key ')))
			found.push(take(key));
		return found;
	}

	/** All lines that are left; there must be one. **/
	public function rest():Array<Line> {
		final found = [next()];
		while (!isEmpty())
			found.push(next());
		return found;
	}

	public function finish() {
		if (!isEmpty())
			throw new Refusal("expected the end");
	}

	public function math() {
		final kind = one("math");
		if (kind != "exact")
			throw new Refusal(kind == "native" ? "unsupported" : "math is exact or native");
	}

	public function integer(key:String, low:Int, high:Int):Int
		return Read.integer(one(key), low, high);

	public function double(key:String):Float
		return Read.double(one(key));

	public function choice<T>(key:String, choices:Map<String, T>):T {
		final word = one(key);
		if (!choices.exists(word))
			throw new Refusal('$key is not one of its words');
		return choices[word];
	}

	/** The values of a tensor, row by row; its shape, if it has not been given. **/
	public function tensor(name:String, ?shape:Matrix):{matrix:Matrix, values:Array<Float>} {
		final header = take("tensor");
		if (header.length != 3 || header[0] != name)
			throw new Refusal('expected the tensor $name');
		final rows = Read.integer(header[1], 1, 2048), columns = Read.integer(header[2], 1, 2048);
		if (shape != null && (rows != shape.rows || columns != shape.columns))
			throw new Refusal('$name is not of ${shape.rows} rows and ${shape.columns} columns');
		final values = [];
		for (_ in 0...rows) {
			final row = take("row");
			if (row.length != columns)
				throw new Refusal('a row of $name has not $columns values');
			for (word in row)
				values.push(Read.double(word));
		}
		return {matrix: {name: name, rows: rows, columns: columns}, values: values};
	}

	/** The values of all matrices, one after the other. **/
	public function tensors(matrices:Array<Matrix>, prefix = ""):Array<Float> {
		final values = [];
		for (matrix in matrices)
			for (x in tensor(prefix + matrix.name, matrix).values)
				values.push(x);
		return values;
	}
}

/** Values from words. **/
class Read {
	/** An integer from low to high as a double, which holds 32 bits without a sign. **/
	static function whole(word:String, low:Float, high:Float):Float {
		if (word.length == 0 || word.length > 10 || word.length > 1 && word.startsWith("0"))
			throw new Refusal("expected an integer");
		var n = 0.0;
		for (i in 0...word.length) {
			final digit = word.fastCodeAt(i) - "0".code;
			if (digit < 0 || digit > 9)
				throw new Refusal("expected an integer");
			n = n * 10 + digit;
		}
		if (n < low || n > high)
			throw new Refusal('an integer is not from $low to $high');
		return n;
	}

	public static function integer(word:String, low:Int, high:Int):Int
		return Std.int(whole(word, low, high));

	/** 32 bits, the first of which becomes the sign. **/
	public static function bits(word:String):Int {
		final n = whole(word, 0, 4294967295.0);
		return Std.int(n < 2147483648.0 ? n : n - 4294967296.0);
	}

	static function half(word:String, start:Int):Int {
		var n = 0;
		for (i in start...start + 8) {
			final code = word.fastCodeAt(i);
			n <<= 4;
			if (code >= "0".code && code <= "9".code)
				n |= code - "0".code;
			else if (code >= "a".code && code <= "f".code)
				n |= code - "a".code + 10;
			else
				throw new Refusal("a double has lower-case hex digits");
		}
		return n;
	}

	public static function double(word:String):Float {
		if (word.length != 16)
			throw new Refusal("a double has 16 hex digits");
		final x = FPHelper.i64ToDouble(half(word, 8), half(word, 0));
		return Math.isNaN(x) ? Math.NaN : x;
	}

	public static function exponent(word:String, limit:Int):Float {
		final x = double(word);
		if (Math.abs(x) <= limit && Math.ffloor(2 * x) == 2 * x)
			return x;
		throw new Refusal('an exponent is an integer or half-integer up to $limit');
	}

	public static function codePoints(words:Array<String>):Array<Int> {
		if (words.length > 10000)
			throw new Refusal("a line has more than 10000 code points");
		return [for (word in words) codePoint(word)];
	}

	static function codePoint(word:String):Int {
		final point = integer(word, 0, 0x10ffff);
		if (point >= 0xd800 && point <= 0xdfff)
			throw new Refusal("a surrogate is not a code point");
		return point;
	}
}

/** The lines of a reply. **/
class Reply {
	static final HEX = [for (i in 0...256) i.hex(2).toLowerCase()];

	final text = new StringBuf();

	public function new() {}

	public function put(key:String, values:Array<String>) {
		text.add(key);
		for (value in values) {
			text.add(" ");
			text.add(value);
		}
		text.add("\n");
	}

	public function integers(key:String, values:Array<Int>)
		put(key, values.map(Std.string));

	public function doubles(key:String, values:Array<Float>)
		put(key, values.map(hex));

	/** A tensor of the doubles from `start` on. **/
	public function tensor(name:String, matrix:Matrix, values:Vector<Float>, start = 0) {
		put("tensor", [name, Std.string(matrix.rows), Std.string(matrix.columns)]);
		for (r in 0...matrix.rows)
			doubles("row", [for (c in 0...matrix.columns) values[start + r * matrix.columns + c]]);
	}

	public function tensors(matrices:Array<Matrix>, values:Vector<Float>, prefix = "") {
		var start = 0;
		for (matrix in matrices) {
			tensor(prefix + matrix.name, matrix, values, start);
			start += matrix.rows * matrix.columns;
		}
	}

	/** SPEC, section 13. **/
	public function checksum(key:String, count:Int, values:Vector<Float>) {
		final modulus = 4294967291.0;
		var a = 1.0, b = 0.0;
		inline function add(half:Int) {
			a = (a + unsigned(half)) % modulus;
			b = (b + a) % modulus;
		}
		for (i in 0...count) {
			final bits = FPHelper.doubleToI64(values[i]), isNaN = Math.isNaN(values[i]);
			add(isNaN ? 0x7ff80000 : bits.high);
			add(isNaN ? 0 : bits.low);
		}
		put(key, [a, b].map(sum -> hexHalf(Std.int(sum < 2147483648.0 ? sum : sum - 4294967296.0))));
	}

	public static function unsigned(bits:Int):Float
		return bits < 0 ? bits + 4294967296.0 : bits;

	static function hexHalf(n:Int):String
		return HEX[n >>> 24] + HEX[n >>> 16 & 255] + HEX[n >>> 8 & 255] + HEX[n & 255];

	public static function hex(x:Float):String {
		if (Math.isNaN(x))
			return "7ff8000000000000";
		final bits = FPHelper.doubleToI64(x);
		return hexHalf(bits.high) + hexHalf(bits.low);
	}

	public function toString():String
		return text.toString();
}
