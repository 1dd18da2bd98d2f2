//! exp, log, sin, cos and pow, correctly rounded: the double nearest to the true value (SPEC, section 15).
//!
//! A function computes in fixed point and knows how far off it may be. If no middle between two doubles lies
//! that near, the result can be rounded; if one does, it computes again in wider integers (Ziv, 1991). 64
//! bits decide nearly all calls, and 256 bits more than the hardest arguments known. The compiler computes
//! all constants.

const std = @import("std");
const inf = std.math.inf(f64);
const nan = std.math.nan(f64);

pub fn exp(x: f64) f64 {
    if (@abs(x) < 0x1p-54) return 1;
    if (!(@abs(x) < 746)) return if (x > 0) inf else if (x < 0) 0 else nan;
    return decided("exp", .{x});
}

pub fn log(x: f64) f64 {
    if (x == 1) return 0;
    if (!(x > 0 and x < inf)) return if (x == 0) -inf else if (x < 0) nan else x;
    return decided("log", .{x});
}

/// For |x| <= 8.
pub fn sin(x: f64) f64 {
    if (@abs(x) < 0x1p-26) return x; // x^3/6 is less than a quarter of the distance to the next double
    return if (@abs(x) <= 8) decided("sine", .{ x, 0 }) else nan;
}

/// For |x| <= 8.
pub fn cos(x: f64) f64 {
    if (@abs(x) < 0x1p-27) return 1;
    return if (@abs(x) <= 8) decided("sine", .{ x, 1 }) else nan;
}

/// For y an integer or half-integer, |y| <= 4096.
pub fn pow(x: f64, y: f64) f64 {
    if (y == 0) return 1;
    if (y == 1 or std.math.isNan(x)) return x;
    if (y == 2) return x * x; // single operations are rounded correctly by themselves
    if (y == -1) return 1 / x;
    const integer = @floor(y) == y;
    if (x < 0 and x > -inf and !integer) return nan;
    const size = @abs(x);
    const twice: i32 = @intFromFloat(2 * y);
    const power = if (size == 0 or size == inf)
        (if ((size == 0) == (y < 0)) inf else 0)
    else if (y == 0.5)
        @sqrt(size)
    else
        quickPower(size, twice) orelse Fixed(256).pow(size, twice);
    return if (integer and @mod(y, 2) == 1) std.math.copysign(power, x) else power;
}

/// x^(twice/2), unless it lies within 2^-88 of a middle. An f128 has 113 bits, of which 8192 products lose 14.
fn quickPower(x: f64, twice: i32) ?f64 {
    const wide: f128 = x;
    const base = if (twice & 1 == 1) @sqrt(wide) else wide;
    const n = if (twice & 1 == 1) @abs(twice) else @abs(twice) / 2;
    var power = base;
    var bit = @as(u32, 1) << std.math.log2_int(u32, n);
    while (bit > 1) {
        bit >>= 1;
        power *= power;
        if (n & bit != 0) power *= base;
    }
    if (twice < 0) power = 1 / power;
    const low: f64 = @floatCast(power * (1 - 0x1p-88));
    const high: f64 = @floatCast(power * (1 + 0x1p-88));
    return if (low == high) low else null;
}

fn decided(comptime function: []const u8, arguments: anytype) f64 {
    inline for (.{ 64, 128, 256 }) |width|
        if (@call(.auto, @field(Fixed(width), function), arguments)) |result| return result;
    unreachable;
}

