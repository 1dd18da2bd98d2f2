<?php

declare(strict_types=1);

namespace MicroGPT;

/** What is wrong with the input, as a sentence. */
final class Refused extends \RuntimeException
{
}

/** The random numbers of SPEC's section 3: MT19937 and what is drawn from it. */
final class Generator
{
    public const SIZE = 624;
    public const MASK = 0xffffffff;

    /** @param list<int> $words */
    public function __construct(public array $words, public int $index = self::SIZE, public ?float $kept = null)
    {
    }

    public static function seeded(int $seed): self
    {
        $words = [19650218];
        $mixed = function (int $i) use (&$words): int {
            return $words[$i - 1] ^ $words[$i - 1] >> 30;
        };
        for ($i = 1; $i < self::SIZE; $i++) {
            $words[$i] = 1812433253 * $mixed($i) + $i & self::MASK;
        }
        $i = 1;
        for ($round = 1; $round <= 624 + 623; $round++) {
            [$factor, $term] = $round <= 624 ? [1664525, $seed] : [1566083941, -$i];
            $words[$i] = ($words[$i] ^ $mixed($i) * $factor) + $term & self::MASK;
            if (++$i === self::SIZE) {
                [$words[0], $i] = [$words[self::SIZE - 1], 1];
            }
        }
        $words[0] = 0x80000000;
        return new self($words);
    }

    public function word(): int
    {
        if ($this->index === self::SIZE) {
            $this->renew();
        }
        $y = $this->words[$this->index++];
        $y ^= $y >> 11;
        $y ^= $y << 7 & 0x9d2c5680;
        $y ^= $y << 15 & 0xefc60000;
        return $y ^ $y >> 18;
    }

    public function random(): float
    {
        $a = $this->word() >> 5;
        $b = $this->word() >> 6;
        return ($a * 67108864 + $b) / 9007199254740992.0;
    }

    public function gauss(float $sigma): float
    {
        [$z, $this->kept] = [$this->kept, null];
        if ($z === null) {
            $angle = $this->random() * 6.283185307179586;
            $radius = sqrt(-2.0 * Exact::log(1.0 - $this->random()));
            $z = Exact::cos($angle) * $radius;
            $this->kept = Exact::sin($angle) * $radius;
        }
        return 0.0 + $z * $sigma;
    }

    public function shuffle(array &$items): void
    {
        for ($i = count($items) - 1; $i > 0; $i--) {
            $j = $this->below($i + 1);
            [$items[$i], $items[$j]] = [$items[$j], $items[$i]];
        }
    }

    /** @param list<float> $weights */
    public function choice(array $weights): int
    {
        $cumulative = [$weights[0]];
        for ($i = 1; $i < count($weights); $i++) {
            $cumulative[$i] = $cumulative[$i - 1] + $weights[$i];
        }
        $total = end($cumulative) + 0.0;
        if (!($total > 0.0 && $total < INF)) {
            throw new Refused('the weights must have a finite sum above 0');
        }
        $u = $this->random() * $total;
        [$low, $high] = [0, count($weights) - 1];
        while ($low < $high) {
            $middle = $low + $high >> 1;
            [$low, $high] = $u < $cumulative[$middle] ? [$low, $middle] : [$middle + 1, $high];
        }
        return $low;
    }

    private function below(int $n): int
    {
        $bits = strlen(decbin($n));
        do {
            $drawn = $this->word() >> 32 - $bits;
        } while ($drawn >= $n);
        return $drawn;
    }

    private function renew(): void
    {
        $words = &$this->words;
        for ($i = 0; $i < self::SIZE; $i++) {
            $y = $words[$i] & 0x80000000 | $words[($i + 1) % self::SIZE] & 0x7fffffff;
            $words[$i] = $words[($i + 397) % self::SIZE] ^ $y >> 1 ^ ($y & 1 ? 0x9908b0df : 0);
        }
        $this->index = 0;
    }
}

/** Documents are lists of code points (section 4). */
final class Tokenizer
{
    /** @var list<int> in order */
    public readonly array $points;

