//! The text form of requests and replies: lines of words, doubles as hex digits, tensors, checksums. SPEC,
//! sections 11 and 13.
//!
//! What the lines mean stands in `verbs.zig`.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Reader = std.Io.Reader;
const Writer = std.Io.Writer;

pub const line_limit = 65536;

/// A line of the input.
const Line = union(enum) {
    /// Printable ASCII with single spaces.
    words: []const u8,
    /// Why it is not.
    malformed: []const u8,
    end,
    end_of_input,
};

/// Reads one request after the other. `error.BadRequest` comes with a `reason`, and the rest of the request
/// must then be skipped.
pub const Request = struct {
    /// With a buffer of more than `line_limit` bytes.
    input: *Reader,
    line: Line = .end,
    /// Whether the line has been used and the next one is wanted.
    taken: bool = true,
    reason: []const u8 = "",
    reason_buffer: [400]u8 = undefined,

    pub const Error = error{ BadRequest, ReadFailed };
    pub const ListError = Error || Allocator.Error;

    pub fn fail(request: *Request, comptime format: []const u8, arguments: anytype) error{BadRequest} {
        var writer: Writer = .fixed(&request.reason_buffer);
        writer.print(format, arguments) catch {}; // what does not fit is cut off
        request.reason = writer.buffered();
        return error.BadRequest;
    }

    // ---------------------------------------------------------------- lines

    fn peek(request: *Request) error{ReadFailed}!Line {
        if (request.taken) {
            request.line = try request.readLine();
            request.taken = false;
        }
        return request.line;
    }

    fn readLine(request: *Request) error{ReadFailed}!Line {
        const whole = request.input.takeDelimiterInclusive('\n') catch |err| switch (err) {
            error.ReadFailed => return error.ReadFailed,
            error.EndOfStream => { // what was begun is no line
                const begun = request.input.bufferedLen() > 0;
                request.input.tossBuffered();
                return if (begun) .{ .malformed = "the input ended within a line" } else .end_of_input;
            },
            error.StreamTooLong => {
                _ = request.input.discardDelimiterInclusive('\n') catch |failure| switch (failure) {
                    error.ReadFailed => return error.ReadFailed,
                    error.EndOfStream => {},
                };
                return .{ .malformed = "a line has at most 65536 bytes and this one has more" };
            },
        };
        const text = whole[0 .. whole.len - 1];
        if (std.mem.eql(u8, text, "end")) return .end;
        if (text.len == 0) return .{ .malformed = "a line has at least one word and this one is empty" };
        var before: u8 = ' ';
        for (text) |byte| {
            if (byte < ' ' or byte > '~') return .{ .malformed = "a line is printable ASCII and this one is not" };
            if (byte == ' ' and before == ' ') return .{ .malformed = "words are separated by single spaces" };
            before = byte;
        }
        if (before == ' ') return .{ .malformed = "a line ends with a word and this one with a space" };
        return .{ .words = text };
    }

    /// Whether there is another request.
    pub fn begin(request: *Request) error{ReadFailed}!bool {
        request.taken = true;
        return try request.peek() != .end_of_input;
    }

    pub const Header = struct { verb: []const u8, id: []const u8 };

    /// The first line.
    pub fn header(request: *Request, arena: Allocator) ListError!Header {
        const expected = "a request begins with a verb and an id of 1 to 64 letters digits . _ -";
        switch (try request.peek()) {
            .malformed => |why| return request.fail(expected ++ " but {s}", .{why}),
            .end, .end_of_input => return request.fail(expected ++ " and not with 'end'", .{}),
            .words => |text| {
                request.taken = true;
                const verb, const id = std.mem.cutScalar(u8, try arena.dupe(u8, text), ' ') orelse .{ text, "" };
                for (id) |byte| switch (byte) {
                    'a'...'z', 'A'...'Z', '0'...'9', '.', '_', '-' => {},
                    else => return request.fail(expected ++ " and not with {f}", .{excerpt(text)}),
                };
                if (id.len < 1 or id.len > 64) return request.fail(expected ++ " and not with {f}", .{excerpt(text)});
                return .{ .verb = verb, .id = id };
            },
        }
    }

    /// Go on to the line `end`. False if the input ends before it.
    pub fn skip(request: *Request) error{ReadFailed}!bool {
        while (true) switch (try request.peek()) {
            .end => return true,
            .end_of_input => return false,
            .words, .malformed => request.taken = true,
        };
    }

    /// Fails unless all lines have been read.
    pub fn finish(request: *Request) Error!void {
        if (try request.peek() != .end) return request.unexpected("the end");
    }

    /// The key of the next line; null at the end or if there is no proper line.
    pub fn nextKey(request: *Request) error{ReadFailed}!?[]const u8 {
        return switch (try request.peek()) {
            .words => |text| firstWord(text),
            else => null,
        };
    }

    /// The key of the next line as one of an enum's.
    pub fn nextKeyAs(request: *Request, comptime Keys: type) Error!Keys {
        if (try request.nextKey()) |key| {
            if (std.meta.stringToEnum(Keys, key)) |known| return known;
        }
        return request.unexpected("one of " ++ comptime joined(Keys, " "));
    }

    /// Whether there is a line more.
    pub fn more(request: *Request) error{ReadFailed}!bool {
        return try request.peek() != .end;
    }

    fn unexpected(request: *Request, expected: []const u8) Error {
        return switch (try request.peek()) {
            .words => |text| request.fail("expected {s} and not {f}", .{ expected, excerpt(firstWord(text)) }),
            .malformed => |why| request.fail("{s}", .{why}),
            .end => request.fail("expected {s} and not the end", .{expected}),
            .end_of_input => request.fail("the input ended before the line 'end'", .{}),
        };
    }

    // ---------------------------------------------------------------- values

    /// The values of the next line, which must have this key and so many values.
    pub fn values(request: *Request, key: []const u8, least: usize, most: usize) Error!Values {
        const found = try request.nextKey();
        if (found == null or !std.mem.eql(u8, found.?, key)) {
            var room: [100]u8 = undefined;
            return request.unexpected(std.fmt.bufPrint(&room, "a line {s}", .{key}) catch key);
        }
        const text = request.line.words;
        const count = std.mem.countScalar(u8, text, ' ');
        if (least == most and count != least)
            return request.fail("{s} takes {d} values and not {d}", .{ key, least, count });
        if (count < least) return request.fail("{s} takes at least {d} values and not {d}", .{ key, least, count });
        if (count > most) return request.fail("{s} takes at most {d} values and not {d}", .{ key, most, count });
        request.taken = true;
        var words = std.mem.splitScalar(u8, text, ' ');
        _ = words.next();
        return .{ .request = request, .key = key, .count = count, .words = words };
    }

    pub fn double(request: *Request, key: []const u8) Error!f64 {
        var line = try request.values(key, 1, 1);
        return line.double();
    }

    pub fn integer(request: *Request, key: []const u8, low: u32, high: u32) Error!u32 {
        var line = try request.values(key, 1, 1);
        return line.integer(low, high);
    }

    pub fn choice(request: *Request, key: []const u8, comptime Options: type) Error!Options {
        var line = try request.values(key, 1, 1);
        const word = line.next();
        return std.meta.stringToEnum(Options, word) orelse
            request.fail("{s} is {s} and not {f}", .{ key, comptime joined(Options, " or "), excerpt(word) });
    }

    pub fn doubles(request: *Request, arena: Allocator, key: []const u8, least: usize) ListError![]f64 {
        var line = try request.values(key, least, line_limit);
        const list = try arena.alloc(f64, line.count);
        for (list) |*number| number.* = try line.double();
        return list;
    }

    pub fn integers(
        request: *Request,
        arena: Allocator,
        key: []const u8,
        least: usize,
        low: u32,
        high: u32,
    ) ListError![]u32 {
        var line = try request.values(key, least, line_limit);
        const list = try arena.alloc(u32, line.count);
        for (list) |*number| number.* = try line.integer(low, high);
        return list;
    }

    /// The shape of the next line, a tensor, which is left to be read.
    pub fn nextShape(request: *Request) Error!struct { usize, usize } {
        var line = try request.values("tensor", 3, 3);
        request.taken = false;
        _ = line.next();
        return .{ try line.integer(1, 2048), try line.integer(1, 2048) };
    }

    /// Appends a tensor of this name, which is anything that prints, and this shape.
    pub fn tensor(
        request: *Request,
        arena: Allocator,
        list: *std.ArrayList(f64),
        comptime name: []const u8,
        arguments: anytype,
        rows: usize,
        columns: usize,
    ) ListError!void {
        var room: [100]u8 = undefined;
        const wanted = arguments ++ .{ rows, columns };
        const expected = std.fmt.bufPrint(&room, "tensor " ++ name ++ " {d} {d}", wanted) catch unreachable;
        const came = (try request.values("tensor", 3, 3)).words.buffer;
        if (!std.mem.eql(u8, came, expected))
            return request.fail("expected {s} and not {f}", .{ expected, excerpt(came) });
        for (0..rows) |_| {
            var line = try request.values("row", columns, columns);
            for (try list.addManyAsSlice(arena, columns)) |*number| number.* = try line.double();
        }
    }
};

