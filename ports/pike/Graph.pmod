// The graph: numbers that know what they were computed from, and pass their gradients on (SPEC, section 5).

class Value {
  float data, gradient = 0.0;
  array(Value) children;
  array(float) locals;  // the local gradient of each child
  int visited;

  protected void create(float data, array(Value)|void children, array(float)|void locals) {
    this::data = data;
    this::children = children;
    this::locals = locals;
    visited = !children;  // a leaf passes nothing on: its place in the order is of no matter
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

  Value log() {
    return Value(.Exact.log(data), ({ this }), ({ .Exact.divide(1.0, data) }));
  }

  Value relu() {
    return data > 0.0 ? Value(data, ({ this }), ({ 1.0 })) : Value(0.0, ({ this }), ({ 0.0 }));
  }

  // The rest is made of these. `- without an operand is -a; ``- and ``/ have a number on their left.

  Value `-(Value|float|void other) {
    return undefinedp(other) ? this * -1.0 : this + other * -1.0;
  }

  Value ``-(float number) {
    return this * -1.0 + number;
  }

  Value `/(Value|float other) {
    return this * (floatp(other) ? .Exact.pow(other, -1.0) : other->power(-1.0));
  }

  Value ``/(float number) {
    return power(-1.0) * number;
  }
}

// The sum of all ws[i] * xs[i], as one node. (Pike's `+ of many floats is no sum from left to right.)
Value dot(array(Value) ws, array(Value) xs) {
  array(float) w = ws->data, x = xs->data;
  float sum = 0.0;
  foreach (w; int i; float factor)
    sum += factor * x[i];
  return Value(sum, Array.splice(ws, xs), Array.splice(x, w));
}

Value total(array(Value) xs) {
  float sum = 0.0;
  foreach (xs->data, float x)
    sum += x;
  return Value(sum, xs, allocate(sizeof(xs), 1.0));
}

// Depth first, children from left to right before their parent.
private array(Value) post_order(Value root) {
  array(Value) order = ({}), path = ({ root });
  int depth = 1;
  while (depth) {
    Value node = path[depth - 1];
    int next = node->children ? search(node->children->visited, 0) : -1;
    if (next < 0) {
      order += ({ node });
      depth--;
    } else {
      Value child = node->children[next];
      child->visited = 1;
      if (depth < sizeof(path))
        path[depth] = child;
      else
        path += ({ child });
      depth++;
    }
  }
  return order;
}

void backward(Value root) {
  root->gradient = 1.0;
  foreach (reverse(post_order(root)), Value node) {
    float gradient = node->gradient;
    array(float) locals = node->locals;
    foreach (node->children || ({}); int i; Value child)
      child->gradient += locals[i] * gradient;
  }
}
