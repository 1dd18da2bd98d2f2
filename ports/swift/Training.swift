/// Adam with a learning rate that falls over a number of steps (SPEC, section 8).
struct Adam {
    enum Schedule: String, CaseIterable {
        case linear, cosine
    }

    var learningRate, beta1, beta2, epsilon: Double
    var schedule: Schedule
    var steps: Int

    typealias Factors = (rate: Double, correction1: Double, correction2: Double)

    func factors(at step: Int) -> Factors {
        let rate =
            switch schedule {
            case .linear: learningRate * (1 - Double(step) / Double(steps))
            case .cosine: (learningRate * 0.5) * (1 + Exact.cos(0x1.921fb54442d18p+1 * Double(step) / Double(steps)))
            }
        let power = Double(step + 1)
        return (rate, 1 - Exact.pow(beta1, power), 1 - Exact.pow(beta2, power))
    }

    /// Updates the first of the parameters p, as many as there are moments.
    func update(
        step: Int, _ p: inout [Double], _ g: ArraySlice<Double>, _ m: inout [Double], _ v: inout [Double]
    ) {
        let (rate, correction1, correction2) = factors(at: step)
        for i in m.indices {
            m[i] = beta1 * m[i] + (1 - beta1) * g[i]
            v[i] = beta2 * v[i] + (1 - beta2) * (g[i] * g[i])
            p[i] -= rate * (m[i] / correction1) / (Exact.pow(v[i] / correction2, 0.5) + epsilon)
        }
    }
}

/// A training under way.
struct Training {
    var model: Model
    let adam: Adam
    var m, v: [Double]

    init(_ model: Model, _ adam: Adam, m: [Double]? = nil, v: [Double]? = nil) {
        let zeros = [Double](repeating: 0, count: model.count)
        (self.model, self.adam, self.m, self.v) = (model, adam, m ?? zeros, v ?? zeros)
    }

    /// One step on one document; the loss.
    mutating func advance(step: Int, on tokens: [Int]) -> Double {
        let root = model.loss(tokens)
        let loss = model.tape.value[root]
        model.tape.backward(from: root)
        adam.update(step: step, &model.tape.value, model.gradients, &m, &v)
        return loss
    }

    /// What a step leaves.
    var results: [(name: String, doubles: ArraySlice<Double>)] {
        [("gradients", model.gradients), ("m", m[...]), ("v", v[...]), ("parameters", model.parameters)]
    }
}

typealias Text = [Unicode.Scalar]

/// Text as tokens (SPEC, section 4).
struct Tokenizer {
    let characters: Text
    private let tokens: [Unicode.Scalar: Int]
    var bos: Int { characters.count }

    init(_ documents: [Text]) throws {
        characters = Set(documents.joined()).sorted()
        guard characters.count <= 2047 else { throw Refusal("the dataset has more than 2047 distinct characters") }
        tokens = Dictionary(uniqueKeysWithValues: zip(characters, 0...))
    }

    /// The stripped lines that are not empty.
    static func documents(of lines: [Text]) throws -> [Text] {
        func isSpace(_ c: Unicode.Scalar) -> Bool { c.value == 32 || 9...13 ~= c.value }
        let documents = lines.compactMap { line -> Text? in
            guard let first = line.firstIndex(where: { !isSpace($0) }) else { return nil }
            return Text(line[first...line.lastIndex { !isSpace($0) }!])
        }
        if documents.isEmpty { throw Refusal("the dataset has no documents") }
        return documents
    }

    func encode(_ document: Text) -> [Int] { [bos] + document.map { tokens[$0]! } + [bos] }

    /// Without BOS.
    func decode(_ tokens: [Int]) -> String {
        String(String.UnicodeScalarView(tokens.filter { $0 != bos }.map { characters[$0] }))
    }
}

/// A whole run from seed 42 (SPEC, section 10).
struct Preset {
    let block: Int
    let activation: Shape.Activation
    let sigma, outputSigma: Double
    let adam: Adam

    static let named = [
        "seed": Preset(
            block: 8, activation: .squaredRelu, sigma: 0.02, outputSigma: 0,
            adam: Adam(learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, schedule: .cosine, steps: 500)),
        "classic": Preset(
            block: 16, activation: .relu, sigma: 0.08, outputSigma: 0.08,
            adam: Adam(learningRate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8, schedule: .linear, steps: 1000)),
    ]

    /// Hands each printed line to `say`.
    func run(on lines: [Text], steps: Int, samples: Int, say: (String) -> Void) throws -> (Training, Twister) {
        var twister = Twister(seed: 42)
        var documents = try Tokenizer.documents(of: lines)
        twister.shuffle(&documents)
        let tokenizer = try Tokenizer(documents)
        let shape = Shape(
            layers: 1, heads: 4, embedding: 16, block: block, vocabulary: tokenizer.bos + 1, activation: activation,
            attend: (0..<block).map { Array(0...$0) })
        let model = Model(shape, parameters: shape.matrices.flatMap { matrix in
            let isOutput = matrix.name.hasSuffix("attn_wo") || matrix.name.hasSuffix("mlp_fc2")
            return (0..<matrix.rows * matrix.columns).map { _ in twister.gauss(isOutput ? outputSigma : sigma) }
        })
        say("num docs: \(documents.count)")
        say("vocab size: \(shape.vocabulary)")
        say("num params: \(model.count)")
        var adam = adam
        adam.steps = steps
        var training = Training(model, adam)
        for step in 0..<steps {
            let loss = training.advance(step: step, on: tokenizer.encode(documents[step % documents.count]))
            say("step \(pad(step + 1, 4)) / \(pad(steps, 4)) | loss \(Exact.decimals(loss))")
        }
        say("")
        say("--- inference (new, hallucinated names) ---")
        for number in 0..<samples {
            let draws = try training.model.sample(temperature: 0.5, from: &twister)
            say("sample \(pad(number + 1, 2)): \(tokenizer.decode(draws.map(\.token)))")
        }
        return (training, twister)
    }

    private func pad(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: " ", count: max(0, width - digits.count)) + digits
    }
}
