import groovy.transform.CompileStatic

/** Whatever cannot be done, and why. */
@CompileStatic
class Refusal extends Exception {
    Refusal(String reason) { super(reason) }
}

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), and what is drawn from it. */
@CompileStatic
class Twister {
    static final int SIZE = 624
    int[] words = new int[SIZE]
    int index = SIZE
    Double kept

    static Twister seeded(int seed) {
        def twister = new Twister()
        int[] mt = twister.words
        mt[0] = 19650218
        for (int i = 1; i < SIZE; i++) mt[i] = scrambled(mt[i - 1], 1812433253) + i
        for (int step = 0; step < 2 * SIZE - 1; step++) {
            int i = step % (SIZE - 1) + 1
            mt[i] = step < SIZE ?
                (mt[i] ^ scrambled(mt[i - 1], 1664525)) + seed :
                (mt[i] ^ scrambled(mt[i - 1], 1566083941)) - i
            if (i == SIZE - 1) mt[0] = mt[i]
        }
        mt[0] = Integer.MIN_VALUE
        twister
    }

    static int scrambled(int word, int factor) { (word ^ (word >>> 30)) * factor }

    private void renew() {
        for (int i = 0; i < SIZE; i++) {
            int y = (words[i] & Integer.MIN_VALUE) | (words[(i + 1) % SIZE] & Integer.MAX_VALUE)
            words[i] = words[(i + 397) % SIZE] ^ (y >>> 1) ^ ((y & 1) * (int) 0x9908b0dfL)
        }
        index = 0
    }

    int word() {
        if (index == SIZE) renew()
        int y = words[index++]
        y ^= y >>> 11
        y ^= (y << 7) & (int) 0x9d2c5680L
        y ^= (y << 15) & (int) 0xefc60000L
        y ^ (y >>> 18)
    }

    double random() {
        int a = word() >>> 5
        int b = word() >>> 6
        (a * 67108864.0d + b) / 9007199254740992.0d
    }

    /** Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept. */
    double gauss(double sigma) {
        if (kept != null) {
            double z = kept
            kept = null
            return 0.0d + z * sigma
        }
        double angle = random() * (2.0d * Math.PI)
        double radius = Math.sqrt(-2.0d * Exact.log(1.0d - random()))
        kept = Exact.sin(angle) * radius
        0.0d + Exact.cos(angle) * radius * sigma
    }

    private int below(int n) {
        int shift = Integer.numberOfLeadingZeros(n)
        while (true) {
            int draw = word() >>> shift
            if (draw < n) return draw
        }
    }

    void shuffle(List items) {
        for (int i = items.size() - 1; i > 0; i--) items.swap(i, below(i + 1))
    }

    int choice(List<Double> weights) {
        double[] cumulative = weights as double[]
        for (int i = 1; i < cumulative.length; i++) cumulative[i] = cumulative[i - 1] + cumulative[i]
        double total = cumulative[cumulative.length - 1] + 0.0d
        if (!(total > 0.0d && total < Double.POSITIVE_INFINITY)) {
            throw new Refusal('expected weights that add up to a finite number above 0')
        }
        double u = random() * total
        int low = 0
        int high = cumulative.length - 1
        while (low < high) {
            int middle = (low + high) >> 1
            if (u < cumulative[middle]) high = middle
            else low = middle + 1
        }
        low
    }
}

/** The documents as lists of code points, and the distinct ones in order: the tokens but BOS. */
@CompileStatic
class Dataset {
    final List<List<Integer>> documents
    List<Integer> characters
    private Map<Integer, Integer> tokens

    Dataset(List<List<Integer>> lines) {
        documents = lines.collect { stripped(it) }.findAll { it }
        if (!documents) throw new Refusal('the dataset has no documents: every line is empty')
        Set<Integer> distinct = new TreeSet<>()
        documents.each { distinct.addAll(it) }
        characters = distinct.toList()
        if (bos > 2047) throw new Refusal('the dataset has more than 2047 distinct characters')
        tokens = characters.withIndex().collectEntries { Tuple2<Integer, Integer> pair -> [pair.first, pair.second] }
    }

