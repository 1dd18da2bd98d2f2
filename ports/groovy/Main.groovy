import groovy.transform.CompileStatic
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets

/**
 * microgpt in Groovy (conformance/SPEC.md). Without arguments it answers requests, with a method for each verb
 * (section 12); {@code run [seed|classic] < names.txt} trains on the names, one a line, and makes new ones.
 */
@CompileStatic
class Main {
    static final Map<String, Closure> VERBS = [
        hello: this.&hello, arith: this.&arith, math: this.&functions, random: this.&random, tokens: this.&tokens,
        graph: this.&graph, forward: this.&forward, backward: this.&backward, adam: this.&update, train: this.&train,
        sample: this.&sample, run: this.&wholeRun
    ] as Map<String, Closure>

    static void hello(Request request, Reply reply) {
        request.finish()
        reply.line('name', 'groovy')
        reply.line('protocol', 1)
        reply.line('verbs', VERBS.keySet().toList())
        reply.line('math', 'exact')
    }

    static void arith(Request request, Reply reply) {
        request.eachLine { String key, List<String> values -> reply.line(key, operation(key, Words.reals(values) as double[])) }
    }

    static List operation(String key, double[] x) {
        switch ("$key ${x.length}".toString()) {
            case 'add 2': return [x[0] + x[1]]
            case 'sub 2': return [x[0] - x[1]]
            case 'mul 2': return [x[0] * x[1]]
            case 'div 2': return [x[0] / x[1]]
            case 'sqrt 1': return [Math.sqrt(x[0])]
            case 'muladd 3': return [x[0] * x[1] + x[2]]
            case ~/sum [^0].*/:
                double total = 0.0d
                for (term in x) total += term
                return [total]
            case ~/dot [^0].*/:
                if (x.length % 2 == 1) break
                double product = 0.0d
                for (int i = 0; i < x.length; i += 2) product += x[i] * x[i + 1]
                return [product]
            case 'decimals 1':
                if (!Double.isInfinite(x[0]) && Math.abs(x[0]) > 9007199254740992.0d) break
                return points(Exact.fourDecimals(x[0]))
        }
        throw new Refusal('expected an operation with its operands')
    }

    static List<Integer> points(CharSequence text) { text.codePoints().toArray().toList() }

    static void functions(Request request, Reply reply) {
        request.math()
        request.eachLine { String key, List<String> values -> reply.line(key, function(key, Words.reals(values))) }
    }

    static double function(String key, List<Double> x) {
        switch ("$key ${x.size()}".toString()) {
            case 'exp 1': return Exact.exp(x[0])
            case 'log 1': return Exact.log(x[0])
            case 'sin 1': return Exact.sin(angle(x[0]))
            case 'cos 1': return Exact.cos(angle(x[0]))
            case 'pow 2': return Exact.pow(x[0], exponent(x[1], 4096.0d))
        }
        throw new Refusal('expected a function with its arguments')
    }

    static double angle(double x) {
        if (Math.abs(x) > 8.0d) throw new Refusal('expected an angle up to 8')
        x
    }

    static double exponent(double y, double limit) {
        if (Math.abs(y) <= limit && 2.0d * y == Math.floor(2.0d * y)) return y
        throw new Refusal("expected an integer or half-integer up to $limit")
    }

    static void random(Request request, Reply reply) {
        request.math()
        Twister twister = Twister.seeded(Words.word32(request.take('seed', 1)[0]))
        request.eachLine { String key, List<String> values ->
            switch ("$key ${values.size()}".toString()) {
                case 'words 1':
                    reply.line(key, draws(values) { unsigned(twister.word()) })
                    break
                case 'random 1':
                    reply.line(key, draws(values) { twister.random() })
                    break
                case 'gauss 2':
                    double sigma = Words.real(values[1])
                    reply.line(key, draws(values) { twister.gauss(sigma) })
                    break
                case 'shuffle 1':
                    List<Integer> items = []
                    Words.integer(values[0], 0, 10000).times { items << (int) it }
                    twister.shuffle(items)
                    reply.line(key, items)
                    break
                case ~/choices ([2-9]|[1-9][0-9]{1,2}|100[01])/:
                    List<Double> weights = Words.reals(values.tail())
                    reply.line(key, draws(values) { twister.choice(weights) })
                    break
                case 'state 0':
                    reply.line(key, [twister.index.toString()] + twister.words.toList().collect { unsigned(it) })
                    reply.line('kept', twister.kept == null ? 'none' : twister.kept)
                    break
                default:
                    throw new Refusal('expected something to draw with its values')
            }
        }
    }

