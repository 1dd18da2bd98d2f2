import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.BiConsumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * microgpt in Java (conformance/SPEC.md). Without arguments it answers requests, whose verbs stand here (section 12);
 * {@code run [seed|classic] < names.txt} trains on the names, one a line, and makes new ones.
 */
final class Microgpt {
    private static final long WORD = 0xffffffffL;
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    private static final Map<String, BiConsumer<Protocol.Request, Protocol.Reply>> VERBS = new LinkedHashMap<>();

    static {
        VERBS.put("hello", Microgpt::hello);
        VERBS.put("arith", Microgpt::arith);
        VERBS.put("math", Microgpt::math);
        VERBS.put("random", Microgpt::random);
        VERBS.put("tokens", Microgpt::tokens);
        VERBS.put("graph", Microgpt::graph);
        VERBS.put("forward", Microgpt::forward);
        VERBS.put("backward", Microgpt::backward);
        VERBS.put("adam", Microgpt::adam);
        VERBS.put("train", Microgpt::train);
        VERBS.put("sample", Microgpt::sample);
        VERBS.put("run", Microgpt::run);
    }

    private Microgpt() {}

    public static void main(String[] arguments) throws IOException {
        var input = new BufferedInputStream(System.in, 1 << 16);
        try {
            switch (String.join(" ", arguments)) {
                case "" -> answerAll(input);
                case "run", "run seed" -> runPreset(Gpt.Preset.SEED, input);
                case "run classic" -> runPreset(Gpt.Preset.CLASSIC, input);
                default -> throw new Gpt.Problem("usage: microgpt, or microgpt run [seed|classic] < names.txt");
            }
        } catch (Gpt.Problem | CharacterCodingException problem) {
            var text = problem instanceof CharacterCodingException ? "the input is not UTF-8" : problem.getMessage();
            System.err.println("microgpt: " + text);
            System.exit(1);
        }
    }

    private static void runPreset(Gpt.Preset preset, InputStream input) throws IOException {
        var lines = new ArrayList<int[]>();
        for (byte[] line; (line = readLine(input)) != null; ) {
            var decoder = StandardCharsets.UTF_8.newDecoder(); // refuses what is not UTF-8
            lines.add(decoder.decode(ByteBuffer.wrap(line)).codePoints().toArray());
        }
        Gpt.run(preset, preset.adam.steps(), 20, lines, line -> {
            OUT.print(new String(line, 0, line.length) + "\n");
            OUT.flush();
        });
    }

    /** The next line without its LF, which alone ends a line; null at the end of the input. */
    private static byte[] readLine(InputStream input) throws IOException {
        var line = new ByteArrayOutputStream();
        int next;
        while ((next = input.read()) >= 0 && next != '\n') line.write(next);
        return next < 0 && line.size() == 0 ? null : line.toByteArray();
    }

    private static void answerAll(InputStream input) throws IOException {
        var lines = new ArrayList<String>();
        for (byte[] bytes; (bytes = readLine(input)) != null; ) {
            var line = new String(bytes, StandardCharsets.ISO_8859_1);
            if (line.equals("end")) {
                send(answer(lines, true));
                lines.clear();
            } else {
                lines.add(line);
            }
        }
        if (!lines.isEmpty()) send(answer(lines, false));
    }

    private static void send(String reply) {
        OUT.print(reply + "end\n");
        OUT.flush();
    }

    /** The reply is complete before it is written: a request can turn out to be wrong at its last line. */
    private static String answer(List<String> lines, boolean complete) {
        var header = lines.isEmpty() ? "" : lines.get(0);
        if (header.length() > Protocol.LINE_LIMIT || !header.matches("[!-~]+ [A-Za-z0-9._-]{1,64}"))
            return "error - expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens\n";
        var words = header.split(" ");
        try {
            if (!complete) throw new Gpt.Problem("the input ended before the line end");
            var verb = VERBS.get(words[0]);
            if (verb == null) throw new Gpt.Problem("unsupported");
            var reply = new Protocol.Reply();
            verb.accept(new Protocol.Request(lines.subList(1, lines.size())), reply);
            return "ok " + words[1] + "\n" + reply;
        } catch (Gpt.Problem problem) {
            return "error " + words[1] + " " + problem.getMessage() + "\n";
        }
    }

    private static void hello(Protocol.Request request, Protocol.Reply reply) {
        request.finish();
        reply.line("name", "java");
        reply.line("protocol", 1);
        reply.line("verbs", VERBS.keySet());
        reply.line("math", "exact");
    }

