import groovy.transform.CompileStatic

/**
 * A number of the computation, and how the root of {@code backward} changes with it (SPEC, section 5). The same nodes
 * answer {@code graph} and train the model. This one is a leaf, such as a parameter.
 */
@CompileStatic
class Node {
    double value
    double gradient
    boolean isSeen

    Node(double value) { this.value = value }

    int childCount() { 0 }

    Node child(int i) { throw new IndexOutOfBoundsException('a leaf has no children') }

    /** Adds to the gradients of the children, from left to right. */
    void passOn() { }

    Node plus(Node other) { new Sum(value + other.value, [this, other]) }
    Node plus(double c) { new Unary(value + c, this, 1.0d) }
    Node minus(Node other) { this + -other }
    Node minus(double c) { this + -c }
    Node multiply(Node other) { new Dot(value * other.value, [this], [other]) }
    Node multiply(double c) { new Unary(value * c, this, c) }
    Node div(Node other) { this * other.power(-1.0d) }
    Node div(double c) { this * (1.0d / c) }
    Node negative() { this * -1.0d }

    Unary power(double c) { new Unary(Exact.pow(value, c), this, c * Exact.pow(value, c - 1.0d)) }
    Node log() { new Unary(Exact.log(value), this, 1.0d / value) }
    Node relu() { value > 0.0d ? new Unary(value, this, 1.0d) : new Unary(0.0d, this, 0.0d) }

    Node exp() {
        double y = Exact.exp(value)
        new Unary(y, this, y)
    }

    /** Gives this node and all below it their gradients, which must be zero before. */
    void backward() {
        List<Node> order = sorted()
        gradient = 1.0d
        for (int i = order.size() - 1; i >= 0; i--) {
            order[i].passOn()
            order[i].isSeen = false
        }
    }

    /** The depth-first post-order, found on a path of its own, since graphs are deep. */
    private List<Node> sorted() {
        List<Node> order = []
        List<Visit> path = [new Visit(this)]
        isSeen = true
        while (path) {
            Visit visit = path.last()
            if (visit.next == visit.node.childCount()) {
                order << visit.node
                path.remove(path.size() - 1)
            } else {
                Node child = visit.node.child(visit.next++)
                if (!child.isSeen) {
                    child.isSeen = true
                    path << new Visit(child)
                }
            }
        }
        order
    }

    /** The sum from the left, node by node. */
    static Node chained(List<Node> terms) {
        Node total = terms.head() + 0.0d
        for (term in terms.tail()) total += term
        total
    }

    /** The sum as one node. No term occurs twice or lies below another one. */
    static Node sum(List<Node> terms) {
        double total = 0.0d
        for (term in terms) total += term.value
        new Sum(total, terms)
    }

    /** The dot product as one node. As in a sum, but two factors may be the same. */
    static Node dot(List<Node> ws, List<Node> xs) {
        double total = 0.0d
        for (int i = 0; i < ws.size(); i++) total += ws.get(i).value * xs.get(i).value
        new Dot(total, ws, xs)
    }
}

/** A node of the path, and the number of its next child. */
@CompileStatic
class Visit {
    final Node node
    int next

    Visit(Node node) { this.node = node }
}

@CompileStatic
class Unary extends Node {
    final Node a
    final double local

    Unary(double value, Node a, double local) {
        super(value)
        this.a = a
        this.local = local
    }

    int childCount() { 1 }
    Node child(int i) { a }
    void passOn() { a.gradient = a.gradient + local * gradient }

    /** Another node just like this one. */
    Unary twin() { new Unary(value, a, local) }
}

@CompileStatic
class Sum extends Node {
    final List<Node> terms

    Sum(double value, List<Node> terms) {
        super(value)
        this.terms = terms
    }

    int childCount() { terms.size() }
    Node child(int i) { terms.get(i) }
    void passOn() { for (term in terms) term.gradient = term.gradient + gradient }
}

@CompileStatic
class Dot extends Node {
    final List<Node> ws
    final List<Node> xs

    Dot(double value, List<Node> ws, List<Node> xs) {
        super(value)
        this.ws = ws
        this.xs = xs
    }

    int childCount() { 2 * ws.size() }
    Node child(int i) { (i % 2 == 0 ? ws : xs).get(i >> 1) }

    void passOn() {
        for (int i = 0; i < ws.size(); i++) {
            Node w = ws.get(i)
            Node x = xs.get(i)
            w.gradient = w.gradient + x.value * gradient
            x.gradient = x.gradient + w.value * gradient
        }
    }
}
