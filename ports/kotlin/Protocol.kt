const val LONGEST_LINE = 65536

/** The lines of a request that are still to be read, as words (SPEC, section 11). */
class Request(private val lines: List<String>) {
    private var at = 0
    val isFinished: Boolean get() = at == lines.size
    val key: String? get() = lines.getOrNull(at)?.substringBefore(' ')

    fun next(): List<String> {
        val line = lines.getOrNull(at++) ?: refuse("expected more lines")
        if (line.length > LONGEST_LINE) refuse("expected lines of up to $LONGEST_LINE bytes")
        return line.split(' ')
    }

    /** Hands key and values of all lines that are left to [read]; there must be one. */
    fun forEach(read: (String, List<String>) -> Unit) {
        do {
            val words = next()
            read(words.first(), words.drop(1))
        } while (!isFinished)
    }

    /** The values of the next line, which must have this key. */
    fun take(key: String): List<String> {
        if (this.key != key) refuse("expected a line $key")
        return next().drop(1)
    }

    fun take(key: String, count: Int): List<String> =
        take(key).also { if (it.size != count) refuse("expected $count values of $key") }

    /** The values of one or more lines with this key. */
    fun takeAll(key: String): List<List<String>> {
        val all = arrayListOf(take(key))
        while (this.key == key) all += take(key)
        return all
    }

    fun double(key: String): Double = take(key, 1).single().asDouble()

    fun int(key: String, range: IntRange): Int = take(key, 1).single().asInt(range)

    /** Whether the value is the second of two words. */
    fun isSecond(key: String, first: String, second: String): Boolean = when (take(key, 1).single()) {
        first -> false
        second -> true
        else -> refuse("expected $first or $second")
    }

    fun math() {
        if (isSecond("math", "exact", "native")) refuse("unsupported")
    }

    /** Rows and columns of the tensor that comes next. */
    fun tensorSize(): List<Int> {
        val words = lines.getOrNull(at)?.split(' ').orEmpty()
        if (words.size != 4 || words.first() != "tensor") refuse("expected a tensor with its name and size")
        return words.drop(2).asInts(1..2048)
    }

    fun tensor(name: String, rows: Int, columns: Int, prefix: String = ""): List<Double> {
        val expected = listOf(prefix + name, "$rows", "$columns")
        if (take("tensor") != expected) refuse("expected the tensor ${expected.joinToString(" ")}")
        return List(rows) { take("row", columns) }.flatMap { it.map(String::asDouble) }
    }

    fun tensors(shape: Shape, prefix: String = ""): List<Double> =
        shape.matrices.flatMap { (name, rows, columns) -> tensor(name, rows, columns, prefix) }

    fun finish() {
        if (!isFinished) refuse("expected the line end")
    }
}

fun String.asLong(range: LongRange): Long {
    val isDecimal = length in 1..10 && all { it in '0'..'9' } && (this == "0" || first() != '0')
    return if (isDecimal && toLong() in range) toLong() else refuse("expected an integer in $range")
}

fun String.asInt(range: IntRange): Int = asLong(range.first.toLong()..range.last).toInt()

/** An int holds the 32 bits. */
fun String.asWord(): Int = asLong(0..0xffffffff).toInt()

fun String.asDouble(): Double {
    if (length != 16 || !all { it in '0'..'9' || it in 'a'..'f' }) refuse("expected a double of 16 lower-case hex digits")
    val x = Double.fromBits(java.lang.Long.parseUnsignedLong(this, 16))
    return if (x.isNaN()) Double.NaN else x
}

fun List<String>.asDoubles(): List<Double> = map(String::asDouble)

fun List<String>.asInts(range: IntRange): List<Int> = map { it.asInt(range) }

/** The lines of a reply. */
class Reply {
    private val text = StringBuilder()

    override fun toString(): String = text.toString()

    fun put(key: String, values: Iterable<Any>) {
        text.append(key)
        for (value in values) text.append(' ').append(if (value is Double) hex(value) else value)
        text.append('\n')
    }

    fun put(key: String, vararg values: Any) = put(key, values.asList())

    fun tensor(name: String, rows: Int, columns: Int, values: List<Double>) {
        put("tensor", name, rows, columns)
        for (row in 0 until rows) put("row", values.subList(row * columns, (row + 1) * columns))
    }

    fun tensors(prefix: String, shape: Shape, values: List<Double>) {
        var start = 0
        for ((name, rows, columns) in shape.matrices) {
            val end = start + rows * columns
            tensor(prefix + name, rows, columns, values.subList(start, end))
            start = end
        }
    }

    fun checksum(key: String, values: List<Double>) {
        val modulus = 4294967291
        var a = 1L
        var b = 0L
        for (x in values) {
            for (half in longArrayOf(x.toBits() ushr 32, x.toBits() and 0xffffffff)) {
                a = (a + half) % modulus
                b = (b + a) % modulus
            }
        }
        put(key, hex(a, 8), hex(b, 8))
    }

    private fun hex(x: Double) = hex(x.toBits(), 16) // one NaN for all

    private fun hex(n: Long, digits: Int) = java.lang.Long.toHexString(n).padStart(digits, '0')
}
