# The autograd (SPEC, section 5): a node is a number, its place in these arrays. The operands of all nodes
# lie in one array, one node's after another's.
class Tape
  alias Node = Int32
  alias Vector = Array(Node)

  private enum Kind : UInt8
    Leaf
    Local # one operand, with a local gradient of its own
    Sum
    Dot # the operands are factors, in pairs
  end

  getter value = [] of Float64
  getter gradient = [] of Float64
  @local = [] of Float64
  @kind = [] of Kind
  @operands = [] of Node
  @first = [0] # operand of each node; one more, for the next

  def leaf(x : Float64) : Node
    node(:leaf, x)
  end

  def add(a : Node, b : Node) : Node
    @operands << a << b
    node(:sum, @value[a] + @value[b])
  end

  def multiply(a : Node, b : Node) : Node
    @operands << a << b
    node(:dot, @value[a] * @value[b])
  end

  def add(a : Node, c : Float64) : Node
    local(a, @value[a] + c, 1.0)
  end

  def multiply(a : Node, c : Float64) : Node
    local(a, @value[a] * c, c)
  end

  def divide(a : Node, c : Float64) : Node
    multiply(a, 1.0 / c)
  end

  def negate(a : Node) : Node
    multiply(a, -1.0)
  end

  def pow(a : Node, c : Float64) : Node
    local(a, Exact.pow(@value[a], c), c * Exact.pow(@value[a], c - 1))
  end

  def log(a : Node) : Node
    local(a, Exact.log(@value[a]), 1.0 / @value[a])
  end

  def exp(a : Node) : Node
    y = Exact.exp(@value[a])
    local(a, y, y)
  end

  def relu(a : Node) : Node
    @value[a] > 0 ? local(a, @value[a], 1.0) : local(a, 0.0, 0.0)
  end

  # Sums and dot products are one node. No operand occurs twice, save as its own factor, and none lies below
  # another.

  def sum(xs : Vector) : Node
    @operands.concat(xs)
    node(:sum, xs.reduce(0.0) { |total, x| total + @value[x] })
  end

  def dot(ws : Vector, xs : Vector) : Node
    total = 0.0
    ws.each_with_index do |w, j|
      x = xs[j]
      @operands << w << x
      total += @value[w] * @value[x]
    end
    node(:dot, total)
  end

  # Each of *xs* over *a*. Every division has a power node of its own, all with the same numbers.
  def quotients(xs : Vector, a : Node) : Vector
    inverse = 1.0 / @value[a]
    slope = -1.0 * Exact.pow(@value[a], -2.0)
    xs.map { |x| multiply(x, local(a, inverse, slope)) }
  end

  # Forgets all but the first nodes.
  def truncate(size : Int32) : Nil
    {@value, @gradient, @local, @kind}.each { |array| array.truncate(0, size) }
    @first.truncate(0, size + 1)
    @operands.truncate(0, @first.last)
  end

  # How the value of *root* changes with each node, in `gradient`.
  def backward(root : Node) : Nil
    @gradient.fill(0.0)
    @gradient[root] = 1.0
    order(root).reverse_each do |i|
      g = @gradient[i]
      from, to = @first[i], @first[i + 1]
      case @kind[i]
      in .leaf?  then nil
      in .local? then @gradient[@operands[from]] += @local[i] * g
      in .sum?   then (from...to).each { |k| @gradient[@operands[k]] += g }
      in .dot?
        from.step(to: to, by: 2, exclusive: true) do |k|
          w, x = @operands[k], @operands[k + 1]
          @gradient[w] += @value[x] * g
          @gradient[x] += @value[w] * g
        end
      end
    end
  end

  # Depth-first post-order.
  private def order(root)
    order = Vector.new
    seen = BitArray.new(@value.size)
    path = [root]
    unvisited = @first.dup # the next operand to visit, of each node
    seen[root] = true
    while node = path.last?
      if unvisited[node] == @first[node + 1]
        order << node
        path.pop
      else
        child = @operands[unvisited[node]]
        unvisited[node] += 1
        next if seen[child]
        seen[child] = true
        path << child
      end
    end
    order
  end

  private def local(a, value, slope)
    @operands << a
    node(:local, value, slope)
  end

  # A node of the operands that have just been added.
  private def node(kind : Kind, value, local = 0.0)
    @value << value
    @gradient << 0.0
    @local << local
    @kind << kind
    @first << @operands.size
    @value.size - 1
  end
end
