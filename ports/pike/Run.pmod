// Text and tokens, and a whole run from a dataset to its samples (SPEC, sections 4 and 10).

private constant presets = ([
  "seed": ([ "block": 8, "squared": 1, "sigma": 0.02, "output": 0.0, "adam": ({ 0.01, 0.9, 0.95, 1e-8, 1 }) ]),
  "classic": ([ "block": 16, "squared": 0, "sigma": 0.08, "output": 0.08, "adam": ({ 0.01, 0.85, 0.99, 1e-8, 0 }) ]),
]);

private string strip(string text) {
  sscanf(text, "%*[\t-\r ]%s", text);
  sscanf(reverse(text), "%*[\t-\r ]%s", text);
  return reverse(text);
}

class Tokens {
  array(string) documents;
  array(int) vocabulary;
  int bos;
  private mapping(int:int) token;

  protected void create(array(string) lines) {
    documents = map(lines, strip) - ({ "" });
    vocabulary = sort(Array.uniq((array)(documents * "")));
    bos = sizeof(vocabulary);
    token = mkmapping(vocabulary, indices(vocabulary));
    if (!bos || bos > 2047)
      .Protocol.refuse("a dataset needs 1 to 2047 distinct characters, and this one has %d", bos);
  }

  array(int) encode(string document) { return ({ bos, @rows(token, (array)document), bos }); }
}

string decimals(float x) { return x == x ? sprintf("%.4f", x) : "nan"; }

// Trains on the documents, prints as it goes, and returns the model, its optimizer and the generator.
array(object) run(string name, int steps, int samples, array(string) lines, function(string:void) print) {
  mapping(string:mixed) preset = presets[name];
  Tokens tokens = Tokens(lines);
  object twister = .Twister(42), adam = .Model.Adam(@preset->adam, steps);
  array(string) documents = twister->shuffle(tokens->documents);
  object model = .Model.Model(1, 4, 16, preset->block, tokens->bos + 1, preset->squared,
                              map(enumerate(preset->block, 1, 1), enumerate));
  array(float) values = ({});
  foreach (model->matrices(), [string matrix, int rows, int columns]) {
    float sigma = has_suffix(matrix, "wo") || has_suffix(matrix, "fc2") ? preset->output : preset->sigma;
    values += map(allocate(rows * columns, sigma), twister->gauss);
  }
  model->set(values);
  print(sprintf("num docs: %d", sizeof(documents)));
  print(sprintf("vocab size: %d", model->vocabulary));
  print(sprintf("num params: %d", sizeof(values)));
  for (int step = 0; step < steps; step++) {
    float loss = .Model.train(model, adam, step, tokens->encode(documents[step % sizeof(documents)]));
    print(sprintf("step %4d / %4d | loss %s", step + 1, steps, decimals(loss)));
  }
  print("");
  print("--- inference (new, hallucinated names) ---");
  for (int i = 1; i <= samples; i++)
    print(sprintf("sample %2d: %s", i, (string)rows(tokens->vocabulary, .Model.sample(model, 0.5, twister))));
  return ({ model, adam, twister });
}
