package Natural;

# Natural numbers of any length: lists of 28 bits each, the lowest first, without zeros at the end.

use v5.36;
use integer;
use Exporter   qw(import);
use List::Util qw(any max);

our @EXPORT_OK = qw(BITS added bit_length compared divided join_limbs multiplied scaled shifted subtracted);

use constant { BITS => 28, BASE => 1 << 28 };

sub trim ($x) {
    pop @$x while @$x && !$x->[-1];
    return $x;
}

# Makes proper digits of some that may be too large.
sub carry ($x) {
    my $carry = 0;
    for my $limb (@$x) {
        $carry += $limb;
        $limb = $carry & BASE - 1;
        $carry >>= BITS;
    }
    while ($carry) {
        push @$x, $carry & BASE - 1;
        $carry >>= BITS;
    }
    return trim($x);
}

sub added ($x, $y) {
    return carry([map { ($x->[$_] // 0) + ($y->[$_] // 0) } 0 .. max($#$x, $#$y)]);
}

# Takes $x >= $y.
sub subtracted ($x, $y) {
    my ($borrow, @limbs) = (0);
    for my $i (0 .. $#$x) {
        my $limb = $x->[$i] - ($y->[$i] // 0) - $borrow;
        $borrow = $limb < 0 ? 1 : 0;
        push @limbs, $limb + $borrow * BASE;
    }
    return trim(\@limbs);
}

sub compared ($x, $y) {
    return @$x <=> @$y if @$x != @$y;
    for my $i (reverse 0 .. $#$x) {
        return $x->[$i] <=> $y->[$i] if $x->[$i] != $y->[$i];
    }
    return 0;
}

sub scaled ($x, $factor) { return carry([map { $_ * $factor } @$x]) }

sub multiplied ($x, $y) {
    my @columns = (0) x (@$x + @$y);
    for my $i (0 .. $#$x) {
        my ($limb, $k) = ($x->[$i], $i);
        $columns[$k++] += $limb * $_ for @$y;
    }
    return carry(\@columns);
}

sub divided ($x, $divisor) {
    my ($rest, @limbs) = (0);
    for my $limb (reverse @$x) {
        $rest = $rest << BITS | $limb;
        push @limbs, $rest / $divisor;
        $rest %= $divisor;
    }
    return trim([reverse @limbs]);
}

sub shifted ($x, $bits) {
    return [(0) x ($bits / BITS), @{ scaled($x, 1 << $bits % BITS) }];
}

sub bit_length ($x) { return @$x ? BITS * $#$x + length(sprintf '%b', $x->[-1]) : 0 }

# A number of at most 63 bits as an integer.
sub join_limbs (@limbs) {
    my $joined = 0;
    $joined = $joined << BITS | $_ for reverse @limbs;
    return $joined;
}

# $x without its last $drop bits, which are rounded to nearest, ties to even; an integer.
sub rounded ($x, $drop) {
    my $shift = -$drop % BITS;
    $shift += BITS if $shift < 0;
    my @limbs = @{ scaled($x, 1 << $shift) };
    my @rest  = splice @limbs, 0, ($drop + $shift) / BITS;
    my $kept  = join_limbs(@limbs);
    my $side  = (pop(@rest) // 0) <=> BASE / 2;
    $side ||= (any { $_ } @rest) ? 1 : $kept & 1;
    return $side > 0 ? $kept + 1 : $kept;
}

1;