    private static void arith(Protocol.Request request, Protocol.Reply reply) {
        do {
            var words = request.next();
            var x = Protocol.numbers(words, 1);
            if (words[0].equals("decimals") && x.length == 1 && !(Math.abs(x[0]) > 0x1p53 && Double.isFinite(x[0])))
                reply.line("decimals", Gpt.fourDecimals(x[0]).codePoints().toArray());
            else reply.line(words[0], operation(words[0], x));
        } while (!request.isAtEnd());
    }

    private static double operation(String key, double[] x) {
        var total = 0.0;
        switch (key) {
            case "sum" -> {
                for (var term : x) total += term;
                if (x.length > 0) return total;
            }
            case "dot" -> {
                for (var i = 0; i + 1 < x.length; i += 2) total += x[i] * x[i + 1];
                if (x.length > 0 && x.length % 2 == 0) return total;
            }
        }
        return switch (key + " " + x.length) {
            case "add 2" -> x[0] + x[1];
            case "sub 2" -> x[0] - x[1];
            case "mul 2" -> x[0] * x[1];
            case "div 2" -> x[0] / x[1];
            case "sqrt 1" -> Math.sqrt(x[0]);
            case "muladd 3" -> x[0] * x[1] + x[2];
            default -> throw new Gpt.Problem("expected an operation with its operands");
        };
    }

    private static double inDomain(double x, boolean isInDomain) {
        if (!isInDomain) throw new Gpt.Problem("expected an argument in the function's domain");
        return x;
    }

    private static double angle(double x) { return inDomain(x, !(Math.abs(x) > 8.0)); }

    private static double exponent(double y, double limit) {
        return inDomain(y, Math.abs(y) <= limit && 2.0 * y == Math.rint(2.0 * y));
    }

    private static void math(Protocol.Request request, Protocol.Reply reply) {
        request.math();
        do {
            var words = request.next();
            var x = Protocol.numbers(words, 1);
            reply.line(words[0], switch (words[0] + " " + x.length) {
                case "exp 1" -> Exact.exp(x[0]);
                case "log 1" -> Exact.log(x[0]);
                case "sin 1" -> Exact.sin(angle(x[0]));
                case "cos 1" -> Exact.cos(angle(x[0]));
                case "pow 2" -> Exact.pow(x[0], exponent(x[1], 4096.0));
                default -> throw new Gpt.Problem("expected a function with its arguments");
            });
        } while (!request.isAtEnd());
    }

    private static void random(Protocol.Request request, Protocol.Reply reply) {
        request.math();
        var twister = new Twister((int) Protocol.integer(request.take("seed", 1)[0], 0, WORD));
        do {
            var words = request.next();
            var key = words[0];
            switch (key + " " + Math.min(words.length - 1, 3)) {
                case "words 1" -> draw(reply, words, () -> Integer.toUnsignedString(twister.word()));
                case "random 1" -> draw(reply, words, () -> Protocol.hex(twister.random()));
                case "gauss 2" -> {
                    var sigma = Protocol.number(words[2]);
                    draw(reply, words, () -> Protocol.hex(twister.gauss(sigma)));
                }
                case "shuffle 1" -> {
                    var items = new ArrayList<>(
                            IntStream.range(0, Protocol.integer(words[1], 0, 10000)).boxed().toList());
                    twister.shuffle(items);
                    reply.line(key, items);
                }
                case "choices 2", "choices 3" -> {
                    var weights = Protocol.numbers(words, 2);
                    if (weights.length > 1000) throw new Gpt.Problem("expected at most 1000 weights");
                    draw(reply, words, () -> twister.choice(weights));
                }
                case "state 0" -> {
                    var unsigned = Arrays.stream(twister.words).mapToObj(Integer::toUnsignedString).toList();
                    reply.line(key, twister.index, unsigned);
                    reply.line("kept", twister.kept.isPresent() ? Protocol.hex(twister.kept.getAsDouble()) : "none");
                }
                default -> throw new Gpt.Problem("expected something to draw with its values");
            }
        } while (!request.isAtEnd());
    }

    private static void draw(Protocol.Reply reply, String[] words, Supplier<?> draw) {
        reply.line(words[0], Stream.generate(draw).limit(Protocol.integer(words[1], 0, 1000)).toList());
    }

    private static List<int[]> dataset(Protocol.Request request) {
        var lines = new ArrayList<int[]>();
        do {
            var line = Protocol.integers(request.take("line"), 0, Character.MAX_CODE_POINT);
            if (line.length > 10000) throw new Gpt.Problem("expected at most 10000 code points in a line");
            if (Arrays.stream(line).anyMatch(c -> 0xd800 <= c && c < 0xe000)) throw new Gpt.Problem("expected no surrogates");
            lines.add(line);
        } while (!request.isAtEnd());
        return lines;
    }

