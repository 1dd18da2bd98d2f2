import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** A GPT but for its differentiation (SPEC, sections 4 and 6 to 10), after Andrej Karpathy's microgpt. */
final class Gpt {
    /** Whatever cannot be done, and why. */
    static final class Problem extends RuntimeException {
        private static final long serialVersionUID = 1;

        Problem(String format, Object... arguments) { super(String.format(format, arguments)); }
    }

    /** The documents of a dataset as code points, and the distinct ones in order, which are the tokens but BOS. */
    record Dataset(List<int[]> documents, int[] characters) {
        static Dataset of(List<int[]> lines) {
            var documents = new ArrayList<>(lines.stream().map(Dataset::strip).filter(line -> line.length > 0).toList());
            var distinct = new TreeSet<Integer>();
            for (var document : documents) for (var c : document) distinct.add(c);
            if (documents.isEmpty()) throw new Problem("the dataset has no documents: every line is empty");
            if (distinct.size() > 2047) throw new Problem("the dataset has more than 2047 distinct characters");
            return new Dataset(documents, distinct.stream().mapToInt(c -> c).toArray());
        }

        private static int[] strip(int[] line) {
            int start = 0, end = line.length;
            while (start < end && isWhiteSpace(line[start])) start++;
            while (start < end && isWhiteSpace(line[end - 1])) end--;
            return Arrays.copyOfRange(line, start, end);
        }

        private static boolean isWhiteSpace(int c) { return c == ' ' || '\t' <= c && c <= '\r'; }
        int bos() { return characters.length; }

        int[] encode(int[] document) {
            var tokens = new int[document.length + 2];
            tokens[0] = tokens[tokens.length - 1] = bos();
            for (var i = 0; i < document.length; i++) tokens[i + 1] = Arrays.binarySearch(characters, document[i]);
            return tokens;
        }
    }

    record Matrix(String name, int rows, int columns) {
        int size() { return rows * columns; }
    }

    /** For each position, {@code attention} lists those that it attends to, itself last. */
    record Shape(
            int layers, int heads, int embedding, int block, int vocabulary, boolean squaredRelu, int[][] attention) {
        List<Matrix> matrices() {
            var e = embedding;
            var matrices = new ArrayList<Matrix>();
            matrices.add(new Matrix("wte", vocabulary, e));
            matrices.add(new Matrix("wpe", block, e));
            matrices.add(new Matrix("lm_head", vocabulary, e));
            for (var i = 0; i < layers; i++) {
                for (var name : List.of("wq", "wk", "wv", "wo")) matrices.add(new Matrix("layer" + i + ".attn_" + name, e, e));
                matrices.add(new Matrix("layer" + i + ".mlp_fc1", 4 * e, e));
                matrices.add(new Matrix("layer" + i + ".mlp_fc2", e, 4 * e));
            }
            return matrices;
        }

        int parameters() { return matrices().stream().mapToInt(Matrix::size).sum(); }
    }

    enum Schedule { LINEAR, COSINE }

    /** Adam (Kingma and Ba, 2015) with a learning rate that falls to zero. */
    record Adam(double learningRate, double beta1, double beta2, double epsilon, Schedule schedule, int steps) {
        double rate(int step) {
            double s = step, n = steps;
            return switch (schedule) {
                case LINEAR -> learningRate * (1.0 - s / n);
                case COSINE -> learningRate * 0.5 * (1.0 + Exact.cos(Math.PI * s / n));
            };
        }

        /** What m and v are divided by, since they begin at zero. */
        double correction(double beta, int step) { return 1.0 - Exact.pow(beta, step + 1.0); }

        /** Updates as many parameters p as there are moments. */
        void update(int step, double[] p, double[] gradients, double[] m, double[] v) {
            double rate = rate(step), correction1 = correction(beta1, step), correction2 = correction(beta2, step);
            for (var i = 0; i < m.length; i++) {
                var g = gradients[i];
                m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                v[i] = beta2 * v[i] + (1.0 - beta2) * (g * g);
                p[i] -= rate * (m[i] / correction1) / (Exact.squareRoot(v[i] / correction2) + epsilon);
            }
        }
    }

    /** A result that {@code forward} shows, with its full name. */
    record Activation(String name, Graph.Vector nodes) {}

    /** A model in training. Its parameters are the first nodes of its graph; the others are those of a document. */
    static final class Model {
        final Shape shape;
        final Graph graph = new Graph();
        double[] m;
        double[] v;
        /** Where activations go if anybody wants them. */
        List<Activation> activations;

        private final List<Graph.Vector> matrices = new ArrayList<>();
        /** Of each layer and each position so far. */
        private final Graph.Vector[][] keys;
        private final Graph.Vector[][] values;

