package Exact;

# exp, log, sin, cos and pow: the double nearest to the true value (SPEC, section 2), by natural numbers.
# One in fixed point has $n limbs of fraction.

use v5.36;
use List::Util qw(max product sum);
use Natural    qw(BITS added bit_length compared divided join_limbs multiplied scaled shifted subtracted);

use constant INF => 9**9**9;
use constant NAN => unpack 'd>', pack 'H16', '7ff8000000000000';

# Comparing a number with an integer makes Perl keep an integer beside it, and -0.0 forgets its sign in a product or a
# sum. So what is compared here is a copy.

sub is_negative ($x) { return ord(pack 'd>', $x) > 127 }

sub root ($x) { return $x < 0 ? NAN : sqrt $x }

sub divide ($x, $y) {
    return $x / $y if $y != 0;
    return NAN     if $x == 0 || $x != $x;
    return is_negative($x) == is_negative($y) ? INF : -INF();
}

# $x * 2**$e, rounded once, at the last place that such a double has.
sub rounded ($x, $e) {
    my $top = bit_length($x) + $e;
    return INF if $top > 1024;
    return 0.0 if $top < -1074;
    my $last = max($top - 53, -1074, $e);
    my $kept = $last > $e ? Natural::rounded($x, $last - $e) : join_limbs(@$x);
    return product(1.0 * $kept, 2.0**$last);
}

# Rounds what $value makes with $n limbs of fraction, times 2**$scale. It is off by less than 2**24 units of its last
# place (2**17, by a generous count): it takes more limbs, until both bounds round alike.
sub nearest ($value, $scale = 0) {
    for (my $n = 4 ; ; $n *= 2) {
        my ($x, $e) = ($value->($n), $scale - BITS * $n);
        next if compared($x, [0, 1]) < 0;
        my $low  = rounded(subtracted($x, [1 << 24]), $e);
        my $high = rounded(added($x, [1 << 24]), $e);
        return $low if $low == $high;
    }
}

sub fixed_product ($x, $y, $n) {
    my $product = multiplied($x, $y);
    splice @$product, 0, $n;
    return $product;
}

sub one ($n) { return [(0) x $n, 1] }

# $x >= 0 in fixed point.
sub fixed ($x, $n) {
    my @limbs;
    for (0 .. $n) {
        unshift @limbs, int $x;
        $x = ($x - $limbs[0]) * 2**BITS;
    }
    return Natural::trim(\@limbs);
}

