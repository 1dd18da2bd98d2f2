using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;

namespace Microgpt
{
    /// <summary>
    /// microgpt in C# (conformance/SPEC.md). Without arguments it answers requests, a method for each verb (section 12);
    /// <c>run [seed|classic] &lt; names.txt</c> trains on the names, one a line, and makes new ones.
    /// </summary>
    static class Program
    {
        static readonly Encoding Utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);
        static readonly Encoding Latin1 = Encoding.GetEncoding("iso-8859-1"); // one character a byte
        static readonly Stream Input = new BufferedStream(Console.OpenStandardInput(), 1 << 16);
        static readonly Stream Output = Console.OpenStandardOutput();

        static readonly (string Name, Action<Request, Reply> Answer)[] Verbs =
        {
            ("hello", Hello), ("arith", Arith), ("math", Functions), ("random", Random), ("tokens", Tokens), ("graph", Expressions),
            ("forward", Forward), ("backward", Backward), ("adam", Update), ("train", Train), ("sample", Sample), ("run", WholeRun),
        };

        static int Main(string[] arguments)
        {
            try
            {
                switch (string.Join(" ", arguments))
                {
                    case "": AnswerAll(); break;
                    case "run": case "run seed": RunPreset("seed"); break;
                    case "run classic": RunPreset("classic"); break;
                    default: throw new Problem("usage: microgpt, or microgpt run [seed|classic] < names.txt");
                }
                return 0;
            }
            catch (Exception problem) when (problem is Problem || problem is DecoderFallbackException)
            {
                Console.Error.WriteLine("microgpt: " + (problem is Problem ? problem.Message : "the input is not UTF-8"));
                return 1;
            }
        }

        static void RunPreset(string name)
        {
            var lines = ReadLines().Select(line => CodePoints(Utf8.GetString(line)).ToArray()).ToList();
            foreach (var line in Run.Preset(name).Lines(lines)) Send(string.Concat(line.Select(char.ConvertFromUtf32)) + "\n");
        }

        static IEnumerable<int> CodePoints(string text)
        {
            for (var i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1) yield return char.ConvertToUtf32(text, i);
        }

        /// <summary>Only LF ends a line.</summary>
        static IEnumerable<byte[]> ReadLines()
        {
            while (true)
            {
                var line = new MemoryStream();
                int next;
                while ((next = Input.ReadByte()) >= 0 && next != '\n') line.WriteByte((byte)next);
                if (next < 0 && line.Length == 0) yield break;
                yield return line.ToArray();
            }
        }

        static void Send(string text)
        {
            var bytes = Utf8.GetBytes(text);
            Output.Write(bytes, 0, bytes.Length);
            Output.Flush();
        }

        static void AnswerAll()
        {
            var lines = new List<string>();
            foreach (var line in ReadLines().Select(Latin1.GetString))
            {
                if (line == "end")
                {
                    Send(Answer(lines, true) + "end\n");
                    lines.Clear();
                }
                else
                {
                    lines.Add(line);
                }
            }
            if (lines.Count > 0) Send(Answer(lines, false) + "end\n");
        }

        /// <summary>The reply is complete before it is written: a request can turn out to be wrong at its last line.</summary>
        static string Answer(List<string> lines, bool complete)
        {
            var header = Regex.Match(lines.FirstOrDefault() ?? "", @"\A([!-~]+) ([A-Za-z0-9._-]{1,64})\z");
            if (!header.Success || lines[0].Length > Words.LineLimit)
                return "error - expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens\n";
            string name = header.Groups[1].Value, id = header.Groups[2].Value;
            try
            {
                if (!complete) throw new Problem("the input ended before the line end");
                var verb = Verbs.FirstOrDefault(each => each.Name == name).Answer ?? throw new Problem("unsupported");
                var reply = new Reply();
                verb(new Request(lines.Skip(1)), reply);
                return $"ok {id}\n{reply}";
            }
            catch (Problem problem)
            {
                return $"error {id} {problem.Message}\n";
            }
        }

        static void Hello(Request request, Reply reply)
        {
            request.Finish();
            reply.Line("name", "csharp");
            reply.Line("protocol", 1);
            reply.Line("verbs", Verbs.Select(verb => verb.Name));
            reply.Line("math", "exact");
        }

        static double InDomain(double x, bool isInDomain) => isInDomain ? x : throw new Problem("expected an argument within its range");
        static double Angle(double x) => InDomain(x, !(Math.Abs(x) > 8));
        static double Exponent(double y, double limit) => InDomain(y, Math.Abs(y) <= limit && 2 * y == Math.Floor(2 * y));

