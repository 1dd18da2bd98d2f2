// Requests in, lines of replies out (SPEC, section 11).

typedef array(string) Lines;

// Refuses the request: what is thrown here becomes the reason in the reply.
void refuse(string format, mixed ... arguments) {
  throw(sprintf(format, @arguments));
}

float to_double(string text) {
  sscanf(text, "%[0-9a-f]", string digits);
  if (sizeof(text) != 16 || digits != text)
    refuse("a double has 16 lower-case hex digits");
  sscanf(text, "%x", int bits);
  return .Exact.from_bits(bits);
}

int to_integer(string text, int low, int high) {
  sscanf(text, "%[0-9]", string digits);
  if (text == "" || digits != text || sizeof(text) > 10 || (text[0] == '0' && text != "0"))
    refuse("an integer has 1 to 10 digits, without sign or leading zeros");
  int value = (int)text;
  if (value < low || value > high)
    refuse("%d lies outside %d to %d", value, low, high);
  return value;
}

// A line of a reply.
string line(string key, array(int|float) values) {
  return ({ key, @map(values, lambda(int|float x) {
    return floatp(x) ? sprintf("%016x", .Exact.to_bits(x)) : (string)x;
  }) }) * " ";
}

Lines tensor(string name, array(array(float)) matrix) {
  Lines reply = ({ sprintf("tensor %s %d %d", name, sizeof(matrix), sizeof(matrix[0])) });
  foreach (matrix, array(float) row)
    reply += ({ line("row", row) });
  return reply;
}

// The lines of one request without `end`, read one after the other.
class Request(private Lines lines) {
  int next = 1;

  int(0..1) at_end() {
    return next == sizeof(lines);
  }

  // Whether the next line begins with this key.
  int(0..1) is_next(string key) {
    return !at_end() && (lines[next] / " ")[0] == key;
  }

  // The words of the next line, its key included.
  Lines words() {
    if (at_end())
      refuse("line %d is missing", next + 1);
    return lines[next++] / " ";
  }

  // The values of the next line, which must be `key` and, if it is given, `count` of them.
  Lines take(string key, int|void count) {
    if (!is_next(key))
      refuse("line %d must be %s", next + 1, key);
    Lines values = words()[1..];
    if (!undefinedp(count) && sizeof(values) != count)
      refuse("line %d must be %s and %d values", next, key, count);
    return values;
  }

  array(int) integers(string key, int low, int high) {
    return map(take(key), to_integer, low, high);
  }

  int integer(string key, int low, int high) {
    return to_integer(take(key, 1)[0], low, high);
  }

  float number(string key) {
    return to_double(take(key, 1)[0]);
  }

  // The index of the next line's word among those that are allowed.
  int choice(string key, string ... allowed) {
    int index = search(allowed, take(key, 1)[0]);
    if (index < 0)
      refuse("%s must be %s", key, allowed * " or ");
    return index;
  }

  void math() {
    if (choice("math", "exact", "native"))
      refuse("unsupported");
  }

  // A tensor of this name, and of this shape unless that is free.
  array(array(float)) tensor(string name, int|void rows, int|void columns) {
    Lines header = take("tensor", 3);
    int height = to_integer(header[1], 1, 2048), width = to_integer(header[2], 1, 2048);
    if (header[0] != name || (rows && (height != rows || width != columns)))
      refuse("line %d must be a tensor %s of the right shape", next, name);
    array(array(float)) matrix = ({});
    while (sizeof(matrix) < height)
      matrix += ({ map(take("row", width), to_double) });
    return matrix;
  }

  // The tensors of a model, with something before their names.
  array(array(array(float))) tensors(.Model.Model model, string|void before) {
    array(array(array(float))) result = ({});
    foreach (model->matrices(), [string name, int rows, int columns])
      result += ({ tensor((before || "") + name, rows, columns) });
    return result;
  }

  .Model.Model model() {
    math();
    int layers = integer("layers", 1, 16), heads = integer("heads", 1, 64), embedding = integer("embedding", 1, 512);
    if (embedding % heads)
      refuse("embedding must be a multiple of heads");
    int block = integer("block", 1, 1024), vocabulary = integer("vocabulary", 2, 2048);
    int squared = choice("activation", "relu", "squared_relu");
    array(array(int)) attend = ({});
    for (int t = 0; t < block; t++) {
      array(int) positions = integers("attend", 0, t);
      if (!sizeof(positions) || positions[-1] != t || !equal(positions, Array.uniq(sort(positions + ({})))))
        refuse("line %d must be attend and increasing positions up to %d", next, t);
      attend += ({ positions });
    }
    return .Model.Model(layers, heads, embedding, block, vocabulary, squared, attend);
  }

  array(int) tokens(.Model.Model model) {
    array(int) tokens = integers("tokens", 0, model->vocabulary - 1);
    if (sizeof(tokens) < 2)
      refuse("line %d must be tokens and at least two of them", next);
    return tokens;
  }

  // Lines of text that go on to the request's end.
  Lines text() {
    Lines result = ({});
    do {
      array(int) characters = integers("line", 0, 1114111);
      foreach (characters, int c)
        if (c >= 55296 && c <= 57343)
          refuse("%d is a surrogate", c);
      result += ({ (string)characters });
    } while (!at_end());
    return result;
  }

  void finish() {
    if (!at_end())
      refuse("line %d must be the end", next + 1);
  }
}
