//! Random numbers: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), used as Python uses it.
//! SPEC, section 3.

const std = @import("std");
const Functions = @import("functions.zig").Functions;

const Generator = @This();

pub const word_count = 624;

words: [word_count]u32,
/// How many of the words are used up.
index: usize = word_count,
/// Every other result of `gauss` is kept for the next call.
kept: ?f64 = null,

/// init_by_array of the original, with a key of one word.
pub fn seeded(seed: u32) Generator {
    var mt: [word_count]u32 = undefined;
    mt[0] = 19650218;
    for (1..word_count) |i|
        mt[i] = 1812433253 *% (mt[i - 1] ^ mt[i - 1] >> 30) +% @as(u32, @intCast(i));
    var i: u32 = 1;
    for (0..word_count) |_| {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) *% 1664525) +% seed;
        i = following(&mt, i);
    }
    for (1..word_count) |_| {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) *% 1566083941) -% i;
        i = following(&mt, i);
    }
    mt[0] = 1 << 31;
    return .{ .words = mt };
}

fn following(mt: *[word_count]u32, i: u32) u32 {
    if (i + 1 < word_count) return i + 1;
    mt[0] = mt[word_count - 1];
    return 1;
}

fn renew(mt: *[word_count]u32) void {
    for (0..word_count) |i| {
        const y = (mt[i] & 1 << 31) | (mt[(i + 1) % word_count] & (1 << 31) - 1);
        mt[i] = mt[(i + 397) % word_count] ^ y >> 1 ^ (y & 1) * 0x9908b0df;
    }
}

/// 32 random bits.
pub fn word(generator: *Generator) u32 {
    if (generator.index == word_count) {
        renew(&generator.words);
        generator.index = 0;
    }
    var y = generator.words[generator.index];
    generator.index += 1;
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}

/// One of the 2^53 multiples of 2^-53 in [0, 1).
pub fn random(generator: *Generator) f64 {
    const high: f64 = @floatFromInt(generator.word() >> 5);
    const low: f64 = @floatFromInt(generator.word() >> 6);
    return (high * 0x1p26 + low) / 0x1p53;
}

/// A normal number of mean 0 (Box and Muller, 1958).
pub fn gauss(generator: *Generator, sigma: f64, functions: Functions) f64 {
    if (generator.kept) |z| {
        generator.kept = null;
        return 0.0 + z * sigma;
    }
    const angle = generator.random() * (2.0 * std.math.pi);
    const radius = @sqrt(-2.0 * functions.log(1.0 - generator.random()));
    generator.kept = functions.sin(angle) * radius;
    return 0.0 + functions.cos(angle) * radius * sigma;
}

/// An integer from 0 to n - 1, for n > 0.
fn below(generator: *Generator, n: u32) u32 {
    while (true) {
        const drawn = generator.word() >> @intCast(@clz(n));
        if (drawn < n) return drawn;
    }
}

pub fn shuffle(generator: *Generator, comptime T: type, items: []T) void {
    var i = items.len;
    while (i > 1) {
        i -= 1;
        std.mem.swap(T, &items[i], &items[generator.below(@intCast(i + 1))]);
    }
}

/// An index into the weights, drawn with their probabilities. `cumulative` is room for as many numbers.
pub fn choice(generator: *Generator, weights: []const f64, cumulative: []f64) error{NoProbabilities}!usize {
    var total = weights[0];
    cumulative[0] = total;
    for (weights[1..], cumulative[1..]) |weight, *sum| {
        total += weight;
        sum.* = total;
    }
    if (!(total > 0 and total < std.math.inf(f64))) return error.NoProbabilities;
    const u = generator.random() * total;
    var low: usize = 0;
    var high = weights.len - 1;
    while (low < high) {
        const middle = (low + high) / 2;
        if (u < cumulative[middle]) high = middle else low = middle + 1;
    }
    return low;
}

test "seed 42 gives the words and numbers that Python gives" {
    var generator: Generator = .seeded(42);
    try std.testing.expectEqual(2746317213, generator.word());
    try std.testing.expectEqual(478163327, generator.word());
    try std.testing.expectEqual(@as(f64, @bitCast(@as(u64, 0x3f999c6b5eeb2060))), generator.random());
}

test "weights that add up to nothing finite and positive are refused" {
    var generator: Generator = .seeded(1);
    var room: [2]f64 = undefined;
    for ([_][2]f64{ .{ 0, 0 }, .{ 1, std.math.nan(f64) }, .{ 1, std.math.inf(f64) }, .{ 1, -2 } }) |weights|
        try std.testing.expectError(error.NoProbabilities, generator.choice(&weights, &room));
}
