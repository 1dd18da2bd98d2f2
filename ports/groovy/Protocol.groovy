import groovy.transform.CompileStatic

/** The words of requests (SPEC, section 11). */
@CompileStatic
class Words {
    static final int LONGEST_LINE = 65536

    static List<String> split(String line) {
        if (line.length() > LONGEST_LINE) throw new Refusal("expected lines of up to $LONGEST_LINE bytes")
        line.split(' ', -1).toList()
    }

    static long integer(String word, long low, long high) {
        if (word ==~ /0|[1-9][0-9]{0,9}/) {
            long n = Long.parseLong(word)
            if (low <= n && n <= high) return n
        }
        throw new Refusal("expected an integer from $low to $high")
    }

    static List<Integer> integers(List<String> words, long low, long high) {
        words.collect { (int) integer(it, low, high) }
    }

    /** An int holds the 32 bits. */
    static int word32(String word) { (int) integer(word, 0, 0xffffffffL) }

    static double real(String word) {
        if (!(word ==~ /[0-9a-f]{16}/)) throw new Refusal('expected a double of 16 lower-case hex digits')
        double x = Double.longBitsToDouble(Long.parseUnsignedLong(word, 16))
        Double.isNaN(x) ? Double.NaN : x
    }

    static List<Double> reals(List<String> words) { words.collect { real(it) } }

    static String hex(long n, int digits) { Long.toHexString(n).padLeft(digits, '0') }
}

/** The lines of a request that are still to be read. */
@CompileStatic
class Request {
    private final Iterator<String> lines
    private String line

    Request(List<String> lines) {
        this.lines = lines.iterator()
        advance()
    }

    private void advance() { line = lines.hasNext() ? lines.next() : null }

    boolean isFinished() { line == null }

    boolean has(String key) { line == key || line?.startsWith(key + ' ') }

    List<String> next() {
        if (finished) throw new Refusal('expected more lines')
        List<String> words = Words.split(line)
        advance()
        words
    }

    /** Hands key and values of all lines that are left to the reader; there must be one. */
    void eachLine(Closure read) {
        while (true) {
            List<String> words = next()
            read(words.head(), words.tail())
            if (finished) return
        }
    }

    /** The values of the next line, which must have this key. */
    List<String> take(String key) {
        if (!has(key)) throw new Refusal("expected a line $key")
        next().tail()
    }

    List<String> take(String key, int count) {
        List<String> values = take(key)
        if (values.size() != count) throw new Refusal("expected $count values of $key")
        values
    }

    /** The values of one or more lines with this key. */
    List<List<String>> takeAll(String key) {
        List<List<String>> all = [take(key)]
        while (has(key)) all << take(key)
        all
    }

    double real(String key) { Words.real(take(key, 1)[0]) }

    int integer(String key, int low, int high) { (int) Words.integer(take(key, 1)[0], low, high) }

    /** Whether the value is the second of two words. */
    boolean isSecond(String key, String first, String second) {
        String word = take(key, 1)[0]
        if (word != first && word != second) throw new Refusal("expected $first or $second")
        word == second
    }

    void math() {
        if (isSecond('math', 'exact', 'native')) throw new Refusal('unsupported')
    }

    /** Rows and columns of the tensor that comes next. */
    List<Integer> tensorSize() {
        List<String> words = Words.split(line ?: '')
        if (words.size() != 4 || !has('tensor')) throw new Refusal('expected a tensor with its name and size')
        Words.integers(words.drop(2), 1, 2048)
    }

    List<Double> tensor(String name, int rows, int columns) {
        if (take('tensor') != [name, "$rows".toString(), "$columns".toString()]) {
            throw new Refusal("expected the tensor $name $rows $columns")
        }
        List<Double> values = []
        rows.times { values.addAll(Words.reals(take('row', columns))) }
        values
    }

    List<Double> tensors(Shape shape, String prefix = '') {
        List<Double> values = []
        for (matrix in shape.matrices) values.addAll(tensor(prefix + matrix.name, matrix.rows, matrix.columns))
        values
    }

    void finish() {
        if (!finished) throw new Refusal('expected the line end')
    }
}

/** The lines of a reply. */
@CompileStatic
class Reply {
    private final StringBuilder text = new StringBuilder()

    String toString() { text.toString() }

    void line(String key, Object... values) { line(key, values.toList()) }

    void line(String key, List values) {
        text.append(key)
        for (value in values) {
            text.append(' ')
            if (value instanceof Double) text.append(Words.hex(Double.doubleToLongBits((Double) value), 16)) // one NaN
            else text.append(value)
        }
        text.append('\n')
    }

    void tensor(String name, int rows, int columns, List<Double> values) {
        line('tensor', name, rows, columns)
        for (row in values.collate(columns)) line('row', row)
    }

    void tensors(String prefix, Shape shape, List<Double> values) {
        int first = 0
        for (matrix in shape.matrices) {
            tensor(prefix + matrix.name, matrix.rows, matrix.columns, values.subList(first, first + matrix.size))
            first += matrix.size
        }
    }

    void checksum(String key, List<Double> values) {
        long modulus = 4294967291L
        long a = 1
        long b = 0
        for (double x in values) {
            long pattern = Double.doubleToLongBits(x)
            a = (a + (pattern >>> 32)) % modulus
            b = (b + a) % modulus
            a = (a + (pattern & 0xffffffffL)) % modulus
            b = (b + a) % modulus
        }
        line(key, Words.hex(a, 8), Words.hex(b, 8))
    }
}
