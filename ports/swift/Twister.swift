/// The random numbers: MT19937 and what is drawn from it (SPEC, section 3).
struct Twister {
    static let size = 624

    private(set) var words: [UInt32]
    private(set) var index: Int
    private(set) var kept: Double?

    init(words: [UInt32], index: Int, kept: Double?) {
        (self.words, self.index, self.kept) = (words, index, kept)
    }

    init(seed: UInt32) {
        var words = [UInt32](repeating: 19_650_218, count: Twister.size)
        func mixed(_ i: Int) -> UInt32 { words[i - 1] ^ words[i - 1] >> 30 }
        for i in 1..<Twister.size { words[i] = mixed(i) &* 1_812_433_253 &+ UInt32(i) }
        var i = 1
        func stir(_ count: Int, _ factor: UInt32, plus: (Int) -> UInt32) {
            for _ in 0..<count {
                words[i] = (words[i] ^ mixed(i) &* factor) &+ plus(i)
                i += 1
                if i == Twister.size {
                    words[0] = words[Twister.size - 1]
                    i = 1
                }
            }
        }
        stir(Twister.size, 1_664_525) { _ in seed }
        stir(Twister.size - 1, 1_566_083_941) { 0 &- UInt32($0) }
        words[0] = 0x8000_0000
        self.init(words: words, index: Twister.size, kept: nil)
    }

    private mutating func renew() {
        for i in 0..<Twister.size {
            let y = words[i] & 0x8000_0000 | words[(i + 1) % Twister.size] & 0x7fff_ffff
            words[i] = words[(i + 397) % Twister.size] ^ y >> 1 ^ (y % 2 == 1 ? 2_567_483_615 : 0)
        }
        index = 0
    }

    mutating func word() -> UInt32 {
        if index == Twister.size { renew() }
        var y = words[index]
        index += 1
        y ^= y >> 11
        y ^= y << 7 & 2_636_928_640
        y ^= y << 15 & 4_022_730_752
        return y ^ y >> 18
    }

    mutating func random() -> Double {
        let a = Double(word() >> 5)
        let b = Double(word() >> 6)
        return (a * 67_108_864 + b) / 9_007_199_254_740_992
    }

    mutating func gauss(_ sigma: Double) -> Double {
        if let z = kept {
            kept = nil
            return 0 + z * sigma
        }
        let angle = random() * 6.283185307179586
        let radius = (-2 * Exact.log(1 - random())).squareRoot()
        kept = Exact.sin(angle) * radius
        return 0 + Exact.cos(angle) * radius * sigma
    }

    private mutating func below(_ n: Int) -> Int {
        let shift = 32 - (Int.bitWidth - n.leadingZeroBitCount)
        while true {
            let value = Int(word() >> shift)
            if value < n { return value }
        }
    }

    mutating func shuffle<Item>(_ items: inout [Item]) {
        for i in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(i, below(i + 1)) }
    }

    /// The index of one of the weights.
    mutating func choice(_ weights: [Double]) throws -> Int {
        let cumulative = weights.dropFirst().reduce(into: [weights[0]]) { $0.append($0.last! + $1) }
        let total = cumulative.last! + 0
        guard total > 0, total.isFinite else { throw Refusal("the weights must add up to a finite number above 0") }
        let u = random() * total
        var (low, high) = (0, weights.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if u < cumulative[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
