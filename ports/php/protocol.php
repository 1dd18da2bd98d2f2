<?php

declare(strict_types=1);

namespace MicroGPT;

/** What the words of a request mean (SPEC, section 11). */
final class Words
{
    public static function integer(string $word, int $low, int $high): int
    {
        if (preg_match('/^(?:0|[1-9][0-9]{0,9})$/D', $word) && $low <= (int) $word && (int) $word <= $high) {
            return (int) $word;
        }
        throw new Refused("expected an integer from $low to $high");
    }

    public static function double(string $word): float
    {
        if (!preg_match('/^[0-9a-f]{16}$/D', $word)) {
            throw new Refused('a double has 16 lower-case hex digits');
        }
        $x = unpack('E', hex2bin($word))[1];
        return is_nan($x) ? NAN : $x;
    }

    public static function exponent(string $word, int $limit): float
    {
        $c = self::double($word);
        if (abs($c) <= $limit && floor(2.0 * $c) === 2.0 * $c) {
            return $c;
        }
        throw new Refused("an exponent is an integer or half-integer up to $limit");
    }

    public static function angle(string $word): float
    {
        $x = self::double($word);
        return abs($x) > 8.0 ? throw new Refused('sin and cos take numbers from -8 to 8') : $x;
    }

    /** @param list<string> $words */
    public static function choice(string $word, array $words): string
    {
        return in_array($word, $words, true) ? $word : throw new Refused('expected ' . implode(' or ', $words));
    }

    /** @return list<int> code points */
    public static function text(array $words): array
    {
        if (count($words) > 10000) {
            throw new Refused('a line of text has more than 10000 characters');
        }
        $points = array_map(fn(string $word): int => self::integer($word, 0, 0x10ffff), $words);
        foreach ($points as $point) {
            if ($point >= 0xd800 && $point <= 0xdfff) {
                throw new Refused('a surrogate is no character');
            }
        }
        return $points;
    }

    /** @param list<int> $numbers */
    public static function areIncreasing(array $numbers): bool
    {
        for ($i = 1; $i < count($numbers); $i++) {
            if ($numbers[$i - 1] >= $numbers[$i]) {
                return false;
            }
        }
        return true;
    }
}

/** The lines of a request that are still to be read. */
final class Request
{
    public const LONGEST = 65536;

    private int $next = 0;

    /** @param list<string> $lines */
    public function __construct(private readonly array $lines)
    {
    }

    public function isOver(): bool
    {
        return $this->next === count($this->lines);
    }

    /** @return list<string> the key and the values of the next line */
    public function next(): array
    {
        $line = $this->lines[$this->next++] ?? throw new Refused('the request ends too early');
        if (strlen($line) > self::LONGEST) {
            throw new Refused('a line is longer than ' . self::LONGEST . ' bytes');
        }
        return explode(' ', $line);
    }

    public function hasNext(string $key): bool
    {
        $line = $this->lines[$this->next] ?? null;
        return $line === $key || $line !== null && str_starts_with($line, "$key ");
    }

    /** @return list<string> the values of the next line, which must have this key */
    public function take(string $key): array
    {
        return $this->hasNext($key) ? array_slice($this->next(), 1) : throw new Refused("expected the line $key");
    }

    /** The only value of that line. */
    public function one(string $key): string
    {
        $values = $this->take($key);
        return count($values) === 1 ? $values[0] : throw new Refused("$key takes 1 value");
    }

    public function integer(string $key, int $low, int $high): int
    {
        return Words::integer($this->one($key), $low, $high);
    }

    public function double(string $key): float
    {
        return Words::double($this->one($key));
    }

    /** @return list<list<string>> the values of one or more lines with this key */
    public function whileKey(string $key): array
    {
        do {
            $lines[] = $this->take($key);
        } while ($this->hasNext($key));
        return $lines;
    }

    /** @return iterable<list<string>> the lines that are left, one or more */
    public function each(): iterable
    {
        do {
            yield $this->next();
        } while (!$this->isOver());
    }

    public function finish(): void
    {
        if (!$this->isOver()) {
            throw new Refused('expected the end');
        }
    }

    public function math(): void
    {
        if (Words::choice($this->one('math'), ['exact', 'native']) === 'native') {
            throw new Refused('unsupported');
        }
    }

