# The model, its loss, training and sampling (SPEC, sections 6 to 9), and a whole run (section 10).
# Tokens, positions and heads count from 1 here; the protocol and the printed names count from 0.

# A data frame of the matrices in their order.
matrices_of <- function(shape) {
  e <- shape$embedding
  layer <- paste0("layer", seq_len(shape$layers) - 1)
  parts <- c("attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")
  data.frame(
    name = c("wte", "wpe", "lm_head", outer(parts, layer, function(part, layer) paste0(layer, ".", part))),
    rows = c(shape$vocabulary, shape$block, shape$vocabulary, rep(c(e, e, e, e, 4 * e, e), shape$layers)),
    columns = c(e, e, e, rep(c(e, e, e, e, e, 4 * e), shape$layers))
  )
}

silent <- function(place, name, x) NULL

model <- function(shape, parameters) {
  net <- tape(parameters)
  size <- shape$embedding / shape$heads
  heads <- seq_len(shape$heads)
  weights <- list()
  used <- 0
  all <- matrices_of(shape)
  for (i in seq_len(nrow(all))) {
    nodes <- matrix(used + seq_len(all$rows[i] * all$columns[i]), all$rows[i], byrow = TRUE)
    weights[[all$name[i]]] <- list(rows = asplit_columns(t(nodes)), columns = asplit_columns(nodes))
    used <- used + length(nodes)
  }
  keys <- values <- rep(list(array(0, c(size, shape$heads, shape$block))), shape$layers)

  rmsnorm <- function(x) {
    mean <- net$scale(net$dots(cbind(x), cbind(x)), 1 / length(x))
    net$mul(x, rep(net$power(net$shift(mean, 0.00001), -0.5), length(x)))
  }

  # Of each row of the matrix x. A NaN is the top only if it comes first.
  softmax <- function(x) {
    x_values <- matrix(net$values(x), nrow(x))
    top <- x_values[, 1]
    for (j in seq_len(ncol(x))) {
      greater <- which(x_values[, j] > top)
      top[greater] <- x_values[greater, j]
    }
    exps <- net$exp(net$shift(c(x), -top))
    total <- net$sums(t(array(exps, dim(x))))
    sum <- net$values(total)
    # A node for each division, though all those of a row have the same value and slope.
    inverse <- net$unary(rep(total, ncol(x)), rep(1 / sum, ncol(x)), rep(-1 * pow(sum, -2), ncol(x)))
    array(net$mul(exps, inverse), dim(x))
  }

  # All heads at once: q, keys and values have a column for each head, scores and weights have a row.
  attention <- function(layer, t, q, note) {
    attended <- shape$attend[[t]]
    count <- length(attended)
    k <- array(keys[[layer]][, , attended], c(size, shape$heads * count))
    q <- matrix(q, size)[, rep(heads, count), drop = FALSE]
    scores <- matrix(net$scale(net$dots(q, k), 1 / sqrt(size)), shape$heads)
    shares <- softmax(scores)
    v <- aperm(array(values[[layer]][, , attended], c(size, shape$heads, count)), c(3, 1, 2))
    v <- array(v, c(count, shape$embedding))
    mixed <- net$dots(t(shares)[, rep(heads, each = size), drop = FALSE], v)
    for (h in heads) {
      here <- c(t, layer, h)
      note(here, "scores", scores[h, ])
      note(here, "weights", shares[h, ])
      note(here, "mixed", matrix(mixed, size)[, h])
    }
    mixed
  }

  # The logits of the token at position t. Activations are told to note.
  logits <- function(t, token, note = silent) {
    told <- function(place, name, x) {
      note(place, name, x)
      x
    }
    x <- told(t, "embedded", net$add(weights$wte$rows[[token]], weights$wpe$rows[[t]]))
    x <- told(t, "normed", rmsnorm(x))
    for (layer in seq_len(shape$layers)) {
      here <- function(name, x) told(c(t, layer), name, x)
      linear <- function(part, x) net$linear(weights[[sprintf("layer%d.%s", layer - 1L, part)]], x)
      normed <- here("attn_norm", rmsnorm(x))
      q <- here("q", linear("attn_wq", normed))
      keys[[layer]][, , t] <<- here("k", linear("attn_wk", normed))
      values[[layer]][, , t] <<- here("v", linear("attn_wv", normed))
      out <- here("attn_out", linear("attn_wo", attention(layer, t, q, note)))
      x <- here("attn_residual", net$add(out, x))
      hidden <- here("hidden", linear("mlp_fc1", here("mlp_norm", rmsnorm(x))))
      activated <- net$relu(hidden)
      if (shape$squared) activated <- net$power(activated, 2)
      out <- here("mlp_out", linear("mlp_fc2", here("activated", activated)))
      x <- here("mlp_residual", net$add(out, x))
    }
    told(t, "logits", net$linear(weights$lm_head, x))
  }

  # The node of a document's loss.
  loss <- function(document, note = silent) {
    net$restart()
    count <- min(shape$block, length(document) - 1)
    at <- function(t) {
      probabilities <- softmax(rbind(logits(t, document[t], note)))
      note(t, "probabilities", probabilities)
      loss <- net$neg(net$log(probabilities[document[t + 1]]))
      note(t, "loss", loss)
      loss
    }
    net$scale(net$sums(cbind(vapply(seq_len(count), at, 0))), 1 / count)
  }

  # One sample without its ends. Each draw is told to drawn, with its probabilities.
  sample <- function(temperature, generator, drawn = function(probabilities, token) NULL) {
    net$restart()
    token <- shape$vocabulary
    tokens <- numeric(0)
    for (t in seq_len(shape$block)) {
      probabilities <- net$values(softmax(rbind(net$scale(logits(t, token), 1 / temperature))))
      token <- generator$choices(1, probabilities) + 1
      drawn(probabilities, token)
      if (token == shape$vocabulary) break
      tokens <- c(tokens, token)
    }
    tokens
  }

  parameters_now <- function() net$values(seq_len(used))
  list(shape = shape, net = net, count = used, parameters = parameters_now, loss = loss, sample = sample)
}

