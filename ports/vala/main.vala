/* The port vala of microgpt: a function for each verb (SPEC, section 12), and the command line. */
const string VERBS = "hello arith math random tokens graph forward backward adam train sample run";

namespace Verbs {
    BadRequest other () { return new BadRequest.REASON ("an unknown key, or values that it does not take"); }

    int[] points_of (string text, int[] more = {}) {
        int[] points = {};
        for (int i = 0; i < text.length; i++) points += text[i];
        foreach (int point in more) points += point;
        return points;
    }

    void hello (Request request, Reply reply) throws BadRequest {
        request.finish ();
        reply.line (@"name vala\nprotocol 1\nverbs $VERBS\nmath exact");
    }

    double arithmetic (Request r) throws BadRequest {
        double[] x = r.numbers ();
        double total = 0.0;
        if (r.is ("add", 2)) return x[0] + x[1];
        if (r.is ("sub", 2)) return x[0] - x[1];
        if (r.is ("mul", 2)) return x[0] * x[1];
        if (r.is ("div", 2)) return x[0] / x[1];
        if (r.is ("sqrt", 1)) return Math.sqrt (x[0]);
        if (r.is ("muladd", 3)) return x[0] * x[1] + x[2];
        if (r.key == "sum" && x.length > 0) {
            foreach (double each in x) total += each;
            return total;
        }
        if (r.key != "dot" || x.length == 0 || x.length % 2 == 1) throw other ();
        for (int i = 0; i < x.length; i += 2) total += x[i] * x[i + 1];
        return total;
    }

    void arith (Request request, Reply reply) throws BadRequest {
        do {
            request.take_next ();
            if (request.is ("decimals", 1)) {
                double x = request.number (0);
                if (Exact.is_finite (x) && x.abs () > 9007199254740992.0) throw other ();
                reply.integers ("decimals", points_of (decimals (x)));
            } else {
                reply.number (request.key, arithmetic (request));
            }
        } while (!request.at_end);
    }

    double exponent (Request request, double limit) throws BadRequest { /* the second value */
        double c = request.number (1);
        if (!(c.abs () <= limit) || Math.floor (2.0 * c) != 2.0 * c)
            throw new BadRequest.REASON ("an exponent is an integer or half-integer, and not too large");
        return c;
    }

    double function (Request r) throws BadRequest {
        double x = r.number (0);
        if (r.is ("exp", 1)) return Exact.exp (x);
        if (r.is ("log", 1)) return Exact.log (x);
        if (r.is ("sin", 1) && !(x.abs () > 8.0)) return Exact.sin (x);
        if (r.is ("cos", 1) && !(x.abs () > 8.0)) return Exact.cos (x);
        if (r.is ("pow", 2)) return Exact.pow (x, exponent (r, 4096.0));
        throw other ();
    }

    void math (Request request, Reply reply) throws BadRequest {
        request.take_math ();
        do {
            request.take_next ();
            reply.number (request.key, function (request));
        } while (!request.at_end);
    }

    void draw (Request r, Twister twister, Reply reply) throws BadRequest {
        if (r.is ("state", 0)) {
            reply.text.append (@"state $(twister.index)");
            foreach (uint32 word in twister.words) reply.text.append (@" $word");
            reply.line ("");
            if (twister.has_kept) reply.number ("kept", twister.kept);
            else reply.line ("kept none");
        } else if (r.is ("shuffle", 1)) {
            reply.integers ("shuffle", twister.shuffled ((int) r.whole (0, 0, 10000)));
        } else {
            int count = (int) r.whole (0, 0, 1000);
            double[] numbers = {};
            if (r.is ("words", 1)) {
                reply.text.append ("words");
                for (; count > 0; count--) reply.text.append (@" $(twister.word ())");
                reply.line ("");
            } else if (r.is ("random", 1)) {
                for (; count > 0; count--) numbers += twister.random ();
                reply.numbers ("random", numbers);
            } else if (r.is ("gauss", 2)) {
                double sigma = r.number (1);
                for (; count > 0; count--) numbers += twister.gauss (sigma);
                reply.numbers ("gauss", numbers);
            } else if (r.key == "choices" && r.values.length >= 2 && r.values.length <= 1001) {
                double[] weights = r.numbers (1);
                int[] chosen = {};
                for (; count > 0; count--) chosen += twister.choice (weights);
                reply.integers ("choices", chosen);
            } else {
                throw other ();
            }
        }
    }

    void random (Request request, Reply reply) throws BadRequest {
        request.take_math ();
        request.take ("seed", 1);
        var twister = new Twister ((uint32) request.whole (0, 0, uint32.MAX));
        do {
            request.take_next ();
            draw (request, twister, reply);
        } while (!request.at_end);
    }

