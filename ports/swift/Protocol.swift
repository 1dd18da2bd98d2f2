/// What is wrong with a request, or with the command line.
struct Refusal: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

typealias Word = ArraySlice<UInt8>

extension Word {
    var text: String { String(decoding: self, as: UTF8.self) }

    func integer(in range: ClosedRange<Int>) throws -> Int {
        let isDecimal = !isEmpty && count <= 10 && allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isDecimal, count == 1 || first != UInt8(ascii: "0") else { throw Refusal("expected an integer") }
        let value = reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard range.contains(value) else { throw Refusal("an integer is not from \(range.lowerBound) to \(range.upperBound)") }
        return value
    }

    /// Every NaN becomes the one quiet NaN.
    func double() throws -> Double {
        let bits = try reduce(UInt64(0)) { bits, digit in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): bits << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): bits << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: throw Refusal("a double has 16 lower-case hex digits")
            }
        }
        guard count == 16 else { throw Refusal("a double has 16 lower-case hex digits") }
        let x = Double(bitPattern: bits)
        return x.isNaN ? .nan : x
    }

    func exponent(upTo limit: Double) throws -> Double {
        let y = try double()
        guard y.magnitude <= limit, (2 * y).rounded() == 2 * y else {
            throw Refusal("an exponent is an integer or half-integer up to \(Int(limit))")
        }
        return y
    }

    func scalar() throws -> Unicode.Scalar {
        guard let scalar = Unicode.Scalar(UInt32(try integer(in: 0...0x10ffff))) else {
            throw Refusal("a surrogate is not a code point")
        }
        return scalar
    }
}

/// The lines of a request, which are read in their order (SPEC, section 11).
struct Request {
    static let longest = 65536

    private var lines: ArraySlice<[UInt8]>

    init(_ lines: ArraySlice<[UInt8]>) { self.lines = lines }

    var isEmpty: Bool { lines.isEmpty }

    private static func words(of line: [UInt8]) throws -> (key: String, values: ArraySlice<Word>) {
        guard line.count <= longest else { throw Refusal("a line is longer than \(longest) bytes") }
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        return (words[0].text, words.dropFirst())
    }

    /// The key and the values of the next line.
    mutating func next() throws -> (key: String, values: [Word]) {
        guard let line = lines.popFirst() else { throw Refusal("the request ends too early") }
        let (key, values) = try Request.words(of: line)
        return (key, Array(values))
    }

    /// The values of the next line, which must have this key.
    mutating func take(_ expected: String) throws -> [Word] {
        let (key, values) = try next()
        guard key == expected else { throw Refusal("expected a line \(expected)") }
        return values
    }