        static void Arith(Request request, Reply reply)
        {
            do
            {
                var words = request.Next();
                reply.Line(words[0], Operation(words[0], Words.Numbers(words.Skip(1))));
            } while (!request.IsEmpty);
        }

        static object Operation(string key, double[] x)
        {
            if (key == "sum" && x.Length > 0) return x.Aggregate(0.0, (sum, term) => sum + term);
            if (key == "dot" && x.Length > 0 && x.Length % 2 == 0)
                return Enumerable.Range(0, x.Length / 2).Aggregate(0.0, (sum, i) => sum + x[2 * i] * x[2 * i + 1]);
            switch ($"{key} {x.Length}")
            {
                case "add 2": return x[0] + x[1];
                case "sub 2": return x[0] - x[1];
                case "mul 2": return x[0] * x[1];
                case "div 2": return x[0] / x[1];
                case "sqrt 1": return Math.Sqrt(x[0]);
                case "muladd 3": return x[0] * x[1] + x[2];
                case "decimals 1":
                    var number = InDomain(x[0], !(Math.Abs(x[0]) > 1L << 53) || double.IsInfinity(x[0]));
                    return CodePoints(Exact.FourDecimals(number));
                default: throw new Problem("expected an operation with its operands");
            }
        }

        static void Functions(Request request, Reply reply)
        {
            request.Math();
            do
            {
                var words = request.Next();
                reply.Line(words[0], Function(words[0], Words.Numbers(words.Skip(1))));
            } while (!request.IsEmpty);
        }

        static double Function(string key, double[] x)
        {
            switch ($"{key} {x.Length}")
            {
                case "exp 1": return Exact.Exp(x[0]);
                case "log 1": return Exact.Log(x[0]);
                case "sin 1": return Exact.Sin(Angle(x[0]));
                case "cos 1": return Exact.Cos(Angle(x[0]));
                case "pow 2": return Exact.Pow(x[0], Exponent(x[1], 4096));
                default: throw new Problem("expected a function with its arguments");
            }
        }

        static void Random(Request request, Reply reply)
        {
            request.Math();
            var twister = Twister.Seeded(Words.Word32(request.Take("seed", 1)[0]));
            do
            {
                var words = request.Next();
                switch ($"{words[0]} {Math.Min(words.Length - 1, 3)}")
                {
                    case "words 1": Draw(reply, words, () => twister.Word()); break;
                    case "random 1": Draw(reply, words, () => twister.Random()); break;
                    case "gauss 2":
                        var sigma = Words.Number(words[2]);
                        Draw(reply, words, () => twister.Gauss(sigma));
                        break;
                    case "shuffle 1":
                        var items = Enumerable.Range(0, Words.Integer(words[1], 0, 10000)).ToList();
                        twister.Shuffle(items);
                        reply.Line(words[0], items);
                        break;
                    case "choices 2":
                    case "choices 3":
                        if (words.Length > 1002) throw new Problem("expected at most 1000 weights");
                        var weights = Words.Numbers(words.Skip(2));
                        Draw(reply, words, () => twister.Choice(weights));
                        break;
                    case "state 0":
                        reply.Line(words[0], twister.Index, twister.Words);
                        reply.Line("kept", (object)twister.Kept ?? "none");
                        break;
                    default: throw new Problem("expected something to draw with its values");
                }
            } while (!request.IsEmpty);
        }

        static void Draw<T>(Reply reply, string[] words, Func<T> draw) =>
            reply.Line(words[0], Enumerable.Range(0, Words.Integer(words[1], 0, 1000)).Select(i => draw()).ToList());

        static List<int[]> ReadDataset(Request request)
        {
            var lines = new List<int[]>();
            do
            {
                var line = Words.Integers(request.Take("line"), 0, 0x10ffff);
                if (line.Length > 10000) throw new Problem("expected at most 10000 code points in a line");
                if (line.Any(c => 0xd800 <= c && c < 0xe000)) throw new Problem("expected no surrogates");
                lines.Add(line);
            } while (!request.IsEmpty);
            return lines;
        }

        static void Tokens(Request request, Reply reply)
        {
            var dataset = new Dataset(ReadDataset(request));
            reply.Line("documents", dataset.Documents.Count);
            reply.Line("vocabulary", dataset.Characters);
            reply.Line("bos", dataset.Bos);
            foreach (var document in dataset.Documents) reply.Line("encoded", dataset.Encode(document));
        }

