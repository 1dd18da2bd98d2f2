/* Random numbers, the autograd, the model and its training (SPEC, sections 3 to 10). */
class Twister {
    public uint32 words[624];
    public int index = 624;
    public bool has_kept = false;
    public double kept = 0.0;

    uint32 mixed (int i) { return words[i - 1] ^ (words[i - 1] >> 30); }

    public Twister (uint32 seed) {
        int i = 1;
        words[0] = 19650218;
        for (int k = 1; k < 624; k++) words[k] = 1812433253U * mixed (k) + k;
        for (int k = 0; k < 624 + 623; k++) {
            if (k < 624) words[i] = (words[i] ^ (mixed (i) * 1664525U)) + seed;
            else words[i] = (words[i] ^ (mixed (i) * 1566083941U)) - i;
            if (++i == 624) {
                words[0] = words[623];
                i = 1;
            }
        }
        words[0] = 0x80000000U;
    }

    public uint32 word () {
        if (index == 624) {
            for (int i = 0; i < 624; i++) {
                uint32 z = (words[i] & 0x80000000U) | (words[(i + 1) % 624] & 0x7fffffffU);
                words[i] = words[(i + 397) % 624] ^ (z >> 1) ^ (z % 2 * 2567483615U);
            }
            index = 0;
        }
        uint32 y = words[index++];
        y ^= y >> 11;
        y ^= (y << 7) & 2636928640U;
        y ^= (y << 15) & 4022730752U;
        return y ^ (y >> 18);
    }

    public double random () {
        uint64 a = word () >> 5, b = word () >> 6;
        return (double) (a * 67108864 + b) / 9007199254740992.0;
    }

    public double gauss (double sigma) {
        double z = kept;
        has_kept = !has_kept;
        if (has_kept) {
            double x = random () * 6.283185307179586, r = Math.sqrt (-2.0 * Exact.log (1.0 - random ()));
            z = Exact.cos (x) * r;
            kept = Exact.sin (x) * r;
        }
        return 0.0 + z * sigma;
    }

    uint32 below (uint32 limit) {
        int shift = 32;
        while (shift > 0 && limit >> (32 - shift) != 0) shift--;
        uint32 y = word () >> shift;
        while (y >= limit) y = word () >> shift;
        return y;
    }

    public int[] shuffled (int count) {
        var items = new int[count];
        for (int i = 0; i < count; i++) items[i] = i;
        for (int i = count - 1; i > 0; i--) {
            int j = (int) below (i + 1), held = items[i];
            items[i] = items[j];
            items[j] = held;
        }
        return items;
    }

    public int choice (double[] weights) throws BadRequest {
        double[] sums = weights;
        int low = 0, high = weights.length - 1;
        for (int i = 1; i <= high; i++) sums[i] += sums[i - 1];
        if (!(sums[high] > 0.0 && sums[high] < double.INFINITY))
            throw new BadRequest.REASON ("the weights must have a finite total above 0");
        double u = random () * sums[high];
        while (low < high) {
            int middle = (low + high) / 2;
            if (u < sums[middle]) high = middle;
            else low = middle + 1;
        }
        return low;
    }
}

/* A node of the autograd. Its children begin at `first`: one a term, or the two factors of each term of a product. In any
   other node `local` is the local gradient for every child. */
struct Node {
    public int first;
    public int children;
    public bool is_product;
    public double local;
}

class Tape {
    public int size = 0;
    public double[] value = new double[1024];
    public double[] gradient = new double[1024];
    Node[] nodes = new Node[1024];
    int[] children = new int[4096];
    int used = 0;

    public void cut (int count) { /* forgets all later nodes */
        if (count < size) used = nodes[count].first;
        size = count;
    }

    int node (double value, double local, int[] below, bool is_product = false) {
        if (size == nodes.length) {
            nodes.resize (2 * size);
            this.value.resize (2 * size);
            gradient.resize (2 * size);
        }
        if (used + below.length > children.length) children.resize (2 * (used + below.length));
        nodes[size] = { used, below.length, is_product, local };
        this.value[size] = value;
        foreach (int child in below) children[used++] = child;
        return size++;
    }