/// The functions in numbers of `width` bits, two of them before the binary point; the last one is a unit. A
/// Wide number has 12 bits before the point. Null: the error leaves open how to round.
fn Fixed(comptime width: comptime_int) type {
    return struct {
        const Number = @Int(.signed, width);
        const Wide = @Int(.signed, 2 * width);
        const point = width - 2;
        const wide_point = 2 * width - 12;
        const ln2: Wide = 2 * arcTangent(1, 3, wide_point);
        const half_pi: Wide = 8 * arcTangent(-1, 5, wide_point) - 2 * arcTangent(-1, 239, wide_point); // Machin, 1706

        /// Exact, for sizes from 2^-63 to 2^11.
        fn widen(x: f64) Wide {
            const parts: Parts = .of(x);
            const size = @as(Wide, parts.integer) << @intCast(wide_point + parts.exponent);
            return if (x < 0) -size else size;
        }

        fn narrow(x: Wide) Number {
            return @intCast(x >> wide_point - point);
        }

        fn multiply(a: Number, b: Number) Wide {
            return @as(Wide, a) * b;
        }

        /// Error: 1.5 units for each term, times its power of x.
        fn series(comptime taylor: Taylor, x: Number) Number {
            const coefficients = comptime taylor.coefficients(Number, point);
            var sum: Number = 0;
            var i = coefficients.len;
            while (i > 0) {
                i -= 1;
                sum = coefficients[i] + @as(Number, @intCast(multiply(x, sum) >> point));
            }
            return sum;
        }

        /// e^x as number * 2^exponent, with the number from 0.7 to 1.5. Error: 6 units.
        fn power(x: Wide) struct { Number, i32 } {
            const rough: f64 = @floatFromInt(@as(i32, @intCast(x >> wide_point - 20)));
            const exponent: i32 = @intFromFloat(@round(rough * (std.math.log2e / 0x1p20)));
            return .{ series(.exp, narrow(x - ln2 * exponent)), exponent };
        }

        fn exp(x: f64) ?f64 {
            const number, const exponent = power(widen(x));
            return nearest(number, exponent - point, 6, .undecided);
        }

        /// Zig's own logarithm y, good to 40 bits, is mended: log x = y + log(1 + t), where 1 + t = x e^-y.
        /// Error: 10 units.
        fn logarithm(x: f64) Wide {
            const y = @log(x);
            const number, const exponent = power(widen(-y));
            const parts: Parts = .of(x);
            const shift = -(exponent + parts.exponent);
            const one = @as(Wide, 1) << @intCast(point + shift);
            const t: Number = @intCast(@as(Wide, number) * parts.integer - one >> @intCast(shift));
            return widen(y) + (multiply(t, series(.log, t)) >> 2 * point - wide_point);
        }

        fn log(x: f64) ?f64 {
            return nearest(logarithm(x), -wide_point, 10 << wide_point - point, .undecided);
        }

        /// sin(x + quarters * pi/2)
        fn sine(x: f64, quarters: i32) ?f64 {
            const k: i32 = @intFromFloat(@round(x * (2.0 / std.math.pi)));
            const r = narrow(widen(x) - half_pi * k);
            const square: Number = @intCast(multiply(r, r) >> point);
            const quadrant = k + quarters & 3;
            const result = if (quadrant & 1 == 0)
                multiply(r, series(.sin, square))
            else
                @as(Wide, series(.cos, square)) << point;
            return nearest(if (quadrant < 2) result else -result, -2 * point, 12 << point, .undecided);
        }

        /// x^(twice/2). What lies as near to a middle as this error, is the middle: a power of a short number.
        fn pow(x: f64, twice: i32) f64 {
            const number, const exponent = power(logarithm(x) * twice >> 1);
            return nearest(number, exponent - point, 1 << 20, .even).?;
        }
    };
}

/// The double nearest to number * 2^exponent. If the number is not farther than `slack` from the middle between
/// two doubles, it is undecided which, or the middle is what is meant and goes to the even one.
fn nearest(number: anytype, exponent: i32, slack: comptime_int, middles: enum { undecided, even }) ?f64 {
    const size = @abs(number);
    const length = @as(i32, @bitSizeOf(@TypeOf(size))) - @clz(size);
    const dropped = @max(length - 53, -1074 - exponent); // subnormals have fewer bits
    if (dropped > length + 1) return 0;
    if (dropped < 1) return null;
    const half = @as(@TypeOf(size), 1) << @intCast(dropped - 1);
    const most = size + half + slack;
    const middle = most & (half | half - 1) <= 2 * slack;
    if (half <= slack or (middle and middles == .undecided)) return null;
    const kept: u64 = @intCast(most >> @intCast(dropped - 1) >> 1);
    const field: u64 = @intCast(dropped + exponent + 1074);
    if (field > 2045) return inf;
    // The leading bit of a normal number adds 1 to the exponent's field.
    const result: f64 = @bitCast((field << 52) + if (middle) kept & ~@as(u64, 1) else kept);
    return if (number < 0) -result else result;
}

