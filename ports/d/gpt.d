/// A GPT but for its differentiation (SPEC, sections 3, 4 and 6 to 10), after Andrej Karpathy's microgpt.
module gpt;

@safe:
static import exact;
import core.bitop : bsr;
import graph;
import std.algorithm : endsWith, filter, map, sort, strip, swap;
import std.array : array;
import std.conv : dtext = to;
import std.exception : basicExceptionCtors, enforce;
import std.format : format;
import std.math : isFinite, isNaN, PI, sqrt;
import std.range : assumeSorted, iota;
import std.typecons : Nullable, nullable;

/// Whatever cannot be done, and why.
class Problem : Exception {
    mixin basicExceptionCtors;
}

/// The Mersenne Twister of Matsumoto and Nishimura, 1998, seeded as Python does, and what is drawn from it.
struct Twister {
    enum size = 624;
    uint[size] words;
    size_t index = size;
    Nullable!double kept;

    static Twister seeded(uint seed) {
        static uint scrambled(uint word, uint factor) { return (word ^ word >> 30) * factor; }
        Twister twister;
        with (twister) {
            words[0] = 19650218;
            foreach (uint i; 1 .. size) words[i] = scrambled(words[i - 1], 1812433253) + i;
            foreach (uint step; 0 .. 2 * size - 1) {
                immutable i = step % (size - 1) + 1;
                words[i] = step < size ? (words[i] ^ scrambled(words[i - 1], 1664525)) + seed
                    : (words[i] ^ scrambled(words[i - 1], 1566083941)) - i;
                words[0] = words[size - 1];
            }
            words[0] = 0x80000000;
        }
        return twister;
    }

    private void renew() {
        foreach (i, ref word; words) {
            immutable y = (word & 0x80000000) | (words[(i + 1) % size] & 0x7fffffff);
            word = words[(i + 397) % size] ^ y >> 1 ^ (y & 1) * 0x9908b0df;
        }
        index = 0;
    }

    uint word() {
        if (index == size) renew;
        uint y = words[index++];
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        return y ^ y >> 18;
    }

    double random() {
        immutable double a = word >> 5, b = word >> 6;
        return (a * 67_108_864 + b) / 9_007_199_254_740_992;
    }

    /// Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept.
    double gauss(double sigma) {
        auto z = kept;
        kept.nullify;
        if (z.isNull) {
            immutable angle = random * (2.0 * double(PI)), radius = sqrt(-2 * exact.log(1 - random));
            z = exact.cos(angle) * radius;
            kept = exact.sin(angle) * radius;
        }
        return 0 + z.get * sigma;
    }

    size_t below(size_t n) {
        while (true) {
            immutable draw = word >> 31 - bsr(n);
            if (draw < n) return draw;
        }
    }

    void shuffle(T)(T[] items) {
        foreach_reverse (i; 1 .. items.length) swap(items[i], items[below(i + 1)]);
    }

    size_t choice(const double[] weights) {
        auto cumulative = weights.dup;
        foreach (i; 1 .. weights.length) cumulative[i] += cumulative[i - 1];
        immutable total = cumulative[$ - 1];
        enforce!Problem(total > 0 && isFinite(total), "expected weights that add up to a finite number above 0");
        immutable u = random * total;
        size_t low = 0, high = weights.length - 1;
        while (low < high) {
            immutable middle = (low + high) / 2;
            if (u < cumulative[middle]) high = middle; else low = middle + 1;
        }
        return low;
    }
}

/// The documents of a dataset and their distinct characters in order, which are the tokens but BOS.
struct Dataset {
    dstring[] documents;
    dstring characters;

    this(dstring[] lines) {
        static bool isWhiteSpace(dchar c) { return c == ' ' || '\t' <= c && c <= '\r'; }
        documents = lines.map!(line => line.strip!isWhiteSpace).filter!(line => line.length > 0).array;
        enforce!Problem(documents.length > 0, "the dataset has no documents: every line is empty");
        bool[dchar] known;
        foreach (document; documents) foreach (c; document) known[c] = true;
        enforce!Problem(known.length <= 2047, "the dataset has more than 2047 distinct characters");
        characters = known.keys.sort.array.idup;
    }

