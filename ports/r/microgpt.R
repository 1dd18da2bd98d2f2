# The port r of microgpt: the protocol (SPEC, section 11) and a function for each verb, from a request to its reply.

home <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
for (file in c("exact.R", "twister.R", "tape.R", "model.R")) source(file.path(home, file))

refuse <- function(...) stop(errorCondition(sprintf(...), class = "refusal"))

longest <- 65536

# The words between single spaces. strsplit drops an empty last word, unless one more separator follows.
split_words <- function(lines) {
  if (any(nchar(lines) > longest)) refuse("a line is longer than %d bytes", longest)
  strsplit(paste0(lines, " "), " ", fixed = TRUE)
}

# A request is a list of functions around the lines that are still to be read.
request <- function(lines) {
  at <- 0
  left <- function() length(lines) - at
  key_is <- function(key) left() > 0 && (lines[at + 1] == key || startsWith(lines[at + 1], paste0(key, " ")))
  some <- function(count) {
    if (count > left()) refuse("the request ends too early")
    found <- split_words(lines[at + seq_len(count)])
    at <<- at + count
    found
  }
  # The values of the next count lines, which must have this key.
  take_all <- function(key, count) {
    found <- some(count)
    if (any(vapply(found, `[`, "", 1) != key)) refuse("expected a line %s", key)
    lapply(found, `[`, -1)
  }
  take <- function(key) take_all(key, 1)[[1]]
  # What read makes of the one value of that line.
  one <- function(key, read) {
    values <- take(key)
    if (length(values) != 1) refuse("%s takes 1 value", key)
    read(values)
  }
  # The values of all next lines with this key; there must be one.
  while_key <- function(key) {
    rest <- lines[at + seq_len(left())]
    others <- which(rest != key & !startsWith(rest, paste0(key, " ")))
    count <- if (length(others) > 0) others[1] - 1 else left()
    take_all(key, max(count, 1))
  }
  finish <- function() if (left() > 0) refuse("expected the end")
  # Keys and values of all lines that are left; there must be one.
  rest <- function() {
    found <- some(max(left(), 1))
    list(keys = vapply(found, `[`, "", 1), values = lapply(found, `[`, -1))
  }
  list(take = take, take_all = take_all, one = one, while_key = while_key, finish = finish, rest = rest)
}

integers <- function(words, low, high) {
  if (!all(grepl("^(0|[1-9][0-9]{0,9})$", words))) refuse("expected an integer")
  n <- as.numeric(words)
  if (any(n < low | n > high)) refuse("an integer is not in the range from %.0f to %.0f", low, high)
  n
}

integer_from <- function(low, high) function(word) integers(word, low, high)

code_points <- function(words) {
  points <- integers(words, 0, 0x10ffff)
  if (any(points >= 0xd800 & points <= 0xdfff)) refuse("a surrogate is not a code point")
  points
}

hex_digits <- charToRaw("0123456789abcdef")

doubles <- function(words) {
  if (!all(grepl("^[0-9a-f]{16}$", words))) refuse("a double has 16 lower-case hex digits")
  digits <- matrix(match(charToRaw(paste(words, collapse = "")), hex_digits) - 1L, nrow = 2)
  x <- readBin(as.raw(16L * digits[1, ] + digits[2, ]), "double", length(words), endian = "big")
  x[is.na(x)] <- NaN
  x
}

choose <- function(choices) {
  function(word) if (word %in% choices) word else refuse("expected one of: %s", paste(choices, collapse = " "))
}

take_math <- function(request) {
  if (request$one("math", choose(c("exact", "native"))) == "native") refuse("unsupported")
}

# A matrix, whose shape may be given.
take_tensor <- function(request, name, shape = NULL) {
  header <- request$take("tensor")
  if (length(header) != 3 || header[1] != name) refuse("expected the tensor %s", name)
  found <- integers(header[-1], 1, 2048)
  if (!is.null(shape) && any(found != shape)) refuse("%s has the wrong shape", name)
  rows <- request$take_all("row", found[1])
  if (any(lengths(rows) != found[2])) refuse("a row of %s has not %.0f values", name, found[2])
  matrix(doubles(unlist(rows)), found[1], byrow = TRUE)
}

