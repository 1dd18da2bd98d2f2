//! exp, log, sin, cos and pow, correctly rounded: the double nearest to the true value, on every machine.
//! (Why that is wanted: SPEC, section 2. Not here: the language's own functions, see functions.zig.)
//!
//! All is done with integers. A function computes its result in fixed point and knows how far off it may
//! be. If no middle between two doubles lies that near, the result can be rounded; if one does, it computes
//! again with more digits (Ziv, 1991). Zig's integers have any width, so one description serves every
//! precision: 64 bits decide about 98 of 100 calls, 128 bits nearly all others, and 256 bits leave more
//! than 180 correct ones, where the hardest arguments known need 115. The compiler itself computes all
//! constants and tables, with `comptime_int`.
//!
//! A result that is a double, or in the middle between two, can never be told from its neighbours by its
//! digits. exp, log, sin and cos have only the obvious ones (Lindemann, 1882); `shortPower` finds those of
//! pow.

const std = @import("std");
const inf = std.math.inf(f64);
const nan = std.math.nan(f64);

pub fn exp(x: f64) f64 {
    if (@abs(x) < 0x1p-54) return 1;
    // log(2^1024) < 710, log(2^-1075) > -746
    if (!(@abs(x) < 746)) return if (x > 0) inf else if (x < 0) 0 else x;
    return Fixed(64).exp(x) orelse Fixed(128).exp(x) orelse Fixed(256).exp(x) orelse unreachable;
}

pub fn log(x: f64) f64 {
    if (x == 1) return 0;
    if (!(x > 0 and x < inf)) return if (x == 0) -inf else if (x < 0) nan else x;
    return Fixed(64).log(x) orelse Fixed(128).log(x) orelse Fixed(256).log(x) orelse unreachable;
}

/// For |x| <= 8.
pub fn sin(x: f64) f64 {
    if (@abs(x) < 0x1p-26) return x; // x^3/6 is less than a quarter of the distance to the next double
    return sine(x, 0);
}

/// For |x| <= 8.
pub fn cos(x: f64) f64 {
    if (@abs(x) < 0x1p-27) return 1;
    return sine(x, 1);
}

/// sin(x + quarters * pi/2)
fn sine(x: f64, quarters: i32) f64 {
    if (!(@abs(x) <= 8)) return nan;
    return Fixed(64).sine(x, quarters) orelse
        Fixed(128).sine(x, quarters) orelse
        Fixed(256).sine(x, quarters) orelse unreachable;
}

/// For y an integer or half-integer, |y| <= 4096.
pub fn pow(x: f64, y: f64) f64 {
    if (y == 2) return x * x; // such single operations are rounded correctly by themselves
    if (y == -1) return 1 / x;
    if (y == 0) return 1;
    if (x > 0 and x < inf) {
        if (y == 0.5) return @sqrt(x);
        return if (y == 1) x else positivePow(x, @intFromFloat(2 * y));
    }
    if (std.math.isNan(x)) return x;

    const integer = @floor(y) == y;
    const odd = integer and @mod(y, 2) == 1;
    const size = if (x == 0)
        (if (y < 0) inf else 0)
    else if (std.math.isInf(x))
        (if (y < 0) 0 else inf)
    else if (integer)
        pow(-x, y)
    else
        return nan;
    return if (odd) std.math.copysign(size, x) else size;
}

/// x^(twice/2)
fn positivePow(x: f64, twice: i32) f64 {
    if (@abs(twice) < 8) // else the error of 64 bits grows too large
        if (Power(64).pow(x, twice)) |y| return y;
    return Power(128).pow(x, twice) orelse shortPower(x, twice) orelse Power(256).pow(x, twice) orelse unreachable;
}

/// If x^(twice/2) has no more than 54 bits, and so is a double or in the middle between two, the double
/// nearest to it.
fn shortPower(x: f64, twice: i32) ?f64 {
    const parts: Parts = .of(x);
    const zeros = @ctz(parts.integer);
    var odd = parts.integer >> @intCast(zeros);
    var exponent = parts.exponent + zeros;
    var n = @divTrunc(twice, 2);
    if (twice & 1 == 1) { // only squares have rational roots
        const root: i64 = @intFromFloat(@sqrt(@as(f64, @floatFromInt(odd))));
        if (root * root != odd or exponent & 1 == 1) return null;
        odd = root;
        exponent >>= 1;
        n = twice;
    }
    if (n < 0 and odd != 1) return null; // 1/3 has no last bit
    const power = if (odd == 1) 1 else std.math.powi(u64, @intCast(odd), @intCast(n)) catch return null;
    if (power >> 54 != 0) return null;
    const whole: f128 = @floatFromInt(power);
    return @floatCast(std.math.ldexp(whole, n * exponent)); // rounded once
}

