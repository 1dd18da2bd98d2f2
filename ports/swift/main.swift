// The port swift of microgpt: a function for each verb, from a request to its reply (SPEC, section 12).

import Glibc

typealias Verb = (inout Request, inout Reply) throws -> Void

let verbs: KeyValuePairs<String, Verb> = [
    "hello": hello, "arith": arith, "math": math, "random": random, "tokens": tokens, "graph": graph,
    "forward": forward, "backward": backward, "adam": adam, "train": train, "sample": sample, "run": run,
]

func hello(_ request: inout Request, _ reply: inout Reply) throws {
    try request.finish()
    reply.put("name", "swift")
    reply.put("protocol", 1)
    reply.put("verbs", verbs.map(\.key))
    reply.put("math", "exact")
}

func arith(_ request: inout Request, _ reply: inout Reply) throws {
    try request.each { key, words in
        let x = try words.map { try $0.double() }
        switch (key, x.count) {
        case ("add", 2): reply.put(key, x[0] + x[1])
        case ("sub", 2): reply.put(key, x[0] - x[1])
        case ("mul", 2): reply.put(key, x[0] * x[1])
        case ("div", 2): reply.put(key, x[0] / x[1])
        case ("sqrt", 1): reply.put(key, x[0].squareRoot())
        case ("muladd", 3): reply.put(key, x[0] * x[1] + x[2])
        case ("sum", 1...): reply.put(key, x.reduce(0, +))
        case ("dot", 2...) where x.count % 2 == 0:
            reply.put(key, stride(from: 0, to: x.count, by: 2).reduce(0) { $0 + x[$1] * x[$1 + 1] })
        case ("decimals", 1) where !(x[0].isFinite && x[0].magnitude > 0x1p53):
            reply.put(key, Text(Exact.decimals(x[0]).unicodeScalars))
        default: throw Refusal("an unknown operation, or operands that it does not take")
        }
    }
}

func math(_ request: inout Request, _ reply: inout Reply) throws {
    try request.math()
    func angle(_ word: Word) throws -> Double {
        let x = try word.double()
        if x.magnitude > 8 { throw Refusal("sin and cos take |x| up to 8") }
        return x
    }
    try request.each { key, words in
        switch (key, words.count) {
        case ("exp", 1): reply.put(key, Exact.exp(try words[0].double()))
        case ("log", 1): reply.put(key, Exact.log(try words[0].double()))
        case ("sin", 1): reply.put(key, Exact.sin(try angle(words[0])))
        case ("cos", 1): reply.put(key, Exact.cos(try angle(words[0])))
        case ("pow", 2): reply.put(key, Exact.pow(try words[0].double(), try words[1].exponent(upTo: 4096)))
        default: throw Refusal("an unknown function, or arguments that it does not take")
        }
    }
}

func random(_ request: inout Request, _ reply: inout Reply) throws {
    try request.math()
    var twister = Twister(seed: UInt32(try request.integer("seed", in: 0...Int(UInt32.max))))
    try request.each { key, words in
        func draws<Item>(_ draw: () throws -> Item) throws -> [Item] {
            try (0..<words[0].integer(in: 0...1000)).map { _ in try draw() }
        }
        switch (key, words.count) {
        case ("words", 1): reply.put(key, try draws { Int(twister.word()) })
        case ("random", 1): reply.put(key, try draws { twister.random() })
        case ("gauss", 2):
            let sigma = try words[1].double()
            reply.put(key, try draws { twister.gauss(sigma) })
        case ("shuffle", 1):
            var items = Array(0..<(try words[0].integer(in: 0...10000)))
            twister.shuffle(&items)
            reply.put(key, items)
        case ("choices", 2...1001):
            let weights = try words.dropFirst().map { try $0.double() }
            reply.put(key, try draws { try twister.choice(weights) })
        case ("state", 0):
            reply.put(key, [twister.index] + twister.words.map { Int($0) })
            if let kept = twister.kept { reply.put("kept", kept) } else { reply.put("kept", "none") }
        default: throw Refusal("an unknown draw, or values that it does not take")
        }
    }
}

