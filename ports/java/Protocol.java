import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Requests and replies as text (SPEC, sections 11 and 13). */
final class Protocol {
    static final int LINE_LIMIT = 65536;

    private Protocol() {}

    static String[] words(String line) {
        if (line.length() > LINE_LIMIT) throw new Gpt.Problem("expected lines of up to %d bytes", LINE_LIMIT);
        return line.split(" ", -1);
    }

    static long integer(String word, long low, long high) {
        if (word.matches("0|[1-9][0-9]{0,9}")) {
            var value = Long.parseLong(word);
            if (low <= value && value <= high) return value;
        }
        throw new Gpt.Problem("expected an integer from %d to %d", low, high);
    }

    static int integer(String word, int low, int high) { return (int) integer(word, (long) low, (long) high); }

    static double number(String word) {
        if (word.length() != 16 || !word.chars().allMatch(c -> '0' <= c && c <= '9' || 'a' <= c && c <= 'f'))
            throw new Gpt.Problem("expected a double of 16 lower-case hex digits");
        var x = Double.longBitsToDouble(HexFormat.fromHexDigitsToLong(word));
        return Double.isNaN(x) ? Double.NaN : x;
    }

    static double[] numbers(String[] words, int first) {
        return Arrays.stream(words, first, words.length).mapToDouble(Protocol::number).toArray();
    }

    static int[] integers(String[] words, int low, int high) {
        return Arrays.stream(words).mapToInt(word -> integer(word, low, high)).toArray();
    }

    /** A cursor over the lines of a request. */
    static final class Request {
        private final List<String> lines;
        private int place;

        Request(List<String> lines) { this.lines = lines; }
        boolean isAtEnd() { return place == lines.size(); }

        String[] next() {
            if (isAtEnd()) throw new Gpt.Problem("expected more lines");
            return words(lines.get(place++));
        }

        boolean has(String key) {
            return !isAtEnd() && (lines.get(place).equals(key) || lines.get(place).startsWith(key + " "));
        }

        /** As {@link #take}, but the line stays. */
        String[] peek(String key, int count) {
            return new Request(lines.subList(place, lines.size())).take(key, count);
        }

        /** The values of the next line, which must have this key. */
        String[] take(String key) {
            if (!has(key)) throw new Gpt.Problem("expected a line %s", key);
            var words = next();
            return Arrays.copyOfRange(words, 1, words.length);
        }

        String[] take(String key, int count) {
            var values = take(key);
            if (values.length != count) throw new Gpt.Problem("expected %d values of %s", count, key);
            return values;
        }

        double number(String key) { return Protocol.number(take(key, 1)[0]); }
        int integer(String key, int low, int high) { return Protocol.integer(take(key, 1)[0], low, high); }

        /** The constant with this name in lower case. */
        <E extends Enum<E>> E choice(String key, Class<E> options) {
            var word = take(key, 1)[0];
            for (var option : options.getEnumConstants())
                if (option.name().toLowerCase(Locale.ROOT).equals(word)) return option;
            throw new Gpt.Problem("expected one of a few words as %s", key);
        }

        private enum Maths { EXACT, NATIVE }

        void math() { if (choice("math", Maths.class) == Maths.NATIVE) throw new Gpt.Problem("unsupported"); }

        double[] tensor(String name, int rows, int columns) {
            var words = take("tensor", 3);
            if (!List.of(words).equals(List.of(name, "" + rows, "" + columns)))
                throw new Gpt.Problem("expected the tensor %s %d %d", name, rows, columns);
            return IntStream.range(0, rows)
                    .mapToObj(row -> numbers(take("row", columns), 0))
                    .flatMapToDouble(Arrays::stream)
                    .toArray();
        }

        double[] tensors(String prefix, Gpt.Shape shape) {
            return shape.matrices().stream()
                    .map(matrix -> tensor(prefix + matrix.name(), matrix.rows(), matrix.columns()))
                    .flatMapToDouble(Arrays::stream)
                    .toArray();
        }

        void finish() { if (!isAtEnd()) throw new Gpt.Problem("expected the line end"); }
    }

    static String hex(double x) {
        return HexFormat.of().toHexDigits(Double.doubleToLongBits(x)); // which makes all NaNs one
    }

    static final class Reply {
        private final StringBuilder text = new StringBuilder();

        /** Values may be lists and arrays of further ones. */
        void line(String key, Object... values) {
            text.append(key);
            for (var value : values) append(value);
            text.append('\n');
        }

        private void append(Object value) {
            if (value instanceof int[] numbers) for (var number : numbers) append(number);
            else if (value instanceof double[] numbers) for (var number : numbers) append(number);
            else if (value instanceof Iterable<?> values) values.forEach(this::append);
            else text.append(' ').append(value instanceof Double x ? hex(x) : value);
        }

        void tensor(String name, int rows, int columns, double[] values, int first) {
            line("tensor", name, rows, columns);
            for (var row = 0; row < rows; row++) {
                var start = first + row * columns;
                line("row", Arrays.copyOfRange(values, start, start + columns));
            }
        }

        void tensors(String prefix, Gpt.Shape shape, double[] values) {
            var first = 0;
            for (var matrix : shape.matrices()) {
                tensor(prefix + matrix.name(), matrix.rows(), matrix.columns(), values, first);
                first += matrix.size();
            }
        }

        void checksum(String key, double[] values, int count) {
            long a = 1, b = 0;
            for (var i = 0; i < count; i++) {
                var bits = Double.doubleToLongBits(values[i]);
                for (var half : new long[] {bits >>> 32, bits & 0xffffffffL}) {
                    a = (a + half) % 4294967291L;
                    b = (b + a) % 4294967291L;
                }
            }
            line(key, "%08x %08x".formatted(a, b));
        }

        @Override
        public String toString() { return text.toString(); }
    }
}
