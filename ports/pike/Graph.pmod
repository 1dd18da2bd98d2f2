// The graph: numbers that know what they were computed from, and pass their gradients on (SPEC, section 5).

class Value {
  float data, gradient = 0.0;
  array(Value) children = ({});
  array(float) locals;  // the local gradient of each child
  int visited;
  Value parent;  // on the path that `backward` is on

  protected void create(float data, array(Value)|void children, array(float)|void locals) {
    this::data = data;
    if (visited = !children)  // a leaf passes nothing on: its place in the order is of no matter
      return;
    this::children = children;
    this::locals = locals;
  }

  Value `+(Value|float other) {
    return floatp(other) ? Value(data + other, ({ this }), ({ 1.0 }))
      : Value(data + other->data, ({ this, other }), ({ 1.0, 1.0 }));
  }

  Value `*(Value|float other) {
    return floatp(other) ? Value(data * other, ({ this }), ({ other }))
      : Value(data * other->data, ({ this, other }), ({ other->data, data }));
  }

  Value power(float exponent) {
    return Value(.Exact.pow(data, exponent), ({ this }), ({ exponent * .Exact.pow(data, exponent - 1.0) }));
  }

  Value exp() {
    float result = .Exact.exp(data);
    return Value(result, ({ this }), ({ result }));
  }

  Value log() { return Value(.Exact.log(data), ({ this }), ({ .Exact.divide(1.0, data) })); }
  Value relu() { return data > 0.0 ? this * 1.0 : Value(0.0, ({ this }), ({ 0.0 })); }

  // The rest is made of these. `- without an operand is -a; ``- and ``/ have a number on their left.

  Value `-(Value|float|void other) { return undefinedp(other) ? this * -1.0 : this + other * -1.0; }
  Value ``-(float number) { return this * -1.0 + number; }
  Value `/(Value|float other) { return this * (floatp(other) ? .Exact.pow(other, -1.0) : other->power(-1.0)); }
  Value ``/(float number) { return power(-1.0) * number; }
}

// The sum of all xs[i] * ys[i], as one node. (Pike's `+ of many floats does not run from left to right.)
Value dot(array(Value) xs, array(Value) ys) {
  array(float) x = xs->data, y = ys->data;
  float sum = 0.0;
  foreach (x; int i; float factor)
    sum += factor * y[i];
  return Value(sum, Array.splice(xs, ys), Array.splice(y, x));
}

Value total(array(Value) xs) {
  float sum = 0.0;
  foreach (xs->data, float x)
    sum += x;
  return Value(sum, xs, allocate(sizeof(xs), 1.0));
}

void backward(Value root) {
  array(Value) order = ({});
  for (Value node = root, next; node; node = next) {
    int unvisited = search(node->children->visited, 0);
    if (unvisited < 0) {
      order += ({ node });
      next = node->parent;
      node->parent = 0;
    } else {
      next = node->children[unvisited];
      next->visited = 1;
      next->parent = node;
    }
  }
  root->gradient = 1.0;
  foreach (reverse(order), Value node) {
    float gradient = node->gradient;
    foreach (node->children; int i; Value child)
      child->gradient += node->locals[i] * gradient;
  }
}
