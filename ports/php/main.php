<?php

/**
 * The port php of microgpt (conformance/SPEC.md). Without arguments it answers requests, with a method for each verb;
 * `main.php run [seed|classic] < names.txt` trains on the names and makes new ones.
 */

declare(strict_types=1);

namespace MicroGPT;

ini_set('memory_limit', '-1');
ini_set('display_errors', 'stderr');

require __DIR__ . '/exact.php';
require __DIR__ . '/graph.php';
require __DIR__ . '/microgpt.php';
require __DIR__ . '/protocol.php';

/** The verbs (section 12): each reads a request, and puts the lines of its reply. */
final class Verbs
{
    public const ALL = [
        'hello', 'arith', 'math', 'random', 'tokens', 'graph', 'forward', 'backward', 'adam', 'train', 'sample', 'run',
    ];

    public static function hello(Request $request, Reply $reply): void
    {
        $request->finish();
        $reply->put('name', 'php');
        $reply->put('protocol', 1);
        $reply->put('verbs', ...self::ALL);
        $reply->put('math', 'exact');
    }

    public static function arith(Request $request, Reply $reply): void
    {
        foreach ($request->each() as $line) {
            $key = array_shift($line);
            $xs = array_map(Words::double(...), $line);
            if ($key === 'decimals' && count($xs) === 1 && (abs($xs[0]) <= 2.0 ** 53 || !is_finite($xs[0]))) {
                $reply->put($key, ...array_values(unpack('C*', Run::decimals($xs[0]))));
                continue;
            }
            $reply->putDoubles($key, match ([$key, count($xs)]) {
                ['add', 2] => $xs[0] + $xs[1],
                ['sub', 2] => $xs[0] - $xs[1],
                ['mul', 2] => $xs[0] * $xs[1],
                ['div', 2] => fdiv($xs[0], $xs[1]),
                ['sqrt', 1] => sqrt($xs[0]),
                ['muladd', 3] => $xs[0] * $xs[1] + $xs[2],
                ['sum', max(1, count($xs))] => self::total($xs),
                ['dot', max(2, count($xs) & ~1)] =>
                    self::total(array_map(fn(array $pair): float => $pair[0] * $pair[1], array_chunk($xs, 2))),
                default => throw new Refused('an unknown operation, or operands that it does not take'),
            });
        }
    }

    public static function math(Request $request, Reply $reply): void
    {
        $request->math();
        foreach ($request->each() as $line) {
            $reply->putDoubles($line[0], match ([$line[0], count($line)]) {
                ['exp', 2] => Exact::exp(Words::double($line[1])),
                ['log', 2] => Exact::log(Words::double($line[1])),
                ['sin', 2] => Exact::sin(Words::angle($line[1])),
                ['cos', 2] => Exact::cos(Words::angle($line[1])),
                ['pow', 3] => Exact::pow(Words::double($line[1]), Words::exponent($line[2], 4096)),
                default => throw new Refused('an unknown function, or arguments that it does not take'),
            });
        }
    }

    public static function random(Request $request, Reply $reply): void
    {
        $request->math();
        $generator = Generator::seeded($request->integer('seed', 0, Generator::MASK));
        foreach ($request->each() as $line) {
            if ($line === ['state']) {
                $reply->put('state', $generator->index, ...$generator->words);
                $reply->put('kept', $generator->kept === null ? 'none' : Reply::hex($generator->kept));
            } else {
                $reply->put($line[0], ...self::draw($generator, ...$line));
            }
        }
    }

    public static function tokens(Request $request, Reply $reply): void
    {
        $lines = $request->text();
        $request->finish();
        $tokenizer = new Tokenizer(Tokenizer::documents($lines));
        $reply->put('documents', count($tokenizer->documents));
        $reply->put('vocabulary', ...$tokenizer->points);
        $reply->put('bos', $tokenizer->bos());
        foreach ($tokenizer->documents as $document) {
            $reply->put('encoded', ...$tokenizer->encode($document));
        }
    }

