package microgpt

/** What the words of a request may be (SPEC, section 11), as patterns. */
object Words {
  val longestLine = 65536

  def split(line: String): List[String] = {
    if (line.length > longestLine) throw new Refusal(s"expected lines of up to $longestLine bytes")
    line.split(" ", -1).toList
  }

  object Real {
    def unapply(word: String): Option[Double] =
      if (word.length == 16 && word.forall(c => '0' <= c && c <= '9' || 'a' <= c && c <= 'f')) {
        val x = java.lang.Double.longBitsToDouble(java.lang.Long.parseUnsignedLong(word, 16))
        Some(if (x.isNaN) Double.NaN else x)
      } else None
  }

  object Reals {
    def unapply(words: List[String]): Option[Seq[Double]] = all(words.map(Real.unapply(_)))
  }

  class Whole(low: Long, high: Long) {
    def unapply(word: String): Option[Int] =
      if (isDecimal(word)) Some(word.toLong).filter(n => low <= n && n <= high).map(_.toInt) else None
  }

  private def isDecimal(word: String) =
    word.length <= 10 && word.nonEmpty && word.forall(c => '0' <= c && c <= '9') && (word == "0" || word.head != '0')

  object Draws extends Whole(0, 1000)
  object Length extends Whole(0, 10000)

  /** The 32 bits of a word. */
  object Bits extends Whole(0, 0xffffffffL)

  object Angle {
    def unapply(word: String): Option[Double] = Real.unapply(word).filterNot(_.abs > 8.0)
  }

  class Exponent(limit: Double) {
    def unapply(word: String): Option[Double] =
      Real.unapply(word).filter(y => y.abs <= limit && 2.0 * y % 1.0 == 0.0)
  }

  object LargeExponent extends Exponent(4096.0)
  object SmallExponent extends Exponent(1024.0)

  private def all[A](options: Seq[Option[A]]): Option[Seq[A]] =
    if (options.forall(_.isDefined)) Some(options.flatten) else None
}

/** The lines of a request that are still to be read. */
final class Request(lines: Iterator[String]) {
  import Words._

  private val rest = lines.buffered

  def has(key: String): Boolean = rest.hasNext && rest.head.takeWhile(_ != ' ') == key

  def next(): List[String] = {
    if (!rest.hasNext) throw new Refusal("expected more lines")
    split(rest.next())
  }

  /** Hands all lines that are left to `read`; there must be one. */
  def foreach(read: List[String] => Unit): Unit = do read(next()) while (rest.hasNext)

  /** The values of the next line, which must have this key. */
  def take(key: String): List[String] = {
    if (!has(key)) throw new Refusal(s"expected a line $key")
    next().tail
  }

  def take(key: String, count: Int): List[String] = {
    val values = take(key)
    if (values.length != count) throw new Refusal(s"expected $count values of $key")
    values
  }

  /** The values of one or more lines with this key. */
  def takeAll(key: String): Seq[List[String]] = take(key) +: Iterator.continually(key).takeWhile(has).map(take).toVector

  def reals(key: String, count: Int): Seq[Double] = take(key, count) match {
    case Reals(xs) => xs
    case _ => throw new Refusal(s"expected doubles of 16 lower-case hex digits in $key")
  }

  def real(key: String): Double = reals(key, 1).head

  def ints(key: String, low: Int, high: Int): IndexedSeq[Int] = checked(take(key), low, high)

  def int(key: String, low: Int, high: Int): Int = checked(take(key, 1), low, high).head

  def checked(words: List[String], low: Int, high: Int): IndexedSeq[Int] = {
    val InRange = new Whole(low, high)
    words.map {
      case InRange(n) => n
      case _ => throw new Refusal(s"expected integers from $low to $high")
    }.toIndexedSeq
  }

  /** Whether the value is the second of two words. */
  def isSecond(key: String, first: String, second: String): Boolean = take(key, 1).head match {
    case `first` => false
    case `second` => true
    case _ => throw new Refusal(s"expected $first or $second")
  }

  def math(): Unit = if (isSecond("math", "exact", "native")) throw new Refusal("unsupported")

  /** Rows and columns of the tensor that comes next. */
  def tensorSize: (Int, Int) = {
    if (!has("tensor")) throw new Refusal("expected a tensor")
    split(rest.head) match {
      case List(_, _, rows, columns) =>
        val Seq(r, c) = checked(List(rows, columns), 1, 2048)
        (r, c)
      case _ => throw new Refusal("expected a tensor with its name and size")
    }
  }

  def tensor(name: String, rows: Int, columns: Int): Seq[Double] = {
    if (take("tensor") != List(name, s"$rows", s"$columns"))
      throw new Refusal(s"expected the tensor $name $rows $columns")
    Vector.fill(rows)(reals("row", columns)).flatten
  }

  def tensors(shape: Shape, prefix: String = ""): Seq[Double] =
    shape.matrices.flatMap(m => tensor(prefix + m.name, m.rows, m.columns))

  def finish(): Unit = if (rest.hasNext) throw new Refusal("expected the line end")
}

/** The lines of a reply. */
final class Reply {
  private val text = new StringBuilder

  override def toString: String = text.toString

  def line(key: String, values: Any*): Unit = {
    text.append(key)
    for (value <- values) text.append(' ').append(word(value))
    text.append('\n')
  }

  private def word(value: Any): String = value match {
    case x: Double => hex(java.lang.Double.doubleToLongBits(x), 16) // one NaN for all
    case other => other.toString
  }

  private def hex(n: Long, digits: Int): String = {
    val short = n.toHexString
    "0" * (digits - short.length) + short
  }

  def tensor(name: String, rows: Int, columns: Int, values: Seq[Double]): Unit = {
    line("tensor", name, rows, columns)
    for (row <- values.grouped(columns)) line("row", row: _*)
  }

  def tensors(prefix: String, shape: Shape, values: Array[Double]): Unit = {
    val rest = values.iterator
    for (m <- shape.matrices) tensor(prefix + m.name, m.rows, m.columns, Array.fill(m.size)(rest.next()))
  }

  def checksum(key: String, values: Array[Double]): Unit = {
    val modulus = 4294967291L
    var (a, b) = (1L, 0L)
    for (x <- values) {
      val pattern = java.lang.Double.doubleToLongBits(x)
      a = (a + (pattern >>> 32)) % modulus
      b = (b + a) % modulus
      a = (a + (pattern & 0xffffffffL)) % modulus
      b = (b + a) % modulus
    }
    line(key, hex(a, 8), hex(b, 8))
  }
}