        static void Expressions(Request request, Reply reply)
        {
            request.Math();
            var graph = new Graph();
            var nodes = new List<int>();
            Func<string, int> node = word => nodes[Words.Integer(word, 0, nodes.Count - 1)];
            do nodes.Add(Expression(graph, node, request.Next())); while (!request.Has("root"));
            var root = node(request.Take("root", 1)[0]);
            request.Finish();
            graph.Backward(root);
            nodes.ForEach(each => reply.Line("value", graph.Values[each]));
            nodes.ForEach(each => reply.Line("gradient", graph.Gradients[each]));
        }

        static int Expression(Graph graph, Func<string, int> node, string[] words)
        {
            Func<int, int> a = i => node(words[i]);
            Func<int, double> c = i => Words.Number(words[i]);
            if (words[0] == "sum" && words.Length > 1) return graph.AddUp(words.Skip(1).Select(node).ToList());
            switch ($"{words[0]} {words.Length - 1}")
            {
                case "leaf 1": return graph.Leaf(c(1));
                case "neg 1": return graph.Neg(a(1));
                case "exp 1": return graph.Exp(a(1));
                case "log 1": return graph.Log(a(1));
                case "relu 1": return graph.Relu(a(1));
                case "add 2": return graph.Add(a(1), a(2));
                case "sub 2": return graph.Add(a(1), graph.Neg(a(2)));
                case "mul 2": return graph.Mul(a(1), a(2));
                case "div 2": return graph.Div(a(1), a(2));
                case "pow 2": return graph.Pow(a(1), Exponent(c(2), 1024));
                case "add_number 2": return graph.AddNumber(a(1), c(2));
                case "sub_number 2": return graph.AddNumber(a(1), -c(2));
                case "mul_number 2": return graph.MulNumber(a(1), c(2));
                case "div_number 2": return graph.DivNumber(a(1), c(2));
                case "number_sub 2": return graph.AddNumber(graph.Neg(a(2)), c(1));
                case "number_div 2": return graph.MulNumber(graph.Pow(a(2), -1), c(1));
                default: throw new Problem("expected an expression with its operands");
            }
        }

        static bool IsIncreasing(int[] numbers) => numbers.Zip(numbers.Skip(1), (a, b) => a < b).All(rises => rises);

        static Shape ReadShape(Request request)
        {
            request.Math();
            var shape = new Shape
            {
                Layers = request.Integer("layers", 1, 16),
                Heads = request.Integer("heads", 1, 64),
                Embedding = request.Integer("embedding", 1, 512),
                Block = request.Integer("block", 1, 1024),
                Vocabulary = request.Integer("vocabulary", 2, 2048),
                SquaredRelu = request.Either("activation", "relu", "squared_relu"),
            };
            if (shape.Embedding % shape.Heads != 0) throw new Problem("expected a multiple of heads as embedding");
            shape.Attention = new int[shape.Block][];
            for (var t = 0; t < shape.Block; t++)
            {
                var positions = shape.Attention[t] = Words.Integers(request.Take("attend"), 0, t);
                if (!IsIncreasing(positions) || positions.LastOrDefault() != t || positions.Length == 0)
                    throw new Problem("expected increasing positions, the last being the position itself");
            }
            return shape;
        }

        static int[] ReadDocument(Request request, Shape shape)
        {
            var document = Words.Integers(request.Take("tokens"), 0, shape.Vocabulary - 1);
            return document.Length >= 2 ? document : throw new Problem("expected two tokens or more");
        }

        static (Model, int[]) ReadModelAndDocument(Request request)
        {
            var shape = ReadShape(request);
            var document = ReadDocument(request, shape);
            var model = new Model(shape, request.Tensors("", shape));
            request.Finish();
            return (model, document);
        }

        static void Forward(Request request, Reply reply)
        {
            var (model, document) = ReadModelAndDocument(request);
            var activations = new List<(string Name, Vector Nodes)>();
            model.Watch = (name, nodes) => activations.Add((name, nodes));
            var loss = model.Loss(document);
            activations.ForEach(a => reply.Tensor(a.Name, 1, a.Nodes.Length, model.Graph.Values, a.Nodes.First));
            reply.Line("loss", model.Graph.Values[loss]);
        }

        static void Backward(Request request, Reply reply)
        {
            var (model, document) = ReadModelAndDocument(request);
            var loss = model.Loss(document);
            model.Graph.Backward(loss);
            reply.Line("loss", model.Graph.Values[loss]);
            reply.Tensors("", model.Shape, model.Graph.Gradients);
        }