    public int leaf (double x) { return node (x, 0.0, {}); }
    public int add (int a, int b) { return node (value[a] + value[b], 1.0, { a, b }); }
    public int mul (int a, int b) { return node (value[a] * value[b], 0.0, { a, b }, true); }
    public int shift (int a, double c) { return node (value[a] + c, 1.0, { a }); } /* a + c for a plain number c */
    public int scale (int a, double c) { return node (value[a] * c, c, { a }); }
    public int pow (int a, double c) { return node (Exact.pow (value[a], c), c * Exact.pow (value[a], c - 1.0), { a }); }
    public int log (int a) { return node (Exact.log (value[a]), 1.0 / value[a], { a }); }
    public int relu (int a) { return value[a] > 0.0 ? node (value[a], 1.0, { a }) : node (0.0, 0.0, { a }); }

    public int exp (int a) {
        double y = Exact.exp (value[a]);
        return node (y, y, { a });
    }

    /* One node for many: none of the operands occurs twice, and none lies below another. */
    public int sum (int[] x) {
        double total = 0.0;
        foreach (int i in x) total += value[i];
        return node (total, 1.0, x);
    }

    public int dot (int[] w, int[] x) {
        var pairs = new int[2 * w.length];
        double total = 0.0;
        for (int i = 0; i < w.length; i++) {
            pairs[2 * i] = w[i];
            pairs[2 * i + 1] = x[i];
            total += value[w[i]] * value[x[i]];
        }
        return node (total, 0.0, pairs, true);
    }

    /* Every division has a pow node of its own; they are alike. */
    public int[] softmax (int[] x) {
        var y = new int[x.length];
        double top = value[x[0]];
        foreach (int i in x)
            if (value[i] > top) top = value[i];
        for (int i = 0; i < x.length; i++) y[i] = exp (shift (x[i], -top));
        int total = sum (y);
        double inverse = 1.0 / value[total], local = -1.0 * Exact.pow (value[total], -2.0);
        for (int i = 0; i < x.length; i++) y[i] = mul (y[i], node (inverse, local, { total }));
        return y;
    }

    /* The order is depth-first, without recursion: `next` is the child that a node visits next, or -1 before its visit. */
    public void backward (int root) {
        int[] next = new int[size], path = new int[size], order = new int[size];
        int depth = 0, count = 0;
        for (int i = 0; i < size; i++) {
            next[i] = nodes[i].children > 0 ? -1 : 0; /* a leaf has nothing to visit */
            gradient[i] = 0.0;
        }
        next[root] = 0;
        path[depth++] = root;
        while (depth > 0) {
            int i = path[depth - 1];
            if (next[i] == nodes[i].children) {
                order[count++] = i;
                depth--;
                continue;
            }
            int child = children[nodes[i].first + next[i]++];
            if (next[child] < 0) {
                next[child] = 0;
                path[depth++] = child;
            }
        }
        gradient[root] = 1.0;
        while (count > 0) {
            int i = order[--count], end = nodes[i].first + nodes[i].children;
            double g = gradient[i];
            for (int k = nodes[i].first; k < end; k++) {
                int a = children[k];
                if (!nodes[i].is_product) {
                    gradient[a] += nodes[i].local * g;
                    continue;
                }
                int b = children[++k];
                gradient[a] += value[b] * g;
                gradient[b] += value[a] * g;
            }
        }
    }
}

class Matrix {
    public string name;
    public int rows;
    public int columns;
    public int first; /* the node of its first number */

    public int[] row (int r) {
        var nodes = new int[columns];
        for (int i = 0; i < columns; i++) nodes[i] = first + r * columns + i;
        return nodes;
    }
}

class Shape {
    public int layers = 1;
    public int heads = 4;
    public int embedding = 16;
    public int block;
    public int vocabulary;
    public int parameters = 0;
    public bool squared; /* the activation is the square of relu */
    public GenericArray<Integers> attend = new GenericArray<Integers> (); /* for each position, those it attends to */
    public GenericArray<Matrix> matrices = new GenericArray<Matrix> ();