    size_t bos() const { return characters.length; }

    size_t[] encode(dstring document) const {
        auto sorted = characters.assumeSorted;
        return bos ~ document.map!(c => sorted.lowerBound(c).length).array ~ bos;
    }
}

struct Matrix {
    string name;
    size_t rows, columns;

    size_t length() const { return rows * columns; }
}

struct Shape {
    size_t layers = 1, heads = 4, embedding = 16, block, vocabulary;
    bool squaredRelu;
    size_t[][] attention; /// for each position those that it attends to, itself last

    Matrix[] matrices() const {
        alias e = embedding;
        auto all = [Matrix("wte", vocabulary, e), Matrix("wpe", block, e), Matrix("lm_head", vocabulary, e)];
        foreach (i; 0 .. layers) {
            foreach (name; ["wq", "wk", "wv", "wo"]) all ~= Matrix(format!"layer%d.attn_%s"(i, name), e, e);
            all ~= Matrix(format!"layer%d.mlp_fc1"(i), 4 * e, e);
            all ~= Matrix(format!"layer%d.mlp_fc2"(i), e, 4 * e);
        }
        return all;
    }
}

/// Adam (Kingma and Ba, 2015) with a learning rate that falls to zero.
struct Adam {
    double learningRate = 0.01, beta1, beta2, epsilon = 1e-8;
    bool cosine;
    size_t steps;

    double rate(size_t step) const {
        immutable double s = step, n = steps;
        return cosine ? learningRate * 0.5 * (1 + exact.cos(double(PI) * s / n)) : learningRate * (1 - s / n);
    }

    /// What m and v are divided by, since they begin at zero.
    double correction(double beta, size_t step) const { return 1 - exact.pow(beta, step + 1.0); }

    void update(size_t step, double[] ps, const double[] gradients, double[] ms, double[] vs) const {
        immutable rate = rate(step), correction1 = correction(beta1, step), correction2 = correction(beta2, step);
        foreach (i, ref p; ps) {
            immutable g = gradients[i];
            immutable m = ms[i] = beta1 * ms[i] + (1 - beta1) * g;
            immutable v = vs[i] = beta2 * vs[i] + (1 - beta2) * (g * g);
            p -= rate * (m / correction1) / (exact.squareRoot(v / correction2) + epsilon);
        }
    }
}

/// A result of the model, as `forward` shows it.
struct Activation {
    string name;
    Vector nodes;
    size_t position;
    Nullable!size_t layer, head;
}

/// A model in training. Its parameters are the first nodes of its graph; the others are those of a document.
class Model {
    const Shape shape;
    Graph graph;
    Activation[] activations; /// of the latest document
    double[] m, v;
    private Vector[] matrices;
    private Vector[][] keys, values; /// of each layer and each position so far

    this(Shape shape, const double[] parameters) {
        this.shape = shape;
        size_t first;
        foreach (matrix; shape.matrices) {
            matrices ~= Vector(first, matrix.length);
            first += matrix.length;
        }
        foreach (x; parameters) graph.leaf(x);
        m = new double[parameters.length];
        v = new double[parameters.length];
        m[] = 0;
        v[] = 0;
        foreach (list; [&keys, &values]) {
            list.length = shape.layers;
            foreach (ref layer; *list) layer.length = shape.block;
        }
    }

    inout(double)[] parameters() inout { return graph.values[0 .. m.length]; }
    inout(double)[] gradients() inout { return graph.gradients[0 .. m.length]; }

    private void beginDocument() {
        graph.shrink(m.length);
        activations.length = 0;
        () @trusted { activations.assumeSafeAppend; }();
    }

