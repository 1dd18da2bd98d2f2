using System;
using System.Collections.Generic;
using System.Linq;

namespace Microgpt
{
    /// <summary>Consecutive nodes of a graph.</summary>
    struct Vector
    {
        public readonly int First, Length;

        public Vector(int first, int length)
        {
            First = first;
            Length = length;
        }

        public int this[int i] => First + i;
        public Vector Part(int start, int length) => new Vector(First + start, length);
    }

    /// <summary>
    /// Automatic differentiation (SPEC, section 5). A node is a place in arrays; the same graph answers <c>graph</c> and
    /// trains the model.
    /// </summary>
    sealed class Graph
    {
        /// <summary>How a node passes its gradient on.</summary>
        enum Rule : byte
        {
            Each, // to the children on the left, times the local gradient
            Both, // unchanged to the two children
            Products, // to the children on either side, times the value of the other one
        }

        /// <summary>The children are Left, Right, Left + 1, Right + 1 ...; an only one stands on both sides.</summary>
        struct Origin
        {
            public Rule Rule;
            public int Left, Right, Pairs; // leaves have no pairs
            public double Local;

            public int Child(int i) => (i % 2 == 0 ? Left : Right) + i / 2;
        }

        public double[] Values = new double[1024];
        public double[] Gradients = { };
        Origin[] origins = new Origin[1024];
        int count;

        int Push(double value, Origin origin)
        {
            if (count == Values.Length)
            {
                Array.Resize(ref Values, 2 * count);
                Array.Resize(ref origins, 2 * count);
            }
            Values[count] = value;
            origins[count] = origin;
            return count++;
        }

        int Unary(int a, double value, double local) =>
            Push(value, new Origin { Rule = Rule.Each, Left = a, Right = a, Pairs = 1, Local = local });

        /// <summary>Forgets all nodes but the first ones.</summary>
        public void Shrink(int size) => count = size;

        public int Leaf(double x) => Push(x, new Origin());
        public int Add(int a, int b) => Push(Values[a] + Values[b], new Origin { Rule = Rule.Both, Left = a, Right = b, Pairs = 1 });
        public int Mul(int a, int b) => Push(Values[a] * Values[b], new Origin { Rule = Rule.Products, Left = a, Right = b, Pairs = 1 });
        public int Div(int a, int b) => Mul(a, Pow(b, -1));
        public int Pow(int a, double c) => Unary(a, Exact.Pow(Values[a], c), c * Exact.Pow(Values[a], c - 1));
        public int Log(int a) => Unary(a, Exact.Log(Values[a]), 1 / Values[a]);
        public int Relu(int a) => Values[a] > 0 ? Unary(a, Values[a], 1) : Unary(a, 0, 0);
        public int Neg(int a) => MulNumber(a, -1);
        public int AddNumber(int a, double c) => Unary(a, Values[a] + c, 1);
        public int MulNumber(int a, double c) => Unary(a, Values[a] * c, c);
        public int DivNumber(int a, double c) => MulNumber(a, 1 / c);
        public int Again(int a) => Push(Values[a], origins[a]);

        public int Exp(int a)
        {
            var y = Exact.Exp(Values[a]);
            return Unary(a, y, y);
        }

        /// <summary>The sum of nodes anywhere.</summary>
        public int AddUp(IReadOnlyList<int> nodes)
        {
            var total = AddNumber(nodes[0], 0);
            for (var i = 1; i < nodes.Count; i++) total = Add(total, nodes[i]);
            return total;
        }

        /// <summary>The sum of a vector as one node; none of its nodes lies below another, as in Dot.</summary>
        public int Sum(Vector x)
        {
            var total = 0.0;
            for (var i = 0; i < x.Length; i++) total += Values[x[i]];
            return Push(total, new Origin { Rule = Rule.Each, Left = x.First, Right = x.First, Pairs = x.Length, Local = 1 });
        }

        public int Dot(Vector w, Vector x)
        {
            var total = 0.0;
            for (var i = 0; i < w.Length; i++) total += Values[w[i]] * Values[x[i]];
            return Push(total, new Origin { Rule = Rule.Products, Left = w.First, Right = x.First, Pairs = w.Length });
        }

        /// <summary>What make makes of 0, 1, ..., one node of each.</summary>
        public Vector Each(int length, Func<int, int> make)
        {
            var first = count;
            for (var i = 0; i < length; i++) make(i);
            return new Vector(first, length);
        }

        public double[] ValuesOf(Vector x) => new ArraySegment<double>(Values, x.First, x.Length).ToArray();

        public void Backward(int root)
        {
            if (Gradients.Length < Values.Length) Gradients = new double[Values.Length];
            Array.Clear(Gradients, 0, count);
            Gradients[root] = 1;
            var order = Sorted(root);
            for (var n = order.Count - 1; n >= 0; n--)
            {
                var origin = origins[order[n]];
                var g = Gradients[order[n]];
                int a = origin.Left, b = origin.Right;
                switch (origin.Rule)
                {
                    case Rule.Each:
                        for (var i = 0; i < origin.Pairs; i++) Gradients[a + i] += origin.Local * g;
                        break;
                    case Rule.Both:
                        Gradients[a] += g;
                        Gradients[b] += g;
                        break;
                    case Rule.Products:
                        for (var i = 0; i < origin.Pairs; i++)
                        {
                            Gradients[a + i] += Values[b + i] * g;
                            Gradients[b + i] += Values[a + i] * g;
                        }
                        break;
                }
            }
        }

        /// <summary>The depth-first post-order, found on a path of its own, since graphs are deep.</summary>
        List<int> Sorted(int root)
        {
            var order = new List<int>();
            var seen = new bool[count];
            Func<int, bool> isDone = child => seen[child] || origins[child].Pairs == 0; // leaves pass nothing on
            var path = new Stack<(int Node, int Next)>();
            path.Push((root, 0));
            while (path.Count > 0)
            {
                var (node, next) = path.Pop();
                var children = 2 * origins[node].Pairs;
                while (next < children && isDone(origins[node].Child(next))) next++;
                if (next == children)
                {
                    order.Add(node);
                    continue;
                }
                var child = origins[node].Child(next);
                seen[child] = true;
                path.Push((node, next + 1));
                path.Push((child, 0));
            }
            return order;
        }
    }
}