/// The size of a finite double: integer * 2^exponent.
const Parts = struct {
    integer: u53,
    exponent: i32,

    fn of(x: f64) Parts {
        const Bits = packed struct { fraction: u52, exponent: u11, sign: u1 };
        const bits: Bits = @bitCast(x);
        const normal = @intFromBool(bits.exponent > 0);
        return .{
            .integer = @as(u53, normal) << 52 | bits.fraction,
            .exponent = @as(i32, @max(bits.exponent, 1)) - 1075,
        };
    }
};

// ---------------------------------------------------------------- at compile time

/// c0 + c1 x + c2 x^2 + ... is exp(x), log(1 + x)/x, sin(sqrt(x))/sqrt(x) or cos(sqrt(x)).
const Taylor = enum {
    exp,
    log,
    sin,
    cos,

    /// 1/ci
    fn denominator(taylor: Taylor, comptime i: comptime_int) comptime_int {
        const sign = if (i % 2 == 0) 1 else -1;
        return switch (taylor) {
            .exp => factorial(i),
            .log => sign * (i + 1),
            .sin => sign * factorial(2 * i + 1),
            .cos => sign * factorial(2 * i),
        };
    }

    /// Those that matter, where x is below 2^-zeros.
    fn coefficients(comptime taylor: Taylor, Number: type, point: comptime_int) []const Number {
        @setEvalBranchQuota(10_000);
        const zeros = switch (taylor) {
            .exp => 1,
            .log => 40,
            .sin, .cos => 0,
        };
        var list: []const Number = &.{};
        while (true) {
            const rounded = @divFloor(1 << point + 1, taylor.denominator(list.len)) + 1 >> 1;
            if (@abs(rounded) >> zeros * list.len == 0) return list;
            list = list ++ .{@as(Number, rounded)};
        }
    }
};

fn factorial(comptime n: comptime_int) comptime_int {
    return if (n == 0) 1 else n * factorial(n - 1);
}

/// atan(1/q), or atanh(1/q) for sign 1, with so many bits after the point.
fn arcTangent(comptime sign: comptime_int, comptime q: comptime_int, comptime bits: comptime_int) comptime_int {
    @setEvalBranchQuota(10_000);
    const spare = 20;
    var sum = 0;
    var power = (1 << bits + spare) / q;
    var k = 1;
    while (power != 0) : (k += 2) {
        sum += @divTrunc(power, k);
        power = @divTrunc(sign * power, q * q);
    }
    return sum >> spare;
}

test "results that are hard to round" {
    const cases = .{ // most of them from Lefevre and Muller, 2003
        .{ exp, .{0x3e09e9cbbfd6080b}, 0x3ff000000033d398 },
        .{ log, .{0x27f9476e304cd7c7}, 0xc0709b60caf47b36 },
        .{ sin, .{0x3f8598bae9e632f6}, 0x3f8598a0aea48996 },
        .{ cos, .{0x40034ec2f9fc9c00}, 0xbfe7e2a5c30e1d6d },
        .{ pow, .{ 0x3fefffffffffffff, 0xc014000000000000 }, 0x3ff0000000000003 },
        .{ pow, .{ 0x410e635800000000, 0x4008000000000000 }, 0x434b67582e06faaa }, // a middle
        .{ pow, .{ 0x4000000000000000, 0xc090cc0000000000 }, 0 }, // and another: 2^-1075
    };
    inline for (cases) |case| {
        var arguments: std.meta.ArgsTuple(@TypeOf(case[0])) = undefined;
        inline for (&arguments, case[1]) |*argument, bits| argument.* = @bitCast(@as(u64, bits));
        try std.testing.expectEqual(@as(u64, case[2]), @as(u64, @bitCast(@call(.auto, case[0], arguments))));
    }
}
