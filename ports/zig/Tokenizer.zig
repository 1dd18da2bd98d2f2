//! From lines to documents, and from their characters to tokens. SPEC, section 4. A character is a Unicode
//! code point.

const std = @import("std");
const Allocator = std.mem.Allocator;

const Tokenizer = @This();

/// The distinct characters, sorted. Their places are their tokens; BOS comes after them.
characters: []const u21,

/// With BOS, a vocabulary has at most 2048 tokens.
pub const most_characters = 2047;

const white_space = [_]u21{ 9, 10, 11, 12, 13, 32 };

/// The lines, stripped of white space, that are not empty then.
pub fn documentsOf(arena: Allocator, lines: []const []const u21) ![][]const u21 {
    var documents: std.ArrayList([]const u21) = .empty;
    for (lines) |line| {
        const document = std.mem.trim(u21, line, &white_space);
        if (document.len > 0) try documents.append(arena, document);
    }
    return documents.items;
}

pub fn init(arena: Allocator, documents: []const []const u21) !Tokenizer {
    const seen = try arena.create(std.StaticBitSet(1 << 21));
    seen.* = .empty;
    for (documents) |document| {
        for (document) |character| seen.set(character);
    }
    const characters = try arena.alloc(u21, seen.count());
    var places = seen.iterator(.{});
    for (characters) |*character| character.* = @intCast(places.next().?);
    return .{ .characters = characters };
}

pub fn bos(tokenizer: Tokenizer) u32 {
    return @intCast(tokenizer.characters.len);
}

/// With BOS on both sides.
pub fn encode(tokenizer: Tokenizer, arena: Allocator, document: []const u21) ![]u32 {
    const tokens = try arena.alloc(u32, document.len + 2);
    tokens[0] = tokenizer.bos();
    tokens[tokens.len - 1] = tokenizer.bos();
    for (document, tokens[1 .. tokens.len - 1]) |character, *token|
        token.* = @intCast(std.sort.binarySearch(u21, tokenizer.characters, character, order).?);
    return tokens;
}

fn order(a: u21, b: u21) std.math.Order {
    return std.math.order(a, b);
}

test "characters become tokens in the order of their code points" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const documents = try documentsOf(arena.allocator(), &.{ &.{ ' ', 'b', 'a', '\n' }, &.{' '}, &.{0x1f642} });
    try std.testing.expectEqual(2, documents.len);
    const tokenizer: Tokenizer = try .init(arena.allocator(), documents);
    try std.testing.expectEqualSlices(u21, &.{ 'a', 'b', 0x1f642 }, tokenizer.characters);
    const encoded = try tokenizer.encode(arena.allocator(), documents[0]);
    try std.testing.expectEqualSlices(u32, &.{ 3, 1, 0, 3 }, encoded);
}
