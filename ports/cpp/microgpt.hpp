// A GPT but for its differentiation (SPEC, sections 3, 4 and 6 to 10), after Andrej Karpathy's microgpt.
#pragma once

#include <format>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "graph.hpp"

// Whatever cannot be done, and why.
struct Problem : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The Mersenne Twister of Matsumoto and Nishimura, 1998, seeded as Python does, and what is drawn from it. The
// library's std::mt19937 makes the same words, but neither seeds this way nor shows its state.
struct Generator {
    static constexpr std::uint32_t size = 624;
    std::array<std::uint32_t, size> words{};
    std::size_t index = size;
    std::optional<double> kept{};

    static Generator seeded(std::uint32_t seed) {
        const auto scrambled = [](std::uint32_t word, std::uint32_t factor) { return (word ^ word >> 30) * factor; };
        Generator generator;
        auto& mt = generator.words;
        mt[0] = 19650218;
        for (std::uint32_t i = 1; i < size; i++) mt[i] = scrambled(mt[i - 1], 1812433253) + i;
        for (std::uint32_t step = 0; step < 2 * size - 1; step++) {
            const std::uint32_t i = step % (size - 1) + 1;
            mt[i] = step < size ? (mt[i] ^ scrambled(mt[i - 1], 1664525)) + seed
                                : (mt[i] ^ scrambled(mt[i - 1], 1566083941)) - i;
            mt[0] = mt[size - 1];
        }
        mt[0] = 0x80000000;
        return generator;
    }

    std::uint32_t word() {
        if (index == size) renew();
        std::uint32_t y = words[index++];
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        return y ^ y >> 18;
    }

    double random() {
        const double a = word() >> 5, b = word() >> 6;
        return (a * 67108864 + b) / 9007199254740992;
    }

    // Box and Muller's normal numbers come in pairs.
    double gauss(double sigma) {
        if (!kept) {
            const double angle = random() * (2 * std::numbers::pi);
            const double radius = std::sqrt(-2 * exact::log(1 - random()));
            kept = exact::sin(angle) * radius;
            return 0 + exact::cos(angle) * radius * sigma;
        }
        return 0 + std::exchange(kept, std::nullopt).value() * sigma;
    }

    std::size_t below(std::size_t n) {
        while (true) {
            const std::size_t draw = word() >> (32 - std::bit_width(n));
            if (draw < n) return draw;
        }
    }

    template <class T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i-- > 1;) std::swap(items[i], items[below(i + 1)]);
    }

    std::size_t choice(std::span<const double> weights) {
        std::vector<double> cumulative;
        for (const double weight : weights)
            cumulative.push_back(cumulative.empty() ? weight : cumulative.back() + weight);
        const double total = cumulative.back();
        if (!(total > 0 && std::isfinite(total)))
            throw Problem{"expected weights that add up to a finite number above 0"};
        const double u = random() * total;
        std::size_t low = 0, high = weights.size() - 1;
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            (u < cumulative[middle] ? high : low) = u < cumulative[middle] ? middle : middle + 1;
        }
        return low;
    }

private:
    void renew() {
        for (std::size_t i = 0; i < size; i++) {
            const std::uint32_t y = (words[i] & 0x80000000) | (words[(i + 1) % size] & 0x7fffffff);
            words[i] = words[(i + 397) % size] ^ y >> 1 ^ (y % 2 == 1 ? 0x9908b0df : 0);
        }
        index = 0;
    }
};

using Tokens = std::vector<std::size_t>;

// The documents of a dataset and their distinct characters in order, which are the tokens but BOS.
struct Dataset {
    std::vector<std::u32string> documents;
    std::u32string characters;

    explicit Dataset(const std::vector<std::u32string>& lines) {
        constexpr std::u32string_view white_space = U"\t\n\v\f\r ";
        std::set<char32_t> distinct;
        for (const std::u32string& line : lines) {
            const std::size_t start = line.find_first_not_of(white_space);
            if (start == line.npos) continue;
            documents.push_back(line.substr(start, line.find_last_not_of(white_space) + 1 - start));
            distinct.insert(documents.back().begin(), documents.back().end());
        }
        if (documents.empty()) throw Problem{"the dataset has no documents: every line is empty"};
        if (distinct.size() > 2047) throw Problem{"the dataset has more than 2047 distinct characters"};
        characters.assign(distinct.begin(), distinct.end());
    }