# The numbers of all matrices of a model, each with a prefix to its name.
take_matrices <- function(request, shape, prefix = "") {
  unlist(Map(function(name, rows, columns) t(take_tensor(request, name, c(rows, columns))),
             paste0(prefix, matrices_of(shape)$name), matrices_of(shape)$rows, matrices_of(shape)$columns,
             USE.NAMES = FALSE))
}

# The bytes of doubles, high ones first, a column for each. All NaNs count as one.
patterns <- function(x) {
  bytes <- matrix(as.integer(writeBin(as.vector(x, "double"), raw(), endian = "big")), nrow = 8)
  bytes[, is.na(x)] <- c(0x7fL, 0xf8L, 0L, 0L, 0L, 0L, 0L, 0L)
  bytes
}

# A line with this key for each row of doubles.
rows_of <- function(key, rows) {
  bytes <- patterns(t(rows))
  digits <- matrix(hex_digits[rbind(c(bytes %/% 16L), c(bytes %% 16L)) + 1L], nrow = 16)
  words <- matrix(rbind(rep(charToRaw(" "), length(rows)), digits), nrow = 17 * ncol(rows), ncol = nrow(rows))
  start <- matrix(charToRaw(key), nchar(key), nrow(rows))
  rawToChar(rbind(start, words, charToRaw("\n")))
}

line_of <- function(key, x) rows_of(key, rbind(x))
words_of <- function(key, words) paste0(paste(c(key, words), collapse = " "), "\n")
integers_of <- function(key, n) words_of(key, sprintf("%.0f", n))
tensor_of <- function(name, x) c(words_of("tensor", c(name, dim(x))), rows_of("row", x))

matrices_text <- function(shape, prefix, numbers) {
  all <- matrices_of(shape)
  parts <- split(numbers, rep(seq_len(nrow(all)), all$rows * all$columns))
  unlist(Map(function(name, columns, part) tensor_of(name, matrix(part, ncol = columns, byrow = TRUE)),
             paste0(prefix, all$name), all$columns, parts))
}

# Two sums of the 32-bit halves modulo a prime. All partial sums are below 2^53, so cumsum is exact.
checksum_of <- function(key, x) {
  bytes <- patterns(x)
  dim(bytes) <- c(4, length(bytes) / 4)
  halves <- colSums(bytes * c(2^24, 2^16, 2^8, 1))
  a <- (1 + cumsum(halves)) %% 4294967291
  both <- c(a[length(a)], sum(a) %% 4294967291)
  words_of(key, sprintf("%04x%04x", both %/% 65536, both %% 65536))
}

hello <- function(request) {
  request$finish()
  c(words_of("name", "r"), words_of("protocol", "1"), words_of("verbs", names(verbs)), words_of("math", "exact"))
}

arith <- function(request) {
  answer <- function(key, values) {
    x <- doubles(values)
    n <- length(x)
    two <- n == 2
    if (key == "decimals" && n == 1 && !(is.finite(x) && abs(x) > 2^53)) {
      return(integers_of(key, utf8ToInt(decimals(x))))
    }
    result <- switch(key,
      add = if (two) x[1] + x[2],
      sub = if (two) x[1] - x[2],
      mul = if (two) x[1] * x[2],
      div = if (two) x[1] / x[2],
      sqrt = if (n == 1) suppressWarnings(sqrt(x)),
      muladd = if (n == 3) x[1] * x[2] + x[3],
      sum = if (n > 0) Reduce(`+`, x, 0), # sum() adds in extended precision
      dot = if (n > 0 && n %% 2 == 0) Reduce(`+`, x[c(TRUE, FALSE)] * x[c(FALSE, TRUE)], 0))
    if (is.null(result)) refuse("an unknown operation, or operands that it does not take")
    line_of(key, result)
  }
  rest <- request$rest()
  unlist(Map(answer, rest$keys, rest$values))
}

