import Gpt.Adam;
import Gpt.Schedule;
import Gpt.Settings;
import Gpt.Shape;
import Protocol;
import Run.CodePoints;
import Run.Tokenizer;
import haxe.ds.Vector;
import haxe.io.Bytes;
import haxe.io.BytesBuffer;
import haxe.io.Encoding;
import haxe.io.Eof;

using StringTools;

/** A function for each verb, from a request to the lines of its reply; and the command for people. **/
class Microgpt {
	static final VERBS = "hello arith math random tokens graph forward backward adam train sample run";
	static final SCHEDULES = ["linear" => Linear, "cosine" => Cosine];

	static function handlerOf(verb:String):(request:Request, reply:Reply) -> Void
		return switch verb {
			case "hello": hello;
			case "arith": arith;
			case "math": math;
			case "random": random;
			case "tokens": tokens;
			case "graph": graph;
			case "forward": forward;
			case "backward": backward;
			case "adam": adam;
			case "train": train;
			case "sample": sample;
			case "run": run;
			case _: throw new Refusal("unsupported");
		}

	static function hello(request:Request, reply:Reply) {
		request.finish();
		reply.put("name", ["haxe"]);
		reply.put("protocol", ["1"]);
		reply.put("verbs", [VERBS]);
		reply.put("math", ["exact"]);
	}

	static function arith(request:Request, reply:Reply) {
		for (line in request.rest()) {
			final xs = line.values.map(Read.double);
			switch [line.key, xs] {
				case ["decimals", [x]] if (!(Math.abs(x) > 9007199254740992.0 && Math.isFinite(x))):
					reply.integers("decimals", [for (c in Run.decimals(x)) c]);
				case _:
					reply.doubles(line.key, [operation(line.key, xs)]);
			}
		}
	}

	static function operation(key:String, xs:Array<Float>):Float
		return switch [key, xs] {
			case ["add", [x, y]]: x + y;
			case ["sub", [x, y]]: x - y;
			case ["mul", [x, y]]: x * y;
			case ["div", [x, y]]: x / y;
			case ["sqrt", [x]]: Math.sqrt(x);
			case ["muladd", [x, y, z]]: x * y + z;
			case ["sum", _] if (xs.length > 0):
				var total = 0.0;
				for (x in xs)
					total += x;
				total;
			case ["dot", _] if (xs.length > 0 && xs.length % 2 == 0):
				var total = 0.0;
				for (i in 0...xs.length >> 1)
					total += xs[2 * i] * xs[2 * i + 1];
				total;
			case _: throw new Refusal("an unknown operation, or operands that it does not take");
		}

	static function math(request:Request, reply:Reply) {
		request.math();
		for (line in request.rest())
			reply.doubles(line.key, [value(line.key, line.values)]);
	}

	static function value(key:String, words:Array<String>):Float
		return switch [key, words] {
			case ["exp", [x]]: Exact.exp(Read.double(x));
			case ["log", [x]]: Exact.log(Read.double(x));
			case ["sin", [x]]: Exact.sin(angle(x));
			case ["cos", [x]]: Exact.cos(angle(x));
			case ["pow", [x, y]]: Exact.pow(Read.double(x), Read.exponent(y, 4096));
			case _: throw new Refusal("an unknown function, or arguments that it does not take");
		}

	static function angle(word:String):Float {
		final x = Read.double(word);
		if (Math.abs(x) > 8)
			throw new Refusal("an angle is from -8 to 8");
		return x;
	}

	static function random(request:Request, reply:Reply) {
		request.math();
		final twister = Twister.seeded(Read.bits(request.one("seed")));
		function draws<T>(count:String, draw:() -> T):Array<T>
			return [for (_ in 0...Read.integer(count, 0, 1000)) draw()];
		for (line in request.rest()) {
			switch [line.key, line.values] {
				case ["words", [n]]:
					reply.put("words", draws(n, () -> Std.string(Reply.unsigned(twister.word()))));
				case ["random", [n]]:
					reply.doubles("random", draws(n, twister.random));
				case ["gauss", [n, sigma]]:
					final sigma = Read.double(sigma);
					reply.doubles("gauss", draws(n, () -> twister.gauss(sigma)));
				case ["shuffle", [n]]:
					final items = [for (i in 0...Read.integer(n, 0, 10000)) i];
					twister.shuffle(items);
					reply.integers("shuffle", items);
				case ["choices", values] if (values.length > 1 && values.length <= 1001):
					final weights = values.slice(1).map(Read.double);
					reply.integers("choices", draws(values[0], () -> twister.choice(weights)));
				case ["state", []]:
					final words = [for (word in twister.words) Std.string(Reply.unsigned(word))];
					reply.put("state", [Std.string(twister.index)].concat(words));
					reply.put("kept", [twister.kept == null ? "none" : Reply.hex(twister.kept)]);
				case _:
					throw new Refusal("an unknown draw, or values that it does not take");
			}
		}
	}