    Dataset take_dataset (Request request) throws BadRequest {
        var dataset = new Dataset ();
        do {
            request.take ("line");
            var line = request.wholes (0, 0x10ffff);
            if (line.at.length > 10000) throw new BadRequest.REASON ("a line has at most 10000 code points");
            foreach (int point in line.at)
                if (point >> 11 == 0x1b) throw new BadRequest.REASON ("a surrogate is not a code point");
            dataset.add (line.at);
        } while (!request.at_end);
        return dataset;
    }

    void tokens (Request request, Reply reply) throws BadRequest {
        var dataset = take_dataset (request);
        dataset.find_points ();
        reply.line (@"documents $(dataset.documents.length)");
        reply.integers ("vocabulary", dataset.points);
        reply.line (@"bos $(dataset.points.length)");
        for (int i = 0; i < dataset.documents.length; i++) reply.integers ("encoded", dataset.encode (i));
    }

    int node (Request r, Integers nodes, int place) throws BadRequest {
        return nodes.at[r.whole (place, 0, nodes.at.length - 1)];
    }

    int expression (Request r, Tape tape, Integers nodes) throws BadRequest {
        if (r.is ("leaf", 1)) return tape.leaf (r.number (0));
        if (r.is ("add", 2)) return tape.add (node (r, nodes, 0), node (r, nodes, 1));
        if (r.is ("sub", 2)) return tape.add (node (r, nodes, 0), tape.scale (node (r, nodes, 1), -1.0));
        if (r.is ("mul", 2)) return tape.mul (node (r, nodes, 0), node (r, nodes, 1));
        if (r.is ("div", 2)) return tape.mul (node (r, nodes, 0), tape.pow (node (r, nodes, 1), -1.0));
        if (r.is ("neg", 1)) return tape.scale (node (r, nodes, 0), -1.0);
        if (r.is ("exp", 1)) return tape.exp (node (r, nodes, 0));
        if (r.is ("log", 1)) return tape.log (node (r, nodes, 0));
        if (r.is ("relu", 1)) return tape.relu (node (r, nodes, 0));
        if (r.is ("pow", 2)) return tape.pow (node (r, nodes, 0), exponent (r, 1024.0));
        if (r.is ("add_number", 2)) return tape.shift (node (r, nodes, 0), r.number (1));
        if (r.is ("sub_number", 2)) return tape.shift (node (r, nodes, 0), -r.number (1));
        if (r.is ("mul_number", 2)) return tape.scale (node (r, nodes, 0), r.number (1));
        if (r.is ("div_number", 2)) return tape.scale (node (r, nodes, 0), 1.0 / r.number (1));
        if (r.is ("number_sub", 2)) return tape.shift (tape.scale (node (r, nodes, 1), -1.0), r.number (0));
        if (r.is ("number_div", 2)) return tape.scale (tape.pow (node (r, nodes, 1), -1.0), r.number (0));
        if (r.key != "sum" || r.values.length == 0) throw other ();
        int sum = tape.shift (node (r, nodes, 0), 0.0);
        for (int i = 1; i < r.values.length; i++) sum = tape.add (sum, node (r, nodes, i));
        return sum;
    }

    void graph (Request request, Reply reply) throws BadRequest {
        var tape = new Tape ();
        var nodes = new Integers ();
        request.take_math ();
        while (!request.next_is ("root")) {
            request.take_next ();
            nodes.at += expression (request, tape, nodes);
        }
        int root = request.take_whole ("root", 0, nodes.at.length - 1);
        request.finish ();
        tape.backward (nodes.at[root]);
        foreach (int i in nodes.at) reply.number ("value", tape.value[i]);
        foreach (int i in nodes.at) reply.number ("gradient", tape.gradient[i]);
    }

    Shape take_shape (Request request) throws BadRequest {
        var shape = new Shape ();
        request.take_math ();
        shape.layers = request.take_whole ("layers", 1, 16);
        shape.heads = request.take_whole ("heads", 1, 64);
        shape.embedding = request.take_whole ("embedding", 1, 512);
        if (shape.embedding % shape.heads != 0) throw new BadRequest.REASON ("embedding must be a multiple of heads");
        shape.block = request.take_whole ("block", 1, 1024);
        shape.vocabulary = request.take_whole ("vocabulary", 2, 2048);
        shape.squared = request.take_choice ("activation", "relu", "squared_relu");
        for (int t = 0; t < shape.block; t++) {
            request.take ("attend");
            var list = request.wholes (0, t);
            bool is_right = list.at.length > 0 && list.at[list.at.length - 1] == t;
            for (int i = 1; i < list.at.length; i++) is_right = is_right && list.at[i - 1] < list.at[i];
            if (!is_right) throw new BadRequest.REASON ("attend must increase and end with its own position");
            shape.attend.add (list);
        }
        shape.make_matrices ();
        return shape;
    }

