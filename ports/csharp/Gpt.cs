using System;
using System.Collections.Generic;
using System.Linq;

namespace Microgpt
{
    /// <summary>Whatever cannot be done, and why.</summary>
    sealed class Problem : Exception
    {
        public Problem(string message) : base(message) { }
    }

    /// <summary>The Mersenne Twister (Matsumoto and Nishimura, 1998), and what is drawn from it.</summary>
    sealed class Twister
    {
        public const int Size = 624;
        public uint[] Words = new uint[Size];
        public int Index = Size;
        public double? Kept;

        /// <summary>Seeded as Python does.</summary>
        public static Twister Seeded(uint seed)
        {
            var twister = new Twister();
            var mt = twister.Words;
            Func<int, uint, uint> scrambled = (i, factor) => (mt[i] ^ mt[i] >> 30) * factor;
            mt[0] = 19650218;
            for (var i = 1; i < Size; i++) mt[i] = scrambled(i - 1, 1812433253) + (uint)i;
            for (var step = 0; step < 2 * Size - 1; step++)
            {
                var i = step % (Size - 1) + 1;
                mt[i] = step < Size
                    ? (mt[i] ^ scrambled(i - 1, 1664525)) + seed
                    : (mt[i] ^ scrambled(i - 1, 1566083941)) - (uint)i;
                mt[0] = mt[Size - 1];
            }
            mt[0] = 0x80000000;
            return twister;
        }

        void Renew()
        {
            for (var i = 0; i < Size; i++)
            {
                var y = Words[i] & 0x80000000 | Words[(i + 1) % Size] & 0x7fffffff;
                Words[i] = Words[(i + 397) % Size] ^ y >> 1 ^ (y & 1) * 0x9908b0df;
            }
            Index = 0;
        }

        public uint Word()
        {
            if (Index == Size) Renew();
            var y = Words[Index++];
            y ^= y >> 11;
            y ^= y << 7 & 0x9d2c5680;
            y ^= y << 15 & 0xefc60000;
            return y ^ y >> 18;
        }

        public double Random()
        {
            double a = Word() >> 5, b = Word() >> 6;
            return (a * 67108864 + b) / 9007199254740992;
        }

        /// <summary>Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept.</summary>
        public double Gauss(double sigma)
        {
            var z = Kept;
            Kept = null;
            if (z == null)
            {
                var angle = Random() * (2 * Math.PI);
                var radius = Math.Sqrt(-2 * Exact.Log(1 - Random()));
                z = Exact.Cos(angle) * radius;
                Kept = Exact.Sin(angle) * radius;
            }
            return Exact.WithoutMinusZero(z.Value * sigma);
        }

        public int Below(int n)
        {
            var shift = 32;
            while (n >> 32 - shift > 0) shift--;
            while (true)
            {
                var draw = Word() >> shift;
                if (draw < n) return (int)draw;
            }
        }

        public void Shuffle<T>(IList<T> items)
        {
            for (var i = items.Count - 1; i > 0; i--)
            {
                var j = Below(i + 1);
                var item = items[i];
                items[i] = items[j];
                items[j] = item;
            }
        }