    int getBos() { characters.size() }

    private static List<Integer> stripped(List<Integer> line) {
        int start = 0
        int end = line.size()
        while (start < end && isWhiteSpace(line[start])) start++
        while (start < end && isWhiteSpace(line[end - 1])) end--
        line.subList(start, end)
    }

    static boolean isWhiteSpace(int c) { c >= 9 && c <= 13 || c == 32 }

    List<Integer> encode(List<Integer> document) { [bos] + document.collect { tokens[it] } + [bos] }

    List<Integer> decode(List<Integer> sample) { (sample - [bos]).collect { characters[it] } }
}

@CompileStatic
class MatrixShape {
    String name
    int rows, columns

    int getSize() { rows * columns }
    boolean isOutput() { name.endsWith('attn_wo') || name.endsWith('mlp_fc2') }
}

@CompileStatic
class Shape {
    int layers = 1, heads = 4, embedding = 16, block, vocabulary
    boolean isSquared
    /** For each position those that it attends to. */
    List<List<Integer>> attention

    List<MatrixShape> getMatrices() {
        int e = embedding
        List<MatrixShape> matrices = [
            new MatrixShape(name: 'wte', rows: vocabulary, columns: e),
            new MatrixShape(name: 'wpe', rows: block, columns: e),
            new MatrixShape(name: 'lm_head', rows: vocabulary, columns: e)
        ]
        for (int i = 0; i < layers; i++) {
            for (name in ['wq', 'wk', 'wv', 'wo']) {
                matrices << new MatrixShape(name: "layer${i}.attn_$name", rows: e, columns: e)
            }
            matrices << new MatrixShape(name: "layer${i}.mlp_fc1", rows: 4 * e, columns: e)
            matrices << new MatrixShape(name: "layer${i}.mlp_fc2", rows: e, columns: 4 * e)
        }
        matrices
    }
}

/** The keys and values of one layer, for each position so far. */
@CompileStatic
class Cache {
    List<List<Node>> keys = []
    List<List<Node>> values = []
}

@CompileStatic
class Model {
    final Shape shape
    final List<Node> parameters
    private final Map<String, List<List<Node>>> weights = [:]

    Model(Shape shape, List<Double> initial) {
        this.shape = shape
        parameters = initial.collect { new Node(it) }
        int first = 0
        for (matrix in shape.matrices) {
            weights[matrix.name] = parameters.subList(first, first + matrix.size).collate(matrix.columns)
            first += matrix.size
        }
    }

    /** The mean over a document's positions of -log p(next token). The note is told the name and nodes of each result. */
    Node loss(List<Integer> tokens, Closure note = null) {
        List<Cache> caches = emptyCaches()
        List<Node> losses = []
        int count = Math.min(shape.block, tokens.size() - 1)
        for (int t = 0; t < count; t++) {
            Closure here = note == null ? null : { name, nodes -> note("pos${t}.$name", nodes) }
            List<Node> probabilities = noted(here, 'probabilities', softmax(logits(t, tokens[t], caches, here)))
            losses << -probabilities[tokens[t + 1]].log()
            noted(here, 'loss', losses[t..t])
        }
        Node.sum(losses) * (1.0d / count)
    }

    /** Draws one sample, BOS at its end included. The watcher is told the probabilities and the token of each draw. */
    List<Integer> sample(double temperature, Twister twister, Closure watch = null) {
        List<Cache> caches = emptyCaches()
        List<Integer> sample = []
        int bos = shape.vocabulary - 1
        int token = bos
        while (sample.size() < shape.block && !(sample && token == bos)) {
            List<Node> cooled = logits(sample.size(), token, caches).collect { it / temperature }
            List<Double> probabilities = softmax(cooled)*.value
            token = twister.choice(probabilities)
            sample << token
            watch?.call(probabilities, token)
        }
        sample
    }

    private List<Cache> emptyCaches() { (1..shape.layers).collect { new Cache() } }

    private static List<Node> noted(Closure note, String name, List<Node> x) {
        note?.call(name, x)
        x
    }