/// The values of one line, taken one by one: never more than its `count`.
pub const Values = struct {
    request: *Request,
    key: []const u8,
    count: usize,
    words: std.mem.SplitIterator(u8, .scalar),

    pub fn next(line: *Values) []const u8 {
        return line.words.next().?;
    }

    pub fn double(line: *Values) error{BadRequest}!f64 {
        const word = line.next();
        return parseDouble(word) orelse
            line.request.fail("{s} takes doubles of 16 hex digits (0-9 a-f) and not {f}", .{ line.key, excerpt(word) });
    }

    pub fn integer(line: *Values, low: u32, high: u32) error{BadRequest}!u32 {
        const word = line.next();
        const number = parseInteger(word) orelse
            return line.request.fail("{s} takes decimal integers and not {f}", .{ line.key, excerpt(word) });
        const expected = "{s} takes integers from {d} to {d} and not {d}";
        if (number < low or number > high) return line.request.fail(expected, .{ line.key, low, high, number });
        return @intCast(number);
    }
};

const no_digit = 16;

/// A table, since no processor can foresee which kind of digit comes next.
const hex_digits: [256]u8 = table: {
    var values: [256]u8 = @splat(no_digit);
    for ("0123456789abcdef", 0..) |byte, value| values[byte] = value;
    break :table values;
};