/// The last lines of a request.
func dataset(_ request: inout Request) throws -> [Text] {
    let lines = try request.many("line") { words in
        if words.count > 10000 { throw Refusal("a line has up to 10000 code points") }
        return try words.map { try $0.scalar() }
    }
    try request.finish()
    return lines
}

func tokens(_ request: inout Request, _ reply: inout Reply) throws {
    let documents = try Tokenizer.documents(of: dataset(&request))
    let tokenizer = try Tokenizer(documents)
    reply.put("documents", documents.count)
    reply.put("vocabulary", tokenizer.characters)
    reply.put("bos", tokenizer.bos)
    for document in documents { reply.put("encoded", tokenizer.encode(document)) }
}

func graph(_ request: inout Request, _ reply: inout Reply) throws {
    try request.math()
    var tape = Tape()
    var nodes: [Tape.Node] = []
    var root: Tape.Node?
    while root == nil {
        let (key, words) = try request.next()
        func a(_ i: Int) throws -> Tape.Node {
            if nodes.isEmpty { throw Refusal("the first expression is a leaf") }
            return nodes[try words[i].integer(in: 0...nodes.count - 1)]
        }
        func c(_ i: Int) throws -> Double { try words[i].double() }
        if key == "root", words.count == 1 {
            root = try a(0)
            continue
        }
        let node =
            switch (key, words.count) {
            case ("leaf", 1): tape.leaf(try c(0))
            case ("add", 2): tape.add(try a(0), try a(1))
            case ("sub", 2): tape.add(try a(0), tape.negate(try a(1)))
            case ("mul", 2): tape.multiply(try a(0), try a(1))
            case ("div", 2): tape.multiply(try a(0), tape.pow(try a(1), -1))
            case ("sum", 1...):
                try words.indices.dropFirst().reduce(tape.add(try a(0), number: 0)) { tape.add($0, try a($1)) }
            case ("neg", 1): tape.negate(try a(0))
            case ("exp", 1): tape.exp(try a(0))
            case ("log", 1): tape.log(try a(0))
            case ("relu", 1): tape.relu(try a(0))
            case ("pow", 2): tape.pow(try a(0), try words[1].exponent(upTo: 1024))
            case ("add_number", 2): tape.add(try a(0), number: try c(1))
            case ("sub_number", 2): tape.add(try a(0), number: -(try c(1)))
            case ("mul_number", 2): tape.multiply(try a(0), number: try c(1))
            case ("div_number", 2): tape.divide(try a(0), number: try c(1))
            case ("number_sub", 2): tape.add(tape.negate(try a(1)), number: try c(0))
            case ("number_div", 2): tape.multiply(tape.pow(try a(1), -1), number: try c(0))
            default: throw Refusal("an unknown expression, or operands that it does not take")
            }
        nodes.append(node)
    }
    try request.finish()
    tape.backward(from: root!)
    for node in nodes { reply.put("value", tape.value[node]) }
    for node in nodes { reply.put("gradient", tape.gradient[node]) }
}

func increasing(_ words: [Word], in range: ClosedRange<Int>) throws -> [Int] {
    let items = try words.map { try $0.integer(in: range) }
    guard zip(items, items.dropFirst()).allSatisfy(<) else { throw Refusal("expected increasing integers") }
    return items
}

func shape(_ request: inout Request) throws -> Shape {
    try request.math()
    let layers = try request.integer("layers", in: 1...16)
    let heads = try request.integer("heads", in: 1...64)
    let embedding = try request.integer("embedding", in: 1...512)
    guard embedding.isMultiple(of: heads) else { throw Refusal("embedding must be a multiple of heads") }
    let block = try request.integer("block", in: 1...1024)
    let vocabulary = try request.integer("vocabulary", in: 2...2048)
    let activation: Shape.Activation = try request.choice("activation")
    let attend = try (0..<block).map { t in
        let positions = try increasing(request.take("attend"), in: 0...t)
        guard positions.last == t else { throw Refusal("position \(t) must attend to itself") }
        return positions
    }
    return Shape(
        layers: layers, heads: heads, embedding: embedding, block: block, vocabulary: vocabulary,
        activation: activation, attend: attend)
}

func document(_ words: [Word], for shape: Shape) throws -> [Int] {
    guard words.count >= 2 else { throw Refusal("a document has two or more tokens") }
    return try words.map { try $0.integer(in: 0...shape.vocabulary - 1) }
}