        Model(Shape shape, double[] parameters) {
            this.shape = shape;
            m = new double[parameters.length];
            v = new double[parameters.length];
            keys = new Graph.Vector[shape.layers][shape.block];
            values = new Graph.Vector[shape.layers][shape.block];
            var first = 0;
            for (var matrix : shape.matrices()) {
                matrices.add(new Graph.Vector(first, matrix.size()));
                first += matrix.size();
            }
            graph.each(parameters.length, i -> graph.leaf(parameters[i]));
        }

        /** The mean over a document's positions of -log p(next token). */
        int loss(int[] tokens) {
            graph.shrink(m.length);
            var losses = new int[Math.min(shape.block, tokens.length - 1)];
            for (var t = 0; t < losses.length; t++) {
                var place = "pos" + t + ".";
                var probabilities = note(place, "probabilities", softmax(logits(t, tokens[t])));
                losses[t] = graph.neg(graph.log(probabilities.at(tokens[t + 1])));
                note(place, "loss", new Graph.Vector(losses[t], 1));
            }
            return graph.mulNumber(graph.addUp(losses), 1.0 / losses.length);
        }

        /** One step on one document; its loss before the update. */
        double train(Adam adam, int step, int[] tokens) {
            var root = loss(tokens);
            var loss = graph.values[root];
            graph.backward(root);
            adam.update(step, graph.values, graph.gradients, m, v);
            return loss;
        }

        /** Draws one sample, without its ends, and shows each draw's probabilities and token. */
        int[] sample(double temperature, Twister twister, BiConsumer<double[], Integer> watch) {
            graph.shrink(m.length);
            var tokens = new int[shape.block];
            int bos = shape.vocabulary - 1, token = bos;
            for (var t = 0; t < shape.block; t++) {
                var logits = logits(t, token);
                var cooled = graph.each(logits.size(), i -> graph.divNumber(logits.at(i), temperature));
                var probabilities = graph.valuesOf(softmax(cooled));
                token = twister.choice(probabilities);
                watch.accept(probabilities, token);
                if (token == bos) return Arrays.copyOf(tokens, t);
                tokens[t] = token;
            }
            return tokens;
        }

        private Graph.Vector note(String place, String name, Graph.Vector x) {
            if (activations != null) activations.add(new Activation(place + name, x));
            return x;
        }

        private Graph.Vector linear(Graph.Vector x, Graph.Vector matrix) {
            var columns = x.size();
            return graph.each(matrix.size() / columns, row -> graph.dot(matrix.part(row * columns, columns), x));
        }

        private Graph.Vector add(Graph.Vector a, Graph.Vector b) {
            return graph.each(a.size(), i -> graph.add(a.at(i), b.at(i)));
        }

        /** x over its root mean square, without a gain (Zhang and Sennrich, 2019). */
        private Graph.Vector rmsnorm(Graph.Vector x) {
            var meanSquare = graph.divNumber(graph.dot(x, x), x.size());
            var scale = graph.pow(graph.addNumber(meanSquare, 1e-5), -0.5);
            return graph.each(x.size(), i -> graph.mul(x.at(i), scale));
        }

        private Graph.Vector softmax(Graph.Vector x) {
            // Math.max would let NaN through
            var top = Arrays.stream(graph.valuesOf(x)).reduce((most, value) -> value > most ? value : most).orElseThrow();
            var shifted = graph.each(x.size(), i -> graph.addNumber(x.at(i), -top));
            var exps = graph.each(x.size(), i -> graph.exp(shifted.at(i)));
            var inverse = graph.pow(graph.sum(exps), -1.0);
            var inverses = graph.each(x.size(), i -> graph.again(inverse));
            return graph.each(x.size(), i -> graph.mul(exps.at(i), inverses.at(i)));
        }

        /** Multi-head attention of the query q; the heads' results side by side. */
        private Graph.Vector attend(int t, int layer, Graph.Vector q) {
            var positions = shape.attention[t];
            var size = shape.embedding / shape.heads;
            var weights = new Graph.Vector[shape.heads];
            var scores = new Graph.Vector[shape.heads];
            var products = new Graph.Vector[shape.embedding];
            for (var h = 0; h < shape.heads; h++) {
                var start = h * size;
                var query = q.part(start, size);
                var dots = graph.each(
                        positions.length, i -> graph.dot(query, keys[layer][positions[i]].part(start, size)));
                scores[h] = graph.each(dots.size(), i -> graph.divNumber(dots.at(i), Math.sqrt(size)));
                var w = weights[h] = softmax(scores[h]);
                for (var j = 0; j < size; j++) {
                    var column = start + j;
                    products[column] =
                            graph.each(w.size(), i -> graph.mul(w.at(i), values[layer][positions[i]].at(column)));
                }
            }
            var mixed = graph.each(products.length, i -> graph.sum(products[i]));
            for (var h = 0; activations != null && h < shape.heads; h++) {
                var place = "pos" + t + ".layer" + layer + ".head" + h + ".";
                note(place, "scores", scores[h]);
                note(place, "weights", weights[h]);
                note(place, "mixed", mixed.part(h * size, size));
            }
            return mixed;
        }