fn parseDouble(word: []const u8) ?f64 {
    if (word.len != 16) return null;
    var bits: u64 = 0;
    var seen: u8 = 0;
    for (word) |byte| {
        const digit = hex_digits[byte];
        seen |= digit;
        bits = bits << 4 | digit;
    }
    return if (seen & no_digit == 0) @bitCast(bits) else null;
}

fn parseInteger(word: []const u8) ?u64 {
    if (word.len > 10 or (word[0] == '0' and word.len > 1)) return null;
    var number: u64 = 0;
    for (word) |byte| number = 10 * number + switch (byte) {
        '0'...'9' => byte - '0',
        else => return null,
    };
    return number;
}

fn firstWord(text: []const u8) []const u8 {
    return text[0 .. std.mem.findScalar(u8, text, ' ') orelse text.len];
}

/// The names of an enum's fields as one text.
fn joined(comptime Enum: type, comptime separator: []const u8) []const u8 {
    comptime var text: []const u8 = "";
    inline for (std.meta.fieldNames(Enum), 0..) |name, i| text = text ++ (if (i > 0) separator else "") ++ name;
    return text;
}

/// The beginning of what came, in quotes.
fn excerpt(text: []const u8) Excerpt {
    return .{ .text = text };
}

const Excerpt = struct {
    text: []const u8,

    pub fn format(self: Excerpt, writer: *Writer) Writer.Error!void {
        if (self.text.len <= 43) return writer.print("'{s}'", .{self.text});
        try writer.print("'{s}...'", .{std.mem.trimEnd(u8, self.text[0..40], " ")});
    }
};

// ---------------------------------------------------------------- replies

/// The pattern of a double. All NaNs are one.
fn bitsOf(number: f64) u64 {
    return if (std.math.isNan(number)) 0x7ff8_0000_0000_0000 else @bitCast(number);
}

pub fn writeDoubles(writer: *Writer, key: []const u8, numbers: []const f64) !void {
    try writer.writeAll(key);
    for (numbers) |number| {
        const word = try writer.writableArray(17);
        word[0] = ' ';
        word[1..].* = std.fmt.hex(@byteSwap(bitsOf(number)));
    }
    try writer.writeByte('\n');
}