exponents <- function(y, limit) {
  if (!all(abs(y) <= limit & (2 * y) %% 1 == 0) %in% TRUE) refuse("an exponent is an integer or half-integer up to %d", limit)
  y
}

functions <- function(request) {
  take_math(request)
  rest <- request$rest()
  counts <- c(exp = 1, log = 1, sin = 1, cos = 1, pow = 2)[rest$keys]
  if (!all(lengths(rest$values) == counts) %in% TRUE) refuse("an unknown function, or arguments that it does not take")
  all_values <- lapply(rest$values, doubles)
  x <- vapply(all_values, `[`, 0, 1)
  y <- exponents(vapply(all_values[rest$keys == "pow"], `[`, 0, 2), 4096)
  if (any(abs(x[rest$keys %in% c("sin", "cos")]) > 8, na.rm = TRUE)) refuse("sin and cos take |x| up to 8")
  result <- numeric(length(x))
  for (key in setdiff(unique(rest$keys), "pow")) {
    chosen <- which(rest$keys == key)
    result[chosen] <- switch(key, exp = exact_exp, log = exact_log, sin = exact_sin, cos = exact_cos)(x[chosen])
  }
  powers <- which(rest$keys == "pow")
  for (each in unique(y)) {
    chosen <- powers[y == each]
    result[chosen] <- pow(x[chosen], each)
  }
  unlist(Map(line_of, rest$keys, result))
}

state_text <- function(state) {
  c(integers_of("state", c(state$index, state$words)),
    if (is.null(state$kept)) words_of("kept", "none") else line_of("kept", state$kept))
}

random <- function(request) {
  take_math(request)
  generator <- twister(seeded_words(request$one("seed", integer_from(0, 2^32 - 1))))
  answer <- function(key, values) {
    count <- function(high = 1000) integers(values[1], 0, high)
    n <- length(values)
    result <- switch(key,
      words = if (n == 1) integers_of(key, generator$words(count())),
      random = if (n == 1) line_of(key, generator$random(count())),
      gauss = if (n == 2) line_of(key, generator$gauss(count(), doubles(values[2]))),
      shuffle = if (n == 1) integers_of(key, generator$shuffle(count(10000)) - 1),
      choices = if (n >= 2 && n <= 1001) integers_of(key, generator$choices(count(), doubles(values[-1]))),
      state = if (n == 0) state_text(generator$state()))
    if (is.null(result)) refuse("an unknown draw, or values that it does not take")
    result
  }
  rest <- request$rest()
  unlist(Map(answer, rest$keys, rest$values))
}

take_dataset <- function(request) {
  lines <- request$while_key("line")
  request$finish()
  if (any(lengths(lines) > 10000)) refuse("a line has more than 10000 code points")
  relist(code_points(unlist(lines)), lines)
}

relist <- function(flat, lines) unname(split(flat, factor(rep(seq_along(lines), lengths(lines)), seq_along(lines))))

tokens <- function(request) {
  documents <- documents_of(take_dataset(request))
  text <- tokenizer(documents)
  encoded <- vapply(documents, function(document) integers_of("encoded", text$encode(document) - 1), "")
  c(integers_of("documents", length(documents)), integers_of("vocabulary", text$points),
    integers_of("bos", length(text$points)), encoded)
}

# What the values of an expression are: nodes (n) or plain numbers (c).
forms <- c(leaf = "c", add = "nn", sub = "nn", mul = "nn", div = "nn", sum = "n", neg = "n", exp = "n", log = "n", relu = "n",
           pow = "nc", add_number = "nc", sub_number = "nc", mul_number = "nc", div_number = "nc",
           number_sub = "cn", number_div = "cn")