    private static List<Node> linear(List<Node> x, List<List<Node>> rows) { rows.collect { Node.dot(it, x) } }

    private static List<Node> add(List<Node> x, List<Node> y) {
        List<Node> sums = []
        for (int i = 0; i < x.size(); i++) sums << x.get(i) + y.get(i)
        sums
    }

    /** x over its root mean square, without a gain (Zhang and Sennrich, 2019). */
    private static List<Node> normalized(List<Node> x) {
        Node scale = (Node.dot(x, x) / (double) x.size() + 0.00001d).power(-0.5d)
        x.collect { it * scale }
    }

    private static List<Node> softmax(List<Node> x) {
        double top = x[0].value
        for (a in x) if (a.value > top) top = a.value
        List<Node> exps = x.collect { (it - top).exp() }
        Unary inverse = Node.sum(exps).power(-1.0d)
        exps.collect { it * inverse.twin() }
    }

    private List<Node> logits(int t, int token, List<Cache> caches, Closure note = null) {
        List<Node> x = noted(note, 'embedded', add(weights['wte'][token], weights['wpe'][t]))
        x = noted(note, 'normed', normalized(x))
        for (int i = 0; i < shape.layers; i++) {
            String prefix = "layer${i}."
            x = layer(t, x, caches[i], prefix, note == null ? null : { name, nodes -> note("$prefix$name", nodes) })
        }
        noted(note, 'logits', linear(x, weights['lm_head']))
    }

    private List<Node> layer(int t, List<Node> x, Cache cache, String prefix, Closure note) {
        List<Node> normed = noted(note, 'attn_norm', normalized(x))
        List<Node> q = noted(note, 'q', linear(normed, weights[prefix + 'attn_wq']))
        cache.keys << noted(note, 'k', linear(normed, weights[prefix + 'attn_wk']))
        cache.values << noted(note, 'v', linear(normed, weights[prefix + 'attn_wv']))
        List<Node> mixed = attend(q, cache, shape.attention[t], note)
        List<Node> attended = noted(note, 'attn_out', linear(mixed, weights[prefix + 'attn_wo']))
        List<Node> residual = noted(note, 'attn_residual', add(attended, x))
        List<Node> norm = noted(note, 'mlp_norm', normalized(residual))
        List<Node> hidden = noted(note, 'hidden', linear(norm, weights[prefix + 'mlp_fc1']))
        List<Node> relu = hidden.collect { it.relu() }
        List<Node> activated = shape.isSquared ? relu.collect { (Node) it.power(2.0d) } : relu
        noted(note, 'activated', activated)
        List<Node> out = noted(note, 'mlp_out', linear(activated, weights[prefix + 'mlp_fc2']))
        noted(note, 'mlp_residual', add(out, residual))
    }

    /** Multi-head attention of the query q to some positions; the heads' results side by side. */
    private List<Node> attend(List<Node> q, Cache cache, List<Integer> positions, Closure note) {
        int size = shape.embedding.intdiv(shape.heads)
        double divisor = Math.sqrt(size)
        List<Node> result = []
        for (int head = 0; head < shape.heads; head++) {
            int first = head * size
            List<Node> query = q.subList(first, first + size)
            List<Node> scores = positions.collect { int s ->
                Node.dot(query, cache.keys[s].subList(first, first + size)) / divisor
            }
            List<Node> weights = softmax(scores)
            List<Node> mixed = (first..<first + size).collect { int j ->
                Node.dot(weights, positions.collect { int s -> cache.values[s][j] })
            }
            noted(note, "head${head}.scores", scores)
            noted(note, "head${head}.weights", weights)
            noted(note, "head${head}.mixed", mixed)
            result.addAll(mixed)
        }
        result
    }
}

/** Adam (Kingma and Ba, 2015) with a learning rate that falls to zero. */
@CompileStatic
class Adam {
    double learningRate = 0.01d, beta1, beta2, epsilon = 1e-8d
    boolean isCosine
    int steps

