using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Microgpt
{
    /// <summary>The words of requests (SPEC, section 11).</summary>
    static class Words
    {
        public const int LineLimit = 65536;

        public static string[] Split(string line)
        {
            if (line.Length > LineLimit) throw new Problem("expected lines of up to 65536 bytes");
            return line.Split(' ');
        }

        static long Integer(string word, long low, long high)
        {
            if (word.Length >= 1 && word.Length <= 10 && word.All(IsDigit) && (word[0] != '0' || word == "0"))
            {
                var value = long.Parse(word, CultureInfo.InvariantCulture);
                if (low <= value && value <= high) return value;
            }
            throw new Problem($"expected an integer from {low} to {high}");
        }

        public static int Integer(string word, int low, int high) => (int)Integer(word, (long)low, high);
        public static uint Word32(string word) => (uint)Integer(word, 0L, uint.MaxValue);
        public static int[] Integers(IEnumerable<string> words, int low, int high) =>
            words.Select(word => Integer(word, low, high)).ToArray();

        public static double Number(string word)
        {
            if (word.Length != 16 || !word.All(c => IsDigit(c) || 'a' <= c && c <= 'f'))
                throw new Problem("expected a double of 16 lower-case hex digits");
            var x = BitConverter.Int64BitsToDouble(Convert.ToInt64(word, 16));
            return double.IsNaN(x) ? double.NaN : x;
        }

        public static double[] Numbers(IEnumerable<string> words) => words.Select(Number).ToArray();
        public static bool IsDigit(char c) => '0' <= c && c <= '9';

        /// <summary>The pattern of a double; all NaNs are one.</summary>
        public static long Pattern(double x) => double.IsNaN(x) ? 0x7ff8000000000000 : BitConverter.DoubleToInt64Bits(x);
    }

    /// <summary>The lines of a request that are still to be read.</summary>
    sealed class Request
    {
        readonly Queue<string> lines;

        public Request(IEnumerable<string> lines) => this.lines = new Queue<string>(lines);

        public bool IsEmpty => lines.Count == 0;
        public string[] Peek() => Words.Split(lines.Peek());
        public bool Has(string key) => !IsEmpty && Peek()[0] == key;

        public string[] Next()
        {
            if (IsEmpty) throw new Problem("expected more lines");
            return Words.Split(lines.Dequeue());
        }

        /// <summary>The values of the next line, which must have this key.</summary>
        public string[] Take(string key)
        {
            if (!Has(key)) throw new Problem($"expected a line {key}");
            return Next().Skip(1).ToArray();
        }

        public string[] Take(string key, int count)
        {
            var values = Take(key);
            return values.Length == count ? values : throw new Problem($"expected {count} values of {key}");
        }

        public double Number(string key) => Words.Number(Take(key, 1)[0]);
        public int Integer(string key, int low, int high) => Words.Integer(Take(key, 1)[0], low, high);

        /// <summary>Whether the value is the second of two words.</summary>
        public bool Either(string key, string first, string second)
        {
            var word = Take(key, 1)[0];
            return word == first || word == second ? word == second : throw new Problem($"expected {first} or {second}");
        }

        public void Math()
        {
            if (Either("math", "exact", "native")) throw new Problem("unsupported");
        }

        public double[] Tensor(string name, int rows, int columns)
        {
            if (!Take("tensor", 3).SequenceEqual(new[] { name, $"{rows}", $"{columns}" }))
                throw new Problem($"expected the tensor {name} {rows} {columns}");
            return Enumerable.Range(0, rows).SelectMany(row => Words.Numbers(Take("row", columns))).ToArray();
        }

        public double[] Tensors(string prefix, Shape shape) =>
            shape.Matrices().SelectMany(matrix => Tensor(prefix + matrix.Name, matrix.Rows, matrix.Columns)).ToArray();

        public void Finish()
        {
            if (!IsEmpty) throw new Problem("expected the line end");
        }
    }

    sealed class Reply
    {
        readonly StringBuilder text = new StringBuilder();

        public override string ToString() => text.ToString();

        /// <summary>Values may be lists of further ones.</summary>
        public void Line(string key, params object[] values)
        {
            text.Append(key);
            foreach (var value in values) Append(value);
            text.Append('\n');
        }

        void Append(object value)
        {
            if (value is IEnumerable && !(value is string)) foreach (var item in (IEnumerable)value) Append(item);
            else if (value is double) text.Append($" {Words.Pattern((double)value):x16}");
            else text.Append($" {value}");
        }

        public void Tensor(string name, int rows, int columns, double[] values, int first = 0)
        {
            Line("tensor", name, rows, columns);
            for (var row = 0; row < rows; row++) Line("row", new ArraySegment<double>(values, first + row * columns, columns));
        }

        public void Tensors(string prefix, Shape shape, double[] values)
        {
            var first = 0;
            foreach (var matrix in shape.Matrices())
            {
                Tensor(prefix + matrix.Name, matrix.Rows, matrix.Columns, values, first);
                first += matrix.Size;
            }
        }

        public void Checksum(string key, double[] values, int count)
        {
            const ulong modulus = 4294967291;
            ulong a = 1, b = 0;
            foreach (var x in values.Take(count))
            {
                var pattern = (ulong)Words.Pattern(x);
                foreach (var half in new[] { pattern >> 32, pattern & uint.MaxValue })
                {
                    a = (a + half) % modulus;
                    b = (b + a) % modulus;
                }
            }
            Line(key, $"{a:x8} {b:x8}");
        }
    }
}
