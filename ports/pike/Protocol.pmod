// Requests in, lines of replies out (SPEC, section 11).

typedef array(string) Lines;

// Refuses the request: what is thrown here becomes the reason in the reply.
void refuse(string format, mixed ... arguments) { throw(sprintf(format, @arguments)); }

float to_double(string text) {
  if (sizeof(text) != 16 || sscanf(text, "%*[0-9a-f]%*c") != 1)
    refuse("a double has 16 lower-case hex digits");
  return .Exact.from_bits(array_sscanf(text, "%x")[0]);
}

int to_integer(string text, int low, int high) {
  int value = (int)text;
  if (sizeof(text) > 10 || text != (string)value || value < low || value > high)
    refuse("expected an integer from %d to %d, without sign or leading zeros", low, high);
  return value;
}

// A line of a reply, from numbers of either kind.
string line(string key, int|float ... values) {
  return ({ key, @map(values, lambda(int|float x) {
    return floatp(x) ? sprintf("%016x", .Exact.to_bits(x)) : (string)x;
  }) }) * " ";
}

Lines tensor(string name, array(array(float)) matrix) {
  Lines rows = map(matrix, lambda(array(float) row) { return line("row", @row); });
  return ({ line("tensor " + name, sizeof(matrix), sizeof(matrix[0])) }) + rows;
}

// The lines of one request without `end`, read one after the other.
class Request(private Lines lines) {
  int next = 1;  // up to where it is read

  // Whether there is another line, and begins with this key.
  int(0..1) is_next(string key) { return next < sizeof(lines) && (lines[next] / " ")[0] == key; }
  int(0..1) at_end() { return next == sizeof(lines); }

  void finish() {
    if (!at_end())
      refuse("line %d must be the end", next + 1);
  }

  // The words of the next line, its key included.
  Lines words() {
    if (at_end())
      refuse("line %d is missing", next + 1);
    return lines[next++] / " ";
  }

  // The values of the next line, which must be `key` and, if it is given, `count` of them.
  Lines take(string key, int|void count) {
    Lines words = words();
    if (words[0] != key || (!undefinedp(count) && sizeof(words) != count + 1))
      refuse("line %d must be %s and its values", next, key);
    return words[1..];
  }

  array(int) integers(string key, int low, int high) { return map(take(key), to_integer, low, high); }
  int integer(string key, int low, int high) { return to_integer(take(key, 1)[0], low, high); }
  float number(string key) { return to_double(take(key, 1)[0]); }

  // Whether the next line's word is the second of the two that are allowed.
  int choice(string key, string ... allowed) {
    int index = search(allowed, take(key, 1)[0]);
    if (index < 0)
      refuse("%s must be %s or %s", key, @allowed);
    return index;
  }

  // Every verb that takes `math` begins with it.
  void math() {
    if (choice("math", "exact", "native"))
      refuse("unsupported");
  }

  // Rows and columns of the tensor that comes next.
  array(int) shape() {
    array(int) shape = map(take("tensor", 3)[1..], to_integer, 1, 2048);
    next--;
    return shape;
  }

  // The values of a tensor with this name and shape, in one row.
  array(float) tensor(string name, int rows, int columns) {
    if (!equal(take("tensor", 3), ({ name, (string)rows, (string)columns })))
      refuse("line %d must be tensor %s %d %d", next, name, rows, columns);
    array(float) values = ({});
    for (int i = 0; i < rows; i++)
      values += map(take("row", columns), to_double);
    return values;
  }

  // All tensors of a model, one after the other, whose names have this before them.
  array(float) tensors(object model, string before) {
    array(float) values = ({});
    foreach (model->matrices(), [string name, int rows, int columns])
      values += tensor(before + name, rows, columns);
    return values;
  }

  object model() {
    math();
    int layers = integer("layers", 1, 16), heads = integer("heads", 1, 64), embedding = integer("embedding", 1, 512);
    if (embedding % heads)
      refuse("embedding must be a multiple of heads");
    int block = integer("block", 1, 1024), vocabulary = integer("vocabulary", 2, 2048);
    int squared = choice("activation", "relu", "squared_relu");
    array(array(int)) attend = ({});
    for (int t = 0; t < block; t++) {
      array(int) positions = increasing("attend", 0, t);
      if (!has_value(positions, t))
        refuse("position %d must attend to itself", t);
      attend += ({ positions });
    }
    return .Model.Model(layers, heads, embedding, block, vocabulary, squared, attend);
  }

  array(int) increasing(string key, int low, int high) {
    array(int) values = integers(key, low, high);
    if (!equal(values, sort(Array.uniq(values))))
      refuse("the values of %s must increase", key);
    return values;
  }

  array(int) tokens(object model) {
    array(int) tokens = integers("tokens", 0, model->vocabulary - 1);
    if (sizeof(tokens) < 2)
      refuse("a document has two tokens or more");
    return tokens;
  }

  // Lines of text up to the request's end.
  Lines text() {
    Lines result = ({});
    do {
      array(int) characters = integers("line", 0, 0x10ffff);
      if (sizeof(filter(characters, lambda(int c) { return c >> 11 == 27; })))
        refuse("surrogates are no characters");
      result += ({ (string)characters });
    } while (!at_end());
    return result;
  }
}