    public static function graph(Request $request, Reply $reply): void
    {
        $request->math();
        $graph = new Graph();
        $nodes = [];
        while (!$request->hasNext('root')) {
            $nodes[] = self::expression($graph, $nodes, $request->next());
        }
        $root = $nodes[$request->integer('root', 0, count($nodes) - 1)];
        $request->finish();
        $graph->backward($root);
        foreach (['value', 'gradient'] as $key) {
            foreach ($nodes as $node) {
                $reply->putDoubles($key, $graph->$key[$node]);
            }
        }
    }

    public static function forward(Request $request, Reply $reply): void
    {
        [$model, $document] = self::modelAndDocument($request);
        $note = function (string $name, array $nodes) use ($model, $reply): void {
            $reply->putTensor($name, [1, count($nodes)], $model->valuesOf($nodes));
        };
        $loss = $model->loss($document, $note);
        $reply->putDoubles('loss', $model->graph->value[$loss]);
    }

    public static function backward(Request $request, Reply $reply): void
    {
        [$model, $document] = self::modelAndDocument($request);
        $loss = $model->loss($document);
        $model->graph->backward($loss);
        $reply->putDoubles('loss', $model->graph->value[$loss]);
        $reply->putMatrices($model->shape, '', $model->gradients());
    }

    public static function adam(Request $request, Reply $reply): void
    {
        $request->math();
        $adam = $request->adam();
        $step = $request->integer('step', 0, $adam->steps - 1);
        [$size, $parameters] = $request->tensor('parameters');
        [$gradients, $m, $v] = array_map(fn(string $name): array => $request->tensor($name, $size)[1], ['gradients', 'm', 'v']);
        $request->finish();
        [$rate, $correction1, $correction2] = $adam->factors($step);
        $reply->putDoubles('rate', $rate);
        $reply->putDoubles('correction1', $correction1);
        $reply->putDoubles('correction2', $correction2);
        $adam->update($step, $parameters, $gradients, $m, $v);
        $reply->putTensor('m', $size, $m);
        $reply->putTensor('v', $size, $v);
        $reply->putTensor('parameters', $size, $parameters);
    }

    public static function train(Request $request, Reply $reply): void
    {
        $shape = $request->shape();
        $adam = $request->adam();
        $from = $request->integer('from', 0, $adam->steps - 1);
        $last = $from + $request->integer('count', 1, $adam->steps - $from) - 1;
        $full = array_map(fn(string $word): int => Words::integer($word, $from, $last), $request->take('full'));
        if (!Words::areIncreasing($full)) {
            throw new Refused('the steps of full must increase');
        }
        $read = fn(array $words): array => $request->document($shape, $words);
        $documents = array_map($read, $request->whileKey('tokens'));
        $model = new Model($shape, $request->matrices($shape));
        $moments = $from === 0 ? [] : [$request->matrices($shape, 'm.'), $request->matrices($shape, 'v.')];
        $request->finish();
        $training = new Training($model, $adam, ...$moments);
        for ($step = $from; $step <= $last; $step++) {
            $loss = $training->step($step, $documents[$step % count($documents)]);
            $reply->put('step', $step);
            $reply->putDoubles('loss', $loss);
            $kinds = ['gradients' => $model->gradients(), ...self::state($training)];
            foreach ($kinds as $key => $xs) {
                $reply->putChecksum($key, $xs);
            }
            foreach (in_array($step, $full, true) ? $kinds : [] as $key => $xs) {
                $reply->putMatrices($shape, "$key.", $xs);
            }
        }
    }

