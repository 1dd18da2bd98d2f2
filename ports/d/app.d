/// microgpt in D (conformance/SPEC.md). Without arguments it answers requests, a function for each verb (section 12);
/// `microgpt run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
module app;

@safe:
import gpt;
import graph : Graph, Node;
import protocol;
import std.algorithm : all, canFind, fold, isStrictlyMonotonic, map;
import std.array : array, join;
import std.ascii : isAlphaNum;
import std.conv : to;
import std.exception : enforce;
import std.format : format;
import std.math : abs, floor, isFinite, sqrt;
import std.range : chunks, iota;
import std.stdio : stderr, stdin, stdout, write;
import std.utf : byCodeUnit, UTFException;
static import exact;
static import gpt;

double inDomain(double x, bool isInDomain) {
    enforce!Problem(isInDomain, "expected an argument in its domain");
    return x;
}

double angle(double x) { return inDomain(x, !(abs(x) > 8)); }
double exponent(double y, double limit) { return inDomain(y, abs(y) <= limit && 2 * y == floor(2 * y)); }

void arith(ref Request request, ref Reply reply) {
    do {
        immutable words = request.next.idup, key = words[0], x = words[1 .. $].numbers.idup;
        switch (key ~ (key == "sum" || key == "dot" ? "" : x.length.to!string)) {
        case "add2": reply.line(key, x[0] + x[1]); break;
        case "sub2": reply.line(key, x[0] - x[1]); break;
        case "mul2": reply.line(key, x[0] * x[1]); break;
        case "div2": reply.line(key, x[0] / x[1]); break;
        case "sqrt1": reply.line(key, sqrt(x[0])); break;
        case "muladd3": reply.line(key, x[0] * x[1] + x[2]); break;
        case "sum":
            enforce!Problem(x.length > 0, "expected numbers to add");
            reply.line(key, x.fold!((total, term) => total + term)(0.0));
            break;
        case "dot":
            enforce!Problem(x.length > 0 && x.length % 2 == 0, "expected pairs of numbers");
            reply.line(key, x.chunks(2).fold!((total, pair) => total + pair[0] * pair[1])(0.0));
            break;
        case "decimals1":
            reply.line(key, inDomain(x[0], !(abs(x[0]) > 0x1p53 && isFinite(x[0]))).fourDecimals.to!dstring);
            break;
        default: throw new Problem("expected an operation with its operands");
        }
    } while (!request.empty);
}

void math(ref Request request, ref Reply reply) {
    request.math;
    do {
        immutable words = request.next.idup, key = words[0], x = words[1 .. $].numbers.idup;
        switch (key ~ x.length.to!string) {
        case "exp1": reply.line(key, exact.exp(x[0])); break;
        case "log1": reply.line(key, exact.log(x[0])); break;
        case "sin1": reply.line(key, exact.sin(angle(x[0]))); break;
        case "cos1": reply.line(key, exact.cos(angle(x[0]))); break;
        case "pow2": reply.line(key, exact.pow(x[0], exponent(x[1], 4096))); break;
        default: throw new Problem("expected a function with its arguments");
        }
    } while (!request.empty);
}

void random(ref Request request, ref Reply reply) {
    request.math;
    auto twister = Twister.seeded(cast(uint) request.integer("seed", 0, uint.max));
    do {
        immutable words = request.next.idup, key = words[0], count = words.length - 1;
        auto draws(T)(scope T delegate() @safe draw) {
            T[] results;
            foreach (i; 0 .. words[1].integer(0, 1000)) results ~= draw();
            reply.line(key, results);
        }
        if (key == "words" && count == 1) draws(() => twister.word);
        else if (key == "random" && count == 1) draws(() => twister.random);
        else if (key == "gauss" && count == 2) {
            immutable sigma = words[2].number;
            draws(() => twister.gauss(sigma));
        } else if (key == "shuffle" && count == 1) {
            auto items = words[1].integer(0, 10_000).iota.array;
            twister.shuffle(items);
            reply.line(key, items);
        } else if (key == "choices" && 2 <= count && count <= 1001) {
            const weights = words[2 .. $].numbers;
            draws(() => twister.choice(weights));
        } else if (key == "state" && count == 0) {
            reply.line(key, twister.index, twister.words[]);
            reply.line("kept", twister.kept.isNull ? "none" : twister.kept.get.hex);
        } else throw new Problem("expected something to draw with its values");
    } while (!request.empty);
}

