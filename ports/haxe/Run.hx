import Gpt.Adam;
import Gpt.Schedule;
import Gpt.Settings;
import Protocol.Refusal;

using StringTools;

/** A document, or a line to be printed. **/
typedef CodePoints = Array<Int>;

/** The tokens of a dataset (SPEC, section 4). **/
class Tokenizer {
	public final characters:CodePoints;

	final tokens:Map<Int, Int>;

	public function new(documents:Array<CodePoints>) {
		final found = [for (document in documents) for (c in document) c => 0];
		characters = [for (c in found.keys()) c];
		if (characters.length > 2047)
			throw new Refusal("the dataset has more than 2047 distinct characters");
		characters.sort((a, b) -> a - b);
		tokens = [for (token => c in characters) c => token];
	}

	public static function documentsOf(lines:Array<CodePoints>):Array<CodePoints> {
		final documents = lines.map(strip).filter(line -> line.length > 0);
		if (documents.length == 0)
			throw new Refusal("the dataset has no documents");
		return documents;
	}

	static function strip(line:CodePoints):CodePoints {
		inline function isSpace(c:Int):Bool
			return c == 32 || c >= 9 && c <= 13;
		var start = 0, end = line.length;
		while (start < end && isSpace(line[start]))
			start++;
		while (end > start && isSpace(line[end - 1]))
			end--;
		return line.slice(start, end);
	}

	public function encode(document:CodePoints):Array<Int> {
		final bos = characters.length;
		return [bos].concat([for (c in document) tokens[c]]).concat([bos]);
	}

	public function decode(sample:Array<Int>):CodePoints
		return [for (token in sample) characters[token]];
}

typedef Preset = {
	block:Int,
	sigma:Float,
	outputSigma:Float,
	isSquared:Bool,
	settings:Settings
}

/** A whole run from seed 42 (SPEC, section 10). **/
class Run {
	public static final PRESETS:Map<String, Preset> = [
		"seed" => {
			block: 8,
			sigma: 0.02,
			outputSigma: 0.0,
			isSquared: true,
			settings: settings(0.9, 0.95, Cosine, 500)
		},
		"classic" => {
			block: 16,
			sigma: 0.08,
			outputSigma: 0.08,
			isSquared: false,
			settings: settings(0.85, 0.99, Linear, 1000)
		}
	];

	public final gpt:Gpt;
	public final adam:Adam;
	public final twister = Twister.seeded(42);

	final documents:Array<CodePoints>;
	final tokenizer:Tokenizer;
	final steps:Int;

	static function settings(beta1:Float, beta2:Float, schedule:Schedule, steps:Int):Settings
		return {
			learningRate: 0.01,
			beta1: beta1,
			beta2: beta2,
			epsilon: 1e-8,
			schedule: schedule,
			steps: steps
		};

	public function new(preset:Preset, steps:Int, lines:Array<CodePoints>) {
		this.steps = steps;
		documents = Tokenizer.documentsOf(lines);
		twister.shuffle(documents);
		tokenizer = new Tokenizer(documents);
		final shape = {
			layers: 1,
			heads: 4,
			embedding: 16,
			block: preset.block,
			vocabulary: tokenizer.characters.length + 1,
			isSquared: preset.isSquared,
			attend: [for (t in 0...preset.block) [for (s in 0...t + 1) s]]
		};
		final parameters = [];
		for (matrix in Gpt.matricesOf(shape)) {
			final isOutput = matrix.name.endsWith("attn_wo") || matrix.name.endsWith("mlp_fc2");
			for (_ in 0...matrix.rows * matrix.columns)
				parameters.push(twister.gauss(isOutput ? preset.outputSigma : preset.sigma));
		}
		gpt = new Gpt(shape, parameters);
		final s = preset.settings, zeros = [for (_ in parameters) 0.0];
		adam = new Adam(settings(s.beta1, s.beta2, s.schedule, steps), zeros, zeros);
	}

	/** Prints line by line while it trains and samples. **/
	public function print(samples:Int, line:(CodePoints) -> Void) {
		function say(text:String)
			line([for (c in text) c]);
		say('num docs: ${documents.length}');
		say('vocab size: ${gpt.shape.vocabulary}');
		say('num params: ${gpt.count}');
		for (step in 0...steps) {
			final loss = adam.advance(step, gpt, tokenizer.encode(documents[step % documents.length]));
			say('step ${padded(step + 1, 4)} / ${padded(steps, 4)} | loss ${decimals(loss)}');
		}
		say("");
		say("--- inference (new, hallucinated names) ---");
		for (i in 0...samples)
			line([for (c in 'sample ${padded(i + 1, 2)}: ') c].concat(tokenizer.decode(gpt.sample(0.5, twister))));
	}

	static function padded(n:Int, width:Int):String
		return Std.string(n).lpad(" ", width);

	/** Four decimals of x, rounded once, ties to even; |x| <= 2^53, or x is infinite or NaN. **/
	public static function decimals(x:Float):String {
		if (Math.isNaN(x))
			return "nan";
		final sign = x < 0 || 1 / x < 0 ? "-" : "", size = Math.abs(x);
		if (size == Math.POSITIVE_INFINITY)
			return sign + "inf";
		var whole = Math.ffloor(size);
		final scaled = Exact.exactProduct(size - whole, 10000);
		var part = Math.ffloor(scaled.high);
		final tie = scaled.high - part - 0.5;
		if (tie > 0 || tie == 0 && (scaled.low > 0 || scaled.low == 0 && part % 2 == 1))
			part++;
		if (part == 10000) {
			part = 0;
			whole++;
		}
		final billions = Math.ffloor(whole / 1e9), rest = Std.string(whole - billions * 1e9);
		final digits = billions > 0 ? Std.string(billions) + rest.lpad("0", 9) : rest;
		return '$sign$digits.${Std.string(part).lpad("0", 4)}';
	}
}
