// The twelve verbs: each turns its request into the lines of its reply (SPEC, section 12).

import .Protocol;
import .Model;
import .Graph;

private Lines hello(Request request) {
  request->finish();
  return ({ "name pike", "protocol 1", "verbs " + column(verbs, 0) * " ", "math exact" });
}

// Each key has a function and the kinds of its operands, one letter each (see `operand`). A last + repeats them.

private mapping(string:array) arithmetic = ([
  "add": ({ `+, "xx" }),
  "sub": ({ `-, "xx" }),
  "mul": ({ `*, "xx" }),
  "div": ({ .Exact.divide, "xx" }),
  "sqrt": ({ .Exact.sqrt, "x" }),
  "muladd": ({ lambda(float x, float y, float z) { return x * y + z; }, "xxx" }),
  "sum": ({ lambda(float ... xs) { return total(map(xs, Value))->data; }, "x+" }),
  "dot": ({ lambda(float ... xs) { return dot(@Array.transpose(map(xs, Value) / 2))->data; }, "xx+" }),
  "decimals": ({ lambda(float x) { return (array(int)).Run.decimals(x); }, "d" }),
]);

private mapping(string:array) functions = ([
  "exp": ({ .Exact.exp, "x" }),
  "log": ({ .Exact.log, "x" }),
  "sin": ({ .Exact.sin, "t" }),
  "cos": ({ .Exact.cos, "t" }),
  "pow": ({ .Exact.pow, "xp" }),
]);

private mapping(string:array) expressions = ([
  "leaf": ({ Value, "x" }),
  "add": ({ `+, "nn" }),
  "sub": ({ `-, "nn" }),
  "mul": ({ `*, "nn" }),
  "div": ({ `/, "nn" }),
  "sum": ({ lambda(Value first, Value ... rest) { return Array.reduce(`+, ({ first + 0.0, @rest })); }, "n+" }),
  "neg": ({ `-, "n" }),
  "exp": ({ lambda(Value a) { return a->exp(); }, "n" }),
  "log": ({ lambda(Value a) { return a->log(); }, "n" }),
  "relu": ({ lambda(Value a) { return a->relu(); }, "n" }),
  "pow": ({ lambda(Value a, float exponent) { return a->power(exponent); }, "ng" }),
  "add_number": ({ `+, "nx" }),
  "sub_number": ({ `-, "nx" }),
  "mul_number": ({ `*, "nx" }),
  "div_number": ({ `/, "nx" }),
  "number_sub": ({ `-, "xn" }),
  "number_div": ({ `/, "xn" }),
]);

private Value|float operand(int kind, string word, array(Value) nodes) {
  if (kind == 'n')
    return nodes[to_integer(word, 0, sizeof(nodes) - 1)];
  float x = to_double(word), limit = ([ 'd': pow(2.0, 53.0), 't': 8.0, 'p': 4096.0, 'g': 1024.0 ])[kind] || .Exact.inf;
  if (abs(x) > limit && !(kind == 'd' && abs(x) == .Exact.inf))
    refuse("%g lies outside -%g to %<g", x, limit);
  if ((kind == 'p' || kind == 'g') && floor(x * 2.0) != x * 2.0)
    refuse("an exponent is an integer or half of one, not %g", x);
  return x;
}

// The key of the request's next line, and what its function makes of the operands.
private array evaluate(Request request, mapping(string:array) table, array(Value)|void nodes) {
  Lines words = request->words();
  [function f, string kinds] = table[words[0]] || ({ 0, "" });
  if (!f)
    refuse("unknown key at line %d", request->next);
  int count = sizeof(words) - 1;
  if (has_suffix(kinds, "+")) {
    kinds = kinds[..<1];
    kinds *= max(1, count / sizeof(kinds));
  }
  if (count != sizeof(kinds))
    refuse("line %d needs %d operands, not %d", request->next, sizeof(kinds), count);
  array operands = ({});
  foreach (words[1..]; int i; string word)
    operands += ({ operand(kinds[i], word, nodes) });
  return ({ words[0], f(@operands) });
}

private Lines evaluate_all(Request request, mapping(string:array) table) {
  Lines reply = ({});
  do {
    [string key, mixed result] = evaluate(request, table);
    reply += ({ line(key, Array.arrayify(result)) });
  } while (!request->at_end());
  return reply;
}

private Lines arith(Request request) {
  return evaluate_all(request, arithmetic);
}

private Lines math(Request request) {
  request->math();
  return evaluate_all(request, functions);
}

private Lines random(Request request) {
  request->math();
  object twister = .Twister(request->integer("seed", 0, 0xffffffff));
  Lines reply = ({});
  do {
    Lines words = request->words();
    string key = words[0];
    if (key == "state" && sizeof(words) == 1) {
      reply += ({ line("state", ({ twister->index, @twister->words })), kept(twister) });
      continue;
    }
    int least = ([ "words": 2, "random": 2, "gauss": 3, "shuffle": 2, "choices": 3 ])[key];
    if (!least || sizeof(words) < least || (sizeof(words) > least && key != "choices"))
      refuse("line %d must be one of draws, or state", request->next);
    int n = to_integer(words[1], 0, key == "shuffle" ? 10000 : 1000);
    array(float) numbers = map(words[2..], to_double);
    if (sizeof(numbers) > 1000)
      refuse("at most 1000 weights");
    array draw(function f, mixed ... arguments) {
      array result = ({});
      while (sizeof(result) < n)
        result += ({ f(@arguments) });
      return result;
    };
    array result;
    switch (key) {
      case "words": result = draw(twister->next); break;
      case "random": result = draw(twister->uniform); break;
      case "gauss": result = draw(twister->gauss, numbers[0]); break;
      case "shuffle": result = twister->shuffle(enumerate(n)); break;
      case "choices": result = draw(twister->choice, numbers); break;
    }
    reply += ({ line(key, result) });
  } while (!request->at_end());
  return reply;
}

private string kept(object twister) {
  return sizeof(twister->kept) ? line("kept", twister->kept) : "kept none";
}

private Lines tokens(Request request) {
  .Run.Tokens tokens = .Run.Tokens(request->text());
  return ({ line("documents", ({ sizeof(tokens->documents) })), line("vocabulary", tokens->vocabulary),
            line("bos", ({ tokens->bos })), @map(tokens->documents, lambda(string document) {
              return line("encoded", tokens->encode(document));
            }) });
}

private Lines graph(Request request) {
  request->math();
  array(Value) nodes = ({});
  while (!request->is_next("root"))
    nodes += evaluate(request, expressions, nodes)[1..];
  int root = request->integer("root", 0, sizeof(nodes) - 1);
  request->finish();
  backward(nodes[root]);
  return map(nodes->data, lambda(float x) { return line("value", ({ x })); })
    + map(nodes->gradient, lambda(float x) { return line("gradient", ({ x })); });
}

private Lines forward(Request request) {
  Model model = request->model();
  array(int) tokens = request->tokens(model);
  model->set(request->tensors(model));
  request->finish();
  Lines reply = ({});
  Value loss = Pass(model, lambda(string name, Vector values) { reply += tensor(name, ({ values->data })); })
    ->loss(tokens);
  return reply + ({ line("loss", ({ loss->data })) });
}

private Lines backward_verb(Request request) {
  Model model = request->model();
  array(int) tokens = request->tokens(model);
  model->set(request->tensors(model));
  request->finish();
  Value loss = Pass(model)->loss(tokens);
  backward(loss);
  return ({ line("loss", ({ loss->data })) }) + tensors(model, "", model->parameters()->gradient);
}

// The tensors of a model, from all their values in one row.
private Lines tensors(Model model, string before, array(float) values) {
  Lines reply = ({});
  foreach (model->matrices(), [string name, int rows, int columns]) {
    reply += tensor(before + name, values[..rows * columns - 1] / columns);
    values = values[rows * columns..];
  }
  return reply;
}

private Adam options(Request request) {
  array(float) numbers = map(({ "learning_rate", "beta1", "beta2", "epsilon" }), request->number);
  return Adam(@numbers, request->choice("schedule", "linear", "cosine"), request->integer("steps", 1, 4096));
}

private Lines adam(Request request) {
  request->math();
  Adam adam = options(request);
  int step = request->integer("step", 0, adam->steps - 1);
  array(array(float)) first = request->tensor("parameters");
  int rows = sizeof(first), columns = sizeof(first[0]);
  array(float) p = first * ({});
  [array(float) gradients, array(float) m, array(float) v] = map(({ "gradients", "m", "v" }), lambda(string name) {
    return request->tensor(name, rows, columns) * ({});
  });
  request->finish();
  adam->update(step, p, gradients, m, v);
  [float correction1, float correction2] = adam->corrections(step);
  return ({ line("rate", ({ adam->rate(step) })), line("correction1", ({ correction1 })),
            line("correction2", ({ correction2 })) })
    + tensor("m", m / columns) + tensor("v", v / columns) + tensor("parameters", p / columns);
}

private string checksum(string name, array(float) values) {
  int a = 1, b;
  foreach (values, float x) {
    int bits = .Exact.to_bits(x);
    foreach (({ bits >> 32, bits & 0xffffffff }), int half) {
      a = (a + half) % 4294967291;
      b = (b + a) % 4294967291;
    }
  }
  return sprintf("%s %08x %08x", name, a, b);
}

private Lines train(Request request) {
  Model model = request->model();
  Adam adam = options(request);
  int from = request->integer("from", 0, adam->steps - 1), count = request->integer("count", 1, adam->steps - from);
  array(int) full = request->integers("full", from, from + count - 1);
  if (!equal(full, Array.uniq(sort(full + ({})))))
    refuse("the steps of full must increase");
  array(array(int)) documents = ({});
  do
    documents += ({ request->tokens(model) });
  while (request->is_next("tokens"));
  model->set(request->tensors(model));
  Training training = Training(model, adam);
  if (from) {
    training->m = request->tensors(model, "m.") * ({}) * ({});
    training->v = request->tensors(model, "v.") * ({}) * ({});
  }
  request->finish();
  Lines reply = ({});
  for (int step = from; step < from + count; step++) {
    float loss = training->step(step, documents[step % sizeof(documents)]);
    array(array) state = ({ ({ "gradients", training->gradients }), ({ "m", training->m }), ({ "v", training->v }),
                            ({ "parameters", training->parameters->data }) });
    reply += ({ line("step", ({ step })), line("loss", ({ loss })) });
    foreach (state, [string name, array(float) values])
      reply += ({ checksum(name, values) });
    if (has_value(full, step))
      foreach (state, [string name, array(float) values])
        reply += tensors(model, name + ".", values);
  }
  return reply;
}

private Lines sample_verb(Request request) {
  Model model = request->model();
  float temperature = request->number("temperature");
  int samples = request->integer("samples", 0, 1000);
  model->set(request->tensors(model));
  Lines state = request->take("state", 625), kept = request->take("kept", 1);
  object twister = .Twister(0);
  twister->index = to_integer(state[0], 0, 624);
  twister->words = map(state[1..], to_integer, 0, 0xffffffff);
  twister->kept = kept[0] == "none" ? ({}) : map(kept, to_double);
  request->finish();
  Lines reply = ({});
  for (int i = 0; i < samples; i++) {
    reply += ({ line("sample", ({ i })) });
    sample(model, temperature, twister, lambda(int token, array(float) probabilities) {
      reply += ({ line("probabilities", probabilities), line("token", ({ token })) });
    });
  }
  return reply + ({ line("word", ({ twister->next() })) });
}

private Lines run(Request request) {
  request->math();
  string preset = ({ "seed", "classic" })[request->choice("preset", "seed", "classic")];
  int steps = request->integer("steps", 1, 4096), samples = request->integer("samples", 0, 1000);
  Lines lines = request->text(), reply = ({});
  [Training training, object twister] = .Run.run(preset, lines, lambda(string text) {
    reply += ({ line("print", (array(int))text) });
  }, steps, samples);
  return reply + ({ checksum("parameters", training->parameters->data), checksum("m", training->m),
                    checksum("v", training->v), line("word", ({ twister->next() })) });
}

// In the order of the ladder.
array(array) verbs = ({
  ({ "hello", hello }), ({ "arith", arith }), ({ "math", math }), ({ "random", random }), ({ "tokens", tokens }),
  ({ "graph", graph }), ({ "forward", forward }), ({ "backward", backward_verb }), ({ "adam", adam }),
  ({ "train", train }), ({ "sample", sample_verb }), ({ "run", run }),
});