    /** @var array<int, int> the token of each code point */
    private readonly array $tokens;

    /** @param list<list<int>> $documents */
    public function __construct(public readonly array $documents)
    {
        $points = [];
        foreach ($documents as $document) {
            $points += array_fill_keys($document, true);
        }
        $points = array_keys($points);
        sort($points);
        if (count($points) > 2047) {
            throw new Refused('the dataset has ' . count($points) . ' distinct characters, and 2047 is the most');
        }
        $this->points = $points;
        $this->tokens = array_flip($points);
    }

    /**
     * The lines without white space at their ends; empty ones are left out.
     *
     * @param list<list<int>> $lines
     * @return list<list<int>>
     */
    public static function documents(array $lines): array
    {
        $isSpace = fn(int $point): bool => $point === 32 || $point >= 9 && $point <= 13;
        $documents = [];
        foreach ($lines as $line) {
            [$first, $last] = [0, count($line) - 1];
            while ($first <= $last && $isSpace($line[$first])) {
                $first++;
            }
            while ($first <= $last && $isSpace($line[$last])) {
                $last--;
            }
            if ($first <= $last) {
                $documents[] = array_slice($line, $first, $last - $first + 1);
            }
        }
        return $documents ?: throw new Refused('the dataset has no documents: every line is empty');
    }

    public function bos(): int
    {
        return count($this->points);
    }

    /** @return list<int> */
    public function encode(array $document): array
    {
        return [$this->bos(), ...array_map(fn(int $point): int => $this->tokens[$point], $document), $this->bos()];
    }

    /** @return list<int> */
    public function decode(array $tokens): array
    {
        return array_map(fn(int $token): int => $this->points[$token], $tokens);
    }
}

final class Shape
{
    public readonly int $headSize;

    /** @param list<list<int>> $attend for each position the positions that it attends to */
    public function __construct(
        public readonly int $layers,
        public readonly int $heads,
        public readonly int $embedding,
        public readonly int $block,
        public readonly int $vocabulary,
        public readonly bool $squared,
        public readonly array $attend,
    ) {
        $this->headSize = intdiv($embedding, $heads);
    }

    /** The rows and columns of each parameter matrix, by name and in order. */
    public function matrices(): array
    {
        $e = $this->embedding;
        $matrices = ['wte' => [$this->vocabulary, $e], 'wpe' => [$this->block, $e], 'lm_head' => [$this->vocabulary, $e]];
        for ($i = 0; $i < $this->layers; $i++) {
            foreach (['wq', 'wk', 'wv', 'wo'] as $name) {
                $matrices["layer$i.attn_$name"] = [$e, $e];
            }
            $matrices["layer$i.mlp_fc1"] = [4 * $e, $e];
            $matrices["layer$i.mlp_fc2"] = [$e, 4 * $e];
        }
        return $matrices;
    }
}

/** The model (sections 6 and 7). A `note` is called with the name and the nodes of every intermediate result. */
final class Model
{
    public readonly Graph $graph;
    public readonly int $size;

    /** @var array<string, list<list<int>>> rows of nodes */
    private array $matrix = [];

    /** @var list<list<list<int>>> for each layer, one vector for each position so far */
    private array $keys = [];
    private array $values = [];

    /** @param list<float> $parameters of all matrices, in order: the first nodes of the graph */
    public function __construct(public readonly Shape $shape, array $parameters)
    {
        $this->graph = new Graph();
        $nodes = array_map($this->graph->leaf(...), $parameters);
        $this->size = count($nodes);
        $first = 0;
        foreach ($shape->matrices() as $name => [$rows, $columns]) {
            $this->matrix[$name] = array_chunk(array_slice($nodes, $first, $rows * $columns), $columns);
            $first += $rows * $columns;
        }
    }

    /** @return list<float> */
    public function parameters(): array
    {
        return array_slice($this->graph->value, 0, $this->size);
    }

    /** @return list<float> */
    public function gradients(): array
    {
        return array_slice($this->graph->gradient, 0, $this->size);
    }