    private static void tokens(Protocol.Request request, Protocol.Reply reply) {
        var dataset = Gpt.Dataset.of(dataset(request));
        reply.line("documents", dataset.documents().size());
        reply.line("vocabulary", dataset.characters());
        reply.line("bos", dataset.bos());
        for (var document : dataset.documents()) reply.line("encoded", dataset.encode(document));
    }

    private static void graph(Protocol.Request request, Protocol.Reply reply) {
        request.math();
        var graph = new Graph();
        var nodes = new ArrayList<Integer>();
        while (!request.has("root")) nodes.add(expression(graph, nodes, request.next()));
        var root = node(nodes, request.take("root", 1)[0]);
        request.finish();
        graph.backward(root);
        for (var node : nodes) reply.line("value", graph.values[node]);
        for (var node : nodes) reply.line("gradient", graph.gradients[node]);
    }

    private static int node(List<Integer> nodes, String word) {
        return nodes.get(Protocol.integer(word, 0, nodes.size() - 1));
    }

    private static int expression(Graph graph, List<Integer> nodes, String[] words) {
        if (words[0].equals("sum") && words.length > 1)
            return graph.addUp(Arrays.stream(words).skip(1).mapToInt(word -> node(nodes, word)).toArray());
        IntFunction<Integer> a = i -> node(nodes, words[i]);
        IntFunction<Double> c = i -> Protocol.number(words[i]);
        return switch (words[0] + " " + (words.length - 1)) {
            case "leaf 1" -> graph.leaf(c.apply(1));
            case "neg 1" -> graph.neg(a.apply(1));
            case "exp 1" -> graph.exp(a.apply(1));
            case "log 1" -> graph.log(a.apply(1));
            case "relu 1" -> graph.relu(a.apply(1));
            case "add 2" -> graph.add(a.apply(1), a.apply(2));
            case "sub 2" -> graph.add(a.apply(1), graph.neg(a.apply(2)));
            case "mul 2" -> graph.mul(a.apply(1), a.apply(2));
            case "div 2" -> graph.div(a.apply(1), a.apply(2));
            case "pow 2" -> graph.pow(a.apply(1), exponent(c.apply(2), 1024.0));
            case "add_number 2" -> graph.addNumber(a.apply(1), c.apply(2));
            case "sub_number 2" -> graph.addNumber(a.apply(1), -c.apply(2));
            case "mul_number 2" -> graph.mulNumber(a.apply(1), c.apply(2));
            case "div_number 2" -> graph.divNumber(a.apply(1), c.apply(2));
            case "number_sub 2" -> graph.addNumber(graph.neg(a.apply(2)), c.apply(1));
            case "number_div 2" -> graph.mulNumber(graph.pow(a.apply(2), -1.0), c.apply(1));
            default -> throw new Gpt.Problem("expected an expression with its operands");
        };
    }

    private enum Activation { RELU, SQUARED_RELU }

    private static Gpt.Shape shape(Protocol.Request request) {
        request.math();
        var layers = request.integer("layers", 1, 16);
        var heads = request.integer("heads", 1, 64);
        var embedding = request.integer("embedding", 1, 512);
        if (embedding % heads != 0) throw new Gpt.Problem("expected a multiple of heads as embedding");
        var block = request.integer("block", 1, 1024);
        var vocabulary = request.integer("vocabulary", 2, 2048);
        var squared = request.choice("activation", Activation.class) == Activation.SQUARED_RELU;
        var attention = new int[block][];
        for (var t = 0; t < block; t++) {
            var positions = attention[t] = Protocol.integers(request.take("attend"), 0, t);
            if (!isIncreasing(positions) || positions.length == 0 || positions[positions.length - 1] != t)
                throw new Gpt.Problem("expected increasing positions, the last being the position itself");
        }
        return new Gpt.Shape(layers, heads, embedding, block, vocabulary, squared, attention);
    }

    private static boolean isIncreasing(int[] numbers) {
        return IntStream.range(1, numbers.length).allMatch(i -> numbers[i - 1] < numbers[i]);
    }

    private static int[] document(Protocol.Request request, Gpt.Shape shape) {
        var document = Protocol.integers(request.take("tokens"), 0, shape.vocabulary() - 1);
        if (document.length < 2) throw new Gpt.Problem("expected two tokens or more");
        return document;
    }

    private static void forward(Protocol.Request request, Protocol.Reply reply) {
        var shape = shape(request);
        var document = document(request, shape);
        var model = new Gpt.Model(shape, request.tensors("", shape));
        request.finish();
        model.activations = new ArrayList<>();
        var loss = model.loss(document);
        for (var activation : model.activations) {
            var nodes = activation.nodes();
            reply.tensor(activation.name(), 1, nodes.size(), model.graph.values, nodes.first());
        }
        reply.line("loss", model.graph.values[loss]);
    }