    double rate(int step) {
        isCosine ?
            learningRate * 0.5d * (1.0d + Exact.cos(Math.PI * step / (double) steps)) :
            learningRate * (1.0d - step / (double) steps)
    }

    /** What m is divided by, or v for beta2, since they begin at zero. */
    double correction(double beta, int step) { 1.0d - Exact.pow(beta, step + 1.0d) }

    void update(int step, List<Node> parameters, double[] m, double[] v) {
        double rate = rate(step)
        double correction1 = correction(beta1, step)
        double correction2 = correction(beta2, step)
        for (int i = 0; i < m.length; i++) {
            Node p = parameters.get(i)
            double g = p.gradient
            m[i] = beta1 * m[i] + (1.0d - beta1) * g
            v[i] = beta2 * v[i] + (1.0d - beta2) * (g * g)
            p.value = p.value - rate * (m[i] / correction1) / (Exact.pow(v[i] / correction2, 0.5d) + epsilon)
        }
    }
}

@CompileStatic
class Training {
    final Adam adam
    final Model model
    double[] m, v

    Training(Adam adam, Model model) {
        this.adam = adam
        this.model = model
        m = new double[model.parameters.size()]
        v = new double[model.parameters.size()]
    }

    /** One step on one document; its loss before the update. */
    double advance(int step, List<Integer> tokens) {
        for (p in model.parameters) p.gradient = 0.0d
        Node loss = model.loss(tokens)
        loss.backward()
        adam.update(step, model.parameters, m, v)
        loss.value
    }
}

@CompileStatic
class Preset {
    int block
    boolean isSquared
    double sigma, outputSigma
    Adam adam

    static Preset named(String name) {
        switch (name) {
            case 'seed':
                return new Preset(block: 8, isSquared: true, sigma: 0.02d, outputSigma: 0.0d,
                    adam: new Adam(beta1: 0.9d, beta2: 0.95d, isCosine: true, steps: 500))
            case 'classic':
                return new Preset(block: 16, isSquared: false, sigma: 0.08d, outputSigma: 0.08d,
                    adam: new Adam(beta1: 0.85d, beta2: 0.99d, isCosine: false, steps: 1000))
            default:
                throw new Refusal('expected the preset seed or classic')
        }
    }
}

/** A whole run, from seed 42 to samples. */
@CompileStatic
class Run {
    final Twister twister = Twister.seeded(42)
    final Dataset dataset
    final Training training

    Run(Preset preset, List<List<Integer>> lines) {
        dataset = new Dataset(lines)
        twister.shuffle(dataset.documents)
        def shape = new Shape(block: preset.block, vocabulary: dataset.bos + 1, isSquared: preset.isSquared,
            attention: (0..<preset.block).collect { int t -> (0..t).toList() })
        List<Double> initial = []
        for (matrix in shape.matrices) {
            double sigma = matrix.output ? preset.outputSigma : preset.sigma
            matrix.size.times { initial << twister.gauss(sigma) }
        }
        training = new Training(preset.adam, new Model(shape, initial))
    }

    /** Trains and samples. Each line is handed over, as code points, as soon as it is known. */
    void print(int samples, Closure line) {
        Closure say = { text -> line(text.toString().codePoints().toArray().toList()) }
        int steps = training.adam.steps
        say("num docs: ${dataset.documents.size()}")
        say("vocab size: ${dataset.bos + 1}")
        say("num params: ${training.model.parameters.size()}")
        for (int step = 0; step < steps; step++) {
            double loss = training.advance(step, dataset.encode(dataset.documents[step % dataset.documents.size()]))
            say("step ${padded(step + 1, 4)} / ${padded(steps, 4)} | loss ${Exact.fourDecimals(loss)}")
        }
        say('')
        say('--- inference (new, hallucinated names) ---')
        for (int number = 1; number <= samples; number++) {
            List<Integer> name = dataset.decode(training.model.sample(0.5d, twister))
            line("sample ${padded(number, 2)}: ".codePoints().toArray().toList() + name)
        }
    }

    private static String padded(int n, int width) { n.toString().padLeft(width) }
}