# Adam: the rate and the two corrections of a step, counted from 0.
factors <- function(settings, step) {
  progress <- if (settings$schedule == "linear") {
    settings$learning_rate * (1 - step / settings$steps)
  } else {
    settings$learning_rate * 0.5 * (1 + exact_cos(pi * step / settings$steps))
  }
  c(rate = progress,
    correction1 = 1 - pow(settings$beta1, step + 1),
    correction2 = 1 - pow(settings$beta2, step + 1))
}

adam <- function(settings, step, p, g, m, v) {
  f <- factors(settings, step)
  m <- settings$beta1 * m + (1 - settings$beta1) * g
  v <- settings$beta2 * v + (1 - settings$beta2) * (g * g)
  p <- p - f[["rate"]] * (m / f[["correction1"]]) / (power_half(v / f[["correction2"]]) + settings$epsilon)
  list(gradients = g, m = m, v = v, parameters = p)
}

# One step on a document: its loss, and what Adam makes of it.
train_step <- function(net_model, settings, step, document, m, v) {
  root <- net_model$loss(document)
  loss <- net_model$net$values(root)
  g <- net_model$net$backward(root)[seq_len(net_model$count)]
  updated <- adam(settings, step, net_model$parameters(), g, m, v)
  net_model$net$restart(updated$parameters)
  c(list(loss = loss), updated)
}

# The documents of a dataset, which is a list of lines of code points.
documents_of <- function(lines) {
  strip <- function(line) {
    kept <- which(!line %in% c(9:13, 32))
    if (length(kept) > 0) line[kept[1]:kept[length(kept)]]
  }
  documents <- Filter(Negate(is.null), lapply(lines, strip))
  if (length(documents) == 0) refuse("the dataset has no documents")
  documents
}

# The distinct code points, sorted, and how a document is encoded.
tokenizer <- function(documents) {
  points <- sort(unique(unlist(documents)))
  bos <- length(points) + 1
  if (bos > 2048) refuse("the dataset has more than 2047 distinct characters")
  list(points = points, encode = function(document) c(bos, match(document, points), bos))
}

presets <- local({
  preset <- function(block, sigma, sigma_out, squared, ...) {
    list(block = block, sigma = sigma, sigma_out = sigma_out, squared = squared,
         settings = list(learning_rate = 0.01, epsilon = 1e-8, ...))
  }
  list(seed = preset(8, 0.02, 0, TRUE, beta1 = 0.9, beta2 = 0.95, schedule = "cosine", steps = 500),
       classic = preset(16, 0.08, 0.08, FALSE, beta1 = 0.85, beta2 = 0.99, schedule = "linear", steps = 1000))
})

decimals <- function(x) {
  if (is.na(x)) "nan" else if (is.infinite(x)) ifelse(x > 0, "inf", "-inf") else sprintf("%.4f", x)
}

# Prints lines of code points. Gives the parameters, the moments and the generator.
run_preset <- function(preset, samples, print, lines) {
  say <- function(...) print(utf8ToInt(sprintf(...)))
  settings <- preset$settings
  documents <- documents_of(lines)
  generator <- twister(seeded_words(42))
  documents <- documents[generator$shuffle(length(documents))]
  text <- tokenizer(documents)
  shape <- list(layers = 1, heads = 4, embedding = 16, block = preset$block, vocabulary = length(text$points) + 1,
                squared = preset$squared, attend = lapply(seq_len(preset$block), seq_len))
  all <- matrices_of(shape)
  sigma <- ifelse(all$name %in% c("layer0.attn_wo", "layer0.mlp_fc2"), preset$sigma_out, preset$sigma)
  sigma <- rep(sigma, all$rows * all$columns)
  gpt <- model(shape, generator$gauss(length(sigma), sigma))
  m <- v <- numeric(gpt$count)
  say("num docs: %d", length(documents))
  say("vocab size: %d", shape$vocabulary)
  say("num params: %d", gpt$count)
  for (step in seq_len(settings$steps) - 1) {
    document <- text$encode(documents[[step %% length(documents) + 1]])
    done <- train_step(gpt, settings, step, document, m, v)
    m <- done$m
    v <- done$v
    say("step %4d / %4d | loss %s", step + 1, settings$steps, decimals(done$loss))
  }
  print(integer(0))
  say("--- inference (new, hallucinated names) ---")
  for (i in seq_len(samples)) {
    sample <- gpt$sample(0.5, generator)
    print(c(utf8ToInt(sprintf("sample %2d: ", i)), text$points[sample]))
  }
  list(parameters = gpt$parameters(), m = m, v = v, generator = generator)
}