dstring[] readDataset(ref Request request) {
    dstring[] lines;
    do {
        const points = request.take("line").integers(0, dchar.max);
        enforce!Problem(points.length <= 10_000, "expected at most 10000 code points in a line");
        enforce!Problem(points.all!(c => c >> 11 != 0xd800 >> 11), "expected no surrogates");
        lines ~= points.map!(c => cast(dchar) c).array.idup;
    } while (!request.empty);
    return lines;
}

void tokens(ref Request request, ref Reply reply) {
    auto dataset = Dataset(request.readDataset);
    reply.line("documents", dataset.documents.length);
    reply.line("vocabulary", dataset.characters);
    reply.line("bos", dataset.bos);
    foreach (document; dataset.documents) reply.line("encoded", dataset.encode(document));
}

void graph(ref Request request, ref Reply reply) {
    request.math;
    Graph graph;
    Node[] nodes;
    Node expression(const string[] words) {
        Node node(size_t i) {
            enforce!Problem(nodes.length > 0, "expected a leaf first");
            return nodes[words[i].integer(0, nodes.length - 1)];
        }
        double c(size_t i) { return words[i].number; }
        with (graph) switch (words[0] ~ (words[0] == "sum" ? "" : (words.length - 1).to!string)) {
        case "leaf1": return leaf(c(1));
        case "neg1": return neg(node(1));
        case "exp1": return exp(node(1));
        case "log1": return log(node(1));
        case "relu1": return relu(node(1));
        case "add2": return add(node(1), node(2));
        case "sub2": return add(node(1), neg(node(2)));
        case "mul2": return mul(node(1), node(2));
        case "div2": return div(node(1), node(2));
        case "pow2": return pow(node(1), exponent(c(2), 1024));
        case "add_number2": return addNumber(node(1), c(2));
        case "sub_number2": return addNumber(node(1), -c(2));
        case "mul_number2": return mulNumber(node(1), c(2));
        case "div_number2": return divNumber(node(1), c(2));
        case "number_sub2": return addNumber(neg(node(2)), c(1));
        case "number_div2": return mulNumber(pow(node(2), -1), c(1));
        case "sum":
            enforce!Problem(words.length > 1, "expected nodes to add");
            return addUp(iota(1, words.length).map!node.array);
        default: throw new Problem("expected an expression with its operands");
        }
    }
    while (!request.has("root")) nodes ~= expression(request.next);
    enforce!Problem(nodes.length > 0, "expected a leaf first");
    immutable root = nodes[request.integer("root", 0, nodes.length - 1)];
    request.finish;
    graph.backward(root);
    foreach (node; nodes) reply.line("value", graph.values[node]);
    foreach (node; nodes) reply.line("gradient", graph.gradients[node]);
}

Shape readShape(ref Request request) {
    request.math;
    Shape shape;
    with (shape) {
        layers = request.integer("layers", 1, 16);
        heads = request.integer("heads", 1, 64);
        embedding = request.integer("embedding", 1, 512);
        enforce!Problem(embedding % heads == 0, "expected a multiple of heads as embedding");
        block = request.integer("block", 1, 1024);
        vocabulary = request.integer("vocabulary", 2, 2048);
        squaredRelu = request.either("activation", "relu", "squared_relu");
        foreach (t; 0 .. block) {
            attention ~= request.take("attend").integers(0, t);
            enforce!Problem(attention[t].isStrictlyMonotonic && attention[t].length > 0 && attention[t][$ - 1] == t,
                "expected increasing positions, the last being the position itself");
        }
    }
    return shape;
}