    static List draws(List<String> values, Closure draw) {
        List drawn = []
        Words.integer(values[0], 0, 1000).times { drawn << draw() }
        drawn
    }

    static String unsigned(int word) { Integer.toUnsignedString(word) }

    static List<List<Integer>> readLines(Request request) {
        List<List<Integer>> lines = request.takeAll('line').collect { Words.integers(it, 0, 0x10ffff) }
        request.finish()
        if (lines.any { it.size() > 10000 }) throw new Refusal('expected at most 10000 code points in a line')
        if (lines.any { line -> line.any { it >= 0xd800 && it < 0xe000 } }) throw new Refusal('expected no surrogates')
        lines
    }

    static void tokens(Request request, Reply reply) {
        def dataset = new Dataset(readLines(request))
        reply.line('documents', dataset.documents.size())
        reply.line('vocabulary', dataset.characters)
        reply.line('bos', dataset.bos)
        for (document in dataset.documents) reply.line('encoded', dataset.encode(document))
    }

    static void graph(Request request, Reply reply) {
        request.math()
        List<Node> nodes = []
        Closure<Node> node = { String word -> nodes[(int) Words.integer(word, 0, nodes.size() - 1)] }
        while (!request.has('root')) {
            List<String> words = request.next()
            nodes << expression(words.head(), words.tail(), node)
        }
        Node root = node(request.take('root', 1)[0])
        request.finish()
        root.backward()
        for (each in nodes) reply.line('value', each.value)
        for (each in nodes) reply.line('gradient', each.gradient)
    }

    static Node expression(String key, List<String> words, Closure<Node> node) {
        Closure<Node> a = { int i -> node(words[i]) }
        Closure<Double> c = { int i -> Words.real(words[i]) }
        if (key == 'sum' && words) return Node.chained(words.collect { node(it) })
        switch ("$key ${words.size()}".toString()) {
            case 'leaf 1': return new Node((double) c(0))
            case 'add 2': return a(0) + a(1)
            case 'sub 2': return a(0) - a(1)
            case 'mul 2': return a(0) * a(1)
            case 'div 2': return a(0) / a(1)
            case 'neg 1': return -a(0)
            case 'exp 1': return a(0).exp()
            case 'log 1': return a(0).log()
            case 'relu 1': return a(0).relu()
            case 'pow 2': return a(0).power(exponent((double) c(1), 1024.0d))
            case 'add_number 2': return a(0) + (double) c(1)
            case 'sub_number 2': return a(0) - (double) c(1)
            case 'mul_number 2': return a(0) * (double) c(1)
            case 'div_number 2': return a(0) / (double) c(1)
            case 'number_sub 2': return -a(1) + (double) c(0)
            case 'number_div 2': return a(1).power(-1.0d) * (double) c(0)
        }
        throw new Refusal('expected an expression with its operands')
    }

    static boolean isIncreasing(List<Integer> numbers) { numbers == numbers.toSorted().unique() }

    static Shape readShape(Request request) {
        request.math()
        def shape = new Shape(
            layers: request.integer('layers', 1, 16),
            heads: request.integer('heads', 1, 64),
            embedding: request.integer('embedding', 1, 512),
            block: request.integer('block', 1, 1024),
            vocabulary: request.integer('vocabulary', 2, 2048),
            isSquared: request.isSecond('activation', 'relu', 'squared_relu'))
        if (shape.embedding % shape.heads > 0) throw new Refusal('expected a multiple of heads as embedding')
        shape.attention = (0..<shape.block).collect { int t ->
            List<Integer> positions = Words.integers(request.take('attend'), 0, t)
            if (!positions || positions.last() != t || !isIncreasing(positions)) {
                throw new Refusal("expected increasing positions with $t as the last")
            }
            positions
        }
        shape
    }

