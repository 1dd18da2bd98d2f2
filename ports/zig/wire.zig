//! The text form of requests and replies (SPEC, sections 11 and 13). The names of errors are the reasons in replies.

const std = @import("std");
const Writer = std.Io.Writer;
const eql = std.mem.eql;

/// SPEC's ranges of integers.
const least = .{ .layers = 1, .heads = 1, .embedding = 1, .block = 1, .vocabulary = 2, .steps = 1, .samples = 0 };
const sizes = .{ .layers = 16, .heads = 64, .embedding = 512, .block = 1024, .vocabulary = 2048 };
const counts = .{ .steps = 4096, .samples = 1000 };

pub const Request = struct {
    arena: std.mem.Allocator,
    /// What has not been read yet: each line after a LF, each other word after a space.
    rest: []const u8 = "",
    id: []const u8 = "-",
    /// Null at the end. The input's buffer holds a line and its LF.
    pub fn read(arena: std.mem.Allocator, input: *std.Io.Reader) !?Request {
        var text: std.ArrayList(u8) = .empty;
        while (true) {
            const line = input.takeDelimiter('\n') catch |err| too_long: {
                if (err == error.ReadFailed) return err;
                _ = input.discardDelimiterInclusive('\n') catch |e| if (e == error.ReadFailed) return e;
                break :too_long ""; // no line is empty: whoever reads this one will refuse it
            } orelse if (text.items.len > 0) break else return null;
            const end = eql(u8, line, "end");
            if (!end or text.items.len == 0) try text.print(arena, "\n{s}", .{line});
            if (end) return .{ .arena = arena, .rest = text.items };
        }
        try text.append(arena, '\n'); // like an empty line, instead of `end`
        return .{ .arena = arena, .rest = text.items };
    }
    pub fn header(in: *Request) ![]const u8 {
        const verb = in.peek('\n');
        in.rest = in.rest[1 + verb.len ..];
        const id = in.word();
        var valid = verb.len > 0 and id.len > 0 and id.len <= 64 and !in.more();
        for (verb) |byte| valid = valid and std.ascii.isGraphical(byte);
        for (id) |c| valid = valid and (std.ascii.isAlphanumeric(c) or std.mem.findScalar(u8, "._-", c) != null);
        if (!valid) return error.@"expected a verb and an id of 1 to 64 letters digits . _ -";
        in.id = id;
        return verb;
    }
    /// The next word of the line after a space, or after a LF the first one of the next line, or nothing.
    pub fn peek(in: *const Request, separator: u8) []const u8 {
        if (in.rest.len == 0 or in.rest[0] != separator) return "";
        return in.rest[1 .. std.mem.findAnyPos(u8, in.rest, 1, " \n") orelse in.rest.len];
    }
    pub fn take(in: *Request, expected: []const u8) !void {
        if (!eql(u8, in.peek('\n'), expected)) return error.@"expected another key or fewer values";
        in.rest = in.rest[1 + expected.len ..];
    }
    /// One of these keys, or null at the end.
    pub fn takeOne(in: *Request, Keys: type) !?Keys {
        if (in.rest.len == 0) return null;
        const found = std.meta.stringToEnum(Keys, in.peek('\n')) orelse return error.@"expected a key of this verb";
        try in.take(in.peek('\n'));
        return found;
    }
    pub fn more(in: *const Request) bool {
        return std.mem.startsWith(u8, in.rest, " ");
    }
    pub fn word(in: *Request) []const u8 {
        const text = in.peek(' ');
        if (in.more()) in.rest = in.rest[1 + text.len ..];
        return text;
    }
    pub fn double(in: *Request) !f64 {
        const text = in.word();
        if (text.len != 16 or std.mem.findNone(u8, text, "0123456789abcdef") != null)
            return error.@"expected a double of 16 hex digits";
        const number: f64 = @bitCast(try std.fmt.parseInt(u64, text, 16));
        return if (std.math.isNan(number)) std.math.nan(f64) else number;
    }
    pub fn integer(in: *Request, low: usize, high: usize) !u32 {
        const text = in.word();
        const number = std.fmt.parseInt(u32, text, 10) catch high +| 1;
        const plain = std.mem.findNone(u8, text, "0123456789") == null and (text.len < 2 or text[0] != '0');
        if (!plain or number < low or number > high) return error.@"expected an integer in its range";
        return @intCast(number);
    }
    /// The first value of the line with this key.
    pub fn count(in: *Request, name: []const u8, low: usize, high: usize) !u32 {
        try in.take(name);
        return in.integer(low, high);
    }
    pub fn integers(in: *Request, T: type, low: usize, high: usize) ![]T {
        var list: std.ArrayList(T) = .empty;
        while (in.more()) try list.append(in.arena, @intCast(try in.integer(low, high)));
        return list.items;
    }
    /// A line for each field of T.
    pub fn fields(in: *Request, T: type) !T {
        var all: T = undefined;
        inline for (@typeInfo(T).@"struct".field_names) |name| {
            try in.take(name);
            const most = if (@hasField(@TypeOf(sizes), name)) sizes else counts;
            @field(all, name) = switch (@typeInfo(@FieldType(T, name))) {
                .float => try in.double(),
                .int => try in.integer(@field(least, name), @field(most, name)),
                else => std.meta.stringToEnum(@FieldType(T, name), in.word()) orelse return error.@"expected a word",
            };
        }
        return all;
    }
    /// Appends a tensor's numbers. Returns its rows and columns.
    pub fn tensor(in: *Request, list: *std.ArrayList(f64), name: []const u8, low: [2]u32, high: [2]u32) ![2]u32 {
        try in.take("tensor");
        if (!eql(u8, in.word(), name)) return error.@"expected a tensor of another name";
        const rows, const columns = .{ try in.integer(low[0], high[0]), try in.integer(low[1], high[1]) };
        for (try list.addManyAsSlice(in.arena, rows * columns), 0..) |*number, i| {
            if (i % columns == 0) try in.take("row");
            number.* = try in.double();
        }
        return .{ rows, columns };
    }
};

pub fn write(out: *Writer, key: []const u8, numbers: anytype) !void {
    try out.writeAll(key);
    for (numbers) |x| if (@TypeOf(x) == f64) try out.print(" {x:0>16}", .{bitsOf(x)}) else try out.print(" {d}", .{x});
    try out.writeByte('\n');
}
fn bitsOf(number: f64) u64 {
    return @bitCast(if (std.math.isNan(number)) std.math.nan(f64) else number);
}
pub fn writeTensor(out: *Writer, prefix: []const u8, name: []const u8, columns: usize, numbers: []const f64) !void {
    try out.print("tensor {s}{s} {d} {d}\n", .{ prefix, name, numbers.len / columns, columns });
    var rows = std.mem.window(f64, numbers, columns, columns);
    while (rows.next()) |row| try write(out, "row", row);
}
/// The sums have room enough to wait for their modulus.
pub fn writeChecksum(out: *Writer, key: []const u8, numbers: []const f64) !void {
    var a: u64, var b: u128 = .{ 1, 0 };
    for (numbers) |number| for ([_]u64{ bitsOf(number) >> 32, bitsOf(number) & 0xffff_ffff }) |half| {
        a += half;
        b += a;
    };
    try out.print("{s} {x:0>8} {x:0>8}\n", .{ key, a % 4294967291, b % 4294967291 });
}