    /** @return list<float> */
    public function valuesOf(array $nodes): array
    {
        return array_map(fn(int $node): float => $this->graph->value[$node], $nodes);
    }

    /** The node of a document's loss. */
    public function loss(array $document, ?callable $note = null): int
    {
        $this->begin();
        $n = min($this->shape->block, count($document) - 1);
        $losses = [];
        for ($t = 0; $t < $n; $t++) {
            $here = self::noting("pos$t.", $note);
            $probabilities = $here('probabilities', $this->softmax($this->logits($document[$t], $t, $here)));
            $loss = $this->graph->neg($this->graph->log($probabilities[$document[$t + 1]]));
            [$losses[]] = $here('loss', [$loss]);
        }
        return $this->graph->mulNumber($this->graph->sum($losses), 1.0 / $n);
    }

    /**
     * Tokens up to BOS, which is left out, or the end of the block; `watch` is called with the probabilities and each.
     *
     * @return list<int>
     */
    public function sample(float $temperature, Generator $generator, ?callable $watch = null): array
    {
        $this->begin();
        $bos = $token = $this->shape->vocabulary - 1;
        $inverse = fdiv(1.0, $temperature);
        $tokens = [];
        for ($t = 0; $t < $this->shape->block; $t++) {
            $logits = $this->logits($token, $t, self::noting('', null));
            $scaled = array_map(fn(int $logit): int => $this->graph->mulNumber($logit, $inverse), $logits);
            $probabilities = $this->valuesOf($this->softmax($scaled));
            $token = $generator->choice($probabilities);
            if ($watch !== null) {
                $watch($probabilities, $token);
            }
            if ($token === $bos) {
                break;
            }
            $tokens[] = $token;
        }
        return $tokens;
    }

    private function begin(): void
    {
        $this->graph->cut($this->size);
        $this->keys = $this->values = array_fill(0, $this->shape->layers, []);
    }

    /** A function that shows nodes to `note`, if there is one, and returns them. */
    private static function noting(string $prefix, ?callable $note): callable
    {
        return function (string $name, array $nodes) use ($prefix, $note): array {
            if ($note !== null) {
                $note($prefix . $name, $nodes);
            }
            return $nodes;
        };
    }

    private function logits(int $token, int $t, callable $note): array
    {
        $x = $note('embedded', $this->added($this->matrix['wte'][$token], $this->matrix['wpe'][$t]));
        $x = $note('normed', $this->rmsnorm($x));
        for ($i = 0; $i < $this->shape->layers; $i++) {
            $x = $this->layer($i, $x, $t, self::noting("layer$i.", $note));
        }
        return $note('logits', $this->linear($x, 'lm_head'));
    }

    private function layer(int $i, array $x, int $t, callable $note): array
    {
        $normed = $note('attn_norm', $this->rmsnorm($x));
        $q = $note('q', $this->linear($normed, "layer$i.attn_wq"));
        $this->keys[$i][] = $note('k', $this->linear($normed, "layer$i.attn_wk"));
        $this->values[$i][] = $note('v', $this->linear($normed, "layer$i.attn_wv"));
        $out = $note('attn_out', $this->linear($this->attention($i, $q, $t, $note), "layer$i.attn_wo"));
        $x = $note('attn_residual', $this->added($out, $x));
        $hidden = $note('hidden', $this->linear($note('mlp_norm', $this->rmsnorm($x)), "layer$i.mlp_fc1"));
        $activated = array_map($this->graph->relu(...), $hidden);
        if ($this->shape->squared) {
            $activated = array_map(fn(int $node): int => $this->graph->pow($node, 2.0), $activated);
        }
        $out = $note('mlp_out', $this->linear($note('activated', $activated), "layer$i.mlp_fc2"));
        return $note('mlp_residual', $this->added($out, $x));
    }