    Integers take_document (Request request, Shape shape) throws BadRequest {
        request.take ("tokens");
        if (request.values.length < 2) throw new BadRequest.REASON ("tokens takes two or more");
        return request.wholes (0, shape.vocabulary - 1);
    }

    void forward (Request request, Reply reply) throws BadRequest {
        var shape = take_shape (request);
        var document = take_document (request, shape);
        var model = new Model (shape, shape.take (request, "")) { reply = reply };
        request.finish ();
        int loss = model.loss (document.at);
        reply.number ("loss", model.tape.value[loss]);
    }

    void backward (Request request, Reply reply) throws BadRequest {
        var shape = take_shape (request);
        var document = take_document (request, shape);
        var model = new Model (shape, shape.take (request, ""));
        request.finish ();
        int loss = model.loss (document.at);
        model.tape.backward (loss);
        reply.number ("loss", model.tape.value[loss]);
        shape.put (reply, "", model.tape.gradient);
    }

    Adam take_adam (Request request) throws BadRequest {
        var adam = new Adam ();
        adam.learning_rate = request.take_number ("learning_rate");
        adam.beta1 = request.take_number ("beta1");
        adam.beta2 = request.take_number ("beta2");
        adam.epsilon = request.take_number ("epsilon");
        adam.cosine = request.take_choice ("schedule", "linear", "cosine");
        adam.steps = request.take_whole ("steps", 1, 4096);
        return adam;
    }

    void update (Request request, Reply reply) throws BadRequest {
        request.take_math ();
        var adam = take_adam (request);
        int step = request.take_whole ("step", 0, adam.steps - 1), rows = 0, columns = 0;
        double[] p = request.take_tensor ("parameters", ref rows, ref columns);
        double[] g = request.take_tensor ("gradients", ref rows, ref columns);
        double[] m = request.take_tensor ("m", ref rows, ref columns);
        double[] v = request.take_tensor ("v", ref rows, ref columns);
        request.finish ();
        adam.update (step, p, g, m, v);
        reply.number ("rate", adam.rate (step));
        reply.number ("correction1", adam.correction (adam.beta1, step));
        reply.number ("correction2", adam.correction (adam.beta2, step));
        reply.tensor ("m", rows, columns, m);
        reply.tensor ("v", rows, columns, v);
        reply.tensor ("parameters", rows, columns, p);
    }

    void train (Request request, Reply reply) throws BadRequest {
        var shape = take_shape (request);
        var adam = take_adam (request);
        int from = request.take_whole ("from", 0, adam.steps - 1);
        int end = from + request.take_whole ("count", 1, adam.steps - from);
        request.take ("full");
        var full = request.wholes (from, end - 1);
        for (int i = 1; i < full.at.length; i++)
            if (full.at[i] <= full.at[i - 1]) throw new BadRequest.REASON ("the steps of full must increase");
        var documents = new GenericArray<Integers> ();
        do documents.add (take_document (request, shape)); while (request.next_is ("tokens"));
        var model = new Model (shape, shape.take (request, ""));
        double[] m = from > 0 ? shape.take (request, "m.") : new double[shape.parameters];
        double[] v = from > 0 ? shape.take (request, "v.") : new double[shape.parameters];
        request.finish ();
        for (int step = from; step < end; step++) {
            double loss = adam.train (step, model, documents[step % documents.length].at, m, v);
            reply.line (@"step $step");
            reply.number ("loss", loss);
            reply.checksum ("gradients", model.gradients ());
            reply.checksum ("m", m);
            reply.checksum ("v", v);
            reply.checksum ("parameters", model.parameters ());
            if (!(step in full.at)) continue;
            shape.put (reply, "gradients.", model.tape.gradient);
            shape.put (reply, "m.", m);
            shape.put (reply, "v.", v);
            shape.put (reply, "parameters.", model.tape.value);
        }
    }

    void sample (Request request, Reply reply) throws BadRequest {
        var shape = take_shape (request);
        double temperature = request.take_number ("temperature");
        int samples = request.take_whole ("samples", 0, 1000);
        var model = new Model (shape, shape.take (request, ""));
        var twister = new Twister (0);
        request.take ("state", 625);
        twister.index = (int) request.whole (0, 0, 624);
        for (int i = 0; i < 624; i++) twister.words[i] = (uint32) request.whole (i + 1, 0, uint32.MAX);
        request.take ("kept", 1);
        twister.has_kept = request.values[0] != "none";
        if (twister.has_kept) twister.kept = request.number (0);
        request.finish ();
        for (int i = 0; i < samples; i++) {
            reply.line (@"sample $i");
            model.sample (temperature, twister, reply);
        }
        reply.line (@"word $(twister.word ())");
    }