    static List<Integer> document(List<String> words, Shape shape) {
        if (words.size() < 2) throw new Refusal('expected two tokens or more')
        Words.integers(words, 0, shape.vocabulary - 1)
    }

    static void forward(Request request, Reply reply) {
        Shape shape = readShape(request)
        List<Integer> document = document(request.take('tokens'), shape)
        def model = new Model(shape, request.tensors(shape))
        request.finish()
        Node loss = model.loss(document) { CharSequence name, List<Node> nodes ->
            reply.tensor(name.toString(), 1, nodes.size(), nodes*.value)
        }
        reply.line('loss', loss.value)
    }

    static void backward(Request request, Reply reply) {
        Shape shape = readShape(request)
        List<Integer> document = document(request.take('tokens'), shape)
        def model = new Model(shape, request.tensors(shape))
        request.finish()
        Node loss = model.loss(document)
        loss.backward()
        reply.line('loss', loss.value)
        reply.tensors('', shape, model.parameters*.gradient)
    }

    static Adam readAdam(Request request) {
        new Adam(
            learningRate: request.real('learning_rate'),
            beta1: request.real('beta1'),
            beta2: request.real('beta2'),
            epsilon: request.real('epsilon'),
            isCosine: request.isSecond('schedule', 'linear', 'cosine'),
            steps: request.integer('steps', 1, 4096))
    }

    static void update(Request request, Reply reply) {
        request.math()
        Adam adam = readAdam(request)
        int step = request.integer('step', 0, adam.steps - 1)
        List<Integer> size = request.tensorSize()
        int rows = size[0]
        int columns = size[1]
        List<Node> parameters = request.tensor('parameters', rows, columns).collect { new Node(it) }
        List<Double> gradients = request.tensor('gradients', rows, columns)
        parameters.eachWithIndex { Node p, int i -> p.gradient = gradients[i] }
        double[] m = request.tensor('m', rows, columns) as double[]
        double[] v = request.tensor('v', rows, columns) as double[]
        request.finish()
        adam.update(step, parameters, m, v)
        reply.line('rate', adam.rate(step))
        reply.line('correction1', adam.correction(adam.beta1, step))
        reply.line('correction2', adam.correction(adam.beta2, step))
        reply.tensor('m', rows, columns, m.toList())
        reply.tensor('v', rows, columns, v.toList())
        reply.tensor('parameters', rows, columns, parameters*.value)
    }

    static void train(Request request, Reply reply) {
        Shape shape = readShape(request)
        Adam adam = readAdam(request)
        int from = request.integer('from', 0, adam.steps - 1)
        int last = from + request.integer('count', 1, adam.steps - from) - 1
        List<Integer> full = Words.integers(request.take('full'), from, last)
        if (!isIncreasing(full)) throw new Refusal('expected increasing steps in full')
        List<List<Integer>> documents = request.takeAll('tokens').collect { document(it, shape) }
        def training = new Training(adam, new Model(shape, request.tensors(shape)))
        if (from > 0) {
            training.m = request.tensors(shape, 'm.') as double[]
            training.v = request.tensors(shape, 'v.') as double[]
        }
        request.finish()
        List<Node> parameters = training.model.parameters
        for (int step = from; step <= last; step++) {
            reply.line('step', step)
            reply.line('loss', training.advance(step, documents[step % documents.size()]))
            Map<String, List<Double>> parts = [
                gradients: parameters*.gradient, m: training.m.toList(), v: training.v.toList(),
                parameters: parameters*.value
            ]
            parts.each { name, values -> reply.checksum(name, values) }
            if (step in full) parts.each { name, values -> reply.tensors(name + '.', shape, values) }
        }
    }