// ---------------------------------------------------------------- between doubles and integers

/// A positive finite double: an integer of 53 bits times 2^exponent.
const Parts = struct {
    integer: i64,
    exponent: i32,

    fn of(x: f64) Parts {
        const bits: u64 = @bitCast(x);
        const field: i32 = @intCast(bits >> 52);
        const fraction: i64 = @intCast(bits & (1 << 52) - 1);
        if (field != 0) return .{ .integer = fraction | 1 << 52, .exponent = field - 1075 };
        const missing = @clz(fraction) - 11;
        return .{ .integer = fraction << @intCast(missing), .exponent = -1074 - @as(i32, missing) };
    }
};

/// For |x| < 2^31: a double from 2^52 to 2^53 has no fraction, so adding 1.5 * 2^52 rounds, and its last
/// bits are the integer.
fn nearestInteger(x: f64) i32 {
    return @truncate(@as(i64, @bitCast(x + 0x1.8p52)));
}

/// The double nearest to number * 2^exponent, or null if the middle between two doubles is no farther from
/// the number than `slack`: numbers that near to it might then round otherwise. For an unsigned number of
/// 54 bits or more, in a type with two bits to spare.
fn nearest(number: anytype, exponent: i32, slack: @TypeOf(number)) ?f64 {
    const Unsigned = @TypeOf(number);
    const length = @as(i32, @bitSizeOf(Unsigned)) - @clz(number);
    const dropped = @max(length - 53, -1074 - exponent); // subnormals have fewer bits
    if (dropped > length + 1) return 0;
    const half = @as(Unsigned, 1) << @intCast(dropped - 1);
    if ((number + half + slack) & 2 * half - 1 <= 2 * slack) return null; // the last bits: half - slack to half + slack
    const kept: u64 = @truncate(number + half >> @intCast(dropped));
    const field: i32 = dropped + exponent + 1074;
    if (field > 2045) return inf;
    return @bitCast((@as(u64, @intCast(field)) << 52) + kept); // a normal number's leading bit adds 1 to the field
}

// ---------------------------------------------------------------- exp, log, sin and cos