# All values are read at once; then the expressions are built, one by one.
graph <- function(request) {
  take_math(request)
  rest <- request$rest()
  count <- length(rest$keys) - 1
  root <- rest$values[[count + 1]]
  if (rest$keys[count + 1] != "root" || length(root) != 1) refuse("expected a line root with 1 value")
  keys <- rest$keys[seq_len(count)]
  lengths <- lengths(rest$values)[seq_len(count)]
  form <- unname(forms[keys])
  form[keys == "sum"] <- strrep("n", lengths[keys == "sum"])
  if (!all(nchar(form) == lengths & lengths > 0) || anyNA(form)) refuse("an unknown expression, or operands that it does not take")
  words <- unlist(rest$values[seq_len(count)])
  is_node <- strsplit(paste(form, collapse = ""), "")[[1]] == "n"
  x <- numeric(length(words))
  x[is_node] <- integers(words[is_node], 0, count - 1) + 1
  x[!is_node] <- doubles(words[!is_node])
  if (any((x >= rep(seq_len(count), lengths))[is_node])) refuse("an expression may use earlier ones only")
  start <- cumsum(c(0, lengths))
  exponents(x[start[which(keys == "pow")] + 2], 1024)

  net <- tape(numeric(0))
  nodes <- numeric(count)
  build <- function(i) {
    node <- function(k) nodes[x[start[i] + k]]
    number <- function(k) x[start[i] + k]
    switch(keys[i],
      leaf = net$leaf(number(1)),
      add = net$add(node(1), node(2)),
      sub = net$add(node(1), net$neg(node(2))),
      mul = net$mul(node(1), node(2)),
      div = net$mul(node(1), net$power(node(2), -1)),
      sum = Reduce(net$add, node(seq_len(lengths[i]))[-1], net$shift(node(1), 0)),
      neg = net$neg(node(1)),
      exp = net$exp(node(1)),
      log = net$log(node(1)),
      relu = net$relu(node(1)),
      pow = net$power(node(1), number(2)),
      add_number = net$shift(node(1), number(2)),
      sub_number = net$shift(node(1), -number(2)),
      mul_number = net$scale(node(1), number(2)),
      div_number = net$scale(node(1), 1 / number(2)),
      number_sub = net$shift(net$neg(node(2)), number(1)),
      number_div = net$scale(net$power(node(2), -1), number(1)))
  }
  for (i in seq_len(count)) nodes[i] <- build(i)
  gradient <- net$backward(nodes[integers(root, 0, count - 1) + 1])
  c(rows_of("value", cbind(net$values(nodes))), rows_of("gradient", cbind(gradient[nodes])))
}

take_shape <- function(request) {
  take_math(request)
  number <- function(key, low, high) request$one(key, integer_from(low, high))
  shape <- list(layers = number("layers", 1, 16), heads = number("heads", 1, 64), embedding = number("embedding", 1, 512))
  if (shape$embedding %% shape$heads != 0) refuse("embedding must be a multiple of heads")
  shape$block <- number("block", 1, 1024)
  shape$vocabulary <- number("vocabulary", 2, 2048)
  shape$squared <- request$one("activation", choose(c("relu", "squared_relu"))) == "squared_relu"
  attend <- function(t) {
    positions <- integers(request$take("attend"), 0, t - 1) + 1
    if (!t %in% positions) refuse("position %d must attend to itself", t - 1L)
    if (any(diff(positions) <= 0)) refuse("attend must increase")
    positions
  }
  shape$attend <- lapply(seq_len(shape$block), attend)
  shape
}

document_from <- function(shape, words) {
  if (length(words) < 2) refuse("a document has two or more tokens")
  integers(words, 0, shape$vocabulary - 1) + 1
}

take_model_and_document <- function(request) {
  shape <- take_shape(request)
  document <- document_from(shape, request$take("tokens"))
  gpt <- model(shape, take_matrices(request, shape))
  request$finish()
  c(gpt, list(document = document))
}

forward <- function(request) {
  gpt <- take_model_and_document(request)
  text <- list()
  net_values <- function(nodes) gpt$net$values(c(nodes))
  note <- function(place, name, nodes) {
    full_name <- paste0(paste0(c("pos", "layer", "head")[seq_along(place)], place - 1, ".", collapse = ""), name)
    text[[length(text) + 1]] <<- tensor_of(full_name, rbind(net_values(nodes)))
  }
  loss <- gpt$loss(gpt$document, note)
  c(unlist(text), line_of("loss", net_values(loss)))
}

