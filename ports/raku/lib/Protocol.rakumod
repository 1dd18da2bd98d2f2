use Exact;
use GPT;
use Refusal;

constant LONGEST is export = 65536;

# Words become values. What is read must print as it was written: no signs, no zeros in front, no capitals.

sub integer(Str $word, Int $low, Int $high --> Int) is export {
    my $n = $word.chars <= 10 ?? $word.Int // -1 !! -1;
    refuse "expected an integer from $low to $high" unless $low <= $n <= $high && $n.Str eq $word;
    $n
}

sub double(Str $word --> Num) is export {
    my $bits = $word.chars == 16 ?? $word.parse-base(16) // -1 !! -1;
    refuse 'a double has 16 lower-case hex digits' unless $bits ~~ UInt && digits($bits, 16) eq $word;
    my $x = double-of($bits);
    $x.isNaN ?? NaN !! $x
}

sub code-point(Str $word --> Int) is export {
    my $point = integer($word, 0, 0x10ffff);
    refuse 'a surrogate is not a code point' if 0xd800 <= $point <= 0xdfff;
    $point
}

sub exponent(Num $x, Int $limit --> Num) is export {
    refuse "an exponent is an integer or half-integer up to $limit" unless abs($x) <= $limit && 2e0 * $x %% 1;
    $x
}

sub increasing(@words, Int $low, Int $high) is export {
    my @numbers = @words.map({ integer($_, $low, $high) });
    refuse 'numbers must increase' unless [<] @numbers;
    @numbers
}

sub digits(Int $n, Int $count --> Str) {
    my $digits = $n.base(16).lc;
    '0' x ($count - $digits.chars) ~ $digits
}

#| All NaNs are one.
sub bits(Num $x --> Int) { $x.isNaN ?? 0x7ff8000000000000 !! bits-of($x) }
sub hex(Num $x --> Str) is export { digits(bits($x), 16) }

#| Functions by name, which take the words of a line as their signatures say: a Num is a double, an Int whatever &.int
#| makes of the word, and a list at the end has what &.rest makes of each.
class Table is export {
    has %.functions;
    has &.int = { integer($_, 0, 10000) };
    has &.rest = &double;
    has %!readers;

    submethod TWEAK() {
        for %!functions.kv -> $name, &function {
            %!readers{$name} = [&function.signature.params.grep(!*.slurpy).map({ .type ~~ Num ?? &double !! &!int })];
        }
    }

    method call(Str $name, @words) {
        my &function = %!functions{$name} // refuse 'an unknown key';
        my @readers := %!readers{$name};
        refuse "$name has too few or too many values" unless @readers <= @words <= &function.count;
        function(|@words.kv.map(-> $i, $word { (@readers[$i] // &!rest)($word) }))
    }
}

#| The lines of one request that are still to be read.
class Request is export {
    has @.lines;
    has Int $!place = 0;

    method is-empty() { $!place == @!lines }

    #| The key and the values of the next line.
    method next() {
        refuse 'the request ends too early' if self.is-empty;
        my $line = @!lines[$!place++];
        refuse 'a line is too long' if $line.chars > LONGEST;
        my @values = $line.split(' ');
        @values.shift, @values
    }

    method take(Str $key) {
        my ($found, @values) := self.next;
        refuse "expected a line $key" unless $found eq $key;
        @values
    }

    method one(Str $key, &read) {
        my @values = self.take($key);
        refuse "$key takes 1 value, not {+@values}" unless @values == 1;
        read(@values[0])
    }

    method integer(Str $key, Int $low, Int $high) { self.one($key, { integer($_, $low, $high) }) }
    method double(Str $key) { self.one($key, &double) }
    method choice(Str $key, %choices) { self.one($key, { %choices{$_} // refuse "$key is none of its words" }) }
    method math() { refuse 'unsupported' unless self.choice('math', { exact => True, native => False }) }

    #| What &read makes of the values of each of the next lines with this key; there must be one.
    method all(Str $key, &read) {
        my @found;
        repeat { @found.push: read(self.take($key)) } while !self.is-empty && @!lines[$!place].split(' ', 2)[0] eq $key;
        @found
    }

    #| Hands keys and values of all lines that are left to &read; there must be one.
    method rest(&read) {
        repeat { read(|self.next) } until self.is-empty;
    }

    method finish() { refuse 'expected the end' unless self.is-empty }

    #| A tensor's shape, which may be given, and its values.
    method tensor(Str $name, Matrix $shape?) {
        my ($found, @shape) := do given self.take('tensor') { .[0], .[1 .. *] }
        refuse "expected the tensor $name" unless $found eq $name && @shape == 2;
        my ($rows, $columns) = @shape.map({ integer($_, 1, 2048) });
        refuse "$name has the wrong shape" if $shape && !($rows == $shape.rows && $columns == $shape.columns);
        my @values;
        for ^$rows {
            my @row = self.take('row');
            refuse "a row of $name has not $columns values" unless @row == $columns;
            @values.append: @row.map(&double);
        }
        Matrix.new(:$name, :$rows, :$columns), @values
    }

    #| The values of the matrices, one after the other.
    method tensors(@matrices, Str $prefix = '') {
        my @values;
        @values.append: self.tensor($prefix ~ .name, $_)[1] for @matrices;
        @values
    }
}

#| The lines of a reply.
class Reply is export {
    has Str @.lines;

    method put(Str $key, *@values) { @!lines.push: ($key, |@values).join(' ') }
    method doubles(Str $key, @xs) { self.put($key, @xs.map(&hex)) }
    method double(Str $key, Num $x) { self.put($key, hex($x)) }

    method tensor(Str $name, Matrix $_, @values) {
        self.put('tensor', $name, .rows, .columns);
        self.doubles('row', $_) for @values.rotor(.columns);
    }

    method tensors(@matrices, @values, Str $prefix = '') {
        my $first = 0;
        for @matrices {
            self.tensor($prefix ~ .name, $_, @values[$first ..^ $first + .size]);
            $first += .size;
        }
    }

    #| SPEC, section 13.
    method checksum(Str $key, @xs) {
        my ($a, $b) = 1, 0;
        for @xs {
            my $bits = bits($_);
            $a = ($a + ($bits +> 32)) % 4294967291;
            $b = ($b + $a) % 4294967291;
            $a = ($a + ($bits +& 0xffffffff)) % 4294967291;
            $b = ($b + $a) % 4294967291;
        }
        self.put($key, digits($a, 8), digits($b, 8));
    }
}
