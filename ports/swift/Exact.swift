// exp, log, sin, cos and pow, correctly rounded (SPEC, sections 2 and 15). They are computed in fixed point with 192
// places and are off by less than 2^17 units of the last. No true value is known to come that near to the middle of
// two doubles, unless it is one, as only a power can be.

import Glibc

/// A signed number in fixed point: two's complement in four limbs, the lowest first. The highest is the integer part.
private struct Fixed {
    static let places = 192

    var limbs: SIMD4<UInt64>

    init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ integer: UInt64) {
        limbs = [a, b, c, integer]
    }

    /// For |x| < 2^63; what lies below the last place is lost.
    init(_ x: Double) {
        limbs = .zero
        guard x.isNormal else { return }
        let shift = Int(x.exponent) - 52 + Fixed.places
        if shift < 0 { return }
        let significand = x.significandBitPattern | 1 << 52
        let (limb, bit) = shift.quotientAndRemainder(dividingBy: 64)
        limbs[limb] = significand << bit
        if limb < 3 { limbs[limb + 1] = significand >> (64 - bit) }
        if x < 0 { self = -self }
    }

    var isNegative: Bool { limbs[3] >> 63 == 1 }
    var magnitude: Fixed { isNegative ? -self : self }

    static func + (a: Fixed, b: Fixed) -> Fixed {
        var sum = a
        var carry: UInt64 = 0
        for i in 0..<4 {
            let (half, overflow) = a.limbs[i].addingReportingOverflow(b.limbs[i])
            let (limb, more) = half.addingReportingOverflow(carry)
            sum.limbs[i] = limb
            carry = overflow || more ? 1 : 0
        }
        return sum
    }

    static prefix func - (a: Fixed) -> Fixed {
        Fixed(~a.limbs[0], ~a.limbs[1], ~a.limbs[2], ~a.limbs[3]) + Fixed(1, 0, 0, 0)
    }

    /// What lies below the last place is cut off.
    static func * (a: Fixed, b: Fixed) -> Fixed {
        let (x, y) = (a.magnitude.limbs, b.magnitude.limbs)
        var product = SIMD8<UInt64>.zero
        for i in 0..<4 {
            var carry: UInt64 = 0
            for j in 0..<4 {
                let (high, low) = x[i].multipliedFullWidth(by: y[j])
                let (half, overflow) = low.addingReportingOverflow(product[i + j])
                let (limb, more) = half.addingReportingOverflow(carry)
                product[i + j] = limb
                carry = high + (overflow ? 1 : 0) + (more ? 1 : 0)
            }
            product[i + 4] = carry
        }
        let result = Fixed(product[3], product[4], product[5], product[6])
        return a.isNegative == b.isNegative ? result : -result
    }

    /// For a >= 0.
    static func / (a: Fixed, divisor: UInt64) -> Fixed {
        var quotient = a
        var rest: UInt64 = 0
        for i in (0..<4).reversed() {
            (quotient.limbs[i], rest) = divisor.dividingFullWidth((rest, a.limbs[i]))
        }
        return quotient
    }

    static let ln2 = Fixed(0x40f3_4326_7298_b62d, 0xc9e3_b398_03f2_f6af, 0xb172_17f7_d1cf_79ab, 0)
    static let halfPi = Fixed(0x5204_9c11_14cf_98e8, 0x898c_c517_01b8_39a2, 0x921f_b544_42d1_8469, 1)

    static let inverseFactorials = (1..<48).reduce(into: [Fixed(1)]) { $0.append($0.last! / $1) }
    static let evenFactorials = stride(from: 0, to: 48, by: 2).map { inverseFactorials[$0] }
    static let oddFactorials = stride(from: 1, to: 48, by: 2).map { inverseFactorials[$0] }

    /// 2^(j/256)
    static let rootsOfTwo = (0..<256).map { series(ln2 * Fixed(Double($0) / 256), inverseFactorials[...]) }

    /// The double nearest to this number * 2^exponent, rounded once, even if it is subnormal.
    func nearest(exponent: Int = 0) -> Double {
        var limbs = (magnitude + Fixed(1 << 17, 0, 0, 0)).limbs
        limbs[0] = (limbs[0] >> 18) << 18
        guard let top = (0..<4).last(where: { limbs[$0] != 0 }) else { return 0 }
        let leading = limbs[top].leadingZeroBitCount
        let next = top > 0 ? limbs[top - 1] : 0
        let isMore = next << leading != 0 || (0..<max(top - 1, 0)).contains { limbs[$0] != 0 }
        let window = limbs[top] << leading | next >> (64 - leading) | (isMore ? 1 : 0)

        let height = exponent + 64 * top + 63 - leading - Fixed.places  // the size is at least 2^height
        let bits = min(height + 1075, 53)  // fewer of a subnormal number
        if bits < 0 { return isNegative ? -0.0 : 0 }
        let half: UInt64 = 1 << (63 - bits)
        let kept = window >> (64 - bits)
        let rest = window & (half &* 2 &- 1)
        let isUp = rest > half || rest == half && kept % 2 == 1
        let size = scalbn(Double(isUp ? kept + 1 : kept), height + 1 - bits)
        return isNegative ? -size : size
    }
}