    void add (string name, int rows, int columns) {
        matrices.add (new Matrix () { name = name, rows = rows, columns = columns, first = parameters });
        parameters += rows * columns;
    }

    public void make_matrices () { /* once the numbers are known */
        int e = embedding;
        add ("wte", vocabulary, e);
        add ("wpe", block, e);
        add ("lm_head", vocabulary, e);
        for (int i = 0; i < layers; i++) {
            foreach (string name in new string[] { "wq", "wk", "wv", "wo" }) add (@"layer$i.attn_$name", e, e);
            add (@"layer$i.mlp_fc1", 4 * e, e);
            add (@"layer$i.mlp_fc2", e, 4 * e);
        }
    }

    public double[] take (Request request, string prefix) throws BadRequest {
        double[] all = {};
        for (int i = 0; i < matrices.length; i++) {
            int rows = matrices[i].rows, columns = matrices[i].columns;
            foreach (double x in request.take_tensor (prefix + matrices[i].name, ref rows, ref columns)) all += x;
        }
        return all;
    }

    public void put (Reply reply, string prefix, double[] x) {
        matrices.foreach ((m) => reply.tensor (prefix + m.name, m.rows, m.columns, x, m.first));
    }
}

class Model {
    public Shape shape;
    public Tape tape = new Tape (); /* its first nodes are the parameters */
    public Reply? reply = null;     /* gets every activation */
    GenericArray<Integers> rows = new GenericArray<Integers> ();
    Integers[,] keys;               /* of each layer at each position */
    Integers[,] values;

    public Model (Shape shape, double[] parameters) {
        this.shape = shape;
        foreach (double x in parameters) tape.leaf (x);
        keys = new Integers[shape.layers, shape.block];
        values = new Integers[shape.layers, shape.block];
        for (int i = 0; i < shape.matrices.length; i++)
            for (int r = 0; r < shape.matrices[i].rows; r++)
                rows.add (new Integers () { at = shape.matrices[i].row (r) });
    }

    void note (string name, int[] x, int t, int layer = -1, int head = -1) {
        if (reply == null) return;
        string place = @"pos$t." + (layer >= 0 ? @"layer$layer." : "") + (head >= 0 ? @"head$head." : "");
        double[] numbers = {};
        foreach (int i in x) numbers += tape.value[i];
        reply.tensor (place + name, 1, x.length, numbers);
    }

    /* The matrix begins with this row of all rows. */
    int[] linear (int[] x, int first, int count) {
        var y = new int[count];
        for (int i = 0; i < count; i++) y[i] = tape.dot (rows[first + i].at, x);
        return y;
    }

    int[] rmsnorm (int[] x) {
        var y = new int[x.length];
        int mean = tape.scale (tape.dot (x, x), 1.0 / (double) x.length);
        int scale = tape.pow (tape.shift (mean, 0.00001), -0.5);
        for (int i = 0; i < x.length; i++) y[i] = tape.mul (x[i], scale);
        return y;
    }

    int[] sum (int[] x, int[] y) {
        var z = new int[x.length];
        for (int i = 0; i < x.length; i++) z[i] = tape.add (x[i], y[i]);
        return z;
    }

    /* The values at the positions to which t attends, mixed head by head. */
    int[] attention (int[] q, int t, int layer) {
        unowned int[] list = shape.attend[t].at;
        int size = q.length / shape.heads;
        var mixed = new int[q.length];
        var column = new int[list.length];
        for (int head = 0; head < shape.heads; head++) {
            int first = head * size, end = first + size;
            var scores = new int[list.length];
            for (int s = 0; s < list.length; s++)
                scores[s] = tape.scale (tape.dot (q[first:end], keys[layer, list[s]].at[first:end]),
                                        1.0 / Math.sqrt ((double) size));
            note ("scores", scores, t, layer, head);
            var weights = tape.softmax (scores);
            note ("weights", weights, t, layer, head);
            for (int j = first; j < end; j++) {
                for (int s = 0; s < list.length; s++) column[s] = values[layer, list[s]].at[j];
                mixed[j] = tape.dot (weights, column);
            }
            note ("mixed", mixed[first:end], t, layer, head);
        }
        return mixed;
    }