        public int Choice(double[] weights)
        {
            var cumulative = (double[])weights.Clone();
            for (var i = 1; i < weights.Length; i++) cumulative[i] += cumulative[i - 1];
            var total = cumulative[weights.Length - 1];
            if (!(total > 0 && total < double.PositiveInfinity))
                throw new Problem("expected weights that add up to a finite number above 0");
            var u = Random() * total;
            int low = 0, high = weights.Length - 1;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (u < cumulative[middle]) high = middle;
                else low = middle + 1;
            }
            return low;
        }
    }

    /// <summary>The documents as code points, and the distinct ones in order: the tokens but BOS.</summary>
    sealed class Dataset
    {
        public readonly List<int[]> Documents;
        public readonly int[] Characters;
        public int Bos => Characters.Length;

        public Dataset(IEnumerable<int[]> lines)
        {
            Documents = lines.Select(Stripped).Where(line => line.Length > 0).ToList();
            if (Documents.Count == 0) throw new Problem("the dataset has no documents: every line is empty");
            Characters = Documents.SelectMany(document => document).Distinct().OrderBy(c => c).ToArray();
            if (Bos > 2047) throw new Problem("the dataset has more than 2047 distinct characters");
        }

        static int[] Stripped(int[] line) => line.SkipWhile(IsWhiteSpace).Reverse().SkipWhile(IsWhiteSpace).Reverse().ToArray();
        static bool IsWhiteSpace(int c) => c == ' ' || '\t' <= c && c <= '\r';

        public int[] Encode(int[] document)
        {
            var known = document.Select(c => Array.BinarySearch(Characters, c));
            return new[] { Bos }.Concat(known).Concat(new[] { Bos }).ToArray();
        }
    }

    sealed class Matrix
    {
        public readonly string Name;
        public readonly int Rows, Columns;
        public int Size => Rows * Columns;

        public Matrix(string name, int rows, int columns)
        {
            Name = name;
            Rows = rows;
            Columns = columns;
        }
    }

    sealed class Shape
    {
        public int Layers = 1, Heads = 4, Embedding = 16, Block, Vocabulary;
        public bool SquaredRelu;
        public int[][] Attention; // for each position those that it attends to, itself last

        public IEnumerable<Matrix> Matrices()
        {
            var e = Embedding;
            yield return new Matrix("wte", Vocabulary, e);
            yield return new Matrix("wpe", Block, e);
            yield return new Matrix("lm_head", Vocabulary, e);
            for (var i = 0; i < Layers; i++)
            {
                foreach (var name in new[] { "wq", "wk", "wv", "wo" }) yield return new Matrix($"layer{i}.attn_{name}", e, e);
                yield return new Matrix($"layer{i}.mlp_fc1", 4 * e, e);
                yield return new Matrix($"layer{i}.mlp_fc2", e, 4 * e);
            }
        }
    }

    /// <summary>Adam (Kingma and Ba, 2015) with a learning rate that falls to zero.</summary>
    sealed class Adam
    {
        public double LearningRate = 0.01, Beta1, Beta2, Epsilon = 1e-8;
        public bool Cosine;
        public int Steps;

        public double Rate(int step) => Cosine
            ? LearningRate * 0.5 * (1 + Exact.Cos(Math.PI * step / Steps))
            : LearningRate * (1 - (double)step / Steps);

        /// <summary>What m and v are divided by, since they begin at zero.</summary>
        public double Correction(double beta, int step) => 1 - Exact.Pow(beta, step + 1);

        /// <summary>Updates as many parameters p as there are moments.</summary>
        public void Update(int step, double[] p, double[] gradients, double[] m, double[] v)
        {
            double rate = Rate(step), correction1 = Correction(Beta1, step), correction2 = Correction(Beta2, step);
            for (var i = 0; i < m.Length; i++)
            {
                var g = gradients[i];
                m[i] = Beta1 * m[i] + (1 - Beta1) * g;
                v[i] = Beta2 * v[i] + (1 - Beta2) * (g * g);
                p[i] -= rate * (m[i] / correction1) / (Exact.SquareRoot(v[i] / correction2) + Epsilon);
            }
        }
    }

    /// <summary>A model in training. Its parameters are the first nodes of its graph; the others are a document's.</summary>
    sealed class Model
    {
        public readonly Shape Shape;
        public readonly Graph Graph = new Graph();
        public double[] M, V;
        /// <summary>Told the full name and the nodes of each result, in order.</summary>
        public Action<string, Vector> Watch;
        readonly List<Vector> matrices = new List<Vector>();
        readonly Vector[,] keys, values; // of each layer and each position so far

        public Model(Shape shape, double[] parameters)
        {
            Shape = shape;
            M = new double[parameters.Length];
            V = new double[parameters.Length];
            keys = new Vector[shape.Layers, shape.Block];
            values = new Vector[shape.Layers, shape.Block];
            var first = 0;
            foreach (var matrix in shape.Matrices())
            {
                matrices.Add(new Vector(first, matrix.Size));
                first += matrix.Size;
            }
            Graph.Each(parameters.Length, i => Graph.Leaf(parameters[i]));
        }

        /// <summary>The mean over a document's positions of -log p(next token).</summary>
        public int Loss(int[] tokens)
        {
            Graph.Shrink(M.Length);
            var losses = new List<int>();
            for (var t = 0; t < Math.Min(Shape.Block, tokens.Length - 1); t++)
            {
                var probabilities = Note(t, "probabilities", Softmax(Logits(t, tokens[t])));
                losses.Add(Graph.Neg(Graph.Log(probabilities[tokens[t + 1]])));
                Note(t, "loss", new Vector(losses[t], 1));
            }
            return Graph.MulNumber(Graph.AddUp(losses), 1.0 / losses.Count);
        }

        /// <summary>One step on one document; its loss before the update.</summary>
        public double Train(Adam adam, int step, int[] tokens)
        {
            var root = Loss(tokens);
            var loss = Graph.Values[root];
            Graph.Backward(root);
            adam.Update(step, Graph.Values, Graph.Gradients, M, V);
            return loss;
        }

        /// <summary>Draws one sample, BOS included: each draw's probabilities and token.</summary>
        public IEnumerable<(double[] Probabilities, int Token)> Sample(double temperature, Twister twister)
        {
            Graph.Shrink(M.Length);
            int bos = Shape.Vocabulary - 1, token = bos;
            for (var t = 0; t < Shape.Block; t++)
            {
                var logits = Logits(t, token);
                var cooled = Graph.Each(logits.Length, i => Graph.DivNumber(logits[i], temperature));
                var probabilities = Graph.ValuesOf(Softmax(cooled));
                token = twister.Choice(probabilities);
                yield return (probabilities, token);
                if (token == bos) yield break;
            }
        }

        Vector Note(int t, string name, Vector x)
        {
            Watch?.Invoke($"pos{t}.{name}", x);
            return x;
        }

        Vector Linear(Vector x, Vector matrix) =>
            Graph.Each(matrix.Length / x.Length, row => Graph.Dot(matrix.Part(row * x.Length, x.Length), x));

        Vector Add(Vector a, Vector b) => Graph.Each(a.Length, i => Graph.Add(a[i], b[i]));

        /// <summary>x over its root mean square, without a gain (Zhang and Sennrich, 2019).</summary>
        Vector RmsNorm(Vector x)
        {
            var meanSquare = Graph.DivNumber(Graph.Dot(x, x), x.Length);
            var scale = Graph.Pow(Graph.AddNumber(meanSquare, 1e-5), -0.5);
            return Graph.Each(x.Length, i => Graph.Mul(x[i], scale));
        }

        Vector Softmax(Vector x)
        {
            var top = Graph.ValuesOf(x).Aggregate((most, value) => value > most ? value : most);
            var shifted = Graph.Each(x.Length, i => Graph.AddNumber(x[i], -top));
            var exps = Graph.Each(x.Length, i => Graph.Exp(shifted[i]));
            var inverse = Graph.Pow(Graph.Sum(exps), -1);
            var inverses = Graph.Each(x.Length, i => Graph.Again(inverse));
            return Graph.Each(x.Length, i => Graph.Mul(exps[i], inverses[i]));
        }

        /// <summary>Multi-head attention of the query q; the heads' results side by side.</summary>
        Vector Attend(int t, int layer, Vector q)
        {
            var positions = Shape.Attention[t];
            var size = Shape.Embedding / Shape.Heads;
            var heads = new List<(Vector Scores, Vector Weights)>();
            var products = new List<Vector>();
            for (var start = 0; start < q.Length; start += size)
            {
                var first = start;
                var query = q.Part(first, size);
                var dots = Graph.Each(positions.Length, i => Graph.Dot(query, keys[layer, positions[i]].Part(first, size)));
                var scores = Graph.Each(dots.Length, i => Graph.DivNumber(dots[i], Math.Sqrt(size)));
                var weights = Softmax(scores);
                heads.Add((scores, weights));
                for (var j = first; j < first + size; j++)
                {
                    var column = j;
                    products.Add(Graph.Each(weights.Length, i => Graph.Mul(weights[i], values[layer, positions[i]][column])));
                }
            }
            var mixed = Graph.Each(products.Count, i => Graph.Sum(products[i]));
            for (var h = 0; Watch != null && h < heads.Count; h++)
            {
                Note(t, $"layer{layer}.head{h}.scores", heads[h].Scores);
                Note(t, $"layer{layer}.head{h}.weights", heads[h].Weights);
                Note(t, $"layer{layer}.head{h}.mixed", mixed.Part(h * size, size));
            }
            return mixed;
        }

        Vector Logits(int t, int token)
        {
            var e = Shape.Embedding;
            var x = Note(t, "embedded", Add(matrices[0].Part(token * e, e), matrices[1].Part(t * e, e)));
            x = Note(t, "normed", RmsNorm(x));
            for (var i = 0; i < Shape.Layers; i++) x = Layer(t, i, x, matrices.GetRange(3 + 6 * i, 6));
            return Note(t, "logits", Linear(x, matrices[2]));
        }

        Vector Layer(int t, int layer, Vector x, List<Vector> matrix)
        {
            Func<string, Vector, Vector> here =
                (name, result) => Watch == null ? result : Note(t, $"layer{layer}.{name}", result);
            var normed = here("attn_norm", RmsNorm(x));
            var q = here("q", Linear(normed, matrix[0]));
            keys[layer, t] = here("k", Linear(normed, matrix[1]));
            values[layer, t] = here("v", Linear(normed, matrix[2]));
            var attended = here("attn_out", Linear(Attend(t, layer, q), matrix[3]));
            var residual = here("attn_residual", Add(attended, x));
            var hidden = here("hidden", Linear(here("mlp_norm", RmsNorm(residual)), matrix[4]));
            var relu = Graph.Each(hidden.Length, i => Graph.Relu(hidden[i]));
            var activated = here("activated", Shape.SquaredRelu ? Graph.Each(relu.Length, i => Graph.Pow(relu[i], 2)) : relu);
            return here("mlp_residual", Add(here("mlp_out", Linear(activated, matrix[5])), residual));
        }
    }

    /// <summary>A whole run, from seed 42 to samples.</summary>
    sealed class Run
    {
        int block, samples = 20;
        bool squaredRelu;
        double sigma, outputSigma; // of the first parameters; the second where they end in the residual stream
        Adam adam;
        public Twister Twister = Twister.Seeded(42);
        public Model Model;

        /// <summary>Null if there is none of this name.</summary>
        public static Run Preset(string name)
        {
            switch (name)
            {
                case "seed":
                    return new Run
                    {
                        block = 8, squaredRelu = true, sigma = 0.02, outputSigma = 0,
                        adam = new Adam { Beta1 = 0.9, Beta2 = 0.95, Cosine = true, Steps = 500 },
                    };
                case "classic":
                    return new Run
                    {
                        block = 16, squaredRelu = false, sigma = 0.08, outputSigma = 0.08,
                        adam = new Adam { Beta1 = 0.85, Beta2 = 0.99, Steps = 1000 },
                    };
                default:
                    return null;
            }
        }

        public Run Resized(int steps, int count)
        {
            adam.Steps = steps;
            samples = count;
            return this;
        }

        /// <summary>The lines to print, as code points; each is made when it is asked for.</summary>
        public IEnumerable<IEnumerable<int>> Lines(IEnumerable<int[]> input)
        {
            var dataset = new Dataset(input);
            Twister.Shuffle(dataset.Documents);
            var shape = new Shape
            {
                Block = block, Vocabulary = dataset.Bos + 1, SquaredRelu = squaredRelu,
                Attention = Enumerable.Range(1, block).Select(length => Enumerable.Range(0, length).ToArray()).ToArray(),
            };
            Model = new Model(shape, shape.Matrices().SelectMany(Drawn).ToArray());
            yield return CodePoints($"num docs: {dataset.Documents.Count}");
            yield return CodePoints($"vocab size: {shape.Vocabulary}");
            yield return CodePoints($"num params: {Model.M.Length}");
            for (var step = 0; step < adam.Steps; step++)
            {
                var document = dataset.Documents[step % dataset.Documents.Count];
                var loss = Exact.FourDecimals(Model.Train(adam, step, dataset.Encode(document)));
                yield return CodePoints($"step {step + 1,4} / {adam.Steps,4} | loss {loss}");
            }
            yield return CodePoints("");
            yield return CodePoints("--- inference (new, hallucinated names) ---");
            for (var number = 1; number <= samples; number++)
            {
                var tokens = Model.Sample(0.5, Twister).Select(draw => draw.Token).ToList();
                var name = tokens.Where(token => token != dataset.Bos).Select(token => dataset.Characters[token]);
                yield return CodePoints($"sample {number,2}: ").Concat(name);
            }
        }

        IEnumerable<double> Drawn(Matrix matrix)
        {
            var isOutput = matrix.Name.EndsWith("attn_wo", StringComparison.Ordinal)
                || matrix.Name.EndsWith("mlp_fc2", StringComparison.Ordinal);
            for (var i = 0; i < matrix.Size; i++) yield return Twister.Gauss(isOutput ? outputSigma : sigma);
        }

        static IEnumerable<int> CodePoints(string ascii) => ascii.Select(c => (int)c);
    }
}
