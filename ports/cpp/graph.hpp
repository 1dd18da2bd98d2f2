// Automatic differentiation (SPEC, section 5): an arena of nodes. The same one answers `graph` and trains the model.
#pragma once

#include <cstddef>
#include <vector>

#include "exact.hpp"

using Node = std::size_t;  // a place in the arena

struct Vector {  // consecutive nodes
    Node first = 0;
    std::size_t size = 0;

    Node operator[](std::size_t i) const { return first + i; }
    Vector part(std::size_t start, std::size_t length) const { return {first + start, length}; }
    std::span<const double> of(std::span<const double> numbers) const { return numbers.subspan(first, size); }
};

class Graph {
public:
    std::vector<double> values;
    std::vector<double> gradients;  // derivatives of the root of `backward` by each node

    std::size_t size() const { return values.size(); }

    void shrink(std::size_t count) {
        values.resize(count);
        origins.resize(count);
    }

    Node leaf(double x) { return push(x, {}); }
    Node add(Node a, Node b) { return push(values[a] + values[b], {Rule::both, a, b, 1}); }
    Node mul(Node a, Node b) { return push(values[a] * values[b], {Rule::products, a, b, 1}); }
    Node pow(Node a, double c) { return unary(a, exact::pow(values[a], c), c * exact::pow(values[a], c - 1)); }
    Node log(Node a) { return unary(a, exact::log(values[a]), 1 / values[a]); }
    Node relu(Node a) { return values[a] > 0 ? unary(a, values[a], 1) : unary(a, 0, 0); }
    Node neg(Node a) { return mul_number(a, -1); }
    Node div(Node a, Node b) { return mul(a, pow(b, -1)); }
    Node add_number(Node a, double c) { return unary(a, values[a] + c, 1); }
    Node mul_number(Node a, double c) { return unary(a, values[a] * c, c); }
    Node div_number(Node a, double c) { return mul_number(a, 1 / c); }

    Node exp(Node a) {
        const double y = exact::exp(values[a]);
        return unary(a, y, y);
    }

    // The sum of nodes anywhere.
    Node add_up(std::span<const Node> nodes) {
        Node sum = add_number(nodes[0], 0);
        for (const Node node : nodes.subspan(1)) sum = add(sum, node);
        return sum;
    }

    // Sums and dot products as one node: no operand lies below another.
    Node sum(Vector x) {
        double total = 0;
        for (const double value : x.of(values)) total += value;
        return push(total, {Rule::each, x.first, x.first, x.size, 1});
    }

    Node dot(Vector w, Vector x) {
        double total = 0;
        for (std::size_t i = 0; i < w.size; i++) total += values[w[i]] * values[x[i]];
        return push(total, {Rule::products, w.first, x.first, w.size});
    }

    Node again(Node node) { return push(values[node], Origin{origins[node]}); }

    // What `make` makes of 0, 1, ..., one node of each.
    Vector each(std::size_t count, auto&& make) {
        const Vector result{size(), count};
        for (std::size_t i = 0; i < count; i++) make(i);
        return result;
    }

    void backward(Node root) {
        sort(root);
        gradients.assign(size(), 0);
        gradients[root] = 1;
        for (const Node node : order | std::views::reverse) {
            const auto [rule, left, right, pairs, local] = origins[node];
            const double g = gradients[node];
            switch (rule) {
                case Rule::each:
                    for (std::size_t i = 0; i < pairs; i++) gradients[left + i] += local * g;
                    break;
                case Rule::both:
                    gradients[left] += g;
                    gradients[right] += g;
                    break;
                case Rule::products:
                    for (std::size_t i = 0; i < pairs; i++) gradients[left + i] += values[right + i] * g;
                    for (std::size_t i = 0; i < pairs; i++) gradients[right + i] += values[left + i] * g;
                    break;
            }
        }
    }

private:
    enum class Rule : std::uint8_t {  // how a node passes its gradient on:
        each,                         // to the children on the left, times the local gradient
        both,                         // unchanged to the two children
        products,                     // to the children on either side, times the value of the other one
    };

    // The children are left, right, left + 1, right + 1, ...; an only one stands on both sides. Leaves have none.
    struct Origin {
        Rule rule = Rule::each;
        Node left = 0, right = 0;
        std::size_t pairs = 0;
        double local = 0;

        Node child(std::size_t i) const { return (i % 2 == 0 ? left : right) + i / 2; }
    };

    struct Visit {
        Node node;
        std::size_t next;  // which child
    };

    std::vector<Origin> origins;
    std::vector<Node> order;
    std::vector<Visit> path;
    std::vector<char> seen;

    Node push(double value, const Origin& origin) {
        values.push_back(value);
        origins.push_back(origin);
        return size() - 1;
    }

    Node unary(Node a, double value, double local) { return push(value, {Rule::each, a, a, 1, local}); }

    // Finds the depth-first post-order, without leaves, on a path of its own, since graphs are deep.
    void sort(Node root) {
        order.clear();
        seen.resize(size());
        std::ranges::transform(origins, seen.begin(), [](const Origin& origin) { return origin.pairs == 0; });
        path.assign(1, {root, 0});
        while (!path.empty()) {
            auto& [node, next] = path.back();
            const Origin& origin = origins[node];
            while (next < 2 * origin.pairs && seen[origin.child(next)]) next++;
            if (next == 2 * origin.pairs) {
                order.push_back(node);
                path.pop_back();
            } else {
                const Node child = origin.child(next);
                seen[child] = true;
                path.push_back({child, 0});
            }
        }
    }
};
