// The model, its loss, its training and its samples (SPEC, sections 6 to 10).

import .Exact;
import .Graph;

typedef array(Value) Vector;

class Model(int layers, int heads, int embedding, int block, int vocabulary, int squared, array(array(int)) attend) {
  mapping(string:array(Vector)) weights;

  // Names, rows and columns of the matrices, in their order.
  array(array) matrices() {
    array layer(int i) {
      array(array) square = map(({ "attn_wq", "attn_wk", "attn_wv", "attn_wo" }),
                                lambda(string name) { return ({ name, embedding, embedding }); });
      array(array) mlp = ({ ({ "mlp_fc1", 4 * embedding, embedding }), ({ "mlp_fc2", embedding, 4 * embedding }) });
      return map(square + mlp, lambda(array matrix) { return ({ "layer" + i + "." + matrix[0] }) + matrix[1..]; });
    };
    array(array) outer = ({ ({ "wte", vocabulary }), ({ "wpe", block }), ({ "lm_head", vocabulary }) });
    return (outer[*] + ({ embedding })) + map(enumerate(layers), layer) * ({});
  }

  void set(array(array(array(float))) values) {
    weights = mkmapping(column(matrices(), 0), map(values, lambda(array(array(float)) matrix) {
      return map(matrix, lambda(array(float) row) { return map(row, Value); });
    }));
  }

  // All in one row, in the order of the matrices.
  Vector parameters() {
    return map(column(matrices(), 0), lambda(string name) { return weights[name] * ({}); }) * ({});
  }
}

private Vector dots(Vector x, array(Vector) ys) {
  return map(ys, lambda(Vector y) { return dot(x, y); });
}

private Vector linear(Vector x, array(Vector) w) {
  return map(w, dot, x);
}

private Vector rmsnorm(Vector x) {
  Value scale = (dot(x, x) / (float)sizeof(x) + 0.00001)->power(-0.5);
  return x[*] * scale;
}

private Vector softmax(Vector x) {
  float top = x[0]->data;
  foreach (x->data, float value)
    if (value > top)
      top = value;
  Vector exponentials = (x[*] - top)->exp();
  return exponentials[*] / total(exponentials);
}

// One document on its way through the model. `record`, if any, is called with each activation's name and values.
class Pass {
  private Model model;
  private function(string, Vector:void) record;
  private array(array(array(Vector))) keys, values;

  protected void create(Model model, function(string, Vector:void)|void record) {
    this::model = model;
    this::record = record;
    keys = allocate(model->layers, ({}));
    values = keys + ({});
  }

  private Vector note(Vector x, string name, int ... numbers) {
    if (record)
      record(sprintf(name, @numbers), x);
    return x;
  }

  // The caches hold vectors cut into heads.
  private Vector attention(array(Vector) q, int t, int layer) {
    array(array(Vector)) k = rows(keys[layer], model->attend[t]), v = rows(values[layer], model->attend[t]);
    float root = sqrt((float)sizeof(q[0]));
    Vector heads = ({});
    foreach (q; int h; Vector query) {
      Vector scores = note(dots(query, column(k, h))[*] / root, "pos%d.layer%d.head%d.scores", t, layer, h);
      Vector weights = note(softmax(scores), "pos%d.layer%d.head%d.weights", t, layer, h);
      array(Vector) components = Array.transpose(column(v, h));
      heads += note(dots(weights, components), "pos%d.layer%d.head%d.mixed", t, layer, h);
    }
    return heads;
  }

