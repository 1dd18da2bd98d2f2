# frozen_string_literal: true

require_relative "exact"

# A number with its gradient (SPEC, section 5). A plain Node is a leaf; the other kinds know their children.
class Node
  attr_reader :seen
  attr_accessor :value, :gradient

  def initialize(value)
    @value = value
    @gradient = 0.0
    @seen = false
  end

  # Sums and dot products are one node each. None of their operands may occur twice, or lie below another.
  def self.sum(nodes)
    Sum.new(nodes.reduce(0.0) { |total, node| total + node.value }, nodes)
  end

  def self.dot(ws, xs)
    total = 0.0
    ws.each_with_index { |w, j| total += w.value * xs[j].value }
    Dot.new(total, ws, xs)
  end

  def +(other)
    other.is_a?(Node) ? Sum.new(value + other.value, [self, other]) : Unary.new(value + other, self, 1.0)
  end

  def *(other)
    other.is_a?(Node) ? Dot.new(value * other.value, [self], [other]) : Unary.new(value * other, self, other)
  end

  def /(other) = self * (other.is_a?(Node) ? other**-1.0 : 1.0 / other)
  def -(other) = self + -other
  def -@ = self * -1.0
  def **(other) = Unary.new(Exact.pow(value, other), self, other * Exact.pow(value, other - 1.0))
  def log = Unary.new(Exact.log(value), self, 1.0 / value)
  def relu = value > 0.0 ? Unary.new(value, self, 1.0) : Unary.new(0.0, self, 0.0)

  def exp
    result = Exact.exp(value)
    Unary.new(result, self, result)
  end

  def leaf? = true
  def child(_) = nil
  def pass_on = nil

  # Adds to the gradient of every node that this one depends on.
  def backward
    order = descendants
    @gradient = 1.0
    order.reverse_each(&:pass_on)
  end

  def see
    @seen = true
  end

  private

  # The nodes that are no leaves, in depth-first post-order.
  def descendants
    order, path, cursors = [], [self], [0]
    until path.empty?
      if (child = path.last.child(cursors.last))
        cursors[-1] += 1
        next if child.seen || child.leaf?

        child.see
        path << child
        cursors << 0
      else
        order << path.pop
        cursors.pop
      end
    end
    order
  end
end

# A function of one node. The slope is its local gradient.
class Unary < Node
  def initialize(value, child, slope)
    super(value)
    @child = child
    @slope = slope
  end

  def leaf? = false
  def child(index) = index.zero? ? @child : nil

  def pass_on
    @child.gradient += @slope * gradient
  end
end

class Sum < Node
  def initialize(value, nodes)
    super(value)
    @nodes = nodes
  end

  def leaf? = false
  def child(index) = @nodes[index]

  def pass_on
    @nodes.each { |node| node.gradient += gradient }
  end
end

# The sum of the products of two vectors, or one product.
class Dot < Node
  def initialize(value, ws, xs)
    super(value)
    @ws = ws
    @xs = xs
  end

  def leaf? = false
  def child(index) = (index.even? ? @ws : @xs)[index >> 1]

  def pass_on
    received = gradient
    @ws.each_with_index do |w, j|
      x = @xs[j]
      w.gradient += x.value * received
      x.gradient += w.value * received
    end
  end
end
