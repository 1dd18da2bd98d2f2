package microgpt

import scala.collection.mutable

/** A number of the computation, and how the root of `backward` changes with it (SPEC, section 5). The same nodes answer
  * `graph` and train the model.
  */
final class Node private (private var number: Double, origin: Node.Origin) {
  import Node._

  var gradient: Double = 0.0
  private var isSeen = false

  def value: Double = number

  def +(other: Node): Node = new Node(value + other.value, Sum(Array(this, other)))
  def +(c: Double): Node = new Node(value + c, Unary(this, 1.0))
  def -(other: Node): Node = this + -other
  def -(c: Double): Node = this + -c
  def *(other: Node): Node = new Node(value * other.value, Dot(Array(this), Array(other)))
  def *(c: Double): Node = new Node(value * c, Unary(this, c))
  def /(other: Node): Node = this * other.pow(-1.0)
  def /(c: Double): Node = this * (1.0 / c)
  def unary_- : Node = this * -1.0

  def pow(c: Double): Node = new Node(Exact.pow(value, c), Unary(this, c * Exact.pow(value, c - 1.0)))
  def log: Node = new Node(Exact.log(value), Unary(this, 1.0 / value))
  def relu: Node = if (value > 0.0) new Node(value, Unary(this, 1.0)) else new Node(0.0, Unary(this, 0.0))

  def exp: Node = {
    val y = Exact.exp(value)
    new Node(y, Unary(this, y))
  }

  /** Another node just like this one. */
  def twin: Node = new Node(value, origin)

  /** Changes a leaf between two graphs. */
  def value_=(x: Double): Unit = {
    require(origin == Leaf)
    number = x
  }

  /** Gives this node and all below it their gradients, which must be zero before. */
  def backward(): Unit = {
    val order = sorted
    gradient = 1.0
    for (node <- order.reverseIterator) {
      node.isSeen = false
      node.passOn()
    }
  }

  /** The depth-first post-order, found on a path of its own, since graphs are deep. */
  private def sorted: mutable.ArrayBuffer[Node] = {
    val order = mutable.ArrayBuffer.empty[Node]
    var path = List(new Visit(this))
    isSeen = true
    while (path.nonEmpty) {
      path.head.next() match {
        case Some(child) =>
          child.isSeen = true
          path ::= new Visit(child)
        case None =>
          order += path.head.node
          path = path.tail
      }
    }
    order
  }

  private def childCount: Int = origin match {
    case Leaf => 0
    case Unary(_, _) => 1
    case Sum(terms) => terms.length
    case Dot(ws, _) => 2 * ws.length
  }

  private def child(i: Int): Node = origin match {
    case Leaf => throw new NoSuchElementException("a leaf has no children")
    case Unary(a, _) => a
    case Sum(terms) => terms(i)
    case Dot(ws, xs) => if (i % 2 == 0) ws(i / 2) else xs(i / 2)
  }

  private def passOn(): Unit = origin match {
    case Leaf =>
    case Unary(a, local) => a.gradient += local * gradient
    case Sum(terms) => for (term <- terms) term.gradient += gradient
    case Dot(ws, xs) =>
      for (i <- ws.indices) {
        ws(i).gradient += xs(i).value * gradient
        xs(i).gradient += ws(i).value * gradient
      }
  }
}

object Node {
  private sealed trait Origin
  private case object Leaf extends Origin
  private final case class Unary(a: Node, local: Double) extends Origin
  private final case class Sum(terms: Array[Node]) extends Origin
  private final case class Dot(ws: Array[Node], xs: Array[Node]) extends Origin

  /** A node of the path, and the first of its children that have not been looked at. */
  private final class Visit(val node: Node) {
    private val count = node.childCount
    private var i = 0

    def next(): Option[Node] = {
      while (i < count && node.child(i).isSeen) i += 1
      if (i < count) Some(node.child(i)) else None
    }
  }

  /** A number that is given, such as a parameter. */
  def leaf(x: Double): Node = new Node(x, Leaf)

  /** The sum from the left, node by node. */
  def chained(terms: Seq[Node]): Node = terms.tail.foldLeft(terms.head + 0.0)(_ + _)

  /** The sum as one node. No term occurs twice or lies below another one. */
  def sum(terms: Array[Node]): Node = new Node(terms.foldLeft(0.0)(_ + _.value), Sum(terms))

  /** The dot product as one node. As in `sum`, but two factors may be the same. */
  def dot(ws: Array[Node], xs: Array[Node]): Node = {
    var total = 0.0
    for (i <- ws.indices) total += ws(i).value * xs(i).value
    new Node(total, Dot(ws, xs))
  }

  implicit class Number(private val c: Double) extends AnyVal {
    def -(a: Node): Node = -a + c
    def /(a: Node): Node = a.pow(-1.0) * c
  }
}