    int[] logits (int token, int t) {
        int e = shape.embedding, v = shape.vocabulary;
        var x = sum (rows[token].at, rows[v + t].at);
        note ("embedded", x, t);
        x = rmsnorm (x);
        note ("normed", x, t);
        for (int layer = 0; layer < shape.layers; layer++) {
            int first = 2 * v + shape.block + 9 * e * layer;
            var y = rmsnorm (x);
            note ("attn_norm", y, t, layer);
            var q = linear (y, first, e), k = linear (y, first + e, e), w = linear (y, first + 2 * e, e);
            note ("q", q, t, layer);
            note ("k", k, t, layer);
            note ("v", w, t, layer);
            keys[layer, t] = new Integers () { at = k };
            values[layer, t] = new Integers () { at = w };
            y = linear (attention (q, t, layer), first + 3 * e, e);
            note ("attn_out", y, t, layer);
            x = sum (y, x);
            note ("attn_residual", x, t, layer);
            y = rmsnorm (x);
            note ("mlp_norm", y, t, layer);
            y = linear (y, first + 4 * e, 4 * e);
            note ("hidden", y, t, layer);
            for (int i = 0; i < y.length; i++) {
                y[i] = tape.relu (y[i]);
                if (shape.squared) y[i] = tape.pow (y[i], 2.0);
            }
            note ("activated", y, t, layer);
            y = linear (y, first + 8 * e, e);
            note ("mlp_out", y, t, layer);
            x = sum (y, x);
            note ("mlp_residual", x, t, layer);
        }
        var z = linear (x, v + shape.block, v);
        note ("logits", z, t);
        return z;
    }

    public int loss (int[] tokens) { /* its node */
        tape.cut (shape.parameters);
        var losses = new int[int.min (shape.block, tokens.length - 1)];
        for (int t = 0; t < losses.length; t++) {
            var probabilities = tape.softmax (logits (tokens[t], t));
            note ("probabilities", probabilities, t);
            losses[t] = tape.scale (tape.log (probabilities[tokens[t + 1]]), -1.0);
            note ("loss", losses[t:t + 1], t);
        }
        return tape.scale (tape.sum (losses), 1.0 / (double) losses.length);
    }

    public int[] sample (double temperature, Twister twister, Reply? draws = null) throws BadRequest {
        tape.cut (shape.parameters);
        int bos = shape.vocabulary - 1, token = bos;
        int[] tokens = {};
        for (int t = 0; t < shape.block; t++) {
            var scaled = logits (token, t);
            for (int i = 0; i <= bos; i++) scaled[i] = tape.scale (scaled[i], 1.0 / temperature);
            double[] probabilities = {};
            foreach (int i in tape.softmax (scaled)) probabilities += tape.value[i];
            token = twister.choice (probabilities);
            if (draws != null) {
                draws.numbers ("probabilities", probabilities);
                draws.line (@"token $token");
            }
            if (token == bos) break;
            tokens += token;
        }
        return tokens;
    }

    public double[] parameters () { return tape.value[0:shape.parameters]; }
    public double[] gradients () { return tape.gradient[0:shape.parameters]; }
}

class Adam {
    public double learning_rate = 0.01;
    public double beta1;
    public double beta2;
    public double epsilon = 1e-8;
    public bool cosine;
    public int steps;

    public double rate (int step) {
        if (cosine) return (learning_rate * 0.5) * (1.0 + Exact.cos ((Math.PI * step) / steps));
        return learning_rate * (1.0 - (double) step / steps);
    }

    public double correction (double beta, int step) { return 1.0 - Exact.pow (beta, step + 1.0); }

    /* As many of p as there are of m. */
    public void update (int step, double[] p, double[] g, double[] m, double[] v) {
        double rate = rate (step), correction1 = correction (beta1, step), correction2 = correction (beta2, step);
        for (int i = 0; i < m.length; i++) {
            m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
            v[i] = beta2 * v[i] + (1.0 - beta2) * (g[i] * g[i]);
            double square = v[i] / correction2, root = square > 0.0 ? Math.sqrt (square) : Exact.pow (square, 0.5);
            p[i] -= (rate * (m[i] / correction1)) / (root + epsilon);
        }
    }