	/** The last lines of a request. **/
	static function dataset(request:Request):Array<CodePoints> {
		final lines = request.all("line").map(Read.codePoints);
		request.finish();
		return lines;
	}

	static function tokens(request:Request, reply:Reply) {
		final documents = Tokenizer.documentsOf(dataset(request)), tokenizer = new Tokenizer(documents);
		reply.integers("documents", [documents.length]);
		reply.integers("vocabulary", tokenizer.characters);
		reply.integers("bos", [tokenizer.characters.length]);
		for (document in documents)
			reply.integers("encoded", tokenizer.encode(document));
	}

	static function graph(request:Request, reply:Reply) {
		request.math();
		final tape = new Tape(), nodes = [];
		inline function node(word:String):Int
			return nodes[Read.integer(word, 0, nodes.length - 1)];
		var root = -1;
		while (root < 0) {
			final line = request.next();
			switch [line.key, line.values] {
				case ["root", [a]]: root = node(a);
				case ["leaf", [x]]: nodes.push(tape.leaf(Read.double(x)));
				case ["add", [a, b]]: nodes.push(tape.add(node(a), node(b)));
				case ["sub", [a, b]]: nodes.push(tape.add(node(a), tape.neg(node(b))));
				case ["mul", [a, b]]: nodes.push(tape.mul(node(a), node(b)));
				case ["div", [a, b]]: nodes.push(tape.mul(node(a), tape.pow(node(b), -1)));
				case ["sum", values] if (values.length > 0):
					var sum = tape.shift(node(values[0]), 0.0);
					for (b in values.slice(1))
						sum = tape.add(sum, node(b));
					nodes.push(sum);
				case ["neg", [a]]: nodes.push(tape.neg(node(a)));
				case ["exp", [a]]: nodes.push(tape.exp(node(a)));
				case ["log", [a]]: nodes.push(tape.log(node(a)));
				case ["relu", [a]]: nodes.push(tape.relu(node(a)));
				case ["pow", [a, c]]: nodes.push(tape.pow(node(a), Read.exponent(c, 1024)));
				case ["add_number", [a, c]]: nodes.push(tape.shift(node(a), Read.double(c)));
				case ["sub_number", [a, c]]: nodes.push(tape.shift(node(a), -1.0 * Read.double(c)));
				case ["mul_number", [a, c]]: nodes.push(tape.scale(node(a), Read.double(c)));
				case ["div_number", [a, c]]: nodes.push(tape.scale(node(a), 1 / Read.double(c)));
				case ["number_sub", [c, a]]: nodes.push(tape.shift(tape.neg(node(a)), Read.double(c)));
				case ["number_div", [c, a]]: nodes.push(tape.scale(tape.pow(node(a), -1), Read.double(c)));
				case _: throw new Refusal("an unknown expression, or operands that it does not take");
			}
		}
		request.finish();
		tape.backward(root);
		for (node in nodes)
			reply.doubles("value", [tape.value[node]]);
		for (node in nodes)
			reply.doubles("gradient", [tape.gradient[node]]);
	}

	static function shape(request:Request):Shape {
		request.math();
		final layers = request.integer("layers", 1, 16), heads = request.integer("heads", 1, 64);
		final embedding = request.integer("embedding", 1, 512);
		if (embedding % heads != 0)
			throw new Refusal("embedding must be a multiple of heads");
		final block = request.integer("block", 1, 1024), vocabulary = request.integer("vocabulary", 2, 2048);
		final isSquared = request.choice("activation", ["relu" => false, "squared_relu" => true]);
		return {
			layers: layers,
			heads: heads,
			embedding: embedding,
			block: block,
			vocabulary: vocabulary,
			isSquared: isSquared,
			attend: [for (t in 0...block) attended(t, request.take("attend"))]
		};
	}

	static function attended(t:Int, words:Array<String>):Array<Int> {
		final positions = increasing(words, 0, t);
		if (positions[positions.length - 1] != t)
			throw new Refusal('position $t must attend to itself');
		return positions;
	}