    public function shape(): Shape
    {
        $this->math();
        $layers = $this->integer('layers', 1, 16);
        $heads = $this->integer('heads', 1, 64);
        $embedding = $this->integer('embedding', 1, 512);
        if ($embedding % $heads !== 0) {
            throw new Refused('embedding must be a multiple of heads');
        }
        $block = $this->integer('block', 1, 1024);
        $vocabulary = $this->integer('vocabulary', 2, 2048);
        $isSquared = Words::choice($this->one('activation'), ['relu', 'squared_relu']) === 'squared_relu';
        $attend = array_map($this->positions(...), range(0, $block - 1));
        return new Shape($layers, $heads, $embedding, $block, $vocabulary, $isSquared, $attend);
    }

    public function adam(): Adam
    {
        $numbers = array_map($this->double(...), ['learning_rate', 'beta1', 'beta2', 'epsilon']);
        $schedule = Schedule::from(Words::choice($this->one('schedule'), ['linear', 'cosine']));
        return new Adam(...[...$numbers, $schedule, $this->integer('steps', 1, 4096)]);
    }

    /** @return list<int> */
    public function document(Shape $shape, ?array $words = null): array
    {
        $words ??= $this->take('tokens');
        if (count($words) < 2) {
            throw new Refused('a document has two or more tokens');
        }
        return array_map(fn(string $word): int => Words::integer($word, 0, $shape->vocabulary - 1), $words);
    }

    /** @return array{array{int, int}, list<float>} a tensor's rows and columns, which may be given, and its values */
    public function tensor(string $name, ?array $shape = null): array
    {
        $words = $this->take('tensor');
        if (count($words) !== 3 || $words[0] !== $name) {
            throw new Refused("expected the tensor $name with its rows and columns");
        }
        $size = array_map(fn(string $word): int => Words::integer($word, 1, 2048), array_slice($words, 1));
        if ($shape !== null && $shape !== $size) {
            throw new Refused("the tensor $name has the wrong shape");
        }
        $values = [];
        for ($row = 0; $row < $size[0]; $row++) {
            $words = $this->take('row');
            if (count($words) !== $size[1]) {
                throw new Refused("a row of $name has " . count($words) . ' values');
            }
            array_push($values, ...array_map(Words::double(...), $words));
        }
        return [$size, $values];
    }

    /** @return list<float> the values of all matrices of a model */
    public function matrices(Shape $shape, string $prefix = ''): array
    {
        $tensors = [];
        foreach ($shape->matrices() as $name => $size) {
            $tensors[] = $this->tensor($prefix . $name, $size)[1];
        }
        return array_merge(...$tensors);
    }

    /** @return list<list<int>> lines of code points */
    public function text(): array
    {
        return array_map(Words::text(...), $this->whileKey('line'));
    }

    /** @return list<int> */
    private function positions(int $t): array
    {
        $positions = array_map(fn(string $word): int => Words::integer($word, 0, $t), $this->take('attend'));
        if (Words::areIncreasing($positions) && end($positions) === $t) {
            return $positions;
        }
        throw new Refused("position $t must attend to increasing positions and last to itself");
    }
}

/** The lines of a reply. */
final class Reply
{
    /** @var list<string> */
    public array $lines = [];

    public static function hex(float $x): string
    {
        return bin2hex(pack('E', is_nan($x) ? NAN : $x));
    }

    public function put(string $key, string|int ...$values): void
    {
        $this->lines[] = implode(' ', [$key, ...$values]);
    }

    public function putDoubles(string $key, float ...$xs): void
    {
        $this->put($key, ...array_map(self::hex(...), $xs));
    }

    public function putTensor(string $name, array $size, array $xs): void
    {
        $this->put('tensor', $name, ...$size);
        foreach (array_chunk($xs, $size[1]) as $row) {
            $this->putDoubles('row', ...$row);
        }
    }

    public function putMatrices(Shape $shape, string $prefix, array $xs): void
    {
        $first = 0;
        foreach ($shape->matrices() as $name => [$rows, $columns]) {
            $this->putTensor($prefix . $name, [$rows, $columns], array_slice($xs, $first, $rows * $columns));
            $first += $rows * $columns;
        }
    }

    public function putChecksum(string $key, array $xs): void
    {
        [$a, $b] = [1, 0];
        foreach ($xs as $x) {
            foreach (unpack('N2', hex2bin(self::hex($x))) as $half) {
                $a = ($a + $half) % 4294967291;
                $b = ($b + $a) % 4294967291;
            }
        }
        $this->put($key, sprintf('%08x', $a), sprintf('%08x', $b));
    }
}
