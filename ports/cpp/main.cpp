// microgpt in C++ (conformance/SPEC.md). Without arguments it answers requests, a function for each verb (section 12);
// `microgpt run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
#include <cstdlib>
#include <iostream>

#include "protocol.hpp"

namespace {

double checked(double x, bool in_domain) {
    if (!in_domain) throw Problem{"expected an argument in the domain of the function"};
    return x;
}

double exponent(double y, double limit) { return checked(y, std::abs(y) <= limit && std::fmod(2 * y, 1) == 0); }
double angle(double x) { return checked(x, !(std::abs(x) > 8)); }

double arithmetic(std::string_view key, const std::vector<double>& x) {
    const auto is = [&](std::string_view name, std::size_t count) { return key == name && x.size() == count; };
    double total = 0;
    if (is("add", 2)) return x[0] + x[1];
    if (is("sub", 2)) return x[0] - x[1];
    if (is("mul", 2)) return x[0] * x[1];
    if (is("div", 2)) return x[0] / x[1];
    if (is("sqrt", 1)) return std::sqrt(x[0]);
    if (is("muladd", 3)) return x[0] * x[1] + x[2];
    if (key == "sum" && !x.empty()) {
        for (const double term : x) total += term;
        return total;
    }
    if (key == "dot" && !x.empty() && x.size() % 2 == 0) {
        for (std::size_t i = 0; i < x.size(); i += 2) total += x[i] * x[i + 1];
        return total;
    }
    throw Problem{"expected an operation with its operands"};
}

double function(std::string_view key, const std::vector<double>& x) {
    const auto is = [&](std::string_view name, std::size_t count) { return key == name && x.size() == count; };
    if (is("exp", 1)) return exact::exp(x[0]);
    if (is("log", 1)) return exact::log(x[0]);
    if (is("sin", 1)) return exact::sin(angle(x[0]));
    if (is("cos", 1)) return exact::cos(angle(x[0]));
    if (is("pow", 2)) return exact::pow(x[0], exponent(x[1], 4096));
    throw Problem{"expected a function with its arguments"};
}

void arith(Request& request, Reply& reply) {
    do {
        const Words words = request.next();
        const std::vector<double> x = numbers(std::span{words}.subspan(1));
        if (words[0] == "decimals" && x.size() == 1)
            reply.line(words[0],
                       widened(four_decimals(checked(x[0], !(std::abs(x[0]) > 0x1p53 && std::isfinite(x[0]))))));
        else reply.line(words[0], arithmetic(words[0], x));
    } while (!request.at_end());
}

void math(Request& request, Reply& reply) {
    request.math();
    do {
        const Words words = request.next();
        reply.line(words[0], function(words[0], numbers(std::span{words}.subspan(1))));
    } while (!request.at_end());
}

void random(Request& request, Reply& reply) {
    request.math();
    Generator generator = Generator::seeded(static_cast<std::uint32_t>(request.integer("seed", 0, UINT32_MAX)));
    do {
        const Words words = request.next();
        const std::string_view key = words.front();
        const auto draws = [&](auto&& draw) {
            std::vector<decltype(draw())> results(integer(words[1], 0, 1000));
            std::ranges::generate(results, draw);
            reply.line(key, results);
        };
        if (key == "words" && words.size() == 2) {
            draws([&] { return generator.word(); });
        } else if (key == "random" && words.size() == 2) {
            draws([&] { return generator.random(); });
        } else if (key == "gauss" && words.size() == 3) {
            draws([&, sigma = number(words[2])] { return generator.gauss(sigma); });
        } else if (key == "shuffle" && words.size() == 2) {
            auto items = std::views::iota(0uz, integer(words[1], 0, 10000)) | std::ranges::to<std::vector>();
            generator.shuffle(items);
            reply.line(key, items);
        } else if (key == "choices" && words.size() > 2 && words.size() <= 1002) {
            draws([&, weights = numbers(std::span{words}.subspan(2))] { return generator.choice(weights); });
        } else if (key == "state" && words.size() == 1) {
            reply.line(key, generator.index, generator.words);
            if (generator.kept) reply.line("kept", *generator.kept);
            else reply.line("kept", std::string_view{"none"});
        } else {
            throw Problem{"expected something to draw with its values"};
        }
    } while (!request.at_end());
}

std::vector<std::u32string> read_dataset(Request& request) {
    std::vector<std::u32string> lines;
    do {
        const Words words = request.take("line");
        if (words.size() > 10000) throw Problem{"expected a line of up to 10000 code points"};
        std::u32string& line = lines.emplace_back();
        for (const std::string_view word : words) {
            line += static_cast<char32_t>(integer(word, 0, 0x10ffff));
            if (line.back() >> 11 == 0xd800 >> 11) throw Problem{"expected no surrogates"};
        }
    } while (!request.at_end());
    return lines;
}

void tokens(Request& request, Reply& reply) {
    const Dataset dataset{read_dataset(request)};
    reply.line("documents", dataset.documents.size());
    reply.line("vocabulary", dataset.characters);
    reply.line("bos", dataset.bos());
    for (const std::u32string& document : dataset.documents) reply.line("encoded", dataset.encode(document));
}

void graph(Request& request, Reply& reply) {
    request.math();
    Graph graph;
    std::vector<Node> nodes;
    const auto node = [&](std::string_view word) {
        if (nodes.empty()) throw Problem{"expected a leaf first"};
        return nodes[integer(word, 0, nodes.size() - 1)];
    };
    const auto expression = [&](const Words& words) {
        const auto is = [&](std::string_view name, std::size_t count) {
            return words.front() == name && words.size() == 1 + count;
        };
        if (is("leaf", 1)) return graph.leaf(number(words[1]));
        if (is("neg", 1)) return graph.neg(node(words[1]));
        if (is("exp", 1)) return graph.exp(node(words[1]));
        if (is("log", 1)) return graph.log(node(words[1]));
        if (is("relu", 1)) return graph.relu(node(words[1]));
        if (is("add", 2)) return graph.add(node(words[1]), node(words[2]));
        if (is("sub", 2)) return graph.add(node(words[1]), graph.neg(node(words[2])));
        if (is("mul", 2)) return graph.mul(node(words[1]), node(words[2]));
        if (is("div", 2)) return graph.div(node(words[1]), node(words[2]));
        if (is("pow", 2)) return graph.pow(node(words[1]), exponent(number(words[2]), 1024));
        if (is("add_number", 2)) return graph.add_number(node(words[1]), number(words[2]));
        if (is("sub_number", 2)) return graph.add_number(node(words[1]), -number(words[2]));
        if (is("mul_number", 2)) return graph.mul_number(node(words[1]), number(words[2]));
        if (is("div_number", 2)) return graph.div_number(node(words[1]), number(words[2]));
        if (is("number_sub", 2)) return graph.add_number(graph.neg(node(words[2])), number(words[1]));
        if (is("number_div", 2)) return graph.mul_number(graph.pow(node(words[2]), -1), number(words[1]));
        if (words.front() != "sum" || words.size() == 1) throw Problem{"expected an expression with its operands"};
        return graph.add_up(words | std::views::drop(1) | std::views::transform(node) | std::ranges::to<std::vector>());
    };
    while (!request.has("root")) nodes.push_back(expression(request.next()));
    const Node root = node(request.word("root"));
    request.finish();
    graph.backward(root);
    for (const Node each : nodes) reply.line("value", graph.values[each]);
    for (const Node each : nodes) reply.line("gradient", graph.gradients[each]);
}

Shape read_shape(Request& request) {
    request.math();
    Shape shape;
    shape.layers = request.integer("layers", 1, 16);
    shape.heads = request.integer("heads", 1, 64);
    shape.embedding = request.integer("embedding", 1, 512);
    if (shape.embedding % shape.heads != 0) throw Problem{"expected a multiple of heads as embedding"};
    shape.block = request.integer("block", 1, 1024);
    shape.vocabulary = request.integer("vocabulary", 2, 2048);
    shape.squared_relu = request.either("activation", "relu", "squared_relu");
    for (std::size_t t = 0; t < shape.block; t++) {
        auto& positions = shape.attention.emplace_back();
        for (const std::string_view word : request.take("attend")) positions.push_back(integer(word, 0, t));
        if (std::ranges::adjacent_find(positions, std::greater_equal{}) != positions.end() || positions.empty() ||
            positions.back() != t)
            throw Problem{"expected increasing positions, the last one being the position itself"};
    }
    return shape;
}

Tokens read_document(Request& request, const Shape& shape) {
    Tokens document;
    for (const std::string_view word : request.take("tokens"))
        document.push_back(integer(word, 0, shape.vocabulary - 1));
    if (document.size() < 2) throw Problem{"expected two tokens or more"};
    return document;
}

std::pair<Model, Tokens> read_model_and_document(Request& request) {
    Shape shape = read_shape(request);
    Tokens document = read_document(request, shape);
    const std::vector<double> parameters = request.tensors("", shape);
    request.finish();
    return {Model{std::move(shape), parameters}, document};
}

void forward(Request& request, Reply& reply) {
    auto [model, document] = read_model_and_document(request);
    const Node loss = model.loss(document);
    for (const auto& [name, nodes, position, layer, head] : model.activations) {
        std::string full = std::format("pos{}.", position);
        if (layer != Activation::none) full += std::format("layer{}.", layer);
        if (head != Activation::none) full += std::format("head{}.", head);
        reply.tensor({full.append(name), 1, nodes.size}, nodes.of(model.graph.values));
    }
    reply.line("loss", model.graph.values[loss]);
}

void backward(Request& request, Reply& reply) {
    auto [model, document] = read_model_and_document(request);
    const Node loss = model.loss(document);
    model.graph.backward(loss);
    reply.line("loss", model.graph.values[loss]);
    reply.tensors("", model.shape, model.gradients());
}

Optimizer read_optimizer(Request& request) {
    Optimizer optimizer;
    optimizer.learning_rate = request.number("learning_rate");
    optimizer.beta1 = request.number("beta1");
    optimizer.beta2 = request.number("beta2");
    optimizer.epsilon = request.number("epsilon");
    optimizer.cosine = request.either("schedule", "linear", "cosine");
    optimizer.steps = request.integer("steps", 1, 4096);
    return optimizer;
}

void adam(Request& request, Reply& reply) {
    request.math();
    const Optimizer optimizer = read_optimizer(request);
    const std::size_t step = request.integer("step", 0, optimizer.steps - 1);
    const Words first = Request{request}.take("tensor", 3);
    const auto shape = [&, rows = integer(first[1], 1, 2048), columns = integer(first[2], 1, 2048)](const char* name) {
        return MatrixShape{name, rows, columns};
    };
    std::vector<double> parameters = request.tensor(shape("parameters"));
    const std::vector<double> gradients = request.tensor(shape("gradients"));
    std::vector<double> m = request.tensor(shape("m"));
    std::vector<double> v = request.tensor(shape("v"));
    request.finish();
    const auto [rate, correction1, correction2] = optimizer.factors(step);
    optimizer.update(step, parameters, gradients, m, v);
    reply.line("rate", rate);
    reply.line("correction1", correction1);
    reply.line("correction2", correction2);
    reply.tensor(shape("m"), m);
    reply.tensor(shape("v"), v);
    reply.tensor(shape("parameters"), parameters);
}

void train(Request& request, Reply& reply) {
    const Shape shape = read_shape(request);
    const Optimizer optimizer = read_optimizer(request);
    const std::size_t from = request.integer("from", 0, optimizer.steps - 1);
    const std::size_t end = from + request.integer("count", 1, optimizer.steps - from);
    std::vector<std::size_t> full;
    for (const std::string_view word : request.take("full")) full.push_back(integer(word, from, end - 1));
    if (std::ranges::adjacent_find(full, std::greater_equal{}) != full.end())
        throw Problem{"expected increasing steps in full"};
    std::vector<Tokens> documents;
    do { documents.push_back(read_document(request, shape)); } while (request.has("tokens"));
    Model model{shape, request.tensors("", shape)};
    if (from > 0) {
        model.m = request.tensors("m.", shape);
        model.v = request.tensors("v.", shape);
    }
    request.finish();
    for (std::size_t step = from; step < end; step++) {
        const double loss = model.train(optimizer, step, documents[step % documents.size()]);
        reply.line("step", step);
        reply.line("loss", loss);
        const std::array<std::pair<std::string, std::span<const double>>, 4> parts{
            {{"gradients", model.gradients()}, {"m", model.m}, {"v", model.v}, {"parameters", model.parameters()}}};
        for (const auto& [name, values] : parts) reply.checksum(name, values);
        if (std::ranges::binary_search(full, step))
            for (const auto& [name, values] : parts) reply.tensors(name + ".", shape, values);
    }
}

void sample(Request& request, Reply& reply) {
    const Shape shape = read_shape(request);
    const double temperature = request.number("temperature");
    const std::size_t samples = request.integer("samples", 0, 1000);
    Model model{shape, request.tensors("", shape)};
    const Words state = request.take("state", 1 + Generator::size);
    Generator generator{.index = integer(state[0], 0, Generator::size)};
    for (std::size_t i = 0; i < Generator::size; i++)
        generator.words[i] = static_cast<std::uint32_t>(integer(state[1 + i], 0, UINT32_MAX));
    const std::string_view kept = request.word("kept");
    if (kept != "none") generator.kept = number(kept);
    request.finish();
    for (std::size_t i = 0; i < samples; i++) {
        reply.line("sample", i);
        model.sample(temperature, generator, [&](std::span<const double> probabilities, std::size_t token) {
            reply.line("probabilities", probabilities);
            reply.line("token", token);
        });
    }
    reply.line("word", generator.word());
}

void run(Request& request, Reply& reply) {
    request.math();
    Preset settings = preset(request.either("preset", "seed", "classic") ? "classic" : "seed").value();
    settings.optimizer.steps = request.integer("steps", 1, 4096);
    const std::size_t samples = request.integer("samples", 0, 1000);
    auto [model, generator] =
        ::run(settings, samples, read_dataset(request), [&](const std::u32string& line) { reply.line("print", line); });
    reply.checksum("parameters", model.parameters());
    reply.checksum("m", model.m);
    reply.checksum("v", model.v);
    reply.line("word", generator.word());
}

void hello(Request& request, Reply& reply);

struct Verb {
    std::string_view name;
    void (*answer)(Request&, Reply&);
};

// clang-format off
constexpr auto verbs = std::to_array<Verb>({
    {"hello", hello}, {"arith", arith}, {"math", math}, {"random", random}, {"tokens", tokens}, {"graph", graph},
    {"forward", forward}, {"backward", backward}, {"adam", adam}, {"train", train}, {"sample", sample}, {"run", run},
});
// clang-format on

void hello(Request& request, Reply& reply) {
    request.finish();
    reply.line("name", std::string_view{"cpp"});
    reply.line("protocol", 1);
    reply.line("verbs", verbs | std::views::transform(&Verb::name));
    reply.line("math", std::string_view{"exact"});
}

// The reply is complete before it is written, since a request can turn out to be wrong at its last line.
std::string answer(std::span<const std::string> lines, bool complete) {
    const auto is_graphic = [](char c) { return '!' <= c && c <= '~'; };
    const auto is_id = [](char c) {
        return is_digit(c) || ('a' <= (c | 0x20) && (c | 0x20) <= 'z') || c == '.' || c == '_' || c == '-';
    };
    const std::string_view first = lines.empty() ? "" : std::string_view{lines.front()};
    const Words words = first.size() <= line_limit ? split(first) : Words{};
    if (words.size() != 2 || words[0].empty() || !std::ranges::all_of(words[0], is_graphic) || words[1].empty() ||
        words[1].size() > 64 || !std::ranges::all_of(words[1], is_id))
        return "error - expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens\nend\n";
    try {
        if (!complete) throw Problem{"the input ended before the line end"};
        const auto verb = std::ranges::find(verbs, words[0], &Verb::name);
        if (verb == verbs.end()) throw Problem{"unsupported"};
        Request request{lines.subspan(1)};
        Reply reply;
        verb->answer(request, reply);
        return std::format("ok {}\n{}end\n", words[1], reply.text);
    } catch (const Problem& problem) { return std::format("error {} {}\nend\n", words[1], problem.what()); }
}

void answer_all() {
    std::vector<std::string> lines;
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "end") {
            std::cout << answer(lines, true) << std::flush;
            lines.clear();
        } else {
            lines.push_back(line);
        }
    }
    if (!lines.empty()) std::cout << answer(lines, false) << std::flush;
}