/// The functions in numbers of `width` bits. They return null where the error leaves open how to round.
///
/// A Number has two bits before the binary point, so it lies in [-2, 2); a unit is its last bit. Some, as
/// stated, have one bit before the point and lie in [-1, 1). A Product is twice as wide.
fn Fixed(comptime width: comptime_int) type {
    return struct {
        const Number = @Int(.signed, width);
        const Product = @Int(.signed, 2 * width);
        const point = width - 2;

        fn multiply(a: Number, b: Number) Product {
            return @as(Product, a) *% b; // never wraps: the factors are extended first
        }

        /// c0 + c1 x + c2 x^2 + ..., for x with one bit before the point. Error: 1.5 units for each term,
        /// times its power of x: half from the coefficient, 1 from cutting off the product.
        fn series(x: Number, coefficients: []const Number) Number {
            var i = coefficients.len - 1;
            var sum = coefficients[i];
            while (i > 0) {
                i -= 1;
                sum = coefficients[i] + @as(Number, @truncate(multiply(x, sum) >> width - 1));
            }
            return sum;
        }

        /// x - k * step, if it lies in [-2, 2), with two bits before the point. Bits above those overflow,
        /// and cancel.
        fn reduce(x: f64, k: i32, step: Product) Product {
            const parts: Parts = .of(@abs(x));
            const integer = if (x < 0) -parts.integer else parts.integer;
            return (@as(Product, integer) << @intCast(2 * point + 2 + parts.exponent)) -% step *% k;
        }

        const exp_step: Product = constants.rounded(constants.ln2 / exp_steps, 2 * point + 2);
        const exp_series = constants.series(Number, constants.exponential, 900);
        const powers_of_two = constants.powersOfTwo(Number);

        /// e^x = 2^(k/256) * e^r with |r| < 2^-9. Error: 2.1 units in e^r, half a unit in the power of two.
        fn exp(x: f64) ?f64 {
            const k = nearestInteger(x * (exp_steps * std.math.log2e));
            const r: Number = @truncate(reduce(x, k, exp_step) >> point + 1);
            const power = multiply(powers_of_two[@intCast(k & exp_steps - 1)], series(r, exp_series));
            return nearest(@abs(power), @divFloor(k, exp_steps) - 2 * point, 5 << point);
        }

        const log_point = 2 * width - 12;
        const ln2: Product = constants.rounded(constants.ln2, log_point);
        const log_series = constants.series(Number, constants.logarithm, 700);
        const logs = constants.logs(Product, log_point);

        /// x = z * 2^e with 1 <= z < 2. For the table's inverse near 1/z, r = z * inverse - 1 is exact and
        /// |r| < 2^-7. log x = e log 2 - log inverse + r (1 - r/2 + r^2/3 - ...). Near x = 1 the first two
        /// are 0 or cancel exactly, so that the error stays small relative to the result: 2.6 units of r,
        /// and for the rest |e|/2 + 2 last bits.
        fn log(x: f64) ?f64 {
            const parts: Parts = .of(x);
            const e = parts.exponent + 52;
            const i: usize = @intCast(@divFloor(parts.integer, 1 << 52 - log_steps_log2) - log_steps);
            const r = @as(Number, parts.integer * inverses[i] - (1 << 61)) << width - 62; // one bit before the point
            const sum = ln2 *% e + logs[i] + (multiply(r, series(r, log_series)) >> 9);
            const size = nearest(@abs(sum), -log_point, (@abs(r) >> 7) + @abs(e) + 2) orelse return null;
            return if (sum < 0) -size else size;
        }

        const half_pi: Product = constants.rounded(constants.pi / 2, 2 * point + 2);
        const sine_series = constants.series(Number, constants.sine, 69);
        const cosine_series = constants.series(Number, constants.cosine, 69);

        /// sin(x + quarters * pi/2). x = k * pi/2 + r with |r| < 0.79, and square = r^2 < 2^-0.69. Error of
        /// both series: 5 units.
        fn sine(x: f64, quarters: i32) ?f64 {
            const k = nearestInteger(x * (2.0 / std.math.pi));
            const r = reduce(x, k, half_pi);
            const short: Number = @truncate(r >> point + 1);
            const square: Number = @truncate(multiply(short, short) >> point + 1);
            const quadrant = k + quarters & 3;
            if (quadrant & 1 == 1) {
                const cosine: Product = series(square, cosine_series);
                const size = nearest(@abs(cosine), -point, 8) orelse return null;
                return if (quadrant == 3) -size else size;
            }
            // Near a multiple of pi/2, r is small, but not below 2^-54. It is shifted up to keep `width`
            // bits of it: then its error is below 2 units, also relative to the result.
            const shift = @clz(r ^ r >> 2 * width - 1) - 1;
            const scaled: Number = @truncate(r << @intCast(shift) >> width);
            const product = multiply(scaled, series(square, sine_series));
            const size = nearest(@abs(product), -2 * point - @as(i32, shift), 12 << point) orelse return null;
            return if ((r < 0) != (quadrant == 2)) -size else size;
        }
    };
}

const exp_steps = 256;
const log_steps_log2 = 7;
const log_steps = 1 << log_steps_log2;

/// 512/z for a z in each of the `log_steps` equal parts of [1, 2): z is the middle, but 1 in the first and
/// 2 in the last.
const inverses: [log_steps]i64 = inverses: {
    var table: [log_steps]i64 = undefined;
    for (&table, 0..) |*inverse, i| {
        const middle = 2 * (log_steps + i) + 1;
        inverse.* = (1024 * log_steps + middle / 2) / middle;
    }
    table[0] = 512;
    table[log_steps - 1] = 256;
    break :inverses table;
};

// ---------------------------------------------------------------- pow

