<?php

declare(strict_types=1);

namespace MicroGPT;

/**
 * The autograd (SPEC, section 5). A node is a number: its place in flat arrays, since PHP would free a long chain of
 * objects by recursion.
 */
final class Graph
{
    /** @var list<float> */
    public array $value = [];

    /** @var list<float> */
    public array $gradient = [];

    /** @var list<float> the local gradient of each child */
    private array $local = [];

    /** @var list<?list<int>> */
    private array $children = [];

    /** @var list<?list<int>> the second vector of a dot product, whose first one is the children */
    private array $factors = [];

    /** Forgets all nodes but the first ones. */
    public function cut(int $size): void
    {
        foreach (['value', 'gradient', 'local', 'children', 'factors'] as $array) {
            array_splice($this->$array, $size);
        }
    }

    public function leaf(float $x): int
    {
        return $this->node($x, null);
    }

    public function add(int $a, int $b): int
    {
        return $this->node($this->value[$a] + $this->value[$b], [$a, $b]);
    }

    public function sub(int $a, int $b): int
    {
        return $this->add($a, $this->neg($b));
    }

    public function mul(int $a, int $b): int
    {
        return $this->node($this->value[$a] * $this->value[$b], [$a], factors: [$b]);
    }

    public function div(int $a, int $b): int
    {
        return $this->mul($a, $this->pow($b, -1.0));
    }

    public function neg(int $a): int
    {
        return $this->mulNumber($a, -1.0);
    }

    public function addNumber(int $a, float $c): int
    {
        return $this->node($this->value[$a] + $c, [$a]);
    }

    public function mulNumber(int $a, float $c): int
    {
        return $this->node($this->value[$a] * $c, [$a], $c);
    }

    public function pow(int $a, float $c): int
    {
        $x = $this->value[$a];
        return $this->node(Exact::pow($x, $c), [$a], $c * Exact::pow($x, $c - 1.0));
    }

    public function log(int $a): int
    {
        $x = $this->value[$a];
        return $this->node(Exact::log($x), [$a], fdiv(1.0, $x));
    }

    public function exp(int $a): int
    {
        $y = Exact::exp($this->value[$a]);
        return $this->node($y, [$a], $y);
    }

    public function relu(int $a): int
    {
        $x = $this->value[$a];
        return $x > 0.0 ? $this->node($x, [$a]) : $this->node(0.0, [$a], 0.0);
    }

    /**
     * A sum as one node. None of its operands may occur twice, or lie below another; so it is with `dot`.
     *
     * @param list<int> $nodes
     */
    public function sum(array $nodes): int
    {
        $total = 0.0;
        foreach ($nodes as $node) {
            $total += $this->value[$node];
        }
        return $this->node($total, $nodes);
    }

    /**
     * @param list<int> $ws
     * @param list<int> $xs
     */
    public function dot(array $ws, array $xs): int
    {
        $total = 0.0;
        foreach ($ws as $j => $w) {
            $total += $this->value[$w] * $this->value[$xs[$j]];
        }
        return $this->node($total, $ws, factors: $xs);
    }

    /** A node that is the same function of all its children, or a product of two vectors. */
    public function node(float $value, ?array $children, float $local = 1.0, ?array $factors = null): int
    {
        $this->value[] = $value;
        $this->gradient[] = 0.0;
        $this->local[] = $local;
        $this->children[] = $children;
        $this->factors[] = $factors;
        return count($this->value) - 1;
    }

    public function backward(int $root): void
    {
        $order = $this->order($root);
        $value = &$this->value;
        $gradient = &$this->gradient;
        $gradient = array_fill(0, count($value), 0.0);
        $gradient[$root] = 1.0;
        for ($i = count($order) - 1; $i >= 0; $i--) {
            $node = $order[$i];
            $g = $gradient[$node];
            $children = $this->children[$node] ?? [];
            $factors = $this->factors[$node];
            if ($factors === null) {
                $received = $this->local[$node] * $g;
                foreach ($children as $child) {
                    $gradient[$child] += $received;
                }
                continue;
            }
            foreach ($children as $j => $w) {
                $x = $factors[$j];
                $gradient[$w] += $value[$x] * $g;
                $gradient[$x] += $value[$w] * $g;
            }
        }
    }

    /**
     * The nodes that the root depends on, depth first, children before parents.
     *
     * @return list<int>
     */
    private function order(int $root): array
    {
        $order = [];
        $path = [$root];
        $cursors = [0];
        $seen = [];
        for ($top = 0; $top >= 0;) {
            $node = $path[$top];
            $i = $cursors[$top]++;
            $factors = $this->factors[$node];
            $child = $factors === null
                ? $this->children[$node][$i] ?? null
                : ($i & 1 ? $factors : $this->children[$node])[$i >> 1] ?? null;
            if ($child === null) {
                $order[] = $node;
                $top--;
            } elseif (!isset($seen[$child]) && $this->children[$child] !== null) { // a leaf has nothing to pass on
                $seen[$child] = true;
                $top++;
                $path[$top] = $child;
                $cursors[$top] = 0;
            }
        }
        return $order;
    }
}
