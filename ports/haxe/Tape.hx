import haxe.ds.Vector;

/** Nodes are numbers: their places in the vectors of a `Tape`. **/
typedef Nodes = Vector<Int>;

/**
	How a node passes its gradient on to its children. Sum, Dot and Row take many nodes as one: none of their children
	occurs twice, save as its own factor, and none lies below another (SPEC, section 5).
**/
enum Rule {
	Leaf;

	/** With the local gradient. **/
	Unary(local:Float);

	Add;
	Mul;
	Sum;

	/** The children are w0, x0, w1, x1, … **/
	Dot;

	/** The dot product of the children and the leaves from `first` on. **/
	Row(first:Int);
}

/** The autograd. Children are older than their node. **/
class Tape {
	static final NONE = new Nodes(0);

	public var size(default, null) = 0;
	public var value(default, null) = new Vector<Float>(1024);
	public var gradient(default, null) = new Vector<Float>(1024);

	var rules = new Vector<Rule>(1024);
	var children = new Vector<Nodes>(1024);

	public function new() {}

	/** Forgets all nodes but the first. **/
	public function shrink(size:Int)
		this.size = size;

	function node(value:Float, rule:Rule, children:Nodes):Int {
		if (size == this.value.length)
			grow();
		this.value[size] = value;
		rules[size] = rule;
		this.children[size] = children;
		return size++;
	}

	function grow() {
		inline function longer<T>(items:Vector<T>):Vector<T> {
			final copy = new Vector(2 * size);
			Vector.blit(items, 0, copy, 0, size);
			return copy;
		}
		value = longer(value);
		gradient = longer(gradient);
		rules = longer(rules);
		children = longer(children);
	}

	static function vector(items:Array<Int>):Nodes
		return Vector.fromArrayCopy(items);

	public function leaf(x:Float):Int
		return node(x, Leaf, NONE);

	public function unary(a:Int, value:Float, local:Float):Int
		return node(value, Unary(local), vector([a]));

	public function add(a:Int, b:Int):Int
		return node(value[a] + value[b], Add, vector([a, b]));

	public function mul(a:Int, b:Int):Int
		return node(value[a] * value[b], Mul, vector([a, b]));

	/** a + c for a plain number c. **/
	public function shift(a:Int, c:Float):Int
		return unary(a, value[a] + c, 1.0);

	/** a * c for a plain number c. **/
	public function scale(a:Int, c:Float):Int
		return unary(a, value[a] * c, c);

	public function neg(a:Int):Int
		return scale(a, -1.0);

	public function pow(a:Int, c:Float):Int
		return unary(a, Exact.pow(value[a], c), c * Exact.pow(value[a], c - 1));

	public function exp(a:Int):Int {
		final y = Exact.exp(value[a]);
		return unary(a, y, y);
	}

	public function log(a:Int):Int
		return unary(a, Exact.log(value[a]), 1 / value[a]);

	public function relu(a:Int):Int
		return value[a] > 0 ? unary(a, value[a], 1.0) : unary(a, 0.0, 0.0);

	public function sum(xs:Nodes):Int {
		final value = this.value;
		var total = 0.0;
		for (x in xs)
			total += value[x];
		return node(total, Sum, xs);
	}

	public function dot(size:Int, w:(j:Int) -> Int, x:(j:Int) -> Int):Int {
		final value = this.value, pairs = new Nodes(2 * size);
		var total = 0.0;
		for (j in 0...size) {
			final a = w(j), b = x(j);
			pairs[2 * j] = a;
			pairs[2 * j + 1] = b;
			total += value[a] * value[b];
		}
		return node(total, Dot, pairs);
	}

	public function row(first:Int, xs:Nodes):Int {
		final value = this.value;
		var total = 0.0;
		for (j in 0...xs.length)
			total += value[first + j] * value[xs[j]];
		return node(total, Row(first), xs);
	}

	/** Depth-first post-order from the root. Leaves of rows are left out: nothing comes after them. **/
	function order(root:Int):Array<Int> {
		final order = [], path = [root], next = [0];
		final isSeen = new Vector<Bool>(size);
		for (i in 0...size)
			isSeen[i] = false;
		isSeen[root] = true;
		while (path.length > 0) {
			final top = path.length - 1, below = children[path[top]], count = below.length;
			var k = next[top];
			while (k < count && isSeen[below[k]])
				k++;
			if (k == count) {
				order.push(path.pop());
				next.pop();
			} else {
				isSeen[below[k]] = true;
				next[top] = k + 1;
				path.push(below[k]);
				next.push(0);
			}
		}
		return order;
	}

	/** Sets the gradient of every node. **/
	public function backward(root:Int) {
		final value = this.value, gradient = this.gradient;
		for (i in 0...size)
			gradient[i] = 0.0;
		gradient[root] = 1.0;
		final order = order(root);
		while (order.length > 0) {
			final node = order.pop(), g = gradient[node], below = children[node];
			switch rules[node] {
				case Leaf:
				case Unary(local):
					gradient[below[0]] += local * g;
				case Add:
					gradient[below[0]] += g;
					gradient[below[1]] += g;
				case Mul:
					final a = below[0], b = below[1];
					gradient[a] += value[b] * g;
					gradient[b] += value[a] * g;
				case Sum:
					for (x in below)
						gradient[x] += g;
				case Dot:
					for (j in 0...below.length >> 1) {
						final w = below[2 * j], x = below[2 * j + 1];
						gradient[w] += value[x] * g;
						gradient[x] += value[w] * g;
					}
				case Row(first):
					for (j in 0...below.length) {
						final x = below[j];
						gradient[first + j] += value[x] * g;
						gradient[x] += value[first + j] * g;
					}
			}
		}
	}
}