    private function attention(int $i, array $q, int $t, callable $note): array
    {
        $size = $this->shape->headSize;
        $scale = 1.0 / sqrt($size);
        $positions = $this->shape->attend[$t];
        $joined = [];
        for ($head = 0; $head < $this->shape->heads; $head++) {
            $part = fn(array $x): array => array_slice($x, $head * $size, $size);
            $own = $part($q);
            $scores = [];
            $values = [];
            foreach ($positions as $s) {
                $scores[] = $this->graph->mulNumber($this->graph->dot($own, $part($this->keys[$i][$s])), $scale);
                $values[] = $part($this->values[$i][$s]);
            }
            $weights = $note("head$head.weights", $this->softmax($note("head$head.scores", $scores)));
            $mix = fn(int $j): int => $this->graph->dot($weights, array_column($values, $j));
            array_push($joined, ...$note("head$head.mixed", array_map($mix, range(0, $size - 1))));
        }
        return $joined;
    }

    private function linear(array $x, string $name): array
    {
        return array_map(fn(array $row): int => $this->graph->dot($row, $x), $this->matrix[$name]);
    }

    private function added(array $xs, array $ys): array
    {
        return array_map($this->graph->add(...), $xs, $ys);
    }

    private function rmsnorm(array $x): array
    {
        $mean = $this->graph->mulNumber($this->graph->dot($x, $x), 1.0 / count($x));
        $scale = $this->graph->pow($this->graph->addNumber($mean, 0.00001), -0.5);
        return array_map(fn(int $node): int => $this->graph->mul($node, $scale), $x);
    }

    private function softmax(array $x): array
    {
        $graph = $this->graph;
        $top = array_reduce($x, fn(float $top, int $a): float => $graph->value[$a] > $top ? $graph->value[$a] : $top, $graph->value[$x[0]]);
        $powers = array_map(fn(int $node): int => $graph->exp($graph->addNumber($node, -$top)), $x);
        $total = $graph->sum($powers);
        // A pow node for each division. They differ in nothing but their place.
        $sum = $graph->value[$total];
        [$inverse, $local] = [fdiv(1.0, $sum), -1.0 * Exact::pow($sum, -2.0)];
        return array_map(fn(int $power): int => $graph->mul($power, $graph->node($inverse, [$total], $local)), $powers);
    }
}

enum Schedule: string
{
    case Linear = 'linear';
    case Cosine = 'cosine';
}

/** The optimizer (section 8). */
final class Adam
{
    public function __construct(
        private readonly float $learningRate,
        private readonly float $beta1,
        private readonly float $beta2,
        private readonly float $epsilon,
        private readonly Schedule $schedule,
        public readonly int $steps,
    ) {
    }

    public function withSteps(int $steps): self
    {
        return new self($this->learningRate, $this->beta1, $this->beta2, $this->epsilon, $this->schedule, $steps);
    }

    /** @return array{float, float, float} the rate of a step, counted from 0, and the two corrections */
    public function factors(int $step): array
    {
        $rate = match ($this->schedule) {
            Schedule::Linear => $this->learningRate * (1.0 - $step / $this->steps),
            Schedule::Cosine => $this->learningRate * 0.5 * (1.0 + Exact::cos(M_PI * $step / $this->steps)),
        };
        return [$rate, 1.0 - Exact::pow($this->beta1, $step + 1.0), 1.0 - Exact::pow($this->beta2, $step + 1.0)];
    }

    /** Changes parameters and moments. */
    public function update(int $step, array &$ps, array $gs, array &$ms, array &$vs): void
    {
        [$rate, $correction1, $correction2] = $this->factors($step);
        foreach ($gs as $i => $g) {
            $ms[$i] = $this->beta1 * $ms[$i] + (1.0 - $this->beta1) * $g;
            $vs[$i] = $this->beta2 * $vs[$i] + (1.0 - $this->beta2) * ($g * $g);
            $deviation = Exact::pow(fdiv($vs[$i], $correction2), 0.5);
            $ps[$i] -= fdiv($rate * fdiv($ms[$i], $correction1), $deviation + $this->epsilon);
        }
    }
}