pub fn writeDouble(writer: *Writer, key: []const u8, number: f64) !void {
    try writeDoubles(writer, key, &.{number});
}

/// Numbers of any integer type.
pub fn writeIntegers(writer: *Writer, key: []const u8, numbers: anytype) !void {
    try writer.writeAll(key);
    for (numbers) |number| try writer.print(" {d}", .{number});
    try writer.writeByte('\n');
}

/// `name` is a format with its arguments, as for print.
pub fn writeTensor(
    writer: *Writer,
    comptime name: []const u8,
    arguments: anytype,
    rows: usize,
    numbers: []const f64,
) !void {
    const columns = numbers.len / rows;
    try writer.print("tensor " ++ name ++ " {d} {d}\n", arguments ++ .{ rows, columns });
    for (0..rows) |row| try writeDoubles(writer, "row", numbers[row * columns ..][0..columns]);
}

pub fn writeChecksum(writer: *Writer, key: []const u8, numbers: []const f64) !void {
    const a, const b = checksum(numbers);
    try writer.print("{s} {x:0>8} {x:0>8}\n", .{ key, a, b });
}

/// a is 1 and the halves h0, h1, ... of all patterns; b is the sum of what a is after each of them, modulo
/// the greatest prime below 2^32. So of n halves, number i is in b n - i times. A group has the two halves
/// of `lanes` numbers. If there are k groups from that half's on, then k times it is in the running sum of
/// its lane, and n - i is k times the size of a group less the half's place in its own.
fn checksum(numbers: []const f64) [2]u64 {
    const modulus = 4294967291;
    const lanes = 4;
    const Lanes = @Vector(lanes, u64);
    const nan: Lanes = @splat(bitsOf(std.math.nan(f64)));
    const places: Lanes = std.simd.iota(u64, lanes) * @as(Lanes, @splat(2)); // of upper halves; lower ones come next
    var a: u64 = 1;
    var b: u64 = 0;
    var rest = numbers;
    while (rest.len >= lanes) {
        const groups: usize = @min(rest.len / lanes, 256); // b stays below 2^56
        var upper: Lanes = @splat(0);
        var lower: Lanes = @splat(0);
        var uppers: Lanes = @splat(0);
        var lowers: Lanes = @splat(0);
        for (0..groups) |group| {
            const x: @Vector(lanes, f64) = rest[group * lanes ..][0..lanes].*;
            const bits = @select(u64, x == x, @as(Lanes, @bitCast(x)), nan);
            upper +%= bits >> @splat(32);
            lower +%= bits & @as(Lanes, @splat(0xffff_ffff));
            uppers +%= upper;
            lowers +%= lower;
        }
        const less = @reduce(.Add, places *% (upper +% lower) +% lower);
        b = (b + 2 * lanes * (groups * a + @reduce(.Add, uppers +% lowers)) - less) % modulus;
        a = (a + @reduce(.Add, upper +% lower)) % modulus;
        rest = rest[groups * lanes ..];
    }
    for (rest) |number| {
        const bits = bitsOf(number);
        for ([_]u64{ bits >> 32, bits & 0xffff_ffff }) |half| {
            a = (a + half) % modulus;
            b = (b + a) % modulus;
        }
    }
    return .{ a, b };
}

test "checksums" {
    const numbers = [_]f64{ 0, -0.0, 1, 0.1 };
    try std.testing.expectEqual([2]u64{ 0x99433339, 0x18cccced }, checksum(&numbers));
    const nan = std.math.nan(f64);
    try std.testing.expectEqual(checksum(&.{ nan, 0, 0, 1, nan }), checksum(&.{ -nan, 0, 0, 1, -nan }));

    var many: [4099]f64 = undefined;
    var source: std.Random.DefaultPrng = .init(1);
    source.random().bytes(std.mem.asBytes(&many));
    var a: u64 = 1;
    var b: u64 = 0;
    for (many) |number| {
        for ([_]u64{ bitsOf(number) >> 32, bitsOf(number) & 0xffff_ffff }) |half| {
            a = (a + half) % 4294967291;
            b = (b + a) % 4294967291;
        }
    }
    try std.testing.expectEqual([2]u64{ a, b }, checksum(&many));
}