/// The first coefficient + the second * x + the third * x^2 ...
private func series(_ x: Fixed, _ coefficients: ArraySlice<Fixed>) -> Fixed {
    coefficients.reversed().reduce(Fixed(0)) { $0 * x + $1 }
}

/// e^x = 2^(k/256) e^r with 0 <= r < 1/256, as a number times a power of two.
private func powerOfE(_ x: Fixed) -> (Fixed, exponent: Int) {
    let k = (x.nearest() * (256 / M_LN2)).rounded(.down)
    let r = x + Fixed.ln2 * Fixed(-k / 256)
    return (Fixed.rootsOfTwo[Int(k) & 255] * series(r, Fixed.inverseFactorials[..<18]), Int(k) >> 8)
}

/// For 0 < x < infinity: y + log(1 + d) with the library's logarithm y and d = x e^-y - 1, which is below 2^-40.
private func naturalLogarithm(_ x: Double) -> Fixed {
    let y = Glibc.log(x)
    let (number, exponent) = powerOfE(Fixed(-y))
    let d = Fixed(scalbn(x, exponent)) * number + Fixed(-1)
    return Fixed(y) + d * series(d, [Fixed(1), -(Fixed(1) / 2), Fixed(1) / 3, -(Fixed(1) / 4)])
}

/// sin(x + quarters * pi/2) for |x| <= 8.
private func wave(_ x: Double, quarters: Int) -> Double {
    let k = (x / (.pi / 2)).rounded()
    let r = Fixed(x) + Fixed.halfPi * Fixed(-k)
    let quadrant = (Int(k) + quarters) & 3
    let square = -(r * r)
    let size = quadrant & 1 == 0 ? r * series(square, Fixed.oddFactorials[...]) : series(square, Fixed.evenFactorials[...])
    return (quadrant < 2 ? size : -size).nearest()
}

enum Exact {
    static func exp(_ x: Double) -> Double {
        if x.isNaN { return x }
        let (number, exponent) = powerOfE(Fixed(max(-800, min(x, 800))))
        return number.nearest(exponent: exponent)
    }

    static func log(_ x: Double) -> Double {
        if x.isNaN || x < 0 { return .nan }
        if x == 0 { return -.infinity }
        return x.isFinite ? naturalLogarithm(x).nearest() : x
    }

    static func sin(_ x: Double) -> Double { x.magnitude > 0x1p-26 ? wave(x, quarters: 0) : x }
    static func cos(_ x: Double) -> Double { x.magnitude > 0x1p-27 ? wave(x, quarters: 1) : x.isNaN ? x : 1 }

    /// For an integer or half-integer y with |y| <= 4097.
    static func pow(_ x: Double, _ y: Double) -> Double {
        switch y {
        case 0: return 1
        case 1: return x
        case 2: return x * x
        case -1: return 1 / x
        case 0.5 where x >= 0: return (x + 0).squareRoot()
        default: break
        }
        let isWhole = y == y.rounded()
        let isOdd = isWhole && y.remainder(dividingBy: 2) != 0
        if x.isNaN || x == 1 { return x }
        if x == 0 || x.isInfinite {
            let size = (x == 0) == (y > 0) ? 0 : Double.infinity
            return isOdd ? Double(signOf: x, magnitudeOf: size) : size
        }
        if x < 0 { return !isWhole ? .nan : isOdd ? -pow(-x, y) : pow(-x, y) }
        let (number, exponent) = powerOfE(naturalLogarithm(x) * Fixed(y))
        return number.nearest(exponent: exponent)
    }

    /// x with four decimals, ties to even, for |x| <= 2^53 and what is not finite.
    static func decimals(_ x: Double) -> String {
        if x.isNaN { return "nan" }
        let sign = x.sign == .minus ? "-" : ""
        if x.isInfinite { return sign + "inf" }
        let isNormal = x.isNormal
        let significand = UInt128(x.significandBitPattern | (isNormal ? 1 << 52 : 0)) * 10000
        let drop = 1075 - Int(max(x.exponentBitPattern, 1))
        let kept = significand >> drop
        let rest = significand - kept << drop
        let half: UInt128 = drop > 0 ? 1 << (drop - 1) : 1
        let isUp = drop > 0 && drop < 128 && (rest > half || rest == half && kept % 2 == 1)
        let units = isUp ? kept + 1 : kept
        let fraction = String(units % 10000)
        return "\(sign)\(units / 10000).\(String(repeating: "0", count: 4 - fraction.count))\(fraction)"
    }
}