    /// The mean over a document's positions of -log p(next token).
    Node loss(const size_t[] tokens) {
        beginDocument;
        Node[] losses;
        foreach (t, token; tokens[0 .. $ - 1]) {
            if (t == shape.block) break;
            immutable probabilities = softmax(logits(t, token));
            losses ~= graph.neg(graph.log(probabilities[tokens[t + 1]]));
            activations ~= Activation("probabilities", probabilities, t);
            activations ~= Activation("loss", Vector(losses[t], 1), t);
        }
        return graph.mulNumber(graph.addUp(losses), 1.0 / losses.length);
    }

    /// One step on one document; its loss before the update.
    double train(Adam adam, size_t step, const size_t[] tokens) {
        immutable root = loss(tokens);
        immutable result = graph.values[root];
        graph.backward(root);
        adam.update(step, parameters, gradients, m, v);
        return result;
    }

    /// Draws one sample without its ends, and shows each draw's probabilities and token.
    size_t[] sample(double temperature, ref Twister twister,
            scope void delegate(const double[] probabilities, size_t token) @safe watch = null) {
        beginDocument;
        size_t[] sampled;
        immutable bos = shape.vocabulary - 1;
        size_t token = bos;
        foreach (t; 0 .. shape.block) {
            immutable raw = logits(t, token);
            immutable cooled = graph.each(raw.length, i => graph.divNumber(raw[i], temperature));
            const probabilities = softmax(cooled).of(graph.values);
            token = twister.choice(probabilities);
            if (watch) watch(probabilities, token);
            if (token == bos) break;
            sampled ~= token;
        }
        return sampled;
    }

    private Vector linear(Vector x, Vector matrix) {
        immutable columns = x.length;
        return graph.each(matrix.length / columns, row => graph.dot(matrix.part(row * columns, columns), x));
    }

    private Vector add(Vector a, Vector b) { return graph.each(a.length, i => graph.add(a[i], b[i])); }

    /// x over its root mean square, without a gain (Zhang and Sennrich, 2019).
    private Vector rmsnorm(Vector x) {
        immutable meanSquare = graph.divNumber(graph.dot(x, x), x.length);
        immutable scale = graph.pow(graph.addNumber(meanSquare, 1e-5), -0.5);
        return graph.each(x.length, i => graph.mul(x[i], scale));
    }

    private Vector softmax(Vector x) {
        double top = graph.values[x[0]];
        foreach (value; x.of(graph.values)) if (value > top) top = value;
        immutable shifted = graph.each(x.length, i => graph.addNumber(x[i], -top));
        immutable exps = graph.each(x.length, i => graph.exp(shifted[i]));
        immutable inverse = graph.pow(graph.total(exps), -1);
        immutable inverses = graph.each(x.length, i => graph.again(inverse));
        return graph.each(x.length, i => graph.mul(exps[i], inverses[i]));
    }

    /// Multi-head attention of the query q; the heads' results side by side.
    private Vector attend(size_t t, size_t layer, Vector q) {
        const positions = shape.attention[t];
        immutable size = shape.embedding / shape.heads, noted = activations.length;
        Vector[] products;
        foreach (h; 0 .. shape.heads) {
            Vector part(Vector x) { return x.part(h * size, size); }
            Vector note(string name, Vector x) {
                activations ~= Activation(name, x, t, layer.nullable, h.nullable);
                return x;
            }
            immutable dots = graph.each(positions.length, i => graph.dot(part(q), part(keys[layer][positions[i]])));
            immutable scores = note("scores", graph.each(dots.length, i => graph.divNumber(dots[i], sqrt(double(size)))));
            immutable weights = note("weights", softmax(scores));
            note("mixed", Vector()); // its nodes are made below
            foreach (j; 0 .. size)
                products ~= graph.each(weights.length,
                    i => graph.mul(weights[i], part(values[layer][positions[i]])[j]));
        }
        immutable mixed = graph.each(products.length, i => graph.total(products[i]));
        foreach (h; 0 .. shape.heads) activations[noted + 3 * h + 2].nodes = mixed.part(h * size, size);
        return mixed;
    }