    std::size_t bos() const { return characters.size(); }

    Tokens encode(const std::u32string& document) const {
        Tokens tokens{bos()};
        for (const char32_t c : document)
            tokens.push_back(static_cast<std::size_t>(std::ranges::lower_bound(characters, c) - characters.begin()));
        tokens.push_back(bos());
        return tokens;
    }
};

struct MatrixShape {
    std::string name;
    std::size_t rows, columns;

    std::size_t size() const { return rows * columns; }
};

struct Shape {
    std::size_t layers = 1, heads = 4, embedding = 16, block = 1, vocabulary = 2;
    bool squared_relu = false;
    std::vector<std::vector<std::size_t>> attention{};  // for each position those that it attends to, itself last

    std::vector<MatrixShape> matrices() const {
        const std::size_t e = embedding;
        std::vector<MatrixShape> shapes{{"wte", vocabulary, e}, {"wpe", block, e}, {"lm_head", vocabulary, e}};
        for (std::size_t i = 0; i < layers; i++) {
            const std::string layer = std::format("layer{}.", i);
            for (const char* name : {"attn_wq", "attn_wk", "attn_wv", "attn_wo"})
                shapes.push_back({layer + name, e, e});
            shapes.push_back({layer + "mlp_fc1", 4 * e, e});
            shapes.push_back({layer + "mlp_fc2", e, 4 * e});
        }
        return shapes;
    }
};

// Adam of Kingma and Ba, 2015, with a rate that falls to zero.
struct Optimizer {
    double learning_rate = 0.01, beta1 = 0, beta2 = 0, epsilon = 1e-8;
    bool cosine = false;
    std::size_t steps = 1;

    struct Factors {
        double rate, correction1, correction2;
    };

    Factors factors(std::size_t step) const {
        const auto s = static_cast<double>(step), n = static_cast<double>(steps);
        return {.rate = cosine ? learning_rate * 0.5 * (1 + exact::cos(std::numbers::pi * s / n))
                               : learning_rate * (1 - s / n),
                .correction1 = 1 - exact::pow(beta1, s + 1),
                .correction2 = 1 - exact::pow(beta2, s + 1)};
    }

    void update(std::size_t step, std::span<double> parameters, std::span<const double> gradients, std::span<double> ms,
                std::span<double> vs) const {
        const auto [rate, correction1, correction2] = factors(step);
        for (auto [p, g, m, v] : std::views::zip(parameters, gradients, ms, vs)) {
            m = beta1 * m + (1 - beta1) * g;
            v = beta2 * v + (1 - beta2) * (g * g);
            p = p - rate * (m / correction1) / (exact::square_root(v / correction2) + epsilon);
        }
    }
};

struct Activation {
    static constexpr std::size_t none = SIZE_MAX;
    std::string_view name;
    Vector nodes;
    std::size_t position, layer = none, head = none;
};

// A model in training. Its parameters are the first nodes of its graph; the others are made anew for each document.
class Model {
public:
    const Shape shape;
    Graph graph;
    std::vector<Activation> activations;  // of the latest document
    std::vector<double> m, v;             // Adam's moments

    Model(Shape its_shape, std::span<const double> parameters)
        : shape{std::move(its_shape)}, m(parameters.size()), v(parameters.size()) {
        Node first = 0;
        for (const MatrixShape& matrix : shape.matrices())
            matrices.push_back({std::exchange(first, first + matrix.size()), matrix.size()});
        for (const double x : parameters) graph.leaf(x);
    }

    std::span<double> parameters() { return std::span{graph.values}.first(m.size()); }
    std::span<const double> gradients() const { return std::span{graph.gradients}.first(m.size()); }

    // The mean over a document's positions of -log p(next token).
    Node loss(const Tokens& tokens) {
        begin_document();
        const std::size_t count = std::min(shape.block, tokens.size() - 1);
        std::vector<Node> losses;
        for (std::size_t t = 0; t < count; t++) {
            const Vector probabilities = softmax(logits(t, tokens[t]));
            losses.push_back(graph.neg(graph.log(probabilities[tokens[t + 1]])));
            activations.push_back({"probabilities", probabilities, t});
            activations.push_back({"loss", {losses.back(), 1}, t});
        }
        return graph.mul_number(graph.add_up(losses), 1 / static_cast<double>(count));
    }