std::u32string from_utf8(std::string_view text) {
    std::u32string decoded;
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i++]);
        const int length = first < 0x80 ? 1 : std::countl_one(first);
        char32_t point = first < 0x80 ? first : first & (0x7fu >> length);
        for (int k = 1; k < length; k++) {
            const auto next = static_cast<unsigned char>(i < text.size() ? text[i++] : 0);
            if (next >> 6 != 2) throw Problem{"the input is not UTF-8"};
            point = point << 6 | (next & 0x3f);
        }
        constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
        if ((first >= 0x80 && length == 1) || length > 4 || point < least[static_cast<std::size_t>(length)] ||
            point > 0x10ffff || point >> 11 == 0xd800 >> 11)
            throw Problem{"the input is not UTF-8"};
        decoded += point;
    }
    return decoded;
}

std::string to_utf8(std::u32string_view text) {
    std::string encoded;
    const auto add = [&](char32_t byte) { encoded += static_cast<char>(byte); };
    const auto more = [&](char32_t bits) { add(0x80 | (bits & 0x3f)); };
    for (const char32_t c : text) {
        if (c < 0x80) {
            add(c);
        } else if (c < 0x800) {
            add(0xc0 | c >> 6), more(c);
        } else if (c < 0x10000) {
            add(0xe0 | c >> 12), more(c >> 6), more(c);
        } else {
            add(0xf0 | c >> 18), more(c >> 12), more(c >> 6), more(c);
        }
    }
    return encoded;
}

void run_command(const Preset& settings) {
    std::vector<std::u32string> lines;
    for (std::string line; std::getline(std::cin, line);) lines.push_back(from_utf8(line));
    ::run(settings, 20, lines, [](const std::u32string& line) { std::cout << to_utf8(line) << std::endl; });
}

}  // namespace

int main(int count, char* words[]) {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    const std::vector<std::string_view> arguments(words + 1, words + count);
    try {
        if (arguments.empty()) {
            answer_all();
        } else {
            const auto settings = preset(arguments.size() == 2 ? arguments[1] : "seed");
            if (arguments[0] != "run" || arguments.size() > 2 || !settings)
                throw Problem{"usage: microgpt, or microgpt run [seed|classic] < names.txt"};
            run_command(*settings);
        }
    } catch (const std::exception& problem) {
        std::cerr << "microgpt: " << problem.what() << '\n';
        return EXIT_FAILURE;
    }
}