/// number * 2^exponent, where the number has one bit before the point and `width` bits in all: 1 <= number
/// < 2. A unit is its last bit, and errors are relative ones.
fn Power(comptime width: comptime_int) type {
    return struct {
        number: Number,
        exponent: i32,

        const Self = @This();
        const Number = @Int(.unsigned, width);
        const Product = @Int(.unsigned, 2 * width);

        /// x^(twice/2) is a power of x, of 1/x or of x^(-1/2), and there is one factor x^(-1/2) more if
        /// twice/2 is 1.5, 2.5, ...
        fn pow(x: f64, twice: i32) ?f64 {
            const parts: Parts = .of(x);
            const n = @abs(twice);
            const power: Self = if (twice & 1 == 0)
                (if (twice < 0) reciprocal(parts) else plain(parts)).raised(n / 2)
            else if (twice < 0)
                reciprocalRoot(parts).raised(n)
            else
                plain(parts).raised((n + 1) / 2).times(reciprocalRoot(parts));
            const slack = @as(Product, 2 * (n + 1)) * (newton_error + 1);
            return nearest(@as(Product, power.number), power.exponent - (width - 1), slack);
        }

        /// Error: those of a and b, and 1 unit.
        fn times(a: Self, b: Self) Self {
            const product = @as(Product, a.number) * b.number;
            const carry: u1 = @intCast(product >> 2 * width - 1); // 1 if the product is 2 or more
            const number: Number = @truncate(product >> carry >> width - 1);
            return .{ .number = number, .exponent = a.exponent + b.exponent + carry };
        }

        /// Square and multiply. Error: n times that of the base, and n - 1 units.
        fn raised(base: Self, n: u32) Self {
            var result = base;
            var bit = @as(u32, 1) << @intCast(31 - @clz(n));
            while (bit > 1) {
                bit >>= 1;
                result = result.times(result);
                if (n & bit != 0) result = result.times(base);
            }
            return result;
        }

        fn plain(x: Parts) Self {
            return .{ .number = @as(Number, @intCast(x.integer)) << width - 53, .exponent = x.exponent + 52 };
        }

        /// What is left of 2^-103 in units.
        const newton_error = if (width == 64) 1 else if (width == 128) 1 << 24 else 1 << 51;

        /// 1/x by Newton's iteration y + y (1 - xy), which doubles the number of right digits. It starts
        /// with the 53 bits of a double, and the first time nothing needs to be cut off.
        fn reciprocal(x: Parts) Self {
            const start: i64 = @intFromFloat(0x1p105 / @as(f64, @floatFromInt(x.integer)));
            const rest = (1 << 105) - @as(i128, x.integer) * start;
            const first = (@as(i128, start) << 73) + (start * rest >> 32);
            if (width <= 128) return normal(@abs(first), -52 - x.exponent);
            const y = @as(i512, first) << 128;
            const number = @as(i512, x.integer) << 202;
            return normal(@abs(y + (y * ((1 << 254) - (number * y >> 254)) >> 254)), -52 - x.exponent);
        }

        /// x^(-1/2) by Newton's iteration y + y (1 - x y^2) / 2.
        fn reciprocalRoot(x: Parts) Self {
            const odd: u1 = @intCast(x.exponent + 53 & 1);
            const integer = x.integer << odd; // of 53 fraction bits and from 1/2 to 2, with an even exponent
            const exponent = x.exponent + 53 - odd >> 1;
            const start: i64 = @intFromFloat(0x1p53 / @sqrt(@as(f64, @floatFromInt(integer)) * 0x1p-53));
            const rest = -%(@as(i128, integer) *% start *% start);
            const first = (@as(i128, start) << 73) + (start * (rest >> 46) >> 41);
            if (width <= 128) return normal(@abs(first), -exponent);
            const y = @as(i512, first) << 128;
            const number = @as(i512, integer) << 201;
            return normal(@abs(y + (y * ((1 << 254) - ((number * y >> 254) * y >> 254)) >> 255)), -exponent);
        }

        /// For a number from 1/2 to 2 with two bits before the point.
        fn normal(number: anytype, exponent: i32) Self {
            const bits = if (@TypeOf(number) == u128) 128 else 256;
            const small = number >> bits - 2 == 0;
            const shifted: @Int(.unsigned, bits) = @truncate(number << if (small) 2 else 1);
            return .{ .number = @truncate(shifted >> bits - width), .exponent = exponent - @intFromBool(small) };
        }
    };
}

// ---------------------------------------------------------------- constants

