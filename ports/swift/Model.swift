/// The shape of a model (SPEC, section 6).
struct Shape {
    enum Activation: String, CaseIterable {
        case relu
        case squaredRelu = "squared_relu"
    }

    var layers: Int
    var heads: Int
    var embedding: Int
    var block: Int
    var vocabulary: Int
    var activation: Activation
    var attend: [[Int]]

    typealias Matrix = (name: String, rows: Int, columns: Int)

    /// The matrices of parameters, in order.
    var matrices: [Matrix] {
        let e = embedding
        let ofLayer = [
            ("attn_wq", e, e), ("attn_wk", e, e), ("attn_wv", e, e), ("attn_wo", e, e),
            ("mlp_fc1", 4 * e, e), ("mlp_fc2", e, 4 * e),
        ]
        return [("wte", vocabulary, e), ("wpe", block, e), ("lm_head", vocabulary, e)]
            + (0..<layers).flatMap { i in ofLayer.map { ("layer\(i).\($0)", $1, $2) } }
    }
}

/// The model, its loss, and samples from it (SPEC, sections 6, 7 and 9).
struct Model {
    typealias Vector = Tape.Vector
    /// Rows of parameters, which lie next to each other on the tape.
    private typealias Matrix = [Range<Tape.Node>]

    private struct Layer {
        var wq, wk, wv, wo, fc1, fc2: Matrix
        var keys: [Vector] = []
        var values: [Vector] = []
    }

    /// Is told the name of every activation and its values.
    typealias Watch = (String, [Double]) -> Void

    let shape: Shape
    let count: Int
    /// The parameters are its first nodes.
    var tape = Tape()
    private let wte, wpe, head: Matrix
    private var layers: [Layer]

    init(_ shape: Shape, parameters: [Double]) {
        self.shape = shape
        count = parameters.count
        for x in parameters { _ = tape.leaf(x) }
        var start = 0
        var matrices = shape.matrices.map { matrix in
            (0..<matrix.rows).map { _ in
                defer { start += matrix.columns }
                return start..<start + matrix.columns
            }
        }[...]
        func next() -> Matrix { matrices.removeFirst() }
        (wte, wpe, head) = (next(), next(), next())
        layers = (0..<shape.layers).map { _ in
            Layer(wq: next(), wk: next(), wv: next(), wo: next(), fc1: next(), fc2: next())
        }
    }

    var parameters: ArraySlice<Double> { tape.value[..<count] }
    var gradients: ArraySlice<Double> { tape.gradient[..<count] }

    private mutating func start() {
        tape.truncate(to: count)
        for i in layers.indices { (layers[i].keys, layers[i].values) = ([], []) }
    }

    /// The node of a document's loss.
    mutating func loss(_ tokens: [Int], watch: Watch? = nil) -> Tape.Node {
        start()
        let positions = min(shape.block, tokens.count - 1)
        var losses: Vector = []
        for t in 0..<positions {
            let probabilities = softmax(logits(of: tokens[t], at: t, watch))
            note(probabilities, "pos\(t).probabilities", watch)
            losses.append(tape.negate(tape.log(probabilities[tokens[t + 1]])))
            note([losses[t]], "pos\(t).loss", watch)
        }
        return tape.divide(tape.sum(losses), number: Double(positions))
    }

    /// What is drawn until BOS or the end of the block, with the probabilities of each draw.
    mutating func sample(temperature: Double, from twister: inout Twister) throws -> [(probabilities: [Double], token: Int)] {
        start()
        let bos = shape.vocabulary - 1
        var token = bos
        var draws: [(probabilities: [Double], token: Int)] = []
        for t in 0..<shape.block {
            let scaled = logits(of: token, at: t).map { tape.divide($0, number: temperature) }
            let probabilities = softmax(scaled).map { tape.value[$0] }
            token = try twister.choice(probabilities)
            draws.append((probabilities, token))
            if token == bos { break }
        }
        return draws
    }

    /// Mutating, so that self is not copied before the arguments are evaluated, which make nodes.
    @discardableResult
    private mutating func note(_ nodes: Vector, _ name: @autoclosure () -> String, _ watch: Watch?) -> Vector {
        watch?(name(), nodes.map { tape.value[$0] })
        return nodes
    }

    private mutating func logits(of token: Int, at t: Int, _ watch: Watch? = nil) -> Vector {
        let embedded = note(add(Array(wte[token]), Array(wpe[t])), "pos\(t).embedded", watch)
        var x = note(rmsnorm(embedded), "pos\(t).normed", watch)
        for i in layers.indices { x = layer(i, x, t, watch) }
        return note(linear(x, head), "pos\(t).logits", watch)
    }

    private mutating func layer(_ i: Int, _ x: Vector, _ t: Int, _ watch: Watch?) -> Vector {
        let place = "pos\(t).layer\(i)"
        let normed = note(rmsnorm(x), "\(place).attn_norm", watch)
        let q = note(linear(normed, layers[i].wq), "\(place).q", watch)
        layers[i].keys.append(note(linear(normed, layers[i].wk), "\(place).k", watch))
        layers[i].values.append(note(linear(normed, layers[i].wv), "\(place).v", watch))
        let mixed = (0..<shape.heads).flatMap { attention(i, head: $0, q, t, "\(place).head\($0)", watch) }
        let out = note(linear(mixed, layers[i].wo), "\(place).attn_out", watch)
        let attended = note(add(out, x), "\(place).attn_residual", watch)
        let hidden = note(
            linear(note(rmsnorm(attended), "\(place).mlp_norm", watch), layers[i].fc1), "\(place).hidden", watch)
        let activated = note(hidden.map { activate($0) }, "\(place).activated", watch)
        let mlp = note(linear(activated, layers[i].fc2), "\(place).mlp_out", watch)
        return note(add(mlp, attended), "\(place).mlp_residual", watch)
    }

    private mutating func attention(
        _ i: Int, head: Int, _ q: Vector, _ t: Int, _ place: String, _ watch: Watch?
    ) -> Vector {
        let size = shape.embedding / shape.heads
        let part = head * size..<(head + 1) * size
        let root = Double(size).squareRoot()
        let scores = shape.attend[t].map { tape.divide(tape.dot(q[part], layers[i].keys[$0][part]), number: root) }
        let weights = softmax(note(scores, "\(place).scores", watch))
        note(weights, "\(place).weights", watch)
        let mixed = part.map { j in tape.dot(weights, shape.attend[t].map { layers[i].values[$0][j] }) }
        return note(mixed, "\(place).mixed", watch)
    }

    private mutating func activate(_ a: Tape.Node) -> Tape.Node {
        let a = tape.relu(a)
        return shape.activation == .relu ? a : tape.pow(a, 2)
    }

    private mutating func add(_ xs: Vector, _ ys: Vector) -> Vector { zip(xs, ys).map { tape.add($0, $1) } }
    private mutating func linear(_ x: Vector, _ matrix: Matrix) -> Vector { matrix.map { tape.dot($0, x) } }

    private mutating func rmsnorm(_ x: Vector) -> Vector {
        let mean = tape.divide(tape.dot(x, x), number: Double(x.count))
        let scale = tape.pow(tape.add(mean, number: 0.00001), -0.5)
        return x.map { tape.multiply($0, scale) }
    }

    private mutating func softmax(_ x: Vector) -> Vector {
        let top = x.reduce(tape.value[x[0]]) { tape.value[$1] > $0 ? tape.value[$1] : $0 }
        let exps = x.map { tape.exp(tape.add($0, number: -top)) }
        return tape.quotients(exps, tape.sum(exps))
    }
}
