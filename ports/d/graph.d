/// Automatic differentiation (SPEC, section 5): an arena of nodes. The same one answers `graph` and trains the model.
module graph;

@safe:
static import exact;
import std.algorithm : fold;

alias Node = size_t; /// a place in the arena

/// Consecutive nodes.
struct Vector {
    Node first;
    size_t length;

    Node opIndex(size_t i) const { return first + i; }
    Vector part(size_t start, size_t length) const { return Vector(first + start, length); }
    inout(double)[] of(inout(double)[] numbers) const { return numbers[first .. first + length]; }
}

/// How a node passes its gradient on.
private enum Rule : ubyte {
    each, /// to the children on the left, times the local gradient
    both, /// unchanged to the two children
    products, /// to the children on either side, times the value of the other one
}

/// The children are left, right, left + 1, right + 1 ...; an only one stands on both sides. Leaves have none.
private struct Origin {
    Rule rule;
    Node left, right;
    size_t pairs;
    double local = 0;

    Node child(size_t i) const { return (i % 2 == 0 ? left : right) + i / 2; }
}

struct Graph {
    double[] values;
    double[] gradients; /// the derivatives of the root of `backward` by each node
    private Origin[] origins;

    /// Forgets all nodes but the first ones, and keeps their room.
    void shrink(size_t count) {
        values = values[0 .. count];
        origins = origins[0 .. count];
        () @trusted { values.assumeSafeAppend; origins.assumeSafeAppend; }();
    }

    private Node push(double value, Origin origin) {
        values ~= value;
        origins ~= origin;
        return values.length - 1;
    }

    private Node unary(Node a, double value, double local) { return push(value, Origin(Rule.each, a, a, 1, local)); }

    Node leaf(double x) { return push(x, Origin()); }
    Node add(Node a, Node b) { return push(values[a] + values[b], Origin(Rule.both, a, b, 1)); }
    Node mul(Node a, Node b) { return push(values[a] * values[b], Origin(Rule.products, a, b, 1)); }
    Node div(Node a, Node b) { return mul(a, pow(b, -1)); }
    Node pow(Node a, double c) { return unary(a, exact.pow(values[a], c), c * exact.pow(values[a], c - 1)); }
    Node log(Node a) { return unary(a, exact.log(values[a]), 1 / values[a]); }
    Node exp(Node a) { immutable y = exact.exp(values[a]); return unary(a, y, y); }
    Node relu(Node a) { return values[a] > 0 ? unary(a, values[a], 1) : unary(a, 0, 0); }
    Node neg(Node a) { return mulNumber(a, -1); }
    Node addNumber(Node a, double c) { return unary(a, values[a] + c, 1); }
    Node mulNumber(Node a, double c) { return unary(a, values[a] * c, c); }
    Node divNumber(Node a, double c) { return mulNumber(a, 1 / c); }

    /// Another node just like this one.
    Node again(Node a) { return push(values[a], origins[a]); }

    /// The sum of nodes anywhere.
    Node addUp(const Node[] nodes) {
        auto total = addNumber(nodes[0], 0);
        foreach (node; nodes[1 .. $]) total = add(total, node);
        return total;
    }

    /// The sum of a vector as one node; none of its nodes lies below another, as in `dot`.
    Node total(Vector x) {
        return push(x.of(values).fold!((sum, value) => sum + value)(0.0), Origin(Rule.each, x.first, x.first, x.length, 1));
    }

    Node dot(Vector w, Vector x) {
        auto total = 0.0;
        foreach (i; 0 .. w.length) total += values[w[i]] * values[x[i]];
        return push(total, Origin(Rule.products, w.first, x.first, w.length));
    }

    /// What `make` makes of 0, 1, ..., one node of each.
    Vector each(size_t count, scope Node delegate(size_t) @safe make) {
        immutable first = values.length;
        foreach (i; 0 .. count) make(i);
        return Vector(first, count);
    }

    void backward(Node root) {
        gradients.length = values.length;
        gradients[] = 0;
        gradients[root] = 1;
        foreach_reverse (node; sorted(root)) with (origins[node]) {
            immutable g = gradients[node];
            final switch (rule) {
            case Rule.each:
                gradients[left .. left + pairs] += local * g;
                break;
            case Rule.both:
                gradients[left] += g;
                gradients[right] += g;
                break;
            case Rule.products:
                foreach (i; 0 .. pairs) {
                    gradients[left + i] += values[right + i] * g;
                    gradients[right + i] += values[left + i] * g;
                }
                break;
            }
        }
    }

    private Node[] order;
    private Visit[] path;
    private bool[] seen;

    private struct Visit {
        Node node;
        size_t next; /// which child
    }

    /// The depth-first post-order without leaves, found on a path of its own, since graphs are deep.
    private const(Node)[] sorted(Node root) {
        order.length = seen.length = path.length = values.length;
        foreach (node, ref origin; origins) seen[node] = origin.pairs == 0;
        size_t count, depth = 1;
        path[0] = Visit(root);
        while (depth > 0) {
            auto visit = &path[depth - 1];
            auto origin = &origins[visit.node];
            while (visit.next < 2 * origin.pairs && seen[origin.child(visit.next)]) visit.next++;
            if (visit.next == 2 * origin.pairs) {
                order[count++] = visit.node;
                depth--;
            } else {
                immutable child = origin.child(visit.next);
                seen[child] = true;
                path[depth++] = Visit(child);
            }
        }
        return order[0 .. count];
    }
}
