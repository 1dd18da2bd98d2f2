#| exp, log, sin, cos and pow: the double nearest to the true value (SPEC, section 2), found with integers alone.
unit module Exact;

my $view = buf8.allocate(8);

sub bits-of(Num $x --> Int) is export {
    $view.write-num64(0, $x, BigEndian);
    $view.read-uint64(0, BigEndian)
}

sub double-of(Int $bits --> Num) is export {
    $view.write-uint64(0, $bits, BigEndian);
    $view.read-num64(0, BigEndian)
}

#| Raku's own division fails on a zero, whose power -1 is the infinity of its sign.
sub infix:<÷>(Num $x, Num $y --> Num) is equiv(&infix:</>) is export {
    $y == 0e0 ?? $x * $y ** -1e0 !! $x / $y
}

sub is-negative(Num $x --> Bool) is export { $x < 0e0 || $x == 0e0 && 1e0 ÷ $x < 0e0 }

#| A finite x > 0 as an integer and a power of two.
sub parts(Num $x) is export {
    my $bits = bits-of($x);
    my $exponent = $bits +> 52;
    my $fraction = $bits +& 0xfffffffffffff;
    $exponent ?? ($fraction +| 1 +< 52, $exponent - 1075) !! ($fraction, -1074)
}

sub shift(Int $n, Int $by --> Int) { $by < 0 ?? $n +> -$by !! $n +< $by }

#| n / 2**drop, rounded to nearest, ties to even.
sub rounded(Int $n, Int $drop --> Int) is export {
    return $n +< -$drop if $drop <= 0;
    my $kept = $n +> $drop;
    my $side = $n - ($kept +< $drop) - (1 +< ($drop - 1));
    $side > 0 || $side == 0 && $kept +& 1 ?? $kept + 1 !! $kept
}

#| The double nearest to n * 2**e, rounded once, at the last place that it has.
sub nearest(Int $n, Int $e --> Num) {
    return -nearest(-$n, $e) if $n < 0;
    return 0e0 if $n == 0;
    my $top = $n.msb + 1 + $e;
    return Inf if $top > 1024;
    return 0e0 if $top < -1074;
    my $last = $top - 53 max -1074;
    # The leading bit adds one to the exponent, and so does a carry, up to infinity.
    double-of(rounded($n, $last - $e) + (($last + 1074) +< 52))
}

# Below, a number in fixed point is an integer that stands for itself / 2**bits.

#| Rounds what &value makes of a number of bits, times 2**scale. It is off by less than 2**24 units of its last place
#| (2**17, by a generous count). If the ends of that interval do not round alike, it takes more bits.
sub settled(&value, Int :$scale = 0 --> Num) {
    loop (my $bits = 128; ; $bits *= 2) {
        my $y = value($bits);
        my $low = nearest($y - 0x1000000, $scale - $bits);
        return $low if $low == nearest($y + 0x1000000, $scale - $bits);
    }
}

sub fixed(Num $x, Int $bits --> Int) {
    return -fixed(-$x, $bits) if $x < 0e0;
    my ($m, $e) = parts($x);
    shift($m, $e + $bits)
}

#| The sum of first, &next(first, 1), &next(that, 2), …, each divided by its &divisor, until the terms vanish.
sub series(Int $first, &next, &divisor = { 1 } --> Int) {
    my $total = my $term = $first;
    loop (my $k = 1; abs($term) > 1; $k++) {
        $term = next($term, $k);
        $total += $term div divisor($k);
    }
    $total
}

#| artanh of 1/n for sign 1, arctan of 1/n for -1.
sub inverse-arc(Int $sign, Int $n, Int $bits --> Int) {
    series((1 +< $bits) div $n, -> $term, $ { $term div ($sign * $n * $n) }, 2 * * + 1)
}

# The constants, computed once for each precision, with 16 bits to spare.
my (%ln2, %half-pi);