func modelAndDocument(_ request: inout Request) throws -> (Model, [Int]) {
    let shape = try shape(&request)
    let document = try document(request.take("tokens"), for: shape)
    let model = Model(shape, parameters: try request.matrices(of: shape))
    try request.finish()
    return (model, document)
}

func forward(_ request: inout Request, _ reply: inout Reply) throws {
    var (model, document) = try modelAndDocument(&request)
    var tensors: [Tensor] = []
    let loss = model.loss(document) { name, values in
        tensors.append(Tensor(name: name, rows: 1, columns: values.count, doubles: values[...]))
    }
    for tensor in tensors { reply.put(tensor) }
    reply.put("loss", model.tape.value[loss])
}

func backward(_ request: inout Request, _ reply: inout Reply) throws {
    var (model, document) = try modelAndDocument(&request)
    let loss = model.loss(document)
    model.tape.backward(from: loss)
    reply.put("loss", model.tape.value[loss])
    reply.put(model.shape, prefix: "", model.gradients)
}

func settings(_ request: inout Request) throws -> Adam {
    Adam(
        learningRate: try request.double("learning_rate"), beta1: try request.double("beta1"),
        beta2: try request.double("beta2"), epsilon: try request.double("epsilon"),
        schedule: try request.choice("schedule"), steps: try request.integer("steps", in: 1...4096))
}

func adam(_ request: inout Request, _ reply: inout Reply) throws {
    try request.math()
    let adam = try settings(&request)
    let step = try request.integer("step", in: 0...adam.steps - 1)
    let parameters = try request.tensor("parameters")
    let (rows, columns) = (parameters.rows, parameters.columns)
    let gradients = try request.tensor("gradients", rows: rows, columns: columns).doubles
    var p = Array(parameters.doubles)
    var m = Array(try request.tensor("m", rows: rows, columns: columns).doubles)
    var v = Array(try request.tensor("v", rows: rows, columns: columns).doubles)
    try request.finish()
    adam.update(step: step, &p, gradients, &m, &v)
    let (rate, correction1, correction2) = adam.factors(at: step)
    reply.put("rate", rate)
    reply.put("correction1", correction1)
    reply.put("correction2", correction2)
    for (name, doubles) in [("m", m), ("v", v), ("parameters", p)] {
        reply.put(Tensor(name: name, rows: rows, columns: columns, doubles: doubles[...]))
    }
}

func train(_ request: inout Request, _ reply: inout Reply) throws {
    let shape = try shape(&request)
    let adam = try settings(&request)
    let from = try request.integer("from", in: 0...adam.steps - 1)
    let last = from - 1 + (try request.integer("count", in: 1...adam.steps - from))
    let full = try increasing(request.take("full"), in: from...last)
    let documents = try request.many("tokens") { try document($0, for: shape) }
    let model = Model(shape, parameters: try request.matrices(of: shape))
    let m = from == 0 ? nil : try request.matrices(of: shape, prefix: "m.")
    let v = from == 0 ? nil : try request.matrices(of: shape, prefix: "v.")
    try request.finish()
    var training = Training(model, adam, m: m, v: v)
    for step in from...last {
        let loss = training.advance(step: step, on: documents[step % documents.count])
        reply.put("step", step)
        reply.put("loss", loss)
        for (name, doubles) in training.results { reply.put(name, checksumOf: doubles) }
        if full.contains(step) {
            for (name, doubles) in training.results { reply.put(shape, prefix: name + ".", doubles) }
        }
    }
}

func sample(_ request: inout Request, _ reply: inout Reply) throws {
    let shape = try shape(&request)
    let temperature = try request.double("temperature")
    let samples = try request.integer("samples", in: 0...1000)
    var model = Model(shape, parameters: try request.matrices(of: shape))
    let state = try request.take("state")
    guard state.count == 1 + Twister.size else { throw Refusal("state takes an index and \(Twister.size) words") }
    let index = try state[0].integer(in: 0...Twister.size)
    let words = try state.dropFirst().map { UInt32(try $0.integer(in: 0...Int(UInt32.max))) }
    let kept = try request.one("kept")
    var twister = Twister(words: words, index: index, kept: kept.text == "none" ? nil : try kept.double())
    try request.finish()
    for number in 0..<samples {
        reply.put("sample", number)
        for (probabilities, token) in try model.sample(temperature: temperature, from: &twister) {
            reply.put("probabilities", probabilities)
            reply.put("token", token)
        }
    }
    reply.put("word", Int(twister.word()))
}