    public static function sample(Request $request, Reply $reply): void
    {
        $shape = $request->shape();
        $temperature = $request->double('temperature');
        $samples = $request->integer('samples', 0, 1000);
        $model = new Model($shape, $request->matrices($shape));
        $state = $request->take('state');
        if (count($state) !== 1 + Generator::SIZE) {
            throw new Refused('state takes an index and 624 words');
        }
        $index = Words::integer(array_shift($state), 0, Generator::SIZE);
        $words = array_map(fn(string $word): int => Words::integer($word, 0, Generator::MASK), $state);
        $kept = $request->one('kept');
        $generator = new Generator($words, $index, $kept === 'none' ? null : Words::double($kept));
        $request->finish();
        $watch = function (array $probabilities, int $token) use ($reply): void {
            $reply->putDoubles('probabilities', ...$probabilities);
            $reply->put('token', $token);
        };
        for ($number = 0; $number < $samples; $number++) {
            $reply->put('sample', $number);
            $model->sample($temperature, $generator, $watch);
        }
        $reply->put('word', $generator->word());
    }

    public static function run(Request $request, Reply $reply): void
    {
        $request->math();
        $preset = Preset::from(Words::choice($request->one('preset'), ['seed', 'classic']));
        $steps = $request->integer('steps', 1, 4096);
        $samples = $request->integer('samples', 0, 1000);
        $lines = $request->text();
        $request->finish();
        $run = new Run($preset, $lines, $steps, $samples);
        foreach ($run->lines() as $points) {
            $reply->put('print', ...$points);
        }
        ['parameters' => $parameters, 'm' => $m, 'v' => $v] = self::state($run->training);
        $reply->putChecksum('parameters', $parameters);
        $reply->putChecksum('m', $m);
        $reply->putChecksum('v', $v);
        $reply->put('word', $run->generator->word());
    }

    private static function total(array $xs): float
    {
        return array_reduce($xs, fn(float $total, float $x): float => $total + $x, 0.0);
    }

    /** @return list<int|string> the values of the reply to one line of `random` */
    private static function draw(Generator $generator, string $key, string $count = '', string ...$rest): array
    {
        $times = fn(callable $draw): array =>
            array_map($draw, array_fill(0, Words::integer($count, 0, 1000), null));
        if ($key === 'choices' && count($rest) >= 1 && count($rest) <= 1000) {
            $weights = array_map(Words::double(...), $rest);
            return $times(fn() => $generator->choice($weights));
        }
        if ($key === 'shuffle' && $rest === []) {
            $items = array_keys(array_fill(0, Words::integer($count, 0, 10000), null));
            $generator->shuffle($items);
            return $items;
        }
        if ($key === 'gauss' && count($rest) === 1) {
            $sigma = Words::double($rest[0]);
            return $times(fn() => Reply::hex($generator->gauss($sigma)));
        }
        if ($rest === [] && $key === 'words') {
            return $times(fn() => $generator->word());
        }
        if ($rest === [] && $key === 'random') {
            return $times(fn() => Reply::hex($generator->random()));
        }
        throw new Refused('an unknown draw, or values that it does not take');
    }

    /** The node of an expression: the words of its line may name the nodes of earlier ones. */
    private static function expression(Graph $graph, array $nodes, array $words): int
    {
        $node = fn(int $i): int => $nodes[Words::integer($words[$i], 0, count($nodes) - 1)];
        $number = fn(int $i): float => Words::double($words[$i]);
        if ($words[0] === 'sum' && count($words) > 1) {
            $total = $graph->addNumber($node(1), 0.0);
            for ($i = 2; $i < count($words); $i++) {
                $total = $graph->add($total, $node($i));
            }
            return $total;
        }
        return match ([$words[0], count($words)]) {
            ['leaf', 2] => $graph->leaf($number(1)),
            ['add', 3] => $graph->add($node(1), $node(2)),
            ['sub', 3] => $graph->sub($node(1), $node(2)),
            ['mul', 3] => $graph->mul($node(1), $node(2)),
            ['div', 3] => $graph->div($node(1), $node(2)),
            ['neg', 2] => $graph->neg($node(1)),
            ['exp', 2] => $graph->exp($node(1)),
            ['log', 2] => $graph->log($node(1)),
            ['relu', 2] => $graph->relu($node(1)),
            ['pow', 3] => $graph->pow($node(1), Words::exponent($words[2], 1024)),
            ['add_number', 3] => $graph->addNumber($node(1), $number(2)),
            ['sub_number', 3] => $graph->addNumber($node(1), -$number(2)),
            ['mul_number', 3] => $graph->mulNumber($node(1), $number(2)),
            ['div_number', 3] => $graph->mulNumber($node(1), fdiv(1.0, $number(2))),
            ['number_sub', 3] => $graph->addNumber($graph->neg($node(2)), $number(1)),
            ['number_div', 3] => $graph->mulNumber($graph->pow($node(2), -1.0), $number(1)),
            default => throw new Refused('an unknown expression, or operands that it does not take'),
        };
    }

