//! The text form of requests and replies: lines of words, doubles, tensors, checksums. SPEC, sections 11 and 13.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Reader = std.Io.Reader;
const Writer = std.Io.Writer;

pub const line_limit = 65536;
pub const word_limit = std.math.maxInt(u32);

/// SPEC's ranges of integers, by key.
const ranges = .{
    .layers = .{ 1, 16 },
    .heads = .{ 1, 64 },
    .embedding = .{ 1, 512 },
    .block = .{ 1, 1024 },
    .vocabulary = .{ 2, 2048 },
    .steps = .{ 1, 4096 },
    .samples = .{ 0, 1000 },
    .seed = .{ 0, word_limit },
};

/// This port has only `exact`.
pub const Math = enum { exact, native };

pub const Error = error{ BadRequest, Unsupported, OutOfMemory };

/// A request is read whole. `error.BadRequest` comes with a `reason`.
pub const Request = struct {
    lines: []const []const u8,
    /// Whether the line `end` has come. It is not among the lines.
    complete: bool,
    next: usize = 0,
    reason: []const u8 = "",
    reason_buffer: [200]u8 = undefined,

    /// Null at the end of the input, whose buffer holds a line and its LF.
    pub fn read(arena: Allocator, input: *Reader) !?Request {
        var lines: std.ArrayList([]const u8) = .empty;
        while (true) {
            const line = input.takeDelimiter('\n') catch |err| too_long: {
                if (err == error.ReadFailed) return err;
                _ = input.discardDelimiterInclusive('\n') catch |e| if (e == error.ReadFailed) return e;
                break :too_long ""; // no line is empty: whoever reads this one will refuse it
            } orelse return if (lines.items.len > 0) .{ .lines = lines.items, .complete = false } else null;
            const end = std.mem.eql(u8, line, "end");
            if (!end or lines.items.len == 0) try lines.append(arena, try arena.dupe(u8, line));
            if (end) return .{ .lines = lines.items, .complete = true };
        }
    }

    pub fn fail(request: *Request, comptime format: []const u8, arguments: anytype) error{BadRequest} {
        var writer: Writer = .fixed(&request.reason_buffer);
        writer.print(format, arguments) catch {}; // what does not fit is cut off
        request.reason = writer.buffered();
        return error.BadRequest;
    }

    /// The verb and the id of the first line.
    pub fn header(request: *Request) Error!struct { []const u8, []const u8 } {
        const verb, const id = std.mem.cutScalar(u8, request.lines[0], ' ') orelse .{ "", "" };
        var valid = verb.len > 0 and id.len > 0 and id.len <= 64;
        for (verb) |byte| valid = valid and std.ascii.isGraphical(byte);
        for (id) |byte| valid = valid and (std.ascii.isAlphanumeric(byte) or std.mem.findScalar(u8, "._-", byte) != null);
        if (!valid) return request.fail("expected a verb and an id of 1 to 64 letters digits . _ -", .{});
        request.next = 1;
        return .{ verb, id };
    }

    pub fn more(request: *const Request) bool {
        return request.next < request.lines.len;
    }

    fn nextKey(request: *const Request) []const u8 {
        return if (request.more()) std.mem.sliceTo(request.lines[request.next], ' ') else "end";
    }

    pub fn key(request: *Request, comptime Keys: type) Error!Keys {
        return std.meta.stringToEnum(Keys, request.nextKey()) orelse
            request.fail("expected one of{s} and not {f}", .{ comptime names(Keys), excerpt(request.nextKey()) });
    }

    pub fn isNext(request: *const Request, expected: []const u8) bool {
        return std.mem.eql(u8, request.nextKey(), expected);
    }

    /// The values of the next line, which must have this key and so many values.
    pub fn values(request: *Request, expected: []const u8, least: usize, most: usize) Error!Values {
        if (!request.isNext(expected) or !request.more())
            return request.fail("expected {s} and not {f}", .{ expected, excerpt(request.nextKey()) });
        const line = request.lines[request.next];
        const count = std.mem.countScalar(u8, line, ' ');
        if (count < least or count > most)
            return request.fail("{s} takes {d} to {d} values and not {d}", .{ expected, least, most, count });
        request.next += 1;
        var words = std.mem.splitScalar(u8, line, ' ');
        _ = words.next();
        return .{ .request = request, .key = expected, .count = count, .words = words };
    }

    /// A line for each field of T, with the field's name as key.
    pub fn fields(request: *Request, comptime T: type) Error!T {
        var result: T = undefined;
        inline for (@typeInfo(T).@"struct".field_names) |name| {
            const Field = @FieldType(T, name);
            var line = try request.values(name, 1, 1);
            @field(result, name) = switch (@typeInfo(Field)) {
                .float => try line.double(),
                .int => try line.integer(@field(ranges, name)[0], @field(ranges, name)[1]),
                else => std.meta.stringToEnum(Field, line.words.rest()) orelse
                    return request.fail("{s} is one of{s}", .{ name, comptime names(Field) }),
            };
            if (Field == Math and @field(result, name) == .native) return error.Unsupported;
        }
        return result;
    }

    pub fn integer(request: *Request, expected: []const u8, low: u32, high: u32) Error!u32 {
        var line = try request.values(expected, 1, 1);
        return line.integer(low, high);
    }

    pub fn integers(request: *Request, arena: Allocator, expected: []const u8, least: usize, low: u32, high: u32) Error![]u32 {
        var line = try request.values(expected, least, line_limit);
        const list = try arena.alloc(u32, line.count);
        for (list) |*number| number.* = try line.integer(low, high);
        return list;
    }

    /// Appends the numbers of a tensor of this name and shape.
    pub fn tensor(request: *Request, arena: Allocator, list: *std.ArrayList(f64), name: []const u8, rows: usize, columns: usize) Error!void {
        const expected = try std.fmt.allocPrint(arena, "tensor {s} {d} {d}", .{ name, rows, columns });
        if (!request.more() or !std.mem.eql(u8, request.lines[request.next], expected))
            return request.fail("expected {s}", .{expected});
        request.next += 1;
        for (0..rows) |_| {
            var row = try request.values("row", columns, columns);
            for (try list.addManyAsSlice(arena, columns)) |*number| number.* = try row.double();
        }
    }
};