    private static void backward(Protocol.Request request, Protocol.Reply reply) {
        var shape = shape(request);
        var document = document(request, shape);
        var model = new Gpt.Model(shape, request.tensors("", shape));
        request.finish();
        var loss = model.loss(document);
        model.graph.backward(loss);
        reply.line("loss", model.graph.values[loss]);
        reply.tensors("", shape, model.graph.gradients);
    }

    private static Gpt.Adam settings(Protocol.Request request) {
        return new Gpt.Adam(
                request.number("learning_rate"),
                request.number("beta1"),
                request.number("beta2"),
                request.number("epsilon"),
                request.choice("schedule", Gpt.Schedule.class),
                request.integer("steps", 1, 4096));
    }

    private static void adam(Protocol.Request request, Protocol.Reply reply) {
        request.math();
        var adam = settings(request);
        var step = request.integer("step", 0, adam.steps() - 1);
        var first = request.peek("tensor", 3);
        int rows = Protocol.integer(first[1], 1, 2048), columns = Protocol.integer(first[2], 1, 2048);
        var parameters = request.tensor("parameters", rows, columns);
        var gradients = request.tensor("gradients", rows, columns);
        var m = request.tensor("m", rows, columns);
        var v = request.tensor("v", rows, columns);
        request.finish();
        adam.update(step, parameters, gradients, m, v);
        reply.line("rate", adam.rate(step));
        reply.line("correction1", adam.correction(adam.beta1(), step));
        reply.line("correction2", adam.correction(adam.beta2(), step));
        reply.tensor("m", rows, columns, m, 0);
        reply.tensor("v", rows, columns, v, 0);
        reply.tensor("parameters", rows, columns, parameters, 0);
    }

    private static void train(Protocol.Request request, Protocol.Reply reply) {
        var shape = shape(request);
        var adam = settings(request);
        var from = request.integer("from", 0, adam.steps() - 1);
        var end = from + request.integer("count", 1, adam.steps() - from);
        var full = Protocol.integers(request.take("full"), from, end - 1);
        if (!isIncreasing(full)) throw new Gpt.Problem("expected increasing steps in full");
        var documents = new ArrayList<int[]>();
        do documents.add(document(request, shape)); while (request.has("tokens"));
        var model = new Gpt.Model(shape, request.tensors("", shape));
        if (from > 0) {
            model.m = request.tensors("m.", shape);
            model.v = request.tensors("v.", shape);
        }
        request.finish();
        for (var step = from; step < end; step++) {
            var loss = model.train(adam, step, documents.get(step % documents.size()));
            reply.line("step", step);
            reply.line("loss", loss);
            var names = List.of("gradients", "m", "v", "parameters");
            var lists = List.of(model.graph.gradients, model.m, model.v, model.graph.values);
            for (var i = 0; i < 4; i++) reply.checksum(names.get(i), lists.get(i), shape.parameters());
            if (Arrays.binarySearch(full, step) < 0) continue;
            for (var i = 0; i < 4; i++) reply.tensors(names.get(i) + ".", shape, lists.get(i));
        }
    }

    private static void sample(Protocol.Request request, Protocol.Reply reply) {
        var shape = shape(request);
        var temperature = request.number("temperature");
        var samples = request.integer("samples", 0, 1000);
        var model = new Gpt.Model(shape, request.tensors("", shape));
        var state = request.take("state", 1 + Twister.SIZE);
        var index = Protocol.integer(state[0], 0, Twister.SIZE);
        var words = Arrays.stream(state).skip(1).mapToInt(word -> (int) Protocol.integer(word, 0, WORD)).toArray();
        var kept = request.take("kept", 1)[0];
        var z = kept.equals("none") ? OptionalDouble.empty() : OptionalDouble.of(Protocol.number(kept));
        request.finish();
        var twister = new Twister(words, index, z);
        for (var i = 0; i < samples; i++) {
            reply.line("sample", i);
            model.sample(temperature, twister, (probabilities, token) -> {
                reply.line("probabilities", probabilities);
                reply.line("token", token);
            });
        }
        reply.line("word", Integer.toUnsignedString(twister.word()));
    }

    private static void run(Protocol.Request request, Protocol.Reply reply) {
        request.math();
        var preset = request.choice("preset", Gpt.Preset.class);
        var steps = request.integer("steps", 1, 4096);
        var samples = request.integer("samples", 0, 1000);
        var outcome = Gpt.run(preset, steps, samples, dataset(request), line -> reply.line("print", line));
        var model = outcome.model();
        var count = model.shape.parameters();
        reply.checksum("parameters", model.graph.values, count);
        reply.checksum("m", model.m, count);
        reply.checksum("v", model.v, count);
        reply.line("word", Integer.toUnsignedString(outcome.twister().word()));
    }
}