func run(_ request: inout Request, _ reply: inout Reply) throws {
    try request.math()
    guard let preset = Preset.named[try request.one("preset").text] else { throw Refusal("preset is seed or classic") }
    let steps = try request.integer("steps", in: 1...4096)
    let samples = try request.integer("samples", in: 0...1000)
    let lines = try dataset(&request)
    var (training, twister) = try preset.run(on: lines, steps: steps, samples: samples) { reply.put("print", Text($0.unicodeScalars)) }
    let results = training.results
    for name in ["parameters", "m", "v"] {
        reply.put(name, checksumOf: results.first { $0.name == name }!.doubles)
    }
    reply.put("word", Int(twister.word()))
}

/// Verb and id of a request, if they are well formed.
func header(_ line: [UInt8]) -> (verb: String, id: String)? {
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard line.count <= Request.longest, words.count == 2, !words[0].isEmpty, 1...64 ~= words[1].count else { return nil }
    let isSign = { (byte: UInt8) in
        let character = Character(Unicode.Scalar(byte))
        return byte < 128 && (character.isLetter || character.isNumber || "._-".contains(character))
    }
    guard words[0].allSatisfy({ 33...126 ~= $0 }), words[1].allSatisfy(isSign) else { return nil }
    return (words[0].text, words[1].text)
}

/// The reply to the lines of one request.
func answer(_ lines: [[UInt8]], isComplete: Bool) -> [UInt8] {
    var reply = Reply()
    guard let first = lines.first, let (name, id) = header(first) else {
        reply.put("error", "-", "expected a verb and an id")
        return reply.bytes
    }
    do {
        guard isComplete else { throw Refusal("the input ended before the line end") }
        guard let verb = verbs.first(where: { $0.key == name })?.value else { throw Refusal("unsupported") }
        reply.put("ok", id)
        var request = Request(lines.dropFirst())
        try verb(&request, &reply)
    } catch let refusal as Refusal {
        reply = Reply()
        reply.put("error", id, refusal.reason)
    } catch {
        fatalError("\(error)")
    }
    return reply.bytes
}

/// The lines of standard input. Only LF ends one.
struct Lines: Sequence, IteratorProtocol {
    mutating func next() -> [UInt8]? {
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        let count = getline(&line, &capacity, stdin)
        if count < 0 { return nil }
        let bytes = UnsafeRawBufferPointer(start: line, count: count)
        return Array(bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...])
    }
}

func write(_ bytes: [UInt8]) {
    fwrite(bytes, 1, bytes.count, stdout)
    fflush(stdout)
}

func serve() {
    let end = Array("end".utf8)
    var lines: [[UInt8]] = []
    for line in Lines() {
        if line == end {
            write(answer(lines, isComplete: true) + "end\n".utf8)
            lines = []
        } else {
            lines.append(line)
        }
    }
    if !lines.isEmpty { write(answer(lines, isComplete: false) + "end\n".utf8) }
}

/// The command for people.
func command(_ name: String) throws {
    guard let preset = Preset.named[name] else { throw Refusal("the presets are seed and classic") }
    let lines = try Lines().map { line in
        guard let text = String(validating: line, as: UTF8.self) else { throw Refusal("the input is not UTF-8") }
        return Text(text.unicodeScalars)
    }
    _ = try preset.run(on: lines, steps: preset.adam.steps, samples: 20) { line in
        write(Array((line + "\n").utf8))
    }
}

do {
    let arguments = CommandLine.arguments.dropFirst()
    switch (arguments.first, arguments.count) {
    case (nil, _): serve()
    case ("run", 1): try command("seed")
    case ("run", 2): try command(arguments.last!)
    default: throw Refusal("usage: microgpt [run [seed|classic]]")
    }
} catch let refusal as Refusal {
    fputs(refusal.reason + "\n", stderr)
    exit(1)
}