        private Graph.Vector logits(int t, int token) {
            var e = shape.embedding;
            var place = "pos" + t + ".";
            var x = note(place, "embedded", add(matrices.get(0).part(token * e, e), matrices.get(1).part(t * e, e)));
            x = note(place, "normed", rmsnorm(x));
            for (var i = 0; i < shape.layers; i++) x = layer(t, i, x, matrices.subList(3 + 6 * i, 9 + 6 * i).iterator());
            return note(place, "logits", linear(x, matrices.get(2)));
        }

        private Graph.Vector layer(int t, int i, Graph.Vector x, Iterator<Graph.Vector> matrix) {
            var place = "pos" + t + ".layer" + i + ".";
            var normed = note(place, "attn_norm", rmsnorm(x));
            var q = note(place, "q", linear(normed, matrix.next()));
            keys[i][t] = note(place, "k", linear(normed, matrix.next()));
            values[i][t] = note(place, "v", linear(normed, matrix.next()));
            var out = note(place, "attn_out", linear(attend(t, i, q), matrix.next()));
            var residual = note(place, "attn_residual", add(out, x));
            var hidden = note(place, "hidden", linear(note(place, "mlp_norm", rmsnorm(residual)), matrix.next()));
            var relu = graph.each(hidden.size(), k -> graph.relu(hidden.at(k)));
            var activated = shape.squaredRelu ? graph.each(relu.size(), k -> graph.pow(relu.at(k), 2.0)) : relu;
            var mlpOut = note(place, "mlp_out", linear(note(place, "activated", activated), matrix.next()));
            return note(place, "mlp_residual", add(mlpOut, residual));
        }
    }

    /** The settings of a whole run. {@code outputSigma} is for matrices that add to the residual stream. */
    enum Preset {
        SEED(8, true, 0.02, 0.0, new Adam(0.01, 0.9, 0.95, 1e-8, Schedule.COSINE, 500)),
        CLASSIC(16, false, 0.08, 0.08, new Adam(0.01, 0.85, 0.99, 1e-8, Schedule.LINEAR, 1000));

        final int block;
        final boolean squaredRelu;
        final double sigma;
        final double outputSigma;
        final Adam adam;

        Preset(int block, boolean squaredRelu, double sigma, double outputSigma, Adam adam) {
            this.block = block;
            this.squaredRelu = squaredRelu;
            this.sigma = sigma;
            this.outputSigma = outputSigma;
            this.adam = adam;
        }

        double sigmaOf(Matrix matrix) {
            return matrix.name.endsWith("attn_wo") || matrix.name.endsWith("mlp_fc2") ? outputSigma : sigma;
        }
    }

    record Outcome(Model model, Twister twister) {}

    /** From seed 42 to samples. Lines go to {@code print} as code points. */
    static Outcome run(Preset preset, int steps, int samples, List<int[]> lines, Consumer<int[]> print) {
        var dataset = Dataset.of(lines);
        var twister = new Twister(42);
        twister.shuffle(dataset.documents);
        var attention = new int[preset.block][];
        Arrays.setAll(attention, t -> IntStream.rangeClosed(0, t).toArray());
        var shape = new Shape(1, 4, 16, preset.block, dataset.bos() + 1, preset.squaredRelu, attention);
        var parameters = shape.matrices().stream()
                .flatMapToDouble(matrix -> twister.gauss(matrix.size(), preset.sigmaOf(matrix)))
                .toArray();
        var settings = preset.adam;
        var adam = new Adam(
                settings.learningRate, settings.beta1, settings.beta2, settings.epsilon, settings.schedule, steps);
        var model = new Model(shape, parameters);
        Consumer<String> say = text -> print.accept(text.codePoints().toArray());
        say.accept("num docs: " + dataset.documents.size());
        say.accept("vocab size: " + shape.vocabulary);
        say.accept("num params: " + parameters.length);
        for (var step = 0; step < steps; step++) {
            var document = dataset.encode(dataset.documents.get(step % dataset.documents.size()));
            var loss = model.train(adam, step, document);
            say.accept("step %4s / %4s | loss %s".formatted(step + 1, steps, fourDecimals(loss)));
        }
        say.accept("");
        say.accept("--- inference (new, hallucinated names) ---");
        for (var number = 1; number <= samples; number++) {
            var name = Arrays.stream(model.sample(0.5, twister, (probabilities, token) -> {}))
                    .map(token -> dataset.characters[token]);
            print.accept(IntStream.concat("sample %2s: ".formatted(number).codePoints(), name).toArray());
        }
        return new Outcome(model, twister);
    }

    /** Rounded once from the exact value, where %.4f rounds the shortest decimal. */
    static String fourDecimals(double x) {
        if (Double.isNaN(x)) return "nan";
        var sign = Math.copySign(1.0, x) < 0.0 ? "-" : "";
        if (Double.isInfinite(x)) return sign + "inf";
        return sign + new BigDecimal(Math.abs(x)).setScale(4, RoundingMode.HALF_EVEN).toPlainString();
    }
}