/// The values of one line, taken one by one: never more than its `count`.
pub const Values = struct {
    request: *Request,
    key: []const u8,
    count: usize,
    words: std.mem.SplitIterator(u8, .scalar),

    pub fn double(line: *Values) Error!f64 {
        const word = line.words.next().?;
        var bits: u64 = 0;
        for (if (word.len == 16) word else "?") |byte| bits = bits << 4 | switch (byte) {
            '0'...'9' => byte - '0',
            'a'...'f' => byte - 'a' + 10,
            else => return line.request.fail("{s} takes doubles of 16 hex digits and not {f}", .{ line.key, excerpt(word) }),
        };
        const number: f64 = @bitCast(bits);
        return if (std.math.isNan(number)) std.math.nan(f64) else number;
    }

    pub fn integer(line: *Values, low: u32, high: u32) Error!u32 {
        const word = line.words.next().?;
        const number = std.fmt.parseInt(u32, word, 10) catch null;
        const plain = word.len > 0 and std.mem.findNone(u8, word, "0123456789") == null and (word[0] != '0' or word.len == 1);
        if (plain and number != null and number.? >= low and number.? <= high) return number.?;
        return line.request.fail("{s} takes integers from {d} to {d} and not {f}", .{ line.key, low, high, excerpt(word) });
    }
};

/// The names of an enum's fields, each after a space.
fn names(comptime Enum: type) []const u8 {
    var text: []const u8 = "";
    for (@typeInfo(Enum).@"enum".field_names) |name| text = text ++ " " ++ name;
    return text;
}

/// A word that came, if it is fit to be shown.
fn excerpt(word: []const u8) std.fmt.Alt([]const u8, writeExcerpt) {
    return .{ .data = word };
}

fn writeExcerpt(word: []const u8, writer: *Writer) Writer.Error!void {
    const fit = word.len <= 30 and for (word) |byte| {
        if (!std.ascii.isGraphical(byte)) break false;
    } else true;
    try writer.print("'{s}'", .{if (fit) word else "..."});
}

// ---------------------------------------------------------------- replies

fn bitsOf(number: f64) u64 {
    return @bitCast(if (std.math.isNan(number)) std.math.nan(f64) else number);
}

pub fn writeDoubles(writer: *Writer, key: []const u8, numbers: []const f64) !void {
    try writer.writeAll(key);
    for (numbers) |number| try writer.print(" {x:0>16}", .{bitsOf(number)});
    try writer.writeByte('\n');
}

/// Of any integer type.
pub fn writeIntegers(writer: *Writer, key: []const u8, numbers: anytype) !void {
    try writer.writeAll(key);
    for (numbers) |number| try writer.print(" {d}", .{number});
    try writer.writeByte('\n');
}

pub fn writeTensor(writer: *Writer, prefix: []const u8, name: []const u8, rows: usize, numbers: []const f64) !void {
    const columns = numbers.len / rows;
    try writer.print("tensor {s}{s} {d} {d}\n", .{ prefix, name, rows, columns });
    for (0..rows) |row| try writeDoubles(writer, "row", numbers[row * columns ..][0..columns]);
}

/// The sums have room enough to wait for their modulus.
pub fn writeChecksum(writer: *Writer, key: []const u8, numbers: []const f64) !void {
    var a: u64 = 1;
    var b: u128 = 0;
    for (numbers) |number| {
        const bits = bitsOf(number);
        for ([_]u64{ bits >> 32, bits & 0xffff_ffff }) |half| {
            a += half;
            b += a;
        }
    }
    try writer.print("{s} {x:0>8} {x:0>8}\n", .{ key, a % 4294967291, b % 4294967291 });
}
