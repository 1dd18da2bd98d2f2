// Text and tokens, and a whole run from a dataset to its samples (SPEC, sections 4 and 10).

constant presets = ([
  "seed": ([ "block": 8, "squared": 1, "sigma": 0.02, "output_sigma": 0.0, "steps": 500,
             "adam": ({ 0.01, 0.9, 0.95, 1e-8, 1 }) ]),
  "classic": ([ "block": 16, "squared": 0, "sigma": 0.08, "output_sigma": 0.08, "steps": 1000,
                "adam": ({ 0.01, 0.85, 0.99, 1e-8, 0 }) ]),
]);

private string strip(string text) {
  for (int i = 0; i < 2; i++) {
    sscanf(text, "%*[\t-\r ]%s", text);
    text = reverse(text);
  }
  return text;
}

class Tokens {
  array(string) documents;
  array(int) vocabulary;
  int bos;
  private mapping(int:int) token;

  protected void create(array(string) lines) {
    documents = map(lines, strip) - ({ "" });
    vocabulary = sort(Array.uniq((array(int))(documents * "")));
    bos = sizeof(vocabulary);
    token = mkmapping(vocabulary, indices(vocabulary));
    if (!bos || bos > 2047)
      .Protocol.refuse("a dataset needs 1 to 2047 distinct characters, and this one has %d", bos);
  }

  array(int) encode(string document) {
    return ({ bos, @rows(token, (array(int))document), bos });
  }

  string decode(array(int) tokens) {
    return (string)rows(vocabulary, tokens);
  }
}

string decimals(float x) {
  return x == x ? sprintf("%.4f", x) : "nan";
}

// Trains on the documents, prints as it goes, and returns the training and the generator.
array run(string name, array(string) lines, function(string:void) print, int|void steps, int|void samples) {
  mapping(string:mixed) preset = presets[name];
  if (undefinedp(samples)) {
    steps = preset->steps;
    samples = 20;
  }
  Tokens tokens = Tokens(lines);
  object twister = .Twister(42);
  array(string) documents = twister->shuffle(tokens->documents);
  array(array(int)) attend = map(enumerate(preset->block, 1, 1), enumerate);
  .Model.Model model = .Model.Model(1, 4, 16, preset->block, tokens->bos + 1, preset->squared, attend);
  array(array(array(float))) weights = ({});
  foreach (model->matrices(), [string matrix, int rows, int columns]) {
    float sigma = has_suffix(matrix, "attn_wo") || has_suffix(matrix, "mlp_fc2") ? preset->output_sigma : preset->sigma;
    weights += ({ map(allocate(rows * columns, sigma), twister->gauss) / columns });
  }
  model->set(weights);
  .Model.Training training = .Model.Training(model, .Model.Adam(@preset->adam, steps));
  print(sprintf("num docs: %d", sizeof(documents)));
  print(sprintf("vocab size: %d", model->vocabulary));
  print(sprintf("num params: %d", sizeof(training->parameters)));
  for (int step = 0; step < steps; step++) {
    float loss = training->step(step, tokens->encode(documents[step % sizeof(documents)]));
    print(sprintf("step %4d / %4d | loss %s", step + 1, steps, decimals(loss)));
  }
  print("");
  print("--- inference (new, hallucinated names) ---");
  for (int i = 1; i <= samples; i++)
    print(sprintf("sample %2d: %s", i, tokens->decode(.Model.sample(model, 0.5, twister))));
  return ({ training, twister });
}
