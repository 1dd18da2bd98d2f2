// The twelve verbs: each turns its request into the lines of its reply (SPEC, section 12).

import .Protocol;
import .Graph;

private Lines hello(Request request) {
  request->finish();
  return ({ "name pike", "protocol 1", "verbs " + column(verbs, 0) * " ", "math exact" });
}

// Each key has a function and the kinds of its operands, one letter each: a node, or one of the ranges below. Where the
// last letter is +, the one before it stands for one or more.

private constant ranges = ([ 'x': Math.inf, 'd': 9007199254740992.0, 't': 8.0, 'p': 4096.0, 'g': 1024.0,
                             'c': 1000, 's': 10000 ]);

private mapping(string:array) arithmetic = ([
  "add": ({ `+, "xx" }), "sub": ({ `-, "xx" }), "mul": ({ `*, "xx" }), "div": ({ .Exact.divide, "xx" }),
  "sqrt": ({ .Exact.sqrt, "x" }),
  "muladd": ({ lambda(float x, float y, float z) { return x * y + z; }, "xxx" }),
  "sum": ({ lambda(float ... xs) { return total(map(xs, Value))->data; }, "x+" }),
  "dot": ({ lambda(float ... xs) {
    if (sizeof(xs) % 2)
      refuse("dot needs pairs");
    return dot(@Array.transpose(map(xs, Value) / 2))->data;
  }, "x+" }),
  "decimals": ({ lambda(float x) { return (array).Run.decimals(x); }, "d" }),
]);

private mapping(string:array) functions = ([
  "exp": ({ .Exact.exp, "x" }), "log": ({ .Exact.log, "x" }), "sin": ({ .Exact.sin, "t" }),
  "cos": ({ .Exact.cos, "t" }), "pow": ({ .Exact.pow, "xp" }),
]);

private mapping(string:array) expressions = ([
  "leaf": ({ Value, "x" }),
  "add": ({ `+, "nn" }), "sub": ({ `-, "nn" }), "mul": ({ `*, "nn" }), "div": ({ `/, "nn" }), "neg": ({ `-, "n" }),
  "sum": ({ lambda(Value first, Value ... rest) { return Array.reduce(`+, ({ first + 0.0, @rest })); }, "n+" }),
  "exp": ({ lambda(Value a) { return a->exp(); }, "n" }),
  "log": ({ lambda(Value a) { return a->log(); }, "n" }),
  "relu": ({ lambda(Value a) { return a->relu(); }, "n" }),
  "pow": ({ lambda(Value a, float exponent) { return a->power(exponent); }, "ng" }),
  "add_number": ({ `+, "nx" }), "sub_number": ({ `-, "nx" }), "mul_number": ({ `*, "nx" }),
  "div_number": ({ `/, "nx" }), "number_sub": ({ `-, "xn" }), "number_div": ({ `/, "xn" }),
]);

private mixed operand(int kind, string word, array(Value) nodes) {
  if (kind == 'n')
    return nodes[to_integer(word, 0, sizeof(nodes) - 1)];
  int|float limit = ranges[kind];
  if (intp(limit))
    return to_integer(word, 0, limit);
  float x = to_double(word);
  if (abs(x) > limit && !(kind == 'd' && abs(x) == Math.inf))
    refuse("%g lies outside -%g to %<g", x, limit);
  if ((kind == 'p' || kind == 'g') && floor(x * 2.0) != x * 2.0)
    refuse("an exponent is an integer or half of one, not %g", x);
  return x;
}

// The key of the request's next line, and what its function makes of the operands.
private array evaluate(Request request, mapping(string:array) table, array(Value)|void nodes) {
  Lines words = request->words();
  [function f, string kinds] = table[words[0]] || ({ 0, "" });
  int count = sizeof(words) - 1;
  if (has_suffix(kinds, "+"))
    kinds = kinds[..<1] + kinds[<1..<1] * max(0, count - sizeof(kinds) + 1);
  if (!f || count != sizeof(kinds))
    refuse("line %d has an unknown key or a wrong count of operands", request->next);
  array operands = ({});
  foreach (words[1..]; int i; string word)
    operands += ({ operand(kinds[i], word, nodes) });
  return ({ words[0], f(@operands) });
}

private Lines evaluate_all(Request request, mapping(string:array) table) {
  Lines reply = ({});
  do {
    [string key, mixed result] = evaluate(request, table);
    reply += stringp(result) ? ({ key + result }) : ({ line(key, @Array.arrayify(result)) });
  } while (!request->at_end());
  return reply;
}

private Lines arith(Request request) { return evaluate_all(request, arithmetic); }

private Lines math(Request request) {
  request->math();
  return evaluate_all(request, functions);
}

private Lines random(Request request) {
  request->math();
  object twister = .Twister(request->integer("seed", 0, 0xffffffff));
  array draw(function f, int n, mixed ... arguments) {
    return map(allocate(n), lambda(int zero) { return f(@arguments); });
  };
  return evaluate_all(request, ([
    "words": ({ lambda(int n) { return draw(twister->next, n); }, "c" }),
    "random": ({ lambda(int n) { return draw(twister->uniform, n); }, "c" }),
    "gauss": ({ lambda(int n, float sigma) { return draw(twister->gauss, n, sigma); }, "cx" }),
    "shuffle": ({ lambda(int n) { return twister->shuffle(enumerate(n)); }, "s" }),
    "choices": ({ lambda(int n, float ... weights) {
      if (sizeof(weights) > 1000)
        refuse("at most 1000 weights");
      return draw(twister->choice, n, weights);
    }, "cx+" }),
    "state": ({ lambda() {
      string kept = sizeof(twister->kept) ? line("kept", @twister->kept) : "kept none";
      return line("", twister->index, @twister->words) + "\n" + kept;
    }, "" }),
  ]));
}

private Lines tokens(Request request) {
  object tokens = .Run.Tokens(request->text());
  Lines reply = ({ line("documents", sizeof(tokens->documents)), line("vocabulary", @tokens->vocabulary),
                   line("bos", tokens->bos) });
  foreach (tokens->documents, string document)
    reply += ({ line("encoded", @tokens->encode(document)) });
  return reply;
}

private Lines graph(Request request) {
  request->math();
  array(Value) nodes = ({});
  while (!request->is_next("root"))
    nodes += ({ evaluate(request, expressions, nodes)[1] });
  int root = request->integer("root", 0, sizeof(nodes) - 1);
  request->finish();
  backward(nodes[root]);
  return map(nodes->data, lambda(float x) { return line("value", x); })
    + map(nodes->gradient, lambda(float x) { return line("gradient", x); });
}

// The tensors of a model, from all their values in one row.
private Lines tensors(object model, string before, array(float) values) {
  Lines reply = ({});
  mapping(string:array(array(float))) matrices = model->cut(values);
  foreach (column(model->matrices(), 0), string name)
    reply += tensor(before + name, matrices[name]);
  return reply;
}

// Model, tokens and parameters: what forward and backward take.
private array document(Request request) {
  object model = request->model();
  array(int) tokens = request->tokens(model);
  model->set(request->tensors(model, ""));
  request->finish();
  return ({ model, tokens });
}

private Lines forward(Request request) {
  [object model, array(int) tokens] = document(request);
  Lines reply = ({});
  Value loss = .Model.Pass(model, lambda(string name, array(Value) x) { reply += tensor(name, ({ x->data })); })
    ->loss(tokens);
  return reply + ({ line("loss", loss->data) });
}

private Lines gradients(Request request) {
  [object model, array(int) tokens] = document(request);
  Value loss = .Model.Pass(model)->loss(tokens);
  backward(loss);
  return ({ line("loss", loss->data) }) + tensors(model, "", model->parameters->gradient);
}

private object optimizer(Request request) {
  array(float) numbers = map(({ "learning_rate", "beta1", "beta2", "epsilon" }), request->number);
  return .Model.Adam(@numbers, request->choice("schedule", "linear", "cosine"), request->integer("steps", 1, 4096));
}

private Lines adam(Request request) {
  request->math();
  object adam = optimizer(request);
  int step = request->integer("step", 0, adam->steps - 1);
  [int rows, int columns] = request->shape();
  [array(float) p, array(float) gradients, adam->m, adam->v] =
    map(({ "parameters", "gradients", "m", "v" }), request->tensor, rows, columns);
  request->finish();
  adam->update(step, p, gradients);
  [float correction1, float correction2] = adam->corrections(step);
  return ({ line("rate", adam->rate(step)), line("correction1", correction1), line("correction2", correction2) })
    + tensor("m", adam->m / columns) + tensor("v", adam->v / columns) + tensor("parameters", p / columns);
}

private string checksum(string name, array(float) values) {
  int a = 1, b;
  foreach (map(values, .Exact.to_bits), int bits)
    foreach (({ bits >> 32, bits & 0xffffffff }), int half) {
      a = (a + half) % 4294967291;
      b = (b + a) % 4294967291;
    }
  return sprintf("%s %08x %08x", name, a, b);
}

private Lines train(Request request) {
  object model = request->model(), adam = optimizer(request);
  int from = request->integer("from", 0, adam->steps - 1), count = request->integer("count", 1, adam->steps - from);
  array(int) full = request->increasing("full", from, from + count - 1);
  array(array(int)) documents = ({});
  do
    documents += ({ request->tokens(model) });
  while (request->is_next("tokens"));
  model->set(request->tensors(model, ""));
  if (from)
    [adam->m, adam->v] = ({ request->tensors(model, "m."), request->tensors(model, "v.") });
  request->finish();
  Lines reply = ({});
  for (int step = from; step < from + count; step++) {
    float loss = .Model.train(model, adam, step, documents[step % sizeof(documents)]);
    reply += ({ line("step", step), line("loss", loss) });
    array(array) state = ({ ({ "gradients", model->parameters->gradient }), ({ "m", adam->m }), ({ "v", adam->v }),
                            ({ "parameters", model->parameters->data }) });
    foreach (state, [string name, array(float) values])
      reply += ({ checksum(name, values) });
    if (has_value(full, step))
      foreach (state, [string name, array(float) values])
        reply += tensors(model, name + ".", values);
  }
  return reply;
}

private Lines sample(Request request) {
  object model = request->model(), twister = .Twister(0);
  float temperature = request->number("temperature");
  int samples = request->integer("samples", 0, 1000);
  model->set(request->tensors(model, ""));
  Lines state = request->take("state", 625), kept = request->take("kept", 1);
  twister->index = to_integer(state[0], 0, 624);
  twister->words = map(state[1..], to_integer, 0, 0xffffffff);
  twister->kept = map(kept - ({ "none" }), to_double);
  request->finish();
  Lines reply = ({});
  for (int i = 0; i < samples; i++) {
    reply += ({ line("sample", i) });
    .Model.sample(model, temperature, twister, lambda(int token, array(float) probabilities) {
      reply += ({ line("probabilities", @probabilities), line("token", token) });
    });
  }
  return reply + ({ line("word", twister->next()) });
}

private Lines run(Request request) {
  request->math();
  string preset = ({ "seed", "classic" })[request->choice("preset", "seed", "classic")];
  int steps = request->integer("steps", 1, 4096), samples = request->integer("samples", 0, 1000);
  Lines reply = ({});
  [object model, object adam, object twister] = .Run.run(preset, steps, samples, request->text(), lambda(string text) {
    reply += ({ line("print", @(array)text) });
  });
  return reply + ({ checksum("parameters", model->parameters->data), checksum("m", adam->m), checksum("v", adam->v),
                    line("word", twister->next()) });
}

// In the order of the ladder.
array(array) verbs = ({
  ({ "hello", hello }), ({ "arith", arith }), ({ "math", math }), ({ "random", random }), ({ "tokens", tokens }),
  ({ "graph", graph }), ({ "forward", forward }), ({ "backward", gradients }), ({ "adam", adam }), ({ "train", train }),
  ({ "sample", sample }), ({ "run", run }),
});
