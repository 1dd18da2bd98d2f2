import Tape.Nodes;
import haxe.ds.Vector;

typedef Shape = {
	layers:Int,
	heads:Int,
	embedding:Int,
	block:Int,
	vocabulary:Int,
	isSquared:Bool,
	attend:Array<Array<Int>>
}

typedef Matrix = {name:String, rows:Int, columns:Int}

/** Told the nodes of each activation, and its name. **/
typedef Note = (name:String, nodes:Nodes) -> Void;

/** Told the probabilities and the token of each draw. **/
typedef Drawn = (probabilities:Array<Float>, token:Int) -> Void;

/** The model of SPEC's section 6. Its parameters are the first nodes of the tape. **/
class Gpt {
	public final shape:Shape;
	public final tape = new Tape();

	/** How many parameters there are. **/
	public final count:Int;

	final matrices:Array<Matrix>;
	final first = new Map<String, Int>();

	/** Of each layer at each position. **/
	final keys:Array<Array<Nodes>>;

	final values:Array<Array<Nodes>>;

	public function new(shape:Shape, parameters:Array<Float>) {
		this.shape = shape;
		matrices = matricesOf(shape);
		var place = 0;
		for (matrix in matrices) {
			first[matrix.name] = place;
			place += matrix.rows * matrix.columns;
		}
		count = place;
		for (x in parameters)
			tape.leaf(x);
		keys = [for (_ in 0...shape.layers) []];
		values = [for (_ in 0...shape.layers) []];
	}

	/** The matrices in their order. **/
	public static function matricesOf(shape:Shape):Array<Matrix> {
		final e = shape.embedding;
		final matrices = [
			{name: "wte", rows: shape.vocabulary, columns: e},
			{name: "wpe", rows: shape.block, columns: e},
			{name: "lm_head", rows: shape.vocabulary, columns: e}
		];
		for (i in 0...shape.layers) {
			for (name in ["attn_wq", "attn_wk", "attn_wv", "attn_wo"])
				matrices.push({name: 'layer$i.$name', rows: e, columns: e});
			matrices.push({name: 'layer$i.mlp_fc1', rows: 4 * e, columns: e});
			matrices.push({name: 'layer$i.mlp_fc2', rows: e, columns: 4 * e});
		}
		return matrices;
	}

	static inline function vector(size:Int, node:(i:Int) -> Int):Nodes {
		final nodes = new Nodes(size);
		for (i in 0...size)
			nodes[i] = node(i);
		return nodes;
	}

	function linear(x:Nodes, name:String, rows:Int):Nodes {
		final start = first[name];
		return vector(rows, r -> tape.row(start + r * x.length, x));
	}

	function added(a:Nodes, b:Nodes):Nodes
		return vector(a.length, i -> tape.add(a[i], b[i]));

	function rmsnorm(x:Nodes):Nodes {
		final mean = tape.scale(tape.dot(x.length, i -> x[i], i -> x[i]), 1 / x.length);
		final scale = tape.pow(tape.shift(mean, 0.00001), -0.5);
		return vector(x.length, i -> tape.mul(x[i], scale));
	}

	function softmax(x:Nodes):Nodes {
		var top = tape.value[x[0]];
		for (node in x)
			if (tape.value[node] > top)
				top = tape.value[node];
		final exps = vector(x.length, i -> tape.exp(tape.shift(x[i], -1.0 * top)));
		final total = tape.sum(exps);
		// A pow node for each division; they have the same value and the same local gradient.
		final inverse = 1 / tape.value[total], local = -1.0 * Exact.pow(tape.value[total], -2);
		return vector(x.length, i -> tape.mul(exps[i], tape.unary(total, inverse, local)));
	}

	/** The mixed values of one head. **/
	function attention(place:String, q:Nodes, keys:Array<Nodes>, values:Array<Nodes>, start:Int, note:Note):Nodes {
		final size = Std.int(shape.embedding / shape.heads), attended = keys.length;
		final divisor = 1 / Math.sqrt(size);
		final scores = vector(attended, s -> {
			final key = keys[s];
			tape.scale(tape.dot(size, j -> q[start + j], j -> key[start + j]), divisor);
		});
		note(place + "scores", scores);
		final weights = softmax(scores);
		note(place + "weights", weights);
		final mixed = vector(size, j -> tape.dot(attended, s -> weights[s], s -> values[s][start + j]));
		note(place + "mixed", mixed);
		return mixed;
	}