/// What the compiler computes: integers of 600 fraction bits, of which every width takes what it needs.
const constants = struct {
    const digits = 600;
    const one = 1 << digits;
    const ln2 = 2 * hyperbolicArcTangent(1, 3);
    const pi = 16 * arcTangent(5) - 4 * arcTangent(239); // Machin, 1706

    fn rounded(comptime x: comptime_int, comptime bits: comptime_int) comptime_int {
        return (x >> digits - bits - 1) + 1 >> 1;
    }

    /// atan(1/q) = 1/q - 1/(3 q^3) + ...
    fn arcTangent(comptime q: comptime_int) comptime_int {
        @setEvalBranchQuota(10000);
        var sum = 0;
        var power = one / q;
        var k = 1;
        while (power != 0) : (k += 2) {
            sum += if (k & 2 == 0) power / k else -(power / k);
            power /= q * q;
        }
        return sum;
    }

    /// atanh(p/q) = p/q + p^3/(3 q^3) + ...
    fn hyperbolicArcTangent(comptime p: comptime_int, comptime q: comptime_int) comptime_int {
        @setEvalBranchQuota(10000);
        var sum = 0;
        var power = one * p / q;
        var k = 1;
        while (power != 0) : (k += 2) {
            sum += power / k;
            power = power * p * p / (q * q);
        }
        return sum;
    }

    /// -log(a/512) = 2 atanh((512 - a)/(512 + a))
    fn logs(comptime T: type, comptime bits: comptime_int) [log_steps]T {
        @setEvalBranchQuota(1000000);
        var table: [log_steps]T = undefined;
        for (&table, inverses) |*entry, inverse|
            entry.* = constants.rounded(2 * hyperbolicArcTangent(512 - inverse, 512 + inverse), bits);
        return table;
    }

    /// 2^(0/256), 2^(1/256), ..., with two bits before the point
    fn powersOfTwo(comptime T: type) [exp_steps]T {
        @setEvalBranchQuota(10000);
        var root = one; // 2^(1/256), from its Taylor series
        var term = one;
        var k = 1;
        while (term != 0) : (k += 1) {
            term = (term * ln2 >> digits) / (k * exp_steps);
            root += term;
        }
        var table: [exp_steps]T = undefined;
        var power = one;
        for (&table) |*entry| {
            entry.* = constants.rounded(power, @bitSizeOf(T) - 2);
            power = power * root >> digits;
        }
        return table;
    }

    /// The coefficients c0, c1, ... that matter for arguments below 2^-(percent/100). The first term left
    /// out is below a quarter of a unit.
    fn series(
        comptime T: type,
        comptime coefficient: fn (comptime_int) comptime_int,
        comptime percent: comptime_int,
    ) []const T {
        @setEvalBranchQuota(10000);
        var list: []const T = &.{};
        var k = 0;
        while (@abs(coefficient(k)) >> percent * k / 100 >> digits - @bitSizeOf(T) != 0) : (k += 1)
            list = list ++ .{constants.rounded(coefficient(k), @bitSizeOf(T) - 2)};
        return list;
    }

    fn factorial(comptime n: comptime_int) comptime_int {
        return if (n == 0) 1 else n * factorial(n - 1);
    }

    fn exponential(comptime k: comptime_int) comptime_int {
        return one / factorial(k);
    }

    fn logarithm(comptime k: comptime_int) comptime_int {
        return (if (k & 1 == 0) one else -one) / (k + 1);
    }

    fn sine(comptime k: comptime_int) comptime_int {
        return (if (k & 1 == 0) one else -one) / factorial(2 * k + 1);
    }

    fn cosine(comptime k: comptime_int) comptime_int {
        return (if (k & 1 == 0) one else -one) / factorial(2 * k);
    }
};

// ---------------------------------------------------------------- tests

const expectEqual = std.testing.expectEqual;

fn double(bits: u64) f64 {
    return @bitCast(bits);
}

test "every width gives the same results" {
    var source: std.Random.DefaultPrng = .init(1);
    for (0..1000) |_| {
        const x = 16 * source.random().float(f64) - 8;
        inline for (.{ 128, 256 }) |width| {
            try expectEqual(exp(x), Fixed(width).exp(x).?);
            try expectEqual(log(@abs(x)), Fixed(width).log(@abs(x)).?);
            try expectEqual(sin(x), Fixed(width).sine(x, 0).?);
            try expectEqual(cos(x), Fixed(width).sine(x, 1).?);
            for ([_]i32{ -8191, -4, -3, -1, 3, 5, 14, 1001 }) |twice|
                try expectEqual(positivePow(@abs(x), twice), Power(width).pow(@abs(x), twice).?);
        }
    }
}

test "64 bits do not decide what is hard to round, and 128 bits do" {
    const x = double(0x3e09e9cbbfd6080b); // V. Lefevre and J.-M. Muller, 2003
    try expectEqual(null, Fixed(64).exp(x));
    try expectEqual(double(0x3ff000000033d398), Fixed(128).exp(x));
    try expectEqual(double(0x3ff000000033d398), exp(x));
    try expectEqual(double(0xc0709b60caf47b36), log(double(0x27f9476e304cd7c7)));
    try expectEqual(double(0x3f8598a0aea48996), sin(double(0x3f8598bae9e632f6)));
    try expectEqual(double(0xbfe7e2a5c30e1d6d), cos(double(0x40034ec2f9fc9c00)));
    try expectEqual(double(0x3ff0000000000003), pow(double(0x3fefffffffffffff), -5));
}

test "powers that are exact or in the middle between two doubles" {
    try expectEqual(27, pow(9, 1.5));
    try expectEqual(-0x1p-1074, pow(-2, -1073) * 0.5);
    try expectEqual(0, pow(2, -1075)); // in the middle between 0 and the least subnormal: to even
    try expectEqual(double(0x434b67582e06faaa), pow(double(0x410e635800000000), 3));
    try expectEqual(inf, pow(2, 1024));
}