    public double train (int step, Model model, int[] tokens, double[] m, double[] v) { /* one step; its loss */
        int root = model.loss (tokens);
        double loss = model.tape.value[root];
        model.tape.backward (root);
        update (step, model.tape.value, model.tape.gradient, m, v);
        return loss;
    }
}

class Dataset {
    public GenericArray<Integers> documents = new GenericArray<Integers> ();
    public int[] points = {}; /* its code points in order */

    static bool is_space (int point) { return point == 32 || (point >= 9 && point <= 13); }

    public void add (int[] line) {
        int first = 0, end = line.length;
        while (first < end && is_space (line[first])) first++;
        while (end > first && is_space (line[end - 1])) end--;
        if (end > first) documents.add (new Integers () { at = line[first:end] });
    }

    public void find_points () throws BadRequest {
        var known = new bool[0x110000];
        for (int i = 0; i < documents.length; i++)
            foreach (int point in documents[i].at) known[point] = true;
        for (int point = 0; point < known.length; point++)
            if (known[point]) points += point;
        if (points.length == 0) throw new BadRequest.REASON ("the dataset has no documents");
        if (points.length > 2047) throw new BadRequest.REASON ("the dataset has more than 2047 distinct characters");
    }

    public int[] encode (int number) {
        int[] tokens = { points.length };
        foreach (int point in documents[number].at) {
            int low = 0, high = points.length - 1;
            while (low < high) {
                int middle = (low + high) / 2;
                if (points[middle] < point) low = middle + 1;
                else high = middle;
            }
            tokens += low;
        }
        tokens += points.length;
        return tokens;
    }
}

string decimals (double x) { /* four of them */
    if (x.is_nan ()) return "nan";
    return "%.4f".printf (x);
}

delegate void Printer (string text, int[] points); /* a line: text, and code points that follow it */

class Run {
    public Model model;
    public Twister twister = new Twister (42);
    public double[] m;
    public double[] v;

    public Run (bool is_seed, int steps, int samples, Dataset dataset, Printer print) throws BadRequest {
        dataset.find_points ();
        int count = dataset.documents.length;
        var order = twister.shuffled (count);
        var shape = new Shape () { block = is_seed ? 8 : 16, vocabulary = dataset.points.length + 1, squared = is_seed };
        shape.make_matrices ();
        for (int t = 0; t < shape.block; t++) {
            var list = new Integers ();
            for (int s = 0; s <= t; s++) list.at += s;
            shape.attend.add (list);
        }
        double[] parameters = {};
        for (int i = 0; i < shape.matrices.length; i++) {
            var matrix = shape.matrices[i];
            bool is_output = matrix.name.has_suffix ("attn_wo") || matrix.name.has_suffix ("mlp_fc2");
            double sigma = !is_seed ? 0.08 : is_output ? 0.0 : 0.02;
            for (int k = 0; k < matrix.rows * matrix.columns; k++) parameters += twister.gauss (sigma);
        }
        model = new Model (shape, parameters);
        m = new double[shape.parameters];
        v = new double[shape.parameters];
        var adam = new Adam () { beta1 = is_seed ? 0.9 : 0.85, beta2 = is_seed ? 0.95 : 0.99, cosine = is_seed, steps = steps };
        print (@"num docs: $count", {});
        print (@"vocab size: $(shape.vocabulary)", {});
        print (@"num params: $(shape.parameters)", {});
        for (int step = 0; step < steps; step++) {
            double loss = adam.train (step, model, dataset.encode (order[step % count]), m, v);
            print ("step %4d / %4d | loss %s".printf (step + 1, steps, decimals (loss)), {});
        }
        print ("", {});
        print ("--- inference (new, hallucinated names) ---", {});
        for (int i = 1; i <= samples; i++) {
            int[] points = {};
            foreach (int token in model.sample (0.5, twister)) points += dataset.points[token];
            print ("sample %2d: ".printf (i), points);
        }
    }
}
