/// Requests and replies as text (SPEC, sections 11 and 13).
module protocol;

@safe:
import gpt;
import std.algorithm : all, map, startsWith;
import std.array : appender, Appender, array, split;
import std.ascii : isDigit;
import std.conv : to;
import std.exception : enforce;
import std.format : format, formattedWrite;
import std.math : isNaN;
import std.range : chunks, isInputRange;
import std.utf : byCodeUnit;

enum lineLimit = 65_536;

/// Whether it is printable ASCII of a length that is allowed.
bool isText(string line) { return line.length <= lineLimit && line.byCodeUnit.all!(c => ' ' <= c && c <= '~'); }

string[] splitWords(string line) {
    enforce!Problem(line.isText, "expected lines of up to 65536 bytes of printable ASCII");
    return line == "" ? [""] : line.split(" "); // split would give no word at all
}

size_t integer(string word, size_t low, size_t high) {
    immutable isCanonical = word.length > 0 && word.length <= 10 && word.all!isDigit && (word[0] != '0' || word == "0");
    immutable value = isCanonical ? word.to!size_t : 0;
    enforce!Problem(isCanonical && low <= value && value <= high, format!"expected an integer from %d to %d"(low, high));
    return value;
}

size_t[] integers(const string[] words, size_t low, size_t high) {
    return words.map!(word => integer(word, low, high)).array;
}

private union Bits {
    double number;
    ulong pattern;
}

double number(string word) {
    static bool isHex(dchar c) { return c.isDigit || 'a' <= c && c <= 'f'; }
    enforce!Problem(word.length == 16 && word.all!isHex, "expected a double of 16 lower-case hex digits");
    Bits bits = {pattern: word.to!ulong(16)};
    return isNaN(bits.number) ? double.nan : bits.number;
}

double[] numbers(const string[] words) { return words.map!number.array; }

/// The pattern of a double; all NaNs are one.
ulong pattern(double x) {
    Bits bits = {number: x};
    return isNaN(x) ? 0x7ff8000000000000 : bits.pattern;
}

string hex(double x) { return format!"%016x"(x.pattern); }

/// The lines of a request that are still to be read.
struct Request {
    string[] lines;

    bool empty() const { return lines.length == 0; }
    bool has(string key) const { return !empty && (lines[0] == key || lines[0].byCodeUnit.startsWith(key ~ " ")); }
    void finish() const { enforce!Problem(empty, "expected the line end"); }

    string[] next() {
        enforce!Problem(!empty, "expected more lines");
        scope (success) lines = lines[1 .. $];
        return lines[0].splitWords;
    }

    /// The values of the next line, which must have this key.
    string[] take(string key) {
        enforce!Problem(has(key), "expected a line " ~ key);
        return next[1 .. $];
    }

    string[] take(string key, size_t count) {
        auto values = take(key);
        enforce!Problem(values.length == count, format!"expected %d values of %s"(count, key));
        return values;
    }

    double number(string key) { return take(key, 1)[0].number; }
    size_t integer(string key, size_t low, size_t high) { return .integer(take(key, 1)[0], low, high); }

    /// Whether the value is the second of two words.
    bool either(string key, string first, string second) {
        immutable word = take(key, 1)[0];
        enforce!Problem(word == first || word == second, format!"expected %s or %s"(first, second));
        return word == second;
    }

    void math() { enforce!Problem(!either("math", "exact", "native"), "unsupported"); }

    double[] tensor(string name, size_t rows, size_t columns) {
        enforce!Problem(take("tensor", 3) == [name, rows.to!string, columns.to!string],
            format!"expected the tensor %s %d %d"(name, rows, columns));
        auto result = appender!(double[]);
        foreach (row; 0 .. rows) result ~= take("row", columns).numbers;
        return result[];
    }

    double[] tensors(string prefix, const Shape shape) {
        auto result = appender!(double[]);
        foreach (matrix; shape.matrices) result ~= tensor(prefix ~ matrix.name, matrix.rows, matrix.columns);
        return result[];
    }
}

struct Reply {
    Appender!string text;

    /// Values may be ranges of further ones.
    void line(Values...)(string key, Values values) {
        text ~= key;
        foreach (value; values) append(value);
        text ~= '\n';
    }

    private void append(T)(T value) {
        static if (is(T : const string)) text.formattedWrite!" %s"(value);
        else static if (isInputRange!T || is(T : const(E)[n], E, size_t n)) foreach (item; value) append(item);
        else static if (is(T : const dchar) && !is(T : const int)) text.formattedWrite!" %d"(uint(value));
        else static if (is(immutable T == immutable double)) text.formattedWrite!" %016x"(value.pattern);
        else text.formattedWrite!" %d"(value);
    }

    void tensor(string name, size_t columns, const double[] values) {
        line("tensor", name, values.length / columns, columns);
        foreach (row; values.chunks(columns)) line("row", row);
    }

    void tensors(string prefix, const Shape shape, const(double)[] values) {
        foreach (matrix; shape.matrices) {
            tensor(prefix ~ matrix.name, matrix.columns, values[0 .. matrix.length]);
            values = values[matrix.length .. $];
        }
    }

    void checksum(string key, const double[] values) {
        ulong a = 1, b = 0;
        foreach (x; values) foreach (half; [x.pattern >> 32, x.pattern & uint.max]) {
            a = (a + half) % 4_294_967_291;
            b = (b + a) % 4_294_967_291;
        }
        line(key, format!"%08x %08x"(a, b));
    }
}
