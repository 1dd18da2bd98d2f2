import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * Automatic differentiation (SPEC, section 5). A node is a place in arrays; the same graph answers {@code graph} and
 * trains the model.
 */
final class Graph {
    /** Consecutive nodes. */
    record Vector(int first, int size) {
        int at(int i) { return first + i; }
        Vector part(int start, int length) { return new Vector(first + start, length); }
    }

    /** How a node passes its gradient on. */
    private enum Rule {
        /** To the children on the left, times the local gradient. */
        EACH,
        /** Unchanged to the two children. */
        BOTH,
        /** To the children on either side, times the value of the other one. */
        PRODUCTS
    }

    double[] values = new double[1024];
    /** The derivatives of the root of {@link #backward} by each node. */
    double[] gradients = {};

    private int size;
    // The children are left, right, left + 1, right + 1, ...; an only one stands on both sides. Leaves have no pairs.
    private Rule[] rules = new Rule[1024];
    private int[] left = new int[1024];
    private int[] right = new int[1024];
    private int[] pairs = new int[1024];
    private double[] locals = new double[1024];

    private int push(double value, Rule rule, int first, int second, int count, double local) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
            rules = Arrays.copyOf(rules, 2 * size);
            left = Arrays.copyOf(left, 2 * size);
            right = Arrays.copyOf(right, 2 * size);
            pairs = Arrays.copyOf(pairs, 2 * size);
            locals = Arrays.copyOf(locals, 2 * size);
        }
        values[size] = value;
        rules[size] = rule;
        left[size] = first;
        right[size] = second;
        pairs[size] = count;
        locals[size] = local;
        return size++;
    }

    private int unary(int a, double value, double local) { return push(value, Rule.EACH, a, a, 1, local); }

    /** Forgets all nodes but the first ones. */
    void shrink(int count) { size = count; }
    int leaf(double x) { return push(x, Rule.EACH, 0, 0, 0, 0.0); }
    int add(int a, int b) { return push(values[a] + values[b], Rule.BOTH, a, b, 1, 0.0); }
    int mul(int a, int b) { return push(values[a] * values[b], Rule.PRODUCTS, a, b, 1, 0.0); }
    int div(int a, int b) { return mul(a, pow(b, -1.0)); }
    int pow(int a, double c) { return unary(a, Exact.pow(values[a], c), c * Exact.pow(values[a], c - 1.0)); }
    int log(int a) { return unary(a, Exact.log(values[a]), 1.0 / values[a]); }

    int exp(int a) {
        var y = Exact.exp(values[a]);
        return unary(a, y, y);
    }

    int relu(int a) { return values[a] > 0.0 ? unary(a, values[a], 1.0) : unary(a, 0.0, 0.0); }
    int neg(int a) { return mulNumber(a, -1.0); }
    int addNumber(int a, double c) { return unary(a, values[a] + c, 1.0); }
    int mulNumber(int a, double c) { return unary(a, values[a] * c, c); }
    int divNumber(int a, double c) { return mulNumber(a, 1.0 / c); }

    /** The sum of nodes anywhere. */
    int addUp(int[] nodes) { return Arrays.stream(nodes, 1, nodes.length).reduce(addNumber(nodes[0], 0.0), this::add); }

    /** The sum of a vector as one node; none of its nodes lies below another, as in {@link #dot}. */
    int sum(Vector x) {
        var total = 0.0;
        for (var i = 0; i < x.size; i++) total += values[x.at(i)];
        return push(total, Rule.EACH, x.first, x.first, x.size, 1.0);
    }

    int dot(Vector w, Vector x) {
        var total = 0.0;
        for (var i = 0; i < w.size; i++) total += values[w.at(i)] * values[x.at(i)];
        return push(total, Rule.PRODUCTS, w.first, x.first, w.size, 0.0);
    }

    /** Another node just like this one. */
    int again(int a) { return push(values[a], rules[a], left[a], right[a], pairs[a], locals[a]); }

    /** What {@code make} makes of 0, 1, ..., one node of each. */
    Vector each(int count, IntUnaryOperator make) {
        var result = new Vector(size, count);
        for (var i = 0; i < count; i++) make.applyAsInt(i);
        return result;
    }

    double[] valuesOf(Vector x) { return Arrays.copyOfRange(values, x.first, x.first + x.size); }

    void backward(int root) {
        if (gradients.length < values.length) gradients = new double[values.length];
        Arrays.fill(gradients, 0, size, 0.0);
        gradients[root] = 1.0;
        var order = new int[size];
        for (var n = sort(root, order) - 1; n >= 0; n--) {
            var node = order[n];
            var g = gradients[node];
            int a = left[node], b = right[node], count = pairs[node];
            switch (rules[node]) {
                case EACH -> {
                    for (var i = 0; i < count; i++) gradients[a + i] += locals[node] * g;
                }
                case BOTH -> {
                    gradients[a] += g;
                    gradients[b] += g;
                }
                case PRODUCTS -> {
                    for (var i = 0; i < count; i++) {
                        gradients[a + i] += values[b + i] * g;
                        gradients[b + i] += values[a + i] * g;
                    }
                }
            }
        }
    }

    /** Finds the depth-first post-order on a path of its own, since graphs are deep; returns its length. */
    private int sort(int root, int[] order) {
        var seen = new boolean[size];
        var path = new int[size];
        var next = new int[size];
        var count = 0;
        var depth = 1;
        path[0] = root;
        while (depth > 0) {
            var node = path[depth - 1];
            var i = next[depth - 1];
            var child = -1;
            for (; child < 0 && i < 2 * pairs[node]; i++) {
                var candidate = (i % 2 == 0 ? left : right)[node] + i / 2;
                if (!seen[candidate] && pairs[candidate] > 0) child = candidate; // leaves pass nothing on
            }
            next[depth - 1] = i;
            if (child < 0) {
                order[count++] = node;
                depth--;
            } else {
                seen[child] = true;
                path[depth] = child;
                next[depth++] = 0;
            }
        }
        return count;
    }
}
