// The model, its loss, its training and its samples (SPEC, sections 6 to 9).

import .Exact;
import .Graph;

typedef array(Value) Vector;

class Model(int layers, int heads, int embedding, int block, int vocabulary, int squared, array(array(int)) attend) {
  mapping(string:array(Vector)) weights;
  Vector parameters;

  // Names, rows and columns, in their order.
  array(array) matrices() {
    int e = embedding;
    array(array) result = ({ ({ "wte", vocabulary, e }), ({ "wpe", block, e }), ({ "lm_head", vocabulary, e }) });
    for (int i = 0; i < layers; i++)
      foreach (({ ({ "attn_wq", e, e }), ({ "attn_wk", e, e }), ({ "attn_wv", e, e }), ({ "attn_wo", e, e }),
                  ({ "mlp_fc1", 4 * e, e }), ({ "mlp_fc2", e, 4 * e }) }), [string name, int rows, int columns])
        result += ({ ({ sprintf("layer%d.%s", i, name), rows, columns }) });
    return result;
  }

  // The rows of each matrix, by name, from all values in one row.
  mapping(string:array(array)) cut(array values) {
    mapping(string:array(array)) result = ([]);
    int start;
    foreach (matrices(), [string name, int rows, int columns]) {
      result[name] = values[start..start + rows * columns - 1] / columns;
      start += rows * columns;
    }
    return result;
  }

  // Takes all values in one row.
  void set(array(float) values) {
    parameters = map(values, Value);
    weights = cut(parameters);
  }
}

private Vector dots(Vector x, array(Vector) ys) { return map(ys, lambda(Vector y) { return dot(x, y); }); }
private Vector rmsnorm(Vector x) { return x[*] * (dot(x, x) / (float)sizeof(x) + 0.00001)->power(-0.5); }

private Vector softmax(Vector x) {
  float top = x[0]->data;
  foreach (x->data, float value)
    if (value > top)
      top = value;
  Vector exponentials = (x[*] - top)->exp();
  return exponentials[*] / total(exponentials);
}

// One document on its way through the model. `record`, if any, is called with each activation's name and values.
class Pass(Model model, function(string, Vector:void)|void record) {
  private mapping(int:array(array(Vector))) keys = ([]), values = ([]);  // of each layer, cut into heads

  private Vector note(string name, Vector x) {
    if (record)
      record(name, x);
    return x;
  }

  Vector logits(int token, int t) {
    mapping(string:array(Vector)) w = model->weights;
    int width = model->embedding / model->heads;
    string at = sprintf("pos%d.", t);
    Vector x = note(at + "embedded", w->wte[token][*] + w->wpe[t][*]);
    x = note(at + "normed", rmsnorm(x));
    for (int i = 0; i < model->layers; i++) {
      string layer = sprintf("layer%d.", i), at = at + layer;
      Vector normed = note(at + "attn_norm", rmsnorm(x)), joined = ({});
      Vector q = note(at + "q", dots(normed, w[layer + "attn_wq"]));
      keys[i] += ({ note(at + "k", dots(normed, w[layer + "attn_wk"])) / width });
      values[i] += ({ note(at + "v", dots(normed, w[layer + "attn_wv"])) / width });
      array(array(Vector)) k = rows(keys[i], model->attend[t]), v = rows(values[i], model->attend[t]);
      foreach (q / width; int h; Vector query) {
        string head = sprintf("%shead%d.", at, h);
        Vector scores = note(head + "scores", dots(query, column(k, h))[*] / sqrt((float)width));
        Vector weights = note(head + "weights", softmax(scores));
        joined += note(head + "mixed", dots(weights, Array.transpose(column(v, h))));
      }
      x = note(at + "attn_out", dots(joined, w[layer + "attn_wo"]))[*] + x[*];
      normed = note(at + "mlp_norm", rmsnorm(note(at + "attn_residual", x)));
      Vector active = note(at + "hidden", dots(normed, w[layer + "mlp_fc1"]))->relu();
      active = note(at + "activated", model->squared ? active->power(2.0) : active);
      x = note(at + "mlp_out", dots(active, w[layer + "mlp_fc2"]))[*] + x[*];
      note(at + "mlp_residual", x);
    }
    return note(at + "logits", dots(x, w->lm_head));
  }

  Value loss(array(int) tokens) {
    Vector losses = ({});
    int n = min(model->block, sizeof(tokens) - 1);
    for (int t = 0; t < n; t++) {
      Vector probabilities = note(sprintf("pos%d.probabilities", t), softmax(logits(tokens[t], t)));
      losses += note(sprintf("pos%d.loss", t), ({ -probabilities[tokens[t + 1]]->log() }));
    }
    return total(losses) * (1.0 / n);
  }
}

class Adam(float learning_rate, float beta1, float beta2, float epsilon, int cosine, int steps) {
  array(float) m, v;

  float rate(int step) {
    return cosine ? learning_rate * 0.5 * (1.0 + cos(3.141592653589793 * step / steps))
      : learning_rate * (1.0 - step / (float)steps);
  }

  array(float) corrections(int step) { return ({ 1.0 - pow(beta1, step + 1.0), 1.0 - pow(beta2, step + 1.0) }); }

  // Changes p, and m and v. (Pike takes a * (g * g) for a * g * g.)
  void update(int step, array(float) p, array(float) gradients) {
    float rate = rate(step);
    [float correction1, float correction2] = corrections(step);
    m = m || allocate(sizeof(p), 0.0);
    v = v || allocate(sizeof(p), 0.0);
    foreach (gradients; int i; float g) {
      float square = g * g, first = m[i] = beta1 * m[i] + (1.0 - beta1) * g;
      float second = v[i] = beta2 * v[i] + (1.0 - beta2) * square;
      p[i] -= divide(rate * divide(first, correction1), pow(divide(second, correction2), 0.5) + epsilon);
    }
  }
}

// One step of training. Returns the loss before it, and leaves the gradients in the parameters.
float train(Model model, Adam adam, int step, array(int) tokens) {
  Vector parameters = model->parameters;
  foreach (parameters, Value parameter)
    parameter->gradient = 0.0;
  Value loss = Pass(model)->loss(tokens);
  backward(loss);
  array(float) p = parameters->data;
  adam->update(step, p, parameters->gradient);
  foreach (p; int i; float x)
    parameters[i]->data = x;
  return loss->data;
}

// Tokens drawn one after the other, without BOS. `record` is called with each token and its probabilities.
array(int) sample(Model model, float temperature, object twister, function(int, array(float):void)|void record) {
  Pass pass = Pass(model);
  int bos = model->vocabulary - 1, token = bos;
  array(int) drawn = ({});
  while (sizeof(drawn) < model->block) {
    array(float) probabilities = softmax(pass->logits(token, sizeof(drawn))[*] / temperature)->data;
    token = twister->choice(probabilities);
    if (record)
      record(token, probabilities);
    if (token == bos)
      break;
    drawn += ({ token });
  }
  return drawn;
}
