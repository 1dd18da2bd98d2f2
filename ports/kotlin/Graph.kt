/**
 * A number of the computation, and how the root of [backward] changes with it (SPEC, section 5). The same nodes answer
 * `graph` and train the model.
 */
sealed class Node(value: Double) {
    var value: Double = value
        protected set
    var gradient: Double = 0.0
    private var isSeen = false

    protected abstract val childCount: Int

    protected abstract fun child(i: Int): Node

    /** Adds to the gradients of the children, from left to right. */
    protected abstract fun passOn()

    operator fun plus(other: Node): Node = Sum(value + other.value, listOf(this, other))
    operator fun plus(c: Double): Node = Unary(value + c, this, 1.0)
    operator fun minus(other: Node): Node = this + -other
    operator fun minus(c: Double): Node = this + -c
    operator fun times(other: Node): Node = Dot(value * other.value, listOf(this), listOf(other))
    operator fun times(c: Double): Node = Unary(value * c, this, c)
    operator fun div(other: Node): Node = this * other.pow(-1.0)
    operator fun div(c: Double): Node = this * (1.0 / c)
    operator fun unaryMinus(): Node = this * -1.0

    fun pow(c: Double): Unary = Unary(Exact.pow(value, c), this, c * Exact.pow(value, c - 1.0))
    fun log(): Node = Unary(Exact.log(value), this, 1.0 / value)
    fun exp(): Node = Exact.exp(value).let { Unary(it, this, it) }
    fun relu(): Node = if (value > 0.0) Unary(value, this, 1.0) else Unary(0.0, this, 0.0)

    /** Gives this node and all below it their gradients, which must be zero before. */
    fun backward() {
        val order = sorted()
        gradient = 1.0
        for (node in order.asReversed()) {
            node.passOn()
            node.isSeen = false
        }
    }

    /** The depth-first post-order, found on a path of its own, since graphs are deep. */
    private fun sorted(): List<Node> {
        class Visit(val node: Node, var next: Int = 0)

        val order = ArrayList<Node>()
        val path = arrayListOf(Visit(this))
        isSeen = true
        while (path.isNotEmpty()) {
            val visit = path.last()
            if (visit.next == visit.node.childCount) {
                order.add(visit.node)
                path.removeAt(path.lastIndex)
            } else {
                val child = visit.node.child(visit.next++)
                if (!child.isSeen) {
                    child.isSeen = true
                    path.add(Visit(child))
                }
            }
        }
        return order
    }

    /** A number that is given, such as a parameter, and may be changed between two graphs. */
    class Leaf(value: Double) : Node(value) {
        override val childCount get() = 0
        override fun child(i: Int) = throw IndexOutOfBoundsException("a leaf has no children")
        override fun passOn() = Unit

        fun set(value: Double) {
            this.value = value
        }
    }

    class Unary(value: Double, private val a: Node, private val local: Double) : Node(value) {
        override val childCount get() = 1
        override fun child(i: Int) = a

        override fun passOn() {
            a.gradient += local * gradient
        }

        /** Another node just like this one. */
        fun twin() = Unary(value, a, local)
    }

    class Sum(value: Double, private val terms: List<Node>) : Node(value) {
        override val childCount get() = terms.size
        override fun child(i: Int) = terms[i]

        override fun passOn() {
            for (i in terms.indices) terms[i].gradient += gradient
        }
    }

    class Dot(value: Double, private val ws: List<Node>, private val xs: List<Node>) : Node(value) {
        override val childCount get() = 2 * ws.size
        override fun child(i: Int) = (if (i % 2 == 0) ws else xs)[i / 2]

        override fun passOn() {
            for (i in ws.indices) {
                val w = ws[i]
                val x = xs[i]
                w.gradient += x.value * gradient
                x.gradient += w.value * gradient
            }
        }
    }
}

operator fun Double.minus(a: Node): Node = -a + this
operator fun Double.div(a: Node): Node = a.pow(-1.0) * this

/** The sum from the left, node by node. */
fun List<Node>.chained(): Node = drop(1).fold(first() + 0.0, Node::plus)

/** The sum as one node. No term occurs twice or lies below another one. */
fun List<Node>.sum(): Node = Node.Sum(fold(0.0) { total, x -> total + x.value }, this)

/** The dot product as one node. As in [sum], but two factors may be the same. */
infix fun List<Node>.dot(xs: List<Node>): Node {
    var total = 0.0
    for (i in indices) total += this[i].value * xs[i].value
    return Node.Dot(total, this, xs)
}