    // One step on one document; its loss before the update.
    double train(const Optimizer& optimizer, std::size_t step, const Tokens& tokens) {
        const Node root = loss(tokens);
        const double result = graph.values[root];
        graph.backward(root);
        optimizer.update(step, parameters(), gradients(), m, v);
        return result;
    }

    // Draws one sample without its ends, and tells `watch` each draw's probabilities and token.
    Tokens sample(double temperature, Generator& generator, auto&& watch) {
        begin_document();
        const std::size_t bos = shape.vocabulary - 1;
        Tokens sampled;
        for (std::size_t t = 0, token = bos; t < shape.block; t++) {
            const Vector raw = logits(t, token);
            const Vector cooled = graph.each(raw.size, [&](auto i) { graph.div_number(raw[i], temperature); });
            const auto probabilities = softmax(cooled).of(graph.values);
            token = generator.choice(probabilities);
            watch(probabilities, token);
            if (token == bos) break;
            sampled.push_back(token);
        }
        return sampled;
    }

private:
    struct Cache {
        std::vector<Vector> keys, values;  // of the positions so far
    };

    std::vector<Vector> matrices;
    std::vector<Cache> caches;  // of each layer

    void begin_document() {
        graph.shrink(m.size());
        activations.clear();
        caches.assign(shape.layers, {});
    }

    Vector linear(Vector x, Vector matrix) {
        return graph.each(matrix.size / x.size, [&](auto row) { graph.dot(matrix.part(row * x.size, x.size), x); });
    }

    Vector add(Vector a, Vector b) {
        return graph.each(a.size, [&](auto i) { graph.add(a[i], b[i]); });
    }

    // x over its root mean square, without a gain (Zhang and Sennrich, 2019).
    Vector rmsnorm(Vector x) {
        const Node mean_square = graph.div_number(graph.dot(x, x), static_cast<double>(x.size));
        const Node scale = graph.pow(graph.add_number(mean_square, 1e-5), -0.5);
        return graph.each(x.size, [&](auto i) { graph.mul(x[i], scale); });
    }

    Vector softmax(Vector x) {
        double top = graph.values[x.first];
        for (const double value : x.of(graph.values)) top = value > top ? value : top;
        const Vector shifted = graph.each(x.size, [&](auto i) { graph.add_number(x[i], -top); });
        const Vector exps = graph.each(x.size, [&](auto i) { graph.exp(shifted[i]); });
        const Node inverse = graph.pow(graph.sum(exps), -1);
        const Vector inverses = graph.each(x.size, [&](auto) { graph.again(inverse); });
        return graph.each(x.size, [&](auto i) { graph.mul(exps[i], inverses[i]); });
    }

    // Of the query q to the cached positions; the heads' results side by side.
    Vector attend(std::size_t t, std::size_t layer, Vector q) {
        const auto& [keys, values] = caches[layer];
        const auto& positions = shape.attention[t];
        const std::size_t size = shape.embedding / shape.heads;
        std::vector<Vector> products;
        for (std::size_t h = 0; h < shape.heads; h++) {
            const auto part = [&](Vector x) { return x.part(h * size, size); };
            const auto note = [&](std::string_view name, Vector x) {
                activations.push_back({name, x, t, layer, h});
                return x;
            };
            const Vector dots =
                graph.each(positions.size(), [&](auto i) { graph.dot(part(q), part(keys[positions[i]])); });
            const double root = std::sqrt(static_cast<double>(size));
            const Vector scores =
                note("scores", graph.each(dots.size, [&](auto i) { graph.div_number(dots[i], root); }));
            const Vector weights = note("weights", softmax(scores));
            note("mixed", {});  // its nodes are made below
            for (std::size_t j = 0; j < size; j++)
                products.push_back(
                    graph.each(weights.size, [&](auto i) { graph.mul(weights[i], part(values[positions[i]])[j]); }));
        }
        const Vector mixed = graph.each(products.size(), [&](auto i) { graph.sum(products[i]); });
        for (Activation& activation : activations | std::views::reverse | std::views::take(3 * shape.heads))
            if (activation.name == "mixed") activation.nodes = mixed.part(activation.head * size, size);
        return mixed;
    }