    static void sample(Request request, Reply reply) {
        Shape shape = readShape(request)
        double temperature = request.real('temperature')
        int samples = request.integer('samples', 0, 1000)
        def model = new Model(shape, request.tensors(shape))
        List<String> state = request.take('state', 1 + Twister.SIZE)
        String kept = request.take('kept', 1)[0]
        request.finish()
        def twister = new Twister(
            index: (int) Words.integer(state.head(), 0, Twister.SIZE),
            words: state.tail().collect { Words.word32(it) } as int[],
            kept: kept == 'none' ? null : Words.real(kept))
        for (int number = 0; number < samples; number++) {
            reply.line('sample', number)
            model.sample(temperature, twister) { List<Double> probabilities, int token ->
                reply.line('probabilities', probabilities)
                reply.line('token', token)
            }
        }
        reply.line('word', unsigned(twister.word()))
    }

    static void wholeRun(Request request, Reply reply) {
        request.math()
        Preset preset = Preset.named(request.take('preset', 1)[0])
        preset.adam.steps = request.integer('steps', 1, 4096)
        int samples = request.integer('samples', 0, 1000)
        def run = new Run(preset, readLines(request))
        run.print(samples) { List<Integer> line -> reply.line('print', line) }
        reply.checksum('parameters', run.training.model.parameters*.value)
        reply.checksum('m', run.training.m.toList())
        reply.checksum('v', run.training.v.toList())
        reply.line('word', unsigned(run.twister.word()))
    }

    /** The reply is complete before it is written: a request can turn out to be wrong at its last line. */
    static String answer(List<String> lines, boolean isComplete) {
        String first = lines ? lines.head() : ''
        if (first.length() > Words.LONGEST_LINE || !(first ==~ /[!-~]+ [A-Za-z0-9._-]{1,64}/)) {
            return 'error - expected a verb and an id\nend\n'
        }
        List<String> header = Words.split(first)
        try {
            if (!isComplete) throw new Refusal('the input ended before the line end')
            Closure verb = VERBS[header[0]]
            if (verb == null) throw new Refusal('unsupported')
            def reply = new Reply()
            verb(new Request(lines.tail()), reply)
            return "ok ${header[1]}\n${reply}end\n"
        } catch (Refusal refusal) {
            return "error ${header[1]} ${refusal.message}\nend\n"
        }
    }

    /** Only LF ends a line. */
    static void eachInputLine(Closure read) {
        def input = new BufferedInputStream(System.in)
        def line = new ByteArrayOutputStream()
        boolean isOpen = false
        for (int next = input.read(); next >= 0; next = input.read()) {
            isOpen = next != 10
            if (isOpen) {
                line.write(next)
            } else {
                read(line.toByteArray())
                line.reset()
            }
        }
        if (isOpen) read(line.toByteArray())
    }

    static void send(String text) {
        System.out.write(text.getBytes(StandardCharsets.UTF_8))
        System.out.flush()
    }

    static void serve() {
        List<String> request = []
        eachInputLine { byte[] bytes ->
            String line = new String(bytes, StandardCharsets.ISO_8859_1)
            if (line == 'end') {
                send(answer(request, true))
                request.clear()
            } else {
                request << line
            }
        }
        if (request) send(answer(request, false))
    }

    static void runForPeople(String name) {
        Preset preset = Preset.named(name)
        List<List<Integer>> lines = []
        eachInputLine { byte[] bytes ->
            lines << points(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)))
        }
        new Run(preset, lines).print(20) { List<Integer> line ->
            send(new String(line as int[], 0, line.size()) + '\n')
        }
    }

    static void main(String... arguments) {
        try {
            if (!arguments) serve()
            else if (arguments[0] == 'run' && arguments.length == 1) runForPeople('seed')
            else if (arguments[0] == 'run' && arguments.length == 2) runForPeople(arguments[1])
            else throw new Refusal('usage: microgpt, or microgpt run [seed|classic] < names.txt')
        } catch (Refusal refusal) {
            complain(refusal.message)
        } catch (CharacterCodingException ignored) {
            complain('the input is not UTF-8')
        }
    }

    static void complain(String problem) {
        System.err.println("microgpt: $problem")
        System.exit(1)
    }
}