	static function increasing(words:Array<String>, low:Int, high:Int):Array<Int> {
		final numbers = [for (word in words) Read.integer(word, low, high)];
		for (i in 1...numbers.length)
			if (numbers[i] <= numbers[i - 1])
				throw new Refusal("numbers must increase");
		return numbers;
	}

	static function document(shape:Shape, words:Array<String>):Array<Int> {
		if (words.length < 2)
			throw new Refusal("a document has two or more tokens");
		return [for (word in words) Read.integer(word, 0, shape.vocabulary - 1)];
	}

	static function forward(request:Request, reply:Reply) {
		final shape = shape(request), document = document(shape, request.take("tokens"));
		final gpt = new Gpt(shape, request.tensors(Gpt.matricesOf(shape)));
		request.finish();
		final loss = gpt.loss(document, (name, nodes) -> {
			reply.integers('tensor $name', [1, nodes.length]);
			reply.doubles("row", [for (node in nodes) gpt.tape.value[node]]);
		});
		reply.doubles("loss", [gpt.tape.value[loss]]);
	}

	static function backward(request:Request, reply:Reply) {
		final shape = shape(request), document = document(shape, request.take("tokens"));
		final matrices = Gpt.matricesOf(shape), gpt = new Gpt(shape, request.tensors(matrices));
		request.finish();
		final loss = gpt.loss(document);
		gpt.tape.backward(loss);
		reply.doubles("loss", [gpt.tape.value[loss]]);
		reply.tensors(matrices, gpt.tape.gradient);
	}

	static function settings(request:Request):Settings {
		final learningRate = request.double("learning_rate");
		final beta1 = request.double("beta1"), beta2 = request.double("beta2"), epsilon = request.double("epsilon");
		final schedule = request.choice("schedule", SCHEDULES);
		return {
			learningRate: learningRate,
			beta1: beta1,
			beta2: beta2,
			epsilon: epsilon,
			schedule: schedule,
			steps: request.integer("steps", 1, 4096)
		};
	}

	static function adam(request:Request, reply:Reply) {
		request.math();
		final settings = settings(request), step = request.integer("step", 0, settings.steps - 1);
		final parameters = request.tensor("parameters"), matrix = parameters.matrix;
		final g = request.tensor("gradients", matrix).values, m = request.tensor("m", matrix).values;
		final adam = new Adam(settings, m, request.tensor("v", matrix).values);
		request.finish();
		final p = Vector.fromArrayCopy(parameters.values);
		adam.update(step, p, Vector.fromArrayCopy(g));
		reply.doubles("rate", [adam.rate(step)]);
		reply.doubles("correction1", [Adam.correction(settings.beta1, step)]);
		reply.doubles("correction2", [Adam.correction(settings.beta2, step)]);
		reply.tensor("m", matrix, adam.m);
		reply.tensor("v", matrix, adam.v);
		reply.tensor("parameters", matrix, p);
	}

	static function train(request:Request, reply:Reply) {
		final shape = shape(request), settings = settings(request), matrices = Gpt.matricesOf(shape);
		final from = request.integer("from", 0, settings.steps - 1);
		final end = from + request.integer("count", 1, settings.steps - from);
		final full = increasing(request.take("full"), from, end - 1);
		final documents = [for (words in request.all("tokens")) document(shape, words)];
		final gpt = new Gpt(shape, request.tensors(matrices));
		final zeros = [for (_ in 0...gpt.count) 0.0];
		final m = from == 0 ? zeros : request.tensors(matrices, "m.");
		final adam = new Adam(settings, m, from == 0 ? zeros : request.tensors(matrices, "v."));
		request.finish();
		for (step in from...end) {
			final loss = adam.advance(step, gpt, documents[step % documents.length]);
			final states = [
				{key: "gradients", values: gpt.tape.gradient},
				{key: "m", values: adam.m},
				{key: "v", values: adam.v},
				{key: "parameters", values: gpt.tape.value}
			];
			reply.integers("step", [step]);
			reply.doubles("loss", [loss]);
			for (state in states)
				reply.checksum(state.key, gpt.count, state.values);
			if (full.contains(step))
				for (state in states)
					reply.tensors(matrices, state.values, '${state.key}.');
		}
	}