	function layer(i:Int, t:Int, x:Nodes, note:Note):Nodes {
		final e = shape.embedding, place = 'pos$t.layer$i.';
		function noted(name:String, nodes:Nodes):Nodes {
			note(place + name, nodes);
			return nodes;
		}
		final normed = noted("attn_norm", rmsnorm(x));
		final q = noted("q", linear(normed, 'layer$i.attn_wq', e));
		keys[i][t] = noted("k", linear(normed, 'layer$i.attn_wk', e));
		values[i][t] = noted("v", linear(normed, 'layer$i.attn_wv', e));

		final ks = [for (s in shape.attend[t]) keys[i][s]], vs = [for (s in shape.attend[t]) values[i][s]];
		final size = Std.int(e / shape.heads), mixed = new Nodes(e);
		for (h in 0...shape.heads)
			Vector.blit(attention('${place}head$h.', q, ks, vs, h * size, note), 0, mixed, h * size, size);
		final residual = noted("attn_residual", added(noted("attn_out", linear(mixed, 'layer$i.attn_wo', e)), x));

		final hidden = noted("hidden", linear(noted("mlp_norm", rmsnorm(residual)), 'layer$i.mlp_fc1', 4 * e));
		final activated = noted("activated", vector(4 * e, j -> {
			final a = tape.relu(hidden[j]);
			shape.isSquared ? tape.pow(a, 2) : a;
		}));
		return noted("mlp_residual", added(noted("mlp_out", linear(activated, 'layer$i.mlp_fc2', e)), residual));
	}

	/** The logits of the token at position t, after those before it. **/
	function logits(t:Int, token:Int, note:Note):Nodes {
		final e = shape.embedding, wte = first["wte"] + token * e, wpe = first["wpe"] + t * e;
		final embedded = vector(e, i -> tape.add(wte + i, wpe + i));
		note('pos$t.embedded', embedded);
		var x = rmsnorm(embedded);
		note('pos$t.normed', x);
		for (i in 0...shape.layers)
			x = layer(i, t, x, note);
		final logits = linear(x, "lm_head", shape.vocabulary);
		note('pos$t.logits', logits);
		return logits;
	}

	static function ignore(name:String, nodes:Nodes) {}

	/** The node of a document's loss. **/
	public function loss(document:Array<Int>, ?note:Note):Int {
		final note = note == null ? ignore : note;
		tape.shrink(count);
		final positions = Std.int(Math.min(shape.block, document.length - 1));
		final losses = vector(positions, t -> {
			final probabilities = softmax(logits(t, document[t], note));
			note('pos$t.probabilities', probabilities);
			final loss = vector(1, _ -> tape.neg(tape.log(probabilities[document[t + 1]])));
			note('pos$t.loss', loss);
			loss[0];
		});
		return tape.scale(tape.sum(losses), 1 / positions);
	}

	/** One sample, without BOS. **/
	public function sample(temperature:Float, twister:Twister, ?drawn:Drawn):Array<Int> {
		tape.shrink(count);
		final bos = shape.vocabulary - 1, inverse = 1 / temperature;
		final sample = [];
		var token = bos;
		for (t in 0...shape.block) {
			final logits = logits(t, token, ignore);
			final scaled = vector(logits.length, i -> tape.scale(logits[i], inverse));
			final probabilities = [for (node in softmax(scaled)) tape.value[node]];
			token = twister.choice(probabilities);
			if (drawn != null)
				drawn(probabilities, token);
			if (token == bos)
				break;
			sample.push(token);
		}
		return sample;
	}
}

enum Schedule {
	Linear;
	Cosine;
}

typedef Settings = {
	learningRate:Float,
	beta1:Float,
	beta2:Float,
	epsilon:Float,
	schedule:Schedule,
	steps:Int
}

/** Adam (SPEC, section 8) with its moments. **/
class Adam {
	public final m:Vector<Float>;
	public final v:Vector<Float>;

	final settings:Settings;

	public function new(settings:Settings, m:Array<Float>, v:Array<Float>) {
		this.settings = settings;
		this.m = Vector.fromArrayCopy(m);
		this.v = Vector.fromArrayCopy(v);
	}

	public function rate(step:Int):Float {
		final s = settings;
		return switch s.schedule {
			case Linear: s.learningRate * (1 - step / s.steps);
			case Cosine: (s.learningRate * 0.5) * (1 + Exact.cos((3.141592653589793 * step) / s.steps));
		}
	}

	public static function correction(beta:Float, step:Int):Float
		return 1 - Exact.pow(beta, step + 1);

	/** Updates the parameters p, as many as there are moments. **/
	public function update(step:Int, p:Vector<Float>, g:Vector<Float>) {
		final beta1 = settings.beta1, beta2 = settings.beta2, epsilon = settings.epsilon, m = this.m, v = this.v;
		final rate = rate(step), correction1 = correction(beta1, step), correction2 = correction(beta2, step);
		for (i in 0...m.length) {
			m[i] = beta1 * m[i] + (1 - beta1) * g[i];
			v[i] = beta2 * v[i] + (1 - beta2) * (g[i] * g[i]);
			final mean = v[i] / correction2;
			final root = mean > 0 ? Math.sqrt(mean) : Exact.pow(mean, 0.5);
			p[i] = p[i] - (rate * (m[i] / correction1)) / (root + epsilon);
		}
	}

	/** One step on a document; its loss. **/
	public function advance(step:Int, gpt:Gpt, document:Array<Int>):Float {
		final root = gpt.loss(document), loss = gpt.tape.value[root];
		gpt.tape.backward(root);
		update(step, gpt.tape.value, gpt.tape.gradient);
		return loss;
	}
}
