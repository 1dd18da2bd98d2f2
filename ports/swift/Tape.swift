/// The autograd (SPEC, section 5). A node is a number, its place in these arrays; the operands of all nodes lie in one
/// more array, one node's after another's.
struct Tape {
    typealias Node = Int
    typealias Vector = [Node]

    private enum Kind {
        case leaf
        case local  // one operand, with a local gradient of its own
        case sum
        case dot  // the operands are factors, in pairs
    }

    var value: [Double] = []
    private(set) var gradient: [Double] = []
    private var local: [Double] = []
    private var kind: [Kind] = []
    private var operands: [Node] = []
    private var first = [0]  // operand of each node, and of the next one

    /// A node of the operands that have just been added.
    private mutating func node(_ kind: Kind, _ value: Double, local: Double = 0) -> Node {
        self.value.append(value)
        self.local.append(local)
        self.kind.append(kind)
        first.append(operands.count)
        return self.value.count - 1
    }

    private mutating func unary(_ a: Node, _ value: Double, local: Double) -> Node {
        operands.append(a)
        return node(.local, value, local: local)
    }

    mutating func leaf(_ x: Double) -> Node { node(.leaf, x) }

    mutating func add(_ a: Node, _ b: Node) -> Node {
        operands += [a, b]
        return node(.sum, value[a] + value[b])
    }

    mutating func multiply(_ a: Node, _ b: Node) -> Node {
        operands += [a, b]
        return node(.dot, value[a] * value[b])
    }

    mutating func add(_ a: Node, number c: Double) -> Node { unary(a, value[a] + c, local: 1) }
    mutating func multiply(_ a: Node, number c: Double) -> Node { unary(a, value[a] * c, local: c) }
    mutating func divide(_ a: Node, number c: Double) -> Node { multiply(a, number: 1 / c) }
    mutating func negate(_ a: Node) -> Node { multiply(a, number: -1) }

    mutating func pow(_ a: Node, _ c: Double) -> Node {
        unary(a, Exact.pow(value[a], c), local: c * Exact.pow(value[a], c - 1))
    }

    mutating func log(_ a: Node) -> Node { unary(a, Exact.log(value[a]), local: 1 / value[a]) }

    mutating func exp(_ a: Node) -> Node {
        let y = Exact.exp(value[a])
        return unary(a, y, local: y)
    }

    mutating func relu(_ a: Node) -> Node {
        value[a] > 0 ? unary(a, value[a], local: 1) : unary(a, 0, local: 0)
    }

    // Sums and dot products are one node. No operand occurs twice, save as its own factor, and none lies below another.

    mutating func sum(_ xs: Vector) -> Node {
        operands += xs
        return node(.sum, xs.reduce(0) { $0 + value[$1] })
    }

    mutating func dot(_ ws: some Collection<Node>, _ xs: some Collection<Node>) -> Node {
        var total = 0.0
        for (w, x) in zip(ws, xs) {
            operands.append(w)
            operands.append(x)
            total += value[w] * value[x]
        }
        return node(.dot, total)
    }

    /// Each of xs over a. Every division has a power node of its own, all with the same numbers.
    mutating func quotients(_ xs: Vector, _ a: Node) -> Vector {
        let inverse = 1 / value[a]
        let slope = -1 * Exact.pow(value[a], -2)
        return xs.map { multiply($0, unary(a, inverse, local: slope)) }
    }

    /// Forgets all but the first nodes.
    mutating func truncate(to count: Int) {
        value.removeSubrange(count...)
        local.removeSubrange(count...)
        kind.removeSubrange(count...)
        first.removeSubrange((count + 1)...)
        operands.removeSubrange(first[count]...)
    }

    /// How the value of the root changes with each node, in `gradient`.
    mutating func backward(from root: Node) {
        gradient = [Double](repeating: 0, count: value.count)
        gradient[root] = 1
        for node in order(below: root).reversed() {
            let g = gradient[node]
            let range = first[node]..<first[node + 1]
            switch kind[node] {
            case .leaf: break
            case .local: gradient[operands[range.lowerBound]] += local[node] * g
            case .sum: for k in range { gradient[operands[k]] += g }
            case .dot:
                for k in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
                    let (w, x) = (operands[k], operands[k + 1])
                    gradient[w] += value[x] * g
                    gradient[x] += value[w] * g
                }
            }
        }
    }

    /// Depth-first post-order.
    private func order(below root: Node) -> Vector {
        var order: Vector = []
        var isSeen = [Bool](repeating: false, count: value.count)
        var next = first  // operand to visit, of each node
        var path = [root]
        isSeen[root] = true
        while let node = path.last {
            if next[node] == first[node + 1] {
                order.append(node)
                path.removeLast()
                continue
            }
            let child = operands[next[node]]
            next[node] += 1
            if !isSeen[child] {
                isSeen[child] = true
                path.append(child)
            }
        }
        return order
    }
}