size_t[] readDocument(ref Request request, const Shape shape) {
    auto document = request.take("tokens").integers(0, shape.vocabulary - 1);
    enforce!Problem(document.length >= 2, "expected two tokens or more");
    return document;
}

Model readLoss(ref Request request, out Node loss) {
    auto shape = request.readShape;
    const document = request.readDocument(shape);
    auto model = new Model(shape, request.tensors("", shape));
    request.finish;
    loss = model.loss(document);
    return model;
}

void forward(ref Request request, ref Reply reply) {
    Node loss;
    auto model = request.readLoss(loss);
    foreach (activation; model.activations) with (activation) {
        auto place = format!"pos%d."(position);
        if (!layer.isNull) place ~= format!"layer%d."(layer.get);
        if (!head.isNull) place ~= format!"head%d."(head.get);
        reply.tensor(place ~ name, nodes.length, nodes.of(model.graph.values));
    }
    reply.line("loss", model.graph.values[loss]);
}

void backward(ref Request request, ref Reply reply) {
    Node loss;
    auto model = request.readLoss(loss);
    model.graph.backward(loss);
    reply.line("loss", model.graph.values[loss]);
    reply.tensors("", model.shape, model.gradients);
}

Adam readAdam(ref Request request) {
    Adam adam;
    with (adam) {
        learningRate = request.number("learning_rate");
        beta1 = request.number("beta1");
        beta2 = request.number("beta2");
        epsilon = request.number("epsilon");
        cosine = request.either("schedule", "linear", "cosine");
        steps = request.integer("steps", 1, 4096);
    }
    return adam;
}

void adam(ref Request request, ref Reply reply) {
    request.math;
    immutable adam = request.readAdam;
    immutable step = request.integer("step", 0, adam.steps - 1);
    auto copy = request;
    immutable shape = copy.take("tensor", 3)[1 .. $].integers(1, 2048).idup;
    auto parameters = request.tensor("parameters", shape[0], shape[1]);
    auto gradients = request.tensor("gradients", shape[0], shape[1]);
    auto m = request.tensor("m", shape[0], shape[1]);
    auto v = request.tensor("v", shape[0], shape[1]);
    request.finish;
    adam.update(step, parameters, gradients, m, v);
    reply.line("rate", adam.rate(step));
    reply.line("correction1", adam.correction(adam.beta1, step));
    reply.line("correction2", adam.correction(adam.beta2, step));
    reply.tensor("m", shape[1], m);
    reply.tensor("v", shape[1], v);
    reply.tensor("parameters", shape[1], parameters);
}

void train(ref Request request, ref Reply reply) {
    auto shape = request.readShape;
    immutable adam = request.readAdam;
    immutable from = request.integer("from", 0, adam.steps - 1);
    immutable end = from + request.integer("count", 1, adam.steps - from);
    const full = request.take("full").integers(from, end - 1);
    enforce!Problem(full.isStrictlyMonotonic, "expected increasing steps in full");
    size_t[][] documents;
    do documents ~= request.readDocument(shape); while (request.has("tokens"));
    auto model = new Model(shape, request.tensors("", shape));
    if (from > 0) {
        model.m = request.tensors("m.", shape);
        model.v = request.tensors("v.", shape);
    }
    request.finish;
    foreach (step; from .. end) {
        immutable loss = model.train(adam, step, documents[step % $]);
        reply.line("step", step);
        reply.line("loss", loss);
        static foreach (name; ["gradients", "m", "v", "parameters"]) reply.checksum(name, __traits(getMember, model, name));
        if (full.canFind(step))
            static foreach (name; ["gradients", "m", "v", "parameters"])
                reply.tensors(name ~ ".", shape, __traits(getMember, model, name));
    }
}

