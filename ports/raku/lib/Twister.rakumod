use Exact;
use Refusal;

#| The random numbers: MT19937 and what is drawn from it (SPEC, section 3).
unit class Twister;

constant MASK = 0xffffffff;
constant SIZE = 624;

has Int @.words;
has Int $.index = SIZE;

#| What gauss keeps for the next call.
has Num $.kept;

method seeded(Int $seed --> Twister) {
    my Int @mt = 19650218;
    my sub mixed($i) { @mt[$i - 1] +^ (@mt[$i - 1] +> 30) }
    @mt[$_] = (1812433253 * mixed($_) + $_) +& MASK for 1 ..^ SIZE;
    my $i = 1;
    my sub stir($count, $factor, &term) {
        for ^$count {
            @mt[$i] = ((@mt[$i] +^ mixed($i) * $factor) + term($i)) +& MASK;
            if ++$i == SIZE { @mt[0] = @mt[SIZE - 1]; $i = 1 }
        }
    }
    stir(SIZE, 1664525, { $seed });
    stir(SIZE - 1, 1566083941, { -$_ });
    @mt[0] = 0x80000000;
    self.new(words => @mt)
}

method !renew() {
    my @mt := @!words;
    for ^SIZE -> $i {
        my $y = @mt[$i] +& 0x80000000 +| @mt[($i + 1) % SIZE] +& 0x7fffffff;
        @mt[$i] = @mt[($i + 397) % SIZE] +^ ($y +> 1) +^ ($y +& 1 ?? 0x9908b0df !! 0);
    }
    $!index = 0;
}

method word(--> Int) {
    self!renew if $!index == SIZE;
    my $y = @!words[$!index++];
    $y = $y +^ ($y +> 11);
    $y = $y +^ ($y +< 7 +& 0x9d2c5680);
    $y = $y +^ ($y +< 15 +& 0xefc60000);
    $y +^ ($y +> 18)
}

method random(--> Num) {
    my ($a, $b) = self.word +> 5, self.word +> 6;
    ($a * 67108864 + $b).Num / 9007199254740992e0
}

method gauss(Num $sigma --> Num) {
    my $z = $!kept;
    if $z.defined {
        $!kept = Num;
    } else {
        my $x = self.random * 6.283185307179586e0;
        my $r = sqrt(-2e0 * log(1e0 - self.random));
        $z = cos($x) * $r;
        $!kept = sin($x) * $r;
    }
    0e0 + $z * $sigma
}

method below(Int $n --> Int) {
    my $shift = 31 - $n.msb;
    loop {
        my $value = self.word +> $shift;
        return $value if $value < $n;
    }
}

#| Shuffles the items where they are.
method shuffle(@items) {
    for reverse 1 .. @items.end -> $i {
        @items[$i, self.below($i + 1)] .= reverse;
    }
}

#| An index, drawn by weights.
method choice(@weights --> Int) {
    my @cumulative = [\+] @weights;
    my $total = @cumulative.tail + 0e0;
    refuse 'the weights must add up to a finite number above 0' unless 0e0 < $total < Inf;
    my $u = self.random * $total;
    my ($low, $high) = 0, @weights.end;
    while $low < $high {
        my $middle = ($low + $high) div 2;
        $u < @cumulative[$middle] ?? ($high = $middle) !! ($low = $middle + 1);
    }
    $low
}