sub ln2(Int $bits --> Int) { %ln2{$bits} //= inverse-arc(1, 3, $bits + 16) +> 15 }

sub half-pi(Int $bits --> Int) {
    %half-pi{$bits} //= (8 * inverse-arc(-1, 5, $bits + 16) - 2 * inverse-arc(-1, 239, $bits + 16)) +> 16
}

sub exp(Num $x --> Num) is export {
    return NaN if $x.isNaN;
    return Inf if $x > 710e0;
    return 0e0 if $x < -746e0;
    return 1e0 if abs($x) < 2e0 ** -54;
    my $k = ($x / 0.6931471805599453e0).round;
    settled :scale($k), -> $bits {
        my $r = (fixed($x, $bits) - $k * ln2($bits)) +> 12;
        my $y = series(1 +< $bits, -> $term, $n { ($term * $r +> $bits) div $n });
        $y = $y * $y +> $bits for ^12;
        $y
    }
}

sub log(Num $x --> Num) is export {
    return NaN if $x.isNaN || $x < 0e0;
    return -Inf if $x == 0e0;
    return 0e0 if $x == 1e0;
    return Inf if $x == Inf;
    my ($m, $e) = parts($x);
    $e += $m.msb;
    $m /= 2 ** $m.msb; # a Rat, without an error
    if $m > 3/2 { $m /= 2; $e++ }
    my ($above, $below) = ($m - 1, $m + 1).map: * * 2 ** 53;
    settled -> $bits {
        my $z = ($above.Int +< $bits) div $below.Int;
        my $square = $z * $z +> $bits;
        2 * series($z, -> $term, $ { $term * $square +> $bits }, 2 * * + 1) + $e * ln2($bits)
    }
}

#| sin(x + quarters * pi/2) for |x| <= 8.
sub wave(Num $x, Int $quarters --> Num) {
    my $q = ($x / 1.5707963267948966e0).round;
    my $quadrant = ($q + $quarters) +& 3;
    my $odd = $quadrant +& 1 ?? -1 !! 1;
    settled -> $bits {
        my $r = fixed($x, $bits) - $q * half-pi($bits);
        my $square = $r * $r +> $bits;
        my $first = $odd == 1 ?? $r !! 1 +< $bits;
        my $y = series($first, -> $term, $k { ($term * $square +> $bits) div (-2 * $k * (2 * $k + $odd)) });
        $quadrant < 2 ?? $y !! -$y
    }
}

sub sin(Num $x --> Num) is export { abs($x) < 2e0 ** -26 || $x.isNaN ?? $x !! wave($x, 0) }
sub cos(Num $x --> Num) is export { $x.isNaN ?? NaN !! abs($x) < 2e0 ** -27 ?? 1e0 !! wave($x, 1) }

#| m**count lies from n * 2**e to (n + error) * 2**e; what is cut off n leaves so many bits. A cut takes away less than
#| one part in 2**(bits - 1), and a square suffers twice its root's cuts and one more: fewer than count in all.
sub integer-power(Int $m, Int $count, Int $bits) {
    my ($n, $error, $e) = $m, 0, 0;
    for $count.base(2).comb.skip -> $digit {
        $n *= $n;
        $n *= $m if +$digit;
        my $surplus = $n.msb + 1 - $bits max 0;
        $n +>= $surplus;
        $e = 2 * $e + $surplus;
        $error = 2 * $count if $surplus;
    }
    $n, $error, $e
}

sub integer-root(Int $n --> Int) {
    my $root = 1 +< ($n.msb div 2 + 1);
    loop {
        my $next = ($root + $n div $root) +> 1;
        return $root if $next >= $root;
        $root = $next;
    }
}

#| The double nearest to the square root of n * 2**e, or to its inverse. A last bit stands for all that is left over.
sub nearest-root(Int $n, Int $e, Bool $inverse --> Num) {
    my $shift = $inverse ?? 132 + $n.msb !! 132 - $n.msb max 0;
    $shift++ unless ($e - $shift) %% 2;
    my $square = $inverse ?? (1 +< $shift) div $n !! $n +< $shift;
    my $root = integer-root($square);
    my $exact = $root * $root == $square && (!$inverse || $square * $n == 1 +< $shift);
    nearest(2 * $root + ($exact ?? 0 !! 1), (($inverse ?? -$e !! $e) - $shift) div 2 - 1)
}

#| x ** (t/2) for a finite x > 0.
sub power(Num $x, Int $t --> Num) {
    my ($m, $q) = parts($x);
    my $zeros = $m.lsb;
    loop (my $bits = 128; ; $bits *= 2) {
        my ($n, $error, $e) = integer-power($m +> $zeros, abs($t), $bits);
        $e += ($q + $zeros) * abs($t);
        my $low = nearest-root($n, $e, $t < 0);
        return $low if $error == 0 || $low == nearest-root($n + $error, $e, $t < 0);
    }
}

#| For a whole or half y.
sub pow(Num $x, Num $y --> Num) is export {
    return $x * $x if $y == 2e0;
    return $x if $y == 1e0;
    return 1e0 ÷ $x if $y == -1e0;
    return 1e0 if $y == 0e0 || $x == 1e0;
    return NaN if $x.isNaN;
    return sqrt($x) if $y == 0.5e0 && $x > 0e0;
    my $t = (2e0 * $y).Int;
    my $size = abs($x);
    my $result = do if $size == 0e0 || $size == Inf { ($size == 0e0) == ($y > 0e0) ?? 0e0 !! Inf }
                 elsif $x < 0e0 && $t % 2 { NaN }
                 else { power($size, $t) };
    $t % 4 == 2 && is-negative($x) ?? -$result !! $result
}