    void run (Request request, Reply reply) throws BadRequest {
        request.take_math ();
        bool is_seed = !request.take_choice ("preset", "seed", "classic");
        int steps = request.take_whole ("steps", 1, 4096), samples = request.take_whole ("samples", 0, 1000);
        var dataset = take_dataset (request);
        var run = new Run (is_seed, steps, samples, dataset, (text, points) => {
            reply.integers ("print", points_of (text, points));
        });
        reply.checksum ("parameters", run.model.parameters ());
        reply.checksum ("m", run.m);
        reply.checksum ("v", run.v);
        reply.line (@"word $(run.twister.word ())");
    }

    internal void dispatch (Request request, Reply reply) throws BadRequest {
        if (!request.is_complete) throw new BadRequest.REASON ("the input ended before the line end");
        switch (request.verb) {
            case "hello": hello (request, reply); break;
            case "arith": arith (request, reply); break;
            case "math": math (request, reply); break;
            case "random": random (request, reply); break;
            case "tokens": tokens (request, reply); break;
            case "graph": graph (request, reply); break;
            case "forward": forward (request, reply); break;
            case "backward": backward (request, reply); break;
            case "adam": update (request, reply); break;
            case "train": train (request, reply); break;
            case "sample": sample (request, reply); break;
            case "run": run (request, reply); break;
            default: throw new BadRequest.REASON ("unsupported");
        }
    }
}

/* The reply is known before it is sent, since a request can be wrong at its last line. */
void answer (Request request) {
    var reply = new Reply ();
    try {
        if (request.verb == null) throw new BadRequest.REASON ("expected a verb and an id");
        reply.line (@"ok $(request.id)");
        Verbs.dispatch (request, reply);
    } catch (BadRequest problem) {
        reply = new Reply ();
        reply.line (@"error $(request.id) $(problem.message)");
    }
    reply.line ("end");
    reply.send ();
}

/* The command line: UTF-8 in and out. */
int[] decoded (uint8[] text) throws BadRequest {
    const int LEAST[] = { 0, 0x80, 0x800, 0x10000 }; /* that takes so many more bytes */
    int[] points = {};
    for (int i = 0; i < text.length;) {
        int point = text[i++], more = point < 0x80 ? 0 : point < 0xe0 ? 1 : point < 0xf0 ? 2 : 3, left = more;
        bool is_right = more == 0 || (point >= 0xc0 && point < 0xf8);
        if (more > 0) point &= 0x3f >> more;
        for (; left > 0 && i < text.length && text[i] >> 6 == 2; left--) point = point << 6 | (text[i++] & 0x3f);
        if (!is_right || left > 0 || point < LEAST[more] || point > 0x10ffff || point >> 11 == 0x1b)
            throw new BadRequest.REASON ("the input is not UTF-8");
        points += point;
    }
    return points;
}

void print_line (string text, int[] points) {
    stdout.puts (text);
    foreach (int c in points) {
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        stdout.putc ((char) (more == 0 ? c : (0xff00 >> (more + 1) & 0xff) | c >> 6 * more));
        for (int k = more - 1; k >= 0; k--) stdout.putc ((char) (0x80 | (c >> 6 * k & 0x3f)));
    }
    stdout.putc ('\n');
    stdout.flush ();
}

void run_preset (bool is_seed) throws BadRequest {
    var dataset = new Dataset ();
    ByteLine? line;
    while ((line = ByteLine.read ()) != null) dataset.add (decoded (line.bytes));
    new Run (is_seed, is_seed ? 500 : 1000, 20, dataset, print_line);
}

int main (string[] arguments) {
    try {
        string preset = arguments.length == 3 ? arguments[2] : "seed";
        if (arguments.length == 1) {
            for (var request = new Request.read (); !request.is_empty; request = new Request.read ()) answer (request);
        } else if (arguments.length <= 3 && arguments[1] == "run" && (preset == "seed" || preset == "classic")) {
            run_preset (preset == "seed");
        } else {
            throw new BadRequest.REASON ("usage: microgpt [run [seed|classic] < names.txt]");
        }
    } catch (BadRequest problem) {
        stderr.printf ("microgpt: %s\n", problem.message);
        return 1;
    }
    return 0;
}