backward <- function(request) {
  gpt <- take_model_and_document(request)
  loss <- gpt$loss(gpt$document)
  gradient <- gpt$net$backward(loss)[seq_len(gpt$count)]
  c(line_of("loss", gpt$net$values(loss)), matrices_text(gpt$shape, "", gradient))
}

take_settings <- function(request) {
  settings <- list()
  for (key in c("learning_rate", "beta1", "beta2", "epsilon")) settings[[key]] <- request$one(key, doubles)
  settings$schedule <- request$one("schedule", choose(c("linear", "cosine")))
  settings$steps <- request$one("steps", integer_from(1, 4096))
  settings
}

adam_update <- function(request) {
  take_math(request)
  settings <- take_settings(request)
  step <- request$one("step", integer_from(0, settings$steps - 1))
  p <- take_tensor(request, "parameters")
  g <- take_tensor(request, "gradients", dim(p))
  m <- take_tensor(request, "m", dim(p))
  v <- take_tensor(request, "v", dim(p))
  request$finish()
  f <- factors(settings, step)
  updated <- adam(settings, step, p, g, m, v)
  c(unlist(Map(line_of, names(f), f)),
    unlist(Map(tensor_of, c("m", "v", "parameters"), updated[c("m", "v", "parameters")])))
}

train <- function(request) {
  shape <- take_shape(request)
  settings <- take_settings(request)
  from <- request$one("from", integer_from(0, settings$steps - 1))
  last <- from + request$one("count", integer_from(1, settings$steps - from)) - 1
  full <- integers(request$take("full"), from, last)
  if (any(diff(full) <= 0)) refuse("the steps of full must increase")
  documents <- lapply(request$while_key("tokens"), document_from, shape = shape)
  gpt <- model(shape, take_matrices(request, shape))
  m <- if (from == 0) numeric(gpt$count) else take_matrices(request, shape, "m.")
  v <- if (from == 0) numeric(gpt$count) else take_matrices(request, shape, "v.")
  request$finish()
  text <- list()
  for (step in from:last) {
    done <- train_step(gpt, settings, step, documents[[step %% length(documents) + 1]], m, v)
    m <- done$m
    v <- done$v
    all <- done[c("gradients", "m", "v", "parameters")]
    text[[length(text) + 1]] <- c(
      integers_of("step", step), line_of("loss", done$loss), unlist(Map(checksum_of, names(all), all)),
      if (step %in% full) unlist(Map(matrices_text, list(shape), paste0(names(all), "."), all)))
  }
  unlist(text)
}

sample_text <- function(request) {
  shape <- take_shape(request)
  temperature <- request$one("temperature", doubles)
  samples <- request$one("samples", integer_from(0, 1000))
  gpt <- model(shape, take_matrices(request, shape))
  state <- integers(request$take("state"), 0, 2^32 - 1)
  if (length(state) != 625 || state[1] > 624) refuse("state takes an index up to 624 and 624 words")
  kept <- request$one("kept", function(word) if (word != "none") doubles(word))
  request$finish()
  generator <- twister(state[-1], state[1], kept)
  text <- list()
  put <- function(line) text[[length(text) + 1]] <<- line
  for (i in seq_len(samples)) {
    put(integers_of("sample", i - 1))
    gpt$sample(temperature, generator, function(probabilities, token) {
      put(line_of("probabilities", probabilities))
      put(integers_of("token", token - 1))
    })
  }
  c(unlist(text), integers_of("word", generator$words(1)))
}

run <- function(request) {
  take_math(request)
  preset <- presets[[request$one("preset", choose(names(presets)))]]
  preset$settings$steps <- request$one("steps", integer_from(1, 4096))
  samples <- request$one("samples", integer_from(0, 1000))
  text <- list()
  print <- function(line) text[[length(text) + 1]] <<- integers_of("print", line)
  done <- run_preset(preset, samples, print, take_dataset(request))
  sums <- Map(checksum_of, c("parameters", "m", "v"), done[c("parameters", "m", "v")])
  c(unlist(text), unlist(sums), integers_of("word", done$generator$words(1)))
}