  Vector logits(int token, int t) {
    mapping(string:array(Vector)) w = model->weights;
    Vector x = note(w->wte[token][*] + w->wpe[t][*], "pos%d.embedded", t);
    x = note(rmsnorm(x), "pos%d.normed", t);
    int width = model->embedding / model->heads;
    for (int i = 0; i < model->layers; i++) {
      string layer = "layer" + i + ".";
      Vector product(string matrix, string name, Vector input) {
        return note(linear(input, w[layer + matrix]), "pos%d.layer%d." + name, t, i);
      };
      Vector normed = note(rmsnorm(x), "pos%d.layer%d.attn_norm", t, i), q = product("attn_wq", "q", normed);
      keys[i] += ({ product("attn_wk", "k", normed) / width });
      values[i] += ({ product("attn_wv", "v", normed) / width });
      x = product("attn_wo", "attn_out", attention(q / width, t, i))[*] + x[*];
      note(x, "pos%d.layer%d.attn_residual", t, i);
      normed = note(rmsnorm(x), "pos%d.layer%d.mlp_norm", t, i);
      Vector active = product("mlp_fc1", "hidden", normed)->relu();
      if (model->squared)
        active = active->power(2.0);
      note(active, "pos%d.layer%d.activated", t, i);
      x = product("mlp_fc2", "mlp_out", active)[*] + x[*];
      note(x, "pos%d.layer%d.mlp_residual", t, i);
    }
    return note(linear(x, w->lm_head), "pos%d.logits", t);
  }

  Value loss(array(int) tokens) {
    Vector losses = ({});
    int n = min(model->block, sizeof(tokens) - 1);
    for (int t = 0; t < n; t++) {
      Vector probabilities = note(softmax(logits(tokens[t], t)), "pos%d.probabilities", t);
      losses += note(({ -probabilities[tokens[t + 1]]->log() }), "pos%d.loss", t);
    }
    return total(losses) * (1.0 / n);
  }
}

class Adam(float learning_rate, float beta1, float beta2, float epsilon, int cosine, int steps) {
  float rate(int step) {
    if (cosine)
      return learning_rate * 0.5 * (1.0 + cos(3.141592653589793 * step / steps));
    return learning_rate * (1.0 - step / (float)steps);
  }

  array(float) corrections(int step) {
    return ({ 1.0 - pow(beta1, step + 1.0), 1.0 - pow(beta2, step + 1.0) });
  }

  // Changes p, m and v, which are as long as the gradients. (Pike takes a * (g * g) for a * g * g.)
  void update(int step, array(float) p, array(float) gradients, array(float) m, array(float) v) {
    float rate = rate(step);
    [float correction1, float correction2] = corrections(step);
    foreach (gradients; int i; float g) {
      float square = g * g, first = m[i] = beta1 * m[i] + (1.0 - beta1) * g;
      float second = v[i] = beta2 * v[i] + (1.0 - beta2) * square;
      p[i] -= divide(rate * divide(first, correction1), pow(divide(second, correction2), 0.5) + epsilon);
    }
  }
}

// A training on its way: the model's parameters and their moments.
class Training {
  private Model model;
  private Adam adam;
  Vector parameters;
  array(float) gradients, m, v;

  protected void create(Model model, Adam adam) {
    this::model = model;
    this::adam = adam;
    parameters = model->parameters();
    m = allocate(sizeof(parameters), 0.0);
    v = m + ({});
  }

  // The loss before the update.
  float step(int s, array(int) tokens) {
    Value loss = Pass(model)->loss(tokens);
    backward(loss);
    gradients = parameters->gradient;
    array(float) p = parameters->data;
    adam->update(s, p, gradients, m, v);
    foreach (parameters; int i; Value parameter) {
      parameter->data = p[i];
      parameter->gradient = 0.0;
    }
    return loss->data;
  }
}

// Tokens drawn one after the other, without BOS. `record` is called with each token and its probabilities.
array(int) sample(Model model, float temperature, object twister, function(int, array(float):void)|void record) {
  Pass pass = Pass(model);
  int bos = model->vocabulary - 1, token = bos;
  array(int) drawn = ({});
  for (int t = 0; t < model->block; t++) {
    array(float) probabilities = softmax(pass->logits(token, t)[*] / temperature)->data;
    token = twister->choice(probabilities);
    if (record)
      record(token, probabilities);
    if (token == bos)
      break;
    drawn += ({ token });
  }
  return drawn;
}
