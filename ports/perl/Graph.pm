package Graph;

# The autograd (SPEC, section 5). A node is a number: its place in several lists. Perl's own + and * turn doubles that are
# whole numbers into integers, which loses the sign of zero and a rounding, and List::Util's sum and product do not.

use v5.36;
use List::Util qw(product sum);
use Exact;

sub new ($class) {
    return bless { value => [], gradient => [], local => [], children => [], factors => [] }, $class;
}

sub size ($self) { return scalar @{ $self->{value} } }

# Forgets all nodes but the first $size.
sub cut ($self, $size) {
    splice @$_, $size for values %$self;
}

# `local` is the local gradient of an only child. In a dot product, children and factors are its two vectors.
sub node ($self, $value, $children = undef, $local = 1.0, $factors = undef) {
    push @{ $self->{value} },    $value;
    push @{ $self->{gradient} }, 0.0;
    push @{ $self->{local} },    $local;
    push @{ $self->{children} }, $children;
    push @{ $self->{factors} },  $factors;
    return $#{ $self->{value} };
}

sub leaf ($self, $x) { return $self->node($x) }

sub add ($self, $p, $q) { return $self->node(sum(@{ $self->{value} }[$p, $q]), [$p, $q]) }

sub mul ($self, $p, $q) { return $self->node(product(@{ $self->{value} }[$p, $q]), [$p], undef, [$q]) }

sub add_number ($self, $p, $c) { return $self->node(sum($self->{value}[$p], $c), [$p]) }

sub mul_number ($self, $p, $c) { return $self->node(product($self->{value}[$p], $c), [$p], $c) }

sub neg ($self, $p) { return $self->mul_number($p, -1.0) }

sub pow ($self, $p, $c) {
    my $x = $self->{value}[$p];
    return $self->node(Exact::pow($x, $c), [$p], product($c, Exact::pow($x, $c - 1)));
}

sub inverse ($self, $p) { return $self->pow($p, -1.0) }

sub log ($self, $p) {
    my $x = $self->{value}[$p];
    return $self->node(Exact::log($x), [$p], Exact::divide(1.0, $x));
}

sub exp ($self, $p) {
    my $y = Exact::exp($self->{value}[$p]);
    return $self->node($y, [$p], $y);
}

sub relu ($self, $p) {
    my $x = $self->{value}[$p];
    return $x > 0 ? $self->node($x, [$p]) : $self->node(0.0, [$p], 0.0);
}

# Sums and dot products are one node each. None of their operands may occur twice, or lie below another.

sub add_up ($self, $nodes) {
    return $self->node(sum(0.0, @{ $self->{value} }[@$nodes]), $nodes);
}

sub dot ($self, $ws, $xs) {
    my @w = @{ $self->{value} }[@$ws];
    my @x = @{ $self->{value} }[@$xs];
    return $self->node(sum(0.0, map { product($w[$_], $x[$_]) } 0 .. $#w), $ws, undef, $xs);
}

# The nodes that $root depends on, depth first, children before parents.
sub order ($self, $root) {
    my ($all_children, $all_factors) = @$self{qw(children factors)};
    my (@order, @seen);
    my @path   = ($root);
    my @cursor = (0);
    while (@path) {
        my $node = $path[-1];
        my ($children, $factors, $i) = ($all_children->[$node], $all_factors->[$node], $cursor[-1]++);
        my $child = $factors ? ($i & 1 ? $factors : $children)->[$i >> 1] : $children ? $children->[$i] : undef;
        if (!defined $child) {
            push @order, pop @path;
            pop @cursor;
        }
        elsif (!$seen[$child]++ && $all_children->[$child]) {    # a leaf has nothing to pass on
            push @path,   $child;
            push @cursor, 0;
        }
    }
    return @order;
}

sub backward ($self, $root) {
    my ($value, $gradient, $local, $children, $factors) = @$self{qw(value gradient local children factors)};
    $_ = 0.0 for @$gradient;
    $gradient->[$root] = 1.0;
    for my $node (reverse $self->order($root)) {
        my $g = $gradient->[$node];
        if (my $xs = $factors->[$node]) {
            my $ws = $children->[$node];
            for my $j (0 .. $#$ws) {
                my ($w, $x) = ($ws->[$j], $xs->[$j]);
                $gradient->[$w] = sum($gradient->[$w], product($value->[$x], $g));
                $gradient->[$x] = sum($gradient->[$x], product($value->[$w], $g));
            }
        }
        else {
            my $received = product($local->[$node], $g);
            $gradient->[$_] = sum($gradient->[$_], $received) for @{ $children->[$node] // [] };
        }
    }
    return;
}

1;