	static function sample(request:Request, reply:Reply) {
		final shape = shape(request), temperature = request.double("temperature");
		final samples = request.integer("samples", 0, 1000);
		final gpt = new Gpt(shape, request.tensors(Gpt.matricesOf(shape)));
		final state = request.take("state");
		if (state.length != 625)
			throw new Refusal("state takes an index and 624 words");
		final index = Read.integer(state.shift(), 0, 624), words = Vector.fromArrayCopy(state.map(Read.bits));
		final kept = request.one("kept");
		final twister = new Twister(words, index, kept == "none" ? null : Read.double(kept));
		request.finish();
		for (i in 0...samples) {
			reply.integers("sample", [i]);
			gpt.sample(temperature, twister, (probabilities, token) -> {
				reply.doubles("probabilities", probabilities);
				reply.integers("token", [token]);
			});
		}
		reply.put("word", [Std.string(Reply.unsigned(twister.word()))]);
	}

	static function run(request:Request, reply:Reply) {
		request.math();
		final preset = request.choice("preset", Run.PRESETS), steps = request.integer("steps", 1, 4096);
		final samples = request.integer("samples", 0, 1000);
		final run = new Run(preset, steps, dataset(request));
		run.print(samples, line -> reply.integers("print", line));
		reply.checksum("parameters", run.gpt.count, run.gpt.tape.value);
		reply.checksum("m", run.gpt.count, run.adam.m);
		reply.checksum("v", run.gpt.count, run.adam.v);
		reply.put("word", [Std.string(Reply.unsigned(run.twister.word()))]);
	}

	/** The reply is known before it is written, since a request can be wrong at its last line. **/
	static function answer(lines:Array<String>, isComplete:Bool):String {
		final first = lines.length > 0 ? lines[0] : "", header = ~/^([!-~]+) ([A-Za-z0-9._-]{1,64})$/;
		if (first.length > Request.LONGEST || !header.match(first))
			return "error - expected a verb and an id\n";
		final id = header.matched(2), reply = new Reply();
		try {
			if (!isComplete)
				throw new Refusal("the input ended before the line end");
			reply.put("ok", [id]);
			handlerOf(header.matched(1))(new Request(lines.slice(1)), reply);
			return reply.toString();
		} catch (refusal:Refusal) {
			return 'error $id ${refusal.message}\n';
		}
	}

	/** The bytes up to the next LF, or null at the end of the input. **/
	static function nextLine():Null<Bytes> {
		final input = Sys.stdin(), line = new BytesBuffer();
		try {
			var byte;
			while ((byte = input.readByte()) != "\n".code)
				line.addByte(byte);
		} catch (_:Eof) {
			if (line.length == 0)
				return null;
		}
		return line.getBytes();
	}

	static function send(text:String) {
		final output = Sys.stdout();
		output.writeString(text);
		output.flush();
	}

	static function serve() {
		var lines = [], line;
		while ((line = nextLine()) != null) {
			final text = line.toString();
			if (text == "end") {
				send(answer(lines, true) + "end\n");
				lines = [];
			} else {
				lines.push(text);
			}
		}
		if (lines.length > 0)
			send(answer(lines, false) + "end\n");
	}

	static function decode(line:Bytes):CodePoints {
		if (!UnicodeString.validate(line, UTF8))
			throw new Refusal("the input is not UTF-8");
		final points = [];
		var i = 0;
		while (i < line.length) {
			final first = line.get(i++);
			final more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
			var point = more == 0 ? first : first & (0x3f >> more);
			for (_ in 0...more)
				point = (point << 6) | (line.get(i++) & 0x3f);
			points.push(point);
		}
		return points;
	}

	static function encode(line:CodePoints):String {
		final text = new BytesBuffer();
		for (point in line) {
			final more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
			text.addByte(more == 0 ? point : (0xff00 >> more + 1) & 0xff | (point >> 6 * more));
			for (k in 1...more + 1)
				text.addByte(0x80 | ((point >> 6 * (more - k)) & 0x3f));
		}
		return text.getBytes().toString();
	}

	static function main() {
		final arguments = Sys.args();
		try {
			switch arguments {
				case []:
					serve();
				case ["run"] | ["run", _] if (Run.PRESETS.exists(arguments.length > 1 ? arguments[1] : "seed")):
					final preset = Run.PRESETS[arguments.length > 1 ? arguments[1] : "seed"], lines = [];
					var line;
					while ((line = nextLine()) != null)
						lines.push(decode(line));
					new Run(preset, preset.settings.steps, lines).print(20, line -> send(encode(line) + "\n"));
				case _:
					throw new Refusal("usage: microgpt [run [seed|classic]]");
			}
		} catch (refusal:Refusal) {
			Sys.stderr().writeString('${refusal.message}\n');
			Sys.exit(1);
		}
	}
}