verbs <- list(hello = hello, arith = arith, math = functions, random = random, tokens = tokens, graph = graph,
              forward = forward, backward = backward, adam = adam_update, train = train, sample = sample_text, run = run)

# The reply is known before it is written, since a request can be wrong at its last line.
answer <- function(lines, complete) {
  header <- if (length(lines) > 0) lines[1] else ""
  if (nchar(header) > longest || !grepl("^[!-~]+ [A-Za-z0-9._-]{1,64}$", header, perl = TRUE)) {
    return("error - line 1 must be a verb and an id\n")
  }
  words <- strsplit(header, " ", fixed = TRUE)[[1]]
  tryCatch({
    if (!complete) refuse("the input ended before the line end")
    if (!words[1] %in% names(verbs)) refuse("unsupported")
    c(words_of("ok", words[2]), verbs[[words[1]]](request(lines[-1])))
  }, refusal = function(reason) words_of("error", c(words[2], conditionMessage(reason))))
}

# The bytes of the next request. readLines would take a CR for the end of a line, and a greedy readBin waits for more
# than has been sent. So ask for as many bytes as the shortest end of the request still has, and never for more.
read_request <- function(input) {
  end <- charToRaw("\nend\n")
  bytes <- raw(65536)
  bytes[1] <- end[1]
  size <- 1
  repeat {
    matched <- 0
    if (bytes[size] %in% end) for (n in 1:min(5, size)) if (identical(bytes[(size - n + 1):size], end[1:n])) matched <- n
    if (matched == 5) break
    found <- readBin(input, "raw", 5 - matched)
    if (length(found) == 0) break
    if (size + 5 > length(bytes)) length(bytes) <- 2 * length(bytes)
    bytes[size + seq_along(found)] <- found
    size <- size + length(found)
  }
  list(bytes = bytes[seq_len(size)][-1], complete = matched >= 4)
}

serve <- function(input) {
  repeat {
    read <- read_request(input)
    bytes <- read$bytes
    if (length(bytes) == 0) break
    printable <- bytes >= as.raw(0x20) & bytes <= as.raw(0x7e) | bytes == as.raw(0x0a)
    bytes[!printable] <- as.raw(0x7f) # no R string holds a NUL
    lines <- strsplit(rawToChar(bytes), "\n", fixed = TRUE)[[1]]
    if (read$complete) lines <- lines[-length(lines)]
    cat(answer(lines, read$complete), "end\n", sep = "")
    flush(stdout())
  }
}

# The command for people. Lines are written as bytes, since cat() stops at a NUL.
command <- function(preset, input) {
  bytes <- raw(0)
  while (length(more <- readBin(input, "raw", 2^20)) > 0) bytes <- c(bytes, more)
  code <- iconv(list(bytes), "UTF-8", "UTF-32BE", toRaw = TRUE)[[1]]
  # Where it fails, iconv gives raw bytes back as they are; UTF-32 never looks like the same text in UTF-8.
  if (length(bytes) > 0 && identical(code, bytes)) refuse("the input is not UTF-8")
  points <- readBin(code, "integer", length(code) / 4, endian = "big")
  line <- cumsum(points == 10)
  output <- NULL
  print <- function(points) {
    if (is.null(output)) output <<- pipe("cat", "wb")
    code <- writeBin(as.integer(c(points, 10)), raw(), endian = "big")
    writeBin(iconv(list(code), "UTF-32BE", "UTF-8", toRaw = TRUE)[[1]], output)
    flush(output)
  }
  run_preset(preset, 20, print, split(points, line))
  close(output)
}

main <- function(words) {
  input <- file("stdin", "rb")
  if (length(words) == 0) return(serve(input))
  preset <- if (length(words) == 1) "seed" else words[2]
  if (words[1] != "run" || length(words) > 2 || !preset %in% names(presets)) refuse("usage: microgpt [run [seed|classic]]")
  command(presets[[preset]], input)
}

tryCatch(main(commandArgs(TRUE)), refusal = function(reason) {
  message(conditionMessage(reason))
  quit(status = 1)
})