        static Adam ReadAdam(Request request) => new Adam
        {
            LearningRate = request.Number("learning_rate"),
            Beta1 = request.Number("beta1"),
            Beta2 = request.Number("beta2"),
            Epsilon = request.Number("epsilon"),
            Cosine = request.Either("schedule", "linear", "cosine"),
            Steps = request.Integer("steps", 1, 4096),
        };

        static void Update(Request request, Reply reply)
        {
            request.Math();
            var adam = ReadAdam(request);
            var step = request.Integer("step", 0, adam.Steps - 1);
            if (!request.Has("tensor") || request.Peek().Length != 4) throw new Problem("expected a tensor's name and shape");
            var shape = Words.Integers(request.Peek().Skip(2), 1, 2048);
            Func<string, double[]> read = name => request.Tensor(name, shape[0], shape[1]);
            double[] parameters = read("parameters"), gradients = read("gradients"), m = read("m"), v = read("v");
            request.Finish();
            adam.Update(step, parameters, gradients, m, v);
            reply.Line("rate", adam.Rate(step));
            reply.Line("correction1", adam.Correction(adam.Beta1, step));
            reply.Line("correction2", adam.Correction(adam.Beta2, step));
            reply.Tensor("m", shape[0], shape[1], m);
            reply.Tensor("v", shape[0], shape[1], v);
            reply.Tensor("parameters", shape[0], shape[1], parameters);
        }

        static void Train(Request request, Reply reply)
        {
            var shape = ReadShape(request);
            var adam = ReadAdam(request);
            var from = request.Integer("from", 0, adam.Steps - 1);
            var end = from + request.Integer("count", 1, adam.Steps - from);
            var full = Words.Integers(request.Take("full"), from, end - 1);
            if (!IsIncreasing(full)) throw new Problem("expected increasing steps in full");
            var documents = new List<int[]>();
            do documents.Add(ReadDocument(request, shape)); while (request.Has("tokens"));
            var model = new Model(shape, request.Tensors("", shape));
            if (from > 0)
            {
                model.M = request.Tensors("m.", shape);
                model.V = request.Tensors("v.", shape);
            }
            request.Finish();
            for (var step = from; step < end; step++)
            {
                var loss = model.Train(adam, step, documents[step % documents.Count]);
                reply.Line("step", step);
                reply.Line("loss", loss);
                var names = new[] { "gradients", "m", "v", "parameters" };
                var parts = new[] { model.Graph.Gradients, model.M, model.V, model.Graph.Values };
                for (var i = 0; i < 4; i++) reply.Checksum(names[i], parts[i], model.M.Length);
                for (var i = 0; i < 4 && full.Contains(step); i++) reply.Tensors(names[i] + ".", shape, parts[i]);
            }
        }

        static void Sample(Request request, Reply reply)
        {
            var shape = ReadShape(request);
            var temperature = request.Number("temperature");
            var samples = request.Integer("samples", 0, 1000);
            var model = new Model(shape, request.Tensors("", shape));
            var state = request.Take("state", 1 + Twister.Size);
            var kept = request.Take("kept", 1)[0];
            request.Finish();
            var twister = new Twister
            {
                Index = Words.Integer(state[0], 0, Twister.Size),
                Words = state.Skip(1).Select(Words.Word32).ToArray(),
                Kept = kept == "none" ? (double?)null : Words.Number(kept),
            };
            for (var i = 0; i < samples; i++)
            {
                reply.Line("sample", i);
                foreach (var draw in model.Sample(temperature, twister))
                {
                    reply.Line("probabilities", draw.Probabilities);
                    reply.Line("token", draw.Token);
                }
            }
            reply.Line("word", twister.Word());
        }

        static void WholeRun(Request request, Reply reply)
        {
            request.Math();
            var run = Run.Preset(request.Either("preset", "seed", "classic") ? "classic" : "seed");
            run.Resized(request.Integer("steps", 1, 4096), request.Integer("samples", 0, 1000));
            foreach (var line in run.Lines(ReadDataset(request))) reply.Line("print", line);
            var model = run.Model;
            reply.Checksum("parameters", model.Graph.Values, model.M.Length);
            reply.Checksum("m", model.M, model.M.Length);
            reply.Checksum("v", model.V, model.M.Length);
            reply.Line("word", run.Twister.Word());
        }
    }
}