    Vector logits(std::size_t t, std::size_t token) {
        std::size_t layer = Activation::none;
        const auto note = [&](std::string_view name, Vector x) {
            activations.push_back({name, x, t, layer});
            return x;
        };
        const std::size_t e = shape.embedding;
        Vector x = note("embedded", add(matrices[0].part(token * e, e), matrices[1].part(t * e, e)));
        x = note("normed", rmsnorm(x));
        for (layer = 0; layer < shape.layers; layer++) {
            const auto matrix = [&](std::size_t i) { return matrices[3 + 6 * layer + i]; };
            const Vector normed = note("attn_norm", rmsnorm(x));
            const Vector q = note("q", linear(normed, matrix(0)));
            caches[layer].keys.push_back(note("k", linear(normed, matrix(1))));
            caches[layer].values.push_back(note("v", linear(normed, matrix(2))));
            const Vector attended = note("attn_out", linear(attend(t, layer, q), matrix(3)));
            x = note("attn_residual", add(attended, x));
            const Vector hidden = note("hidden", linear(note("mlp_norm", rmsnorm(x)), matrix(4)));
            Vector activated = graph.each(hidden.size, [&](auto i) { graph.relu(hidden[i]); });
            if (shape.squared_relu)
                activated = graph.each(hidden.size, [&, relu = activated](auto i) { graph.pow(relu[i], 2); });
            x = note("mlp_residual", add(note("mlp_out", linear(note("activated", activated), matrix(5))), x));
        }
        layer = Activation::none;
        return note("logits", linear(x, matrices[2]));
    }
};

struct Preset {
    Shape shape;
    Optimizer optimizer;
    double sigma, output_sigma;  // of the first parameters; the second for those that end in the residual stream
};

inline std::optional<Preset> preset(std::string_view name) {
    if (name == "seed")
        return Preset{.shape = {.block = 8, .squared_relu = true},
                      .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .cosine = true, .steps = 500},
                      .sigma = 0.02,
                      .output_sigma = 0};
    if (name == "classic")
        return Preset{.shape = {.block = 16},
                      .optimizer = {.beta1 = 0.85, .beta2 = 0.99, .steps = 1000},
                      .sigma = 0.08,
                      .output_sigma = 0.08};
    return std::nullopt;
}

inline std::string four_decimals(double x) { return std::isnan(x) ? "nan" : std::format("{:.4f}", x); }

inline std::u32string widened(std::string_view ascii) { return {ascii.begin(), ascii.end()}; }

using Print = std::function<void(const std::u32string&)>;  // takes a line

// From seed 42 to samples.
inline std::pair<Model, Generator> run(Preset settings, std::size_t samples, const std::vector<std::u32string>& lines,
                                       const Print& print) {
    auto& [shape, optimizer, sigma, output_sigma] = settings;
    const auto print_ascii = [&](const std::string& text) { print(widened(text)); };
    Generator generator = Generator::seeded(42);
    Dataset dataset{lines};
    generator.shuffle(dataset.documents);
    shape.vocabulary = dataset.bos() + 1;
    for (std::size_t t = 0; t < shape.block; t++)
        shape.attention.push_back(std::views::iota(0uz, t + 1) | std::ranges::to<std::vector>());
    std::vector<double> parameters;
    for (const MatrixShape& matrix : shape.matrices()) {
        const bool output = matrix.name.ends_with("attn_wo") || matrix.name.ends_with("mlp_fc2");
        for (std::size_t i = 0; i < matrix.size(); i++)
            parameters.push_back(generator.gauss(output ? output_sigma : sigma));
    }
    Model model{shape, parameters};
    print_ascii(std::format("num docs: {}", dataset.documents.size()));
    print_ascii(std::format("vocab size: {}", shape.vocabulary));
    print_ascii(std::format("num params: {}", parameters.size()));
    for (std::size_t step = 0; step < optimizer.steps; step++) {
        const auto& document = dataset.documents[step % dataset.documents.size()];
        const double loss = model.train(optimizer, step, dataset.encode(document));
        print_ascii(std::format("step {:4} / {:4} | loss {}", step + 1, optimizer.steps, four_decimals(loss)));
    }
    print_ascii("");
    print_ascii("--- inference (new, hallucinated names) ---");
    for (std::size_t number = 1; number <= samples; number++) {
        std::u32string line = widened(std::format("sample {:2}: ", number));
        for (const std::size_t token : model.sample(0.5, generator, [](auto&&...) {}))
            line += dataset.characters[token];
        print(line);
    }
    return {std::move(model), generator};
}