    private Vector logits(size_t t, size_t token) {
        Nullable!size_t layer;
        Vector note(string name, Vector x) {
            activations ~= Activation(name, x, t, layer);
            return x;
        }
        immutable e = shape.embedding;
        auto x = note("embedded", add(matrices[0].part(token * e, e), matrices[1].part(t * e, e)));
        x = note("normed", rmsnorm(x));
        foreach (i; 0 .. shape.layers) {
            layer = i;
            auto matrix = matrices[3 + 6 * i .. 9 + 6 * i];
            immutable normed = note("attn_norm", rmsnorm(x));
            immutable q = note("q", linear(normed, matrix[0]));
            keys[i][t] = note("k", linear(normed, matrix[1]));
            values[i][t] = note("v", linear(normed, matrix[2]));
            x = note("attn_residual", add(note("attn_out", linear(attend(t, i, q), matrix[3])), x));
            immutable hidden = note("hidden", linear(note("mlp_norm", rmsnorm(x)), matrix[4]));
            immutable relu = graph.each(hidden.length, k => graph.relu(hidden[k]));
            immutable activated = shape.squaredRelu ? graph.each(relu.length, k => graph.pow(relu[k], 2)) : relu;
            x = note("mlp_residual", add(note("mlp_out", linear(note("activated", activated), matrix[5])), x));
        }
        layer.nullify;
        return note("logits", linear(x, matrices[2]));
    }
}

struct Preset {
    Shape shape;
    Adam adam;
    double sigma, outputSigma; /// of the first parameters; the second where they end in the residual stream

    this(string name) {
        adam.cosine = shape.squaredRelu = name == "seed";
        shape.block = name == "seed" ? 8 : 16;
        adam.beta1 = name == "seed" ? 0.9 : 0.85;
        adam.beta2 = name == "seed" ? 0.95 : 0.99;
        adam.steps = name == "seed" ? 500 : 1000;
        sigma = name == "seed" ? 0.02 : 0.08;
        outputSigma = name == "seed" ? 0 : 0.08;
    }
}

string fourDecimals(double x) { return isNaN(x) ? "nan" : format!"%.4f"(x); }

/// From seed 42 to samples.
Model run(Preset preset, size_t samples, dstring[] lines, scope void delegate(dstring) @safe print, out Twister twister) {
    void say(Arguments...)(string text, Arguments arguments) { print(format(text, arguments).dtext!dstring); }
    auto dataset = Dataset(lines);
    twister = Twister.seeded(42);
    twister.shuffle(dataset.documents);
    preset.shape.vocabulary = dataset.bos + 1;
    preset.shape.attention = preset.shape.block.iota.map!(t => iota(t + 1).array).array;
    double[] parameters;
    foreach (matrix; preset.shape.matrices)
        foreach (i; 0 .. matrix.length)
            parameters ~= twister.gauss(
                matrix.name.endsWith("attn_wo", "mlp_fc2") ? preset.outputSigma : preset.sigma);
    auto model = new Model(preset.shape, parameters);
    say("num docs: %d", dataset.documents.length);
    say("vocab size: %d", preset.shape.vocabulary);
    say("num params: %d", parameters.length);
    foreach (step; 0 .. preset.adam.steps) {
        immutable loss = model.train(preset.adam, step, dataset.encode(dataset.documents[step % $]));
        say("step %4d / %4d | loss %s", step + 1, preset.adam.steps, fourDecimals(loss));
    }
    say("");
    say("--- inference (new, hallucinated names) ---");
    foreach (number; 1 .. samples + 1) {
        auto name = model.sample(0.5, twister).map!(token => dataset.characters[token]).array;
        print(format!"sample %2d: "(number).dtext!dstring ~ name.idup);
    }
    return model;
}