# What is computed once for each $n.
sub constant ($compute) {
    my %known;
    return sub ($n) { $known{$n} //= $compute->($n) };
}

# artanh(1/q) for the sign 1, arctan(1/q) for -1.
sub inverse_arc ($sign, $q, $n) {
    my ($power, $k, @sums) = (divided(one($n), $q), 1, [], []);
    while (@$power) {
        my $which = $sign < 0 && $k & 2;
        $sums[$which >> 1] = added($sums[$which >> 1], divided($power, $k));
        $power = divided($power, $q * $q);
        $k += 2;
    }
    return subtracted(@sums);
}

my $ln2     = constant(sub ($n) { scaled(inverse_arc(1, 3, $n), 2) });
my $half_pi = constant(sub ($n) { subtracted(scaled(inverse_arc(-1, 5, $n), 8), scaled(inverse_arc(-1, 239, $n), 2)) });

# exp($r) in fixed point.
sub growth ($r, $n) {
    $r = divided($r, 1 << 12);
    my ($sum, $term, $i) = (one($n), one($n), 0);
    while (@$term) {
        $term = divided(fixed_product($term, $r, $n), ++$i);
        $sum  = added($sum, $term);
    }
    $sum = fixed_product($sum, $sum, $n) for 1 .. 12;
    return $sum;
}

sub exp ($x) {
    return NAN                 if $x != $x;
    return $x > 0 ? INF : 0.0 if abs($x) > 746;
    return 1.0                 if abs($x) < 2**-54;
    # Rounded down: the rest must not be negative.
    my $k = $x > 0 ? int($x / 0.693147180559946) : -1 - int($x / -0.693147180559945);
    my $value = sub ($n) {
        my ($size, $multiple) = (fixed(abs $x, $n), scaled($ln2->($n), abs $k));
        return growth($x < 0 ? subtracted($multiple, $size) : subtracted($size, $multiple), $n);
    };
    return nearest($value, $k);
}

# -log(1 + $t), or -log(1 - $t), in two parts: what to add and what to subtract.
sub log_parts ($t, $is_negative, $n) {
    my ($power, $k, @parts) = ($t, 1, [], []);
    while (@$power) {
        my $which = $is_negative || $k % 2 == 0 ? 0 : 1;
        $parts[$which] = added($parts[$which], divided($power, $k));
        $power = fixed_product($power, $t, $n);
        $k++;
    }
    return @parts;
}

sub log ($x) {
    return NAN    if $x != $x || $x < 0;
    return -INF() if $x == 0;
    return $x     if $x == INF;
    return 0.0    if $x == 1;
    my ($m, $q) = split_double($x);
    my $e = $q + length sprintf '%b', $m;
    $m /= 2**($e - $q);
    ($m, $e) = (1.0, $e - 1) if $m == 0.5;
    my $guess = -CORE::log($m);    # -log(m) = guess - log(m exp(guess)), whose last argument is close to 1
    my $value = sub ($n) {
        my ($y, $one) = (fixed($guess, $n), one($n));
        my $ratio = fixed_product(fixed($m, $n), growth($y, $n), $n);
        my $is_below = compared($ratio, $one) < 0;
        my ($more, $less) =
          log_parts($is_below ? subtracted($one, $ratio) : subtracted($ratio, $one), $is_below, $n);
        my ($size, $multiple) = (subtracted(added($y, $more), $less), scaled($ln2->($n), abs $e));
        return $e > 0 ? subtracted($multiple, $size) : added($multiple, $size);
    };
    my $size = nearest($value);
    return $x < 1 ? -$size : $size;
}

sub sin ($x) {
    my $size = abs $x;
    return $x if $size != $size || $size < 2**-26;
    return $x < 0 ? -wave(-$x, 0) : wave($x, 0);
}

sub cos ($x) {
    return NAN if $x != $x;
    return abs($x) < 2**-27 ? 1.0 : wave(abs $x, 1);
}

# sin($x + $quarters * pi/2) for $x > 0.
sub wave ($x, $quarters) {
    my $sign;
    my $value = sub ($n) {
        my ($r, $quadrant) = (fixed($x, $n), $quarters);
        while (compared($r, $half_pi->($n)) >= 0) {
            $r = subtracted($r, $half_pi->($n));
            $quadrant++;
        }
        $sign = $quadrant & 2 ? -1.0 : 1.0;
        my ($term, $i)    = $quadrant & 1 ? (one($n), 0) : ($r, 1);
        my ($square, @sums) = (fixed_product($r, $r, $n), [], []);
        while (@$term) {
            my $which = $i >> 1 & 1;
            $sums[$which] = added($sums[$which], $term);
            $term = divided(fixed_product($term, $square, $n), ($i + 1) * ($i + 2));
            $i += 2;
        }
        return subtracted(@sums);
    };
    my $size = nearest($value);
    return product($sign, $size);
}

# A finite $x > 0 as an integer and the exponent of a power of two.
sub split_double ($x) {
    return split_pattern(unpack 'Q>', pack 'd>', $x);
}

sub split_pattern ($pattern) {
    my ($exponent, $fraction) = ($pattern >> 52, $pattern & (1 << 52) - 1);
    return $exponent ? ($fraction | 1 << 52, $exponent - 1075) : ($fraction, -1074);
}

sub limbs ($integer) { return Natural::trim([map { $integer >> $_ & 2**BITS - 1 } 0, BITS, 2 * BITS]) }

# $x**$y for an integer or half-integer $y.
sub pow ($x, $y) {
    return $x if $y == 1;    # before a comparison, after which -0.0 is taken for the integer 0
    my ($size, $sign) = (abs $x, is_negative($x) ? -1.0 : 1.0);
    my $is_whole = $y == int $y;
    $sign = 1.0 if $is_whole && $y % 2 == 0;
    return 1.0 if $y == 0 || $size == 1 && $sign > 0;
    return NAN if $size != $size;
    return product($x, $x) if $y == 2;
    if    ($size == 0 || $size == INF) { $size = ($size == 0) == ($y > 0) ? 0.0 : INF }
    elsif (!$is_whole && $sign < 0)    { return NAN }
    elsif ($y == -1)                   { $size = 1.0 / $size }
    elsif ($y == 0.5)                  { $size = sqrt $size }
    else                               { $size = power($size, $y, $is_whole) }
    return product($is_whole ? $sign : 1.0, $size);
}

# $x**$y for a finite $x > 0. The library's power is a guess: integers decide on which side of the half-way points next
# to it the true value lies.
sub power ($x, $y, $is_whole) {
    my $count = abs($is_whole ? $y : 2 * $y);
    my ($m, $q) = split_double($x);
    ($m, $q) = ($m >> 1, $q + 1) until $m & 1;
    for (my $length = 16 ; ; $length *= 2) {
        my ($e, @bounds) = integer_power(limbs($m), $count, $length);
        my @results = map { nearest_power($x**$y, $is_whole, $y < 0, $_, $e + $q * $count) } @bounds;
        return $results[0] if $results[0] == $results[-1];
    }
}

# $m**$count, of which $length limbs are kept: the exponent of the power of two that it has to be multiplied with, and
# two bounds, or one exact number. A cut takes away less than one part in BASE**($length - 1); fewer than $count are made.
sub integer_power ($m, $count, $length) {
    my ($power, $e, $is_cut) = ($m, 0, 0);
    for my $bit (split //, substr sprintf('%b', $count), 1) {
        $power = multiplied($power, $power);
        $power = multiplied($power, $m) if $bit;
        my $surplus = max(0, @$power - $length);
        splice @$power, 0, $surplus;
        $e = 2 * $e + BITS * $surplus;
        $is_cut ||= $surplus;
    }
    return $e, $power, $is_cut ? added($power, [0, 2 * $count]) : ();
}

# The double nearest to z, where z (or z squared, if not $is_whole) is $power * 2**$e, or its inverse.
sub nearest_power ($guess, $is_whole, $is_inverse, $power, $e) {
    my $is_above = sub ($pattern) {
        my ($m, $q) = split_pattern($pattern);
        my ($half_way, $h) = (limbs(2 * $m + 1), $q - 1);
        ($half_way, $h) = (multiplied($half_way, $half_way), 2 * $h) if !$is_whole;
        my $side =
          $is_inverse
          ? compared_floats([1], 0, multiplied($half_way, $power), $h + $e)
          : compared_floats($power, $e, $half_way, $h);
        return $side > 0 || $side == 0 && $pattern & 1;
    };
    my ($pattern, $infinity) = map { unpack 'Q>', pack 'd>', $_ } $guess, INF;
    $pattern++ while $pattern < $infinity && $is_above->($pattern);
    $pattern-- while $pattern > 0 && !$is_above->($pattern - 1);
    return unpack 'd>', pack 'Q>', $pattern;
}

sub compared_floats ($x, $e, $y, $f) {
    my $difference = bit_length($x) + $e <=> bit_length($y) + $f;
    return $difference if $difference;
    return $e > $f ? compared(shifted($x, $e - $f), $y) : compared($x, shifted($y, $f - $e));
}

1;