    /** @return array{Model, list<int>} */
    private static function modelAndDocument(Request $request): array
    {
        $shape = $request->shape();
        $document = $request->document($shape);
        $model = new Model($shape, $request->matrices($shape));
        $request->finish();
        return [$model, $document];
    }

    /** @return array<string, list<float>> */
    private static function state(Training $training): array
    {
        return ['m' => $training->m, 'v' => $training->v, 'parameters' => $training->model->parameters()];
    }
}

/** @return list<string> the lines of the reply to one request, all known before one is written */
function answer(array $lines, bool $isComplete): array
{
    $header = array_shift($lines) ?? '';
    if (strlen($header) > Request::LONGEST || !preg_match('/^([!-~]+) ([A-Za-z0-9._-]{1,64})$/D', $header, $match)) {
        return ['error - expected a verb and an id'];
    }
    [, $verb, $id] = $match;
    $reply = new Reply();
    try {
        if (!$isComplete) {
            throw new Refused('the input ended before the line end');
        }
        if (!in_array($verb, Verbs::ALL, true)) {
            throw new Refused('unsupported');
        }
        Verbs::$verb(new Request($lines), $reply);
        return ["ok $id", ...$reply->lines];
    } catch (Refused $refused) {
        return ["error $id {$refused->getMessage()}"];
    }
}

function serve(): void
{
    $send = function (array $lines, bool $isComplete): void {
        fwrite(STDOUT, implode("\n", [...answer($lines, $isComplete), "end\n"]));
    };
    $lines = [];
    while (($line = fgets(STDIN)) !== false) {
        $line = str_ends_with($line, "\n") ? substr($line, 0, -1) : $line;
        if ($line === 'end') {
            $send($lines, true);
            $lines = [];
        } else {
            $lines[] = $line;
        }
    }
    if ($lines !== []) {
        $send($lines, false);
    }
}

function train(Preset $preset): void
{
    $text = stream_get_contents(STDIN);
    if (!preg_match('//u', $text)) {
        throw new Refused('the input is not UTF-8');
    }
    $decode = fn(string $line): array => array_values(unpack('N*', iconv('UTF-8', 'UCS-4BE', $line)) ?: []);
    $run = new Run($preset, array_map($decode, explode("\n", $text)));
    foreach ($run->lines() as $points) {
        fwrite(STDOUT, iconv('UCS-4BE', 'UTF-8', pack('N*', ...$points)) . "\n");
    }
}

/** @param list<string> $arguments */
function main(array $arguments): int
{
    try {
        match ($arguments) {
            [] => serve(),
            ['run'], ['run', 'seed'] => train(Preset::Seed),
            ['run', 'classic'] => train(Preset::Classic),
            default => throw new Refused('expected nothing, or: run [seed|classic] < names.txt'),
        };
        return 0;
    } catch (Refused $refused) {
        fwrite(STDERR, "microgpt: {$refused->getMessage()}\n");
        return 1;
    }
}

exit(main(array_slice($argv, 1)));