/** A model that is trained, with its moments. */
final class Training
{
    public function __construct(
        public readonly Model $model,
        private readonly Adam $adam,
        public array $m = [],
        public array $v = [],
    ) {
        $this->m = $m ?: array_fill(0, $model->size, 0.0);
        $this->v = $v ?: array_fill(0, $model->size, 0.0);
    }

    /** One step on a document; the loss before the update. */
    public function step(int $step, array $document): float
    {
        $graph = $this->model->graph;
        $root = $this->model->loss($document);
        $graph->backward($root);
        $loss = $graph->value[$root];
        $this->adam->update($step, $graph->value, $this->model->gradients(), $this->m, $this->v);
        return $loss;
    }
}

enum Preset: string
{
    case Seed = 'seed';
    case Classic = 'classic';

    /** @return array{int, float, float, bool, Adam} block, sigma, sigma of attn_wo and mlp_fc2, squared, optimizer */
    public function settings(): array
    {
        return match ($this) {
            self::Seed => [8, 0.02, 0.0, true, new Adam(0.01, 0.9, 0.95, 1e-8, Schedule::Cosine, 500)],
            self::Classic => [16, 0.08, 0.08, false, new Adam(0.01, 0.85, 0.99, 1e-8, Schedule::Linear, 1000)],
        };
    }
}

/** A whole run from seed 42 (section 10). */
final class Run
{
    public readonly Generator $generator;
    public readonly Training $training;
    private readonly Tokenizer $tokenizer;
    private readonly int $steps;

    /** @param list<list<int>> $lines */
    public function __construct(Preset $preset, array $lines, ?int $steps = null, private readonly int $samples = 20)
    {
        [$block, $sigma, $sigmaOut, $squared, $adam] = $preset->settings();
        $this->steps = $steps ?? $adam->steps;
        $this->generator = Generator::seeded(42);
        $documents = Tokenizer::documents($lines);
        $this->generator->shuffle($documents);
        $this->tokenizer = new Tokenizer($documents);
        $attend = array_map(fn(int $t): array => range(0, $t), range(0, $block - 1));
        $shape = new Shape(1, 4, 16, $block, $this->tokenizer->bos() + 1, $squared, $attend);
        $parameters = [];
        foreach ($shape->matrices() as $name => [$rows, $columns]) {
            $isOut = in_array($name, ['layer0.attn_wo', 'layer0.mlp_fc2'], true);
            for ($i = 0; $i < $rows * $columns; $i++) {
                $parameters[] = $this->generator->gauss($isOut ? $sigmaOut : $sigma);
            }
        }
        $this->training = new Training(new Model($shape, $parameters), $adam->withSteps($this->steps));
    }

    public static function decimals(float $x): string
    {
        if (is_nan($x)) {
            return 'nan';
        }
        $sign = Exact::pattern($x) < 0 ? '-' : ''; // sprintf drops that of zero
        return $sign . (is_infinite($x) ? 'inf' : sprintf('%.4F', abs($x)));
    }

    /**
     * Trains and samples, and gives each line as code points when it is known.
     *
     * @return iterable<list<int>>
     */
    public function lines(): iterable
    {
        $points = fn(string $text): array => array_values(unpack('C*', $text));
        $model = $this->training->model;
        $documents = $this->tokenizer->documents;
        yield $points('num docs: ' . count($documents));
        yield $points('vocab size: ' . $model->shape->vocabulary);
        yield $points("num params: $model->size");
        for ($step = 0; $step < $this->steps; $step++) {
            $document = $this->tokenizer->encode($documents[$step % count($documents)]);
            $loss = self::decimals($this->training->step($step, $document));
            yield $points(sprintf('step %4d / %4d | loss %s', $step + 1, $this->steps, $loss));
        }
        yield [];
        yield $points('--- inference (new, hallucinated names) ---');
        for ($number = 1; $number <= $this->samples; $number++) {
            $tokens = $model->sample(0.5, $this->generator);
            yield [...$points(sprintf('sample %2d: ', $number)), ...$this->tokenizer->decode($tokens)];
        }
    }
}