void sample(ref Request request, ref Reply reply) {
    auto shape = request.readShape;
    immutable temperature = request.number("temperature");
    immutable samples = request.integer("samples", 0, 1000);
    auto model = new Model(shape, request.tensors("", shape));
    const state = request.take("state", 1 + Twister.size);
    Twister twister;
    twister.index = state[0].integer(0, Twister.size);
    foreach (i, ref word; twister.words) word = cast(uint) state[1 + i].integer(0, uint.max);
    immutable kept = request.take("kept", 1)[0];
    if (kept != "none") twister.kept = kept.number;
    request.finish;
    foreach (i; 0 .. samples) {
        reply.line("sample", i);
        model.sample(temperature, twister, (probabilities, token) {
            reply.line("probabilities", probabilities);
            reply.line("token", token);
        });
    }
    reply.line("word", twister.word);
}

void run(ref Request request, ref Reply reply) {
    request.math;
    auto preset = Preset(request.either("preset", "seed", "classic") ? "classic" : "seed");
    preset.adam.steps = request.integer("steps", 1, 4096);
    immutable samples = request.integer("samples", 0, 1000);
    Twister twister;
    auto model = gpt.run(preset, samples, request.readDataset, line => reply.line("print", line), twister);
    static foreach (name; ["parameters", "m", "v"]) reply.checksum(name, __traits(getMember, model, name));
    reply.line("word", twister.word);
}

void hello(ref Request request, ref Reply reply) {
    request.finish;
    reply.line("name", "d");
    reply.line("protocol", 1);
    reply.line("verbs", verbs);
    reply.line("math", "exact");
}

enum verbs = ["hello", "arith", "math", "random", "tokens", "graph", "forward", "backward", "adam", "train", "sample", "run"];

/// The reply is complete before it is written, since a request can turn out to be wrong at its last line.
string answer(string[] lines, bool isComplete) {
    static bool isId(char c) { return c.isAlphaNum || c == '.' || c == '_' || c == '-'; }
    immutable header = lines.length > 0 && lines[0].isText ? lines[0].splitWords.idup : [];
    immutable isRight = header.length == 2 && header[0] != "" && header[1] != "";
    if (!isRight || header[1].length > 64 || !header[1].byCodeUnit.all!isId)
        return "error - expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens\n";
    try {
        enforce!Problem(isComplete, "the input ended before the line end");
        auto request = Request(lines[1 .. $]);
        Reply reply;
        verb: switch (header[0]) {
            static foreach (name; verbs) {
            case name:
                mixin(name)(request, reply);
                break verb;
            }
            default: throw new Problem("unsupported");
        }
        return format!"ok %s\n%s"(header[1], reply.text[]);
    } catch (Problem problem) {
        return format!"error %s %s\n"(header[1], problem.msg);
    }
}

void send(string text) {
    write(text);
    () @trusted { stdout.flush; }();
}

/// Only LF ends a line.
string[] readLines(scope bool delegate(string) @safe isLast) @trusted {
    string[] lines;
    foreach (line; stdin.byLineCopy) {
        if (isLast(line)) return lines ~ line;
        lines ~= line;
    }
    return lines;
}

void answerAll() {
    while (true) {
        auto lines = readLines(line => line == "end");
        if (lines.length == 0) return;
        immutable isComplete = lines[$ - 1] == "end";
        send(answer(lines[0 .. $ - isComplete], isComplete) ~ "end\n");
    }
}

void runPreset(string name) {
    dstring[] lines;
    try lines = readLines(line => false).map!(line => line.to!dstring).array;
    catch (UTFException) throw new Problem("the input is not UTF-8");
    Twister twister;
    gpt.run(Preset(name), 20, lines, line => send(line.to!string ~ "\n"), twister);
}

int main(string[] arguments) {
    try {
        switch (arguments[1 .. $].join(" ")) {
        case "": answerAll; break;
        case "run", "run seed": runPreset("seed"); break;
        case "run classic": runPreset("classic"); break;
        default: throw new Problem("usage: microgpt, or microgpt run [seed|classic] < names.txt");
        }
    } catch (Problem problem) {
        () @trusted { stderr.writeln("microgpt: ", problem.msg); }();
        return 1;
    }
    return 0;
}