    /// The one value of that line.
    mutating func one(_ key: String) throws -> Word {
        let values = try take(key)
        guard values.count == 1 else { throw Refusal("\(key) takes 1 value") }
        return values[0]
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int { try one(key).integer(in: range) }
    mutating func double(_ key: String) throws -> Double { try one(key).double() }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) throws -> Choice
    where Choice.RawValue == String {
        guard let choice = Choice(rawValue: try one(key).text) else {
            throw Refusal("\(key) is one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    /// What `read` makes of the values of the next lines with this key; there must be one.
    mutating func many<Item>(_ key: String, _ read: ([Word]) throws -> Item) throws -> [Item] {
        var items = [try read(take(key))]
        while let line = lines.first, line.starts(with: key.utf8), line.count == key.utf8.count || line[key.utf8.count] == 32 {
            items.append(try read(take(key)))
        }
        return items
    }

    /// Hands key and values of all lines that are left to `read`; there must be one.
    mutating func each(_ read: (String, [Word]) throws -> Void) throws {
        repeat {
            let (key, values) = try next()
            try read(key, values)
        } while !isEmpty
    }

    func finish() throws {
        if !isEmpty { throw Refusal("expected the line end") }
    }

    mutating func math() throws {
        switch try one("math").text {
        case "exact": break
        case "native": throw Refusal("unsupported")
        default: throw Refusal("math is exact or native")
        }
    }

    /// A tensor, whose shape may be given.
    mutating func tensor(_ name: String, rows: Int? = nil, columns: Int? = nil) throws -> Tensor {
        let values = try take("tensor")
        guard values.count == 3, values[0].text == name else { throw Refusal("expected the tensor \(name)") }
        let found = (rows: try values[1].integer(in: 1...2048), columns: try values[2].integer(in: 1...2048))
        guard found == (rows ?? found.rows, columns ?? found.columns) else { throw Refusal("\(name) has the wrong shape") }
        var doubles: [Double] = []
        for _ in 0..<found.rows {
            let row = try take("row")
            guard row.count == found.columns else { throw Refusal("a row of \(name) does not have \(found.columns) values") }
            for word in row { doubles.append(try word.double()) }
        }
        return Tensor(name: name, rows: found.rows, columns: found.columns, doubles: doubles[...])
    }

    /// All matrices of a model in one array. Each name begins with the prefix.
    mutating func matrices(of shape: Shape, prefix: String = "") throws -> [Double] {
        try shape.matrices.flatMap { try tensor(prefix + $0.name, rows: $0.rows, columns: $0.columns).doubles }
    }
}

struct Tensor {
    let name: String
    let rows, columns: Int
    var doubles: ArraySlice<Double>
}

extension Double {
    /// The bits, with the one NaN.
    var pattern: UInt64 { isNaN ? 0x7ff8_0000_0000_0000 : bitPattern }
}

/// A reply is collected before it is sent, since a request can be wrong at its last line.
struct Reply {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ key: String, _ values: String...) { put(key, values) }
    mutating func put(_ key: String, _ values: Int...) { put(key, values) }
    mutating func put(_ key: String, _ values: Double...) { put(key, values) }
    mutating func put(_ key: String, _ text: Text) { put(key, text.map { Int($0.value) }) }
    mutating func put(_ key: String, _ values: [Int]) { put(key, values.map(String.init)) }

    mutating func put(_ key: String, _ values: [String]) {
        bytes += key.utf8
        for value in values {
            bytes.append(UInt8(ascii: " "))
            bytes += value.utf8
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    mutating func put(_ key: String, _ values: some Sequence<Double>) {
        bytes += key.utf8
        for value in values {
            bytes.append(UInt8(ascii: " "))
            append(hex: value.pattern, digits: 16)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func append(hex: UInt64, digits: Int) {
        let alphabet = StaticString("0123456789abcdef").utf8Start
        for digit in (0..<digits).reversed() { bytes.append(alphabet[Int(hex >> (4 * digit) & 15)]) }
    }

    mutating func put(_ tensor: Tensor) {
        put("tensor", tensor.name, String(tensor.rows), String(tensor.columns))
        for row in 0..<tensor.rows {
            put("row", tensor.doubles.dropFirst(row * tensor.columns).prefix(tensor.columns))
        }
    }

    mutating func put(_ shape: Shape, prefix: String, _ doubles: ArraySlice<Double>) {
        var rest = doubles
        for (name, rows, columns) in shape.matrices {
            put(Tensor(name: prefix + name, rows: rows, columns: columns, doubles: rest.prefix(rows * columns)))
            rest = rest.dropFirst(rows * columns)
        }
    }

    /// SPEC, section 13.
    mutating func put(_ key: String, checksumOf doubles: ArraySlice<Double>) {
        var (a, b): (UInt64, UInt64) = (1, 0)
        for x in doubles {
            for half in [x.pattern >> 32, x.pattern & 0xffff_ffff] {
                a = (a + half) % 4_294_967_291
                b = (b + a) % 4_294_967_291
            }
        }
        bytes += key.utf8
        for sum in [a, b] {
            bytes.append(UInt8(ascii: " "))
            append(hex: sum, digits: 8)
        }
        bytes.append(UInt8(ascii: "\n"))
    }
}
