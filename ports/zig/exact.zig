//! exp, log, sin, cos and pow, correctly rounded: the double nearest to the true value (SPEC, section 15). They compute
//! in fixed point and are off by less than 2^-219. The hardest arguments known are decided by 2^-170.

const std = @import("std");
const inf = std.math.inf(f64);
const nan = std.math.nan(f64);
const Number = i256;
const Scaled = struct { Number, i32 }; // a number times a power of two
const point = 244; // so many bits after the binary point
const one = 1 << point;
const ln2 = 0xb17217f7d1cf79abc9e3b39803f2f6af40f343267298b62d8a0d175b8baafa2b >> 256 - point;
const half_pi = 0x1921fb54442d18469898cc51701b839a252049c1114cf98e804177d4c76273644 >> 256 - point;
const inverse_factorials: [56]Number = table: {
    var list: [56]Number = @splat(one);
    for (1..56) |n| list[n] = @divTrunc(list[n - 1], n);
    break :table list;
};

pub fn exp(x: f64) f64 {
    if (!(@abs(x) < 746)) return if (x > 0) inf else if (x < 0) 0 else nan;
    return nearest(power(@intFromFloat(x * 0x1p244)));
}
pub fn log(x: f64) f64 {
    if (!(x > 0 and x < inf)) return if (x == 0) -inf else if (x < 0) nan else x;
    return nearest(.{ logarithm(x), 0 });
}
pub fn sin(x: f64) f64 { // |x| <= 8
    return if (@abs(x) < 0x1p-26) x else if (@abs(x) <= 8) nearest(.{ sine(x, 0), 0 }) else nan;
}
pub fn cos(x: f64) f64 { // |x| <= 8
    return if (@abs(x) <= 8) nearest(.{ sine(x, 1), 0 }) else nan;
}

pub fn pow(x: f64, y: f64) f64 { // y is an integer or half-integer from -4096 to 4096
    if (y == 0) return 1;
    if (y == 1 or std.math.isNan(x)) return x;
    if (y == 2) return x * x; // single operations are rounded correctly by themselves
    if (y == -1) return 1 / x;
    if (y == 0.5) return @sqrt(if (x == -inf) inf else x) + 0.0;
    if (x < 0 and x > -inf and @floor(y) != y) return nan;
    const exponent, const twice: i32 = .{ y * @log2(@abs(x)), @intFromFloat(2 * y) };
    const extreme: f64 = if (exponent > 0) inf else 0;
    const size = if (@abs(exponent) > 1080) extreme else nearest(power(logarithm(@abs(x)) * twice >> 1));
    return if (@mod(y, 2) == 1) std.math.copysign(size, x) else size;
}

fn multiply(a: Number, b: Number) Number {
    return @intCast(@as(i512, a) *% b >> point);
}
/// The sum of x^i / (step * i + first)! over all i.
fn series(x: Number, step: usize, first: usize) Number {
    var sum: Number = 0;
    for (0..28) |i| sum = inverse_factorials[step * (27 - i) + first] + multiply(x, sum);
    return sum;
}

/// e^x, as (e^r)^16 * 2^k with 16 |r| < 0.35.
fn power(x: Number) Scaled {
    const k: i32 = @intCast(multiply(x, (1 << 2 * point) / ln2) + one / 2 >> point);
    var result = series(x - k * @as(Number, ln2) >> 4, 1, 0);
    for (0..4) |_| result = multiply(result, result);
    return .{ result, k };
}

/// Zig's own logarithm y, good to 40 bits, is mended: log x = y + log(1 + t), where 1 + t = x e^-y.
fn logarithm(x: f64) Number {
    const y: Number, const parts = .{ @intFromFloat(@log(x) * 0x1p244), std.math.frexp(x) };
    const number, const k = power(-y);
    const t = (multiply(number, @intFromFloat(parts.significand * 0x1p244)) << @intCast(k + parts.exponent)) - one;
    var sum: Number = 0;
    inline for (.{ 5, 4, 3, 2, 1 }) |i| sum = one / i - multiply(t, sum);
    return y + multiply(t, sum);
}

/// sin(x + quarters * pi/2)
fn sine(x: f64, quarters: i32) Number {
    const k: i32 = @intFromFloat(@round(x * (2.0 / std.math.pi)));
    const r = @as(Number, @intFromFloat(x * 0x1p244)) - k * @as(Number, half_pi);
    const minus_square, const quadrant = .{ -multiply(r, r), k + quarters & 3 };
    const result = if (quadrant & 1 == 0) multiply(r, series(minus_square, 2, 1)) else series(minus_square, 2, 0);
    return if (quadrant < 2) result else -result;
}

/// Rounds once, ties to even. A number as near as the error to a short one, as powers may be, is that; what is dropped
/// leaves a bit behind, and the double nearest to 113 such bits is the nearest to all.
fn nearest(scaled: Scaled) f64 {
    const number = scaled[0] + (1 << 25) & -1 << 26;
    const dropped: u8 = @intCast(@max(256 - @as(i32, @clz(@abs(number))) - 113, 0));
    const kept = number >> dropped | @intFromBool(@ctz(number) < dropped);
    return @floatCast(std.math.ldexp(@as(f128, @floatFromInt(kept)), scaled[1] + dropped - point));
}
